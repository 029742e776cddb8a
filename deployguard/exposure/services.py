"""Ways to Pods through Services, and through the Ingresses and routes that lead to Services."""

from collections.abc import Iterable, Iterator

from deployguard.exposure.entries import Entrance, Entries
from deployguard.exposure.places import Place, kept, places
from deployguard.exposure.selecting import counted, labels, rarest, served
from deployguard.exposure.ways import EVERY, Target, Way, Ways
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.traffic import Pairs, Service, Traffic


class Services:
    """What leads to the Pods of targets that are applied together.

    `elsewhere` is what the whole scan declares: what is there is not missing.
    """

    def __init__(self, traffic: Iterable[Traffic], elsewhere: "Services | None" = None) -> None:
        held = tuple(traffic)
        services = tuple(service for one in held for service in one.services)
        entries = Entries(held)
        self._named: set[tuple[Place, str]] = set()
        self._groups: dict[tuple[Place, str, str], dict[Pairs, Ways]] = {}
        self._pods: dict[tuple[Place, str], Ways] = {}
        self._loose: dict[Place, Ways] = {}
        self._found: dict[object, Ways] = {}
        self._counts = counted(served(service.selector) for service in services)
        for service in services:
            self._named.update((place, service.name) for place in kept(service.namespace))
            self._add(service, _own(service))
            self._add(service, entries.ways(service))
        for entrance in entries.unresolved(self.holds):
            if elsewhere is None or not elsewhere.holds(entrance.namespace, entrance.service):
                self._leave(entrance)

    def holds(self, namespace: Place, name: str | None) -> bool:
        """Say whether there is a Service of a name that may be in a namespace."""
        return name is not None and any(
            (place, name) in self._named for place, _ in places(namespace)
        )

    def ways(self, spec: ContainerSpec, port: int | None) -> Iterator[Way]:
        """Yield ways to a port of a container's Pod; None is a port that is not known."""
        relevant = tuple(sorted(labels(spec).items() & self._counts.keys()))
        owner = spec.workload
        pod = owner.name if owner is not None and owner.kind == "Pod" else None
        if (spec.namespace, pod) not in self._pods:
            pod = None
        key = (spec.namespace, relevant, pod)
        if key not in self._found:
            self._found[key] = self._joined(spec.namespace, relevant, pod)
        return self._found[key].to(port, () if port is None else _names(spec, port))

    def _joined(self, namespace: Place, relevant: Pairs, pod: str | None) -> Ways:
        joined = Ways()
        having = frozenset(relevant)
        for place, missing in places(namespace):
            for key, value in relevant:
                for pairs, ways in self._groups.get((place, key, value), {}).items():
                    if having.issuperset(pairs):
                        joined.join(ways, missing)
            if place in self._loose:
                joined.join(self._loose[place], missing)
        if pod is not None:
            joined.join(self._pods[namespace, pod], ())
        return joined

    def _add(self, service: Service, ways: Iterable[tuple[Target, Way]]) -> None:
        """Let ways lead to the Pods of a Service."""
        pairs = served(service.selector)
        pair = rarest(pairs, self._counts)
        for target, way in ways:
            if pair is not None:
                for place in kept(service.namespace):
                    group = self._groups.setdefault((place, *pair), {})
                    group.setdefault(pairs, Ways()).add(target, way)
            for endpoint in service.endpoints:
                pod = self._pods.setdefault((service.namespace, endpoint.pod), Ways())
                pod.add(endpoint.port, way)

    def _leave(self, entrance: Entrance) -> None:
        """Let an entry lead to any Pod of a namespace: there is no Service to tell to which."""
        name, title, missing = entrance.service, entrance.entry.title, entrance.missing
        if name is not None:
            what = f"the Service {name}, to which {title} leads"
            missing = (*missing, Missing(Reason.OBJECT, what))
        leads = Evidence(entrance.location, f"{title} leads to {name or 'a Service'}")
        way = Way(evidence=(leads,), public=True, proxied=True, missing=missing)
        for place in kept(entrance.namespace):
            self._loose.setdefault(place, Ways()).add(EVERY, way)


def _names(spec: ContainerSpec, port: int) -> tuple[str, ...]:
    """Return the names that stand for a port of a Pod: of equal ones, the first one counts.

    Follows FindPort (k8s.io/kubernetes pkg/api/v1/pod/util.go).
    """
    numbers: dict[str, int] = {}
    for declared in spec.network_ports or spec.ports:
        if declared.name and declared.protocol == "tcp":
            numbers.setdefault(declared.name, declared.container)
    return tuple(name for name, number in numbers.items() if number == port)


def _own(service: Service) -> Iterator[tuple[Target, Way]]:
    """Yield the ways that a Service is by itself."""
    for port in service.ports:
        where = f"the Service {service.name} leads its port {port.number} to {port.target}"
        evidence = (Evidence(service.location, where), *service.opened)
        yield port.target, Way(evidence=evidence, public=bool(service.opened))
