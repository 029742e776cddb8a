"""Bytes of blobs where they lie: plain or gzip, hashed and bounded while they pass."""

import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from deployguard.errors import IntegrityError, LimitError, UnreadableError, UnsupportedError

_CHUNK = 256 * 1024
_LAYER_LIMIT = 10 * 1024**3
_RATIO = 200
_RATIO_FROM = 64 * 1024**2
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Blob:
    """A run of bytes: of a file on disk, or of `data` already in memory.

    `digest` is what it must hash to ("sha256:..."), None where nobody says.
    """

    path: str
    offset: int
    size: int
    digest: str | None = None
    data: bytes | None = None

    def open(self) -> BinaryIO:
        """Open the bytes, positioned at their start. Raises UnreadableError."""
        if self.data is not None:
            return io.BytesIO(self.data[self.offset : self.offset + self.size])
        try:
            file = Path(self.path).open("rb")  # noqa: SIM115  (the caller closes it)
            file.seek(self.offset)
        except OSError as error:
            raise UnreadableError(f"cannot read {self.path}: {error.strerror}") from error
        return file

    def read(self, limit: int) -> bytes:
        """Return all bytes, verified. Raises LimitError, IntegrityError."""
        if self.size > limit:
            raise LimitError(f"a part of {self.path} has {self.size} bytes, more than {limit}")
        with self.open() as file:
            data = file.read(self.size)
        if len(data) < self.size:
            raise IntegrityError(f"{self.path} ends too early")
        if self.digest is not None and digest(data) != self.digest:
            raise IntegrityError(f"a part of {self.path} is not what its digest says")
        return data


def digest(data: bytes) -> str:
    """Return the OCI digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Plain:
    """The uncompressed bytes of a blob in order: a `tar.Source` that hashes what passes."""

    def __init__(self, blob: Blob) -> None:
        self._file = blob.open()
        self._blob = blob
        self._left = blob.size
        self._raw = hashlib.sha256()
        self._content = hashlib.sha256()
        self._inflate = _inflater()
        # Whether the inflater is inside of a gzip member.
        self._within = False
        self._pending = b""
        self._consumed = 0
        self._produced = 0
        head = self._take(len(_ZSTD))
        if head == _ZSTD:
            raise UnsupportedError(
                f"{blob.path} has a layer packed with zstd",
                hint="write the image with gzip layers, for example: skopeo copy --format oci",
            )
        self.compressed = head[: len(_GZIP)] == _GZIP
        self._head = head
        self.position = 0

    def _take(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self._raw.update(data)
        self._consumed += len(data)
        return data

    def _more(self) -> bytes:
        """Return the next uncompressed bytes, empty at the end."""
        data = self._head or self._take(_CHUNK)
        self._head = b""
        if not self.compressed:
            return data
        while True:
            if data:
                self._within = True
            elif not self._within:
                return b""
            try:
                made = self._inflate.decompress(data, _CHUNK)
            except zlib.error as error:
                raise IntegrityError(f"{self._blob.path} has a damaged gzip layer") from error
            self._head = self._inflate.unconsumed_tail
            if self._inflate.eof:
                # A gzip file may have several members (RFC 1952, 2.2), and padding after them.
                self._head = self._inflate.unused_data.lstrip(b"\0")
                self._inflate = _inflater()
                self._within = False
            elif not data and not made:
                raise IntegrityError(f"{self._blob.path} has a gzip layer that ends too early")
            if made:
                self._bound(len(made))
                return made
            data = self._head or self._take(_CHUNK)
            self._head = b""

    def _bound(self, made: int) -> None:
        self._produced += made
        if self._produced > _LAYER_LIMIT:
            raise LimitError(f"a layer of {self._blob.path} unpacks to more than 10 GiB")
        if self._produced > _RATIO_FROM and self._produced > _RATIO * self._consumed:
            raise LimitError(f"a layer of {self._blob.path} unpacks to {_RATIO} times its size")

    def read(self, size: int) -> bytes:
        """Return up to `size` uncompressed bytes, fewer only at the end."""
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            if not self._pending:
                self._pending = self._more()
                if not self._pending:
                    break
                self._content.update(self._pending)
            part, self._pending = self._pending[:wanted], self._pending[wanted:]
            parts.append(part)
            wanted -= len(part)
        data = b"".join(parts)
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        """Pass over uncompressed bytes."""
        while size > 0:
            passed = len(self.read(min(size, _CHUNK)))
            if passed == 0:
                return
            size -= passed

    def finish(self, diff_id: str | None) -> None:
        """Read to the end and compare both digests. Raises IntegrityError."""
        while self.read(_CHUNK):
            pass
        if self._left > 0:
            raise IntegrityError(f"{self._blob.path} ends too early")
        raw = f"sha256:{self._raw.hexdigest()}"
        if self._blob.digest is not None and raw != self._blob.digest:
            raise IntegrityError(f"a layer of {self._blob.path} is not what its digest says")
        if diff_id is not None and f"sha256:{self._content.hexdigest()}" != diff_id:
            raise IntegrityError(f"a layer of {self._blob.path} is not what its diff_id says")

    def close(self) -> None:
        """Close the file below."""
        self._file.close()


class _Inflater(Protocol):
    """What zlib and isal have in common."""

    unconsumed_tail: bytes
    unused_data: bytes
    eof: bool

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most `max_length` uncompressed bytes."""


def _inflater() -> _Inflater:
    made: _Inflater = _fastest()(16 + zlib.MAX_WBITS)
    return made


@cache
def _fastest() -> Callable[[int], Any]:
    try:
        from isal import isal_zlib  # noqa: PLC0415  (an extra)
    except ImportError:
        return zlib.decompressobj
    made: Callable[[int], Any] = isal_zlib.decompressobj
    return made
