"""Routes and gateways of the Gateway API and of Istio, as they lead to Services."""

from collections.abc import Iterator

from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.ingresses import entry, unread
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.services import in_cluster, port_of, specified
from deployguard.model.traffic import Attachable, Backend, Entry, Gate, Gateway, Grant

GATEWAY_API = "gateway.networking.k8s.io"
ISTIO = "networking.istio.io"
_FROM = {"All": Attachable.ALL, "Selector": Attachable.SELECTED, "None": Attachable.NONE}
_MESH = "mesh"


def gateway(item: ApiObject) -> Gateway:
    """Read a Gateway of the Gateway API; a listener takes routes of its own namespace by default.

    What names the group but not the namespaces takes the default (AllowedRoutes).
    """
    listeners = []
    for listener in fields.mappings(specified(item), "listeners"):
        allowed = fields.mapping(listener, "allowedRoutes")
        spaces = None if allowed is None else fields.mapping(allowed, "namespaces")
        origin = "Same" if spaces is None else fields.word(spaces, "from", "Same")
        listeners.append((fields.word(listener, "name", ""), _FROM.get(origin, Attachable.SAME)))
    return Gateway(
        group=GATEWAY_API,
        namespace=item.namespace,
        name=item.name,
        listeners=tuple(listeners),
    )


def istio_gateway(item: ApiObject) -> Gateway:
    """Read a Gateway of Istio, to which a VirtualService of any namespace may belong."""
    return Gateway(
        group=ISTIO,
        namespace=item.namespace,
        name=item.name,
        listeners=(("", Attachable.ALL),),
    )


def grants(item: ApiObject) -> Iterator[Grant]:
    """Read a ReferenceGrant: each pair of who may refer and to what."""
    spec = specified(item)
    services = [
        fields.word(target, "name", None)
        for target in fields.mappings(spec, "to")
        if fields.word(target, "group", "") == "" and fields.word(target, "kind", "") == "Service"
    ]
    for origin in fields.mappings(spec, "from"):
        for service in services:
            yield Grant(
                namespace=item.namespace,
                service=service,
                kind=fields.word(origin, "kind", ""),
                origin=fields.word(origin, "namespace", ""),
            )


def route(item: ApiObject) -> Entry:
    """Read an HTTPRoute, GRPCRoute, TLSRoute or TCPRoute."""
    return entry(item, _of_route(item), tuple(_parents(item)))


def _parents(item: ApiObject) -> Iterator[Gate]:
    """Yield the gateways of a route; a Service as a parent is one of the mesh, inside alone."""
    for parent in fields.mappings(specified(item), "parentRefs"):
        group = fields.word(parent, "group", GATEWAY_API)
        kind = fields.word(parent, "kind", "Gateway")
        namespace = fields.word(parent, "namespace", item.namespace)
        section = fields.word(parent, "sectionName", None)
        if kind != "Service":
            yield Gate(
                group if kind == "Gateway" else f"{group} {kind}",
                namespace,
                fields.word(parent, "name", ""),
                section,
            )


def _of_route(item: ApiObject) -> Iterator[Backend]:
    for rule in fields.mappings(specified(item), "rules"):
        for backend in fields.mappings(rule, "backendRefs"):
            yield from _reference(item, backend)
            yield from _mirrors(item, backend)
        yield from _mirrors(item, rule)


def _mirrors(item: ApiObject, holder: Mapping) -> Iterator[Backend]:
    for part in fields.mappings(holder, "filters"):
        mirror = fields.mapping(part, "requestMirror")
        backend = None if mirror is None else fields.mapping(mirror, "backendRef")
        if backend is not None:
            yield from _reference(item, backend)


def _reference(item: ApiObject, backend: Mapping) -> Iterator[Backend]:
    weight = fields.number(backend, "weight")
    if weight is not None and not weight.value:
        return
    other = fields.word(backend, "namespace", item.namespace)
    if fields.word(backend, "group", "") or fields.word(backend, "kind", "Service") != "Service":
        yield unread(item, backend, other)
        return
    name, port = fields.text(backend, "name"), port_of(backend, "port")
    if name is not None:
        yield Backend(
            namespace=other,
            service=name.value,
            location=name.location,
            port=port,
            granted=item.kind if other != item.namespace else None,
        )


def virtual_service(item: ApiObject) -> Entry | None:
    """Read a VirtualService of Istio; None for one of the mesh alone."""
    gates = tuple(
        Gate(ISTIO, *_place(name, item.namespace))
        for node in fields.items(specified(item), "gateways")
        if (name := fields.text_of(node, "a gateway").value) != _MESH
    )
    return entry(item, _of_virtual_service(item), gates) if gates else None


def _place(name: str, namespace: str | None) -> tuple[str | None, str]:
    before, slash, after = name.partition("/")
    return (before, after) if slash and before != "." else (namespace, after or before)


def _of_virtual_service(item: ApiObject) -> Iterator[Backend]:
    spec = specified(item)
    for field in ("http", "tls", "tcp"):
        for rule in fields.mappings(spec, field):
            weighted = [*fields.mappings(rule, "route"), *fields.mappings(rule, "mirrors")]
            found = [fields.mapping(one, "destination") for one in weighted]
            for destination in (*found, fields.mapping(rule, "mirror")):
                if destination is not None:
                    yield from _destination(item, destination)


def _destination(item: ApiObject, destination: Mapping) -> Iterator[Backend]:
    host = fields.text(destination, "host")
    place = None if host is None else in_cluster(host.value, item.namespace)
    if host is not None and place is not None:
        port = fields.mapping(destination, "port")
        yield Backend(
            namespace=place[0],
            service=place[1],
            location=host.location,
            port=None if port is None else port_of(port, "number"),
        )
