"""From a target argument to the containers it declares: opens what has to be opened, once."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import (
    InputError,
    NotFoundError,
    UnreadableError,
    UnsupportedError,
    UsageError,
)
from deployguard.inputs.discovery import kinds
from deployguard.inputs.discovery.excluding import excluded
from deployguard.inputs.discovery.sources import Sources
from deployguard.inputs.discovery.walk import Skips
from deployguard.inputs.rendering.options import RenderingOptions
from deployguard.inputs.targets import Folder, TargetArgument, TargetForm, resolve
from deployguard.model.container import ContainerKind, ContainerSpec
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.problem import Problem
from deployguard.model.report import Status, Target, TargetKind
from deployguard.model.skipped import Skipped
from deployguard.model.structs import replace

if TYPE_CHECKING:
    from deployguard.inputs.compose import ComposeOptions
    from deployguard.inputs.image.engine import EngineImages
    from deployguard.inputs.kubernetes.cluster import UserCluster
    from deployguard.inputs.kubernetes.manifests import Manifests
    from deployguard.model.objects import ObjectSource
    from deployguard.model.traffic import Traffic


# What --images says about images that are named, where no engine is to be asked.
_NOT_LOOKED_UP = {
    "never": "images are not looked up",
    "build": "only builds are looked up",
    "registry": "registries are not asked yet",
}


# The forms that ask one engine alone; the others ask Docker first, then podman.
_ENGINES = {TargetForm.DOCKER: ImageOrigin.DOCKER, TargetForm.PODMAN: ImageOrigin.PODMAN}


class OpeningOptions(Struct, frozen=True, kw_only=True):
    """What decides how targets are opened: the options of the command line, and its environment."""

    env_files: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    images: str = "auto"
    platform: str | None = None
    offline: bool = False
    exclude: tuple[str, ...] = ()
    rendering: RenderingOptions = field(default_factory=RenderingOptions)
    cluster: bool = False
    context: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    workloads: Mapping[str, str] = field(default_factory=dict)
    stdin: Callable[[], bytes] = bytes
    progress: Callable[[str], None] = field(default=lambda _: None)


class Opened(Struct, frozen=True, kw_only=True):
    """One target and its containers; further problems may show while files are read.

    `traffic` is what it declares around them, None of what is no manifest. Targets with an equal
    `place` are applied together: files that are named one by one, and those of one folder.
    """

    target: Target
    specs: tuple[ContainerSpec, ...]
    traffic: "Traffic | None" = None
    place: str = ""

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
        self._cluster: UserCluster | None = None
        self._sources = Sources()
        self._skips = Skips()

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

    @property
    def left(self) -> tuple[Problem, ...]:
        """Return what closing could not remove."""
        return () if self._engine is None else self._engine.left

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Return what lay in the folders that were opened and is not judged."""
        return self._skips.all()

    def check(self) -> None:
        """Read what the options name. Raises UsageError: nothing is to be inspected then."""
        if self._options.cluster and self._options.offline:
            raise UsageError("--cluster asks a cluster, which --offline forbids", hint="drop one")
        if self._options.context is not None and not self._options.cluster:
            raise UsageError("--context names a cluster, but none is asked", hint="add --cluster")
        if self._options.workloads:
            from deployguard.inputs.kubernetes.workloads import workloads  # noqa: PLC0415

            workloads(self._options.workloads)
        try:
            if self._options.env_files:
                from deployguard.inputs import compose  # noqa: PLC0415  (only where it is needed)

                compose.check(self._compose_options())
            if self._options.rendering.values:
                from deployguard.inputs.rendering import helm  # noqa: PLC0415  (likewise)

                helm.check(self._options.rendering)
        except InputError as error:
            raise UsageError(error.message, location=error.location, hint=error.hint) from error

    def engine(self) -> "EngineImages":
        """Return the engines' images; nothing is asked of an engine yet."""
        if self._engine is None:
            from deployguard.inputs.image.engine import EngineImages, EngineOptions  # noqa: PLC0415

            self._engine = EngineImages(
                EngineOptions(
                    environ=self._options.environ,
                    platform=self._options.platform,
                    offline=self._options.offline,
                )
            )
        return self._engine

    def cluster(self) -> "UserCluster":
        """Return the objects of the user's cluster; nothing is asked of it yet."""
        if self._cluster is None:
            from deployguard.inputs.kubernetes.cluster import user_cluster  # noqa: PLC0415

            self._cluster = user_cluster(self._options.environ, self._options.context)
        return self._cluster

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        """Look up an image that compose or Kubernetes names, as --images allows."""
        if reference.value is None:
            return Unread(Missing(Reason.IMAGE, "the image, whose name cannot be seen"))
        why = _NOT_LOOKED_UP.get(self._options.images)
        if why is not None:
            return Unread(
                Missing(Reason.IMAGE_NOT_LOOKED_UP, f"the image {reference.value} ({why})")
            )
        return self.engine().find(reference)

    def open(self, argument: str) -> tuple[Opened, ...]:
        """Open what an argument names. Raises InputError where it cannot be inspected at all."""
        target = resolve(argument, self._is_image)
        if isinstance(target, Folder):
            return self._folder(target)
        try:
            return self._open(target)
        finally:
            self._sources.clear()

    def _folder(self, folder: Folder) -> tuple[Opened, ...]:
        from deployguard.inputs.discovery.finding import FindOptions  # noqa: PLC0415  (see _compose)
        from deployguard.inputs.folders import FolderOpening  # noqa: PLC0415

        options = FindOptions(
            exclude=self._options.exclude,
            profiles=self._options.profiles,
            environ=self._options.environ,
            progress=self._options.progress,
        )
        return FolderOpening(
            options=options,
            sources=self._sources,
            skips=self._skips,
            open=self._open,
            read=self._read,
            containers=self._specs,
            traffic=self._traffic,
        ).opened(folder)

    def _excluded(self, folder: Path, name: str) -> bool:
        relative = os.path.relpath(name, folder)
        return excluded(relative, name, self._options.exclude)

    def _is_image(self, name: str) -> bool:
        if self._options.images == "never":
            return False
        place: Traced[str | None] = Traced(name, Location(name))
        return isinstance(self.engine().find(place), Image)

    def _open(self, target: TargetArgument) -> tuple[Opened, ...]:
        match target.form:
            case TargetForm.IMAGE | TargetForm.DOCKER | TargetForm.PODMAN:
                origin = _ENGINES.get(target.form)
                return (_images(target, (self.engine().open_image(target.name, origin),)),)
            case TargetForm.ARCHIVE | TargetForm.OCI:
                return (_images(target, self._stored(target)),)
            case TargetForm.COMPOSE:
                return (self._compose(target),)
            case TargetForm.KUBERNETES:
                return (self._kubernetes(target),)
            case TargetForm.DOCKERFILE:
                return (self._dockerfile(target),)
            case TargetForm.HELM | TargetForm.KUSTOMIZE:
                return (self._rendered(target),)
            case TargetForm.REGISTRY:
                raise UnsupportedError(f"targets of the form {target.form}: are not read yet")

    def _stored(self, target: TargetArgument) -> tuple[Image, ...]:
        from deployguard.inputs.image.stored import open_archive, open_layout  # noqa: PLC0415

        reader = open_archive if target.form is TargetForm.ARCHIVE else open_layout
        return reader(target.name, tag=target.part, platform=self._options.platform)

    def _compose(self, target: TargetArgument) -> Opened:
        from deployguard.inputs import compose  # noqa: PLC0415  (only for compose files)

        names = target.files or target.name.split(",")
        name = target.name if target.files else names[0]
        texts = [(name, self._bytes(name)) for name in names]
        notes: list[Problem] = []
        specs = compose.load(texts, self._compose_options(), self, name, notes)
        if not specs and name == "-":
            raise _nothing_piped()
        return Opened(target=_target(target, name, TargetKind.COMPOSE, notes), specs=specs)

    def _compose_options(self) -> "ComposeOptions":
        from deployguard.inputs.compose import ComposeOptions  # noqa: PLC0415  (see _compose)

        return ComposeOptions(
            env_files=self._options.env_files,
            env=self._options.env,
            profiles=self._options.profiles,
            environ=self._options.environ,
            platform=self._options.platform,
            built=self._options.images == "engine",
        )

    def _kubernetes(self, target: TargetArgument) -> Opened:
        if target.name == "-":
            data = self._bytes("-")
            if kinds.is_compose("-", data[:65_536]) and target.argument == "-":
                compose = TargetArgument(argument="-", form=TargetForm.COMPOSE, name="-")
                return self._compose(compose)
            return self._manifests(target, [("-", data)])
        path = Path(target.name)
        names = self._manifest_names(path) if files.is_folder(path) else [target.name]
        return self._manifests(target, [(name, self._bytes(name)) for name in names])

    def _manifest_names(self, folder: Path) -> list[str]:
        """Return the manifests in a folder and those below it."""
        names: list[str] = []

        def refuse(error: OSError) -> None:
            raise UnreadableError(
                f"cannot read {error.filename}: {error.strerror}",
                location=Location(str(error.filename)),
                hint="check its permissions",
            ) from error

        for root, folders, here in os.walk(folder, onerror=refuse):
            folders.sort()
            paths = (Path(root) / name for name in sorted(here))
            names += [str(path) for path in paths if path.suffix in {".yaml", ".yml", ".json"}]
        kept = [name for name in names if not self._excluded(folder, name)]
        if not kept:
            raise NotFoundError(
                f"there is no manifest in the folder {folder}",
                location=Location(str(folder)),
                hint="manifests end in .yaml, .yml or .json",
            )
        return kept

    def _manifests(self, target: TargetArgument, files: Iterable[tuple[str, bytes]]) -> Opened:
        manifests = self._read(files)
        specs = self._specs(target, manifests)
        if not specs and target.name == "-":
            raise _nothing_piped()
        if not manifests.objects:
            from deployguard.inputs.kubernetes.manifests import no_object  # noqa: PLC0415

            raise no_object(target.name)
        return self._with_traffic(target, manifests, specs)

    def _rendered(self, target: TargetArgument) -> Opened:
        from deployguard.inputs.kubernetes.workloads import workloads  # noqa: PLC0415
        from deployguard.inputs.rendering import helm, kustomize  # noqa: PLC0415  (see _compose)

        stage = helm if target.form is TargetForm.HELM else kustomize
        manifests = stage.render(
            target.name,
            self._options.rendering,
            self._options.environ,
            workloads(self._options.workloads),
        )
        specs = self._specs(target, manifests)
        return self._with_traffic(target, manifests, specs)

    def _with_traffic(
        self, target: TargetArgument, manifests: "Manifests", specs: tuple[ContainerSpec, ...]
    ) -> Opened:
        """Return a target of manifests with what leads to its Pods."""
        leading, unlisted = self._traffic(manifests)
        kept = _target(target, target.name, _KINDS[target.form], (*manifests.notes, *unlisted))
        return Opened(target=kept, specs=specs, traffic=leading, place=_place(target))

    def _traffic(self, manifests: "Manifests") -> "tuple[Traffic, tuple[Problem, ...]]":
        """Return what leads to the Pods of manifests, in the cluster if asked, and notes on it."""
        from deployguard.inputs.kubernetes.traffic import traffic  # noqa: PLC0415  (see _compose)

        if not self._options.cluster:
            return traffic(manifests), ()
        from deployguard.inputs.kubernetes.neighbours import with_neighbours  # noqa: PLC0415

        manifests, unlisted = with_neighbours(manifests, self.cluster())
        return traffic(manifests), unlisted

    def _specs(self, target: TargetArgument, manifests: "Manifests") -> tuple[ContainerSpec, ...]:
        from deployguard.inputs.kubernetes.containers import containers  # noqa: PLC0415
        from deployguard.inputs.kubernetes.objects import (  # noqa: PLC0415
            LayeredObjects,
            file_objects,
        )

        objects: ObjectSource = file_objects(manifests)
        if self._options.cluster:
            objects = LayeredObjects(objects, self.cluster())
        return containers(manifests, target.name, objects, self)

    def _read(self, files: Iterable[tuple[str, bytes]]) -> "Manifests":
        from deployguard.inputs.kubernetes.manifests import read  # noqa: PLC0415
        from deployguard.inputs.kubernetes.schema import unknown_fields  # noqa: PLC0415
        from deployguard.inputs.kubernetes.workloads import workloads  # noqa: PLC0415

        manifests = read(
            files,
            workloads(self._options.workloads),
            namespace=self._options.rendering.namespace,
        )
        return replace(manifests, notes=(*manifests.notes, *unknown_fields(manifests)))

    def _dockerfile(self, target: TargetArgument) -> Opened:
        from deployguard.inputs import dockerfile  # noqa: PLC0415  (only for Dockerfiles)

        path = Path(target.name)
        file = path / "Dockerfile" if path.is_dir() else path
        options = dockerfile.BuildOptions(target=target.part, platform=self._options.platform)
        stages = dockerfile.build(target.context or str(file.parent), str(file), self, options)
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
        return self._sources.read(name)


def _place(target: TargetArgument) -> str:
    """Return what manifests are applied together with; a rendered or named folder stands alone."""
    if target.form is not TargetForm.KUBERNETES or files.is_folder(Path(target.name)):
        return f"{target.form}:{target.name}"
    named = target.argument.removeprefix(f"{target.form}:") == target.name
    return "" if named else str(Path(target.name).parent)


def _nothing_piped() -> NotFoundError:
    return NotFoundError(
        "there is nothing to judge in the standard input",
        hint="pipe manifests or a compose file into it",
    )


def _target(
    target: TargetArgument, name: str, kind: TargetKind, problems: Iterable[Problem] = ()
) -> Target:
    return Target(
        name=name,
        argument=target.argument,
        kind=kind,
        status=Status.INSPECTED,
        problems=(*target.notes, *problems),
    )


_KINDS = {
    TargetForm.COMPOSE: TargetKind.COMPOSE,
    TargetForm.KUBERNETES: TargetKind.KUBERNETES,
    TargetForm.HELM: TargetKind.HELM,
    TargetForm.KUSTOMIZE: TargetKind.KUSTOMIZE,
    TargetForm.DOCKERFILE: TargetKind.DOCKERFILE,
    TargetForm.HELM: TargetKind.HELM,
    TargetForm.KUSTOMIZE: TargetKind.KUSTOMIZE,
}


def described(argument: str) -> tuple[str, TargetKind]:
    """Return the name and the likely kind of a target that could not be opened at all."""
    prefix, colon, rest = argument.partition(":")
    if colon and prefix in set(TargetForm):
        return rest or argument, _KINDS.get(TargetForm(prefix), TargetKind.IMAGE)
    manifest = argument.endswith((".yaml", ".yml", ".json")) or argument == "-"
    return argument, TargetKind.KUBERNETES if manifest else TargetKind.IMAGE


def failed(target: TargetArgument, error: InputError) -> Opened:
    """Return the target that an argument would have been, but for an error."""
    kind = _KINDS.get(target.form, TargetKind.IMAGE)
    lost = Target(
        name=target.name,
        argument=target.argument,
        kind=kind,
        status=Status.FAILED,
        problems=(error.problem(),),
    )
    return Opened(target=lost, specs=())


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
