"""A folder of the user's disk as files of a container; links are never followed out of it."""

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    LINK_HOPS,
    READ_LIMIT,
    SEARCH_LIMIT,
    Absent,
    Content,
    FileKind,
    Searched,
    Stat,
    Unread,
    searched,
)

_PIECE = 1024 * 1024


class FolderFiles(Struct, frozen=True):
    """What a bind mount brings: the folder itself is "/". A single file is "/" too.

    Its links are read as the container reads them: those that stay in the folder are followed, and
    the others lead to files of the container, never to the disk.
    """

    root: Path

    def link(self, path: str) -> str | None:
        """Return a path with its first link followed, None where there is none on it.

        What is absolute is a path of the container, all else is seen from the root.
        """
        parts = [part for part in posixpath.normpath(path).split("/") if part]
        for index in range(len(parts)):
            place = self.root.joinpath(*parts[: index + 1])
            try:
                if not stat.S_ISLNK(place.lstat().st_mode):
                    continue
                target = os.readlink(place)  # noqa: PTH115  (as it is written)
            except (OSError, ValueError):
                return None
            return posixpath.join(*parts[:index], target, *parts[index + 1 :])
        return None

    def _path(self, path: str) -> Path | Absent | Unread:
        """Return the path on disk, its links followed as far as they stay in the folder."""
        inner = posixpath.normpath("/" + path.lstrip("/"))
        for _ in range(LINK_HOPS):
            target = self.link(inner)
            if target is None:
                return self._there(inner.lstrip("/"))
            inner = posixpath.normpath(target)
            if inner.startswith(("/", "..")):
                return _unread(self.root / path.lstrip("/"))
        return Absent(path)

    def _there(self, inner: str) -> Path | Absent | Unread:
        place = self.root / inner if inner else self.root
        try:
            place.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Absent(f"/{inner}")
        except (OSError, ValueError):  # of a name that no path can have
            return _unread(place)
        return place

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content, at most 2 MiB."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        return Absent(path) if place.is_dir() else content(place, follow=place == self.root)

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        if place.is_dir():
            return Absent(path)
        try:
            with _opened(place, follow=place == self.root) as file:
                if file is None:
                    return _unread(place)
                if wanted and os.fstat(file.fileno()).st_size > SEARCH_LIMIT:
                    return Unread(Missing(Reason.LIMIT, f"the file {place} (too large)"))
                return searched(iter(lambda: file.read(_PIECE), b""), wanted)
        except OSError:
            return _unread(place)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a folder."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        if not place.is_dir():
            return Absent(path)
        try:
            return tuple(sorted(child.name for child in place.iterdir()))
        except OSError:
            return _unread(place)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        try:
            status = place.stat()
        except FileNotFoundError:
            return Absent(path)
        except OSError:
            return _unread(place)
        kind = (
            FileKind.FILE
            if stat.S_ISREG(status.st_mode)
            else FileKind.DIRECTORY
            if stat.S_ISDIR(status.st_mode)
            else FileKind.OTHER
        )
        inner = "/" if place == self.root else f"/{place.relative_to(self.root).as_posix()}"
        return Stat(kind, inner, status.st_mode & 0o7777, status.st_size, Location(str(place)))


def content(place: Path, *, follow: bool = False) -> Content | Absent | Unread:
    """Return the content of a regular file, at most 2 MiB; of a link only where asked to `follow`.

    Nothing else is opened, nor waited for.
    """
    try:
        with _opened(place, follow=follow) as file:
            data = file.read(READ_LIMIT + 1) if file is not None else None
    except OSError:
        return _unread(place)
    if data is None:
        return _unread(place)
    if len(data) > READ_LIMIT:
        return Unread(Missing(Reason.LIMIT, f"the file {place} (more than 2 MiB)"))
    return Content(data, Location(str(place)))


@contextmanager
def _opened(place: Path, *, follow: bool) -> Iterator[BinaryIO | None]:
    """Open a regular file; None for what is none. Raises OSError."""
    if not stat.S_ISREG(place.stat(follow_symlinks=follow).st_mode):
        yield None  # opening a device may set something off
        return
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(place, flags), "rb") as file:
        # It may have become something else since.
        yield file if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _unread(place: Path) -> Unread:
    return Unread(Missing(Reason.FILE, f"the file {place}"))
