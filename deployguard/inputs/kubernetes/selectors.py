"""Label selectors, refused where the API server refuses them.

Follows ValidateLabelSelector of k8s.io/apimachinery pkg/apis/meta/v1/validation.
"""

import re

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.services import pairs_of
from deployguard.model.evidence import Location
from deployguard.model.traffic import Operator, Pairs, Requirement, Selector

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_VALUE = re.compile(rf"(?:{_WORD})?", re.ASCII)
_KEY = re.compile(rf"(?:(?P<domain>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)/)?{_WORD}", re.ASCII)
_DOMAIN = 253  # the characters of a DNS subdomain
_LISTED = frozenset({Operator.IN, Operator.NOT_IN})


def refused(what: str, location: Location) -> SyntaxInputError:
    """Return the error for what the API server refuses: such an object has no effect at all."""
    return SyntaxInputError(what, location=location, hint="the API server refuses it as well")


def known(node: Mapping, *names: str) -> None:
    """Refuse a field that an object does not have, as kubectl does (strict field validation)."""
    for key, _ in node.entries:
        if key.text not in names:
            raise refused(f"there is no field {key.text!r} here", key.location)


def selector(node: Mapping | None) -> Selector:
    """Read a label selector; without one everything is selected."""
    if node is None:
        return Selector()
    known(node, "matchLabels", "matchExpressions")
    pairs = labels(node, "matchLabels")
    requirements = tuple(_requirement(one) for one in fields.mappings(node, "matchExpressions"))
    return Selector(pairs, requirements)


def labels(node: Mapping, name: str) -> Pairs:
    """Read labels as sorted pairs."""
    pairs = pairs_of(node, name)
    for key, value in pairs:
        check_key(key, node.location)
        _check_value(value, node.location)
    return pairs


def _requirement(node: Mapping) -> Requirement:
    known(node, "key", "operator", "values")
    key, operator = fields.text(node, "key"), fields.text(node, "operator")
    if key is None or operator is None or operator.value not in set(Operator):
        raise refused("a requirement needs a key and an operator", node.location)
    values = frozenset(
        fields.text_of(value, "a value").value for value in fields.items(node, "values")
    )
    if bool(values) is not (Operator(operator.value) in _LISTED):
        raise refused(f"{operator.value} has values where it takes none, or none", node.location)
    check_key(key.value, key.location)
    for value in values:
        _check_value(value, node.location)
    return Requirement(key.value, Operator(operator.value), values)


def check_key(key: str, location: Location) -> None:
    """Refuse what is no name of a label or an annotation."""
    match = _KEY.fullmatch(key)
    if match is None or len(match["domain"] or "") > _DOMAIN or ".." in (match["domain"] or ""):
        raise refused("a label's name of a form that there is not", location)


def _check_value(value: str, location: Location) -> None:
    if not _VALUE.fullmatch(value):
        raise refused("a label's value of a form that there is not", location)
