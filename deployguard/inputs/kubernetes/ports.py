"""Ports of containers, and of Pods, whose containers share one network namespace."""

from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.model.container import Port
from deployguard.model.evidence import Traced

_PORTS = 65_536


def pod_ports(spec: Mapping) -> Iterator[Port]:
    """Yield the ports of all containers of a Pod that keep running, in its order."""
    for container in fields.mappings(spec, "containers"):
        yield from ports(container)
    for container in fields.mappings(spec, "initContainers"):
        policy = fields.text(container, "restartPolicy")
        if policy is not None and policy.value == "Always":
            yield from ports(container)


def ports(container: Mapping) -> Iterator[Port]:
    """Yield the ports of a container. Raises SyntaxInputError for what the API server refuses."""
    for port in fields.mappings(container, "ports"):
        inside, outside = _port(port, "containerPort"), _port(port, "hostPort")
        protocol, address = fields.text(port, "protocol"), fields.text(port, "hostIP")
        name = fields.text(port, "name")
        if inside is None:
            raise SyntaxInputError(
                "a port needs a containerPort", location=port.location, hint="add its number"
            )
        published = None
        if outside is not None and outside.value:
            host = address.value if address is not None and address.value else "0.0.0.0"  # noqa: S104  (the kubelet's default, not a bind of ours)
            published = f"[{host}]:{outside.value}" if ":" in host else f"{host}:{outside.value}"
        spoken = protocol.value.lower() if protocol is not None and protocol.value else "tcp"
        called = name.value if name is not None and name.value else None
        yield Port(inside.value, spoken, published, port.location, called)


def _port(port: Mapping, name: str) -> Traced[int] | None:
    """Return a number of a port; hostPort 0 is the same as none (Go's zero value)."""
    found = fields.number(port, name)
    if found is None or 0 < found.value < _PORTS or (not found.value and name == "hostPort"):
        return found
    raise SyntaxInputError(
        f"{name!r} is no port", location=found.location, hint=f"ports go from 1 to {_PORTS - 1}"
    )
