"""What a TARGET argument names: the prefix where there is one, else what lies at the path."""

import os
import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from deployguard import files
from deployguard.errors import NotFoundError, UnsupportedError, UsageError
from deployguard.inputs.discovery import kinds
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem


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


class TargetArgument(Struct, frozen=True, kw_only=True):
    """One thing to inspect: `name` is the path or reference without prefix, `part` what follows it.

    `part` is the tag of an archive or layout, or the stage of a Dockerfile. What is found in a
    folder says more: the `files` of a compose project, a Dockerfile's `context`, and `notes`.
    """

    argument: str
    form: TargetForm
    name: str
    part: str | None = None
    files: tuple[str, ...] = ()
    context: str | None = None
    notes: tuple[Problem, ...] = ()


class Folder(Struct, frozen=True):
    """A folder without a prefix: everything in it is to be inspected. `path` is in normal form."""

    argument: str
    path: str


_FILE_ENDINGS = (*kinds.MANIFEST_ENDINGS, ".tar")
_HEAD = 65_536
_LATER = {
    TargetForm.REGISTRY: "pull the image, or copy it: skopeo copy docker://IMAGE oci:DIR",
}


def resolve(argument: str, is_image: Callable[[str], bool]) -> TargetArgument | Folder:
    """Return what an argument names; what a folder holds is to be found out.

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
        return _prefixed(argument, form, rest)
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
            if form is TargetForm.ARCHIVE:
                files.regular(name)
            else:
                _is_folder(name)
            return TargetArgument(argument=argument, form=form, name=name, part=tag)
        case TargetForm.DOCKERFILE:
            name, _, stage = rest.partition("#")
            if not _is_folder(name):
                files.regular(name)
            return TargetArgument(argument=argument, form=form, name=name, part=stage or None)
        case TargetForm.COMPOSE:
            for name in rest.split(","):
                if name != "-":
                    files.regular(name)
        case TargetForm.KUBERNETES:
            if rest != "-" and not _is_folder(rest):
                files.regular(rest)
        case TargetForm.HELM | TargetForm.KUSTOMIZE:
            _check_renderable(form, rest)
        case _:
            pass
    return TargetArgument(argument=argument, form=form, name=rest)


def _check_renderable(form: TargetForm, name: str) -> None:
    """See that a chart or kustomization lies here. Raises InputError."""
    if "://" in name:
        raise UnsupportedError(
            "what lies elsewhere is not fetched",
            location=Location(name),
            hint="fetch it first, with helm pull or git clone, and name the folder",
        )
    if _is_folder(name):
        return
    if form is TargetForm.KUSTOMIZE:
        raise UnsupportedError(
            f"{name} is no folder",
            location=Location(name),
            hint="name the folder that the kustomization lies in",
        )
    files.regular(name)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split FILE[:TAG]: a file of the whole name wins over a tag."""
    if files.exists(Path(rest)) or ":" not in rest:
        return rest, None
    name, _, tag = rest.partition(":")
    return name, tag


def _is_folder(name: str) -> bool:
    """Return whether a path is a folder. Raises InputError where there is nothing."""
    return stat.S_ISDIR(files.status(name).st_mode)


def _plain(argument: str, is_image: Callable[[str], bool]) -> TargetArgument | Folder:
    if argument == "-":
        # Sniffed where it is read: compose files and manifests both come through a pipe.
        return TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name="-")
    path_like = argument.endswith((*_FILE_ENDINGS, "/")) or argument.startswith((".", "/"))
    if not path_like and not os.path.lexists(argument):
        return TargetArgument(argument=argument, form=TargetForm.IMAGE, name=argument)
    try:
        folder = _is_folder(argument)
    except NotFoundError as error:
        end = "" if error.hint is None or error.hint.endswith("?") else "."
        hint = f"{error.hint}{end} For an image of this name write image:{argument}"
        raise NotFoundError(error.message, location=error.location, hint=hint) from error
    if not folder:
        return _file(argument, Path(argument))
    bare = not any(sign in argument for sign in "/.:")
    if bare and is_image(argument):
        raise UsageError(
            f"{argument} is a folder here and an image in the engine",
            hint=f"write ./{argument} or image:{argument}",
        )
    return Folder(argument, str(Path(argument)))


def _file(argument: str, path: Path) -> TargetArgument:
    head = files.head(argument, _HEAD)
    if kinds.is_dockerfile(path.name):
        form = TargetForm.DOCKERFILE
    elif argument.endswith((".tar", ".tar.gz", ".tgz")) or kinds.is_tar(head):
        form = TargetForm.ARCHIVE
    elif kinds.is_compose(path.name, head):
        form = TargetForm.COMPOSE
    elif argument.endswith(kinds.MANIFEST_ENDINGS):
        form = TargetForm.KUBERNETES
    else:
        raise UnsupportedError(
            f"{argument} is neither an archive, a compose file, a manifest nor a Dockerfile",
            location=Location(argument),
            hint="say which it is with a prefix, such as k8s: or compose:",
        )
    return TargetArgument(argument=argument, form=form, name=argument)
