"""Files that a program has written, or that lie in an archive, over those of the image."""

import posixpath
from typing import Any

from deployguard.model.evidence import Location
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Filesystem,
    Stat,
    Unread,
)


class Layered:
    """A filesystem with further files over it; `slots` holds them by their absolute paths."""

    def __init__(self, base: Filesystem) -> None:
        self.base = base
        self.slots: dict[Any, Content | Absent | Unread] = {}

    def __bool__(self) -> bool:
        """Say whether anything lies over the files below."""
        return bool(self.slots)

    def copy(self) -> "Layered":
        """Return the files as they are now."""
        made = Layered(self.base)
        made.slots.update(self.slots)
        return made

    def _over(self, path: str) -> Content | Absent | Unread | None:
        if not self.slots:
            return None
        return self.slots.get(posixpath.normpath(path))

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the whole content of a regular file; a directory or device is Absent."""
        over = self._over(path)
        return self.base.read(path) if over is None else over

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, sorted; what is not a directory is Absent."""
        names = self.base.list(path)
        if not self.slots or isinstance(names, Unread):
            return names
        over = self._names(path)
        if not over:
            return names
        gone = {name for name, there in over.items() if not there}
        held = () if isinstance(names, Absent) else names
        return tuple(sorted({*held, *(name for name, there in over.items() if there)} - gone))

    def _names(self, path: str) -> dict[str, bool]:
        prefix = posixpath.normpath(path).rstrip("/") + "/"
        return {
            place.removeprefix(prefix).partition("/")[0]: not isinstance(entry, Absent)
            for place, entry in self.slots.items()
            if place.startswith(prefix)
        }

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path."""
        over = self._over(path)
        match over:
            case Content(data=data, location=location):
                real = posixpath.normpath(path)
                return Stat(FileKind.FILE, real, 0o644, len(data), location)
            case Absent() | Unread():
                return over
            case None:
                pass
        found = self.base.stat(path)
        if self.slots and isinstance(found, Absent | Stat) and any(self._names(path).values()):
            real = posixpath.normpath(path)
            return Stat(FileKind.DIRECTORY, real, 0o755, 0, Location(real))
        return found
