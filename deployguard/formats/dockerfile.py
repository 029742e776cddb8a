"""Dockerfiles as BuildKit's parser reads them (moby/buildkit frontend/dockerfile/parser)."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployguard.errors import SyntaxInputError
from deployguard.model.evidence import Location

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*\Z")
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")
_WORD = re.compile(r"(?:[^\s\"'\\]|\\.|\"(?:[^\"\\]|\\.)*\"|'[^']*')+", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its keyword in capitals, the text after it, and its flags.

    `words` is the JSON form where the text is one, else None. `bodies` are heredocs.
    """

    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...]
    words: tuple[str, ...] | None
    bodies: tuple[str, ...]
    location: Location

    def flag(self, name: str) -> str | None:
        """Return the value of `--name=value`."""
        return next((value for key, value in self.flags if key == name), None)


def parse(data: bytes, source: str) -> tuple[Instruction, ...]:
    """Return the instructions in order. Raises SyntaxInputError for what is no Dockerfile."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SyntaxInputError(f"{source} is not UTF-8", location=Location(source)) from error
    lines = text.splitlines()
    if len(lines) > _LINES:
        raise SyntaxInputError(f"{source} has too many lines", location=Location(source))
    return tuple(_instructions(lines, _escape(lines), source))


def _escape(lines: list[str]) -> str:
    """Read the parser directives, which stand before everything else."""
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape" and match[2] in {"\\", "`"}:
            return match[2]
    return "\\"


def _instructions(lines: list[str], escape: str, source: str) -> Iterator[Instruction]:
    index = 0
    while index < len(lines):
        first = index
        line = lines[index].strip()
        index += 1
        if not line or line.startswith("#"):
            continue
        pieces: list[str] = []
        while line.rstrip().endswith(escape) and index < len(lines):
            pieces.append(line.rstrip()[:-1])
            # Comments and blank lines inside of a continued instruction are passed over.
            while index < len(lines) and (
                not lines[index].strip() or lines[index].lstrip().startswith("#")
            ):
                index += 1
            if index >= len(lines):
                line = ""
                break
            line = lines[index]
            index += 1
        whole = "".join((*pieces, line))
        keyword, _, rest = whole.strip().partition(" ")
        if "\t" in keyword:
            keyword, _, rest = whole.strip().partition("\t")
        location = Location(source, line=first + 1)
        bodies: list[str] = []
        if keyword.upper() in {"RUN", "COPY", "ADD"}:
            for match in _HEREDOC.finditer(rest):
                body, index = _heredoc(lines, index, match[3], strip=bool(match[1]))
                bodies.append(body)
        yield _instruction(keyword.upper(), rest.strip(), tuple(bodies), location)


def _heredoc(lines: list[str], index: int, end: str, *, strip: bool) -> tuple[str, int]:
    body: list[str] = []
    while index < len(lines):
        line = lines[index]
        index += 1
        if (line.lstrip("\t") if strip else line) == end:
            break
        body.append(line.lstrip("\t") if strip else line)
    return "\n".join(body) + "\n", index


def _instruction(
    keyword: str, rest: str, bodies: tuple[str, ...], location: Location
) -> Instruction:
    if not keyword.isalpha():
        raise SyntaxInputError(f"{keyword!r} is no instruction", location=location)
    flags: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        name, _, value = word[2:].partition("=")
        flags.append((name, value))
        rest = rest.lstrip()
    return Instruction(keyword, rest, tuple(flags), _json(rest), bodies, location)


def _json(text: str) -> tuple[str, ...] | None:
    """Return the words of the JSON form; what is not JSON is the shell form."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return tuple(words)
    return None


def words(text: str) -> tuple[str, ...]:
    """Split the words of an instruction, quotes and escapes still in them."""
    return tuple(match[0] for match in _WORD.finditer(text))


def expand(text: str, lookup: Callable[[str], str | None]) -> str | None:
    """Replace variables and take quotes away (buildkit shell/lex.go); None where it cannot be told.

    Single quotes keep their text; a backslash takes the meaning of what follows it.
    """
    pieces: list[str] = []
    index = 0
    quote = ""
    while index < len(text):
        sign = text[index]
        if sign == "\\" and quote != "'" and index + 1 < len(text):
            pieces.append(text[index + 1])
            index += 2
        elif sign in "\"'" and (not quote or quote == sign):
            quote = "" if quote else sign
            index += 1
        elif sign == "$" and quote != "'":
            value, index = _variable(text, index + 1, lookup)
            if value is None:
                return None
            pieces.append(value)
        else:
            pieces.append(sign)
            index += 1
    return "".join(pieces)


def _variable(text: str, index: int, lookup: Callable[[str], str | None]) -> tuple[str | None, int]:
    if text[index : index + 1] != "{":
        match = _VARIABLE.match(text, index)
        return ("$", index) if match is None else (lookup(match[0]), match.end())
    end = text.find("}", index)
    if end < 0:
        return None, len(text)
    match = _VARIABLE.match(text, index + 1)
    if match is None:
        return None, end + 1
    value = lookup(match[0])
    rest = text[match.end() : end]
    if not rest:
        return value, end + 1
    given = expand(rest.lstrip(":")[1:], lookup)
    match rest.lstrip(":")[:1]:
        case "-":
            return value or given, end + 1
        case "+":
            return (given if value else ""), end + 1
        case _:
            return None, end + 1
