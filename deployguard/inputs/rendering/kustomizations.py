"""Kustomizations as they lie on the disk: read before they are rendered, for what they would fetch.

Wherever a kustomization names a file, kustomize takes a URL as well, and where it names a folder a
git repository (Load and New of api/internal/loader/fileloader.go). It would also run what some
kinds of generators and transformers name. All that is refused here, by its place, before the
program runs; a look at what is local alone is not enough, for a folder may be called github.com.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import (
    InputError,
    LimitError,
    NotFoundError,
    SyntaxInputError,
    UnsupportedError,
)
from deployguard.formats.yaml import Dialect, Mapping, Node, Scalar, Sequence, documents
from deployguard.inputs.discovery.kinds import KUSTOMIZATIONS
from deployguard.model.evidence import Location

_FILE_LIMIT = 8 * 1024 * 1024
_KUSTOMIZATIONS = 2_000
_DEEP = 32
_SCAN = "deployguard scan k8s:-"
_FETCH_FIRST = "fetch it first, and name the folder or file that it comes to"
# What makes of a folder's name the address of a repository: NewRepoSpecFromURL of
# api/internal/git/repospec.go, in all of its releases.
_REPOSITORY = re.compile(r"[:?@]|_git/|\Agithub\.com/|//", re.IGNORECASE)
_CHARTS = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_PLUGINS = ("generators", "transformers", "validators")
# Fields that name files, wherever they stand; of KEY=FILE the file counts.
_PATHS = frozenset(
    {"path", "paths", "files", "envs", "env", "crds", "configurations", "resources", "bases",
     "components", "patchesstrategicmerge", *_PLUGINS}
)  # fmt: skip


class Kustomization(Struct, frozen=True, kw_only=True):
    """One kustomization: what it names and what lies there, in the order of the file.

    `resources` are those of folders and the documents of files; `components` come after them.
    """

    folder: Path
    file: str
    root: Mapping
    resources: tuple["Kustomization | Mapping", ...] = ()
    components: tuple["Kustomization", ...] = ()


class _Walk(Struct):
    """How many kustomizations may still be read; the same one may be named from several places."""

    left: int = _KUSTOMIZATIONS
    chain: list[Path] = field(default_factory=list)


def read(name: str) -> Kustomization:
    """Read the kustomization of a folder and all that it names.

    Raises NotFoundError where there is none, UnsupportedError for what kustomize would fetch or
    run, SyntaxInputError and LimitError.
    """
    return _folder(Path(name), Location(name), _Walk())


def values(root: Node | None, name: str) -> Iterator[Node]:
    """Yield what stands under a field; Go's JSON heeds no case in the names of fields."""
    if isinstance(root, Mapping):
        for key, node in root.entries:
            if str(key.value).casefold() == name.casefold():
                yield node


def members(root: Node | None, name: str) -> Iterator[Node]:
    """Yield the members of a list field."""
    for node in values(root, name):
        if isinstance(node, Sequence):
            yield from node.items


def text(root: Node | None, name: str) -> Scalar | None:
    """Return a field that holds text."""
    found = [node for node in values(root, name) if isinstance(node, Scalar)]
    return found[-1] if found and isinstance(found[-1].value, str) else None


def texts(root: Node | None, name: str) -> Iterator[Scalar]:
    """Yield the texts of a list field."""
    for node in members(root, name):
        if isinstance(node, Scalar) and isinstance(node.value, str):
            yield node


def joined(folder: Path, name: str) -> Path:
    """Return a path below a folder, without the steps up where they lead to the same place."""
    path = folder / name
    short = Path(os.path.normpath(path))
    try:
        return short if short.samefile(path) else path
    except (OSError, ValueError):
        return path


def inside(path: Path) -> list[Mapping]:
    """Return the documents of a file that are mappings. Raises InputError."""
    data = files.read(str(path), _FILE_LIMIT)
    found = documents(data, str(path), Dialect.KUBECTL)
    return [node for node in found if isinstance(node, Mapping)]


def _folder(folder: Path, named: Location, walk: _Walk) -> Kustomization:
    walk.left -= 1
    if walk.left < 0 or len(walk.chain) > _DEEP:
        raise LimitError(
            f"more than {_KUSTOMIZATIONS} kustomizations, or {_DEEP} in each other",
            location=named,
            hint=f"render it yourself: kubectl kustomize DIR | {_SCAN}",
        )
    real = folder.resolve()
    if real in walk.chain:
        raise SyntaxInputError(
            f"{folder} leads back to itself", location=named, hint="take it out of its own bases"
        )
    file = next((folder / name for name in KUSTOMIZATIONS if files.exists(folder / name)), None)
    if file is None:
        raise NotFoundError(
            f"{folder} holds no kustomization",
            location=named,
            hint=f"name a folder with a {KUSTOMIZATIONS[0]}",
        )
    found = inside(file)
    root = found[0] if found else Mapping((), Location(str(file)))
    _check(root, folder)
    walk.chain.append(real)
    parts = Kustomization(
        folder=folder,
        file=str(file),
        root=root,
        resources=tuple(_resources(folder, root, walk)),
        components=tuple(
            _folder(joined(folder, str(entry.value)), entry.location, walk)
            for entry in texts(root, "components")
            if _local_folder(folder, entry)
        ),
    )
    for field_name in _PLUGINS:
        for entry in texts(root, field_name):
            _check_plugin(folder, entry, walk)
    walk.chain.pop()
    return parts


def _resources(folder: Path, root: Mapping, walk: _Walk) -> Iterator[Kustomization | Mapping]:
    for name in ("resources", "bases"):
        for entry in texts(root, name):
            path = joined(folder, str(entry.value))
            if files.is_folder(path):
                if _local_folder(folder, entry):
                    yield _folder(path, entry.location, walk)
            elif files.exists(path):
                yield from inside(path)
            else:
                raise _remote(entry)


def _local_folder(folder: Path, entry: Scalar) -> bool:
    """Return whether an entry is a folder. Raises UnsupportedError for what may be elsewhere."""
    name = str(entry.value)
    if _REPOSITORY.search(name) or not files.is_folder(folder / name):
        raise _remote(entry)
    return True


def _remote(entry: Scalar) -> InputError:
    if _REPOSITORY.search(str(entry.value)):
        return UnsupportedError(
            "a kustomization elsewhere is not fetched", location=entry.location, hint=_FETCH_FIRST
        )
    return NotFoundError(
        f"there is no file or folder {entry.value}",
        location=entry.location,
        hint="check the path; what lies elsewhere is not fetched",
    )


def _check(root: Mapping, folder: Path) -> None:
    """Refuse what kustomize would fetch for a kustomization, or a configuration of a plugin."""
    for name in _CHARTS:
        for node in values(root, name):
            raise UnsupportedError(
                "a chart within a kustomization is fetched and rendered by another program",
                location=node.location,
                hint=f"render it yourself: kustomize build --enable-helm {folder} | {_SCAN}",
            )
    for entry in _named_files(root):
        if "://" in str(entry.value).partition("\n")[0]:
            raise UnsupportedError(
                "a file elsewhere is not fetched", location=entry.location, hint=_FETCH_FIRST
            )


def _named_files(node: Node, under: str = "") -> Iterator[Scalar]:
    """Yield the texts that name files; a text of several lines is the content itself."""
    match node:
        case Mapping(entries=entries):
            for key, value in entries:
                yield from _named_files(value, str(key.value).casefold())
        case Sequence(items=items):
            for item in items:
                yield from _named_files(item, under)
        case Scalar(value=str(value)) if under in _PATHS and "\n" not in value.strip():
            yield node
        case Scalar():
            pass


def _check_plugin(folder: Path, entry: Scalar, walk: _Walk) -> None:
    """Refuse a generator, transformer or validator that is a program, or brings in a chart."""
    value = str(entry.value)
    path = joined(folder, value)
    if "\n" in value or value.lstrip().startswith("{"):
        found = documents(value.encode(), entry.location.file, Dialect.KUBECTL)
        configurations = [node for node in found if isinstance(node, Mapping)]
    elif files.is_folder(path) and _local_folder(folder, entry):
        configurations = list(_all_documents(_folder(path, entry.location, walk)))
    elif files.exists(path):
        configurations = inside(path)
    else:
        raise _remote(entry)
    for node in configurations:
        version, kind = text(node, "apiVersion"), text(node, "kind")
        annotations = [key for data in values(node, "metadata") for key in _annotations(data)]
        builtin = version is not None and version.value == "builtin"
        function = any(str(key.value).startswith("config.k") for key in annotations)
        if not builtin or function or (kind is not None and "Helm" in str(kind.value)):
            raise UnsupportedError(
                "a plugin of kustomize is a program, which is not run",
                location=entry.location,
                hint=f"render it yourself: kustomize build {folder} | {_SCAN}",
            )
        _check(node, folder)


def _all_documents(kustomization: Kustomization) -> Iterator[Mapping]:
    for part in (*kustomization.resources, *kustomization.components):
        if isinstance(part, Mapping):
            yield part
        else:
            yield from _all_documents(part)


def _annotations(metadata: Node) -> Iterator[Scalar]:
    for node in values(metadata, "annotations"):
        if isinstance(node, Mapping):
            yield from (key for key, _ in node.entries)
