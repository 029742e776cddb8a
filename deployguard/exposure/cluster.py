"""Who reaches a Pod of a cluster: Services, what leads to them, and what keeps requests out."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from deployguard.exposure.declared import Declared
from deployguard.exposure.policies import Admission, Policies
from deployguard.exposure.publishing import farthest_port, on_loopback, said
from deployguard.exposure.reaches import farthest
from deployguard.exposure.services import Services
from deployguard.exposure.ways import Way
from deployguard.model.container import ContainerSpec, Port
from deployguard.model.evidence import Evidence, Missing, Reason, no, unknown, yes
from deployguard.model.facts import Listener, Reach, Scope
from deployguard.model.structs import replace
from deployguard.model.traffic import Traffic

_APART = Missing(Reason.DEPLOYMENT, "whether the files that lead there are applied together")

_PROXY = Missing(Reason.NETWORK, "whether the NetworkPolicies let in the proxy that leads there")


class Surroundings(Struct, frozen=True):
    """What is declared around the Pods of one target.

    `near` are the objects that are applied with it, `far` those of the whole scan: whether these
    are applied to the same cluster cannot be told. Policies are the target's own.
    """

    near: Services
    far: Services
    policies: Policies

    def ways(self, spec: ContainerSpec, port: int | None) -> Iterator[Way]:
        """Yield the ways to a port of a container's Pod; None is a port that is not known."""
        yield from self.near.ways(spec, port)
        for way in self.far.ways(spec, port):
            if way.public:
                yield replace(way, missing=(*way.missing, _APART))


_NO_TRAFFIC = Traffic()
NOTHING = Surroundings(Services(()), Services(()), Policies(_NO_TRAFFIC))


def surroundings(targets: Sequence[Declared]) -> list[Surroundings]:
    """Return what is around each target, in their order; what it costs grows with their number."""
    traffic = [one.traffic or _NO_TRAFFIC for one in targets]
    places: dict[str, list[Traffic]] = {}
    for one, declared in zip(targets, traffic, strict=True):
        places.setdefault(one.place, []).append(declared)
    far = Services(traffic)
    near = {place: Services(held, far) for place, held in places.items()}
    alone = len(places) <= 1
    return [
        Surroundings(near[one.place], NOTHING.far if alone else far, Policies(declared))
        for one, declared in zip(targets, traffic, strict=True)
    ]


def of_pod(spec: ContainerSpec, listener: Listener, around: Surroundings) -> Reach:
    """Return who reaches a listener that is bound beyond loopback, in a network of Pods."""
    port = listener.port or None  # 0 is any that is free
    on_machine = farthest_port(spec, port)
    ways = tuple(around.ways(spec, port))
    leading = next((way.evidence for way in ways if way.public), ())
    if port is None and (on_machine is not None or leading):
        missing = Missing(Reason.SOURCE, "the port it listens on")
        host = () if on_machine is None else (said(on_machine),)
        return Reach(unknown(missing, *listener.evidence, *host, *leading), None)
    admission = around.policies.admission(spec, port)
    freely = farthest(_reaches(spec, listener, on_machine, ways, None))
    if admission is None:
        return freely
    admitted = farthest(_reaches(spec, listener, on_machine, ways, admission))
    other = around.policies.unread(spec)
    if other and admitted.scope is not freely.scope:
        return Reach(unknown(other, *admitted.claim.evidence), None)
    return admitted


def _reaches(
    spec: ContainerSpec,
    listener: Listener,
    on_machine: Port | None,
    ways: tuple[Way, ...],
    admission: Admission | None,
) -> Iterator[Reach]:
    bound = listener.evidence
    if admission is None:
        yield Reach(yes(*bound, *_inside(spec, ways)), Scope.PRIVATE)
    elif admission.sources:
        yield Reach(yes(*bound, *admission.evidence), Scope.PRIVATE)
    else:
        yield Reach(no(*bound, *admission.evidence), Scope.LOOPBACK)
    if on_machine is not None:
        if on_loopback(on_machine):
            yield Reach(yes(*bound, said(on_machine)), Scope.HOST)
        elif admission is None or admission.outside:
            yield Reach(yes(*bound, said(on_machine)), Scope.PUBLIC)
        else:
            itself = Evidence(on_machine.location, "no policy keeps the machine itself out")
            evidence = (*bound, said(on_machine), *admission.evidence, itself)
            yield Reach(yes(*evidence), Scope.HOST)
    for way in ways:
        if way.public:
            yield from _through(way, listener, admission)


def _inside(spec: ContainerSpec, ways: tuple[Way, ...]) -> tuple[Evidence, ...]:
    """Say what leads to a Pod within its cluster."""
    for way in ways:
        if not way.public and not way.missing:
            return way.evidence
    return (Evidence(spec.location, "the pods of the cluster reach it, whatever its ports say"),)


def _through(way: Way, listener: Listener, admission: Admission | None) -> Iterator[Reach]:
    """Yield who comes in by a way from beyond the cluster, if anybody does."""
    missing = way.missing
    evidence = (*listener.evidence, *way.evidence)
    if admission is not None:
        evidence = (*evidence, *admission.evidence)
        let_in = admission.every_pod if way.proxied else admission.outside
        if not let_in:
            if not way.proxied or not admission.sources:
                return
            missing = (*missing, _PROXY)
    if missing:
        yield Reach(unknown(missing, *evidence), None)
    else:
        yield Reach(yes(*evidence), Scope.PUBLIC)
