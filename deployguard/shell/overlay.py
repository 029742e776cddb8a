"""Files as they are after a script has written, moved and removed some of them."""

import posixpath
from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct, field

from deployguard.model.evidence import Location, Missing
from deployguard.model.filesystem import (
    LINK_HOPS,
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
from deployguard.model.structs import replace

_Found = TypeVar("_Found")
_DEEPEST = 64


class Written(Struct, frozen=True):
    """What a script left at a path: text, a directory where `data` is None, or a `link`."""

    data: bytes | Unread | None
    executable: bool
    location: Location
    link: str | None = None


class Overlay(Struct, frozen=True):
    """A filesystem with changes by path.

    `changes` has None for what was removed; of the trees in `removed` nothing is left but what was
    written later. Under `unsure` paths anything may have been written; `doubt` names a command that
    may have created files where none are known.
    """

    base: Filesystem
    changes: Mapping[str, Written | None] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    unsure: tuple[tuple[str, Missing], ...] = ()
    doubt: Missing | None = None

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of a file as the script left it."""
        place = self._key(path)
        if place in self.changes:
            change = self.changes[place]
            if change is None or change.data is None:
                return Absent(path)
            if isinstance(change.data, Unread):
                return change.data
            return Content(change.data, change.location)
        kept = self._kept(place)
        return self._doubted(self.base.read(place)) if kept is None else kept

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory as the script left it."""
        place = self._key(path)
        unsure = self._unsure(place)
        if unsure is not None:
            return unsure
        if self.doubt is not None:
            return Unread(self.doubt)
        names = Absent(path) if self._gone(place) else self.base.list(place)
        if isinstance(names, Unread):
            return names
        found = set(names) if isinstance(names, tuple) else set()
        own = self.changes.get(place)
        inside = own is not None and own.data is None
        for changed, change in self.changes.items():
            directory, name = posixpath.split(changed)
            if directory == place:
                inside = inside or change is not None
                (found.discard if change is None else found.add)(name)
        if isinstance(names, Absent) and not inside:
            return names
        gone = {
            path
            for path in (posixpath.join(place, name) for name in found)
            if path in self.removed and self.changes.get(path) is None
        }
        return tuple(sorted(name for name in found if posixpath.join(place, name) not in gone))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path as the script left it."""
        place = self._key(path)
        if place in self.changes:
            change = self.changes[place]
            if change is None:
                return Absent(path)
            kind = FileKind.DIRECTORY if change.data is None else FileKind.FILE
            size = len(change.data) if isinstance(change.data, bytes) else 0
            mode = 0o755 if change.executable or change.data is None else 0o644
            return Stat(kind, place, mode, size, change.location)
        kept = self._kept(place)
        return self._doubted(self.base.stat(place)) if kept is None else kept

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file as the script left it."""
        place = self._key(path)
        if place not in self.changes:
            kept = self._kept(place)
            return self._doubted(search(self.base, place, wanted)) if kept is None else kept
        content = self.read(path)
        return searched((content.data,), wanted) if isinstance(content, Content) else content

    def is_link(self, path: str) -> bool | None:
        """Say whether a symbolic link lies at a path, None where that is not known."""
        place = self._place(path, LINK_HOPS)
        change = self.changes.get(place)
        if place in self.changes:
            return change is not None and change.link is not None
        found = self._kept(place) or self.base.stat(place)
        # A link that leads nowhere looks like nothing at all.
        return found.path != place if isinstance(found, Stat) else None

    def with_change(self, path: str, change: Written) -> "Overlay":
        """Return the files with one path written."""
        at = self._place if change.link is not None else self._key_within
        return replace(self, changes={**self.changes, at(path, LINK_HOPS): change})

    def with_directory(self, path: str, location: Location) -> "Overlay":
        """Return the files with a directory and those above it."""
        changes = dict(self.changes)
        place = self._key(path)
        while place != "/" and isinstance(self.stat(place), Absent):
            changes[place] = Written(None, executable=False, location=location)
            place = posixpath.dirname(place)
        return replace(self, changes=changes)

    def without(self, path: str) -> "Overlay":
        """Return the files without what lies at a path, and below it."""
        place = self._place(path, LINK_HOPS)
        changes = {
            other: change
            for other, change in self.changes.items()
            if not other.startswith(place + "/")
        }
        return replace(self, changes={**changes, place: None}, removed=self.removed | {place})

    def with_unsure(self, path: str, missing: Missing) -> "Overlay":
        """Return the files where anything may have been written at and below a path."""
        place = self._key(path)
        changes = {
            other: change
            for other, change in self.changes.items()
            if other != place and not other.startswith(place.rstrip("/") + "/")
        }
        return replace(self, changes=changes, unsure=(*self.unsure, (place, missing)))

    def either(self, other: "Overlay", missing: Missing) -> "Overlay":
        """Return the files as one of two ways left them: what they left different is unsure."""
        if self is other:
            return self
        changes = {
            path: change
            for path, change in self.changes.items()
            if path in other.changes and _content(other.changes[path]) == _content(change)
        }
        differing = {*self.changes, *other.changes} - set(changes)
        differing |= self.removed ^ other.removed
        unsure = (*self.unsure, *other.unsure, *((path, missing) for path in sorted(differing)))
        return replace(
            self,
            changes=changes,
            removed=self.removed & other.removed,
            unsure=tuple(dict.fromkeys(unsure)),
            doubt=self.doubt or other.doubt,
        )

    def key(self) -> object:
        """Return what tells one state of the files from another."""
        return (
            frozenset((path, _content(change)) for path, change in self.changes.items()),
            self.removed,
            frozenset(path for path, _ in self.unsure),
            self.doubt,
        )

    def _key(self, path: str) -> str:
        return self._key_within(path, LINK_HOPS)

    def _key_within(self, path: str, hops: int) -> str:
        """Return the path with links resolved, those of the script too."""
        place = self._place(path, hops)
        change = self.changes.get(place)
        if change is not None and change.link is not None and hops > 0:
            return self._key_within(posixpath.join(posixpath.dirname(place), change.link), hops - 1)
        if place in self.changes or self._gone(place):
            return place
        found = self.base.stat(place)
        return found.path if isinstance(found, Stat) else place

    def _place(self, path: str, hops: int) -> str:
        """Return the path with the links of its directories resolved."""
        path = posixpath.normpath("/" + path.lstrip("/"))
        if path == "/" or path.count("/") > _DEEPEST:
            return path
        directory, name = posixpath.split(path)
        if not self.changes and not self.removed:
            parent = self.base.stat(directory)
            return posixpath.join(parent.path, name) if isinstance(parent, Stat) else path
        return posixpath.join(self._key_within(directory, hops), name)

    def _gone(self, place: str) -> bool:
        while place != "/":
            if place in self.removed:
                return True
            place = posixpath.dirname(place)
        return False

    def _kept(self, place: str) -> Absent | Unread | None:
        """Return what is to be said of a path that was not written, None where the base tells."""
        unsure = self._unsure(place)
        if unsure is not None:
            return unsure
        if self._gone(place):
            return self._doubted(Absent(place))
        return None

    def _unsure(self, place: str) -> Unread | None:
        for directory, missing in self.unsure:
            if directory in {"/", place} or place.startswith(directory + "/"):
                return Unread(missing)
        return None

    def _doubted(self, found: _Found | Absent | Unread) -> _Found | Absent | Unread:
        if isinstance(found, Absent) and self.doubt is not None:
            return Unread(self.doubt)
        return found


def _content(change: Written | None) -> object:
    return change and (change.data, change.executable, change.link)
