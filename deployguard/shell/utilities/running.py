"""Utilities that run others: xargs, run-parts, and env without a command."""

import re
import shlex
from collections.abc import Sequence

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.commands import external, start
from deployguard.shell.redirections import place
from deployguard.shell.run import Run, UnclearError
from deployguard.shell.state import SUCCESS, Kind, State, Ways
from deployguard.shell.utilities.common import consumed, standard_input, untold

_MOST_RUNS = 100
_RUN_PARTS = re.compile(r"[A-Za-z0-9_-]+\Z")


class Batches(Struct, frozen=True, kw_only=True):
    """How xargs makes commands of what it reads."""

    command: tuple[Word, ...]
    separator: str | None = None
    most: int | None = None
    by_line: bool = False
    mark: str | None = None
    empty: bool = True


def batches(words: Sequence[Word]) -> Batches | None:
    """Read the options of xargs (GNU, busybox), None for one that is not followed."""
    made = Batches(command=())
    pending = list(words[1:])
    while pending:
        value = pending[0].value
        if value is None:
            return None
        if not value.startswith("-") or value == "-":
            break
        pending.pop(0)
        if value == "--":
            break
        option, given = value[:2], value[2:]
        if value.startswith("--"):
            option, _, given = value.partition("=")
        if option in {"-r", "--no-run-if-empty"}:
            made = replace(made, empty=False)
        elif option in {"-0", "--null"}:
            made = replace(made, separator="\0")
        elif option in {"-t", "-x", "-o", "--verbose", "--exit", "--open-tty"}:
            pass
        else:
            if option == "-i" or (not given and option in {"--replace", "--max-lines"}):
                given = given or "{}"
            elif not given:
                if not pending or pending[0].value is None:
                    return None
                given = pending.pop(0).value or ""
            with_value = _valued(made, option, given)
            if with_value is None:
                return None
            made = with_value
    return replace(made, command=tuple(pending))


def _valued(made: Batches, option: str, given: str) -> Batches | None:
    match option:
        case "-d" | "--delimiter":
            sign = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\r": "\r"}.get(given, given)
            return replace(made, separator=sign) if len(sign) == 1 else None
        case "-n" | "--max-args" if given.isdigit() and int(given) > 0:
            return replace(made, most=int(given))
        case "-L" | "-l" | "--max-lines" if given.isdigit() and int(given) > 0:
            return replace(made, most=int(given), by_line=True)
        case "-I" | "-i" | "--replace":
            return replace(made, mark=given, empty=False)
        case "-P" | "--max-procs" | "-s" | "--max-chars" if given.isdigit():
            return made
        case _:
            return None


def commands(made: Batches, text: str) -> list[tuple[Word, ...]] | None:
    """Return the command lines that xargs runs for a text, None where that is not told."""
    command = made.command
    location = command[0].location
    if made.mark is not None:
        items = [one for one in text.split(made.separator or "\n") if one.strip()]
        if made.separator is None:
            items = [one.lstrip(" \t") for one in items]
            if any(letter in one for one in items for letter in "'\"\\"):
                return None
        if any(word.value is None for word in command):
            return None
        return [
            tuple(
                replace(word, value=(word.value or "").replace(made.mark, one)) for word in command
            )
            for one in items
        ]
    groups: list[list[str]]
    if made.by_line:
        lines = [_split(one) for one in text.split("\n") if one.strip()]
        if None in lines:
            return None
        whole = [one for one in lines if one is not None]
        count = made.most or 1
        groups = [
            [item for one in whole[at : at + count] for item in one]
            for at in range(0, len(whole), count)
        ]
    else:
        items_or_none = _items(made, text)
        if items_or_none is None:
            return None
        count = made.most or max(len(items_or_none), 1)
        groups = [items_or_none[at : at + count] for at in range(0, len(items_or_none), count)]
    if not groups and made.empty:
        groups = [[]]
    return [(*command, *(Traced[str | None](item, location) for item in group)) for group in groups]


def _items(made: Batches, text: str) -> list[str] | None:
    if made.separator is None:
        return _split(text)
    items = text.split(made.separator)
    return items[:-1] if items[-1] == "" else items


def _split(text: str) -> list[str] | None:
    """Split at blanks and line ends; quotes and backslashes hold things together."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escapedquotes = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def xargs(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Run a command with the words that are read."""
    made = batches(words)
    if made is None or (run.shell.kind is Kind.BUSYBOX and "-d" in {w.value for w in words}):
        raise run.unclear("what xargs runs", line)
    given = standard_input(run, state)
    after = consumed(run, (), line, state)
    if given.text is None:
        if not made.command or _only_prints(made.command):
            return (untold(run, "xargs", line, after, *given.missing),)
        missing = Missing(Reason.COMMAND, "what xargs reads from its standard input")
        raise UnclearError(next(iter(given.missing), missing))
    run.spend(line, len(given.text))
    lines = commands(replace(made, command=made.command or (replace(words[0], value="echo"),)),
                     given.text)  # fmt: skip
    if lines is None or len(lines) > _MOST_RUNS:
        raise run.unclear("what xargs runs", line)
    ways: Ways = (replace(after, status=SUCCESS),)
    for one in lines:
        ways = tuple(
            ended for way in ways for ended in external(run, one, line, replace(way, functions={}))
        )
    return tuple(replace(way, functions=state.functions) for way in ways)


def _only_prints(command: Sequence[Word]) -> bool:
    return command[0].value in {"echo", "printf", "basename", "dirname", "cat", "ls"}


def run_parts(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Run the programs of a directory, in the order of their names (run-parts(8))."""
    values = [word.value for word in words[1:]]
    given = tuple(
        replace(words[1], value=value.partition("=")[2])
        for value in values
        if value is not None and value.startswith("--arg=")
    )
    rest = [value for value in values if value not in {"--verbose", "-v", "--exit-on-error",
            "--report"} and not (value or "").startswith("--arg=")]  # fmt: skip
    if len(rest) != 1 or rest[0] is None or rest[0].startswith("-"):
        raise run.unclear("what run-parts runs", line)
    folder = place(rest[0], state)
    names = state.files.list(folder) if folder.startswith("/") else Unread(
        run.missing("the directory", line)
    )  # fmt: skip
    if isinstance(names, Unread):
        raise UnclearError(names.missing)
    found: list[str] = [] if isinstance(names, Absent) else [
        f"{folder}/{name}" for name in sorted(names) if _RUN_PARTS.match(name)
    ]  # fmt: skip
    for path in found:
        there = state.files.stat(path)
        if isinstance(there, Unread):
            raise UnclearError(there.missing)
        if isinstance(there, Stat) and there.kind is FileKind.FILE and there.mode & 0o111:
            state = start(run, (replace(words[0], value=path), *given), line, state)
    return (state,)


def environment(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
    """Print the environment, where env is given no command; else start it."""
    if any(
        word.value is None or not re.match(r"-|[A-Za-z_]\w*=", word.value) for word in words[1:]
    ):
        return (start(run, words, line, state),)
    return (untold(run, "env", line, state),)
