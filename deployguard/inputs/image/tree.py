"""The tree of files that a stack of layers makes, as overlay file systems make it.

Docker, podman and containerd unpack each layer into an empty place of its own and lay that over
those below. So a layer is collected by itself first: what its entries do to each other is the
kernel's doing, in their order and through the links of the same layer. Then it is laid over the
tree, by lexical path, never through a link of another layer. Where engines refuse a layer or differ
over it, the paths that this touches are in doubt, and nothing is said of them.
"""

import os
import posixpath
from collections.abc import Iterable

from msgspec import Struct, field

from deployguard.errors import LimitError
from deployguard.inputs.image import tar
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.filesystem import LINK_HOPS
from deployguard.model.structs import replace

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_NAME = 255
_PATH = 4095
# A letter has four bytes at most, so texts of so many letters are never too long.
_SHORT_NAME = _NAME // 4
_SHORT_PATH = _PATH // 4
_FILE = EntryKind.FILE  # bound here: 0.1 us less each time before Python 3.12
_SPECIAL = frozenset({"", "."})  # how whiteouts begin, and what normal() changes
_DOUBTS = 3
_TWICE = "its layer holds it twice, and engines differ"
_REMOVED = "its layer holds it and removes it, and engines differ"
_NO_TARGET = "a hard link to what its layer does not hold, which most engines refuse"


class Leaf(Struct, gc=False):
    """What is no folder: its bytes begin at `offset` of a layer's content; `doubt` as in a tar."""

    kind: EntryKind
    mode: int = 0o644
    size: int = 0
    offset: int = 0
    layer: int = -1
    link: str = ""
    doubt: str = ""


class Folder(Struct):
    """A directory; `stated` says that an entry names it, `opaque` that it hides lower layers."""

    mode: int = 0o755
    layer: int = -1
    children: "dict[str, Node]" = field(default_factory=dict)
    stated: bool = False
    opaque: bool = False
    doubt: str = ""


class Whiteout(Struct):
    """A removal of what lower layers hold at its path."""

    doubt: str = ""


Node = Leaf | Folder | Whiteout


class Room(Struct):
    """How much may still be put into trees: entries, letters of paths, and folders they imply."""

    entries: int = 2_000_000
    letters: int = 256 * 1024 * 1024
    folders: int = 50_000

    def take(self, letters: int) -> None:
        """Count an entry, which gives room for a folder as well. Raises LimitError."""
        self.entries -= 1
        self.letters -= letters
        self.folders += 1
        if self.entries < 0 or self.letters < 0:
            raise LimitError("the layers hold too many files")

    def take_folder(self, letters: int) -> None:
        """Count a folder that no entry names. Raises LimitError."""
        self.letters -= letters
        self.folders -= 1
        if self.folders < 0 or self.letters < 0:
            raise LimitError("the layers hold too many folders that no entry names")


def normal(name: str) -> str:
    """Return a member's path within the root: "/a", "./a" and "../a" are "a"."""
    if name and name[0] not in "./" and "/." not in name and "//" not in name:
        return name.removesuffix("/")
    return posixpath.normpath("/" + name.lstrip("/")).lstrip("/")


def _longer(text: str, limit: int) -> bool:
    """Say whether a name has more bytes than a limit; a letter has four at most."""
    return len(text) * 4 > limit and len(os.fsencode(text)) > limit


class LayerTree:
    """The entries of one layer as they lie once it is unpacked into an empty place.

    `doubts` are the first paths over which engines differ, with the reason.
    """

    def __init__(self, index: int, room: Room) -> None:
        self.root = Folder()
        self.doubts: list[tuple[str, str]] = []
        self._index = index
        self._room = room
        # Most entries lie in the folder of the one before.
        self._recent: tuple[str, Folder] | None = ("", self.root)

    def place(self, entries: Iterable[tar.Entry]) -> None:
        """Put entries at their paths, in their order. Raises LimitError."""
        for entry in entries:
            if not self._beside(entry):
                self._place(entry)

    def _place(self, entry: tar.Entry) -> None:
        path = normal(entry.name)
        self._room.take(len(path))
        if not path:
            self._restate(self.root, entry, path)
            return
        if _longer(path, _PATH - 1):
            raise LimitError("a layer has a path that is longer than Linux allows")
        parent, _, name = path.rpartition("/")
        recent = self._recent
        if recent is not None and recent[0] == parent:
            folder: Folder | None = recent[1]
        else:
            folder = self._folder(parent)
        if folder is None:
            return
        if name.startswith(_WHITEOUT):
            self._remove(folder, name, path)
        elif entry.kind is EntryKind.DIRECTORY:
            self._put_folder(folder, name, path, entry)
        else:
            if _longer(entry.link, _PATH):
                self._refuse(path, "its link is longer than Linux allows")
            self._put(folder, name, path, self._leaf(folder, name, entry))

    def _beside(self, entry: tar.Entry) -> bool:
        """Put a file beside the entry before, under a new and short name, as most are: a short way.

        False where nothing is put. `_place` would do the same, in twice the time.
        """
        recent = self._recent
        if recent is None or entry.kind is not _FILE or entry.doubt:
            return False
        path = entry.name
        parent, _, name = path.rpartition("/")
        children = recent[1].children
        if (
            parent != recent[0]
            or not parent
            or name[:1] in _SPECIAL
            or len(name) > _SHORT_NAME
            or len(path) > _SHORT_PATH
            or name in children
        ):
            return False
        self._room.take(len(path))
        children[name] = Leaf(_FILE, entry.mode, entry.size, entry.offset, self._index)
        return True

    def _remove(self, folder: Folder, name: str, path: str) -> None:
        """Take down a whiteout: overlay file systems hold it where the removed file would be."""
        if name == _OPAQUE:
            # In the root of a layer the marker has no effect: nothing asks for it there.
            if folder.opaque:
                self._note(path, _TWICE)
            folder.opaque = True
            return
        gone = name[len(_WHITEOUT) :]
        if gone in {"", ".", ".."}:
            self._refuse(path, "it removes the folder it lies in")
            return
        self._put(folder, gone, path, Whiteout())

    def _put_folder(self, folder: Folder, name: str, path: str, entry: tar.Entry) -> None:
        present = folder.children.get(name)
        if isinstance(present, Folder):
            self._restate(present, entry, path)
            return
        self._put(
            folder, name, path, Folder(entry.mode, self._index, stated=True, doubt=entry.doubt)
        )

    def _restate(self, folder: Folder, entry: tar.Entry, path: str) -> None:
        """Give a folder the attributes of an entry; said twice, engines that read it agree."""
        if entry.kind is not EntryKind.DIRECTORY:
            return
        if folder.stated:
            self._note(path, _TWICE)
        folder.mode, folder.layer, folder.stated = entry.mode, self._index, True
        folder.doubt = folder.doubt or entry.doubt

    def _put(self, folder: Folder, name: str, path: str, node: Node) -> None:
        present = folder.children.get(name)
        if present is not None:
            if isinstance(present, Whiteout) or isinstance(node, Whiteout):
                node.doubt = _REMOVED
            elif isinstance(present, Leaf) or present.stated or present.doubt:
                node.doubt = _TWICE
            elif _states_folders(present):
                self._refuse(path, "it replaces a folder with folders that are named themselves")
            self._recent = None
        elif _longer(name, _NAME):
            self._refuse(path, "its name is longer than Linux allows")
        folder.children[name] = node
        if node.doubt:
            self._note(path, node.doubt)

    def _leaf(self, folder: Folder, name: str, entry: tar.Entry) -> Leaf:
        if entry.kind is not EntryKind.HARDLINK:
            return Leaf(
                entry.kind,
                entry.mode,
                entry.size,
                entry.offset,
                self._index,
                entry.link if entry.kind is EntryKind.SYMLINK else "",
                entry.doubt,
            )
        # What stands in the way goes before the link is made, and may be what it links to.
        present = folder.children.pop(name, None)
        made = self._linked(entry)
        if present is not None:
            folder.children[name] = present
        return made

    def _linked(self, entry: tar.Entry) -> Leaf:
        """Return what a hard link links to, as link(2) finds it: following no last link."""
        parent, _, name = normal(entry.link).rpartition("/")
        folder = self._folder(parent, make=False)
        target = None if folder is None else folder.children.get(name)
        if isinstance(target, Leaf):
            return replace(target, doubt=target.doubt or entry.doubt)
        return Leaf(EntryKind.OTHER, layer=self._index, doubt=_NO_TARGET)

    def _folder(self, path: str, *, make: bool = True) -> Folder | None:
        """Return the folder at a path as the kernel finds it while the layer is unpacked.

        Links of this layer are followed; with `make` what is missing is made. None where nothing
        can be put, which is then in doubt.
        """
        pending = path.split("/")[::-1] if path else []
        trail = [self.root]
        # So many parts are left of the path itself: those on top of them come from links.
        own = len(pending)
        hops = 0
        while pending:
            part = pending.pop()
            if part in {"", ".", ".."}:
                if part == ".." and len(trail) > 1:
                    trail.pop()
                continue
            node = trail[-1].children.get(part)
            if node is None and make and len(pending) < own:
                node = self._made(trail[-1], part)
            if isinstance(node, Folder):
                trail.append(node)
            elif isinstance(node, Leaf) and node.kind is EntryKind.SYMLINK and hops < LINK_HOPS:
                hops += 1
                own = min(own, len(pending))
                if node.link.startswith("/"):
                    del trail[1:]
                pending.extend(reversed(node.link.split("/")))
            else:
                if make:
                    self._in_the_way(node, path)
                return None
        if make:
            self._recent = (path, trail[-1])
        return trail[-1]

    def _made(self, folder: Folder, name: str) -> Folder:
        self._room.take_folder(len(name))
        made = Folder(layer=self._index)
        folder.children[name] = made
        if _longer(name, _NAME):
            self._refuse(name, "its name is longer than Linux allows")
        return made

    def _in_the_way(self, node: Node | None, path: str) -> None:
        if isinstance(node, Whiteout):
            # containerd removes first and then makes a folder; the others refuse.
            node.doubt = _REMOVED
            self._note(path, _REMOVED)
        else:
            self._refuse(path, "the layer itself has something else in its way")

    def _refuse(self, path: str, why: str) -> None:
        """Put the whole layer in doubt: no engine unpacks it."""
        self.root.doubt = self.root.doubt or f"a layer cannot be unpacked: /{path[:100]}, {why}"
        self._note(path, why)

    def _note(self, path: str, why: str) -> None:
        if len(self.doubts) < _DOUBTS:
            self.doubts.append((path, why))


def _states_folders(folder: Folder) -> bool:
    """Say whether entries name folders below one: engines set their times in the end."""
    pending = [folder]
    while pending:
        for node in pending.pop().children.values():
            if isinstance(node, Folder):
                if node.stated:
                    return True
                pending.append(node)
    return False


def lay(tree: Folder, layer: Folder) -> None:
    """Lay a layer over the tree; the layer's nodes become the tree's."""
    tree.doubt = tree.doubt or layer.doubt
    pending = [(tree, layer)]
    while pending:
        below, above = pending.pop()
        children = below.children
        for name, node in above.children.items():
            if isinstance(node, Folder):
                under = children.get(name)
                doubt = "" if under is None or node.opaque else under.doubt
                if not isinstance(under, Folder) or node.opaque:
                    under = children[name] = Folder()
                under.mode, under.layer = node.mode, node.layer
                under.doubt = node.doubt or doubt
                pending.append((under, node))
            elif isinstance(node, Leaf):
                children[name] = node
            elif node.doubt:
                children[name] = Leaf(EntryKind.OTHER, doubt=node.doubt)
            else:
                children.pop(name, None)
        above.children = {}


def resolve(root: Folder, path: str) -> tuple[str, Leaf | Folder] | None:
    """Follow a path through symbolic links within the root; None where nothing lies there.

    What is in doubt ends the way: whatever lies at it and below is the doubtful node.
    """
    pending = path.split("/")[::-1]
    names: list[str] = []
    trail = [root]
    hops = 0
    if root.doubt:
        return "", root
    while pending:
        part = pending.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if names:
                names.pop()
                trail.pop()
            continue
        node = trail[-1].children.get(part)
        if node is None or isinstance(node, Whiteout):
            return None
        if node.doubt:
            return "/".join((*names, part)), node
        if isinstance(node, Folder):
            names.append(part)
            trail.append(node)
        elif node.kind is EntryKind.SYMLINK:
            hops += 1
            if hops > LINK_HOPS or not node.link:
                return None
            if node.link.startswith("/"):
                names.clear()
                del trail[1:]
            pending.extend(reversed(node.link.split("/")))
        else:
            beyond = any(rest not in {"", "."} for rest in pending)
            return None if beyond else ("/".join((*names, part)), node)
    return "/".join(names), trail[-1]
