"""Env files as Docker Compose reads them (compose-go dotenv/parser.go)."""

import re

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.interpolation import Lookup, interpolate
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Traced

_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z0-9_.\-]+)[ \t]*([=:])?[ \t]*")
_MOST = 16 * 1024 * 1024  # characters that the values of a file make, each of the ones above it
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def environment(data: bytes, source: str, lookup: Lookup) -> Environment:
    """Return what an env file sets, each value with its line; a bare name is looked up outside.

    `lookup` is the environment that variables are taken from where the file has not set them.
    Raises SyntaxInputError with the line.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SyntaxInputError(
            "not UTF-8",
            location=Location(source, line=line),
            hint="it may be Latin-1 or UTF-16: save it as UTF-8",
        ) from error
    entries: dict[str, Traced[str | None]] = {}

    def inner(name: str) -> str | None:
        outer = lookup(name)
        if outer is not None:
            return outer
        entry = entries.get(name)
        return entry.value if entry is not None else None

    position, line, made = 0, 1, 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        stripped = text[position:end].strip()
        if not stripped or stripped.startswith("#"):
            position, line = end + 1, line + 1
            continue
        start = position + len(text[position:end]) - len(text[position:end].lstrip())
        place = Location(source, line=line)
        key = _KEY.match(text, start)
        if key is None:
            raise SyntaxInputError(
                "a line without a variable's name", location=place, hint="write NAME=VALUE"
            )
        if key[2] is None:
            if text[key.end() : end].strip():
                raise SyntaxInputError(
                    "a variable's name with a space in it", location=place, hint="write NAME=VALUE"
                )
            outer = lookup(key[1])
            if outer is not None:
                entries[key[1]] = Traced(outer, place)
            position, line = end + 1, line + 1
            continue
        value, stop = _value(text, key.end(), end, inner, place)
        made += len(value)
        if made > _MOST:
            raise LimitError(
                f"variables make values of more than {_MOST // 1024 // 1024} MiB",
                location=place,
                hint="a process is not started with values of that length",
            )
        entries[key[1]] = Traced(value, place)
        line += text.count("\n", position, stop) + 1
        following = text.find("\n", stop)
        position = len(text) if following < 0 else following + 1
    return Environment(entries, location=Location(source))


def _value(text: str, start: int, end: int, lookup: Lookup, place: Location) -> tuple[str, int]:
    quote = text[start : start + 1]
    if quote not in {"'", '"'} or start >= end:
        plain = re.split(r"(?:^|\s)#", text[start:end], maxsplit=1)[0].rstrip()
        return interpolate(plain, lookup, place), end
    index = start + 1
    while index < len(text):
        if text[index] == "\\" and quote == '"':
            index += 2
            continue
        if text[index] == quote and text[index - 1] != "\\":
            break
        index += 1
    if index >= len(text):
        raise SyntaxInputError(
            "a quote that is not closed", location=place, hint="close it, or quote the quote"
        )
    inside = text[start + 1 : index]
    if quote == "'":
        return inside, index
    unescaped = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], "\\" + m[1]), inside)
    return interpolate(unescaped, lookup, place), index
