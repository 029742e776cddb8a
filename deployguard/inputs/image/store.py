"""Where the parts of a stored image lie: the members of an archive, or the files of a folder."""

import posixpath
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from deployguard.errors import (
    IntegrityError,
    LimitError,
    NotFoundError,
    UnreadableError,
    UnsupportedError,
)
from deployguard.inputs.image import tar
from deployguard.inputs.image.compression import unpacker
from deployguard.inputs.image.streams import GIB, Allowance, Blob, Plain
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location

_LINKS = 8
_PARTS = 100_000
_HEAD = 512
_SMALL_PART = 1024 * 1024
_SMALL_PARTS = 16 * 1024 * 1024
_PACKED_LIMIT = 20 * GIB
_PACKED_TOTAL = 100 * GIB
# Folders at the top of a root file system, of which no stored image has two.
_ROOT_FOLDERS = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
     "run", "sbin", "srv", "sys", "tmp", "usr", "var"}
)  # fmt: skip


class Store(Protocol):
    """Named parts of an archive or folder."""

    def part(self, name: str) -> Blob | None:
        """Return a part by its path, None where there is none. Raises InputError."""


class ArchiveStore(Struct, frozen=True):
    """The members of a tar, links among them followed."""

    path: str
    parts: dict[str, Blob] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)

    def part(self, name: str) -> Blob | None:
        """Return a member by its normalised path."""
        for _ in range(_LINKS):
            if name in self.twice:
                raise IntegrityError(
                    f"{self.path} holds {name} twice, and engines differ over which counts",
                    location=Location(self.path),
                    hint="write the archive anew",
                )
            if name not in self.links:
                return self.parts.get(name)
            name = self.links[name]
        return None


class FolderStore(Struct, frozen=True):
    """The files of a folder; links out of it are not followed."""

    root: Path

    def part(self, name: str) -> Blob | None:
        """Return a file by its path below the folder."""
        path = self.root / name
        try:
            if not path.is_file() or not path.resolve().is_relative_to(self.root.resolve()):
                return None
            return Blob(str(path), 0, path.stat().st_size)
        except (OSError, RuntimeError) as error:
            why = error.strerror if isinstance(error, OSError) else "its links go in circles"
            raise UnreadableError(
                f"cannot read {path}: {why}",
                location=Location(str(path)),
                hint="check its permissions",
            ) from error


def member(name: str) -> str:
    """Return the normalised path of a member."""
    return posixpath.normpath("/" + name.lstrip("/")).lstrip("/")


def open_store(path: str) -> ArchiveStore:
    """Index the members of an archive, plain or packed with gzip or zstd as a whole.

    Raises NotFoundError, UnreadableError, IntegrityError, LimitError, UnsupportedError.
    """
    size, head = _looked_at(path)
    if unpacker(head, path) is None:
        whole = Blob(path, 0, size)
        return _indexed(path, whole, _Seeking(whole))
    packed = Packed(path, size)
    with closing(packed.stream()) as peeked:
        twice = unpacker(peeked.read(_HEAD), path) is not None
    if twice:
        raise UnsupportedError(f"{path} is packed twice", hint="unpack it once and scan that")
    return _indexed(path, Blob(path, 0, 0, packed=packed), packed.stream())


def _looked_at(path: str) -> tuple[int, bytes]:
    """Return the size and the first bytes of a file."""
    place = Location(path)
    try:
        found = Path(path).stat()
        if stat.S_ISDIR(found.st_mode):
            raise UnsupportedError(
                f"{path} is a folder, no archive", location=place, hint=f"for a layout: oci:{path}"
            )
        if not stat.S_ISREG(found.st_mode):
            raise UnsupportedError(
                f"{path} is no regular file",
                location=place,
                hint="an archive is read in no fixed order: write it into a file first",
            )
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no file {path}", location=place, hint="check the path"
        ) from error
    except OSError as error:
        raise UnreadableError(
            f"cannot read {path}: {error.strerror}", location=place, hint="check its permissions"
        ) from error
    if not head:
        raise IntegrityError(f"{path} is empty", location=place, hint="write the archive anew")
    return found.st_size, head


def _indexed(path: str, whole: Blob, source: "Plain | _Seeking") -> ArchiveStore:
    """Walk the members of an archive; small ones of a packed archive are kept."""
    store = ArchiveStore(path)
    kept = 0
    tops: set[str] = set()
    try:
        for entry in tar.entries(source):
            name = member(entry.name)
            _check_top(path, name, tops)
            if name in store.parts or name in store.links:
                store.twice.add(name)
            if len(store.parts) + len(store.links) >= _PARTS:
                raise LimitError(f"{path} has more than {_PARTS} members")
            if entry.kind is EntryKind.FILE:
                data = None
                if whole.packed is not None and entry.size <= _SMALL_PART:
                    kept += entry.size
                    data = source.read(entry.size) if kept <= _SMALL_PARTS else None
                at = 0 if data is not None else entry.offset
                store.parts[name] = Blob(path, at, entry.size, data=data, packed=whole.packed)
            elif entry.kind is EntryKind.SYMLINK:
                folder = posixpath.dirname(name)
                store.links[name] = member(posixpath.join("/", folder, entry.link))
            elif entry.kind is EntryKind.HARDLINK:
                store.links[name] = member(entry.link)
        source.finish(None)
    except IntegrityError as error:
        if source.position <= _HEAD and not tops:
            raise IntegrityError(f"{path} is no tar archive") from error
        raise
    finally:
        source.close()
    return store


def _check_top(path: str, name: str, tops: set[str]) -> None:
    """Refuse a root file system where it shows, before all of it is walked."""
    top = name.partition("/")[0]
    if top in _ROOT_FOLDERS:
        tops.add(top)
    if top == ".dockerenv" or len(tops) > 1:
        raise UnsupportedError(
            f"{path} holds the files of a container, as docker export writes them: that loses the"
            " image's config, so what it starts cannot be told",
            location=Location(path),
            hint="save the image instead: docker save -o app.tar IMAGE",
        )


class Packed:
    """The content of a file that is packed as a whole: unpacked as it is read, and never kept.

    While it is held, reading on from where the last reader stopped costs nothing; otherwise, and
    for what lies before, it is unpacked from the beginning again.
    """

    def __init__(self, path: str, size: int) -> None:
        self._blob = Blob(path, 0, size)
        self._allowance = Allowance(_PACKED_TOTAL)
        self._held = False
        self._idle: Plain | None = None

    def stream(self) -> Plain:
        """Return the whole content from its beginning."""
        return Plain(self._blob, self._blob.path, self._allowance, _PACKED_LIMIT, hashed=False)

    def open(self, offset: int) -> "_Section":
        """Return the content from an offset on."""
        source, self._idle = self._idle, None
        if source is None or source.position > offset:
            if source is not None:
                source.close()
            source = self.stream()
        section = _Section(self, source)
        try:
            source.skip(offset - source.position)
        except BaseException:
            source.close()
            raise
        return section

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the place where the last reader stopped until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._idle is not None:
                self._idle.close()
                self._idle = None

    def give_back(self, source: Plain) -> None:
        """Take the place where a reader stopped."""
        if self._held and self._idle is None:
            self._idle = source
        else:
            source.close()


class _Section:
    """The content of a packed file from an offset on."""

    def __init__(self, origin: Packed, source: Plain) -> None:
        self._origin = origin
        self._source = source

    def read(self, size: int, /) -> bytes:
        return self._source.read(size)

    def close(self) -> None:
        self._origin.give_back(self._source)


class _Seeking:
    """A `tar.Source` over a file in which passing over costs nothing."""

    def __init__(self, blob: Blob) -> None:
        self._path = blob.path
        self._file = Path(blob.path).open("rb")  # noqa: SIM115  (closed by its user)
        self._size = blob.size
        self.position = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(max(0, min(size, self._size - self.position)))
        except OSError as error:
            raise UnreadableError(f"cannot read {self._path}: {error.strerror}") from error
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        self.position = min(self.position + size, self._size)
        self._file.seek(self.position)

    def finish(self, _: None) -> None:
        """Leave what follows the end of an archive: it tells nothing."""

    def close(self) -> None:
        self._file.close()
