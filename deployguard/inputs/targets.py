"""What a TARGET argument names: the prefix where there is one, else what lies at the path."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deployguard import files
from deployguard.errors import InputError, NotFoundError, UnsupportedError, UsageError
from deployguard.formats.yaml import Dialect, Mapping, documents
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


_MANIFEST_ENDINGS = (".yaml", ".yml", ".json")
_FILE_ENDINGS = (*_MANIFEST_ENDINGS, ".tar")
_COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
# What docker compose lays over a project's file, whichever name that has.
_OVERRIDES = (
    "compose.override.yaml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
)
# Folders of tools and libraries: what lies there is not deployed from there.
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "build", "dist"})
_FOLDERS = 2_000
_HEAD = 65_536
_MANIFEST_LIMIT = 64 * 1024 * 1024
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_AT_LINE_START = re.compile(rb"^(?:kind|apiVersion):", re.MULTILINE)
_QUOTED_AT_START = re.compile(rb"\s*\{\s*[\"']?(?:kind|apiVersion)\b")
_LATER = {
    TargetForm.REGISTRY: "pull the image, or copy it: skopeo copy docker://IMAGE oci:DIR",
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


def _plain(argument: str, is_image: Callable[[str], bool]) -> tuple[TargetArgument, ...]:
    if argument == "-":
        # Sniffed where it is read: compose files and manifests both come through a pipe.
        return (TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name="-"),)
    path_like = argument.endswith((*_FILE_ENDINGS, "/")) or argument.startswith((".", "/"))
    if not path_like and not os.path.lexists(argument):
        return (TargetArgument(argument=argument, form=TargetForm.IMAGE, name=argument),)
    try:
        folder = _is_folder(argument)
    except NotFoundError as error:
        end = "" if error.hint is None or error.hint.endswith("?") else "."
        hint = f"{error.hint}{end} For an image of this name write image:{argument}"
        raise NotFoundError(error.message, location=error.location, hint=hint) from error
    if not folder:
        return (_file(argument, Path(argument)),)
    bare = not any(sign in argument for sign in "/.:")
    if bare and is_image(argument):
        raise UsageError(
            f"{argument} is a folder here and an image in the engine",
            hint=f"write ./{argument} or image:{argument}",
        )
    return _folder(argument, Path(argument))


def _file(argument: str, path: Path) -> TargetArgument:
    head = files.head(argument, _HEAD)
    if _is_dockerfile(path.name):
        form = TargetForm.DOCKERFILE
    elif argument.endswith((".tar", ".tar.gz", ".tgz")) or _is_tar(head):
        form = TargetForm.ARCHIVE
    elif is_compose(path.name, head):
        form = TargetForm.COMPOSE
    elif argument.endswith(_MANIFEST_ENDINGS):
        form = TargetForm.KUBERNETES
    else:
        raise UnsupportedError(
            f"{argument} is neither an archive, a compose file, a manifest nor a Dockerfile",
            location=Location(argument),
            hint="say which it is with a prefix, such as k8s: or compose:",
        )
    return TargetArgument(argument=argument, form=form, name=argument)


def _is_dockerfile(name: str) -> bool:
    """Say whether a file is called as Dockerfiles are, also beside others: Dockerfile.dev."""
    if name.endswith(".dockerignore"):
        return False
    return name in {"Dockerfile", "Containerfile"} or (
        name.startswith(("Dockerfile.", "Containerfile.")) or name.lower().endswith(".dockerfile")
    )


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" or head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def is_compose(name: str, head: bytes) -> bool:
    """Say whether YAML is a compose file: by its name, or by services and no kind at the top."""
    if name in _COMPOSE_NAMES:
        return True
    lines = _utf8(head).splitlines()
    kinds = any(line.startswith((b"kind:", b"apiVersion:", b'"kind"', b"{")) for line in lines)
    return not kinds and any(line.startswith((b"services:", b'"services"')) for line in lines)


def _utf8(data: bytes) -> bytes:
    """Return text of the encodings that a byte order mark tells as UTF-8 without one."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace").encode()
    return data


def _is_manifest(path: Path) -> bool:
    """Say whether a file of a folder holds API objects, or what renders to them.

    One that cannot be read, or not parsed though it looks like one, is named by whoever reads it:
    it is not passed over. What only quotes a manifest, as a workflow's script does, is none.
    """
    if path.name in _KUSTOMIZATIONS:
        return True
    try:
        data = _utf8(files.read(str(path), _MANIFEST_LIMIT))
    except InputError:
        return True
    if path.suffix != ".json" and _AT_LINE_START.search(data):
        return True
    if b"kind" not in data or b"apiVersion" not in data:
        return False
    try:
        found = list(documents(data, str(path), Dialect.KUBECTL))
    except InputError:
        return _QUOTED_AT_START.match(data) is not None
    return any(
        isinstance(node, Mapping) and node.get("kind") and node.get("apiVersion") for node in found
    )


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
    """Yield a folder and those below it; one that cannot be listed as well, to be named later."""
    unlisted: list[Path] = []

    def note(error: OSError) -> None:
        unlisted.append(Path(error.filename))

    for count, (root, names, here) in enumerate(os.walk(path, onerror=note)):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED)
        if count >= _FOLDERS:
            raise UnsupportedError(
                f"{path} has more than {_FOLDERS} folders",
                location=Location(str(path)),
                hint="name the folders to inspect",
            )
        yield Path(root)
        if "oci-layout" in here:
            names.clear()
    yield from unlisted


def _held(argument: str, folder: Path) -> Iterator[TargetArgument]:
    """Yield what lies in one folder; a Dockerfile beside a compose project is built by that."""
    try:
        children = sorted(folder.iterdir())
    except OSError:
        # Whoever reads it says why not.
        yield TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name=str(folder))
        return
    names = {child.name for child in children if not files.is_folder(child)}
    if "oci-layout" in names:
        yield TargetArgument(argument=argument, form=TargetForm.OCI, name=str(folder))
        return
    project = next((name for name in _COMPOSE_NAMES if name in names), None)
    if project is not None:
        override = next((name for name in _OVERRIDES if name in names), None)
        both = (str(folder / name) for name in (project, override) if name is not None)
        yield TargetArgument(argument=argument, form=TargetForm.COMPOSE, name=",".join(both))
    elif "Dockerfile" in names:
        name = str(folder / "Dockerfile")
        yield TargetArgument(argument=argument, form=TargetForm.DOCKERFILE, name=name)
    for child in children:
        named = child.suffix in _MANIFEST_ENDINGS or child.name in _KUSTOMIZATIONS
        plain = named and child.name in names and child.name not in _COMPOSE_NAMES
        if plain and _is_manifest(child):
            yield TargetArgument(argument=argument, form=TargetForm.KUBERNETES, name=str(child))
