"""Ratios of CPU time to the least work that could do it, and peaks of memory: `make bench`.

Absolute times say nothing on shared cores, so each row is measured against a floor script in the
same minute, and the median of interleaved rounds is printed. Nothing here asserts a time.

The images are written once into the cache of the tests (about 5 GB). Rows of the engine are left
out, and say so, where no engine can be started.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks import corpus, floors, repository
from tests.benchmarks.corpus import Corpus
from tests.support.components import CACHE
from tests.truth import case_images

ROUNDS = 5
LAUNCHES = 90  # seconds of CPU for all observed launches in one call
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
_DEPLOYGUARD = (sys.executable, "-m", "deployguard")
_MEGABYTE = 1024 * 1024

SMALL = Corpus(name="small", megabytes=500, files=50_000)
LARGE = Corpus(name="large", megabytes=2_000, files=200_000)
NO_COMMAND = Corpus(name="no-command", megabytes=500, files=50_000, command=())
PACKED = Corpus(name="packed", megabytes=500, files=50_000, packed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A command and the floor it is compared with.

    The goal is a ratio, or how many milliseconds it may take on top of the floor.
    """

    name: str
    command: tuple[str, ...]
    floor: tuple[str, ...]
    ratio: float | None = None
    on_top: int | None = None


def _run(command: Sequence[str]) -> None:
    subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )


def _cpu(command: Sequence[str]) -> float:
    """Return the CPU seconds that a command takes, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _wall(command: Sequence[str]) -> float:
    """Return the seconds that pass: what an engine does for a command is not the command's CPU."""
    begun = time.monotonic()
    _run(command)
    return time.monotonic() - begun


def _print(row: Row, measure: Callable[[Sequence[str]], float]) -> None:
    measure(row.command)
    rounds = [(measure(row.command), measure(row.floor)) for _ in range(ROUNDS)]
    ours = statistics.median(one for one, _ in rounds)
    floor = statistics.median(other for _, other in rounds)
    if row.on_top is None:
        judged = f"{ours / floor:6.2f} x the floor (goal {row.ratio})"
    else:
        judged = f"{(ours - floor) * 1000:+6.0f} ms on the floor (goal +{row.on_top} ms)"
    print(f"{row.name:<38} {judged:<36} {ours * 1000:8.1f} ms / {floor * 1000:8.1f} ms")  # noqa: T201


def _start_up(manifest: Path) -> tuple[Row, ...]:
    python = (sys.executable, "-c")
    click = (*python, "import click")
    load = (*python, f"import click, yaml; yaml.load(open({str(manifest)!r}), yaml.CSafeLoader)")
    scan = (*_DEPLOYGUARD, "scan", f"k8s:{manifest}", "--images", "never")
    return (
        Row(name="--version", command=(*_DEPLOYGUARD, "--version"), floor=click, ratio=1.2),
        Row(name="--help", command=(*_DEPLOYGUARD, "--help"), floor=click, ratio=1.2),
        Row(name="scan one manifest", command=scan, floor=load, ratio=2.0),
    )


def _floor(which: Callable[[str], None], archive: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", floors.__name__, which.__name__, str(archive))


def _scan(archive: Path) -> tuple[str, ...]:
    return (*_DEPLOYGUARD, "scan", f"archive:{archive}")


def _archives(folder: Path) -> Iterator[Row]:
    bare = corpus.write(NO_COMMAND, folder)
    yield Row(
        name="archive, the config decides",
        command=_scan(bare),
        floor=_floor(floors.config, bare),
        on_top=90,
    )
    for each in (SMALL, LARGE):
        archive = corpus.write(each, folder)
        for floor in (floors.index, floors.verified):
            yield Row(
                name=f"archive of {each.megabytes} MB, files, {floor.__name__}",
                command=_scan(archive),
                floor=_floor(floor, archive),
                ratio=2.5,
            )
    packed = corpus.write(PACKED, folder)
    for floor in (floors.inflate, floors.inflate_verified, floors.inflate_indexed):
        yield Row(
            name=f"OCI gzip, all layers, {floor.__name__}",
            command=_scan(packed),
            floor=_floor(floor, packed),
            ratio=1.3,
        )


def _peak(command: Sequence[str]) -> int:
    """Return the most memory (bytes) that a command held, measured by a parent of its own."""
    measured = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout) * 1024


def _memory(folder: Path) -> None:
    for each in (SMALL, LARGE, PACKED):
        peak = _peak(_scan(corpus.write(each, folder)))
        goal = 64 * _MEGABYTE + 600 * each.files
        print(  # noqa: T201
            f"memory, {each.megabytes} MB, {each.files} paths{', gzip' if each.packed else '':<6}"
            f" {peak / _MEGABYTE:8.1f} MB (goal {goal / _MEGABYTE:.0f} MB)"
        )


def _engine(folder: Path) -> None:
    """Compare the scan of an engine's image with what saving it would take."""
    from tests.support import engine  # noqa: PLC0415  (docker is imported where it is needed)

    archive = corpus.write(SMALL, folder)
    with engine.engine() as host:
        os.environ["DOCKER_HOST"] = host
        docker = shutil.which("docker", path="/usr/bin") or "docker"
        reference = f"bench/{SMALL.name}:1"
        _run([docker, "load", "-i", str(archive)])
        row = Row(
            name="image in the engine (seconds passed)",
            command=(*_DEPLOYGUARD, "scan", f"docker:{reference}"),
            floor=(docker, "save", reference),
            ratio=0.1,
        )
        _print(row, _wall)


def _repository(root: Path) -> Row:
    """Write a repository of 10,000 files, and compare its scan with reading what could matter."""
    repository.write(root)
    return Row(
        name="a repository of 10,000 files",
        command=(*_DEPLOYGUARD, "scan", str(root), "--images", "never"),
        floor=(sys.executable, "-m", floors.__name__, floors.folder.__name__, str(root)),
        on_top=2_000,
    )


def _launches(folder: Path) -> None:
    """Judge every observed launch as an image, all of them in one call."""
    archives = []
    for number, case in enumerate(case_images.cases()):
        path = folder / f"{number}.tar"
        path.write_bytes(case_images.archive(case))
        archives.append(f"archive:{path}")
    taken = _cpu((*_DEPLOYGUARD, "scan", "--format", "json", *archives))
    print(  # noqa: T201
        f"{f'{len(archives)} observed launches, one call':<38} {taken / LAUNCHES:6.2f} x the goal"
        f" ({LAUNCHES} s){taken * 1000:>22.1f} ms"
    )


def main() -> None:
    """Print a line for each row: the ratio, the goal, and both times."""
    folder = CACHE / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        manifest = Path(temporary, "pod.yaml")
        manifest.write_text(MANIFEST)
        for row in _start_up(manifest):
            _print(row, _cpu)
        _print(_repository(Path(temporary, "repository")), _cpu)
        _launches(Path(temporary))
    for row in _archives(folder):
        _print(row, _cpu)
    _memory(folder)
    try:
        _engine(folder)
    except pytest.skip.Exception as skipped:
        print(f"image in the engine: left out ({skipped})")  # noqa: T201


if __name__ == "__main__":
    main()
