"""Where the engines are, as their own command lines find them.

Docker (docker/cli, cli/command/cli.go): DOCKER_HOST, then DOCKER_CONTEXT, then the current context
of the configuration, else the default socket. Podman (podman-system-service(1), podman(1)):
CONTAINER_HOST, a connection by name, else the socket of the user's or the system's service.
"""

import hashlib
import ipaddress
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from deployguard.errors import SyntaxInputError, UnreadableError, UnsupportedError
from deployguard.model.evidence import Location
from deployguard.model.image import ImageOrigin

_DOCKER_SOCKET = "unix:///var/run/docker.sock"
_PODMAN_SOCKET = "/run/podman/podman.sock"
_CONFIG_LIMIT = 1024 * 1024
_DEFAULT_PORT = {False: 2375, True: 2376}


class Tls(Struct, frozen=True):
    """What a connection over TLS is made with; `authority` is None where it is not verified."""

    authority: str | None
    certificate: tuple[str, str] | None = None


class Endpoint(Struct, frozen=True, kw_only=True):
    """One engine: whose it is, its address as people write it, and what named it."""

    origin: ImageOrigin
    address: str
    named_by: str
    tls: Tls | None = None

    @property
    def socket(self) -> str | None:
        """Return the path of a socket of this machine, None for another address."""
        scheme, _, path = self.address.partition("://")
        return path if scheme == "unix" else None

    @property
    def local(self) -> bool:
        """Say whether it is of this machine: a socket, or a port of the loopback."""
        if self.socket is not None:
            return True
        host = urlsplit(self.address).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def url(self) -> str:
        """Return the base of requests to an address that is no socket."""
        parts = urlsplit(self.address)
        port = parts.port or _DEFAULT_PORT[self.tls is not None]
        host = parts.hostname or "localhost"
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{host}:{port}{parts.path.rstrip('/')}"


def docker(environ: Mapping[str, str]) -> Endpoint:
    """Return the Docker engine that the docker command would speak to.

    Raises UnreadableError, SyntaxInputError or UnsupportedError for one that cannot be told.
    """
    folder = Path(environ.get("DOCKER_CONFIG") or _home(environ) / ".docker")
    host = environ.get("DOCKER_HOST")
    if host:
        return _endpoint(ImageOrigin.DOCKER, host, "DOCKER_HOST", _variables_tls(environ, folder))
    name, named_by = environ.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        name, named_by = _current_context(folder / "config.json"), f"{folder / 'config.json'}"
    if name and name != "default":
        return _context(folder, name, named_by)
    return _endpoint(
        ImageOrigin.DOCKER, _DOCKER_SOCKET, "the default", _variables_tls(environ, folder)
    )


def podman(environ: Mapping[str, str]) -> Endpoint | None:
    """Return podman's service, None where it has no socket.

    Raises what `docker` raises for an address that cannot be used.
    """
    host = environ.get("CONTAINER_HOST")
    if host:
        return _endpoint(ImageOrigin.PODMAN, host, "CONTAINER_HOST", None)
    for address, named_by in _connections(environ):
        return _endpoint(ImageOrigin.PODMAN, address, named_by, None)
    for path in _podman_sockets(environ):
        try:
            there = path.exists()
        except OSError:
            # A folder that may not be entered: whoever connects says so.
            there = True
        if there:
            return _endpoint(ImageOrigin.PODMAN, f"unix://{path}", "the default", None)
    return None


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  (Path.home raises)


def _endpoint(origin: ImageOrigin, address: str, named_by: str, tls: Tls | None) -> Endpoint:
    """Check an address (docker/cli opts/hosts.go): a scheme that is spoken, and a place."""
    scheme, separator, rest = address.partition("://")
    hint = "write unix:///run/user/1000/docker.sock or tcp://host:2376"
    if scheme == "ssh":
        raise UnsupportedError(
            f"the engine of {named_by} is reached over ssh, and a scan starts no program",
            hint="forward its socket first: ssh -N -L /tmp/engine.sock:/var/run/docker.sock HOST,"
            " then set DOCKER_HOST=unix:///tmp/engine.sock",
        )
    if not separator or scheme not in {"unix", "tcp", "http", "https"} or not rest:
        raise SyntaxInputError(f"{named_by} is no address of an engine: {address}", hint=hint)
    if scheme == "unix":
        if not rest.startswith("/"):
            raise SyntaxInputError(f"{named_by} names no absolute path: {address}", hint=hint)
    else:
        try:
            known = urlsplit(address).hostname and (urlsplit(address).port or True)
        except ValueError:
            known = None
        if not known:
            raise SyntaxInputError(f"{named_by} is no address of an engine: {address}", hint=hint)
        tls = tls or (Tls(authority="") if scheme == "https" else None)
    return Endpoint(origin=origin, address=address, named_by=named_by, tls=tls)


def _variables_tls(environ: Mapping[str, str], folder: Path) -> Tls | None:
    """Read DOCKER_TLS, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (docker/cli cli/flags/options.go)."""
    verified = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verified and not environ.get("DOCKER_TLS"):
        return None
    return _tls(Path(environ.get("DOCKER_CERT_PATH") or folder), verified=verified)


def _tls(folder: Path, *, verified: bool) -> Tls:
    """Take what a folder holds of ca.pem, cert.pem and key.pem."""
    authority, pair = folder / "ca.pem", (folder / "cert.pem", folder / "key.pem")
    held = all(path.is_file() for path in pair)
    return Tls(
        authority=(str(authority) if authority.is_file() else "") if verified else None,
        certificate=(str(pair[0]), str(pair[1])) if held else None,
    )


def _read(path: Path) -> bytes | None:
    """Return a configuration file, None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_CONFIG_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnreadableError(
            f"cannot read {path}: {error.strerror}",
            location=Location(str(path)),
            hint="check its permissions, or set DOCKER_HOST",
        ) from error


def _object(path: Path) -> Mapping[str, Any] | None:
    data = _read(path)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SyntaxInputError(
            f"{path} is no JSON object, so the engine it names is not known",
            location=Location(str(path)),
            hint="mend it, or set DOCKER_HOST",
        )
    return found


def _current_context(path: Path) -> str | None:
    name = (_object(path) or {}).get("currentContext")
    if name is not None and not isinstance(name, str):
        raise SyntaxInputError(
            "currentContext is no name",
            location=Location(str(path)),
            hint="run docker context use default, or set DOCKER_HOST",
        )
    return name or None


def _context(folder: Path, name: str, named_by: str) -> Endpoint:
    """Read a context's meta.json and TLS files (docker/cli cli/context/store)."""
    place = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    path = folder / "contexts" / "meta" / place / "meta.json"
    meta = _object(path)
    if meta is None:
        raise UnreadableError(
            f"there is no docker context {name}, which {named_by} names",
            hint="see docker context ls, or set DOCKER_HOST",
        )
    endpoints = meta.get("Endpoints")
    engine = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = engine.get("Host") if isinstance(engine, dict) else None
    if not isinstance(host, str) or not host:
        raise SyntaxInputError(
            f"the docker context {name} names no host",
            location=Location(str(path)),
            hint="see docker context inspect, or set DOCKER_HOST",
        )
    skipped = isinstance(engine, dict) and engine.get("SkipTLSVerify") is True
    files = folder / "contexts" / "tls" / place / "docker"
    tls = _tls(files, verified=not skipped) if files.is_dir() else None
    return _endpoint(ImageOrigin.DOCKER, host, f"the docker context {name}", tls)


def _connections(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the connections that podman's configuration names, those through a socket alone.

    A connection over ssh is for podman's remote client; on Linux podman itself goes without one.
    """
    config = Path(environ.get("XDG_CONFIG_HOME") or _home(environ) / ".config") / "containers"
    wanted = environ.get("CONTAINER_CONNECTION")
    for name, uris, path in (
        _json_connections(Path(environ.get("PODMAN_CONNECTIONS_CONF")
                               or config / "podman-connections.json")),
        _toml_connections(Path(environ.get("CONTAINERS_CONF") or config / "containers.conf")),
    ):  # fmt: skip
        uri = uris.get(wanted or name)
        if uri is not None and uri.startswith("unix://"):
            yield uri, f"the connection {wanted or name} of {path}"


def _json_connections(path: Path) -> tuple[str, Mapping[str, str], Path]:
    """Read podman-connections.json (containers/common pkg/config/connections.go)."""
    held = (_object(path) or {}).get("Connection")
    connection = held if isinstance(held, dict) else {}
    found = connection.get("Connections")
    return _text(connection.get("Default")), _uris(found, "URI"), path


def _toml_connections(path: Path) -> tuple[str, Mapping[str, str], Path]:
    """Read the service destinations of containers.conf(5)."""
    data = _read(path)
    try:
        held = tomllib.loads((data or b"").decode()).get("engine")
    except (ValueError, RecursionError) as error:
        raise SyntaxInputError(
            f"{path} is no TOML",
            location=Location(str(path)),
            hint="mend it, or set CONTAINER_HOST",
        ) from error
    engine = held if isinstance(held, dict) else {}
    found = engine.get("service_destinations")
    return _text(engine.get("active_service")), _uris(found, "uri"), path


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _uris(found: object, key: str) -> Mapping[str, str]:
    entries = found if isinstance(found, dict) else {}
    return {
        str(name): entry[key]
        for name, entry in entries.items()
        if isinstance(entry, dict) and isinstance(entry.get(key), str)
    }


def _podman_sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = environ.get("XDG_RUNTIME_DIR")
    if folder:
        yield Path(folder) / "podman" / "podman.sock"
    yield Path(f"/run/user/{os.getuid()}/podman/podman.sock")
    yield Path(_PODMAN_SOCKET)
