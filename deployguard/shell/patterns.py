"""Shell patterns (POSIX.1-2017 XCU 2.13): `*`, `?`, brackets, and a backslash before a letter."""

import string
from collections.abc import Callable, Sequence

from msgspec import Struct

_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha,
    "digit": str.isdigit,
    "alnum": str.isalnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": str.isspace,
    "blank": lambda letter: letter in " \t",
    "punct": lambda letter: letter in string.punctuation,
}


class _Star(Struct, frozen=True):
    """Any letters, or none."""


class _One(Struct, frozen=True):
    """One letter: one of a set, or, where `negated`, none of it."""

    letters: frozenset[str]
    ranges: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()
    negated: bool = False

    def fits(self, letter: str) -> bool:
        """Tell whether a letter is the one."""
        found = (
            letter in self.letters
            or any(first <= letter <= last for first, last in self.ranges)
            or any(_CLASSES[name](letter) for name in self.classes)
        )
        return found is not self.negated


_Pattern = tuple[_Star | _One, ...]


def escaped(text: str) -> str:
    """Return the pattern that matches just this text."""
    return "".join("\\" + letter if letter in "*?[\\" else letter for letter in text)


def plain(pattern: str) -> str:
    """Return a pattern's text with the escapes taken out."""
    letters = iter(pattern)
    return "".join(next(letters, "\\") if letter == "\\" else letter for letter in letters)


def is_pattern(pattern: str) -> bool:
    """Tell whether a pattern has a sign that is not escaped."""
    letters = iter(pattern)
    for letter in letters:
        if letter == "\\":
            next(letters, None)
        elif letter in "*?[":
            return True
    return False


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern covers a whole text, in time of the product of their lengths."""
    return _matches(_compiled(pattern), text)


def without_prefix(text: str, pattern: str, *, longest: bool) -> str:
    """Return what `${text#pattern}` leaves, or `##` where the longest prefix goes."""
    compiled = _compiled(pattern)
    ends: Sequence[int] = range(len(text) + 1)
    for end in reversed(ends) if longest else ends:
        if _matches(compiled, text[:end]):
            return text[end:]
    return text


def without_suffix(text: str, pattern: str, *, longest: bool) -> str:
    """Return what `${text%pattern}` leaves, or `%%` where the longest suffix goes."""
    compiled = _compiled(pattern)
    starts: Sequence[int] = range(len(text) + 1)
    for start in starts if longest else reversed(starts):
        if _matches(compiled, text[start:]):
            return text[:start]
    return text


def _matches(pattern: _Pattern, text: str) -> bool:
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        token = pattern[place] if place < len(pattern) else None
        if isinstance(token, _Star):
            star, resume = place, at
            place += 1
        elif token is not None and token.fits(text[at]):
            place += 1
            at += 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(isinstance(token, _Star) for token in pattern[place:])


def _compiled(pattern: str) -> _Pattern:
    found: list[_Star | _One] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\" and at + 1 < len(pattern):
            at += 1
            found.append(_One(frozenset(pattern[at])))
        elif letter == "*":
            if not found or not isinstance(found[-1], _Star):
                found.append(_Star())
        elif letter == "?":
            found.append(_One(frozenset(), negated=True))
        elif letter == "[" and (bracket := _bracket(pattern, at)) is not None:
            token, at = bracket
            found.append(token)
        else:
            found.append(_One(frozenset(letter)))
        at += 1
    return tuple(found)


def _bracket(pattern: str, start: int) -> tuple[_One, int] | None:
    """Read a bracket expression; return it with the place of its last letter."""
    at = start + 1
    negated = pattern[at : at + 1] in {"!", "^"}
    at += negated
    letters: set[str] = set()
    ranges: list[tuple[str, str]] = []
    classes: list[str] = []
    first = at
    while at < len(pattern):
        letter = pattern[at]
        if letter == "]" and at > first:
            return _One(frozenset(letters), tuple(ranges), tuple(classes), negated), at
        if pattern.startswith("[:", at) and (stop := pattern.find(":]", at)) > 0:
            if pattern[at + 2 : stop] not in _CLASSES:
                return None
            classes.append(pattern[at + 2 : stop])
            at = stop + 2
            continue
        if letter == "\\" and at + 1 < len(pattern):
            at += 1
            letter = pattern[at]
        if pattern[at + 1 : at + 2] == "-" and pattern[at + 2 : at + 3] not in {"", "]"}:
            ranges.append((letter, pattern[at + 2]))
            at += 3
            continue
        letters.add(letter)
        at += 1
    return None
