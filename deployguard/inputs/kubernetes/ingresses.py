"""Ingresses, Routes of OpenShift and IngressRoutes of Traefik, as they lead to Services."""

from collections.abc import Iterable, Iterator

from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.services import port_of, specified
from deployguard.model.evidence import Missing, Reason
from deployguard.model.traffic import Backend, Entry, Gate


def entry(
    item: ApiObject, backends: Iterable[Backend], gates: tuple[Gate, ...] | None = None
) -> Entry:
    """Return an entry that leads to each Service once."""
    return Entry(
        title=f"the {item.kind} {item.name}",
        namespace=item.namespace,
        location=item.location,
        backends=tuple(dict.fromkeys(backends)),
        gates=gates,
    )


def ingress(item: ApiObject) -> Entry:
    """Read an Ingress: networking.k8s.io/v1, and v1beta1 and extensions/v1beta1 before it."""
    return entry(item, _of_ingress(item))


def _of_ingress(item: ApiObject) -> Iterator[Backend]:
    spec = specified(item)
    for field in ("defaultBackend", "backend"):
        backend = fields.mapping(spec, field)
        if backend is not None:
            yield from _of_backend(item, backend)
    for rule in fields.mappings(spec, "rules"):
        http = fields.mapping(rule, "http")
        for path in fields.mappings(http, "paths") if http is not None else ():
            backend = fields.mapping(path, "backend")
            if backend is not None:
                yield from _of_backend(item, backend)


def _of_backend(item: ApiObject, backend: Mapping) -> Iterator[Backend]:
    named, older = fields.mapping(backend, "service"), fields.text(backend, "serviceName")
    if named is not None:
        name = fields.text(named, "name")
        port = fields.mapping(named, "port") or Mapping((), named.location)
        chosen = port_of(port, "number") or port_of(port, "name")
    elif older is not None:
        name, chosen = older, port_of(backend, "servicePort")
    else:
        resource = fields.mapping(backend, "resource")
        if resource is not None:
            yield unread(item, resource)
        return
    if name is not None:
        yield Backend(
            namespace=item.namespace,
            service=name.value,
            location=name.location,
            port=chosen,
        )


def unread(item: ApiObject, node: Mapping, namespace: str | None = None) -> Backend:
    """Return a backend that is no Service: what it leads to is not read."""
    kind, name = fields.text(node, "kind"), fields.text(node, "name")
    title = " ".join(part.value for part in (kind, name) if part is not None)
    what = f"the {title or 'backend'}, to which the {item.kind} {item.name} leads"
    return Backend(
        namespace=namespace or item.namespace,
        service=None,
        location=node.location,
        missing=(Missing(Reason.OBJECT, what),),
    )


def openshift(item: ApiObject) -> Entry:
    """Read a Route of OpenShift; its port is one of the endpoints', by number or name."""
    return entry(item, _of_openshift(item))


def _of_openshift(item: ApiObject) -> Iterator[Backend]:
    spec = specified(item)
    port = fields.mapping(spec, "port")
    chosen = None if port is None else port_of(port, "targetPort")
    first = fields.mapping(spec, "to")
    further = fields.mappings(spec, "alternateBackends")
    for backend in (*(() if first is None else (first,)), *further):
        name, weight = fields.text(backend, "name"), fields.number(backend, "weight")
        if name is not None and (weight is None or weight.value):
            yield Backend(
                namespace=item.namespace,
                service=name.value,
                location=name.location,
                port=chosen,
                of_pod=chosen is not None,
            )


def traefik(item: ApiObject) -> Entry:
    """Read an IngressRoute or IngressRouteTCP of Traefik."""
    return entry(item, _of_traefik(item))


def _of_traefik(item: ApiObject) -> Iterator[Backend]:
    for route in fields.mappings(specified(item), "routes"):
        for backend in fields.mappings(route, "services"):
            kind, name = fields.text(backend, "kind"), fields.text(backend, "name")
            namespace = fields.word(backend, "namespace", item.namespace)
            if kind is not None and kind.value not in {"", "Service"}:
                yield unread(item, backend, namespace)
            elif name is not None:
                yield Backend(
                    namespace=namespace,
                    service=name.value,
                    location=name.location,
                    port=port_of(backend, "port"),
                )
