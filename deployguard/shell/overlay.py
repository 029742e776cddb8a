"""Files as they are after a script has written some of them."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from deployguard.model.evidence import Location, Missing
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Filesystem,
    Searched,
    Stat,
    Unread,
    search,
    searched,
)

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Written:
    """What a script left at a path: text, or a directory where `data` is None."""

    data: bytes | Unread | None
    executable: bool
    location: Location


@dataclass(frozen=True, slots=True)
class Overlay:
    """A filesystem with changes by path.

    `changes` has None for what was removed. Under `unsure` directories anything may have been
    written; `doubt` names a command that may have created files where none are known.
    """

    base: Filesystem
    changes: Mapping[str, Written | None] = field(default_factory=dict)
    unsure: tuple[tuple[str, Missing], ...] = ()
    doubt: Missing | None = None

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of a file as the script left it."""
        key = self._key(path)
        if key in self.changes:
            change = self.changes[key]
            if change is None or change.data is None:
                return Absent(path)
            if isinstance(change.data, Unread):
                return change.data
            return Content(change.data, change.location)
        unsure = self._unsure(key)
        return self._doubted(self.base.read(path)) if unsure is None else unsure

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory as the script left it."""
        key = self._key(path)
        unsure = self._unsure(key)
        if unsure is not None:
            return unsure
        names = self._doubted(self.base.list(path))
        if isinstance(names, Unread):
            return names
        if self.doubt is not None:
            return Unread(self.doubt)
        found = set(names) if isinstance(names, tuple) else set()
        inside = False
        for changed, change in self.changes.items():
            directory, name = posixpath.split(changed)
            if directory == key:
                inside = inside or change is not None
                (found.discard if change is None else found.add)(name)
        if isinstance(names, Absent) and not inside and self.changes.get(key) is None:
            return names
        return tuple(sorted(found))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path as the script left it."""
        key = self._key(path)
        if key in self.changes:
            change = self.changes[key]
            if change is None:
                return Absent(path)
            kind = FileKind.DIRECTORY if change.data is None else FileKind.FILE
            size = len(change.data) if isinstance(change.data, bytes) else 0
            mode = 0o755 if change.executable else 0o644
            return Stat(kind, key, mode, size, change.location)
        unsure = self._unsure(key)
        return self._doubted(self.base.stat(path)) if unsure is None else unsure

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file as the script left it."""
        key = self._key(path)
        if key not in self.changes and self._unsure(key) is None:
            return self._doubted(search(self.base, path, wanted))
        content = self.read(path)
        return searched((content.data,), wanted) if isinstance(content, Content) else content

    def with_change(self, path: str, change: Written | None) -> "Overlay":
        """Return the files with one path written, or removed where `change` is None."""
        return replace(self, changes={**self.changes, self._key(path): change})

    def with_unsure(self, directory: str, missing: Missing) -> "Overlay":
        """Return the files where anything below a directory may have been written."""
        return replace(self, unsure=(*self.unsure, (self._key(directory), missing)))

    def either(self, other: "Overlay", missing: Missing) -> "Overlay":
        """Return the files as one of two ways left them: what they left different is unsure."""
        changes = {
            path: change
            for path, change in self.changes.items()
            if path in other.changes and repr(other.changes[path]) == repr(change)
        }
        differing = sorted({*self.changes, *other.changes} - set(changes))
        unsure = (*self.unsure, *other.unsure, *((path, missing) for path in differing))
        return replace(
            self,
            changes=changes,
            unsure=tuple(dict.fromkeys(unsure)),
            doubt=self.doubt or other.doubt,
        )

    def _key(self, path: str) -> str:
        """Return the path with links resolved as far as the original files go."""
        path = posixpath.normpath("/" + path.lstrip("/"))
        found = self.base.stat(path)
        if isinstance(found, Stat):
            return found.path
        directory, name = posixpath.split(path)
        parent = self.base.stat(directory)
        return posixpath.join(parent.path, name) if isinstance(parent, Stat) else path

    def _unsure(self, key: str) -> Unread | None:
        for directory, missing in self.unsure:
            if directory in {"/", key} or key.startswith(directory + "/"):
                return Unread(missing)
        return None

    def _doubted(self, found: _Found | Absent | Unread) -> _Found | Absent | Unread:
        if isinstance(found, Absent) and self.doubt is not None:
            return Unread(self.doubt)
        return found
