"""Words of Dockerfiles: how they are split, quoted, and filled with variables.

Source: moby/buildkit frontend/dockerfile/shell/lex.go and parser/line_parsers.go (parseWords). A
value that is not known makes a word that is not known, unless the word does not depend on it.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

# Go's unicode.IsSpace; U+0085 and U+00A0 count, the separators of ASCII do not.
SPACES = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(code) for code in range(0x2000, 0x200B)
}
_SPECIAL = frozenset("@*#?-$!0")
_DEEPEST = 100
# Patterns are matched position by position: what this many steps do not settle is not known.
_EFFORT = 1_000_000
# Values may be doubled and doubled again; what no kernel takes as a variable is not known.
_LONGEST = 128 * 1024


class SubstitutionError(ValueError):
    """A word that BuildKit refuses: a quote or brace that is not closed, or `${X:?message}`."""


class UnseenError(Exception):
    """The word depends on a value that is not known; a lookup raises it for what may be set."""


class Value(Struct, frozen=True):
    """The value of a variable that is set; None where it is not known."""

    text: str | None


# Returns None for a variable that is certainly not set.
Lookup = Callable[[str], Value | None]


def split(text: str, escape: str) -> tuple[str, ...]:
    """Split the words of ENV, LABEL and ARG; quotes and escapes stay in them."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    started = quoted = False
    position = 0
    while position < len(text):
        sign = text[position]
        position += 1
        if not quote and sign in SPACES:
            if started and (word or quoted):
                words.append("".join(word))
            word, started, quoted = [], False, False
            continue
        started = True
        if sign == escape and quote != "'":
            if position == len(text):
                quote = ""
                break
            word.extend((sign, text[position]))
            position += 1
            continue
        if sign in "\"'":
            quote = "" if sign == quote else quote or sign
            quoted = True
        word.append(sign)
    if word or quoted:
        words.append("".join(word))
    return tuple(words)


def expand(text: str, lookup: Lookup, escape: str = "\\", *, quotes: bool = True) -> str | None:
    """Fill in variables and take quotes and escapes away; None where it cannot be told.

    Without `quotes` they are text like any other, as in a here document. Raises SubstitutionError
    for what BuildKit refuses.
    """
    try:
        return _Lexer(text, lookup, escape, quotes=quotes).whole()
    except UnseenError:
        return None


def expand_words(text: str, lookup: Lookup, escape: str = "\\") -> tuple[str, ...] | None:
    """Fill in variables first and split after that, as EXPOSE does."""
    try:
        return _Lexer(text, lookup, escape).words()
    except UnseenError:
        return None


def plain_words(text: str) -> tuple[str, ...] | None:
    """Split without variables, taking quotes and escapes away; None for a quote left open."""
    try:
        return _Lexer(text, None, "\\").words()
    except SubstitutionError:
        return None


def raw_words(text: str) -> tuple[str, ...]:
    """Split by blanks outside of quotes; quotes and escapes stay. A quote left open ends it."""
    try:
        return _Lexer(text, None, "\\", raw=True).words()
    except SubstitutionError:
        return ()


class _Lexer:
    """One pass over a text; without a `lookup` variables stay as they are written."""

    def __init__(
        self,
        text: str,
        lookup: Lookup | None,
        escape: str,
        *,
        quotes: bool = True,
        raw: bool = False,
    ) -> None:
        self._text = text
        self._lookup = lookup
        self._escape = escape
        self._quotes = quotes
        self._raw = raw
        self._position = 0
        self._depth = 0
        self._made = 0

    def whole(self) -> str:
        return "".join(piece for piece, _ in self._pieces("", raw=self._raw))

    def words(self) -> tuple[str, ...]:
        words: list[str] = []
        word: list[str] = []
        for piece, plain in self._pieces("", raw=self._raw):
            for sign in piece if plain else (piece,):
                if plain and sign in SPACES:
                    if "".join(word):
                        words.append("".join(word))
                    word = []
                else:
                    word.append(sign)
        if "".join(word):
            words.append("".join(word))
        return tuple(words)

    def end(self, position: int, depth: int) -> int:
        """Return where the modifier that begins here ends, behind its brace."""
        self._position, self._depth = position, depth
        self._until("}", raw=True)
        return self._position

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        sign = self._peek()
        self._position += 1
        return sign

    def _pieces(self, stop: str, *, raw: bool) -> Iterator[tuple[str, bool]]:
        """Yield pieces of text, and whether blanks in them part words; ends behind `stop`."""
        while sign := self._peek():
            if sign == stop:
                self._position += 1
                return
            if sign == "$":
                yield self._filled(), True
            elif self._quotes and sign == "'":
                yield self._single(), False
            elif self._quotes and sign == '"':
                yield self._double(raw=raw), False
            elif sign == self._escape:
                self._position += 1
                yield (sign if raw else "") + self._next(), False
            else:
                self._position += 1
                yield sign, True
        if stop:
            raise SubstitutionError(
                f"unexpected end of statement while looking for matching {stop}"
            )

    def _until(self, stop: str, *, raw: bool) -> str:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise SubstitutionError("variables nested too deep")
        text = "".join(piece for piece, _ in self._pieces(stop, raw=raw))
        self._depth -= 1
        return text

    def _single(self) -> str:
        end = self._text.find("'", self._position + 1)
        if end < 0:
            raise SubstitutionError(
                "unexpected end of statement while looking for matching single-quote"
            )
        text = self._text[self._position : end + 1]
        self._position = end + 1
        return text if self._raw else text[1:-1]

    def _double(self, *, raw: bool) -> str:
        quote = self._next()
        pieces = [quote] if self._raw else []
        while sign := self._peek():
            if sign == "$":
                pieces.append(self._filled())
                continue
            self._position += 1
            if sign == quote:
                return "".join((*pieces, quote) if self._raw else pieces)
            if sign == self._escape:
                following = self._peek()
                if raw:
                    pieces.append(sign)
                if not following:
                    continue
                if following in {'"', "$", self._escape}:
                    sign = self._next()
            pieces.append(sign)
        raise SubstitutionError(
            "unexpected end of statement while looking for matching double-quote"
        )

    def _filled(self) -> str:
        text = self._dollar()
        self._made += len(text)
        if self._made > _LONGEST:
            raise UnseenError
        return text

    def _dollar(self) -> str:
        start = self._position
        self._position += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            return self._value(name, start)
        self._position += 1
        if self._peek() in {"", "{", "}", ":"}:
            raise SubstitutionError("bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._value(name, start)
        return self._modified(name, operator, start)

    def _value(self, name: str, start: int) -> str:
        if self._lookup is None:
            return self._text[start : self._position]
        value = self._lookup(name)
        if value is None:
            return ""
        return _seen(value)

    def _modified(self, name: str, operator: str, start: int) -> str:
        if operator == "/":
            return self._replaced(name, start)
        colon = operator == ":"
        if colon:
            operator = self._next()
        if operator not in {"+", "-", "?", "#", "%"}:
            raise SubstitutionError(f"unsupported modifier ({operator}) in substitution")
        begin, depth = self._position, self._depth
        try:
            word: str | None = self._until("}", raw=operator in "#%")
        except UnseenError:
            # Whether it counts is not known yet: only where it ends does.
            hidden = _Lexer(self._text, None, self._escape, quotes=self._quotes)
            self._position, self._depth = hidden.end(begin, depth), depth
            word = None
        if self._lookup is None:
            return self._text[start : self._position]
        value = self._lookup(name)
        if operator in "#%":
            text = "" if value is None else _seen(value)
            return _trimmed(text, _known(word), operator)
        empty = value is None or (colon and _seen(value) == "")
        match operator:
            case "-":
                return _known(word) if empty else _seen(value)
            case "+":
                return "" if empty else _known(word)
            case _:
                if empty:
                    state = "unset" if value is None else "empty"
                    raise SubstitutionError(f"{name}: {word or f'is not allowed to be {state}'}")
                return _seen(value)

    def _replaced(self, name: str, start: int) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._position += 1
        pattern = self._until("/", raw=True)
        replacement = self._until("}", raw=True)
        if self._lookup is None:
            return self._text[start : self._position]
        value = self._lookup(name)
        text = "" if value is None else _seen(value)
        return _substituted(text, _Pattern(pattern), replacement, everywhere=everywhere)

    def _name(self) -> str:
        start = self._position
        sign = self._peek()
        if sign.isdigit():
            while self._peek().isdigit():
                self._position += 1
        elif sign in _SPECIAL and sign:
            self._position += 1
        else:
            while self._peek().isalpha() or self._peek().isdigit() or self._peek() == "_":
                self._position += 1
        return self._text[start : self._position]


def _seen(value: Value | None) -> str:
    if value is None or value.text is None:
        raise UnseenError
    return value.text


def _known(word: str | None) -> str:
    if word is None:
        raise UnseenError
    return word


class _Pattern:
    """A pattern of `*`, `?` and characters (lex.go convertShellPatternToRegex)."""

    def __init__(self, text: str) -> None:
        self.signs: list[str] = []
        position = 0
        while position < len(text):
            sign = text[position]
            position += 1
            if sign == "\\":
                following = text[position : position + 1]
                position += 1
                if following not in {"}", "/", "*", "?", "\\"} or not following:
                    raise SubstitutionError(f"invalid escape '\\{following}'")
                self.signs.append("\\" + following)
            else:
                self.signs.append(sign)

    def lengths(self, text: str) -> list[int]:
        """Return how long the beginnings of a text are that match, shortest first."""
        found: list[int] = []
        last = len(self.signs)
        states = self._closed({0})
        for length in range(len(text) + 1):
            if last in states:
                found.append(length)
            if length == len(text) or not states:
                break
            states = self._closed(self._after(states, text[length]))
        return found

    def _after(self, states: set[int], sign: str) -> set[int]:
        after: set[int] = set()
        for state in states:
            if state == len(self.signs):
                continue
            wanted = self.signs[state]
            if wanted == "*":
                after.add(state)
            elif wanted == "?" or wanted[-1] == sign:
                after.add(state + 1)
        return after

    def _closed(self, states: set[int]) -> set[int]:
        pending = list(states)
        while pending:
            state = pending.pop()
            if state < len(self.signs) and self.signs[state] == "*" and state + 1 not in states:
                states.add(state + 1)
                pending.append(state + 1)
        return states


def _trimmed(text: str, word: str, operator: str) -> str:
    """`#` takes the shortest beginning that matches, `##` the longest; `%` the end."""
    greedy = word.startswith(operator)
    pattern = _Pattern(word[1:] if greedy else word)
    if len(text) * len(pattern.signs) > _EFFORT:
        raise UnseenError
    if operator == "%":
        pattern.signs.reverse()
        text = text[::-1]
    lengths = pattern.lengths(text)
    rest = text[lengths[-1 if greedy else 0] :] if lengths else text
    return rest[::-1] if operator == "%" else rest


def _substituted(text: str, pattern: _Pattern, replacement: str, *, everywhere: bool) -> str:
    if (len(text) + 1) ** 2 * (len(pattern.signs) + 1) > _EFFORT or "$" in replacement:
        raise UnseenError
    pieces: list[str] = []
    position = 0
    while position <= len(text):
        lengths = pattern.lengths(text[position:])
        # An empty match right behind another one does not count (Go regexp ReplaceAll).
        if not lengths or (lengths[-1] == 0 and everywhere and pieces and position == len(text)):
            pieces.append(text[position : position + 1])
            position += 1
            continue
        pieces.append(replacement)
        if not everywhere:
            return "".join((*pieces, text[position + lengths[-1] :]))
        pieces.append("" if lengths[-1] else text[position : position + 1])
        position += lengths[-1] or 1
    return "".join(pieces)
