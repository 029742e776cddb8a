"""Python's own command line (Modules/main.c, `python --help`)."""

import re
from collections.abc import Sequence

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason
from deployguard.model.process import Interpreter, ProgramKind, Word
from deployguard.model.structs import replace

_NAME = re.compile(r"(python|pypy)[0-9.]*\Z")
_ENDS = frozenset({"-h", "-?", "--help", "-V", "--version", "-VV", "--help-env", "--help-all"})


class Started(Struct, frozen=True, kw_only=True):
    """What a Python command line runs; `words` are sys.argv[1:]."""

    kind: ProgramKind
    name: str
    words: tuple[Word, ...]
    interpreter: Interpreter
    missing: tuple[Missing, ...] = ()


def is_python(name: str) -> bool:
    """Say whether a command of this name is a Python."""
    return _NAME.match(name) is not None


def started(path: str | None, words: Sequence[Word]) -> Started:
    """Read the words after the interpreter. Standard input without a script is CODE named ""."""
    interpreter = Interpreter(path=path)
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word.value is None:
            return _unknown(interpreter, word)
        text = word.value
        if text == "-":
            return Started(
                kind=ProgramKind.CODE, name="", words=tuple(pending), interpreter=interpreter
            )
        if text == "--":
            return _script(interpreter, pending)
        if not text.startswith("-"):
            return _script(interpreter, [word, *pending])
        if text in _ENDS:
            return Started(kind=ProgramKind.NOTHING, name=text, words=(), interpreter=interpreter)
        if text.startswith("--"):
            # --check-hash-based-pycs is the only other long option; it takes a value.
            if "=" not in text and pending:
                pending.pop(0)
            continue
        found, interpreter = _letters(interpreter, text, pending)
        if found is not None:
            return found
    return Started(kind=ProgramKind.CODE, name="", words=(), interpreter=interpreter)


def _letters(
    interpreter: Interpreter, text: str, pending: list[Word]
) -> tuple[Started | None, Interpreter]:
    """Read joined short options; -c, -m, -W and -X take the rest of the word, or the next."""
    for position, letter in enumerate(text[1:], start=1):
        rest = text[position + 1 :]
        if letter in "cm":
            if rest:
                name: str | None = rest
            elif pending:
                word = pending.pop(0)
                if word.value is None:
                    return _unknown(interpreter, word), interpreter
                name = word.value
            else:
                name = None
            if name is None:
                ended = Started(
                    kind=ProgramKind.NOTHING, name=text, words=(), interpreter=interpreter
                )
                return ended, interpreter
            kind = ProgramKind.MODULE if letter == "m" else ProgramKind.CODE
            made = Started(kind=kind, name=name, words=tuple(pending), interpreter=interpreter)
            return made, interpreter
        if letter in "WX":
            if not rest and pending:
                pending.pop(0)
            return None, interpreter
        interpreter = _flag(interpreter, letter)
    return None, interpreter


def _flag(interpreter: Interpreter, letter: str) -> Interpreter:
    match letter:
        case "O":
            return replace(interpreter, optimize=interpreter.optimize + 1)
        case "I":
            return replace(interpreter, isolated=True, ignore_environment=True, safe_path=True)
        case "E":
            return replace(interpreter, ignore_environment=True)
        case "S":
            return replace(interpreter, no_site=True)
        case "P":
            return replace(interpreter, safe_path=True)
        case "i":
            return replace(interpreter, inspect=True)
        case _:
            return interpreter


def _script(interpreter: Interpreter, words: list[Word]) -> Started:
    if not words:
        return Started(kind=ProgramKind.CODE, name="", words=(), interpreter=interpreter)
    first, *rest = words
    if first.value is None:
        return _unknown(interpreter, first)
    return Started(
        kind=ProgramKind.SCRIPT, name=first.value, words=tuple(rest), interpreter=interpreter
    )


def _unknown(interpreter: Interpreter, word: Word) -> Started:
    missing = word.missing or (Missing(Reason.COMMAND, "a word of Python's command line"),)
    return Started(
        kind=ProgramKind.UNKNOWN, name="python", words=(), interpreter=interpreter, missing=missing
    )
