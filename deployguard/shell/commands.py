"""Simple commands: assignments, words, and what of a shell's own or of the system they call."""

import posixpath
from collections.abc import Sequence

from deployguard.effective import search
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Start, Word
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.conditions import Outlook, decide
from deployguard.shell.fields import Field
from deployguard.shell.parsing import parse
from deployguard.shell.redirections import decoded, place, redirected, wrote
from deployguard.shell.run import Run, UnclearError
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Hidden,
    Kind,
    State,
    Status,
    Ways,
    assign,
    export,
    lookup,
    restored,
    written,
)
from deployguard.shell.substitution import expander
from deployguard.shell.utilities.accounts import user_number
from deployguard.shell.ways import forked, joined

NOT_FOUND = Status(127)
# Their arguments of the form NAME=VALUE are expanded as assignments are (POSIX.1-2024 XCU 2.9.1.1).
DECLARING = frozenset({"export", "readonly", "local", "declare", "typeset"})
# An assignment before one of these stays (POSIX special builtins).
_SPECIAL = frozenset(
    {":", ".", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "trap",
     "unset", "break", "continue"}
)  # fmt: skip
# Utilities that distributions write as scripts, and where they lie.
_SCRIPTS = frozenset({"egrep", "fgrep", "zcat", "gunzip", "ldconfig", "update-ca-certificates",
                      "adduser", "addgroup", "deluser", "locale-gen", "which"})  # fmt: skip
_FOLDERS = frozenset({"/bin", "/usr/bin", "/sbin", "/usr/sbin"})
_ELF = b"\x7fELF"
# Programs that start others, or Python.
_RUNNING = ("python", "pypy", "sh", "bash", "dash", "ash", "env", "busybox", "nohup", "timeout",
            "nice", "ionice", "setsid", "stdbuf", "gosu", "su", "runuser", "sudo", "doas", "chroot",
            "setpriv", "script", "flock", "tini", "dumb-init", "time", "watch", "unshare",
            "nsenter", "make", "uv", "uwsgi", "npm", "node")  # fmt: skip


def simple(run: Run, command: syntax.Simple, state: State) -> Ways:
    """Run assignments, or a command with its words."""
    if not command.words:
        state = replace(state, status=SUCCESS)
        for assignment in command.assignments:
            state = assigned(run, assignment, state)
        return _redirected_alone(run, command, state)
    words, state = _words(run, command, state)
    if not words:
        return _redirected_alone(run, command, replace(state, status=SUCCESS))
    name = words[0].value
    if name is None:
        unseen = words[0].missing or (Missing(Reason.COMMAND, "a command"),)
        raise UnclearError(unseen[0])
    kept = state
    names = [assignment.name for assignment in command.assignments]
    for assignment in command.assignments:
        entry, state = expander(run).text(assignment.value, state, assigned=True)
        _writable(run, assignment.name, state, command.line)
        state = export(state, assignment.name, entry.traced())

    def body(inner: State) -> Ways:
        return called(run, name, words, command, inner)

    if name == "exec" and len(words) == 1 and name not in state.functions:
        return _kept(run, command, state)
    ways = redirected(run, expander(run), command.redirects, state, body)
    if not names:
        return ways
    stays = name in _SPECIAL and name not in state.functions
    if stays and (run.shell.kind is not Kind.BASH or run.shell.posix):
        # There they set the variable for good, exported only where it was before.
        return tuple(
            _set_again(restored(way, kept, names), way, names) if name != "exec" else way
            for way in ways
        )
    if name == "exec":
        return ways
    return tuple(restored(way, kept, names) for way in ways)


def _kept(run: Run, command: syntax.Simple, state: State) -> Ways:
    """Apply the redirections of an `exec` without a command, which stay."""
    inner: list[State] = []

    def body(entered: State) -> Ways:
        inner.append(entered)
        return (replace(entered, status=SUCCESS),)

    ways = redirected(run, expander(run), command.redirects, state, body)
    if not inner:
        # A redirection that fails ends the shell.
        return tuple(replace(way, flow=Flow.EXIT) for way in ways)
    printed = next(
        (
            one
            for one in command.redirects
            if one.operator[0] in ">&" and one.descriptor in {None, 1}
        ),
        None,
    )
    found = replace(ways[0], stdin=inner[0].stdin)
    if printed is None or printed.operator == ">&":
        return (found,)
    entry, found = expander(run).text(printed.target, found)
    if entry.value is not None and not entry.value.startswith("/dev/"):
        missing = (run.missing(f"what the script writes to {entry.value}", command.line),)
        unseen: Traced[str | None] = Traced(None, run.at(command.line), missing=missing)
        found = wrote(found, place(entry.value, found), unseen, append=True)
    return (replace(found, output=None),)


def _set_again(state: State, way: State, names: Sequence[str]) -> State:
    for name in names:
        value = lookup(way, name)
        if value is not None:
            state = assign(state, name, value)
    return state


def _redirected_alone(run: Run, command: syntax.Simple, state: State) -> Ways:
    return redirected(run, expander(run), command.redirects, state, lambda inner: (inner,))


def _words(run: Run, command: syntax.Simple, state: State) -> tuple[tuple[Word, ...], State]:
    """Return the words of a command after expansion, and the state after that."""
    plain, state = _declared(run, command, state)
    declaring = bool(plain) and plain[0].plain in DECLARING
    fields: list[Field] = []
    for word in plain:
        if declaring and _is_assignment(word):
            name, value = _named(word)
            entry, state = expander(run).text(value, state, assigned=True)
            # The name is seen: what may be missing is the value's alone.
            fields.append(replace(entry, value=f"{name}={entry.value or ''}"))
        else:
            found, state = expander(run).fields((word,), state)
            fields += found
    hidden = next((entry for entry in fields if entry.value is None and entry.several), None)
    if hidden is not None and fields[0].value not in {"[", "test", "echo", "printf", *DECLARING}:
        missing = (*hidden.missing, run.missing("a word", command.line))
        raise UnclearError(missing[0])
    return tuple(entry.traced() for entry in fields), state


def _is_assignment(word: syntax.Word) -> bool:
    first = word.parts[0] if word.parts else None
    if not isinstance(first, syntax.Literal) or first.quoted:
        return False
    name, equals, _ = first.text.partition("=")
    return bool(equals) and name.rstrip("+").replace("_", "a").isalnum()


def _named(word: syntax.Word) -> tuple[str, syntax.Word]:
    """Split a word of the form NAME=VALUE."""
    first, *rest = word.parts
    text = first.text if isinstance(first, syntax.Literal) else ""
    name, _, value = text.partition("=")
    begin = (syntax.Literal(value, quoted=False),) if value else ()
    return name, syntax.Word((*begin, *rest), word.line)


def _declared(
    run: Run, command: syntax.Simple, state: State
) -> tuple[tuple[syntax.Word, ...], State]:
    """Set the arrays of `local names=(a b)` and its kin; return the words that are left."""
    words: list[syntax.Word] = []
    for word in command.words:
        match word.parts:
            case (syntax.Literal(text, False), syntax.Array() | syntax.Unclear() as array):
                name = text.rstrip("+=")
                if command.words[0].plain == "local":
                    state = hidden(state, name)
                value = syntax.Word((array,), word.line)
                given = syntax.Assignment(name, value, append=text.endswith("+="))
                state = assigned(run, given, state)
            case _:
                words.append(word)
    return tuple(words), state


def hidden(state: State, name: str) -> State:
    """Return the state in which a function has a variable of its own (`local`)."""
    if state.hidden is None or any(one.name == name for one in state.hidden):
        return state
    entry = Hidden(
        name, lookup(state, name), state.arrays.get(name), exported=name in state.env.entries
    )
    return replace(state, hidden=(*state.hidden, entry))


def assigned(run: Run, assignment: syntax.Assignment, state: State) -> State:
    """Set a variable, or append to it."""
    name, line = assignment.name, assignment.value.line
    _writable(run, name, state, line)
    match assignment.value.parts:
        case (syntax.Array(words=words),):
            return _collected(run, assignment, words, state)
        case (syntax.Unclear(),):
            value: Traced[str | None] = Traced(
                None, run.at(line), missing=(run.missing("what an array holds", line),)
            )
            return replace(assign(state, name, value), maps=state.maps | {name})
        case _:
            pass
    entry, state = expander(run).text(assignment.value, state, assigned=True)
    value = entry.traced()
    if assignment.append:
        if run.shell.among(Kind.BASH) is not True:
            raise run.unclear(f"what {name}+= does in this shell", line)
        old = lookup(state, name)
        if old is not None and (old.value is None or value.value is None):
            value = replace(value, value=None, missing=old.missing or value.missing)
        elif old is not None:
            run.spend(line, len(f"{old.value}{value.value}"))
            value = replace(value, value=f"{old.value}{value.value}")
    return assign(state, name, value)


def _writable(run: Run, name: str, state: State, line: int) -> None:
    if name in state.fixed:
        raise run.unclear(f"what follows an assignment to {name}, which is readonly", line)


def _collected(
    run: Run, assignment: syntax.Assignment, words: tuple[syntax.Word, ...], state: State
) -> State:
    """Set an array, or append to it; its first element is the variable of that name."""
    name, line = assignment.name, assignment.value.line
    if run.shell.among(Kind.BASH) is not True:
        raise run.unclear("what an array is in this shell", line)
    fields, state = expander(run).fields(words, state)
    several = next((entry for entry in fields if entry.value is None and entry.several), None)
    if several is not None:
        missing = (*several.missing, run.missing("what an array holds", line))
        unseen: Traced[str | None] = Traced(None, run.at(line), missing=missing[:1])
        return replace(assign(state, name, unseen), maps=state.maps | {name})
    items = tuple(entry.traced() for entry in fields)
    if assignment.append:
        value = lookup(state, name)
        items = (*state.arrays.get(name, () if value is None else (value,)), *items)
        run.spend(line, len(items))
    else:
        state = replace(state, maps=state.maps - {name})
    if items:
        state = assign(state, name, items[0])
    return replace(state, arrays={**state.arrays, name: items})


def called(
    run: Run, name: str, words: tuple[Word, ...], command: syntax.Simple, state: State
) -> Ways:
    """Run a function, a builtin, or start a program."""
    line = command.line
    if name in state.aliases:
        raise run.unclear(f"what the alias {name} stands for", line)
    if name in state.functions:
        return function(run, name, words, state, line)
    from deployguard.shell.builtins import BUILTINS  # noqa: PLC0415  (they call commands in turn)

    builtin = BUILTINS.get(name)
    if builtin is not None:
        return builtin(run, words, line, state)
    return external(run, words, line, state)


def external(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Run a program of the system: one whose work is known here, or any other."""
    from deployguard.shell.utilities.table import UTILITIES  # noqa: PLC0415  (loaded when needed)

    name = words[0].value or ""
    utility = UTILITIES.get(posixpath.basename(name))
    if utility is not None and is_utility(name, state):
        return utility(run, words, line, state)
    return (start(run, words, line, state),)


def is_utility(name: str, state: State) -> bool:
    """Say whether a name means the system's utility, and not a script that was put in its place."""
    found = search.find(name, state.env, state.cwd, state.files)
    if not isinstance(found, search.Executable):
        return "/" not in name or isinstance(found, Unread)
    content = found.content
    if not isinstance(content, Content) or not content.data or content.data.startswith(_ELF):
        return True
    return posixpath.basename(name) in _SCRIPTS and posixpath.dirname(found.path) in _FOLDERS


def start(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Record a process; whether it ends, and how, is for others to say."""
    name = words[0].value or "?"
    found = search.find(name, state.env, state.cwd, state.files)
    awaited = state.awaited and not state.background
    if awaited and _prints_only(name, found):
        missing = Missing(Reason.COMMAND, f"what {posixpath.basename(name)} prints")
        text: Traced[str | None] = Traced(None, run.at(line), missing=(missing,))
        return replace(written(state, text), status=Status(None, missing))
    shown = " ".join("?" if word.value is None else word.value for word in words)
    step = Evidence(run.at(line), f"the script runs {shown[:120]}")
    process = replace(
        run.process,
        args=tuple(replace(word, location=run.at(line)) for word in words),
        env=state.env,
        cwd=state.cwd,
        location=run.at(line),
        trail=(*run.process.trail, step),
        missing=(),
        stdin=state.stdin,
    )
    item = Start(process=process, files=state.files, awaited=awaited)
    missing = Missing(Reason.COMMAND, f"whether {name} succeeds")
    prints = (Missing(Reason.COMMAND, f"what {name} prints"),)
    if not isinstance(found, Absent):
        state = written(state, Traced(None, run.at(line), missing=prints))
    status = NOT_FOUND if isinstance(found, Absent) else Status(None, missing, presumed=True)
    return replace(state, trace=(*state.trace, item), status=status)


def _prints_only(name: str, found: search.Executable | Absent | Unread) -> bool:
    """Say whether a program whose output a script waits for is a plain binary of the system."""
    if posixpath.basename(name).startswith(_RUNNING):
        return False
    if not isinstance(found, search.Executable):
        return True
    content = found.content
    return not isinstance(content, Content) or content.data.startswith(_ELF)


def function(run: Run, name: str, words: tuple[Word, ...], state: State, line: int) -> Ways:
    """Call a function of the script."""
    definition, location = state.functions[name]
    inner = replace(state, positional=words[1:], more=(), callers=(name, *state.callers), hidden=())
    index = lookup(state, "OPTIND")
    if index is not None and run.shell.kind is not Kind.BASH:
        # There every call has options of its own.
        inner = assign(inner, "OPTIND", Traced("1", run.at(line)))
    with run.nested("what a function does that calls itself", line, location):
        # To all but busybox a loop of the caller is none of the function's.
        loops = run.loops
        run.loops = loops if run.shell.kind is Kind.BUSYBOX else 0
        try:
            ways = run.body(run, syntax.Script((definition.body,)), inner)
        finally:
            run.loops = loops
    after = (_returned(way, state) for way in ways)
    if index is not None and run.shell.kind is not Kind.BASH:
        after = (assign(way, "OPTIND", index) for way in after)
    return joined(run, after)


def _returned(state: State, outer: State) -> State:
    """Return the state after a function: its parameters and local variables are gone."""
    for entry in state.hidden or ():
        location = outer.cwd.location
        arrays = {key: items for key, items in state.arrays.items() if key != entry.name}
        if entry.array is not None:
            arrays[entry.name] = entry.array
        variables = {key: one for key, one in state.variables.items() if key != entry.name}
        env = state.env
        if entry.exported and entry.value is not None:
            env = env.with_entry(entry.name, entry.value)
        elif entry.name in env.entries:
            env = env.without(entry.name, location)
        if entry.value is not None and not entry.exported:
            variables[entry.name] = entry.value
        state = replace(state, variables=variables, env=env, arrays=arrays)
    flow = Flow.NEXT if state.flow is Flow.RETURN else state.flow
    return replace(
        state,
        positional=outer.positional,
        more=outer.more,
        flow=flow,
        callers=outer.callers,
        hidden=outer.hidden,
    )


def text(run: Run, content: Content, state: State, line: int, words: tuple[Word, ...] = ()) -> Ways:
    """Run the text of a file in this shell, with parameters of its own where some are given."""
    inner = replace(state, callers=("source", *state.callers))
    if words and run.shell.kind is Kind.BASH:
        inner = replace(inner, positional=words, more=())
    run.spend(line, len(content.data))
    with run.nested("what a script does that reads itself", line, content.location):
        ways = run.body(run, parse(decoded(content.data)), inner)
    return joined(run, (_read_through(way, state, words, run) for way in ways))


def _read_through(way: State, outer: State, words: tuple[Word, ...], run: Run) -> State:
    flow = Flow.NEXT if way.flow is Flow.RETURN else way.flow
    way = replace(way, callers=outer.callers, flow=flow)
    if words and run.shell.kind is Kind.BASH:
        return replace(way, positional=outer.positional, more=outer.more)
    return way


def asked(
    run: Run, words: Sequence[str | None], missing: Missing | None, line: int, state: State
) -> Status:
    """Return the status of a test over words."""
    outlook = Outlook(
        stat=lambda path: (
            state.files.stat(place(path, state))
            if path.startswith("/") or state.cwd.value
            else Unread(next(iter(state.cwd.missing), Missing(Reason.SCRIPT, "the directory")))
        ),
        is_link=lambda path: state.files.is_link(place(path, state)),
        terminal=lambda descriptor: _terminal(run, descriptor, state),
        is_set=lambda name: lookup(state, name) is not None,
        is_root=is_root(run, state),
        is_bash=run.shell.among(Kind.BASH),
    )
    answer = decide(words, outlook)
    if isinstance(answer, bool):
        return SUCCESS if answer else FAILURE
    if isinstance(answer, int):
        return Status(answer)
    return Status(None, answer or missing or run.missing("a test", line))


def is_root(run: Run, state: State) -> bool | None:
    """Say whether the script runs as root, None where that is not known."""
    number = user_number(run.process.user, state.files)
    return None if number is None else number == "0"


def _terminal(run: Run, descriptor: str, state: State) -> bool | None:
    """Say whether a descriptor is a terminal: none is where the container has none."""
    if not run.process.terminal.value:
        return False
    match descriptor:
        case "0":
            return state.stdin is None
        case "1":
            return state.output is None
        case _:
            return None


def either_shell(
    run: Run,
    state: State,
    yes: Ways,
    no: Ways,
    *,
    known: bool | None,
) -> Ways:
    """Return what follows where shells differ; where it may be any of them, both."""
    if known is not None:
        return yes if known else no
    first, second = forked(run, state, run.shell.missing())
    return joined(
        run,
        (
            *(replace(way, forks=(*first.forks, *way.forks[len(state.forks) :])) for way in yes),
            *(replace(way, forks=(*second.forks, *way.forks[len(state.forks) :])) for way in no),
        ),
    )
