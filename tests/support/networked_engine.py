"""A Docker engine with networks, in a network namespace of its own, and a machine beside it.

What is published is published in that namespace alone; `outside` is another one, joined to it by a
wire, as another machine would be. Who gets an answer from where is measured, not read.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient

from tests.support import compose_oracle
from tests.support.components import missing
from tests.support.daemons import answers, client

IMAGE = "deployguard.test/busybox"
# The addresses of both machines: RFC 2544, for tests of networks, and RFC 4193, private ones.
HERE, OUTSIDE = ("198.18.0.1", "fd00::1"), ("198.18.0.2", "fd00::2")
_LENGTHS = (24, 64)
WIRE = "wire0"
_BUSYBOX = Path("/bin/busybox")
_START_SECONDS = 60
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@dataclass(frozen=True)
class Machine:
    """The machine that runs the engine, and the one beside it, by their network namespaces."""

    host: str
    namespace: str
    beside: str
    folder: Path

    def compose(self, project: Path, *words: str) -> None:
        """Let the real Docker Compose do something with a project."""
        done = subprocess.run(
            [str(compose_oracle.find()), *words],
            cwd=project,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(project), "DOCKER_HOST": self.host},
        )
        assert done.returncode == 0, done.stderr

    def answers_itself(self, address: str, port: int) -> bool:
        """Say whether a server answers a request from the machine."""
        return _answered(["--net=/run/netns/" + self.namespace], address, port)

    def answers_outside(self, address: str, port: int) -> bool:
        """Say whether a server answers a request from the machine beside it."""
        return _answered(["--net=/run/netns/" + self.beside], address, port)

    def answers_container(self, pid: int, address: str, port: int) -> bool:
        """Say whether a server answers a request from the network namespace of a process."""
        return _answered(["--target", str(pid), "--net"], address, port)


def _answered(where: Sequence[str], address: str, port: int) -> bool:
    """Say whether HTTP comes back: a proxy of the engine takes a connection and has nobody behind."""
    done = subprocess.run(
        ["nsenter", *where, str(_BUSYBOX), "nc", "-w", "2", address, str(port)],
        input=_REQUEST,
        check=False,
        capture_output=True,
        timeout=20,
    )
    return done.stdout.startswith(b"HTTP/")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@contextmanager
def _namespaces() -> Iterator[tuple[str, str]]:
    """Make two network namespaces that a wire joins, or skip the test."""
    here, beside = f"dg{os.getpid()}a", f"dg{os.getpid()}b"
    made: list[str] = []
    try:
        try:
            for name in (here, beside):
                _run("ip", "netns", "add", name)
                made.append(name)
                _run("ip", "-n", name, "link", "set", "lo", "up")
            _run("ip", "link", "add", WIRE, "netns", here, "type", "veth",
                 "peer", "name", WIRE, "netns", beside)  # fmt: skip
            for name, addresses in ((here, HERE), (beside, OUTSIDE)):
                for address, length in zip(addresses, _LENGTHS, strict=True):
                    _run("ip", "-n", name, "address", "add", f"{address}/{length}", "dev", WIRE,
                         *(("nodad",) if ":" in address else ()))  # fmt: skip
                _run("ip", "-n", name, "link", "set", WIRE, "up")
        except subprocess.CalledProcessError as error:
            missing(f"no network namespaces can be made: {error.stderr.decode().strip()}")
        yield here, beside
    finally:
        for name in made:
            _run("ip", "netns", "delete", name)


@contextmanager
def running() -> Iterator[Machine]:
    """Start the engine; it is gone afterwards, with all that it held."""
    if os.geteuid() != 0:
        missing("an engine with networks needs root")
    daemon = shutil.which("dockerd") or "/usr/sbin/dockerd"
    programs = [daemon, str(_BUSYBOX), *(shutil.which(name) or name for name in
                                         ("ip", "nsenter", "iptables"))]  # fmt: skip
    if not all(Path(program).exists() for program in programs):
        missing("an engine with networks needs dockerd, busybox, ip, nsenter and iptables")
    folder = Path(f"/tmp/dgn{os.getpid()}")  # noqa: S108  (made with mode 700, used by root alone)
    folder.mkdir(mode=0o700)
    host = f"unix://{folder}/s"
    with _namespaces() as (namespace, beside), (folder / "log").open("wb") as log:
        engine = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{namespace}", daemon,
             "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
             "--pidfile", str(folder / "pid"), "-H", host],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait(engine, host, folder)
            _import(client(host))
            yield Machine(host, namespace, beside, folder)
        finally:
            _end(engine, host, folder)


def _wait(engine: subprocess.Popen[bytes], host: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(host):
        if engine.poll() is not None or time.monotonic() > deadline:
            tail = (folder / "log").read_text(errors="replace")[-300:]
            missing(f"an engine with networks does not start: {tail}")
        time.sleep(0.1)


def _import(engine: DockerClient) -> None:
    """Make an image that holds busybox alone."""
    tar = subprocess.run(
        ["tar", "-C", str(_BUSYBOX.parent), "--transform=s,^,bin/,", "-c", _BUSYBOX.name],
        check=True,
        capture_output=True,
    ).stdout
    engine.api.import_image_from_data(tar, repository=IMAGE)
    engine.close()


def _end(engine: subprocess.Popen[bytes], host: str, folder: Path) -> None:
    if engine.poll() is None and answers(host):
        held = client(host)
        for container in held.containers.list(all=True):
            container.remove(force=True, v=True)
        held.close()
    engine.terminate()
    engine.wait()
    mounts = Path("/proc/self/mounts").read_text().split()
    for place in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        _run("umount", "--lazy", place)
    shutil.rmtree(folder)


def inspected(engine: DockerClient, project: str) -> dict[str, dict[str, Any]]:
    """Return what the engine says of the containers of a project, by their services."""
    held = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
    return {one.labels["com.docker.compose.service"]: one.attrs for one in held}


def wait_for(pid: int, port: int) -> None:
    """Wait until something listens on a port in the network namespace of a process."""
    deadline = time.monotonic() + _START_SECONDS
    place = f":{port:04X} "
    while time.monotonic() < deadline:
        for table in ("tcp", "tcp6"):
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
            if any(place in line and " 0A " in line for line in lines):
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")
