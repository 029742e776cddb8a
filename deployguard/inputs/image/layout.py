"""OCI image layouts (image-spec image-layout.md): index.json, indexes below it, and manifests."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from deployguard.errors import AmbiguousError, IntegrityError, LimitError, UnsupportedError
from deployguard.inputs.image import platforms
from deployguard.inputs.image.assembly import DIGEST, Assembly, verified
from deployguard.inputs.image.documents import DOCUMENT_LIMIT, a_list, an_object, document
from deployguard.inputs.image.selection import Candidate
from deployguard.inputs.image.store import Store
from deployguard.inputs.image.streams import Blob
from deployguard.model.evidence import Location
from deployguard.model.image import Image

INDEX = "index.json"
LAYOUT = "oci-layout"
_NESTING = 4
_MANIFESTS = 10_000
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)

Descriptor = Mapping[str, Any]


class Named(Struct, frozen=True):
    """The descriptors of index.json that go by one name; None where they have none."""

    name: str | None
    descriptors: tuple[Descriptor, ...]


class Manifest(Struct, frozen=True):
    """A manifest of an image: its digest, the document, and the descriptor that led to it."""

    digest: str
    document: Mapping[str, Any]
    descriptor: Descriptor

    @property
    def config_digest(self) -> str:
        """Return the digest of the config it names."""
        return str(self.document["config"]["digest"])

    @property
    def layer_digests(self) -> tuple[str, ...]:
        """Return the digests of the layers it names."""
        return tuple(str(layer.get("digest")) for layer in self.document["layers"])


def read(store: Store, path: str) -> tuple[Named, ...]:
    """Read index.json: what is about an image rather than one is left out.

    Raises UnsupportedError where there is no layout of a known version, IntegrityError.
    """
    _check_version(store, path)
    index = _index(store, path)
    listed = [an_object(item, "a descriptor", path) for item in index]
    if len(listed) > _MANIFESTS:
        raise LimitError(f"{path} names more than {_MANIFESTS} manifests", location=Location(path))
    groups: dict[str | None, list[Descriptor]] = {}
    for descriptor in listed:
        if not platforms.is_attachment(descriptor):
            groups.setdefault(_name(descriptor, path), []).append(descriptor)
    found: list[Named] = []
    for name, descriptors in groups.items():
        distinct = list({_digest(one, path): one for one in reversed(descriptors)}.values())[::-1]
        if name is None and not _differ(distinct):
            found.extend(Named(None, (one,)) for one in distinct)
        else:
            found.append(Named(name, tuple(distinct)))
    return tuple(found)


def _check_version(store: Store, path: str) -> None:
    blob = store.part(LAYOUT)
    if blob is None:
        raise UnsupportedError(
            f"{path} has no oci-layout, so it is no OCI layout",
            location=Location(path),
            hint="write it anew, for example: skopeo copy",
        )
    found = an_object(document(blob.read(DOCUMENT_LIMIT), LAYOUT, path), LAYOUT, path)
    version = found.get("imageLayoutVersion")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise UnsupportedError(
            f"{path} is an OCI layout of version {version!r}; 1.0.0 is read",
            location=Location(path),
        )


def _index(store: Store, path: str) -> list[Any]:
    blob = store.part(INDEX)
    if blob is None:
        raise UnsupportedError(
            f"{path} has no index.json, so it is no OCI layout", location=Location(path)
        )
    index = an_object(document(blob.read(DOCUMENT_LIMIT), INDEX, path), INDEX, path)
    return a_list(index.get("manifests") or [], "manifests", path)


def _name(descriptor: Descriptor, path: str) -> str | None:
    notes = an_object(descriptor.get("annotations") or {}, "annotations", path)
    named = notes.get(_CONTAINERD_NAME) or notes.get(_REF_NAME)
    return named if isinstance(named, str) else None


def _differ(descriptors: Iterable[Descriptor]) -> bool:
    """Say whether descriptors are of one image on several platforms, not of several images."""
    names = [platforms.platform_of(one) for one in descriptors]
    return None not in names and len(set(names)) == len(names)


def candidates(
    named: Iterable[Named], store: Store, assembly: Assembly, platform: str | None
) -> tuple[Candidate, ...]:
    """Return an image for each name, and one for each that has none."""
    groups = tuple(named)
    file = Path(assembly.path).name
    found: list[Candidate] = []
    for group in groups:
        digest = _digest(group.descriptors[0], assembly.path)
        unnamed = file if len(groups) == 1 else f"{file}@{digest}"
        found.append(_candidate(group, group.name or unnamed, store, assembly, platform))
    return tuple(found)


def _candidate(
    group: Named, reference: str, store: Store, assembly: Assembly, platform: str | None
) -> Candidate:
    path = assembly.path

    def digests() -> frozenset[str]:
        below = [leaf for one in group.descriptors for leaf in leaves(store, one, path)]
        roots = {_digest(one, path) for one in group.descriptors}
        return frozenset(roots | {m.digest for m in below} | {m.config_digest for m in below})

    def open_image() -> Image:
        return _image(reference, manifest(group, store, path, platform), store, assembly)

    return Candidate(reference, digests, open_image)


def _image(reference: str, found: Manifest, store: Store, assembly: Assembly) -> Image:
    path = assembly.path
    part = found.document["config"]
    data = _blob(store, part, path).read(DOCUMENT_LIMIT)
    media = part.get("mediaType")
    whole = document(data, "the image config", path) if media not in _CONFIGS else None
    # Media types lie; a config of an image says what its layers are.
    if media not in _CONFIGS and not (isinstance(whole, dict) and "rootfs" in whole):
        raise UnsupportedError(
            f"{reference} in {path} is no image but {media or 'something without a type'}",
            location=Location(path),
            hint="name the image to inspect: FILE:TAG",
        )
    blobs = [_layer(store, layer, path) for layer in found.document["layers"]]
    image = assembly.image(reference, data, blobs, found.digest)
    said = platforms.platform_of(found.descriptor)
    if said is not None and not _same(said, image.platform):
        raise IntegrityError(
            f"{reference} in {path} is of {image.platform}, though its index says {said}",
            location=Location(path),
            hint="write the image anew",
        )
    return image


def _same(said: str, real: str) -> bool:
    """Compare platforms without their variants, which configs often leave out."""
    return platforms.normal(said).split("/")[:2] == platforms.normal(real).split("/")[:2]


def _layer(store: Store, descriptor: Descriptor, path: str) -> Blob:
    media = str(descriptor.get("mediaType"))
    if media.endswith("+encrypted"):
        raise UnsupportedError(
            f"an image in {path} has encrypted layers",
            location=Location(path),
            hint="decrypt it first, for example: skopeo copy --decryption-key KEY",
        )
    if descriptor.get("urls") and _found(store, descriptor, path) is None:
        raise UnsupportedError(
            f"an image in {path} has a layer that lies elsewhere, and what lies elsewhere is never"
            " fetched",
            location=Location(path),
            hint="write the image anew with all its layers",
        )
    return _blob(store, descriptor, path)


def manifest(group: Named, store: Store, path: str, platform: str | None) -> Manifest:
    """Follow indexes down to the manifest of the platform. Raises InputError."""
    descriptors = list(group.descriptors)
    for depth in range(_NESTING):
        if len(descriptors) > 1 and not _differ(descriptors) and group.name is not None:
            _check_one(descriptors, group.name, path)
        descriptor = descriptors[0]
        offered = [platforms.platform_of(one) for one in descriptors]
        # A lone image is judged whatever it is of; one in an index only for what was asked for.
        if len(descriptors) > 1 or (depth and offered != [None]):
            descriptor = descriptors[platforms.choose(offered, platform, path)]
        found = _document(store, descriptor, path)
        if "manifests" not in found:
            return _manifest(descriptor, found, path)
        descriptors = _images(found, path)
        if not descriptors:
            raise UnsupportedError(f"an index in {path} holds no image", location=Location(path))
    raise LimitError(f"the indexes in {path} lie too deep", location=Location(path))


def _check_one(descriptors: list[Descriptor], name: str, path: str) -> None:
    if len({platforms.platform_of(one) for one in descriptors}) < len(descriptors):
        raise AmbiguousError(
            f"{path} gives the name {name} to {len(descriptors)} images",
            location=Location(path),
            hint="name one by its digest: FILE:sha256:...",
        )


def leaves(store: Store, descriptor: Descriptor, path: str) -> Iterator[Manifest]:
    """Yield the manifests of images below a descriptor; what an index names need not be there."""
    pending = [(descriptor, 0)]
    count = 0
    while pending:
        current, depth = pending.pop()
        count += 1
        if depth > _NESTING or count > _MANIFESTS:
            raise LimitError(f"the indexes in {path} lie too deep", location=Location(path))
        if depth and _found(store, current, path) is None:
            continue
        found = _document(store, current, path)
        if "manifests" in found:
            pending.extend((below, depth + 1) for below in reversed(_images(found, path)))
        else:
            yield _manifest(current, found, path)


def _images(index: Mapping[str, Any], path: str) -> list[Descriptor]:
    below = [
        an_object(item, "a descriptor", path)
        for item in a_list(index.get("manifests"), "manifests", path)
    ]
    return [one for one in below if not platforms.is_attachment(one)]


def _document(store: Store, descriptor: Descriptor, path: str) -> dict[str, Any]:
    data = _blob(store, descriptor, path).read(DOCUMENT_LIMIT)
    found = an_object(document(data, "a manifest", path), "a manifest", path)
    if found.get("schemaVersion") == 1:
        raise UnsupportedError(
            f"{path} holds a manifest of schema 1, which is long out of use",
            location=Location(path),
            hint="write the image anew with a current tool",
        )
    if "manifests" in found and ("layers" in found or "config" in found):
        # Which of the two it is differs from reader to reader (CVE-2021-41190).
        raise IntegrityError(f"a manifest in {path} is an index as well", location=Location(path))
    return found


def _manifest(descriptor: Descriptor, found: dict[str, Any], path: str) -> Manifest:
    part = an_object(found.get("config"), "the config's descriptor", path)
    _digest(part, path)
    layers = a_list(found.get("layers") or [], "layers", path)
    checked = [an_object(layer, "a layer's descriptor", path) for layer in layers]
    whole = {**found, "config": part, "layers": checked}
    return Manifest(_digest(descriptor, path), whole, descriptor)


def _digest(descriptor: Descriptor, path: str) -> str:
    """Return the digest of a descriptor; only sha256 is known, and no path is made of another."""
    named = descriptor.get("digest")
    if not isinstance(named, str) or not DIGEST.match(named):
        raise IntegrityError(
            f"{path} names a part by a digest that is no sha256", location=Location(path)
        )
    return named


def _found(store: Store, descriptor: Descriptor, path: str) -> Blob | None:
    return store.part(f"blobs/sha256/{_digest(descriptor, path).removeprefix('sha256:')}")


def _blob(store: Store, descriptor: Descriptor, path: str) -> Blob:
    """Return the blob a descriptor names, its size compared; its digest is when it is read."""
    named = _digest(descriptor, path)
    found = _found(store, descriptor, path)
    if found is None:
        raise IntegrityError(
            f"{path} has no blob {named[:19]}...",
            location=Location(path),
            hint="write the image anew, or choose a platform that is in it with --platform",
        )
    size = descriptor.get("size")
    if isinstance(size, bool) or found.size != size:
        raise IntegrityError(
            f"a blob in {path} has {found.size} bytes and should have {size}",
            location=Location(path),
            hint="write the image anew",
        )
    return verified(found, named)
