"""Word expansion (POSIX.1-2017 XCU 2.6): tildes, parameters, substitutions, arithmetic."""

import re
from collections.abc import Callable, Sequence

from deployguard.model.evidence import Missing, Reason, Traced, distinct
from deployguard.model.structs import replace
from deployguard.shell import arithmetic, braces, parameters
from deployguard.shell.fields import DEFAULT_SPLITTING, Field, Piece, field, paths, split
from deployguard.shell.run import LeftError, Run
from deployguard.shell.special import special
from deployguard.shell.state import Flow, Kind, State, Status, assign, lookup
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
from deployguard.shell.utilities import accounts

_MOST_FIELDS = 4_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Operators that dash does not know.
_OF_OTHERS = re.compile(r"\+\+|--|\*\*|,")
_DEFAULTS = frozenset({"-", ":-", "=", ":=", "+", ":+", "?", ":?"})

Substitute = Callable[[Run, Substitution, State], tuple[Traced[str | None], State]]


class Expander:
    """Expands words in a state; `substitute` runs a command substitution."""

    def __init__(self, run: Run, substitute: Substitute) -> None:
        self.run = run
        self.substitute = substitute

    def fields(self, words: Sequence[Word], state: State) -> tuple[list[Field], State]:
        """Return the fields that words expand to, and the state after the expansions."""
        found: list[Field] = []
        for written in words:
            for word in self._braces(written):
                location = self.run.at(word.line)
                pieces, state = self._pieces(word, state)
                for entry in split(pieces, lookup(state, "IFS"), location):
                    found += paths(entry, state)
                self.run.spend(word.line, sum(len(piece.text or "") for piece in pieces))
                if len(found) > _MOST_FIELDS:
                    raise self.run.unclear("what the words of a command are", word.line)
        return found, state

    def text(self, word: Word, state: State, *, assigned: bool = False) -> tuple[Field, State]:
        """Return a word expanded to one text: nothing is split.

        What is `assigned` has tildes after colons too (XCU 2.6.1).
        """
        pieces, state = self._pieces(word, state, assigned=assigned)
        self.run.spend(word.line, sum(len(piece.text or "") for piece in pieces))
        joined = [
            replace(piece, text=" " if piece.text is None else piece.text) if piece.ends else piece
            for piece in pieces
        ]
        return field(joined, self.run.at(word.line)), state

    def _braces(self, word: Word) -> Sequence[Word]:
        is_bash = self.run.shell.among(Kind.BASH)
        if is_bash is False or not braces.has_braces(word):
            return (word,)
        if is_bash is None:
            raise self.run.unclear("what a brace expansion makes in this shell", word.line)
        found = braces.expanded(word)
        if found is None:
            raise self.run.unclear("what a brace expansion makes", word.line)
        return found

    def _pieces(
        self, word: Word, state: State, *, assigned: bool = False
    ) -> tuple[list[Piece], State]:
        found: list[Piece] = []
        for index, part in enumerate(word.parts):
            if isinstance(part, Literal) and not part.quoted:
                last = index == len(word.parts) - 1
                found += self._tildes(part.text, state, first=index == 0, last=last,
                                      assigned=assigned)  # fmt: skip
                continue
            pieces, state = self._part(part, state)
            found += pieces
        return found, state

    def _tildes(
        self, text: str, state: State, *, first: bool, last: bool, assigned: bool
    ) -> list[Piece]:
        """Expand a tilde at the start of a word, and after each colon of what is assigned."""
        if "~" not in text:
            return [Piece(text, quoted=False)]
        found: list[Piece] = []
        segments = text.split(":") if assigned else [text]
        for index, segment in enumerate(segments):
            if index:
                found.append(Piece(":", quoted=False))
            # A name that goes on in another part, as in ~$USER, is no tilde prefix.
            whole = "/" in segment or index < len(segments) - 1 or last
            if segment.startswith("~") and (first or index) and whole:
                found += self._home(segment, state)
            else:
                found.append(Piece(segment, quoted=False))
        return found

    def _home(self, text: str, state: State) -> list[Piece]:
        name, slash, rest = text.partition("/")
        known = {"~": "HOME", "~+": "PWD", "~-": "OLDPWD"}.get(name)
        value: Traced[str | None] | None
        if known is not None:
            value = self.variable(known, state, 1)
        else:
            folder = accounts.home(name[1:], state.files)
            value = None if folder is None else Traced(folder, self.run.at(1))
        missing = (Missing(Reason.VARIABLE, f"the directory {name}"),)
        home = (
            Piece(None, quoted=True, missing=missing)
            if value is None
            else Piece(value.value, quoted=True, missing=value.missing)
        )
        return [home, Piece(slash + rest, quoted=False)]

    def _part(self, part: Part, state: State) -> tuple[list[Piece], State]:
        match part:
            case Literal(text, quoted):
                return [Piece(text, quoted)], state
            case AnsiQuoted(text, raw, message):
                kind = self.run.shell.kind
                if kind is Kind.BASH:
                    return [Piece(text, quoted=True)], state
                if kind is Kind.DASH or (message and kind is Kind.BUSYBOX):
                    return [Piece(raw, quoted=True)], state
                return [Piece(None, quoted=True, missing=(self.run.shell.missing(),))], state
            case Unclear(text, quoted):
                missing = (Missing(Reason.SCRIPT, f"what the expansion {text} gives"),)
                return [Piece(None, quoted, split=not quoted, missing=missing)], state
            case Array():
                missing = (Missing(Reason.SCRIPT, "what an array holds"),)
                return [Piece(None, quoted=True, missing=missing)], state
            case Substitution(_, quoted):
                value, state = self.substitute(self.run, part, state)
                return [Piece(value.value, quoted, split=not quoted, missing=value.missing)], state
            case Arithmetic(expression, quoted):
                value, state = self.calculated(expression, state)
                piece = Piece(value.value, quoted, split=not quoted, missing=value.missing)
                return [piece], state
            case Parameter():
                return self._parameter(part, state)

    def variable(self, name: str, state: State, line: int) -> Traced[str | None] | None:
        """Return a variable, or what the shell sets by itself; None where it is unset."""
        value = lookup(state, name)
        if value is not None or name in state.env.removed:
            return value
        return special(self.run, name, state, self.run.at(line))

    def calculated(self, expression: Word, state: State) -> tuple[Traced[str | None], State]:
        """Return the value of an arithmetic expression, and the state after what it assigns."""
        entry, state = self.text(expression, state)
        location = self.run.at(expression.line)
        if entry.value is None:
            return entry.traced(), state
        if _OF_OTHERS.search(entry.value) and not self.run.shell.among(Kind.BASH, Kind.BUSYBOX):
            what = f"what (({entry.value[:80]})) gives in this shell"
            raise self.run.unclear(what, expression.line)
        unseen: list[Missing] = []

        def variable(name: str) -> str | None:
            value = self.variable(name, state, expression.line)
            if value is not None and value.value is None:
                unseen.extend(value.missing)
            return "" if value is None else value.value

        result = arithmetic.evaluate(entry.value, variable)
        if result is None:
            if not unseen or arithmetic.may_assign(entry.value):
                # An error, at which shells end each in its own way.
                raise self.run.unclear(f"what (({entry.value[:80]})) gives", expression.line)
            return Traced(None, location, missing=distinct(unseen)), state
        for name, number in result.assigned.items():
            state = assign(state, name, Traced(str(number), location))
        return Traced(str(result.value), location), state

    def _parameter(self, part: Parameter, state: State) -> tuple[list[Piece], State]:
        if part.index is not None:
            return self._indexed(part, part.index, state)
        if part.name in {"@", "*"}:
            return self._positional(part, state.positional, state.more, state)
        if part.name[0] == "!" and len(part.name) > 1:
            return self._indirect(part, state)
        if part.name.endswith(("[@]", "[*]")):
            return self._elements(part, state)
        value = self._value(part, state)
        if part.operator in _DEFAULTS:
            return self._conditional(part, value, state)
        if value is None:
            if "u" in state.options:
                raise LeftError(replace(state, flow=Flow.EXIT, status=Status(self._failure())))
            value = Traced("", self.run.at(part.argument.line))
        return self._changed(part, value, state)

    def _failure(self) -> int:
        return 1 if self.run.shell.kind is Kind.BASH else 2

    def _indexed(self, part: Parameter, index: Word, state: State) -> tuple[list[Piece], State]:
        """Expand `${name[expression]}`."""
        written, state = self.text(index, state)
        number, state = self.calculated(index, state)
        if written.value is not None and not written.value.strip():
            number = Traced(None, number.location)
        words = self._array(part.name, state, part.argument.line)
        if number.value is None or words is None:
            what = Missing(Reason.SCRIPT, f"the value of ${{{part.name}[...]}}")
            return self._untold(part, number.missing or (what,)), state
        place = int(number.value) + (len(words) if number.value.startswith("-") else 0)
        if not 0 <= place < 10_000:  # noqa: PLR2004  (as many digits as the parser reads)
            return self._untold(part, (Missing(Reason.SCRIPT, "an index of an array"),)), state
        return self._parameter(replace(part, name=f"{part.name}[{place}]", index=None), state)

    @staticmethod
    def _untold(part: Parameter, missing: tuple[Missing, ...]) -> list[Piece]:
        return [Piece(None, part.quoted, split=not part.quoted, missing=missing)]

    def _indirect(self, part: Parameter, state: State) -> tuple[list[Piece], State]:
        """Expand `${!name}`: the variable that another names (bash, 3.5.3)."""
        self._refused_by_dash(part, state)
        named = lookup(state, part.name[1:])
        if named is not None and named.value and _NAME.match(named.value):
            return self._parameter(replace(part, name=named.value), state)
        if named is None or named.value is not None:
            what = f"what the expansion ${{{part.name}}} gives"
            raise self.run.unclear(what, part.argument.line)
        return self._untold(part, named.missing), state

    def _refused_by_dash(self, part: Parameter, state: State, *others: Kind) -> None:
        """End the shell at an expansion that it does not know ("Bad substitution")."""
        if self.run.shell.kind in {Kind.BASH, *others}:
            return
        if self.run.shell.kind is Kind.DASH:
            raise LeftError(replace(state, flow=Flow.EXIT, status=Status(2)))
        what = f"what ${{{part.name}{part.operator}}} gives in this shell"
        raise self.run.unclear(what, part.argument.line)

    def _elements(self, part: Parameter, state: State) -> tuple[list[Piece], State]:
        """Expand all elements of an array, which is no other than the words of a script."""
        self._refused_by_dash(part, state)
        words = self._array(part.name[: -len("[@]")], state, part.argument.line)
        if words is None:
            what = Missing(Reason.SCRIPT, f"what the expansion ${{{part.name}}} gives")
            return [Piece(None, quoted=False, split=True, missing=(what,))], state
        if part.operator == ":":
            return self._slice_of_list(part, words, state)
        return self._positional(replace(part, name=part.name[-2]), words, (), state)

    def _array(self, name: str, state: State, line: int) -> tuple[Traced[str | None], ...] | None:
        """Return the elements of an array, None where they are not known."""
        location = self.run.at(line)
        if not self.run.shell.among(Kind.BASH) or state.doubt is not None or name in state.maps:
            return None
        match name:
            case "FUNCNAME":
                # At the bottom lies the script itself, as a function of the name main.
                running = (*state.callers, "main") if state.callers else ()
                return tuple(Traced(caller, location) for caller in running)
            case "BASH_SOURCE":
                return (Traced(location.file, location),) if location.pointer is None else None
            case _:
                value = self.variable(name, state, line)
                return state.arrays.get(name, () if value is None else (value,))

    def _value(self, part: Parameter, state: State) -> Traced[str | None] | None:
        location = self.run.at(part.argument.line)
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
        if bracket:
            self._refused_by_dash(part, state)
        if bracket or (base == "BASH_SOURCE" and self.run.shell.kind is Kind.BASH):
            words = self._array(base, state, part.argument.line)
            if words is None:
                missing = (Missing(Reason.SCRIPT, f"the value of ${part.name}"),)
                return Traced(None, location, missing=missing)
            number = int(index.rstrip("]") or "0")
            return words[number] if number < len(words) else None
        if not part.name.isdigit():
            return self.variable(part.name, state, part.argument.line)
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
    ) -> tuple[list[Piece], State]:
        """Expand a list of words; `more` says why an unknown number of others follows."""
        if part.operator in {"-", ":-", "+", ":+"}:
            empty = not words and not more
            if not empty and part.operator[0] == ":" and len(words) == 1 and not more:
                empty = words[0].value == ""
            if empty is part.operator.endswith("-"):
                return self._argument(part, state)
            if not part.operator.endswith("-"):
                return [], state
        elif part.operator == "length" and not more:
            return [Piece(str(len(words)), part.quoted, split=not part.quoted)], state
        elif part.operator == ":" and not more:
            return self._slice_of_list(part, [state.zero, *words], state)
        elif part.operator:
            return self._changed_list(part, words, more, state)
        return self._listed(part, words, more, state), state

    def _listed(
        self,
        part: Parameter,
        words: Sequence[Traced[str | None]],
        more: tuple[Missing, ...],
        state: State,
    ) -> list[Piece]:
        splitting = lookup(state, "IFS")
        joint = DEFAULT_SPLITTING if splitting is None else splitting.value
        unseen = () if splitting is None else splitting.missing
        between = Piece(None, quoted=True, ends=True)
        # Where nothing is split bash puts blanks between $@, the others the first letter of IFS.
        if part.name == "*" or self.run.shell.kind is not Kind.BASH:
            between = Piece(None if joint is None else joint[:1], quoted=True, missing=unseen,
                            ends=not (part.quoted and part.name == "*"))  # fmt: skip
        found: list[Piece] = []
        for index, word in enumerate(words):
            if index:
                found.append(between)
            found.append(
                Piece(word.value, part.quoted, split=not part.quoted, missing=word.missing)
            )
        if not words and part.quoted and part.name == "*":
            found.append(Piece("", quoted=True))
        if more:
            found += [
                Piece(None, quoted=True, ends=True),
                Piece(None, quoted=False, split=True, missing=more),
            ]
        return found

    def _slice_of_list(
        self, part: Parameter, items: Sequence[Traced[str | None]], state: State
    ) -> tuple[list[Piece], State]:
        """Expand `${@:offset:length}`; of the positional parameters the first is $0."""
        self._refused_by_dash(part, state)
        bounds, state = self._bounds(part, state)
        if isinstance(bounds, tuple):
            offset, length = bounds
            taken = parameters.part(items, offset, length)
            if taken is not None and (length is None or length >= 0):
                kind = "*" if "*" in part.name else "@"
                return self._listed(replace(part, name=kind, operator=""), taken, (), state), state
            bounds = Missing(Reason.SCRIPT, f"what the expansion of ${part.name} gives")
        return [Piece(None, quoted=False, split=True, missing=(bounds,))], state

    def _bounds(
        self, part: Parameter, state: State
    ) -> tuple[tuple[int, int | None] | Missing, State]:
        """Return the offset and length of `${name:offset:length}`."""
        offset, state = self.calculated(part.argument, state)
        length: Traced[str | None] | None = None
        if part.extra is not None:
            length, state = self.calculated(part.extra, state)
        if offset.value is None or (length is not None and length.value is None):
            missing = (*offset.missing, *(length.missing if length is not None else ()))
            return (missing or (Missing(Reason.SCRIPT, "a part of a text"),))[0], state
        end = None if length is None or length.value is None else int(length.value)
        return (int(offset.value), end), state

    def _changed_list(
        self,
        part: Parameter,
        words: Sequence[Traced[str | None]],
        more: tuple[Missing, ...],
        state: State,
    ) -> tuple[list[Piece], State]:
        """Apply an operator to each word of a list (bash)."""
        if more or self.run.shell.kind is not Kind.BASH:
            missing = Missing(Reason.SCRIPT, f"what the expansion of ${part.name} gives")
            return [Piece(None, quoted=False, split=True, missing=(missing,))], state
        made: list[Traced[str | None]] = []
        for word in words:
            (piece,), state = self._changed(part, word, state)
            made.append(replace(word, value=piece.text, missing=piece.missing))
        return self._listed(replace(part, operator=""), made, (), state), state

    def _argument(self, part: Parameter, state: State) -> tuple[list[Piece], State]:
        """Return the argument of an expansion; outside quotes its plain text is split too."""
        pieces, state = self._pieces(part.argument, state)
        return self._nothing(part) + [
            piece if piece.quoted or piece.ends else replace(piece, split=not part.quoted)
            for piece in pieces
        ], state

    @staticmethod
    def _nothing(part: Parameter) -> list[Piece]:
        """Return what is left of an empty expansion: within quotes an empty word."""
        return [Piece("", quoted=True)] if part.quoted else []

    def _conditional(
        self, part: Parameter, value: Traced[str | None] | None, state: State
    ) -> tuple[list[Piece], State]:
        if value is not None and value.value is None:
            if part.operator == "+":
                return self._argument(part, state)
            return self._untold(part, value.missing), state
        unset = value is None or (part.operator[0] == ":" and value.value == "")
        match part.operator[-1]:
            case "+":
                return (self._nothing(part), state) if unset else self._argument(part, state)
            case "?" if unset:
                raise LeftError(replace(state, flow=Flow.EXIT, status=Status(self._failure())))
            case "=" if unset:
                if not _NAME.match(part.name):
                    raise LeftError(replace(state, flow=Flow.EXIT, status=Status(self._failure())))
                entry, state = self.text(part.argument, state)
                state = assign(state, part.name, entry.traced())
                return [
                    Piece(entry.value, part.quoted, split=not part.quoted, missing=entry.missing)
                ], state
            case "-" if unset:
                return self._argument(part, state)
        text = "" if value is None else value.value
        return [Piece(text, part.quoted, split=not part.quoted)], state

    def _changed(
        self, part: Parameter, value: Traced[str | None], state: State
    ) -> tuple[list[Piece], State]:
        """Apply a length, trimming, replacing, cutting or case operator."""
        if part.operator == "":
            return [
                Piece(value.value, part.quoted, split=not part.quoted, missing=value.missing)
            ], state
        if part.operator not in parameters.OF_ALL_SHELLS:
            others = () if part.operator in parameters.OF_BASH_ALONE else (Kind.BUSYBOX,)
            self._refused_by_dash(part, state, *others)
        text: str | None = None
        if part.operator == ":":
            bounds, state = self._bounds(part, state)
            missing = (*value.missing, *((bounds,) if isinstance(bounds, Missing) else ()))
            if isinstance(bounds, tuple) and value.value is not None:
                found = parameters.part(value.value, *bounds)
                text = None if found is None else "".join(found)
        else:
            argument, state = self.text(part.argument, state)
            extra: Field | None = None
            if part.extra is not None:
                extra, state = self.text(part.extra, state)
            missing = (*value.missing, *argument.missing, *(extra.missing if extra else ()))
            anchored = argument.pattern[:1] in {"#", "%"} and part.operator == "/"
            if anchored and self.run.shell.kind is not Kind.BASH:
                missing = (self.run.missing(f"what ${{{part.name}/...}} gives here", 1),)
            if value.value is not None and not missing:
                text = parameters.applied(part.operator, value.value, argument, extra)
        if text is None and not missing:
            missing = (Missing(Reason.SCRIPT, f"what ${{{part.name}{part.operator}...}} gives"),)
        shown = missing if text is None else ()
        return [Piece(text, part.quoted, split=not part.quoted, missing=shown)], state
