"""Layers merged by the book, over flat paths: what the readers and real engines are held against.

It is written after what Docker 20.10 and podman 4.3 do with overlay file systems (each layer is
unpacked into an empty place, and laid over those below), in another form than the product's tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tests.support import archives
from tests.support.archives import tape


class Op(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    WHITEOUT = "whiteout"
    OPAQUE = "opaque"


class Step(NamedTuple):
    """One entry of a layer: `value` is a file's text or what a link points to."""

    op: Op
    path: str
    value: str = ""


# What lies at a path: "file TEXT", "link TARGET" or "folder".
Files = dict[str, str]
_GONE = "whiteout"
_FOLDER = "folder"


@dataclass
class Unpacked:
    """One layer in an empty place; `refused` where engines refuse it, `doubted` where they differ."""

    files: Files = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    refused: bool = False


@dataclass
class Merged:
    files: Files = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    refused: bool = False


def written(steps: Iterable[Step]) -> bytes:
    """Return a layer as a tar."""
    writers = {
        Op.FILE: lambda step: archives.file(step.path, step.value),
        Op.FOLDER: lambda step: archives.folder(step.path),
        Op.SYMLINK: lambda step: archives.symlink(step.path, step.value),
        Op.HARDLINK: lambda step: archives.hardlink(step.path, step.value),
        Op.WHITEOUT: lambda step: archives.whiteout(step.path),
        Op.OPAQUE: lambda step: archives.opaque(step.path),
    }
    return tape(*(writers[step.op](step) for step in steps))


def merged(stack: Iterable[Sequence[Step]]) -> Merged:
    """Return what a container of the layers would see."""
    whole = Merged()
    for steps in stack:
        layer = unpacked(steps)
        whole.refused |= layer.refused
        whole.doubted |= layer.doubted
        whole.files = _laid(whole.files, layer)
    return whole


def unpacked(steps: Sequence[Step]) -> Unpacked:
    layer = Unpacked()
    markers: set[str] = set()
    for step in steps:
        if not _parents(layer, step):
            continue
        present = layer.files.get(step.path)
        if step.op is Op.OPAQUE:
            # The marker twice is the same path twice.
            layer.refused |= step.path in markers
            markers.add(step.path)
            layer.opaque.add(step.path)
            continue
        if step.op is Op.WHITEOUT:
            layer.refused |= present is not None
            layer.files[step.path] = _GONE
            continue
        if present == _GONE:
            layer.doubted.add(step.path)
        layer.refused |= step.path in layer.stated
        layer.stated.add(step.path)
        _put(layer, step)
    return layer


def _parents(layer: Unpacked, step: Step) -> bool:
    """Make the folders above an entry; an opaque marker lies in its folder."""
    parts = step.path.split("/")
    for end in range(1, len(parts) + (step.op is Op.OPAQUE)):
        path = "/".join(parts[:end])
        if layer.files.setdefault(path, _FOLDER) != _FOLDER:
            layer.refused = True
            return False
    return True


def _put(layer: Unpacked, step: Step) -> None:
    value = {Op.FILE: f"file {step.value}", Op.SYMLINK: f"link {step.value}"}.get(step.op, _FOLDER)
    if step.op is Op.HARDLINK:
        value = layer.files.get(step.value, _GONE)
        if step.value in layer.doubted:
            layer.doubted.add(step.path)
        inside = f"{step.value}/".startswith(f"{step.path}/")
        if value in {_GONE, _FOLDER} or inside:
            layer.refused = True
            return
    if value != _FOLDER or layer.files.get(step.path) != _FOLDER:
        # The times of folders are set in the end, when those are gone.
        below = {path for path in layer.stated if path.startswith(f"{step.path}/")}
        layer.refused |= any(layer.files.get(path) == _FOLDER for path in below)
        layer.files = _without(layer.files, step.path)
    layer.files[step.path] = value


def _without(files: Files, path: str) -> Files:
    return {k: v for k, v in files.items() if k != path and not k.startswith(path + "/")}


def _laid(below: Files, layer: Unpacked) -> Files:
    files = dict(below)
    for path, value in sorted(layer.files.items(), key=lambda item: item[0].count("/")):
        if value != _FOLDER or files.get(path) != _FOLDER:
            files = _without(files, path)
        elif path in layer.opaque:
            files = {k: v for k, v in files.items() if not k.startswith(path + "/")}
        if value != _GONE:
            files[path] = value
    return files
