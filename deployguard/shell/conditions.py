"""The `test` utility (POSIX.1-2017 XCU test) over words that may not be seen."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from deployguard.model.evidence import Missing
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread


class Outlook(Struct, frozen=True, kw_only=True):
    """What a test may ask of the world; None is what cannot be told."""

    stat: Callable[[str], Stat | Absent | Unread]
    is_link: Callable[[str], bool | None]
    terminal: Callable[[str], bool | None]
    is_set: Callable[[str], bool]
    is_root: bool | None
    is_bash: bool | None


# True or false, what is missing to tell, the status 2 of an error, or None for a form not followed.
Decision = bool | int | Missing | None
ERROR = 2

_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_TEXTS = frozenset({"=", "==", "!=", "<", ">"})
_FILES = frozenset({"-e", "-a", "-f", "-d", "-r", "-w", "-x", "-s", "-b", "-c", "-p", "-S", "-g",
                    "-u", "-k", "-O", "-G", "-N"})  # fmt: skip
_UNARY = _FILES | {"-n", "-z", "-t", "-h", "-L", "-v", "-o"}
_AGES = frozenset({"-nt", "-ot", "-ef"})
_BINARY = frozenset({*_NUMBERS, *_TEXTS, *_AGES})


def decide(words: Sequence[str | None], outlook: Outlook) -> Decision:
    """Return whether a test holds; POSIX says how for up to four words, -a and -o join more."""
    match words:
        case []:
            return False
        case ["!", *rest] if len(rest) in {1, 3} or not _is_binary(words):
            return _negated(decide(rest, outlook)) if rest else True
        case [word]:
            return None if word is None else word != ""
        case [str() as operator, word] if operator in _UNARY:
            return _unary(operator, word, outlook)
        case [left, str() as operator, right] if operator in _BINARY:
            return _binary(left, operator, right, outlook)
        case ["(", *inner, ")"] if inner:
            return decide(inner, outlook)
        case _:
            return _several(words, outlook)


def _is_binary(words: Sequence[str | None]) -> bool:
    return len(words) == 3 and words[1] in _BINARY  # noqa: PLR2004  (left, operator, right)


def _negated(inner: Decision) -> Decision:
    return not inner if isinstance(inner, bool) else inner


def _several(words: Sequence[str | None], outlook: Outlook) -> Decision:
    """Join tests: -a binds more tightly than -o."""
    for operator, stop in (("-o", True), ("-a", False)):
        for index in range(1, len(words) - 1):
            if words[index] != operator:
                continue
            left = decide(words[:index], outlook)
            right = decide(words[index + 1 :], outlook)
            if (isinstance(left, bool) and left is stop) or (
                isinstance(right, bool) and right is stop
            ):
                return stop
            return right if isinstance(left, bool) else left
    unseen = None in words
    return None if unseen or len(words) > 3 else ERROR  # noqa: PLR2004  (a binary test)


def _unary(operator: str, word: str | None, outlook: Outlook) -> Decision:
    if word is None:
        return None
    match operator:
        case "-n" | "-z":
            return (word == "") is (operator == "-z")
        case "-t":
            return outlook.terminal(word)
        case "-v":
            return outlook.is_set(word) if word.isidentifier() else None
        case "-o":
            return None
        case "-h" | "-L":
            return outlook.is_link(word) if word else False
        case _:
            pass
    found = outlook.stat(word) if word else Absent(word)
    match found:
        case Unread(missing=missing):
            return missing
        case Absent():
            return False
        case Stat():
            return _holds(operator, found, outlook)


def _holds(operator: str, found: Stat, outlook: Outlook) -> bool | None:
    match operator:
        case "-f":
            return found.kind is FileKind.FILE
        case "-d":
            return found.kind is FileKind.DIRECTORY
        case "-s":
            return found.kind is not FileKind.FILE or found.size > 0
        case "-x":
            return _allowed(found.mode, 0o111, outlook)
        case "-e" | "-a":
            return True
        case "-b" | "-c" | "-p" | "-S":
            return False if found.kind is not FileKind.OTHER else None
        case "-r":
            return _allowed(found.mode, 0o444, outlook) or outlook.is_root
        case "-w":
            return _allowed(found.mode, 0o222, outlook) or outlook.is_root
        case _:
            return None


def _allowed(mode: int, bits: int, outlook: Outlook) -> bool | None:
    """Say whether a mode lets the user: whoever he is, what everybody may do he may."""
    if mode & bits & 0o007 or (outlook.is_root and mode & bits):
        return True
    return None if mode & bits else False


def _binary(left: str | None, operator: str, right: str | None, outlook: Outlook) -> Decision:
    if left is None or right is None:
        return None
    if operator in _AGES:
        return _age(left, operator, right, outlook)
    match operator:
        case "=" | "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case _:
            pass
    try:
        return _NUMBERS[operator](int(left), int(right))
    except ValueError:
        return ERROR


def _age(left: str, operator: str, right: str, outlook: Outlook) -> Decision:
    """Compare two files; times are not kept, so that only a missing one decides."""
    one, other = outlook.stat(left), outlook.stat(right)
    for found in (one, other):
        if isinstance(found, Unread):
            return found.missing
    if operator == "-ef":
        if isinstance(one, Stat) and isinstance(other, Stat):
            return one.path == other.path
        return False
    if isinstance(one, Stat) and isinstance(other, Stat):
        return False if one.path == other.path else None
    # To bash what is there is newer than what is not.
    newer = isinstance(one if operator == "-nt" else other, Stat)
    return newer and outlook.is_bash
