"""A server's command line, as its option parser reads it: argparse, optparse, getopt or click."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.process import Word
from deployguard.model.structs import replace


class Takes(StrEnum):
    """What follows an option."""

    NOTHING = "nothing"
    VALUE = "value"
    ATTACHED = "attached"  # a value only behind "=" (getopt's optional_argument)
    MAYBE = "maybe"  # the next word, unless it is an option (argparse's nargs="?")
    PAIR = "pair"  # two words (optparse's nargs=2), each taken by itself


class Syntax(Struct, frozen=True, kw_only=True):
    """How a command reads its words.

    `options` has the key of each spelling, and what follows it. `abbreviated`: a unique beginning
    of a long option stands for it. `permuted`: options may follow the first argument.
    """

    options: Mapping[str, tuple[str, Takes]]
    abbreviated: bool = True
    permuted: bool = True

    def find(self, name: str) -> tuple[str, Takes] | None:
        """Return the option of a spelling, None where there is none or it stands for several."""
        found = self.options.get(name)
        if found is not None or not self.abbreviated or not name.startswith("--"):
            return found
        meant = {option for spelled, option in self.options.items() if spelled.startswith(name)}
        return meant.pop() if len(meant) == 1 else None


def syntax(
    *,
    values: str,
    flags: str,
    maybe: str = "",
    attached: str = "",
    pairs: str = "",
    abbreviated: bool = True,
    permuted: bool = True,
) -> Syntax:
    """Return a syntax of options by name: "-b|--bind" are two spellings of the key "bind"."""
    options: dict[str, tuple[str, Takes]] = {}
    for text, takes in (
        (values, Takes.VALUE),
        (flags, Takes.NOTHING),
        (maybe, Takes.MAYBE),
        (attached, Takes.ATTACHED),
        (pairs, Takes.PAIR),
    ):
        for entry in text.split():
            spellings = entry.split("|")
            key = next((name for name in spellings if name.startswith("--")), spellings[0])
            options |= {name: (key.lstrip("-"), takes) for name in spellings}
    return Syntax(options=options, abbreviated=abbreviated, permuted=permuted)


class Words(Struct):
    """A command line that was read: every value of each option in order, and the arguments.

    An option without a value holds its own word. `refused` says why the command ends with an error
    instead, `unseen` what would have to be known to read on.
    """

    given: dict[str, list[Word]] = field(default_factory=dict)
    order: list[tuple[str, Word]] = field(default_factory=list)
    arguments: list[Word] = field(default_factory=list)
    refused: Evidence | None = None
    unseen: tuple[Missing, ...] = ()

    def last(self, *keys: str) -> Word | None:
        """Return the last value of an option, whichever of the keys it was given under."""
        found = [word for key, word in self.order if key in keys]
        return found[-1] if found else None

    def all(self, key: str) -> tuple[Word, ...]:
        """Return every value of an option."""
        return tuple(self.given.get(key, ()))

    def take(self, key: str, word: Word) -> None:
        """Record a value of an option."""
        self.given.setdefault(key, []).append(word)
        self.order.append((key, word))


def read(given: Sequence[Word], rules: Syntax) -> Words:
    """Read the words of a command."""
    words = Words()
    pending = list(given)
    while pending and words.refused is None and not words.unseen:
        word = pending.pop(0)
        if word.value is None:
            words.unseen = word.missing or (Missing(Reason.COMMAND, "a word of the command"),)
        elif word.value == "--":
            words.arguments.extend(pending)
            break
        elif not word.value.startswith("-") or word.value == "-":
            words.arguments.append(word)
            if not rules.permuted:
                words.arguments.extend(pending)
                break
        elif word.value.startswith("--"):
            _long(words, word, word.value, rules, pending)
        else:
            _short(words, word, word.value, rules, pending)
    return words


def _long(words: Words, word: Word, text: str, rules: Syntax, pending: list[Word]) -> None:
    name, equals, value = text.partition("=")
    found = rules.find(name)
    if found is None:
        words.refused = _refusal(word.location, f"there is no option {name}")
        return
    key, takes = found
    if equals and takes is Takes.NOTHING:
        words.refused = _refusal(word.location, f"{name} takes no value")
    elif equals:
        words.take(key, replace(word, value=value))
    else:
        _following(words, word, name, found, pending)


def _following(
    words: Words, word: Word, name: str, found: tuple[str, Takes], pending: list[Word]
) -> None:
    key, takes = found
    match takes:
        case Takes.NOTHING | Takes.ATTACHED:
            words.take(key, word)
        case Takes.MAYBE:
            following = pending[0].value if pending else "-"
            takes_it = following is None or not following.startswith("-")
            words.take(key, pending.pop(0) if takes_it else word)
        case Takes.VALUE if pending:
            words.take(key, pending.pop(0))
        case Takes.PAIR if len(pending) > 1:
            words.take(key, pending.pop(0))
            words.take(key, pending.pop(0))
        case Takes.VALUE | Takes.PAIR:
            words.refused = _refusal(word.location, f"{name} wants a value")


def _short(words: Words, word: Word, text: str, rules: Syntax, pending: list[Word]) -> None:
    """Short options may be joined; the first that takes a value takes the rest of the word."""
    for position, letter in enumerate(text[1:], start=1):
        found = rules.options.get(f"-{letter}")
        if found is None:
            words.refused = _refusal(word.location, f"there is no option -{letter}")
            return
        key, takes = found
        rest = text[position + 1 :]
        if takes is Takes.NOTHING:
            words.take(key, word)
        elif rest:
            words.take(key, replace(word, value=rest.removeprefix("=")))
            return
        else:
            _following(words, word, f"-{letter}", found, pending)
            return


def _refusal(place: Location, why: str) -> Evidence:
    return Evidence(place, f"{why}, so the command ends with an error")
