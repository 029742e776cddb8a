"""Short forms written out, as far as files that are laid over them meet the long ones.

Follows compose-go transform/canonical.go. Ports, volumes and devices stay as they are: both forms
are read, and merge alike.
"""

from collections.abc import Callable

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import Fields, wrong
from deployguard.inputs.compose.merge import build, dependencies, networks
from deployguard.inputs.compose.ports import check_ports
from deployguard.inputs.compose.trees import (
    Path,
    changed_members,
    entries,
    is_null,
    section,
    string,
    text,
    with_entries,
)
from deployguard.model.structs import replace


def canonical(top: Mapping) -> Mapping:
    """Return a project in its long form. Raises SyntaxInputError for shapes that have none."""
    members = {
        name: _service(node, ("services", name)) if isinstance(node, Mapping) else node
        for name, node in section(top, "services").items()
    }
    return changed_members(top, "services", members)


def _service(service: Mapping, place: Path) -> Mapping:
    changed = entries(service)
    for name, long_form in _LONG.items():
        if name in changed:
            key, value = changed[name]
            changed[name] = (key, long_form(value, (*place, name)))
    return with_entries(service, changed)


def _keyed(name: str, node: Node) -> Mapping:
    return Mapping(((text(name, node), node),), node.location)


def _env_files(node: Node, place: Path) -> Node:
    if string(node) is not None:
        return Sequence((_keyed("path", node),), node.location)
    if not isinstance(node, Sequence):
        raise wrong(node, ".".join(place), "a text or a list")
    items = (_keyed("path", item) if string(item) is not None else item for item in node.items)
    return replace(node, items=tuple(items))


def _list(node: Node, _: Path) -> Node:
    return Sequence((node,), node.location) if string(node) is not None else node


def _extends(node: Node, _: Path) -> Node:
    return _keyed("service", node) if string(node) is not None else node


def _networks(node: Node, place: Path) -> Node:
    return networks(node, place) if isinstance(node, Sequence) else node


def _sources(node: Node, _: Path) -> Node:
    if not isinstance(node, Sequence):
        return node
    items = (_keyed("source", item) if string(item) is not None else item for item in node.items)
    return replace(node, items=tuple(items))


def _build(node: Node, place: Path) -> Node:
    section_of = build(node, place)
    contexts = section_of.get("additional_contexts")
    if not isinstance(contexts, Sequence):
        return section_of
    pairs = {}
    for item in contexts.items:
        name, equals, value = (string(item) or "").partition("=")
        given = text(value, item) if equals else Scalar(None, "", item.location)
        pairs[name] = (text(name, item), given)
    changed = entries(section_of)
    key = changed["additional_contexts"][0]
    changed["additional_contexts"] = (key, Mapping(tuple(pairs.values()), contexts.location))
    return with_entries(section_of, changed)


def _dependencies(node: Node, place: Path) -> Node:
    if is_null(node):
        raise wrong(node, ".".join(place), "a list or a mapping")
    return dependencies(node, place)


def _ports(node: Node, place: Path) -> Node:
    """Refuse what is no port: compose does it here, and so in every service of a file."""
    if not isinstance(node, Sequence):
        raise wrong(node, ".".join(place), "a list")
    short = tuple(item for item in node.items if not isinstance(item, Mapping))
    read = Mapping(((text("ports", node), replace(node, items=short)),), node.location)
    check_ports(read, Fields(lambda _: None))
    return node


_LONG: dict[str, Callable[[Node, Path], Node]] = {
    "build": _build,
    "configs": _sources,
    "depends_on": _dependencies,
    "dns": _list,
    "env_file": _env_files,
    "extends": _extends,
    "label_file": _list,
    "models": _networks,
    "networks": _networks,
    "ports": _ports,
    "secrets": _sources,
}
