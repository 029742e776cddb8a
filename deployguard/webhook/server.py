"""HTTPS for the API server: a bare ASGI application on uvicorn.

POST /validate answers an AdmissionReview; GET /healthz and /readyz answer the kubelet.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from msgspec import Struct

from deployguard.errors import UsageError
from deployguard.webhook import review

# An object of 3 MiB (etcd's limit with the API server's slack) and its old version.
BODY_LIMIT = 7 * 1024 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOG = logging.getLogger("deployguard.webhook")


class Reply(Struct, frozen=True):
    """A status and a JSON body."""

    status: int
    body: dict[str, Any]


class Application(Struct, frozen=True):
    """The ASGI application; judging happens in a thread, so that probes are answered meanwhile."""

    judge: review.Judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's event stream (ASGI 3.0)."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            reply = await self._reply(scope, receive)
            data = json.dumps(reply.body).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(data)).encode()),
            ]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": data})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        path, method = scope["path"], scope["method"]
        if method == "GET" and path in {"/healthz", "/readyz"}:
            return Reply(200, {"status": "ok"})
        if path != "/validate":
            return Reply(404, {"error": "there is nothing here"})
        if method != "POST":
            return Reply(405, {"error": "reviews are posted"})
        headers = dict(scope["headers"])
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            return Reply(415, {"error": "the content type is not application/json"})
        body = await _body(receive)
        if body is None:
            return Reply(413, {"error": f"the body has more than {BODY_LIMIT} bytes"})
        return await asyncio.get_running_loop().run_in_executor(None, self.reviewed, body)

    def reviewed(self, body: bytes) -> Reply:
        """Answer the body of a review; a failure of ours is a denial, never an admission."""
        try:
            request = review.parse(body)
        except review.BadRequestError as error:
            return Reply(400, {"error": str(error)})
        try:
            return Reply(200, review.answer(request, self.judge))
        except Exception as error:  # noqa: BLE001  (a defect of ours must not open the gate)
            # The traceback would quote the request, which may hold secrets.
            _LOG.error("review %s failed: %s", request.uid[:64], type(error).__name__)
            return Reply(200, review.failed(request.uid))


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, None where it is larger than the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return b""
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
        chunks.append(chunk)
        if not event.get("more_body", False):
            return b"".join(chunks)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


def serve(judge: review.Judge, *, host: str, port: int, certificate: str, key: str) -> None:
    """Serve until a signal ends it. Raises UsageError without the extra or a usable certificate."""
    try:
        import uvicorn  # noqa: PLC0415  (an extra, loaded to serve alone)
    except ImportError as error:
        raise UsageError(
            "the webhook needs its extra", hint="pip install 'deployguard[webhook]'"
        ) from error
    try:
        uvicorn.run(
            Application(judge),
            host=host,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_level="warning",
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=64 * 1024,
        )
    except OSError as error:
        raise UsageError(
            f"cannot serve on {host}:{port}: {error}", hint="check the address, certificate and key"
        ) from error
