"""Options of a command line as getopt_long, argparse and click read them."""

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct, field

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.process import Word
from deployguard.model.structs import replace


class Syntax(Struct, frozen=True, kw_only=True):
    """The options of one program by their spelling ("-n", "--adjustment").

    Those in `values` take a value, attached or in the next word; those in `optional` take one only
    attached. Those in `ends` print something and end. `abbreviated` admits the beginning of a long
    option (getopt_long, argparse); `interleaved` admits options after the first plain word. Where
    the options are `complete`, a program ends at another one.
    """

    flags: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    abbreviated: bool = True
    interleaved: bool = False
    complete: bool = False

    def long(self) -> Iterator[str]:
        """Yield every long option."""
        for names in (self.flags, self.values, self.optional, self.ends):
            yield from (name for name in names if name.startswith("--"))


class Given(Struct, frozen=True):
    """An option as it was given; `value` is None for one without a value."""

    name: str
    value: Word | None
    word: Word


class Read(Struct, frozen=True):
    """The options in order, and the words that are none."""

    given: tuple[Given, ...] = ()
    rest: tuple[Word, ...] = ()
    separated: bool = field(default=False)  # whether a "--" stood before the rest

    def has(self, *names: str) -> bool:
        """Say whether one of these options was given."""
        return any(one.name in names for one in self.given)

    def last(self, *names: str) -> Word | None:
        """Return the value of the last of these options, None where none was given."""
        return next((one.value for one in reversed(self.given) if one.name in names), None)

    def all(self, *names: str) -> tuple[Word, ...]:
        """Return the values of these options in order."""
        return tuple(one.value for one in self.given if one.name in names and one.value is not None)


def syntax(
    *,
    flags: str = "",
    values: str = "",
    optional: str = "",
    ends: str = "-h --help -V --version",
    abbreviated: bool = True,
    interleaved: bool = False,
) -> Syntax:
    """Return a syntax from the spellings of its options, separated by blanks."""
    taken = frozenset(f"{flags} {values} {optional}".split())
    return Syntax(
        flags=frozenset(flags.split()),
        values=frozenset(values.split()),
        optional=frozenset(optional.split()),
        ends=frozenset(ends.split()) - taken,
        abbreviated=abbreviated,
        interleaved=interleaved,
    )


def hidden(word: Word) -> Missing:
    """Return what is missing of a word that cannot be seen."""
    return word.missing[0] if word.missing else Missing(Reason.COMMAND, "a word of the command")


def read(name: str, words: Sequence[Word], known: Syntax) -> Read | Missing | Evidence:
    """Read the options of a program called `name`.

    Returns what is missing where a word cannot be seen or an option is not known, and the evidence
    where the program only prints and ends, or refuses its words.
    """
    given: list[Given] = []
    rest: list[Word] = []
    pending = list(words)
    while pending:
        word = pending[0]
        if word.value is None:
            if rest and not known.interleaved:
                break
            return hidden(word)
        if word.value == "--":
            return Read(tuple(given), (*rest, *pending[1:]), separated=True)
        if not word.value.startswith("-") or word.value == "-":
            if not known.interleaved:
                break
            rest.append(pending.pop(0))
            continue
        pending.pop(0)
        found = (_long if word.value.startswith("--") else _short)(name, word, pending, known)
        if not isinstance(found, list):
            return found
        given.extend(found)
    return Read(tuple(given), (*rest, *pending))


def read_command(
    name: str, words: Sequence[Word], known: Syntax, commands: Collection[str] = ("run",)
) -> tuple[Read, Read | None] | Missing | Evidence:
    """Read the options of a program, and behind the name of a command those of that command.

    The second is None where another command is named, or none; the rest of the first begins there.
    """
    group = read(name, words, known)
    if not isinstance(group, Read):
        return group
    if not group.rest or group.rest[0].value not in commands:
        return group, None
    own = read(name, group.rest[1:], known)
    return (group, own) if isinstance(own, Read) else own


def _long(
    name: str, word: Word, pending: list[Word], known: Syntax
) -> list[Given] | Missing | Evidence:
    option, equals, value = (word.value or "").partition("=")
    option = _completed(option, known)
    if option in known.ends:
        return Evidence(word.location, f"{name} {option} prints and ends")
    attached = replace(word, value=value) if equals else None
    if option in known.values:
        if attached is None and not pending:
            return Evidence(word.location, f"{name} ends: its option {option} lacks a value")
        return [Given(option, attached or pending.pop(0), word)]
    if option in known.optional:
        return [Given(option, attached, word)]
    if option in known.flags:
        if equals:
            return Evidence(word.location, f"{name} ends: its option {option} takes no value")
        return [Given(option, None, word)]
    return _foreign(name, option, word, known)


def _completed(option: str, known: Syntax) -> str:
    """Return the long option that an unambiguous beginning stands for."""
    names = set(known.long())
    if option in names or not known.abbreviated:
        return option
    longer = [one for one in names if one.startswith(option)]
    return longer[0] if len(longer) == 1 else option


def _short(
    name: str, word: Word, pending: list[Word], known: Syntax
) -> list[Given] | Missing | Evidence:
    """Read joined short options; the first that takes a value takes the rest of the word."""
    text = word.value or ""
    if text in known.values | known.flags | known.optional:
        # Some programs have words with one dash: java, dockerize, find.
        return _whole(name, text, word, pending, known)
    found: list[Given] = []
    for position, letter in enumerate(text[1:], start=1):
        option, rest = f"-{letter}", text[position + 1 :]
        if option in known.ends:
            return Evidence(word.location, f"{name} {option} prints and ends")
        if option in known.values:
            if not rest and not pending:
                return Evidence(word.location, f"{name} ends: its option {option} lacks a value")
            value = replace(word, value=rest) if rest else pending.pop(0)
            return [*found, Given(option, value, word)]
        if option in known.optional:
            return [*found, Given(option, replace(word, value=rest) if rest else None, word)]
        if option not in known.flags:
            return _foreign(name, option if len(text) == 2 else text, word, known)  # noqa: PLR2004
        found.append(Given(option, None, word))
    return found


def _whole(
    name: str, text: str, word: Word, pending: list[Word], known: Syntax
) -> list[Given] | Missing | Evidence:
    if text not in known.values:
        return [Given(text, None, word)]
    if not pending:
        return Evidence(word.location, f"{name} ends: its option {text} lacks a value")
    return [Given(text, pending.pop(0), word)]


def _foreign(name: str, option: str, word: Word, known: Syntax) -> Missing | Evidence:
    if known.complete:
        return Evidence(word.location, f"{name} ends: it knows no option {option}")
    return Missing(Reason.COMMAND, f"what the option {option} of {name} does")
