"""The standard library, as far as programs decide by it: one module for each subject.

What has no model computes and starts nothing: its functions are opaque and harmless, except those
of modules that run other programs or serve, which are opaque and not harmless.
"""

import posixpath
from importlib import import_module
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Missing, Reason
from deployguard.python.concrete import text_of
from deployguard.python.values import Mapped, Module, Opaque, Value, derived

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Loaded before any program runs, so that no file can hide them (CPython: Lib/site.py imports them).
BUILT_IN = frozenset(
    {"sys", "builtins", "os", "posix", "site", "io", "abc", "codecs", "stat", "time", "errno",
     "marshal", "_thread", "itertools", "atexit", "posixpath", "genericpath"}
)  # fmt: skip

# Modules of which a call without a model may run what cannot be seen from the call.
_STARTS = frozenset(
    {
        "subprocess", "runpy", "code", "codeop", "ctypes", "pty", "zipimport", "pickle", "marshal",
        "shelve", "wsgiref", "socketserver", "xmlrpc", "pdb", "bdb", "trace", "cProfile", "profile",
        "timeit", "doctest", "unittest", "pydoc", "imp", "importlib", "site", "asyncore", "smtpd",
        "test", "idlelib", "posix", "pkgutil", "cgi", "cgitb",
    }
)  # fmt: skip

# Which module here holds the models of a module of the library.
_SUBJECTS = {
    "os": "system", "os.path": "system", "posixpath": "system", "sys": "system",
    "platform": "system",
    "socket": "system", "getpass": "system", "builtins": "system",
    "subprocess": "processes", "pty": "processes",
    "pathlib": "paths", "glob": "paths", "fnmatch": "paths",
    "io": "streams", "tempfile": "streams", "shutil": "streams", "codecs": "streams",
    "fileinput": "streams",
    "argparse": "arguments", "optparse": "options", "getopt": "options",
    "json": "data", "configparser": "sections", "tomllib": "data", "csv": "data", "ast": "data",
    "plistlib": "data", "copy": "data", "json.decoder": "data",
    "threading": "threads", "_thread": "threads", "multiprocessing": "threads",
    "multiprocessing.pool": "threads", "multiprocessing.dummy": "threads",
    "concurrent": "threads", "concurrent.futures": "threads", "asyncio": "threads",
    "atexit": "threads", "signal": "threads", "sched": "threads",
    "functools": "functional", "itertools": "functional", "operator": "functional",
    "collections": "collections", "collections.abc": "collections", "types": "kinds",
    "dataclasses": "kinds", "enum": "enumerations", "typing": "kinds", "abc": "kinds",
    "contextlib": "contexts", "numbers": "kinds",
    "importlib": "imports", "importlib.util": "imports", "importlib.metadata": "imports",
    "runpy": "imports", "site": "imports", "pkgutil": "imports", "imp": "imports",
    "importlib.resources": "imports",
    "http.server": "servers", "socketserver": "servers", "wsgiref": "servers",
    "wsgiref.simple_server": "servers", "xmlrpc.server": "servers", "code": "servers",
    "pdb": "servers", "http": "servers",
    "re": "texts", "shlex": "texts", "string": "texts", "textwrap": "texts", "base64": "texts",
    "urllib.parse": "texts", "math": "texts", "distutils.util": "texts", "distutils": "texts",
    "html": "texts", "binascii": "texts", "time": "texts", "unicodedata": "texts",
    "posix": "system",
}  # fmt: skip

# Modules that later Pythons lack (PEP 594, PEP 632): the version without them.
_REMOVED = {
    "distutils": (3, 12), "imp": (3, 12), "asyncore": (3, 12), "asynchat": (3, 12),
    "smtpd": (3, 12), "cgi": (3, 13), "cgitb": (3, 13), "pipes": (3, 13), "crypt": (3, 13),
    "telnetlib": (3, 13), "imghdr": (3, 13), "uu": (3, 13), "nntplib": (3, 13),
}  # fmt: skip
_ADDED = {"tomllib": (3, 11), "zoneinfo": (3, 9), "graphlib": (3, 9), "dataclasses": (3, 7),
          "contextvars": (3, 7), "secrets": (3, 6)}  # fmt: skip


def absolute(run: "Interpreter", path: str) -> str | None:
    """Return a path from the root; None where the directory it starts from is not known."""
    if not path.startswith("/") and run.cwd is None:
        return None
    return posixpath.normpath(posixpath.join(run.cwd or "/", path))


def environment_value(run: "Interpreter", key: Value | None, default: Value) -> Value:
    """Return os.environ.get(key, default)."""
    environ: Mapped = run.environ
    text = text_of(key)
    if text is not None:
        if text in environ.slots:
            return environ.slots[text]
        return default if environ.rest is None else derived(f"{text}", environ.rest)
    return derived("a variable", *(value for value in (key, default) if value is not None))


def absent(run: "Interpreter", name: str) -> bool:
    """Say whether the program's own Python has no such module, as far as its version is known."""
    top = name.partition(".")[0]
    if run.version is None:
        return False
    if top in _REMOVED and run.version >= _REMOVED[top]:
        return True
    return top in _ADDED and run.version < _ADDED[top]


def doubtful(run: "Interpreter", name: str) -> bool:
    """Say whether it depends on a version that is not known whether there is such a module."""
    top = name.partition(".")[0]
    return run.version is None and (top in _REMOVED or top in _ADDED)


def module(run: "Interpreter", name: str) -> Module:
    """Return a module of the standard library by its dotted name."""
    slots: dict[Any, Any] = {}
    subject = _SUBJECTS.get(name)
    if subject is not None:
        slots = import_module(f"{__name__}.{subject}").names(run, name)
    harmless = name.partition(".")[0] not in _STARTS and name != "http.server"
    missing = Missing(Reason.LIBRARY, f"what {name} does")
    if doubtful(run, name):
        run.doubts += 1
    return Module(name, slots, Opaque((missing,), name, harmless=harmless))
