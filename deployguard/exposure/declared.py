"""What the targets of a scan declare around their Pods, and which are applied together."""

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    # Its many types are loaded with the first manifest.
    from deployguard.model.traffic import Traffic


class Declared(Struct, frozen=True):
    """What a target declares; targets with an equal `place` are applied together."""

    traffic: "Traffic | None"
    place: str
