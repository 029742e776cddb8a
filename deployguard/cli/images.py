"""Where images are looked up: the words of --images, and of a settings file."""

from enum import StrEnum


class Images(StrEnum):
    """Where images that compose files and manifests name are looked up."""

    AUTO = "auto"
    ENGINE = "engine"
    REGISTRY = "registry"
    BUILD = "build"
    NEVER = "never"
