"""YAML as the deploying tool reads it, with the place of every key and value.

Nodes are built from the parser's events, so that no tag can construct an object, positions are kept
and nothing is built before it is bounded. What a plain scalar means differs from tool to tool; the
tables below follow `resolve` and `decode` of the libraries that the tools are linked with:
sigs.k8s.io/yaml (its goyaml.v2) for kubectl and the API server, go.yaml.in/yaml v3 for compose.
"""

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import TypeAlias, cast

import yaml
from msgspec import Struct

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats import kubectl_text
from deployguard.formats.json_nodes import JsonReader, NotJsonError
from deployguard.formats.nodes import (
    MAX_ALIASED_NODES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_DOCUMENTS,
    MAX_NODES,
    MAX_TEXT_NODES,
    Mapping,
    Node,
    Origin,
    Remarks,
    Scalar,
    Sequence,
    Value,
    below,
)
from deployguard.model.evidence import Location

__all__ = ["MAX_BYTES", "Dialect", "Mapping", "Node", "Scalar", "Sequence", "documents"]


class Dialect(StrEnum):
    """Whose reading of YAML counts.

    KUBECTL: YAML 1.1 words, the last of equal keys wins, keys become text. COMPOSE: equal keys are
    an error and keys must be text. STRICT is for our own files: the core schema of YAML 1.2
    (section 10.3), equal keys and tags refused.
    """

    KUBECTL = "kubectl"
    COMPOSE = "compose"
    STRICT = "strict"


_CORE = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL = (_CORE + name for name in ("str", "int", "float", "bool", "null"))
TIMESTAMP, BINARY, MERGE = (_CORE + name for name in ("timestamp", "binary", "merge"))

_NULLS: dict[str, Value] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_FLOATS: dict[str, Value] = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_CORE_WORDS: dict[str, Value] = {
    **_NULLS,
    **_FLOATS,
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WORDS: dict[Dialect, dict[str, Value]] = {
    Dialect.KUBECTL: {
        **_CORE_WORDS,
        **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
        **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    },
    Dialect.COMPOSE: _CORE_WORDS,
    Dialect.STRICT: _CORE_WORDS,
}

# strconv.ParseInt with base 0, on text whose underscores were taken out.
_GO_INT = re.compile(
    r"([-+]?)(?:0[xX](?P<hexadecimal>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)"
    r"|0[oO]?(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))",
    re.ASCII,
)
# goyaml hands what follows these prefixes to ParseInt once more, sign and all; 0o is new in v3.
_GO_SIGNED = {
    Dialect.KUBECTL: re.compile(r"0b([-+])(?P<binary>[01]+)", re.ASCII),
    Dialect.COMPOSE: re.compile(
        r"0(?:b([-+])(?P<binary>[01]+)|o([-+])(?P<octal>[0-7]+))", re.ASCII
    ),
}
_GO_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
# strconv.ParseFloat on text that begins with a dot, where underscores may stand between digits.
_GO_DOT_FLOAT = re.compile(r"\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?", re.ASCII)
_GO_DATE = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"([Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?)?",
    re.ASCII,
)
_CORE_INT = re.compile(
    r"([-+]?)(?P<decimal>[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hexadecimal>[0-9a-fA-F]+)", re.ASCII
)
_BASES = {"hexadecimal": 16, "decimal": 10, "octal": 8, "binary": 2}
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


def documents(
    data: bytes, source: str, dialect: Dialect, remarks: Remarks | None = None
) -> Iterator[Node | None]:
    """Parse the documents of a text one by one, None for an empty one.

    JSON is read as well, by KUBECTL as JSON. `remarks` collects what does not count where the tool
    says nothing of it. Raises SyntaxInputError for what is not YAML or not what the dialect
    accepts, LimitError beyond the bounds of `nodes`, and nothing else.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            f"the text is longer than {MAX_BYTES // 1024 // 1024} MiB",
            location=Location(source),
            hint="split it into several files",
        )
    try:
        if dialect is Dialect.KUBECTL:
            for count, node in enumerate(_of_kubectl(data, source, remarks)):
                if count >= MAX_DOCUMENTS:
                    raise LimitError(
                        f"more than {MAX_DOCUMENTS} documents",
                        location=Location(source),
                        hint="split it into several files",
                    )
                yield node
        else:
            yield from _of_yaml(data, source, dialect)
    except SyntaxInputError as error:
        if dialect is Dialect.STRICT or b"{{" not in data:
            raise
        raise SyntaxInputError(
            error.message,
            location=error.location,
            hint="is it a template? name its chart, which helm renders: helm:DIR",
        ) from error


def _of_yaml(data: bytes, source: str, dialect: Dialect) -> Iterator[Node | None]:
    origin = Origin(source)
    events = _events(data, origin)
    left = MAX_TEXT_NODES
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            builder = _Builder(events, origin, dialect, min(left, MAX_NODES), None)
            node = builder.node(next(events), "", 1)
            left -= builder.built
            empty = isinstance(node, Scalar) and node.tag is None and not node.text
            yield None if empty else node


def _of_kubectl(data: bytes, source: str, remarks: Remarks | None) -> Iterator[Node | None]:
    """Read a file as NewYAMLOrJSONDecoder of k8s.io/apimachinery pkg/util/yaml does.

    JSON goes on as long as it is JSON; YAML may follow one object of it, but not two.
    """
    text = kubectl_text.decoded(data)
    left = MAX_TEXT_NODES
    start: int | None = None
    count = 0
    if kubectl_text.may_be_json(text):
        reader, start = JsonReader(text, source, remarks), 0
        try:
            while not reader.at_end():
                yield _unless_null(reader.document(min(left, MAX_NODES)))
                left -= reader.built
                start, count = reader.position, count + 1
        except NotJsonError as error:
            if count > 1:
                raise SyntaxInputError(
                    f"not JSON: {error.message}",
                    location=error.location,
                    hint="after several objects of JSON, no other form is read",
                ) from error
        else:
            return
    for part in kubectl_text.parts(text, source, start):
        kubectl_text.check(part)
        events = _events(part.text.encode("utf-8", "surrogatepass"), part.origin)
        builder = _Builder(events, part.origin, Dialect.KUBECTL, min(left, MAX_NODES), remarks)
        yield _unless_null(builder.document(part.text))
        left -= builder.built


def _unless_null(node: Node | None) -> Node | None:
    """Return a document, None where it says nothing or null, which kubectl passes over."""
    return None if isinstance(node, Scalar) and node.value is None else node


def _events(data: bytes, origin: Origin) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # absent where libyaml is
    try:
        yield from yaml.parse(data, Loader=loader)
    except yaml.reader.ReaderError as error:
        raise _no_text(data, origin, error) from error
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "not YAML"
        if problem == "exceeded maximum nesting depth":  # libyaml looks up to 1,000 levels ahead
            raise LimitError(
                f"nested deeper than {MAX_DEPTH} levels",
                location=origin.at(error.problem_mark),
            ) from error
        raise SyntaxInputError(
            f"not YAML: {problem}",
            location=origin.at(error.problem_mark or error.context_mark),
            hint=_HINTS.get(problem, "check the indentation and the quotes above this place"),
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML's own scanner (used without libyaml) hands any number of an escape to chr and int.
        raise SyntaxInputError(f"not YAML: {error}", location=Location(origin.file)) from error


_CONTROL_CHARACTERS = "control characters are not allowed"
_UTF16_UNMARKED = re.compile(rb"(?:[\t\n\r -~]\0){2}|(?:\0[\t\n\r -~]){2}")


def _no_text(data: bytes, origin: Origin, error: yaml.reader.ReaderError) -> SyntaxInputError:
    """Say what keeps bytes from being a text of YAML, and how they become one."""
    position = max(0, error.position)
    before = data.rfind(b"\n", 0, position)
    location = origin.place(data.count(b"\n", 0, position), position - before - 1)
    if _UTF16_UNMARKED.match(data):
        message, hint = "UTF-16 without a byte order mark", "save it as UTF-8"
    elif error.reason == _CONTROL_CHARACTERS:
        message, hint = error.reason, "is it a binary file? YAML is text"
    else:
        message, hint = error.reason, "it may be Latin-1: save it as UTF-8"
    return SyntaxInputError(f"not a text: {message}", location=location, hint=hint)


_HINTS = {
    "found character that cannot start any token": (
        "indent with spaces, and quote text that begins with @, %, ` or a tab"
    ),
    "mapping values are not allowed in this context": (
        "quote text that holds ': ', or check the indentation"
    ),
    "could not find expected ':'": "a key needs a colon and a blank after it",
    "did not find expected key": "check the indentation of this line and those above",
    "found unexpected end of stream": "a quote or bracket is not closed",
    "found undefined tag handle": "quote text that begins with an exclamation mark",
    "did not find expected alphabetic or numeric character": "quote text that begins with * or &",
    "did not find expected <document start>": (
        "put --- between several objects, or make them the items of a List"
    ),
}


_Begin: TypeAlias = yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent


class _Anchored(Struct, frozen=True):
    """A node with what an alias of it costs."""

    node: Node
    size: int
    height: int


class _Builder:
    """Builds the nodes of one document; an alias shares the node, place included."""

    def __init__(
        self,
        events: Iterator[yaml.Event],
        origin: Origin,
        dialect: Dialect,
        most: int,
        remarks: Remarks | None,
    ) -> None:
        self.events = events
        self.origin = origin
        self.dialect = dialect
        self.most = most
        self.remarks = remarks
        self.built = 0
        self.anchors: dict[str | None, _Anchored | None] = {}  # None while the node is being built
        self.aliased = 0
        self.size = 0
        self.depth = 0
        self.text: str | None = None  # where the raw text of scalars counts

    def document(self, text: str) -> Node | None:
        """Build the first document of a text, as Unmarshal of goyaml does; None for an empty one.

        Whatever follows it is not parsed, and remarked on.
        """
        self.text = text
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                node = self._member(next(self.events), "", 1)
                end = next(self.events).end_mark
                self._remark_rest(0 if end is None else end.index)
                return node
        return None

    def _remark_rest(self, index: int) -> None:
        text = self.text or ""
        place = kubectl_text.ignored(text, index)
        if place is not None and self.remarks is not None:
            self.remarks.ignored.append(self.origin.place(text.count("\n", 0, place), 0))

    def node(self, event: yaml.Event, pointer: str, depth: int) -> Node:
        """Build the node that begins with `event`; the document's own has depth 1."""
        location = self.origin.at(event.start_mark, pointer)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, location, depth)
        if depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels", location=location)
        self.built += 1
        if self.built > self.most:
            raise LimitError(
                f"more than {self.most} keys and values",
                location=location,
                hint="split it into several files",
            )
        event = cast("_Begin", event)  # by the grammar of events in yaml.parser
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        size_before, deepest_before = self.size, self.depth
        self.size += 1
        self.depth = depth
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, location)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, location, depth)
        else:
            node = self._mapping(event, location, depth)
        if event.anchor is not None:
            size, height = self.size - size_before, self.depth - depth + 1
            self.anchors[event.anchor] = _Anchored(node, size, height)
        self.depth = max(self.depth, deepest_before)
        return node

    def _member(self, event: yaml.Event, pointer: str, depth: int) -> Node:
        """Build a node that is a value: one that JSON has no form for may be a key alone."""
        node = self.node(event, pointer, depth)
        if (
            self.dialect is Dialect.KUBECTL
            and isinstance(node, Scalar)
            and isinstance(node.value, float)
            and not math.isfinite(node.value)
        ):
            raise SyntaxInputError(
                f"{node.text} has no form in JSON, which the API server is sent",
                location=self.origin.at(event.start_mark, pointer),
                hint="quote it if it is meant as text",
            )
        return node

    def _alias(self, name: str | None, location: Location, depth: int) -> Node:
        if name not in self.anchors:
            raise SyntaxInputError(
                # Not its name: a password that begins with * is no alias.
                "nothing above is anchored under the name of this alias",
                location=location,
                hint="quote text that begins with *, or anchor a value with & before",
            )
        anchored = self.anchors[name]
        if anchored is None:
            raise SyntaxInputError(
                "the value that this alias stands for contains itself",
                location=location,
                hint="write the value out",
            )
        self.aliased += anchored.size
        if self.aliased > MAX_ALIASED_NODES:
            raise LimitError(
                f"aliases stand for more than {MAX_ALIASED_NODES} values", location=location
            )
        if depth + anchored.height - 1 > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels", location=location)
        self.size += anchored.size
        self.depth = max(self.depth, depth + anchored.height - 1)
        return anchored.node

    def _sequence(self, start: yaml.SequenceStartEvent, location: Location, depth: int) -> Sequence:
        tag = self._collection_tag(start.tag, location)
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(
                self._member(event, below(location.pointer or "", str(len(items))), depth + 1)
            )
        return Sequence(tuple(items), location, tag)

    def _mapping(self, start: yaml.MappingStartEvent, location: Location, depth: int) -> Mapping:
        tag = self._collection_tag(start.tag, location)
        pointer = location.pointer or ""
        entries: dict[Value, tuple[Scalar, Node]] = {}
        merged: dict[Value, tuple[Scalar, Node]] = {}
        meant: dict[Value, tuple[type, Value]] = {}
        merge_key: Scalar | None = None
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            written = self.node(event, pointer, depth + 1)
            key = self._key(written)
            value_event = next(self.events)
            value = self._member(value_event, below(pointer, str(key.value)), depth + 1)
            if not self._is_merge(event):
                if key.value in entries:
                    self._again(entries[key.value][0], key, meant.get(key.value), written)
                entries[key.value] = (key, value)
                meant[key.value] = _meaning(written)
            elif isinstance(value_event, yaml.AliasEvent) and isinstance(value, Sequence):
                raise _no_merge(key)  # of a list, goyaml wants the members written here
            elif self.dialect is Dialect.KUBECTL:
                # goyaml.v2 merges where it stands, over the keys above it.
                entries.update(_merged(value, key))
            elif merge_key is not None:
                raise _twice(key, merge_key)
            else:
                merge_key = key
                merged = _merged(value, key)
        return Mapping(tuple({**merged, **entries}.values()), location, tag)

    def _again(
        self, first: Scalar, key: Scalar, meant: tuple[type, Value] | None, written: Node
    ) -> None:
        """Remark on a key that stands twice, or refuse it.

        To goyaml 1 and "1" are two keys; which of them is left once both are text is chance.
        """
        if self.dialect is not Dialect.KUBECTL or meant not in (None, _meaning(written)):
            raise _twice(key, first)
        if self.remarks is not None:
            self.remarks.repeated.append((first, key))

    def _check_raw(self, event: yaml.ScalarEvent, location: Location) -> None:
        """Refuse what goyaml.v2 reads otherwise than the parser that is used here."""
        begin, end = event.start_mark, event.end_mark
        if self.text is None or begin is None or end is None:
            return
        if event.style == '"' and _SOLIDUS.search(self.text, begin.index, end.index):
            raise SyntaxInputError(
                "not YAML: found unknown escape character",
                location=location,
                hint="write the slash without a backslash",
            )
        # To goyaml.v2 the comma is one more character of the tag, and not the end of an entry.
        if event.tag and not event.value and self.text[end.index : end.index + 1] == ",":
            raise SyntaxInputError(
                "a tag with a comma behind it, which kubectl takes for a part of it",
                location=location,
                hint="remove the tag, or quote text that begins with an exclamation mark",
            )

    def _is_merge(self, event: yaml.Event) -> bool:
        """Say whether a key is a merge key; the lone mark of "! <<" hides it from goyaml v3."""
        if not isinstance(event, yaml.ScalarEvent) or event.value != "<<":
            return False
        if event.tag == "!":
            return self.dialect is Dialect.KUBECTL
        return event.tag == MERGE or (event.tag is None and event.implicit[0])

    def _collection_tag(self, tag: str | None, location: Location) -> str | None:
        if tag is not None and self.dialect is Dialect.STRICT:
            raise _tag_refused(tag, location)
        return tag

    def _key(self, node: Node) -> Scalar:
        """Return a key as text.

        The API server's JSON knows no other (convertToJSONableObject of sigs.k8s.io/yaml names
        booleans and numbers); compose refuses any other (convertToStringKeysRecursive).
        """
        match node:
            case Scalar(value=str(), tag=tag) if (
                tag != TIMESTAMP or self.dialect is Dialect.KUBECTL
            ):
                return node
            case Scalar(value=bool(value)) if self.dialect is Dialect.KUBECTL:
                return Scalar("true" if value else "false", node.text, node.location, node.tag)
            case Scalar(value=int(value)) if self.dialect is Dialect.KUBECTL and value in _INT64:
                return Scalar(str(value), node.text, node.location, node.tag)
            case Scalar(value=float(value)) if self.dialect is Dialect.KUBECTL:
                from deployguard.formats.float_keys import float_key  # noqa: PLC0415  (so rare)

                return Scalar(float_key(value), node.text, node.location, node.tag)
            case Scalar():
                raise SyntaxInputError(
                    f"the key {node.text or 'null'} is not text",
                    location=node.location,
                    hint="put it in quotes",
                )
            case Sequence() | Mapping():
                raise SyntaxInputError(
                    "a list or a mapping cannot be a key",
                    location=node.location,
                    hint="quote text that begins with { or [",
                )

    def _scalar(self, event: yaml.ScalarEvent, location: Location) -> Scalar:
        text, tag = event.value, event.tag
        self._check_raw(event, location)
        if tag is not None and self.dialect is Dialect.STRICT:
            raise _tag_refused(tag, location)
        if tag == "!" and not event.style and self.dialect is Dialect.COMPOSE:
            tag = None  # to yaml v3 the lone mark says nothing; to v2 and the standard it says text
        if tag == BINARY:
            return Scalar(_binary(text, location), text, location, tag)
        if tag is None and not event.implicit[0]:  # in quotes, or a block
            return Scalar(text, text, location)
        if tag not in (None, INT, FLOAT, BOOL, NULL, TIMESTAMP):
            return Scalar(text, text, location, tag)
        value, found = _resolve(text, self.dialect)
        if tag == FLOAT and found == INT and isinstance(value, int):
            return Scalar(float(value), text, location, tag)
        if tag is None:
            date_tag = TIMESTAMP if found == TIMESTAMP and self.dialect is Dialect.COMPOSE else None
            return Scalar(value, text, location, date_tag)
        if found != tag:
            raise SyntaxInputError(
                f"the value cannot be read as {tag.replace(_CORE, '!!')}",
                location=location,
                hint="remove the tag or correct the value",
            )
        return Scalar(value, text, location, tag)


# An escape of YAML 1.2 and of JSON, and none of goyaml.v2.
_SOLIDUS = re.compile(r"(?<!\\)(?:\\\\)*\\/")


def _meaning(node: Node) -> tuple[type, Value]:
    value = node.value if isinstance(node, Scalar) else None
    return type(value), value


def _merged(value: Node, key: Scalar) -> dict[Value, tuple[Scalar, Node]]:
    """Return what a merge key brings in; of a list, the first mapping wins."""
    entries: dict[Value, tuple[Scalar, Node]] = {}
    for source in reversed(value.items) if isinstance(value, Sequence) else (value,):
        if not isinstance(source, Mapping):
            raise _no_merge(key)
        entries.update((name.value, (name, node)) for name, node in source.entries)
    return entries


def _no_merge(key: Scalar) -> SyntaxInputError:
    return SyntaxInputError(
        "<< takes a mapping or a list of mappings",
        location=key.location,
        hint="let it refer to an anchored mapping, as in <<: *defaults",
    )


def _twice(key: Scalar, first: Scalar) -> SyntaxInputError:
    return SyntaxInputError(
        f"the key {key.text!r} stands twice, first in line {first.location.line}",
        location=key.location,
        hint="keep one of the two",
    )


def _tag_refused(tag: str, location: Location) -> SyntaxInputError:
    return SyntaxInputError(
        f"the tag {tag.replace(_CORE, '!!')} is not used here",
        location=location,
        hint="remove it, or quote text that begins with an exclamation mark",
    )


def _binary(text: str, location: Location) -> str:
    try:
        data = b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SyntaxInputError("!!binary takes base64", location=location) from error
    return data.decode("utf-8", "replace")


def _resolve(text: str, dialect: Dialect) -> tuple[Value, str]:
    """Return what a plain scalar means, and the tag of that meaning."""
    words = _WORDS[dialect]
    if text in words:
        value = words[text]
        if value is None:
            return None, NULL
        return value, BOOL if isinstance(value, bool) else FLOAT
    number = _core_number(text) if dialect is Dialect.STRICT else _go_number(text, dialect)
    if number is not None:
        return number, INT if isinstance(number, int) else FLOAT
    if dialect is not Dialect.STRICT and _is_date(text):
        return text, TIMESTAMP
    return text, STR


def _core_number(text: str) -> int | float | None:
    if match := _CORE_INT.fullmatch(text):
        return _integer(match)
    return _finite(text) if _GO_FLOAT.fullmatch(text) else None


def _go_number(text: str, dialect: Dialect) -> int | float | None:
    """Follow `resolve` of goyaml: integers of 64 bits, then floats, else text."""
    if text.startswith("."):
        return _finite(text.replace("_", "")) if _GO_DOT_FLOAT.fullmatch(text) else None
    if not text or text[0] not in "+-0123456789":
        return None
    plain = text.replace("_", "")
    if match := _GO_INT.fullmatch(plain):
        value = _integer(match)
        if value is not None and (value in _INT64 or (value in _UINT64 and not match[1])):
            return value
    elif match := _GO_SIGNED[dialect].fullmatch(plain):
        return _integer(match)
    return _finite(plain) if _GO_FLOAT.fullmatch(plain) else None


def _integer(match: re.Match[str]) -> int | None:
    """Return the integer, None where no 64 bits could hold it; int() refuses 4,301 digits."""
    base = match.lastgroup or "decimal"
    digits = match[base].lstrip("0") or "0"
    sign = "-" if "-" in match[0] else ""
    return int(sign + digits, _BASES[base]) if len(digits) <= MAX_DIGITS else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _is_date(text: str) -> bool:
    match = _GO_DATE.fullmatch(text)
    if match is None:
        return False
    try:
        date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return False
    return True
