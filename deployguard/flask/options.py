"""A command line as click's parser reads it (click.parser.OptionParser)."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from deployguard.flask.versions import Stack
from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python import Known, Opaque, Value

Normalize = Callable[[str], str | None]


class Option(Struct, frozen=True):
    """An option: its key and how many words it takes, none for a flag.

    `constant` is what a flag sets. `optional` says that the value may be left out.
    """

    key: str
    takes: int = 1
    constant: Value | None = None
    optional: bool = False


class Argument(Struct, frozen=True):
    """A positional argument: its key and how many words it takes, -1 for all that are left."""

    key: str
    takes: int = 1


class Given(Struct, frozen=True):
    """A parameter as it was given: its values, None where an optional one is left out."""

    values: tuple[Value, ...] | None
    place: Location


class Parsed(Struct):
    """What the parser made of the words.

    `given` has every occurrence of each key, `order` the keys in the order of the words. `rest` are
    the words that nothing took. `error` says why the command ends instead. `unseen` is what would
    have to be known to go on.
    """

    given: dict[str, list[Given]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    rest: tuple[Value, ...] = ()
    error: Evidence | None = None
    unseen: tuple[Missing, ...] = ()


class Grammar(Struct, frozen=True, kw_only=True):
    """What a command accepts.

    `options` are by name. Without `interspersed` the first argument ends the options, as in a
    group; `lenient` leaves unknown options among the arguments. `normalize` is what tokens are
    passed through, None where that cannot be told.
    """

    options: Mapping[str, Option]
    arguments: Sequence[Argument] = ()
    interspersed: bool = True
    lenient: bool = False
    normalize: Normalize | None = None


class _Refused(Exception):  # noqa: N818  (control flow: the words are refused)
    def __init__(self, note: Evidence) -> None:
        super().__init__()
        self.note = note


class _Unseen(Exception):  # noqa: N818  (control flow: a word cannot be told)
    def __init__(self, missing: tuple[Missing, ...]) -> None:
        super().__init__()
        self.missing = missing


def parse(words: Sequence[Value], grammar: Grammar, location: Location) -> Parsed:
    """Parse words; `location` is the place of those that have none of their own."""
    parser = _Parser(grammar, list(words), location)
    try:
        parser.options()
        parser.positional()
    except _Refused as refused:
        parser.parsed.error = refused.note
    except _Unseen as hidden:
        parser.parsed.unseen = hidden.missing
    return parser.parsed


def place_of(word: Value, location: Location) -> Location:
    """Return where a word stands."""
    return word.trail[-1].location if isinstance(word, Known) and word.trail else location


def split(name: str) -> tuple[str, str]:
    """Return the prefix of an option and the rest (click.parser.split_opt)."""
    first = name[:1]
    if first.isalnum():
        return "", name
    return (name[:2], name[2:]) if name[1:2] == first else (first, name[1:])


class _Parser:
    def __init__(self, grammar: Grammar, words: list[Value], location: Location) -> None:
        self.grammar = grammar
        self.words = words
        self.location = location
        self.left: list[Value] = []
        self.parsed = Parsed()
        self.prefixes = {"-", "--"}
        self.names: dict[str, Option] = {}
        for name, option in grammar.options.items():
            prefix, _ = split(name)
            self.prefixes |= {prefix[0], prefix}
            self.names[self._normal(name)] = option

    def _normal(self, name: str) -> str:
        if self.grammar.normalize is None:
            return name
        prefix, rest = split(name)
        made = self.grammar.normalize(rest)
        if made is None:
            raise _Unseen((Missing(Reason.SOURCE, f"what the option {name} is normalized to"),))
        return prefix + made

    def _text(self, word: Value) -> str:
        if isinstance(word, Known) and isinstance(word.value, str):
            return word.value
        missing = word.missing if isinstance(word, Opaque) else ()
        raise _Unseen(missing or (Missing(Reason.COMMAND, "a word of the command line"),))

    def options(self) -> None:
        while self.words:
            word = self.words.pop(0)
            text = self._text(word)
            if text == "--":
                return
            if text[:1] in self.prefixes and len(text) > 1:
                self._option(word, text)
            elif self.grammar.interspersed:
                self.left.append(word)
            else:
                self.words.insert(0, word)
                return

    def _option(self, word: Value, text: str) -> None:
        """Read a long option; what is none may be short ones, joined."""
        name, equals, value = text.partition("=")
        option = self.names.get(self._normal(name))
        short = len(split(name)[0]) == 1 and len(split(name)[1]) == 1
        if option is not None and not short:
            self._long(word, name, option, value if equals else None)
        elif text[:2] not in self.prefixes:
            self._short(word, text)
        elif self.grammar.lenient:
            self.left.append(word)
        else:
            self._refuse(word, f"there is no option {name}, so the command ends with an error")

    def _refuse(self, word: Value, note: str) -> None:
        raise _Refused(Evidence(place_of(word, self.location), note))

    def _long(self, word: Value, name: str, option: Option, value: str | None) -> None:
        if option.takes == 0:
            if value is not None:
                self._refuse(word, f"{name} takes no value, so the command ends with an error")
            self._flag(word, name, option)
            return
        if value is not None:
            self.words.insert(0, Known(value, word.trail if isinstance(word, Known) else ()))
        self._take(word, name, option)

    def _short(self, word: Value, text: str) -> None:
        """Short options may be joined; the first that takes a value takes the rest of the word."""
        unknown = ""
        for position, letter in enumerate(text[1:], start=2):
            name = self._normal(text[0] + letter)
            option = self.names.get(name)
            if option is None:
                if not self.grammar.lenient:
                    self._refuse(word, f"there is no option {name}, so the command ends")
                unknown += letter
                continue
            if option.takes == 0:
                self._flag(word, name, option)
                continue
            if position < len(text):
                trail = word.trail if isinstance(word, Known) else ()
                self.words.insert(0, Known(text[position:], trail))
            self._take(word, name, option)
            break
        if unknown:
            self.left.append(Known(text[0] + unknown))

    def _flag(self, word: Value, name: str, option: Option) -> None:
        place = place_of(word, self.location)
        value = option.constant
        if isinstance(value, Known):
            value = Known(value.value, (*value.trail, Evidence(place, f"{name} is given")))
        self._record(option.key, Given((value,) if value is not None else (), place))

    def _take(self, word: Value, name: str, option: Option) -> None:
        place = place_of(word, self.location)
        if len(self.words) < option.takes:
            if not option.optional:
                self._refuse(word, f"{name} wants a value, so the command ends with an error")
            self._record(option.key, Given(None, place))
            return
        following = self.words[0]
        if option.optional and option.takes == 1:
            text = self._text(following)
            if text[:1] in self.prefixes and len(text) > 1:
                self._record(option.key, Given(None, place))
                return
        values = tuple(self.words[: option.takes])
        for value in values:
            if isinstance(value, Opaque) and value.name == "items":
                raise _Unseen(value.missing)
        del self.words[: option.takes]
        self._record(option.key, Given(values, place))

    def _record(self, key: str, given: Given) -> None:
        self.parsed.given.setdefault(key, []).append(given)
        self.parsed.order.append(key)

    def positional(self) -> None:
        """Hand the remaining words to the arguments (click.parser._unpack_args)."""
        words = [*self.left, *self.words]
        if any(isinstance(word, Opaque) and word.name == "items" for word in words):
            raise _Unseen(next(word.missing for word in words if isinstance(word, Opaque)))
        arguments = list(self.grammar.arguments)
        greedy = next((i for i, argument in enumerate(arguments) if argument.takes < 0), None)
        after = arguments[greedy + 1 :] if greedy is not None else []
        kept = sum(argument.takes for argument in after)
        for position, argument in enumerate(arguments):
            if position == greedy:
                count = max(len(words) - kept, 0)
            else:
                count = min(argument.takes, len(words))
            taken, words = words[:count], words[count:]
            if taken and argument.takes > len(taken):
                self._refuse(taken[0], f"{argument.key} takes {argument.takes} values")
            if taken:
                place = place_of(taken[0], self.location)
                self._record(argument.key, Given(tuple(taken), place))
        self.parsed.rest = tuple(words)


_ON = frozenset({"1", "true", "t", "yes", "y", "on"})
_OFF = frozenset({"0", "false", "f", "no", "n", "off"})
# Before click 8 a Boolean was one of these words only (click 7 types.BoolParamType).
_ON_7 = frozenset({"true", "t", "1", "yes", "y"})
_OFF_7 = frozenset({"false", "f", "0", "no", "n"})


def boolean(text: str, stack: Stack) -> bool | None:
    """Read a text as click's BOOL does, None where it refuses it."""
    if stack.click < (8,):
        word = text.lower()
        return True if word in _ON_7 else False if word in _OFF_7 else None
    word = text.strip().lower()
    if word == "":
        # From click 8.3 on the empty text is one of the words for false.
        return False if stack.click >= (8, 3) else None
    return True if word in _ON else False if word in _OFF else None
