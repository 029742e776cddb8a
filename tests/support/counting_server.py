"""A server on this machine that counts what is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Counting:
    """The address, and the paths asked for so far."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def counting(body: bytes) -> Iterator[Counting]:
    """Answer every request with one body, and keep its path."""
    counted = Counting()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            counted.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        counted.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield counted
        finally:
            server.shutdown()
            thread.join()
