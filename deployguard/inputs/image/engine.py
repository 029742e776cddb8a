"""Images of a Docker engine, over its socket alone: inspected, and their files read.

Files come through a container that is created, never started, and always removed with its volumes.
"""

import base64
import json
import posixpath
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deployguard.errors import InputError, LimitError, NotFoundError, UnreadableError
from deployguard.inputs.image import config, tar
from deployguard.inputs.image.stored import repository
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Searched,
    Stat,
    Unread,
    searched,
)
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.problem import Problem

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_TIMEOUT_SECONDS = 30
_ANY_VERSION = "1.40"
_READ_LIMIT = 2 * 1024 * 1024
_LABEL = "deployguard"
_OK = 200
_NOT_FOUND = 404
_T = TypeVar("_T")


class EngineImages:
    """An ImageSource over the engine that DOCKER_HOST names; close it to leave nothing behind."""

    def __init__(self) -> None:
        self._client: DockerClient | None = None
        self._opened: dict[str, Image | InputError] = {}
        self._files: list[EngineFilesystem] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove every container that was created, and hang up."""
        for files in self._files:
            files.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        """Return an image, or why it was not read; never raises."""
        name = reference.value
        if name is None:
            return Unread(Missing(Reason.IMAGE, "the image, whose name cannot be seen"))
        try:
            return self.open_image(name)
        except InputError as error:
            return Unread(Missing(Reason.IMAGE, f"the image {name} ({error.message})"))

    def open_image(self, reference: str) -> Image:
        """Return an image of the engine. Raises NotFoundError, UnreadableError."""
        if reference not in self._opened:
            try:
                self._opened[reference] = self._open(reference)
            except InputError as error:
                self._opened[reference] = error
        found = self._opened[reference]
        if isinstance(found, InputError):
            raise found
        return found

    def _open(self, reference: str) -> Image:
        from docker.errors import APIError, DockerException, ImageNotFound  # noqa: PLC0415
        from requests.exceptions import RequestException  # noqa: PLC0415  (docker's transport)

        client = self._connect()
        try:
            attributes: dict[str, Any] = client.images.get(reference).attrs
        except ImageNotFound as error:
            raise NotFoundError(
                f"no image {reference} in the engine",
                hint=f"check the name, or fetch it: docker pull {reference}",
            ) from error
        except APIError as error:
            raise UnreadableError(
                f"the engine refuses {reference}: {error.explanation or error}"
            ) from error
        except (DockerException, RequestException, OSError, ValueError) as error:
            raise UnreadableError(
                f"the engine did not answer about {reference}", hint="is it running?"
            ) from error
        files = EngineFilesystem(client, str(attributes.get("Id")), reference)
        self._files.append(files)
        digests = attributes.get("RepoDigests") or []
        platform = {
            "os": attributes.get("Os"),
            "architecture": attributes.get("Architecture"),
            "variant": attributes.get("Variant"),
        }
        return Image(
            reference=reference,
            name=repository(reference),
            origin=ImageOrigin.DOCKER,
            config=config.from_mapping(attributes.get("Config") or {}, reference),
            files=files,
            digest=str(digests[0]).partition("@")[2] if digests else None,
            config_digest=str(attributes.get("Id")),
            platform=config.platform(platform, reference),
        )

    def _connect(self) -> "DockerClient":
        if self._client is None:
            import docker  # noqa: PLC0415  (heavy, and only for images of an engine)
            from docker.errors import DockerException  # noqa: PLC0415
            from requests.exceptions import RequestException  # noqa: PLC0415

            try:
                # With a version given nothing is asked yet, so that a failure leaves no socket.
                asked = docker.from_env(timeout=_TIMEOUT_SECONDS, version=_ANY_VERSION)
                try:
                    version = str(asked.version(api_version=False)["ApiVersion"])
                finally:
                    asked.close()
                client = docker.from_env(timeout=_TIMEOUT_SECONDS, version=version)
            except (DockerException, RequestException, OSError, ValueError, KeyError) as error:
                denied = "permission denied" in str(error).lower()
                raise UnreadableError(
                    "no permission on the engine's socket"
                    if denied
                    else "no Docker engine answers",
                    hint="join the group of the socket"
                    if denied
                    else "start it, set DOCKER_HOST, or scan a saved image: docker save -o app.tar",
                ) from error
            self._client = client
        return self._client


# os.FileMode of Go, as the engine's stat header carries it (moby api/types ContainerPathStat).
_GO_DIRECTORY = 1 << 31
_GO_SYMLINK = 1 << 27
_GO_TYPES = 0x8F280000
_HOPS = 40
_FOLDER_LIMIT = 512 * 1024 * 1024
_KEPT_FILE = 256 * 1024
_KEPT_TOTAL = 32 * 1024 * 1024


class EngineFilesystem:
    """The files of one image of an engine, through a container that is created and never started.

    A path costs one stat; a listing fetches its folder once, with the small files in it, so that
    what lies below it is answered from memory.
    """

    def __init__(self, client: "DockerClient", image: str, reference: str) -> None:
        self._client = client
        self._image = image
        self._reference = reference
        self._container: Container | None = None
        self._name: str | None = None
        self._stats: dict[str, Stat | None] = {"/": self._stat("/", FileKind.DIRECTORY, 0o755, 0)}
        self._names: dict[str, tuple[str, ...]] = {}
        self._contents: dict[str, bytes] = {}
        self._kept = 0
        self._problem: InputError | None = None

    def problems(self) -> tuple[Problem, ...]:
        """Return what reading the files has shown to be wrong so far."""
        return () if self._problem is None else (self._problem.problem(),)

    def close(self) -> None:
        """Remove the container with its volumes, if one was asked for.

        By its name: an interruption may come after the engine made it and before it answered.
        """
        name, self._name = self._name, None
        if name is None:
            return
        from docker.errors import DockerException, NotFound  # noqa: PLC0415
        from requests.exceptions import RequestException  # noqa: PLC0415

        try:
            self._client.api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except (DockerException, RequestException, OSError):
            self._problem = self._problem or UnreadableError(
                f"a container that was created for {self._reference} could not be removed",
                hint=f"remove it: docker rm -v {name}",
            )

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        found = self.stat(path)
        if not isinstance(found, Stat):
            return found
        if found.kind is not FileKind.FILE:
            return Absent(path)
        if found.size > _READ_LIMIT:
            what = f"the file {found.path} of {self._reference} (more than 2 MiB)"
            return Unread(Missing(Reason.LIMIT, what))
        if found.path not in self._contents:
            fetched = self._guarded(lambda: self._fetch_file(found.path))
            if isinstance(fetched, Unread):
                return fetched
        return Content(self._contents[found.path], found.location)

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        """Search a file of any size."""
        found = self.stat(path)
        if not isinstance(found, Stat):
            return found
        if found.kind is not FileKind.FILE:
            return Absent(path)
        if found.size > _FOLDER_LIMIT:
            what = f"the file {found.path} of {self._reference} (more than 512 MiB)"
            return Unread(Missing(Reason.LIMIT, what))
        return self._guarded(lambda: searched(self._pieces(found.path), wanted))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        found = self.stat(path)
        if not isinstance(found, Stat):
            return found
        if found.kind is not FileKind.DIRECTORY:
            return Absent(path)
        if found.path not in self._names:
            fetched = self._guarded(lambda: self._fetch_folder(found.path))
            if isinstance(fetched, Unread):
                return fetched
        return self._names[found.path]

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        found = self._guarded(
            lambda: self._resolved(posixpath.normpath("/" + path.lstrip("/")), _HOPS)
        )
        return Absent(path) if found is None else found

    def _guarded(self, action: Callable[[], _T]) -> _T | Unread:
        """Run what asks the engine; its failure leaves everything after it unread."""
        from docker.errors import DockerException  # noqa: PLC0415
        from requests.exceptions import RequestException  # noqa: PLC0415

        if self._problem is None:
            try:
                return action()
            except InputError as error:
                self._problem = error
            except (DockerException, RequestException, OSError) as error:
                self._problem = UnreadableError(
                    f"the engine failed while the files of {self._reference} were read"
                    f" ({type(error).__name__})",
                    hint="is it still running?",
                )
        what = f"the files of {self._reference} ({self._problem.message})"
        return Unread(Missing(Reason.IMAGE, what))

    def _resolved(self, path: str, hops: int) -> Stat | None:
        """Follow links; the engine names the target of a path that is one."""
        if path in self._stats:
            return self._stats[path]
        if hops == 0:
            return None
        folder, name = posixpath.split(path)
        parent = self._resolved(folder, hops - 1)
        if parent is None or parent.kind is not FileKind.DIRECTORY:
            return None
        real = posixpath.join(parent.path, name)
        if real not in self._stats:
            known = self._names.get(parent.path)
            if known is not None and name not in known:
                return None
            self._stats[real] = self._asked(real, hops)
        self._stats[path] = self._stats[real]
        return self._stats[path]

    def _asked(self, path: str, hops: int) -> Stat | None:
        api = self._client.api
        # The client has no method for this call of the Engine API (HEAD /containers/{id}/archive).
        url = f"{api.base_url}/v{api.api_version}/containers/{self._created().id}/archive"
        answer = api.head(url, params={"path": path}, timeout=_TIMEOUT_SECONDS)
        if answer.status_code == _NOT_FOUND:
            return None
        header = answer.headers.get("X-Docker-Container-Path-Stat")
        if answer.status_code != _OK or header is None:
            raise UnreadableError(f"the engine cannot say what {path} of {self._reference} is")
        try:
            given = json.loads(base64.b64decode(header))
            mode, size, target = int(given["mode"]), int(given["size"]), str(given["linkTarget"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableError("the engine's answer about a file cannot be read") from error
        if mode & _GO_SYMLINK:
            return self._resolved(posixpath.normpath("/" + target.lstrip("/")), hops - 1)
        kind = FileKind.DIRECTORY if mode & _GO_DIRECTORY else FileKind.FILE
        if kind is FileKind.FILE and mode & _GO_TYPES:
            kind = FileKind.OTHER
        return self._stat(path, kind, mode & 0o777, size)

    def _stat(self, path: str, kind: FileKind, mode: int, size: int) -> Stat:
        return Stat(kind, path, mode, size, Location(path, image=self._reference))

    def _created(self) -> "Container":
        if self._container is None:
            self._name = f"{_LABEL}-{uuid.uuid4().hex}"
            # The command never runs; an image without one could not be created from otherwise.
            self._container = self._client.containers.create(
                self._image,
                name=self._name,
                command=[_LABEL],
                network_mode="none",
                labels={_LABEL: "reading"},
            )
        return self._container

    def _fetch_file(self, path: str) -> None:
        source = self._archive(path)
        for entry in tar.entries(source):
            if entry.kind is EntryKind.FILE and entry.size <= _READ_LIMIT:
                self._contents[path] = source.read(entry.size)
                return
        raise UnreadableError(f"the engine gave no content for {path} of {self._reference}")

    def _pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file of any size, a piece at a time."""
        if path in self._contents:
            yield self._contents[path]
            return
        source = self._archive(path)
        for entry in tar.entries(source):
            if entry.kind is EntryKind.FILE:
                left = entry.size
                while left > 0 and (piece := source.read(min(left, _KEPT_FILE))):
                    left -= len(piece)
                    yield piece
                if left > 0:
                    raise UnreadableError(f"the engine cut {path} of {self._reference} short")
                return
        raise UnreadableError(f"the engine gave no content for {path} of {self._reference}")

    def _fetch_folder(self, path: str) -> None:
        """Fetch a folder: the names below it, and the content of its small files."""
        names: dict[str, set[str]] = {path: set()}
        source = self._archive(path)
        for entry in tar.entries(source):
            # The engine names the members from the folder's own name on.
            inner = posixpath.normpath("/" + entry.name.lstrip("/")).lstrip("/").partition("/")[2]
            if path == "/":
                inner = posixpath.normpath("/" + entry.name.lstrip("/")).lstrip("/")
            if not inner:
                continue
            place = posixpath.join(path, inner)
            folder, name = posixpath.split(place)
            names.setdefault(folder, set()).add(name)
            if entry.kind is EntryKind.DIRECTORY:
                names.setdefault(place, set())
                self._stats[place] = self._stat(place, FileKind.DIRECTORY, entry.mode, 0)
            elif entry.kind is EntryKind.FILE:
                self._stats[place] = self._stat(place, FileKind.FILE, entry.mode, entry.size)
                self._keep(place, entry, source)
        for folder, found in names.items():
            self._names[folder] = tuple(sorted(found))

    def _keep(self, place: str, entry: tar.Entry, source: "_Chunks") -> None:
        if entry.size <= _KEPT_FILE and self._kept + entry.size <= _KEPT_TOTAL:
            self._contents[place] = source.read(entry.size)
            self._kept += entry.size

    def _archive(self, path: str) -> "_Chunks":
        chunks, _ = self._created().get_archive(path)
        return _Chunks(iter(chunks), self._reference)


class _Chunks:
    """A `tar.Source` over the chunks of an answer, bounded in all."""

    def __init__(self, chunks: Iterator[bytes], reference: str) -> None:
        self._chunks = chunks
        self._reference = reference
        self._pending = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            if not self._pending:
                self._pending = next(self._chunks, b"")
                if not self._pending:
                    break
            part, self._pending = self._pending[:wanted], self._pending[wanted:]
            parts.append(part)
            wanted -= len(part)
        data = b"".join(parts)
        self.position += len(data)
        if self.position > _FOLDER_LIMIT:
            raise LimitError(f"a folder of {self._reference} holds more than 512 MiB")
        return data

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        while size > 0:
            passed = len(self.read(min(size, 1 << 20)))
            if passed == 0:
                return
            size -= passed
