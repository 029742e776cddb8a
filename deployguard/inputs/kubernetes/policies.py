"""NetworkPolicies, as far as they speak of what comes in (k8s.io/api networking/v1).

A policy keeps somebody out only where it exists: what the API server refuses is refused here, after
ValidateNetworkPolicy of k8s.io/kubernetes pkg/apis/networking/validation.
"""

import ipaddress
import re

from deployguard.formats.yaml import Mapping, Scalar
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.selectors import check_key, known, labels, refused, selector
from deployguard.model.traffic import IngressRule, NetworkPolicy, PortRange, Selector, Sources

_TYPES = frozenset({"Ingress", "Egress"})
_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_PORTS = 65_536
# A label's rule for names, and for those of ports (IsDNS1123Subdomain, IsValidPortName).
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_NAME_LENGTH = 253
_METADATA = (
    "name", "generateName", "namespace", "labels", "annotations", "creationTimestamp",
    "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generation", "managedFields",
    "ownerReferences", "resourceVersion", "selfLink", "uid",
)  # fmt: skip
_PORT_NAME = re.compile(r"(?=[0-9-]*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?", re.ASCII)
_EVERY_PORT = PortRange(1, _PORTS - 1)


def network_policy(item: ApiObject) -> NetworkPolicy | None:
    """Read a NetworkPolicy; None for one that speaks of what goes out alone.

    Raises SyntaxInputError where the API server would refuse it.
    """
    known(item.node, "apiVersion", "kind", "metadata", "spec", "status")
    _check_metadata(item)
    spec = fields.required(item.node, "spec")
    known(spec, "podSelector", "policyTypes", "ingress", "egress")
    types = [fields.text_of(node, "a type").value for node in fields.items(spec, "policyTypes")]
    if len(types) > len(_TYPES) or not _TYPES.issuperset(types):
        raise refused("policyTypes are Ingress and Egress", spec.location)
    rules = tuple(_rule(rule, "from") for rule in fields.mappings(spec, "ingress"))
    for rule in fields.mappings(spec, "egress"):
        _rule(rule, "to")
    if types and "Ingress" not in types:
        return None
    return NetworkPolicy(
        namespace=item.namespace,
        name=item.name,
        location=item.location,
        selector=selector(fields.mapping(spec, "podSelector")),
        rules=tuple(rule for rule in rules if rule is not None),
    )


def _check_metadata(item: ApiObject) -> None:
    if not item.generated and (not _NAME.fullmatch(item.name) or len(item.name) > _NAME_LENGTH):
        raise refused("a name of a form that there is not", item.location)
    metadata = fields.required(item.node, "metadata")
    known(metadata, *_METADATA)
    labels(metadata, "labels")
    for key in fields.texts(metadata, "annotations"):
        check_key(key.lower(), metadata.location)


def _rule(node: Mapping, side: str) -> IngressRule | None:
    """Read a rule; None for one that speaks of other protocols than TCP alone."""
    known(node, side, "ports")
    sources = frozenset(_source(peer) for peer in fields.mappings(node, side))
    ports = [_port(port) for port in fields.mappings(node, "ports")]
    spoken = tuple(port for port in ports if port is not None)
    if ports and not spoken:
        return None
    return IngressRule(sources or frozenset({Sources.EVERYWHERE}), spoken)


def _source(peer: Mapping) -> Sources:
    known(peer, "podSelector", "namespaceSelector", "ipBlock")
    block = fields.mapping(peer, "ipBlock")
    spaces, pods = fields.mapping(peer, "namespaceSelector"), fields.mapping(peer, "podSelector")
    if (block is not None) is (spaces is not None or pods is not None):
        raise refused("a peer is Pods, or a block of addresses", peer.location)
    if block is not None:
        return Sources.EVERYWHERE if _is_whole(block) else Sources.ADDRESSES
    # Both are read whatever comes of it: one that is refused has the policy refused.
    of_spaces, of_pods = selector(spaces), selector(pods)
    every = spaces is not None and of_spaces == of_pods == Selector()
    return Sources.ALL_PODS if every else Sources.SOME_PODS


def _is_whole(block: Mapping) -> bool:
    """Say whether a block is every address of its family."""
    known(block, "cidr", "except")
    cidr = fields.text(block, "cidr")
    left_out = [fields.text_of(node, "a block").value for node in fields.items(block, "except")]
    blocks = ["" if cidr is None else cidr.value, *left_out]
    try:
        if not all(text.partition("/")[2].isdecimal() for text in blocks):
            raise refused("a block of addresses ends in its length, as in /8", block.location)
        whole, *parts = (ipaddress.ip_network(text, strict=False) for text in blocks)
    except ValueError as error:
        raise refused("this is no block of addresses", block.location) from error
    for part in parts:
        inside = part.version == whole.version and part.prefixlen > whole.prefixlen
        if not inside or part.network_address not in whole:
            raise refused("what is left out of a block is a part of it", block.location)
    return whole.prefixlen == 0 and not parts


def _port(node: Mapping) -> PortRange | None:
    """Read ports of a rule; None for those of another protocol than TCP."""
    known(node, "protocol", "port", "endPort")
    protocol = fields.text(node, "protocol")
    if protocol is not None and protocol.value not in _PROTOCOLS:
        raise refused("a protocol is TCP, UDP or SCTP", node.location)
    found = _range(node)
    return found if protocol is None or protocol.value == "TCP" else None


def _range(node: Mapping) -> PortRange:
    first, last = node.get("port"), fields.number(node, "endPort")
    if isinstance(first, Scalar) and isinstance(first.value, str):
        if last is not None or not _PORT_NAME.fullmatch(first.value):
            raise refused("a port's name of a form that there is not", node.location)
        return PortRange(first.value, 0)
    number = fields.number(node, "port")
    if number is None and last is None:
        return _EVERY_PORT
    begin = 0 if number is None else number.value
    end = begin if last is None else last.value
    if not 0 < begin <= end < _PORTS:
        raise refused("this is no port or range of ports", node.location)
    return PortRange(begin, end)
