"""Opens everything that a folder holds; what cannot be opened fails among the others."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from deployguard.errors import InputError, NotFoundError, SyntaxInputError, UnsupportedError
from deployguard.inputs.applied import judged
from deployguard.inputs.discovery import kinds
from deployguard.inputs.discovery.finding import FindOptions, find
from deployguard.inputs.discovery.sources import Sources
from deployguard.inputs.discovery.walk import Skips, order
from deployguard.inputs.kubernetes.manifests import Manifests
from deployguard.inputs.opening import Opened, failed
from deployguard.inputs.targets import Folder, TargetArgument, TargetForm
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem
from deployguard.model.report import Status, Target, TargetKind
from deployguard.model.skipped import Skipped, SkipReason
from deployguard.model.traffic import Traffic

_RENDERED = frozenset({TargetForm.HELM, TargetForm.KUSTOMIZE})


class FolderOpening(Struct, frozen=True, kw_only=True):
    """How a folder is opened; the callables are those of single targets."""

    options: FindOptions
    sources: Sources
    skips: Skips
    open: Callable[[TargetArgument], tuple[Opened, ...]]
    read: Callable[[Iterable[tuple[str, bytes]]], Manifests]
    containers: Callable[[TargetArgument, Manifests], tuple[ContainerSpec, ...]]
    traffic: Callable[[Manifests], tuple[Traffic, tuple[Problem, ...]]]

    def opened(self, folder: Folder) -> tuple[Opened, ...]:
        """Open everything in a folder, in the order of the paths.

        Raises NotFoundError where there is nothing to judge, LimitError where there is too much.
        """
        found = find(folder.argument, folder.path, self.options, self.sources, self.skips)
        targets = [
            *(
                failed(_manifests(folder, str(Path(folder.path, name))), error)
                for name, error in found.unreadable
            ),
            *(one for target in found.targets for one in self._opened(target)),
            *(one for together in found.manifests for one in self._applied(folder, together)),
        ]
        self.sources.clear()
        if not targets:
            raise _nothing_in(folder, self.skips.all())
        return tuple(sorted(targets, key=lambda one: order(one.target.name)))

    def _opened(self, target: TargetArgument) -> Iterator[Opened]:
        self.options.progress(f"opening {target.name}")
        try:
            yield from self.open(target)
        except InputError as error:
            if target.form is TargetForm.COMPOSE and self._is_template(target.name, error):
                self.skips.add(SkipReason.TEMPLATE, target.name)
            elif target.form in _RENDERED:
                yield failed(target, _or_leave_out(error, target.name))
            else:
                yield failed(target, error)

    def _applied(self, folder: Folder, together: tuple[str, ...]) -> Iterator[Opened]:
        first = _manifests(folder, together[0])
        self.options.progress(f"opening {first.name} ({len(together)} manifests)")
        for one in judged(together, self._read, lambda found: self.containers(first, found)):
            if isinstance(one.found, Manifests):
                leading, unlisted = self.traffic(one.found)
                target = Target(
                    name=one.file,
                    argument=folder.argument,
                    kind=TargetKind.KUBERNETES,
                    status=Status.INSPECTED,
                    problems=(*one.found.notes, *unlisted),
                )
                place = f"{folder.argument}:{one.together}"
                yield Opened(target=target, specs=one.specs, traffic=leading, place=place)
            elif self._is_template(one.file, one.found):
                self.skips.add(SkipReason.TEMPLATE, one.file)
            else:
                yield failed(_manifests(folder, one.file), one.found)

    def _read(self, file: str) -> Manifests:
        return self.read([(file, self.sources.read(file))])

    def _is_template(self, name: str, error: InputError) -> bool:
        """Say whether a file is wrong for being a template, which is rendered first."""
        try:
            data = self.sources.read(name)
        except InputError:
            return False
        if isinstance(error, UnsupportedError):  # a manifest but for its values
            return b"{{" in data
        return isinstance(error, SyntaxInputError) and kinds.is_rendered(data)


def _manifests(folder: Folder, name: str) -> TargetArgument:
    return TargetArgument(argument=folder.argument, form=TargetForm.KUBERNETES, name=name)


def _nothing_in(folder: Folder, skipped: Iterable[Skipped]) -> NotFoundError:
    """Return the error for a folder without anything to judge: what is there was skipped."""
    passed_over = [one.why for one in skipped if one.why is not SkipReason.OTHER]
    if SkipReason.EXCLUDED in passed_over:
        message, hint = f"all of {folder.argument} is excluded", "see --exclude"
    else:
        message = f"there is nothing to judge in the folder {folder.argument}"
        hint = "name a compose file, a manifest, an archive, an image layout or an image"
        if {SkipReason.LIBRARIES, SkipReason.EXAMPLES, SkipReason.DEVELOPMENT} & set(passed_over):
            hint += "; a folder that is skipped by its name is looked into where it is the TARGET"
    return NotFoundError(message, location=Location(folder.argument), hint=hint)


def _or_leave_out(error: InputError, name: str) -> InputError:
    """Say the other way out of what was found in a folder and not named."""
    hint = f"or leave it out: --exclude {shlex.quote(name)}"
    whole = f"{error.hint}; {hint}" if error.hint else hint
    return type(error)(error.message, location=error.location, hint=whole)
