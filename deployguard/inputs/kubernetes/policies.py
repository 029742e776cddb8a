"""NetworkPolicies, as far as they speak of what comes in (k8s.io/api networking/v1)."""

from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.services import is_tcp, pairs_of, port_of, specified
from deployguard.model.traffic import (
    IngressRule,
    NetworkPolicy,
    Operator,
    PortRange,
    Requirement,
    Selector,
    Sources,
)

_EVERY_ADDRESS = frozenset({"0.0.0.0/0", "::/0"})


def network_policy(item: ApiObject) -> NetworkPolicy | None:
    """Read a NetworkPolicy; None for one that speaks of what goes out alone.

    Raises SyntaxInputError where the API server would refuse a field.
    """
    spec = specified(item)
    types = [fields.text_of(node, "a type").value for node in fields.items(spec, "policyTypes")]
    if types and "Ingress" not in types:
        return None
    return NetworkPolicy(
        namespace=item.namespace,
        name=item.name,
        location=item.location,
        selector=_selector(fields.mapping(spec, "podSelector")),
        rules=tuple(
            IngressRule(_sources(rule), ports)
            for rule in fields.mappings(spec, "ingress")
            if (ports := _ports(rule)) is not None
        ),
    )


def _selector(node: Mapping | None) -> Selector:
    if node is None:
        return Selector()
    requirements = tuple(_requirement(one) for one in fields.mappings(node, "matchExpressions"))
    return Selector(pairs_of(node, "matchLabels"), requirements)


def _requirement(node: Mapping) -> Requirement:
    key, operator = fields.text(node, "key"), fields.text(node, "operator")
    if key is None or operator is None or operator.value not in set(Operator):
        raise SyntaxInputError(
            "a requirement needs a key and an operator",
            location=node.location,
            hint=f"operators are {', '.join(Operator)}",
        )
    values = (fields.text_of(value, "a value").value for value in fields.items(node, "values"))
    return Requirement(key.value, Operator(operator.value), frozenset(values))


def _sources(rule: Mapping) -> frozenset[Sources]:
    """Return from where a rule lets in; without a list of peers, or with an empty one, from all."""
    peers = tuple(fields.mappings(rule, "from"))
    return frozenset(_source(peer) for peer in peers) if peers else frozenset({Sources.EVERYWHERE})


def _source(peer: Mapping) -> Sources:
    block = fields.mapping(peer, "ipBlock")
    if block is not None:
        cidr = fields.text(block, "cidr")
        all_of_them = cidr is not None and cidr.value in _EVERY_ADDRESS
        whole = all_of_them and not fields.items(block, "except")
        return Sources.EVERYWHERE if whole else Sources.ADDRESSES
    spaces, pods = fields.mapping(peer, "namespaceSelector"), fields.mapping(peer, "podSelector")
    every = spaces is not None and not _selects_some(spaces)
    return Sources.ALL_PODS if every and not _selects_some(pods) else Sources.SOME_PODS


def _selects_some(selector: Mapping | None) -> bool:
    return selector is not None and _selector(selector) != Selector()


def _ports(rule: Mapping) -> tuple[PortRange, ...] | None:
    """Return the ports of a rule, none for all; None where it speaks of other protocols alone."""
    listed = tuple(fields.mappings(rule, "ports"))
    found = tuple(one for port in listed if is_tcp(port) for one in _port(port))
    if any(one.first == 0 for one in found):
        return ()
    return found if found or not listed else None


def _port(port: Mapping) -> Iterator[PortRange]:
    first, last = port_of(port, "port"), fields.number(port, "endPort")
    if first is None:
        yield PortRange(0, 0)  # every port of the protocol
    elif isinstance(first.value, int):
        yield PortRange(first.value, last.value if last is not None else first.value)
    else:
        yield PortRange(first.value, 0)
