"""Pieces of unpacked layers that are kept, for reaching them again is dear."""

from bisect import bisect_right, insort
from collections import OrderedDict

_LIMIT = 24 * 1024 * 1024
_EACH = 512  # what a piece costs beside its bytes; a hostile stream has pieces of one byte


class KeptPieces:
    """The pieces read last, up to a limit of bytes.

    They are what is asked for: the programs of an image lie in its last layers.
    """

    def __init__(self) -> None:
        self._pieces: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        # Where the pieces of each layer begin, in order; those given up go when they are many.
        self._starts: dict[int, list[int]] = {}
        self._known = 0
        self._size = 0

    def keep(self, layer: int, position: int, piece: bytes) -> None:
        """Keep what a layer holds from a position on; the pieces used longest ago give way."""
        key = layer, position
        if key in self._pieces:
            self._pieces.move_to_end(key)
            return
        self._pieces[key] = piece
        self._size += len(piece) + _EACH
        starts = self._starts.setdefault(layer, [])
        before = bisect_right(starts, position)
        if not before or starts[before - 1] != position:
            insort(starts, position)
            self._known += 1
        while self._size > _LIMIT:
            _, oldest = self._pieces.popitem(last=False)
            self._size -= len(oldest) + _EACH
        if self._known > 2 * len(self._pieces):
            self._starts = {}
            for index, start in sorted(self._pieces):
                self._starts.setdefault(index, []).append(start)
            self._known = len(self._pieces)

    def read(self, layer: int, offset: int, size: int) -> bytes | None:
        """Return a run of a layer's bytes, None where it is not kept as a whole."""
        starts = self._starts.get(layer, [])
        at = bisect_right(starts, offset) - 1
        parts: list[bytes] = []
        while size > 0 and 0 <= at < len(starts):
            key = layer, starts[at]
            piece = self._pieces.get(key, b"")
            begin = offset - starts[at]
            part = piece[begin : begin + size]
            if not part:
                return None
            self._pieces.move_to_end(key)
            parts.append(part)
            offset += len(part)
            size -= len(part)
            at += 1
        return None if size else b"".join(parts)
