"""Layers merged into the files a container sees, as the engines merge them.

Merging goes by lexical path and never follows a link; the later layer replaces. Links are followed
when a path is looked up, within the image's root.
"""

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from deployguard.errors import InputError, IntegrityError
from deployguard.inputs.image import tar
from deployguard.inputs.image.streams import Blob, Plain
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Searched,
    Stat,
    Unread,
    searched,
)
from deployguard.model.problem import Problem

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_HOPS = 40
_READ_LIMIT = 2 * 1024 * 1024
_SEARCH_LIMIT = 512 * 1024 * 1024
_PIECE = 256 * 1024
_KEPT_FILE = 256 * 1024
_KEPT_TOTAL = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its blob, and the diff_id that its uncompressed bytes must hash to."""

    blob: Blob
    diff_id: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """What lies at a path: its kind, and where its bytes lie in which layer."""

    kind: EntryKind
    mode: int = 0o755
    size: int = 0
    link: str = ""
    layer: int = -1
    offset: int = 0
    ambiguous: bool = False


@dataclass(slots=True)
class Tree:
    """Merged layers: nodes by path ("a/b"; the root is ""), and the names in each directory."""

    nodes: dict[str, Node] = field(default_factory=lambda: {"": Node(EntryKind.DIRECTORY)})
    children: dict[str, set[str]] = field(default_factory=lambda: {"": set()})

    def remove(self, path: str) -> None:
        """Take out a path and all below it."""
        pending = [path]
        while pending:
            current = pending.pop()
            pending.extend(f"{current}/{name}" for name in self.children.pop(current, ()))
            self.nodes.pop(current, None)
        parent, _, name = path.rpartition("/")
        if parent in self.children:
            self.children[parent].discard(name)

    def clear(self, path: str) -> None:
        """Take out all below a directory."""
        for name in tuple(self.children.get(path, ())):
            self.remove(f"{path}/{name}" if path else name)

    def add(self, path: str, node: Node) -> None:
        """Put a node at a path; what stands in the way of its directories gives way."""
        parent, _, name = path.rpartition("/")
        if parent not in self.children:
            if parent in self.nodes:
                self.remove(parent)
            self.add(parent, Node(EntryKind.DIRECTORY, layer=node.layer))
        if node.kind is EntryKind.DIRECTORY and path in self.children:
            self.nodes[path] = node
            return
        if path in self.nodes:
            self.remove(path)
        self.nodes[path] = node
        self.children[parent].add(name)
        if node.kind is EntryKind.DIRECTORY:
            self.children[path] = set()


def normal(name: str) -> str:
    """Return a member's path within the root: "/a", "./a" and "../a" are "a"."""
    return posixpath.normpath("/" + name.lstrip("/")).lstrip("/")


def merge(tree: Tree, entries: Sequence[tuple[str, Node]]) -> None:
    """Lay one layer over the tree: what it takes away first, whatever its order."""
    taken: set[str] = set()
    for path, _ in entries:
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            if folder:
                tree.clear(folder)
        elif name.startswith(_WHITEOUT):
            gone = posixpath.join(folder, name[len(_WHITEOUT) :])
            taken.add(gone)
            tree.remove(gone)
    placed: set[str] = set()
    for path, node in entries:
        if posixpath.basename(path).startswith(_WHITEOUT) or not path:
            continue
        # Engines differ over the same path twice, and over a file beside its whiteout.
        twice = node.kind is not EntryKind.DIRECTORY and (path in placed or path in taken)
        placed.add(path)
        tree.add(path, _linked(tree, replace(node, ambiguous=twice)))


def _linked(tree: Tree, node: Node) -> Node:
    """Give a hard link the bytes of what it links to, by lexical path."""
    if node.kind is not EntryKind.HARDLINK:
        return node
    target = tree.nodes.get(normal(node.link))
    if target is None or target.kind is not EntryKind.FILE:
        return replace(node, kind=EntryKind.OTHER, ambiguous=True)
    return target


class LayeredFilesystem:
    """The files of an image, read from where they lie; layers are walked at the first lookup."""

    def __init__(self, layers: Sequence[Layer], reference: str) -> None:
        self._layers = tuple(layers)
        self._reference = reference
        self._tree: Tree | None = None
        self._problem: InputError | None = None
        self._compressed: dict[int, bool] = {}
        self._kept: dict[tuple[int, int], bytes] = {}
        self._kept_size = 0

    def problems(self) -> tuple[Problem, ...]:
        """Return what walking the layers has shown to be wrong so far."""
        return () if self._problem is None else (self._problem.problem(),)

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        if node.kind is EntryKind.SPARSE:
            return Unread(self._file(real, Reason.FILE, "a sparse file"))
        if node.kind is not EntryKind.FILE:
            return Absent(path)
        if node.size > _READ_LIMIT:
            return Unread(self._file(real, Reason.LIMIT, "more than 2 MiB"))
        try:
            data = self._bytes(node)
        except InputError as error:
            self._problem = self._problem or error
            return self._unread(error)
        return Content(data, self._location(real, node))

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file of any size."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        if node.kind is EntryKind.SPARSE:
            return Unread(self._file(real, Reason.FILE, "a sparse file"))
        if node.kind is not EntryKind.FILE:
            return Absent(path)
        if node.size > _SEARCH_LIMIT:
            return Unread(self._file(real, Reason.LIMIT, "more than 512 MiB"))
        try:
            return searched(self._pieces(node), wanted)
        except InputError as error:
            self._problem = self._problem or error
            return self._unread(error)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        if node.kind is not EntryKind.DIRECTORY or self._tree is None:
            return Absent(path)
        return tuple(sorted(self._tree.children[real]))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        kinds = {
            EntryKind.FILE: FileKind.FILE,
            EntryKind.SPARSE: FileKind.FILE,
            EntryKind.DIRECTORY: FileKind.DIRECTORY,
        }
        kind = kinds.get(node.kind, FileKind.OTHER)
        return Stat(kind, "/" + real, node.mode, node.size, self._location(real, node))

    def _location(self, real: str, node: Node) -> Location:
        layer = self._layers[node.layer].diff_id if node.layer >= 0 else None
        return Location("/" + real, image=self._reference, layer=layer)

    def _file(self, real: str, reason: Reason, why: str) -> Missing:
        return Missing(reason, f"the file /{real} of {self._reference} ({why})")

    def _unread(self, error: InputError) -> Unread:
        return Unread(Missing(Reason.FILE, f"the files of {self._reference} ({error.message})"))

    def _find(self, path: str) -> tuple[str, Node] | Absent | Unread:
        if self._problem is None and self._tree is None:
            try:
                self._tree = self._walk()
            except InputError as error:
                self._problem = error
        if self._problem is not None or self._tree is None:
            return self._unread(self._problem or IntegrityError("its layers cannot be walked"))
        found = resolve(self._tree, path)
        if found is None:
            return Absent(path)
        real, node = found
        if node.ambiguous:
            why = "its layer holds it twice, and engines differ"
            return Unread(self._file(real, Reason.FILE, why))
        return found

    def _walk(self) -> Tree:
        tree = Tree()
        for index, layer in enumerate(self._layers):
            merge(tree, list(self._entries(index, layer)))
        return tree

    def _entries(self, index: int, layer: Layer) -> Iterator[tuple[str, Node]]:
        source = Plain(layer.blob)
        try:
            self._compressed[index] = source.compressed
            for entry in tar.entries(source):
                node = Node(entry.kind, entry.mode, entry.size, entry.link, index, entry.offset)
                if source.compressed and entry.kind is EntryKind.FILE:
                    self._keep(index, entry, source)
                yield normal(entry.name), node
            source.finish(layer.diff_id)
        finally:
            source.close()

    def _keep(self, index: int, entry: tar.Entry, source: Plain) -> None:
        """Keep a small file of a compressed layer while it passes: reaching it again is dear."""
        if entry.size > _KEPT_FILE or self._kept_size + entry.size > _KEPT_TOTAL:
            return
        data = source.read(entry.size)
        if len(data) == entry.size and not data.startswith(b"\x7fELF"):
            self._kept[index, entry.offset] = data
            self._kept_size += entry.size

    def _bytes(self, node: Node) -> bytes:
        kept = self._kept.get((node.layer, node.offset))
        if kept is not None:
            return kept
        blob = self._layers[node.layer].blob
        if not self._compressed[node.layer]:
            part = Blob(blob.path, blob.offset + node.offset, node.size, data=blob.data)
            return part.read(_READ_LIMIT)
        source = Plain(blob)
        try:
            source.skip(node.offset)
            data = source.read(node.size)
        finally:
            source.close()
        if len(data) < node.size:
            raise IntegrityError(f"a layer of {self._reference} ends too early")
        return data

    def _pieces(self, node: Node) -> Iterator[bytes]:
        """Yield the bytes of a file of any size, a piece at a time."""
        blob = self._layers[node.layer].blob
        source: Plain | BinaryIO
        if self._compressed[node.layer]:
            source = Plain(blob)
            source.skip(node.offset)
        else:
            source = Blob(blob.path, blob.offset + node.offset, node.size, data=blob.data).open()
        with closing(source):
            left = node.size
            while left > 0:
                piece = source.read(min(left, _PIECE))
                if not piece:
                    raise IntegrityError(f"a layer of {self._reference} ends too early")
                left -= len(piece)
                yield piece


def resolve(tree: Tree, path: str) -> tuple[str, Node] | None:
    """Follow a path through symbolic links within the root; None where nothing lies there."""
    pending = [part for part in path.split("/") if part not in {"", "."}][::-1]
    current: list[str] = []
    hops = 0
    while pending:
        part = pending.pop()
        if part == "..":
            current = current[:-1]
            continue
        here = "/".join((*current, part))
        node = tree.nodes.get(here)
        if node is None:
            return None
        if node.kind is EntryKind.SYMLINK:
            hops += 1
            if hops > _HOPS or node.ambiguous:
                return (here, node) if node.ambiguous else None
            if node.link.startswith("/"):
                current = []
            pending.extend([p for p in node.link.split("/") if p not in {"", "."}][::-1])
            continue
        current.append(part)
    real = "/".join(current)
    found = tree.nodes.get(real)
    return None if found is None else (real, found)
