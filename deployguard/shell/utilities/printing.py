"""Utilities that print what their words say: echo, printf, cat and others."""

import posixpath
import re
import shlex
from collections.abc import Sequence

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.run import Run
from deployguard.shell.state import SUCCESS, Kind, State, Status, lookup, written
from deployguard.shell.utilities.common import (
    consumed,
    failed,
    options,
    prints,
    reads,
    standard_input,
    untold,
)

_MOST_NUMBERS = 10_000
_FORMAT = re.compile(r"%([sdibq%])|\\(\\|[nrtabefv\"']|0?[0-7]{1,3})|([^%\\]+)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "a": "\a", "b": "\b", "e": "\x1b",
            "f": "\f", "v": "\v", '"': '"', "'": "'"}  # fmt: skip


def echo(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print words; what becomes of options and backslashes is each shell's own."""
    shown = list(words[1:])
    end, escapes = "\n", run.shell.kind is Kind.DASH
    letters = {Kind.BASH: "neE", Kind.BUSYBOX: "neE", Kind.DASH: "n", None: "n"}[run.shell.kind]
    while shown and re.fullmatch(f"-[{letters}]+", shown[0].value or ""):
        option = shown.pop(0).value or ""
        if run.shell.kind is Kind.DASH and option != "-n":
            shown.insert(0, replace(words[1], value=option))
            break
        end = "" if "n" in option else end
        for letter in option:
            escapes = {"e": True, "E": False}.get(letter, escapes)
    text = " ".join(word.value or "" for word in shown)
    unseen = next((word for word in shown if word.value is None), None)
    place = run.at(line)
    value: Traced[str | None] = Traced(text + end, place)
    if unseen is not None:
        value = Traced(None, place, missing=unseen.missing)
    elif "xpg_echo" in state.options or (
        run.shell.kind is None and ("\\" in text or text.startswith(("-e", "-E")))
    ):
        value = Traced(None, place, missing=(run.shell.missing(),))
    elif escapes and "\\" in text:
        decoded = _decoded(text)
        missing = (Missing(Reason.SCRIPT, "what echo makes of a backslash"),)
        value = Traced(None, place, missing=missing)
        if decoded is not None:
            value = Traced(decoded + end, place)
    return replace(written(state, value), status=SUCCESS)


def _decoded(text: str) -> str | None:
    """Return a text with the escapes of echo decoded, None for one that is not followed."""
    made: list[str] = []
    letters = iter(text)
    for letter in letters:
        if letter != "\\":
            made.append(letter)
            continue
        following = next(letters, "\\")
        if following in "ntr\\abfv":
            made.append(_ESCAPES[following])
        elif following in "0123456789xceEuU":
            return None
        else:
            made.append("\\" + following)
    return "".join(made)


def printf(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print by a format."""
    given = words[2:] if len(words) > 1 and words[1].value == "--" else words[1:]
    if given and given[0].value == "-v":
        raise run.unclear("which variable printf sets", line)
    values = [word.value for word in given]
    texts = [value for value in values if value is not None]
    bash = run.shell.kind is Kind.BASH
    made = (
        formatted(texts[0], texts[1:], bash=bash) if texts and len(texts) == len(values) else None
    )
    missing = tuple(name for word in given for name in word.missing) or (
        Missing(Reason.SCRIPT, "what printf writes"),
    )
    return prints(run, made, line, state, missing)


def formatted(template: str, words: Sequence[str], *, bash: bool) -> str | None:
    """Return what printf writes, None for a format that is not followed.

    The format is used again until the words are spent; a word too few is the empty text.
    """
    tokens = list(_FORMAT.finditer(template))
    if "".join(token[0] for token in tokens) != template:
        return None
    pending = list(words)
    made: list[str] = []
    while True:
        taken = False
        for token in tokens:
            text, kind = token[3], token[1]
            if kind is None:
                made.append(text if text is not None else _unescaped(token[2]))
            elif kind == "%":
                made.append("%")
            else:
                taken = True
                one = _converted(kind, pending.pop(0) if pending else "", bash=bash)
                if one is None:
                    return None
                made.append(one)
        if not pending or not taken:
            return "".join(made)


def _unescaped(escape: str) -> str:
    return _ESCAPES[escape] if escape in _ESCAPES else chr(int(escape, 8) & 255)


def _converted(kind: str, word: str, *, bash: bool) -> str | None:
    match kind:
        case "d" | "i":
            return str(int(word or "0")) if re.fullmatch(r"-?[1-9]?[0-9]{0,15}", word) else None
        case "q":
            # Shells quote a word that needs it each in its own way.
            return word if bash and shlex.quote(word) == word else None
        case "b":
            return word if "\\" not in word else _decoded(word)
        case _:
            return word


def cat(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print files, or what is read."""
    split = options(words, known="u")
    if split is None:
        return untold(run, "cat", line, state)
    given = reads(run, split[1], line, state)
    after = consumed(run, split[1], line, state)
    if given.text is None:
        return untold(run, "cat", line, after, *given.missing)
    shown = prints(run, given.text, line, after)
    return failed(shown) if given.absent else shown


def seq(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print numbers."""
    values = [word.value or "?" for word in words[1:]]
    if not 1 <= len(values) <= 3 or not all(re.fullmatch(r"-?\d{1,9}", one) for one in values):  # noqa: PLR2004
        return untold(run, "seq", line, state, *(m for word in words for m in word.missing))
    numbers = [int(one) for one in values]
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) == 3 else 1  # noqa: PLR2004  (first, step, last)
    if step == 0 or abs(numbers[-1] - first) // abs(step) > _MOST_NUMBERS:
        return untold(run, "seq", line, state)
    found = range(first, numbers[-1] + (1 if step > 0 else -1), step)
    run.spend(line, 4 * len(found))
    return prints(run, "".join(f"{number}\n" for number in found), line, state)


def basename(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the last part of a path, without a suffix."""
    split = options(words)
    values = None if split is None else [word.value for word in split[1]]
    if values is None or None in values or not 1 <= len(values) <= 2:  # noqa: PLR2004
        return untold(run, "basename", line, state)
    path = (values[0] or "").rstrip("/") or ("/" if values[0] else "")
    name = path if path == "/" else posixpath.basename(path)
    suffix = values[1] or "" if len(values) > 1 else ""
    if suffix and name != suffix:
        name = name.removesuffix(suffix)
    return prints(run, f"{name}\n", line, state)


def dirname(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print a path without its last part."""
    split = options(words)
    values = None if split is None else [word.value for word in split[1]]
    if not values or None in values:
        missing = (name for word in words for name in word.missing)
        return untold(run, "dirname", line, state, *missing)
    found: list[str] = []
    for value in values:
        path = (value or "").rstrip("/") or ("/" if value else "")
        above = posixpath.dirname(path).rstrip("/") or ("/" if path.startswith("/") else ".")
        found.append(f"{above}\n")
    return prints(run, "".join(found), line, state)


def pwd(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the directory; with -P its links are resolved."""
    text = state.cwd.value
    if text is not None and any(word.value == "-P" for word in words[1:]):
        found = state.files.stat(text)
        text = getattr(found, "path", None)
    return prints(run, None if text is None else f"{text}\n", line, state, state.cwd.missing)


def printenv(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the value of an exported variable."""
    if len(words) != 2 or words[1].value is None:  # noqa: PLR2004  (one name)
        return untold(run, "printenv", line, state)
    entry = state.env.get(words[1].value)
    if entry is None:
        return failed(state)
    if entry.value is None:
        missing = next(iter(entry.missing), run.missing(f"the value of {words[1].value}", line))
        return replace(untold(run, "printenv", line, state, missing),
                       status=Status(None, missing))  # fmt: skip
    return prints(run, f"{entry.value}\n", line, state)


def envsubst(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Replace `$name` and `${name}` by exported variables; named ones only where some are named."""
    given = standard_input(run, state)
    chosen = words[1].value if len(words) > 1 else None
    unclear = len(words) > 2 or (len(words) > 1 and (chosen is None or chosen.startswith("-")))  # noqa: PLR2004
    after = consumed(run, (), line, state)
    if given.text is None or unclear:
        return untold(run, "envsubst", line, after, *given.missing)
    names = None if chosen is None else set(re.findall(r"\$\{?([A-Za-z_]\w*)", chosen))
    unseen: list[Missing] = []

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if names is not None and name not in names:
            return match[0]
        entry = state.env.get(name)
        if entry is not None and entry.value is None:
            unseen.extend(entry.missing or (run.missing(f"the value of {name}", line),))
        return "" if entry is None else entry.value or ""

    text = re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, given.text)
    return prints(run, None if unseen else text, line, after, unseen)


__all__ = [
    "basename", "cat", "dirname", "echo", "envsubst", "lookup", "printenv", "printf", "pwd", "seq",
]  # fmt: skip
