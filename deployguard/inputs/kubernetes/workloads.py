"""Where each kind keeps the template of the Pods it starts."""

import re
from collections import deque
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from typing import TypeAlias

from msgspec import Struct, field

from deployguard.errors import UsageError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence

Path: TypeAlias = tuple[str, ...]
# A step that stands for every member of a list or mapping.
EVERY = "*"

_TEMPLATE: Path = ("spec", "template")
_CONTROLLERS = dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), _TEMPLATE)
_WORKFLOW: Path = ("spec",)
# By API group; a Pod is its own template.
_KNOWN: dict[str, dict[str, Path]] = {
    "": {
        "Pod": (),
        "PodTemplate": ("template",),
        "ReplicationController": _TEMPLATE,
        "DeploymentConfig": _TEMPLATE,  # OpenShift's before it had a group of its own
    },
    "apps": _CONTROLLERS,
    "extensions": _CONTROLLERS,
    "batch": {
        "Job": _TEMPLATE,
        "CronJob": ("spec", "jobTemplate", "spec", "template"),
        "ScheduledJob": ("spec", "jobTemplate", "spec", "template"),
    },
    "apps.openshift.io": {"DeploymentConfig": _TEMPLATE},
    "argoproj.io": {"Rollout": _TEMPLATE},
    "serving.knative.dev": {"Service": _TEMPLATE, "Configuration": _TEMPLATE, "Revision": ()},
}
# Argo Workflows list steps that are no Pods yet: `workflows` makes Pods of them.
WORKFLOWS: dict[str, Path] = {
    "Workflow": _WORKFLOW,
    "WorkflowTemplate": _WORKFLOW,
    "ClusterWorkflowTemplate": _WORKFLOW,
    "CronWorkflow": ("spec", "workflowSpec"),
}
ARGO = "argoproj.io"
KNATIVE = "serving.knative.dev"

# Kinds that start nothing, by API group; in groups that end in k8s.io there are no others.
_PLAIN: dict[str, tuple[str, ...]] = {
    "": (
        "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume",
        "PersistentVolumeClaim", "ResourceQuota", "Secret", "Service", "ServiceAccount",
    ),
    "apps": ("ControllerRevision",),
    "autoscaling": ("HorizontalPodAutoscaler",),
    "policy": ("PodDisruptionBudget", "PodSecurityPolicy"),
    "extensions": ("Ingress", "NetworkPolicy"),
}  # fmt: skip

_KIND = re.compile(r"([A-Z][A-Za-z0-9]*)(?:\.([a-z0-9][a-z0-9.-]*))?")


class Workloads(Struct, frozen=True):
    """Kinds of one's own that start Pods: the paths of their templates by group and kind."""

    own: AnyMapping[tuple[str, str], Path] = field(default_factory=dict)

    def path(self, group: str, kind: str) -> Path | None:
        """Return where a kind keeps its Pod template, None for one that is not known."""
        return self.own.get((group, kind), _KNOWN.get(group, {}).get(kind))


def workloads(configured: AnyMapping[str, str]) -> Workloads:
    """Read kinds and paths as configured: {"Cluster.ray.io": "spec.workers.*.template"}.

    Raises UsageError for what is neither.
    """
    own: dict[tuple[str, str], Path] = {}
    for name, path in configured.items():
        kind = _KIND.fullmatch(name)
        steps = tuple(path.split("."))
        if kind is None or not all(steps):
            raise UsageError(
                f"workloads: {name}: {path} names no kind and the path of its Pod template",
                hint="write Kind.group: path, as in Rollout.argoproj.io: spec.template",
            )
        own[kind[2] or "", kind[1]] = steps
    return Workloads(own)


def is_plain(group: str, kind: str) -> bool:
    """Say whether a kind is one of Kubernetes' own that starts no container."""
    return group.endswith(".k8s.io") or kind in _PLAIN.get(group, ())


def is_custom(group: str) -> bool:
    """Say whether an API group is none of Kubernetes' own."""
    return "." in group and not group.endswith(".k8s.io")


def at(node: Node, path: Path) -> Iterator[Node]:
    """Return what lies at a path, if anything."""
    if not path:
        yield node
        return
    for found in _step(node, path[0]):
        yield from at(found, path[1:])


def _step(node: Node, step: str) -> Iterator[Node]:
    match node:
        case Mapping(entries=entries) if step == EVERY:
            yield from (value for _, value in entries)
        case Sequence(items=items) if step == EVERY:
            yield from items
        case Mapping():
            found = node.get(step)
            if found is not None:
                yield found
        case _:
            pass


def holds_containers(node: Node | None) -> bool:
    """Say whether something looks like the spec of a Pod: it lists containers with a name or image.

    What only describes one, as the schema of a custom resource does, lists none.
    """
    listed = node.get("containers") if isinstance(node, Mapping) else None
    return (
        isinstance(listed, Sequence)
        and bool(listed.items)
        and all(
            isinstance(item, Mapping) and any(_is_text(item.get(one)) for one in ("name", "image"))
            for item in listed.items
        )
    )


def _is_text(node: Node | None) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def looks_like_template(node: Node) -> Path | None:
    """Return the path of the first thing in an object that looks like a Pod template."""
    waiting: deque[tuple[Path, Node]] = deque([((), node)])
    while waiting:
        path, found = waiting.popleft()
        if holds_containers(found):
            return path[:-1] if path[-1:] == ("spec",) and path[:-1] else path
        match found:
            case Mapping(entries=entries):
                waiting += (((*path, str(key.value)), value) for key, value in entries)
            case Sequence(items=items):
                waiting += (((*path, EVERY), value) for value in items)
            case Scalar():
                pass
    return None
