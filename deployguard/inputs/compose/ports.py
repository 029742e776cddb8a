"""Ports of a service, in the short and the long form (compose-spec 05-services.md, ports)."""

import ipaddress
import re
from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.inputs.compose.fields import Fields, wrong
from deployguard.model.container import Port
from deployguard.model.evidence import Location, Traced

# What Docker publishes on where neither a port nor its network says otherwise.
EVERYWHERE = "0.0.0.0"  # noqa: S104
_EXPOSED = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([a-z]+))?", re.ASCII)
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)
# What follows a second dash is dropped (docker/go-connections nat.ParsePortRange).
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+)(?:-.*)?)?", re.ASCII)
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_DIGITS = 5
_WAY_OUT = 'write "HOST:CONTAINER" in quotes, each a number from 1 to 65535'
_PORTS = 65_536


def ports(service: Mapping, fields: Fields, everywhere: str = EVERYWHERE) -> Iterator[Port]:
    """Yield what a service publishes, and what it exposes; equal ones once.

    `everywhere` is where a port without an address is published. Raises SyntaxInputError for what
    compose refuses.
    """
    seen: set[tuple[int, str, str | None]] = set()
    for item in fields.items(service, "ports"):
        for port in _published(item, fields, everywhere):
            key = (port.container, port.protocol, port.published)
            if key not in seen:
                seen.add(key)
                yield port
    for item in fields.items(service, "expose"):
        text = _whole(item, fields, "expose")
        match = _EXPOSED.fullmatch(text.value)
        # compose takes any text here, and what is no port has no effect.
        if match is not None and len(match[1]) <= _DIGITS:
            yield Port(int(match[1]), match[3] or "tcp", None, text.location)


def check_ports(service: Mapping, fields: Fields) -> None:
    """Raise SyntaxInputError as `ports` does; ranges are not counted out, however long they are."""
    for item in fields.items(service, "ports"):
        next(_published(item, fields, EVERYWHERE))
    for item in fields.items(service, "expose"):
        _whole(item, fields, "expose")


def _published(item: Node, fields: Fields, everywhere: str) -> Iterator[Port]:
    """Yield at least one port; what is refused is so before the first."""
    if isinstance(item, Mapping):
        return _long(item, fields, everywhere)
    return _short(_whole(item, fields, "ports"), everywhere)


def _whole(item: Node, fields: Fields, name: str) -> Traced[str]:
    """Return a text or whole number: compose takes no other number."""
    if isinstance(item, Scalar) and isinstance(item.value, float):
        raise wrong(item, name, "a text or a whole number")
    return fields.scalar(item, name)


def _short(text: Traced[str], everywhere: str) -> Iterator[Port]:
    """Read ADDRESS:HOST:CONTAINER/PROTOCOL (docker/go-connections nat.ParsePortSpec)."""
    parts = text.value.split(":")
    host = parts[-2] if len(parts) > 1 else ""
    inner, _, spoken = parts[-1].partition("/")
    protocol = spoken.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise _no_port(text.location, f"the protocol is one of {', '.join(sorted(_PROTOCOLS))}")
    address = _address(":".join(parts[:-2]), text.location, everywhere)
    inside = _range(inner, text.location)
    outside = _range(host, text.location) if host else range(1)
    if not inside[0]:
        raise _no_port(text.location, _WAY_OUT)
    if len(inside) == 1:
        # A range of the machine's ports is where the engine picks one of.
        picked = f"{outside[0]}-{outside[-1]}" if len(outside) > 1 else str(outside[0])
        yield Port(inside[0], protocol, f"{address}:{picked}", text.location)
        return
    if host and len(outside) != len(inside):
        raise SyntaxInputError(
            "the ranges have two lengths",
            location=text.location,
            hint="publish as many as there are",
        )
    for index, container in enumerate(inside):
        number = outside[index] if host else 0
        yield Port(container, protocol, f"{address}:{number}", text.location)


def _address(text: str, location: Location, everywhere: str) -> str:
    """Return the address to publish on, one of IPv6 in brackets (Go's net.ParseIP)."""
    if not text:
        return everywhere
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        parsed = None
    if parsed is None or "%" in bare:
        raise _no_port(
            location, f"{_WAY_OUT}; an address before it is 127.0.0.1, [::1] or the like"
        )
    return f"[{bare}]" if parsed.version == 6 else bare  # noqa: PLR2004  (of the protocol)


def _no_port(location: Location, hint: str) -> SyntaxInputError:
    return SyntaxInputError("this is no port", location=location, hint=hint)


def _range(text: str, location: Location) -> range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise _no_port(location, _WAY_OUT)
    ends = [int(one) if len(one.lstrip("0")) <= _DIGITS else _PORTS for one in
            (match[1], match[2] or match[1])]  # fmt: skip
    numbers = range(ends[0], ends[1] + 1)
    if not numbers or max(ends) >= _PORTS:
        raise SyntaxInputError(
            "this is no port or range of ports",
            location=location,
            hint=f"ports go from 1 to {_PORTS - 1}, the lower one first",
        )
    return numbers


def _long(node: Mapping, fields: Fields, everywhere: str) -> Iterator[Port]:
    """Read the long form; what the engine alone would refuse is taken as it is."""
    target = fields.optional_scalar(node, "target")
    if target is None or not _NUMBER.fullmatch(target.value) or len(target.value) > _DIGITS + 1:
        raise SyntaxInputError(
            "a port without a target", location=node.location, hint="add target: NUMBER"
        )
    published = node.get("published")
    number = None if published is None else _whole(published, fields, "published")
    protocol, address = fields.optional(node, "protocol"), fields.optional(node, "host_ip")
    if address is not None and (not address.value or address.value.startswith("[")):
        raise SyntaxInputError(
            "the address of a port is no IP address",
            location=address.location,
            hint="write it as 127.0.0.1 or ::1, or leave it out",
        )
    place = node.location if address is None else address.location
    host = _address("" if address is None else address.value, place, everywhere)
    yield Port(
        int(target.value),
        protocol.value if protocol is not None and protocol.value else "tcp",
        f"{host}:{number.value if number is not None and number.value else 0}",
        node.location if number is None else number.location,
    )
