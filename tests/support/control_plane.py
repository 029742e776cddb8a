"""A real kube-apiserver over a real etcd, without nodes: ended, with its folder, by who started it."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import kubernetes_programs
from tests.support.components import missing

_START_SECONDS = 180  # where everything else runs on the same two cores
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class ControlPlane:
    """The address of an API server, the folder of its files, and who signs for it."""

    url: str
    folder: Path
    authority: trustme.CA

    def kubeconfig(
        self, user: str, group: str | None = None, *, namespace: str | None = None
    ) -> Path:
        """Write a kubeconfig with a certificate of a user; its context has the user's name."""
        path = self.folder / f"{user}.kubeconfig"
        certificate = self.authority.issue_cert(
            f"{user}.test", common_name=user, organization_name=group
        )
        pair = self.folder / f"{user}.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(pair)
        context = {"cluster": "test", "user": user}
        if namespace is not None:
            context["namespace"] = namespace
        cluster = {"server": self.url, "certificate-authority": str(self.folder / "ca.pem")}
        credentials = {"client-certificate": str(pair), "client-key": str(pair)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": user,
            "contexts": [{"name": user, "context": context}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
        }
        path.write_text(json.dumps(document))
        return path

    def create(self, path: str, body: Mapping[str, object]) -> None:
        """Create an object as an administrator, below /api or /apis."""
        answer = requests.post(
            self.url + path, json=body, timeout=60, verify=str(self.folder / "ca.pem"),
            cert=str(self.folder / "admin.pem"),
        )  # fmt: skip
        assert answer.status_code == 201, answer.text

    def made(self, path: str, thing: Mapping[str, object]) -> dict[str, Any] | str:
        """Return an object as the server would keep it, or why it refuses it, as to kubectl."""
        answer = requests.post(
            f"{self.url}{path}?dryRun=All&fieldValidation=Strict", json=thing, timeout=30,
            verify=str(self.folder / "ca.pem"), cert=str(self.folder / "admin.pem"),
        )  # fmt: skip
        found: dict[str, Any] = answer.json()
        return found if answer.ok else str(found["message"])

    def asked_by(self, user: str) -> list[dict[str, Any]]:
        """Return the requests of a user, as the API server's audit log has them."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if event["user"].get("username") == user]


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start etcd and kube-apiserver, with RBAC; end both, also where the start fails."""
    programs = kubernetes_programs.folder()
    ports = _ports(3)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    serving = authority.issue_cert("127.0.0.1")
    serving.private_key_pem.write_to_path(folder / "serving.key")
    serving.cert_chain_pems[0].write_to_path(folder / "serving.crt")
    _write_accounts_key(folder)
    (folder / "audit.yaml").write_text(json.dumps(_AUDIT))
    store, peers = (f"http://127.0.0.1:{port}" for port in ports[:2])
    commands = [
        [str(programs / "etcd"), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync",
         "--listen-client-urls", store, "--advertise-client-urls", store,
         "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
         "--initial-cluster", f"default={peers}"],
        [str(programs / "kube-apiserver"), f"--etcd-servers={store}", "--bind-address=127.0.0.1",
         f"--secure-port={ports[2]}", "--advertise-address=127.0.0.1",
         f"--cert-dir={folder}", f"--tls-cert-file={folder}/serving.crt",
         f"--tls-private-key-file={folder}/serving.key", f"--client-ca-file={folder}/ca.pem",
         "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
         "--disable-admission-plugins=ServiceAccount", "--service-account-issuer=https://127.0.0.1/",
         f"--service-account-key-file={folder}/accounts.pub",
         f"--service-account-signing-key-file={folder}/accounts.key",
         f"--audit-policy-file={folder}/audit.yaml", f"--audit-log-path={folder}/audit.log"],
    ]  # fmt: skip
    plane = ControlPlane(f"https://127.0.0.1:{ports[2]}", folder, authority)
    plane.kubeconfig("admin", "system:masters")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("wb") as log:
            for command in commands:
                processes.append(  # noqa: PERF401  (each is known at once, for the end)
                    subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
                )
        _await_ready(plane, processes)
        yield plane
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def _await_ready(plane: ControlPlane, processes: list[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and all(process.poll() is None for process in processes):
        with suppress(requests.RequestException):
            answer = requests.get(
                f"{plane.url}/readyz", timeout=5, verify=str(plane.folder / "ca.pem"),
                cert=str(plane.folder / "admin.pem"),
            )  # fmt: skip
            if answer.status_code == 200:
                return
        time.sleep(0.2)
    missing(f"kube-apiserver did not start: {(plane.folder / 'log').read_text()[-2_000:]}")


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _write_accounts_key(folder: Path) -> None:
    """Write the key that tokens of service accounts are signed with."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "accounts.key").write_bytes(private)
    (folder / "accounts.pub").write_bytes(public)
