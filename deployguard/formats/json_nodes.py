"""JSON with the place of every key and value, as encoding/json of Go reads it (RFC 8259)."""

import json
import math
import re

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.nodes import (
    MAX_DEPTH,
    MAX_DIGITS,
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

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_WORD = re.compile("true|false|null")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRINGS = json.JSONDecoder()
_INT64 = range(-(2**63), 2**63)


class NotJsonError(Exception):
    """The text is no JSON at `location`."""

    def __init__(self, message: str, location: Location) -> None:
        super().__init__(message)
        self.message = message
        self.location = location


class JsonReader:
    """Reads the values of a stream of JSON one by one."""

    def __init__(self, text: str, source: str, remarks: Remarks | None) -> None:
        self.text = text
        self.origin = Origin(source)
        self.remarks = remarks
        self.line = self.line_start = self.counted = 0
        self.position = 0
        self.built = 0
        self.most = 0
        self.too_big: Location | None = None

    def at_end(self) -> bool:
        """Go past white space and say whether nothing follows."""
        self._skip()
        return self.position >= len(self.text)

    def document(self, most: int) -> Node:
        """Return the next value, of at most `most` keys and values.

        Raises NotJsonError for what is no JSON, LimitError beyond the bounds, and SyntaxInputError
        for a number that Go has no type for. `position` is where the value ends, if it does.
        """
        begin, self.built, self.most, self.too_big = self.position, 0, most, None
        try:
            node = self._value("", 1)
        except NotJsonError:
            self.position = begin
            raise
        if self.too_big is not None:
            raise SyntaxInputError(
                "the number is too big for 64 bits",
                location=self.too_big,
                hint="quote it if it is meant as text",
            )
        return node

    def _skip(self) -> None:
        if (space := _SPACE.match(self.text, self.position)) is not None:
            self.position = space.end()

    def _place(self, index: int, pointer: str) -> Location:
        """Return a place; they are asked for in their order, so that lines are counted once."""
        passed = self.text.count("\n", self.counted, index)
        if passed:
            self.line += passed
            self.line_start = self.text.rfind("\n", self.counted, index) + 1
        self.counted = max(self.counted, index)
        return self.origin.place(self.line, index - self.line_start, pointer)

    def _next(self) -> str:
        self._skip()
        return self.text[self.position : self.position + 1]

    def _wrong(self, expected: str) -> NotJsonError:
        return NotJsonError(f"expected {expected}", self._place(self.position, ""))

    def _counted(self, location: Location) -> None:
        self.built += 1
        if self.built > self.most:
            raise LimitError(
                f"more than {self.most} keys and values",
                location=location,
                hint="split it into several files",
            )

    def _value(self, pointer: str, depth: int) -> Node:
        character = self._next()
        location = self._place(self.position, pointer)
        if depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels", location=location)
        self._counted(location)
        match character:
            case "{":
                return self._object(location, depth)
            case "[":
                return self._array(location, depth)
            case '"':
                text = self._string()
                return Scalar(text, text, location)
            case _:
                return self._plain(location)

    def _object(self, location: Location, depth: int) -> Mapping:
        self.position += 1
        pointer = location.pointer or ""
        entries: dict[Value, tuple[Scalar, Node]] = {}
        if self._next() == "}":
            self.position += 1
            return Mapping((), location)
        while True:
            if self._next() != '"':
                raise self._wrong("a key in double quotes")
            place = self._place(self.position, pointer)
            self._counted(place)
            name = self._string()
            key = Scalar(name, name, place)
            if self._next() != ":":
                raise self._wrong("a colon")
            self.position += 1
            if name in entries and self.remarks is not None:
                self.remarks.repeated.append((entries[name][0], key))
            entries[name] = (key, self._value(below(pointer, name), depth + 1))
            if not self._goes_on("}"):
                return Mapping(tuple(entries.values()), location)

    def _array(self, location: Location, depth: int) -> Sequence:
        self.position += 1
        items: list[Node] = []
        if self._next() == "]":
            self.position += 1
            return Sequence((), location)
        while True:
            items.append(self._value(below(location.pointer or "", str(len(items))), depth + 1))
            if not self._goes_on("]"):
                return Sequence(tuple(items), location)

    def _goes_on(self, closer: str) -> bool:
        found = self._next()
        if found not in (",", closer):
            raise self._wrong(f"a comma or {closer}")
        self.position += 1
        return found == ","

    def _string(self) -> str:
        try:
            text, self.position = _STRINGS.raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            place = self._place(min(error.pos, len(self.text)), "")
            raise NotJsonError("not a string of JSON", place) from error
        # encoding/json reads half a surrogate pair as U+FFFD.
        return _SURROGATE.sub("\ufffd", text)

    def _plain(self, location: Location) -> Scalar:
        if word := _WORD.match(self.text, self.position):
            self.position = word.end()
            return Scalar(_WORDS[word[0]], word[0], location)
        number = _NUMBER.match(self.text, self.position)
        if number is None:
            raise self._wrong("a value")
        self.position = number.end()
        value = _number(number)
        if isinstance(value, float) and not math.isfinite(value):
            self.too_big = self.too_big or location
        return Scalar(value, number[0], location)


def _number(match: re.Match[str]) -> int | float:
    """Return a number as UnmarshalCaseSensitivePreserveInts of sigs.k8s.io/json does."""
    text = match[0]
    if match[1] is None and match[2] is None and len(text) <= MAX_DIGITS:
        whole = int(text)
        return whole if whole in _INT64 else float(whole)
    return float(text)
