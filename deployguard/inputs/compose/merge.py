"""Several compose files made one (compose-spec 13-merge.md)."""

from dataclasses import replace

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence

# Lists that replace the earlier one as a whole.
_REPLACED = frozenset({"command", "entrypoint", "test"})
# Lists that may also be written as mappings, and merge by name.
_NAMED = frozenset({"environment", "labels", "args", "extra_hosts", "annotations", "sysctls"})


def merge(base: Mapping, over: Mapping) -> Mapping:
    """Lay one file over another: mappings merge, lists append, everything else is replaced.

    `!override` replaces and `!reset` takes a key out, whatever is below it.
    """
    entries = {key.text: (key, value) for key, value in base.entries}
    for key, value in over.entries:
        if value.tag == "!reset":
            entries.pop(key.text, None)
        elif key.text in entries and value.tag != "!override":
            entries[key.text] = (key, _joined(key.text, entries[key.text][1], value))
        else:
            entries[key.text] = (key, value)
    return replace(base, entries=tuple(entries.values()))


def _joined(name: str, below: Node, above: Node) -> Node:
    if name in _NAMED:
        below, above = _by_name(below), _by_name(above)
    match below, above:
        case Mapping(), Mapping():
            return merge(below, above)
        case (Sequence(), Sequence()) if name not in _REPLACED:
            return replace(below, items=(*below.items, *above.items))
        case (Scalar(), Sequence()) if name == "env_file":
            return replace(above, items=(below, *above.items))
        case _:
            return above


def _by_name(node: Node) -> Node:
    """Return a list of NAME=VALUE as a mapping."""
    if not isinstance(node, Sequence):
        return node
    entries: dict[str, tuple[Scalar, Node]] = {}
    for item in node.items:
        if not isinstance(item, Scalar):
            return node
        name, equals, value = item.text.partition("=")
        key = replace(item, value=name, text=name)
        text = value if equals else None
        entries[name] = (key, replace(item, value=text, text=value))
    return Mapping(tuple(entries.values()), node.location)
