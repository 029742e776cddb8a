"""Objects of a cluster that lead requests to Pods, or keep them out, as they are declared.

Whom they select is worked out by `exposure`. Requests are TCP here: what speaks of another protocol
alone is left out.
"""

from enum import StrEnum

from msgspec import Struct

from deployguard.model.evidence import Evidence, Location, Missing

# Sorted pairs: equal selectors compare equal.
Pairs = tuple[tuple[str, str], ...]


class ServicePort(Struct, frozen=True):
    """A port of a Service; `target` is the number or the name of a port of the Pods."""

    number: int
    name: str | None
    target: int | str


class Endpoint(Struct, frozen=True):
    """A Pod that is named as an endpoint of a Service, and the port of the Pod."""

    pod: str
    port: int


class Service(Struct, frozen=True, kw_only=True):
    """A Service; `opened` says what opens it beyond the cluster, and is empty where nothing does.

    `alias` is the namespace and name of the Service that an ExternalName stands for.
    """

    namespace: str | None
    name: str
    location: Location
    selector: Pairs = ()
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    opened: tuple[Evidence, ...] = ()
    alias: tuple[str | None, str] | None = None


class Backend(Struct, frozen=True, kw_only=True):
    """A Service that an entry leads to; `port` is one of its own, by number or name, None for all.

    Without a `service` it may be any: `missing` is what would tell. `of_pod` says that a number is
    the Pods' port instead. `granted` is the kind that needs a ReferenceGrant to lead to Services of
    another namespace, None where none is needed.
    """

    namespace: str | None
    service: str | None
    location: Location
    port: int | str | None = None
    of_pod: bool = False
    granted: str | None = None
    missing: tuple[Missing, ...] = ()


class Gate(Struct, frozen=True):
    """A gateway that a route names, and the one of its listeners it is to be attached to."""

    group: str
    namespace: str | None
    name: str
    listener: str | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """What takes requests from beyond the cluster to Services: an Ingress, a route of a gateway.

    It does so through any of its `gates`; None where it needs none.
    """

    title: str
    namespace: str | None
    location: Location
    backends: tuple[Backend, ...]
    gates: tuple[Gate, ...] | None = None


class Attachable(StrEnum):
    """From which namespaces a listener of a gateway takes routes."""

    SAME = "same"
    ALL = "all"
    SELECTED = "selected"
    NONE = "none"


class Gateway(Struct, frozen=True, kw_only=True):
    """A gateway of the Gateway API or of Istio: by name, from where its listeners take routes."""

    group: str
    namespace: str | None
    name: str
    listeners: tuple[tuple[str, Attachable], ...]


class Grant(Struct, frozen=True, kw_only=True):
    """What a ReferenceGrant lets a kind of route of another namespace refer to.

    `service` is None where it may be any of those in `namespace`.
    """

    namespace: str | None
    service: str | None
    kind: str
    origin: str


class Operator(StrEnum):
    """How a requirement of a label selector compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(Struct, frozen=True):
    """One of the matchExpressions of a label selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()


class Selector(Struct, frozen=True):
    """A label selector; without pairs and requirements it selects everything."""

    pairs: Pairs = ()
    requirements: tuple[Requirement, ...] = ()


class Sources(StrEnum):
    """From where a rule of a NetworkPolicy lets requests in."""

    SOME_PODS = "some-pods"
    ALL_PODS = "all-pods"
    ADDRESSES = "addresses"
    EVERYWHERE = "everywhere"


class PortRange(Struct, frozen=True):
    """Ports that a rule of a NetworkPolicy speaks of: FIRST to LAST, or one by its name."""

    first: int | str
    last: int


class IngressRule(Struct, frozen=True):
    """What a NetworkPolicy lets in; without ports, to every port."""

    sources: frozenset[Sources]
    ports: tuple[PortRange, ...] = ()


class NetworkPolicy(Struct, frozen=True, kw_only=True):
    """A NetworkPolicy for what comes in; without rules it lets nothing in."""

    namespace: str | None
    name: str
    location: Location
    selector: Selector
    rules: tuple[IngressRule, ...]


class UnreadPolicy(Struct, frozen=True):
    """A policy of another kind, which may let in what a NetworkPolicy keeps out.

    `namespace` is None where it speaks of the whole cluster, or names none.
    """

    namespace: str | None
    missing: Missing


class Traffic(Struct, frozen=True, kw_only=True):
    """All of it that one target declares."""

    services: tuple[Service, ...] = ()
    entries: tuple[Entry, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    grants: tuple[Grant, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    unread: tuple[UnreadPolicy, ...] = ()
