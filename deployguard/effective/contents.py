"""What a mount may hold besides a folder of the disk: part of other files, one file, nothing."""

import posixpath
from typing import Protocol, runtime_checkable

from msgspec import Struct

from deployguard.model.evidence import Location
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Filesystem,
    Searched,
    Stat,
    Unread,
    search,
)


@runtime_checkable
class LinkedFilesystem(Filesystem, Protocol):
    """Files whose links may lead to other files of the container."""

    def link(self, path: str) -> str | None:
        """Return a path with the first link on it followed; None where it holds no link.

        What is absolute is a path of the container, all else is seen from the root of the files.
        """


def normal(path: str) -> str:
    """Return a path from the root, without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def below(path: str, directory: str) -> bool:
    """Return whether a path is a directory, or lies in it."""
    path, directory = posixpath.normpath(path), posixpath.normpath(directory)
    return directory in {path, "/"} or path.startswith(directory + "/")


def inside(path: str, directory: str) -> str:
    """Return a path below a directory as it is seen from there, the directory being "/"."""
    return posixpath.normpath("/" + posixpath.relpath(path, posixpath.normpath(directory)))


class Part(Struct, frozen=True):
    """A folder of other files, such as what a new volume is filled with; it is there at any rate.

    `location` is where it is mounted.
    """

    files: Filesystem
    root: str
    location: Location

    def _whole(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.root, path.lstrip("/")))

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of a file."""
        return self.files.read(self._whole(path))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory; a root that is not there is an empty one."""
        names = self.files.list(self._whole(path))
        if isinstance(names, Absent) and path == "/":
            found = self.files.stat(self.root)
            return () if isinstance(found, Absent) else names
        return names

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path, as seen from the root."""
        found = self.files.stat(self._whole(path))
        if isinstance(found, Absent) and path == "/":
            return Stat(FileKind.DIRECTORY, "/", 0o755, 0, self.location)
        if isinstance(found, Stat) and below(found.path, self._real_root()):
            place = inside(found.path, self._real_root())
            return Stat(found.kind, place, found.mode, found.size, found.location)
        return found

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file."""
        return search(self.files, self._whole(path), wanted)

    def link(self, path: str) -> str | None:
        """Return where a path leads to, None where it leads to itself."""
        found = self.files.stat(self._whole(path))
        root = self._real_root()
        if not isinstance(found, Stat):
            return None
        if not below(found.path, root):
            return found.path
        place = inside(found.path, root)
        return None if place == posixpath.normpath(path) else place.lstrip("/") or "."

    def _real_root(self) -> str:
        found = self.files.stat(self.root)
        return found.path if isinstance(found, Stat) else self.root


class OneFile(Struct, frozen=True):
    """A file alone, as configs and secrets are mounted."""

    content: Content

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of the file."""
        return self.content if path == "/" else Absent(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return that it is no directory."""
        return Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return the file."""
        if path != "/":
            return Absent(path)
        return Stat(FileKind.FILE, "/", 0o444, len(self.content.data), self.content.location)


class EmptyFolder(Struct, frozen=True):
    """A folder in which there is nothing when the container starts."""

    location: Location

    def read(self, path: str) -> Content | Absent | Unread:
        """Return that there is no file."""
        return Absent(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return that there are no names."""
        return () if path == "/" else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return the folder itself."""
        if path != "/":
            return Absent(path)
        return Stat(FileKind.DIRECTORY, "/", 0o755, 0, self.location)
