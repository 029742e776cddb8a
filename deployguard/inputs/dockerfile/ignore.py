"""Patterns of .dockerignore and --exclude (moby/patternmatcher, dockerignore.ReadAll)."""

import posixpath
from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.model.evidence import Location

_MOST_PATTERNS = 5_000
_LONGEST = 4_096


class _Literal(Struct, frozen=True):
    sign: str


class _Class(Struct, frozen=True):
    negated: bool
    ranges: tuple[tuple[str, str], ...]


class _Star(Struct, frozen=True):
    """`*`: anything but a slash."""


class _Any(Struct, frozen=True):
    """`?`: one sign but a slash."""


class _Folders(Struct, frozen=True):
    """`**` before something: nothing, or anything that ends with a slash."""


class _Rest(Struct, frozen=True):
    """`**` at the end, or anything before a suffix: anything at all."""


_Token: TypeAlias = _Literal | _Class | _Star | _Any | _Folders | _Rest


class _Pattern(Struct, frozen=True):
    tokens: tuple[_Token, ...]
    exact: str | None
    exclusion: bool

    def fits(self, path: str) -> bool:
        """Say whether the pattern fits a path, or a directory that holds it."""
        if self.exact is not None:
            return path == self.exact or path.startswith(self.exact + "/")
        return _matches(self.tokens, path)


class Matcher(Struct, frozen=True):
    """The patterns of a file in order: the last one that fits a path, or what holds it, decides."""

    patterns: tuple[_Pattern, ...]

    @property
    def exclusions(self) -> bool:
        """Say whether a pattern takes something back in."""
        return any(pattern.exclusion for pattern in self.patterns)

    def matches(self, path: str) -> bool:
        """Say whether a relative path is left out (MatchesOrParentMatches)."""
        path = path.strip("/")
        matched = False
        for pattern in self.patterns:
            # A pattern that cannot change the answer is not tried, as there.
            if pattern.exclusion == matched and pattern.fits(path):
                matched = not pattern.exclusion
        return matched


NOTHING = Matcher(())


def read(data: bytes, source: str) -> Matcher:
    """Return the matcher of a .dockerignore file.

    Raises SyntaxInputError for a pattern that the build refuses, LimitError for too many.
    """
    texts: list[tuple[str, Location]] = []
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        pattern = line.strip()
        inverted = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip() if inverted else pattern
        if pattern:
            pattern = posixpath.normpath(pattern)
            pattern = "/" + pattern.lstrip("/") if pattern.startswith("//") else pattern
            pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
        texts.append((("!" if inverted else "") + pattern, Location(source, line=number)))
    return matcher(texts)


def matcher(texts: Iterable[tuple[str, Location]]) -> Matcher:
    """Return the matcher of patterns, each with its place. Raises as `read` does."""
    patterns: list[_Pattern] = []
    for text, location in texts:
        pattern = text.strip()
        if not pattern:
            continue
        if len(patterns) >= _MOST_PATTERNS or len(pattern) > _LONGEST:
            raise LimitError("too many patterns, or one that is too long", location=location)
        exclusion = pattern.startswith("!")
        if pattern == "!":
            raise SyntaxInputError('illegal exclusion pattern: "!"', location=location)
        kept = posixpath.normpath(pattern[1:] if exclusion else pattern)
        patterns.append(_compiled(kept, location, exclusion=exclusion))
    return Matcher(tuple(patterns))


def _compiled(text: str, location: Location, *, exclusion: bool) -> _Pattern:
    tokens: list[_Token] = []
    position = 0
    special = False
    while position < len(text):
        sign = text[position]
        position += 1
        if sign == "*" and text.startswith("*", position):
            position += 1
            position += text.startswith("/", position)
            tokens.append(_Folders() if position < len(text) else _Rest())
        elif sign == "*":
            tokens.append(_Star())
        elif sign == "?":
            tokens.append(_Any())
        elif sign == "[":
            found, position = _class(text, position, location)
            tokens.append(found)
        elif sign == "\\":
            if position == len(text):
                raise _wrong(text, location)
            tokens.append(_Literal(text[position]))
            position += 1
            special = True
        else:
            tokens.append(_Literal(sign))
    plain = all(isinstance(token, _Literal) for token in tokens)
    if text.startswith("**") and not special and len(text) > len("**"):
        rest = tokens[1:]
        if text[2] != "/" and all(isinstance(token, _Literal) for token in rest):
            # "**foo" fits whatever ends with "foo" (the matcher's suffix form).
            tokens = [_Rest(), *rest]
    return _Pattern(tuple(tokens), text if plain and not special else None, exclusion)


def _class(text: str, position: int, location: Location) -> tuple[_Class, int]:
    """Read `[...]` behind its bracket (filepath.Match says what is wrong, regexp what it means)."""
    negated = text.startswith("^", position)
    position += negated
    ranges: list[tuple[str, str]] = []
    while not text.startswith("]", position) or not ranges:
        low, position = _class_sign(text, position, location)
        high = low
        if text.startswith("-", position) and not text.startswith("-]", position):
            high, position = _class_sign(text, position + 1, location)
        if high < low:
            raise _wrong(text, location)
        ranges.append((low, high))
    return _Class(negated, tuple(ranges)), position + 1


def _class_sign(text: str, position: int, location: Location) -> tuple[str, int]:
    sign = text[position : position + 1]
    if sign == "\\":
        position += 1
        sign = text[position : position + 1]
    elif sign in {"]", "-"}:
        raise _wrong(text, location)
    if not sign:
        raise _wrong(text, location)
    return sign, position + 1


def _wrong(text: str, location: Location) -> SyntaxInputError:
    return SyntaxInputError(
        f"syntax error in pattern {text[:60]!r}",
        location=location,
        hint="docker build refuses it as well",
    )


def _matches(tokens: tuple[_Token, ...], path: str) -> bool:
    """Follow all ways through a pattern at once: no text makes it slow.

    Where a directory ends and the pattern does, it fits what the directory holds.
    """
    states = _closed({0}, tokens)
    for sign in path:
        if sign == "/" and len(tokens) in states:
            return True
        after: set[int] = set()
        for state in states:
            place = ~state if state < 0 else state
            if place < len(tokens):
                after |= _after(tokens[place], place, sign)
        if not after:
            return False
        states = _closed(after, tokens)
    return len(tokens) in states


def _after(token: _Token, state: int, sign: str) -> set[int]:
    match token:
        case _Literal(sign=wanted):
            return {state + 1} if sign == wanted else set()
        case _Class(negated=negated, ranges=ranges):
            inside = any(low <= sign <= high for low, high in ranges)
            return {state + 1} if inside is not negated else set()
        case _Any():
            return {state + 1} if sign != "/" else set()
        case _Star():
            return {state} if sign != "/" else set()
        case _Folders():
            # Inside of the folders the state is marked by its complement: it cannot end here.
            return {~state, state + 1} if sign == "/" else {~state}
        case _Rest():
            return {state}


def _closed(states: set[int], tokens: tuple[_Token, ...]) -> set[int]:
    pending = list(states)
    while pending:
        state = pending.pop()
        skips = 0 <= state < len(tokens) and isinstance(tokens[state], _Star | _Folders | _Rest)
        if skips and state + 1 not in states:
            states.add(state + 1)
            pending.append(state + 1)
    return states
