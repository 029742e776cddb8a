"""All images of a test in one of each stored form, made once for every test process.

`docker save` writes the archive and podman loads it. The OCI forms are written here out of it, so
that layers which images share are packed once; that skopeo's own read the same has its own test.
"""

import fcntl
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient

from tests.support.components import missing

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How layers are packed: the ending of their media type, and what packs them."""

    ending: str
    pack: Callable[[bytes], bytes]


GZIP = Packing(ending="+gzip", pack=lambda data: gzip.compress(data, 1, mtime=0))
ZSTD = Packing(ending="+zstd", pack=lambda data: zstd.compress(data, 1))


@dataclass(frozen=True)
class Forms:
    """The folder that holds the forms; an image is named in each by its reference."""

    folder: Path

    def targets(self, reference: str) -> tuple[str, ...]:
        """Return where one image stands in every form."""
        tag = _tag(reference)
        return (
            f"archive:{self.folder}/saved.tar:{reference}",
            f"oci:{self.folder}/gzip:{tag}",
            f"oci:{self.folder}/zstd:{tag}",
            f"archive:{self.folder}/oci.tar:{tag}",
            f"podman:localhost/{reference}",
        )


def saved(host: str, archive: Path, *references: str) -> None:
    """Write images as docker save does."""
    docker = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if docker is None:
        missing("there is no docker to save images with")
    subprocess.run([docker, "-H", host, "save", "-o", str(archive), *references], check=True)


def formed(folder: Path, host: str, podman: DockerClient, references: Sequence[str]) -> Forms:
    """Bring images into every form, unless another process has done it already."""
    name = hashlib.sha256(repr(references).encode()).hexdigest()[:12]
    forms = Forms(folder / f"forms-{name}")
    with (folder / "forms-lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (forms.folder / "done").exists():
            for old in folder.glob("forms-*/"):
                shutil.rmtree(old)
            forms.folder.mkdir()
            archive = forms.folder / "saved.tar"
            saved(host, archive, *references)
            layout(archive, forms.folder / "gzip", GZIP)
            layout(archive, forms.folder / "zstd", ZSTD)
            with tarfile.open(forms.folder / "oci.tar", "w") as tar:
                tar.add(forms.folder / "gzip", arcname=".")
            # Podman answers with all names in one, which the package's own method cannot take.
            for _ in podman.api.load_image(archive.read_bytes()):  # type: ignore[no-untyped-call]
                pass
            (forms.folder / "done").touch()
    return forms


def layout(archive: Path, folder: Path, packing: Packing) -> None:
    """Write the images of a docker save archive as one OCI layout (image-spec image-layout.md)."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers: dict[str, dict[str, Any]] = {}
    manifests: list[dict[str, Any]] = []

    def put(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def part(tar: tarfile.TarFile, name: str) -> bytes:
        member = tar.extractfile(name)
        assert member is not None
        return member.read()

    with tarfile.open(archive) as tar:
        for image in json.loads(part(tar, "manifest.json")):
            config = part(tar, image["Config"])
            diff_ids = json.loads(config)["rootfs"]["diff_ids"]
            for name, diff_id in zip(image["Layers"], diff_ids, strict=True):
                if diff_id not in layers:
                    packed = packing.pack(part(tar, name))
                    layers[diff_id] = put(packed, _LAYER + packing.ending)
            manifest = {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": put(config, _CONFIG),
                "layers": [layers[diff_id] for diff_id in diff_ids],
            }
            written = put(json.dumps(manifest).encode(), _MANIFEST)
            tag = {"org.opencontainers.image.ref.name": _tag(image["RepoTags"][0])}
            manifests.append({**written, "annotations": tag})
    index = {"schemaVersion": 2, "manifests": manifests}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _tag(reference: str) -> str:
    return reference.rpartition("/")[2].replace(":", "-")
