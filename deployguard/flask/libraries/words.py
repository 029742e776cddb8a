"""The words of a command, as the models of commands look for options among them."""

from collections.abc import Sequence

from deployguard.python import Call, Items, Known, Value, known
from deployguard.python.values import after_first

_SHORT = 2  # the length of -x


def words(call: Call) -> tuple[Value, ...]:
    """Return the words after the program's name."""
    argv = call.run.argv
    return after_first(argv.items) if isinstance(argv, Items) else ()


def option(given: Sequence[Value], names: Sequence[str]) -> Value | None:
    """Return the last value of an option: the next word, what follows "=", or the rest of -x."""
    found: Value | None = None
    for position, word in enumerate(given):
        if not isinstance(word, Known):
            continue
        text = str(word.value)
        name, equals, value = text.partition("=")
        if text in names and position + 1 < len(given):
            found = given[position + 1]
        elif name in names and equals and name.startswith("--"):
            found = known(value, *word.trail)
        elif len(text) > _SHORT and text[:_SHORT] in names and not text.startswith("--"):
            found = known(text[2:], *word.trail)
    return found


def flag(given: Sequence[Value], *names: str) -> bool:
    """Say whether one of some flags is among the words."""
    return any(isinstance(word, Known) and word.value in names for word in given)


def arguments(given: Sequence[Value], values: Sequence[str]) -> tuple[Known, ...]:
    """Return the words that are neither options nor the values of those that take one."""
    found: list[Known] = []
    taken = False
    for word in given:
        if taken or not isinstance(word, Known):
            taken = False
        elif not str(word.value).startswith("-"):
            found.append(word)
        else:
            taken = word.value in values
    return tuple(found)
