"""The user's own helm, kubectl and kustomize, run so that all they can do is render.

They are the only programs that a scan ever starts, and only for a target that asks for them. One
that runs finds no other program (its PATH is empty), no home with plugins, credentials or a
kubeconfig, no way to a network but to the machine itself, and no place to write.
"""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO

from msgspec import Struct

from deployguard.errors import LimitError, UnreadableError, UnsupportedError

# Nothing can be there, nor be made: /proc takes no new entries, and elsewhere there is no /proc. A
# path below a file would not do: helm takes only one that is not there for an empty one.
NOWHERE = "/proc/deployguard/none"
# Nothing listens on port 0, and nothing can. Go's clients go through a proxy to every host but
# this one, so that what still asks for a URL gets no further.
_NO_PROXY_LISTENS = "http://127.0.0.1:0"

_MIB = 1024 * 1024
_OUTPUT = 10 * _MIB  # the YAML reader takes no longer text
_MESSAGES = _MIB
_MEMORY = 8 * 1024 * _MIB  # of addresses, of which Go reserves far more than it uses
_SECONDS = 60.0
_CHUNK = 65_536


class Output(Struct, frozen=True):
    """What a program printed, and whether it succeeded."""

    succeeded: bool
    text: bytes
    messages: tuple[str, ...]


class Limits(Struct, frozen=True):
    """How much a program may print and how long it may take."""

    output: int = _OUTPUT
    messages: int = _MESSAGES
    seconds: float = _SECONDS


def find(names: Sequence[str], environ: Mapping[str, str], hint: str) -> str:
    """Return the first of several programs that PATH has.

    As with Go's own look-up, what PATH calls relative to the current folder is passed over: the
    folder is the input. Raises UnsupportedError with `hint` where there is none.
    """
    folders = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep)]
    for name in names:
        for folder in folders:
            path = folder / name
            if path.is_absolute() and path.is_file() and os.access(path, os.X_OK):
                return str(path)
    wanted = " or ".join(names)
    raise UnsupportedError(f"{wanted} is needed for this, and is not on PATH", hint=hint)


def environment(**more: str) -> dict[str, str]:
    """Return all that a program gets to see of the environment: nothing of the user's."""
    places = dict.fromkeys(("HOME", "TMPDIR", "KUBECONFIG"), NOWHERE)
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), _NO_PROXY_LISTENS)
    return {"PATH": "", "NO_PROXY": "", "LANG": "C.UTF-8", **places, **proxies, **more}


def run(command: Sequence[str], environ: Mapping[str, str], limits: Limits | None = None) -> Output:
    """Run a program to its end, standard input closed, in a folder that is not the input's.

    Raises LimitError where it prints too much or takes too long (it and all that it started are
    then ended), UnreadableError where it cannot be started.
    """
    bounds = limits or Limits()
    try:
        process = subprocess.Popen(  # noqa: S603  (an absolute path that `find` has returned)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise UnreadableError(
            f"cannot start {command[0]}: {error.strerror or type(error).__name__}",
            hint="check that the program runs",
        ) from error
    deadline = monotonic() + bounds.seconds
    try:
        _bound(process.pid)
        text, messages = _printed(process, Path(command[0]).name, bounds, deadline)
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - monotonic()))
    finally:
        _end(process)
    lines = messages.decode("utf-8", "replace").splitlines()
    return Output(process.returncode == 0, text, tuple(line for line in lines if line.strip()))


def _bound(pid: int) -> None:
    """Keep a program from writing files and from taking all memory, where the system can."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415  (not everywhere)

    with suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _printed(
    process: subprocess.Popen[bytes], name: str, limits: Limits, deadline: float
) -> tuple[bytes, bytes]:
    """Return what comes through both pipes until both are closed."""
    assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
    assert process.stderr is not None  # noqa: S101  (likewise)
    kept: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    most = {process.stdout: limits.output, process.stderr: limits.messages}
    with selectors.DefaultSelector() as ready:
        for pipe in kept:
            ready.register(pipe, selectors.EVENT_READ, pipe)
        while ready.get_map():
            left = deadline - monotonic()
            if left <= 0:
                raise LimitError(
                    f"{name} took longer than {limits.seconds:g} s",
                    hint="render it yourself and scan what comes out with k8s:",
                )
            for key, _ in ready.select(left):
                pipe = key.data
                data = os.read(pipe.fileno(), _CHUNK)
                if not data:
                    ready.unregister(pipe)
                kept[pipe] += data
                if len(kept[pipe]) > most[pipe]:
                    raise LimitError(
                        f"{name} printed more than {most[pipe]} bytes",
                        hint="render it in parts and scan those with k8s:",
                    )
    return bytes(kept[process.stdout]), bytes(kept[process.stderr])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, with all that it started, and close the pipes.

    What it started may outlive it, and is of its process group.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
