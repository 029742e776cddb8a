"""sys.path of a program as CPython builds it (Lib/site.py, Modules/getpath.py)."""

import posixpath
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Content, Filesystem, Stat, Unread
from deployguard.model.process import Interpreter, Process

_VERSIONED = re.compile(r"python([23])\.(\d{1,2})\Z")
_PREFIXES = ("/usr/local", "/usr")


class SearchPath(Struct, frozen=True, kw_only=True):
    """The folders in order, those of installed packages among them, and what was not seen.

    `user` says that Python looks for what is the user's own (site.ENABLE_USER_SITE).
    """

    folders: tuple[str, ...]
    sites: tuple[str, ...]
    unread: Missing | None
    version: tuple[int, int] | None = None
    user: bool = True


def search_path(
    interpreter: Interpreter, process: Process, first: str | None, files: Filesystem
) -> SearchPath:
    """Return sys.path: `first` (the script's folder or the directory), PYTHONPATH, packages."""
    folders = [] if first is None or interpreter.isolated or interpreter.safe_path else [first]
    unread: Missing | None = None
    variable = process.env.get("PYTHONPATH")
    if variable is not None and not interpreter.ignore_environment and not interpreter.isolated:
        if variable.value is None:
            unread = next(iter(variable.missing), None)
        else:
            folders.extend(entry or "." for entry in variable.value.split(":") if entry)
    # The user's own packages come from HOME; a command that was not read is one that PATH names.
    for name in ("HOME",) if interpreter.path is not None else ("HOME", "PATH"):
        entry = process.env.get(name)
        if entry is not None and entry.value is None:
            unread = unread or next(iter(entry.missing), Missing(Reason.VARIABLE, name))
    sites: list[str] = []
    version = _version(interpreter.path, files)
    settings = None if interpreter.path is None else _settings(interpreter.path, files)
    if isinstance(settings, Missing):
        unread, settings = unread or settings, None
    prefixes = _prefixes(interpreter.path, settings, process, files)
    user = _user(interpreter, process, files) if settings is None or _shared(settings) else ()
    # site.main: the packages of a virtual environment, the user's own, those of the system.
    own = () if settings is None else prefixes[:1]
    for prefix in (*own, *user, *prefixes[len(own) :]):
        found = list(_sites(prefix, version, _major(interpreter.path), files))
        sites.extend(site for site in found if isinstance(site, str))
        unread = unread or next((site for site in found if isinstance(site, Missing)), None)
    return SearchPath(
        folders=(*folders, *sites),
        sites=tuple(dict.fromkeys(sites)),
        unread=unread,
        version=_number(interpreter.path, version, sites),
        user=(settings is None or _shared(settings))
        and not interpreter.isolated
        and not _set(process, "PYTHONNOUSERSITE"),
    )


def _set(process: Process, name: str) -> bool:
    entry = process.env.get(name)
    return entry is not None and bool(entry.value)


def _shared(settings: str) -> bool:
    """Say whether a virtual environment looks into the packages of the system as well."""
    found = re.search(r"^\s*include-system-site-packages\s*=\s*true", settings, re.MULTILINE)
    return found is not None


def _number(path: str | None, name: str | None, sites: Iterable[str]) -> tuple[int, int] | None:
    """Return the version of Python: as its file is named, else as its one library is."""
    if path is None:
        return None
    prefix = posixpath.dirname(posixpath.dirname(path))
    own = [site for site in sites if site.startswith(f"{prefix}/lib/")]
    names = {name} if name else {site.split("/")[-2] for site in own or sites}
    found = {_VERSIONED.match(one) for one in names} - {None}
    if len(found) != 1:
        return None
    (match,) = found
    return None if match is None else (int(match[1]), int(match[2]))


def _user(interpreter: Interpreter, process: Process, files: Filesystem) -> tuple[str, ...]:
    """Return the prefix of the user's own packages (site.getusersitepackages): HOME/.local."""
    home = process.env.get("HOME")
    if interpreter.isolated or home is None or not (home.value or "").startswith("/"):
        return ()
    place = posixpath.join(home.value or "/", ".local")
    return () if isinstance(files.stat(place), Absent) else (place,)


def _settings(path: str, files: Filesystem) -> str | Missing | None:
    """Return the pyvenv.cfg of a program in a virtual environment, None for any other."""
    prefix = posixpath.dirname(posixpath.dirname(path))
    match files.read(posixpath.join(prefix, "pyvenv.cfg")):
        case Content(data=data):
            return data.decode("utf-8", "replace").lower()
        case Unread(missing=missing):
            return missing
        case Absent():
            return None


def _prefixes(
    path: str | None, settings: str | None, process: Process, files: Filesystem
) -> tuple[str, ...]:
    if path is None:
        return tuple(dict.fromkeys((*_on_path(process, files), *_PREFIXES)))
    prefix = posixpath.dirname(posixpath.dirname(path))
    if settings is not None:
        return (prefix, *_PREFIXES) if _shared(settings) else (prefix,)
    real = files.stat(path)
    if isinstance(real, Stat):
        prefix = posixpath.dirname(posixpath.dirname(real.path))
    if prefix == "/usr/local":
        # Only a distribution's Python in /usr looks into both.
        return (prefix,)
    return tuple(dict.fromkeys((prefix, *_PREFIXES)))


def _on_path(process: Process, files: Filesystem) -> tuple[str, ...]:
    """Return the virtual environments that PATH names, for a command that was not read."""
    path = process.env.get("PATH")
    folders = (path.value or "").split(":") if path is not None else ()
    prefixes = (posixpath.dirname(folder) for folder in folders if folder.startswith("/"))
    return tuple(
        prefix
        for prefix in prefixes
        if not isinstance(files.read(posixpath.join(prefix, "pyvenv.cfg")), Absent)
    )


def _version(path: str | None, files: Filesystem) -> str | None:
    """Return the name of the interpreter's library, where its file is named like it."""
    found = None if path is None else files.stat(path)
    name = posixpath.basename(found.path) if isinstance(found, Stat) else ""
    return name if _VERSIONED.match(name) else None


def _major(path: str | None) -> str:
    """Return how the libraries of an interpreter of this name begin: python2, python3 or python."""
    name = posixpath.basename(path or "")
    return name[: len("python3")] if name.startswith(("python2", "python3")) else "python"


def _sites(
    prefix: str, version: str | None, major: str, files: Filesystem
) -> Iterator[str | Missing]:
    library = posixpath.join(prefix, "lib")
    names = files.list(library) if version is None else _held(library, version, files)
    if isinstance(names, Unread):
        yield names.missing
        # Which Python it is does not matter where no file of it can be read.
        yield posixpath.join(library, "python3", "site-packages")
        return
    if isinstance(names, Absent):
        return
    # Where nothing tells the two apart, it is Python 3.
    for name in sorted(names, key=lambda name: name.startswith("python2")):
        if name.startswith(major) and (_VERSIONED.match(name) or name == "python3"):
            yield posixpath.join(library, name, "site-packages")
            yield posixpath.join(library, name, "dist-packages")


def _held(library: str, version: str, files: Filesystem) -> tuple[str, ...] | Unread:
    """Look for the two folders of one version: a library is large, and an engine lists it whole."""
    held = []
    # Debian's packages for all of Python 3 lie in a folder of their own.
    for name in ("python3", version) if version.startswith("python3") else (version,):
        found = files.stat(posixpath.join(library, name))
        if isinstance(found, Unread):
            return found
        if isinstance(found, Stat):
            held.append(name)
    return tuple(held)
