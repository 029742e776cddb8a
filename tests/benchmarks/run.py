"""Ratios of CPU time to the least work that could do it: `make bench`.

Absolute times say nothing on shared cores, so each row is measured against a floor script in the
same minute, and the median of interleaved rounds is printed. Nothing here asserts a time.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 9
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
    - name: web
      image: acme/shop:1
      command: [gunicorn, "shop:app"]
      env: [{name: FLASK_DEBUG, value: "0"}]
"""


@dataclass(frozen=True)
class Row:
    """A command, the floor it is compared with, and the ratio it must stay under."""

    name: str
    command: tuple[str, ...]
    floor: tuple[str, ...]
    goal: float


def _cpu(command: Sequence[str]) -> float:
    """Return the CPU seconds that a command takes, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _rows(manifest: Path) -> tuple[Row, ...]:
    python = (sys.executable, "-c")
    deployguard = (sys.executable, "-m", "deployguard")
    click = (*python, "import click")
    load = (*python, f"import click, yaml; yaml.load(open({str(manifest)!r}), yaml.CSafeLoader)")
    return (
        Row("--version", (*deployguard, "--version"), click, 1.2),
        Row("--help", (*deployguard, "--help"), click, 1.2),
        Row(
            "scan one manifest",
            (*deployguard, "scan", f"k8s:{manifest}", "--images", "never"),
            load,
            2.0,
        ),
    )


def main() -> None:
    """Print a line for each row: the ratio, the goal, and both times."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "pod.yaml")
        manifest.write_text(MANIFEST)
        for row in _rows(manifest):
            _cpu(row.command)
            rounds = [(_cpu(row.command), _cpu(row.floor)) for _ in range(ROUNDS)]
            ours = statistics.median(one for one, _ in rounds)
            floor = statistics.median(other for _, other in rounds)
            print(  # noqa: T201
                f"{row.name:<20} {ours / floor:5.2f} x the floor (goal {row.goal})"
                f"   {ours * 1000:6.1f} ms / {floor * 1000:6.1f} ms"
            )


if __name__ == "__main__":
    main()
