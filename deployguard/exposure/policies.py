"""Whom NetworkPolicies let in to a Pod."""

from collections.abc import Iterator

from msgspec import Struct

from deployguard.exposure.selecting import counted, rarest, selects
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Evidence, Missing
from deployguard.model.traffic import (
    IngressRule,
    NetworkPolicy,
    Operator,
    PortRange,
    Selector,
    Sources,
    Traffic,
)

_NAMED = 2
_ANY = ("", "")  # where the selectors are that no label leads to


class Admission(Struct, frozen=True):
    """From where the policies that select a Pod let requests in to one of its ports."""

    sources: frozenset[Sources]
    evidence: tuple[Evidence, ...]

    @property
    def outside(self) -> bool:
        """Return whether something beyond the cluster is let in."""
        return bool(self.sources & {Sources.ADDRESSES, Sources.EVERYWHERE})

    @property
    def every_pod(self) -> bool:
        """Return whether the Pods of whatever stands in the cluster are let in."""
        return bool(self.sources & {Sources.ALL_PODS, Sources.EVERYWHERE})


class _Group(Struct):
    """Policies with one selector: what they let in is joined, and worked out once for a port."""

    evidence: Evidence
    rules: dict[IngressRule, None]
    sources: dict[object, frozenset[Sources]]


class Policies:
    """The NetworkPolicies of one target.

    Those of others do not count: what narrows is believed only where it is certainly applied to
    the same cluster.
    """

    def __init__(self, traffic: Traffic) -> None:
        self._groups: dict[tuple[str | None, str, str], dict[Selector, _Group]] = {}
        self._unread: dict[str | None, Missing] = {}
        for one in traffic.unread:
            self._unread.setdefault(one.namespace, one.missing)
        counts = counted(policy.selector.pairs for policy in traffic.policies)
        for policy in traffic.policies:
            for key, value in _keys(policy.selector, rarest(policy.selector.pairs, counts)):
                place = self._groups.setdefault((policy.namespace, key, value), {})
                group = place.setdefault(policy.selector, _Group(_said(policy), {}, {}))
                group.rules.update(dict.fromkeys(policy.rules))

    def admission(self, spec: ContainerSpec, port: int | None) -> Admission | None:
        """Return who is let in to a port, None where no policy selects the Pod.

        A port that is not known is taken for one that is let in to.
        """
        found = tuple(self._selecting(spec))
        if not found:
            return None
        names = frozenset(
            declared.name
            for declared in spec.network_ports or spec.ports
            if declared.container == port and declared.name
        )
        return Admission(
            frozenset(source for group in found for source in _sources(group, port, names)),
            tuple(group.evidence for group in found),
        )

    def unread(self, spec: ContainerSpec) -> tuple[Missing, ...]:
        """Return what other policies would have to be read for the admission to be certain."""
        places = (None, spec.namespace) if spec.namespace is not None else tuple(self._unread)
        return tuple(self._unread[place] for place in places[:_NAMED] if place in self._unread)

    def _selecting(self, spec: ContainerSpec) -> Iterator[_Group]:
        pairs = (*sorted(spec.labels.items()), *((key, "") for key in sorted(spec.labels)), _ANY)
        for key, value in dict.fromkeys(pairs):
            for selector, group in self._groups.get((spec.namespace, key, value), {}).items():
                if selects(selector, spec.labels):
                    yield group


def _keys(selector: Selector, pair: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
    """Yield the labels by which a selector is found: a pair, a key with an empty value, or none."""
    if pair is not None:
        yield pair
        return
    for requirement in selector.requirements:
        match requirement.operator:
            case Operator.IN:
                yield from ((requirement.key, value) for value in sorted(requirement.values))
                return
            case Operator.EXISTS:
                yield requirement.key, ""
                return
            case Operator.NOT_IN | Operator.DOES_NOT_EXIST:
                pass
    yield _ANY


def _sources(group: _Group, port: int | None, names: frozenset[str]) -> frozenset[Sources]:
    key = (port, names)
    if key not in group.sources:
        group.sources[key] = frozenset(
            source
            for rule in group.rules
            if not rule.ports or any(_covers(one, port, names) for one in rule.ports)
            for source in rule.sources
        )
    return group.sources[key]


def _covers(ports: PortRange, port: int | None, names: frozenset[str]) -> bool:
    if port is None:
        return True
    if isinstance(ports.first, str):
        return ports.first in names
    return ports.first <= port <= ports.last


def _said(policy: NetworkPolicy) -> Evidence:
    lets = "lets only some in" if policy.rules else "lets nobody in"
    note = f"the NetworkPolicy {policy.name} {lets}, where the network plugin enforces it"
    return Evidence(policy.location, note)
