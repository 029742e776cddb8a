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
    r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:(?P<host>[0-9]+(?:-[0-9]+)?)?:)?"
    r"(?P<container>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[a-z]+))?",
    re.ASCII,
)
_EXPOSED = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([a-z]+))?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_RANGE = re.compile(r"(?:[0-9]+(?:-[0-9]+)?)?", re.ASCII)
_DIGITS = 5
_WAY_OUT = 'write "HOST:CONTAINER" in quotes, each a number from 1 to 65535'
_PORTS = 65_536


def ports(service: Mapping, fields: Fields) -> Iterator[Port]:
    """Yield what a service publishes. Raises SyntaxInputError for what compose refuses."""
    for item in fields.items(service, "ports"):
        if isinstance(item, Mapping):
            yield from _long(item, fields)
        else:
            text = fields.scalar(item, "ports")
            yield from _short(text.value, text.location)
    for item in fields.items(service, "expose"):
        text = fields.scalar(item, "expose")
        match = _EXPOSED.fullmatch(text.value)
        # compose takes any text here, and what is no port has no effect.
        if match is not None and len(match[1]) <= _DIGITS:
            yield Port(int(match[1]), match[3] or "tcp", None, text.location)


def _short(text: str, location: Location) -> Iterator[Port]:
    match = _SHORT.fullmatch(text)
    if match is None:
        raise SyntaxInputError("this is no port", location=location, hint=_WAY_OUT)
    inside = _range(match["container"], location)
    outside = _range(match["host"], location) if match["host"] else [0] * len(inside)
    if len(outside) != len(inside):
        if len(inside) != 1:
            raise SyntaxInputError(
                "the ranges have two lengths",
                location=location,
                hint="publish as many as there are",
            )
        outside = outside[:1]
    address = match["address"] or _EVERYWHERE
    for container, host in zip(inside, outside, strict=True):
        yield Port(container, match["protocol"] or "tcp", f"{address}:{host}", location)


def _range(text: str, location: Location) -> list[int]:
    first, _, last = text.partition("-")
    ends = [int(one) if len(one) <= _DIGITS else _PORTS for one in (first, last or first)]
    numbers = range(ends[0], ends[1] + 1)
    if not numbers or max(ends) >= _PORTS:
        raise SyntaxInputError(
            "this is no port or range of ports",
            location=location,
            hint=f"ports go from 1 to {_PORTS - 1}, the lower one first",
        )
    return list(numbers)


def _long(node: Mapping, fields: Fields) -> Iterator[Port]:
    target = fields.optional_scalar(node, "target")
    published = fields.optional_scalar(node, "published")
    address = fields.optional(node, "host_ip")
    protocol = fields.optional(node, "protocol")
    if target is None or not _NUMBER.fullmatch(target.value):
        raise SyntaxInputError(
            "a port without a target", location=node.location, hint="add target: NUMBER"
        )
    if published is not None and not _RANGE.fullmatch(published.value):
        raise SyntaxInputError("this is no port", location=published.location, hint=_WAY_OUT)
    number = _range(published.value, node.location)[0] if published and published.value else 0
    yield Port(
        _range(target.value, target.location)[0],
        protocol.value if protocol else "tcp",
        f"{address.value if address else _EVERYWHERE}:{number}",
        _place(node, "published") or node.location,
    )


def _place(node: Mapping, name: str) -> Location | None:
    found: Node | None = node.get(name)
    return found.location if found is not None else None
