"""Requirements files as pip reads them (pip/_internal/req/req_file.py)."""

import re
import shlex
from collections.abc import Callable, Iterator

from msgspec import Struct

from deployguard.model.evidence import Location

_MOST_LINES = 50_000
_COMMENT = re.compile(r"(?:^|\s+)#.*\Z")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_HASH = re.compile(r"\s--hash[= ]\s*\S+")
_WITH_VALUE = frozenset(
    {"-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "--no-binary",
     "--only-binary", "--trusted-host", "--use-feature"}
)  # fmt: skip
_PLAIN = frozenset({"--no-index", "--prefer-binary", "--pre", "--require-hashes"})


class Line(Struct, frozen=True):
    """One requirement; `hashed` says that the line tells the hashes of its files."""

    text: str
    hashed: bool
    location: Location


class Editable(Struct, frozen=True):
    """`-e PATH` or `-e URL`."""

    text: str
    location: Location


class Include(Struct, frozen=True):
    """`-r FILE`, or `-c FILE` where `constraint` is true."""

    path: str
    constraint: bool
    location: Location


class Option(Struct, frozen=True):
    """An option that changes how the whole file is installed, such as --require-hashes."""

    name: str
    location: Location


class Unclear(Struct, frozen=True):
    """A line that is not understood, or depends on a value that is not known."""

    location: Location


def parse(
    data: bytes, source: str, lookup: Callable[[str], str | None]
) -> tuple[Line | Editable | Include | Option | Unclear, ...]:
    """Return the lines that count, each with its place; never raises.

    `lookup` returns a variable of the environment, None where it is not known to be set.
    """
    text = data.decode("utf-8-sig", "replace")
    if text.count("\n") > _MOST_LINES:
        return (Unclear(Location(source, line=_MOST_LINES)),)
    return tuple(
        entry
        for number, line in _joined(text)
        for entry in _read(line, Location(source, line=number), lookup)
    )


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with those that a backslash joins to them; a comment is never joined."""
    pieces: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        if not pieces:
            first = number
        comment = _COMMENT.match(line)
        if line.endswith("\\") and comment is None:
            pieces.append(line[:-1])
            continue
        pieces.append(" " + line if comment is not None and pieces else line)
        yield first, "".join(pieces)
        pieces = []
    if pieces:
        yield first, "".join(pieces)


def _read(
    line: str, location: Location, lookup: Callable[[str], str | None]
) -> Iterator[Line | Editable | Include | Option | Unclear]:
    text = _COMMENT.sub("", line).strip()
    if not text:
        return
    for name in _VARIABLE.findall(text):
        value = lookup(name)
        if value is None:
            yield Unclear(location)
            return
        text = text.replace(f"${{{name}}}", value)
    if not text.startswith("-"):
        # Options of one requirement follow it: --hash, --config-settings, --global-option.
        hashed = bool(_HASH.search(text))
        yield Line(re.split(r"\s--[a-z]", text, maxsplit=1)[0].strip(), hashed, location)
        return
    try:
        words = shlex.split(text)
    except ValueError:
        yield Unclear(location)
        return
    yield from _options(words, location)


def _options(
    words: list[str], location: Location
) -> Iterator[Line | Editable | Include | Option | Unclear]:
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if len(word) > len("-r") and re.match(r"-[rcefi][^-]", word):
            name, equals, value = word[:2], "=", word[2:].lstrip("=")
        if name in _PLAIN and not equals:
            yield Option(name, location)
            continue
        known = name in _WITH_VALUE or name in {
            "-r", "--requirement", "--requirements", "-c", "--constraint", "--constraints", "-e",
            "--editable",
        }  # fmt: skip
        if not known or not (equals or words):
            yield Unclear(location)
            return
        if not equals:
            value = words.pop(0)
        if name in {"-r", "--requirement", "--requirements"}:
            yield Include(value, constraint=False, location=location)
        elif name in {"-c", "--constraint", "--constraints"}:
            yield Include(value, constraint=True, location=location)
        elif name in {"-e", "--editable"}:
            yield Editable(value, location)
