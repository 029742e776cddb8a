"""Ports of a service, in the short and the long form (compose-spec 05-services.md, ports)."""

import re
from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node
from deployguard.inputs.compose.fields import Fields
from deployguard.model.container import Port
from deployguard.model.evidence import Location

# What Docker publishes on where no address is given.
_EVERYWHERE = "0.0.0.0"  # noqa: S104
_SHORT = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:(?P<host>[0-9-]*):)?"
    r"(?P<container>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[a-z]+))?"
)
_PORTS = 65_536


def ports(service: Mapping, fields: Fields) -> Iterator[Port]:
    """Yield what a service publishes. Raises SyntaxInputError for what compose refuses."""
    for item in fields.items(service, "ports"):
        if isinstance(item, Mapping):
            yield from _long(item, fields)
        else:
            text = fields.text(item, "ports")
            yield from _short(text.value, text.location)
    for item in fields.items(service, "expose"):
        text = fields.text(item, "expose")
        number, _, protocol = text.value.partition("/")
        if number.isdigit():
            yield Port(int(number), protocol or "tcp", None, text.location)


def _short(text: str, location: Location) -> Iterator[Port]:
    match = _SHORT.fullmatch(text)
    if match is None:
        raise SyntaxInputError(
            f"{text!r} is no port", location=location, hint='write "HOST:CONTAINER" in quotes'
        )
    inside = _range(match["container"], location)
    outside = _range(match["host"], location) if match["host"] else [0] * len(inside)
    if len(outside) != len(inside):
        if len(inside) != 1:
            raise SyntaxInputError(f"{text!r} joins ranges of two lengths", location=location)
        outside = outside[:1]
    address = match["address"] or _EVERYWHERE
    for container, host in zip(inside, outside, strict=True):
        yield Port(container, match["protocol"] or "tcp", f"{address}:{host}", location)


def _range(text: str, location: Location) -> list[int]:
    first, dash, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1) if dash else [int(first)]
    if not numbers or max(numbers) >= _PORTS:
        raise SyntaxInputError(f"{text!r} is no range of ports", location=location)
    return list(numbers)


def _long(node: Mapping, fields: Fields) -> Iterator[Port]:
    target = fields.optional(node, "target")
    if target is None or not target.value.isdigit():
        raise SyntaxInputError("a port without a target", location=node.location)
    published = fields.optional(node, "published")
    address = fields.optional(node, "host_ip")
    protocol = fields.optional(node, "protocol")
    number = _range(published.value, node.location)[0] if published and published.value else 0
    yield Port(
        int(target.value),
        protocol.value if protocol else "tcp",
        f"{address.value if address else _EVERYWHERE}:{number}",
        _place(node, "published") or node.location,
    )


def _place(node: Mapping, name: str) -> Location | None:
    found: Node | None = node.get(name)
    return found.location if found is not None else None
