"""Pods, on their own or as the templates of whatever starts them."""

import json
import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as AnyMapping

from msgspec import Struct, field

from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields, knative, workflows
from deployguard.inputs.kubernetes.manifests import ApiObject, qualified
from deployguard.inputs.kubernetes.workloads import (
    ARGO,
    EVERY,
    KNATIVE,
    WORKFLOWS,
    at,
    holds_containers,
)
from deployguard.model.evidence import Location, Missing, Reason, Traced


class Pod(Struct, frozen=True, kw_only=True):
    """What a Pod, or each Pod made from a template, is known to be.

    `part` tells the Pods of one object apart. `images` are the containers whose image something
    else puts in. `filled_in` says that what stands in double braces is replaced before it starts.
    """

    owner: ApiObject
    labels: AnyMapping[str, Traced[str]]
    annotations: AnyMapping[str, Traced[str]]
    spec: Mapping
    part: str | None = None
    images: AnyMapping[str, Missing] = field(default_factory=dict)
    filled_in: bool = False

    @property
    def namespace(self) -> str | None:
        """Return the namespace, None where the manifest leaves it to the deployment."""
        return self.owner.namespace


class Elsewhere(Struct, frozen=True):
    """A workload whose Pod template is that of another object, which is not in the input."""

    name: str
    missing: Missing
    location: Location


def pods(
    item: ApiObject, held: Collection[tuple[str, str | None, str]]
) -> Iterator[Pod | Elsewhere]:
    """Return the Pods that an object declares, none for what starts no container.

    `held` are kind, namespace and name of what the input holds. Raises SyntaxInputError where a
    template is missing or has the wrong shape.
    """
    if item.template is None:
        return
    if item.group == ARGO and item.kind in WORKFLOWS:
        for holder in at(item.node, item.template):
            yield from _of_workflow(item, fields.mapping_of(holder, "the workflow"))
        return
    spec = fields.mapping(item.node, "spec") if item.template else None
    reference = None if spec is None else fields.mapping(spec, "workloadRef")
    if item.group == ARGO and spec is not None and reference is not None:
        yield from _referred(item, reference, held)
        return
    for number, node in enumerate(_templates(item)):
        part = str(number) if number else None
        yield _pod(item, node, part)


def _templates(item: ApiObject) -> Iterator[Mapping]:
    """Return the templates of an object: steps for every member may lead to any number of them."""
    steps = item.template or ()
    if EVERY in steps:
        found = at(item.node, steps)
        yield from (fields.mapping_of(node, steps[-1]) for node in found)
        return
    node = item.node
    for step in steps:
        node = fields.required(node, step)
    yield node


def _pod(item: ApiObject, node: Mapping, part: str | None) -> Pod:
    bare = bool(item.template) and holds_containers(node)  # a path that leads to the spec itself
    metadata = (None if bare else fields.mapping(node, "metadata")) or Mapping((), node.location)
    spec = node if bare else fields.required(node, "spec")
    if item.group == KNATIVE:
        spec = knative.spec(spec, item.name if item.kind == "Service" else None)
    return Pod(
        owner=item,
        labels=fields.texts(metadata, "labels"),
        annotations=fields.texts(metadata, "annotations"),
        spec=spec,
        part=part,
        images={**_triggered(item), **_annotated(item)},
    )


def _of_workflow(item: ApiObject, holder: Mapping) -> Iterator[Pod]:
    for name, metadata, spec in workflows.steps(holder):
        yield Pod(
            owner=item,
            labels=fields.texts(metadata, "labels"),
            annotations=fields.texts(metadata, "annotations"),
            spec=spec,
            part=f"templates/{name}",
            filled_in=True,
        )


def _referred(
    item: ApiObject, reference: Mapping, held: Collection[tuple[str, str | None, str]]
) -> Iterator[Elsewhere]:
    """Say that another object holds the template, unless that one is judged here itself."""
    kind, name = fields.text(reference, "kind"), fields.text(reference, "name")
    title = (kind.value if kind else "", name.value if name else "")
    if (title[0], item.namespace, title[1]) in held:
        return
    missing = Missing(Reason.OBJECT, f"the {title[0]} {qualified(item.namespace, title[1])}")
    yield Elsewhere(title[1], missing, reference.location)


def _triggered(item: ApiObject) -> dict[str, Missing]:
    """Return the containers into which a DeploymentConfig puts the image of an image stream."""
    spec = fields.mapping(item.node, "spec")
    if item.kind != "DeploymentConfig" or spec is None:
        return {}
    replaced: dict[str, Missing] = {}
    for trigger in fields.mappings(spec, "triggers"):
        change = fields.mapping(trigger, "imageChangeParams")
        if change is None:
            continue
        source = fields.mapping(change, "from")
        name = None if source is None else fields.text(source, "name")
        stream = "an image stream" if name is None else f"the image stream {name.value}"
        missing = Missing(Reason.IMAGE, f"the image of {stream}")
        for node in fields.items(change, "containerNames"):
            replaced[fields.text_of(node, "a container's name").value] = missing
    return replaced


# image.openshift.io/triggers: where the image goes, as .containers[?(@.name=="web")].image
_TRIGGERS = "image.openshift.io/triggers"
_CONTAINER = re.compile(r"ontainers\[\?\(@\.name==[\"']([^\"']*)[\"']\)\]\.image")


def _annotated(item: ApiObject) -> dict[str, Missing]:
    """Return the containers into which OpenShift puts an image because of an annotation."""
    metadata = fields.mapping(item.node, "metadata") or Mapping((), item.location)
    text = fields.texts(metadata, "annotations").get(_TRIGGERS)
    if text is None:
        return {}
    missing = Missing(Reason.IMAGE, f"the image that the annotation {_TRIGGERS} puts in")
    try:
        triggers = json.loads(text.value)
    except (ValueError, RecursionError):
        return {}  # OpenShift's controller goes past it
    paths = [str(one.get("fieldPath")) for one in _dictionaries(triggers)]
    return {name: missing for path in paths for name in _CONTAINER.findall(path)}


def _dictionaries(value: object) -> list[dict[str, object]]:
    members = value if isinstance(value, list) else []
    return [one for one in members if isinstance(one, dict)]


def is_windows(spec: Mapping) -> bool:
    """Say whether a Pod runs on Windows: it says so, or asks for such a node."""
    system = fields.mapping(spec, "os")
    name = None if system is None else fields.text(system, "name")
    node = fields.texts(spec, "nodeSelector").get("kubernetes.io/os")
    return any(one is not None and one.value == "windows" for one in (name, node))
