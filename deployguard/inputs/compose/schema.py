"""A project checked by the schema of the Compose Specification, as compose checks it.

The schema lies beside this module. Of JSON Schema (draft 7) it uses few words, and these are
followed here: the places of a tree are kept, so that each error has its line.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct

from deployguard.errors import SyntaxInputError, nearest
from deployguard.formats.yaml import TIMESTAMP, Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import wrong
from deployguard.inputs.compose.trees import Path, plain

_WORDS = {
    "string": "a text", "number": "a number", "integer": "a whole number",
    "boolean": "true or false", "array": "a list", "object": "a mapping", "null": "nothing",
}  # fmt: skip
_Schema = dict[str, Any]  # the schema's own JSON
_SERVICE = 2


class _Wrong(Struct, frozen=True):
    """One thing that a schema does not allow: `expected` where it is the type of the value."""

    place: Path
    node: Node
    expected: tuple[str, ...] = ()
    error: SyntaxInputError | None = None


def check_schema(top: Mapping) -> None:
    """Raise SyntaxInputError for what the schema does not allow."""
    for found in _wrongs(top, _schema(), ()):
        raise _said(found)


@cache
def _schema() -> _Schema:
    text = FilePath(__file__).with_name("compose-spec.json").read_text("utf-8")
    found: _Schema = json.loads(text)
    return found


def _definition(schema: _Schema) -> _Schema:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = _schema()["definitions"][name]
    return schema


def _said(found: _Wrong) -> SyntaxInputError:
    if found.error is not None:
        return found.error
    name = ".".join(found.place)
    if len(found.place) == _SERVICE and found.place[0] == "services":
        name = f"the service {found.place[1]}"
    words = [word for kind, word in _WORDS.items() if kind in found.expected and kind != "null"]
    if "number" in found.expected:
        words = [word for word in words if word != _WORDS["integer"]]
    if not words:
        words = [_WORDS["null"]]
    listed = ", ".join(words[:-1])
    return wrong(found.node, name, f"{listed} or {words[-1]}" if listed else words[-1])


def _wrongs(node: Node, schema: _Schema, place: Path) -> Iterator[_Wrong]:
    """Yield what is wrong with a node, that of the node itself first."""
    schema = _definition(schema)
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if kinds and not any(_is(node, kind) for kind in kinds):
        yield _Wrong(place, node, kinds)
        return
    if "oneOf" in schema:
        yield from _one_of(node, schema["oneOf"], place)
    match node:
        case Scalar():
            yield from _scalar(node, schema, place)
        case Sequence():
            yield from _sequence(node, schema, place)
        case Mapping():
            yield from _mapping(node, schema, place)


def _is(node: Node, kind: str) -> bool:
    match node:
        case Mapping():
            return kind == "object"
        case Sequence():
            return kind == "array"
        case Scalar(tag=tag) if tag == TIMESTAMP:
            return False  # a date has no type of JSON
        case Scalar(value=None):
            return kind == "null"
        case Scalar(value=bool()):
            return kind == "boolean"
        case Scalar(value=str()):
            return kind == "string"
        case Scalar(value=int()):
            return kind in {"integer", "number"}
        case Scalar(value=float(value)):
            return kind == "number" or (kind == "integer" and value.is_integer())
        case _:
            return False


def _one_of(node: Node, schemas: list[_Schema], place: Path) -> Iterator[_Wrong]:
    """Yield what comes nearest to being right where none of several schemas is met."""
    branches = [list(_wrongs(node, one, place)) for one in schemas]
    if sum(not branch for branch in branches) == 1:
        return
    if not all(branches):
        yield _refused(node, place, "fits several forms at once", "write it in one of them")
        return
    own = [branch[0] for branch in branches if branch[0].node is node and branch[0].expected]
    deeper = [branch for branch in branches if branch[0].node is not node or branch[0].error]
    if deeper:
        yield max((branch[0] for branch in deeper), key=lambda found: len(found.place))
    else:
        kinds = dict.fromkeys(kind for found in own for kind in found.expected)
        yield _Wrong(place, node, tuple(kinds))


def _refused(node: Node, place: Path, what: str, hint: str) -> _Wrong:
    error = SyntaxInputError(f"{'.'.join(place)} {what}", location=node.location, hint=hint)
    return _Wrong(place, node, error=error)


def _scalar(node: Scalar, schema: _Schema, place: Path) -> Iterator[_Wrong]:
    value = node.value
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(schema["enum"])
        yield _refused(node, place, f"should be one of {allowed}", "write one of these")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        hint = "compose refuses it as well"
        yield _refused(node, place, f"does not match the pattern {schema['pattern']}", hint)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if value < low or value > high:
            yield _refused(node, place, "is out of range", f"write {low} to {high}")


def _sequence(node: Sequence, schema: _Schema, place: Path) -> Iterator[_Wrong]:
    if schema.get("uniqueItems") and len({_number(plain(i)) for i in node.items}) < len(node.items):
        yield _refused(node, place, "has equal members", "name each once")
    if "items" in schema:
        for index, item in enumerate(node.items):
            yield from _wrongs(item, schema["items"], (*place, str(index)))


def _number(value: object) -> object:
    """Return a plain value such that 1 and 1.0 are the same, as in JSON."""
    match value:
        case ("int" | "float", number):
            return ("number", number)
        case _:
            return value


def _mapping(node: Mapping, schema: _Schema, place: Path) -> Iterator[_Wrong]:
    for name in schema.get("required", ()):
        if node.get(name) is None:
            yield _refused(node, place, f"lacks {name}", f"add {name}:")
    properties = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    others = schema.get("additionalProperties", True)
    for key, value in node.entries:
        step = (*place, key.text)
        fitting = [properties[key.text]] if key.text in properties else []
        fitting += [one for pattern, one in patterns.items() if re.search(pattern, key.text)]
        if not fitting and others is False:
            yield _Wrong(place, node, error=_not_allowed(key, value, frozenset(properties), place))
        elif not fitting and isinstance(others, dict):
            fitting = [others]
        for one in fitting:
            yield from _wrongs(value, one, step)


def _not_allowed(key: Scalar, value: Node, known: frozenset[str], place: Path) -> SyntaxInputError:
    """Return the error for a key that compose's schema does not have."""
    close = nearest(key.text, known) if len(key.text) < _LONG_KEY else None
    meant = f"did you mean {close}? " if close else ""
    hint = f"{meant}compose refuses it as well; extensions begin with x-"
    if not place and key.text in {"apiVersion", "kind"}:
        hint = "is it a Kubernetes manifest? write k8s:FILE"
    elif not place and isinstance(value, Mapping) and (value.get("image") or value.get("build")):
        hint = "is it a version 1 file? put its services below services:"
    inside = f" in {'.'.join(place)}" if place else ""
    return SyntaxInputError(
        f"additional properties '{key.text}' not allowed{inside}",
        location=key.location,
        hint=hint,
    )


_LONG_KEY = 100
