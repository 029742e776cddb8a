"""A daemon that several test processes share: the first starts it, the last ends it by its pid."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from tests.support.components import missing

_START_SECONDS = 60


def client(host: str) -> DockerClient:
    """Return a client of an engine."""
    return docker.DockerClient(base_url=host, timeout=120)


def answers(host: str) -> bool:
    """Say whether an engine answers at an address."""
    # With a version given nothing is asked of the engine before the ping.
    asked = docker.DockerClient(base_url=host, timeout=5, version="1.40")
    try:
        asked.ping()
    except (DockerException, RequestException, OSError):
        return False
    finally:
        asked.close()
    return True


@dataclass
class Daemon:
    """An engine of the tests: its folder, and the command that serves on a socket in it.

    The folder is short, because a socket's path may have 108 bytes, and keeps images between runs.
    """

    folder: Path
    command: Callable[[Path], Sequence[str]]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/s"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yield its address; it is started where it does not run."""
        if os.geteuid() != 0:
            missing("a private engine needs root")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with (self.folder / "users").open("a") as users:
            with self._locked():
                fcntl.flock(users, fcntl.LOCK_SH)
                if not answers(self.host):
                    self._start()
            try:
                yield self.host
            finally:
                fcntl.flock(users, fcntl.LOCK_UN)
                with self._locked():
                    self._end_if_unused(users)

    def _start(self) -> None:
        pid = self.folder / "pid"
        # One that was killed leaves its pid, and the next one would not start.
        pid.unlink(missing_ok=True)
        command = list(self.command(self.folder))
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        # The daemon outlives this object: whoever uses it last ends it by its pid.
        self.started.append(process)
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.host):
            if process.poll() is not None or time.monotonic() > deadline:
                missing(f"the engine did not start; see {self.folder / 'log'}")
            time.sleep(0.1)
        # Some write it themselves.
        if not pid.exists():
            pid.write_text(str(process.pid))

    def _end_if_unused(self, users: TextIO) -> None:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        pid = self.folder / "pid"
        if not pid.exists() or not answers(self.host):
            return
        os.kill(int(pid.read_text()), signal.SIGTERM)
        deadline = time.monotonic() + _START_SECONDS
        while answers(self.host) and time.monotonic() < deadline:
            time.sleep(0.1)
        pid.unlink(missing_ok=True)
        for process in self.started:
            process.wait(_START_SECONDS)
        self.started.clear()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
