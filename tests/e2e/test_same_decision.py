"""The same Pod gets the same decision by hand and from the webhook, over real HTTPS."""

import asyncio
import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

uvicorn = pytest.importorskip("uvicorn")

from deployguard.inputs.kubernetes.objects import FileObjects  # noqa: E402
from deployguard.model.evidence import Missing, Reason, Traced  # noqa: E402
from deployguard.model.filesystem import Unread  # noqa: E402
from deployguard.pipeline import ScanOptions  # noqa: E402
from deployguard.policy import load  # noqa: E402
from deployguard.rules import IDS  # noqa: E402
from deployguard.webhook.review import Judge  # noqa: E402
from deployguard.webhook.server import BODY_LIMIT, Application  # noqa: E402


class NoImages:
    """No engine is reachable from here, for both fronts alike."""

    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def pod(**container: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop", "namespace": "store"},
        "spec": {"containers": [{"name": "web", "image": "acme/shop:1", **container}]},
    }


def deployment(**container: object) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "store"},
        "spec": {
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": pod(**container)["spec"]},
        },
    }


DEBUGGER = ["flask", "--app", "shop", "run", "--host=0.0.0.0", "--debug", "--debugger"]
OBJECTS = {
    "debugger": pod(command=DEBUGGER),
    "debugger in a Deployment": deployment(command=DEBUGGER),
    "by arguments": pod(command=["flask"], args=DEBUGGER[1:]),
    "variable": pod(command=["flask", "run"], env=[{"name": "FLASK_DEBUG", "value": "1"}]),
    "expanded": pod(
        command=["flask", "run", "--debugger", "--host=$(HOST)"],
        env=[{"name": "HOST", "value": "0.0.0.0"}],
    ),
    "from a ConfigMap": pod(command=["flask", "run"], envFrom=[{"configMapRef": {"name": "c"}}]),
    "nothing known": pod(),
    "no server": pod(command=["sleep", "infinity"]),
    "not a list": {**pod(), "spec": {"containers": "web"}},
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    judge = Judge(
        policies=(load("production", IDS),),
        options=lambda: ScanOptions(today=datetime.now(tz=UTC).date()),
        objects=FileObjects({}),
        images=NoImages(),
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    config = uvicorn.Config(
        Application(judge), host="127.0.0.1", port=number, log_level="error",
        ssl_certfile=str(certificate), ssl_keyfile=str(key),
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield number
    server.should_exit = True
    thread.join(10)


def posted(
    authority: trustme.CA, port: int, body: bytes, media: str = "application/json"
) -> tuple[int, dict[str, Any]]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    try:
        connection.request("POST", "/validate", body, {"Content-Type": media})
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        return answer.status, found
    finally:
        connection.close()


def reviewed(
    authority: trustme.CA, port: int, item: dict[str, Any], operation: str = "CREATE"
) -> dict[str, Any]:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "operation": operation,
            "namespace": "store",
            "name": "shop",
            "object": item,
        },
    }
    status, answer = posted(authority, port, json.dumps(review).encode())
    assert status == 200
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = answer["response"]
    assert response["uid"] == review["request"]["uid"]  # type: ignore[index]
    assert "patch" not in response
    return response


def by_hand(item: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "deployguard", "scan", "k8s:-", "--images", "never",
         "--format", "json"],
        input=json.dumps(item),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("name", OBJECTS)
def test_the_same_object_gets_the_same_decision(
    name: str, authority: trustme.CA, port: int
) -> None:
    response = reviewed(authority, port, OBJECTS[name])
    report = by_hand(OBJECTS[name])
    assert response["allowed"] is (report["decision"] in {"allow", "warn"})
    decision = response["auditAnnotations"]["decision"]
    assert decision == report["decision"]
    findings = {f"{f['rule']}={f['verdict']['action']}" for f in report["findings"]}
    audited = response["auditAnnotations"]["findings"]
    assert {entry.partition(":")[0] for entry in audited.split(", ") if entry} == findings


def test_a_denial_says_what_where_and_how_to_fix_in_a_kibibyte(
    authority: trustme.CA, port: int
) -> None:
    status = reviewed(authority, port, OBJECTS["debugger"])["status"]
    assert status["code"] == 403
    assert len(status["message"].encode()) <= 1024
    assert "DG101" in status["message"]
    assert "Pod/store/shop/containers/web" in status["message"]
    assert "fix:" in status["message"]


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_starts_nothing_is_let_through(
    operation: str, authority: trustme.CA, port: int
) -> None:
    assert reviewed(authority, port, OBJECTS["debugger"], operation)["allowed"] is True


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}',
         "application/json", 400),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": 1}}',
         "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (BODY_LIMIT + 1), "application/json", 413),
    ],
    ids=["cut", "list", "no request", "uid", "deep", "media", "large"],
)  # fmt: skip
def test_bad_bodies_are_refused(
    body: bytes, media: str, status: int, authority: trustme.CA, port: int
) -> None:
    assert posted(authority, port, body, media)[0] == status


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_the_command_serves(authority: trustme.CA, tmp_path: Path) -> None:
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "deployguard", "webhook", "serve", "--host", "127.0.0.1",
         "--port", str(number), "--tls-cert", str(certificate), "--tls-key", str(key)],
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while not _listens(number):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert reviewed(authority, number, OBJECTS["debugger"])["allowed"] is False
        finally:
            process.terminate()
            process.wait(20)
