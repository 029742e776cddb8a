"""Env files as Docker Compose reads them (compose-go dotenv, docker/cli kvfile for `raw`)."""

import re
from collections.abc import Mapping

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.interpolation import Lookup, interpolate, over
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Traced

_MOST = 16 * 1024 * 1024  # characters that the values of a file make, each of the ones above it
_SPACE = " \t\v\f\r\x85\xa0"
_START = re.compile(r"(?:\s+|#[^\n]*)*")
_EXPORT = re.compile(r"export\s+")
_ESCAPE = re.compile(r"\\(?:([abcfnrtv$\"\\])|0([0-9]{0,3}))", re.ASCII)
_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    '"': '"', "\\": "\\", "$": "$$",
}  # fmt: skip
_IN_QUOTES = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in "'\""}
_OCTAL = re.compile(r"[0-3][0-7]{2}")  # as Go has it after a backslash
_NOTHING: Mapping[str, Traced[str | None]] = {}


def environment(
    data: bytes,
    source: str,
    lookup: Lookup,
    above: Mapping[str, Traced[str | None]] = _NOTHING,
) -> Environment:
    """Return what an env file sets, each value with its line; a bare name is looked up outside.

    Variables are taken from `lookup`, else from what the file has set so far, else from `above`:
    the files before it. Raises SyntaxInputError with the line.
    """
    text = _text(data, source)
    entries: dict[str, Traced[str | None]] = {}
    inner = over(over(lookup, entries), above)
    made = 0
    counted, line = 0, 1
    position = _start(text, 0)
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        place = Location(source, line=line)
        name, position, bare = _name(text, position, place)
        if bare:
            value = lookup(name)
        else:
            value, position = _value(text, position, inner, place)
            made += len(value)
            if made > _MOST:
                raise LimitError(
                    f"variables make values of more than {_MOST // 1024 // 1024} MiB",
                    location=place,
                    hint="a process is not started with values of that length",
                )
        if value is not None:
            entries[name] = Traced(value, place)
        position = _start(text, position)
    return Environment(entries, location=Location(source))


def raw(data: bytes, source: str, lookup: Lookup) -> Environment:
    """Return what an env file in the format of `docker run --env-file` sets: nothing is special.

    Raises SyntaxInputError with the line.
    """
    entries: dict[str, Traced[str | None]] = {}
    for number, whole in enumerate(_text(data, source).split("\n"), 1):
        line = whole.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        place = Location(source, line=number)
        name, equals, value = line.partition("=")
        if not name or " " in name or "\t" in name:
            raise _misnamed(place)
        given = value if equals else lookup(name)
        if given is not None:
            entries[name] = Traced(given, place)
    return Environment(entries, location=Location(source))


def _text(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SyntaxInputError(
            "not UTF-8",
            location=Location(source, line=line),
            hint="it may be Latin-1 or UTF-16: save it as UTF-8",
        ) from error


def _misnamed(place: Location) -> SyntaxInputError:
    return SyntaxInputError(
        "a line without a variable's name, or with a space in it",
        location=place,
        hint="write NAME=VALUE",
    )


def _start(text: str, position: int) -> int:
    """Return where the next statement begins: behind blanks, line breaks and comments."""
    match = _START.match(text, position)
    return match.end() if match else position


def _name(text: str, position: int, place: Location) -> tuple[str, int, bool]:
    """Return a variable's name, where its value begins, and whether it stands without one."""
    export = _EXPORT.match(text, position)
    start = export.end() if export else position
    for index in range(start, len(text)):
        sign = text[index]
        if sign in "=:\n":
            name = text[start:index].rstrip()
            if " " in name:
                raise _misnamed(place)
            after = index + 1
            while after < len(text) and text[after] in _SPACE:
                after += 1
            return name, after, sign == "\n"
        if not (sign in _SPACE or sign in "_.-[]" or sign.isalpha() or sign.isnumeric()):
            raise _misnamed(place)
    if start == len(text):
        raise _misnamed(place)
    # A name that ends the file is the value of a variable without a name, which nothing reads.
    return "", start, False


def _value(text: str, start: int, lookup: Lookup, place: Location) -> tuple[str, int]:
    """Return a value and where what follows it begins."""
    quote = text[start : start + 1]
    if quote not in {"'", '"'}:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        plain = text[start:end].partition(" #")[0].rstrip()
        return interpolate(plain, lookup, place), end
    inside, after = _quoted(text, start, quote)
    if after is None:
        raise SyntaxInputError(
            "a quote that is not closed", location=place, hint="close it, or quote the quote"
        )
    if quote == '"':
        inside = interpolate(_ESCAPE.sub(_unescaped, inside), lookup, place)
    return inside, after


def _quoted(text: str, start: int, quote: str) -> tuple[str, int | None]:
    """Return what stands in quotes, its quoted quotes plain, and where the text goes on."""
    pieces: list[str] = []
    position = start + 1
    for match in _IN_QUOTES[quote].finditer(text, position):
        pieces.append(text[position : match.start()])
        position = match.end()
        if match[0] == quote:
            return "".join(pieces), position
        pieces.append(quote if match[0] == f"\\{quote}" else match[0])
    return "", None


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return _ESCAPES.get(match[1], match[0])
    digits = match[2]
    if not _OCTAL.fullmatch(digits):
        return "\\" + digits
    return chr(int(digits, 8))
