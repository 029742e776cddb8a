"""Manifests: the API objects of the files of one target."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Dialect, Mapping, Node, documents
from deployguard.inputs.kubernetes import fields
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem, ProblemCode

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
        return _TEMPLATES.get(group, {}).get(self.kind)

    @property
    def title(self) -> str:
        """Return the object's kind and name for a reader."""
        return f"{self.kind} {qualified(self.namespace, self.name)}"


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects of one target in the order of the files, and notes on what is not judged."""

    objects: tuple[ApiObject, ...]
    notes: tuple[Problem, ...] = ()


def qualified(namespace: str | None, name: str) -> str:
    """Return NAMESPACE/NAME, or the name alone."""
    return name if namespace is None else f"{namespace}/{name}"


def read(files: Iterable[tuple[str, bytes]]) -> Manifests:
    """Read the objects of files, given as name and content; lists are taken apart.

    Raises SyntaxInputError for what is no API object, LimitError as `documents` does.
    """
    found: list[ApiObject] = []
    notes: list[Problem] = []
    for source, data in files:
        here = [
            item
            for document in documents(data, source, Dialect.KUBECTL)
            if document is not None
            for item in objects(document)
        ]
        if not any(item.template is not None for item in here):
            titles = ", ".join(item.title for item in here[:3]) + (", ..." if here[3:] else "")
            held = f": it holds {titles}" if here else ": it is empty"
            notes.append(
                Problem(ProblemCode.NOTE, f"nothing to judge in it{held}", Location(source))
            )
        found += here
    return Manifests(tuple(found), tuple(notes))


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
        raise SyntaxInputError(f"the {kind} has no metadata.name", location=node.location)
    yield ApiObject(
        api_version=api_version,
        kind=kind,
        namespace=own.value if own and own.value else namespace,
        name=chosen.value,
        generated=chosen is not name,
        node=node,
    )


def _member(field: str, node: Mapping, otherwise: str | None = None) -> str:
    found = fields.text(node, field)
    if found is not None and found.value:
        return found.value
    if otherwise is None:
        raise SyntaxInputError(
            f"not a Kubernetes object: {field!r} is missing",
            location=node.location,
            hint="every object names its apiVersion and kind",
        )
    return otherwise
