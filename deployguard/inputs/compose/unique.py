"""Members of a list that later ones replace (compose-go override/uncity.go)."""

from collections.abc import Callable

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import spelled
from deployguard.inputs.compose.trees import Path, is_null, of_place, path, plain, string
from deployguard.model.structs import replace


def unique(node: Node, place: Path = ()) -> Node:
    """Return a tree in which of several members of one name the last is left, where the first was.

    Raises SyntaxInputError for members that have no name. Ports that only their long form shows to
    be the same are left to who reads them.
    """
    match node:
        case Mapping():
            entries = tuple((key, unique(value, (*place, key.text))) for key, value in node.entries)
            return replace(node, entries=entries)
        case Sequence():
            name = of_place(_NAMES, place)
            return node if name is None else _last(node, name, place)
        case _:
            return node


def _last(node: Sequence, name: Callable[[Node, Path], str], place: Path) -> Sequence:
    kept: dict[str, Node] = {}
    for item in node.items:
        key = name(item, place)
        known = kept.get(key)
        if isinstance(item, Scalar) and known is not None and plain(known) != plain(item):
            kept[key] = replace(item, replaced=known)
        else:
            kept[key] = item
    return replace(node, items=tuple(kept.values()))


def _before_equals(item: Node, place: Path) -> str:
    value = string(item)
    if value is None:
        raise SyntaxInputError(
            f"a member of {'.'.join(place)} should be a text", location=item.location
        )
    return value.partition("=")[0]


def volume_target(text: str) -> str:
    """Return where a volume in the short form is mounted (compose-go format/volume.go)."""
    parts = text.split(":")
    if len(parts) == 1 or (len(parts[0]) == 1 and parts[0].isalpha()):
        return text
    return parts[1]


def _target(item: Node, place: Path) -> str:
    if isinstance(item, Mapping):
        target = string(item.get("target"))
        if target is None:
            raise SyntaxInputError(
                f"a member of {'.'.join(place)} has no target", location=item.location
            )
        return target
    return volume_target(string(item) or "")


def _spelled(item: Node, place: Path) -> str:
    if not isinstance(item, Scalar) or is_null(item):
        raise SyntaxInputError(
            f"a member of {'.'.join(place)} should be a text or a number", location=item.location
        )
    return spelled(item)


def _port(item: Node, _: Path) -> str:
    if not isinstance(item, Mapping):
        return spelled(item) if isinstance(item, Scalar) else ""
    if is_null(item.get("target")):
        raise SyntaxInputError(
            "a port without a target", location=item.location, hint="add target: NUMBER"
        )
    parts = (item.get(name) for name in ("host_ip", "published", "target", "protocol"))
    return repr([None if part is None else plain(part) for part in parts])


def _env_file(item: Node, place: Path) -> str:
    value = item.get("path") if isinstance(item, Mapping) else item
    found = string(value)
    if found is None:
        raise SyntaxInputError(
            f"a member of {'.'.join(place)} has no path", location=item.location, hint="add path:"
        )
    return found


def _mounted(folder: str) -> Callable[[Node, Path], str]:
    def name(item: Node, place: Path) -> str:
        if isinstance(item, Mapping):
            target = item.get("target")
            return string(target) or f"{folder}/{string(item.get('source'))}"
        return f"{folder}/{_spelled(item, place)}"

    return name


_NAMES: dict[Path, Callable[[Node, Path], str]] = {
    **{
        path(f"services.*.{name}"): _before_equals
        for name in (
            "annotations", "build.args", "build.additional_contexts", "build.labels",
            "build.platforms", "build.tags", "cap_add", "cap_drop", "deploy.labels", "dns",
            "dns_opt", "dns_search", "environment", "label_file", "labels", "links",
            "networks.*.aliases", "networks.*.link_local_ips", "profiles", "sysctls", "tmpfs",
        )
    },
    path("services.*.configs"): _mounted(""),
    path("services.*.secrets"): _mounted("/run/secrets"),
    path("services.*.env_file"): _env_file,
    path("services.*.expose"): _spelled,
    path("services.*.ports"): _port,
    path("services.*.volumes"): _target,
    path("services.*.devices"): _target,
}  # fmt: skip
