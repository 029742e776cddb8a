"""Running a script without running it: which processes it starts, in order.

One path is followed. Where a condition cannot be told and its branches differ, the script is not
understood from there on, and the outcome says so: nothing is passed over in silence.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from deployguard.model.process import Process, Word
from deployguard.shell import syntax
from deployguard.shell.conditions import decide
from deployguard.shell.expansion import Expander, Field
from deployguard.shell.overlay import Overlay, Written
from deployguard.shell.parsing import parse
from deployguard.shell.patterns import matches
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Shell,
    State,
    Status,
    assign,
    blurred,
    export,
    forget,
    lookup,
    restored,
    unexport,
    unset,
    written,
)
from deployguard.shell.utilities import finding, formatted, user_number, version_key

_STEPS = 20_000
# What bash makes of <(...): a descriptor's path, whose number is of no account here.
_PROCESS_FILE = "/dev/fd/63"
_CALLS = 30
# Utilities that end, start nothing, print nothing, and succeed where nothing is wrong.
_SILENT = frozenset(
    {
        "mkdir", "chmod", "chown", "sleep", "rm", "rmdir", "umask", "ulimit", "trap", "wait",
        "hash", "stty", "sync", "alias",
    }
)  # fmt: skip
# The same, but for what they print.
_PRINTING = frozenset(
    {"date", "id", "whoami", "uname", "ls", "which", "type", "readlink", "tail", "head"}
)
# Utilities that may leave files behind which the script does not spell out.
_WRITING = frozenset(
    {"cp", "mv", "ln", "sed", "tee", "tar", "touch", "install", "envsubst", "gunzip", "unzip"}
)
# Utilities that end with a status that depends on the world outside.
_ASKING = frozenset(
    {"grep", "egrep", "fgrep", "nc", "ncat", "pg_isready", "curl", "wget", "ping", "pgrep", "diff",
     "getent", "expr", "awk", "cut", "tr", "sort", "wc", "hostname", "basename", "dirname",
     "openssl", "md5sum", "sha256sum", "base64"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A process that a script starts; with `missing` it starts only under a condition."""

    process: Process
    files: Filesystem
    missing: tuple[Missing, ...] = ()
    background: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a script starts, in order, and what of it was not understood."""

    starts: tuple[Start, ...]
    unseen: tuple[Missing, ...]
    ended: Evidence


class _UnclearError(Exception):
    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


@dataclass(slots=True)
class _Run:
    """The run of one script: what it has started so far, and how much it may still do."""

    shell: Shell
    process: Process
    location: Location
    starts: list[Start] = field(default_factory=list)
    steps: int = _STEPS
    calls: int = 0
    in_open_loop: bool = False
    condition: tuple[Missing, ...] = ()

    def at(self, line: int) -> Location:
        """Return the place of a line of the script that is being run."""
        if self.location.pointer is not None:
            # A text in an image config or a manifest has no lines of its own.
            return self.location
        first = self.location.line
        return replace(self.location, line=line if first is None else max(first, 1) + line - 1)

    @property
    def expander(self) -> Expander:
        """Return the expander for this script."""
        return Expander(self.shell, self.substitute, self.at)

    # Statements

    def script(self, script: syntax.Script, state: State) -> State:
        """Run statements in order until one leaves."""
        for statement in script.statements:
            self.steps -= 1
            if self.steps < 0:
                raise self.unclear("what the script does beyond our limits", statement.line)
            state = self.statement(statement, state)
            if state.flow is not Flow.NEXT:
                return state
            failed = state.status.code not in {0, None} and "e" in state.options
            if failed and not state.tested and isinstance(statement, syntax.Simple):
                return replace(state, flow=Flow.EXIT)
        if script.broken is not None:
            raise self.unclear("what a line that is not understood does", script.broken)
        return state

    def unclear(self, what: str, line: int) -> _UnclearError:
        """Return the error that ends understanding, with its place."""
        place = self.at(line)
        return _UnclearError(Missing(Reason.SCRIPT, f"{what} ({place.file}:{line})"))

    def statement(self, statement: syntax.Statement, state: State) -> State:  # noqa: PLR0911
        """Run one statement: one way for each form of the language."""
        match statement:
            case syntax.Simple():
                return self.simple(statement, state)
            case syntax.Pipeline():
                return self.pipeline(statement, state)
            case syntax.AndOr():
                return self.and_or(statement, state)
            case syntax.Background(body=body):
                self.statement(body, replace(state, background=True))
                return replace(state, status=SUCCESS)
            case syntax.If():
                return self.conditional(statement, state)
            case syntax.Loop():
                return self.loop(statement, state)
            case syntax.For():
                return self.iteration(statement, state)
            case syntax.Case():
                return self.choice(statement, state)
            case syntax.Group(body=body, subshell=subshell):
                inner = self.script(body, state)
                return self.back(state, inner) if subshell else inner
            case syntax.Function(name=name):
                functions = {**state.functions, name: (statement, self.location)}
                return replace(state, functions=functions, status=SUCCESS)
            case syntax.Test(tokens=tokens, line=line):
                return self.double_test(tokens, line, state)
            case syntax.Calculation(expression=expression):
                value, state = self.expander.calculated(expression, state)
                if value.value is None:
                    return replace(state, status=Status(None, _first(value.missing)))
                return replace(state, status=FAILURE if value.value == "0" else SUCCESS)
            case syntax.Redirected():
                return self.compound(statement, state)

    def compound(self, statement: syntax.Redirected, state: State) -> State:
        """Run a compound command under its redirections."""
        inner, entered = self.fed(statement.redirects, state)
        if not entered:
            return inner
        after = replace(self.statement(statement.body, inner), stdin=state.stdin)
        return self.redirected(statement.redirects, after)

    @staticmethod
    def back(outer: State, inner: State) -> State:
        """Return the state after a subshell: its files and status stay, the rest is lost."""
        return replace(
            outer,
            files=inner.files,
            status=inner.status,
            output=inner.output,
            unordered=inner.unordered,
        )

    def pipeline(self, statement: syntax.Pipeline, state: State) -> State:
        """Run the commands of a pipeline, each in a shell of its own where there are several."""
        if len(statement.commands) == 1:
            state = self.statement(statement.commands[0], state)
        else:
            state = self.piped(statement.commands, state)
        if not statement.negated or state.flow is not Flow.NEXT:
            return state
        code = state.status.code
        negated = Status(None, state.status.missing) if code is None else Status(int(code == 0))
        return replace(state, status=negated)

    def piped(self, commands: Sequence[syntax.Statement], state: State) -> State:
        """Run each command in a shell of its own, which reads what the one before wrote."""
        stdin, last = state.stdin, len(commands) - 1
        for index, command in enumerate(commands):
            empty = Traced[str | None]("", state.cwd.location)
            output = state.output if index == last else empty
            inner = self.statement(command, replace(state, stdin=stdin, output=output))
            stdin = inner.output
            state = replace(self.back(state, inner), output=state.output)
        return replace(state, output=stdin)

    def and_or(self, statement: syntax.AndOr, state: State) -> State:
        """Run the right side where the left side's status asks for it."""
        tested = state.tested
        state = replace(self.statement(statement.left, replace(state, tested=True)), tested=tested)
        if state.flow is not Flow.NEXT:
            return state
        wanted = statement.join is syntax.Join.AND
        code, presumed = state.status.code, state.status.presumed
        if code is None and not presumed:
            return self.perhaps(statement.right, state, statement.line)
        if (code in {0, None}) is wanted:
            return self.statement(statement.right, state)
        if presumed and not wanted:
            return self.perhaps(statement.right, state, statement.line)
        return state

    def perhaps(self, statement: syntax.Statement, state: State, line: int) -> State:
        """Run what happens only under a status that cannot be told: what it starts is marked."""
        missing = state.status.missing or Missing(
            Reason.COMMAND, f"whether a command succeeds ({self.at(line).file}:{line})"
        )
        before = self.condition
        self.condition = (*before, missing)
        try:
            after = self.statement(statement, state)
        finally:
            self.condition = before
        if after.flow is Flow.EXIT:
            # What follows happens only if this did not: the rest is under the same condition.
            self.condition = (*before, missing)
            return replace(state, status=SUCCESS)
        return self.same(state, after, line)

    def same(self, one: State, other: State, line: int) -> State:
        """Return the state after either of two ways: a value they leave different is unseen.

        Ways that differ in more end understanding.
        """
        place = self.at(line)
        what = f"which way a condition goes ({place.file}:{line})"
        missing = one.status.missing or other.status.missing or Missing(Reason.SCRIPT, what)
        if self.in_open_loop:
            # How often an open loop runs is not known, so that leaving it early changes nothing.
            one, other = self.staying(one), self.staying(other)
        alike = blurred(replace(one, status=SUCCESS), replace(other, status=SUCCESS), missing)
        if alike is None:
            raise self.unclear("which way a condition goes", line)
        return replace(alike, status=Status(None, one.status.missing or other.status.missing))

    @staticmethod
    def staying(state: State) -> State:
        """Return a state that leaves its loop as one that does not."""
        leaving = state.flow in {Flow.BREAK, Flow.CONTINUE} and state.levels <= 1
        return replace(state, flow=Flow.NEXT, levels=0) if leaving else state

    def conditional(self, statement: syntax.If, state: State) -> State:
        """Run the first branch whose condition holds."""
        for condition, body in statement.branches:
            tested = state.tested
            state = replace(self.script(condition, replace(state, tested=True)), tested=tested)
            if state.flow is not Flow.NEXT:
                return state
            if state.status.code is None and not state.status.presumed:
                return self.both(body, statement, state)
            if state.status.code in {0, None}:
                return self.script(body, replace(state, status=SUCCESS))
        return self.script(statement.otherwise, replace(state, status=SUCCESS))

    def both(self, body: syntax.Script, statement: syntax.If, state: State) -> State:
        """Run both ways of a condition that cannot be told."""
        missing = state.status.missing or Missing(
            Reason.SCRIPT, f"a condition ({self.at(statement.line).file}:{statement.line})"
        )
        if len(statement.branches) > 1:
            raise self.unclear("which way a condition goes", statement.line)
        before = self.condition
        self.condition = (*before, missing)
        taken = self.script(body, state)
        self.condition = (*before, missing)
        passed = self.script(statement.otherwise, state)
        self.condition = before
        if taken.flow is Flow.EXIT and passed.flow is Flow.NEXT:
            self.condition = (*before, missing)
            return passed
        if passed.flow is Flow.EXIT and taken.flow is Flow.NEXT:
            self.condition = (*before, missing)
            return taken
        return self.same(taken, passed, statement.line)

    def loop(self, statement: syntax.Loop, state: State) -> State:
        """Run a loop; one that waits for the world outside is taken to end."""
        for _ in range(1_000):
            tested = state.tested
            state = replace(
                self.script(statement.condition, replace(state, tested=True)), tested=tested
            )
            if state.status.code is None:
                return self.open_loop(statement, state)
            if (state.status.code == 0) is statement.until:
                return replace(state, status=SUCCESS)
            with self.looping(is_open=False):
                state = self.script(statement.body, state)
            state, left = self.left(state)
            if left:
                return state
        raise self.unclear("how often a loop runs", statement.line)

    def open_loop(self, statement: syntax.Loop, state: State) -> State:
        """Run a loop of which nobody knows how often it runs.

        Twice: the second time what the first has changed is unseen, as it is after any round. A
        round that starts something, or that leaves the script, is not understood.
        """
        count = len(self.starts)
        with self.looping(is_open=True):
            for _ in range(2):
                after = self.script(statement.body, state)
                after = self.script(statement.condition, replace(self.staying(after), tested=True))
                if len(self.starts) > count or after.flow is not Flow.NEXT:
                    raise self.unclear("how often a loop runs", statement.line)
                state = self.same(state, replace(after, tested=state.tested), statement.line)
        return state

    @contextmanager
    def looping(self, *, is_open: bool) -> Iterator[None]:
        """Say for the rounds of a loop whether it is known how often they run."""
        outer, self.in_open_loop = self.in_open_loop, is_open
        try:
            yield
        finally:
            self.in_open_loop = outer

    @staticmethod
    def left(state: State) -> tuple[State, bool]:
        """Settle break and continue after a round; say whether the loop is over."""
        match state.flow:
            case Flow.NEXT:
                return state, False
            case Flow.BREAK | Flow.CONTINUE if state.levels > 1:
                return replace(state, levels=state.levels - 1), True
            case Flow.CONTINUE:
                return replace(state, flow=Flow.NEXT, levels=0), False
            case Flow.BREAK:
                return replace(state, flow=Flow.NEXT, levels=0), True
            case Flow.RETURN | Flow.EXIT:
                return state, True

    def iteration(self, statement: syntax.For, state: State) -> State:
        """Run a `for` over words that are known."""
        if statement.words is None:
            if state.more:
                raise _UnclearError(state.more[0])
            values: Sequence[Traced[str | None]] = state.positional
        else:
            fields, state = self.expander.fields(statement.words, state)
            values = [self.seen(entry, statement.line) for entry in fields]
        for value in values:
            with self.looping(is_open=False):
                state = self.script(statement.body, assign(state, statement.name, value))
            state, over = self.left(state)
            if over:
                return state
        return state

    def seen(self, entry: Field, line: int) -> Traced[str | None]:
        """Return a field as a word; one that may be any number of words ends understanding."""
        if entry.value is None and entry.several:
            raise _UnclearError(
                _first(entry.missing)
                or Missing(Reason.SCRIPT, f"a word ({self.at(line).file}:{line})")
            )
        return entry.traced()

    def choice(self, statement: syntax.Case, state: State) -> State:
        """Run the item whose pattern covers the subject."""
        subject, state = self.expander.text(statement.subject, state)
        if subject.value is None:
            plain = len(statement.items) == 0
            if plain:
                return state
            raise _UnclearError(
                _first(subject.missing) or Missing(Reason.SCRIPT, "the subject of a case")
            )
        through = False
        for item in statement.items:
            for pattern in item.patterns if not through else ():
                entry, state = self.expander.text(pattern, state)
                if entry.value is None:
                    raise self.unclear("a pattern of a case", statement.line)
                if matches(entry.pattern, subject.value):
                    through = True
                    break
            if through:
                state = self.script(item.body, state)
                if item.end == ";;" or state.flow is not Flow.NEXT:
                    return state
                through = item.end == ";&"
        return state

    def double_test(self, tokens: tuple[syntax.Word | str, ...], line: int, state: State) -> State:
        """Run `[[ ... ]]`."""
        entries: list[Field | str] = []
        for token in tokens:
            if isinstance(token, str):
                entries.append(token)
            else:
                entry, state = self.expander.text(token, state)
                entries.append(entry)
        words = [e if isinstance(e, str) else e.value for e in entries]
        if len(entries) == 3 and entries[1] in {"=", "==", "!="}:  # noqa: PLR2004  (A == B)
            left, right = entries[0], entries[2]
            if isinstance(left, Field) and isinstance(right, Field) and right.value is not None:
                if left.value is None:
                    return replace(state, status=Status(None, _first(left.missing)))
                same = matches(right.pattern, left.value)
                return replace(state, status=Status(int(same is (entries[1] == "!="))))
        missing = _first(tuple(m for e in entries if isinstance(e, Field) for m in e.missing))
        return replace(state, status=self.tested_status(words, missing, line, state))

    def tested_status(
        self, words: Sequence[str | None], missing: Missing | None, line: int, state: State
    ) -> Status:
        """Return the status of a test over words."""
        answer = decide(words, lambda path: self.stat(path, state))
        if answer is None:
            place = Missing(Reason.SCRIPT, f"a test ({self.at(line).file}:{line})")
            return Status(None, missing or place)
        if isinstance(answer, Missing):
            return Status(None, answer)
        return SUCCESS if answer else FAILURE

    @staticmethod
    def stat(path: str, state: State) -> Stat | Absent | Unread:
        """Look at a path as the script sees it."""
        if not path.startswith("/"):
            if state.cwd.value is None:
                return Unread(_first(state.cwd.missing) or Missing(Reason.SCRIPT, "the directory"))
            path = posixpath.join(state.cwd.value, path)
        return state.files.stat(posixpath.normpath(path))

    # Simple commands

    def simple(self, command: syntax.Simple, state: State) -> State:
        """Run assignments, or a command with its words."""
        if not command.words:
            for assignment in command.assignments:
                state = self.assigned(assignment, state)
            return self.redirected(command.redirects, replace(state, status=SUCCESS))
        plain, state = self.declared(command, state)
        fields, state = self.expander.fields(plain, state)
        if state.flow is not Flow.NEXT:
            return state
        hidden = next((entry for entry in fields if entry.value is None and entry.several), None)
        if hidden is not None and fields[0].value in {"[", "test"}:
            # However many words it is, a test changes nothing and ends.
            return replace(state, status=Status(None, _first(hidden.missing)))
        words = tuple(self.seen(entry, command.line) for entry in fields)
        if not words:
            return self.redirected(command.redirects, replace(state, status=SUCCESS))
        name = words[0].value
        if name is None:
            raise _UnclearError(_first(words[0].missing) or Missing(Reason.COMMAND, "a command"))
        kept = state
        if command.assignments:
            for assignment in command.assignments:
                entry, state = self.expander.text(assignment.value, state)
                state = export(state, assignment.name, entry.traced())
        inner, entered = self.fed(command.redirects, state)
        names = [assignment.name for assignment in command.assignments]
        if not entered:
            return restored(inner, kept, names)
        after = self.called(name, words, command, inner)
        if inner.stdin is not state.stdin:
            after = replace(after, stdin=state.stdin)
        after = self.redirected(command.redirects, after)
        return after if name in {"export", "exec", ":"} else restored(after, kept, names)

    def declared(
        self, command: syntax.Simple, state: State
    ) -> tuple[tuple[syntax.Word, ...], State]:
        """Set the arrays of `local names=(a b)` and its kin; return the words that are left."""
        words: list[syntax.Word] = []
        for word in command.words:
            match word.parts:
                case (syntax.Literal(text, False), syntax.Array() as array):
                    value = syntax.Word((array,), word.line)
                    append = text.endswith("+=")
                    given = syntax.Assignment(text.rstrip("+="), value, append=append)
                    state = self.assigned(given, state)
                case _:
                    words.append(word)
        return tuple(words), state

    def assigned(self, assignment: syntax.Assignment, state: State) -> State:
        """Set a variable, or append to it."""
        match assignment.value.parts:
            case (syntax.Array(words=words),):
                return self.collected(assignment, words, state)
            case _:
                pass
        entry, state = self.expander.text(assignment.value, state)
        value = entry.traced()
        if assignment.append:
            old = lookup(state, assignment.name)
            if old is not None and (old.value is None or value.value is None):
                value = replace(value, value=None, missing=old.missing or value.missing)
            elif old is not None:
                value = replace(value, value=f"{old.value}{value.value}")
        return assign(state, assignment.name, value)

    def collected(
        self, assignment: syntax.Assignment, words: tuple[syntax.Word, ...], state: State
    ) -> State:
        """Set an array, or append to it; its first element is the variable of that name."""
        name = assignment.name
        fields, state = self.expander.fields(words, state)
        items = tuple(self.seen(entry, assignment.value.line) for entry in fields)
        if assignment.append:
            value = lookup(state, name)
            items = (*state.arrays.get(name, () if value is None else (value,)), *items)
        if items:
            state = assign(state, name, items[0])
        return replace(state, arrays={**state.arrays, name: items}, status=SUCCESS)

    def called(
        self, name: str, words: tuple[Word, ...], command: syntax.Simple, state: State
    ) -> State:
        """Run a function, a builtin, or start a program."""
        if name in state.functions:
            return self.function(name, words, state, command.line)
        base = posixpath.basename(name)
        builtin = _BUILTINS.get(base if base in _UTILITIES else name)
        if builtin is not None:
            return builtin(self, words, command, state)
        if base in _SILENT:
            return replace(state, status=SUCCESS)
        if base in _PRINTING | _WRITING | _ASKING:
            missing = (Missing(Reason.COMMAND, f"what {base} prints"),)
            state = written(state, Traced(None, self.at(command.line), missing=missing))
        if base in _PRINTING:
            return replace(state, status=SUCCESS)
        place = f"{self.at(command.line).file}:{command.line}"
        if base in _WRITING:
            doubt = Missing(Reason.SCRIPT, f"the files that {base} writes ({place})")
            return replace(state, files=replace(state.files, doubt=doubt), status=SUCCESS)
        if base in _ASKING:
            return replace(
                state, status=Status(None, Missing(Reason.COMMAND, f"whether {base} succeeds"))
            )
        if any(r.operator in {"<", "<<", "<<-", "<<<"} for r in command.redirects):
            raise self.unclear(f"what {base} reads from its standard input", command.line)
        return self.start(words, command.line, state)

    def start(self, words: tuple[Word, ...], line: int, state: State) -> State:
        """Record a process; whether it ends, and how, is for others to say."""
        text = " ".join("?" if word.value is None else word.value for word in words)
        step = Evidence(self.at(line), f"the script runs {text[:120]}")
        placed = tuple(replace(word, location=self.at(line)) for word in words)
        process = replace(
            self.process,
            args=placed,
            env=state.env,
            cwd=state.cwd,
            location=self.at(line),
            trail=(*self.process.trail, step),
            missing=(),
        )
        self.starts.append(
            Start(
                process=process,
                files=state.files,
                missing=self.condition,
                background=state.background,
            )
        )
        missing = Missing(Reason.COMMAND, f"whether {words[0].value} succeeds")
        return replace(state, status=Status(None, missing, presumed=True))

    def function(self, name: str, words: tuple[Word, ...], state: State, line: int) -> State:
        """Call a function of the script."""
        if self.calls >= _CALLS:
            raise self.unclear("what a function does that calls itself", line)
        definition, location = state.functions[name]
        outer, here = state, self.location
        self.calls += 1
        self.location = location
        try:
            inner = self.statement(
                definition.body,
                replace(state, positional=words[1:], more=(), callers=(name, *state.callers)),
            )
        finally:
            self.calls -= 1
            self.location = here
        flow = Flow.NEXT if inner.flow is Flow.RETURN else inner.flow
        return replace(
            inner, positional=outer.positional, more=outer.more, flow=flow, callers=outer.callers
        )

    def sourced(self, words: tuple[Word, ...], line: int, state: State) -> State:
        """Run a file in this shell (`.` and `source`)."""
        path = words[1].value if len(words) > 1 else None
        if path is None:
            raise self.unclear("which file is read", line)
        if "/" not in path and self.shell.bash is not True:
            raise self.unclear(f"where {path} is found", line)
        whole = posixpath.normpath(posixpath.join(state.cwd.value or "", path))
        if not whole.startswith("/"):
            raise self.unclear("the directory of a file that is read", line)
        content = state.files.read(whole)
        if isinstance(content, Unread):
            raise _UnclearError(content.missing)
        if isinstance(content, Absent):
            return replace(state, status=FAILURE, flow=Flow.NEXT if state.tested else Flow.EXIT)
        return self.text(content, state, line)

    def text(self, content: Content, state: State, line: int) -> State:
        """Run the text of a file in this shell."""
        if self.calls >= _CALLS:
            raise self.unclear("what a script does that reads itself", line)
        here = self.location
        self.calls += 1
        self.location = content.location
        try:
            inner = replace(state, callers=("source", *state.callers))
            after = self.script(parse(content.data.decode("utf-8", "replace")), inner)
        finally:
            self.calls -= 1
            self.location = here
        after = replace(after, callers=state.callers)
        return replace(after, flow=Flow.NEXT) if after.flow is Flow.RETURN else after

    def substitute(
        self, part: syntax.Substitution, state: State
    ) -> tuple[Traced[str | None], State]:
        """Run a command substitution: its value is what is written, where that is known."""
        place = replace(self.location)
        missing = (Missing(Reason.SCRIPT, f"what a command substitution gives ({place.file})"),)
        if part.process:
            # A path is handed over, while the body runs beside.
            self.script(part.body, replace(state, output=Traced("", place), background=True))
            return Traced(_PROCESS_FILE, place), state
        before = list(self.starts)
        inner = replace(state, output=Traced("", place), tested=True)
        try:
            after = self.script(part.body, inner)
        except _UnclearError as error:
            self.starts = before
            return Traced(None, place, missing=(error.missing,)), state
        started = len(self.starts) > len(before)
        self.starts = before
        known = after.status.code is not None and after.output is not None and not after.unordered
        if started or not known or after.output is None or after.output.value is None:
            lost = replace(state, status=Status(None, missing[0]))
            return Traced(None, place, missing=missing), lost
        value = after.output.value.rstrip("\n")
        return Traced(value, place), replace(state, status=after.status)

    def fed(self, redirects: tuple[syntax.Redirect, ...], state: State) -> tuple[State, bool]:
        """Return the state with what redirections give to read, and whether they succeed."""
        for redirect in redirects:
            if redirect.operator not in {"<", "<<", "<<-", "<<<"} or redirect.descriptor:
                continue
            entry, state = self.expander.text(redirect.target, state)
            given = entry.traced()
            if redirect.operator == "<<<" and given.value is not None:
                given = replace(given, value=f"{given.value}\n")
            if redirect.operator == "<" and given.value is not None:
                content = self.content(given.value, state)
                if isinstance(content, Absent):
                    return replace(state, status=FAILURE), False
                if isinstance(content, Unread):
                    given = replace(given, value=None, missing=(content.missing,))
                else:
                    text = content.data.decode("utf-8", "replace")
                    given = Traced(text, content.location)
            state = replace(state, stdin=given)
        return state, True

    @staticmethod
    def content(path: str, state: State) -> Content | Absent | Unread:
        """Read a file as the script sees it."""
        whole = posixpath.normpath(posixpath.join(state.cwd.value or "", path))
        if not whole.startswith("/"):
            return Unread(_first(state.cwd.missing) or Missing(Reason.SCRIPT, "the directory"))
        if whole.startswith("/dev/"):
            return Unread(Missing(Reason.SCRIPT, f"what is read from {whole}"))
        return state.files.read(whole)

    def redirected(self, redirects: tuple[syntax.Redirect, ...], state: State) -> State:
        """Follow what redirections write: the content is left open, the place is known."""
        for redirect in redirects:
            if redirect.operator not in {">", ">>", ">|", "&>", "&>>"}:
                continue
            entry, state = self.expander.text(redirect.target, state)
            path = entry.value
            if path is None or not (path.startswith("/") or state.cwd.value):
                doubt = Missing(Reason.SCRIPT, "which file is written")
                state = replace(state, files=replace(state.files, doubt=doubt))
            elif not path.startswith("/dev/"):
                whole = posixpath.normpath(posixpath.join(state.cwd.value or "/", path))
                missing = Missing(Reason.SCRIPT, f"what the script writes to {whole}")
                change = Written(Unread(missing), executable=False, location=entry.location)
                state = replace(state, files=state.files.with_change(whole, change))
        return state


def _first(missing: tuple[Missing, ...]) -> Missing | None:
    return missing[0] if missing else None


Builtin = Callable[[_Run, tuple[Word, ...], syntax.Simple, State], State]


def _succeed(_: _Run, __: tuple[Word, ...], ___: syntax.Simple, state: State) -> State:
    return replace(state, status=SUCCESS)


def _fail(_: _Run, __: tuple[Word, ...], ___: syntax.Simple, state: State) -> State:
    return replace(state, status=FAILURE)


def _echo(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    shown = words[1:]
    end = "\n"
    if shown and shown[0].value == "-n":
        shown, end = shown[1:], ""
    to_file = any(redirect.operator.startswith(">") for redirect in command.redirects)
    unseen = [word for word in shown if word.value is None]
    place = run.at(command.line)
    text: Traced[str | None]
    if unseen or any("\\" in (word.value or "") for word in shown):
        text = Traced(None, place, missing=unseen[0].missing if unseen else (
            Missing(Reason.SCRIPT, "what echo makes of a backslash"),))  # fmt: skip
    else:
        text = Traced(" ".join(word.value or "" for word in shown) + end, place)
    return replace(state if to_file else written(state, text), status=SUCCESS)


def _printf(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    place = run.at(command.line)
    values = [word.value for word in words[1:]]
    given = [value for value in values if value is not None]
    made = formatted(given[0], given[1:]) if given and len(given) == len(values) else None
    missing = (Missing(Reason.SCRIPT, "what printf writes"),)
    text: Traced[str | None] = Traced(made, place, missing=() if made is not None else missing)
    to_file = any(redirect.operator.startswith(">") for redirect in command.redirects)
    return replace(state if to_file else written(state, text), status=SUCCESS)


def _cat(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    place = run.at(command.line)
    given = state.stdin.value if state.stdin is not None else None
    missing = (Missing(Reason.SCRIPT, "what cat writes"),)
    text: Traced[str | None] = Traced(None, place, missing=missing)
    if len(words) == 1 and given is not None:
        state = replace(state, stdin=Traced("", place))
        return replace(written(state, Traced(given, place)), status=SUCCESS)
    if len(words) == 2 and words[1].value and not words[1].value.startswith("-"):  # noqa: PLR2004
        path = words[1].value
        whole = posixpath.normpath(posixpath.join(state.cwd.value or "", path))
        content = state.files.read(whole) if whole.startswith("/") else Absent(path)
        if isinstance(content, Content):
            text = Traced(content.data.decode("utf-8", "replace"), content.location)
        elif isinstance(content, Absent) and whole.startswith("/"):
            return replace(state, status=FAILURE)
    return replace(written(state, text), status=SUCCESS)


def _cd(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    target = words[1] if len(words) > 1 else lookup(state, "HOME")
    place = run.at(command.line)
    if target is None or target.value is None or target.value == "-":
        missing = (Missing(Reason.SCRIPT, "the directory the script goes to"),)
        return replace(state, cwd=Traced(None, place, missing=missing), status=SUCCESS)
    if not target.value.startswith("/") and state.cwd.value is None:
        return replace(state, status=SUCCESS)
    whole = posixpath.normpath(posixpath.join(state.cwd.value or "/", target.value))
    found = state.files.stat(whole)
    if isinstance(found, Absent) or (
        isinstance(found, Stat) and found.kind is not FileKind.DIRECTORY
    ):
        return replace(state, status=FAILURE)
    return replace(state, cwd=Traced(whole, place), status=SUCCESS)


def _export(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    names = words[1:]
    away = bool(names) and names[0].value == "-n"
    for word in names[1:] if away or (names and names[0].value in {"-p", "--", "-x"}) else names:
        if word.value is None:
            return forget(state, _first(word.missing) or Missing(Reason.SCRIPT, "a variable"),
                          run.at(command.line))  # fmt: skip
        name, equals, value = word.value.partition("=")
        if away:
            state = unexport(state, name, word.location)
        else:
            given = Traced[str | None](value, word.location) if equals else None
            state = export(state, name, given)
    return replace(state, status=SUCCESS)


def _declare(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    exported = any(
        word.value and word.value.startswith("-") and "x" in word.value for word in words
    )
    for word in words[1:]:
        if word.value is None:
            return forget(state, _first(word.missing) or Missing(Reason.SCRIPT, "a variable"),
                          run.at(command.line))  # fmt: skip
        name, equals, value = word.value.partition("=")
        if name.startswith("-") or not equals:
            continue
        given: Traced[str | None] = Traced(value, word.location)
        state = export(state, name, given) if exported else assign(state, name, given)
    return replace(state, status=SUCCESS)


def _unset(_: _Run, words: tuple[Word, ...], __: syntax.Simple, state: State) -> State:
    for word in words[1:]:
        if word.value and not word.value.startswith("-"):
            state = unset(state, word.value, word.location)
    return replace(state, status=SUCCESS)


def _set(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    options = set(state.options)
    pending = list(words[1:])
    while pending:
        value = pending[0].value
        if value is None:
            raise run.unclear("what set changes", command.line)
        if value == "--" or not value.startswith(("-", "+")):
            rest = pending[1:] if value == "--" else pending
            return replace(
                state, positional=tuple(rest), more=(), options=frozenset(options), status=SUCCESS
            )
        pending.pop(0)
        if value in {"-o", "+o"} and pending:
            named = {"errexit": "e", "allexport": "a"}.get(pending.pop(0).value or "", "")
            (options.add if value == "-o" else options.discard)(named)
            continue
        for letter in value[1:]:
            if letter == "o" and pending:
                named = {"errexit": "e", "allexport": "a"}.get(pending.pop(0).value or "", "")
                options.add(named)
            else:
                (options.add if value.startswith("-") else options.discard)(letter)
    return replace(state, options=frozenset(options), status=SUCCESS)


def _shift(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    given = words[1].value if len(words) > 1 else "1"
    if given is None or not given.isdigit() or state.more:
        raise run.unclear("how far shift goes", command.line)
    count = int(given)
    if count > len(state.positional):
        return replace(state, status=FAILURE)
    return replace(state, positional=state.positional[count:], status=SUCCESS)


def _leave(flow: Flow) -> Builtin:
    def builtin(_: _Run, words: tuple[Word, ...], __: syntax.Simple, state: State) -> State:
        given = words[1].value if len(words) > 1 else None
        if flow in {Flow.BREAK, Flow.CONTINUE}:
            levels = int(given) if given and given.isdigit() else 1
            return replace(state, flow=flow, levels=levels)
        status = Status(int(given) & 255) if given and given.isdigit() else state.status
        return replace(state, flow=flow, status=status)

    return builtin


def _exec(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    rest = words[1:]
    if not rest:
        return replace(state, status=SUCCESS)
    if rest[0].value == "-a":
        rest = rest[2:]
    state = run.start(rest, command.line, state)
    return replace(state, flow=Flow.EXIT)


def _source(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    return run.sourced(words, command.line, state)


def _eval(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    if any(word.value is None for word in words):
        raise run.unclear("what eval runs", command.line)
    if run.calls >= _CALLS:
        raise run.unclear("what eval runs inside of itself", command.line)
    run.calls += 1
    try:
        return run.script(parse(" ".join(word.value or "" for word in words[1:])), state)
    finally:
        run.calls -= 1


def _test(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    values = [word.value for word in words[1:]]
    if words[0].value == "[":
        if not values or values[-1] != "]":
            return replace(state, status=Status(2))
        values = values[:-1]
    missing = _first(tuple(entry for word in words for entry in word.missing))
    return replace(state, status=run.tested_status(values, missing, command.line, state))


def _command(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    rest = words[1:]
    if rest and rest[0].value in {"-v", "-V"}:
        missing = Missing(Reason.COMMAND, "whether a command is there")
        return replace(state, status=Status(None, missing))
    name = rest[0].value if rest else None
    if name is None:
        return replace(state, status=SUCCESS)
    return run.called(name, rest, command, replace(state, functions={}))


def _id(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    """Print the user: its number is known where the process, or /etc/passwd, says so."""
    place = run.at(command.line)
    missing = (Missing(Reason.COMMAND, "what id prints"),)
    text: Traced[str | None] = Traced(None, place, missing=missing)
    if [word.value for word in words[1:]] == ["-u"]:
        number = user_number(run.process.user, state.files)
        if number is not None:
            text = Traced(f"{number}\n", place)
    return replace(written(state, text), status=SUCCESS)


def _find(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    """Print the paths that find meets; with -exec and its kin only what is known to end is run."""
    given = [word.value for word in words[1:]]
    for option, following in zip(given, [*given[1:], None], strict=True):
        if option in {"-exec", "-execdir", "-ok", "-okdir"}:
            started = posixpath.basename(following or "")
            if started not in _SILENT | _PRINTING | _WRITING | _ASKING:
                raise run.unclear("what find starts", command.line)
    place = run.at(command.line)
    found = finding(given, state.cwd.value, state.files)
    if isinstance(found, Missing):
        unseen: Traced[str | None] = Traced(None, place, missing=(found,))
        return replace(written(state, unseen), status=Status(None, found))
    if len(found) > 1:
        # The order is the directory's; sort, and a loop over all, make it no matter.
        state = replace(state, unordered=True)
    text: Traced[str | None] = Traced("".join(f"{path}\n" for path in found), place)
    return replace(written(state, text), status=SUCCESS)


def _sort(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    place = run.at(command.line)
    given = state.stdin.value if state.stdin is not None else None
    options = {word.value for word in words[1:]}
    if given is None or not options <= {"-V"}:
        missing = (Missing(Reason.COMMAND, "what sort prints"),)
        return replace(written(state, Traced(None, place, missing=missing)), status=SUCCESS)
    lines = sorted(given.splitlines(), key=version_key if options else None)
    text: Traced[str | None] = Traced("".join(f"{line}\n" for line in lines), place)
    return replace(written(state, text), status=SUCCESS, unordered=False)


def _read(run: _Run, words: tuple[Word, ...], command: syntax.Simple, state: State) -> State:
    """Take a line of what the command before wrote; the shell's own input is not seen."""
    missing = (Missing(Reason.SCRIPT, "what read takes from its standard input"),)
    names = [word.value for word in words[1:] if word.value and not word.value.startswith("-")]
    options = [word.value for word in words[1:] if word.value is None or word.value.startswith("-")]
    given = state.stdin.value if state.stdin is not None else None
    place = run.at(command.line)
    if given is None or len(names) > 1 or options not in ([], ["-r"]):
        for name in names:
            state = assign(state, name, Traced[str | None](None, place, missing=missing))
        return replace(state, status=Status(None, missing[0]))
    line, end, rest = given.partition("\n")
    splitting = lookup(state, "IFS")
    letters = " \t\n" if splitting is None else splitting.value
    value: Traced[str | None] = Traced(line.strip(letters) if letters else line, place)
    if ("\\" in line and not options) or letters not in {"", " \t\n"}:
        value = Traced(None, place, missing=missing)
    state = assign(state, names[0] if names else "REPLY", value)
    return replace(state, stdin=Traced(rest, place), status=SUCCESS if end else FAILURE)


def _refuse(run: _Run, words: tuple[Word, ...], command: syntax.Simple, _: State) -> State:
    raise run.unclear(f"what {words[0].value} does", command.line)


_BUILTINS: Mapping[str, Builtin] = {
    ":": _succeed, "true": _succeed, "false": _fail, "echo": _echo, "printf": _printf, "cat": _cat,
    "cd": _cd, "export": _export, "readonly": _declare, "declare": _declare, "typeset": _declare,
    "local": _declare, "unset": _unset, "set": _set, "shift": _shift, "exit": _leave(Flow.EXIT),
    "return": _leave(Flow.RETURN), "break": _leave(Flow.BREAK),
    "continue": _leave(Flow.CONTINUE), "exec": _exec, ".": _source, "source": _source,
    "eval": _eval, "test": _test, "[": _test, "command": _command, "builtin": _command,
    "read": _read, "id": _id, "find": _find, "sort": _sort, "getopts": _refuse, "pushd": _refuse,
    "popd": _refuse, "let": _refuse,
    "shopt": _succeed,
}  # fmt: skip
# Those of them that are programs, so that a path may name them.
_UTILITIES = frozenset(
    {"true", "false", "echo", "printf", "cat", "test", "[", "id", "find", "sort"}
)


def execute(
    text: str,
    process: Process,
    words: Sequence[Word],
    files: Filesystem,
    location: Location,
    *,
    bash: bool | None,
) -> Outcome:
    """Run a text with its parameters (`words[0]` is $0); never raises.

    `location` is where the text stands; lines count from it. What is not understood ends the run,
    and stands in `unseen`.
    """
    run = _Run(Shell("bash" if bash else "sh", bash), process, location)
    zero = words[0] if words else Traced("sh", location)
    state = State(
        env=process.env,
        files=files if isinstance(files, Overlay) else Overlay(files),
        zero=zero,
        cwd=process.cwd,
        positional=tuple(words[1:]),
    )
    unseen: tuple[Missing, ...] = ()
    try:
        state = run.script(parse(text), state)
    except _UnclearError as error:
        unseen = (error.missing,)
    except RecursionError:
        unseen = (Missing(Reason.LIMIT, f"what {location.file} does, which is nested too deeply"),)
    ended = Evidence(location, f"the script {location.file} comes to its end")
    return Outcome(starts=tuple(run.starts), unseen=unseen, ended=ended)
