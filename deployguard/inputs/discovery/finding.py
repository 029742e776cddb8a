"""What a folder holds: every project, set of manifests, chart, kustomization, build and image.

Nothing is judged twice: what a project, chart or kustomization takes in belongs to it. Nothing is
passed over in silence: what is not judged is named with the reason, or counted.

`.gitignore` does not count: what git does not keep (rendered manifests, `.env`) is deployed too.
"""

import os
import posixpath
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from deployguard.errors import InputError
from deployguard.inputs.discovery import builds, charts, kinds, kustomizations, projects
from deployguard.inputs.discovery.sets import trees
from deployguard.inputs.discovery.sources import Sources
from deployguard.inputs.discovery.uses import tops
from deployguard.inputs.discovery.walk import Skips, Tree, order, walk
from deployguard.inputs.targets import TargetArgument, TargetForm
from deployguard.model.codes import ProblemCode
from deployguard.model.problem import Problem
from deployguard.model.skipped import SkipReason

_HEAD = 65_536
_YAML_LIMIT = 10 * 1024 * 1024
_SETTINGS = ".deployguard.yaml"


class FindOptions(Struct, frozen=True, kw_only=True):
    """What decides what is looked for; `environ` may name the files of a compose project."""

    exclude: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[str], None] = field(default=lambda _: None)


class Found(Struct, frozen=True, kw_only=True):
    """What a folder holds, in the order of its paths.

    `manifests` are files that are applied together; `unreadable` could not be looked at; `parts`
    are files and folders that belong to a target of another name. Each file of the folder is in
    exactly one of these, or among the skips; `files` is their number.
    """

    targets: tuple[TargetArgument, ...]
    manifests: tuple[tuple[str, ...], ...]
    unreadable: tuple[tuple[str, InputError], ...]
    parts: tuple[str, ...]
    files: int


def find(argument: str, root: str, options: FindOptions, sources: Sources, skips: Skips) -> Found:
    """Look through a folder, noting what is skipped. Raises LimitError where it holds too much."""
    tree = Tree(root, skips)
    walk(tree, options.exclude, options.progress)
    return _Finder(argument, tree, options, sources).found()


class _Finder:
    """Takes the files of a tree, kind by kind; what an earlier kind took is gone for the later."""

    def __init__(self, argument: str, tree: Tree, options: FindOptions, sources: Sources) -> None:
        self.argument = argument
        self.tree = tree
        self.options = options
        self.sources = sources
        self.targets: list[TargetArgument] = []
        self.parts = {tree.named(path) for path in tree.parts}
        self.built: set[str] = set()
        # By path as reached from the argument, in order.
        self.left = {
            tree.named(posixpath.join(folder, name)): (folder, name)
            for folder, name in tree.paths()
        }

    def found(self) -> Found:
        """Take everything."""
        for folder in self.tree.layouts:
            self._add(TargetForm.OCI, self.tree.named(folder))
        self._large()
        self._charts()
        self._kustomizations()
        self._projects()
        self._dockerfiles()
        self._archives()
        manifests = self._manifests()
        return Found(
            targets=tuple(sorted(self.targets, key=lambda one: order(one.name))),
            manifests=manifests,
            unreadable=tuple(self.tree.unreadable),
            parts=tuple(sorted(self.parts)),
            files=self.tree.files,
        )

    def _add(
        self,
        form: TargetForm,
        name: str,
        *,
        files: tuple[str, ...] = (),
        context: str | None = None,
        note: str | None = None,
    ) -> None:
        notes = (Problem(ProblemCode.NOTE, note),) if note else ()
        self.targets.append(
            TargetArgument(
                argument=self.argument,
                form=form,
                name=name,
                files=files,
                context=context,
                notes=notes,
            )
        )

    def _part(self, path: str) -> None:
        """Take a file that belongs to a target."""
        if self.left.pop(path, None) is not None:
            self.parts.add(path)
            self.sources.drop(path)

    def _skip(self, why: SkipReason, path: str) -> None:
        self.left.pop(path, None)
        self.tree.skips.add(why, path)
        self.sources.drop(path)

    def _large(self) -> None:
        """Skip data: a manifest that is too large is left for its reader to refuse."""
        for path, (_, name) in list(self.left.items()):
            if not name.endswith(kinds.MANIFEST_ENDINGS) or not _is_large(path):
                continue
            try:
                head = self.sources.head(path, _HEAD)
            except InputError:
                continue
            if not kinds.is_manifest(kinds.utf8(head), path) and not kinds.is_compose(name, head):
                self._skip(SkipReason.TOO_LARGE, path)

    def _charts(self) -> None:
        for path, (folder, name) in list(self.left.items()):
            if name != kinds.CHART:
                continue
            beside = self.tree.folders[folder]
            for other in sorted(beside):
                if charts.belongs(other):
                    self._part(self.tree.named(posixpath.join(folder, other)))
            self.tree.mixed.add(folder)
            if charts.is_library(path, self.sources):
                self.parts.discard(path)
                self.tree.skips.add(SkipReason.FRAGMENT, path)
            else:
                self._add(TargetForm.HELM, self.tree.named(folder))

    def _kustomizations(self) -> None:
        held: dict[str, kustomizations.Kustomization] = {}
        for path, (folder, name) in self.left.items():
            place = posixpath.normpath(self.tree.named(folder))
            if name in kinds.KUSTOMIZATIONS and place not in held:
                held[place] = kustomizations.read(place, path, self.sources)
        judged, reached = tops({place: one.uses for place, one in held.items()})
        shown = {posixpath.normpath(path): path for path in self.left}
        for use in sorted(reached & set(shown)):
            self._part(shown[use])
        for place, one in held.items():
            if place in judged and one.component:
                self._skip(SkipReason.FRAGMENT, one.file)
                continue
            self._part(one.file)
            if place in judged:
                self._add(TargetForm.KUSTOMIZE, posixpath.dirname(one.file) or ".")

    def _projects(self) -> None:
        folders: dict[str, set[str]] = {}
        for folder, name in self.left.values():
            folders.setdefault(folder, set()).add(name)
        held: dict[str, projects.Project] = {}
        fragments: list[str] = []
        for folder, names in folders.items():
            where = self.tree.named(folder)
            main = projects.main_files(where, names, self.sources, self.options.environ)
            found, further = projects.projects(where, names, main, self.sources)
            held.update((posixpath.normpath(one.name), one) for one in found)
            fragments += further
        taken = {
            name: projects.taken_in(one, self.sources, self.options.profiles)
            for name, one in held.items()
        }
        judged, _ = tops({name: one.files & set(held) for name, one in taken.items()})
        for name in judged:
            self._project(held[name])
            self.built |= taken[name].dockerfiles
        inside = {file for one in taken.values() for file in one.files}
        real = {os.path.realpath(file) for one in held.values() for file in one.files}
        for path, (_, name) in list(self.left.items()):
            if posixpath.normpath(path) in inside or (
                name.endswith(kinds.MANIFEST_ENDINGS) and os.path.realpath(path) in real
            ):
                self._part(path)
        for path in fragments:
            if path in self.left:
                self._skip(SkipReason.FRAGMENT, path)

    def _project(self, project: projects.Project) -> None:
        for path in project.files:
            place = self.left.pop(path, None)
            if place is not None:
                self.tree.mixed.add(place[0])
                if path != project.name:
                    self.parts.add(path)
        note = None
        if project.laid_over:
            note = f"does not stand alone, and is judged laid over {', '.join(project.files[:-1])}"
        self._add(TargetForm.COMPOSE, project.name, files=project.files, note=note)

    def _dockerfiles(self) -> None:
        for path, (folder, name) in list(self.left.items()):
            if not kinds.is_dockerfile(name):
                continue
            self.tree.mixed.add(folder)
            if posixpath.normpath(path) in self.built:
                self._part(path)
            elif not builds.is_built(path, self.sources):
                self._skip(SkipReason.OTHER, path)
            else:
                self.left.pop(path)
                context = builds.context(path, self.tree.root, self.sources)
                note = f"built in the folder {context}, which holds what it copies"
                self._add(
                    TargetForm.DOCKERFILE, path, context=context, note=note if context else None
                )

    def _archives(self) -> None:
        for path, (folder, name) in list(self.left.items()):
            if not kinds.is_archive(name):
                continue
            self.tree.mixed.add(folder)
            try:
                image = kinds.holds_image(self.sources.head(path, _HEAD))
            except InputError:
                image = True  # who opens it says why it cannot be read
            if image:
                self.left.pop(path)
                self._add(TargetForm.ARCHIVE, path)
            else:
                self._skip(SkipReason.NO_IMAGE, path)

    def _manifests(self) -> tuple[tuple[str, ...], ...]:
        kept: list[str] = []
        for path, (folder, name) in list(self.left.items()):
            if name in {".env", _SETTINGS}:
                self._skip(SkipReason.OTHER, path)
                continue
            why = self._not_manifest(path)
            if why is None:
                kept.append(posixpath.join(folder, name))
                self.left.pop(path)
            else:
                self._skip(why, path)
        return tuple(
            tuple(self.tree.named(path) for path in group) for group in trees(kept, self.tree.mixed)
        )

    def _not_manifest(self, path: str) -> SkipReason | None:
        """Return why a file of YAML or JSON is none that declares objects, None where it is."""
        try:
            data = self.sources.read(path)
        except InputError:
            return None  # who reads it says why it cannot be read
        plain = kinds.utf8(data)
        if kinds.is_manifest(plain, path):
            return None
        return SkipReason.TEMPLATE if kinds.is_rendered(plain) else SkipReason.NEITHER


def _is_large(path: str) -> bool:
    try:
        return os.stat(path).st_size > _YAML_LIMIT  # noqa: PTH116  (for every file of YAML)
    except OSError:
        return False
