"""Variables that the kubelet sets for the Services of a Pod's namespace.

Follows FromServices of k8s.io/kubernetes pkg/kubelet/envvars and getServiceEnvVarMap of
pkg/kubelet: they lie over the image's variables and below those that the container declares.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import TypeAlias

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced

Linked: TypeAlias = AnyMapping[str | None, AnyMapping[str, Traced[str | None]]]

# Whatever a Service that is not in the input may set.
_OF_SERVICE = re.compile(
    r"[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)"
)
# A Service's name has 63 characters, and so has that of a port; the expression takes time that
# grows with the square of the length.
_LONGEST_NAME = 256
_NO_ADDRESS = "None"  # of a headless Service


def are_on(pod: Pod) -> bool:
    """Say whether the Services of the namespace count, and not only that of the API server."""
    links = fields.flag(pod.spec, "enableServiceLinks")
    return links is None or links.value


def may_set(name: str, pod: Pod) -> bool:
    """Say whether a Service that is not in the input may set a variable."""
    if len(name) > _LONGEST_NAME or not _OF_SERVICE.fullmatch(name):
        return False
    return are_on(pod) or name.startswith("KUBERNETES_")


def by_namespace(services: Iterable[ApiObject]) -> Linked:
    """Return the variables of the Services of an input, by their namespaces."""
    found: dict[str | None, dict[str, Traced[str | None]]] = {}
    for service in services:
        # One that the API server refuses sets nothing; who reaches the Pod says so of it.
        with contextlib.suppress(SyntaxInputError):
            found.setdefault(service.namespace, {}).update(_of(service))
    return found


def links(pod: Pod, linked: Linked) -> Environment:
    """Return the variables of the Services that are in the Pod's namespace."""
    entries = linked.get(pod.namespace, {}) if are_on(pod) else {}
    return Environment(entries, location=pod.spec.location)


def _of(service: ApiObject) -> Iterator[tuple[str, Traced[str | None]]]:
    spec = fields.mapping(service.node, "spec")
    kind = None if spec is None else fields.text(spec, "type")
    address = None if spec is None else fields.text(spec, "clusterIP")
    if spec is None or (kind is not None and kind.value == "ExternalName"):
        return
    if address is not None and address.value == _NO_ADDRESS:
        return
    host = _host(service, address, spec.location)
    prefix = _name(service.name)
    yield f"{prefix}_SERVICE_HOST", host
    for number, port in enumerate(fields.mappings(spec, "ports")):
        yield from _of_port(prefix, port, host, first=number == 0)


def _host(service: ApiObject, address: Traced[str] | None, place: Location) -> Traced[str | None]:
    if address is not None and address.value:
        return address
    missing = Missing(Reason.FIELD, f"the address that the cluster gives the {service.title}")
    return Traced(None, place, missing=(missing,))


def _of_port(
    prefix: str, port: Mapping, host: Traced[str | None], *, first: bool
) -> Iterator[tuple[str, Traced[str | None]]]:
    number, name = fields.number(port, "port"), fields.text(port, "name")
    if number is None:
        raise SyntaxInputError(
            "a port of a Service needs a port", location=port.location, hint="add its number"
        )
    spoken = fields.word(port, "protocol", "TCP")
    digits = Traced[str | None](str(number.value), number.location)
    address = None if host.value is None else f"{_bracketed(host.value)}:{number.value}"
    url = Traced(
        None if address is None else f"{spoken.lower()}://{address}",
        number.location,
        missing=host.missing,
    )
    if first:
        yield f"{prefix}_SERVICE_PORT", digits
        yield f"{prefix}_PORT", url
    if name is not None and name.value:
        yield f"{prefix}_SERVICE_PORT_{_name(name.value)}", digits
    start = f"{prefix}_PORT_{number.value}_{spoken.upper()}"
    yield start, url
    yield f"{start}_PROTO", Traced(spoken.lower(), number.location)
    yield f"{start}_PORT", digits
    yield f"{start}_ADDR", host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _name(name: str) -> str:
    return name.replace("-", "_").upper()
