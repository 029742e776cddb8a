"""Images as the OCI image specification names their parts."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Traced
from deployguard.model.filesystem import Filesystem


class ImageOrigin(StrEnum):
    """Where an image was read from."""

    DOCKER = "docker"
    PODMAN = "podman"
    REGISTRY = "registry"
    ARCHIVE = "archive"
    OCI = "oci"
    BUILD = "build"
    NONE = "none"


class ImageConfig(Struct, frozen=True, kw_only=True):
    """An OCI image config (image-spec config.md), each value with its place.

    `entrypoint` and `cmd` are None where the config has none; an empty list counts as none, as the
    engines treat it. `unseen` is non-empty where the base of a build is not known: then what is
    None here may be set there, an empty entrypoint is certainly none, and `env` has unseen sources.
    A directory or user that depends on what is not known has the value None.
    """

    location: Location
    entrypoint: Traced[tuple[str, ...]] | None = None
    cmd: Traced[tuple[str, ...]] | None = None
    env: Environment = field(default_factory=Environment)
    working_dir: Traced[str | None] | None = None
    user: Traced[str | None] | None = None
    exposed_ports: tuple[Traced[str], ...] = ()
    volumes: tuple[Traced[str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    unseen: tuple[Missing, ...] = ()


class Image(Struct, frozen=True, kw_only=True):
    """One image of one platform: its config and its files.

    `reference` is how a reader knows it; `name` is the repository without tag. `digest` is the
    manifest's, None where no manifest is known; `config_digest` is None only for a build.
    """

    reference: str
    name: str
    origin: ImageOrigin
    config: ImageConfig
    files: Filesystem
    digest: str | None = None
    config_digest: str | None = None
    platform: str = "linux/amd64"
