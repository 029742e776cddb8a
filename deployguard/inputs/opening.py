"""From a target argument to the containers it declares: opens what has to be opened, once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deployguard.errors import InputError, NotFoundError, UnreadableError, UnsupportedError
from deployguard.inputs.targets import TargetArgument, TargetForm, is_compose, resolve
from deployguard.model.container import ContainerKind, ContainerSpec
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.problem import Problem
from deployguard.model.report import Status, Target, TargetKind

if TYPE_CHECKING:
    from deployguard.inputs.image import EngineImages

# Bigger inputs are no manifests; the limit of one document is the YAML reader's.
_FILE_LIMIT = 64 * 1024 * 1024


# What --images says about images that are named, where no engine is to be asked.
_NOT_LOOKED_UP = {
    "never": "images are not looked up",
    "build": "only builds are looked up",
    "registry": "registries are not asked yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningOptions:
    """What decides how targets are opened: the options of the command line, and its environment."""

    env_files: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    images: str = "auto"
    platform: str | None = None
    offline: bool = False
    exclude: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    stdin: Callable[[], bytes] = bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One target and its containers; further problems may show while files are read."""

    target: Target
    specs: tuple[ContainerSpec, ...]

    def late_problems(self) -> tuple[Problem, ...]:
        """Return what the images turned out to be while they were read."""
        found: list[Problem] = []
        for spec in self.specs:
            if isinstance(spec.image, Image):
                ask = getattr(spec.image.files, "problems", None)
                found.extend(ask() if callable(ask) else ())
        return tuple(dict.fromkeys(found))


class Openings:
    """Opens targets and looks up images; closing it leaves nothing behind in an engine."""

    def __init__(self, options: OpeningOptions) -> None:
        self._options = options
        self._engine: EngineImages | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._engine is not None:
            self._engine.close()

    def engine(self) -> "EngineImages":
        """Return the engine's images; nothing is asked of the engine yet."""
        if self._engine is None:
            from deployguard.inputs.image import EngineImages  # noqa: PLC0415  (loads docker)

            self._engine = EngineImages()
        return self._engine

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        """Look up an image that compose or Kubernetes names, as --images allows."""
        if reference.value is None:
            return Unread(Missing(Reason.IMAGE, "the image, whose name cannot be seen"))
        why = _NOT_LOOKED_UP.get(self._options.images)
        if why is not None:
            return Unread(Missing(Reason.IMAGE, f"the image {reference.value} ({why})"))
        return self.engine().find(reference)

    def open(self, argument: str) -> tuple[Opened, ...]:
        """Open what an argument names. Raises InputError where it cannot be inspected at all."""
        targets = resolve(argument, self._is_image)
        kept = [target for target in targets if not self._excluded(target.name)]
        if len(targets) == 1:
            return self._open(targets[0])
        opened: list[Opened] = []
        for target in kept:
            try:
                opened.extend(self._open(target))
            except InputError as error:
                opened.append(_failed(target, error))
        return tuple(opened)

    def _excluded(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self._options.exclude)

    def _is_image(self, name: str) -> bool:
        if self._options.images == "never":
            return False
        place: Traced[str | None] = Traced(name, Location(name))
        return isinstance(self.engine().find(place), Image)

    def _open(self, target: TargetArgument) -> tuple[Opened, ...]:
        match target.form:
            case TargetForm.IMAGE | TargetForm.DOCKER:
                return (_images(target, (self.engine().open_image(target.name),)),)
            case TargetForm.ARCHIVE | TargetForm.OCI:
                return (_images(target, self._stored(target)),)
            case TargetForm.COMPOSE:
                return (self._compose(target),)
            case TargetForm.KUBERNETES:
                return (self._kubernetes(target),)
            case TargetForm.DOCKERFILE:
                return (self._dockerfile(target),)
            case TargetForm.PODMAN | TargetForm.REGISTRY | TargetForm.HELM | TargetForm.KUSTOMIZE:
                raise UnsupportedError(f"targets of the form {target.form}: are not read yet")

    def _stored(self, target: TargetArgument) -> tuple[Image, ...]:
        from deployguard.inputs.image import open_archive, open_layout  # noqa: PLC0415

        reader = open_archive if target.form is TargetForm.ARCHIVE else open_layout
        return reader(target.name, tag=target.part, platform=self._options.platform)

    def _compose(self, target: TargetArgument) -> Opened:
        from deployguard.inputs import compose  # noqa: PLC0415  (only for compose files)

        names = target.name.split(",")
        options = compose.ComposeOptions(
            env_files=self._options.env_files,
            env=self._options.env,
            profiles=self._options.profiles,
            environ=self._options.environ,
            platform=self._options.platform,
            built=self._options.images == "engine",
        )
        files = [(name, self._bytes(name)) for name in names]
        specs = compose.load(files, options, self, names[0])
        return Opened(target=_target(target, names[0], TargetKind.COMPOSE), specs=specs)

    def _kubernetes(self, target: TargetArgument) -> Opened:
        if target.name == "-":
            data = self._bytes("-")
            if is_compose("-", data[:65_536]) and target.argument == "-":
                compose = TargetArgument(argument="-", form=TargetForm.COMPOSE, name="-")
                return self._compose(compose)
            return self._manifests(target, [("-", data)])
        path = Path(target.name)
        if path.is_dir():
            names = [str(child) for child in sorted(path.rglob("*")) if _is_yaml(child)]
            if not names:
                raise NotFoundError(
                    f"there is no manifest in the folder {target.name}",
                    location=Location(target.name),
                    hint="manifests end in .yaml, .yml or .json",
                )
        else:
            names = [target.name]
        return self._manifests(target, [(name, self._bytes(name)) for name in names])

    def _manifests(self, target: TargetArgument, files: Iterable[tuple[str, bytes]]) -> Opened:
        from deployguard.inputs.kubernetes.containers import containers  # noqa: PLC0415
        from deployguard.inputs.kubernetes.manifests import read  # noqa: PLC0415
        from deployguard.inputs.kubernetes.objects import file_objects  # noqa: PLC0415

        manifests = read(files)
        specs = containers(manifests, target.name, file_objects(manifests), self)
        if not specs and target.name == "-":
            raise NotFoundError(
                "there is nothing to judge in the standard input",
                hint="pipe manifests or a compose file into it",
            )
        kept = _target(target, target.name, TargetKind.KUBERNETES, manifests.notes)
        return Opened(target=kept, specs=specs)

    def _dockerfile(self, target: TargetArgument) -> Opened:
        from deployguard.inputs import dockerfile  # noqa: PLC0415  (only for Dockerfiles)

        path = Path(target.name)
        file = path / "Dockerfile" if path.is_dir() else path
        options = dockerfile.BuildOptions(target=target.part, platform=self._options.platform)
        stages = dockerfile.build(str(file.parent), str(file), self, options)
        specs = tuple(
            ContainerSpec(
                target=target.name,
                subject=stage.subject,
                name=stage.subject,
                kind=ContainerKind.DOCKERFILE_STAGE,
                location=stage.location,
                image=stage.image,
            )
            for stage in stages
        )
        return Opened(target=_target(target, target.name, TargetKind.DOCKERFILE), specs=specs)

    def _bytes(self, name: str) -> bytes:
        if name == "-":
            return self._options.stdin()
        try:
            with Path(name).open("rb") as file:
                data = file.read(_FILE_LIMIT + 1)
        except OSError as error:
            raise UnreadableError(
                f"cannot read {name}: {error.strerror}",
                location=Location(name),
                hint="check the path and its permissions",
            ) from error
        if len(data) > _FILE_LIMIT:
            raise UnsupportedError(
                f"{name} has more than {_FILE_LIMIT} bytes", location=Location(name)
            )
        return data


def _is_yaml(path: Path) -> bool:
    return path.is_file() and path.suffix in {".yaml", ".yml", ".json"}


def _target(
    target: TargetArgument, name: str, kind: TargetKind, problems: Iterable[Problem] = ()
) -> Target:
    return Target(
        name=name,
        argument=target.argument,
        kind=kind,
        status=Status.INSPECTED,
        problems=tuple(problems),
    )


_KINDS = {
    TargetForm.COMPOSE: TargetKind.COMPOSE,
    TargetForm.KUBERNETES: TargetKind.KUBERNETES,
    TargetForm.DOCKERFILE: TargetKind.DOCKERFILE,
}


def described(argument: str) -> tuple[str, TargetKind]:
    """Return the name and the likely kind of a target that could not be opened at all."""
    prefix, colon, rest = argument.partition(":")
    if colon and prefix in set(TargetForm):
        return rest or argument, _KINDS.get(TargetForm(prefix), TargetKind.IMAGE)
    manifest = argument.endswith((".yaml", ".yml", ".json")) or argument == "-"
    return argument, TargetKind.KUBERNETES if manifest else TargetKind.IMAGE


def _failed(target: TargetArgument, error: InputError) -> Opened:
    kind = _KINDS.get(target.form, TargetKind.IMAGE)
    failed = Target(
        name=target.name,
        argument=target.argument,
        kind=kind,
        status=Status.FAILED,
        problems=(error.problem(),),
    )
    return Opened(target=failed, specs=())


def _images(target: TargetArgument, images: tuple[Image, ...]) -> Opened:
    """Declare an image on its own: as `docker run IMAGE` starts it, nothing published."""
    several = len(images) > 1
    specs = tuple(
        ContainerSpec(
            target=target.name,
            subject=image.reference if several else image.name,
            name=image.name,
            kind=ContainerKind.IMAGE,
            location=image.config.location,
            image=image,
        )
        for image in images
    )
    return Opened(target=_target(target, target.name, TargetKind.IMAGE), specs=specs)
