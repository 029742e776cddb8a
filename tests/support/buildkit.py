"""The current BuildKit, compiled from its published module: newer Dockerfiles than the engine's.

`python -m tests.support.buildkit` fetches and compiles it into the cache, for which a Go compiler is
needed; a private daemon serves it, and builds have no network.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.components import CACHE, go, missing

VERSION = "v0.34.2"
_MODULE = "github.com/moby/buildkit"
_PROGRAMS = ("buildkitd", "buildctl")
_CACHED = CACHE / f"buildkit-{VERSION}"


def programs() -> Path:
    """Return the folder of the programs, or skip the test."""
    named = os.environ.get("DEPLOYGUARD_BUILDKIT")
    path = Path(named) if named else _CACHED
    if not all((path / name).exists() for name in _PROGRAMS):
        missing("there is no current BuildKit to build with")
    return path


@dataclass(frozen=True)
class BuildKit:
    """A daemon that builds; `layout` holds the base images as an OCI layout, by their tags."""

    address: str
    layout: Path

    def build(
        self,
        folder: Path,
        *,
        target: str | None = None,
        arguments: Mapping[str, str] | None = None,
        contexts: Mapping[str, Path] | None = None,
        bases: Mapping[str, str] | None = None,
    ) -> Path | str:
        """Return the docker archive of what a context makes, or why it was refused."""
        archive = folder.parent / f"{folder.name}.tar"
        words = [
            str(programs() / "buildctl"), "--addr", self.address, "build", "--progress=plain",
            "--frontend=dockerfile.v0", f"--local=context={folder}", f"--local=dockerfile={folder}",
            "--opt=force-network-mode=none",
            f"--oci-layout=bases={self.layout}",
            f"--output=type=docker,name=dgtest/built,dest={archive}",
        ]  # fmt: skip
        words += [f"--opt=build-arg:{name}={value}" for name, value in (arguments or {}).items()]
        words += [f"--opt=target={target}"] if target else []
        for name, place in (contexts or {}).items():
            words += [f"--local={name}={place}", f"--opt=context:{name}=local:{name}"]
        for name, digest in (bases or {}).items():
            words.append(f"--opt=context:{name}=oci-layout://bases@{digest}")
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
        return archive if done.returncode == 0 else done.stderr

    def digest(self, tag: str) -> str:
        """Return the digest of a base's manifest."""
        index = json.loads((self.layout / "index.json").read_text())
        (found,) = (
            one["digest"]
            for one in index["manifests"]
            if one["annotations"]["org.opencontainers.image.ref.name"] == tag
        )
        return str(found)


@contextmanager
def buildkit(layout: Path) -> Iterator[BuildKit]:
    """Start a daemon of one's own, and end it."""
    if os.geteuid() != 0 or shutil.which("runc") is None:
        missing("BuildKit needs root and runc")
    folder = Path(tempfile.mkdtemp(prefix="dgbk", dir="/tmp"))
    address = f"unix://{folder}/s"
    config = folder / "buildkitd.toml"
    config.write_text(
        f'root = "{folder}/root"\n[grpc]\naddress = ["{address}"]\n'
        "[worker.containerd]\nenabled = false\n[worker.oci]\nenabled = true\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs() / "buildkitd"), "--config", str(config)], stdout=log, stderr=log
        )
    try:
        _wait(address, process, folder)
        yield BuildKit(address, layout)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(100):
        asked = subprocess.run(
            [str(programs() / "buildctl"), "--addr", address, "--timeout", "1", "debug", "workers"],
            check=False,
            capture_output=True,
        )
        if asked.returncode == 0:
            return
        if process.poll() is not None:
            break
    missing(f"BuildKit did not start: {(folder / 'log').read_text()[-500:]}")


@dataclass(frozen=True)
class Built:
    """A built image: its config as in `docker inspect`, and what lies in it."""

    config: Mapping[str, Any]
    files: Mapping[str, tuple[str, bytes, int]]


def read(archive: Path) -> Built:
    """Read a docker archive with Python's own tarfile, layer over layer."""
    files: dict[str, tuple[str, bytes, int]] = {}
    with tarfile.open(archive) as outer:

        def member(name: str) -> bytes:
            found = outer.extractfile(name)
            assert found is not None, name
            return found.read()

        (manifest,) = json.loads(member("manifest.json"))
        config = json.loads(member(manifest["Config"]))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(member(layer))) as inner:
                _lay(inner, files)
    return Built(config.get("config") or {}, files)


def _lay(layer: tarfile.TarFile, files: dict[str, tuple[str, bytes, int]]) -> None:
    for one in layer:
        path = "/" + one.name.strip("/")
        parent, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            _remove(files, parent, itself=False)
        elif name.startswith(".wh."):
            _remove(files, f"{parent}/{name.removeprefix('.wh.')}", itself=True)
        elif one.isdir():
            if files.get(path, ("folder",))[0] != "folder":
                _remove(files, path, itself=True)
            files[path] = ("folder", b"", one.mode)
        elif one.issym():
            _remove(files, path, itself=True)
            files[path] = ("link", one.linkname.encode(), 0)
        elif one.islnk():
            files[path] = files["/" + one.linkname.strip("/")]
        else:
            _remove(files, path, itself=True)
            content = layer.extractfile(one)
            files[path] = ("file", content.read() if content else b"", one.mode)


def _remove(files: dict[str, tuple[str, bytes, int]], path: str, *, itself: bool) -> None:
    for name in [one for one in files if one.startswith(path.rstrip("/") + "/")]:
        del files[name]
    if itself:
        files.pop(path, None)


def fetch() -> None:
    """Compile the programs; the module's checksum is Go's checksum database's business."""
    if all((_CACHED / name).exists() for name in _PROGRAMS):
        return
    compiler = go("BuildKit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environ = {**os.environ, "GOPATH": f"{name}/go", "GOFLAGS": "-modcacherw -buildvcs=false",
                   "CGO_ENABLED": "0"}  # fmt: skip
        told = subprocess.run(
            [compiler, "mod", "download", "-json", f"{_MODULE}@{VERSION}"],
            check=True, capture_output=True, cwd=folder, env=environ,
        )  # fmt: skip
        source = folder / "source"
        shutil.copytree(json.loads(told.stdout)["Dir"], source)
        made = folder / "made"
        made.mkdir()
        commands: Sequence[str] = [f"./cmd/{program}" for program in _PROGRAMS]
        subprocess.run(
            [compiler, "build", "-mod=mod", "-ldflags=-s -w", "-o", f"{made}/", *commands],
            check=True, cwd=source, env=environ,
        )  # fmt: skip
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = _CACHED.with_suffix(f".{os.getpid()}")
        shutil.copytree(made, partial)
        partial.rename(_CACHED)


if __name__ == "__main__":
    fetch()
