"""Manifests: the API objects of the files of one target."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from deployguard.errors import EmptyError, SyntaxInputError
from deployguard.formats.nodes import Remarks
from deployguard.formats.yaml import Dialect, Mapping, Node, documents
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.rendering import check_no_template, check_rendered
from deployguard.inputs.kubernetes.workloads import (
    ARGO,
    EVERY,
    WORKFLOWS,
    Path,
    Workloads,
    at,
    holds_containers,
    is_custom,
    is_plain,
    looks_like_template,
)
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem

_ONLY_KNOWN = Workloads()
_CUSTOM: Path = ("spec", "template")


class ApiObject(Struct, frozen=True, kw_only=True):
    """One object; `namespace` is None where the manifest names none.

    `name` is metadata.generateName where the cluster is to make the name up, and `generated` then
    says so. `template` is the path of its Pod template, None for what starts no container.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    generated: bool
    node: Mapping
    template: Path | None

    @property
    def location(self) -> Location:
        """Return where the object begins."""
        return self.node.location

    @property
    def group(self) -> str:
        """Return the API group, empty for the core's."""
        return self.api_version.rpartition("/")[0]

    @property
    def identity(self) -> tuple[str, str, str | None, str]:
        """Return what tells the object from others in a cluster, whatever its API version."""
        return (self.group, self.kind, self.namespace, self.name)

    @property
    def is_plain(self) -> bool:
        """Return whether the kind is one of Kubernetes' own that starts no container."""
        return is_plain(self.group, self.kind)

    @property
    def title(self) -> str:
        """Return the object's kind and name for a reader."""
        return f"{self.kind} {qualified(self.namespace, self.name)}"


class Manifests(Struct, frozen=True):
    """The objects of one target in the order of the files, and notes on what is not judged."""

    objects: tuple[ApiObject, ...]
    notes: tuple[Problem, ...] = ()


def qualified(namespace: str | None, name: str) -> str:
    """Return NAMESPACE/NAME, or the name alone."""
    return name if namespace is None else f"{namespace}/{name}"


def _as_it_is(document: Node) -> Node:
    return document


def no_object(name: str) -> EmptyError:
    """Return the error for a file or input that holds no object."""
    return EmptyError(
        f"{name} holds no object",
        location=Location(name),
        hint="is what should have written it at fault? a file without any is not applied",
    )


_NOTED = 3
NOTHING_HERE = "nothing to judge in it"


def _read_notes(remarks: Remarks) -> Iterator[Problem]:
    """Note keys that stand twice, of which the last counts, and what kubectl does not read."""
    for first, last in remarks.repeated[:_NOTED]:
        message = f"the key {last.text!r} stands twice, and replaces that of line "
        message += str(first.location.line)
        yield Problem(ProblemCode.NOTE, message, last.location, "keep one of the two")
    if len(remarks.repeated) > _NOTED:
        more = f"{len(remarks.repeated) - _NOTED} further keys stand twice"
        yield Problem(ProblemCode.NOTE, more, Location(remarks.repeated[0][0].location.file))
    for place in remarks.ignored[:_NOTED]:
        message = "not judged: kubectl does not read what stands behind the end of a document"
        yield Problem(ProblemCode.NOTE, message, place, "put --- on a line of its own before it")


def _not_judged(here: list[ApiObject], source: str) -> Iterator[Problem]:
    """Note a file without anything to judge, and objects that might start something."""
    strange = [item for item in here if item.template is None and not item.is_plain]
    for item in strange:
        path = looks_like_template(item.node)
        if path is not None:
            hint = f"if its Pods are made from that, say so: workloads: {item.kind}.{item.group}: "
            message = f"not judged: {item.title}, though {'.'.join(path)} looks like a Pod template"
            yield Problem(ProblemCode.NOTE, message, item.location, hint + ".".join(path))
    for item in here:
        if item.template and not any(at(item.node, item.template)) and EVERY in item.template:
            message = f"not judged: {item.title} has nothing at {'.'.join(item.template)}"
            yield Problem(ProblemCode.NOTE, message, item.location, "see the key workloads")
    if not any(item.template is not None for item in here):
        held = f": it holds {_titles(here)}" if here else ": it is empty"
        yield Problem(ProblemCode.NOTE, f"{NOTHING_HERE}{held}", Location(source))
    elif strange:
        yield Problem(
            ProblemCode.NOTE, f"not judged: {_titles(strange)}", strange[0].location, _STRANGE
        )


_STRANGE = "what kinds outside of Kubernetes' own start is not known"


def _titles(items: list[ApiObject]) -> str:
    return ", ".join(item.title for item in items[:_NOTED]) + (", ..." if items[_NOTED:] else "")


def _same_names(found: list[ApiObject]) -> Iterator[Problem]:
    """Note objects of which the input holds several: the last one is what stays applied."""
    names = [item.identity for item in found]
    twice = {name for name, count in Counter(names).items() if count > 1}
    last = {
        name: item
        for name, item in zip(names, found, strict=True)
        if name in twice and not item.generated
    }
    for item in list(last.values())[:_NOTED]:
        message = f"the {item.title} stands here more than once: the last one is what counts"
        yield Problem(ProblemCode.NOTE, message, item.location, "give each a name of its own")


def read(
    files: Iterable[tuple[str, bytes]],
    workloads: Workloads = _ONLY_KNOWN,
    *,
    placed: Callable[[Node], Node] = _as_it_is,
    namespace: str | None = None,
) -> Manifests:
    """Read the objects of files, given as name and content; lists are taken apart.

    `placed` gives a document that was rendered the places of what it was rendered from;
    `namespace` is that of objects that name none.
    Raises SyntaxInputError for what is no API object, UnsupportedError for what is to be rendered
    first, LimitError as `documents` does.
    """
    found: list[ApiObject] = []
    notes: list[Problem] = []
    for source, data in files:
        remarks = Remarks()
        here: list[ApiObject] = []
        for document in documents(data, source, Dialect.KUBECTL, remarks):
            if document is not None:
                check_rendered(document, source)
                here += objects(placed(document), namespace, workloads)
        notes += _read_notes(remarks)
        notes += _not_judged(here, source)
        found += here
    return Manifests(tuple(found), (*notes, *_same_names(found)))


def objects(
    node: Node, namespace: str | None = None, workloads: Workloads = _ONLY_KNOWN
) -> Iterator[ApiObject]:
    """Return the object that a node holds, or those of a list.

    `namespace` is that of an admission request: the object's own may be left out there.
    """
    item = fields.mapping_of(node, "a Kubernetes object")
    yield from _objects(
        item, namespace, workloads, (_member("apiVersion", item), _member("kind", item))
    )


def _objects(
    node: Mapping, namespace: str | None, workloads: Workloads, names: tuple[str, str]
) -> Iterator[ApiObject]:
    api_version, kind = names
    path = _template(node, api_version.rpartition("/")[0], kind, workloads)
    if node.get("items") is not None:
        yield from _members(node, namespace, workloads, names)
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
    if path is not None:
        check_no_template(node, kind)
    yield ApiObject(
        api_version=api_version,
        kind=kind,
        namespace=own.value if own and own.value else namespace,
        name=chosen.value,
        generated=chosen is not name,
        node=node,
        template=path,
    )


def _members(
    node: Mapping, namespace: str | None, workloads: Workloads, names: tuple[str, str]
) -> Iterator[ApiObject]:
    """Return the members of a list; whatever has items is one to kubectl, whichever its kind.

    Follows decode of UnstructuredJSONScheme in k8s.io/apimachinery: a member of a typed list
    (PodList) may leave out what the list says already.
    """
    api_version, kind = names
    if workloads.path(api_version.rpartition("/")[0], kind) is not None:
        raise SyntaxInputError(
            f"kubectl takes this {kind} for a list, because it has items, and applies nothing else",
            location=node.location,
            hint="remove items, or make it a List",
        )
    for item in fields.mappings(node, "items"):
        typed = (api_version, kind.removesuffix("List"))
        if item.get("apiVersion") is None and item.get("kind") is None and kind != "List":
            yield from _objects(item, namespace, workloads, typed)
        else:
            inner = (_member("apiVersion", item), _member("kind", item))
            yield from _objects(item, namespace, workloads, inner)


def _template(node: Mapping, group: str, kind: str, workloads: Workloads) -> Path | None:
    """Return where an object keeps its Pod template.

    Kinds of one's own that are not known mostly keep it where a Deployment does.
    """
    known = workloads.path(group, kind)
    if known is not None or not is_custom(group):
        return known
    if group == ARGO and kind in WORKFLOWS:
        return WORKFLOWS[kind]
    specs = at(node, (*_CUSTOM, "spec"))
    return _CUSTOM if any(holds_containers(one) for one in specs) else None


def _member(field: str, node: Mapping) -> str:
    found = fields.text(node, field)
    if found is not None and found.value:
        return found.value
    raise SyntaxInputError(
        f"not a Kubernetes object: {field!r} is missing",
        location=node.location,
        hint="is it a compose file? write compose:FILE"
        if node.get("services") is not None
        else "every object names its apiVersion and kind",
    )
