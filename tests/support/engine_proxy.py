"""A proxy before a real engine: it records the calls, and can fail or stop at any of them."""

import http.client
import json
import re
import socket
import socketserver
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from pathlib import Path

_ANSWER_SECONDS = 120


class Fault(StrEnum):
    """What happens to a call."""

    CLOSED = "closed"  # the connection ends, and the engine never sees the call
    UNANSWERED = "unanswered"  # the engine does it, and its answer is lost
    CUT = "cut"  # the body ends in the middle, against its length
    SHORT = "short"  # the body ends at a block of a tar, and nothing says so
    RAGGED = "ragged"  # the body ends in the middle of a block, and nothing says so
    REFUSED = "refused"  # the engine answers that it failed


@dataclass(frozen=True)
class Call:
    """One request: its method, and its path without version, ids and query."""

    method: str
    path: str
    query: dict[str, str]

    def __str__(self) -> str:
        """Spell it as a table of calls does."""
        return f"{self.method} {self.path}"


def _call(method: str, target: str) -> Call:
    parts = urllib.parse.urlsplit(target)
    path = re.sub(r"^/v[0-9.]+", "", urllib.parse.unquote(parts.path))
    path = re.sub(r"^(/containers)/(?!create$|json$)[^/]+", r"\1/ID", path)
    path = re.sub(r"^(/images)/.+/json$", r"\1/NAME/json", path)
    return Call(method, path, dict(urllib.parse.parse_qsl(parts.query)))


@dataclass
class Hold:
    """A call that waits, before it reaches the engine or after the engine has done it."""

    after: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Say that the call is here, and keep it."""
        self.reached.set()
        self.released.wait(_ANSWER_SECONDS)


@dataclass
class Proxy:
    """What a proxy saw, and what it is to do.

    `faults` are by the number of a call, from 0 on; after one the engine is dead if it `dies`.
    `holds` are by the spelling of a call, and of the first one that is spelled so. `kept` is how
    much of a body is left where it is cut.
    """

    address: str
    upstream: str
    calls: list[Call] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    dead: bool = False
    dies: bool = True
    kept: float = 0.5
    holds: dict[str, Hold] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admitted(self, call: Call, body: bytes) -> tuple[Fault | None, Hold | None]:
        """Record a call, and say what is to happen to it."""
        with self.lock:
            number = len(self.calls)
            first = str(call) not in self.spelled()
            self.calls.append(call)
            if str(call).endswith("/containers/create"):
                self.created.append(call.query.get("name") or json.loads(body)["name"])
            fault = Fault.CLOSED if self.dead else self.faults.get(number)
            # An engine that died stays dead, unless it is told to come back.
            self.dead = self.dead or (fault is not None and self.dies)
        return fault, self.holds.get(str(call)) if first else None

    def spelled(self) -> list[str]:
        """Return the calls as texts, in order."""
        return [str(call) for call in self.calls]


class _Upstream(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def address_string(self) -> str:
        return "the scan"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass

    def _pass(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        proxy = self.proxy
        fault, hold = proxy.admitted(_call(self.command, self.path), body)
        if hold is not None and not hold.after:
            hold.wait()
        if fault is Fault.CLOSED:
            self.close_connection = True
            return
        status, headers, answer = self._forward(body)
        if hold is not None and hold.after:
            hold.wait()
        if fault is Fault.UNANSWERED:
            self.close_connection = True
            return
        if fault is Fault.REFUSED:
            status, answer = 500, b'{"message": "the disk is broken"}'
        self._answer(status, headers, answer, fault)

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = _Upstream(self.proxy.upstream)
        try:
            passed = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            connection.request(self.command, self.path, body or None, passed)
            answer = connection.getresponse()
            kept = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() in {"content-type", "x-docker-container-path-stat"}
            }
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault in {Fault.SHORT, Fault.RAGGED}:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        shown = body
        if fault in {Fault.CUT, Fault.SHORT, Fault.RAGGED}:
            shown = body[: int(len(body) * self.proxy.kept)]
            if fault is Fault.SHORT:
                shown = shown[: len(shown) // 512 * 512]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(shown)

    do_GET = do_HEAD = do_POST = do_DELETE = _pass  # noqa: N815  (the base class calls them so)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what the tests are about."""


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, object]:
        """Shake hands when the first bytes are read, in the thread of the connection."""
        taken, peer = super().get_request()
        wrapped = self.context.wrap_socket(taken, server_side=True, do_handshake_on_connect=False)
        return wrapped, peer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us is what the tests are about."""


@contextmanager
def proxied_over_tls(upstream: str, context: ssl.SSLContext) -> Iterator[Proxy]:
    """Yield a proxy on a port of the loopback, which speaks TLS."""
    proxy = Proxy("", upstream.removeprefix("unix://"))
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _TcpServer(("127.0.0.1", 0), handler) as server:
        server.context = context
        proxy.address = f"tcp://127.0.0.1:{server.server_address[1]}"
        with _serving(server):
            yield proxy


@contextmanager
def proxied(upstream: str, folder: Path, name: str = "proxy") -> Iterator[Proxy]:
    """Yield a proxy on a socket of its own before the engine at `upstream` ("unix:///...")."""
    path = folder / f"{name}.sock"
    proxy = Proxy(f"unix://{path}", upstream.removeprefix("unix://"))
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(str(path), handler) as server:
        with _serving(server):
            yield proxy
        for hold in proxy.holds.values():
            hold.released.set()
    path.unlink(missing_ok=True)


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
