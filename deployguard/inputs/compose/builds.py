"""The image of a service: the one that is named, or what its `build:` would make."""

from pathlib import Path
from typing import Protocol

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.inputs.compose.fields import Fields, mapping
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.objects import ImageSource


class Project(Protocol):
    """What a build needs of the project it belongs to."""

    @property
    def name(self) -> str:
        """The project's name, of which the names of its images are made."""

    @property
    def folder(self) -> Path:
        """The folder that relative paths are seen from."""

    @property
    def fields(self) -> Fields:
        """What reads its nodes."""

    @property
    def images(self) -> ImageSource:
        """Where images are looked up."""

    @property
    def platform(self) -> str | None:
        """The platform that is asked for."""

    @property
    def built(self) -> bool:
        """Whether images that were built before are judged."""


def image(
    key: Scalar, service: Mapping, reference: Traced[str] | None, project: Project
) -> Image | Unread:
    """Return the image of a service, `reference` being its `image:`.

    Raises SyntaxInputError for what compose refuses, InputError for a Dockerfile that cannot be
    read or built.
    """
    build = service.get("build")
    if build is not None and project.built:
        # The name under which compose keeps what it builds.
        name = reference or Traced(f"{project.name}-{key.text}", build.location)
        return project.images.find(name)
    if build is not None:
        return _build(build, service, project)
    if reference is None or not reference.value:
        raise SyntaxInputError(
            "a service has neither an image nor a build context",
            location=service.location,
            hint="add image: or build:",
        )
    return project.images.find(reference)


def _build(build: Node, service: Mapping, project: Project) -> Image | Unread:
    from deployguard.inputs import dockerfile  # noqa: PLC0415  (only for projects with builds)

    fields = project.fields
    if isinstance(build, Scalar):
        context: Traced[str] | None = fields.text(build, "build")
        section = Mapping((), build.location)
    else:
        section = mapping(build, "build")
        context = fields.optional(section, "context")
    folder = context.value if context is not None else "."
    if _remote(folder):
        return Unread(Missing(Reason.IMAGE, f"the image that is built from {folder}"))
    file = fields.optional(section, "dockerfile")
    target = fields.optional(section, "target")
    inline = fields.optional(section, "dockerfile_inline")
    if file is not None and inline is not None:
        raise SyntaxInputError(
            "dockerfile and dockerfile_inline cannot both be given", location=file.location
        )
    place = project.folder / folder
    platform = fields.optional(service, "platform")
    options = dockerfile.BuildOptions(
        target=target.value if target is not None and target.value else None,
        arguments=_arguments(section, fields),
        contexts=_contexts(section, project),
        inline=inline.value.encode() if inline is not None else None,
        platform=platform.value if platform is not None else project.platform,
    )
    # The Dockerfile's path is seen from the context.
    path = str(place / file.value) if file is not None else None
    (stage,) = dockerfile.build(str(place), path, project.images, options)
    return stage.image


def _arguments(section: Mapping, fields: Fields) -> dict[str, str]:
    """Return the build's arguments; one without a value that is set nowhere is not given at all."""
    given: dict[str, str] = {}
    for name, value in fields.pairs(section, "args"):
        text = value.value if value.value is not None else fields.lookup(name)
        if text is not None:
            given[name] = text
    return given


def _contexts(section: Mapping, project: Project) -> dict[str, str]:
    """Return additional contexts: folders as paths from here, others as they are written."""
    return {
        name: value.value
        if _remote(value.value) or "://" in value.value or value.value.startswith("service:")
        else str(project.folder / value.value)
        for name, value in project.fields.pairs(section, "additional_contexts")
        if value.value is not None
    }


def _remote(context: str) -> bool:
    """Say whether a context is no folder (compose-go, types.BuildConfig.Context)."""
    return "://" in context or context.startswith(("git@", "github.com/"))
