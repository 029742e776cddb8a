"""Paths in the tree of a compose project, and changes to the tree (compose-go `tree`)."""

from collections.abc import Hashable
from collections.abc import Mapping as AnyMapping
from typing import TypeAlias, TypeVar

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import TIMESTAMP, Mapping, Node, Scalar, Sequence
from deployguard.model.structs import replace

Path: TypeAlias = tuple[str, ...]
Special = TypeVar("Special")
Entries: TypeAlias = dict[str, tuple[Scalar, Node]]


def path(text: str) -> Path:
    """Return a path, or a pattern, from its text."""
    return tuple(text.split("."))


def matches(place: Path, pattern: Path) -> bool:
    """Say whether a path is of a pattern, in which `*` stands for any one step."""
    return len(place) == len(pattern) and all(
        expected in ("*", step) for step, expected in zip(place, pattern, strict=True)
    )


def of_place(table: AnyMapping[Path, Special], place: Path) -> Special | None:
    """Return what a table by patterns has for a path."""
    return next((found for pattern, found in table.items() if matches(place, pattern)), None)


def entries(node: Mapping) -> Entries:
    """Return a mapping's entries by their keys, to be changed."""
    return {key.text: (key, value) for key, value in node.entries}


def with_entries(node: Mapping, changed: Entries) -> Mapping:
    """Return a mapping with other entries."""
    return replace(node, entries=tuple(changed.values()))


def set_to(node: Mapping, name: str, value: Node) -> Mapping:
    """Return a mapping with one entry set."""
    changed = entries(node)
    key = changed[name][0] if name in changed else text(name, value)
    changed[name] = (key, value)
    return with_entries(node, changed)


def without(node: Mapping, *names: str) -> Mapping:
    """Return a mapping without some keys."""
    return replace(node, entries=tuple(e for e in node.entries if e[0].text not in names))


def text(value: str, like: Node) -> Scalar:
    """Return a text that stands where another node does."""
    return Scalar(value, value, like.location)


def is_null(node: Node | None) -> bool:
    """Say whether a node is missing or null."""
    return node is None or (isinstance(node, Scalar) and node.value is None)


def string(node: Node | None) -> str | None:
    """Return a node's value where it is text."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.tag != TIMESTAMP:
        return node.value
    return None


def plain(node: Node) -> Hashable:
    """Return what a node says without its places, for comparisons."""
    match node:
        case Scalar(value=value):
            return (type(value).__name__, value)
        case Sequence(items=items):
            return tuple(plain(item) for item in items)
        case Mapping(entries=members):
            return frozenset((key.text, plain(value)) for key, value in members)


def section(top: Mapping, name: str) -> AnyMapping[str, Node]:
    """Return the members of a part of the project, such as its services, if it has any."""
    node = top.get(name)
    if not isinstance(node, Mapping):
        return {}
    return {key.text: value for key, value in node.entries}


def changed_members(top: Mapping, name: str, members: AnyMapping[str, Node]) -> Mapping:
    """Return a project in which members of a part are changed."""
    node = top.get(name)
    if not isinstance(node, Mapping):
        return top
    renewed = tuple((key, members.get(key.text, value)) for key, value in node.entries)
    return set_to(top, name, replace(node, entries=renewed))


def refuse_override(place: Path, node: Node) -> SyntaxInputError:
    """Return the error for a value that cannot be laid over one of another shape."""
    return SyntaxInputError(
        f"cannot override {'.'.join(place)}",
        location=node.location,
        hint="write it in the shape that the earlier file has, or put !override before it",
    )
