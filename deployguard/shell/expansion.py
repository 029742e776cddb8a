"""Word expansion (POSIX.1-2017 XCU 2.6): parameters, substitutions, field splitting, pathnames."""

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployguard.effective.search import absolute
from deployguard.model.evidence import Location, Missing, Reason, Traced, distinct
from deployguard.model.filesystem import Absent, Stat, Unread
from deployguard.shell import arithmetic, patterns
from deployguard.shell.state import Flow, Shell, State, Status, assign, lookup
from deployguard.shell.syntax import (
    AnsiQuoted,
    Arithmetic,
    Array,
    Literal,
    Parameter,
    Part,
    Substitution,
    Unclear,
    Word,
)

_LONGEST_TRIMMED = 4096
_MOST_PATHS = 2000
_BRACES = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DEFAULT_SPLITTING = " \t\n"


@dataclass(frozen=True, slots=True)
class Field:
    """A word after expansion.

    `value` is None where it is not seen; `several` says that it may then be any number of words.
    `pattern` is the text with its quoted signs escaped, `known` what stands before the first
    unseen part.
    """

    value: str | None
    pattern: str
    known: str
    several: bool
    missing: tuple[Missing, ...]
    location: Location

    def traced(self) -> Traced[str | None]:
        """Return the field as a value."""
        return Traced(self.value, self.location, missing=self.missing)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Expanded text; `split` marks what field splitting looks at, `ends` the end of a field."""

    text: str | None
    quoted: bool
    split: bool = False
    ends: bool = False
    missing: tuple[Missing, ...] = ()


class Expander:
    """Expands words in a state; `substitute` runs a command substitution."""

    def __init__(
        self,
        shell: Shell,
        substitute: Callable[[Substitution, State], tuple[Traced[str | None], State]],
        locate: Callable[[int], Location],
    ) -> None:
        self.shell = shell
        self.substitute = substitute
        self.locate = locate

    def fields(self, words: tuple[Word, ...], state: State) -> tuple[list[Field], State]:
        """Return the fields that words expand to, and the state after the expansions."""
        found: list[Field] = []
        for word in words:
            location = self.locate(word.line)
            if self._has_braces(word):
                missing = (Missing(Reason.SCRIPT, "what a brace expansion makes"),)
                found.append(Field(None, "", "", several=True, missing=missing, location=location))
                continue
            pieces, state = self._pieces(word, state)
            for entry in _split(pieces, lookup(state, "IFS"), location):
                found += self._paths(entry, state)
        return found, state

    def text(self, word: Word, state: State) -> tuple[Field, State]:
        """Return a word expanded to one text, as in an assignment: nothing is split."""
        pieces, state = self._pieces(word, state)
        joined = [replace(piece, text=" ") if piece.ends else piece for piece in pieces]
        return _field(joined, self.locate(word.line)), state

    def _has_braces(self, word: Word) -> bool:
        return self.shell.bash is not False and any(
            isinstance(part, Literal) and not part.quoted and _BRACES.search(part.text)
            for part in word.parts
        )

    def _pieces(self, word: Word, state: State) -> tuple[list[_Piece], State]:
        found: list[_Piece] = []
        for index, part in enumerate(word.parts):
            if index == 0 and isinstance(part, Literal) and not part.quoted:
                found += self._tilde(part.text, state)
                continue
            pieces, state = self._part(part, state)
            found += pieces
        return found, state

    def _tilde(self, text: str, state: State) -> list[_Piece]:
        if not text.startswith("~"):
            return [_Piece(text, quoted=False)]
        name, slash, rest = text.partition("/")
        home = lookup(state, "HOME")
        if name != "~" or home is None:
            missing = Missing(Reason.VARIABLE, f"the directory {name}")
            return [
                _Piece(None, quoted=True, missing=(missing,)),
                _Piece(slash + rest, quoted=False),
            ]
        return [
            _Piece(home.value, quoted=True, missing=home.missing),
            _Piece(slash + rest, quoted=False),
        ]

    def _part(self, part: Part, state: State) -> tuple[list[_Piece], State]:
        match part:
            case Literal(text, quoted):
                return [_Piece(text, quoted)], state
            case AnsiQuoted(text):
                if self.shell.bash:
                    return [_Piece(text, quoted=True)], state
                return [_Piece(None, quoted=True, missing=(self.shell.missing,))], state
            case Unclear(text, quoted):
                missing = Missing(Reason.SCRIPT, f"what the expansion {text} gives")
                return [_Piece(None, quoted, split=not quoted, missing=(missing,))], state
            case Array():
                missing = Missing(Reason.SCRIPT, "what an array holds")
                return [_Piece(None, quoted=True, missing=(missing,))], state
            case Substitution(_, quoted):
                value, state = self.substitute(part, state)
                return [_Piece(value.value, quoted, split=not quoted, missing=value.missing)], state
            case Arithmetic(expression, quoted):
                return self._arithmetic(expression, state, quoted=quoted)
            case Parameter():
                return self._parameter(part, state)

    def calculated(self, expression: Word, state: State) -> tuple[Traced[str | None], State]:
        """Return the value of an arithmetic expression."""
        entry, state = self.text(expression, state)
        location = self.locate(expression.line)
        if entry.value is None:
            return entry.traced(), state
        unseen: list[Missing] = []

        def variable(name: str) -> str | None:
            value = lookup(state, name)
            if value is not None and value.value is None:
                unseen.extend(value.missing)
            return "" if value is None else value.value

        result = arithmetic.evaluate(entry.value, variable)
        if result is None:
            missing = Missing(Reason.SCRIPT, f"the value of $(({entry.value}))")
            return Traced(None, location, missing=distinct(unseen) or (missing,)), state
        return Traced(str(result), location), state

    def _arithmetic(
        self, expression: Word, state: State, *, quoted: bool
    ) -> tuple[list[_Piece], State]:
        value, state = self.calculated(expression, state)
        return [_Piece(value.value, quoted, missing=value.missing)], state

    def _parameter(self, part: Parameter, state: State) -> tuple[list[_Piece], State]:
        if part.name in {"@", "*"}:
            return self._positional(part, state.positional, state.more, state)
        if part.name[0] == "!" and len(part.name) > 1:
            return self._indirect(part, state)
        if part.name.endswith(("[@]", "[*]")):
            return self._elements(part, state)
        value = self._value(part, state)
        if part.operator in {"-", ":-", "=", ":=", "+", ":+", "?", ":?"}:
            return self._conditional(part, value, state)
        if value is None:
            if "u" in state.options and part.operator == "":
                return [], replace(state, flow=Flow.EXIT, status=Status(2))
            value = Traced("", self.locate(part.argument.line))
        return self._changed(part, value, state)

    def _indirect(self, part: Parameter, state: State) -> tuple[list[_Piece], State]:
        """Expand `${!name}`: the variable that another names (bash, 3.5.3)."""
        named = lookup(state, part.name[1:])
        if self.shell.bash and named is not None and named.value and _NAME.match(named.value):
            return self._parameter(replace(part, name=named.value), state)
        missing = () if named is None else named.missing
        what = Missing(Reason.SCRIPT, f"what the expansion ${{{part.name}}} gives")
        return [_Piece(None, part.quoted, split=not part.quoted, missing=missing or (what,))], state

    def _elements(self, part: Parameter, state: State) -> tuple[list[_Piece], State]:
        """Expand all elements of an array, which is no other than the words of a script."""
        words = self._array(part.name[: -len("[@]")], state, part.argument.line)
        if words is None:
            what = Missing(Reason.SCRIPT, f"what the expansion ${{{part.name}}} gives")
            return [_Piece(None, quoted=False, split=True, missing=(what,))], state
        if part.operator == "length":
            return [_Piece(str(len(words)), part.quoted)], state
        return self._positional(replace(part, name=part.name[-2]), words, (), state)

    def _array(self, name: str, state: State, line: int) -> tuple[Traced[str | None], ...] | None:
        """Return the elements of an array, None where they are not known."""
        location = self.locate(line)
        if not self.shell.bash or state.doubt is not None:
            return None
        match name:
            case "FUNCNAME":
                # At the bottom lies the script itself, as a function of the name main.
                running = (*state.callers, "main") if state.callers else ()
                return tuple(Traced(caller, location) for caller in running)
            case "BASH_SOURCE":
                return (Traced(location.file, location),) if location.pointer is None else None
            case _:
                value = lookup(state, name)
                return state.arrays.get(name, () if value is None else (value,))

    def _value(self, part: Parameter, state: State) -> Traced[str | None] | None:
        location = self.locate(part.argument.line)
        match part.name:
            case "#":
                if state.more:
                    return Traced(None, location, missing=state.more)
                return Traced(str(len(state.positional)), location)
            case "?":
                code = state.status.code
                missing = (state.status.missing,) if state.status.missing else ()
                return Traced(None if code is None else str(code), location, missing=missing)
            case "$" | "!" | "-":
                missing = (Missing(Reason.SCRIPT, f"the value of ${part.name}"),)
                return Traced(None, location, missing=missing)
            case "0":
                return state.zero
            case _:
                pass
        base, bracket, index = part.name.partition("[")
        if bracket or (base == "BASH_SOURCE" and self.shell.bash):
            words = self._array(base, state, part.argument.line)
            if words is None:
                missing = (Missing(Reason.SCRIPT, f"the value of ${part.name}"),)
                return Traced(None, location, missing=missing)
            number = int(index.rstrip("]") or "0")
            return words[number] if number < len(words) else None
        if not part.name.isdigit():
            return lookup(state, part.name)
        place = int(part.name) - 1 if len(part.name) < 5 else len(state.positional)  # noqa: PLR2004
        if place < len(state.positional):
            return state.positional[place]
        return Traced(None, location, missing=state.more) if state.more else None

    def _positional(
        self,
        part: Parameter,
        words: Sequence[Traced[str | None]],
        more: tuple[Missing, ...],
        state: State,
    ) -> tuple[list[_Piece], State]:
        """Expand a list of words; `more` says why an unknown number of others follows."""
        if part.operator in {"-", ":-", "+", ":+"}:
            empty = not words and not more
            if empty is part.operator.endswith("-"):
                return self._argument(part, state)
            if not part.operator.endswith("-"):
                return [], state
        elif part.operator:
            missing = Missing(Reason.SCRIPT, f"what the expansion of ${part.name} gives")
            return [_Piece(None, quoted=False, split=True, missing=(missing,))], state
        found: list[_Piece] = []
        for index, word in enumerate(words):
            if index:
                found.append(
                    _Piece(" ", quoted=True)
                    if part.quoted and part.name == "*"
                    else _Piece(None, quoted=True, ends=True)
                )
            found.append(
                _Piece(word.value, part.quoted, split=not part.quoted, missing=word.missing)
            )
        if more:
            found += [
                _Piece(None, quoted=True, ends=True),
                _Piece(None, quoted=False, split=True, missing=more),
            ]
        return found, state

    def _argument(self, part: Parameter, state: State) -> tuple[list[_Piece], State]:
        """Return the argument of an expansion; outside quotes its plain text is split too."""
        pieces, state = self._pieces(part.argument, state)
        return [
            piece if piece.quoted or piece.ends else replace(piece, split=not part.quoted)
            for piece in pieces
        ], state

    def _conditional(
        self, part: Parameter, value: Traced[str | None] | None, state: State
    ) -> tuple[list[_Piece], State]:
        if value is not None and value.value is None:
            return [_Piece(None, part.quoted, split=not part.quoted, missing=value.missing)], state
        unset = value is None or (part.operator[0] == ":" and value.value == "")
        match part.operator[-1]:
            case "+":
                return ([], state) if unset else self._argument(part, state)
            case "?" if unset:
                return [], replace(state, flow=Flow.EXIT, status=Status(2))
            case "=" if unset:
                entry, state = self.text(part.argument, state)
                state = assign(state, part.name, entry.traced())
                return [
                    _Piece(entry.value, part.quoted, split=not part.quoted, missing=entry.missing)
                ], state
            case "-" if unset:
                return self._argument(part, state)
        text = "" if value is None else value.value
        return [_Piece(text, part.quoted, split=not part.quoted)], state

    def _changed(
        self, part: Parameter, value: Traced[str | None], state: State
    ) -> tuple[list[_Piece], State]:
        """Apply a length, trimming, replacing or case operator."""
        argument, state = self.text(part.argument, state)
        missing = (*value.missing, *argument.missing)
        text = value.value
        if text is not None and part.operator != "":
            if argument.value is None or len(text) > _LONGEST_TRIMMED:
                text = None
            else:
                text = _applied(part.operator, text, argument)
            if text is None and not missing:
                what = f"what ${{{part.name}{part.operator}...}} gives"
                missing = (Missing(Reason.SCRIPT, what),)
        return [
            _Piece(
                text, part.quoted, split=not part.quoted, missing=missing if text is None else ()
            )
        ], state

    def _paths(self, entry: Field, state: State) -> list[Field]:
        """Expand a field to the files its pattern names, or keep it where there are none."""
        if entry.value is None or "f" in state.options or not patterns.is_pattern(entry.pattern):
            return [entry]
        start = absolute(entry.pattern, state.cwd)
        names = start if isinstance(start, Unread) else _paths_of(entry.pattern, start, state)
        if isinstance(names, Unread):
            return [replace(entry, value=None, several=True, missing=(names.missing,))]
        return [replace(entry, value=name, pattern=name, known=name) for name in names] or [entry]


def _applied(operator: str, text: str, argument: Field) -> str | None:
    match operator:
        case "length":
            return str(len(text))
        case "#" | "##":
            return patterns.without_prefix(text, argument.pattern, longest=operator == "##")
        case "%" | "%%":
            return patterns.without_suffix(text, argument.pattern, longest=operator == "%%")
        case "^^":
            return None if argument.value else text.upper()
        case ",,":
            return None if argument.value else text.lower()
        case "/" | "//":
            old, _, new = (argument.value or "").partition("/")
            if patterns.is_pattern(argument.pattern) or not old or old[0] in "#%":
                return None
            return text.replace(old, new, -1 if operator == "//" else 1)
        case ":":
            places = re.fullmatch(
                r"\s*([0-9]{1,6})\s*(?::\s*([0-9]{1,6})\s*)?", argument.value or ""
            )
            if places is None:
                return None
            start = int(places[1])
            return text[start : start + int(places[2])] if places[2] else text[start:]
        case _:
            return None


def _split(
    pieces: list[_Piece], splitting: Traced[str | None] | None, location: Location
) -> list[Field]:
    """Split pieces into fields at the letters of IFS (XCU 2.6.5)."""
    letters = _DEFAULT_SPLITTING if splitting is None else splitting.value
    found: list[Field] = []
    current: list[_Piece] = []
    started = False

    def end() -> None:
        nonlocal started
        if started:
            found.append(_field(current, location))
        current.clear()
        started = False

    for piece in pieces:
        if piece.ends:
            end()
        elif piece.quoted or not piece.split:
            current.append(piece)
            started = started or piece.quoted or bool(piece.text) or piece.text is None
        elif piece.text is None or (letters is None and piece.text):
            missing = piece.missing or (splitting.missing if splitting is not None else ())
            current.append(replace(piece, text=None, missing=missing))
            started = True
        else:
            signs = letters or ""
            blank = "".join(letter for letter in signs if letter in _DEFAULT_SPLITTING)
            hard = "".join(letter for letter in signs if letter not in _DEFAULT_SPLITTING)
            for text, cut in _cut(piece.text, blank, hard):
                if text:
                    current.append(_Piece(text, quoted=False))
                    started = True
                if cut:
                    started = started or cut == "hard"
                    end()
    end()
    return found


def _cut(text: str, blank: str, hard: str) -> list[tuple[str, str]]:
    """Return pieces of a text with what ends each: "", "blank", or "hard" for other IFS letters."""
    if not blank and not hard:
        return [(text, "")]
    found: list[tuple[str, str]] = []
    start = at = 0
    while at < len(text):
        if text[at] not in blank + hard:
            at += 1
            continue
        stop, is_hard = at, False
        while stop < len(text) and (text[stop] in blank or (text[stop] in hard and not is_hard)):
            is_hard = is_hard or text[stop] in hard
            stop += 1
        found.append((text[start:at], "hard" if is_hard else "blank"))
        start = at = stop
    return [*found, (text[start:], "")]


def _field(pieces: list[_Piece], location: Location) -> Field:
    unseen = [piece for piece in pieces if piece.text is None]
    known: list[str] = []
    for piece in pieces:
        if piece.text is None:
            break
        known.append(piece.text)
    if unseen:
        return Field(
            None,
            "",
            "".join(known),
            several=any(piece.split for piece in unseen),
            missing=distinct(name for piece in unseen for name in piece.missing),
            location=location,
        )
    text = "".join(known)
    pattern = "".join(
        patterns.escaped(piece.text or "") if piece.quoted else piece.text or "" for piece in pieces
    )
    return Field(text, pattern, text, several=False, missing=(), location=location)


def _paths_of(pattern: str, start: str, state: State) -> list[str] | Unread:
    """Return the paths a pattern names, spelled as the pattern is, sorted."""
    found = [("", "/")] if pattern.startswith("/") else [("", state.cwd.value or "/")]
    for step in pattern.strip("/").split("/"):
        following: list[tuple[str, str]] = []
        for spelled, path in found:
            names: tuple[str, ...] | Absent | Unread
            if patterns.is_pattern(step):
                names = state.files.list(path)
                if isinstance(names, Unread):
                    return names
                names = () if isinstance(names, Absent) else names
                hidden = step.startswith(".")
                names = tuple(
                    name
                    for name in names
                    if (hidden or not name.startswith(".")) and patterns.matches(step, name)
                )
            else:
                names = (patterns.plain(step),)
            for name in names:
                place = posixpath.join(path, name)
                there = state.files.stat(place)
                if isinstance(there, Unread):
                    return there
                if isinstance(there, Stat):
                    following.append((f"{spelled}/{name}" if spelled else name, place))
        found = following
        if len(found) > _MOST_PATHS:
            return Unread(Missing(Reason.LIMIT, f"the files that {start} names"))
    root = "/" if pattern.startswith("/") else ""
    return sorted(root + spelled for spelled, _ in found)
