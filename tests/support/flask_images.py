"""Images of files over a system with Flask, made without an engine."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.archives import (
    CONFIG,
    LAYER,
    MANIFEST,
    Parts,
    archived,
    digest,
    finish_layout,
    put,
)
from tests.truth.case_images import Entry, base_files, layer


def flask_image(
    config: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    tag: str = "shop:1",
    platform: tuple[str, str] = ("linux", "amd64"),
) -> bytes:
    """Return an OCI archive of files over a system with Flask 3.1 in /srv/venv.

    Nothing of what is given is checked: tests hand in what no tool would write.
    """
    content = layer(base_files("f31") | {name: Entry(data, 0o755) for name, data in files.items()})
    path = "PATH=/srv/venv/bin:/usr/local/bin:/usr/bin:/bin"
    system, architecture = platform
    described = {
        "os": system,
        "architecture": architecture,
        "config": {**config, "Env": [path, *config.get("Env", ())]},
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
    }
    parts: Parts = {}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(parts, json.dumps(described).encode(), CONFIG),
        "layers": [put(parts, content, LAYER)],
    }
    entry = put(parts, json.dumps(manifest).encode(), MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    return archived(finish_layout(parts, [entry]))
