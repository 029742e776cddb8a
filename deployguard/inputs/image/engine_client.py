"""The calls of the Engine API that a scan makes, over a socket or TCP; none starts anything.

Docker's (docs.docker.com/reference/api/engine), which podman serves as well; where podman differs,
its own (docs.podman.io, libpod).
"""

import base64
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from deployguard.errors import LimitError, UnreadableError
from deployguard.inputs.image.endpoints import Endpoint
from deployguard.model.image import ImageOrigin

if TYPE_CHECKING:
    from requests import Response, Session

CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60
# Podman without overlay copies an image to make a container of it.
_CREATE_SECONDS = 180
_ANSWER_LIMIT = 16 * 1024 * 1024
_CHUNK = 1024 * 1024
_TOLD = 200
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}")
_PODMAN = "Podman Engine"
_OK = 200
_CREATED = 201
_NO_CONTENT = 204
_NOT_FOUND = 404
_CONFLICT = 409
LABEL = "deployguard"


class NoEngineError(UnreadableError):
    """Nobody listens at the address."""


class PathStat(Struct, frozen=True):
    """What an engine says of a path: Go's file mode, the size, and where a link leads in the end.

    `target` is absolute within the container's root, and None where the engine cannot spell it.
    """

    mode: int
    size: int
    target: str | None


class RefusedError(UnreadableError):
    """The engine answered that it does not do it."""


class UnclearError(UnreadableError):
    """The engine cannot say what one path is; its folder's archive can."""


class Engine:
    """One engine that has answered. Every method raises UnreadableError where it fails."""

    def __init__(self, endpoint: Endpoint, *, seconds: float = CONNECT_SECONDS) -> None:
        """Connect, and ask what it is. Raises NoEngineError where nobody listens."""
        self._endpoint = endpoint
        _knock(endpoint, seconds)
        self._session, self._base = _session(endpoint)
        try:
            version = self._version(seconds)
        except BaseException:
            self.close()
            raise
        self.origin = version.origin
        self._docker, self._podman = version.docker, version.podman

    @property
    def name(self) -> str:
        """Return how a message calls it."""
        return described(self._endpoint)

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def image(self, reference: str) -> Mapping[str, Any] | None:
        """Return what the engine says of an image (GET /images/{name}/json), None without one."""
        with self._asked("GET", f"/images/{quote(reference, safe='/:@')}/json") as answer:
            if answer.status_code == _NOT_FOUND:
                return None
            found = self._json(answer, f"refuses {reference}")
        if not isinstance(found, dict) or not isinstance(found.get("Id"), str):
            raise self._strange()
        return found

    def create(self, image: str, name: str) -> None:
        """Make a container, which nobody starts (POST /containers/create).

        User and directory are given, for an engine may look for those of the image.
        """
        labels = {LABEL: "reading"}
        if self._podman is None:
            path = f"/containers/create?name={name}"
            config: dict[str, Any] = {
                "Image": image,
                # Never run; an image without a command could not be created from otherwise.
                "Cmd": [LABEL],
                "User": "0",
                "WorkingDir": "/",
                "Labels": labels,
                "NetworkDisabled": True,
                "HostConfig": {"NetworkMode": "none"},
            }
        else:
            # Through podman's own call: it alone can leave an image's volumes out, which podman
            # fills when a container starts; before, they would hide the image's files.
            path = f"/v{self._podman}/libpod/containers/create"
            config = {
                "name": name,
                "image": image,
                "command": [LABEL],
                "user": "0",
                "work_dir": "/",
                "labels": labels,
                "image_volume_mode": "ignore",
                "netns": {"nsmode": "none"},
            }
        with self._asked("POST", path, body=config, seconds=_CREATE_SECONDS) as answer:
            if answer.status_code != _CREATED:
                self._json(answer, "makes no container of the image")
                raise self._strange()

    def remove(self, name: str) -> bool:
        """Remove a container with its volumes; say whether there was one."""
        path = f"/containers/{name}?v=1&force=1"
        with self._asked("DELETE", path) as answer:
            if answer.status_code in {_OK, _NO_CONTENT, _CONFLICT}:
                return True
            if answer.status_code == _NOT_FOUND:
                return False
            self._json(answer, "removes no container")
        raise self._strange()

    def stat(self, container: str, path: str) -> PathStat | None:
        """Say what lies at a path (HEAD /containers/{id}/archive), None where nothing does.

        Raises UnclearError where the engine cannot say: at a loop of links, for one.
        """
        with self._asked("HEAD", _archive(container, path)) as answer:
            if answer.status_code == _NOT_FOUND:
                # The same answer as where somebody has taken the container away.
                if not self._holds(container):
                    raise UnreadableError(
                        f"{self.name} has lost the container that was made for reading",
                        hint="scan again while nobody prunes containers",
                    )
                return None
            header = answer.headers.get("X-Docker-Container-Path-Stat")
            if answer.status_code != _OK or header is None:
                raise UnclearError(f"{self.name} cannot say what {path} is")
        try:
            # Podman writes it in the alphabet for URLs (RFC 4648, 5), Docker in the plain one.
            given = json.loads(base64.b64decode(header.replace("-", "+").replace("_", "/")))
            mode, size, target = int(given["mode"]), int(given["size"]), str(given["linkTarget"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange() from error
        # Go writes what is no UTF-8 as this sign.
        return PathStat(mode, size, None if "\ufffd" in target else target)

    def _holds(self, container: str) -> bool:
        """Say whether a container is still there, as each engine says it soonest."""
        path = f"/containers/{container}/json"
        if self._podman is not None:
            path = f"/v{self._podman}/libpod/containers/{container}/exists"
        with self._asked("GET", path) as answer:
            return answer.status_code in {_OK, _NO_CONTENT}

    @contextmanager
    def archive(self, container: str, path: str) -> Iterator[Iterator[bytes]]:
        """Yield a tar of what lies at a path (GET /containers/{id}/archive), in pieces."""
        with self._asked("GET", _archive(container, path)) as answer:
            if answer.status_code != _OK:
                self._json(answer, f"gives no {path}")
                raise self._strange()
            yield answer.iter_content(_CHUNK)

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        seconds: float = _ANSWER_SECONDS,
    ) -> Iterator["Response"]:
        """Send a request and yield the answer, whose failure has one kind of error."""
        from requests.exceptions import RequestException, SSLError  # noqa: PLC0415  (heavy)

        version = "" if path.startswith(("/v", "/version")) else f"/v{self._docker}"
        try:
            with self._session.request(
                method,
                f"{self._base}{version}{path}",
                json=body,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, seconds),
                verify=self._session.verify,
            ) as answer:
                yield answer
        except SSLError as error:
            raise UnreadableError(
                f"{self.name} failed ({_reason(error)})",
                hint=f"check the certificates that {self._endpoint.named_by} goes with",
            ) from error
        except (RequestException, OSError) as error:
            raise UnreadableError(
                f"{self.name} failed ({_reason(error)})", hint="is it still running?"
            ) from error

    def _version(self, seconds: float) -> "_Version":
        self._docker = ""
        with self._asked("GET", "/version", seconds=seconds) as answer:
            found = self._json(answer, "does not say its version")
        if not isinstance(found, dict):
            raise self._strange()
        docker = str(found.get("ApiVersion"))
        podman = None
        parts = found.get("Components")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("Name") == _PODMAN:
                details = part.get("Details")
                podman = str(details.get("APIVersion") if isinstance(details, dict) else None)
        for version in (docker, podman):
            if version is not None and not _VERSION.fullmatch(version):
                raise self._strange()
        return _Version(docker, podman)

    def _json(self, answer: "Response", refusal: str) -> object:
        """Return the body of an answer; a status that is an error becomes one."""
        data = b""
        for chunk in answer.iter_content(_CHUNK):
            data += chunk
            if len(data) > _ANSWER_LIMIT:
                raise LimitError(f"{self.name} answers with more than 16 MiB")
        try:
            found: object = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if answer.status_code in {_OK, _CREATED} and found is not None:
            return found
        told = found.get("message") if isinstance(found, dict) else None
        if not isinstance(told, str):
            raise self._strange()
        raise RefusedError(f"{self.name} {refusal}: {told.strip()[:_TOLD]}")

    def _strange(self) -> UnreadableError:
        return UnreadableError(
            f"what answers at {self._endpoint.address} is no engine that is known",
            hint=f"check {self._endpoint.named_by}",
        )


class _Version(Struct, frozen=True):
    """The versions of both APIs, podman's None where it is Docker that answers."""

    docker: str
    podman: str | None

    @property
    def origin(self) -> ImageOrigin:
        return ImageOrigin.DOCKER if self.podman is None else ImageOrigin.PODMAN


def described(endpoint: Endpoint) -> str:
    """Return how a message calls an engine: "the docker engine at unix:///var/run/docker.sock"."""
    what = "the docker engine" if endpoint.origin is ImageOrigin.DOCKER else "podman"
    return f"{what} at {endpoint.address}"


def _knock(endpoint: Endpoint, seconds: float) -> None:
    """Try to reach it: the failures of that are told apart here, and cost no more than this."""
    podman = endpoint.origin is ImageOrigin.PODMAN
    try:
        _dialled(endpoint, seconds).close()
    except PermissionError as error:
        raise UnreadableError(
            f"no permission on the socket of {described(endpoint)}",
            hint="run the scan as a user who may use it, such as a member of its group",
        ) from error
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NoEngineError(
            f"nobody answers for {described(endpoint)}",
            hint="start it (podman system service), set CONTAINER_HOST, or scan a saved image:"
            " podman save -o app.tar"
            if podman
            else "start it, set DOCKER_HOST, or scan a saved image: docker save -o app.tar",
        ) from error
    except (OSError, ValueError) as error:
        raise UnreadableError(
            f"{described(endpoint)} cannot be reached ({_reason(error)})",
            hint=f"check {endpoint.named_by}",
        ) from error


def _dialled(endpoint: Endpoint, seconds: float) -> socket.socket:
    path = endpoint.socket
    if path is None:
        parts = urlsplit(endpoint.url)
        return socket.create_connection((parts.hostname, parts.port or 0), seconds)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(seconds)
        made.connect(os.fsencode(path))
    except BaseException:
        made.close()
        raise
    return made


def _session(endpoint: Endpoint) -> tuple["Session", str]:
    """Return a session for the endpoint, and the base of its URLs.

    Of the docker package the transport alone: its clients read the user's configuration, and give
    way to REQUESTS_CA_BUNDLE where a context names the authority to trust.
    """
    from docker.transport import UnixHTTPAdapter  # noqa: PLC0415  (heavy, and for engines alone)
    from requests import Session  # noqa: PLC0415

    session = Session()
    # Neither .netrc nor the authorities of the environment are the engine's.
    session.trust_env = False
    # Packing costs the engine more than a socket carries.
    session.headers["Accept-Encoding"] = "identity"
    path = endpoint.socket
    if path is not None:
        session.mount("http+docker://", UnixHTTPAdapter(f"http+unix://{path}", CONNECT_SECONDS))
        return session, "http+docker://localhost"
    if endpoint.tls is not None:
        _trust(session, endpoint)
    return session, endpoint.url


def _trust(session: "Session", endpoint: Endpoint) -> None:
    tls = endpoint.tls
    if tls is None:
        return
    session.cert = tls.certificate
    session.verify = True if tls.authority == "" else tls.authority or False
    if session.verify is False:
        from urllib3 import disable_warnings  # noqa: PLC0415
        from urllib3.exceptions import InsecureRequestWarning  # noqa: PLC0415

        # The context says so itself; a warning with each request says nothing new.
        disable_warnings(InsecureRequestWarning)


def _archive(container: str, path: str) -> str:
    return f"/containers/{container}/archive?path={quote(os.fsencode(path))}"


def _reason(error: BaseException) -> str:
    """Name the cause in words: what a client wraps around it tells a reader nothing."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        if inner in chain:
            break
        chain.append(inner)
    for cause in reversed(chain):
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "no answer in time"
        if isinstance(cause, (ConnectionResetError, BrokenPipeError)):
            return "it closed the connection"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        if isinstance(cause, IncompleteRead) or "Chunk" in type(cause).__name__:
            return "its answer was cut off"
        if isinstance(cause, HTTPException):
            return "what it answers is no HTTP"
    return type(chain[-1]).__name__
