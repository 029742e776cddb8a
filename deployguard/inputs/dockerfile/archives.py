"""Archives of the context that ADD unpacks (moby pkg/archive, github.com/moby/go-archive)."""

import bz2
import lzma
import posixpath
from collections.abc import Iterator

from deployguard.errors import InputError
from deployguard.inputs.dockerfile.trees import File, Link, Texts, Tree, clean, text_file
from deployguard.inputs.image import tar
from deployguard.inputs.image.compression import PORTION, unpacker
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location

_MOST = 5_000
_LARGEST = 32 * 1024 * 1024
_PACKED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_USTAR = slice(257, 262)


class NotUnpackedError(Exception):
    """An archive whose files are not known: damaged, too large, or read in several ways."""


def is_archive(data: bytes) -> bool:
    """Say whether ADD would unpack a file: by its first bytes, not by its name."""
    return data.startswith(_PACKED) or data[_USTAR] == b"ustar"


def unpacked(data: bytes, location: Location) -> Tree:
    """Return the files of an archive. Raises NotUnpackedError."""
    try:
        plain = b"".join(_bounded(data))
        return _tree(plain, location)
    except (InputError, OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise NotUnpackedError from error


def _bounded(data: bytes) -> Iterator[bytes]:
    made = 0
    for piece in _pieces(data):
        made += len(piece)
        if made > _LARGEST:
            raise NotUnpackedError
        yield piece


def _pieces(data: bytes) -> Iterator[bytes]:
    if data.startswith((b"BZh", b"\xfd7zXZ\x00")):
        expander: bz2.BZ2Decompressor | lzma.LZMADecompressor = (
            bz2.BZ2Decompressor()
            if data.startswith(b"BZh")
            else lzma.LZMADecompressor(memlimit=_LARGEST * 4)
        )
        piece = expander.decompress(data, PORTION)
        while piece or not (expander.eof or expander.needs_input):
            yield piece
            if expander.eof:
                break
            piece = expander.decompress(b"", PORTION)
        if not expander.eof or expander.unused_data.strip(b"\0"):
            raise NotUnpackedError
        return
    packing = unpacker(data, "the archive")
    if packing is None:
        yield data
        return
    for start in range(0, len(data), PORTION):
        yield from packing.unpack(data[start : start + PORTION])
    packing.finish()


def _tree(plain: bytes, location: Location) -> Tree:
    files: dict[str, File | Link] = {}
    folders: set[str] = set()
    for entry in tar.entries(tar.Memory(plain)):
        path = clean(entry.name)
        above = posixpath.dirname(path)
        # What is written through a link of the archive lies elsewhere.
        through = any(one in files for one in _parents(path))
        if entry.doubt or through or len(files) + len(folders) >= _MOST:
            raise NotUnpackedError
        match entry.kind:
            case EntryKind.FILE if path not in folders:
                content = plain[entry.offset : entry.offset + entry.size]
                files[path] = text_file(content, location, entry.mode)
            case EntryKind.SYMLINK if path not in folders:
                files[path] = Link(entry.link, location)
            case EntryKind.HARDLINK if clean(entry.link) in files:
                files[path] = files[clean(entry.link)]
            case EntryKind.DIRECTORY if path not in files:
                folders.add(path)
            case _:
                raise NotUnpackedError
        folders.add(above)
    return Texts(files, location, frozenset(folders - {"/"}))


def _parents(path: str) -> Iterator[str]:
    while path != "/":
        path = posixpath.dirname(path)
        yield path
