"""The JSON documents of stored images, read as the engines' decoders read them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from deployguard.errors import IntegrityError
from deployguard.model.evidence import Location

# As registries and containerd bound manifests.
DOCUMENT_LIMIT = 4 * 1024 * 1024


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; of a key that stands twice, decoders keep either one, or merge them."""
    made = dict(pairs)
    if len(made) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _TwiceError(f"has the key {twice[:80]!r} twice")
    return made


def parse(data: bytes) -> Any:  # noqa: ANN401  (JSON)
    """Parse a document. Raises ValueError that says what is wrong."""
    try:
        # JSON is UTF-8 (RFC 8259, 8.1); json.loads would guess at UTF-16.
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except _TwiceError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error


def fields(document: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the named fields of an object; engines written in Go take a name in any case.

    Raises ValueError for one that is there in two spellings.
    """
    canonical = {name.lower(): name for name in names}
    found: dict[str, Any] = {}
    for key, value in document.items():
        name = canonical.get(key.lower())
        if name is None:
            continue
        if name in found:
            raise ValueError(f"has the key {name} in two spellings")
        found[name] = value
    return found


def an_object(value: object, what: str, path: str) -> dict[str, Any]:
    """Return a value that must be an object. Raises IntegrityError."""
    if not isinstance(value, dict):
        raise IntegrityError(f"{what} in {path} is no object", location=Location(path))
    return value


def a_list(value: object, what: str, path: str) -> list[Any]:
    """Return a value that must be a list. Raises IntegrityError."""
    if not isinstance(value, list):
        raise IntegrityError(f"{what} in {path} is no list", location=Location(path))
    return value


def document(data: bytes, what: str, path: str) -> Any:  # noqa: ANN401  (JSON)
    """Parse a part of a stored image. Raises IntegrityError."""
    try:
        return parse(data)
    except ValueError as error:
        raise IntegrityError(f"{what} in {path} {error}", location=Location(path)) from error
