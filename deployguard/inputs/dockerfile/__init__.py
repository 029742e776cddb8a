"""The image that a Dockerfile and its context would make, as far as can be told without building.

What a RUN writes is not known unless each command in it is plain; what is not known says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import NotFoundError
from deployguard.formats import dockerfile as syntax
from deployguard.inputs.dockerfile.context import open_context
from deployguard.inputs.dockerfile.stages import Build, Inputs, NamedContext, Stage, familiar
from deployguard.inputs.dockerfile.trees import View
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.objects import ImageSource

_LIMIT = 4 * 1024 * 1024
ALL_STAGES = "*"
# A folder, `docker-image://REFERENCE` or another URL; or an image that is there already.
Context: TypeAlias = str | Image | Unread


class BuildOptions(Struct, frozen=True):
    """What a build is asked for; `inline` is the Dockerfile's text where it stands elsewhere.

    `target` names a stage, by name or number; None stands for the last one, "*" for all.
    `contexts` are further contexts by name, which stand before stages and images of that name.
    """

    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Context] = field(default_factory=dict)
    inline: bytes | None = None
    platform: str | None = None


class BuiltStage(Struct, frozen=True):
    """A stage as an image: `subject` is its name, else its number; `location` its FROM."""

    subject: str
    location: Location
    image: Image


def build(
    context: str, dockerfile: str | None, images: ImageSource, options: BuildOptions
) -> tuple[BuiltStage, ...]:
    """Return the images that the stages asked for would become.

    `dockerfile` is a path, None for the context's own. Raises NotFoundError, UnreadableError,
    UnsupportedError, LimitError for the file, SyntaxInputError for what the build refuses, and
    NotFoundError for a stage that it does not have.
    """
    folder = Path(context)
    path = Path(dockerfile) if dockerfile is not None else _own_dockerfile(folder)
    data = options.inline if options.inline is not None else _read(path)
    source = str(path)
    inputs = Inputs(
        source=source,
        context=open_context(folder, None if options.inline is not None else path),
        arguments=options.arguments,
        images=images,
        platform=options.platform,
        named={familiar(name): _named(value) for name, value in options.contexts.items()},
    )
    found = Build(syntax.parse(data, source), inputs)
    name = (folder.resolve().name or "image").lower()
    numbers = found.numbers() if options.target == ALL_STAGES else [found.number(options.target)]
    return tuple(_built(found.stage(number), source, name, options) for number in numbers)


def _built(stage: Stage, source: str, name: str, options: BuildOptions) -> BuiltStage:
    image = Image(
        reference=source,
        name=name,
        origin=ImageOrigin.BUILD,
        config=stage.config,
        files=View(stage.files),
        platform=options.platform or "linux/amd64",
    )
    return BuiltStage(stage.name or str(stage.number), stage.location, image)


def _named(value: Context) -> NamedContext:
    """Read an additional context; what is neither a folder nor an image is an unknown image."""
    prefix = "docker-image://"
    if not isinstance(value, str):
        return NamedContext(found=value)
    if value.startswith(prefix):
        return NamedContext(image=value.removeprefix(prefix))
    if Path(value).is_dir():
        return NamedContext(files=open_context(Path(value), None))
    return NamedContext(found=Unread(Missing(Reason.IMAGE, f"the build context {value}")))


def _own_dockerfile(folder: Path) -> Path:
    """Return a folder's Dockerfile; in small letters, where that alone is there.

    Source: docker/buildx build/build.go handleLowercaseDockerfile.
    """
    own, small = folder / "Dockerfile", folder / "dockerfile"
    return small if not files.exists(own) and files.exists(small) else own


def _read(path: Path) -> bytes:
    try:
        return files.read(str(path), _LIMIT)
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no Dockerfile {path}",
            location=Location(str(path)),
            hint="check the context and the name",
        ) from error


__all__ = ["ALL_STAGES", "BuildOptions", "BuiltStage", "Context", "build"]
