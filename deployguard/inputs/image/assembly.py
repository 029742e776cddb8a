"""A stored image put together out of its config and its layers' blobs."""

import re
from collections.abc import Sequence

from msgspec import Struct, field

from deployguard.errors import IntegrityError
from deployguard.inputs.image import config
from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.references import repository
from deployguard.inputs.image.streams import Blob, digest
from deployguard.model.evidence import Location
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.structs import replace

DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Assembly(Struct):
    """Makes the images of one archive or layout; what has several names is read once."""

    path: str
    origin: ImageOrigin
    _files: dict[tuple[str, tuple[Blob, ...]], LayeredFilesystem] = field(default_factory=dict)

    def image(
        self, reference: str, data: bytes, blobs: Sequence[Blob], manifest: str | None = None
    ) -> Image:
        """Return the image of a config; `manifest` is its manifest's digest where one is known.

        Raises SyntaxInputError for a config that cannot be read, IntegrityError where it does not
        fit the layers.
        """
        parsed = config.parse(data, reference)
        diff_ids = parsed.diff_ids
        if len(blobs) != len(diff_ids):
            raise IntegrityError(
                f"an image in {self.path} has {len(blobs)} layers and {len(diff_ids)} diff_ids",
                location=Location(self.path),
                hint="write the image anew",
            )
        if not all(DIGEST.match(diff_id) for diff_id in diff_ids):
            raise IntegrityError(
                f"an image in {self.path} has a diff_id that is no sha256",
                location=Location(self.path),
            )
        key = (digest(data), tuple(blobs))
        if key not in self._files:
            layers = [Layer(blob, diff_id) for blob, diff_id in zip(blobs, diff_ids, strict=True)]
            self._files[key] = LayeredFilesystem(layers, reference)
        return Image(
            reference=reference,
            name=repository(reference),
            origin=self.origin,
            config=parsed.config,
            files=self._files[key].named(reference),
            digest=manifest,
            config_digest=digest(data),
            platform=parsed.platform,
        )


def verified(blob: Blob, named: str) -> Blob:
    """Return a blob that must hash to a digest when it is read."""
    return replace(blob, digest=named)
