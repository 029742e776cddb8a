"""Layers that a stranger crafted: each is read as engines read it, or said to be wrong, in bounds."""

import gzip
import io
import random
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.errors import InputError, IntegrityError, LimitError
from deployguard.inputs.image import tar
from deployguard.inputs.image.kept import KeptPieces
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob, Plain
from deployguard.inputs.image.tar import EntryKind
from deployguard.inputs.image.tree import LayerTree, Room
from tests.support.archives import (
    BLOCK,
    GNU,
    V7,
    base256,
    device,
    digest,
    file,
    folder,
    gnu_long,
    hardlink,
    header,
    octal,
    opaque,
    padded,
    pax,
    symlink,
    tape,
    whiteout,
)
from tests.support.effort import examples
from tests.support.listing import listed, look

MIB = 1024 * 1024
Expected = Mapping[str, str | None] | str
A = {"a": "file 1"}
B = {"b": "file 2"}
A_LAYER = tape(file("a", "1"), file("d/x", "1"))
NOISE = random.Random(1).randbytes(300_000)  # noqa: S311  (the same in each run)


def sized(size: bytes, data: bytes = b"1") -> bytes:
    """Return a file whose size is written so."""
    return header("a", patches={124: size}) + padded(data)


def raw_pax(data: bytes) -> bytes:
    return header("pax", "x", len(data)) + padded(data)


def signed(name: bytes) -> bytes:
    """Return a header whose checksum was added up with signed bytes."""
    block = header(name)
    total = sum(block[:148]) + 8 * 32 + sum(block[156:]) - 256 * sum(b > 127 for b in block)
    return block[:148] + f"{total:06o}\0 ".encode() + block[156:]


def chain(length: int) -> bytes:
    links = [symlink(f"l{n}", f"l{n + 1}") for n in range(length)]
    return tape(*links, file(f"l{length}", "end"))


SPARSE = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "real")]

# What lies at paths after the layers are read ("?": nothing is said of it), or the problem's code.
CRAFTED: dict[str, tuple[Callable[[], list[bytes]], Expected]] = {
    "a negative size in base 256": (lambda: [tape(sized(base256(-1, 12)))], "integrity"),
    "a size of 2^62 in base 256": (lambda: [tape(sized(base256(1 << 62, 12)))], "integrity"),
    "a size of all ones": (lambda: [tape(sized(b"\xff" * 12))], "integrity"),
    "a small size in base 256": (lambda: [tape(sized(base256(1, 12)))], A),
    "a size with spaces": (lambda: [tape(sized(b"        1 \0 "))], A),
    "a size with letters": (lambda: [tape(sized(b"0000000001x\0"))], "integrity"),
    "a size with a sign": (lambda: [tape(sized(b"-0000000001\0"))], "integrity"),
    "a size as Python writes it": (lambda: [tape(sized(b"0o000000001\0"))], "integrity"),
    "a size with an underscore": (lambda: [tape(sized(b"00000000_01\0"))], "integrity"),
    "a size with a digit too high": (lambda: [tape(sized(b"00000000008\0"))], "integrity"),
    "a size beyond the tar": (lambda: [header("a", size=1 << 30) + bytes(512)], "integrity"),
    "a size of 8 EiB": (lambda: [tape(pax({"size": str(1 << 63)}), header("a"))], "integrity"),
    "a negative size by pax": (lambda: [tape(pax({"size": "-1"}), header("a"))], "integrity"),
    "a size by pax that is no number": (lambda: [tape(pax({"size": "1e3"}), header("a"))],
                                        "integrity"),
    "a size by pax alone": (lambda: [tape(pax({"size": "1"}), header("a"), padded(b"1"))], A),
    "a mode with letters": (lambda: [tape(file("a", "1", patches={100: b"rwxr--r-"}))], "integrity"),
    "a mode in base 256": (lambda: [tape(file("a", "1", patches={100: base256(0o644, 8)}))], A),
    "a time before the epoch": (lambda: [tape(file("a", "1", patches={136: base256(-9, 12)}))], A),
    "a time with letters": (lambda: [tape(file("a", "1", patches={136: b"yesterday\0\0\0"}))],
                            "integrity"),
    "an owner with letters": (lambda: [tape(file("a", "1", patches={116: b"nogroup\0"}))],
                              "integrity"),
    "a wrong checksum": (lambda: [tape(header("a", checksum=b"000001\0 "))], "integrity"),
    "no checksum": (lambda: [tape(header("a", checksum=bytes(8)))], "integrity"),
    "a checksum of signed bytes": (lambda: [tape(signed(b"caf\xe9"))], {"caf\udce9": "file "}),
    "a pax record without a length": (lambda: [tape(raw_pax(b"path=a\n"), file("b", "2"))],
                                      "integrity"),
    "a pax record of length zero": (lambda: [tape(raw_pax(b"0 path=a\n"), file("b", "2"))],
                                    "integrity"),
    "a pax record of length one": (lambda: [tape(raw_pax(b"1 path=a\n"), file("b", "2"))],
                                   "integrity"),
    "a pax record beyond its header": (lambda: [tape(raw_pax(b"99 path=a\n"), file("b", "2"))],
                                       "integrity"),
    "a pax length of many digits": (lambda: [tape(raw_pax(b"9" * 400), file("b", "2"))],
                                    "integrity"),
    "a pax record without a line break": (lambda: [tape(raw_pax(b"9 path=a."), file("b", "2"))],
                                          "integrity"),
    "a pax record without a key": (lambda: [tape(raw_pax(b"5 =a\n"), file("b", "2"))], "integrity"),
    "a pax record without a value": (lambda: [tape(raw_pax(b"7 path\n"), file("b", "2"))],
                                     "integrity"),
    "a zero byte in a pax name": (lambda: [tape(pax({"path": "a\0b"}), file("b", "2"))],
                                  "integrity"),
    "a pax time that is none": (lambda: [tape(pax({"mtime": "soon"}), file("b", "2"))], "integrity"),
    "a million short pax records": (lambda: [tape(raw_pax(b"5 a=\n" * 200_000), file("b", "2"))],
                                    "limit"),
    "ten thousand pax records": (lambda: [tape(raw_pax(b"5 a=\n" * 10_000), file("b", "2"))], B),
    "a pax header of more than 1 MiB": (lambda: [header("x", "x", MIB + 1) + bytes(MIB * 2)],
                                        "limit"),
    "pax headers without an end": (lambda: [pax({"comment": "x" * (MIB - 50)}) * 20], "limit"),
    "a pax header that is cut": (lambda: [header("x", "x", 600) + b"20 path=a"], "integrity"),
    "a pax name out of the root": (lambda: [tape(pax({"path": "../../b"}), file("x", "2"))], B),
    "a global pax header": (lambda: [tape(pax({"path": "x"}, "g"), file("b", "2"))], B),
    "a broken global pax header": (lambda: [tape(header("g", "g", 9), padded(b"99 path=a"))],
                                   "integrity"),
    "a long name of 100 MiB": (lambda: [header("L", "L", 100 * MIB, magic=GNU)], "limit"),
    "a long name of 1 MiB": (lambda: [tape(gnu_long("n" * (MIB - 1)), file("b", "2"))], "limit"),
    "a long name for nothing": (lambda: [tape(file("a", "1"), gnu_long("x" * 200))], A),
    "an empty long name": (lambda: [tape(gnu_long(""), file("b", "2"))], B),
    "long names in a row": (lambda: [tape(gnu_long("x"), gnu_long("b"), file("c", "2"))], B),
    "a long link of 60 kB": (lambda: [tape(gnu_long("d/" * 30_000, "K"), symlink("s", "x"))],
                             {"": "?"}),
    "nothing at all": (lambda: [b""], {"a": None}),
    "zeros alone": (lambda: [bytes(4096)], {"a": None}),
    "half a header": (lambda: [file("a", "1") + header("b")[:300]], "integrity"),
    "no end": (lambda: [file("a", "1")], A),
    "no padding at the end": (lambda: [header("a", size=1) + b"1"], A),
    "noise after the end": (lambda: [tape(file("a", "1")) + b"noise" * 1000], A),
    "noise": (lambda: [NOISE[:4096]], "integrity"),
    "a text": (lambda: [b"#!/bin/sh\n" * 200], "integrity"),
    "a zip": (lambda: [b"PK\x03\x04" + bytes(2000)], "unsupported"),
    "dump folders and volumes": (lambda: [tape(header("v", "V"), header("m", "M"), header("D", "D"),
                                               file("a", "1"))],
                                 {"v": "?", "m": "?", "D": "?", **A}),
    "a pipe, devices": (lambda: [tape(header("p", "6"), device("c"), device("b", "4", 8, 0))],
                        {"p": "other", "c": "other", "b": "other"}),
    "a device with a size": (lambda: [tape(header("c", "3", 512, patches={329: octal(1, 8)}),
                                           file("a", "1"))], {"c": "other", **A}),
    "a device that removes": (lambda: [tape(device("n", "3", 0, 0))], {"n": "?"}),
    "names that are no UTF-8": (lambda: [tape(file(b"\xff\xfe", "1"))], {"\udcff\udcfe": "file 1"}),
    "a name with a line break and an escape": (lambda: [tape(file("a\n\x1b[2J", "1"))],
                                               {"a\n\x1b[2J": "file 1"}),
    "many slashes": (lambda: [tape(file("//././b//", "2"))], B),
    "the root as a file": (lambda: [tape(file(".", "1"), file("b", "2"))], B),
    "a path of 2,000 folders": (lambda: [tape(file("d/" * 2000 + "f", "1"))],
                                {"d/" * 2000 + "f": "file 1"}),
    "a path of 30,000 folders": (lambda: [tape(file("d/" * 30_000 + "f", "1"))], "limit"),
    "a path of 500,000 folders": (lambda: [tape(gnu_long("d/" * 500_000), file("f", "1"))], "limit"),
    "paths that share no folder": (lambda: [tape(*(file(f"{n}/" + "/".join(f"{n}.{m}" for m in
                                   range(300)), "") for n in range(200)))], "limit"),
    "a name of 255 bytes": (lambda: [tape(file("é" * 127 + "e", "1"))],
                            {"é" * 127 + "e": "file 1"}),
    "a name of 256 bytes": (lambda: [tape(file("é" * 128, "1"))], {"": "?"}),
    "a folder's name of 256 bytes": (lambda: [tape(file("é" * 128 + "/f", "1"))], {"": "?"}),
    "a chain of 3,000 hard links": (lambda: [tape(file("l0", "1"), *(hardlink(f"l{n + 1}", f"l{n}")
                                     for n in range(3_000)))], {"l3000": "file 1"}),
    "a hard link to what comes later": (lambda: [tape(hardlink("b", "a"), file("a", "1"))],
                                        {"b": "?", **A}),
    "a hard link out of the root": (lambda: [tape(hardlink("b", "/../etc/passwd"))], {"b": "?"}),
    "a hard link to itself": (lambda: [tape(hardlink("b", "./b"))], {"b": "?"}),
    "links in a circle": (lambda: [tape(symlink("a", "b"), symlink("b", "a"))], {"a": None}),
    "a link into itself": (lambda: [tape(symlink("a", "a/a/a/a"))], {"a": None}),
    "40 links in a row": (lambda: [chain(40)], {"l0": "file end"}),
    "41 links in a row": (lambda: [chain(41)], {"l0": None}),
    "links that double": (lambda: [tape(folder("d"), *(symlink(f"d/{n}", f"{n + 1}/../{n + 1}")
                          for n in range(60)), file("d/60", "1"))], {"d/0": None}),
    "a link to nothing": (lambda: [tape(header("s", "2"))], {"s": None}),
    "a link far out of the root": (lambda: [tape(symlink("s", "../" * 1000 + "a"), file("a", "1"))],
                                   {"s": "file 1"}),
    "a file as a folder on the way": (lambda: [tape(file("a", "1"), symlink("s", "a/../a"))],
                                      {"s": None}),
    "a whiteout of no name": (lambda: [A_LAYER, tape(file(".wh."))], {"a": "?"}),
    "a whiteout of this folder": (lambda: [A_LAYER, tape(file("d/.wh.."))], {"a": "?"}),
    "a whiteout of the folder above": (lambda: [A_LAYER, tape(file("d/.wh..."))], {"a": "?"}),
    "a whiteout of the opaque marker": (lambda: [A_LAYER, tape(file(".wh..wh..wh..opq"))], A),
    "the folder of aufs": (lambda: [A_LAYER, tape(file(".wh..wh.plnk"), file(".wh..wh.aufs"))], A),
    "a whiteout below a file": (lambda: [A_LAYER, tape(whiteout("a/b"))], {"a": "folder"}),
    "an opaque root": (lambda: [A_LAYER, tape(opaque(""))], A),
    "3,000 whiteouts": (lambda: [A_LAYER, tape(*(whiteout(f"n{n}") for n in range(3_000)))],
                               A),
    "sparse 0.0": (lambda: [tape(pax([("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "1"),
                   ("GNU.sparse.offset", "0"), ("GNU.sparse.numbytes", "1")]), file("a", "1"))],
                   {"a": "?"}),
    "sparse 0.1": (lambda: [tape(pax([("GNU.sparse.map", "0,1"), ("GNU.sparse.name", "real")]),
                   file("a", "1"))], {"real": "?", "a": None}),
    "sparse 1.0": (lambda: [tape(pax(SPARSE), file("a", b"0\n".ljust(512, b"\0")))],
                   {"real": "?", "a": None}),
    "sparse of 8 EiB": (lambda: [tape(pax([*SPARSE, ("GNU.sparse.realsize", str(1 << 63))]),
                        file("a", b"0\n".ljust(512, b"\0")))], {"real": "?"}),
    "sparse of GNU tar of old": (lambda: [tape(header("s", "S", 1, magic=GNU, patches={482: b"\1"}),
                                 bytes(504) + b"\0" * 8, padded(b"x"), file("a", "1"))],
                                 {"s": "?", **A}),
    "a sparse map without an end": (lambda: [header("s", "S", magic=GNU, patches={482: b"\1"})
                                    + (bytes(504) + b"\1" * 8) * 20_000], "integrity"),
    "the same file 3,000 times": (lambda: [file("a", "1") * 3_000], {"a": "?"}),
    "the same folder 3,000 times": (lambda: [folder("d") * 3_000], {"d": "folder"}),
    "a file and a folder of one name": (lambda: [tape(file("a", "1"), folder("a"))], {"a": "?"}),
    "2,000 layers": (lambda: [tape(file("a", str(n))) for n in range(2_000)], {"a": "file 1999"}),
    "a folder that each layer hides": (lambda: [tape(file(f"d/{n}", "1"), opaque("d"))
                                       for n in range(500)], {"d/498": None, "d/499": "file 1"}),
    "a header of the seventh edition": (lambda: [tape(file("a", "1", magic=V7))], A),
    "attributes of overlay": (lambda: [tape(pax({"SCHILY.xattr.trusted.overlay.redirect": "/x"}),
                              folder("d"), file("d/f", "1"))], {"d": "?", "d/f": "?"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_layers_are_read_as_engines_do_or_said_to_be_wrong(name: str) -> None:
    make, expected = CRAFTED[name]
    layers = [Layer(Blob("x", 0, len(one), digest(one), one), digest(one)) for one in make()]
    tracemalloc.start()
    try:
        files = LayeredFilesystem(layers, "shop")
        shown: Expected
        if isinstance(expected, str):
            shown = look(files, "/") or ""
            assert shown == "?"
            shown = files.problems()[0].code.value
        else:
            shown = {path: look(files, f"/{path}") for path in expected}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shown == expected
    assert peak < 64 * MIB


def walked(data: bytes) -> list[tar.Entry]:
    source = Plain(Blob("x", 0, len(data), None, data))
    return list(tar.entries(source))


def in_pieces(data: bytes, cuts: list[int]) -> Plain:
    """Return a tar that comes in pieces: each member of a gzip file is one."""
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    pieces = zip([0, *ends], [*ends, len(data)], strict=True)
    packed = b"".join(gzip.compress(data[start:end], 0) for start, end in pieces)
    return Plain(Blob("x", 0, len(packed), None, packed))


class Endless:
    """A tar of the same blocks again and again, which counts what is taken of it."""

    def __init__(self, blocks: bytes) -> None:
        self._blocks = blocks * (MIB // len(blocks))
        self.position = 0

    def read(self, size: int) -> bytes:
        start = self.position % len(self._blocks)
        self.position += size
        return self._blocks[start : start + size]

    def skip(self, size: int) -> None:
        self.position += size


@pytest.mark.parametrize(
    "blocks",
    [header("a"), pax({"a": "1"}), gnu_long("a"), pax({}, "g")],
    ids=["files", "pax headers", "long names", "global headers"],
)
def test_headers_without_end_are_counted(blocks: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = examples(20_000, 2_000_000)
    monkeypatch.setattr(tar, "_ENTRIES", entries)
    source = Endless(blocks)
    with pytest.raises(LimitError):
        for _ in tar.entries(source):
            pass
    headers = entries if blocks == header("a") else 64 * 1024
    assert source.position <= (headers + 1) * len(blocks)


def test_a_size_is_not_believed_before_the_bytes_are_there() -> None:
    found = tar.entries(Plain(Blob("x", 0, 512, None, header("a", size=1 << 40))))
    assert next(found).size == 1 << 40
    with pytest.raises(IntegrityError):
        next(found)


FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40)
MEMBERS = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=1500)),
    max_size=8,
)


@settings(max_examples=examples(100, 1_000), deadline=None)
@given(MEMBERS, FORMATS)
def test_what_tarfile_writes_is_read_as_tarfile_reads_it(
    members: list[tuple[str, bytes]], form: int
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            try:
                made.addfile(info, io.BytesIO(data))
            except ValueError:  # a name too long for ustar
                continue
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as read:
        expected = [(one.name, one.size, one.offset_data) for one in read]
    found = [(one.name, one.size, one.offset) for one in walked(buffer.getvalue())]
    assert found == expected


@settings(max_examples=examples(300, 5_000), deadline=None)
@given(st.data())
def test_any_damage_ends_in_our_error_or_in_entries(data: st.DataObject) -> None:
    whole = bytearray(
        tape(pax({"path": "a" * 150}), file("x", "text"), gnu_long("g" * 120), symlink("b", "a"),
             pax(SPARSE), file("c", "x" * 600), header("s", "S", magic=GNU), device("d"))
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
        start = at - at % BLOCK
        if data.draw(st.booleans()):
            block = whole[start : start + BLOCK]
            block[148:156] = b" " * 8
            whole[start + 148 : start + 156] = f"{sum(block):06o}\0 ".encode()
    try:
        found = walked(bytes(whole))
    except InputError:
        return
    assert all(one.size >= 0 and one.kind in EntryKind for one in found)


def outcome(found: Iterable[tar.Entry]) -> list[tar.Entry] | tuple[type[InputError], str]:
    try:
        return list(found)
    except InputError as error:
        return type(error), error.message


def slow(data: bytes) -> list[tar.Entry] | tuple[type[InputError], str]:
    """Walk a tar as if no header in it were as most are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tar, "_usual", lambda buffer, start, offset: None)  # noqa: ARG005  (as called)
        return outcome(tar.entries(tar.Memory(data)))


NUMBERS = [octal(0, 8), octal(0o4755, 8), b"0000644 ", b"    644\0", b"0000648\0", b"000644\0\0",
           b"-000644\0", bytes(8), base256(7, 8)]  # fmt: skip
SIZES = [octal(0, 12), octal(1, 12), octal(600, 12), b"00000000001 ", b"          1\0",
         b"00000000008\0", b"77777777777\0", base256(1, 12), bytes(12)]  # fmt: skip
PARTS = st.fixed_dictionaries(
    {},
    optional={
        **{at: st.sampled_from(NUMBERS) for at in (100, 108, 116)},
        **{at: st.sampled_from(SIZES) for at in (124, 136)},
        156: st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"5", b"7", b"S", b"x"]),
        257: st.sampled_from([GNU, V7, b"ustar\0tar", b"\xff"]),
        345: st.sampled_from([b"prefix", b"\0x", b"00000000001\0", b"\xe9"]),
        508: st.sampled_from([b"tar\0", b"\x7f\xff"]),
    },
)
HEADERS = st.builds(
    lambda name, parts, checksum: header(name, patches=parts, checksum=checksum),
    st.binary(max_size=100) | NAMES.map(str.encode),
    PARTS,
    st.none() | st.none() | st.sampled_from([b"012345\0 ", b"01234\0  ", b"0012345\0", bytes(8)]),
)


@settings(max_examples=examples(400, 4_000), deadline=None)
@given(st.lists(HEADERS, min_size=1, max_size=4), st.integers(0, 3))
def test_the_short_way_through_a_header_finds_what_the_long_one_finds(
    headers: list[bytes], cut: int
) -> None:
    data = tape(*(one + padded(b"x" * 600) for one in headers))[: -cut * 700 or None]
    assert outcome(tar.entries(tar.Memory(data))) == slow(data)


# Files that look like headers, where a wrong step would lead to.
INNER = st.sampled_from([b"", header("inner", size=0) * 3, b"x" * 600, b"x" * 512])
FILES = st.builds(lambda name, data: header(name, size=len(data)) + padded(data), NAMES, INNER)


@settings(max_examples=examples(400, 4_000), deadline=None)
@given(
    st.lists(FILES | HEADERS.map(lambda one: one + padded(b"x" * 600)), min_size=1, max_size=6),
    st.lists(st.integers(0, 6_000), max_size=6),
)
def test_a_tar_in_pieces_of_any_size_is_indexed_as_it_is_walked(
    members: list[bytes], cuts: list[int]
) -> None:
    data = tape(*members)
    found = (entry for run in tar.index(in_pieces(data, cuts)) for entry in run)
    assert outcome(found) == slow(data)


def test_the_headers_of_a_piece_come_in_one_run_wherever_it_begins() -> None:
    data = tape(*(file(f"f{number}", "x" * number) for number in range(50)))
    assert [len(run) for run in tar.index(in_pieces(data, [100]))] == [0, 1, 49]


def test_pieces_of_one_byte_in_many_layers_are_kept_within_their_bound() -> None:
    pieces = KeptPieces()
    tracemalloc.start()
    try:
        for number in range(300_000):
            pieces.keep(number // 3_000, number, bytes((number % 251,)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert pieces.read(99, 299_990, 10) == bytes(number % 251 for number in range(299_990, 300_000))
    assert pieces.read(0, 0, 10) is None


@settings(max_examples=examples(200, 2_000), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 30)), max_size=12),
    st.integers(1, 12),
)
def test_what_is_kept_of_a_layer_is_what_it_holds_and_bounded(
    kept: list[tuple[int, int]], asked: list[tuple[int, int, int]], room: int
) -> None:
    layers = [bytes(range(60 * layer, 60 * layer + 60)) for layer in range(3)]
    pieces = KeptPieces()
    at = [0, 0, 0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("deployguard.inputs.image.kept._EACH", 0)
        patched.setattr("deployguard.inputs.image.kept._LIMIT", room)
        for layer, size in kept:
            piece = layers[layer][at[layer] : at[layer] + size]
            pieces.keep(layer, at[layer], piece)
            at[layer] = (at[layer] + size) % 60
        held = 0
        for layer, offset, size in asked:
            found = pieces.read(layer, offset, size)
            assert found in {None, layers[layer][offset : offset + size]}
            held = max(held, len(found or b""))
    assert held <= room
    layer, size = kept[-1]
    assert size > room or pieces.read(layer, (at[layer] - size) % 60, 1) is not None


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_of_an_image_take_the_short_way_and_their_checksums_count_on_it(
    form: Literal[0, 1, 2], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tarfile.TarInfo("usr/lib/python3/dist-packages/flask/app.py")
    info.size, info.mode, info.mtime = 700, 0o4755, 1_700_000_000
    block = info.tobuf(form)
    monkeypatch.setattr(tar, "_check", lambda header: pytest.fail(f"the long way: {header!r}"))
    found = walked(tape(block, padded(b"x" * 700)))
    assert found == [tar.Entry(info.name, EntryKind.FILE, 700, 0o4755, "", BLOCK)]
    monkeypatch.undo()
    with pytest.raises(IntegrityError, match="checksum"):
        walked(tape(block[:400] + b"x" + block[401:], padded(b"x" * 700)))


ENTRIES = st.builds(
    tar.Entry,
    st.lists(st.sampled_from(["a", "b", ".wh.a", ".c", ".", "..", "", "n" * 64, "é" * 130, "n" * 256]),
             min_size=1, max_size=4).map("/".join),
    st.sampled_from([EntryKind.FILE, EntryKind.FILE, *EntryKind]),
    st.integers(0, 9),
    st.sampled_from([0o644, 0o755]),
    st.sampled_from(["", "a", "/b/a"]),
    st.integers(0, 9),
    st.sampled_from(["", "", "", "a doubt"]),
)  # fmt: skip


def placed(members: list[tar.Entry], letters: int) -> tuple[object, ...]:
    """Return all that shows of a tree once entries are put into it."""
    room = Room(letters=letters)
    made = LayerTree(0, room)
    told = ""
    try:
        made.place(members)
    except LimitError as error:
        told = error.message
    return made.root, made.doubts, room, told


@settings(max_examples=examples(400, 4_000), deadline=None)
@given(st.lists(ENTRIES, max_size=12), st.integers(0, 60))
def test_a_file_put_beside_the_last_one_lies_as_one_that_is_put_by_its_path(
    members: list[tar.Entry], letters: int
) -> None:
    shown = [placed(members, letters * letters)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LayerTree, "_beside", lambda tree, entry: False)  # noqa: ARG005  (as called)
        shown.append(placed(members, letters * letters))
    assert shown[0] == shown[1]


def test_small_texts_of_packed_layers_are_kept_and_all_others_are_reached_again() -> None:
    texts = {f"f{n}": f"text {n} " * 50 for n in range(40)}
    raw = tape(*(file(name, text) for name, text in texts.items()), file("lib", NOISE),
               file("last", "end"))  # fmt: skip
    data = gzip.compress(raw)
    files = LayeredFilesystem(
        [Layer(Blob("x", 0, len(data), digest(data), data), digest(raw))], "s"
    )
    shown = listed(files)
    assert shown == {
        **{name: f"file {text}" for name, text in texts.items()},
        "lib": f"file {NOISE.decode('latin-1')}",
        "last": "file end",
    }
