"""Whatever packs a layer or an archive is told by its bytes, read to its end, and bounded."""

import bz2
import gzip
import hashlib
import json
import lzma
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from deployguard.errors import InputError
from deployguard.inputs.image import compression
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob, Plain
from tests.support.archives import digest, file, gnu_long, header, tape
from tests.support.components import missing
from tests.support.listing import look

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
RAW = tape(file("a", "1"), file("b", "x" * 5_000), file("stargz.index.json", "{}"))


def parts(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def skippable(data: bytes, kind: int = 0) -> bytes:
    return bytes([0x50 + kind]) + b"\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def estargz(data: bytes) -> bytes:
    """Return a member for each portion, and a footer that is an empty one with a field."""
    field = b"SG" + (22).to_bytes(2, "little") + b"0" * 16 + b"STARGZ"
    footer = bytearray(gzip.compress(b"", mtime=0))
    footer[3] = 4
    footer[10:10] = len(field).to_bytes(2, "little") + field
    return b"".join(gzip.compress(part) for part in parts(data, 1024)) + bytes(footer)


@pytest.fixture(params=["isal", "zlib"])
def inflate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the one or the other of what inflates."""
    if request.param == "isal":
        if find_spec("isal") is None:
            missing("isal, the extra that inflates faster, is not installed")
    else:
        monkeypatch.setattr(compression, "inflation", lambda: (zlib.decompressobj, zlib.error))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "members": lambda data: b"".join(gzip.compress(part) for part in parts(data, 700)),
    "padded": lambda data: gzip.compress(data) + bytes(100_000),
    "padded members": lambda data: b"".join(
        gzip.compress(part) + bytes(70_000) for part in parts(data, 3000)
    ),
    "an empty member first": lambda data: gzip.compress(b"") + gzip.compress(data),
    "eStargz": estargz,
    "zstd": zstd.compress,
    "frames": lambda data: b"".join(zstd.compress(part) for part in parts(data, 700)),
    "zstd:chunked": lambda data: (
        zstd.compress(data) + skippable(b"table", 0) + skippable(b"f" * 40)
    ),
    "a skippable frame first": lambda data: skippable(b"x" * 70_000, 15) + zstd.compress(data),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.usefixtures("inflate")
def test_a_layer_is_read_to_its_end_however_it_is_packed(packing: str) -> None:
    data = PACKED[packing](RAW)
    files = LayeredFilesystem(
        [Layer(Blob("x", 0, len(data), digest(data), data), digest(RAW))], "s"
    )
    assert look(files, "/a") == "file 1"
    assert look(files, "/b") == "file " + "x" * 5_000
    assert files.problems() == ()


def window(log: int) -> bytes:
    """Return a frame that asks for a window of that size (RFC 8878, 3.1.1.1)."""
    return b"\x28\xb5\x2f\xfd" + bytes([0x00, (log - 10) << 3]) + b"\x01\x00\x00"


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip that is cut": (lambda data: gzip.compress(data)[:90], "integrity"),
    "gzip without its checksum": (lambda data: gzip.compress(data)[:-8], "integrity"),
    "gzip with a wrong checksum": (lambda data: gzip.compress(data)[:-8] + bytes(8), "integrity"),
    "gzip with a wrong bit": (lambda data: flipped(gzip.compress(data)), "integrity"),
    "gzip and noise": (lambda data: gzip.compress(data) + b"noise" * 9, "integrity"),
    "a gzip header alone": (lambda _: b"\x1f\x8b\x08\0", "integrity"),
    "zstd that is cut": (lambda data: zstd.compress(data)[:-30], "integrity"),
    "zstd with a wrong bit": (lambda data: flipped(zstd.compress(data)), "integrity"),
    "zstd and noise": (lambda data: zstd.compress(data) + b"noise" * 9, "integrity"),
    "a skippable frame that is cut": (lambda data: zstd.compress(data) + skippable(b"x" * 90)[:-9],
                                      "integrity"),
    "a zstd window of 128 MiB": (lambda _: window(27), "limit"),
    "a zstd window of 2 GiB": (lambda _: window(31), "limit"),
    "gzip in gzip": (lambda data: gzip.compress(gzip.compress(data)), "integrity"),
    "bzip2": (bz2.compress, "unsupported"),
    "xz": (lzma.compress, "unsupported"),
    "lz4": (lambda data: b"\x04\x22\x4d\x18" + data, "unsupported"),
    "zip": (lambda data: b"PK\x03\x04" + data, "unsupported"),
    "lzma": (lambda data: lzma.compress(data, lzma.FORMAT_ALONE), "integrity"),
    "noise": (lambda _: b"\x93\x01" * 900, "integrity"),
}  # fmt: skip


def flipped(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 4
    return bytes(changed)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.usefixtures("inflate")
def test_what_cannot_be_unpacked_is_said_and_nothing_of_it_believed(name: str) -> None:
    pack, code = BROKEN[name]
    data = pack(RAW)
    # Neither digest is at fault: the bytes are what the manifest says.
    files = LayeredFilesystem([Layer(Blob("x.tar", 0, len(data), digest(data), data), None)], "s")
    assert look(files, "/a") == "?"
    (problem,) = files.problems()
    assert problem.code.value == code
    assert "x.tar" in problem.message


def test_parts_without_end_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_MEMBERS", 1_000)
    for one in (gzip.compress(b""), zstd.compress(b"")):
        data = one * 1_001
        source = Plain(Blob("x", 0, len(data), None, data))
        with closing(source), pytest.raises(InputError, match="more than 1000 parts"):
            source.finish(None)


ZEROS = bytes(64 * MIB)
WINDOW: Mapping[int, int] = {zstd.CompressionParameter.window_log: 26}
# The bytes of a layer, and how many times an image has it.
BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "1 GiB of zeros in gzip": (lambda: gzip.compress(ZEROS) * 16, 1),
    "1 GiB of zeros in zstd": (lambda: zstd.compress(ZEROS) * 16, 1),
    "a file of 1 GiB in gzip": (
        lambda: gzip.compress(header("a", size=1 << 30)) + gzip.compress(ZEROS) * 16,
        1,
    ),
    "10,000,000 empty files in gzip": (lambda: gzip.compress(header("a") * 2_000) * 5_000, 1),
    "2,000 layers of 60 MiB of zeros": (
        lambda: gzip.compress(header("a", size=60 * MIB) + ZEROS[: 60 * MIB]),
        2_000,
    ),
    "names of 1 MiB in gzip": (
        lambda: gzip.compress((gnu_long("n" * (MIB - 1)) + header("a")) * 60) * 20,
        1,
    ),
    "zeros in a zstd window of 64 MiB": (lambda: zstd.compress(ZEROS * 4, options=WINDOW), 1),
}

# A process of its own says what it took at most, and how much was unpacked by then.
PEAK = """
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
"""
READER = (
    PEAK
    + """
import sys
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob
path, size, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
files = LayeredFilesystem([Layer(Blob(path, 0, size), None)] * times, "bomb")
shown = files.stat("/a")
made = files._contents._allowance.made
print(type(shown).__name__, files.problems()[0].code.value, peak(), made >> 20)
"""
)


IMAGE = (
    PEAK
    + """
import sys
from deployguard.inputs.image.stored import open_archive
(image,) = open_archive(sys.argv[1], tag=None, platform=None)
print(type(image.files.stat("/nothing")).__name__, peak())
"""
)


def told(script: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_at_its_bound_and_is_unread(name: str, tmp_path: Path) -> None:
    make, times = BOMBS[name]
    path, data = tmp_path / "bomb.tar", make()
    path.write_bytes(data)
    shown, code, peak, made = told(READER, str(path), str(len(data)), str(times))
    assert (shown, code) == ("Unread", "limit")
    assert int(peak) <= 128
    assert int(made) <= 128


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zeros in gzip": lambda: gzip.compress(bytes(64 * MIB)) * 16,
    "zeros in zstd": lambda: zstd.compress(bytes(64 * MIB)) * 16,
    "a member of 1 GiB": lambda: gzip.compress(file("layer.tar")[:0] + bytes(64 * MIB)) * 16,
    "gzip in gzip in gzip": lambda: gzip.compress(
        gzip.compress(gzip.compress(bytes(64 * MIB)) * 16)
    ),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_a_bomb_ends_at_its_bound(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(ARCHIVES[name]())
    problem, peak = told(
        PEAK
        + f"""
from deployguard.inputs.image.stored import open_archive
from deployguard.errors import InputError
try:
    open_archive({str(path)!r}, tag=None, platform=None)
except InputError as error:
    print(type(error).__name__, peak())
"""
    )
    assert problem in {"LimitError", "UnsupportedError", "IntegrityError"}
    assert int(peak) <= 128


def sparse(path: Path, files: int, filler: int) -> str:
    """Write an archive of an image of so many files, and of so many bytes that lie in none."""
    names = tape(
        *(file(f"usr/lib/folder{n // 50}/file-{n}.py", "x") for n in range(files)), end=b""
    )
    layer = header("filler", size=filler)
    whole = hashlib.sha256(names + layer)
    for _ in range(filler // MIB):
        whole.update(ZEROS[:MIB])
    diff_id = f"sha256:{whole.hexdigest()}"
    config = json.dumps({"config": {}, "rootfs": {"diff_ids": [diff_id]}}).encode()
    entries = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    size = len(names + layer) + filler
    with path.open("wb") as archive:
        archive.write(file("config.json", config) + file("manifest.json", json.dumps(entries)))
        archive.write(header("layer.tar", size=size) + names + layer)
        archive.truncate(archive.tell() + filler)
    return str(path)


def test_memory_grows_with_the_paths_alone(tmp_path: Path) -> None:
    peaks = {}
    for files, filler in ((1_000, 0), (40_000, 0), (40_000, 300 * MIB)):
        found, peak = told(IMAGE, sparse(tmp_path / "app.tar", files, filler))
        assert found == "Absent"
        peaks[files, filler] = int(peak)
    # 0.6 kB a path at most over 64 MB; and nothing for the bytes.
    assert peaks[1_000, 0] <= 64
    assert peaks[40_000, 0] <= 64 + 40_000 * 0.6 / 1024
    assert peaks[40_000, 0] - peaks[1_000, 0] <= 39_000 * 0.6 / 1024
    assert peaks[40_000, 300 * MIB] <= peaks[40_000, 0] + 3


def test_stored_images_load_neither_engines_nor_unpackers() -> None:
    loaded = told("""
import sys
import deployguard.inputs.image.stored
print(*sorted({"docker", "backports.zstd", "isal", "isal.isal_zlib", "requests"} & set(sys.modules)), "-")
""")
    assert loaded == ["-"]


def test_what_passes_is_hashed_once_where_nothing_is_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []
    real = hashlib.sha256

    class Counting:
        def __init__(self) -> None:
            self._real = real()

        def update(self, data: bytes) -> None:
            counted.append(len(data))
            self._real.update(data)

        def hexdigest(self) -> str:
            return self._real.hexdigest()

    monkeypatch.setattr("deployguard.inputs.image.streams.hashlib.sha256", Counting)
    with closing(Plain(Blob("x", 0, len(RAW), None, RAW))) as source:
        source.finish(None)
    assert sum(counted) == len(RAW)
