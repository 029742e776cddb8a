"""The files of a stack of layers, read from where they lie and verified before any is believed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

from msgspec import Struct

from deployguard.errors import InputError, IntegrityError, LimitError
from deployguard.inputs.image import tar
from deployguard.inputs.image.kept import KeptPieces
from deployguard.inputs.image.streams import Allowance, Blob, Bytes, Plain
from deployguard.inputs.image.tar import EntryKind
from deployguard.inputs.image.tree import Folder, LayerTree, Leaf, Room, lay, resolve
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    READ_LIMIT,
    SEARCH_LIMIT,
    Absent,
    Content,
    FileKind,
    Searched,
    Stat,
    Unread,
    searched,
)
from deployguard.model.problem import Problem

_PIECE = 256 * 1024
_KEPT_AHEAD = 8 * 1024 * 1024
_SHOWN = 100


class Layer(Struct, frozen=True):
    """One layer: its blob, and the diff_id that its uncompressed bytes must hash to."""

    blob: Blob
    diff_id: str | None


class LayeredFilesystem:
    """The files of an image; all layers are walked and verified at the first lookup.

    A layer that is damaged, or a limit that is reached, leaves every file unread: what was seen of
    the layers by then is not believed.
    """

    def __init__(self, layers: Sequence[Layer], reference: str) -> None:
        self._contents = _Contents(tuple(layers))
        self._reference = reference

    def named(self, reference: str) -> "LayeredFilesystem":
        """Return the same files for an image of another name; they are walked once for both."""
        other = LayeredFilesystem((), reference)
        other._contents = self._contents
        return other

    def problems(self) -> tuple[Problem, ...]:
        """Return what walking the layers has shown to be wrong so far."""
        contents = self._contents
        if contents.problem is not None:
            return (contents.problem.problem(),)
        return tuple(self._note(path, why) for path, why in contents.doubts)

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        if not isinstance(node, Leaf):
            return Absent(path)
        if node.kind is EntryKind.SPARSE:
            return Unread(self._file(real, Reason.FILE, "a sparse file"))
        if node.kind is not EntryKind.FILE:
            return Absent(path)
        if node.size > READ_LIMIT:
            return Unread(self._file(real, Reason.LIMIT, "more than 2 MiB"))
        data = self._contents.read(node)
        if isinstance(data, InputError):
            return self._unread(data)
        return Content(data, self._location(real, node))

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file of any size."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        if not isinstance(node, Leaf) or node.kind not in {EntryKind.FILE, EntryKind.SPARSE}:
            return Absent(path)
        if node.kind is EntryKind.SPARSE:
            return Unread(self._file(real, Reason.FILE, "a sparse file"))
        if node.size > SEARCH_LIMIT:
            return Unread(self._file(real, Reason.LIMIT, "more than 512 MiB"))
        result = self._contents.search(node, wanted)
        return self._unread(result) if isinstance(result, InputError) else result

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        _, node = found
        return tuple(sorted(node.children)) if isinstance(node, Folder) else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        found = self._find(path)
        if not isinstance(found, tuple):
            return found
        real, node = found
        place = self._location(real, node)
        if isinstance(node, Folder):
            return Stat(FileKind.DIRECTORY, "/" + real, node.mode, 0, place)
        plain = node.kind in {EntryKind.FILE, EntryKind.SPARSE}
        kind = FileKind.FILE if plain else FileKind.OTHER
        return Stat(kind, "/" + real, node.mode, node.size, place)

    def _find(self, path: str) -> tuple[str, Leaf | Folder] | Absent | Unread:
        root = self._contents.root()
        if isinstance(root, InputError):
            return self._unread(root)
        found = resolve(root, path)
        if found is None:
            return Absent(path)
        real, node = found
        return Unread(self._file(real, Reason.FILE, node.doubt)) if node.doubt else found

    def _location(self, real: str, node: Leaf | Folder) -> Location:
        return Location("/" + real, image=self._reference, layer=self._contents.diff_id(node))

    def _file(self, real: str, reason: Reason, why: str) -> Missing:
        return Missing(reason, f"the file /{real} of {self._reference} ({why})")

    def _unread(self, error: InputError) -> Unread:
        reason = Reason.LIMIT if isinstance(error, LimitError) else Reason.FILE
        return Unread(Missing(reason, f"the files of {self._reference} ({error.message})"))

    def _note(self, path: str, why: str) -> Problem:
        return Problem(
            ProblemCode.NOTE,
            f"a layer of {self._reference} has /{path[:_SHOWN]} in a form that engines do not agree"
            f" on ({why})",
            hint="build the image anew with a current builder",
        )


class _Contents:
    """Layers walked and merged, and the bytes of their files."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.problem: InputError | None = None
        self.doubts: list[tuple[str, str]] = []
        self._layers = layers
        self._root: Folder | None = None
        # Layers that have to be unpacked from their beginning to reach a file in them.
        self._dear: set[int] = set()
        self._kept = KeptPieces()
        self._allowance = Allowance()

    def root(self) -> Folder | InputError:
        """Return the merged tree, or what is wrong with the layers."""
        if self.problem is not None:
            return self.problem
        if self._root is None:
            try:
                self._root = self._walk()
            except InputError as error:
                self.problem = error
                return error
        return self._root

    def diff_id(self, node: Leaf | Folder) -> str | None:
        """Return the diff_id of the layer that a file comes from."""
        return self._layers[node.layer].diff_id if node.layer >= 0 else None

    def read(self, node: Leaf) -> bytes | InputError:
        """Return the content of a file; an error leaves all files unread from now on."""
        try:
            return self._bytes(node)
        except InputError as error:
            self.problem = self.problem or error
            return error

    def search(self, node: Leaf, wanted: frozenset[bytes]) -> Searched | InputError:
        """Search a file; an error leaves all files unread from now on."""
        try:
            return searched(self._pieces(node), wanted)
        except InputError as error:
            self.problem = self.problem or error
            return error

    def _pieces(self, node: Leaf) -> Iterator[bytes]:
        """Yield the bytes of a file of any size, a piece at a time."""
        blob = self._layers[node.layer].blob
        source: Plain | Bytes
        if node.layer in self._dear:
            source = Plain(blob, allowance=self._allowance)
        else:
            part = Blob(blob.path, blob.offset + node.offset, node.size, data=blob.data)
            source = part.open()
        with closing(source):
            if isinstance(source, Plain):
                source.skip(node.offset)
            left = node.size
            while left > 0:
                piece = source.read(min(left, _PIECE))
                if not piece:
                    raise IntegrityError(f"a layer of {blob.path} changed while it was read")
                left -= len(piece)
                yield piece

    def _walk(self) -> Folder:
        """Walk the layers in the order in which they lie, and merge them in their own."""
        room = Room()
        collected: dict[int, LayerTree] = {}
        origins = {layer.blob.packed for layer in self._layers if layer.blob.packed is not None}
        with ExitStack() as held:
            for origin in origins:
                held.enter_context(origin.held())
            for index in sorted(range(len(self._layers)), key=self._place):
                collected[index] = self._collected(index, room)
        root = Folder()
        for index in range(len(self._layers)):
            layer = collected.pop(index)
            self.doubts.extend(layer.doubts)
            lay(root, layer.root)
        return root

    def _place(self, index: int) -> tuple[str, int]:
        blob = self._layers[index].blob
        return blob.path, blob.offset

    def _collected(self, index: int, room: Room) -> LayerTree:
        layer = self._layers[index]
        tree = LayerTree(index, room)
        try:
            with closing(Plain(layer.blob, allowance=self._allowance)) as source:
                if source.compressed or layer.blob.packed is not None:
                    self._dear.add(index)
                    source.seen = partial(self._kept.keep, index)
                for run in tar.index(source):
                    tree.place(run)
                source.finish(layer.diff_id)
        except InputError as error:
            raise _placed(error, layer.blob) from error
        return tree

    def _bytes(self, node: Leaf) -> bytes:
        if node.size == 0:
            return b""
        if node.layer in self._dear:
            kept = self._kept.read(node.layer, node.offset, node.size)
            return self._passed_again(node) if kept is None else kept
        blob = self._layers[node.layer].blob
        part = Blob(blob.path, blob.offset + node.offset, node.size, data=blob.data)
        return part.read(READ_LIMIT)

    def _passed_again(self, node: Leaf) -> bytes:
        """Pass over a packed layer again up to a file, and keep what follows it.

        What is read together lies together.
        """
        blob = self._layers[node.layer].blob
        with closing(Plain(blob, allowance=self._allowance, hashed=False)) as source:
            source.seen = partial(self._kept.keep, node.layer)
            source.skip(node.offset)
            data = source.read(node.size)
            if len(data) < node.size:
                raise IntegrityError(f"a layer of {blob.path} changed while it was read")
            end = source.position + _KEPT_AHEAD
            while source.position < end and source.read(_PIECE):
                pass
        return data


def _placed(error: InputError, blob: Blob) -> InputError:
    """Give an error of a layer the name of the file that the layer lies in."""
    message = error.message if blob.path in error.message else f"{blob.path}: {error.message}"
    return type(error)(message, location=error.location or Location(blob.path), hint=error.hint)
