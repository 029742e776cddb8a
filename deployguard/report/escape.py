"""Text from strangers, made harmless for where it is printed."""

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


def github_message(text: str) -> str:
    """Escape the message of a workflow command (@actions/core, escapeData)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """Escape a property of a workflow command (@actions/core, escapeProperty)."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


def uri(path: str) -> str:
    """Return a path as a URI reference (RFC 3986): absolute paths as file URIs."""
    encoded = quote(path.encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{encoded}" if path.startswith("/") else encoded


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
