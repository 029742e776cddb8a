"""What a TARGET argument names: the prefix where there is one, else what lies at the path."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deployguard.errors import (
    NotFoundError,
    UnreadableError,
    UnsupportedError,
    UsageError,
)
from deployguard.model.evidence import Location


class TargetForm(StrEnum):
    """The forms of a target, by their prefixes."""

    IMAGE = "image"
    DOCKER = "docker"
    PODMAN = "podman"
    REGISTRY = "registry"
    ARCHIVE = "archive"
    OCI = "oci"
    COMPOSE = "compose"
    KUBERNETES = "k8s"
    HELM = "helm"
    KUSTOMIZE = "kustomize"
    DOCKERFILE = "dockerfile"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetArgument:
    """One thing to inspect: `name` is the path or reference without prefix, `part` what follows it.

    `part` is the tag of an archive or layout, or the stage of a Dockerfile.
    """

    argument: str
    form: TargetForm
    name: str
    part: str | None = None


_FILE_ENDINGS = (".yaml", ".yml", ".json", ".tar")
_COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
# Folders of tools and libraries: what lies there is not deployed from there.
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "build", "dist"})
_FOLDERS = 2_000
_LATER = {
    TargetForm.REGISTRY: "pull the image, or copy it: skopeo copy docker://IMAGE oci:DIR",
    TargetForm.HELM: "render it first: helm template DIR | deployguard scan k8s:-",
    TargetForm.KUSTOMIZE: "render it first: kubectl kustomize DIR | deployguard scan k8s:-",
}


def resolve(argument: str, is_image: Callable[[str], bool]) -> tuple[TargetArgument, ...]:
    """Return what an argument names; a folder may name several things.

    `is_image` says whether the engine has an image of a name; it is asked for a bare word that is a
    folder as well. Raises NotFoundError, UnreadableError or UnsupportedError for a target that
    cannot be inspected, and UsageError for one that says nothing, or two things.
    """
    if not argument:
        raise UsageError("an empty target", hint="name an image, a file or a folder")
    prefix, colon, rest = argument.partition(":")
    if colon and prefix in set(TargetForm):
        form = TargetForm(prefix)
        if not rest:
            raise UsageError(f"{argument} names nothing", hint=f"write {prefix}:NAME")
        return (_prefixed(argument, form, rest),)
    return _plain(argument, is_image)


def _prefixed(argument: str, form: TargetForm, rest: str) -> TargetArgument:
    hint = _LATER.get(form)
    if hint is not None:
        raise UnsupportedError(
            f"targets of the form {form}: are not read yet", location=Location(argument), hint=hint
        )
    match form:
        case TargetForm.ARCHIVE | TargetForm.OCI:
            name, tag = _split_tag(rest)
            _existing(name)
            return TargetArgument(argument=argument, form=form, name=name, part=tag)
        case TargetForm.DOCKERFILE:
            name, _, stage = rest.partition("#")
            _existing(name)
            return TargetArgument(argument=argument, form=form, name=name, part=stage or None)
        case TargetForm.COMPOSE:
            for name in rest.split(","):
                if name != "-":
                    _existing(name)
        case TargetForm.KUBERNETES:
            if rest != "-":
                _existing(rest)
        case _:
            pass
    return TargetArgument(argument=argument, form=form, name=rest)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split FILE[:TAG]: a file of the whole name wins over a tag."""
    if Path(rest).exists() or ":" not in rest:
        return rest, None
    name, _, tag = rest.partition(":")
    return name, tag


def _existing(name: str) -> Path:
    path = Path(name)
    try:
        found = path.exists()
    except OSError as error:
        raise NotFoundError(f"cannot look at {name}: {error.strerror}") from error
    if not found:
        raise NotFoundError(
            f"there is no file or folder {name}", location=Location(name), hint="check the path"
        )
    return path


def _plain(argument: str, is_image: Callable[[str], bool]) -> tuple[TargetArgument, ...]:
    if argument == "-":
        # Sniffed where it is read: compose files and manifests both come through a pipe.
        return (TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name="-"),)
    path = Path(argument)
    if path.is_dir():
        bare = not any(sign in argument for sign in "/.:")
        if bare and is_image(argument):
            raise UsageError(
                f"{argument} is a folder here and an image in the engine",
                hint=f"write ./{argument} or image:{argument}",
            )
        return _folder(argument, path)
    if path.exists():
        return (_file(argument, path),)
    if argument.endswith(_FILE_ENDINGS) or argument.startswith((".", "/")):
        raise NotFoundError(
            f"there is no file or folder {argument}",
            location=Location(argument),
            hint="check the path; an image of this name is written image:" + argument,
        )
    return (TargetArgument(argument=argument, form=TargetForm.IMAGE, name=argument),)


def _file(argument: str, path: Path) -> TargetArgument:
    try:
        with path.open("rb") as file:
            head = file.read(65_536)
    except OSError as error:
        raise UnreadableError(
            f"cannot read {argument}: {error.strerror}",
            location=Location(argument),
            hint="check its permissions",
        ) from error
    if path.name == "Dockerfile" or path.suffix == ".dockerfile":
        form = TargetForm.DOCKERFILE
    elif argument.endswith((".tar", ".tar.gz", ".tgz")) or _is_tar(head):
        form = TargetForm.ARCHIVE
    elif is_compose(path.name, head):
        form = TargetForm.COMPOSE
    elif argument.endswith((".yaml", ".yml", ".json")):
        form = TargetForm.KUBERNETES
    else:
        raise UnsupportedError(
            f"{argument} is neither an archive, a compose file, a manifest nor a Dockerfile",
            location=Location(argument),
            hint="say which it is with a prefix, such as k8s: or compose:",
        )
    return TargetArgument(argument=argument, form=form, name=argument)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" or head[:2] == b"\x1f\x8b"


def is_compose(name: str, head: bytes) -> bool:
    """Say whether YAML is a compose file: by its name, or by services and no kind at the top."""
    if name in _COMPOSE_NAMES:
        return True
    lines = head.splitlines()
    kinds = any(line.startswith((b"kind:", b"apiVersion:", b'"kind"', b"{")) for line in lines)
    return not kinds and any(line.startswith((b"services:", b'"services"')) for line in lines)


def _is_manifest(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            lines = file.read(65_536).splitlines()
    except OSError:
        # Named later by whoever reads it: a file that cannot be read is not passed over.
        return True
    starts = (b"kind:", b"apiVersion:")
    return any(line.startswith(starts) for line in lines)


def _folder(argument: str, path: Path) -> tuple[TargetArgument, ...]:
    """Return what a folder and those below it hold."""
    found = [entry for folder in _folders(path) for entry in _held(argument, folder)]
    if not found:
        raise NotFoundError(
            f"there is nothing to judge in the folder {argument}",
            location=Location(argument),
            hint="name a compose file, a manifest, an archive, an image layout or an image",
        )
    return tuple(found)


def _folders(path: Path) -> Iterator[Path]:
    for count, (root, names, _) in enumerate(os.walk(path)):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED)
        if count >= _FOLDERS:
            raise UnsupportedError(
                f"{path} has more than {_FOLDERS} folders",
                location=Location(str(path)),
                hint="name the folders to inspect",
            )
        yield Path(root)
        if (Path(root) / "oci-layout").is_file():
            names.clear()


def _held(argument: str, folder: Path) -> Iterator[TargetArgument]:
    """Yield what lies in one folder; a Dockerfile beside a compose project is built by that."""
    if (folder / "oci-layout").is_file():
        yield TargetArgument(argument=argument, form=TargetForm.OCI, name=str(folder))
        return
    project = next((folder / name for name in _COMPOSE_NAMES if (folder / name).is_file()), None)
    if project is not None:
        names = ",".join(str(name) for name in (project, *_override(project)))
        yield TargetArgument(argument=argument, form=TargetForm.COMPOSE, name=names)
    elif (folder / "Dockerfile").is_file():
        name = str(folder / "Dockerfile")
        yield TargetArgument(argument=argument, form=TargetForm.DOCKERFILE, name=name)
    for child in sorted(folder.iterdir()):
        plain = child.is_file() and child.suffix in {".yaml", ".yml"}
        if plain and child.name not in _COMPOSE_NAMES and _is_manifest(child):
            yield TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name=str(child))


def _override(project: Path) -> Iterator[Path]:
    """Yield the override file that docker compose reads beside a project's file."""
    for suffix in (".yaml", ".yml"):
        for stem in ("compose.override", "docker-compose.override"):
            path = project.with_name(stem + suffix)
            if path.is_file():
                yield path
                return
