"""Images of a chosen size, written as `docker save` and skopeo write them; the same seed, the same bytes.

Most files are small sources, most bytes lie in a few libraries, and the application comes in a
layer of its own at the top, as in images that are built for real.
"""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

_LAYERS = 8
_LIBRARIES = 4
_APP = b"""\
import os

from flask import Flask

app = Flask(__name__)

if __name__ == "__main__":
    app.run(host="0.0.0.0", debug=os.environ.get("DEBUG") == "1")
"""
_SITE = "usr/local/lib/python3.12/site-packages"
# The system below, then Python, then its packages, as images are built.
_TOPS = ("usr/lib", "usr/share", "usr/local/lib/python3.12", _SITE)
_VERSIONS = {"flask": "3.0.3", "werkzeug": "3.0.3", "click": "8.1.7", "python_dotenv": "1.0.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """An image to write: about `megabytes` in about `files` paths, gzip layers in an OCI archive or
    plain ones in a docker archive. Without a `command` its config alone decides.
    """

    name: str
    megabytes: int
    files: int
    packed: bool = False
    command: tuple[str, ...] = ("python", "app.py")


class _Hashed:
    """A file that knows the digest of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class _Layer:
    path: Path
    digest: str
    diff_id: str


def write(corpus: Corpus, folder: Path) -> Path:
    """Write an image into a folder, once, and return its archive."""
    recipe = hashlib.sha256(Path(__file__).read_bytes() + repr(corpus).encode()).hexdigest()[:12]
    archive = folder / f"{corpus.name}-{recipe}.tar"
    if archive.exists():
        return archive
    for old in folder.glob(f"{corpus.name}-*.tar"):
        old.unlink()
    layers = [
        _layer(folder / f"{corpus.name}.{index}", corpus, fill)
        for index, fill in enumerate(_contents(corpus))
    ]
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as saved:
        (_oci if corpus.packed else _docker)(saved, corpus, layers)
    for layer in layers:
        layer.path.unlink()
    return partial.rename(archive)


def _layer(path: Path, corpus: Corpus, fill: Callable[[tarfile.TarFile], None]) -> _Layer:
    with path.open("wb") as file:
        stored = _Hashed(file)
        with (
            _packed(stored) if corpus.packed else _plain(stored) as content,
            # A stream of tarfile asks its file for nothing but to write.
            tarfile.open(fileobj=cast("IO[bytes]", content), mode="w|", bufsize=1 << 20) as tar,
        ):
            fill(tar)
    return _Layer(path, stored.digest, content.digest)


@contextmanager
def _plain(stored: _Hashed) -> Iterator[_Hashed]:
    yield stored


@contextmanager
def _packed(stored: _Hashed) -> Iterator[_Hashed]:
    with gzip.GzipFile(
        "", "wb", fileobj=cast("IO[bytes]", stored), compresslevel=6, mtime=0
    ) as file:
        yield _Hashed(cast("IO[bytes]", file))


def _contents(corpus: Corpus) -> Iterator[Callable[[tarfile.TarFile], None]]:
    chance = random.Random(corpus.name)  # noqa: S311  (a corpus, no secret)
    for index in range(_LAYERS - 1):
        yield lambda tar, index=index: _bulk(tar, corpus, index, chance)  # type: ignore[misc]
    yield _application


def _bulk(tar: tarfile.TarFile, corpus: Corpus, index: int, chance: random.Random) -> None:
    """Fill a layer below the application: sources of a few kilobytes, then large libraries."""
    if index == 0:
        _system(tar)
    top = f"{_TOPS[index * len(_TOPS) // (_LAYERS - 1)]}/part{index}"
    budget = corpus.megabytes * 1_000_000 // (_LAYERS - 1)
    text = b"".join(b"value_%d = %d\n" % (n, chance.getrandbits(32)) for n in range(400))
    for number in range(corpus.files // (_LAYERS - 1)):
        size = min(chance.randrange(200, len(text)), max(200, budget // 2_000))
        _add(tar, f"{top}/d{number // 50}/f{number}.py", text[:size])
        budget -= -(-size // 512) * 512 + 512
    for number in range(_LIBRARIES):
        size = max(budget // _LIBRARIES, 0)
        _add(tar, f"{top}/lib{number}.so", chance.randbytes(size // 2) + bytes(size // 2))


def _system(tar: tarfile.TarFile) -> None:
    _add(tar, "usr/local/bin/python3.12", b"\x7fELF" + bytes(4096), 0o755)
    link = tarfile.TarInfo("usr/local/bin/python")
    link.type, link.linkname = tarfile.SYMTYPE, "python3.12"
    tar.addfile(link)
    for name, version in _VERSIONS.items():
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        _add(tar, f"{_SITE}/{name}-{version}.dist-info/METADATA", metadata.encode())
        _add(tar, f"{_SITE}/{name.removeprefix('python_')}/__init__.py", b"")


def _application(tar: tarfile.TarFile) -> None:
    _add(tar, "app/app.py", _APP)


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), mode, 1_700_000_000
    tar.addfile(member, io.BytesIO(data))


def _config(corpus: Corpus, layers: list[_Layer]) -> bytes:
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "Cmd": list(corpus.command),
            "WorkingDir": "/app",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
    }
    return json.dumps(config).encode()


def _docker(saved: tarfile.TarFile, corpus: Corpus, layers: list[_Layer]) -> None:
    """Write the layout of engines before 25: a folder for each layer, the manifest at the end."""
    for layer in layers:
        saved.add(layer.path, f"{layer.diff_id}/layer.tar")
    config = _config(corpus, layers)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    _add(saved, name, config)
    manifest = {
        "Config": name,
        "RepoTags": [f"bench/{corpus.name}:1"],
        "Layers": [f"{layer.diff_id}/layer.tar" for layer in layers],
    }
    _add(saved, "manifest.json", json.dumps([manifest]).encode())


def _oci(saved: tarfile.TarFile, corpus: Corpus, layers: list[_Layer]) -> None:
    config = _config(corpus, layers)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": f"sha256:{layer.digest}",
                    "size": layer.path.stat().st_size,
                }
                for layer in layers
            ],
        }
    ).encode()
    index = {"schemaVersion": 2, "manifests": [_descriptor("manifest.v1+json", manifest)]}
    _add(saved, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    _add(saved, "index.json", json.dumps(index).encode())
    for blob in (config, manifest):
        _add(saved, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
    for layer in layers:
        saved.add(layer.path, f"blobs/sha256/{layer.digest}")


def _descriptor(media: str, data: bytes) -> dict[str, Any]:
    return {
        "mediaType": f"application/vnd.oci.image.{media}",
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
    }
