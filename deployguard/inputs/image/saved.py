"""manifest.json of docker save, in the layouts before and since Docker 25."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from deployguard.errors import IntegrityError
from deployguard.inputs.image.assembly import Assembly, verified
from deployguard.inputs.image.documents import (
    DOCUMENT_LIMIT,
    a_list,
    an_object,
    document,
    fields,
)
from deployguard.inputs.image.selection import Candidate
from deployguard.inputs.image.store import Store, member
from deployguard.inputs.image.streams import Blob, digest
from deployguard.model.evidence import Location

MANIFEST = "manifest.json"
_FIELDS = ("Config", "RepoTags", "Layers")
# "HEX.json" before Docker 25, "blobs/sha256/HEX" since, "sha256:HEX" by go-containerregistry. Other
# tools use other names, which promise nothing.
_NAMED = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?\Z")
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})\Z")


class SavedImage(Struct, frozen=True, kw_only=True):
    """One entry of manifest.json; `layers` are the names of its members."""

    tags: tuple[str, ...]
    config: bytes
    config_digest: str
    layers: tuple[str, ...]


def read(store: Store, path: str) -> tuple[SavedImage, ...]:
    """Read manifest.json and the configs it names. Raises IntegrityError, LimitError."""
    blob = store.part(MANIFEST)
    if blob is None:
        return ()
    entries = a_list(document(blob.read(DOCUMENT_LIMIT), MANIFEST, path), MANIFEST, path)
    return tuple(
        _entry(store, an_object(item, "an entry of manifest.json", path), path) for item in entries
    )


def _entry(store: Store, item: Mapping[str, Any], path: str) -> SavedImage:
    try:
        found = fields(item, _FIELDS)
    except ValueError as error:
        raise IntegrityError(f"{MANIFEST} in {path} {error}", location=Location(path)) from error
    name = found.get("Config")
    if not isinstance(name, str):
        raise IntegrityError(f"{MANIFEST} in {path} names no config", location=Location(path))
    data = _part(store, name, path).read(DOCUMENT_LIMIT)
    named = _NAMED.match(member(name))
    if named is not None and f"sha256:{named[1]}" != digest(data):
        raise IntegrityError(
            f"the image config in {path} is not what its name says",
            location=Location(path),
            hint="write the archive anew",
        )
    return SavedImage(
        tags=_texts(found.get("RepoTags"), "RepoTags", path),
        config=data,
        config_digest=digest(data),
        layers=_texts(found.get("Layers"), "Layers", path),
    )


def _texts(value: object, what: str, path: str) -> tuple[str, ...]:
    texts = a_list(value or [], what, path)
    if not all(isinstance(text, str) for text in texts):
        raise IntegrityError(f"{what} in {path} holds more than texts", location=Location(path))
    return tuple(texts)


def candidates(
    saved: tuple[SavedImage, ...], store: Store, assembly: Assembly
) -> tuple[Candidate, ...]:
    """Return an image for each tag, and one for an entry without tags."""
    path = assembly.path
    alone = len(saved) == 1
    found: list[Candidate] = []
    for entry in saved:
        blobs = [_layer(store, name, path) for name in entry.layers]
        file = Path(path).name
        names = entry.tags or (file if alone else f"{file}@{entry.config_digest}",)
        found.extend(_candidate(name, entry, blobs, assembly) for name in names)
    return tuple(found)


def _candidate(
    reference: str, entry: SavedImage, blobs: list[Blob], assembly: Assembly
) -> Candidate:
    return Candidate(
        reference,
        lambda: frozenset({entry.config_digest}),
        lambda: assembly.image(reference, entry.config, blobs),
    )


def _layer(store: Store, name: str, path: str) -> Blob:
    found = _part(store, name, path)
    named = _BLOB.match(member(name))
    return verified(found, f"sha256:{named[1]}") if named else found


def _part(store: Store, name: str, path: str) -> Blob:
    found = store.part(member(name))
    if found is None:
        raise IntegrityError(
            f"{path} has no {name}, though its manifest names it",
            location=Location(path),
            hint="write the archive anew",
        )
    return found
