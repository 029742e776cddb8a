"""The files a container sees: its image's, with what is mounted laid over."""

import posixpath
from dataclasses import dataclass

from deployguard.model.container import ContainerSpec, Mount
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import (
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


def files(spec: ContainerSpec) -> Filesystem:
    """Return the files of a container; an image that was not read may hold anything."""
    image = spec.image
    base = UnreadFilesystem(image.missing) if isinstance(image, Unread) else image.files
    return _Mounted(base, spec.mounts) if spec.mounts else base


@dataclass(frozen=True, slots=True)
class _Mounted:
    """Files with mounts over them; the longest mount path that holds a path has the say."""

    base: Filesystem
    mounts: tuple[Mount, ...]

    def read(self, path: str) -> Content | Absent | Unread:
        """Return the content of a file, of a mount where one covers it."""
        place = self._place(path)
        return place if isinstance(place, Unread) else place[0].read(place[1])

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, with the mounts that lie in it."""
        place = self._place(path)
        if isinstance(place, Unread):
            return place
        names = place[0].list(place[1])
        if isinstance(names, Unread):
            return names
        mounted = {
            posixpath.relpath(mount.path, path).partition("/")[0]
            for mount in self.mounts
            if _below(mount.path, path) and posixpath.normpath(mount.path) != path
        }
        if isinstance(names, Absent) and not mounted:
            return names
        return tuple(sorted({*(names if isinstance(names, tuple) else ()), *mounted}))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path; a mount's own path is resolved to where it is mounted."""
        place = self._place(path)
        if isinstance(place, Unread):
            return place
        found = place[0].stat(place[1])
        if isinstance(found, Stat) and place[0] is not self.base:
            return Stat(found.kind, path, found.mode, found.size, found.location)
        if isinstance(found, Absent):
            for mount in self.mounts:
                if _below(mount.path, path):
                    return Stat(FileKind.DIRECTORY, path, 0o755, 0, mount.location)
        return found

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file, of a mount where one covers it."""
        place = self._place(path)
        return place if isinstance(place, Unread) else search(*place, wanted)

    def _place(self, path: str) -> tuple[Filesystem, str] | Unread:
        """Return the files that hold a path and its name there.

        A link of the image may lead into a mount, which the image's own files cannot follow.
        """
        path = posixpath.normpath(path)
        mount = self._mount(path)
        if mount is None:
            found = self.base.stat(path)
            if isinstance(found, Stat) and found.path != path:
                path, mount = found.path, self._mount(found.path)
            elif isinstance(found, Absent) and self._dangles(path):
                return Unread(Missing(Reason.MOUNT, f"the file {path}, behind a link into a mount"))
        if mount is None:
            return self.base, path
        if isinstance(mount.content, Unread):
            return mount.content
        return mount.content, posixpath.normpath(
            "/" + posixpath.relpath(path, posixpath.normpath(mount.path))
        )

    def _mount(self, path: str) -> Mount | None:
        holding = [mount for mount in self.mounts if _below(path, mount.path)]
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


def _below(path: str, directory: str) -> bool:
    path, directory = posixpath.normpath(path), posixpath.normpath(directory)
    return directory in {path, "/"} or path.startswith(directory + "/")
