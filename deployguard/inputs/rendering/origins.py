"""Where the parts of a rendered kustomization were written: in a base, a patch or a generator.

The objects are followed through the kustomizations by kind and name, prefixes and hashes included.
Within an object a value is told by the path to it, where the members of lists go by their names as
in a strategic merge, and by what it is: only a place that holds the same is the place of it.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import TypeAlias

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import InputError
from deployguard.formats.yaml import Dialect, Mapping, Node, Scalar, Sequence, documents
from deployguard.inputs.rendering.kustomizations import (
    Kustomization,
    joined,
    members,
    text,
    texts,
    values,
)
from deployguard.model.evidence import Location
from deployguard.model.structs import replace

Step: TypeAlias = str | tuple[str, object]
Path: TypeAlias = tuple[Step, ...]

_ENTRY_LIMIT = 1024 * 1024
# By what the members of the lists of a workload are merged (patchMergeKey in k8s.io/api/core/v1).
_MERGE_KEYS = ("name", "containerPort", "mountPath", "devicePath", "port", "ip", "topologyKey")
_UNPREFIXED = frozenset({"Namespace", "CustomResourceDefinition", "APIService"})
_HASH = re.compile(r"-[0-9a-z]{10}\Z")
_GENERATORS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}


class Origin(Struct):
    """An object on its way: its names so far, and where its parts stand.

    `places` are by path and, for a scalar, by value; `patches` are JSON 6902 operations, whose
    paths count the members of lists and are resolved against what was rendered.
    """

    kind: str
    names: list[str]
    generated: bool = False
    places: dict[tuple[Path, object], Location] = field(default_factory=dict)
    patches: list[Mapping] = field(default_factory=list)

    def add(self, node: Node) -> None:
        """Take in a patch, or the object itself: a later value hides an earlier one."""
        for path, value, location in signatures(node, ()):
            if value is None:
                self.places.setdefault((path, None), location)
            else:
                self.places[path, value] = location


class Origins(Struct, dict=True):
    """All objects of a kustomization, and what its image transformers set."""

    objects: list[Origin] = field(default_factory=list)
    images: list[tuple[str, Location]] = field(default_factory=list)

    def of(self, kind: str, name: str) -> Origin | None:
        """Return the one object of a kind that has this name in the end, its hash left out."""
        found = self._by_name.get((kind, name), [])
        if not found and _HASH.search(name):
            hashed = self._by_name.get((kind, _HASH.sub("", name)), [])
            found = [one for one in hashed if one.generated]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[Origin]]:
        found: dict[tuple[str, str], list[Origin]] = {}
        for origin in self.objects:
            found.setdefault((origin.kind, origin.names[-1]), []).append(origin)
        return found


def signatures(node: Node, path: Path) -> Iterator[tuple[Path, object, Location]]:
    """Yield the path of each part of a node, the value of a scalar, and its place."""
    match node:
        case Scalar():
            yield path, ("value", node.value), node.location
        case Mapping(entries=entries):
            yield path, None, node.location
            for key, value in entries:
                yield from signatures(value, (*path, str(key.value)))
        case Sequence(items=items):
            yield path, None, node.location
            for index, item in enumerate(items):
                yield from signatures(item, (*path, step(item, index)))


def step(item: Node, index: int) -> Step:
    """Return how a path names a member of a list."""
    for key in _MERGE_KEYS:
        found = item.get(key) if isinstance(item, Mapping) else None
        if isinstance(found, Scalar):
            return key, found.value
    return "#", index


def collect(kustomization: Kustomization) -> Origins:
    """Follow the objects of a kustomization to the names under which they are rendered."""
    origins = Origins()
    _accumulate(kustomization, origins)
    return origins


def _accumulate(kustomization: Kustomization, origins: Origins) -> None:
    """Add what one kustomization holds and change what is there, in kustomize's order."""
    own = Origins(images=origins.images)
    for part in kustomization.resources:
        if isinstance(part, Mapping):
            own.objects += _read(part)
        else:
            inner = Origins(images=origins.images)
            _accumulate(part, inner)
            own.objects += inner.objects
    for component in kustomization.components:
        _change(component, own)
    _transform(kustomization, own)
    origins.objects += own.objects


def _change(component: Kustomization, origins: Origins) -> None:
    """Let a component change what has been gathered before it."""
    for part in component.resources:
        if isinstance(part, Mapping):
            origins.objects += _read(part)
        else:
            _accumulate(part, origins)
    for inner in component.components:
        _change(inner, origins)
    _transform(component, origins)


def _transform(kustomization: Kustomization, origins: Origins) -> None:
    root = kustomization.root
    for name, kind in _GENERATORS.items():
        for node in members(root, name):
            _generate(kustomization, node, kind, origins)
    for name in ("patchesStrategicMerge", "patches", "patchesJson6902"):
        for node in members(root, name):
            _patch(kustomization, node, origins)
    prefix, suffix = (text(root, name) for name in ("namePrefix", "nameSuffix"))
    before, after = ("" if one is None else str(one.value) for one in (prefix, suffix))
    for origin in origins.objects:
        if (before or after) and origin.kind not in _UNPREFIXED:
            origin.names.append(f"{before}{origin.names[-1]}{after}")
    origins.images += [entry for node in members(root, "images") for entry in _image(node)]


def _read(node: Mapping) -> Iterator[Origin]:
    """Yield the objects of a document, those of a list one by one."""
    kind, name = text(node, "kind"), text(node.get("metadata"), "name")
    if kind is None:
        return
    if str(kind.value).endswith("List") and node.get("items") is not None:
        for item in members(node, "items"):
            if isinstance(item, Mapping):
                yield from _read(item)
    elif name is not None:
        origin = Origin(str(kind.value), [str(name.value)])
        origin.add(node)
        yield origin


def _image(node: Node) -> Iterator[tuple[str, Location]]:
    """Yield the images that an entry of `images` makes: whole, or up to a tag that it keeps."""
    name, renamed, tag, digest = (
        text(node, key) for key in ("name", "newName", "newTag", "digest")
    )
    chosen = renamed or name
    if chosen is None:
        return
    if digest is not None:
        yield f"{chosen.value}@{digest.value}", digest.location
    elif tag is not None:
        yield f"{chosen.value}:{tag.value}", tag.location
    else:
        yield f"{chosen.value}:", chosen.location


def _patch(kustomization: Kustomization, node: Node, origins: Origins) -> None:
    """Add the places of a patch to the objects that it may change."""
    target = next(values(node, "target"), None)
    for document in _patches(kustomization, node):
        operations = _operations(document)
        kind, name = _selected(target) if target is not None else _identity(document)
        for origin in origins.objects:
            if name not in (None, *origin.names) or kind not in (None, origin.kind):
                continue
            if operations:
                origin.patches += operations
            elif isinstance(document, Mapping):
                origin.add(document)


def _patches(kustomization: Kustomization, node: Node) -> Iterator[Node]:
    """Yield the documents of a patch, in a file or in the text itself."""
    alone = node if isinstance(node, Scalar) else None
    inline = text(node, "patch")
    named = alone or text(node, "path")
    if inline is None and alone is not None and "\n" in alone.text:
        inline = alone
    try:
        if inline is not None:
            found = documents(inline.text.encode(), kustomization.file, Dialect.KUBECTL)
            within = _Within(inline, _text_of(kustomization.file))
            yield from (within.placed(one) for one in found if one is not None)
        elif named is not None:
            file = str(joined(kustomization.folder, named.text))
            read = documents(files.read(file, _ENTRY_LIMIT), file, Dialect.KUBECTL)
            yield from (one for one in read if one is not None)
    except InputError:  # kustomize says what is wrong with it
        return


class _Within:
    """A text within a file: its lines are lines of the file where it is a block."""

    def __init__(self, block: Scalar, file: str) -> None:
        self._place = block.location
        self._lines = block.text.split("\n")
        self._file = file.split("\n")

    def placed(self, node: Node) -> Node:
        """Return a node with its places in the file, else with the place of the text."""
        place = self._told(node.location)
        match node:
            case Scalar():
                return replace(node, location=place)
            case Sequence(items=items):
                return replace(node, items=tuple(map(self.placed, items)), location=place)
            case Mapping(entries=entries):
                pairs = tuple((key, self.placed(value)) for key, value in entries)
                return replace(node, entries=pairs, location=place)

    def _told(self, location: Location) -> Location:
        if location.line is None or self._place.line is None:
            return self._place
        inner, outer = location.line - 1, self._place.line + location.line - 1
        if inner >= len(self._lines) or outer >= len(self._file):
            return self._place
        if self._lines[inner].strip() != self._file[outer].strip():
            return self._place
        return replace(self._place, line=outer + 1, column=None)


def _operations(document: Node) -> list[Mapping]:
    """Return the operations of a JSON 6902 patch, none for a strategic merge."""
    if not isinstance(document, Sequence):
        return []
    return [one for one in document.items if isinstance(one, Mapping) and text(one, "path")]


def _selected(target: Node) -> tuple[str | None, str | None]:
    """Return the kind and the name that a target asks for, None where any will do."""
    kind, name = text(target, "kind"), text(target, "name")
    return None if kind is None else str(kind.value), None if name is None else str(name.value)


def _identity(document: Node) -> tuple[str | None, str]:
    """Return the kind and the name of the object that a patch is for."""
    kind = text(document, "kind")
    name = text(next(values(document, "metadata"), None), "name")
    return None if kind is None else str(kind.value), "" if name is None else str(name.value)


def _generate(kustomization: Kustomization, node: Node, kind: str, origins: Origins) -> None:
    """Add what a generator makes, or changes of what another one has made."""
    name = text(node, "name")
    if name is None:
        return
    origin = next(
        (one for one in origins.objects if one.kind == kind and name.value in one.names), None
    )
    if origin is None:
        origin = Origin(kind, [str(name.value)], generated=True)
        origin.places[(), None] = node.location
        origins.objects.append(origin)
    for key, value, location in _entries(kustomization, node):
        held = None if kind == "Secret" else ("value", value)
        origin.places[("data", key), held] = location


def _entries(kustomization: Kustomization, node: Node) -> Iterator[tuple[str, str, Location]]:
    """Yield key, value and place of what a generator makes of literals and files."""
    for entry in texts(node, "literals"):
        key, _, value = str(entry.value).partition("=")
        yield key, _unquoted(value), entry.location
    listed = [*texts(node, "envs"), *filter(None, [text(node, "env")])]
    for entry in listed:
        path = str(joined(kustomization.folder, str(entry.value)))
        for number, line in enumerate(_text_of(path).split("\n"), 1):
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                yield key, value, Location(path, line=number)
    for entry in texts(node, "files"):
        key, equals, name = str(entry.value).partition("=")
        file = str(joined(kustomization.folder, name if equals else key))
        yield (key if equals else PurePosixPath(key).name), _text_of(file), Location(file)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _text_of(path: str) -> str:
    try:
        return files.read(path, _ENTRY_LIMIT).decode("utf-8", "replace")
    except InputError:  # kustomize says what is wrong with it
        return ""
