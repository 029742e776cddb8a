"""The files a container sees: its image's, with what is mounted laid over."""

import posixpath

from msgspec import Struct

from deployguard.effective.contents import LinkedFilesystem, below, inside, normal
from deployguard.model.container import ContainerSpec, Mount
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import (
    LINK_HOPS,
    Absent,
    Content,
    FileKind,
    Filesystem,
    Searched,
    Stat,
    Unread,
    UnreadFilesystem,
    search,
)
from deployguard.model.structs import replace


def files(spec: ContainerSpec) -> Filesystem:
    """Return the files of a container; an image that was not read may hold anything."""
    image = spec.image
    base = UnreadFilesystem(image.missing) if isinstance(image, Unread) else image.files
    return _Mounted(base, spec.mounts) if spec.mounts else base


class _Place(Struct, frozen=True):
    """Files, a path in them, and where they are mounted."""

    files: Filesystem
    path: str
    root: str


class _Mounted(Struct, eq=False):
    """Files with mounts over them; the longest mount path that holds a path has the say."""

    base: Filesystem
    declared: tuple[Mount, ...]
    _mounts: tuple[Mount, ...] | None = None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Return the mounts at the paths that theirs lead to.

        The runtime makes the upper ones first and follows links within the root (runc,
        libcontainer/rootfs_linux.go); of two at one path the later one is seen.
        """
        if self._mounts is None:
            made: dict[str, Mount] = {}
            self._mounts = ()
            for mount in sorted(self.declared, key=lambda one: normal(one.path).count("/")):
                place = _real(self, normal(mount.path))
                made[place] = replace(mount, path=place)
                self._mounts = tuple(made.values())
        return self._mounts

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of a file, of a mount where one covers it."""
        place = self._place(path)
        return place if isinstance(place, Unread | Absent) else place.files.read(place.path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, with the mounts that lie in it."""
        place = self._place(path)
        if isinstance(place, Unread | Absent):
            return place
        names = place.files.list(place.path)
        real = self._whole(place)
        mounted = {
            posixpath.relpath(mount.path, real).partition("/")[0]
            for mount in self.mounts
            if below(mount.path, real) and mount.path != real
        }
        if isinstance(names, Unread):
            return replace(names, seen=tuple(sorted({*names.seen, *mounted})))
        if isinstance(names, Absent) and not mounted:
            return names
        return tuple(sorted({*(names if isinstance(names, tuple) else ()), *mounted}))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path, with where it leads to in the container."""
        place = self._place(path)
        if isinstance(place, Unread | Absent):
            return place
        found = place.files.stat(place.path)
        if isinstance(found, Stat):
            return replace(found, path=self._whole(replace(place, path=found.path)))
        if isinstance(found, Absent):
            real = self._whole(place)
            for mount in self.mounts:
                if below(mount.path, real):
                    return Stat(FileKind.DIRECTORY, real, 0o755, 0, mount.location)
        return found

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file, of a mount where one covers it."""
        place = self._place(path)
        if isinstance(place, Unread | Absent):
            return place
        return search(place.files, place.path, wanted)

    @staticmethod
    def _whole(place: _Place) -> str:
        return normal(posixpath.join(place.root, place.path.lstrip("/")))

    def _place(self, path: str) -> _Place | Absent | Unread:
        """Return the files that hold a path and its name there.

        A link may lead from the image into a mount, out of a mount, or from one into another:
        the files on one side cannot follow it.
        """
        path = normal(path)
        for _ in range(LINK_HOPS):
            mount = self._mount(path)
            if mount is None:
                found = self.base.stat(path)
                if isinstance(found, Absent) and self._dangles(path):
                    missing = Missing(Reason.MOUNT, f"the file {path}, behind a link into a mount")
                    return Unread(missing)
                real = found.path if isinstance(found, Stat) else _real(self.base, path)
                if self._mount(real) is None:
                    return _Place(self.base, path, "/")
                path = real
                continue
            if isinstance(mount.content, Unread):
                return mount.content
            content, inner = mount.content, inside(path, mount.path)
            target = content.link(inner) if isinstance(content, LinkedFilesystem) else None
            if target is None:
                return _Place(content, inner, mount.path)
            path = normal(posixpath.join(mount.path, target))
        return Absent(path)

    def _mount(self, path: str) -> Mount | None:
        # Of two at one path ("/app" and "/app/"), the later lies on top.
        holding = [mount for mount in reversed(self.mounts) if below(path, mount.path)]
        return max(holding, key=lambda mount: len(posixpath.normpath(mount.path)), default=None)

    def _dangles(self, path: str) -> bool:
        """Tell whether a path that resolves to nothing has a name that is there: a dead link."""
        while path != "/":
            parent, name = posixpath.split(path)
            names = self.base.list(parent)
            if isinstance(names, tuple):
                return name in names
            path = parent
        return False


def _real(files: Filesystem, path: str) -> str:
    """Return where a path leads to; what is not there yet is made below what is."""
    rest = ""
    above = path
    while above != "/":
        found = files.stat(above)
        if isinstance(found, Unread):
            return path
        if isinstance(found, Stat):
            return normal(posixpath.join(found.path, rest))
        above, name = posixpath.split(above)
        rest = posixpath.join(name, rest)
    return path
