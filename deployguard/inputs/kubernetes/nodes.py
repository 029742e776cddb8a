"""Nodes that stand in no manifest, because something puts them in when it makes the Pod."""

from collections.abc import Iterable

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.model.evidence import Location


def text(value: str, location: Location) -> Scalar:
    """Return a text as if it stood at a place."""
    return Scalar(value, value, location)


def mapping(entries: dict[str, Node], location: Location) -> Mapping:
    """Return fields as if they stood at a place."""
    return Mapping(tuple((text(name, location), node) for name, node in entries.items()), location)


def sequence(items: Iterable[Node], location: Location) -> Sequence:
    """Return a list as if it stood at a place."""
    return Sequence(tuple(items), location)


def with_field(node: Mapping, name: str, value: Node) -> Mapping:
    """Return fields with one of them set."""
    kept = tuple((key, one) for key, one in node.entries if key.value != name)
    return Mapping((*kept, (text(name, value.location), value)), node.location, node.tag)
