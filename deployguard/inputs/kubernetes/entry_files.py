"""The entries of ConfigMaps and Secrets as files."""

import posixpath
from collections.abc import Mapping as AnyMapping

from msgspec import Struct

from deployguard.model.evidence import Location
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread


class Entry(Struct, frozen=True):
    """A file that the kubelet writes: what is in it, and its mode."""

    content: Content | Unread
    mode: int = 0o644


class EntryFiles(Struct, frozen=True):
    """The files of a volume as the kubelet writes them, by absolute path. None: an empty folder."""

    files: AnyMapping[str, Entry]
    location: Location

    def read(self, path: str) -> Content | Absent | Unread:
        """Return an entry's text."""
        found = self.files.get(normal(path))
        return Absent(path) if found is None else found.content

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        if normal(path) in self.files:
            return Absent(path)
        start = normal(path).rstrip("/") + "/"
        names = {file[len(start) :].split("/")[0] for file in self.files if file.startswith(start)}
        return tuple(sorted(names - {""})) if names or start == "/" else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path."""
        place = normal(path)
        found = self.files.get(place)
        if found is None:
            if isinstance(self.list(place), Absent):
                return Absent(path)
            return Stat(FileKind.DIRECTORY, place, 0o755, 0, self.location)
        if isinstance(found.content, Unread):
            return found.content
        size = len(found.content.data)
        return Stat(FileKind.FILE, place, found.mode, size, found.content.location)

    def below(self, path: str) -> "EntryFiles":
        """Return the file or folder at a path as files of its own.

        Where there is nothing the kubelet makes an empty folder (SafeMakeDir of its subpath).
        """
        root = normal(path)
        inside = {
            normal(file.removeprefix(root)): entry
            for file, entry in self.files.items()
            if file == root or file.startswith(root.rstrip("/") + "/")
        }
        return EntryFiles(inside, self.location)


def normal(path: str) -> str:
    """Return a path as an absolute one without dots."""
    return posixpath.normpath("/" + path.lstrip("/"))
