"""Processes that a program starts: os.exec and os.spawn, os.system, subprocess."""

from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python.concrete import cannot, lift, none, text_of, unknown
from deployguard.python.outcome import Command, EffectKind
from deployguard.python.signals import ServeSignal
from deployguard.python.standard import absolute
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Native,
    Opaque,
    Value,
    known,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def start(
    call: Call,
    words: tuple[Value, ...] | None,
    *,
    environ: Value | None = None,
    cwd: Value | None = None,
    in_shell: bool = False,
    replaces: bool = False,
    waits: bool = False,
) -> Value:
    """Record that a process is started, and return what a command returns.

    `words` are None where they cannot be told; without `environ` it is that of the program, as it
    is now, and without `cwd` it starts where the program is. `in_shell` says that the word is a
    text for /bin/sh, `replaces` that the program is no more, and `waits` that it goes on once the
    other has ended.
    """
    place = f"{call.location.file}:{call.location.line}"
    missing = Missing(Reason.COMMAND, f"what the command started here does ({place})")
    command: Command | None = None
    given = call.run.environ if none(environ) else environ
    if words and isinstance(given, Mapped):
        folder = call.run.cwd
        if not none(cwd):
            folder = _folder(call, cwd)
        command = Command(
            words=tuple(_word(word) for word in words),
            environ=Mapped(dict(given.slots), given.rest, given.name),
            cwd=folder,
            shell=in_shell,
            replaces=replaces,
            waits=waits,
            files=call.run.files.copy() if call.run.files else None,
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
    call.run.doubts += 1
    returned = Missing(Reason.COMMAND, "what a command returns")
    return Opaque((returned,), "what a command returns", harmless=True)


def _word(value: Value) -> Value:
    """Return a word as the system takes it: a path is its text."""
    text = text_of(value)
    if text is None or not isinstance(value, Known) or isinstance(value.value, str):
        return value if text is None or isinstance(value, Known) else known(text)
    return known(text, *value.trail)


def _folder(call: Call, cwd: Value | None) -> str | None:
    text = text_of(cwd)
    return None if text is None else absolute(call.run, text)


def words(value: Value | None) -> tuple[Value, ...] | None:
    """Return the words of a list of arguments, None where their number cannot be told."""
    if not isinstance(value, Items):
        return None
    hidden = any(isinstance(item, Opaque) and item.name == "items" for item in value.items)
    return None if hidden else value.items


def _given(call: Call, kind: str) -> tuple[tuple[Value, ...] | None, Value | None]:
    """Return the words and the environment of an exec or spawn of a kind such as "vpe"."""
    if call.open is not None or not call.arguments:
        return None, None
    path, *rest = call.arguments
    environ = rest.pop() if kind.endswith("e") and rest else None
    found = words(rest[0] if rest else None) if kind.startswith("v") else tuple(rest)
    # The first word is what the program is told of its own name; the path says what runs.
    return (None if found is None else (path, *found[1:])), environ


def execute(kind: str) -> Model:
    """Return the model of os.exec* of a kind such as "vpe"."""

    def model(call: Call) -> Value:
        found, environ = _given(call, kind)
        return start(call, found, environ=environ, replaces=True)

    return model


def spawn(kind: str) -> Model:
    """Return the model of os.spawn* of a kind such as "vpe"."""

    def model(call: Call) -> Value:
        inner = Call(call.run, call.location, call.arguments[1:], call.keywords, call.open)
        found, environ = _given(inner, kind)
        mode = call.arguments[0] if call.arguments else known(None)
        waits = isinstance(mode, Known) and mode.value == 0
        return start(call, found, environ=environ, waits=waits)

    return model


def posix_spawn(call: Call) -> Value:
    """os.posix_spawn(path, argv, env)."""
    path, argv, environ = (call.argument(i, n) for i, n in enumerate(("path", "argv", "env")))
    found = words(argv)
    return start(
        call, None if found is None or path is None else (path, *found[1:]), environ=environ
    )


def shell(call: Call) -> Value:
    """os.system, os.popen, subprocess.getoutput: a text for /bin/sh."""
    text = call.argument(0, "command") or call.argument(0, "cmd")
    return start(call, None if text is None else (text,), in_shell=True, waits=True)


def pipe(call: Call) -> Value:
    """os.popen: the command runs beside the program."""
    text = call.argument(0, "cmd")
    return start(call, None if text is None else (text,), in_shell=True)


def _popen(call: Call, *, waits: bool) -> Value:
    """subprocess.Popen: the words or the text, `shell`, `cwd` and `env` decide."""
    arguments = call.argument(0, "args")
    in_shell = truth(call.argument(8, "shell") or known(value=False))
    environ, cwd = call.argument(10, "env"), call.argument(9, "cwd")
    if call.open is not None and "args" not in call.keywords and not call.arguments:
        return start(call, None)
    executable = call.argument(2, "executable")
    text = text_of(arguments)
    found = (arguments,) if arguments is not None and text is not None else words(arguments)
    if in_shell == "unknown" or (call.open is not None and not none(call.open)):
        return start(call, None, environ=environ, cwd=cwd)
    if not none(executable) and found is not None and executable is not None:
        found = (executable, *found[1:]) if in_shell == "no" else None
    if in_shell == "yes" and found is not None:
        # Words after the first of a list are the shell's own parameters.
        return start(call, found, environ=environ, cwd=cwd, in_shell=True, waits=waits)
    if isinstance(arguments, Opaque):
        found = None
    return start(call, found, environ=environ, cwd=cwd, waits=waits)


def _process(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "<returned>", _popen(call, waits=False))


def _process_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    returned = instance.slots.get("<returned>")
    value: Value = returned if returned is not None else unknown("what a command returns")
    match name:
        case "returncode" | "pid" | "stdout" | "stderr" | "stdin":
            return value
        case "wait" | "poll":
            return Native(f"Popen.{name}", lambda _call: value)
        case "communicate":
            return Native(
                "Popen.communicate", lambda _call: Items({"items": (value, value)}, tuple)
            )
        case "__enter__":
            return Native("Popen.__enter__", lambda _call: instance)
        case "terminate" | "kill" | "send_signal" | "__exit__":
            return Native(f"Popen.{name}", lambda _call: known(None))
        case _:
            return None


_POPEN = Native(
    "subprocess.Popen",
    construct=_process,
    attribute=_process_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _run(call: Call) -> Value:
    return Instance(None, _POPEN, {"<returned>": _popen(call, waits=True)})


def _result(call: Call) -> Value:
    return _popen(call, waits=True)


def _spawn_pty(call: Call) -> Value:
    argv = call.argument(0, "argv")
    text = text_of(argv)
    return start(call, (argv,) if argv is not None and text is not None else words(argv))


def _returned(name: str) -> Value:
    return unknown(f"subprocess.{name}")


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    if name == "pty":
        return {"spawn": Native("pty.spawn", _spawn_pty)}
    from deployguard.python import exceptions  # noqa: PLC0415  (which the values do not know)

    return {
        "Popen": _POPEN,
        "run": Native("subprocess.run", _run),
        "call": Native("subprocess.call", _result),
        "check_call": Native("subprocess.check_call", _result),
        "check_output": Native("subprocess.check_output", _result),
        "getoutput": Native("subprocess.getoutput", shell),
        "getstatusoutput": Native(
            "subprocess.getstatusoutput",
            lambda call: Items({"items": (shell(call), cannot(call, "getoutput"))}, tuple),
        ),
        "list2cmdline": _returned("list2cmdline"),
        "PIPE": lift(-1),
        "STDOUT": lift(-2),
        "DEVNULL": lift(-3),
        "CalledProcessError": exceptions.native("subprocess.CalledProcessError"),
        "SubprocessError": exceptions.native("Exception"),
        "TimeoutExpired": exceptions.native("subprocess.TimeoutExpired"),
    }
