"""Layers merge as engines merge them, links are followed within the root, and nothing is believed."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployguard.errors import InputError, IntegrityError, NotFoundError, UnsupportedError
from deployguard.inputs.image import tar
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.stored import open_archive, open_layout
from deployguard.inputs.image.streams import Blob, Plain
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.image import Image
from tests.support.effort import examples
from tests.support.layer_model import Op, Step, merged, written
from tests.support.listing import followed, hidden, listed

Entry = tuple[str, str]  # a path, and "text", "-> link", "=> hard link" or "/" for a directory


def layer(entries: Sequence[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, value in entries:
            info = tarfile.TarInfo(name)
            if value == "/":
                info.type = tarfile.DIRTYPE
            elif value.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, value[3:]
            elif value.startswith("=> "):
                info.type, info.linkname = tarfile.LNKTYPE, value[3:]
            else:
                info.size = len(value.encode())
            archive.addfile(info, io.BytesIO(value.encode()) if info.isreg() else None)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def files(*layers: Sequence[Entry], packed: bool = False) -> LayeredFilesystem:
    made = []
    for entries in layers:
        raw = layer(entries)
        data = gzip.compress(raw[:700]) + gzip.compress(raw[700:]) if packed else raw
        made.append(Layer(Blob("x", 0, len(data), digest(data), data), digest(raw)))
    return LayeredFilesystem(made, "acme/shop:1")


def text(found: Content | Absent | Unread) -> str | None:
    match found:
        case Content(data=data):
            return data.decode()
        case Absent():
            return None
        case Unread():
            return "?"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip members"])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([[("a", "1")], [("a", "2")]], {"/a": "2"}),
        ([[("d/a", "1"), ("d/b", "2")], [("d/.wh.a", "")]], {"/d/a": None, "/d/b": "2"}),
        ([[("d/a", "1")], [(".wh.d", "")]], {"/d/a": None}),
        ([[("d/a", "1")], [("d/b", "2"), ("d/.wh..wh..opq", "")]], {"/d/a": None, "/d/b": "2"}),
        ([[("a", "1")], [(".wh..wh..opq", "")]], {"/a": "1"}),
        ([[("a", "1")], [("a/b", "2")]], {"/a": None, "/a/b": "2"}),
        ([[("a/b", "1")], [("a", "2")]], {"/a": "2", "/a/b": None}),
        ([[("/a", "1"), ("./b", "2"), ("../c", "3")]], {"/a": "1", "/b": "2", "/c": "3"}),
        ([[("a", "1"), ("b", "=> a")], [("a", "2")]], {"/a": "2", "/b": "1"}),
        ([[("b", "=> missing")]], {"/b": "?"}),
        ([[("a", "1"), ("a", "2")]], {"/a": "?"}),
        ([[("a", "1")], [(".wh.a", ""), ("a", "2")]], {"/a": "?"}),
        ([[("usr/bin/sh", "1"), ("bin", "-> usr/bin")]], {"/bin/sh": "1"}),
        ([[("a", "-> /b/../c"), ("c", "1")]], {"/a": None}),
        ([[("b/x", ""), ("a", "-> /b/../c"), ("c", "1")]], {"/a": "1"}),
        ([[("a", "-> ../../../etc/passwd"), ("etc/passwd", "in")]], {"/a": "in"}),
        ([[("a", "-> b"), ("b", "-> a")]], {"/a": None}),
        ([[("d/real/f", "1"), ("l", "-> d/real")], [("l/f", "2")]],
         {"/l/f": "2", "/d/real/f": "1"}),
    ],
)  # fmt: skip
def test_a_later_layer_replaces_and_links_are_followed_when_looked_up(
    layers: list[list[Entry]], expected: Mapping[str, str | None], *, packed: bool
) -> None:
    merged = files(*layers, packed=packed)
    assert {path: text(merged.read(path)) for path in expected} == expected


def test_a_file_says_its_layer_and_a_folder_its_names() -> None:
    merged = files([("d/a", "1")], [("d/b", "2")])
    first, second = (merged.read(f"/d/{name}") for name in "ab")
    assert isinstance(first, Content)
    assert isinstance(second, Content)
    assert first.location.layer != second.location.layer
    assert merged.list("/d") == ("a", "b")
    assert merged.list("/d/a") == Absent("/d/a")
    found = merged.stat("/d")
    assert isinstance(found, Stat)
    assert found.kind is FileKind.DIRECTORY


def test_a_layer_that_is_not_what_its_digest_says_leaves_nothing_read() -> None:
    data = layer([("a", "1")])
    wrong = LayeredFilesystem([Layer(Blob("x", 0, len(data), digest(b""), data), None)], "shop")
    assert text(wrong.read("/a")) == "?"
    assert text(wrong.read("/nothing")) == "?"
    assert [problem.code.value for problem in wrong.problems()] == ["integrity"]


def test_a_file_beyond_the_limit_is_not_read_and_not_absent() -> None:
    merged = files([("big", "x" * (2 * 1024 * 1024 + 1))])
    assert text(merged.read("/big")) == "?"


PATHS = st.sampled_from(["a", "b", "a/b", "a/c", "b/c/d", "a/b/c"])
STEPS = st.one_of(
    st.builds(Step, st.sampled_from([Op.FILE, Op.FOLDER, Op.WHITEOUT, Op.OPAQUE]), PATHS,
              st.sampled_from(["1", "2"])),
    st.builds(Step, st.just(Op.HARDLINK), PATHS, PATHS),
    st.builds(Step, st.just(Op.SYMLINK), PATHS.map("{}-link".format),
              st.sampled_from(["/a", "b", "../a/b", "b/c", "../..", "nowhere"])),
)  # fmt: skip
STACKS = st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=4)


@settings(max_examples=examples(300, 1_000), deadline=None)
@given(STACKS)
@example([[Step(Op.WHITEOUT, "a"), Step(Op.FILE, "a", "1"), Step(Op.HARDLINK, "b", "a")]])
@example([[Step(Op.WHITEOUT, "a"), Step(Op.FILE, "a", "1"), Step(Op.SYMLINK, "l", "/a")]])
def test_any_stack_merges_as_the_model_does(stack: list[list[Step]]) -> None:
    layers = [written(steps) for steps in stack]
    files = LayeredFilesystem(
        [Layer(Blob("x", 0, len(one), digest(one), one), digest(one)) for one in layers], "shop"
    )
    found, expected = listed(files), merged(stack)
    if expected.refused:
        # Engines refuse the layer; what others make of it may be read, but it is said.
        assert files.problems()
        return
    doubted = expected.doubted
    assert {path: value for path, value in found.items() if not hidden(path, doubted)} == {
        path: value
        for path, value in followed(expected.files, doubted).items()
        if not hidden(path, doubted)
    }
    assert bool(doubted) == bool(files.problems())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=1500), st.integers(0, 1400))
def test_a_damaged_tar_ends_in_our_error_or_in_entries(noise: bytes, at: int) -> None:
    data = layer([("a" * 150, "text"), ("b", "-> a"), ("c", "x" * 600)])
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        source = Plain(Blob("x", 0, len(damaged), None, damaged))
        assert all(isinstance(entry.name, str) for entry in tar.entries(source))
    except InputError:
        return


def oci(folder: Path, config: dict[str, object], *layers: bytes) -> Path:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media: str) -> dict[str, object]:
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        return {"mediaType": media, "digest": digest(data), "size": len(data)}

    whole = {
        "os": "linux",
        "architecture": "amd64",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
    }
    manifest = put(
        json.dumps(
            {
                "schemaVersion": 2,
                "config": put(json.dumps(whole).encode(), "c"),
                "layers": [put(data, "l") for data in layers],
            }
        ).encode(),
        "application/vnd.oci.image.manifest.v1+json",
    )
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    return folder


def only(images: tuple[Image, ...]) -> Image:
    (image,) = images
    return image


def test_a_layout_gives_its_config_with_places_and_its_files(tmp_path: Path) -> None:
    folder = oci(tmp_path, {"Env": ["A=1", "A=2", "BARE"], "Cmd": ["flask", "run"],
                            "Entrypoint": [], "WorkingDir": "/srv"}, layer([("a", "1")]))  # fmt: skip
    image = only(open_layout(str(folder), tag=None, platform=None))
    assert image.config.cmd is not None
    assert image.config.cmd.value == ("flask", "run")
    assert image.config.entrypoint is None
    entry = image.config.env.entries["A"]
    assert (entry.value, entry.location.pointer) == ("2", "/config/Env/1")
    assert list(image.config.env.entries) == ["A"]
    assert text(image.files.read("/a")) == "1"


@pytest.mark.parametrize(
    "harm",
    ["config", "manifest", "layer", "size", "algorithm", "path"],
)
def test_whatever_is_not_what_its_digest_says_is_refused(harm: str, tmp_path: Path) -> None:
    folder = oci(tmp_path, {"Cmd": ["x"]}, layer([("a", "1")]))
    index = json.loads((folder / "index.json").read_text())
    descriptor = index["manifests"][0]
    blobs = folder / "blobs" / "sha256"
    manifest = json.loads((blobs / descriptor["digest"][7:]).read_text())
    name = {"config": manifest["config"]["digest"], "layer": manifest["layers"][0]["digest"],
            "manifest": descriptor["digest"]}.get(harm)  # fmt: skip
    if name is not None:
        path = blobs / name[7:]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    elif harm == "size":
        descriptor["size"] += 1
    else:
        descriptor["digest"] = "sha512:00" if harm == "algorithm" else "sha256:../../../etc/passwd"
    (folder / "index.json").write_text(json.dumps(index))
    if harm == "layer":
        image = only(open_layout(str(folder), tag=None, platform=None))
        assert text(image.files.read("/a")) == "?"
        return
    with pytest.raises(IntegrityError):
        open_layout(str(folder), tag=None, platform=None)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("missing.tar", None, NotFoundError),
        ("export.tar", layer([("etc/passwd", "x")]), UnsupportedError),
        ("cut.tar", layer([("manifest.json", "x" * 5000)])[:2000], IntegrityError),
        ("noise.tar", b"\x00\x01" * 600, IntegrityError),
        ("bad.tar.gz", b"\x1f\x8b" + b"x" * 50, IntegrityError),
        ("text.tar", layer([("manifest.json", "nothing")]), IntegrityError),
        ("shape.tar", layer([("manifest.json", "{}")]), IntegrityError),
    ],
)
def test_what_is_no_saved_image_is_said_with_its_name(
    name: str, data: bytes | None, error: type[InputError], tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error) as caught:
        open_archive(str(path), tag=None, platform=None)
    assert str(path) in str(caught.value)
