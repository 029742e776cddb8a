"""`case`, and the `[[ ... ]]` of bash."""

from collections.abc import Sequence

from deployguard.model.evidence import Missing, Reason
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.commands import asked
from deployguard.shell.fields import Field
from deployguard.shell.patterns import matches
from deployguard.shell.regular import NotRegularError, Regular
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, SUCCESS, Flow, Kind, State, Status, Ways
from deployguard.shell.substitution import expander
from deployguard.shell.ways import forked, joined

_NOT_FOUND = Status(127)


def choice(run: Run, statement: syntax.Case, state: State) -> Ways:
    """Run the items whose patterns cover the subject."""
    subject, state = expander(run).text(statement.subject, state)
    if "nocasematch" in state.options:
        raise run.unclear("what case matches without regard to case", statement.line)
    if run.shell.kind is not Kind.BASH and any(item.end != ";;" for item in statement.items):
        raise run.unclear("what this shell makes of the end of an item", statement.line)
    over: list[State] = []
    # Whether the item before asked for the next to be run unasked (;&).
    running: list[tuple[State, bool]] = [(replace(state, status=SUCCESS), False)]
    for item in statement.items:
        following: list[tuple[State, bool]] = []
        for way, through in running:
            taken, passed = (way, None) if through else _tried(run, item, subject, way)
            if passed is not None:
                following.append((passed, False))
            for after in run.body(run, item.body, taken) if taken is not None else ():
                if item.end == ";;" or after.flow is not Flow.NEXT:
                    over.append(after)
                else:
                    following.append((after, item.end == ";&"))
        running = following
    return joined(run, (*over, *(way for way, _ in running)))


def _tried(
    run: Run, item: syntax.CaseItem, subject: Field, state: State
) -> tuple[State | None, State | None]:
    """Return the ways on which one of an item's patterns covers the subject, and none does."""
    unseen: Missing | None = None
    for pattern in item.patterns:
        entry, state = expander(run).text(pattern, state)
        if entry.value is not None and entry.pattern == "*":
            return state, None
        if entry.value is None or subject.value is None:
            names = (*subject.missing, *entry.missing)
            unseen = unseen or next(iter(names), Missing(Reason.SCRIPT, "the subject of a case"))
        else:
            run.spend(pattern.line, len(entry.pattern) * len(subject.value))
            if matches(entry.pattern, subject.value):
                return state, None
    return (None, state) if unseen is None else forked(run, state, unseen)


def double_test(run: Run, tokens: tuple[syntax.Word | str, ...], line: int, state: State) -> Ways:
    """Run `[[ ... ]]`; dash knows no command of that name."""
    known = run.shell.has_more()
    if known is False:
        return (replace(state, status=_NOT_FOUND),)
    entries: list[Field | str] = []
    for token in tokens:
        if isinstance(token, str):
            entries.append(token)
        elif token.plain in {"-a", "-o"}:
            raise run.unclear("a test that a shell refuses", line)
        else:
            entry, state = expander(run).text(token, state)
            entries.append(entry)
    status = _Reader(run, entries, line, state).status()
    if known is None:
        # A shell without it finds no such command, which fails too.
        status = status if status.code == 1 else Status(None, run.shell.missing())
    return (replace(state, status=status),)


class _Reader:
    """Reads `!`, `( )`, `&&` and `||` over single tests; a None is what cannot be told."""

    def __init__(self, run: Run, entries: Sequence[Field | str], line: int, state: State) -> None:
        self.run = run
        self.entries = entries
        self.line = line
        self.state = state
        self.at = 0
        self.missing: Missing | None = None

    def status(self) -> Status:
        answer = self.either()
        if answer is None or self.at < len(self.entries):
            return Status(None, self.missing or self.run.missing("a test", self.line))
        return SUCCESS if answer else FAILURE

    def peek(self) -> str | None:
        """Return an operator, or the text of a word where it stands unquoted."""
        if self.at >= len(self.entries):
            return None
        entry = self.entries[self.at]
        return entry if isinstance(entry, str) else entry.pattern

    def take(self, sign: str) -> bool:
        found = self.peek() == sign
        self.at += found
        return found

    def either(self) -> bool | None:
        answer = self.both()
        while self.take("||"):
            other = self.both()
            answer = True if answer or other else None if None in (answer, other) else False
        return answer

    def both(self) -> bool | None:
        answer = self.one()
        while self.take("&&"):
            other = self.one()
            answer = (
                False if False in (answer, other) else None if None in (answer, other) else True
            )
        return answer

    def one(self) -> bool | None:
        if self.take("!"):
            inner = self.one()
            return None if inner is None else not inner
        if self.take("("):
            inner = self.either()
            return inner if self.take(")") else None
        return self.plain()

    def plain(self) -> bool | None:
        start = self.at
        while self.at < len(self.entries) and self.peek() not in {"&&", "||", ")"}:
            self.at += 1
        entries = self.entries[start : self.at]
        missing = [m for entry in entries if isinstance(entry, Field) for m in entry.missing]
        self.missing = self.missing or next(iter(missing), None)
        match entries:
            case [Field() as left, Field(value="=" | "==" | "!=" as sign), Field() as right]:
                return self.compared(left, sign, right)
            case [Field() as left, Field(value="=~"), Field() as right]:
                return self.found(left, right)
            case [Field(value=left), "<" | ">" as sign, Field(value=right)]:
                if left is None or right is None:
                    return None
                return left < right if sign == "<" else left > right
            case _:
                words = [entry if isinstance(entry, str) else entry.value for entry in entries]
                status = asked(self.run, words, next(iter(missing), None), self.line, self.state)
                self.missing = self.missing or status.missing
                return None if status.code is None else status.code == 0

    def compared(self, left: Field, sign: str, right: Field) -> bool | None:
        if left.value is None or right.value is None or "nocasematch" in self.state.options:
            return None
        pattern = right.pattern
        if self.run.shell.kind is not Kind.BASH and pattern != right.value:
            # The `[[` of busybox compares texts, or patterns, as it was built.
            return None
        self.run.spend(self.line, len(pattern) * len(left.value))
        return matches(pattern, left.value) is (sign != "!=")

    def found(self, left: Field, right: Field) -> bool | None:
        """Match a regular expression; what BASH_REMATCH then holds is not followed."""
        if left.value is None or right.value is None or right.pattern != right.value:
            return None
        try:
            return Regular(right.value, extended=True).search(left.value) is not None
        except NotRegularError:
            return None
