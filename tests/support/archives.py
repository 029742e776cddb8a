"""Tars with every byte of a header under control, and stored images made of them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \0"
V7 = bytes(8)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

Named = str | bytes


def _bytes(text: Named) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def octal(value: int, width: int) -> bytes:
    """Return a number as ustar writes it."""
    return f"{value:0{width - 1}o}\0".encode()


def base256(value: int, width: int) -> bytes:
    """Return a number as GNU tar writes what octal cannot hold."""
    return (value % (1 << (8 * width)) | 1 << (8 * width - 1)).to_bytes(width, "big")


def header(
    name: Named,
    kind: str = "0",
    size: int = 0,
    *,
    mode: int = 0o644,
    link: Named = "",
    magic: bytes = USTAR,
    patches: Mapping[int, bytes] | None = None,
    checksum: bytes | None = None,
) -> bytes:
    """Return one header block; `patches` overwrites bytes at offsets before the checksum is set."""
    block = bytearray(BLOCK)
    fields = {
        0: _bytes(name)[:100],
        100: octal(mode, 8),
        108: octal(0, 8),
        116: octal(0, 8),
        124: octal(size, 12) if 0 <= size < 1 << 33 else base256(size, 12),
        136: octal(1_700_000_000, 12),
        156: kind.encode("latin-1"),
        157: _bytes(link)[:100],
        257: magic,
        **(patches or {}),
    }
    for offset, value in fields.items():
        block[offset : offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = checksum if checksum is not None else f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def padded(data: bytes) -> bytes:
    """Fill up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def pax(records: Mapping[str, Named] | Sequence[tuple[str, Named]], kind: str = "x") -> bytes:
    """Return an extended header, of the next member or ("g") global."""
    pairs = records.items() if isinstance(records, Mapping) else records
    data = b"".join(_record(key, _bytes(value)) for key, value in pairs)
    return header("pax", kind, len(data)) + padded(data)


def _record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def gnu_long(name: Named, kind: str = "L") -> bytes:
    """Return GNU tar's header for a long name ("L") or link ("K")."""
    data = _bytes(name) + b"\0"
    return header("././@LongLink", kind, len(data), magic=GNU) + padded(data)


def file(
    name: Named,
    text: Named = "",
    *,
    magic: bytes = USTAR,
    patches: Mapping[int, bytes] | None = None,
) -> bytes:
    """Return a regular file; a name that does not fit goes into a pax header."""
    data = _bytes(text)
    return _long(name) + header(name, "0", len(data), magic=magic, patches=patches) + padded(data)


def folder(name: Named, mode: int = 0o755) -> bytes:
    return _long(name) + header(name, "5", mode=mode)


def symlink(name: Named, target: Named) -> bytes:
    return _long(name, target) + header(name, "2", link=target, mode=0o777)


def hardlink(name: Named, target: Named) -> bytes:
    return _long(name, target) + header(name, "1", link=target)


def device(name: Named, kind: str = "3", major: int = 1, minor: int = 3) -> bytes:
    return header(name, kind, patches={329: octal(major, 8), 337: octal(minor, 8)})


def whiteout(path: str) -> bytes:
    parent, slash, name = path.rpartition("/")
    return file(f"{parent}{slash}.wh.{name}")


def opaque(path: str) -> bytes:
    return file(f"{path}/.wh..wh..opq".lstrip("/"))


def _long(name: Named, link: Named = "") -> bytes:
    records = {"path": _bytes(name), "linkpath": _bytes(link)}
    long = {key: value for key, value in records.items() if len(value) > 100}
    return pax(long) if long else b""


def tape(*members: bytes, end: bytes = END) -> bytes:
    """Return a whole tar."""
    return b"".join(members) + end


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class StoredImage:
    """An image to be stored: its uncompressed layers, what packs each, and its config."""

    layers: tuple[bytes, ...]
    tags: tuple[str, ...] = ("acme/shop:1",)
    config: Mapping[str, Any] = field(default_factory=lambda: {"Cmd": ["flask", "run"]})
    platform: str = "linux/amd64"
    pack: Callable[[bytes], bytes] = bytes

    @property
    def config_bytes(self) -> bytes:
        system, architecture, *variant = self.platform.split("/")
        whole = {
            "architecture": architecture,
            "os": system,
            **({"variant": variant[0]} if variant else {}),
            "config": self.config,
            "created": "2023-11-14T22:13:20Z",
            "history": [{"created_by": "test"} for _ in self.layers],
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
        }
        return json.dumps(whole).encode()

    def tagged(self, *tags: str) -> "StoredImage":
        return replace(self, tags=tags)


Parts = dict[str, bytes]


def old_save(*images: StoredImage) -> Parts:
    """Return the members of `docker save` before 25: a folder for each layer, equal ones linked.

    A value that begins with "-> " stands for a symbolic link.
    """
    parts: Parts = {}
    entries: list[dict[str, Any]] = []
    first: dict[str, str] = {}
    for number, image in enumerate(images):
        names = []
        for index, layer in enumerate(image.layers):
            made = hashlib.sha256(f"{number}/{index}".encode()).hexdigest()
            name = f"{made}/layer.tar"
            parts[f"{made}/VERSION"] = b"1.0"
            parts[f"{made}/json"] = json.dumps({"id": made}).encode()
            same = first.setdefault(digest(layer), name)
            parts[name] = layer if same == name else f"-> ../{same}".encode()
            names.append(name)
        config = f"{digest(image.config_bytes)[7:]}.json"
        parts[config] = image.config_bytes
        entries.append({"Config": config, "RepoTags": list(image.tags) or None, "Layers": names})
    parts["manifest.json"] = json.dumps(entries).encode()
    return parts


def put(parts: Parts, data: bytes, media: str, **fields: object) -> dict[str, Any]:
    """Add a blob; return its descriptor."""
    parts[f"blobs/sha256/{digest(data)[7:]}"] = data
    return {"mediaType": media, "digest": digest(data), "size": len(data), **fields}


def put_manifest(parts: Parts, image: StoredImage, **fields: object) -> dict[str, Any]:
    """Add an image's blobs; return the descriptor of its manifest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(parts, image.config_bytes, CONFIG),
        "layers": [put(parts, image.pack(layer), LAYER) for layer in image.layers],
    }
    system, architecture, *variant = image.platform.split("/")
    platform = {"os": system, "architecture": architecture}
    if variant:
        platform["variant"] = variant[0]
    return put(parts, json.dumps(manifest).encode(), MANIFEST, platform=platform, **fields)


def put_index(
    parts: Parts, manifests: Sequence[Mapping[str, Any]], **fields: object
) -> dict[str, Any]:
    """Add an index over descriptors; return its descriptor."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
    return put(parts, json.dumps(index).encode(), INDEX, **fields)


def finish_layout(parts: Parts, manifests: Sequence[Mapping[str, Any]]) -> Parts:
    """Add index.json and oci-layout."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
    parts["index.json"] = json.dumps(index).encode()
    parts["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    return parts


def named(tag: str) -> dict[str, str]:
    """Return the annotations of an image's name, as containerd and docker save write them."""
    return {
        "io.containerd.image.name": tag,
        "org.opencontainers.image.ref.name": tag.rpartition(":")[2],
    }


def layout(*images: StoredImage) -> Parts:
    """Return the files of an OCI layout, a descriptor for each tag."""
    parts: Parts = {}
    manifests = []
    for image in images:
        for tag in image.tags or (None,):
            notes = {"annotations": named(tag)} if tag else {}
            manifests.append(put_manifest(parts, image, **notes))
    return finish_layout(parts, manifests)


def hybrid(*images: StoredImage) -> Parts:
    """Return the members of `docker save` from 25 on: an OCI layout with manifest.json beside."""
    parts = layout(*images)
    entries = [
        {
            "Config": f"blobs/sha256/{digest(image.config_bytes)[7:]}",
            "RepoTags": list(image.tags) or None,
            "Layers": [f"blobs/sha256/{digest(image.pack(one))[7:]}" for one in image.layers],
        }
        for image in images
    ]
    parts["manifest.json"] = json.dumps(entries).encode()
    return parts


def archived(parts: Parts) -> bytes:
    """Return parts as a tar, in the order of their names as docker save writes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, data in sorted(parts.items()):
            info = tarfile.TarInfo(name)
            if data.startswith(b"-> "):
                info.type, info.linkname = tarfile.SYMTYPE, data[3:].decode()
                made.addfile(info)
            else:
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def spread(path: Path, parts: Parts) -> str:
    """Write parts as the files of a folder."""
    for name, data in parts.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return str(path)


def packed(data: bytes) -> bytes:
    """Return gzip of two members, with the padding that tapes add."""
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + bytes(100)
