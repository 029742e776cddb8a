"""The commands of a shell itself: flow, parameters, files that are read, and what replaces it."""

import posixpath
from collections.abc import Callable, Mapping

from deployguard.effective import search
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell import variables
from deployguard.shell.commands import (
    NOT_FOUND,
    asked,
    either_shell,
    external,
    function,
    is_utility,
    start,
    text,
)
from deployguard.shell.commands import called as call
from deployguard.shell.conditions import ERROR
from deployguard.shell.parsing import parse
from deployguard.shell.redirections import place
from deployguard.shell.run import Run, UnclearError
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Kind,
    State,
    Status,
    Ways,
    lookup,
    written,
)
from deployguard.shell.syntax import Simple
from deployguard.shell.utilities import printing
from deployguard.shell.utilities.table import UTILITIES

Builtin = Callable[[Run, tuple[Word, ...], int, State], Ways]
Step = Callable[[Run, tuple[Word, ...], int, State], State]


def _once(step: Step) -> Builtin:
    """Return a builtin that leaves one state."""

    def builtin(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
        return (step(run, words, line, state),)

    return builtin


def _listing(step: Step) -> Builtin:
    """Return a builtin that without operands prints what there is, which is not followed."""

    def builtin(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
        after = step(run, words, line, state)
        if all((word.value or "").startswith("-") for word in words[1:]):
            name = words[0].value
            missing = (run.missing(f"what {name} prints", line, Reason.COMMAND),)
            after = written(after, Traced(None, run.at(line), missing=missing))
        return (after,)

    return builtin


def _extended(inner: Builtin) -> Builtin:
    """Return a builtin that bash has, dash has not, and busybox may have."""

    def builtin(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
        known = run.shell.has_more()
        yes = () if known is False else inner(run, words, line, state)
        no = () if known is True else external(run, words, line, state)
        return either_shell(run, state, yes, no, known=known)

    return builtin


def _only(*kinds: Kind) -> Callable[[Builtin], Builtin]:
    """Return a builtin that only some shells have; others do not find the command."""

    def of_kind(inner: Builtin) -> Builtin:
        def builtin(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
            known = run.shell.among(*kinds)
            yes = () if known is False else inner(run, words, line, state)
            no = () if known is True else external(run, words, line, state)
            return either_shell(run, state, yes, no, known=known)

        return builtin

    return of_kind


def _succeed(_: Run, __: tuple[Word, ...], ___: int, state: State) -> State:
    return replace(state, status=SUCCESS)


def _fail(_: Run, __: tuple[Word, ...], ___: int, state: State) -> State:
    return replace(state, status=FAILURE)


def _refuse(run: Run, words: tuple[Word, ...], line: int, _: State) -> Ways:
    raise run.unclear(f"what {words[0].value} does", line)


def _changed_folder(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    options = {"-L", "-P", "--", "-e"}
    given = [word for word in words[1:] if word.value not in options]
    target = given[0] if given else lookup(state, "HOME")
    location = run.at(line)
    if len(given) > 1 and run.shell.kind is not Kind.DASH:
        return replace(state, status=FAILURE)
    if target is not None and target.value == "-":
        target = state.before
    if target is None or target.value is None or (target.value == "" and given):
        missing = (Missing(Reason.SCRIPT, "the directory the script goes to"),)
        unseen: Traced[str | None] = Traced(None, location, missing=missing)
        return replace(state, cwd=unseen, before=state.cwd, status=SUCCESS)
    if not target.value.startswith("/") and state.cwd.value is None:
        return replace(state, before=state.cwd, status=SUCCESS)
    path = lookup(state, "CDPATH")
    if path is not None and path.value != "" and not target.value.startswith(("/", ".")):
        raise run.unclear("where cd goes with CDPATH", line)
    whole = posixpath.normpath(posixpath.join(state.cwd.value or "/", target.value))
    found = state.files.stat(whole)
    if isinstance(found, Absent) or (
        isinstance(found, Stat) and found.kind is not FileKind.DIRECTORY
    ):
        return replace(state, status=FAILURE)
    return replace(state, cwd=Traced(whole, location), before=state.cwd, status=SUCCESS)


def _shift(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    given = words[1].value if len(words) > 1 else "1"
    if given is None or not given.isdigit() or len(given) > 5 or state.more:  # noqa: PLR2004
        raise run.unclear("how far shift goes", line)
    count = int(given)
    if count > len(state.positional):
        if run.shell.kind is Kind.BASH:
            return replace(state, status=FAILURE)
        if run.shell.kind is None:
            raise run.unclear("what shift does in this shell without parameters", line)
        flow = Flow.EXIT if run.shell.kind is Kind.DASH else Flow.NEXT
        return replace(state, status=Status(ERROR if flow is Flow.EXIT else 1), flow=flow)
    return replace(state, positional=state.positional[count:], status=SUCCESS)


def _leave(flow: Flow) -> Step:
    def builtin(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
        given = words[1].value if len(words) > 1 else None
        if flow in {Flow.BREAK, Flow.CONTINUE}:
            if not run.loops:
                return replace(state, status=SUCCESS)
            levels = int(given) if given and given.isdigit() and len(given) < 5 else 1  # noqa: PLR2004
            return replace(state, flow=flow, levels=min(levels, run.loops), status=SUCCESS)
        if flow is Flow.RETURN and not state.callers:
            raise run.unclear("what return does outside of a function", line)
        status = state.status
        if len(words) > 1:
            status = Status(int(given) & 255) if given and given.isdigit() else Status(ERROR)
            if given is None:
                status = Status(None, next(iter(words[1].missing), None))
        return replace(state, flow=flow, status=status)

    return builtin


def _exec(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Replace the shell; what is not there ends it."""
    rest = list(words[1:])
    while rest and rest[0].value in {"-c", "-l", "-cl", "-a", "--"}:
        option = rest.pop(0).value
        if option == "-a" and rest:
            rest.pop(0)
        elif option in {"-c", "-cl"}:
            raise run.unclear("what exec starts without an environment", line)
    if not rest:
        return (replace(state, status=SUCCESS),)
    if rest[0].value is None:
        raise UnclearError(next(iter(rest[0].missing), Missing(Reason.COMMAND, "a command")))
    return tuple(
        replace(way, flow=Flow.REPLACED if way.flow is Flow.NEXT else way.flow)
        for way in external(run, tuple(rest), line, state)
    )


def _source(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Read a file in this shell (`.`)."""
    given = words[2:] if len(words) > 1 and words[1].value == "--" else words[1:]
    if not given:
        return (replace(state, status=Status(ERROR)),)
    if given[0].value is None:
        raise UnclearError(next(iter(given[0].missing), run.missing("which file is read", line)))
    content = _to_read(run, given[0].value, line, state)
    match content:
        case Unread(missing=missing):
            raise UnclearError(missing)
        case Content():
            return text(run, content, state, line, given[1:])
        case Absent():
            pass
    # A file that is not there ends a POSIX shell; bash goes on.
    goes_on = run.shell.among(Kind.BASH)
    if run.shell.posix:
        goes_on = False
    failed = (replace(state, status=FAILURE),)
    ended = (replace(state, status=Status(ERROR), flow=Flow.EXIT),)
    return either_shell(run, state, failed, ended, known=goes_on)


def _to_read(run: Run, path: str, line: int, state: State) -> Content | Absent | Unread:
    """Find a file for `.`: without a slash in PATH, and for bash then in the directory."""
    if path in {"/dev/stdin", "/proc/self/fd/0"} and state.stdin is not None:
        if state.stdin.value is None:
            return Unread(next(iter(state.stdin.missing), run.missing("what is read", line)))
        return Content(state.stdin.value.encode("utf-8", "replace"), state.stdin.location)
    if path.startswith("/dev/"):
        return Unread(run.missing(f"what is read from {path}", line))
    if "/" in path:
        return _at(run, path, line, state)
    folders = state.env.get("PATH") or lookup(state, "PATH")
    if folders is not None and folders.value is None:
        return Unread(next(iter(folders.missing), Missing(Reason.VARIABLE, "the value of PATH")))
    for folder in ("" if folders is None else folders.value or "").split(":"):
        found = _at(run, posixpath.join(folder or ".", path), line, state)
        if not isinstance(found, Absent):
            return found
    if run.shell.kind is Kind.DASH or run.shell.posix:
        return Absent(path)
    here = _at(run, path, line, state)
    if isinstance(here, Absent) or run.shell.kind is not None:
        return here
    return Unread(run.shell.missing())


def _at(run: Run, path: str, line: int, state: State) -> Content | Absent | Unread:
    whole = place(path, state)
    if not whole.startswith("/"):
        return Unread(run.missing("the directory of a file that is read", line))
    return state.files.read(whole)


def _eval(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        missing = run.missing("what eval runs", line)
        raise UnclearError(next(iter(unseen.missing), missing))
    whole = " ".join(word.value or "" for word in words[1:])
    run.spend(line, len(whole))
    with run.nested("what eval runs inside of itself", line):
        return run.body(run, parse(whole), replace(state, status=SUCCESS))


def _test(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    values = [word.value for word in words[1:]]
    if words[0].value == "[":
        if not values or values[-1] != "]":
            return replace(state, status=Status(ERROR))
        values = values[:-1]
    missing = next((entry for word in words for entry in word.missing), None)
    status = asked(run, values, missing, line, state)
    if "==" in values[1:-1] and status.code == 0:
        # dash knows no "==".
        known = run.shell.among(Kind.BASH, Kind.BUSYBOX)
        if known is not True:
            unknown = Status(None, run.shell.missing())
            status = unknown if known is None else Status(ERROR)
    return replace(state, status=status)


def _command(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Run a command past the functions of its name, or say what it is (`command -v`)."""
    rest = list(words[1:])
    while rest and rest[0].value in {"-p", "--"}:
        rest.pop(0)
    if rest and rest[0].value in {"-v", "-V"}:
        return (_located(run, tuple(rest), line, state),)
    if not rest:
        return (replace(state, status=SUCCESS),)
    if rest[0].value is None:
        raise UnclearError(next(iter(rest[0].missing), Missing(Reason.COMMAND, "a command")))
    command = Simple(line, (), (), ())
    inner = replace(state, functions={}, aliases=frozenset())
    return tuple(
        replace(way, functions=state.functions, aliases=state.aliases)
        for way in call(run, rest[0].value, tuple(rest), command, inner)
    )


def _located(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Say what a name stands for: `command -v`, `type`, `which`, `hash`."""
    status = SUCCESS
    text: list[str] = []
    for word in words[1:]:
        name = word.value
        if name is not None and name.startswith("-"):
            continue
        if (
            name is not None
            and (name in state.functions or name in BUILTINS)
            and (words[0].value != "which")
        ):
            text.append(f"{name}\n")
            continue
        found = None if name is None else search.find(name, state.env, state.cwd, state.files)
        if isinstance(found, search.Executable):
            text.append(f"{found.path}\n")
        elif isinstance(found, Absent) and posixpath.basename(name or "") not in UTILITIES:
            status = FAILURE
        else:
            named = (
                found.missing
                if isinstance(found, Unread)
                else next(iter(word.missing), Missing(Reason.COMMAND, f"whether {name} is there"))
            )
            unseen: Traced[str | None] = Traced(None, run.at(line), missing=(named,))
            return replace(written(state, unseen), status=Status(None, named))
    if any((word.value or "-").startswith("-") for word in words[1:]) and (
        words[0].value == "type" and run.shell.kind is not Kind.BASH
    ):
        raise run.unclear("what type says in this shell", line)
    shown: Traced[str | None] = Traced("".join(text), run.at(line))
    if words[0].value in {"type", "-V"} and text:
        missing = (Missing(Reason.COMMAND, "how a shell describes a command"),)
        shown = Traced(None, run.at(line), missing=missing)
    if words[0].value == "hash":
        return replace(state, status=status)
    return replace(written(state, shown), status=status)


def _which(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Say where a program lies, if which is the system's own."""
    if not is_utility("which", state):
        return external(run, words, line, state)
    return (_located(run, words, line, state),)


def _trap(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Keep what is to run when the shell ends; what waits for a signal does not run by itself."""
    given = [word for word in words[1:] if word.value != "--"]
    if len(given) < 2:  # noqa: PLR2004  (an action, and for what)
        return replace(state, status=SUCCESS)
    action = given[0]
    for word in given[1:]:
        match (word.value or "").upper().removeprefix("SIG"):
            case "EXIT" | "0":
                state = replace(state, trap=None if action.value in {"-", ""} else action)
            case "DEBUG" | "ERR" | "RETURN" if action.value not in {"-", ""}:
                raise run.unclear(f"what the trap on {word.value} runs", line)
            case "" if word.value is None:
                raise run.unclear("what a trap waits for", line)
            case _:
                pass
    return replace(state, status=SUCCESS)


def _alias(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Note the names that stand for something else: bash uses them only where it is asked to."""
    if run.shell.kind is Kind.BASH and not {"expand_aliases"} & state.options:
        return replace(state, status=SUCCESS)
    names = {(word.value or "").partition("=")[0] for word in words[1:]}
    if "" in names:
        raise run.unclear("which names alias changes", line)
    return replace(state, aliases=state.aliases | names, status=SUCCESS)


def _let(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Calculate each word, as `(( ))` does."""
    status = SUCCESS
    for word in words[1:]:
        status, state = variables.calculated(run, word, line, state)
    return replace(state, status=status)


def _waited(_: Run, __: tuple[Word, ...], ___: int, state: State) -> State:
    """Wait for what runs beside, whose status is not known."""
    missing = Missing(Reason.COMMAND, "whether what runs in the background succeeds")
    beside = bool(state.trace)
    return replace(state, status=Status(None, missing, presumed=True) if beside else SUCCESS)


BUILTINS: Mapping[str, Builtin] = {
    ":": _once(_succeed),
    "true": _once(_succeed),
    "false": _once(_fail),
    "echo": _once(printing.echo),
    "printf": _once(printing.printf),
    "cd": _once(_changed_folder),
    "chdir": _only(Kind.DASH, Kind.BUSYBOX)(_once(_changed_folder)),
    "export": _listing(variables.exported),
    "readonly": _listing(variables.fixed),
    "declare": _only(Kind.BASH)(_listing(variables.declared)),
    "typeset": _only(Kind.BASH)(_listing(variables.declared)),
    "local": _once(variables.local),
    "unset": _once(variables.unset_names),
    "set": _listing(variables.set_options),
    "shopt": _only(Kind.BASH)(_listing(variables.shell_options)),
    "getopts": _once(variables.next_option),
    "read": _once(variables.read_line),
    "mapfile": _only(Kind.BASH)(_once(variables.read_lines)),
    "readarray": _only(Kind.BASH)(_once(variables.read_lines)),
    "let": _extended(_once(_let)),
    "shift": _once(_shift),
    "exit": _once(_leave(Flow.EXIT)),
    "return": _once(_leave(Flow.RETURN)),
    "break": _once(_leave(Flow.BREAK)),
    "continue": _once(_leave(Flow.CONTINUE)),
    "exec": _exec,
    ".": _source,
    "source": _extended(_source),
    "eval": _eval,
    "test": _once(_test),
    "[": _once(_test),
    "command": _command,
    "builtin": _only(Kind.BASH)(_command),
    "type": _once(_located),
    "hash": _listing(_located),
    "which": _which,
    "trap": _listing(_trap),
    "alias": _listing(_alias),
    "unalias": _once(_succeed),
    "wait": _once(_waited),
    "umask": _listing(_succeed),
    "ulimit": _listing(_succeed),
    "jobs": _listing(_succeed),
    "fg": _listing(_succeed),
    "bg": _once(_succeed),
    "disown": _only(Kind.BASH)(_once(_succeed)),
    "times": _listing(_succeed),
    "pushd": _only(Kind.BASH)(_refuse),
    "popd": _only(Kind.BASH)(_refuse),
    "enable": _only(Kind.BASH)(_refuse),
    "coproc": _refuse,
}

__all__ = ["BUILTINS", "NOT_FOUND", "function", "start"]
