"""Where a command lies: the search of execvp over a container's files."""

import posixpath

from msgspec import Struct

from deployguard.model.environment import Environment
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread

# confstr(_CS_PATH) of glibc: what execvp and the shells search where PATH is not set.
_UNSET_PATH = "/bin:/usr/bin"
_EXECUTABLE = 0o111


class Executable(Struct, frozen=True):
    """A file that execve would run: `path` as found, `real` with its links followed."""

    path: str
    real: str
    content: Content | Unread


def find(
    name: str, env: Environment, cwd: Traced[str | None], filesystem: Filesystem
) -> Executable | Absent | Unread:
    """Return the file a command name stands for.

    Absent where no directory of PATH has it, or none that may be executed; Unread where a
    directory before the first hit was not read, for it might hold another.
    """
    if "/" in name:
        return _at(name, cwd, filesystem)
    path = env.get("PATH")
    if path is not None and path.value is None:
        return Unread(
            path.missing[0] if path.missing else Missing(Reason.VARIABLE, "the value of PATH")
        )
    for directory in (_UNSET_PATH if path is None or path.value is None else path.value).split(":"):
        found = _at(posixpath.join(directory or ".", name), cwd, filesystem)
        if not isinstance(found, Absent):
            return found
    return Absent(name)


def absolute(path: str, cwd: Traced[str | None]) -> str | Unread:
    """Return a path as seen from a directory."""
    if path.startswith("/"):
        return posixpath.normpath("/" + path.lstrip("/"))
    if cwd.value is None:
        return Unread(
            cwd.missing[0]
            if cwd.missing
            else Missing(Reason.COMMAND, f"the directory that {path} is in")
        )
    return posixpath.normpath(posixpath.join(cwd.value, path))


def _at(path: str, cwd: Traced[str | None], filesystem: Filesystem) -> Executable | Absent | Unread:
    place = absolute(path, cwd)
    if isinstance(place, Unread):
        return place
    found = filesystem.stat(place)
    if not isinstance(found, Stat):
        return found
    if found.kind is not FileKind.FILE or not found.mode & _EXECUTABLE:
        return Absent(place)
    content = filesystem.read(place)
    return content if isinstance(content, Absent) else Executable(place, found.path, content)
