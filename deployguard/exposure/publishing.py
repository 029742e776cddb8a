"""Ports that an engine or the kubelet publishes on the machine."""

from collections.abc import Iterator

from deployguard.exposure.addresses import is_loopback_address
from deployguard.model.container import ContainerSpec, Port
from deployguard.model.evidence import Evidence


def published(spec: ContainerSpec) -> Iterator[Port]:
    """Yield the ports that are published into a container's network namespace.

    Listeners speak TCP: what is published for another protocol leads nowhere.
    """
    for port in spec.network_ports or spec.ports:
        if port.published is not None and port.protocol.lower() == "tcp":
            yield port


def farthest_port(spec: ContainerSpec, number: int | None) -> Port | None:
    """Return how a port is published for the most; None is a port that is not known."""
    matching = (port for port in published(spec) if number is None or port.container == number)
    return min(matching, key=on_loopback, default=None)


def on_loopback(port: Port) -> bool:
    """Say whether a port is published for the machine alone; a name is no address for that."""
    address = (port.published or "").rpartition(":")[0]
    return is_loopback_address(address) is True


def said(port: Port) -> Evidence:
    """Return what is published, for a reader."""
    return Evidence(port.location, f"port {port.container} is published on {port.published}")
