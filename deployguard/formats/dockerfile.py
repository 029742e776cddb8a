"""Dockerfiles as BuildKit's parser reads them (moby/buildkit frontend/dockerfile/parser)."""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from msgspec import Struct

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats import build_words
from deployguard.model.evidence import Location
from deployguard.model.structs import replace

# unicode.IsSpace of Go, which str.isspace is not.
SPACES = "".join(build_words.SPACES)
_BLANKS = re.compile(r"[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)\Z")
# bufio.MaxScanTokenSize: BuildKit refuses longer lines.
_LONGEST_LINE = 64 * 1024 - 1
_LONGEST_FILE = 4 * 1024 * 1024
_INSTRUCTIONS = 10_000
_WITH_FLAGS: dict[str, frozenset[str]] = {
    "ADD": frozenset({"chown", "chmod", "link", "keep-git-dir", "checksum", "exclude", "unpack"}),
    "COPY": frozenset({"chown", "chmod", "link", "from", "exclude", "parents"}),
    "FROM": frozenset({"platform"}),
    "HEALTHCHECK": frozenset(
        {"interval", "timeout", "start-period", "start-interval", "retries"}
    ),
    "RUN": frozenset({"mount", "network", "security", "device"}),
}  # fmt: skip
_KEYWORDS = frozenset(
    {"ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "MAINTAINER", "ONBUILD", "SHELL",
     "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", *_WITH_FLAGS}
)  # fmt: skip
_BOOLEANS = frozenset({"link", "keep-git-dir", "parents", "unpack"})
_REPEATED = frozenset({"exclude", "mount", "device"})
_HEREDOC_KEYWORDS = frozenset({"ADD", "COPY", "RUN"})


class Heredoc(Struct, frozen=True):
    """A here document: its name, its text without the leading tabs that `<<-` takes away.

    `expand` is false where a part of the name was quoted.
    """

    name: str
    text: str
    expand: bool


class Instruction(Struct, frozen=True, kw_only=True):
    """One instruction: its keyword in capitals, the text after it, and its flags.

    `words` is the JSON form where the text is one, else None. `arguments` are the words of ADD,
    COPY, VOLUME, FROM, EXPOSE and ARG, and name, value, name, value ... of ENV and LABEL.
    `original` is the whole instruction as one line.
    """

    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...]
    words: tuple[str, ...] | None
    arguments: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]
    original: str
    location: Location

    def flag(self, name: str) -> str | None:
        """Return the value of `--name=value`."""
        return next((value for key, value in self.flags if key == name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that may be given several times."""
        return tuple(value for key, value in self.flags if key == name)

    def on(self, name: str) -> bool:
        """Say whether a flag that is true or false is given and not false."""
        value = self.flag(name)
        return value is not None and value.lower() != "false"


class Dockerfile(Struct, frozen=True):
    """The instructions in order, and the character that escapes."""

    instructions: tuple[Instruction, ...]
    escape: str


def parse(data: bytes, source: str) -> Dockerfile:
    """Return the instructions of a Dockerfile.

    Raises SyntaxInputError for what BuildKit refuses, LimitError for what is too big to be one.
    """
    if len(data) > _LONGEST_FILE:
        raise LimitError(f"{source} has more than {_LONGEST_FILE} bytes", location=Location(source))
    if b"\0" in data:
        raise SyntaxInputError(
            f"{source} is binary or UTF-16 and no Dockerfile",
            location=Location(source),
            hint="Dockerfiles are written in UTF-8",
        )
    # Go reads bytes; what is not UTF-8 stands in comments, and never makes a keyword.
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n")
    reader = _Reader([*(f"{line}\n" for line in lines[:-1]), *lines[-1:]], source)
    return Dockerfile(tuple(reader.instructions()), reader.escape)


def trigger(expression: str, escape: str, location: Location) -> Instruction:
    """Return the instruction that an ONBUILD holds; its place is that of the FROM that runs it.

    Raises SyntaxInputError for one that BuildKit refuses.
    """
    reader = _Reader(expression.splitlines(keepends=True), location.file)
    reader.use_escape(escape)
    try:
        found = tuple(reader.instructions())
    except SyntaxInputError as error:
        raise SyntaxInputError(error.message, location=location, hint=error.hint) from error
    if len(found) != 1 or found[0].keyword in {"ONBUILD", "FROM", "MAINTAINER"}:
        raise SyntaxInputError("an ONBUILD that holds no single instruction", location=location)
    return replace(found[0], location=location)


class _Reader:
    """Reads lines into instructions, one by one."""

    def __init__(self, lines: list[str], source: str) -> None:
        self._lines = lines
        self._source = source
        self._next = 0
        self._directives: set[str] | None = set()
        self.use_escape("\\")

    def use_escape(self, escape: str) -> None:
        """Take the character that escapes and continues lines (parser.go setEscapeToken)."""
        self.escape = escape
        sign = re.escape(escape)
        self._continued = re.compile(rf"(?:(?<=[^{sign}])|\A){sign}[ \t]*\Z")

    def instructions(self) -> Iterator[Instruction]:
        """Yield the instructions; raises SyntaxInputError where there are none."""
        count = 0
        while self._next < len(self._lines):
            whole, start = self._whole()
            if not whole:
                continue
            count += 1
            location = Location(self._source, line=start)
            if count > _INSTRUCTIONS:
                raise LimitError(f"more than {_INSTRUCTIONS} instructions", location=location)
            yield self._instruction(whole, location)
        if not count:
            raise SyntaxInputError(
                "file with no instructions", location=Location(self._source, line=1)
            )

    def _line(self) -> str:
        line = self._lines[self._next]
        self._next += 1
        if len(line) > _LONGEST_LINE:
            raise SyntaxInputError(
                f"a line longer than {_LONGEST_LINE} characters",
                location=Location(self._source, line=self._next),
                hint="BuildKit refuses it as well; break it with a backslash",
            )
        return line

    def _whole(self) -> tuple[str, int]:
        """Return the next line with those that continue it, "" for a comment or a blank line."""
        line = self._line().rstrip("\r\n").lstrip(SPACES)
        start = self._next
        self._directive(line)
        if not line or line.startswith("#"):
            return "", start
        pieces: list[str] = []
        while True:
            kept = self._continued.sub("", line)
            pieces.append(kept)
            if kept == line and not self._continued.search(line):
                break
            following = self._following()
            if following is None:
                break
            line = following
        return "".join(pieces), start

    def _following(self) -> str | None:
        """Return the line that continues one; comments and blank lines between are passed over."""
        while self._next < len(self._lines):
            line = self._line().rstrip("\r\n")
            stripped = line.lstrip(SPACES)
            if stripped and not stripped.startswith("#"):
                return line
        return None

    def _directive(self, line: str) -> None:
        """Read a parser directive; they stand before everything else (directives.go)."""
        if self._directives is None:
            return
        match = _DIRECTIVE.match(line[1:].lstrip(SPACES)) if line.startswith("#") else None
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            self._directives = None
            return
        location = Location(self._source, line=self._next)
        if name in self._directives:
            raise SyntaxInputError(
                f"only one {name} parser directive can be used", location=location
            )
        self._directives.add(name)
        if name == "escape":
            if match[2] not in {"\\", "`"}:
                raise SyntaxInputError(
                    f"invalid escape token {match[2]!r}, which is neither ` nor \\",
                    location=location,
                )
            self.use_escape(match[2])

    def _instruction(self, whole: str, location: Location) -> Instruction:
        found = _instruction(whole, self.escape, location)
        carrier = found
        inner = _BLANKS.split(found.text, maxsplit=1)[0].upper()
        if found.keyword == "ONBUILD" and inner in _KEYWORDS:
            carrier = _instruction(found.text, self.escape, location)
        if carrier.keyword in _HEREDOC_KEYWORDS and carrier.words is None and "<<" in whole:
            found = replace(found, heredocs=tuple(self._heredocs(whole, location)))
        return found

    def _heredocs(self, whole: str, location: Location) -> Iterator[Heredoc]:
        for word in build_words.raw_words(whole):
            opened = heredoc(word)
            if opened is None:
                continue
            name, strip, expand = opened
            body: list[str] = []
            while True:
                if self._next >= len(self._lines):
                    raise SyntaxInputError("unterminated heredoc", location=location)
                line = self._line()
                if strip:
                    line = line.lstrip("\t")
                if line.rstrip("\r\n") == name:
                    break
                body.append(line)
            yield Heredoc(name, "".join(body), expand)


def heredoc(word: str) -> tuple[str, bool, bool] | None:
    """Return name, whether tabs go, and whether variables count of a word such as `<<-EOF`."""
    match = _HEREDOC.match(word)
    if match is None or not match[3]:
        return None
    names = build_words.plain_words(match[3])
    if names is None or len(names) != 1:
        return None
    quoted = any(sign in match[3] for sign in "\"'")
    return names[0], bool(match[2]), not quoted


def _instruction(whole: str, escape: str, location: Location) -> Instruction:
    parts = _BLANKS.split(whole.strip(SPACES), maxsplit=1)
    keyword = parts[0].upper()
    if keyword not in _KEYWORDS:
        raise SyntaxInputError(f"unknown instruction: {parts[0][:40]}", location=location)
    flags, rest = _flags(parts[1] if len(parts) > 1 else "", keyword, location)
    words = None
    if keyword in {"ADD", "COPY", "VOLUME", "CMD", "ENTRYPOINT", "RUN", "SHELL"}:
        words = _json(rest, location)
    instruction = Instruction(
        keyword=keyword,
        text=rest,
        flags=flags,
        words=words,
        arguments=_arguments(keyword, rest, words, escape, location),
        heredocs=(),
        original=whole.strip(SPACES),
        location=location,
    )
    _check(instruction)
    return instruction


def _arguments(
    keyword: str, rest: str, words: tuple[str, ...] | None, escape: str, location: Location
) -> tuple[str, ...]:
    match keyword:
        case "ENV" | "LABEL":
            return tuple(_pairs(keyword, rest, escape, location))
        case "ARG":
            return build_words.split(rest, escape)
        case "ADD" | "COPY" | "VOLUME" | "FROM" | "EXPOSE":
            if words is not None:
                return words
            return tuple(_BLANKS.split(rest)) if rest else ()
        case _:
            return ()


def _pairs(keyword: str, rest: str, escape: str, location: Location) -> Iterator[str]:
    """Yield name, value, name, value ...: NAME=VALUE words, or the old form of one name."""
    words = build_words.split(rest, escape)
    if words and "=" not in words[0]:
        name, *value = _BLANKS.split(rest, maxsplit=1)
        if not value:
            _refuse(f"{keyword} must have two arguments", location)
        yield from (name, value[0])
        return
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            _refuse(f"{keyword}: there is no = in {word[:40]!r}", location)
        if not name:
            _refuse(f"{keyword} names can not be blank", location)
        yield from (name, text)


def _flags(rest: str, keyword: str, location: Location) -> tuple[tuple[tuple[str, str], ...], str]:
    """Take the `--name=value` words off the front (split_command.go, bflag.go)."""
    known = _WITH_FLAGS.get(keyword, frozenset())
    flags: list[tuple[str, str]] = []
    for word, after in _flag_words(rest):
        if word is None:
            return tuple(flags), after.strip(SPACES)
        name, equals, value = word[2:].partition("=")
        if name not in known:
            _refuse(f"unknown flag of {keyword}: {name[:40]}", location)
        if name not in _REPEATED and any(name == key for key, _ in flags):
            _refuse(f"duplicate flag of {keyword}: {name}", location)
        if name in _BOOLEANS:
            if (equals and not value) or value.lower() not in {"", "true", "false"}:
                _refuse(f"the flag {name} of {keyword} is true or false", location)
        elif not equals:
            _refuse(f"missing a value on flag {name} of {keyword}", location)
        flags.append((name, value))
    return tuple(flags), ""


def _flag_words(line: str) -> Iterator[tuple[str | None, str]]:
    """Yield each flag word, then None with what follows the last one."""
    position = 0
    while position < len(line):
        if line[position] in SPACES:
            position += 1
            continue
        if not line.startswith("--", position):
            yield None, line[position:]
            return
        word, position = _flag_word(line, position)
        if word == "--":
            yield None, line[position:]
            return
        yield word, ""


def _flag_word(line: str, position: int) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while position < len(line):
        sign = line[position]
        if not quote and sign in SPACES:
            break
        if sign == "\\":
            # A backslash at the end is passed over, in quotes as outside of them.
            word.append(line[position + 1 : position + 2])
            position += 2
            continue
        if sign in {quote or "'", quote or '"'}:
            quote = "" if quote else sign
        else:
            word.append(sign)
        position += 1
    return "".join(word), position


def _json(text: str, location: Location) -> tuple[str, ...] | None:
    """Return the words of the JSON form; what is not JSON is the shell form (line_parsers.go)."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in found):
        _refuse("when using JSON array syntax, arrays must be comprised of strings only", location)
    # Go makes U+FFFD of a lone surrogate, which no UTF-8 holds.
    return tuple(re.sub("[\ud800-\udfff]", "\ufffd", word) for word in found)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _check(step: Instruction) -> None:
    """Refuse instructions with too few or too many arguments (instructions/parse.go)."""
    count = len(step.arguments)
    match step.keyword:
        case "ADD" | "COPY" if count < 2:  # noqa: PLR2004  (a source and a target)
            _refuse(f"{step.keyword} requires at least two arguments", step.location)
        case "ADD" | "COPY" if heredoc(step.arguments[-1]) is not None and step.words is None:
            _refuse(f"{step.keyword} cannot accept a heredoc as a destination", step.location)
        case "ENV" | "LABEL" | "ARG" | "VOLUME" | "EXPOSE" if not count:
            _refuse(f"{step.keyword} requires at least one argument", step.location)
        case "ARG" if any(word.startswith("=") for word in step.arguments):
            _refuse("ARG names can not be blank", step.location)
        case "VOLUME" if any(not word.strip() for word in step.arguments):
            _refuse("VOLUME specified can not be an empty string", step.location)
        case "SHELL" if step.words is None:
            _refuse("SHELL requires the arguments to be in JSON form", step.location)
        case "SHELL" if not step.words:
            _refuse("SHELL requires at least one argument", step.location)
        case "WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER" if not step.text:
            _refuse(f"{step.keyword} requires exactly one argument", step.location)
        case "FROM":
            _check_from(step)
        case "RUN":
            _check_run(step)
        case "ONBUILD":
            _check_trigger(step)
        case "HEALTHCHECK":
            _check_health(step)
        case _:
            return


def _check_from(step: Instruction) -> None:
    words = step.arguments
    named = len(words) == len(("image", "AS", "name")) and words[1].lower() == "as"
    if not named and len(words) != 1:
        _refuse("FROM requires either one or three arguments", step.location)
    if named and re.fullmatch(r"[a-z][a-z0-9-_.]*", words[2].lower()) is None:
        _refuse(
            f"invalid name for build stage: {words[2][:40]!r}, name can't start with a number or "
            "contain symbols",
            step.location,
        )


def _check_run(step: Instruction) -> None:
    """Refuse flags of RUN with values that mean nothing (instructions/commands_run*.go)."""
    for name, allowed in _RUN_VALUES.items():
        value = step.flag(name)
        if value is not None and value not in allowed:
            _refuse(f"invalid {name} mode: {value[:40]!r}", step.location)
    for mount in step.values("mount"):
        kind = dict(part.partition("=")[::2] for part in mount.split(",")).get("type", "bind")
        if kind not in _MOUNT_TYPES and "$" not in kind:
            _refuse(f"unsupported mount type {kind[:40]!r}", step.location)


_RUN_VALUES = {
    "network": frozenset({"default", "none", "host"}),
    "security": frozenset({"sandbox", "insecure"}),
}
_MOUNT_TYPES = frozenset({"bind", "cache", "tmpfs", "secret", "ssh"})


def _check_trigger(step: Instruction) -> None:
    if not step.text:
        _refuse("ONBUILD requires at least one argument", step.location)
    word = _BLANKS.split(step.text, maxsplit=1)[0].upper()
    if word == "ONBUILD":
        _refuse("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", step.location)
    if word in {"FROM", "MAINTAINER"}:
        _refuse(f"{word} isn't allowed as an ONBUILD trigger", step.location)


def _check_health(step: Instruction) -> None:
    kind, *rest = step.text.split(maxsplit=1) or [""]
    if kind.upper() == "NONE" and rest:
        _refuse("HEALTHCHECK NONE takes no arguments", step.location)
    if kind.upper() == "CMD" and not rest:
        _refuse("Missing command after HEALTHCHECK CMD", step.location)
    if kind.upper() not in {"NONE", "CMD"}:
        _refuse(f"Unknown type {kind[:40]!r} in HEALTHCHECK (try CMD)", step.location)


def _refuse(message: str, location: Location) -> NoReturn:
    raise SyntaxInputError(message, location=location, hint="docker build refuses it as well")
