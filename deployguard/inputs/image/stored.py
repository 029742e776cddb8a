"""Stored images: docker save archives, OCI archives and layouts (image-spec image-layout.md)."""

import gzip
import json
import platform as machine
import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from deployguard.errors import (
    AmbiguousError,
    IntegrityError,
    LimitError,
    NotFoundError,
    UnreadableError,
    UnsupportedError,
)
from deployguard.inputs.image import config, tar
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob, digest
from deployguard.inputs.image.tar import EntryKind
from deployguard.model.evidence import Location
from deployguard.model.image import Image, ImageOrigin

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_JSON_LIMIT = 8 * 1024 * 1024
_WHOLE_LIMIT = 512 * 1024 * 1024
_NESTING = 4
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_INDEX = ("application/vnd.oci.image.index.v1+json",
          "application/vnd.docker.distribution.manifest.list.v2+json")  # fmt: skip


class Store(Protocol):
    """Named parts of an archive or folder."""

    def part(self, name: str) -> Blob | None:
        """Return a part by its path, None where there is none."""


@dataclass(frozen=True, slots=True)
class ArchiveStore:
    """The members of a tar, links among them followed."""

    parts: Mapping[str, Blob]
    links: Mapping[str, str]

    def part(self, name: str) -> Blob | None:
        """Return a member by its normalised path."""
        for _ in range(_NESTING):
            if name not in self.links:
                break
            name = self.links[name]
        return self.parts.get(name)


@dataclass(frozen=True, slots=True)
class FolderStore:
    """The files of a folder; links out of it are not followed."""

    root: Path

    def part(self, name: str) -> Blob | None:
        """Return a file by its path below the folder."""
        path = self.root / name
        try:
            if not path.is_file() or not path.resolve().is_relative_to(self.root.resolve()):
                return None
            return Blob(str(path), 0, path.stat().st_size)
        except OSError as error:
            raise UnreadableError(f"cannot read {path}: {error.strerror}") from error


def open_archive(path: str, *, tag: str | None, platform: str | None) -> tuple[Image, ...]:
    """Return the images of a docker save or OCI archive, gzip around it or not.

    `tag` picks one of several. Raises NotFoundError, UnreadableError, IntegrityError, LimitError,
    UnsupportedError or AmbiguousError.
    """
    store = _archive(_unwrapped(path))
    if store.part("manifest.json") is not None:
        return _chosen(tuple(_saved(store, path)), path, tag)
    if store.part("index.json") is not None:
        return _chosen(tuple(_layout(store, path, ImageOrigin.ARCHIVE, platform)), path, tag)
    raise UnsupportedError(
        f"{path} is a tar without manifest.json or index.json, so no saved image",
        location=Location(path),
        hint="docker export loses the image's config; use docker save",
    )


def open_layout(path: str, *, tag: str | None, platform: str | None) -> tuple[Image, ...]:
    """Return the images of an OCI layout folder; raises as `open_archive` does."""
    store = FolderStore(Path(path))
    if store.part("index.json") is None:
        raise UnsupportedError(
            f"{path} has no index.json, so it is no OCI layout", location=Location(path)
        )
    return _chosen(tuple(_layout(store, path, ImageOrigin.OCI, platform)), path, tag)


def _unwrapped(path: str) -> Blob:
    """Return the archive's bytes; one packed as a whole is unpacked into memory, bounded."""
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="check the path") from error
    except OSError as error:
        raise UnreadableError(
            f"cannot read {path}: {error.strerror}", hint="check its permissions"
        ) from error
    if not packed:
        return Blob(path, 0, size)
    try:
        with gzip.open(path) as file:
            data = file.read(_WHOLE_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError(
            f"{path} is a damaged gzip file", location=Location(path), hint="write it anew"
        ) from error
    if len(data) > _WHOLE_LIMIT:
        raise LimitError(
            f"{path} unpacks to more than 512 MiB",
            location=Location(path),
            hint="unpack it first: gunzip",
        )
    return Blob(path, 0, len(data), data=data)


def _archive(blob: Blob) -> ArchiveStore:
    parts: dict[str, Blob] = {}
    links: dict[str, str] = {}
    source = _Seeking(blob)
    try:
        for entry in tar.entries(source):
            name = posixpath.normpath("/" + entry.name).lstrip("/")
            if entry.kind is EntryKind.FILE:
                _check_end(entry, name, blob)
                parts[name] = Blob(
                    blob.path, blob.offset + entry.offset, entry.size, data=blob.data
                )
            elif entry.kind is EntryKind.SYMLINK:
                links[name] = posixpath.normpath(
                    posixpath.join("/", posixpath.dirname(name), entry.link)
                ).lstrip("/")
            elif entry.kind is EntryKind.HARDLINK:
                links[name] = posixpath.normpath("/" + entry.link).lstrip("/")
    except IntegrityError as error:
        raise IntegrityError(
            f"{blob.path}: {error.message}", location=Location(blob.path), hint=error.hint
        ) from error
    finally:
        source.close()
    return ArchiveStore(parts, links)


def _check_end(entry: tar.Entry, name: str, blob: Blob) -> None:
    if entry.offset + entry.size > blob.size:
        raise IntegrityError(f"it ends in the middle of {name}", hint="write the archive anew")


class _Seeking:
    """A `tar.Source` over a file in which passing over costs nothing."""

    def __init__(self, blob: Blob) -> None:
        self._file = blob.open()
        self._start = self._file.tell()
        self._size = blob.size
        self.position = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(max(0, min(size, self._size - self.position)))
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        self.position += size
        self._file.seek(self._start + min(self.position, self._size))

    def close(self) -> None:
        self._file.close()


def _json(store: Store, name: str, path: str, blob: Blob | None = None) -> Any:  # noqa: ANN401
    found = blob or store.part(name)
    if found is None:
        raise IntegrityError(
            f"{path} has no {name}, though it is named in it",
            location=Location(path),
            hint="write the archive anew",
        )
    try:
        return json.loads(found.read(_JSON_LIMIT))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{name} in {path} is not JSON", location=Location(path)) from error


def _object(value: object, what: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise IntegrityError(f"{what} in {path} is no object", location=Location(path))
    return value


def _list(value: object, what: str, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise IntegrityError(f"{what} in {path} is no list", location=Location(path))
    return value


def _saved(store: Store, path: str) -> Iterator[Image]:
    """Read manifest.json of docker save, in its old layout and its new one."""
    for item in _list(_json(store, "manifest.json", path), "manifest.json", path):
        entry = _object(item, "an entry of manifest.json", path)
        tags = [tag for tag in entry.get("RepoTags") or [] if isinstance(tag, str)]
        reference = tags[0] if tags else Path(path).name
        name = posixpath.normpath("/" + str(entry.get("Config"))).lstrip("/")
        blob = store.part(name)
        data = b"" if blob is None else blob.read(_JSON_LIMIT)
        if blob is None:
            raise IntegrityError(f"{path} has no image config {name}", location=Location(path))
        parsed = config.parse(data, reference)
        config_digest = digest(data)
        # Old and new layout name the config by its digest: "HEX.json" or "blobs/sha256/HEX".
        named = posixpath.basename(name).removesuffix(".json")
        if re.fullmatch(r"[0-9a-f]{64}", named) and f"sha256:{named}" != config_digest:
            raise IntegrityError(
                f"the image config in {path} is not what its name says", location=Location(path)
            )
        blobs = [
            _part(store, str(layer), path)
            for layer in _list(entry.get("Layers") or [], "Layers", path)
        ]
        image = _image(reference, ImageOrigin.ARCHIVE, parsed, blobs, path)
        yield replace(image, config_digest=config_digest)
        for tag in tags[1:]:
            yield replace(image, config_digest=config_digest, reference=tag, name=repository(tag))


def _part(store: Store, name: str, path: str) -> Blob:
    found = store.part(posixpath.normpath("/" + name).lstrip("/"))
    if found is None:
        raise IntegrityError(
            f"{path} has no {name}, though its manifest names it",
            location=Location(path),
            hint="write the archive anew",
        )
    named = re.fullmatch(r"blobs/sha256/([0-9a-f]{64})", name)
    return replace(found, digest=f"sha256:{named[1]}") if named else found


def repository(reference: str) -> str:
    """Return a reference without tag and digest."""
    name = reference.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def _image(
    reference: str,
    origin: ImageOrigin,
    parsed: config.ParsedConfig,
    blobs: list[Blob],
    path: str,
) -> Image:
    if len(blobs) != len(parsed.diff_ids):
        raise IntegrityError(
            f"an image in {path} has {len(blobs)} layers and {len(parsed.diff_ids)} diff_ids",
            location=Location(path),
        )
    layers = [Layer(blob, diff) for blob, diff in zip(blobs, parsed.diff_ids, strict=True)]
    return Image(
        reference=reference,
        name=repository(reference),
        origin=origin,
        config=parsed.config,
        files=LayeredFilesystem(layers, reference),
        platform=parsed.platform,
    )


def _layout(store: Store, path: str, origin: ImageOrigin, platform: str | None) -> Iterator[Image]:
    index = _object(_json(store, "index.json", path), "index.json", path)
    for item in _list(index.get("manifests") or [], "manifests", path):
        descriptor = _object(item, "a descriptor", path)
        notes = descriptor.get("annotations")
        named = notes.get(_CONTAINERD_NAME) or notes.get(_REF_NAME) if notes else None
        reference = named if isinstance(named, str) else Path(path).name
        manifest, manifest_digest = _manifest(store, descriptor, path, platform)
        part = _object(manifest.get("config"), "the config's descriptor", path)
        data = _blob(store, part, path).read(_JSON_LIMIT)
        parsed = config.parse(data, reference)
        blobs = [
            _blob(store, _object(layer, "a layer's descriptor", path), path)
            for layer in _list(manifest.get("layers") or [], "layers", path)
        ]
        image = _image(reference, origin, parsed, blobs, path)
        yield replace(image, digest=manifest_digest, config_digest=str(part["digest"]))


def _manifest(
    store: Store, descriptor: dict[str, Any], path: str, platform: str | None
) -> tuple[dict[str, Any], str]:
    """Follow indexes down to the manifest of the platform."""
    for _ in range(_NESTING):
        blob = _blob(store, descriptor, path)
        found = _object(_json(store, "a manifest", path, blob), "a manifest", path)
        media = found.get("mediaType") or descriptor.get("mediaType")
        if media not in _INDEX and "manifests" not in found:
            return found, str(descriptor["digest"])
        below = [
            _object(item, "a descriptor", path)
            for item in _list(found.get("manifests") or [], "manifests", path)
        ]
        descriptor = _for_platform(below, path, platform)
    raise LimitError(f"the indexes in {path} lie too deep", location=Location(path))


def _for_platform(
    descriptors: list[dict[str, Any]], path: str, wanted: str | None
) -> dict[str, Any]:
    """Choose the platform asked for, else the host's, else the only one."""
    named: dict[str, dict[str, Any]] = {
        _platform(item): item for item in reversed(descriptors) if _runs(item)
    }
    for choice in (wanted,) if wanted else (_host(), None):
        for name, item in named.items():
            if choice is not None and (name == choice or name.startswith(f"{choice}/")):
                return item
    if wanted is None and len(named) == 1:
        return next(iter(named.values()))
    raise AmbiguousError(
        f"{path} holds the platforms {', '.join(sorted(named)) or 'of nothing'}",
        location=Location(path),
        hint="choose one with --platform",
    )


def _runs(descriptor: Mapping[str, Any]) -> bool:
    """Say whether a descriptor is of an image: BuildKit's attestations have no platform."""
    return not _platform(descriptor).startswith("unknown")


def _platform(descriptor: Mapping[str, Any]) -> str:
    given = descriptor.get("platform")
    if not isinstance(given, dict):
        return "unnamed"
    parts: Iterable[object] = (given.get("os"), given.get("architecture"), given.get("variant"))
    return "/".join(str(part) for part in parts if part)


def _host() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"linux/{names.get(machine.machine(), machine.machine())}"


def _blob(store: Store, descriptor: Mapping[str, Any], path: str) -> Blob:
    """Return the blob a descriptor names, its size compared; its digest is when it is read."""
    named, size = descriptor.get("digest"), descriptor.get("size")
    if not isinstance(named, str) or not _DIGEST.match(named):
        raise IntegrityError(
            f"{path} names a part by a digest that is no sha256", location=Location(path)
        )
    found = store.part(f"blobs/sha256/{named.removeprefix('sha256:')}")
    if found is None:
        raise IntegrityError(
            f"{path} has no blob {named[:19]}...",
            location=Location(path),
            hint="write the image anew",
        )
    if found.size != size:
        raise IntegrityError(
            f"a blob in {path} has {found.size} bytes and should have {size}",
            location=Location(path),
        )
    return replace(found, digest=named)


def _chosen(images: tuple[Image, ...], path: str, tag: str | None) -> tuple[Image, ...]:
    if not images:
        raise NotFoundError(f"{path} holds no image", location=Location(path))
    if tag is None:
        return images
    found = tuple(
        image for image in images if tag in {image.reference, image.reference.rpartition(":")[2]}
    )
    if not found:
        names = ", ".join(image.reference for image in images[:5])
        raise NotFoundError(
            f"{path} holds no image {tag}", location=Location(path), hint=f"it holds {names}"
        )
    return found
