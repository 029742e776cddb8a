"""The build context: a folder of the user's disk, without what .dockerignore leaves out."""

import os
import posixpath
import stat
from pathlib import Path

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import NotFoundError
from deployguard.inputs.dockerfile import ignore
from deployguard.inputs.dockerfile.trees import File, Folder, Found, Link, Other
from deployguard.inputs.folder import content
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Absent, Unread

_IGNORE_LIMIT = 1024 * 1024
# Folders that are left out may hold files that are taken back in; so many names are looked at.
_WALKED = 10_000


class ContextTree(Struct, eq=False):
    """The files that a build sees. No link of the disk is followed: the links go along."""

    root: Path
    ignored: ignore.Matcher = ignore.NOTHING
    _folders: dict[str, bool] = field(default_factory=dict)

    def entry(self, path: str) -> Found:
        """Return what lies at a path whose directories are no links."""
        place = self.root / path.lstrip("/")
        try:
            status = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return Absent(path)
        except (OSError, ValueError):
            return self._unread(place)
        location = Location(str(place))
        if not self._kept(path, folder=stat.S_ISDIR(status.st_mode)):
            return Absent(path)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            try:
                return Link(str(place.readlink()), location)
            except OSError:
                return self._unread(place)
        if stat.S_ISDIR(status.st_mode):
            return Folder(mode, location)
        if stat.S_ISREG(status.st_mode):
            return File(lambda: content(place), mode, status.st_size, location)
        return Other(location)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a folder that are not left out."""
        place = self.root / path.lstrip("/")
        try:
            if not stat.S_ISDIR(place.lstat().st_mode) and path != "/":
                return Absent(path)
            with os.scandir(place) as children:
                found = [(child.name, child.is_dir(follow_symlinks=False)) for child in children]
        except (FileNotFoundError, NotADirectoryError):
            return Absent(path)
        except (OSError, ValueError):
            return self._unread(place)
        return tuple(
            sorted(
                name
                for name, folder in found
                if self._kept(posixpath.join(path, name), folder=folder)
            )
        )

    def _kept(self, path: str, *, folder: bool) -> bool:
        if path == "/" or not self.ignored.patterns or not self.ignored.matches(path):
            return True
        if not folder or not self.ignored.exclusions:
            return False
        if path not in self._folders:
            self._folders[path] = self._holds_kept(path)
        return self._folders[path]

    def _holds_kept(self, path: str) -> bool:
        """Say whether something below a folder that is left out is taken back in."""
        walked = 0
        top = self.root / path.lstrip("/")
        for parent, folders, plain in os.walk(top):
            for name in (*folders, *plain):
                walked += 1
                inner = os.path.relpath(Path(parent, name), self.root)
                if walked > _WALKED or not self.ignored.matches(inner):
                    return True
        return False

    @staticmethod
    def _unread(place: Path) -> Unread:
        return Unread(Missing(Reason.FILE, f"the file {place}"))


def open_context(folder: Path, dockerfile: Path | None) -> ContextTree:
    """Return a context with its .dockerignore; one beside the Dockerfile, named after it, wins.

    Source: moby/buildkit frontend/dockerui DockerIgnorePatterns. Raises InputError for an
    ignore file that cannot be read, or is none.
    """
    candidates = [folder / ".dockerignore"]
    if dockerfile is not None:
        candidates.insert(0, dockerfile.with_name(dockerfile.name + ".dockerignore"))
    for place in candidates:
        try:
            data = files.read(str(place), _IGNORE_LIMIT)
        except NotFoundError:
            continue
        return ContextTree(folder, ignore.read(data, str(place)))
    return ContextTree(folder)
