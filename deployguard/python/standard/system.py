"""os, os.path, sys, platform and socket: the process, its environment and its files."""

import operator
import posixpath
import sys as python_sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread
from deployguard.python import exceptions, methods, modules
from deployguard.python.concrete import (
    Unplain,
    cannot,
    lift,
    none,
    plain,
    raised,
    running,
    text_of,
    texts,
    trails,
    unknown,
)
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.standard import absolute, environment_value, processes, streams
from deployguard.python.values import (
    UNSET,
    Call,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    match name:
        case "os" | "posix":
            return _os(run)
        case "os.path" | "posixpath":
            return dict(_PATH)
        case "sys":
            return _sys(run)
        case "platform":
            return _platform(run)
        case "socket":
            return {
                "gethostname": Native("socket.gethostname", lambda _call: running("the host name")),
                "getfqdn": Native("socket.getfqdn", lambda _call: running("the host name")),
            }
        case "getpass":
            return {"getuser": Native("getpass.getuser", lambda _call: running("the user's name"))}
        case _:
            return {}


def _os(run: "Interpreter") -> dict[Any, Any]:
    slots: dict[Any, Any] = {
        "environ": run.environ,
        "getenv": Native("os.getenv", _getenv),
        "putenv": Native("os.putenv", _nothing),
        "unsetenv": Native("os.unsetenv", _nothing),
        "path": Module("os.path", dict(_PATH), Opaque((), "os.path", harmless=True)),
        "getcwd": Native("os.getcwd", _getcwd),
        "chdir": Native("os.chdir", _chdir),
        "_exit": Native("os._exit", _exit_at_once),
        "abort": Native("os.abort", _exit_at_once),
        "name": known("posix"),
        "sep": known("/"),
        "pathsep": known(":"),
        "linesep": known("\n"),
        "curdir": known("."),
        "pardir": known(".."),
        "devnull": known("/dev/null"),
        "extsep": known("."),
        "listdir": Native("os.listdir", _listdir),
        "fspath": Native("os.fspath", _text),
        "uname": Native("os.uname", lambda _call: running("the machine's name and kernel")),
        "PathLike": Native("os.PathLike"),
        "error": exceptions.native("OSError"),
        "remove": Native("os.remove", _remove),
        "unlink": Native("os.unlink", _remove),
        "rename": Native("os.rename", _moved),
        "replace": Native("os.replace", _moved),
    }
    for harmless in ("makedirs", "mkdir", "chmod", "chown", "umask", "setuid", "setgid",
                     "nice", "utime", "setpgrp", "setsid", "kill", "close"):  # fmt: skip
        slots[harmless] = Native(f"os.{harmless}", _perhaps)
    for kind in ("v", "ve", "vp", "vpe", "l", "le", "lp", "lpe"):
        slots[f"exec{kind}"] = Native(f"os.exec{kind}", processes.execute(kind))
        slots[f"spawn{kind}"] = Native(f"os.spawn{kind}", processes.spawn(kind))
    for name in ("posix_spawn", "posix_spawnp"):
        slots[name] = Native(f"os.{name}", processes.posix_spawn)
    slots["system"] = Native("os.system", processes.shell)
    slots["popen"] = Native("os.popen", processes.pipe)
    for name, value in (("P_NOWAIT", 1), ("P_WAIT", 0), ("F_OK", 0), ("R_OK", 4), ("W_OK", 2)):
        slots[name] = known(value)
    return slots


def _sys(run: "Interpreter") -> dict[Any, Any]:
    slots: dict[Any, Any] = {
        "argv": run.argv,
        "orig_argv": unknown("sys.orig_argv"),
        "path": run.path,
        "modules": _modules(run),
        "exit": Native("sys.exit", _exit),
        "platform": known("linux"),
        "byteorder": known("little"),
        "maxsize": known(2**63 - 1),
        "flags": _flags(run),
        "gettrace": Native("sys.gettrace", lambda _call: known(None)),
        "settrace": Native("sys.settrace", _nothing),
        "setrecursionlimit": Native("sys.setrecursionlimit", _nothing),
        "getdefaultencoding": Native("sys.getdefaultencoding", lambda _call: known("utf-8")),
        "getfilesystemencoding": Native("sys.getfilesystemencoding", lambda _c: known("utf-8")),
        "exc_info": Native("sys.exc_info", _exc_info),
        "stdin": Instance(None, streams.STANDARD),
        "stdout": Instance(None, streams.STANDARD),
        "stderr": Instance(None, streams.STANDARD),
        "dont_write_bytecode": unknown("sys.dont_write_bytecode"),
        "executable": known(run.executable) if run.executable else unknown("sys.executable"),
        "implementation": unknown("sys.implementation"),
    }
    # What frozen programs, prompts and old virtual environments have, and no other.
    for name in ("frozen", "_MEIPASS", "ps1", "real_prefix"):
        slots[name] = UNSET
    slots["version_info"], slots["version"] = _version(run)
    return slots


def _modules(run: "Interpreter") -> Instance:
    """Return sys.modules: what the program has imported, and what runs the program."""
    return Instance(None, _MODULES, {"<held>": Mapped(run.modules, name="sys.modules")})


def _of_modules(run: "Interpreter", loaded: Instance, name: str) -> Value | None:
    del loaded
    match name:
        case "__contains__":
            return Native("in sys.modules", lambda call: is_loaded(run, call))
        case "get":
            return Native("sys.modules.get", _loaded_or)
        case "pop" | "__delitem__" | "__setitem__":
            return Native(
                f"sys.modules.{name}",
                lambda call: call.run.unseen("which module is loaded anew", call.location),
            )
        case _:
            return None


def is_loaded(run: "Interpreter", call: Call) -> Value:
    """Say whether a module is loaded: by the program, or by what runs it."""
    name = text_of(call.arguments[0]) if call.arguments else None
    if name is None:
        return cannot(call, "in sys.modules")
    top = name.partition(".")[0]
    if name in run.modules or name in run.hosts:
        return known(value=True)
    if name not in HOSTS and (top in run.hosts or _may_be_loaded(run, top)):
        return cannot(call, "in sys.modules")
    return known(value=False)


# Programs that others are run under; no library loads them by itself.
HOSTS = frozenset(
    {"gunicorn", "uwsgi", "waitress", "pytest", "_pytest", "celery", "IPython", "ipykernel",
     "idlelib", "pydevd", "debugpy", "unittest", "coverage", "hypercorn", "uvicorn", "mod_wsgi",
     "nose", "tox", "pdb"}
)  # fmt: skip


def _may_be_loaded(run: "Interpreter", top: str) -> bool:
    """Say whether Python or a library that was imported may have loaded a module too."""
    if top in python_sys.stdlib_module_names:
        return True
    if modules.own(run, top):
        return False
    libraries = (module for module in run.modules.values() if isinstance(module, Module))
    return any(module.rest is not None for module in libraries)


def _loaded_or(call: Call) -> Value:
    default = call.argument(1, "default") or known(None)
    name = text_of(call.arguments[0]) if call.arguments else None
    if name in call.run.modules:
        return call.run.modules[name]
    answer = is_loaded(call.run, call)
    if isinstance(answer, Known) and answer.value is False:
        return default
    return cannot(call, "sys.modules.get")


_MODULES = Native(
    "sys.modules",
    attribute=_of_modules,
    plain=dict,
    specials=frozenset({"__contains__", "__delitem__", "__setitem__"}),
)


def _version(run: "Interpreter") -> tuple[Value, Value]:
    if run.version is None:
        missing = Missing(Reason.VERSION, "the version of Python")
        value = Opaque((missing,), "sys.version_info", harmless=True)
        return value, value
    major, minor = run.version
    micro = Opaque(
        (Missing(Reason.VERSION, "the version of Python"),), "sys.version_info.micro", harmless=True
    )
    info = Instance(
        None,
        _VERSION_INFO,
        {
            "<held>": Items({"items": (known(major), known(minor))}, tuple),
            "major": known(major),
            "minor": known(minor),
            "micro": micro,
        },
    )
    return info, micro


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
    "__eq__": operator.eq,
    "__ne__": operator.ne,
}


def _version_attribute(run: "Interpreter", info: Instance, name: str) -> Value | None:
    """Compare major and minor; what only the rest would tell stays open."""
    order = _ORDERS.get(name)
    if order is None or run.version is None:
        return None
    major_minor = run.version
    del info

    def model(call: Call) -> Value:
        try:
            other = plain(call.arguments[0])
        except (Unplain, IndexError):
            return cannot(call, "sys.version_info")
        # With a micro release beyond them, two equal numbers are less than the whole.
        if not isinstance(other, tuple) or (
            other[:2] == major_minor and len(other) > len(major_minor)
        ):
            return cannot(call, "sys.version_info")
        return known(order((*major_minor, 0), other))

    return Native(f"sys.version_info.{name}", model)


_VERSION_INFO = Native(
    "sys.version_info",
    attribute=_version_attribute,
    plain=tuple,
    specials=frozenset(_ORDERS),
)


def _flags(run: "Interpreter") -> Instance:
    flags = Instance(None, Native("sys.flags"))
    flags.slots["optimize"] = run.optimize
    return flags


def _exc_info(call: Call) -> Value:
    if not call.run.handling:
        return Items({"items": (known(None),) * 3}, tuple)
    signal = call.run.handling[-1]
    error = signal.value or unknown("an exception")
    kind = call.run.exception_class(signal)
    return Items({"items": (kind, error, unknown("a traceback"))}, tuple)


def _platform(run: "Interpreter") -> dict[Any, Any]:
    missing = Missing(Reason.VERSION, "the version of Python")
    tuple_of = (
        Items({"items": tuple(known(str(part)) for part in run.version)}, tuple)
        if run.version
        else Opaque((missing,), "platform.python_version_tuple()", harmless=True)
    )
    values = {
        "system": known("Linux"),
        "python_implementation": known("CPython"),
        "python_version_tuple": tuple_of,
    }
    return {name: Native(f"platform.{name}", _returning(value)) for name, value in values.items()}


def _returning(value: Value) -> Model:
    return lambda _call: value


def _nothing(_call: Call) -> Value:
    return known(None)


def _perhaps(call: Call) -> Value:
    """Change a file or a process in a way that nothing depends on; the system may refuse."""
    call.run.doubts += 1
    return known(None)


def _exit(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the program ends here"))


def _exit_at_once(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the program ends here"), hard=True)


def _getenv(call: Call) -> Value:
    key = call.argument(0, "key")
    default = call.argument(1, "default") or known(None)
    return environment_value(call.run, key, default)


def _getcwd(call: Call) -> Value:
    if call.run.cwd is None:
        return _path_opaque(call)
    return known(call.run.cwd)


def _chdir(call: Call) -> Value:
    path = _abspath(call)
    call.run.cwd = path.value if isinstance(path, Known) else None
    return known(None)


def _path_opaque(call: Call) -> Opaque:
    made = derived("a path", *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, "a path"),)
    return Opaque(missing, "a path", harmless=True)


def _text(call: Call) -> Value:
    found = text_of(call.arguments[0]) if call.arguments else None
    if found is None:
        return _path_opaque(call)
    return known(found, *trails(call.arguments[0]))


def _of_texts(function: Callable[..., Any]) -> Model:
    """Return the model of a function of posixpath that goes by the texts alone."""

    def model(call: Call) -> Value:
        if call.open is not None or call.keywords:
            return _path_opaque(call)
        if any(none(value) for value in call.arguments):
            note = Evidence(call.location, "None is no path")
            raise RaiseSignal("TypeError", note)
        values = texts(call.arguments)
        if values is None:
            return _path_opaque(call)
        try:
            return lift(function(*values), trails(*call.arguments))
        except (TypeError, ValueError) as error:
            raise raised(call, error) from None

    return model


def _abspath(call: Call) -> Value:
    text = text_of(call.arguments[0]) if call.arguments else None
    path = None if text is None else absolute(call.run, text)
    return _path_opaque(call) if path is None else known(path)


def _realpath(call: Call) -> Value:
    path = _abspath(call)
    if isinstance(path, Known):
        found = call.run.files.stat(path.value)
        if isinstance(found, Unread):
            return Opaque((found.missing,), "a path", harmless=True)
        if isinstance(found, Stat):
            return known(found.path)
    return path


def _there(kind: FileKind | None) -> Model:
    def model(call: Call) -> Value:
        path = _abspath(call)
        return is_there(call, path.value, kind) if isinstance(path, Known) else path

    return model


def is_there(call: Call, path: str, kind: FileKind | None) -> Value:
    """Return whether something of a kind lies at a path."""
    found = call.run.files.stat(path)
    match found:
        case Stat(location=location):
            if kind is not None and found.kind is not kind:
                return known(value=False)
            return known(True, Evidence(location, f"{path} is there"))  # noqa: FBT003
        case Absent():
            return known(value=False)
        case Unread(missing=missing):
            call.run.doubts += 1
            return Opaque((missing,), f"whether {path} exists", harmless=True)


def _listdir(call: Call) -> Value:
    text = text_of(call.arguments[0]) if call.arguments else "."
    path = None if text is None else absolute(call.run, text)
    if path is None:
        return Items({"items": (cannot(call, "items"),)})
    found = call.run.files.list(path)
    match found:
        case Absent():
            note = Evidence(call.location, f"{path} is not there")
            raise RaiseSignal("FileNotFoundError", note)
        case Unread(missing=missing):
            call.run.doubts += 1
            return Items({"items": (Opaque((missing,), "items", harmless=True),)})
        case _:
            return Items({"items": tuple(known(name) for name in found)})


def _remove(call: Call) -> Value:
    path = _abspath(call)
    if isinstance(path, Known):
        call.run.store(call.run.files.slots, path.value, Absent(path.value))
        return known(None)
    return call.run.unseen("which file is removed", call.location)


def _moved(call: Call) -> Value:
    return call.run.unseen("which file is moved", call.location)


def _expanduser(call: Call) -> Value:
    text = text_of(call.arguments[0]) if call.arguments else None
    if text is None:
        return _path_opaque(call)
    if not text.startswith("~"):
        return known(text)
    home = environment_value(call.run, known("HOME"), unknown("the user's home"))
    first, slash, rest = text.partition("/")
    if first != "~":
        return unknown("a user's home")
    if isinstance(home, Known) and isinstance(home.value, str):
        return known((home.value.rstrip("/") + slash + rest) or "/", *home.trail)
    return derived("a path", home)


def _expandvars(call: Call) -> Value:
    """os.path.expandvars: names that are not set stay as they are."""
    from deployguard.python.standard import texts as texts_module  # noqa: PLC0415

    text = text_of(call.arguments[0]) if call.arguments else None
    if text is None:
        return _path_opaque(call)
    used: list[Value] = []
    if text.count("$") * methods.longest(call.run.environ.slots.values()) > methods.WORK:
        return unknown("a very long text", Reason.LIMIT)

    def value_of(name: str, whole: str) -> str:
        value = environment_value(call.run, known(name), known(whole))
        used.append(value)
        return str(value.value) if isinstance(value, Known) else whole

    expanded = texts_module.VARIABLE.sub(
        lambda found: value_of(found.group(1) or found.group(2), found.group(0)), text
    )
    opaque = [value for value in used if isinstance(value, Opaque)]
    return derived("a path", *opaque) if opaque else lift(expanded, trails(*used))


def _relative(call: Call) -> Value:
    found = texts(call.arguments)
    if found is None or call.run.cwd is None or not found:
        return _path_opaque(call)
    places = [absolute(call.run, text) or "/" for text in found]
    return known(posixpath.relpath(places[0], places[1] if len(places) > 1 else call.run.cwd))


_PATH: dict[Any, Any] = {
    **{
        name: Native(f"os.path.{name}", _of_texts(getattr(posixpath, name)))
        for name in (
            "join", "dirname", "basename", "normpath", "splitext", "split", "isabs",
            "commonprefix", "normcase",
        )
    },
    "sep": known("/"),
    "pathsep": known(":"),
    "curdir": known("."),
    "pardir": known(".."),
    "abspath": Native("os.path.abspath", _abspath),
    "realpath": Native("os.path.realpath", _realpath),
    "relpath": Native("os.path.relpath", _relative),
    "exists": Native("os.path.exists", _there(None)),
    "lexists": Native("os.path.lexists", _there(None)),
    "isfile": Native("os.path.isfile", _there(FileKind.FILE)),
    "isdir": Native("os.path.isdir", _there(FileKind.DIRECTORY)),
    "expanduser": Native("os.path.expanduser", _expanduser),
    "expandvars": Native("os.path.expandvars", _expandvars),
}  # fmt: skip
