"""Variables in compose files (compose-spec 12-interpolation.md; compose-go `template`)."""

import re
from collections.abc import Callable

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.model.evidence import Location

Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Longest first: ":-" before "-".
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_NESTING = 16
# MAX_ARG_STRLEN of Linux: a process is not started with a longer word or variable.
LONGEST = 128 * 1024


def interpolate(text: str, lookup: Lookup, location: Location) -> str:
    """Replace `$NAME`, `${NAME}` and its forms with defaults, errors and alternatives; `$$` is `$`.

    A variable that is not set is the empty text. Raises SyntaxInputError for a form that compose
    refuses, InputError for a variable that `${NAME?message}` requires.
    """
    return _interpolate(text, lookup, location, 0)


def _interpolate(text: str, lookup: Lookup, location: Location, depth: int) -> str:
    if depth > _NESTING:
        raise LimitError(
            f"variables nested deeper than {_NESTING} levels",
            location=location,
            hint="write the value out",
        )
    pieces: list[str] = []
    position = length = 0
    while True:
        length += len(pieces[-1]) if pieces else 0
        if pieces and length > LONGEST:
            raise LimitError(
                f"variables make a text of more than {LONGEST // 1024} KiB",
                location=location,
                hint="a process is not started with a value of that length",
            )
        dollar = text.find("$", position)
        if dollar < 0:
            return "".join((*pieces, text[position:]))
        pieces.append(text[position:dollar])
        length += dollar - position
        following = text[dollar + 1 : dollar + 2]
        plain = _NAME.match(text, dollar + 1)
        if following == "$":
            pieces.append("$")
            position = dollar + 2
        elif following == "{":
            end = _closing(text, dollar + 2, location)
            pieces.append(_braced(text[dollar + 2 : end], lookup, location, depth))
            position = end + 1
        elif plain is not None:
            pieces.append(lookup(plain[0]) or "")
            position = plain.end()
        else:
            raise _invalid(location)


def _closing(text: str, start: int, location: Location) -> int:
    open_braces = 1
    for index in range(start, len(text)):
        if text[index] == "{" and text[index - 1] == "$":
            open_braces += 1
        elif text[index] == "}":
            open_braces -= 1
            if open_braces == 0:
                return index
    raise _invalid(location)


def _invalid(location: Location) -> SyntaxInputError:
    """Return the error for a form that compose refuses; the text may hold a secret."""
    return SyntaxInputError(
        "invalid interpolation format",
        location=location,
        hint="write $$ for a dollar sign, and ${NAME} or ${NAME:-default} for a variable",
    )


def _braced(body: str, lookup: Lookup, location: Location, depth: int) -> str:
    name = _NAME.match(body)
    if name is None:
        raise _invalid(location)
    rest = body[name.end() :]
    value = lookup(name[0])
    if not rest:
        return value or ""
    operator = next((sign for sign in _OPERATORS if rest.startswith(sign)), None)
    if operator is None:
        raise _invalid(location)
    given = rest[len(operator) :]
    present = bool(value) if operator.startswith(":") else value is not None
    match operator[-1]:
        case "-":
            return (value or "") if present else _interpolate(given, lookup, location, depth + 1)
        case "+":
            return _interpolate(given, lookup, location, depth + 1) if present else ""
        case _:
            if present:
                return value or ""
            # The message as written: what its own variables hold may be a secret.
            raise InputError(
                f"the variable {name[0]} is required: {given}"
                if given
                else f"the variable {name[0]} is required",
                location=location,
                hint=f"give it with --env {name[0]}=VALUE or an env file",
            )
