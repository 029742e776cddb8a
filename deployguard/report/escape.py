"""Text from strangers, made harmless for where it is printed."""

import json
import re
from urllib.parse import quote

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
    layout is that of json.dumps with an indent of two, which takes three times as long.
    """
    return _spelled(body, "\n").replace("##[", r"#\u0023[") + "\n"


def _spelled(value: object, line: str) -> str:
    """Return a value whose lines begin with `line`, a line break and blanks."""
    inner = f"{line}  "
    match value:
        case str():
            return _quoted(value)
        case dict() if value:
            entries = (f"{_quoted(key)}: {_spelled(item, inner)}" for key, item in value.items())
            return f"{{{inner}{f',{inner}'.join(entries)}{line}}}"
        case list() | tuple() if value:
            items = (_spelled(item, inner) for item in value)
            return f"[{inner}{f',{inner}'.join(items)}{line}]"
        case tuple():
            return "[]"
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return json.encoder.encode_basestring_ascii(text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
