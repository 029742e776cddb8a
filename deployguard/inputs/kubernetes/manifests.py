"""Manifests: the API objects of the files of one target."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from deployguard.errors import SyntaxInputError, UnsupportedError
from deployguard.formats.yaml import Dialect, Mapping, Node, Scalar, Sequence, documents
from deployguard.inputs.kubernetes import fields
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem

# Where each kind that starts containers keeps its Pod template; a Pod is its own. By API group.
_CONTROLLERS: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), ("spec", "template")
)
_TEMPLATES: dict[str, dict[str, tuple[str, ...]]] = {
    "": {
        "Pod": (),
        "PodTemplate": ("template",),
        "ReplicationController": ("spec", "template"),
    },
    "apps": _CONTROLLERS,
    "extensions": _CONTROLLERS,
    "batch": {
        "Job": ("spec", "template"),
        "CronJob": ("spec", "jobTemplate", "spec", "template"),
    },
}


# Kinds that start nothing, by API group; in groups that end in k8s.io there are no others.
_PLAIN: dict[str, tuple[str, ...]] = {
    "": (
        "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume",
        "PersistentVolumeClaim", "ResourceQuota", "Secret", "Service", "ServiceAccount",
    ),
    "apps": ("ControllerRevision",),
    "autoscaling": ("HorizontalPodAutoscaler",),
    "policy": ("PodDisruptionBudget",),
}  # fmt: skip
# Where kinds of one's own that start Pods keep the template (Argo's Rollout, OpenShift's
# DeploymentConfig and others that follow the Deployment).
_CUSTOM = ("spec", "template")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiObject:
    """One object; `namespace` is None where the manifest names none.

    `name` is metadata.generateName where the cluster is to make the name up, and `generated` then
    says so.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    generated: bool
    node: Mapping

    @property
    def location(self) -> Location:
        """Return where the object begins."""
        return self.node.location

    @property
    def template(self) -> tuple[str, ...] | None:
        """Return the path of the object's Pod template, None for what starts no container."""
        group = self.api_version.rpartition("/")[0]
        known = _TEMPLATES.get(group, {}).get(self.kind)
        if known is not None or not _is_custom(group):
            return known
        return _CUSTOM if _starts_containers(self.node) else None

    @property
    def is_plain(self) -> bool:
        """Return whether the kind is one of Kubernetes' own that starts no container."""
        group = self.api_version.rpartition("/")[0]
        return group.endswith(".k8s.io") or self.kind in _PLAIN.get(group, ())

    @property
    def title(self) -> str:
        """Return the object's kind and name for a reader."""
        return f"{self.kind} {qualified(self.namespace, self.name)}"


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects of one target in the order of the files, and notes on what is not judged."""

    objects: tuple[ApiObject, ...]
    notes: tuple[Problem, ...] = ()


def _is_custom(group: str) -> bool:
    """Say whether an API group is none of Kubernetes' own."""
    return "." in group and not group.endswith(".k8s.io")


def _starts_containers(node: Mapping) -> bool:
    """Say whether a kind that is not known holds the template of a Pod, containers named."""
    inner: Node | None = node
    for step in (*_CUSTOM, "spec", "containers"):
        inner = inner.get(step) if isinstance(inner, Mapping) else None
    return isinstance(inner, Sequence) and all(
        isinstance(item, Mapping) and item.get("name") is not None for item in inner.items
    )


def qualified(namespace: str | None, name: str) -> str:
    """Return NAMESPACE/NAME, or the name alone."""
    return name if namespace is None else f"{namespace}/{name}"


def read(files: Iterable[tuple[str, bytes]]) -> Manifests:
    """Read the objects of files, given as name and content; lists are taken apart.

    Raises SyntaxInputError for what is no API object, UnsupportedError for what is to be rendered
    first, LimitError as `documents` does.
    """
    found: list[ApiObject] = []
    notes: list[Problem] = []
    for source, data in files:
        repeated: list[tuple[Scalar, Scalar]] = []
        here: list[ApiObject] = []
        for document in documents(data, source, Dialect.KUBECTL, repeated):
            if document is not None:
                _check_rendered(document, source)
                here += objects(document)
        notes += _repeated(repeated)
        notes += _not_judged(here, source)
        found += here
    return Manifests(tuple(found), tuple(notes))


_NOTED = 3
NOTHING_HERE = "nothing to judge in it"


def _not_judged(here: list[ApiObject], source: str) -> Iterator[Problem]:
    """Note a file without anything to judge, and objects that might start something."""
    if not any(item.template is not None for item in here):
        held = f": it holds {_titles(here)}" if here else ": it is empty"
        yield Problem(ProblemCode.NOTE, f"{NOTHING_HERE}{held}", Location(source))
        return
    strange = [item for item in here if item.template is None and not item.is_plain]
    if strange:
        yield Problem(
            ProblemCode.NOTE, f"not judged: {_titles(strange)}", strange[0].location, _STRANGE
        )


_STRANGE = "what kinds outside of Kubernetes' own start is not known"


def _titles(items: list[ApiObject]) -> str:
    return ", ".join(item.title for item in items[:_NOTED]) + (", ..." if items[_NOTED:] else "")


def _repeated(keys: list[tuple[Scalar, Scalar]]) -> Iterator[Problem]:
    """Note keys that stand twice: the last one counts, unless kubectl validates strictly."""
    for first, last in keys[:_NOTED]:
        message = f"the key {last.text!r} stands twice, and replaces that of line "
        message += str(first.location.line)
        yield Problem(ProblemCode.NOTE, message, last.location, "keep one of the two")
    if len(keys) > _NOTED:
        more = f"{len(keys) - _NOTED} further keys stand twice"
        yield Problem(ProblemCode.NOTE, more, Location(keys[0][0].location.file))


_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_KUSTOMIZE_GROUP = "kustomize.config.k8s.io/"
# What names Helm's own objects and functions; other tools' braces ({{ .Data.x }}) are their own.
_HELM = re.compile(
    r"\{\{-?[^{}]*(?:[\s($]\.(?:Values|Release|Chart|Capabilities|Files|Template)\b"
    r"|\b(?:include|toYaml|tpl)\s)"
)
_RENDER_CHART = "render it first: helm template DIR | deployguard scan k8s:-"


def _check_rendered(document: Node, source: str) -> None:
    """Refuse what is only rendered to manifests: kustomizations, charts and their templates."""
    if not isinstance(document, Mapping):
        return
    version, kind = document.get("apiVersion"), document.get("kind")
    grouped = isinstance(version, Scalar) and version.text.startswith(_KUSTOMIZE_GROUP)
    if grouped or PurePath(source).name in _KUSTOMIZATIONS:
        raise UnsupportedError(
            "a kustomization is rendered before it is applied",
            location=document.location,
            hint="render it first: kubectl kustomize DIR | deployguard scan k8s:-",
        )
    if PurePath(source).name == "Chart.yaml" and kind is None:
        raise UnsupportedError(
            "a Helm chart is rendered before it is applied",
            location=document.location,
            hint=_RENDER_CHART,
        )


def _check_no_template(item: ApiObject) -> None:
    """Refuse a workload that is a template still: what it starts is not written in it."""
    waiting: list[Node] = [item.node]
    while waiting:
        node = waiting.pop()
        match node:
            case Mapping(entries=entries):
                waiting += (value for _, value in entries)
            case Sequence(items=members):
                waiting += members
            case Scalar() if "{{" in node.text and _HELM.search(node.text):
                raise UnsupportedError(
                    f"the {item.kind} is a template of Helm",
                    location=node.location,
                    hint=_RENDER_CHART,
                )
            case Scalar():
                pass


def objects(node: Node, namespace: str | None = None) -> Iterator[ApiObject]:
    """Return the object that a node holds, or those of a list.

    `namespace` is that of an admission request: the object's own may be left out there.
    """
    item = fields.mapping_of(node, "a Kubernetes object")
    yield from _objects(item, namespace, _member("apiVersion", item), _member("kind", item))


def _objects(
    node: Mapping, namespace: str | None, api_version: str, kind: str
) -> Iterator[ApiObject]:
    if kind.endswith("List") and node.get("items") is not None:
        for item in fields.mappings(node, "items"):
            # The members of a typed list (PodList) may leave out what the list says already.
            typed = kind != "List"
            yield from _objects(
                item,
                namespace,
                _member("apiVersion", item, api_version if typed else None),
                _member("kind", item, kind.removesuffix("List") if typed else None),
            )
        return
    metadata = fields.mapping(node, "metadata") or Mapping((), node.location)
    name, prefix, own = (
        fields.text(metadata, field) for field in ("name", "generateName", "namespace")
    )
    chosen = name if name and name.value else prefix
    if chosen is None:
        raise SyntaxInputError(
            f"the {kind} has no metadata.name",
            location=node.location,
            hint="every object has a name below metadata",
        )
    found = ApiObject(
        api_version=api_version,
        kind=kind,
        namespace=own.value if own and own.value else namespace,
        name=chosen.value,
        generated=chosen is not name,
        node=node,
    )
    if found.template is not None:
        _check_no_template(found)
    yield found


def _member(field: str, node: Mapping, otherwise: str | None = None) -> str:
    found = fields.text(node, field)
    if found is not None and found.value:
        return found.value
    if otherwise is None:
        raise SyntaxInputError(
            f"not a Kubernetes object: {field!r} is missing",
            location=node.location,
            hint="is it a compose file? write compose:FILE"
            if node.get("services") is not None
            else "every object names its apiVersion and kind",
        )
    return otherwise
