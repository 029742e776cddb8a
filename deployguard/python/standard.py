"""The part of the standard library that programs decide by: os, sys, threading and the like.

The rest of it computes and starts nothing: its modules are opaque and harmless, except those that
run other programs or serve, which are opaque and not harmless.
"""

import posixpath
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Stat, Unread
from deployguard.python.outcome import Command, EffectKind
from deployguard.python.signals import ExitSignal, RaiseSignal, ServeSignal
from deployguard.python.values import (
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

# Loaded before any program runs, so that no file can hide them (CPython: Lib/site.py imports them).
BUILT_IN = frozenset(
    {"sys", "builtins", "os", "posix", "site", "io", "abc", "codecs", "stat", "time", "errno"}
)

# Modules of which a call may run what cannot be seen from the call.
_STARTS = frozenset(
    {
        "subprocess", "runpy", "code", "codeop", "ctypes", "pty", "zipimport", "pickle", "marshal",
        "shelve", "wsgiref", "socketserver", "xmlrpc", "pdb", "bdb", "trace", "cProfile", "profile",
        "timeit", "doctest", "unittest", "pydoc", "imp", "importlib", "site",
    }
)  # fmt: skip


def module(run: "Interpreter", name: str) -> Module:
    """Return a module of the standard library by its dotted name."""
    slots: dict[Any, Any] = {}
    if name == "os":
        slots = _os(run)
    elif name == "os.path":
        slots = _path()
    elif name == "sys":
        slots = _sys(run)
    elif name in _MODELS:
        slots = dict(_MODELS[name])
    harmless = name.partition(".")[0] not in _STARTS and name != "http.server"
    missing = Missing(Reason.PROGRAM, f"what {name} does")
    return Module(name, slots, Opaque((missing,), name, harmless=harmless))


def _os(run: "Interpreter") -> dict[Any, Any]:
    slots: dict[Any, Any] = {
        "environ": run.environ,
        "getenv": Native("os.getenv", _getenv),
        "putenv": Native("os.putenv", _nothing),
        "path": Module("os.path", _path(), Opaque((), "os.path", harmless=True)),
        "getcwd": Native("os.getcwd", _getcwd),
        "chdir": Native("os.chdir", _chdir),
        "_exit": Native("os._exit", _exit),
        "name": known("posix"),
        "sep": known("/"),
    }
    for name in ("execv", "execve", "execvp", "execvpe", "execl", "execle", "execlp", "execlpe"):
        slots[name] = Native(f"os.{name}", _exec(name.removeprefix("exec")))
    for name in ("spawnl", "spawnv", "spawnve", "spawnvp", "spawnvpe", "spawnlp", "spawnle"):
        slots[name] = Native(f"os.{name}", _spawn(name.removeprefix("spawn")))
    for name in ("posix_spawn", "posix_spawnp"):
        slots[name] = Native(f"os.{name}", _posix_spawn)
    for name in ("system", "popen"):
        slots[name] = Native(f"os.{name}", _shell)
    return slots


def _sys(run: "Interpreter") -> dict[Any, Any]:
    return {
        "argv": run.argv,
        "path": run.path,
        "exit": Native("sys.exit", _exit),
        "platform": known("linux"),
        "stdin": Instance(None, _STREAM),
        "stdout": Instance(None, _STREAM),
        "stderr": Instance(None, _STREAM),
    }


def _path() -> dict[Any, Any]:
    return {
        "join": Native("os.path.join", _text_function(posixpath.join)),
        "dirname": Native("os.path.dirname", _text_function(posixpath.dirname)),
        "basename": Native("os.path.basename", _text_function(posixpath.basename)),
        "normpath": Native("os.path.normpath", _text_function(posixpath.normpath)),
        "splitext": Native("os.path.splitext", _text_function(posixpath.splitext)),
        "abspath": Native("os.path.abspath", _abspath),
        "realpath": Native("os.path.realpath", _abspath),
        "exists": Native("os.path.exists", _exists),
        "isfile": Native("os.path.isfile", _exists),
        "isdir": Native("os.path.isdir", _exists),
    }


def texts(values: tuple[Value, ...]) -> list[str] | None:
    """Return known texts, None where one is not known."""
    found = [
        value.value for value in values if isinstance(value, Known) and isinstance(value.value, str)
    ]
    return found if len(found) == len(values) else None


def _text_function(function: Any) -> Any:  # noqa: ANN401  (functions of posixpath)
    def model(call: Call) -> Value:
        values = texts(call.arguments)
        if values is None or call.open is not None:
            return _path_opaque(call)
        made = function(*values)
        if isinstance(made, tuple):
            return Items({"items": tuple(known(part) for part in made)}, tuple)
        return known(made)

    return model


def _path_opaque(call: Call) -> Opaque:
    made = derived("a path", *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, "a path"),)
    return Opaque(missing, "a path", harmless=True)


def _abspath(call: Call) -> Value:
    values = texts(call.arguments[:1])
    if not values or call.run.cwd is None:
        return _path_opaque(call)
    return known(posixpath.normpath(posixpath.join(call.run.cwd, values[0])))


def _exists(call: Call) -> Value:
    path = _abspath(call)
    if not isinstance(path, Known):
        return path
    match call.run.files.stat(path.value):
        case Stat(location=location):
            return known(True, Evidence(location, f"{path.value} is there"))  # noqa: FBT003
        case Absent():
            return known(value=False)
        case Unread(missing=missing):
            return Opaque((missing,), f"whether {path.value} exists", harmless=True)


def _getenv(call: Call) -> Value:
    key = call.argument(0, "key")
    default = call.argument(1, "default") or known(None)
    return environment_value(call.run, key, default)


def environment_value(run: "Interpreter", key: Value | None, default: Value) -> Value:
    """Return os.environ.get(key, default)."""
    environ: Mapped = run.environ
    if isinstance(key, Known):
        if key.value in environ.slots:
            return environ.slots[key.value]
        return default if environ.rest is None else derived(f"{key.value}", environ.rest)
    return derived("a variable", *(value for value in (key, default) if value is not None))


def _getcwd(call: Call) -> Value:
    if call.run.cwd is None:
        return _path_opaque(call)
    return known(call.run.cwd)


def _chdir(call: Call) -> Value:
    path = _abspath(call)
    call.run.cwd = path.value if isinstance(path, Known) else None
    return known(None)


def _nothing(_call: Call) -> Value:
    return known(None)


def _exit(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the program ends here"))


def start(
    call: Call,
    words: tuple[Value, ...] | None,
    *,
    environ: Value | None = None,
    cwd: Value | None = None,
    in_shell: bool = False,
    replaces: bool = False,
) -> Value:
    """Record that a process is started, and return what a command returns.

    `words` are None where they cannot be told; without `environ` it is that of the program, as it
    is now, and without `cwd` it starts where the program is. `in_shell` says that the word is a
    text for /bin/sh, and `replaces` that the program is no more.
    """
    place = f"{call.location.file}:{call.location.line}"
    missing = Missing(Reason.COMMAND, f"what the command started here does ({place})")
    command: Command | None = None
    given = call.run.environ if environ is None or _is_none(environ) else environ
    if words and isinstance(given, Mapped):
        folder = call.run.cwd
        if cwd is not None and not _is_none(cwd):
            folder = _folder(call, cwd)
        command = Command(
            words=words,
            environ=Mapped(dict(given.slots), given.rest, given.name),
            cwd=folder,
            shell=in_shell,
            replaces=replaces,
        )
    call.run.emit(
        EffectKind.PROCESS,
        "exec" if replaces else "start",
        call.location,
        missing=() if command else (missing,),
        command=command,
    )
    if replaces:
        raise ServeSignal(Evidence(call.location, "another program takes the place of this one"))
    returned = Missing(Reason.COMMAND, "what a command returns")
    return Opaque((returned,), "what a command returns", harmless=True)


def _is_none(value: Value) -> bool:
    return isinstance(value, Known) and value.value is None


def _folder(call: Call, cwd: Value) -> str | None:
    if isinstance(cwd, Known) and isinstance(cwd.value, str) and call.run.cwd is not None:
        return posixpath.normpath(posixpath.join(call.run.cwd, cwd.value))
    return None


def words(value: Value | None) -> tuple[Value, ...] | None:
    """Return the words of a list of arguments, None where their number cannot be told."""
    if not isinstance(value, Items):
        return None
    hidden = any(isinstance(item, Opaque) and item.name == "items" for item in value.items)
    return None if hidden else value.items


def _given(
    arguments: tuple[Value, ...], kind: str
) -> tuple[tuple[Value, ...] | None, Value | None]:
    """Return the words and the environment of an exec or spawn of a kind such as "vpe"."""
    path, *rest = arguments or (known(None),)
    environ = rest.pop() if kind.endswith("e") and rest else None
    found = words(rest[0] if rest else None) if kind.startswith("v") else tuple(rest)
    # The first word is what the program is told of its own name; the path says what runs.
    return (None if found is None else (path, *found[1:])), environ


def _exec(kind: str) -> Model:
    def model(call: Call) -> Value:
        found, environ = _given(call.arguments, kind)
        return start(call, found, environ=environ, replaces=True)

    return model


def _spawn(kind: str) -> Model:
    def model(call: Call) -> Value:
        found, environ = _given(call.arguments[1:], kind)
        return start(call, found, environ=environ)

    return model


def _posix_spawn(call: Call) -> Value:
    path, argv, environ = (call.argument(i, n) for i, n in enumerate(("path", "argv", "env")))
    found = words(argv)
    return start(
        call, None if found is None or path is None else (path, *found[1:]), environ=environ
    )


def _shell(call: Call) -> Value:
    text = call.argument(0, "command") or call.argument(0, "cmd")
    return start(call, None if text is None else (text,), in_shell=True)


def _isatty(call: Call) -> Value:
    return known(call.run.terminal)


def _stream_attribute(_run: "Interpreter", _instance: Instance, name: str) -> Value | None:
    return Native("isatty", _isatty) if name == "isatty" else None


_STREAM = Native("a standard stream", attribute=_stream_attribute)


def _thread(call: Call, instance: Instance) -> None:
    for position, name in ((1, "target"), (3, "args"), (4, "kwargs")):
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{name}>", value)


def _thread_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    if name in {"start", "run"}:
        target = run.attribute_or_none(instance, "run") if instance.type is not None else None
        return Native(name, lambda call: _run_thread(call, instance, target))
    return None


def _run_thread(call: Call, instance: Instance, target: Value | None) -> Value:
    """Run the thread's function now: what it starts keeps running beside the rest."""
    slots = instance.slots
    function = target or slots.get("<target>")
    arguments = slots.get("<args>")
    keywords = slots.get("<kwargs>")
    if function is None:
        return known(None)
    try:
        call.run.call(
            function,
            arguments.items if isinstance(arguments, Items) else (),
            keywords.slots if isinstance(keywords, Mapped) else {},
            call.location,
        )
    except (ExitSignal, RaiseSignal, ServeSignal):
        # Whatever ends the thread, its starter goes on.
        return known(None)
    return known(None)


_THREAD = Native("threading.Thread", construct=_thread, attribute=_thread_attribute)


def _register(call: Call) -> Value:
    function, *arguments = call.arguments

    def at_exit() -> None:
        call.run.call(function, arguments, call.keywords, call.location)

    call.run.at_exit.insert(0, at_exit)
    return function


def _run_coroutine(call: Call) -> Value:
    return call.run.await_value(call.arguments[0], call.location) if call.arguments else known(None)


def _partial(call: Call) -> Value:
    function, *first = call.arguments
    bound = dict(call.keywords)

    def model(later: Call) -> Value:
        return later.run.call(
            function,
            (*first, *later.arguments),
            {**bound, **later.keywords},
            later.location,
            later.open,
        )

    return Native("functools.partial", model)


def _import_module(call: Call) -> Value:
    name = call.argument(0, "name")
    if isinstance(name, Known) and isinstance(name.value, str) and not name.value.startswith("."):
        return call.run.import_module(name.value, call.location)
    return call.run.unseen("which module importlib imports", call.location)


_MODELS: dict[str, dict[str, Any]] = {
    "threading": {"Thread": _THREAD},
    "multiprocessing": {"Process": _THREAD},
    "atexit": {"register": Native("atexit.register", _register)},
    "asyncio": {"run": Native("asyncio.run", _run_coroutine)},
    "functools": {
        "partial": Native("functools.partial", _partial),
        "wraps": Native("functools.wraps", lambda _call: Native("wraps", lambda c: c.arguments[0])),
    },
    "importlib": {"import_module": Native("importlib.import_module", _import_module)},
    "typing": {"TYPE_CHECKING": known(value=False)},
}
