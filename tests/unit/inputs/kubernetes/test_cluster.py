import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from kubernetes.client import ApiClient, Configuration

from deployguard.inputs.kubernetes.cluster import ClusterObjects
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject

FOUND = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "prod"},
    "data": {"FLASK_DEBUG": "1"},
}
MISSING = {"apiVersion": "v1", "kind": "Status", "reason": "NotFound", "code": 404}
FORBIDDEN = {"apiVersion": "v1", "kind": "Status", "reason": "Forbidden", "code": 403}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "settings": (200, json.dumps(FOUND).encode()),
    "absent": (404, json.dumps(MISSING).encode()),
    "proxy": (404, b"<html>"),
    "forbidden": (403, json.dumps(FORBIDDEN).encode()),
    "other": (200, json.dumps(FOUND).encode()),
    "broken": (200, b"{"),
    "empty": (200, b""),
    "moved": (302, b""),
    "failed": (500, b"oops"),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        namespace, _, name = self.path.rpartition("/configmaps/")
        assert namespace == "/api/v1/namespaces/prod"
        assert self.headers["authorization"] == "Bearer token"
        status, body = ANSWERS[name]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def client(port: int) -> ClusterObjects:
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    configuration.api_key = {"authorization": "Bearer token"}
    return ClusterObjects(ApiClient(configuration))


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterObjects]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield client(server.server_port)
        server.shutdown()
        thread.join()


def test_a_config_map_is_read_with_its_place(cluster: ClusterObjects) -> None:
    found = cluster.config_map("prod", "settings")
    assert isinstance(found, ConfigObject)
    entry = found.data["FLASK_DEBUG"]
    assert entry.value == "1"
    assert entry.location.pointer == "/data/FLASK_DEBUG"


def test_only_the_api_server_says_that_there_is_none(cluster: ClusterObjects) -> None:
    assert isinstance(cluster.config_map("prod", "absent"), Absent)


@pytest.mark.parametrize(
    "name", ["proxy", "forbidden", "other", "broken", "empty", "moved", "failed", "..", "a/b", "A"]
)
def test_every_other_fault_is_unread(cluster: ClusterObjects, name: str) -> None:
    found = cluster.config_map("prod", name)
    assert isinstance(found, Unread)
    assert f"prod/{name}" in found.missing.what


def test_without_a_namespace_or_a_server_it_is_unread(cluster: ClusterObjects) -> None:
    assert isinstance(cluster.config_map(None, "settings"), Unread)
    assert isinstance(client(1).config_map("prod", "settings"), Unread)


def test_a_secret_is_never_asked_for(cluster: ClusterObjects) -> None:
    assert isinstance(cluster.secret("prod", "settings"), Unread)
