"""What layers and archives are packed with: told by the magic bytes, never by a media type."""

import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from deployguard.errors import IntegrityError, LimitError, UnsupportedError

if TYPE_CHECKING:
    from backports.zstd import ZstdDecompressor

# Packed bytes are fed in small portions: what follows the end of a gzip member or a zstd frame is
# copied for the next one, and an archive may hold thousands of them in a row.
PORTION = 64 * 1024
_PIECE = 256 * 1024
_MEMBERS = 4_000_000
# RFC 8878 (3.1.1.1.2) wants 8 MiB read at least; `zstd --ultra` asks for 128 MiB, no engine does.
_WINDOW_LOG = 26
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte from 0x50 to 0x5f (RFC 8878, 3.1.2)
_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}


class Unpacker(Protocol):
    """Unpacks a stream of portions, to the end of all its members or frames."""

    def unpack(self, portion: bytes) -> Iterator[bytes]:
        """Yield what a portion holds, in bounded pieces. Raises IntegrityError, LimitError."""

    def finish(self) -> None:
        """Say that no more comes. Raises IntegrityError where more had to."""


def unpacker(head: bytes, what: str) -> Unpacker | None:
    """Return the unpacker for a stream that begins so, None for one that is not packed.

    `what` names the stream in errors. Raises UnsupportedError for a packing that is not read.
    """
    if head.startswith(_GZIP):
        return _Gzip(what)
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):  # noqa: PLR2004
        return _Zstd(what)
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise UnsupportedError(
                f"{what} is packed with {name}, which is not read",
                hint="write it with gzip or zstd, or plain",
            )
    return None


class _Inflater(Protocol):
    """What zlib and isal have in common."""

    unconsumed_tail: bytes
    unused_data: bytes
    eof: bool

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most `max_length` uncompressed bytes."""


class _Gzip:
    """A gzip file: members in a row (RFC 1952, 2.2), and zeros after each, as tapes add them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._inflate: _Inflater | None = None
        self._members = 0
        self._make, self._error = inflation()

    def unpack(self, portion: bytes) -> Iterator[bytes]:
        while portion or self._inflate is not None:
            if self._inflate is None:
                portion = portion.lstrip(b"\0") if self._members else portion
                if not portion:
                    return
                self._members = _counted(self._members, self._what)
                self._inflate = self._make(16 + zlib.MAX_WBITS)
            try:
                made = self._inflate.decompress(portion, _PIECE)
            except self._error as error:
                raise IntegrityError(f"{self._what} is damaged gzip") from error
            if made:
                yield made
            if self._inflate.eof:
                portion, self._inflate = self._inflate.unused_data, None
                continue
            portion = self._inflate.unconsumed_tail
            if not portion and len(made) < _PIECE:
                return

    def finish(self) -> None:
        if self._inflate is not None:
            raise IntegrityError(f"{self._what} ends in the middle of its gzip data")


class _Zstd:
    """Zstandard frames in a row, skippable ones too (zstd:chunked keeps its table in one)."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._frame: ZstdDecompressor | None = None
        self._frames = 0

    def unpack(self, portion: bytes) -> Iterator[bytes]:
        zstd = _zstd()
        while portion or self._frame is not None:
            if self._frame is None:
                self._frames = _counted(self._frames, self._what)
                limit = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
                self._frame = zstd.ZstdDecompressor(options=limit)
            try:
                made = self._frame.decompress(portion, _PIECE)
            except zstd.ZstdError as error:
                raise self._error(str(error)) from error
            if made:
                yield made
            if self._frame.eof:
                portion, self._frame = self._frame.unused_data, None
                continue
            # The decompressor keeps what it has not unpacked yet.
            portion = b""
            if self._frame.needs_input:
                return

    def _error(self, told: str) -> IntegrityError | LimitError:
        if "too much memory" in told:
            return LimitError(
                f"{self._what} needs a zstd window of more than {1 << (_WINDOW_LOG - 20)} MiB",
                hint="pack it without --ultra and --long",
            )
        return IntegrityError(f"{self._what} is damaged zstd")

    def finish(self) -> None:
        if self._frame is not None:
            raise IntegrityError(f"{self._what} ends in the middle of its zstd data")


def _counted(members: int, what: str) -> int:
    if members >= _MEMBERS:
        raise LimitError(f"{what} is packed in more than {_MEMBERS} parts")
    return members + 1


@cache
def inflation() -> tuple[Callable[[int], Any], type[Exception]]:
    """Return what makes an inflater, and the error it raises: isal's where it is installed."""
    try:
        from isal import isal_zlib  # noqa: PLC0415  (an extra)
    except ImportError:
        return zlib.decompressobj, zlib.error
    isal: Any = isal_zlib
    return isal.decompressobj, isal.IsalError


def _zstd() -> Any:  # noqa: ANN401  (one module under two names)
    """Return the module of zstd: Python's own from 3.14 on; loaded where a zstd stream is met."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd
