"""Utilities that change the text they read: grep, sed, cut, tr, sort and their kin."""

import re
from collections.abc import Callable, Iterable

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.redirections import content_of, decoded, place, wrote
from deployguard.shell.regular import NotRegularError, Regular
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, SUCCESS, State, Status
from deployguard.shell.utilities.common import (
    consumed,
    failed,
    filtered,
    options,
    prints,
    reads,
    untold,
)


def _lines(text: str) -> list[str]:
    """Return the lines of a text, as utilities count them: only a newline ends one."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def grep(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the lines that match; whether one does is the status."""
    base = (words[0].value or "").rpartition("/")[2]
    split = options(words, "em", "vqiEFcxoshwnrHl")
    missing = run.missing("whether grep finds something", line, Reason.COMMAND)
    unseen = replace(untold(run, "grep", line, state, missing), status=Status(None, missing))
    if split is None or set(split[0]) & set("mownrHl"):
        return unseen
    chosen, operands = split
    pattern = chosen.get("e")
    if pattern is None:
        if not operands or operands[0].value is None:
            return unseen
        pattern, operands = operands[0].value, operands[1:]
    given = reads(run, operands, line, state)
    after = consumed(run, operands, line, state)
    if given.text is None:
        named = next(iter(given.missing), missing)
        return replace(untold(run, "grep", line, after, named), status=Status(None, named))
    matches = _matcher(pattern, chosen, base)
    if matches is None or (len(operands) > 1 and "h" not in chosen and "q" not in chosen):
        return replace(unseen, stdin=after.stdin)
    try:
        found = [one for one in _lines(given.text) if matches(one) is not ("v" in chosen)]
    except NotRegularError:
        return replace(unseen, stdin=after.stdin)
    status = SUCCESS if found else FAILURE
    if given.absent and not (found and "q" in chosen):
        status = Status(2)
    if "q" in chosen:
        return replace(after, status=status)
    text = f"{len(found)}\n" if "c" in chosen else _joined(found)
    return replace(prints(run, text, line, after), status=status)


def _matcher(pattern: str, chosen: dict[str, str], base: str) -> Callable[[str], bool] | None:
    whole = "x" in chosen
    if "F" in chosen or base == "fgrep":
        wanted = pattern.split("\n")
        if "i" in chosen:
            return None
        return lambda one: any(item == one if whole else item in one for item in wanted)
    try:
        regular = Regular(pattern, extended="E" in chosen or base == "egrep",
                          ignore_case="i" in chosen)  # fmt: skip
    except NotRegularError:
        return None
    if whole:
        return regular.covers
    return lambda one: regular.search(one) is not None


class _Command(Struct, frozen=True):
    """A command of sed: an address (a line, "$", or an expression), and what is done there."""

    kind: str  # s, d, p
    address: Regular | int | str | None
    negated: bool = False
    pattern: Regular | None = None
    new: str = ""
    every: bool = False


def sed(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Edit a text, or with -i files, by substitutions and deletions."""
    given = [word for word in words if word.value not in {"-i", "--in-place"}]
    in_place = any(_in_place(word) for word in words[1:])
    split = options(tuple(word for word in given if not _in_place(word)), "e", "nErsz")
    if split is None:
        files = tuple(word for word in words[2:] if not (word.value or "").startswith("-"))
        return (
            _edited_unseen(run, files, line, state)
            if in_place
            else untold(run, "sed", line, consumed(run, (), line, state))
        )
    chosen, operands = split
    program: str | None = chosen.get("e")
    if "e" not in chosen and operands:
        program, operands = operands[0].value, operands[1:]
    several = sum(word.value == "-e" for word in words) > 1 or "z" in chosen or "s" in chosen
    extended = bool({"E", "r"} & set(chosen))
    commands = None if program is None or several else _commands(program, extended=extended)

    def change(text: str) -> str | None:
        run.spend(line, len(text) * len(commands or ()))
        try:
            return None if commands is None else _edited(text, commands, quiet="n" in chosen)
        except NotRegularError:
            return None

    if not in_place:
        return filtered(run, operands, line, state, "sed", change)
    status = SUCCESS
    for operand in operands:
        content = content_of(operand, state)
        if operand.value is None:
            state = _edited_unseen(run, (operand,), line, state)
        elif isinstance(content, Absent):
            status = Status(2)
        else:
            whole = place(operand.value, state)
            made = change(decoded(content.data)) if isinstance(content, Content) else None
            unseen = () if made is not None else (
                Missing(Reason.SCRIPT, f"what sed makes of {whole}"),
            )  # fmt: skip
            text: Traced[str | None] = Traced(made, run.at(line), missing=unseen)
            state = wrote(state, whole, text, append=False)
    return replace(state, status=status)


def edited(text: str, programs: Iterable[str], *, extended: bool, quiet: bool) -> str | None:
    """Return what the programs of a sed make of a text, one after the other on each line.

    None for commands that are not followed.
    """
    commands: list[_Command] = []
    for program in programs:
        found = _commands(program, extended=extended)
        if found is None:
            return None
        commands += found
    try:
        return _edited(text, commands, quiet=quiet)
    except NotRegularError:
        return None


def _in_place(word: Word) -> bool:
    return re.match(r"-[nErsz]*i|--in-place", word.value or "") is not None


def _edited_unseen(run: Run, files: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after an edit that is not followed: the files it names are not known."""
    for word in files:
        if word.value is None:
            doubt = run.missing("which files sed changes", line)
            state = replace(state, files=replace(state.files, doubt=doubt))
            continue
        whole = place(word.value, state)
        if whole.startswith("/"):
            missing = Missing(Reason.SCRIPT, f"what sed makes of {whole}")
            state = replace(state, files=state.files.with_unsure(whole, missing))
    return replace(state, status=SUCCESS)


_ADDRESS = re.compile(r"\s*(?:(\d+)|(\$)|/((?:[^/\\]|\\.)*)/)?\s*(!?)\s*")


def _commands(program: str, *, extended: bool) -> list[_Command] | None:
    found: list[_Command] = []
    at = 0
    while at < len(program):
        if program[at] in " ;\n\t":
            at += 1
            continue
        address = _ADDRESS.match(program, at)
        if address is None:
            return None
        at = address.end()
        try:
            where: Regular | int | str | None = address[2]
            if address[1]:
                where = int(address[1])
            elif address[3] is not None:
                where = Regular(address[3].replace("\\/", "/"), extended=extended)
            kind = program[at : at + 1]
            at += 1
            command = _Command(kind, where, negated=bool(address[4]))
            if kind == "s":
                parts = _parts(program, at)
                if parts is None:
                    return None
                pattern, new, flags, at = parts
                if set(flags) - {"g"} or re.search(r"\\[0-9a-zA-Z]", new):
                    return None
                command = replace(
                    command,
                    pattern=Regular(pattern, extended=extended),
                    new=new,
                    every="g" in flags,
                )
            elif kind not in {"d", "p"}:
                return None
        except NotRegularError:
            return None
        found.append(command)
    return found


def _parts(program: str, at: int) -> tuple[str, str, str, int] | None:
    """Read `/pattern/replacement/flags` with any sign for the slash."""
    sign = program[at : at + 1]
    parts = [""]
    at += 1
    while at < len(program) and len(parts) < 3:  # noqa: PLR2004  (pattern, replacement, end)
        letter = program[at]
        if letter == "\\" and at + 1 < len(program):
            following = program[at + 1]
            parts[-1] += following if following == sign else letter + following
            at += 2
            continue
        if letter == sign:
            parts.append("")
        else:
            parts[-1] += letter
        at += 1
    if len(parts) < 3 or sign in {"", "\n", "\\"}:  # noqa: PLR2004
        return None
    start = at
    while at < len(program) and program[at] not in ";\n }":
        at += 1
    return parts[0], parts[1], program[start:at].strip(), at


def _edited(text: str, commands: list[_Command], *, quiet: bool) -> str:
    lines = _lines(text)
    made: list[str] = []
    for number, line in enumerate(lines, start=1):
        kept = True
        for command in commands:
            if _applies(command, number, line, len(lines)) is command.negated:
                continue
            if command.kind == "d":
                kept = False
                break
            if command.kind == "p":
                made.append(line)
            elif command.pattern is not None:
                line = _substituted(line, command)  # noqa: PLW2901  (the pattern space of sed)
        if kept and not quiet:
            made.append(line)
    # A last line without its end keeps lacking it.
    whole = _joined(made)
    return whole if text.endswith("\n") or not whole else whole[:-1]


def _applies(command: _Command, number: int, line: str, count: int) -> bool:
    match command.address:
        case None:
            return True
        case int() as wanted:
            return number == wanted
        case Regular() as regular:
            return regular.search(line) is not None
        case _:
            return number == count


def _substituted(line: str, command: _Command) -> str:
    made: list[str] = []
    at = 0
    pattern = command.pattern
    while pattern is not None and (found := pattern.search(line, at)) is not None:
        start, stop = found
        made += (line[at:start], _replacement(command.new, line[start:stop]))
        if stop == start:
            made.append(line[stop : stop + 1])
            stop += 1
        at = stop
        if not command.every or at > len(line):
            break
    return "".join(made) + line[at:]


def _replacement(new: str, matched: str) -> str:
    return re.sub(r"\\(.)|(&)", lambda one: matched if one[2] else one[1], new, flags=re.DOTALL)


def cut(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print fields or letters of each line."""
    split = options(words, "dfc", "s")
    if split is None:
        return untold(run, "cut", line, state)
    chosen, operands = split
    sign, wanted = chosen.get("d", "\t"), chosen.get("f", chosen.get("c", ""))
    bounds = _ranges(wanted)
    if bounds is None or len(sign) != 1 or ("f" in chosen) is ("c" in chosen):
        return untold(run, "cut", line, state)

    def one(text: str) -> str | None:
        parts = text.split(sign) if "f" in chosen else list(text)
        if "f" in chosen and len(parts) == 1:
            return None if "s" in chosen else text
        kept = [part for place, part in enumerate(parts, start=1)
                if any(low <= place <= high for low, high in bounds)]  # fmt: skip
        return (sign if "f" in chosen else "").join(kept)

    def change(text: str) -> str:
        return _joined([made for item in _lines(text) if (made := one(item)) is not None])

    return filtered(run, operands, line, state, "cut", change)


def _ranges(text: str) -> list[tuple[int, int]] | None:
    found: list[tuple[int, int]] = []
    for one in text.split(","):
        match = re.fullmatch(r"(\d{0,5})(-?)(\d{0,5})", one)
        if match is None or not (match[1] or match[3]):
            return None
        low = int(match[1] or "1")
        high = int(match[3]) if match[3] else (1 << 30 if match[2] else low)
        found.append((low, high))
    return found


_TR_CLASSES = {
    "[:upper:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "[:lower:]": "abcdefghijklmnopqrstuvwxyz",
    "[:digit:]": "0123456789", "[:space:]": " \t\n\r\f\v", "[:blank:]": " \t",
}  # fmt: skip


def tr(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Replace, delete or squeeze letters."""
    split = options(words, "", "ds")
    sets = None if split is None else [_letters(word.value) for word in split[1]]
    if split is None or not sets or None in sets:
        return untold(run, "tr", line, consumed(run, (), line, state))
    chosen = split[0]
    first, second = sets[0] or "", (sets[1] or "" if len(sets) > 1 else "")

    def change(text: str) -> str | None:
        if "d" in chosen:
            return None if "s" in chosen else "".join(one for one in text if one not in first)
        table: dict[str, str] = {}
        if second:
            padded = second + second[-1] * (len(first) - len(second))
            table = dict(zip(reversed(first), reversed(padded[: len(first)]), strict=True))
        elif "s" not in chosen:
            return None
        made: list[str] = []
        squeezed = second or first
        for letter in text:
            new = table.get(letter, letter)
            if "s" not in chosen or new not in squeezed or made[-1:] != [new]:
                made.append(new)
        return "".join(made)

    return filtered(run, (), line, state, "tr", change)


def _letters(text: str | None) -> str | None:
    """Return the letters of a set of tr, None for one that is not followed."""
    if text is None:
        return None
    for name, letters in _TR_CLASSES.items():
        text = text.replace(name, letters)
    if "[:" in text or "[=" in text or re.search(r"\[.\*", text):
        return None
    text = re.sub(r"\\([nrt\\])", lambda one: {"n": "\n", "r": "\r", "t": "\t"}.get(one[1], "\\"),
                  text)  # fmt: skip
    if re.search(r"\\[0-7]", text):
        return None
    made: list[str] = []
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            if ord(text[at]) > ord(text[at + 2]):
                return None
            made += (chr(code) for code in range(ord(text[at]), ord(text[at + 2]) + 1))
            at += 3
        else:
            made.append(text[at])
            at += 1
    return "".join(made)


def head(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the first lines, or with -c bytes."""
    return _end(run, words, line, state, first=True)


def tail(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the last lines; with -f it goes on for ever, and prints nothing that is used."""
    return _end(run, words, line, state, first=False)


def _end(run: Run, words: tuple[Word, ...], line: int, state: State, *, first: bool) -> State:
    name = "head" if first else "tail"
    short = [replace(word, value=f"-n{word.value[1:]}") if re.fullmatch(r"-\d+", word.value or "")
             and word.value else word for word in words]  # fmt: skip
    split = options(tuple(short), "nc", "q")
    if split is None or len(split[1]) > 1 or (state.unordered and not split[1]):
        return untold(run, name, line, state)
    count = split[0].get("n", split[0].get("c", "10"))
    match = re.fullmatch(r"([-+]?)(\d{1,9})", count)
    if match is None:
        return untold(run, name, line, state)
    number = int(match[2])

    def change(text: str) -> str:
        items: list[str] = list(text) if "c" in split[0] else text.splitlines(keepends=True)
        if first:
            kept = items[: len(items) - number if match[1] == "-" else number]
            return "".join(kept if match[1] != "-" or number <= len(items) else [])
        if match[1] == "+":
            return "".join(items[max(number - 1, 0) :])
        return "".join(items[len(items) - number :] if number < len(items) else items)

    return filtered(run, split[1], line, state, name, change)


def sort(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print lines in order; the order of letters is the C locale's, as in a container."""
    split = options(words, "", "Vurn")
    if split is None or ("n" in split[0] and "V" in split[0]):
        return replace(untold(run, "sort", line, state), unordered=False)
    chosen, operands = split

    def change(text: str) -> str | None:
        lines = _lines(text)
        if "n" in chosen and not all(re.fullmatch(r"-?\d{1,15}", one) for one in lines):
            return None
        key: Callable[[str], object] | None = None
        if "V" in chosen:
            key = version_key
        elif "n" in chosen:
            key = int
        made = sorted(lines, key=key, reverse="r" in chosen)  # type: ignore[arg-type]
        return _joined(list(dict.fromkeys(made)) if "u" in chosen else made)

    return replace(filtered(run, operands, line, state, "sort", change), unordered=False)


def version_key(line: str) -> list[tuple[int, int, str]]:
    """Return a key that orders numbers in a name by their value, as `sort -V` does."""
    parts = re.split(r"(\d{1,18})", line)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def uniq(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print lines, but not one that is like the one before."""
    split = options(words)
    if split is None or len(split[1]) > 1 or state.unordered:
        return untold(run, "uniq", line, state)

    def change(text: str) -> str:
        lines = _lines(text)
        return _joined([one for at, one in enumerate(lines) if at == 0 or lines[at - 1] != one])

    return filtered(run, split[1], line, state, "uniq", change)


def wc(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Count lines, words or bytes of what is read."""
    split = options(words, "", "lwc")
    if split is None or len(split[0]) != 1 or split[1]:
        return untold(run, "wc", line, state)
    (what,) = split[0]

    def change(text: str) -> str:
        counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode())}
        return f"{counts[what]}\n"

    return filtered(run, (), line, state, "wc", change)


def tac(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print lines, the last first."""
    split = options(words)
    if split is None or state.unordered:
        return untold(run, "tac", line, state)
    return filtered(
        run, split[1], line, state, "tac", lambda text: _joined(list(reversed(_lines(text))))
    )


def same_files(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Compare two files (cmp, diff): the status says whether they are the same."""
    split = options(words, "", "qs")
    if split is None or len(split[1]) != 2:  # noqa: PLR2004  (two files)
        missing = run.missing("whether two files are the same", line, Reason.COMMAND)
        return replace(untold(run, "diff", line, state, missing), status=Status(None, missing))
    one, other = (reads(run, (word,), line, state) for word in split[1])
    if one.text is None or other.text is None:
        missing = next(iter((*one.missing, *other.missing)))
        return replace(untold(run, "diff", line, state, missing), status=Status(None, missing))
    if one.absent or other.absent:
        return failed(state, 2)
    if one.text == other.text:
        return replace(state, status=SUCCESS)
    return failed(untold(run, "diff", line, state))
