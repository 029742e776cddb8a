"""The command as a person or a machine runs it: in this process, or as one of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from deployguard import cli

# A policy's day that no exemption of a test depends on.
TODAY = "2031-01-01"


@dataclass(frozen=True)
class Done:
    """What a run left: its exit code and the bytes of both streams."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Return both streams, for looking into."""
        return self.out.decode() + self.err.decode()

    @property
    def report(self) -> Any:  # noqa: ANN401  (JSON)
        """Return the JSON report."""
        return json.loads(self.out)


def run(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Done:
    """Run a command in this process, with streams and standard input of its own."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin))),
        patch.dict(os.environ, environ or {}),
    ):
        code = cli.run(list(arguments))
    streams = []
    for stream in (out, err):
        stream.flush()
        stream.buffer.seek(0)
        streams.append(stream.buffer.read())
    return Done(code, *streams)


def scan(*arguments: str, stdin: bytes = b"") -> Done:
    """Scan without an engine on a fixed day."""
    return run("scan", *arguments, "--images", "never", "--today", TODAY, stdin=stdin)


def process(
    *arguments: str,
    stdin: bytes | None = b"",
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | None = None,
    timeout: float = 60,
) -> Done:
    """Run a command as a process of its own; `user` is whom root becomes for it."""
    done = subprocess.run(
        [sys.executable, "-m", "deployguard", *arguments],
        check=False,
        input=stdin,
        capture_output=True,
        cwd=cwd,
        user=user,
        env={**os.environ, **(environ or {})},
        timeout=timeout,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def scan_with(host: str, *arguments: str) -> dict[str, Any]:
    """Scan as a process of its own that knows an engine; return its JSON report."""
    done = process(
        "scan", *arguments, "--format", "json", environ={"DOCKER_HOST": host}, timeout=300
    )
    assert b"Traceback" not in done.err
    report: dict[str, Any] = done.report
    assert report["exit_code"] == done.code
    return report
