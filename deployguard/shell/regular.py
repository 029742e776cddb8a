"""Regular expressions of POSIX (XBD 9), matched without going back: hostile ones take no longer.

Groups are grouped and not remembered; a pattern with back references is refused.
"""

import string
from collections.abc import Callable, Iterator

from msgspec import Struct, field

_DEEPEST = 30
_MOST_STATES = 2_000
_MOST_WORK = 200_000
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha,
    "digit": str.isdigit,
    "alnum": str.isalnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": str.isspace,
    "blank": lambda letter: letter in " \t",
    "punct": lambda letter: letter in string.punctuation,
    "xdigit": lambda letter: letter in string.hexdigits,
}


class NotRegularError(Exception):
    """A pattern that is not followed here."""


class _State(Struct, eq=False):
    """A state of the machine: `fits` tells its letter, else it goes to all in `next` at once."""

    fits: Callable[[str], bool] | None = None
    edge: str = ""  # "^" or "$": passed only there
    next: "list[_State]" = field(default_factory=list)


class _Part(Struct, frozen=True):
    first: _State
    last: _State


class Regular:
    """A compiled expression, extended or basic (as grep and sed read it)."""

    def __init__(self, pattern: str, *, extended: bool, ignore_case: bool = False) -> None:
        self._text = pattern
        self._extended = extended
        self._ignore_case = ignore_case
        self._at = 0
        self._states = 0
        self._work = 0
        part = self._either(0)
        if self._at < len(pattern):
            raise NotRegularError
        self._first, self._last = part.first, part.last

    def search(self, text: str, start: int = 0) -> tuple[int, int] | None:
        """Return where the leftmost longest match lies, None where there is none.

        Raises NotRegularError where the search would take too long.
        """
        for begin in range(start, len(text) + 1):
            end = self._longest(text, begin)
            if end is not None:
                return begin, end
        return None

    def covers(self, text: str) -> bool:
        """Say whether the whole text matches."""
        return self._longest(text, 0) == len(text)

    def _longest(self, text: str, begin: int) -> int | None:
        current = _closure([self._first], text, begin)
        found = begin if self._last in current else None
        for at in range(begin, len(text)):
            self._work += len(current)
            if self._work > _MOST_WORK:
                raise NotRegularError
            letter = text[at].lower() if self._ignore_case else text[at]
            moved = [
                following
                for state in current
                if state.fits is not None and state.fits(letter)
                for following in state.next
            ]
            current = _closure(moved, text, at + 1)
            if not current:
                break
            if self._last in current:
                found = at + 1
        return found

    def _state(self, fits: Callable[[str], bool] | None = None, edge: str = "") -> _State:
        self._states += 1
        if self._states > _MOST_STATES:
            raise NotRegularError
        return _State(fits, edge)

    def _take(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) * found
        return found

    def _either(self, depth: int) -> _Part:
        if depth > _DEEPEST:
            raise NotRegularError
        parts = [self._sequence(depth)]
        while self._take("|" if self._extended else "\\|"):
            parts.append(self._sequence(depth))
        if len(parts) == 1:
            return parts[0]
        first, last = self._state(), self._state()
        for part in parts:
            first.next.append(part.first)
            part.last.next.append(last)
        return _Part(first, last)

    def _sequence(self, depth: int) -> _Part:
        first = last = self._state()
        at_start = True
        ends = ("|", ")") if self._extended else ("\\|", "\\)")
        while self._at < len(self._text) and not self._text.startswith(ends, self._at):
            start = self._at
            part = self._atom(depth, at_start=at_start)
            part = self._repeated(part, start, depth, at_start=at_start)
            last.next.append(part.first)
            last = part.last
            at_start = False
        return _Part(first, last)

    def _atom(self, depth: int, *, at_start: bool) -> _Part:
        if self._take("(" if self._extended else "\\("):
            part = self._either(depth + 1)
            if not self._take(")" if self._extended else "\\)"):
                raise NotRegularError
            return part
        letter = self._text[self._at]
        self._at += 1
        if letter == "^" and (self._extended or at_start):
            return self._single(edge="^")
        ends = self._at == len(self._text) or self._text.startswith(("\\)", "\\|"), self._at)
        if letter == "$" and (self._extended or ends):
            return self._single(edge="$")
        if letter == ".":
            return self._single(lambda _: True)
        if letter == "[":
            return self._single(self._bracket())
        if letter == "*" and not self._extended and at_start:
            return self._single(lambda one: one == "*")
        if letter in "*+?{" and self._extended:
            raise NotRegularError
        if letter == "\\":
            return self._escaped()
        wanted = letter.lower() if self._ignore_case else letter
        return self._single(lambda one: one == wanted)

    def _escaped(self) -> _Part:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        match letter:
            case "w" | "W":
                return self._single(lambda one: (one.isalnum() or one == "_") is (letter == "w"))
            case "s" | "S":
                return self._single(lambda one: one.isspace() is (letter == "s"))
            case _ if letter == "" or letter.isalnum() or letter in "<>`'":
                raise NotRegularError  # back references, word edges
            case _:
                return self._single(lambda one: one == letter)

    def _single(self, fits: Callable[[str], bool] | None = None, edge: str = "") -> _Part:
        first, last = self._state(fits, edge), self._state()
        first.next.append(last)
        return _Part(first, last)

    def _bracket(self) -> Callable[[str], bool]:
        negated = self._take("^")
        tests: list[Callable[[str], bool]] = []
        begin = self._at
        while not (self._text.startswith("]", self._at) and self._at > begin):
            if self._at >= len(self._text) or self._text.startswith(("[.", "[="), self._at):
                raise NotRegularError
            if self._take("[:"):
                stop = self._text.find(":]", self._at)
                known = _CLASSES.get(self._text[self._at : stop])
                if stop < 0 or known is None:
                    raise NotRegularError
                tests.append(known)
                self._at = stop + 2
                continue
            tests.append(self._range())
        self._at += 1
        if self._ignore_case:
            return lambda one: any(t(one) or t(one.upper()) for t in tests) is not negated
        return lambda one: any(test(one) for test in tests) is not negated

    def _range(self) -> Callable[[str], bool]:
        letter = self._text[self._at]
        self._at += 1
        following = self._text[self._at : self._at + 2]
        if following[:1] == "-" and following[1:] not in {"", "]"}:
            self._at += 2
            return lambda one: letter <= one <= following[1]
        return lambda one: one == letter

    def _repeated(self, part: _Part, start: int, depth: int, *, at_start: bool) -> _Part:
        while True:
            if self._take("*"):
                part = self._looped(part, optional=True)
            elif self._take("+" if self._extended else "\\+"):
                part = self._looped(part, optional=False)
            elif self._take("?" if self._extended else "\\?"):
                part = self._optional(part)
            elif self._take("{" if self._extended else "\\{"):
                part = self._counted(start, self._at, depth, at_start=at_start)
            else:
                return part

    def _looped(self, part: _Part, *, optional: bool) -> _Part:
        last = self._state()
        part.last.next += (part.first, last)
        if not optional:
            return _Part(part.first, last)
        first = self._state()
        first.next += (part.first, last)
        return _Part(first, last)

    def _optional(self, part: _Part) -> _Part:
        first, last = self._state(), self._state()
        first.next += (part.first, last)
        part.last.next.append(last)
        return _Part(first, last)

    def _counted(self, start: int, stop: int, depth: int, *, at_start: bool) -> _Part:
        """Read `{low,high}`: the atom before it is read again for each time."""
        close = self._text.find("}" if self._extended else "\\}", stop)
        low, comma, high = self._text[stop : max(close, stop)].partition(",")
        if close < 0 or not low.isdigit() or not (high.isdigit() or high == ""):
            raise NotRegularError
        after = close + (1 if self._extended else 2)
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if least > _MOST_STATES or (most or 0) > _MOST_STATES:
            raise NotRegularError
        first = last = self._state()
        for count in range(most if most is not None else least + 1):
            self._at = start
            part = self._atom(depth, at_start=at_start)
            if most is None and count == least:
                part = self._looped(part, optional=True)
            elif count >= least:
                part = self._optional(part)
            last.next.append(part.first)
            last = part.last
        self._at = after
        return _Part(first, last)


def _closure(states: list[_State], text: str, at: int) -> "list[_State]":
    """Return the states that are reached without a letter."""
    return list({id(state): state for state in _reached(states, text, at)}.values())


def _reached(states: list[_State], text: str, at: int) -> Iterator[_State]:
    seen: set[int] = set()
    pending = list(states)
    while pending:
        state = pending.pop()
        if id(state) in seen:
            continue
        seen.add(id(state))
        if (state.edge == "^" and at > 0) or (state.edge == "$" and at < len(text)):
            continue
        yield state
        if state.fits is None:
            pending += state.next
