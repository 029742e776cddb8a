"""Variables in compose files (compose-spec 12-interpolation.md; compose-go `template`)."""

import re
from collections.abc import Callable, Mapping

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.model.evidence import Location, Traced

Lookup = Callable[[str], str | None]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# A brace that opens what is neither a name nor a name with an operator is refused; a dollar before
# anything else is a dollar. What follows an operator reaches to the last brace of its line.
_VARIABLE = re.compile(
    rf"\$(?:(?P<escaped>\$)|(?P<named>{_NAME})"
    rf"|\{{(?:(?P<name>{_NAME})(?:(?P<operator>:?[-+?])(?P<rest>.*))?\}}|(?P<invalid>)))"
)
_NESTING = 16
# MAX_ARG_STRLEN of Linux: a process is not started with a longer word or variable.
LONGEST = 128 * 1024


def over(lookup: Lookup, below: Mapping[str, Traced[str | None]]) -> Lookup:
    """Return a lookup that takes from below what is not set; entries may still come there."""

    def find(name: str) -> str | None:
        outer = lookup(name)
        if outer is not None:
            return outer
        entry = below.get(name)
        return entry.value if entry is not None else None

    return find


def interpolate(text: str, lookup: Lookup, location: Location) -> str:
    """Replace `$NAME`, `${NAME}` and its forms with defaults, errors and alternatives; `$$` is `$`.

    A variable that is not set is the empty text. Raises SyntaxInputError for a form that compose
    refuses, InputError for a variable that `${NAME?message}` requires.
    """
    return _interpolate(text, lookup, location, 0) if "$" in text else text


def _interpolate(text: str, lookup: Lookup, location: Location, depth: int) -> str:
    if depth > _NESTING:
        raise LimitError(
            f"variables nested deeper than {_NESTING} levels",
            location=location,
            hint="write the value out",
        )
    pieces: list[str] = []
    position = length = 0
    while match := _VARIABLE.search(text, position):
        end = match.end()
        pieces.append(text[position : match.start()])
        if match["escaped"]:
            pieces.append("$")
        elif match["named"]:
            pieces.append(lookup(match["named"]) or "")
        elif match["operator"]:
            end = _closing(text, match.start(), end)
            given = text[match.end("operator") : end - 1]
            pieces.append(_chosen(match["name"], match["operator"], given, lookup, location, depth))
        elif match["name"]:
            pieces.append(lookup(match["name"]) or "")
        else:
            raise SyntaxInputError(
                "invalid interpolation format",
                location=location,
                hint="write $$ for a dollar sign, and ${NAME} or ${NAME:-default} for a variable",
            )
        length += len(pieces[-2]) + len(pieces[-1])
        if length > LONGEST:
            raise LimitError(
                f"variables make a text of more than {LONGEST // 1024} KiB",
                location=location,
                hint="a process is not started with a value of that length",
            )
        position = end
    return "".join((*pieces, text[position:]))


def _closing(text: str, start: int, end: int) -> int:
    """Return the end of a braced variable (getFirstBraceClosingIndex of compose-go).

    Braces of every kind count, and the character after an opening one is passed over.
    """
    depth, index = 0, start
    while index < end:
        if text[index] == "}":
            depth -= 1
            if depth == 0:
                return index + 1
        elif text[index] == "{":
            depth += 1
            index += 1
        index += 1
    return end


def _chosen(
    name: str, operator: str, given: str, lookup: Lookup, location: Location, depth: int
) -> str:
    value = lookup(name)
    present = bool(value) if operator.startswith(":") else value is not None
    # What is not chosen is read all the same: compose refuses its mistakes.
    other = _interpolate(given, lookup, location, depth + 1)
    match operator[-1]:
        case "-":
            return (value or "") if present else other
        case "+":
            return other if present else (value or "")
        case _:
            if present:
                return value or ""
            # The message as written: what its own variables hold may be a secret.
            raise InputError(
                f"the variable {name} is required: {given}"
                if given
                else f"the variable {name} is required",
                location=location,
                hint=f"give it with --env {name}=VALUE or an env file",
            )
