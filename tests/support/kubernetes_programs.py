"""The programs of a control plane: etcd and kube-apiserver, as controller tests use them.

KUBEBUILDER_ASSETS names a folder with both, as setup-envtest fills it. Else `python -m
tests.support.kubernetes_programs` builds them once, outside of the repository, from the module in
tests/kubernetes/programs (its versions and checksums are pinned there).
"""

import os
import re
import subprocess
from pathlib import Path

from tests.support.components import CACHE, go, missing

_MODULE = Path(__file__).parents[1] / "kubernetes" / "programs"
_NAMES = ("etcd", "kube-apiserver")


def version() -> str:
    """Return the version of Kubernetes that the module names."""
    found = re.search(r"k8s\.io/kubernetes v(\S+)", (_MODULE / "go.mod").read_text())
    assert found is not None
    return found[1]


def folder() -> Path:
    """Return the folder of the programs, or skip the test."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    path = Path(named) if named else CACHE / f"kubernetes-{version()}"
    if not all((path / name).exists() for name in _NAMES):
        missing("there is no kube-apiserver to ask")
    return path


def build() -> None:
    """Build what is not there yet; the API server's version is what its linker is told."""
    target = CACHE / f"kubernetes-{version()}"
    if all((target / name).exists() for name in _NAMES):
        return
    compiler = go("kube-apiserver")
    target.mkdir(parents=True, exist_ok=True)
    _, minor, _ = version().split(".")
    said = {"gitVersion": f"v{version()}", "gitMajor": "1", "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{key}={text}" for key, text in said.items())
    packages = {"etcd": "./etcd", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}
    for name, package in packages.items():
        partial = target / f"{name}.{os.getpid()}"
        subprocess.run(
            [compiler, "build", "-trimpath", "-ldflags", f"-s -w {flags}",
             "-o", str(partial), package],
            check=True,
            cwd=_MODULE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
        )  # fmt: skip
        partial.rename(target / name)


if __name__ == "__main__":
    build()
