"""Which Pods a label selector selects, and where to look for those that may: no pair is tried.

A selector is kept under one of its pairs, the one that the fewest others have, and a Pod looks
below its own labels: 10,000 Services and 10,000 Deployments are not compared with one another.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from deployguard.model.container import ContainerSpec
from deployguard.model.traffic import Operator, Pairs, Requirement, Selector

# What the controllers of Kubernetes add to the labels of a template.
_OF_STATEFUL_SET = "statefulset.kubernetes.io/pod-name"
_OF_JOB = frozenset({"job-name", "batch.kubernetes.io/job-name"})
_MADE = _OF_JOB | {
    _OF_STATEFUL_SET,
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "controller-revision-hash",
    "controller-uid",
    "pod-template-generation",
    "pod-template-hash",
}
_KNATIVE = "serving.knative.dev/"
_ORDINAL = re.compile(r"-[0-9]+\Z", re.ASCII)


def labels(spec: ContainerSpec) -> dict[str, str]:
    """Return the labels of a container's Pods by which a Service may select one of them.

    A Pod of a StatefulSet or Job has its name as a label; the ordinal is left out here and in
    `served`, for any of them will do.
    """
    found = {key: _without_ordinal(key, value) for key, value in spec.labels.items()}
    owner = spec.workload
    if owner is not None and owner.kind == "StatefulSet":
        found[_OF_STATEFUL_SET] = owner.name
    if owner is not None and owner.api_version.startswith(_KNATIVE):
        found[f"{_KNATIVE}service"] = owner.name
    if owner is not None and owner.kind == "Job":
        found |= dict.fromkeys(_OF_JOB, owner.name)
    return found


def served(pairs: Pairs) -> Pairs:
    """Return a Service's selector in the terms of `labels`."""
    return tuple((key, _without_ordinal(key, value)) for key, value in pairs)


def _without_ordinal(key: str, value: str) -> str:
    return _ORDINAL.sub("", value) if key == _OF_STATEFUL_SET else value


def counted(selectors: Iterable[Pairs]) -> Counter[tuple[str, str]]:
    """Return how many selectors have each pair."""
    return Counter(pair for pairs in selectors for pair in pairs)


def rarest(pairs: Pairs, counts: Mapping[tuple[str, str], int]) -> tuple[str, str] | None:
    """Return the pair of a selector that the fewest have, None for one without pairs."""
    return min(pairs, key=lambda pair: (counts[pair], pair), default=None)


def selects(selector: Selector, found: Mapping[str, str]) -> bool:
    """Say whether a selector certainly selects the Pods of a template with these labels."""
    return all(found.get(key) == value for key, value in selector.pairs) and all(
        _holds(requirement, found) for requirement in selector.requirements
    )


def _holds(requirement: Requirement, found: Mapping[str, str]) -> bool:
    value = found.get(requirement.key)
    # A template does not show what its controller adds, which may be just this label.
    absent = value is None and requirement.key not in _MADE
    match requirement.operator:
        case Operator.IN:
            return value in requirement.values
        case Operator.NOT_IN:
            return absent or (value is not None and value not in requirement.values)
        case Operator.EXISTS:
            return value is not None
        case Operator.DOES_NOT_EXIST:
            return absent
