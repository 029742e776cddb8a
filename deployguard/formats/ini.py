"""INI files as configparser reads them, each value with its line."""

import configparser
import re
from collections.abc import Mapping

from msgspec import Struct, field

from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Content
from deployguard.model.structs import replace

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_RUN = 100
_BLANKS = re.compile(rf"[ \t]{{{_RUN},}}")
_DELIMITER = re.compile(r"[=:]")

Section = Mapping[str, Traced[str]]


class Dialect(Struct, frozen=True, kw_only=True):
    """How a program reads its files: `inline` begins a comment after a blank, in `cased` files the
    case of names counts, and `delimiters` part a name from its value.
    """  # noqa: D205  (one sentence)

    inline: tuple[str, ...] = ()
    cased: bool = False
    delimiters: tuple[str, ...] = ("=", ":")
    strict: bool = False
    sections: Mapping[str, Section] = field(default_factory=dict)


def parse(content: Content, dialect: Dialect) -> dict[str, dict[str, Traced[str]]] | None:
    """Return the options by section, in the order of the file; None where it does not parse.

    A later file is laid over an earlier one by handing its sections in with the dialect.
    """
    parser = configparser.RawConfigParser(
        inline_comment_prefixes=dialect.inline,
        strict=dialect.strict,
        delimiters=dialect.delimiters,
        default_section="",
    )
    if dialect.cased:
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # its documented use
    try:
        # configparser looks at a run of blanks again from each of them.
        text = _BLANKS.sub(" " * _RUN, content.data.decode("utf-8"))
        parser.read_string(text)
    except (configparser.Error, ValueError):
        return None
    lines = _lines(text, parser)
    found = {name: dict(options) for name, options in dialect.sections.items()}
    for section in parser.sections():
        options = found.setdefault(section, {})
        for name, value in parser.items(section):
            line = lines.get((section, name))
            options[name] = Traced(value or "", replace(content.location, line=line))
    return found


def _lines(text: str, parser: configparser.RawConfigParser) -> dict[tuple[str, str], int]:
    """Return the last line on which each option of a section stands."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            section = header["name"]
        elif line and not line[0].isspace() and line[0] not in "#;":
            name = _DELIMITER.split(line, maxsplit=1)[0].rstrip()
            found[section, parser.optionxform(name)] = number
    return found
