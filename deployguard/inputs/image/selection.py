"""Which of several images a user means."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from deployguard.errors import AmbiguousError, NotFoundError
from deployguard.inputs.image.references import id_prefix, qualified, tag_of
from deployguard.model.evidence import Location
from deployguard.model.image import Image

_SHOWN = 5


class Candidate(Struct, frozen=True):
    """An image of an archive or layout, not opened yet.

    `digests` gives those it goes by (manifest's, index's, config's), `open_image` the image; both
    raise InputError.
    """

    reference: str
    digests: Callable[[], frozenset[str]]
    open_image: Callable[[], Image]


def chosen(candidates: Sequence[Candidate], wanted: str | None, path: str) -> tuple[Candidate, ...]:
    """Return the images a user means: all, or those of a name, of a tag, or of an id.

    Raises NotFoundError where there is none, AmbiguousError where an id is too short to tell.
    """
    if not candidates:
        raise NotFoundError(
            f"{path} holds no image", location=Location(path), hint="write the image anew"
        )
    if wanted is None:
        return tuple(candidates)
    by_name = tuple(
        one
        for one in candidates
        if one.reference == wanted or qualified(one.reference) == qualified(wanted)
    )
    by_tag = tuple(
        one
        for one in candidates
        if ":" in one.reference and "@" not in one.reference and tag_of(one.reference) == wanted
    )
    found = by_name or by_tag or _by_id(candidates, wanted, path)
    if not found:
        names = ", ".join(one.reference for one in candidates[:_SHOWN])
        more = " and others" if len(candidates) > _SHOWN else ""
        raise NotFoundError(
            f"{path} holds no image {wanted}",
            location=Location(path),
            hint=f"it holds {names}{more}",
        )
    return found


def _by_id(candidates: Sequence[Candidate], wanted: str, path: str) -> tuple[Candidate, ...]:
    """Return the images whose id or digest begins so."""
    given = id_prefix(wanted.rpartition("@")[2])
    if given is None:
        return ()
    prefix = f"sha256:{given}"
    found: list[Candidate] = []
    matched: set[frozenset[str]] = set()
    for one in candidates:
        digests = one.digests()
        if any(digest.startswith(prefix) for digest in digests):
            found.append(one)
            matched.add(digests)
    if len(matched) > 1:
        raise AmbiguousError(
            f"{len(matched)} images of {path} have an id that begins with {given}",
            location=Location(path),
            hint="write more of it",
        )
    return tuple(found)
