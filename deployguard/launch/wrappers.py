"""Programs that change something and then start another: what each does to the process.

Sources: coreutils, util-linux, tini, dumb-init, gosu and su as they behave; options that take a
value are listed, because the first word that is no option is what is started.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.process import Process, Word

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class _Options:
    """How many plain arguments come first, and which options take a value."""

    arguments: int = 0
    values: frozenset[str] = frozenset()


_PLAIN: Mapping[str, _Options] = {
    "exec": _Options(values=frozenset({"-a"})),
    "command": _Options(),
    "nice": _Options(values=frozenset({"-n", "--adjustment"})),
    "nohup": _Options(),
    "timeout": _Options(1, frozenset({"-k", "--kill-after", "-s", "--signal"})),
    "stdbuf": _Options(values=frozenset({"-i", "-o", "-e", "--input", "--output", "--error"})),
    "setsid": _Options(),
    "ionice": _Options(values=frozenset({"-c", "-n", "-p", "--class", "--classdata"})),
    "chrt": _Options(1),
    "flock": _Options(1, frozenset({"-w", "--timeout", "-E"})),
    "gosu": _Options(1),
    "su-exec": _Options(1),
    "tini": _Options(values=frozenset({"-p", "-e"})),
    "tini-static": _Options(values=frozenset({"-p", "-e"})),
    "docker-init": _Options(values=frozenset({"-p", "-e"})),
    "dumb-init": _Options(values=frozenset({"-r", "--rewrite"})),
    "catatonit": _Options(),
    "setpriv": _Options(
        values=frozenset({"--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set"})
    ),
    "time": _Options(values=frozenset({"-f", "-o", "--format", "--output"})),
}

Next = Process | Missing


def unwrap(name: str, process: Process) -> Next | None:
    """Return the process that a wrapper starts, what is missing to tell, or None for no wrapper."""
    words = process.args[1:]
    if name in _PLAIN:
        return _started(_as_user(process, name, words), name, _after(words, _PLAIN[name]))
    special = _SPECIAL.get(name)
    return None if special is None else special(process, name, words)


def _as_user(process: Process, name: str, words: Sequence[Word]) -> Process:
    """Return the process under the user that a wrapper changes to."""
    if name in {"gosu", "su-exec"}:
        named = (word for word in words if not (word.value or "").startswith("-"))
        return replace(process, user=next(named, None))
    return _unseen_user(process, name) if name == "setpriv" else process


def _unseen_user(process: Process, name: str) -> Process:
    missing = Missing(Reason.COMMAND, f"the user that {name} changes to")
    return replace(process, user=Traced(None, process.args[0].location, missing=(missing,)))


def _after(words: Sequence[Word], options: _Options) -> tuple[Word, ...] | Missing:
    """Return the words from the program on."""
    pending = list(words)
    arguments = options.arguments
    while pending:
        word = pending[0]
        if word.value is None:
            return _hidden(word)
        if word.value == "--" and arguments in {0, options.arguments}:
            pending.pop(0)
            return tuple(pending[arguments:])
        if word.value.startswith("-") and word.value != "-" and arguments == options.arguments:
            pending.pop(0)
            if word.value in options.values and pending:
                pending.pop(0)
            continue
        if arguments == 0:
            break
        pending.pop(0)
        arguments -= 1
    return tuple(pending)


def _hidden(word: Word) -> Missing:
    return word.missing[0] if word.missing else Missing(Reason.COMMAND, "a word of the command")


def _started(process: Process, name: str, words: tuple[Word, ...] | Missing) -> Next:
    if isinstance(words, Missing):
        return words
    if not words:
        return Missing(Reason.COMMAND, f"what {name} starts")
    step = Evidence(process.args[0].location, f"{name} starts what follows it")
    return replace(process, args=words, location=words[0].location, trail=(*process.trail, step))


def _env(process: Process, name: str, words: Sequence[Word]) -> Next:
    """env: -i empties the environment, -u takes a name out, NAME=VALUE sets one."""
    pending = list(words)
    environment = process.env
    while pending:
        word = pending[0]
        if word.value is None:
            return _hidden(word)
        text = word.value
        if text in {"-i", "-", "--ignore-environment"}:
            environment = Environment(location=word.location)
            pending.pop(0)
        elif text in {"-u", "--unset"} and len(pending) > 1:
            taken = pending[1]
            if taken.value is None:
                return _hidden(taken)
            environment = environment.without(taken.value, word.location)
            del pending[:2]
        elif text.startswith("--unset="):
            environment = environment.without(text.partition("=")[2], word.location)
            pending.pop(0)
        elif text in {"-C", "--chdir"} and len(pending) > 1:
            process = replace(process, cwd=Traced(pending[1].value, word.location))
            del pending[:2]
        elif text in {"-S", "--split-string"} and len(pending) > 1:
            inner = pending[1].value
            if inner is None:
                return _hidden(pending[1])
            pending[:2] = [replace(pending[1], value=part) for part in shlex.split(inner)]
        elif text == "--":
            pending.pop(0)
            break
        elif (match := _ASSIGNMENT.fullmatch(text)) is not None:
            environment = environment.with_entry(match[1], Traced(match[2], word.location))
            pending.pop(0)
        elif text.startswith("-"):
            return Missing(Reason.COMMAND, f"what the option {text} of env does")
        else:
            break
    return _started(replace(process, env=environment), name, tuple(pending))


def _su(process: Process, name: str, words: Sequence[Word]) -> Next:
    """Follow su and runuser: a shell runs the text of -c, a login shell in a new environment."""
    process = _unseen_user(process, name)
    login, command, shell = False, None, None
    pending = list(words)
    program: tuple[Word, ...] = ()
    while pending:
        word = pending.pop(0)
        if word.value is None:
            return _hidden(word)
        match word.value:
            case "-" | "-l" | "--login":
                login = True
            case "-c" | "--command" if pending:
                command = pending.pop(0)
            case "-s" | "--shell" if pending:
                shell = pending.pop(0)
            case "-u" | "--user" | "-g" | "-G" if pending:
                pending.pop(0)
            case "--" if name == "runuser":
                program = tuple(pending)
                break
            case "-m" | "-p" | "--preserve-environment":
                pass
            case text if text.startswith("-"):
                return Missing(Reason.COMMAND, f"what the option {text} of {name} does")
            case _ if command is None and pending and not pending[0].value:
                return _hidden(word)
            case _:
                pass
    if login:
        path: Traced[str | None] = Traced(_ROOT_PATH, process.location)
        process = replace(
            process,
            env=Environment({"PATH": path}, location=process.location),
            cwd=Traced(None, process.location,
                       missing=(Missing(Reason.COMMAND, "the home of a login shell"),)),
        )  # fmt: skip
    if program:
        return _started(process, name, program)
    if command is None:
        return Missing(Reason.COMMAND, f"what {name} starts")
    first = shell or Traced[str | None]("/bin/sh", command.location)
    dash_c: Word = Traced("-c", command.location)
    return _started(process, name, (first, dash_c, command))


def _script(process: Process, name: str, words: Sequence[Word]) -> Next:
    """Follow script -c COMMAND, which runs it in a shell, on a terminal of its own."""
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word.value is None:
            return _hidden(word)
        short = re.fullmatch(r"-[a-zA-Z]*c", word.value) is not None
        if (short or word.value == "--command") and pending:
            command = pending.pop(0)
            shell: Word = Traced("/bin/sh", command.location)
            dash_c: Word = Traced("-c", command.location)
            terminal = Traced(True, command.location)  # noqa: FBT003  (a plain value)
            return _started(replace(process, terminal=terminal), name, (shell, dash_c, command))
    return Missing(Reason.COMMAND, f"what {name} starts")


def _sudo(process: Process, name: str, words: Sequence[Word]) -> Next:
    """Follow sudo, which empties the environment unless it is told to keep it."""
    process = _unseen_user(process, name)
    kept = any(word.value in {"-E", "--preserve-env"} for word in words)
    values = frozenset({"-u", "-g", "-h", "-p", "-C", "-D"})
    rest = _after(words, _Options(values=values))
    if not kept:
        missing = (Missing(Reason.COMMAND, "which variables sudo keeps"),)
        process = replace(process, env=Environment(unseen=missing, location=process.location))
    if not isinstance(rest, Missing) and rest and "=" in (rest[0].value or ""):
        return _env(replace(process, args=(process.args[0], *rest)), name, rest)
    return _started(process, name, rest)


def _xargs(process: Process, name: str, words: Sequence[Word]) -> Next:
    """Follow xargs with what it reads; the command it makes reads nothing."""
    from deployguard.shell.utilities import running  # noqa: PLC0415  (loaded where xargs runs)

    made = running.batches((process.args[0], *words))
    text = "" if process.stdin is None else process.stdin.value
    lines: list[tuple[Word, ...]] | None = None
    if made is not None and made.command and text is not None:
        lines = running.commands(made, text)
    if not lines or len(lines) > 1:
        return Missing(Reason.COMMAND, f"what {name} reads from its standard input")
    empty: Word = Traced("", process.location)
    return _started(replace(process, stdin=empty), name, lines[0])


def _busybox(process: Process, name: str, words: Sequence[Word]) -> Next:
    return _started(process, name, tuple(words))


_SPECIAL: Mapping[str, Callable[[Process, str, Sequence[Word]], Next]] = {
    "env": _env,
    "su": _su,
    "runuser": _su,
    "script": _script,
    "sudo": _sudo,
    "doas": _sudo,
    "xargs": _xargs,
    "busybox": _busybox,
    "chroot": lambda _p, name, _w: Missing(Reason.COMMAND, f"what {name} starts"),
}


def basename(path: str) -> str:
    """Return the last part of a path."""
    return posixpath.basename(path.rstrip("/"))
