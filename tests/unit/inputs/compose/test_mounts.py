"""What services mount, as compose resolves it; what containers see is compared with real ones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deployguard.effective.contents import EmptyFolder, OneFile, Part
from deployguard.effective.mounts import files
from deployguard.errors import InputError
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.inputs.folder import FolderFiles
from deployguard.model.container import ContainerSpec
from deployguard.model.filesystem import Absent, Searched, Stat, Unread, search
from tests.support.builds import NoImages, text, write
from tests.support.compose_oracle import resolved

FILES = {
    "app/a.py": "a\n",
    "one.env": "A=1\n",
    "full/f": "f\n",
    "Dockerfile": "FROM scratch\nCOPY app /img\n",
}
TOP = """
volumes: {named: {}, far: {external: true}, bound: {driver: local, driver_opts: {type: none, o: bind, device: ./full}},
  relative: {driver_opts: {type: none, o: bind, device: ./full}}, nfs: {driver_opts: {type: nfs, o: addr=x, device: ":/d"}}}
configs: {text: {content: "x=${WORD}"}, file: {file: ./one.env}, out: {external: true}, gone: {environment: NOWHERE}}
secrets: {s: {file: ./one.env}, v: {environment: WORD}}
"""
ENVIRON = {"WORD": "a word", "WHERE": "./app"}


def project(folder: Path, service: str, more: str = "") -> dict[str, ContainerSpec]:
    write(folder, FILES)
    content = f"name: p\nservices:\n  web: {{build: ., {service}}}\n{more}{TOP}"
    (folder / "compose.yaml").write_text(content)
    environ = {**ENVIRON, "HOME": str(folder)}
    found = load(
        [(str(folder / "compose.yaml"), content.encode())],
        ComposeOptions(environ=environ),
        NoImages(),
        "compose.yaml",
    )
    return {spec.name: spec for spec in found}


def kinds(spec: ContainerSpec) -> dict[str, str]:
    """Return what lies at each mount, in a word."""
    words: dict[type, str] = {
        FolderFiles: "disk", EmptyFolder: "empty", OneFile: "file", Part: "image", Unread: "unknown",
    }  # fmt: skip
    return {mount.path: words[type(mount.content)] for mount in spec.mounts}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("volumes: ['./app:/a']", {"/a": "disk"}),
        ("volumes: ['${WHERE}:/a:ro,cached']", {"/a": "disk"}),
        ("volumes: ['~/app:/a', '~:/b']", {"/a": "disk", "/b": "disk"}),
        ("volumes: [{type: bind, source: app, target: /a, bind: {create_host_path: false}}]", {"/a": "disk"}),
        ("volumes: ['./gone:/a']", {"/a": "unknown"}),
        ("volumes: ['C:\\app:/a', '\\\\.\\pipe\\x:/pipe']", {"/a": "unknown", "/pipe": "unknown"}),
        ("volumes: ['named:/a', 'far:/b:nocopy']", {"/a": "unknown", "/b": "unknown"}),
        ("volumes: ['bound:/a', 'relative:/b', 'nfs:/c']", {"/a": "disk", "/b": "unknown", "/c": "unknown"}),
        ("volumes: [/a, {type: volume, target: /b}]", {"/a": "image", "/b": "image"}),
        ("volumes: [{type: volume, target: /a, volume: {nocopy: true}}]", {"/a": "empty"}),
        ("volumes: [{type: volume, source: bound, target: /a, volume: {subpath: x}}]", {"/a": "image"}),
        ("volumes: [{type: tmpfs, target: /a}], tmpfs: /b", {"/a": "empty", "/b": "empty"}),
        ("volumes: [{type: image, source: acme/files, target: /a, image: {subpath: x}}]", {"/a": "unknown"}),
        ("volumes: [{type: npipe, source: x, target: /a}]", {"/a": "unknown"}),
        ("volumes: ['./app:/a', './full:/a/']", {"/a": "disk"}),
        ("configs: [text, {source: file, target: x/y}, out]", {"/text": "file", "/x/y": "disk", "/out": "unknown"}),
        ("configs: [gone]", {"/gone": "unknown"}),
        ("secrets: [s, {source: v, target: w}, {source: s, target: /etc/s}]",
         {"/run/secrets/s": "disk", "/run/secrets/w": "file", "/etc/s": "disk"}),
        ("volumes_from: ['container:old:ro']", {"/": "unknown"}),
        ("develop: {watch: [{action: sync, path: ./app, target: /a}]}", {}),
    ],
)  # fmt: skip
def test_what_lies_at_a_mount(tmp_path: Path, service: str, expected: dict[str, str]) -> None:
    assert kinds(project(tmp_path, service)["web"]) == expected


def test_volumes_of_other_services_come_along_and_give_way(tmp_path: Path) -> None:
    more = (
        "  data: {image: x, volumes: ['./full:/d', './app:/a'], tmpfs: /t}\n"
        "  more: {image: x, volumes_from: [data], volumes: ['./full:/m', '/n']}\n"
    )
    spec = project(tmp_path, "volumes_from: ['more:ro'], volumes: ['./one.env:/d']", more)["web"]
    assert kinds(spec) == {"/m": "disk", "/n": "unknown", "/d": "disk", "/a": "disk"}
    assert text(files(spec), "/d") == "A=1\n"


def test_named_volumes_say_why_they_are_not_known(tmp_path: Path) -> None:
    found = files(project(tmp_path, "volumes: ['named:/img', './gone:/g']")["web"])
    named, gone = found.read("/img/a.py"), found.read("/g/x")
    assert isinstance(named, Unread)
    assert named.missing.what == "the files of the volume named at /img, which may hold older ones"
    assert isinstance(gone, Unread)
    assert gone.missing.what == "the files of ./gone, which is not there"


@pytest.mark.parametrize(
    "service",
    [
        "volumes: ['undefined:/a']",
        "volumes: ['aa::b']",
        "volumes: ['.:/x:ro:z']",
        "volumes: ['']",
        "volumes: [{type: bogus, target: /x}]",
        "volumes: [{type: bind, target: /x}]",
        "volumes: [{type: volume}]",
        "volumes: [{type: volume, target: /x, volume: 1}]",
        "configs: [undefined]",
        "secrets: [undefined]",
        "volumes_from: [undefined]",
        "configs: [{target: x}]",
    ],
)
def test_what_compose_refuses_is_refused(tmp_path: Path, service: str) -> None:
    with pytest.raises(InputError):
        project(tmp_path, service)
    assert isinstance(resolved(tmp_path, **ENVIRON), str)


def test_the_root_itself_is_no_target(tmp_path: Path) -> None:
    # The engine's refusal, which compose leaves to it.
    with pytest.raises(InputError, match="can't be '/'"):
        project(tmp_path, "volumes: ['./app:/a/..']")


def test_the_folders_are_those_that_compose_names(tmp_path: Path) -> None:
    spec = project(
        tmp_path,
        "volumes: ['./app:/a', '~/full:/b', '${WHERE}/../app:/c', "
        "{type: bind, source: full, target: /d//e/}, 'named:/f', /g, {type: tmpfs, target: /h}]",
    )["web"]
    told = resolved(tmp_path, **ENVIRON)
    assert isinstance(told, dict)
    volumes: list[dict[str, Any]] = told["services"]["web"]["volumes"]
    theirs = {one["target"]: one.get("source") for one in volumes if one["type"] == "bind"}
    ours = {
        mount.path: os.path.normpath(mount.content.root)
        for mount in spec.mounts
        if isinstance(mount.content, FolderFiles)
    }
    assert ours == theirs
    assert {mount.path for mount in spec.mounts} == {one["target"] for one in volumes}


def test_a_folder_shows_no_file_of_the_disk_behind_a_link(tmp_path: Path) -> None:
    write(tmp_path, {"outside/secret": "s\n", "folder/a": "a\n", "folder/sub/b": "b\n"})
    folder = tmp_path / "folder"
    for name, target in (("up", "../outside/secret"), ("absolute", str(tmp_path / "outside/secret")),
                         ("own", str(folder / "a")), ("in", "sub/b"), ("back", "sub/../a"),
                         ("loop", "loop"), ("dead", "gone")):  # fmt: skip
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    found = FolderFiles(folder)
    assert (text(found, "/in"), text(found, "/back"), text(found, "/sub/../a")) == (
        "b\n",
        "a\n",
        "a\n",
    )
    for name in ("up", "absolute", "own", "pipe"):
        assert isinstance(found.read(f"/{name}"), Unread), name
    for name in ("loop", "dead", "a/b", "\0"):
        assert not isinstance(found.stat(f"/{name}"), Stat), name
    assert isinstance(found.read("/sub"), Absent)
    assert isinstance(search(found, "/a", frozenset({b"a"})), Searched)


def test_a_link_into_a_folder_of_its_own_is_read_as_the_container_reads_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/own").symlink_to(tmp_path / "app/a.py")
    (tmp_path / "app/image").symlink_to("/img/a.py")
    spec = project(tmp_path, "volumes: ['./app:/srv']")["web"]
    assert text(files(spec), "/srv/image") == "a\n"
    assert isinstance(files(spec).read("/srv/own"), Absent)


def test_values_of_secrets_count_as_given(tmp_path: Path) -> None:
    spec = project(tmp_path, "secrets: [v], configs: [text]")["web"]
    assert text(files(spec), "/run/secrets/v") == "a word"
    assert text(files(spec), "/text") == "x=a word"
    assert json.dumps(dict(spec.given)).count("a word") == 1
