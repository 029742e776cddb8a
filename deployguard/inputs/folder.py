"""A folder of the user's disk as files of a container; links are never followed out of it."""

import posixpath
from dataclasses import dataclass
from pathlib import Path

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import READ_LIMIT, Absent, Content, FileKind, Stat, Unread


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """What a bind mount or a COPY brings: the folder itself is "/". A single file is "/" too."""

    root: Path

    def _path(self, path: str) -> Path | Absent | Unread:
        inner = posixpath.normpath("/" + path.lstrip("/")).lstrip("/")
        place = self.root / inner if inner else self.root
        try:
            if not place.exists():
                return self._unread(place) if place.is_symlink() else Absent(path)
            if not place.resolve().is_relative_to(self.root.resolve()):
                return self._unread(place)
        except (OSError, ValueError):  # of a name that no path can have
            return self._unread(place)
        return place

    @staticmethod
    def _unread(place: Path) -> Unread:
        return Unread(Missing(Reason.FILE, f"the file {place}"))

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content, at most 2 MiB."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        if place.is_dir():
            return Absent(path)
        if not place.is_file():  # reading a pipe or a device may wait for ever
            return self._unread(place)
        try:
            with place.open("rb") as file:
                data = file.read(READ_LIMIT + 1)
        except OSError:
            return self._unread(place)
        if len(data) > READ_LIMIT:
            return Unread(Missing(Reason.LIMIT, f"the file {place} (more than 2 MiB)"))
        return Content(data, Location(str(place)))

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
            return self._unread(place)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        place = self._path(path)
        if not isinstance(place, Path):
            return place
        try:
            status = place.stat()
        except OSError:
            return self._unread(place)
        kind = (
            FileKind.FILE
            if place.is_file()
            else FileKind.DIRECTORY
            if place.is_dir()
            else FileKind.OTHER
        )
        inner = posixpath.normpath("/" + path.lstrip("/"))
        return Stat(kind, inner, status.st_mode & 0o7777, status.st_size, Location(str(place)))
