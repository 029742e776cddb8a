"""A real kube-apiserver over its etcd, for what it accepts and which defaults it fills in."""

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.components import CACHE, missing

_TOKEN = "admin-of-a-test"  # noqa: S105  (of a server of this machine, gone with the test)
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class ApiServer:
    """A server to be asked; nothing that it is given is kept."""

    url: str

    def made(self, path: str, thing: dict[str, Any]) -> dict[str, Any] | str:
        """Return an object as the server would keep it, or why it refuses it, as to kubectl."""
        request = urllib.request.Request(  # noqa: S310  (of this machine)
            f"{self.url}{path}?dryRun=All&fieldValidation=Strict",
            data=json.dumps(thing).encode(),
            headers={"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=_context(), timeout=30) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            return str(json.load(error)["message"])

    def is_ready(self) -> bool:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/readyz", headers={"Authorization": f"Bearer {_TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, context=_context(), timeout=5):  # noqa: S310
                return True
        except OSError:
            return False


def _context() -> ssl.SSLContext:
    """Return a context for the certificate that the server makes for itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _programs() -> Path:
    """Return the folder of etcd and kube-apiserver, or skip the test."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [Path(named)] if named else sorted(CACHE.glob("kubernetes-1.*"), reverse=True)
    for folder in folders:
        if all((folder / name).exists() for name in ("etcd", "kube-apiserver")):
            return folder
    return missing("there is no kube-apiserver to ask")


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Start a control plane whose files are in a folder; it is gone afterwards."""
    programs = _programs()
    key = folder / "accounts.key"
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (folder / "tokens.csv").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
    store, peer, port = (_free() for _ in range(3))
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        try:
            for words in (
                [programs / "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync",
                 f"--listen-client-urls=http://127.0.0.1:{store}",
                 f"--advertise-client-urls=http://127.0.0.1:{store}",
                 f"--listen-peer-urls=http://127.0.0.1:{peer}"],
                [programs / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{store}",
                 "--bind-address=127.0.0.1", f"--secure-port={port}",
                 "--advertise-address=127.0.0.1", "--service-cluster-ip-range=10.0.0.0/24",
                 f"--cert-dir={folder}", f"--token-auth-file={folder / 'tokens.csv'}",
                 "--service-account-issuer=https://127.0.0.1/",
                 f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
                 "--disable-admission-plugins=ServiceAccount", "--authorization-mode=AlwaysAllow"],
            ):  # fmt: skip
                program = [str(word) for word in words]
                started += [subprocess.Popen(program, stdout=log, stderr=log)]
            server = ApiServer(f"https://127.0.0.1:{port}")
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not server.is_ready():
                if time.monotonic() > deadline or any(one.poll() is not None for one in started):
                    tail = (folder / "log").read_text(errors="replace")[-600:]
                    raise RuntimeError(f"the control plane does not come up: {tail}")
                time.sleep(0.2)
            yield server
        finally:
            # Nothing is kept: the API server would take half a minute to end by itself.
            for one in reversed(started):
                one.kill()
            for one in started:
                one.wait()
