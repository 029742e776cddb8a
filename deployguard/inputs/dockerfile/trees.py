"""Files laid over files: what the steps of a build leave, looked up without unpacking anything.

A tree answers for one path at a time and follows no link; `View` follows links and is the
Filesystem that the rest of deployguard reads.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct, field

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    LINK_HOPS,
    Absent,
    Content,
    FileKind,
    Filesystem,
    Stat,
    Unread,
)
from deployguard.model.structs import replace

# Trees of trees (COPY --from a stage that copies from a stage ...) go this deep.
_DEEPEST = 60
_EFFORT = 500_000


class File(Struct, frozen=True):
    """A regular file; `load` reads it where it lies."""

    load: Callable[[], Content | Absent | Unread]
    mode: int
    size: int
    location: Location


class Folder(Struct, frozen=True):
    """A directory."""

    mode: int
    location: Location


class Link(Struct, frozen=True):
    """A symbolic link, its target as written."""

    target: str
    location: Location


class Other(Struct, frozen=True):
    """A device, a socket or a pipe."""

    location: Location


class Gone(Struct, frozen=True):
    """There is nothing here any more, whatever lay here before."""


Entry: TypeAlias = File | Folder | Link | Other | Gone
Found: TypeAlias = Entry | Absent | Unread


class Tree(Protocol):
    """Files by absolute clean path, without following links."""

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, sorted."""


def clean(path: str) -> str:
    """Return a path from the root, without `.`, `..` and doubled slashes (Go path.Join)."""
    return posixpath.normpath("/" + path.lstrip("/"))


def text_file(data: bytes, location: Location, mode: int = 0o644) -> File:
    """Return a file of known bytes."""
    return File(lambda: Content(data, location), mode, len(data), location)


class Unknown(Struct, frozen=True):
    """Anything may lie here and below."""

    missing: Missing

    def entry(self, path: str) -> Found:  # noqa: ARG002  (the protocol's)
        """Nothing is known of any path."""
        return Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:  # noqa: ARG002
        """Nothing is known of any directory."""
        return Unread(self.missing)


class Single(Struct, frozen=True):
    """One thing alone: a file, a link, an empty directory, or that there is nothing any more."""

    only: Entry

    def entry(self, path: str) -> Found:
        """Return the one thing at the root."""
        return self.only if path == "/" else Absent(path)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return that a directory is empty."""
        return () if path == "/" and isinstance(self.only, Folder) else Absent(path)


class Texts(Struct, frozen=True):
    """Entries by absolute path; the directories that hold them are there too, and `folders`."""

    entries: Mapping[str, File | Link]
    location: Location
    folders: frozenset[str] = frozenset()

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.entries.get(path)
        if found is not None:
            return found
        if path == "/" or isinstance(self.names(path), tuple):
            return Folder(0o755, self.location)
        return Absent(path)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        prefix = path.rstrip("/") + "/"
        names = {
            name[len(prefix) :].partition("/")[0]
            for name in (*self.entries, *self.folders)
            if name.startswith(prefix)
        }
        there = names or path == "/" or path in self.folders
        return tuple(sorted(names)) if there else Absent(path)


class Below(Struct, frozen=True):
    """The part of a tree at a path; the path itself is "/"."""

    tree: Tree
    path: str

    def _whole(self, path: str) -> str:
        return self.path if path == "/" else self.path.rstrip("/") + path

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        return self.tree.entry(self._whole(path))

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        return self.tree.names(self._whole(path))


class WithMode(Struct, frozen=True):
    """A tree whose files, and directories where asked, have other permissions."""

    tree: Tree
    change: Callable[[int, bool], int]

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.tree.entry(path)
        if isinstance(found, File | Folder):
            return replace(found, mode=self.change(found.mode, isinstance(found, Folder)))
        return found

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        return self.tree.names(path)


class Without(Struct, frozen=True):
    """A tree without the paths that are excluded; a kept file keeps the directories above it."""

    tree: Tree
    excluded: Callable[[str], bool]

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        return Absent(path) if path != "/" and self.excluded(path) else self.tree.entry(path)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        names = self.tree.names(path)
        if not isinstance(names, tuple):
            return names
        return tuple(name for name in names if not self.excluded(posixpath.join(path, name)))


class ImageTree(Struct, frozen=True):
    """The files of an image; a link shows where it leads to in the end."""

    files: Filesystem

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.files.stat(path)
        if not isinstance(found, Stat):
            return found
        if found.path != path:
            return Link(found.path, found.location)
        match found.kind:
            case FileKind.FILE:
                load = self.files.read
                return File(lambda: load(path), found.mode, found.size, found.location)
            case FileKind.DIRECTORY:
                return Folder(found.mode, found.location)
            case FileKind.OTHER:
                return Other(found.location)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        return self.files.list(path)


class Effort(Struct):
    """What lookups may cost together: hostile builds nest trees in trees."""

    left: int = _EFFORT

    def spent(self, cost: int = 1) -> bool:
        """Count a lookup, or what costs as much, and say whether there were too many."""
        self.left -= cost
        return self.left < 0


_TOO_MUCH = Unread(Missing(Reason.LIMIT, "the files of a build that copies files on and on"))


class _Write(Struct, frozen=True):
    order: int
    tree: Tree


class Layers(Struct, eq=False):
    """What steps wrote, one over the other, over a base.

    Writes are found by the directories above a path, so that a lookup costs what the depth of the
    path does and not how many steps there were. A stage writes until it ends; `copy` is what the
    next stage goes on with.
    """

    base: Tree
    effort: Effort
    depth: int = 0
    _count: int = 0
    _writes: dict[str, tuple[_Write, ...]] = field(default_factory=dict)
    _inside: dict[str, dict[str, None]] = field(default_factory=dict)

    def copy(self) -> "Layers":
        """Return the same files, to be written on."""
        return Layers(
            self.base,
            self.effort,
            self.depth,
            self._count,
            dict(self._writes),
            {place: dict(names) for place, names in self._inside.items()},
        )

    def put(self, place: str, tree: Tree, *, instead: type | None = None) -> None:
        """Lay a tree over what is at a place, which is no link.

        Trees of the type `instead` that were laid there before are taken up in this one.
        """
        deep = 1 + _depth(tree)
        if deep > _DEEPEST:
            tree, deep = Unknown(_TOO_MUCH.missing), 1
        self.depth = max(self.depth, deep)
        kept = self._writes.get(place, ())
        if not isinstance(tree.entry("/"), Folder):
            self._forget(place)
            kept = ()
        self._count += 1
        others = (
            write
            for write in kept
            if write.tree != tree and (instead is None or not isinstance(write.tree, instead))
        )
        self._writes[place] = (_Write(self._count, tree), *others)
        self._register(place)

    def place(self, path: str) -> str:
        """Return where a path leads to, links on the way followed as far as they are known."""
        return View(self).real(clean(path))

    def _register(self, place: str) -> None:
        while place != "/":
            parent, name = posixpath.split(place)
            names = self._inside.setdefault(parent, {})
            if name in names:
                return
            names[name] = None
            place = parent

    def _forget(self, place: str) -> None:
        pending = [place]
        while pending:
            current = pending.pop()
            self._writes.pop(current, None)
            names = self._inside.pop(current, {})
            pending.extend(posixpath.join(current, name) for name in names)

    def _written(self, path: str) -> Iterator[tuple[Tree, str]]:
        """Yield the trees that lie over a path, the latest first, with its path in them."""
        found: list[tuple[int, Tree, str]] = []
        place = path
        while True:
            inner = clean(path[len(place.rstrip("/")) :])
            found.extend((write.order, write.tree, inner) for write in self._writes.get(place, ()))
            if place == "/":
                break
            place = posixpath.dirname(place)
        found.sort(key=lambda item: item[0], reverse=True)
        for _, tree, inner in found:
            yield tree, inner
        yield self.base, path

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        if self.effort.spent():
            return _TOO_MUCH
        found: Found = Absent(path)
        for tree, inner in self._written(path):
            found = tree.entry(inner)
            if not isinstance(found, Absent):
                break
        if isinstance(found, Absent | Gone | Unread | Link):
            if self._inside.get(path):
                # Something was put below it since, so it is a directory, or a link to one; a
                # link known as such gave way to the directory (COPY --link).
                return Folder(0o755, Location(path))
            return Absent(path) if isinstance(found, Gone) else found
        return found

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        if self.effort.spent():
            return _TOO_MUCH
        collected: set[str] = set()
        unread: Unread | None = None
        seen = False
        for tree, inner in self._written(path):
            names = tree.names(inner)
            if isinstance(names, Unread):
                unread = names
                break
            if isinstance(names, tuple):
                collected.update(names)
                seen = True
            elif not isinstance(tree.entry(inner), Absent):
                break
        for name in self._inside.get(path, ()):
            seen = True
            if isinstance(self.entry(posixpath.join(path, name)), Absent):
                collected.discard(name)
            else:
                collected.add(name)
        if unread is not None:
            return Unread(unread.missing, tuple(sorted(collected.union(unread.seen))))
        return tuple(sorted(collected)) if seen else Absent(path)


def _depth(tree: Tree) -> int:
    """Return how deep trees lie in a tree."""
    while isinstance(tree, Below | WithMode | Without):
        tree = tree.tree
    return tree.depth if isinstance(tree, Layers) else 0


class View(Struct, frozen=True):
    """A tree as the Filesystem of a container: links are followed within its root."""

    tree: Tree

    def real(self, path: str) -> str:
        """Return where a path leads to; what is not there, or not known, stays as it is written."""
        found = self._walk(path, follow=True)
        return found[0]

    def entry(self, path: str, *, follow: bool = True) -> tuple[str, Found]:
        """Return where a path leads to, and what lies there."""
        return self._walk(clean(path), follow=follow)

    def _walk(self, path: str, *, follow: bool) -> tuple[str, Found]:
        pending = path.strip("/").split("/")[::-1] if path != "/" else []
        real = "/"
        hops = LINK_HOPS
        found: Found = self.tree.entry("/")
        while pending:
            name = pending.pop()
            whole = posixpath.join(real, name)
            found = self.tree.entry(whole)
            if isinstance(found, Link) and (pending or follow):
                hops -= 1
                if not hops:
                    return whole, Absent(path)
                target = clean(posixpath.join(real, found.target))
                pending.extend(target.strip("/").split("/")[::-1] if target != "/" else ())
                real = "/"
                found = self.tree.entry("/")
                continue
            if pending and not isinstance(found, Folder):
                rest = posixpath.join(whole, *pending[::-1])
                return rest, found if isinstance(found, Unread) else Absent(path)
            real = whole
        return real, found

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        _, found = self.entry(path)
        if isinstance(found, File):
            return found.load()
        return found if isinstance(found, Unread) else Absent(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        real, found = self.entry(path)
        if isinstance(found, Folder):
            return self.tree.names(real)
        return found if isinstance(found, Unread) else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        real, found = self.entry(path)
        match found:
            case File():
                return Stat(FileKind.FILE, real, found.mode, found.size, found.location)
            case Folder():
                return Stat(FileKind.DIRECTORY, real, found.mode, 0, found.location)
            case Other():
                return Stat(FileKind.OTHER, real, 0, 0, found.location)
            case Unread():
                return found
            case Link() | Gone() | Absent():
                return Absent(path)
