"""A private podman service, started for the tests and ended by its pid.

It has storage of its own, serves Docker's API and podman's, and is shared among test processes.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from tests.support.components import missing
from tests.support.daemons import Daemon, client

__all__ = ["client", "copied", "podman"]

FOLDER = Path("/tmp/dgpodman")  # noqa: S108  (made with mode 700, used by root alone)


def _command(folder: Path) -> Sequence[str]:
    program = shutil.which("podman")
    if program is None:
        missing("there is no podman to start")
    return (
        program, "--root", str(folder / "data"), "--runroot", str(folder / "run"),
        "--cgroup-manager", "cgroupfs", "--events-backend", "none",
        "system", "service", "--time", "0", SOCKET,
    )  # fmt: skip


_DAEMON = Daemon(FOLDER, _command)
SOCKET = _DAEMON.host


@contextmanager
def podman() -> Iterator[str]:
    """Yield the address of a podman service; the last user ends it."""
    with _DAEMON.running() as host:
        yield host


def copied(reference: str, source: DockerClient, to: DockerClient) -> str:
    """Bring an image of a Docker engine to podman, and return podman's name of it."""
    name = f"localhost/{reference}"
    try:
        held = to.images.get(name).id
    except ImageNotFound:
        held = None
    image = source.images.get(reference)
    if held != image.id:
        # By this name: the same image may have others.
        to.images.load(b"".join(image.save(named=reference)))
    return name
