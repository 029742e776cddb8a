"""The files of a project made one tree (compose-go loader/loader.go).

Step by step as compose-go takes them, since the order shows: a document is filled, extended, rid of
what it resets, given what it includes, laid over the documents before it, checked, and written out
in the long form before the next one is laid over it.
"""

from collections.abc import Iterable

from deployguard.formats.interpolation import Lookup
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.canonical import canonical
from deployguard.inputs.compose.extends import extended, relocated_project
from deployguard.inputs.compose.fields import mapping
from deployguard.inputs.compose.filling import filled
from deployguard.inputs.compose.include import included
from deployguard.inputs.compose.merge import merge
from deployguard.inputs.compose.objects import check_objects
from deployguard.inputs.compose.reset import applied, take_tags
from deployguard.inputs.compose.schema import check_schema
from deployguard.inputs.compose.scope import Scope
from deployguard.inputs.compose.trees import (
    Path,
    changed_members,
    section,
    set_to,
    string,
    text,
    without,
)
from deployguard.inputs.compose.unique import unique
from deployguard.model.evidence import Location
from deployguard.model.structs import replace


def load_project(
    files: Iterable[tuple[str, tuple[Mapping, ...]]],
    scope: Scope,
    relative: str = ".",
    above: tuple[str, ...] = (),
) -> Mapping:
    """Return the project of several files, relative paths seen from the folder above `relative`.

    Raises InputError for what compose refuses.
    """
    model: Mapping | None = None
    for name, parts in files:
        model, _ = _load_file(name, parts, scope, model, (*above, name))
    whole = model if model is not None else Mapping((), Location(scope.folder))
    whole = _with_contexts(whole)
    check_objects(whole)
    if relative != ".":
        whole = relocated_project(whole, relative)
    return _with_environment(whole, scope.lookup)


def _include(
    files: tuple[Scalar, ...], scope: Scope, relative: str, above: tuple[str, ...]
) -> Mapping:
    read = ((path.text, scope.read(path.text, path.location)) for path in files)
    return load_project(read, scope, relative, above)


def _load_extended(
    name: str, parts: tuple[Mapping, ...], scope: Scope
) -> tuple[Mapping, tuple[Path, ...]]:
    model, paths = _load_file(name, parts, scope, None, None)
    return model if model is not None else Mapping((), Location(name)), paths


def _load_file(
    name: str,
    parts: tuple[Mapping, ...],
    scope: Scope,
    model: Mapping | None,
    path: tuple[str, ...] | None,
) -> tuple[Mapping | None, tuple[Path, ...]]:
    """Lay the documents of a file over what there is; also return what the last one resets.

    `path` are the files that lead to it, itself last; a file that is extended has none: it neither
    extends nor includes yet, and stays unchecked.
    """
    paths: tuple[Path, ...] = ()
    for part in parts:
        kept, paths = take_tags(part)
        top = mapping(filled(kept or replace(part, entries=()), scope.lookup), "a compose file")
        if path is not None:
            top = extended(top, name, paths, scope, _load_extended)
        if model is not None:
            model = mapping(applied(model, paths), "a compose file")
        if path is not None:
            top = included(top, scope, path, _include)
        laid = merge(model, top) if model is not None else merge(replace(top, entries=()), top)
        laid = mapping(unique(laid), "a compose file")
        if path is not None:
            check_schema(laid)
            laid = without(laid, "version")
        model = mapping(unique(canonical(laid)), "a compose file")
    return model, paths


def _with_contexts(top: Mapping) -> Mapping:
    """Give builds that name no context the folder of their file."""

    def built(service: Node) -> Node:
        build = service.get("build") if isinstance(service, Mapping) else None
        if not isinstance(service, Mapping) or not isinstance(build, Mapping):
            return service
        if string(build.get("context")) is not None:
            return service
        return set_to(service, "build", set_to(build, "context", text(".", build)))

    members = {name: built(node) for name, node in section(top, "services").items()}
    return changed_members(top, "services", members)


def _with_environment(top: Mapping, lookup: Lookup) -> Mapping:
    """Take from outside what lists name without a value, and what configs are made of."""

    def resolved(node: Node) -> Node:
        environment = node.get("environment") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not isinstance(environment, Sequence):
            return node
        items = tuple(_from_outside(item, lookup) for item in environment.items)
        return set_to(node, "environment", replace(environment, items=items))

    def content(node: Node) -> Node:
        name = string(node.get("environment")) if isinstance(node, Mapping) else None
        value = lookup(name) if name is not None else None
        if not isinstance(node, Mapping) or value is None:
            return node
        return set_to(node, "content", text(value, node.get("environment") or node))

    services = {name: resolved(node) for name, node in section(top, "services").items()}
    configs = {name: content(node) for name, node in section(top, "configs").items()}
    return changed_members(changed_members(top, "services", services), "configs", configs)


def _from_outside(item: Node, lookup: Lookup) -> Node:
    name = string(item)
    if name is None or "=" in name or not isinstance(item, Scalar):
        return item
    value = lookup(name)
    return item if value is None else replace(item, value=f"{name}={value}", text=f"{name}={value}")
