"""What the targets of a scan declare around their Pods, and which are applied together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Its many types are loaded with the first manifest.
    from deployguard.model.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Declared:
    """What a target declares; targets with an equal `place` are applied together."""

    traffic: "Traffic | None"
    place: str
