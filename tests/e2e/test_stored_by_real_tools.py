"""Archives and layouts as docker, podman and skopeo write them: all are of the same image."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import cast

import pytest
from docker import DockerClient

from deployguard import pipeline
from deployguard.inputs.image.stored import open_archive, open_layout
from deployguard.model.image import Image
from deployguard.model.report import Status
from deployguard.policy import load
from deployguard.rules import IDS
from tests.support.archives import (
    Parts,
    StoredImage,
    archived,
    digest,
    file,
    folder,
    old_save,
    spread,
    symlink,
    tape,
    whiteout,
    write,
)
from tests.support.components import missing
from tests.support.engine import client, engine
from tests.support.listing import listed
from tests.support.mutants import mutants

pytestmark = [
    pytest.mark.engine,
    # The docker package leaves connections of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SHOP = StoredImage(
    (
        tape(folder("app"), file("app/app.py", "old"), file("app/extra", "x"), folder("usr/bin"),
             file("usr/bin/flask", "#!/bin/sh\n"), symlink("bin", "usr/bin")),
        tape(file("app/app.py", "new"), whiteout("app/extra"), file("big", "text " * 50_000)),
    ),
    ("dgtest/stored:1", "dgtest/stored:again"),
    {"Cmd": ["flask", "run"], "Env": ["PATH=/usr/bin"]},
)  # fmt: skip
CART = StoredImage((*SHOP.layers, tape(file("app/app.py", "cart"))), ("dgtest/cart:2",))
EXPECTED = {
    "app": "folder",
    "app/app.py": "file new",
    "big": "file " + "text " * 50_000,
    "bin": "folder",
    "usr": "folder",
    "usr/bin": "folder",
    "usr/bin/flask": "file #!/bin/sh\n",
}


@pytest.fixture(scope="module")
def docker_client() -> Iterator[DockerClient]:
    with engine() as host:
        opened = client(host)
        opened.images.load(archived(old_save(SHOP, CART)))
        yield opened
        for tag in (*SHOP.tags, *CART.tags):
            opened.images.remove(tag, force=True)
        opened.close()


@pytest.fixture(scope="module")
def saved(docker_client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what docker save writes of the one image."""
    path = tmp_path_factory.mktemp("saved") / "shop.tar"
    path.write_bytes(save(docker_client, SHOP.tags[0]))
    return path


def save(docker_client: DockerClient, *names: str) -> bytes:
    """Save images through the API that docker save calls."""
    answer = docker_client.api.get(
        f"{docker_client.api.base_url}/v{docker_client.api.api_version}/images/get",
        params={"names": list(names)},
        stream=False,
    )
    answer.raise_for_status()
    return bytes(answer.content)


def copied(saved: Path, target: str, *options: str) -> None:
    if shutil.which("skopeo") is None:
        missing("there is no skopeo to write OCI layouts with")
    policy = saved.parent / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    done = subprocess.run(
        ["skopeo", "--policy", str(policy), "copy", "-q", *options, f"docker-archive:{saved}", target],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def is_the_shop(images: tuple[Image, ...]) -> None:
    (image,) = images
    assert listed(image.files) == EXPECTED
    assert image.config_digest == digest(SHOP.config_bytes) or image.digest is not None
    assert image.config.cmd is not None
    assert image.config.cmd.value == ("flask", "run")
    assert image.platform == "linux/amd64"
    problems = image.files.problems() if hasattr(image.files, "problems") else ()
    assert problems == ()


def test_docker_save_of_one_image(saved: Path) -> None:
    is_the_shop(open_archive(str(saved), tag=None, platform=None))


def test_docker_save_of_several_by_name_and_id(docker_client: DockerClient, tmp_path: Path) -> None:
    both = save(docker_client, *SHOP.tags, *CART.tags)
    path = write(tmp_path / "both.tar", both)
    found = {image.reference: image for image in open_archive(path, tag=None, platform=None)}
    assert set(found) == {*SHOP.tags, *CART.tags}
    assert listed(found["dgtest/stored:again"].files) == EXPECTED
    assert listed(found["dgtest/cart:2"].files)["app/app.py"] == "file cart"
    is_the_shop(open_archive(path, tag="again", platform=None))
    by_id = save(docker_client, docker_client.images.get(SHOP.tags[0]).id or "")
    (image,) = open_archive(write(tmp_path / "id.tar", by_id), tag=None, platform=None)
    assert image.reference == "id.tar"
    assert listed(image.files) == EXPECTED


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--dest-decompress",),
        ("--dest-compress-format", "zstd"),
        ("--dest-compress-format", "zstd:chunked"),
        ("--dest-compress-format", "gzip", "--dest-compress-level", "1"),
    ],
    ids=lambda options: "-".join(options).lstrip("-") or "gzip",
)
def test_skopeo_to_a_layout_and_an_archive(
    options: tuple[str, ...], saved: Path, tmp_path: Path
) -> None:
    copied(saved, f"oci:{tmp_path}/layout:1", *options)
    is_the_shop(open_layout(str(tmp_path / "layout"), tag="1", platform=None))
    copied(saved, f"oci-archive:{tmp_path}/oci.tar:1", *options)
    is_the_shop(open_archive(str(tmp_path / "oci.tar"), tag=None, platform=None))


def test_skopeo_to_a_docker_archive(saved: Path, tmp_path: Path) -> None:
    copied(saved, f"docker-archive:{tmp_path}/new.tar:acme/shop:3")
    is_the_shop(open_archive(str(tmp_path / "new.tar"), tag="acme/shop:3", platform=None))


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_podman_save(form: str, saved: Path, tmp_path: Path) -> None:
    if shutil.which("podman") is None:
        missing("there is no podman to save images with")
    place = tmp_path / form
    # podman wants a short path, for its sockets lie there.
    with tempfile.TemporaryDirectory(prefix="dg") as home:
        podman = ["podman", "--root", f"{home}/root", "--runroot", f"{home}/run"]
        for arguments in (
            ["load", "-q", "-i", str(saved)],
            ["save", "--format", form, "-o", str(place), SHOP.tags[0]],
            ["system", "reset", "-f"],
        ):
            subprocess.run([*podman, *arguments], check=True, capture_output=True)
    opening: Callable[..., tuple[Image, ...]] = open_layout if form == "oci-dir" else open_archive
    is_the_shop(opening(str(place), tag=None, platform=None))


def test_docker_export_is_told_from_an_image(docker_client: DockerClient, tmp_path: Path) -> None:
    container = docker_client.containers.create(SHOP.tags[0], ["x"], network_mode="none")
    try:
        data = b"".join(cast("Iterable[bytes]", container.export()))
    finally:
        container.remove(force=True)
    for name, exported in (("fs.tar", data), ("fs.tar.gz", gzip.compress(data))):
        options = pipeline.ScanOptions(today=date(2031, 1, 1), images="never")
        path = write(tmp_path / name, exported)
        report = pipeline.scan((path,), (load("production", IDS),), options)
        (target,) = report.targets
        assert (target.status, report.exit_code) == (Status.FAILED, 3)
        assert "docker export" in target.problems[0].message


def unpacked(archive: bytes) -> Parts:
    """Return the members of an archive as parts."""
    parts: Parts = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in members:
            content = members.extractfile(member) if member.isreg() else None
            if content is not None:
                parts[member.name] = content.read()
            elif member.issym():
                parts[member.name] = f"-> {member.linkname}".encode()
    return parts


def folder_parts(place: Path) -> Parts:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("form", ["docker save", "gzip", "zstd"])
def test_no_mutant_of_what_real_tools_write_is_believed(
    form: str, saved: Path, tmp_path: Path
) -> None:
    if form == "docker save":
        parts = unpacked(saved.read_bytes())
    else:
        copied(saved, f"oci:{tmp_path}/layout:1", "--dest-compress-format", form)
        parts = folder_parts(tmp_path / "layout")
    assert json.loads(parts.get("manifest.json", parts.get("index.json", b"")))
    codes = {}
    for number, (name, mutant) in enumerate(mutants(parts)):
        if form == "docker save":
            target = f"archive:{write(tmp_path / f'{number}.tar', archived(mutant))}"
        else:
            target = f"oci:{spread(tmp_path / str(number), mutant)}"
        options = pipeline.ScanOptions(today=date(2031, 1, 1), images="never")
        report = pipeline.scan((target,), (load("production", IDS),), options)
        codes[name] = (report.exit_code.value, report.targets[0].problems[0].code.value)
    assert set(codes.values()) == {(3, "integrity")}, codes
    assert len(codes) == (18 if form == "docker save" else 23)
