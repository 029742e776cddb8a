"""The files that a process would see, behind one protocol that never raises."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from deployguard.model.evidence import Location, Missing


class Absent(Struct, frozen=True):
    """There is certainly nothing at this path."""

    path: str


class Unread(Struct, frozen=True):
    """There may be something, but it was not read.

    Of a directory, `seen` names what certainly lies in it.
    """

    missing: Missing
    seen: tuple[str, ...] = ()


class Content(Struct, frozen=True):
    """The bytes of a file; `location` names the file and the layer that holds it."""

    data: bytes
    location: Location


class FileKind(StrEnum):
    """What lies at a path after links are followed."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


class Stat(Struct, frozen=True):
    """What lies at a path after links are followed; `path` is the resolved absolute path."""

    kind: FileKind
    path: str
    mode: int
    size: int
    location: Location


# What every implementation keeps to, so that an image says the same wherever it is read from.
READ_LIMIT = 2 * 1024 * 1024
SEARCH_LIMIT = 512 * 1024 * 1024
LINK_HOPS = 40  # of the kernel (path_resolution(7))


class Filesystem(Protocol):
    """Files by absolute path ("/srv/app/app.py"); symbolic links are followed within the root."""

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the whole content of a regular file; a directory or device is Absent."""

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, sorted; what is not a directory is Absent."""

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path."""


class Searched(Struct, frozen=True):
    """The first bytes of a file of any size, and which of the wanted byte strings it holds."""

    head: bytes
    found: frozenset[bytes]


@runtime_checkable
class SearchableFilesystem(Filesystem, Protocol):
    """Files that can be searched whatever their size, while `read` has a limit."""

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a regular file; with nothing wanted only its first bytes are read."""


def search(files: Filesystem, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
    """Search a file; where files of any size cannot be searched, one that can be read."""
    if isinstance(files, SearchableFilesystem):
        return files.search(path, wanted)
    content = files.read(path)
    return searched((content.data,), wanted) if isinstance(content, Content) else content


_HEAD = 64


def searched(pieces: Iterable[bytes], wanted: frozenset[bytes]) -> Searched:
    """Search the pieces of a file, in which a byte string may lie across a border."""
    overlap = max((len(one) for one in wanted), default=1) - 1
    head, tail = b"", b""
    found: set[bytes] = set()
    for piece in pieces:
        head = head if len(head) >= _HEAD else (head + piece)[:_HEAD]
        if not wanted - found and len(head) >= _HEAD:
            break
        window = tail + piece
        found.update(one for one in wanted - found if one in window)
        tail = window[-overlap:] if overlap else b""
    return Searched(head, frozenset(found))


class UnreadFilesystem(Struct, frozen=True):
    """The files of an image that was not read: anything may lie anywhere."""

    missing: Missing

    def read(self, path: str) -> Content | Absent | Unread:  # noqa: ARG002  (the protocol's)
        """Nothing is known of any file."""
        return Unread(self.missing)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:  # noqa: ARG002
        """Nothing is known of any directory."""
        return Unread(self.missing)

    def stat(self, path: str) -> Stat | Absent | Unread:  # noqa: ARG002
        """Nothing is known of any path."""
        return Unread(self.missing)
