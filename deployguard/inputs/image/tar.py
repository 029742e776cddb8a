"""A bounded walker over tar headers (POSIX.1-2017 pax, ustar; GNU tar's long names).

Unlike `tarfile` it believes no size: names, pax records and entries are limited, and nothing is
read into memory that is not asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from deployguard.errors import IntegrityError, LimitError

_BLOCK = 512
_NAME_LIMIT = 64 * 1024
_PAX_LIMIT = 1024 * 1024
_ENTRIES = 2_000_000
_SIZE_LIMIT = 1 << 45


class Source(Protocol):
    """Bytes in order; `position` counts from the start."""

    position: int

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""

    def skip(self, size: int) -> None:
        """Pass over bytes; passing over the end shows at the next read."""


class EntryKind(StrEnum):
    """What a header describes, as far as it matters here."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    SPARSE = "sparse"  # a file with holes: its bytes are not stored as they are read
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Entry:
    """One member; `offset` is where its data begins in the source."""

    name: str
    kind: EntryKind
    size: int
    mode: int
    link: str
    offset: int


_KINDS = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"1": EntryKind.HARDLINK,
    b"2": EntryKind.SYMLINK,
    b"5": EntryKind.DIRECTORY,
    b"S": EntryKind.SPARSE,
}


@dataclass(slots=True)
class _Extended:
    """What extension headers say about the entry that follows them."""

    name: str | None = None
    link: str | None = None
    size: int | None = None
    sparse: bool = False


def entries(source: Source) -> Iterator[Entry]:
    """Yield the members in order; a member's data may be read from the source until the next.

    Raises IntegrityError for what is no tar or ends too early, LimitError beyond a bound.
    """
    extended = _Extended()
    count = 0
    while True:
        header = source.read(_BLOCK)
        if not header or header == bytes(_BLOCK):
            return
        if len(header) < _BLOCK:
            raise IntegrityError("the tar ends in the middle of a header")
        _check(header)
        kind, size = header[156:157], _number(header[124:136])
        if kind in b"LKxg" and kind:
            _extend(extended, kind, _payload(source, kind, size))
            continue
        count += 1
        if count > _ENTRIES:
            raise LimitError(f"the tar has more than {_ENTRIES} entries")
        entry = _entry(header, extended, source.position, size)
        extended = _Extended()
        yield entry
        padded = -(-entry.size // _BLOCK) * _BLOCK
        source.skip(entry.offset + padded - source.position)


def _check(header: bytes) -> None:
    """Compare the checksum; both signs of the bytes are in use (POSIX ustar, old tars)."""
    stored = _number(header[148:156])
    blanked = header[:148] + b" " * 8 + header[156:]
    unsigned = sum(blanked)
    signed = unsigned - 256 * sum(byte > 127 for byte in blanked)  # noqa: PLR2004  (a sign bit)
    if stored not in {unsigned, signed}:
        raise IntegrityError("a tar header does not match its checksum")


def _number(field: bytes) -> int:
    """Read an octal number, or GNU's base-256 form."""
    if field[:1] in {b"\x80", b"\xff"}:
        value = int.from_bytes(field[1:], "big", signed=False)
        if field[:1] == b"\xff" or value > _SIZE_LIMIT:
            raise IntegrityError("a tar header holds an impossible number")
        return value
    text = field.split(b"\0", 1)[0].strip()
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise IntegrityError("a tar header holds no octal number where one belongs") from None


def _payload(source: Source, kind: bytes, size: int) -> bytes:
    limit = _NAME_LIMIT if kind in b"LK" else _PAX_LIMIT
    if size > limit:
        raise LimitError(f"a tar extension header has {size} bytes")
    data = source.read(size)
    if len(data) < size:
        raise IntegrityError("the tar ends in the middle of an extension header")
    source.skip(-size % _BLOCK)
    return data


def _extend(extended: _Extended, kind: bytes, data: bytes) -> None:
    match kind:
        case b"L":
            extended.name = _text(data.split(b"\0", 1)[0])
        case b"K":
            extended.link = _text(data.split(b"\0", 1)[0])
        case b"x":
            _pax(extended, data)
        case _:
            # Global records name no file; engines pass over them as well.
            return


def _pax(extended: _Extended, data: bytes) -> None:
    """Read records of the form "LENGTH KEY=VALUE" and a line break, in one pass."""
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + len("1000000 "))
        if space < 0 or not data[position:space].isdigit():
            raise IntegrityError("a pax record has no length")
        length = int(data[position:space])
        record = data[space + 1 : position + length]
        if length <= space - position or position + length > len(data):
            raise IntegrityError("a pax record has an impossible length")
        key, _, value = record.rstrip(b"\n").partition(b"=")
        position += length
        match key:
            case b"path":
                extended.name = _text(value)
            case b"linkpath":
                extended.link = _text(value)
            case b"size":
                if not value.isdigit() or len(value) > len(str(_SIZE_LIMIT)):
                    raise IntegrityError("a pax record holds an impossible size")
                extended.size = int(value)
            case _ if key.startswith(b"GNU.sparse."):
                extended.sparse = True
            case _:
                pass


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _entry(header: bytes, extended: _Extended, offset: int, size: int) -> Entry:
    name = extended.name
    if name is None:
        name = _text(header[:100].split(b"\0", 1)[0])
        if header[257:263] == b"ustar\0":
            prefix = _text(header[345:500].split(b"\0", 1)[0])
            name = f"{prefix}/{name}" if prefix else name
    link = extended.link
    if link is None:
        link = _text(header[157:257].split(b"\0", 1)[0])
    kind = _KINDS.get(header[156:157], EntryKind.OTHER)
    if kind is EntryKind.FILE and name.endswith("/"):
        kind = EntryKind.DIRECTORY
    if kind is EntryKind.FILE and extended.sparse:
        kind = EntryKind.SPARSE
    stored = size if extended.size is None else extended.size
    if kind in {EntryKind.DIRECTORY, EntryKind.SYMLINK, EntryKind.HARDLINK}:
        # Their size field tells nothing about data (POSIX pax, typeflag).
        stored = 0
    return Entry(name, kind, stored, _number(header[100:108]) & 0o7777, link, offset)
