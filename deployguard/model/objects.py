"""Objects that a workload refers to, and where they are asked for."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, field

from deployguard.model.evidence import Location, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.image import Image


class ConfigObject(Struct, frozen=True):
    """A ConfigMap or Secret: its entries as text, None where a value is not shown.

    `binary` are those of a ConfigMap that are no text: they become files, and never variables.
    """

    kind: str
    namespace: str | None
    name: str
    data: Mapping[str, Traced[str | None]]
    location: Location
    binary: Mapping[str, Traced[bytes]] = field(default_factory=dict)


class ObjectSource(Protocol):
    """Where the objects that a Pod names are looked up: files of the scan, or a cluster."""

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a ConfigMap; Absent only where it certainly does not exist."""

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a Secret; Absent only where it certainly does not exist."""


class ImageSource(Protocol):
    """Where an image that compose or Kubernetes names is looked up."""

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        """Return the image, or why it was not read; never raises."""
