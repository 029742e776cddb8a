"""deployguard's own image, built by its Dockerfile on bases made here and without a network."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from tests.support import images
from tests.support.components import CACHE

ROOT = Path(__file__).parents[2]
_PARTS = ("deployguard", "policies", "pyproject.toml", "README.md", "LICENSE", "Dockerfile",
          ".dockerignore")  # fmt: skip
_EXTRAS = ("webhook", "speed")
_PYTHON = "3.11"  # of the bases


def build(engine: DockerClient) -> str:
    """Build the image if the engine does not have it as the sources are now; return its name."""
    bases = {name: images.base(engine, base) for name, base in
             (("BUILD_BASE", "build"), ("BASE", "python"))}  # fmt: skip
    wheels = _wheels()
    reference = f"{images.REPOSITORY}/deployguard:{_digest(*bases.values(), wheels.name)}"
    try:
        engine.images.get(reference)
    except ImageNotFound:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder, "context")
            _copy(context)
            shutil.copytree(wheels, context / "wheels")
            engine.images.build(
                path=str(context),
                tag=reference,
                rm=True,
                forcerm=True,
                network_mode="none",
                buildargs={**bases, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/src/wheels"},
            )
    return reference


def _copy(context: Path) -> None:
    context.mkdir()
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, context / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, context / part)


def _digest(*further: str) -> str:
    """Return a digest of everything that the image is made of."""
    seen = hashlib.sha256(repr(further).encode())
    for part in _PARTS:
        source = ROOT / part
        for path in sorted(source.rglob("*")) if source.is_dir() else (source,):
            if path.is_file() and "__pycache__" not in path.parts:
                seen.update(f"{path.relative_to(ROOT)}\0".encode())
                seen.update(path.read_bytes())
    return seen.hexdigest()[:12]


def _wheels() -> Path:
    """Return a folder with the wheels of all dependencies for the Python of the bases."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = sorted(
        {
            *project["build-system"]["requires"],
            *project["project"]["dependencies"],
            *(name for extra in _EXTRAS for name in extras[extra]),
        }
    )
    folder = CACHE / f"wheels-{hashlib.sha256(repr((_PYTHON, wanted)).encode()).hexdigest()[:12]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as partial:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
                 "--python-version", _PYTHON, "--platform", "manylinux2014_x86_64",
                 "--platform", "manylinux_2_28_x86_64", "--dest", partial, *wanted],
                check=True,
                capture_output=True,
            )  # fmt: skip
            shutil.copytree(partial, folder)
    return folder
