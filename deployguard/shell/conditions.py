"""The `test` utility (POSIX.1-2017 XCU test) over words that may not be seen."""

from collections.abc import Callable, Sequence

from deployguard.model.evidence import Missing
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread

Look = Callable[[str], Stat | Absent | Unread]

_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_FILES = frozenset({"-e", "-f", "-d", "-r", "-w", "-x", "-s", "-h", "-L"})


def decide(words: Sequence[str | None], look: Look) -> bool | Missing | None:
    """Return whether a test holds, what is missing to tell, or None for a form not followed."""
    if words and words[0] == "!":
        inner = decide(words[1:], look)
        return not inner if isinstance(inner, bool) else inner
    for operator, stop in (("||", True), ("-o", True), ("&&", False), ("-a", False)):
        if operator in words[1:-1]:
            return _joined(words, operator, look, stop=stop)
    match len(words):
        case 0:
            return False
        case 1:
            return None if words[0] is None else words[0] != ""
        case 2:
            return _unary(words[0], words[1], look)
        case 3:
            return _binary(words[0], words[1], words[2])
        case _:
            return None


def _joined(
    words: Sequence[str | None], operator: str, look: Look, *, stop: bool
) -> bool | Missing | None:
    index = list(words).index(operator, 1)
    left, right = decide(words[:index], look), decide(words[index + 1 :], look)
    if stop in (left, right):
        return stop
    if isinstance(left, bool):
        return right
    return left


def _unary(operator: str | None, word: str | None, look: Look) -> bool | Missing | None:
    if word is None or operator is None:
        return None
    if operator in {"-n", "-z"}:
        return (word == "") is (operator == "-z")
    if operator not in _FILES:
        return None
    found = look(word) if word else Absent(word)
    match found:
        case Unread(missing=missing):
            return missing
        case Absent():
            return False
        case Stat():
            return _holds(operator, found)


def _holds(operator: str, found: Stat) -> bool | None:
    match operator:
        case "-f":
            return found.kind is FileKind.FILE
        case "-d":
            return found.kind is FileKind.DIRECTORY
        case "-s":
            return found.size > 0
        case "-x":
            return bool(found.mode & 0o111)
        case "-h" | "-L":
            return None
        case _:
            return True


def _binary(left: str | None, operator: str | None, right: str | None) -> bool | None:
    if left is None or operator is None or right is None:
        return None
    if operator in {"=", "=="}:
        return left == right
    if operator == "!=":
        return left != right
    compare = _NUMBERS.get(operator)
    if compare is not None:
        try:
            return compare(int(left), int(right))
        except ValueError:
            return None
    return None
