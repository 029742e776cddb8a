"""A bounded walker over tar headers, which finds the members that the engines find.

All engines read layers with Go's archive/tar, so this follows its reader in what a name is, which
extension counts and what is no tar (POSIX.1-2017 pax and ustar, GNU tar, star, v7). Unlike
`tarfile` it believes no size: names, records and entries are limited, and nothing is read into
memory that is not asked for.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from msgspec import Struct, field

from deployguard.errors import IntegrityError, LimitError

_BLOCK = 512
_ZERO = bytes(_BLOCK)
_ASCII = bytes(range(128))
_EXTENSION_LIMIT = 1024 * 1024  # as in Go's reader
_RECORDS = 16_384
_ENTRIES = 2_000_000
# Extension headers, and what they may hold: a constant, and a share for each entry.
_HEADERS = 64 * 1024
_HEADERS_EACH = 3
_EXTENSIONS = 16 * 1024 * 1024
_EXTENSIONS_EACH = 1024
_SIZE_LIMIT = 1 << 45
_NO_NUMBER = "a tar header holds no octal number where one belongs"
_GNU = b"ustar  \0"
_USTAR = b"ustar\0"


class Source(Protocol):
    """Bytes in order; `position` counts from the start."""

    position: int

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""

    def skip(self, size: int) -> None:
        """Pass over bytes; `position` shows whether there were as many."""


class Buffered(Source, Protocol):
    """A source that shows what it has at hand."""

    def at_hand(self) -> tuple[bytes, int]:
        """Return the bytes at hand, and where in them the source stands; nothing moves."""


class Memory:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        found = bytes(self._data[self.position : self.position + size])
        self.position += len(found)
        return found

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        self.position = min(self.position + size, len(self._data))


class EntryKind(StrEnum):
    """What a header describes, as far as it matters here."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    SPARSE = "sparse"  # a file with holes: its bytes are not stored as they are read
    OTHER = "other"


class Entry(Struct, frozen=True, gc=False):
    """One member; `offset` is where its data begins in the source.

    `doubt` says why engines do not agree about it, and is empty where they do.
    """

    name: str
    kind: EntryKind
    size: int
    mode: int
    link: str
    offset: int
    doubt: str = ""


_FILE = EntryKind.FILE
_KINDS = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"1": EntryKind.HARDLINK,
    b"2": EntryKind.SYMLINK,
    b"3": EntryKind.OTHER,
    b"4": EntryKind.OTHER,
    b"5": EntryKind.DIRECTORY,
    b"6": EntryKind.OTHER,
    b"S": EntryKind.SPARSE,
}
_HANDLED = frozenset(_KINDS) - {b"S"}
# These have no data, whatever their size says (Go's isHeaderOnlyType).
_HEADER_ONLY = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_UNHANDLED = "a type of entry that engines refuse"
_REMOVAL = "a device 0:0, which overlay file systems take for a removal"
_ATTRIBUTES = "attributes of overlay file systems, which move or hide files"


class _Extended(Struct):
    """What extension headers say about the entry that follows them.

    Go lets the name of a GNU header win over pax, and a sparse file's own name over both; of
    several pax headers in a row the last counts, and a global one ends what came before it.
    """

    name: str | None = None
    link: str | None = None
    records: dict[bytes, bytes] = field(default_factory=dict)


def entries(source: Source) -> Iterator[Entry]:
    """Yield the members in order; a member's data may be read from the source until the next.

    Raises IntegrityError for what is no tar or ends too early, LimitError beyond a bound.
    """
    for run in _runs(source, None):
        yield from run


def index(source: Buffered) -> Iterator[Sequence[Entry]]:
    """Yield what `entries` does in runs of some, in less time; nobody else may read meanwhile."""
    return _runs(source, source.at_hand)


def _runs(
    source: Source, at_hand: Callable[[], tuple[bytes, int]] | None
) -> Iterator[Sequence[Entry]]:
    extended: _Extended | None = None
    entry: Entry | None
    count = headers = extensions = 0
    while True:
        if at_hand is not None and not extended:
            run, end = _run(*at_hand(), source.position)
            count += len(run)
            if count > _ENTRIES:
                raise _too_many()
            yield run
            _pass(source, end)
        header = source.read(_BLOCK)
        if not header:
            return
        entry = None if extended else _usual(header, 0, source.position)
        if entry is None:
            if _is_end(header, source):
                return
            _check(header)
            kind, size = header[156:157], _size(_number(header[124:136]))
            if kind in b"LKxg":
                headers += 1
                extensions += size
                if headers > _HEADERS + _HEADERS_EACH * count:
                    raise LimitError("the tar has too many extension headers")
                if extensions > _EXTENSIONS + _EXTENSIONS_EACH * count:
                    raise LimitError("the tar has too much in its extension headers")
                extended = _extend(extended or _Extended(), kind, _payload(source, size))
                continue
            if kind == b"S":
                headers += _pass_sparse_map(source, header)
            entry = _entry(header, kind, extended, source.position, size)
            extended = None
        count += 1
        if count > _ENTRIES:
            raise _too_many()
        yield (entry,)
        _pass(source, entry.offset + entry.size)


def _too_many() -> LimitError:
    return LimitError(f"the tar has more than {_ENTRIES} entries")


def _pass(source: Source, end: int) -> None:
    """Pass over the rest of a member's data, which goes up to `end`, and what fills its block."""
    source.skip(max(0, end + (-end % _BLOCK) - source.position))
    if source.position < end:
        raise IntegrityError("the tar ends in the middle of a file")


def _run(buffer: bytes, start: int, position: int) -> tuple[list[Entry], int]:
    """Read the usual headers that follow each other in a buffer, from `start` on.

    Returns also where in the source the last one's data ends; `position` is that of `start`.
    """
    found: list[Entry] = []
    ahead = position - start
    end = start
    while (entry := _usual(buffer, start, start + ahead + _BLOCK)) is not None:
        found.append(entry)
        end = start + _BLOCK + entry.size
        start = end + (-entry.size % _BLOCK)
    return found, end + ahead


def _is_end(header: bytes, source: Source) -> bool:
    """Say whether a block ends the tar: the first of two blocks of zeros, or of one at the end."""
    if header != _ZERO:
        return False
    following = source.read(_BLOCK)
    if following and following != _ZERO:
        raise IntegrityError("the tar goes on after a block of zeros")
    return True


# Name, mode, owner, group, size, time, checksum and type of a file, as Go, Python and GNU tar write
# them, and no prefix.
_USUAL = re.compile(
    rb"(?=([^\0]{1,100})).{100}"
    rb"([0-7]{7})\0[0-7]{7}\0[0-7]{7}\0([0-7]{11})\0[0-7]{11}\0([0-7]{6})\0 0.{188}\0.{166}",
    re.DOTALL,
)


def _usual(buffer: bytes, start: int, offset: int) -> Entry | None:
    """Read a header as most are, of a file and in ASCII, and compare its checksum: a short way.

    None for any other. What is read here, `_check` and `_entry` would read to the same, in three
    times the time.
    """
    found = _USUAL.match(buffer, start)
    if found is None:
        return None
    name, mode, size, checksum = found.groups()
    header = found[0]
    if not header.isascii() or zlib.adler32(header) & 0xFFFF != _adler(checksum):
        return None
    return Entry(name.decode(), _FILE, int(size, 8), _permissions(mode), "", offset)


@lru_cache(maxsize=1024)
def _permissions(mode: bytes) -> int:
    return int(mode, 8) & 0o7777


@lru_cache(maxsize=4096)
def _adler(checksum: bytes) -> int:
    """Return the low half of a header's Adler-32 that belongs to its checksum's six digits.

    It is one more than the sum of the bytes (`_sums`), in which the field counts as written.
    """
    return int(checksum, 8) - 8 * ord(" ") + sum(checksum) + ord(" ") + 1


def _check(header: bytes) -> None:
    """Compare the length and the checksum, and check the numbers that Go's reader checks."""
    if len(header) < _BLOCK:
        raise IntegrityError("the tar ends in the middle of a header")
    if _number(header[148:156].rstrip(b" ")) not in _sums(header):
        raise IntegrityError("a tar header does not match its checksum")
    _number(header[136:148])


def _sums(header: bytes) -> tuple[int, ...]:
    """Add up a header's bytes, those of the checksum as spaces; some old tars took them as signed.

    Adler-32's low half is one more than the sum of the bytes as long as that is below its modulus,
    which it is for ASCII: a tenth of the time of sum().
    """
    spaces = 8 * ord(" ")
    if header.isascii():
        own = zlib.adler32(header[148:156]) & 0xFFFF
        return ((zlib.adler32(header) & 0xFFFF) - own + spaces,)
    unsigned = sum(header[:148]) + spaces + sum(header[156:])
    negative = len((header[:148] + header[156:]).translate(None, _ASCII))
    return (unsigned, unsigned - 256 * negative)


@lru_cache(maxsize=1024)
def _mode(owned: bytes) -> int:
    """Read the mode, and check the owner and the group that follow it."""
    for start in (8, 16):
        _number(owned[start : start + 8])
    return _number(owned[:8]) & 0o7777


def _number(field: bytes) -> int:
    """Read an octal number, or GNU's base-256 form with its sign. Raises IntegrityError."""
    digits = field[:-1]
    if not digits.isdigit() or field[-1]:
        return _odd_number(field)
    try:
        return int(digits, 8)
    except ValueError:
        raise IntegrityError(_NO_NUMBER) from None


def _odd_number(field: bytes) -> int:
    """Read a number that is not written as most are: digits and a zero byte."""
    if field[:1] >= b"\x80":
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        negative = field[0] & 0x40
        return value - (1 << (8 * len(field) - 1)) if negative else value
    text = field.strip(b" \0").split(b"\0", 1)[0]
    if text and not text.isdigit():
        raise IntegrityError(_NO_NUMBER)
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise IntegrityError(_NO_NUMBER) from None


def _size(size: int) -> int:
    if not 0 <= size <= _SIZE_LIMIT:
        raise IntegrityError("a tar header holds an impossible size")
    return size


def _payload(source: Source, size: int) -> bytes:
    if size > _EXTENSION_LIMIT:
        raise LimitError(f"a tar extension header has {size} bytes")
    data = source.read(size)
    if len(data) < size:
        raise IntegrityError("the tar ends in the middle of an extension header")
    source.skip(-size % _BLOCK)
    return data


def _extend(extended: _Extended, kind: bytes, data: bytes) -> _Extended | None:
    match kind:
        case b"L":
            extended.name = _text(data.split(b"\0", 1)[0])
        case b"K":
            extended.link = _text(data.split(b"\0", 1)[0])
        case b"x":
            extended.records = dict(_records(data))
        case _:
            # A global header: checked, and its records passed over, as Go's reader does.
            for _ in _records(data):
                pass
            return None
    return extended


_WHOLE = re.compile(rb"[+-]?\d{1,19}\Z")
_TIME = re.compile(rb"-?\d+(\.\d*)?\Z")
_NUMBERS = {b"uid": _WHOLE, b"gid": _WHOLE, b"size": _WHOLE,
            b"mtime": _TIME, b"atime": _TIME, b"ctime": _TIME}  # fmt: skip
_TEXTS = frozenset({b"path", b"linkpath", b"uname", b"gname"})
_OVERLAY = b"SCHILY.xattr.trusted.overlay."


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read records of the form "LENGTH KEY=VALUE" and a line break, in one pass."""
    position = count = 0
    while position < len(data):
        count += 1
        if count > _RECORDS:
            raise LimitError(f"a pax header has more than {_RECORDS} records")
        space = data.find(b" ", position, position + len("1000000 "))
        if space < 0 or not data[position:space].isdigit():
            raise IntegrityError("a pax record has no length")
        end = position + int(data[position:space])
        if end <= space + 1 or end > len(data) or data[end - 1 : end] != b"\n":
            raise IntegrityError("a pax record has an impossible length")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        wanted = _NUMBERS.get(key)
        bad = value and wanted is not None and not wanted.match(value)
        if not key or not equals or bad or (key in _TEXTS and b"\0" in value):
            raise IntegrityError("a pax record holds what its key does not allow")
        position = end
        yield key, value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _field(data: bytes) -> str:
    text = data.rstrip(b"\0")
    if b"\0" in text:
        text = text.partition(b"\0")[0]
    return text.decode("utf-8", "surrogateescape")


def _entry(header: bytes, kind: bytes, extended: _Extended | None, offset: int, size: int) -> Entry:
    name = _field(header[:100])
    mode = _mode(header[100:124])
    link = _field(header[157:257]) if header[157] else ""
    if header[345] or header[357]:
        prefix = _prefix(header)
        name = f"{prefix}/{name}" if prefix else name
    found = _KINDS.get(kind, EntryKind.OTHER)
    doubt = "" if kind in _HANDLED else _UNHANDLED
    records = None
    if extended is not None:
        records = extended.records
        name = extended.name or _text(records.get(b"path", b"")) or name
        link = extended.link or _text(records.get(b"linkpath", b"")) or link
        size = _size(int(records.get(b"size") or size))
        if any(key.startswith(_OVERLAY) for key in records):
            doubt = _ATTRIBUTES
    if kind == b"\0" and name.endswith("/"):
        found = EntryKind.DIRECTORY
    if records and found is EntryKind.FILE and _is_sparse(records):
        found = EntryKind.SPARSE
        name = _text(records.get(b"GNU.sparse.name", b"")) or name
    if kind in _HEADER_ONLY or found is EntryKind.DIRECTORY:
        size = 0
    if kind == b"3" and not any(_number(header[at : at + 8]) for at in (329, 337)):
        doubt = _REMOVAL
    return Entry(name, found, size, mode, link, offset, doubt)


def _prefix(header: bytes) -> str:
    """Return what stands before the name, as the format of the header has it."""
    if header[257:263] == _USTAR:
        return _field(header[345:476] if header[508:] == b"tar\0" else header[345:500])
    if header[257:265] == _GNU:
        # Times lie here; Go before 1.8 wrote a prefix all the same, and its reader still heeds it.
        try:
            for start in (345, 357):
                if header[start]:
                    _number(header[start : start + 12])
        except IntegrityError:
            found = header[345:500].partition(b"\0")[0]
            return _text(found) if found.isascii() else ""
    return ""


def _is_sparse(records: dict[bytes, bytes]) -> bool:
    """Say whether Go's reader takes these records for a sparse file's: versions 0.0, 0.1, 1.0."""
    major, minor = (records.get(f"GNU.sparse.{part}".encode()) for part in ("major", "minor"))
    if major or minor:
        return (major, minor) in {(b"0", b"0"), (b"0", b"1"), (b"1", b"0")}
    return bool(records.get(b"GNU.sparse.map") or b"GNU.sparse.offset" in records)


def _pass_sparse_map(source: Source, header: bytes) -> int:
    """Pass over the blocks that continue an old GNU sparse file's map; return how many."""
    count = 0
    more = header[482]
    while more:
        block = source.read(_BLOCK)
        count += 1
        if len(block) < _BLOCK or count > _RECORDS:
            raise IntegrityError("the map of a sparse file does not end")
        more = block[504]
    return count
