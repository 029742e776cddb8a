"""A private Docker engine, started for the tests and ended by its pid.

It needs nothing else of the machine: no bridge, no iptables, folders of its own. Several test
processes share one.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.components import missing
from tests.support.daemons import Daemon, answers, client

__all__ = ["client", "engine"]

FOLDER = Path("/tmp/dgtest")  # noqa: S108  (made with mode 700, used by root alone)


def _command(folder: Path) -> Sequence[str]:
    daemon = shutil.which("dockerd") or "/usr/sbin/dockerd"
    if not Path(daemon).exists():
        missing("there is no dockerd to start")
    return (
        daemon, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
        "-H", SOCKET, "--pidfile", str(folder / "pid"), "--bridge", "none",
        "--iptables=false",
    )  # fmt: skip


_DAEMON = Daemon(FOLDER, _command)
SOCKET = _DAEMON.host


@contextmanager
def engine() -> Iterator[str]:
    """Yield the address of an engine: the one of DOCKER_HOST if it answers, else a private one.

    The last user of a private engine ends it.
    """
    given = os.environ.get("DOCKER_HOST")
    if given and given != SOCKET and answers(given):
        yield given
        return
    with _DAEMON.running() as host:
        yield host
