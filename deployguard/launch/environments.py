"""Virtual environments that a tool chooses and puts before PATH, and .env files that it exports."""

import posixpath
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from deployguard.effective import search
from deployguard.formats import dotenv
from deployguard.launch.outcomes import Call, Next
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from deployguard.model.process import Process, Word
from deployguard.model.structs import replace

_FALSE = frozenset({"", "0", "false", "no", "off", "f", "n"})
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class OpenError(Exception):
    """What a tool does cannot be told."""

    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


def other_command(call: Call, words: Sequence[Word], ends: frozenset[str]) -> Next:
    """Return what a tool does whose command starts no program of the user's, as far as known."""
    if not words:
        return call.ends("prints its help and ends")
    name = words[0].value
    if name in ends:
        return call.ends(f"{name} does its work and ends")
    return call.missing(f"what {call.name} {name or '?'} starts")


def guarded(run: Callable[[Call], Next]) -> Callable[[Call], Next]:
    """Return a tool that says what is missing where it cannot be told."""

    def inner(call: Call) -> Next:
        try:
            return run(call)
        except OpenError as error:
            return error.missing

    return inner


class Project(Struct, frozen=True, kw_only=True):
    """A folder with a project's file, and what the file says."""

    folder: str
    settings: Mapping[str, Any]
    location: Location

    def table(self, *names: str) -> Mapping[str, Any]:
        """Return a table of the file by its path, empty where there is none."""
        found: Any = self.settings
        for name in names:
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def word(self, text: str) -> Word:
        """Return a text of the file with its place."""
        return Traced(text, self.location)


def folder_of(process: Process) -> str:
    """Return the directory of a process; one that cannot be seen leaves a tool open."""
    cwd = process.cwd
    if cwd.value is None:
        hidden = Missing(Reason.COMMAND, "the directory that a command starts in")
        raise OpenError((*cwd.missing, hidden)[0])
    return cwd.value


def stat(path: str, files: Filesystem) -> Stat | None:
    """Return what lies at a path; what was not read leaves a tool open."""
    found = files.stat(path)
    if isinstance(found, Unread):
        raise OpenError(found.missing)
    return found if isinstance(found, Stat) else None


def read(path: str, files: Filesystem) -> Content | None:
    """Return a file; what was not read leaves a tool open."""
    content = files.read(path)
    if isinstance(content, Unread):
        raise OpenError(content.missing)
    return content if isinstance(content, Content) else None


def project(call: Call, process: Process, *names: str) -> Project | None:
    """Return the nearest project: a folder from the directory upwards that has a file of a name."""
    folder = folder_of(process)
    while True:
        for name in names:
            content = read(posixpath.join(folder, name), call.files)
            if content is not None:
                return Project(folder=folder, settings=settings(content), location=content.location)
        parent = posixpath.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def settings(content: Content) -> Mapping[str, Any]:
    """Return a TOML file's tables; one that does not parse leaves a tool open."""
    try:
        return tomllib.loads(content.data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        missing = Missing(Reason.TEXT, f"what {content.location.file} says, which is not TOML")
        raise OpenError(missing) from None


def value(process: Process, name: str) -> str | None:
    """Return a variable that a tool goes by; a hidden one leaves the tool open."""
    entry = process.env.get(name)
    if entry is None:
        return None
    if entry.value is None:
        raise OpenError((*entry.missing, Missing(Reason.VARIABLE, f"the value of {name}"))[0])
    return entry.value


def truth(process: Process, name: str) -> bool:
    """Say whether a variable that a tool goes by is on."""
    return (value(process, name) or "").strip().lower() not in _FALSE


def active(process: Process) -> str | None:
    """Return the prefix of the environment that was activated: VIRTUAL_ENV, or one of conda."""
    prefix = value(process, "VIRTUAL_ENV")
    if prefix:
        return prefix
    return value(process, "CONDA_PREFIX") if value(process, "CONDA_DEFAULT_ENV") != "base" else None


def is_environment(prefix: str, files: Filesystem) -> bool:
    """Say whether a virtual environment lies at a prefix."""
    found = stat(posixpath.join(prefix, "pyvenv.cfg"), files)
    return found is not None or stat(posixpath.join(prefix, "bin/python"), files) is not None


def entered(process: Process, prefix: str, place: Location, name: str = "VIRTUAL_ENV") -> Process:
    """Return a process with an environment activated: its bin comes first in PATH."""
    path = process.env.get("PATH")
    folder = posixpath.join(prefix, "bin")
    if path is not None and path.value is None:
        raise OpenError((*path.missing, Missing(Reason.VARIABLE, "the value of PATH"))[0])
    whole = folder if path is None or path.value is None else f"{folder}:{path.value}"
    layer = Environment(
        {"PATH": Traced(whole, place), name: Traced(prefix, place)},
        {"PYTHONHOME": place},
        location=place,
    )
    return replace(process, env=overlay((process.env, layer)))


def with_file(
    process: Process, path: Word, files: Filesystem, *, override: bool, needed: bool
) -> Process | None:
    """Return a process with the variables of a .env file, over its own or under them.

    None where the file is `needed` and not there.
    """
    if path.value is None:
        raise OpenError((*path.missing, Missing(Reason.COMMAND, "the name of a .env file"))[0])
    place = search.absolute(path.value, process.cwd)
    if isinstance(place, Unread):
        raise OpenError(place.missing)
    content = files.read(place)
    match content:
        case Absent():
            return None if needed else process
        case Unread(missing=missing):
            unseen = Environment(unseen=(missing,), location=path.location)
            return replace(process, env=_laid(unseen, process.env, override=override))
        case Content():
            inner = dotenv.environment(content, process.env, inner_first=override)
            return replace(process, env=_laid(inner, process.env, override=override))


def _laid(inner: Environment, outer: Environment, *, override: bool) -> Environment:
    if override:
        return overlay((outer, inner))
    entries = {name: entry for name, entry in inner.entries.items() if outer.get(name) is None}
    return overlay((Environment(unseen=inner.unseen, location=inner.location), outer,
                    Environment(entries, location=inner.location)))  # fmt: skip


def with_values(process: Process, values: Mapping[str, Any], project: Project) -> Process:
    """Return a process with the variables of a table, in which `$NAME` is expanded."""
    env = process.env
    for name, text in values.items():
        expanded = expand(str(text), replace(process, env=env))
        env = env.with_entry(str(name), project.word(expanded))
    return replace(process, env=env)


def expand(text: str, process: Process) -> str:
    """Return a text as os.path.expandvars does: a variable that is not set stays as it is."""

    def found(match: re.Match[str]) -> str:
        inner = value(process, match[1] or match[2])
        return match[0] if inner is None else inner

    return _VARIABLE.sub(found, text)


def only_folder(parent: str, pattern: str, files: Filesystem) -> str | None:
    """Return the only folder in another whose name fits; several leave a tool open."""
    names = files.list(parent)
    if isinstance(names, Unread):
        raise OpenError(names.missing)
    fitting = [
        name for name in (names if isinstance(names, tuple) else ()) if re.fullmatch(pattern, name)
    ]
    folders = [
        path
        for name in fitting
        if (there := stat(path := posixpath.join(parent, name), files)) is not None
        and there.kind is FileKind.DIRECTORY
    ]
    if len(folders) > 1:
        raise OpenError(Missing(Reason.FILE, f"which environment in {parent} is used"))
    return folders[0] if folders else None
