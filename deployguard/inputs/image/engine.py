"""Images of Docker's and podman's engines: looked up where their own commands would find them."""

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from msgspec import Struct, field

from deployguard.errors import InputError, NotFoundError, SyntaxInputError, UnreadableError
from deployguard.inputs.image import config, endpoints, platforms, references
from deployguard.inputs.image.container import ContainerFiles
from deployguard.inputs.image.engine_client import CONNECT_SECONDS, Engine, NoEngineError, described
from deployguard.inputs.image.references import repository
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.problem import Problem

# A scan asks once; a webhook lives long, and an engine that was down comes back.
_FAILED_SECONDS = 10.0
_SHORT_ID = 12


class EngineOptions(Struct, frozen=True, kw_only=True):
    """What decides where engines are sought, and which platform an image must have.

    `seconds` is how long one that says nothing is waited for.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    offline: bool = False
    seconds: float = CONNECT_SECONDS
    clock: Callable[[], float] = time.monotonic


class EngineImages:
    """An ImageSource over the engines of this machine; close it to leave nothing behind."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._engines: dict[ImageOrigin, Engine | _Failed] = {}
        self._opened: dict[tuple[str, ImageOrigin | None], Image | _Failed] = {}
        self._files: list[ContainerFiles] = []
        self.left: tuple[Problem, ...] = ()
        # The webhook judges in several threads.
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove every container that was made, and hang up; `left` names those that stay.

        An interruption is passed on when all are removed.
        """
        interruption: KeyboardInterrupt | None = None
        with self._lock:
            for files in tuple(self._files):
                try:
                    self._drop(files)
                except KeyboardInterrupt as error:
                    interruption = error
            self._opened.clear()
            for engine in self._engines.values():
                if isinstance(engine, Engine):
                    engine.close()
            self._engines.clear()
        if interruption is not None:
            raise interruption

    def _drop(self, files: ContainerFiles) -> None:
        self._files.remove(files)
        try:
            files.close()
        finally:
            if files.left is not None:
                self.left = (*self.left, files.left)

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        """Return an image of Docker or else of podman, or why it was not read; never raises."""
        name = reference.value
        if name is None:
            return Unread(Missing(Reason.IMAGE, "the image, whose name cannot be seen"))
        try:
            return self.open_image(name)
        except NotFoundError as error:
            return Unread(Missing(Reason.IMAGE_NOT_FOUND, f"the image {name} ({error.message})"))
        except InputError as error:
            return Unread(Missing(Reason.IMAGE_NO_ACCESS, f"the image {name} ({error.message})"))

    def open_image(self, reference: str, origin: ImageOrigin | None = None) -> Image:
        """Return an image of the engine asked for; without one Docker is asked first, then podman.

        Raises NotFoundError, UnreadableError, SyntaxInputError or UnsupportedError.
        """
        key = (reference, origin)
        with self._lock:
            known = self._opened.get(key)
            if known is None or self._over(known):
                try:
                    known = self._open(reference, origin)
                except InputError as error:
                    known = _Failed(error, self._options.clock())
                self._opened[key] = known
        if isinstance(known, _Failed):
            raise known.error
        return known

    def _over(self, known: "Image | Engine | _Failed") -> bool:
        """Say whether something failed, and long enough ago to be tried anew."""
        if isinstance(known, Image) and isinstance(known.files, ContainerFiles):
            failed = known.files.failed_at
        else:
            failed = known.at if isinstance(known, _Failed) else None
        return failed is not None and self._options.clock() - failed > _FAILED_SECONDS

    def _open(self, reference: str, origin: ImageOrigin | None) -> Image:
        if not references.is_reference(reference):
            raise SyntaxInputError(
                f"{reference} is no name of an image",
                hint="names are lower-case, such as acme/shop:1.2; a file is named by its path",
            )
        if origin is not None:
            return self._of(origin, reference)
        try:
            return self._of(ImageOrigin.DOCKER, reference)
        except (NotFoundError, NoEngineError) as error:
            return self._of_podman_instead(reference, error)

    def _of_podman_instead(self, reference: str, first: InputError) -> Image:
        """Ask podman where one is; what Docker said stays in the error."""
        try:
            if endpoints.podman(self._options.environ) is None and isinstance(first, NotFoundError):
                raise first
            return self._of(ImageOrigin.PODMAN, reference)
        except InputError as error:
            if error is first:
                raise
            raise type(first)(f"{first.message}; {error.message}", hint=first.hint) from error

    def _of(self, origin: ImageOrigin, reference: str) -> Image:
        engine = self._engine(origin)
        attributes = engine.image(reference)
        wanted = references.digest(reference)
        if attributes is None or (wanted is not None and wanted not in _digests(attributes)):
            raise NotFoundError(
                f"no image {reference} in {engine.name}",
                hint=f"check the name, or fetch it: {engine.origin} pull {reference}",
            )
        return self._image(engine, attributes, reference)

    def _engine(self, origin: ImageOrigin) -> Engine:
        known = self._engines.get(origin)
        if known is None or self._over(known):
            try:
                known = self._connected(origin)
            except InputError as error:
                known = _Failed(error, self._options.clock())
            self._engines[origin] = known
        if isinstance(known, _Failed):
            raise known.error
        return known

    def _connected(self, origin: ImageOrigin) -> Engine:
        environ = self._options.environ
        docker = origin is ImageOrigin.DOCKER
        endpoint = endpoints.docker(environ) if docker else endpoints.podman(environ)
        if endpoint is None:
            raise NoEngineError(
                "podman has no socket here",
                hint="start it: systemctl --user start podman.socket, or scan a saved image:"
                " podman save -o app.tar",
            )
        if self._options.offline and not endpoint.local:
            raise UnreadableError(
                f"{described(endpoint)} is not of this machine, and the scan is offline",
                hint="scan without --offline, or scan a saved image",
            )
        return Engine(endpoint, seconds=self._options.seconds)

    def _image(self, engine: Engine, attributes: Mapping[str, Any], reference: str) -> Image:
        declared = attributes.get("Config") or {}
        if not isinstance(declared, dict):
            raise UnreadableError(f"{engine.name} gives {reference} a config that is no object")
        platform = config.platform(
            {
                "os": attributes.get("Os"),
                "architecture": attributes.get("Architecture"),
                "variant": attributes.get("Variant"),
            },
            reference,
        )
        asked = self._options.platform
        if asked is not None and not platforms.runs(asked, platform):
            raise NotFoundError(
                f"{reference} in {engine.name} is of {platform}, not of {asked}",
                hint=f"fetch it: {engine.origin} pull --platform {asked} {reference}",
            )
        read = config.from_mapping(declared, reference)
        size = attributes.get("Size")
        files = ContainerFiles(
            engine,
            str(attributes["Id"]),
            reference,
            size=size if isinstance(size, int) else 0,
            working_dir=None if read.working_dir is None else read.working_dir.value,
            clock=self._options.clock,
        )
        # They answer nothing any more.
        for failed in [one for one in self._files if one.failed_at is not None]:
            self._drop(failed)
        self._files.append(files)
        manifest, config_digest = _identity(attributes, reference)
        return Image(
            reference=reference,
            name=_name(attributes, reference),
            origin=engine.origin,
            config=read,
            files=files,
            digest=manifest,
            config_digest=config_digest,
            platform=platform,
        )


class _Failed(Struct, frozen=True):
    """What went wrong, and when."""

    error: InputError
    at: float


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _digests(attributes: Mapping[str, Any]) -> frozenset[str]:
    """Return the digests that an image goes by: its manifests', and its id."""
    held = _texts(attributes.get("RepoDigests"))
    return frozenset({*(name.partition("@")[2] for name in held), str(attributes["Id"])})


def _identity(attributes: Mapping[str, Any], reference: str) -> tuple[str | None, str | None]:
    """Return the digests of manifest and config.

    An id is the config's digest, but in Docker's containerd image store it is the one of the
    manifest or index, which the descriptor shows (Engine API 1.48, ImageInspect).
    """
    image_id = str(attributes["Id"])
    descriptor = attributes.get("Descriptor")
    if isinstance(descriptor, dict) and descriptor.get("digest") == image_id:
        return image_id, None
    wanted = references.digest(reference)
    if wanted is not None and wanted != image_id:
        return wanted, image_id
    held = _texts(attributes.get("RepoDigests"))
    own = [name for name in held if name.partition("@")[0] == repository(reference)]
    found = next(iter((*own, *held)), "")
    return found.partition("@")[2] or None, image_id


def _name(attributes: Mapping[str, Any], reference: str) -> str:
    """Return the repository; for an id the first one that the engine names it by."""
    tags = _texts(attributes.get("RepoTags"))
    image_id = str(attributes["Id"])
    if not references.names_id(reference, image_id):
        return repository(reference)
    named = next((repository(tag) for tag in tags if not tag.startswith("<none>")), None)
    return named or image_id.removeprefix("sha256:")[:_SHORT_ID]
