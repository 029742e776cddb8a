"""A file as kubectl takes it apart, before any of it is parsed.

Follows FileVisitor of k8s.io/cli-runtime pkg/resource and YAMLReader of k8s.io/apimachinery
pkg/util/yaml: documents are split by lines that begin with three dashes, whatever YAML would say.
"""

import codecs
import re
from collections.abc import Iterator

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.nodes import Origin

_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SNIFFED = 4096
_SEPARATOR = re.compile(r"^---(.*)$", re.MULTILINE)
_TO_LINE_END = re.compile(r"[^\S\n]*\n?")
# Possessive: ten million blank lines leave nothing to go back to.
_SAYS_NOTHING = re.compile(r"(?:\s+|#[^\n]*)*+")
_END = re.compile(r"^\.\.\.(?=\s|$)", re.MULTILINE)
_MARK_WITHIN = re.compile("[\n\r\x85\u2028\u2029]\ufeff")


class Part(Struct, frozen=True):
    """One document of a file, and where it begins."""

    text: str
    origin: Origin


def decoded(data: bytes) -> str:
    """Return the text: UTF-16 where a byte order mark says so, else UTF-8.

    Bytes that are neither become U+FFFD, as in the decoder of golang.org/x/text.
    """
    for mark, encoding in _ENCODINGS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def may_be_json(text: str) -> bool:
    """Say whether kubectl tries JSON first: the first character tells."""
    return text[:_SNIFFED].lstrip().startswith("{")


def parts(text: str, source: str, start: int | None = None) -> Iterator[Part]:
    """Return the documents of YAML, or those from a place on behind which there is no more JSON.

    White space there is gone past, to the end of the line at most.

    Raises SyntaxInputError for a separator with anything but a comment behind it.
    """
    blank = None if start is None else _TO_LINE_END.match(text, start)
    start = 0 if blank is None else blank.end()
    line = text.count("\n", 0, start)
    column = start - (text.rfind("\n", 0, start) + 1)
    begin = start
    origin = Origin(source, line, column)
    for separator in _SEPARATOR.finditer(text, start):
        line += text.count("\n", start, separator.start())
        start = separator.start()
        behind = separator[1].strip()
        if behind and not behind.startswith("#"):
            raise SyntaxInputError(
                "kubectl takes a line that begins with --- for the end of an object",
                location=Origin(source, line).place(0, 0),
                hint="write what follows it on a line of its own",
            )
        if begin < separator.start():
            yield Part(_lines(text[begin : separator.start()]), origin)
            begin = min(separator.end() + 1, len(text))
            origin = Origin(source, line + 1)
    if begin < len(text):
        yield Part(_lines(text[begin:]), origin)


def _lines(text: str) -> str:
    """Return lines that end as kubectl's line reader ends them, the last one too."""
    text = text.replace("\r\n", "\n")
    return text if text.endswith("\n") else text + "\n"


def said(text: str, start: int = 0) -> int:
    """Return where the first thing stands that is neither blank nor a comment."""
    passed = _SAYS_NOTHING.match(text, start)
    return start if passed is None else passed.end()


def ignored(text: str, start: int) -> int | None:
    """Return where something stands behind the end of a document, None where nothing does."""
    place = said(text, start)
    while (end := _END.match(text, place)) is not None:
        place = said(text, end.end())
    return place if place < len(text) else None


def check(part: Part) -> None:
    """Raise SyntaxInputError for what kubectl's parser of YAML refuses, and libyaml does not."""
    # The parser of kubectl wants something to end before the end is marked.
    if _END.match(part.text, said(part.text)):
        raise SyntaxInputError(
            "the document ends before it begins",
            location=part.origin.place(part.text.count("\n", 0, said(part.text)), 0),
            hint="remove the line with the three dots",
        )
    if (mark := _MARK_WITHIN.search(part.text)) is not None:
        line = part.text.count("\n", 0, mark.end())
        raise SyntaxInputError(
            "a byte order mark within the text, which becomes part of the word after it",
            location=part.origin.place(line, 0),
            hint="remove it: it may stand at the very beginning alone",
        )
