"""Images from an engine, from archives and from layouts, read where they lie."""

from deployguard.inputs.image.engine import EngineImages, EngineOptions
from deployguard.inputs.image.stored import open_archive, open_layout

__all__ = ["EngineImages", "EngineOptions", "open_archive", "open_layout"]
