"""Stored images: docker save archives, OCI archives and layouts, and archives that are both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployguard.errors import InputError, IntegrityError, LimitError, UnsupportedError
from deployguard.inputs.image import layout, saved
from deployguard.inputs.image.assembly import Assembly
from deployguard.inputs.image.references import qualified
from deployguard.inputs.image.saved import SavedImage
from deployguard.inputs.image.selection import Candidate, chosen
from deployguard.inputs.image.store import ArchiveStore, FolderStore, member, open_store
from deployguard.model.evidence import Location
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.structs import replace

_IMAGES = 1_000


def open_archive(path: str, *, tag: str | None, platform: str | None) -> tuple[Image, ...]:
    """Return the images of a docker save or OCI archive, gzip or zstd around it or not.

    `tag` picks by name, tag, id or digest; `platform` among those of an index. Raises
    NotFoundError, UnreadableError, IntegrityError, LimitError, UnsupportedError, SyntaxInputError
    or AmbiguousError.
    """
    with _explained(path):
        store = open_store(path)
        assembly = Assembly(path, ImageOrigin.ARCHIVE)
        docker = store.part(saved.MANIFEST) is not None
        oci = store.part(layout.INDEX) is not None
        if docker and oci:
            return _opened(_agreed(store, assembly, platform), path, tag)
        if docker:
            images = saved.read(store, path)
            return _opened(saved.candidates(images, store, assembly), path, tag)
        if oci:
            named = layout.read(store, path)
            return _opened(layout.candidates(named, store, assembly, platform), path, tag)
        raise _no_image(store, path)


def open_layout(path: str, *, tag: str | None, platform: str | None) -> tuple[Image, ...]:
    """Return the images of an OCI layout folder; raises as `open_archive` does."""
    with _explained(path):
        store = FolderStore(Path(path))
        assembly = Assembly(path, ImageOrigin.OCI)
        named = layout.read(store, path)
        return _opened(layout.candidates(named, store, assembly, platform), path, tag)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Give an error from below the name of the file, its place and a way out."""
    try:
        yield
    except InputError as error:
        message = error.message if path in error.message else f"{path}: {error.message}"
        hint = error.hint or "write the image anew, for example with docker save or skopeo copy"
        place = error.location or Location(path)
        raise type(error)(message, location=place, hint=hint) from error


def _opened(candidates: Sequence[Candidate], path: str, tag: str | None) -> tuple[Image, ...]:
    found = chosen(candidates, tag, path)
    if len(found) > _IMAGES:
        raise LimitError(
            f"{path} holds more than {_IMAGES} images",
            location=Location(path),
            hint="name those to inspect: FILE:TAG",
        )
    return tuple(one.open_image() for one in found)


def _no_image(store: ArchiveStore, path: str) -> UnsupportedError:
    if store.part("repositories") is not None:
        why = "is of docker save before 1.10, without manifest.json"
        hint = "load it and save it anew: docker load, docker save"
    else:
        why = "is a tar without manifest.json or index.json, so no saved image"
        hint = "docker export loses the image's config; use docker save"
    return UnsupportedError(f"{path} {why}", location=Location(path), hint=hint)


def _agreed(store: ArchiveStore, assembly: Assembly, platform: str | None) -> tuple[Candidate, ...]:
    """Return the images of an archive that is a layout and has manifest.json, as Docker 25 saves.

    One engine loads the one half, another the other, so they must be of the same images.
    """
    path = assembly.path
    images = saved.read(store, path)
    by_config = {image.config_digest: image for image in images}
    by_tag = {qualified(tag): (tag, image) for image in images for tag in image.tags}
    groups: list[layout.Named] = []
    met: set[str] = set()
    for group in layout.read(store, path):
        below = {
            leaf.config_digest: leaf
            for descriptor in group.descriptors
            for leaf in layout.leaves(store, descriptor, path)
        }
        shared = [digest for digest in below if digest in by_config]
        if not shared:
            raise _disagreement(path, "index.json names an image that manifest.json does not")
        for digest in shared:
            _same_layers(by_config[digest], below[digest].layer_digests, path)
        met.update(shared)
        tag, named = by_tag.get(qualified(group.name or ""), (group.name, None))
        if named is not None and named.config_digest not in below:
            raise _disagreement(path, f"they give the name {tag} to different images")
        chosen_one = layout.manifest(group, store, path, platform).config_digest
        if platform is None and chosen_one not in shared:
            raise _disagreement(path, "they are of different platforms")
        groups.append(replace(group, name=tag))
    if met != set(by_config):
        raise _disagreement(path, "manifest.json names an image that index.json does not")
    return layout.candidates(groups, store, assembly, platform)


def _same_layers(image: SavedImage, layers: tuple[str, ...], path: str) -> None:
    names = tuple(member(name) for name in image.layers)
    if names != tuple(f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in layers):
        raise _disagreement(path, "they name different layers for one image")


def _disagreement(path: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"the two halves of {path}, manifest.json and index.json, do not agree: {why}",
        location=Location(path),
        hint="write the archive anew, or choose the platform with --platform",
    )
