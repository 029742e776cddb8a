"""Text from strangers, made harmless for where it is printed."""

import re
from json.encoder import encode_basestring_ascii
from urllib.parse import quote

import msgspec

# Printable by Unicode's categories, yet blank on every screen.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(point) for point in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# actions/runner reads a trimmed line that begins with "::", and "##[" anywhere in a line, as a
# command (ActionCommand.TryParseV2 and TryParse).
_RUNNER_COMMAND = re.compile(r"^(\s*):(?=:)")


def plain(text: str) -> str:
    """Return one line without anything that a terminal, an editor or a CI runner would act on.

    Control, format, private and surrogate characters (ANSI, bidi, zero-width among them) and line
    breaks are written as in Python's string literals.
    """
    if not text.isprintable() or not _INVISIBLE.isdisjoint(text):
        text = "".join(
            char if char.isprintable() and char not in _INVISIBLE else _escaped(char)
            for char in text
        )
    return _RUNNER_COMMAND.sub(r"\1\\x3a", text).replace("##[", r"#\x23[")


LONGEST = 2_000


def line(text: str) -> str:
    """Return `plain` text of a length that a person reads, and that a log takes."""
    shown = plain(text)
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[:LONGEST]}... ({len(shown) - LONGEST} more characters)"


def github_message(text: str) -> str:
    """Escape the message of a workflow command (@actions/core, escapeData)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """Escape a property of a workflow command (@actions/core, escapeProperty)."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


def uri(path: str) -> str:
    """Return a path as a URI reference (RFC 3986): absolute paths as file URIs."""
    encoded = quote(path.encode("utf-8", "surrogatepass" if _FOREIGN.search(path) else _BYTES))
    return f"file:///{encoded.lstrip('/')}" if encoded.startswith("/") else encoded


# How Python spells the bytes of a path that are not UTF-8, and halves of pairs that are none.
_BYTES = "surrogateescape"
_FOREIGN = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def json_text(body: object) -> str:
    """Return JSON in ASCII that every parser reads and no CI runner takes for a command.

    Halves of surrogate pairs, which are no text, are written out as in Python's literals. The
    layout is that of json.dumps with an indent of two, which takes ten times as long.
    """
    try:
        encoded = msgspec.json.encode(body)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_without_halves(body))
    text = msgspec.json.format(encoded, indent=2).decode()
    if not text.isascii() or "\x7f" in text:
        text = _NOT_ASCII.sub(lambda found: encode_basestring_ascii(found[0])[1:-1], text)
    return text.replace("##[", r"#\u0023[") + "\n"


_NOT_ASCII = re.compile(r"[^\0-~]+")


def _without_halves(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_without_halves(key): _without_halves(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_halves(item) for item in value]
        case _:
            return value


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
