"""What the operators of `${name...}` make of a text (POSIX.1-2017 XCU 2.6.2, bash 3.5.3)."""

from collections.abc import Sequence
from typing import TypeVar

from deployguard.shell import patterns
from deployguard.shell.fields import Field

_LONGEST = 4_096
# Of those operators, the ones that POSIX knows.
OF_ALL_SHELLS = frozenset({"length", "#", "##", "%", "%%"})
OF_BASH_ALONE = frozenset({"^", "^^", ",", ",,"})

_Item = TypeVar("_Item")


def applied(operator: str, text: str, argument: Field, extra: Field | None) -> str | None:
    """Return the text an operator makes, None where it cannot be told."""
    if len(text) > _LONGEST and operator != "length":
        return None
    match operator:
        case "length":
            return str(len(text))
        case "#" | "##":
            return patterns.without_prefix(text, argument.pattern, longest=operator == "##")
        case "%" | "%%":
            return patterns.without_suffix(text, argument.pattern, longest=operator == "%%")
        case "^" | "^^" | "," | ",,":
            return _cased(operator, text, argument)
        case "/" | "//":
            return _replaced(text, argument.pattern, "" if extra is None else extra.value or "",
                             every=operator == "//")  # fmt: skip
        case _:
            return None


def _cased(operator: str, text: str, argument: Field) -> str:
    pattern = argument.pattern or "?"
    count = len(text) if len(operator) == 2 else 1  # noqa: PLR2004  (a doubled sign)

    def changed(letter: str) -> str:
        if not patterns.matches(pattern, letter):
            return letter
        return letter.upper() if operator[0] == "^" else letter.lower()

    return "".join(map(changed, text[:count])) + text[count:]


def _replaced(text: str, pattern: str, new: str, *, every: bool) -> str | None:
    """Replace the longest match at each place; bash makes "&" of a replacement the match itself."""
    if "&" in new or "\\" in new:
        return None
    if pattern[:1] in {"#", "%"} and not every:
        kept = (
            patterns.without_prefix(text, pattern[1:], longest=True)
            if pattern[0] == "#"
            else patterns.without_suffix(text, pattern[1:], longest=True)
        )
        if kept == text and not patterns.matches(pattern[1:], ""):
            return text
        return new + kept if pattern[0] == "#" else kept + new
    if not pattern:
        return text
    if not patterns.is_pattern(pattern):
        return text.replace(patterns.plain(pattern), new, -1 if every else 1)
    made: list[str] = []
    at = 0
    while at < len(text):
        rest = text[at:]
        stop = len(rest) - len(patterns.without_prefix(rest, pattern, longest=True))
        if stop == 0:
            made.append(text[at])
            at += 1
            continue
        made.append(new)
        at += stop
        if not every:
            break
    return "".join(made) + text[at:]


def part(items: Sequence[_Item], offset: int, length: int | None) -> Sequence[_Item] | None:
    """Return what `${name:offset:length}` takes of a text or a list, None for an error."""
    if offset < 0:
        offset += len(items)
        if offset < 0:
            return items[:0]
    if length is None:
        return items[offset:]
    stop = offset + length if length >= 0 else len(items) + length
    return items[offset:stop] if stop >= offset else None
