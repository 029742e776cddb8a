"""The files of an image through a container that is made of it, never started, and removed.

An engine gives no listing: a stat of one path, or the tar of a folder with all below it. So a small
image is fetched as a whole, and of another one the folders that are listed, its working directory
first; what lies in them is answered from memory.
"""

import os
import posixpath
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct

from deployguard.errors import InputError, IntegrityError, LimitError, UnreadableError
from deployguard.inputs.image import tar
from deployguard.inputs.image.engine_client import LABEL, Engine, RefusedError, UnclearError
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    LINK_HOPS,
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

# Bytes pass and are not kept: a large image is slow, and answered. The names in its root, which a
# program that is no Python makes one look for, are in the tar of all of it.
_FOLDER_LIMIT = 10 * 1024**3
# What is fetched before anybody asked for all of it: it costs less than the stats and folders.
_WHOLE_LIMIT = 80 * 1024 * 1024
_AHEAD_LIMIT = 16 * 1024 * 1024
_KEPT_FILE = 256 * 1024
_KEPT_TOTAL = 32 * 1024 * 1024
_ELF = b"\x7fELF"
_REST = 1024 * 1024
# Podman leaves them out of a tar of the root, and knows them by themselves (seen with 4.3).
_LEFT_OUT = ("dev", "proc", "sys")
# A container may come into being after the scan stopped waiting for it: so often it is found
# absent before it is taken for gone, and so often once it was there.
_REMOVALS = 20
_QUIET = 5
_PAUSE_SECONDS = 0.1
# os.FileMode of Go, as the engine's stat carries it (moby api/types ContainerPathStat).
_GO_DIRECTORY = 1 << 31
_GO_SYMLINK = 1 << 27
_GO_TYPES = 0x8F280000
_T = TypeVar("_T")


class _Node(Struct, frozen=True):
    """What lies at a path whose folders are real ones; `link` is where a symbolic link leads."""

    kind: FileKind
    mode: int
    size: int
    link: str | None = None


class _TooMuchError(Exception):
    """More came than was wanted ahead of any question."""


class ContainerFiles:
    """A Filesystem of one image of an engine; close it to remove what was made."""

    def __init__(
        self,
        engine: Engine,
        image: str,
        reference: str,
        *,
        size: int,
        working_dir: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the image's id, its size as the engine says it, and its working directory."""
        self._engine = engine
        self._image = image
        self._reference = reference
        self._ahead = _ahead(size, working_dir)
        self._name: str | None = None
        self._answered = False
        self._closed = False
        self._nodes: dict[str, _Node | None] = {"/": _Node(FileKind.DIRECTORY, 0o755, 0)}
        self._names: dict[str, tuple[str, ...]] = {}
        self._contents: dict[str, bytes] = {}
        self._kept = 0
        self._clock = clock
        self._failure: InputError | None = None
        self.failed_at: float | None = None
        self.left: Problem | None = None
        self._limit: InputError | None = None
        # The webhook judges in several threads.
        self._lock = threading.RLock()

    def problems(self) -> tuple[Problem, ...]:
        """Return what reading the files has shown to be wrong so far."""
        found = (self._failure, self._limit)
        return tuple(error.problem() for error in found if error is not None)

    def close(self) -> None:
        """Remove the container with its volumes, if one was asked for; `left` says if that failed.

        By its name: an interruption may come after the engine made it and before it answered.
        """
        with self._lock:
            self._closed = True
            name, self._name = self._name, None
        if name is None:
            return
        try:
            self._remove(name)
        except KeyboardInterrupt:
            # What was begun is brought to its end: nobody else knows the name.
            self._remove(name)
            raise

    def _remove(self, name: str) -> None:
        try:
            if self._answered:
                self._engine.remove(name)
            else:
                self._remove_unanswered(name)
        except InputError as error:
            self.left = UnreadableError(
                f"a container that was made of {self._reference} may be left: {error.message}",
                hint=f"remove it: {self._engine.origin} rm -f -v {name}",
            ).problem()

    def _remove_unanswered(self, name: str) -> None:
        """Remove what an engine may still be making, until it is gone for good.

        Podman 4.3 takes the storage away from under a container that it is making, says that all
        is removed, and then enters the container in its books.
        """
        absent, enough = 0, _REMOVALS
        for _ in range(2 * _REMOVALS):
            if self._engine.remove(name):
                absent, enough = 0, _QUIET
            else:
                absent += 1
            if absent == enough:
                return
            time.sleep(_PAUSE_SECONDS)

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        with self._lock:
            found = self._file(path, READ_LIMIT)
            if not isinstance(found, Stat):
                return found
            data = self._guarded(lambda: self._content(found.path, found.size))
            return data if isinstance(data, Unread) else Content(data, found.location)

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file of any size, as far as an engine hands one over."""
        with self._lock:
            found = self._file(path, SEARCH_LIMIT)
            if not isinstance(found, Stat):
                return found
            return self._guarded(lambda: self._searched(found.path, found.size, wanted))

    def _file(self, path: str, limit: int) -> Stat | Absent | Unread:
        """Return what lies at a path if it is a file of at most so many bytes."""
        found = self.stat(path)
        if not isinstance(found, Stat):
            return found
        if found.kind is not FileKind.FILE:
            return Absent(path)
        if found.size > limit:
            what = f"the file {found.path} of {self._reference} (more than {limit >> 20} MiB)"
            return Unread(Missing(Reason.LIMIT, what))
        return found

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        with self._lock:
            found = self.stat(path)
            if not isinstance(found, Stat):
                return found
            if found.kind is not FileKind.DIRECTORY:
                return Absent(path)
            return self._guarded(lambda: self._listing(found.path))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        with self._lock:
            found = self._guarded(lambda: self._resolved(path))
            if isinstance(found, Unread):
                return found
            if found is None:
                return Absent(path)
            real, node = found
            place = Location(real, image=self._reference)
            return Stat(node.kind, real, node.mode, node.size, place)

    def _guarded(self, action: Callable[[], _T]) -> _T | Unread:
        """Run what asks the engine; its failure leaves everything after it unread.

        A limit is the matter of what reached it alone.
        """
        if self._closed:
            self._failure = self._failure or UnreadableError("the scan of it is over")
        if self._failure is None:
            try:
                return action()
            except LimitError as error:
                self._limit = self._limit or error
                return Unread(Missing(Reason.LIMIT, error.message))
            except IntegrityError as error:
                self._failure = UnreadableError(
                    f"{self._engine.name} answered with a damaged tar: {error.message}",
                    hint="is it still running?",
                )
                self.failed_at = self._clock()
            except InputError as error:
                self._failure = error
                self.failed_at = self._clock()
        what = f"the files of {self._reference} ({self._failure.message})"
        return Unread(Missing(Reason.IMAGE_NO_ACCESS, what))

    def _resolved(self, path: str) -> tuple[str, _Node] | None:
        """Follow a path through symbolic links within the root; None where nothing lies there."""
        pending = _parts(path)
        current = "/"
        hops = 0
        while pending:
            part = pending.pop()
            if part == "..":
                current = posixpath.dirname(current)
                continue
            here = posixpath.join(current, part)
            node = self._node(here)
            if node is None or node.link == "" or hops > LINK_HOPS:
                return None
            if node.link is not None:
                hops += 1
                current = "/" if node.link.startswith("/") else current
                pending.extend(_parts(node.link))
            elif node.kind is not FileKind.DIRECTORY and pending:
                return None
            else:
                current = here
        node = self._node(current)
        return None if node is None else (current, node)

    def _node(self, path: str) -> _Node | None:
        self._fetch_ahead(path)
        if path not in self._nodes:
            folder, name = posixpath.split(path)
            listed = folder in self._names and (folder != "/" or name not in _LEFT_OUT)
            if listed and name not in self._names[folder]:
                return None
            self._nodes[path] = self._asked(path)
        return self._nodes[path]

    def _fetch_ahead(self, path: str) -> None:
        """Fetch what is likely to be needed, once, and give it up where it is larger."""
        if self._ahead is None:
            return
        folder, limit = self._ahead
        if folder not in {"/", path} and not path.startswith(folder + "/"):
            return
        self._ahead = None
        # Not through a link: the names would be those of another place.
        if folder != "/" and self._resolved(folder) != (folder, self._nodes.get(folder)):
            return
        node = self._nodes.get(folder)
        if node is not None and node.kind is FileKind.DIRECTORY:
            try:
                self._fetch_folder(folder, limit)
            except _TooMuchError:
                return

    def _asked(self, path: str) -> _Node | None:
        """Ask for one path; what the engine cannot spell is in the tar of its folder."""
        if not _is_text(path):
            return self._from_folder(path)
        try:
            found = self._engine.stat(self._created(), path)
        except UnclearError:
            return self._from_folder(path)
        if found is None:
            return None
        if found.mode & _GO_SYMLINK:
            if found.target is None:
                return self._from_folder(path)
            return _Node(FileKind.OTHER, 0o777, 0, found.target)
        kind = FileKind.DIRECTORY if found.mode & _GO_DIRECTORY else FileKind.FILE
        if kind is FileKind.FILE and found.mode & _GO_TYPES:
            kind = FileKind.OTHER
        return _Node(kind, found.mode & 0o777, found.size)

    def _from_folder(self, path: str) -> _Node | None:
        folder, name = posixpath.split(path)
        if name not in self._listing(folder):
            return None
        node = self._nodes.get(path)
        if node is None:
            raise UnreadableError(f"{self._engine.name} cannot say what {path} is")
        return node

    def _created(self) -> str:
        if self._name is None:
            self._name = f"{LABEL}-{os.urandom(16).hex()}"
            try:
                self._engine.create(self._image, self._name)
            except RefusedError:
                self._answered = True
                raise
            self._answered = True
        return self._name

    def _content(self, path: str, size: int) -> bytes:
        if path in self._contents:
            return self._contents[path]
        with self._engine.archive(self._created(), path) as chunks:
            source = _Chunks(chunks, self._reference, _FOLDER_LIMIT)
            data = None
            for entry in tar.entries(source):
                if data is None and entry.kind is EntryKind.FILE and entry.size == size:
                    data = source.whole(size)
            source.finish()
        if data is None:
            raise UnreadableError(f"{self._engine.name} gave no content for {path}")
        self._remember(path, data)
        return data

    def _searched(self, path: str, size: int, wanted: frozenset[bytes]) -> Searched:
        if path in self._contents:
            return searched((self._contents[path],), wanted)
        with self._engine.archive(self._created(), path) as chunks:
            source = _Chunks(chunks, self._reference, _FOLDER_LIMIT + _REST)
            for entry in tar.entries(source):
                if entry.kind is EntryKind.FILE and entry.size == size:
                    return searched(_portions(source, size), wanted)
        raise UnreadableError(f"{self._engine.name} gave no content for {path}")

    def _listing(self, folder: str) -> tuple[str, ...]:
        if folder not in self._names:
            self._fetch_folder(folder, None)
        names = self._names[folder]
        if folder != "/":
            return names
        further = (name for name in _LEFT_OUT if self._node(f"/{name}") is not None)
        return tuple(sorted({*names, *further}))

    def _fetch_folder(self, folder: str, limit: int | None) -> None:
        """Fetch a folder: all names below it, and the content of small files.

        Beyond `limit` raises _TooMuchError; then no folder's names are complete.
        """
        names: dict[str, set[str]] = {folder: set()}
        with self._engine.archive(self._created(), folder) as chunks:
            source = _Chunks(chunks, self._reference, limit or _FOLDER_LIMIT, ahead=bool(limit))
            for entry in tar.entries(source):
                inner = _inner(entry.name, folder)
                if inner:
                    self._take(posixpath.join(folder, inner), entry, folder, names, source)
            source.finish()
        for place, found in names.items():
            self._names[place] = tuple(sorted(found))

    def _take(
        self,
        place: str,
        entry: tar.Entry,
        folder: str,
        names: dict[str, set[str]],
        source: "_Chunks",
    ) -> None:
        """Take in one member of a folder's tar."""
        parent, name = posixpath.split(place)
        names.setdefault(parent, set()).add(name)
        match entry.kind:
            case EntryKind.DIRECTORY:
                names.setdefault(place, set())
                self._nodes[place] = _Node(FileKind.DIRECTORY, entry.mode, 0)
            case EntryKind.FILE | EntryKind.SPARSE:
                self._nodes[place] = _Node(FileKind.FILE, entry.mode, entry.size)
                if entry.kind is EntryKind.FILE and self._room(entry.size):
                    self._remember(place, source.whole(entry.size))
            case EntryKind.SYMLINK:
                self._nodes[place] = _Node(FileKind.OTHER, 0o777, 0, entry.link)
            case EntryKind.HARDLINK:
                # To an earlier member, by its name in the tar; one that is not here is asked for.
                target = posixpath.join(folder, _inner(entry.link, folder))
                linked = self._nodes.get(target)
                if linked is not None and linked.kind is FileKind.FILE:
                    self._nodes[place] = linked
                    if target in self._contents:
                        self._contents[place] = self._contents[target]
            case EntryKind.OTHER:
                self._nodes[place] = _Node(FileKind.OTHER, entry.mode, 0)

    def _room(self, size: int) -> bool:
        return size <= _KEPT_FILE and self._kept + size <= _KEPT_TOTAL

    def _remember(self, path: str, data: bytes) -> None:
        """Keep what is small and no binary."""
        if self._room(len(data)) and not data.startswith(_ELF):
            self._contents[path] = data
            self._kept += len(data)


def _portions(source: "_Chunks", size: int) -> Iterator[bytes]:
    """Yield the bytes of a file of any size, a portion at a time."""
    while size > 0:
        portion = source.whole(min(size, _KEPT_FILE))
        size -= len(portion)
        yield portion


def _ahead(size: int, working_dir: str | None) -> tuple[str, int] | None:
    if 0 < size <= _WHOLE_LIMIT:
        return "/", 2 * _WHOLE_LIMIT
    folder = posixpath.normpath("/" + (working_dir or "").lstrip("/"))
    return None if folder == "/" else (folder, _AHEAD_LIMIT)


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the first one last."""
    return [part for part in path.split("/") if part not in {"", "."}][::-1]


def _inner(name: str, folder: str) -> str:
    """Return a member's path below the folder: the engine names it from the folder's name on."""
    whole = posixpath.normpath("/" + name.lstrip("/")).lstrip("/")
    return whole if folder == "/" else whole.partition("/")[2]


def _is_text(path: str) -> bool:
    """Say whether a path is UTF-8: an engine speaks JSON with its helpers, and garbles the rest."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Chunks:
    """A `tar.Source` over the pieces of an answer, bounded in all, which must come to its end."""

    def __init__(
        self, chunks: Iterator[bytes], reference: str, limit: int, *, ahead: bool = False
    ) -> None:
        self._chunks = chunks
        self._reference = reference
        self._limit = limit
        self._ahead = ahead
        self._pending = memoryview(b"")
        self._last = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end. Raises LimitError."""
        data = b"".join(self._pieces(size))
        self._last = data
        return data

    def skip(self, size: int) -> None:
        """Pass over bytes; passing over the end shows at the next read."""
        for _ in self._pieces(size):
            pass

    def whole(self, size: int) -> bytes:
        """Return exactly `size` bytes. Raises UnreadableError where the answer ends before."""
        data = self.read(size)
        if len(data) < size:
            raise self._short()
        return data

    def finish(self) -> None:
        """Check that the tar came to its end mark, and take the rest, so that the line is free.

        An engine that fails in the middle may end its answer as if it were whole.
        """
        if not self._last or any(self._last):
            raise self._short()
        for _ in self._pieces(_REST):
            pass

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if not self._pending:
                self._pending = memoryview(next(self._chunks, b""))
                if not self._pending:
                    return
            piece, self._pending = self._pending[:size], self._pending[size:]
            size -= len(piece)
            self.position += len(piece)
            if self.position > self._limit:
                raise self._beyond()
            yield piece

    def _beyond(self) -> Exception:
        if self._ahead:
            return _TooMuchError()
        return LimitError(
            f"a folder of {self._reference} holds more than {self._limit // 1024 // 1024} MiB",
            hint="scan a saved image, which is read in place",
        )

    def _short(self) -> UnreadableError:
        return UnreadableError(
            f"the engine's answer about the files of {self._reference} ended too early",
            hint="is it still running?",
        )
