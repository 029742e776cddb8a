"""Ways to make a stored image other than what its digests say, for any of its layouts."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.archives import Parts, digest

Harm = Callable[[bytes], bytes | None]
Document = dict[str, Any]


def _flipped(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


HARMS: Mapping[str, Harm] = {
    "a bit is wrong": _flipped,
    "is cut": lambda data: data[: len(data) * 2 // 3],
    "is longer": lambda data: data + bytes(512),
    "is empty": lambda _: b"",
    "is missing": lambda _: None,
}


def roles(parts: Parts) -> dict[str, str]:
    """Return the names of the parts that digests stand for, by what they are."""
    found: dict[str, str] = {}
    if "index.json" in parts:
        descriptor = json.loads(parts["index.json"])["manifests"][0]
        document = json.loads(parts[_blob(descriptor)])
        if "manifests" in document:
            found["index"] = _blob(descriptor)
            descriptor = document["manifests"][0]
            document = json.loads(parts[_blob(descriptor)])
        found["manifest"] = _blob(descriptor)
        found["config"] = _blob(document["config"])
        layers = [_blob(layer) for layer in document["layers"]]
    else:
        (entry,) = json.loads(parts["manifest.json"])
        found["config"], layers = entry["Config"], entry["Layers"]
    return {**found, "lowest layer": layers[0], "topmost layer": layers[-1]}


def _blob(descriptor: Document) -> str:
    return f"blobs/sha256/{descriptor['digest'][7:]}"


def mutants(parts: Parts) -> Iterator[tuple[str, Parts]]:
    """Yield the image with each harm done to each part that a digest stands for."""
    names = roles(parts)
    for role, name in names.items():
        for harm, do in HARMS.items():
            made = do(parts[name])
            changed = {key: value for key, value in parts.items() if key != name}
            yield f"the {role} {harm}", changed if made is None else {**changed, name: made}
    low, top, config = names["lowest layer"], names["topmost layer"], names["config"]
    exchanged = {low: parts[top], top: parts[low]}
    yield "the layers are exchanged", {**parts, **exchanged}
    yield "a layer stands for both", {**parts, low: parts[top]}
    other = parts[config].replace(b'"flask"', b'"other"')
    assert other != parts[config]
    yield "the config is another's", {**parts, config: other}


def redone(parts: Parts, where: str, change: Callable[[Document], object]) -> Parts:
    """Return a layout of which one document is changed, and all digests around it made good.

    `where` is "config", "manifest" or "descriptor", the one in index.json.
    """
    index = json.loads(parts["index.json"])
    (descriptor,) = index["manifests"]
    manifest = json.loads(parts[_blob(descriptor)])
    changed = dict(parts)
    if where == "config":
        config = json.loads(parts[_blob(manifest["config"])])
        change(config)
        data = json.dumps(config).encode()
        manifest["config"] |= {"digest": digest(data), "size": len(data)}
        changed[_blob(manifest["config"])] = data
    if where == "manifest":
        change(manifest)
    data = json.dumps(manifest).encode()
    descriptor |= {"digest": digest(data), "size": len(data)}
    changed[_blob(descriptor)] = data
    if where == "descriptor":
        change(descriptor)
    changed["index.json"] = json.dumps(index).encode()
    return changed
