"""Kubernetes' own code as an oracle: how kubectl reads, the API server accepts, the kubelet starts.

The programs of tests/kubernetes/oracle are linked from the released modules; `reader` takes seconds
to build, `oracle` (the kubelet) many minutes, so that its answers are recorded for other runs.
"""

import atexit
import base64
import hashlib
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.components import CACHE, go, missing

_SOURCES = Path(__file__).parents[1] / "kubernetes" / "oracle"


class Oracle:
    """One of the programs, asked by lines of JSON."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the kubelet's log
        )
        atexit.register(self.close)

    def ask(self, text: bytes, *, run: bool = False) -> dict[str, Any]:
        """Return what is made of a file; with `run`, also of the Pods in it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"text": base64.b64encode(text).decode(), "run": run}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the program: its input is at an end."""
        self.process.communicate()


@cache
def reader() -> Oracle:
    """Return how kubectl reads a file."""
    return Oracle(_built("./reader", "kubectl-reader"))


@cache
def oracle() -> Oracle:
    """Return what the API server and the kubelet make of a file."""
    return Oracle(_built(".", "kubernetes-oracle"))


def _built(package: str, name: str) -> Path:
    """Build a program once for its sources, kept in the cache."""
    files = sorted(path for path in _SOURCES.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    kept = CACHE / f"{name}-{digest}"
    if not kept.exists():
        compiler = go("Kubernetes' own code")
        made = kept.with_suffix(f".{os.getpid()}")
        made.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [compiler, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(made), package],
            cwd=_SOURCES,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            missing(f"Kubernetes' own code cannot be built: {done.stderr[-300:]}")
        made.rename(kept)
    return kept


if __name__ == "__main__":
    _built("./reader", "kubectl-reader")
