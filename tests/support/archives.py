"""OCI archives of a config and files, made without an engine."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from tests.truth.case_images import Entry, base_files

_MEDIA = "application/vnd.oci.image"


def oci(
    config: Mapping[str, Any],
    files: Mapping[str, Entry],
    *,
    tag: str = "shop:1",
    platform: tuple[str, str] = ("linux", "amd64"),
) -> bytes:
    """Return an archive of one image; paths are relative to the root of the image."""
    layer = _tar(files)
    system, architecture = platform
    described = {
        "os": system,
        "architecture": architecture,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs: dict[str, Entry] = {}

    def put(data: bytes, media: str) -> dict[str, Any]:
        digest = _digest(data)
        blobs[f"blobs/sha256/{digest.partition(':')[2]}"] = Entry(data)
        return {"mediaType": f"{_MEDIA}.{media}", "digest": digest, "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": put(json.dumps(described).encode(), "config.v1+json"),
        "layers": [put(layer, "layer.v1.tar")],
    }
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "manifests": [entry]}
    return _tar(
        {
            "oci-layout": Entry(b'{"imageLayoutVersion":"1.0.0"}'),
            "index.json": Entry(json.dumps(index).encode()),
            **blobs,
        }
    )


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def flask_image(config: Mapping[str, Any], files: Mapping[str, bytes], **named: Any) -> bytes:  # noqa: ANN401  (those of `oci`)
    """Return an archive of files over a system with Flask 3.1 in /srv/venv."""
    own = {name: Entry(data, 0o755) for name, data in files.items()}
    path = "PATH=/srv/venv/bin:/usr/local/bin:/usr/bin:/bin"
    return oci({**config, "Env": [path, *config.get("Env", ())]}, base_files("f31") | own, **named)


def _tar(files: Mapping[str, Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", errors="surrogateescape") as tar:
        for name, entry in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(entry.data), entry.mode
            if entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            tar.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()
