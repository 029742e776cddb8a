"""A command line as click's parser reads it: long and short options, flags, and the first word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.model.process import Word


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its key, whether it takes a value, and what a flag sets."""

    key: str
    takes_value: bool = False
    sets: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it was given: a flag's setting or a value, and its word."""

    value: bool | str | None
    word: Word


@dataclass(slots=True)
class Parsed:
    """What the parser made of the words.

    `given` has the last of each option. `rest` are the words from the first argument on (a group)
    or all arguments. `error` says why the program ends with status 2 instead. `unseen` is what
    would have to be known to go on.
    """

    given: dict[str, Given] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    rest: tuple[Word, ...] = ()
    error: Evidence | None = None
    unseen: tuple[Missing, ...] = ()


def parse(words: Sequence[Word], options: Mapping[str, Option], *, group: bool) -> Parsed:
    """Parse words as click.parser.OptionParser: a group stops at its first argument."""
    parsed = Parsed()
    arguments: list[Word] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word.value is None:
            parsed.unseen = word.missing or (Missing(Reason.COMMAND, "a word of the command line"),)
            return parsed
        if word.value == "--":
            arguments.extend(pending)
            break
        if not word.value.startswith("-") or word.value == "-":
            arguments.append(word)
            if group:
                arguments.extend(pending)
                break
            continue
        if word.value.startswith("--"):
            _long(parsed, word, word.value, options, pending)
        else:
            _short(parsed, word, word.value, options, pending)
        if parsed.error is not None or parsed.unseen:
            return parsed
    parsed.rest = tuple(arguments)
    return parsed


def _take(parsed: Parsed, option: Option, given: Given) -> None:
    parsed.given[option.key] = given
    parsed.order.append(option.key)


def _refuse(parsed: Parsed, word: Word, note: str) -> None:
    parsed.error = Evidence(word.location, note)


def _value(parsed: Parsed, word: Word, name: str, option: Option, pending: list[Word]) -> None:
    if not pending:
        _refuse(parsed, word, f"{name} wants a value, so the command ends with an error")
        return
    argument = pending.pop(0)
    if argument.value is None:
        _take(parsed, option, Given(None, argument))
        return
    _take(parsed, option, Given(argument.value, argument))


def _long(
    parsed: Parsed, word: Word, text: str, options: Mapping[str, Option], pending: list[Word]
) -> None:
    name, equals, value = text.partition("=")
    option = options.get(name)
    if option is None:
        _refuse(parsed, word, f"there is no option {name}, so the command ends with an error")
    elif option.takes_value and equals:
        _take(parsed, option, Given(value, word))
    elif option.takes_value:
        _value(parsed, word, name, option, pending)
    elif equals:
        _refuse(parsed, word, f"{name} takes no value, so the command ends with an error")
    else:
        _take(parsed, option, Given(option.sets, word))


def _short(
    parsed: Parsed, word: Word, text: str, options: Mapping[str, Option], pending: list[Word]
) -> None:
    """Short options may be joined; the first that takes a value takes the rest of the word."""
    for position, letter in enumerate(text[1:], start=1):
        option = options.get(f"-{letter}")
        if option is None:
            _refuse(parsed, word, f"there is no option -{letter}, so the command ends")
            return
        if option.takes_value:
            attached = text[position + 1 :]
            if attached:
                _take(parsed, option, Given(attached, word))
            else:
                _value(parsed, word, f"-{letter}", option, pending)
            return
        _take(parsed, option, Given(option.sets, word))


_ON = frozenset({"1", "true", "t", "yes", "y", "on"})
_OFF = frozenset({"0", "false", "f", "no", "n", "off"})
# Before click 8 a Boolean was one of these words only (click 7 types.BoolParamType).
_ON_7 = frozenset({"true", "t", "1", "yes", "y"})
_OFF_7 = frozenset({"false", "f", "0", "no", "n"})


def boolean(text: str, stack: Stack) -> Answer | None:
    """Read a variable as click's BOOL; UNKNOWN stands for unset, None for text it refuses.

    From click 8.1 on an empty value counts as unset (click.core.Parameter.resolve_envvar_value).
    """
    if text == "":
        return None if stack.click < (8, 1) else Answer.UNKNOWN
    on, off = (_ON, _OFF) if stack.click >= (8,) else (_ON_7, _OFF_7)
    word = text.strip().lower() if stack.click >= (8,) else text.lower()
    if word in on:
        return Answer.YES
    return Answer.NO if word in off else None
