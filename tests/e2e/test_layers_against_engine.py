"""Odd layers as a real engine merges them: what it shows is what is read, or nothing is said."""

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from docker import DockerClient
from docker.errors import APIError, ImageLoadError

from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob
from deployguard.model.codes import ProblemCode
from tests.support.archives import (
    GNU,
    V7,
    StoredImage,
    archived,
    base256,
    device,
    digest,
    file,
    folder,
    gnu_long,
    hardlink,
    header,
    octal,
    old_save,
    opaque,
    padded,
    pax,
    symlink,
    tape,
    whiteout,
)
from tests.support.components import missing
from tests.support.effort import examples
from tests.support.layer_model import Files, Op, Step, merged, written
from tests.support.listing import UNREAD, exported, followed, hidden, listed

pytestmark = [
    pytest.mark.engine,
    # The docker package leaves connections of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass(frozen=True)
class Case:
    """A stack of layers, and the paths of which nothing is said though the engine shows them."""

    name: str
    layers: tuple[bytes, ...]
    doubted: tuple[str, ...] = ()


def case(name: str, *layers: bytes, doubted: tuple[str, ...] = ()) -> Case:
    return Case(name, layers, doubted)


# Docker 20.10 and podman 4.3 read all of these, and alike.
READ = (
    case("a file below a link of a lower layer",
         tape(file("d/f", "1"), symlink("link", "d")), tape(file("link/f", "2"))),
    case("a file below a link of the same layer",
         tape(file("d/f", "1"), symlink("link", "d"), file("link/g", "2"))),
    case("folders below an absolute link of the same layer",
         tape(folder("d"), symlink("link", "/d"), file("link/sub/g", "2"))),
    case("an opaque root", tape(file("a", "1")), tape(opaque(""), file("b", "2"))),
    case("opaque after its siblings", tape(file("d/a", "1")), tape(file("d/b", "2"), opaque("d"))),
    case("opaque before them", tape(file("d/a", "1")), tape(opaque("d"), file("d/b", "2"))),
    case("opaque in the lowest layer", tape(opaque("d"), file("d/b", "2"))),
    case("opaque where a file was", tape(file("d", "1")), tape(opaque("d"))),
    case("opaque where nothing was", tape(file("x", "1")), tape(opaque("d"))),
    case("an opaque folder in an opaque folder",
         tape(file("d/e/a", "1"), file("d/b", "1")), tape(opaque("d/e"), opaque("d"), file("d/e/c", "2"))),
    case("a whiteout below a file", tape(file("a", "1")), tape(whiteout("a/b"))),
    case("a whiteout of nothing", tape(file("x", "1")), tape(whiteout("n/b"))),
    case("a whiteout in the lowest layer", tape(whiteout("n"), file("x", "1"))),
    case("a whiteout of a link's target's file",
         tape(file("d/f", "1"), symlink("l", "d")), tape(whiteout("l/f"))),
    case("a whiteout of a folder, then files below it",
         tape(file("d/e/a", "1")), tape(whiteout("d")), tape(file("d/e/b", "2"))),
    case("a whiteout, then the file again in the next layer",
         tape(file("a", "1")), tape(whiteout("a")), tape(file("a", "2"))),
    case("a whiteout that is a folder", tape(file("a/b", "1")), tape(folder(".wh.a/"))),
    case("a file below a folder named as a whiteout",
         tape(file("a/b", "1")), tape(file(".wh.a/x", "1"))),
    case("a whiteout of a whiteout's name", tape(file("a", "1"), file(".wh.q")), tape(file(".wh..wh.x"), file("d/.wh..wh.y"))),
    case("the folder of aufs", tape(file("a", "1")), tape(file(".wh..wh.plnk"), file("b", "1"))),
    case("a hard link into the folder of aufs",
         tape(file("a", "1")), tape(file(".wh..wh.plnk/x", "y"), hardlink("b", ".wh..wh.plnk/x"))),
    case("a file over a folder", tape(file("a/b", "1")), tape(file("a", "2"))),
    case("a folder over a file", tape(file("a", "1")), tape(folder("a"))),
    case("a folder over a link", tape(file("d/f", "1"), symlink("l", "d")), tape(folder("l"))),
    case("a link over a folder", tape(file("l/f", "1")), tape(file("d/g", "2"), symlink("l", "d"))),
    case("a file over its implied folder in one layer", tape(file("a/b", "1"), file("a", "2"))),
    case("names that lead about", tape(file("./a", "1"), file("/b", "2"), file("../c", "3"),
                                       file("x/../../d", "4"), file("e//f", "5"), file("g/.", "6"))),
    case("a plain file with a slash at its end", tape(header("t/", "0", 1) + padded(b"x"))),
    case("a folder of old tars", tape(header("t/", "\0"))),
    case("a file without a name", tape(header("", "0", 1), padded(b"x"), file("b", "2"))),
    case("a folder without a name", tape(header("", "5"), file("b", "2"))),
    case("an absolute hard link", tape(file("a", "1"), hardlink("b", "/a"))),
    case("a chain of hard links", tape(file("a", "1"), hardlink("b", "a"), hardlink("c", "b"))),
    case("a hard link to a link", tape(file("a", "1"), symlink("s", "a"), hardlink("h", "s"))),
    case("a hard link through a link",
         tape(file("d/a", "1"), symlink("s", "d"), hardlink("h", "s/a"))),
    case("a hard link whose target the next layer replaces",
         tape(file("a", "1"), hardlink("b", "a")), tape(file("a", "2"))),
    case("a hard link with a size",
         tape(file("a", "1"), header("b", "1", 512, link="a"), file("c", "3"))),
    case("an absolute link", tape(file("d/a", "1"), symlink("s", "/d"))),
    case("a link out of the root",
         tape(symlink("s", "../../../../etc/x"), file("etc/x", "in"))),
    case("links in a circle", tape(symlink("a", "b"), symlink("b", "a"))),
    case("a link to itself below", tape(symlink("a", "a/b"))),
    case("devices and a pipe", tape(device("n"), header("p", "6"), device("blk", "4", 8, 1))),
    case("names that are no UTF-8", tape(file(b"caf\xe9", "1"), file(b"d\xff/x", "2"))),
    case("names with line breaks", tape(file("a\nb", "1"))),
    case("a long name by pax", tape(file("p/" * 60 + "x", "1"))),
    case("a long name by GNU tar", tape(gnu_long("q" * 150), file("short", "1"))),
    case("a long link by GNU tar", tape(file("d/" * 60 + "x", "1"), gnu_long("d/" * 60 + "x", "K"), header("l", "2", link="short"))),
    case("a name by both", tape(pax({"path": "by-pax"}), gnu_long("by-gnu"), file("short", "1"))),
    case("a name by both the other way", tape(gnu_long("by-gnu"), pax({"path": "by-pax"}), file("short", "1"))),
    case("two pax headers", tape(pax({"path": "one"}), pax({"mtime": "1"}), file("short", "1"))),
    case("a global header after a pax header",
         tape(pax({"path": "one"}), pax({"comment": "x"}, "g"), file("short", "1"))),
    case("a name in a global header", tape(pax({"path": "one"}, "g"), file("short", "1"))),
    case("an empty name by pax", tape(pax({"path": ""}), file("short", "1"))),
    case("a header of the seventh edition", tape(file("a", "1", magic=V7))),
    case("a prefix where GNU tar keeps times",
         tape(file("a", "1", magic=GNU, patches={345: b"prefixes/of/old"}))),
    case("a header of star", tape(header("a", "0", patches={
        345: b"pre", 476: octal(1, 12), 488: octal(1, 12), 508: b"tar\0"}))),
    case("a time in base 256",
         tape(file("a", "1", patches={136: base256(1_700_000_000, 12)}))),
    case("one block of zeros", tape(file("a", "1"), end=bytes(512))),
    case("files after the end", tape(file("a", "1"), bytes(1024), file("b", "2"))),
    case("no end", tape(file("a", "1"), end=b"")),
    case("a sparse file of an unknown version", tape(
        pax([("GNU.sparse.major", "9"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "real")]),
        file("x", "abcd"))),
    # Where the engine shows more than is said: sparse files, and what other engines show otherwise.
    case("a sparse file of version 1.0", tape(
        pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "real"),
             ("GNU.sparse.realsize", "4")]),
        file("x", b"1\n0\n4\n".ljust(512, b"\0") + b"abcd")), doubted=("real",)),
    case("a sparse file of version 0.1", tape(
        pax([("GNU.sparse.size", "4"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.name", "real"),
             ("GNU.sparse.map", "0,4")]), file("x", "abcd")), doubted=("real",)),
    case("a sparse file of version 0.0", tape(
        pax([("GNU.sparse.size", "4"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.offset", "0"),
             ("GNU.sparse.numbytes", "4")]), file("x", "abcd")), doubted=("x",)),
    case("a file after its whiteout in one layer",
         tape(file("a", "1")), tape(whiteout("a"), file("a", "2")), doubted=("a",)),
    case("a folder after its whiteout in one layer",
         tape(file("d/a", "1")), tape(whiteout("d"), folder("d"), file("d/b", "2")), doubted=("d",)),
    case("a device that overlay takes for a whiteout",
         tape(file("n", "1")), tape(device("n", "3", 0, 0)), doubted=("n",)),
    case("an opaque folder by its attribute", tape(file("d/a", "1")), tape(
        pax({"SCHILY.xattr.trusted.overlay.opaque": "y"}), folder("d"), file("d/b", "2")),
         doubted=("d",)),
    case("a folder that an attribute leads elsewhere", tape(file("d/a", "1")), tape(
        pax({"SCHILY.xattr.trusted.overlay.redirect": "/d"}), folder("e")), doubted=("e",)),
)  # fmt: skip

# Docker 20.10 and podman 4.3 refuse to load these; containerd 1.6 reads some.
REFUSED = (
    case("a link of the layer to what only a lower layer has",
         tape(file("d/f", "1")), tape(symlink("link", "d"), file("link/g", "2"))),
    case("a file below a file", tape(file("a", "1"), file("a/b", "2"))),
    case("a file twice", tape(file("a", "1"), file("a", "2"))),
    case("a file over an implied folder with a named one",
         tape(folder("a/b/c"), file("a/b", "1"))),
    case("a file twice in two spellings", tape(file("a", "1"), file("./a", "2"))),
    case("a folder twice", tape(folder("d"), file("d/f", "1"), folder("d", 0o700))),
    case("the root twice", tape(folder("./"), folder("./"), file("b", "2"))),
    case("a whiteout after its file", tape(file("a", "1")), tape(file("a", "2"), whiteout("a"))),
    case("a whiteout after its folder",
         tape(file("d/a", "1")), tape(file("d/b", "2"), whiteout("d"))),
    case("a file below a whiteout", tape(file("d/a", "1")), tape(whiteout("d"), file("d/b", "2"))),
    case("a whiteout of no name", tape(file("d/a", "1")), tape(file("d/.wh."))),
    case("a whiteout of its folder", tape(file("d/a", "1")), tape(file("d/.wh.."))),
    case("a whiteout of the folder above", tape(file("d/a", "1")), tape(file("d/.wh..."))),
    case("a hard link to a lower layer", tape(file("a", "1")), tape(hardlink("b", "a"))),
    case("a hard link to a later file", tape(hardlink("b", "a"), file("a", "1"))),
    case("a hard link out of the root", tape(hardlink("b", "../../etc/hostname"))),
    case("a hard link to itself", tape(hardlink("b", "b"))),
    case("a hard link to a file in the folder it replaces",
         tape(file("a/b", "1"), hardlink("a", "a/b"))),
    case("a hard link to a folder", tape(folder("d"), hardlink("h", "d"))),
    case("a hard link to a whiteout", tape(file("a", "1")), tape(hardlink("b", "a"), whiteout("a"))),
    case("a zero byte in a name by pax", tape(pax({"path": "a\0b"}), file("short", "1"))),
    case("a name of 300 bytes", tape(file("c" * 300, "1"))),
    case("a path of 4,200 bytes", tape(file("c/" * 2100 + "x", "1"))),
    case("a contiguous file", tape(header("c", "7", 1), padded(b"x"), file("b", "1"))),
    case("an unknown type", tape(header("c", "Z", 1), padded(b"x"), file("b", "1"))),
    case("an old sparse file", tape(header("x", "S", 4, magic=GNU, patches={
        386: octal(0, 12), 398: octal(4, 12), 483: octal(4, 12)}), padded(b"abcd"))),
    case("a block of zeros between files", tape(file("a", "1"), bytes(512), file("b", "2"))),
    case("an owner that is no number", tape(file("a", "1", patches={108: b"zzzzzzz\0"}))),
    case("a file that is cut", tape(header("a", "0", 4000) + b"x" * 700, end=b"")),
)  # fmt: skip

# An engine makes these in every container.
_OF_THE_ENGINE = frozenset(
    {"", ".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname",
     "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "run", "run/.containerenv", "run/secrets",
     "sys"}
)  # fmt: skip


def read(layers: Sequence[bytes]) -> LayeredFilesystem:
    return LayeredFilesystem(
        [Layer(Blob("layers", 0, len(one), digest(one), one), digest(one)) for one in layers],
        "odd",
    )


def without_own(files: Files) -> Files:
    return {path: value for path, value in files.items() if path not in _OF_THE_ENGINE}


def shown_by(docker_client: DockerClient, stacks: Sequence[Sequence[bytes]]) -> list[Files]:
    """Load images of the layers at once, and return what a container of each would see."""
    images = [
        StoredImage(tuple(layers), (f"dgtest/odd-{random.getrandbits(48):x}:{index}",))
        for index, layers in enumerate(stacks)
    ]
    docker_client.images.load(archived(old_save(*images)))
    found: list[Files] = []
    for image in images:
        container = docker_client.containers.create(image.tags[0], ["x"], network_mode="none")
        try:
            chunks = cast("Iterable[bytes]", container.export())
            found.append(exported(b"".join(chunks)))
        finally:
            container.remove(force=True, v=True)
            docker_client.images.remove(image.tags[0], force=True)
    return found


def difference(one: Case, shown: Files) -> tuple[str, Files, Files] | None:
    """Return what is read and what is shown where they differ beyond what is in doubt."""
    found = without_own(listed(read(one.layers)))
    unread = {path for path, value in found.items() if value == UNREAD}
    ours = {path: value for path, value in found.items() if value != UNREAD}
    theirs = {
        path: value
        for path, value in without_own(followed(shown)).items()
        if not hidden(path, one.doubted)
    }
    if ours == theirs and unread == set(one.doubted):
        return None
    return (one.name, found, theirs)


def test_odd_layers_are_read_as_the_engine_merges_them(docker_client: DockerClient) -> None:
    shown = shown_by(docker_client, [one.layers for one in READ])
    assert [
        d for one, files in zip(READ, shown, strict=True) if (d := difference(one, files))
    ] == []


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: one.name)
def test_of_layers_that_the_engine_refuses_not_all_is_believed(
    one: Case, docker_client: DockerClient
) -> None:
    with pytest.raises((APIError, ImageLoadError)):
        docker_client.images.load(archived(old_save(StoredImage(one.layers, ("dgtest/no:1",)))))
    files = read(one.layers)
    found = listed(files)
    problems = files.problems()
    assert problems
    # A folder twice is merged by every engine that reads it at all: a note says so.
    merges = one.name in {"a folder twice", "the root twice"}
    assert merges or UNREAD in found.values() or problems[0].code is not ProblemCode.NOTE


PATHS = ("a", "b", "a/b", "a/c", "b/c/d", "a/b/c")


def random_stack(chance: random.Random) -> list[list[Step]]:
    """Return layers of which engines refuse none."""
    while True:
        stack = [
            [random_step(chance) for _ in range(chance.randrange(1, 6))]
            for _ in range(chance.randrange(1, 5))
        ]
        if not merged(stack).refused:
            return stack


def random_step(chance: random.Random) -> Step:
    op = chance.choice((Op.FILE, Op.FILE, *Op))
    value = str(chance.randrange(1_000))
    if op is Op.SYMLINK:
        value = chance.choice(("/a", "b", "../a/b", "b/c", "nowhere"))
    elif op is Op.HARDLINK:
        value = chance.choice(PATHS)
    path = chance.choice(PATHS)
    return Step(op, f"{path}-link" if op is Op.SYMLINK else path, value)


def test_random_stacks_are_read_as_the_engine_and_the_model_merge_them(
    docker_client: DockerClient,
) -> None:
    chance = random.Random(20_301)  # noqa: S311  (the same stacks in each run)
    stacks = [random_stack(chance) for _ in range(examples(15, 100))]
    shown = shown_by(docker_client, [[written(steps) for steps in stack] for stack in stacks])
    for stack, files in zip(stacks, shown, strict=True):
        expected = merged(stack)
        assert without_own(files) == expected.files, stack
        doubted = tuple(expected.doubted)
        ours = listed(read([written(steps) for steps in stack]))
        assert {path: value for path, value in ours.items() if not hidden(path, doubted)} == {
            path: value
            for path, value in followed(expected.files, doubted).items()
            if not hidden(path, doubted)
        }, stack


@pytest.fixture
def podman() -> Iterator[list[str]]:
    if shutil.which("podman") is None:
        missing("there is no podman to load images with")
    # podman wants a short path, for its sockets lie there.
    with tempfile.TemporaryDirectory(prefix="dg") as place:
        command = ["podman", "--root", f"{place}/root", "--runroot", f"{place}/run"]
        yield command
        subprocess.run([*command, "system", "reset", "-f"], check=False, capture_output=True)


@pytest.mark.long
def test_podman_merges_odd_layers_as_docker_does(podman: list[str], tmp_path: Path) -> None:
    archive = tmp_path / "odd.tar"

    def ran(*arguments: str) -> bytes:
        return subprocess.run([*podman, *arguments], check=True, capture_output=True).stdout

    def loads(one: Case) -> bool:
        archive.write_bytes(archived(old_save(StoredImage(one.layers, ("dgtest/odd:1",)))))
        done = subprocess.run(
            [*podman, "load", "-q", "-i", str(archive)], check=False, capture_output=True
        )
        return done.returncode == 0

    differences = []
    for one in READ:
        assert loads(one), one.name
        made = ran("create", "--network", "none", "dgtest/odd:1", "x").decode().strip()
        differences.append(difference(one, exported(ran("export", made))))
        ran("rm", "-f", made)
        ran("rmi", "-f", "dgtest/odd:1")
    assert [found for found in differences if found] == []
    assert [one.name for one in REFUSED if loads(one)] == []
