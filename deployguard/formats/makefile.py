"""Makefiles: their lines, and the references in a text. What they mean, only make can say."""

import re
from collections.abc import Iterator

from msgspec import Struct

_CLOSING = {"(": ")", "{": "}"}


class Line(Struct, frozen=True):
    """A line with those that continue it.

    `text` is joined as make joins the lines outside of recipes; `recipe` keeps the line breaks, as
    a shell gets them, and is None for a line that does not begin with a tab.
    """

    text: str
    recipe: str | None
    number: int


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of a makefile (GNU make manual, 3.1 and 5.1.1)."""
    pending: list[str] = []
    first = 0
    physical = text.splitlines()
    for number, line in enumerate(physical, start=1):
        if not pending:
            first = number
        pending.append(line)
        if (len(line) - len(line.rstrip("\\"))) % 2 and number < len(physical):
            continue
        yield _joined(pending, first)
        pending = []


def _joined(parts: list[str], number: int) -> Line:
    plain = parts[0]
    for part in parts[1:]:
        plain = f"{plain[:-1].rstrip()} {part.lstrip()}"
    recipe = None
    if parts[0].startswith("\t"):
        # The tab of a recipe's further lines goes as well.
        recipe = "\n".join([parts[0][1:], *(part.removeprefix("\t") for part in parts[1:])])
    return Line(plain, recipe, number)


def without_comment(text: str) -> str:
    """Return a line outside of a recipe up to its comment; a backslash takes its sense away."""
    found = re.search(r"(?<!\\)#", text)
    plain = text if found is None else text[: found.start()]
    return plain.replace("\\#", "#")


class Assignment(Struct, frozen=True):
    """NAME SIGN TEXT, neither part expanded."""

    name: str
    sign: str
    text: str


def assignment(text: str) -> Assignment | None:
    """Return the assignment that a line outside of a recipe is, None for another line."""
    depth = 0
    for position, sign in enumerate(text):
        depth += (sign in "({") - (sign in ")}")
        if sign != "=" or depth > 0:
            continue
        start = position
        while start > 0 and text[start - 1] == ":":
            start -= 1
        if start == position and position > 0 and text[position - 1] in "?+!":
            start -= 1
        name = text[:start].strip()
        if not name or outside(name, ":") is not None or outside(name, " \t#") is not None:
            return None
        return Assignment(name, text[start : position + 1], text[position + 1 :].lstrip())
    return None


def outside(text: str, signs: str) -> int | None:
    """Return where one of some signs stands outside of every reference, None where none does."""
    depth = 0
    for position, one in enumerate(text):
        depth += (one in "({") - (one in ")}")
        if one in signs and depth == 0:
            return position
    return None


def references(text: str) -> Iterator[str | tuple[str]]:
    """Yield the pieces of a text: literal ones, and one-tuples of what `$(...)` names.

    `$$` is a literal dollar sign, `$X` names a variable of one letter. A reference that is not
    closed reaches to the end of the text.
    """
    position = 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar < 0 or dollar + 1 == len(text):
            yield text[position:]
            return
        if dollar > position:
            yield text[position:dollar]
        sign = text[dollar + 1]
        if sign in _CLOSING:
            end = _end(text, dollar + 2, sign)
            yield (text[dollar + 2 : end],)
            position = end + 1
        else:
            yield "$" if sign == "$" else (sign,)
            position = dollar + 2


def _end(text: str, start: int, opening: str) -> int:
    """Return where the bracket that opens before `start` closes."""
    depth = 1
    for position in range(start, len(text)):
        if text[position] == opening:
            depth += 1
        elif text[position] == _CLOSING[opening]:
            depth -= 1
            if depth == 0:
                return position
    return len(text)


def arguments(text: str, most: int = 0) -> list[str]:
    """Split what a function is given at its commas, brackets in pairs; into `most` at the most."""
    found = [""]
    depth = 0
    for sign in text:
        depth += (sign in "({") - (sign in ")}")
        if sign == "," and depth == 0 and (most == 0 or len(found) < most):
            found.append("")
        else:
            found[-1] += sign
    return found
