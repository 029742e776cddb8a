"""The image of a service: the one that is named, or what its `build:` would make."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.inputs.compose.fields import Fields, mapping, wrong
from deployguard.inputs.compose.resolved import Project
from deployguard.inputs.compose.volumes import source_path
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image

if TYPE_CHECKING:
    from deployguard.inputs.dockerfile import Context


def image(
    key: Scalar, service: Mapping, reference: Traced[str] | None, project: Project
) -> Image | Unread:
    """Return the image of a service, `reference` being its `image:`.

    Raises SyntaxInputError for what compose refuses, InputError for a Dockerfile that cannot be
    read or built.
    """
    if key.text not in project.made:
        project.made[key.text] = None
        project.made[key.text] = _image(key, service, reference, project)
    found = project.made[key.text]
    if found is None:
        raise SyntaxInputError(
            f"dependency cycle detected: the build of {key.text} needs itself",
            location=key.location,
            hint="compose refuses it as well",
        )
    return found


def _image(
    key: Scalar, service: Mapping, reference: Traced[str] | None, project: Project
) -> Image | Unread:
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
    section = mapping(build, "build")
    context = fields.optional(section, "context")
    folder = context.value if context is not None and context.value else "."
    file = fields.optional(section, "dockerfile")
    target = fields.optional(section, "target")
    inline = fields.optional(section, "dockerfile_inline")
    if file is not None and inline is not None:
        raise SyntaxInputError(
            "dockerfile and dockerfile_inline cannot both be given", location=file.location
        )
    place = None if _remote(folder) else source_path(folder, project.folder, fields)
    if place is None:
        return Unread(Missing(Reason.IMAGE, f"the image that is built from {folder}"))
    options = dockerfile.BuildOptions(
        target=target.value if target is not None and target.value else None,
        arguments=_arguments(section, fields),
        contexts=dict(_contexts(section, project)),
        inline=inline.value.encode() if inline is not None else None,
        platform=_platform(section, service, project),
    )
    # The Dockerfile's path is seen from the context.
    path = str(place / file.value) if file is not None else None
    (stage,) = dockerfile.build(str(place), path, project.images, options)
    return stage.image


def _platform(section: Mapping, service: Mapping, project: Project) -> str | None:
    """Return the platform of a build (docker/compose pkg/compose/build.go)."""
    platform = project.fields.optional(service, "platform")
    if platform is not None and platform.value:
        return platform.value
    listed = [one.value for one in project.fields.texts(section, "platforms")]
    return listed[0] if listed and project.platform not in listed else project.platform


def _arguments(section: Mapping, fields: Fields) -> dict[str, str]:
    """Return the build's arguments; one without a value that is set nowhere is not given at all."""
    given: dict[str, str] = {}
    for name, value in fields.pairs(section, "args"):
        text = value.value if value.value is not None else fields.lookup(name)
        if text is not None:
            given[name] = text
    return given


def _contexts(section: Mapping, project: Project) -> Iterator[tuple[str, "Context"]]:
    """Yield additional contexts: folders, images of other services, or what else is written."""
    for name, value in project.fields.pairs(section, "additional_contexts"):
        if value.value is None:
            raise wrong(section, f"the additional context {name}", "a text")
        if value.value.startswith("service:"):
            yield name, _of_service(value.value.removeprefix("service:"), value.location, project)
        elif _remote(value.value):
            yield name, value.value
        else:
            place = source_path(value.value, project.folder, project.fields)
            yield name, value.value if place is None else str(place)


def _of_service(name: str, location: Location, project: Project) -> Image | Unread:
    if name not in project.part("services"):
        raise SyntaxInputError(
            f"additional_contexts names the service {name}, which there is not",
            location=location,
            hint="name a service of the project",
        )
    key, node = project.part("services")[name]
    other = mapping(node, f"the service {name}")
    return image(key, other, project.fields.optional(other, "image"), project)


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def _remote(context: str) -> bool:
    """Say whether a context is no folder (compose-go, types.BuildConfig.Context)."""
    return _SCHEME.match(context) is not None or context.startswith(("git@", "github.com/"))
