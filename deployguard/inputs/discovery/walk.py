"""A folder and those below it: names alone, no file is opened and no link leads out of it."""

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from deployguard.errors import InputError, LimitError, UnreadableError
from deployguard.inputs.discovery import kinds
from deployguard.inputs.discovery.excluding import excluded, folder_reason, is_marked
from deployguard.model.evidence import Location
from deployguard.model.skipped import Skipped, SkipReason

_ENTRIES = 2_000_000
_NAMED = 1_000  # paths of one reason; more are counted
_TOLD = 1_000  # entries between two words of progress
# What belongs to a chart: its templates are rendered, its subcharts rendered with it.
_OF_CHART = frozenset({"templates", "charts", "crds", "ci"})
# What lies beside manifests in folders that are for nothing else.
_BESIDE = (".md", ".txt", ".sh", ".env", ".properties", ".conf")


class Skips(Struct, eq=False):
    """Collects what is skipped; names beyond a bound are counted alone."""

    _counts: Counter[SkipReason] = field(default_factory=Counter)
    _paths: dict[SkipReason, list[str]] = field(default_factory=dict)

    def add(self, why: SkipReason, path: str) -> None:
        """Note one path."""
        self._counts[why] += 1
        paths = self._paths.setdefault(why, [])
        if why is not SkipReason.OTHER and len(paths) < _NAMED:
            paths.append(path)

    def all(self) -> tuple[Skipped, ...]:
        """Return everything, reasons in their order and paths sorted."""
        return tuple(
            Skipped(why, self._counts[why], tuple(sorted(self._paths[why])))
            for why in SkipReason
            if self._counts[why]
        )


class Tree(Struct, eq=False):
    """What a folder holds: the names that matter by folder, and what the walk left out.

    Paths are relative to the folder, with slashes; "" is the folder itself. `parts` lie in a chart,
    `mixed` are the folders that hold more than manifests.
    """

    root: str
    skips: Skips
    folders: dict[str, set[str]] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, InputError]] = field(default_factory=list)
    mixed: set[str] = field(default_factory=set)
    files: int = 0

    def named(self, relative: str) -> str:
        """Return a path as reached from the argument."""
        return named(self.root, relative)

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield folder and name of every file that matters, in order."""
        for folder in sorted(self.folders, key=parts):
            for name in sorted(self.folders[folder]):
                yield folder, name


def named(root: str, relative: str) -> str:
    """Return a path below a folder as the report shows it."""
    if not relative:
        return root
    return relative if root == "." else posixpath.join(root, relative)


def order(path: str) -> tuple[tuple[str, ...], str]:
    """Return what paths are ordered by: the files of a folder before what lies in folders of it."""
    folder, _, name = path.rpartition("/")
    return parts(folder), name


def parts(path: str) -> tuple[str, ...]:
    """Return the names that a path is made of."""
    return tuple(path.split("/")) if path else ()


def walk(tree: Tree, exclude: tuple[str, ...], progress: Callable[[str], None]) -> None:
    """Look through a tree's folder. Raises LimitError where it holds more than anybody deploys.

    A folder that cannot be listed is noted, and the others are looked through.
    """
    root = tree.root
    real = os.path.realpath(root)
    waiting = [""]
    seen = 0
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118  (per entry)
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            tree.unreadable.append((folder, _unreadable(tree.named(folder), error)))
            continue
        if (seen + len(found)) // _TOLD > seen // _TOLD:
            progress(f"looking through {tree.named(folder)}: {seen + len(found)} entries so far")
        seen += len(found)
        if seen > _ENTRIES:
            raise LimitError(
                f"{root} holds more than {_ENTRIES} files and folders",
                location=Location(root),
                hint="name the folders to inspect, or leave some out with --exclude",
            )
        waiting += reversed(list(_below(tree, real, folder, found, exclude)))


def _below(
    tree: Tree, real: str, folder: str, found: list[os.DirEntry[str]], exclude: tuple[str, ...]
) -> Iterator[str]:
    """Sort what one folder holds into the tree; yield the folders to go on with."""
    names = {entry.name for entry in found}
    if folder and is_marked(names):
        tree.skips.add(SkipReason.LIBRARIES, tree.named(folder))
        return
    if kinds.LAYOUT in names:
        tree.layouts.append(folder)
        tree.files += 1
        return
    chart = kinds.CHART in names
    for entry in found:
        path = posixpath.join(folder, entry.name)
        if excluded(path, tree.named(path), exclude):
            tree.skips.add(SkipReason.EXCLUDED, tree.named(path))
        elif entry.is_symlink():
            _link(tree, real, folder, entry.name)
        elif not entry.is_dir(follow_symlinks=False):
            tree.files += 1
            _file(tree, folder, entry.name)
        elif chart and entry.name in _OF_CHART:
            tree.parts.append(path)
        elif (why := folder_reason(entry.name)) is not None:
            tree.skips.add(why, tree.named(path))
        else:
            yield path


def _file(tree: Tree, folder: str, name: str) -> None:
    if kinds.is_template(name):
        tree.skips.add(SkipReason.TEMPLATE, tree.named(posixpath.join(folder, name)))
    elif _matters(name):
        tree.folders.setdefault(folder, set()).add(name)
    else:
        tree.skips.add(SkipReason.OTHER, name)
        if "." in name.lstrip(".") and not name.endswith(_BESIDE):
            tree.mixed.add(folder)


def _matters(name: str) -> bool:
    return (
        name.endswith(kinds.MANIFEST_ENDINGS)
        or name in kinds.KUSTOMIZATIONS
        or name == ".env"
        or kinds.is_dockerfile(name)
        or kinds.is_archive(name)
    )


def _link(tree: Tree, real: str, folder: str, name: str) -> None:
    """Take a link for a file where compose looks for that name and it stays in the folder."""
    path = posixpath.join(folder, name)
    target = os.path.realpath(os.path.join(tree.root, path))  # noqa: PTH118  (see walk)
    inside = target.startswith(real.rstrip("/") + "/")
    asked_for = name in kinds.COMPOSE_NAMES or name in kinds.OVERRIDE_NAMES
    if inside and asked_for and os.path.isfile(target):  # noqa: PTH113  (never raises)
        tree.files += 1
        tree.folders.setdefault(folder, set()).add(name)
    else:
        tree.skips.add(SkipReason.LINK, tree.named(path))


def _unreadable(name: str, error: OSError) -> UnreadableError:
    return UnreadableError(
        f"cannot read {name}: {error.strerror or type(error).__name__}",
        location=Location(name),
        hint="check its permissions, or leave it out with --exclude",
    )
