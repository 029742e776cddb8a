"""What utilities have in common: their options, what they read, and how they answer."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.redirections import content_of, decoded
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, SUCCESS, State, Status, written

Step = Callable[[Run, tuple[Word, ...], int, State], State]


class Given(Struct, frozen=True):
    """The text that a utility reads; None where it is not seen. `absent` says a file is missing."""

    text: str | None
    missing: tuple[Missing, ...] = ()
    absent: bool = False


def prints(
    run: Run, text: str | None, line: int, state: State, missing: Sequence[Missing] = ()
) -> State:
    """Return the state after a utility printed a text and succeeded."""
    shown: Traced[str | None] = Traced(
        text, run.at(line), missing=() if text is not None else tuple(missing)
    )
    return replace(written(state, shown), status=SUCCESS)


def untold(run: Run, name: str, line: int, state: State, *missing: Missing) -> State:
    """Return the state after a utility printed what cannot be told, and succeeded."""
    names = missing or (run.missing(f"what {name} prints", line, Reason.COMMAND),)
    return prints(run, None, line, state, names)


def options(
    words: tuple[Word, ...], valued: str = "", known: str = ""
) -> tuple[dict[str, str], tuple[Word, ...]] | None:
    """Split words into short options with their values and operands, None for others.

    `valued` are the letters that take a value, `known` those that take none.
    """
    found: dict[str, str] = {}
    operands: list[Word] = []
    pending = list(words[1:])
    while pending:
        word = pending.pop(0)
        value = word.value
        if value is None or value == "-" or not value.startswith("-"):
            operands.append(word)
            continue
        if value == "--":
            return found, (*operands, *pending)
        if value.startswith("--"):
            return None
        letters = value[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in valued:
                given = letters or (pending.pop(0).value if pending else None)
                if given is None:
                    return None
                found[letter], letters = given, ""
            elif letter in known:
                found[letter] = ""
            else:
                return None
    return found, tuple(operands)


def standard_input(run: Run, state: State) -> Given:
    """Return what a utility reads from its standard input."""
    if state.stdin is None:
        if run.process.terminal.value:
            return Given(None, (Missing(Reason.COMMAND, "what is typed at the terminal"),))
        return Given("")
    missing = state.stdin.missing or (Missing(Reason.COMMAND, "what a command reads"),)
    return Given(state.stdin.value, () if state.stdin.value is not None else missing)


def reads(run: Run, operands: Sequence[Word], line: int, state: State) -> Given:
    """Return the text of the files that are named, or of standard input."""
    if not operands:
        given = standard_input(run, state)
        run.spend(line, len(given.text or ""))
        return given
    texts: list[str] = []
    absent = False
    for operand in operands:
        if operand.value in {"-", "/dev/stdin"}:
            given = standard_input(run, state)
            if given.text is None:
                return given
            texts.append(given.text)
            continue
        content = content_of(operand, state)
        match content:
            case Unread(missing=missing):
                return Given(None, (missing,))
            case Absent():
                absent = True
            case Content():
                run.spend(line, len(content.data))
                texts.append(decoded(content.data))
    return Given("".join(texts), absent=absent)


def consumed(run: Run, operands: Sequence[Word], line: int, state: State) -> State:
    """Return the state in which standard input has been read to its end."""
    reads_input = not operands or any(word.value == "-" for word in operands)
    if not reads_input or state.stdin is None:
        return state
    return replace(state, stdin=Traced("", run.at(line)))


Change = Callable[[str], str | None]


def filtered(
    run: Run, operands: Sequence[Word], line: int, state: State, name: str, change: Change
) -> State:
    """Print what a utility makes of the text it reads."""
    given = reads(run, operands, line, state)
    after = consumed(run, operands, line, state)
    if given.text is None:
        return untold(run, name, line, after, *given.missing)
    made = change(given.text)
    if made is None:
        return untold(run, name, line, after)
    shown = prints(run, made, line, after)
    return replace(shown, status=Status(1)) if given.absent else shown


def failed(state: State, code: int = 1) -> State:
    """Return the state after a utility failed."""
    return replace(state, status=FAILURE if code == 1 else Status(code))
