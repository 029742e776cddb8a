"""Bytes of blobs where they lie: plain or packed, hashed and bounded while they pass."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from deployguard.errors import IntegrityError, LimitError, UnreadableError
from deployguard.inputs.image.compression import PORTION, Unpacker, unpacker

GIB = 1024**3
_CHUNK = 256 * 1024
_LAYER_LIMIT = 10 * GIB
_TOTAL_LIMIT = 20 * GIB
_RATIO = 200
_RATIO_FROM = 64 * 1024**2


class Bytes(Protocol):
    """Bytes in order, from where a blob begins."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""

    def close(self) -> None:
        """Let go of what is below."""


class Origin(Protocol):
    """Something that blobs lie in which is no plain file."""

    def open(self, offset: int) -> Bytes:
        """Return its bytes from an offset on. Raises InputError."""

    def held(self) -> AbstractContextManager[None]:
        """Make reading on, from where the last reader stopped, cheap within the block."""


class Blob(Struct, frozen=True):
    """A run of bytes: of a file on disk, of `data` in memory, or of what `packed` unpacks to.

    `digest` is what it must hash to ("sha256:..."), None where nobody says.
    """

    path: str
    offset: int
    size: int
    digest: str | None = None
    data: bytes | None = None
    packed: Origin | None = None

    def open(self) -> Bytes:
        """Open the bytes, positioned at their start. Raises UnreadableError."""
        if self.data is not None:
            return io.BytesIO(self.data[self.offset : self.offset + self.size])
        if self.packed is not None:
            return self.packed.open(self.offset)
        try:
            file = Path(self.path).open("rb")  # noqa: SIM115  (the caller closes it)
            file.seek(self.offset)
        except OSError as error:
            raise UnreadableError(f"cannot read {self.path}: {error.strerror}") from error
        return file

    def read(self, limit: int) -> bytes:
        """Return all bytes, verified. Raises LimitError, IntegrityError, UnreadableError."""
        if self.size > limit:
            raise LimitError(f"a part of {self.path} has {self.size} bytes, more than {limit}")
        file = self.open()
        try:
            data = file.read(self.size)
        except OSError as error:
            raise UnreadableError(f"cannot read {self.path}: {error.strerror}") from error
        finally:
            file.close()
        if len(data) < self.size:
            raise IntegrityError(f"{self.path} ends too early")
        if self.digest is not None and digest(data) != self.digest:
            raise IntegrityError(f"a part of {self.path} is not what its digest says")
        return data


def digest(data: bytes) -> str:
    """Return the OCI digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Allowance(Struct):
    """What may be unpacked, by one stream or by several together: `read` bytes made `made`."""

    limit: int = _TOTAL_LIMIT
    read: int = 0
    made: int = 0

    def take(self, read: int, made: int, what: str) -> None:
        """Count bytes. Raises LimitError beyond the limit, or for an absurd multiple."""
        self.read += read
        self.made += made
        if self.made > self.limit:
            raise LimitError(f"{what} unpacks to more than {self.limit // GIB} GiB")
        if self.made > _RATIO_FROM and self.made > _RATIO * self.read:
            raise LimitError(f"{what} unpacks to more than {_RATIO} times its size")


class Plain:
    """The uncompressed bytes of a blob in order: a `tar.Source` that hashes what passes.

    `what` names it in errors, `allowance` is shared with other streams; what is verified already,
    or has no digest, need not be `hashed`. `seen`, if set, is told of each piece and where it is,
    but for those that are passed over as a whole. Raises as it goes: IntegrityError for damaged
    data, LimitError beyond a bound, UnsupportedError for a packing that is not read,
    UnreadableError.
    """

    def __init__(
        self,
        blob: Blob,
        what: str | None = None,
        allowance: Allowance | None = None,
        limit: int = _LAYER_LIMIT,
        *,
        hashed: bool = True,
    ) -> None:
        self._what = what or f"a layer of {blob.path}"
        self._blob = blob
        self._allowances = (Allowance(limit), allowance or Allowance())
        self._left = blob.size
        self._raw = hashlib.sha256() if hashed else None
        self._content = hashlib.sha256() if hashed else None
        self._counted = 0
        self._buffer = b""
        self._start = 0
        self.position = 0
        self.seen: Callable[[int, bytes], None] | None = None
        self._file = blob.open()
        try:
            head = self._take(PORTION)
            self._unpacker = unpacker(head, self._what)
        except BaseException:
            self.close()
            raise
        self.compressed = self._unpacker is not None
        self._pieces = self._uncompressed(head, self._unpacker)

    def _take(self, size: int) -> bytes:
        try:
            data = self._file.read(min(size, self._left))
        except OSError as error:
            raise UnreadableError(f"cannot read {self._blob.path}: {error.strerror}") from error
        self._left -= len(data)
        if self._raw is not None:
            self._raw.update(data)
        return data

    def _uncompressed(self, portion: bytes, packing: Unpacker | None) -> Iterator[bytes]:
        while portion:
            if packing is None:
                self._bound(len(portion))
                yield portion
                portion = self._take(_CHUNK)
                continue
            for piece in packing.unpack(portion):
                self._bound(len(piece))
                if self._content is not None:
                    self._content.update(piece)
                yield piece
            portion = self._take(PORTION)
        if self._left > 0:
            raise IntegrityError(f"{self._blob.path} ends too early")
        if packing is not None:
            packing.finish()

    def _bound(self, made: int) -> None:
        read = self._blob.size - self._left
        for allowance in self._allowances:
            allowance.take(read - self._counted, made, self._what)
        self._counted = read

    def _fill(self, passed: int = 0) -> bool:
        """Go to the next piece, of which so many bytes will be passed over."""
        self._buffer, self._start = next(self._pieces, b""), 0
        if self.seen is not None and len(self._buffer) > passed:
            self.seen(self.position, self._buffer)
        return bool(self._buffer)

    def at_hand(self) -> tuple[bytes, int]:
        """Return the uncompressed bytes at hand, and where in them this stands."""
        return self._buffer, self._start

    def read(self, size: int) -> bytes:
        """Return up to `size` uncompressed bytes, fewer only at the end."""
        end = self._start + size
        if end <= len(self._buffer):
            data = self._buffer[self._start : end]
            self._start = end
            self.position += size
            return data
        parts: list[bytes] = []
        while size > 0 and (self._start < len(self._buffer) or self._fill()):
            part = self._buffer[self._start : self._start + size]
            self._start += len(part)
            self.position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over uncompressed bytes; `position` shows whether there were as many."""
        end = self._start + size
        if end <= len(self._buffer):
            self._start = end
            self.position += size
            return
        while size > 0 and (self._start < len(self._buffer) or self._fill(size)):
            passed = min(size, len(self._buffer) - self._start)
            self._start += passed
            self.position += passed
            size -= passed

    def finish(self, diff_id: str | None) -> None:
        """Read to the end and compare both digests, if hashed. Raises IntegrityError."""
        for _ in self._pieces:
            pass
        if self._raw is None or self._content is None:
            return
        raw = f"sha256:{self._raw.hexdigest()}"
        if self._blob.digest is not None and raw != self._blob.digest:
            raise IntegrityError(f"{self._what} is not what its digest says")
        content = f"sha256:{self._content.hexdigest()}" if self.compressed else raw
        if diff_id is not None and content != diff_id:
            raise IntegrityError(f"{self._what} is not what its diff_id says")

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
