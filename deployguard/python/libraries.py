"""Installed libraries without a model: whether their source could start anything at all.

A library whose every file was read, and which names nothing of what a server, a process or a
debugger is started with, starts none. Empty files say nothing: an image may be stripped of sources.
"""

import posixpath
import re
import sys
from typing import TYPE_CHECKING

from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python.values import Known

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# What a source needs to start a server, a process or a debugger, to run what cannot be seen, or to
# change what others are started with.
_STARTS = re.compile(
    rb"run_simple|serve_forever|make_server|DebuggedApplication|debug|\.run\(|\bserve\b|listen"
    rb"|\bbind\b|socket|http\.server|wsgi|asgi|flask|werkzeug|pydevd|subprocess|Popen|\bexec|spawn"
    rb"|\beval\b|system\(|popen|import_module|__import__|importlib|runpy|compile\(|environ|putenv"
    rb"|ctypes|cffi|multiprocessing|pickle|marshal|entry_points|sys\.modules|setattr|globals\(",
    re.IGNORECASE,
)
_IMPORTS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_FILES = 300
_BYTES = 4_000_000
_DEPTH = 4


def starts_nothing(run: "Interpreter", folder: str, name: str) -> bool:
    """Say whether a library certainly starts nothing, by the words of its whole source."""
    return _quiet(run, folder, name, _DEPTH, {name})


def distributed(run: "Interpreter", name: str) -> bool:
    """Say whether metadata on the path names a distribution of a package, or of its namespace.

    An image that is stripped of sources may have nothing else of it: the folder of a namespace
    package (PEP 420) holds no file of its own.
    """
    wanted = name.lower().replace("_", "-")
    for entry in run.path.items:
        listed = run.files.list(entry.value) if isinstance(entry, Known) else ()
        for found in listed if isinstance(listed, tuple) else ():
            if found.endswith((".dist-info", ".egg-info")):
                project = re.split(r"-\d", found, maxsplit=1)[0].lower()
                project = re.sub(r"[-_.]+", "-", project)
                if project == wanted or project.startswith(f"{wanted}-"):
                    return True
    return False


def _quiet(run: "Interpreter", folder: str, name: str, depth: int, seen: set[str]) -> bool:
    sources = _sources(run, folder, name)
    if not sources or depth == 0:
        return False
    imported: set[str] = set()
    for data in sources:
        if _STARTS.search(data):
            return False
        imported.update(found.decode() for found in _IMPORTS.findall(data))
    for other in imported - seen - sys.stdlib_module_names:
        seen.add(other)
        if not _quiet(run, folder, other, depth - 1, seen):
            return False
    return True


def _sources(run: "Interpreter", folder: str, name: str) -> list[bytes] | None:
    """Return every source of a library; None where one is unread, compiled, or all are empty."""
    pending = [posixpath.join(folder, name)]
    alone = run.files.read(f"{pending[0]}.py")
    found = [alone.data] if isinstance(alone, Content) else []
    looked = 0
    while pending:
        place = pending.pop()
        names = run.files.list(place)
        if isinstance(names, Unread):
            return None
        for entry in () if isinstance(names, Absent) else names:
            looked += 1
            path = posixpath.join(place, entry)
            if looked > _FILES or sum(map(len, found)) > _BYTES:
                return None
            there = run.files.stat(path)
            if isinstance(there, Stat) and there.kind is FileKind.DIRECTORY:
                if entry != "__pycache__":
                    pending.append(path)
            elif entry.endswith(".py"):
                content = run.files.read(path)
                if not isinstance(content, Content):
                    return None
                found.append(content.data)
            elif entry.endswith((".so", ".pyc", ".pyd", ".pyx")) or isinstance(there, Unread):
                return None
    return found if any(data.strip() for data in found) else None
