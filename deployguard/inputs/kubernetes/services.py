"""Services and their endpoints, as they lead to Pods (k8s.io/api core/v1, discovery/v1)."""

from collections.abc import Iterable, Iterator

from deployguard.errors import LimitError
from deployguard.formats.yaml import Mapping, Scalar
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.model.evidence import Evidence, Traced
from deployguard.model.traffic import Endpoint, Pairs, Service, ServicePort

_MOST_ENDPOINTS = 100_000  # of one object: each address leads to each of its ports
_SLICE_OF = "kubernetes.io/service-name"
_OPENS = {
    "NodePort": "its type NodePort opens it on every node",
    "LoadBalancer": "its type LoadBalancer opens it beyond the cluster",
}


def specified(item: ApiObject) -> Mapping:
    """Return an object's spec, empty where it has none."""
    return fields.mapping(item.node, "spec") or Mapping((), item.location)


def port_of(node: Mapping, name: str) -> int | str | None:
    """Return a port by number or name; a number in quotes is one, and 0 is none (IntOrString)."""
    found = node.get(name)
    if isinstance(found, Scalar) and isinstance(found.value, str):
        text = found.value
        return (int(text) if text.isdecimal() and text.isascii() else text) or None
    number = fields.number(node, name)
    return None if number is None else number.value or None


def is_tcp(port: Mapping) -> bool:
    """Say whether a port is one of TCP, which it is where nothing is said."""
    protocol = fields.text(port, "protocol")
    return protocol is None or protocol.value in {"", "TCP"}


def pairs_of(parent: Mapping, name: str) -> Pairs:
    """Return labels as sorted pairs."""
    return tuple(sorted((key, value.value) for key, value in fields.texts(parent, name).items()))


def service(item: ApiObject, endpoints: Iterable[Endpoint] = ()) -> Service:
    """Read a Service. Raises SyntaxInputError where the API server would refuse a field."""
    spec = specified(item)
    kind = fields.text(spec, "type")
    if kind is not None and kind.value == "ExternalName":
        outside = fields.text(spec, "externalName")
        return Service(
            namespace=item.namespace,
            name=item.name,
            location=item.location,
            alias=None if outside is None else in_cluster(outside.value, item.namespace),
        )
    return Service(
        namespace=item.namespace,
        name=item.name,
        location=item.location,
        selector=pairs_of(spec, "selector"),
        ports=tuple(_ports(spec)),
        endpoints=tuple(endpoints),
        opened=tuple(_opened(item, spec, kind)),
    )


def _ports(spec: Mapping) -> Iterator[ServicePort]:
    for port in fields.mappings(spec, "ports"):
        number, called = fields.number(port, "port"), fields.word(port, "name", None)
        target = port_of(port, "targetPort")
        if number is not None and is_tcp(port):
            yield ServicePort(number.value, called, target or number.value)


def _opened(item: ApiObject, spec: Mapping, kind: Traced[str] | None) -> Iterator[Evidence]:
    """Yield what opens a Service beyond the cluster.

    That only some addresses are let in (loadBalancerSourceRanges), or that a load balancer stands
    in a private network, leaves it open beyond the machine.
    """
    if kind is not None and kind.value in _OPENS:
        yield Evidence(kind.location, _OPENS[kind.value])
    if fields.items(spec, "externalIPs"):
        node = spec.get("externalIPs")
        yield Evidence(item.location if node is None else node.location, "its externalIPs open it")


def in_cluster(host: str, namespace: str | None) -> tuple[str | None, str] | None:
    """Return namespace and name of the Service that a host name of the cluster stands for.

    None for a name outside of it. What follows "svc" is the cluster's domain, whichever that is.
    """
    parts = host.rstrip(".").split(".")
    if len(parts) > 2 and parts[2] == "svc":  # noqa: PLR2004  (NAME.NAMESPACE.svc)
        return parts[1], parts[0]
    if len(parts) == 1 and parts[0]:
        return namespace, parts[0]
    return None


def endpoints(item: ApiObject) -> Iterator[tuple[str, Endpoint]]:
    """Yield the Pods that an Endpoints or EndpointSlice names, with the Service it belongs to.

    Addresses that name no Pod lead to something that the input does not speak of.
    """
    if item.kind == "Endpoints":
        yield from ((item.name, endpoint) for endpoint in _of_subsets(item))
        return
    metadata = fields.mapping(item.node, "metadata") or Mapping((), item.location)
    label = fields.texts(metadata, "labels").get(_SLICE_OF)
    if label is not None:
        held = _named(fields.mappings(item.node, "endpoints"), item.node)
        yield from ((label.value, endpoint) for endpoint in held)


def _of_subsets(item: ApiObject) -> Iterator[Endpoint]:
    for subset in fields.mappings(item.node, "subsets"):
        for field in ("addresses", "notReadyAddresses"):
            yield from _named(fields.mappings(subset, field), subset)


def _named(addresses: Iterable[Mapping], holder: Mapping) -> Iterator[Endpoint]:
    ports = [
        found.value
        for port in fields.mappings(holder, "ports")
        if is_tcp(port) and (found := fields.number(port, "port")) is not None
    ]
    for number, address in enumerate(addresses, 1):
        if number * len(ports) > _MOST_ENDPOINTS:
            raise LimitError(
                f"more than {_MOST_ENDPOINTS} addresses and ports of them",
                location=holder.location,
                hint="the API server keeps a thousand addresses in one object",
            )
        target = fields.mapping(address, "targetRef")
        kind = None if target is None else fields.text(target, "kind")
        name = None if target is None else fields.text(target, "name")
        if kind is not None and kind.value == "Pod" and name is not None:
            yield from (Endpoint(name.value, port) for port in ports)
