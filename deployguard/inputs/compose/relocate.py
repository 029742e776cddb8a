"""Relative paths of another file seen from the project's folder (compose-go paths/resolve.go)."""

import posixpath
from collections.abc import Callable
from pathlib import Path as FilePath

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.trees import Path, of_place, path, set_to, string
from deployguard.model.structs import replace


def relocated(node: Node, folder: str, place: Path = ()) -> Node:
    """Return a tree whose relative paths begin with a folder."""
    change = of_place(_CHANGES, place)
    if change is not None:
        return change(node, folder)
    match node:
        case Mapping():
            members = tuple(
                (key, relocated(value, folder, (*place, key.text))) for key, value in node.entries
            )
            return replace(node, entries=members)
        case Sequence():
            items = tuple(relocated(item, folder, (*place, "[]")) for item in node.items)
            return replace(node, items=items)
        case _:
            return node


def at_home(name: str) -> str:
    """Return a path in which `~` stands for the home of who runs compose."""
    return f"{FilePath.home()}/{name[1:]}" if name.startswith("~") else name


def joined(folder: str, name: str) -> str:
    """Return a path as seen from where a folder is; `~` and absolute paths stay."""
    if name.startswith(("/", "~")):
        return name
    return posixpath.normpath(posixpath.join(folder, name))


def _path(node: Node, folder: str) -> Node:
    name = string(node)
    if not name or not isinstance(node, Scalar):
        return node
    moved = joined(folder, name)
    return replace(node, value=moved, text=moved)


def _context(node: Node, folder: str) -> Node:
    name = string(node) or ""
    return node if is_remote(name) or name.startswith("service:") else _path(node, folder)


def is_remote(name: str) -> bool:
    """Say whether compose fetches a file from elsewhere (docker/compose pkg/remote)."""
    return "://" in name or name.startswith(("git@", "github.com/"))


def _extended(node: Node, folder: str) -> Node:
    return node if is_remote(string(node) or "") else _path(node, folder)


def _volume(node: Node, folder: str) -> Node:
    if isinstance(node, Mapping):
        source = node.get("source")
        if string(node.get("type")) != "bind" or source is None:
            return node
        return set_to(node, "source", _path(source, folder))
    source_text, colon, rest = (string(node) or "").partition(":")
    if not colon or not source_text.startswith(".") or not isinstance(node, Scalar):
        return node
    moved = joined(folder, source_text)
    if not moved.startswith(("/", "..")):
        moved = f"./{moved}"  # what does not begin so is a volume's name
    return replace(node, value=f"{moved}:{rest}", text=f"{moved}:{rest}")


def _driver(node: Node, folder: str) -> Node:
    """Move the folder that a volume of the driver `local` binds."""
    options = node.get("driver_opts") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(options, Mapping):
        return node
    device = options.get("device")
    bind = string(node.get("driver")) == "local" and string(options.get("o")) == "bind"
    if not bind or device is None:
        return node
    return set_to(node, "driver_opts", set_to(options, "device", _path(device, folder)))


_CHANGES: dict[Path, Callable[[Node, str], Node]] = {
    path("services.*.build.context"): _context,
    path("services.*.build.additional_contexts.*"): _context,
    path("services.*.env_file.[].path"): _path,
    path("services.*.label_file.[]"): _path,
    path("services.*.extends.file"): _extended,
    path("services.*.develop.watch.[].path"): _path,
    path("services.*.volumes.[]"): _volume,
    path("configs.*.file"): _path,
    path("secrets.*.file"): _path,
    path("volumes.*"): _driver,
}
