"""A private Docker engine, started for the tests and ended by its pid.

It needs nothing else of the machine: no bridge, no iptables, folders of its own. Several test
processes share one.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from tests.support.components import missing

# Short, because a socket's path may have 108 bytes.
FOLDER = Path("/tmp/dgtest")  # noqa: S108  (made with mode 700, used by root alone)
SOCKET = f"unix://{FOLDER}/s"
_START_SECONDS = 60
_STARTED: list[subprocess.Popen[bytes]] = []


def _answers(host: str) -> bool:
    # With a version given nothing is asked of the engine before the ping.
    asked = docker.DockerClient(base_url=host, timeout=5, version="1.40")
    try:
        asked.ping()
    except (DockerException, RequestException, OSError):
        return False
    finally:
        asked.close()
    return True


def _start() -> None:
    daemon = shutil.which("dockerd") or "/usr/sbin/dockerd"
    if not Path(daemon).exists():
        missing("there is no dockerd to start")
    if os.geteuid() != 0:
        missing("a private Docker engine needs root")
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    (FOLDER / "pid").unlink(missing_ok=True)
    with (FOLDER / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                daemon, "--data-root", str(FOLDER / "data"), "--exec-root", str(FOLDER / "exec"),
                "-H", SOCKET, "--pidfile", str(FOLDER / "pid"), "--bridge", "none",
                "--iptables=false",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )  # fmt: skip
    # The daemon outlives this object: whoever uses it last ends it by its pid.
    _STARTED.append(process)
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(SOCKET):
        if time.monotonic() > deadline:
            missing(f"the Docker engine did not start; see {FOLDER / 'log'}")
        time.sleep(0.2)


@contextmanager
def engine() -> Iterator[str]:
    """Yield the address of an engine: the one of DOCKER_HOST if it answers, else a private one.

    The last user of a private engine ends it.
    """
    given = os.environ.get("DOCKER_HOST")
    if given and given != SOCKET and _answers(given):
        yield given
        return
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with (FOLDER / "users").open("a") as users:
        with _locked():
            fcntl.flock(users, fcntl.LOCK_SH)
            if not _answers(SOCKET):
                _start()
        try:
            yield SOCKET
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            with _locked():
                _end_if_unused(users)


def _end_if_unused(users: TextIO) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    pid = FOLDER / "pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
        deadline = time.monotonic() + _START_SECONDS
        while pid.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in _STARTED:
            process.wait(_START_SECONDS)


@contextmanager
def _locked() -> Iterator[None]:
    with (FOLDER / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def client(host: str) -> DockerClient:
    """Return a client of an engine."""
    return docker.DockerClient(base_url=host, timeout=120)
