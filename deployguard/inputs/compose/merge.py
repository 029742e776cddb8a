"""Several compose files made one (compose-spec 13-merge.md; compose-go override/merge.go)."""

from collections.abc import Callable

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import spelled
from deployguard.inputs.compose.trees import (
    Entries,
    Path,
    entries,
    is_null,
    of_place,
    path,
    plain,
    refuse_override,
    set_to,
    string,
    text,
    with_entries,
)
from deployguard.model.structs import replace


def merge(base: Mapping, over: Mapping, place: Path = ()) -> Mapping:
    """Lay one tree over another: mappings merge, lists append, everything else is replaced.

    What replaces a value keeps it as `replaced`. Raises SyntaxInputError for shapes that cannot be
    laid over each other.
    """
    merged = entries(base)
    for key, value in over.entries:
        known = merged.get(key.text)
        if known is None or key.text.startswith("x-"):
            merged[key.text] = (key, value)
        else:
            merged[key.text] = (key, _laid(known[1], value, (*place, key.text)))
    return with_entries(base, merged)


def _laid(low: Node, high: Node, place: Path) -> Node:
    special = of_place(_SPECIAL, place)
    if special is not None:
        return special(low, high, place)
    if is_null(high):
        return low
    match low, high:
        case Mapping(), Mapping():
            return merge(low, high, place)
        case Sequence(), Sequence():
            return replace(low, items=(*low.items, *high.items))
        case ((Mapping() | Sequence()), _):
            raise refuse_override(place, high)
        case _:
            return _over(low, high)


def _over(low: Node, high: Node, _: Path = ()) -> Node:
    """Return what replaces a value, keeping that."""
    if isinstance(high, Mapping) or is_null(low) or plain(low) == plain(high):
        return high
    return replace(high, replaced=low)


def _appended(low: Node, high: Node, _: Path) -> Node:
    return replace(_sequence(low), items=(*_sequence(low).items, *_sequence(high).items))


def _new_hosts(low: Node, high: Node, _: Path) -> Node:
    known = _sequence(low)
    said = {plain(item) for item in known.items}
    added = (item for item in _sequence(high).items if plain(item) not in said)
    return replace(known, items=(*known.items, *added))


def _sequence(node: Node) -> Sequence:
    """Return a mapping as a list of NAME=VALUE in order, a lone text as a list of one."""
    match node:
        case Sequence():
            return node
        case Mapping():
            pairs = [pair for key, value in node.entries for pair in _pairs(key, value)]
            pairs.sort(key=lambda pair: pair.text)
            return Sequence(tuple(pairs), node.location)
        case Scalar(value=str()):
            return Sequence((node,), node.location)
        case _:
            return Sequence((), node.location)


def _pairs(key: Scalar, value: Node) -> tuple[Scalar, ...]:
    match value:
        case Scalar(value=None):
            return (text(key.text, value),)
        case Scalar():
            return (text(f"{key.text}={spelled(value)}", value),)
        case Sequence(items=items):
            return tuple(text(f"{key.text}={_printed(item)}", item) for item in items)
        case Mapping():
            return (text(f"{key.text}={_printed(value)}", value),)


def _printed(node: Node) -> str:
    """Return a value as Go's fmt prints it."""
    match node:
        case Scalar(value=None):
            return "<nil>"
        case Scalar():
            return spelled(node)
        case Sequence(items=items):
            return f"[{' '.join(_printed(item) for item in items)}]"
        case Mapping(entries=members):
            pairs = sorted((key.text, _printed(value)) for key, value in members)
            return f"map[{' '.join(f'{name}:{value}' for name, value in pairs)}]"


def _builds(low: Node, high: Node, place: Path) -> Node:
    return merge(build(low, place), build(high, place), place)


def build(node: Node, place: Path) -> Mapping:
    """Return a build as a mapping, a lone text being its context."""
    match node:
        case Mapping():
            return node
        case Scalar(value=str()):
            return Mapping(((text("context", node), node),), node.location)
        case Scalar(value=None):
            return Mapping((), node.location)
        case _:
            raise refuse_override(place, node)


def _dependencies(low: Node, high: Node, place: Path) -> Node:
    return merge(_named(low, _started, place), _named(high, _started, place), place)


def _networks(low: Node, high: Node, place: Path) -> Node:
    return merge(_named(low, _nothing, place), _named(high, _nothing, place), place)


def _started(node: Node) -> Mapping:
    """Return what a dependency asks for where nothing is said."""
    members: Entries = {
        "condition": (text("condition", node), text("service_started", node)),
        "required": (
            text("required", node),
            Scalar(value=True, text="true", location=node.location),
        ),
    }
    return Mapping(tuple(members.values()), node.location)


def _nothing(node: Node) -> Node:
    return Scalar(None, "", node.location)


def _named(node: Node, value: Callable[[Node], Node], place: Path) -> Mapping:
    """Return a list of names as a mapping."""
    match node:
        case Mapping():
            return node
        case Sequence(items=items):
            members: Entries = {}
            for item in items:
                if string(item) is None or not isinstance(item, Scalar):
                    raise refuse_override(place, item)
                members[item.text] = (item, value(item))
            return Mapping(tuple(members.values()), node.location)
        case Scalar(value=None):
            return Mapping((), node.location)
        case _:
            raise refuse_override(place, node)


def _logging(low: Node, high: Node, place: Path) -> Node:
    """Merge the options of one driver; another driver replaces it."""
    if not isinstance(low, Mapping) or not isinstance(high, Mapping):
        raise refuse_override(place, high)
    drivers = (low.get("driver"), high.get("driver"))
    if None in drivers or plain(drivers[0] or low) == plain(drivers[1] or high):
        return merge(low, high, place)
    return high


def _subnets(low: Node, high: Node, place: Path) -> Node:
    """Merge address pools of one subnet (mergeIPAMConfig); they concern no process."""
    if not isinstance(low, Sequence) or not isinstance(high, Sequence):
        raise refuse_override(place, high)
    pools: dict[object, Node] = {}
    for pool in (*low.items, *high.items):
        subnet = plain(pool.get("subnet") or pool) if isinstance(pool, Mapping) else None
        known = pools.get(subnet)
        if isinstance(known, Mapping) and isinstance(pool, Mapping):
            pools[subnet] = merge(known, pool, place)
        else:
            pools[subnet] = pool
    return replace(low, items=tuple(pools.values()))


_SPECIAL: dict[Path, Callable[[Node, Node, Path], Node]] = {
    **{
        path(f"services.*.{name}"): _appended
        for name in (
            "annotations", "build.args", "build.additional_contexts", "build.labels",
            "deploy.labels", "dns", "dns_opt", "dns_search", "env_file", "environment",
            "label_file", "labels", "sysctls", "tmpfs",
        )
    },
    **{path(f"services.*.{name}"): _over for name in ("command", "entrypoint", "healthcheck.test")},
    **{path(f"services.*.{name}"): _new_hosts for name in ("extra_hosts", "build.extra_hosts")},
    path("networks.*.labels"): _appended,
    path("volumes.*.labels"): _appended,
    path("networks.*.ipam.config"): _subnets,
    path("services.*.build"): _builds,
    path("services.*.depends_on"): _dependencies,
    path("services.*.logging"): _logging,
    path("services.*.models"): _networks,
    path("services.*.networks"): _networks,
    path("services.*.ulimits.*"): lambda _, high, __: high,
}  # fmt: skip


def dependencies(node: Node, place: Path) -> Mapping:
    """Return dependencies as a mapping, each with what it asks for where nothing is said."""
    named = _named(node, _started, place)
    for key, value in named.entries:
        if isinstance(value, Mapping):
            named = set_to(named, key.text, merge(_started(value), value))
    return named


def networks(node: Node, place: Path) -> Mapping:
    """Return the networks of a service as a mapping."""
    return _named(node, _nothing, place)
