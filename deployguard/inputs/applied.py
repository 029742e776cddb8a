"""Manifests of a folder that are applied together: judged file by file, seen by each other."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from deployguard.errors import InputError
from deployguard.inputs.discovery.sets import alternatives
from deployguard.inputs.kubernetes.manifests import NOTHING_HERE, ApiObject, Manifests, no_object
from deployguard.model.container import ContainerSpec
from deployguard.model.problem import Problem
from deployguard.model.structs import replace


class JudgedFile(Struct, frozen=True, kw_only=True):
    """One file of a set: its containers, and its objects or the error for which it is not judged.

    `together` is the same for files whose objects see each other.
    """

    file: str
    together: str
    found: Manifests | InputError
    specs: tuple[ContainerSpec, ...] = ()


def judged(
    files: Sequence[str],
    read: Callable[[str], Manifests],
    containers: Callable[[Manifests], tuple[ContainerSpec, ...]],
) -> tuple[JudgedFile, ...]:
    """Read files that are applied together; one that is wrong does not keep the others from it.

    `read` reads one file, `containers` makes the containers of manifests; both raise InputError,
    with the place of what is wrong. Objects are looked for in all files, unless two of them declare
    the same one.
    """
    errors: dict[str, InputError] = {}
    held: dict[str, Manifests] = {}
    for file in files:
        try:
            held[file] = _not_empty(file, read(file))
        except InputError as error:
            errors[file] = error
    specs: dict[str, list[ContainerSpec]] = {file: [] for file in files}
    together = dict(zip(files, files, strict=True))
    for group, shared in alternatives({file: _declared(one) for file, one in held.items()}):
        together.update(dict.fromkeys(group, group[0]))
        for spec in _of_group(group, shared, held, containers, errors):
            specs[spec.location.file].append(replace(spec, target=spec.location.file))
    starts = any(specs.values())
    return tuple(
        JudgedFile(file=file, together=together[file], found=errors[file])
        if file in errors
        else JudgedFile(
            file=file,
            together=together[file],
            found=replace(held[file], notes=_notes(held[file], starts=starts)),
            specs=tuple(specs[file]),
        )
        for file in files
    )


def _not_empty(file: str, found: Manifests) -> Manifests:
    if not found.objects:
        raise no_object(file)
    return found


def _declared(manifests: Manifests) -> frozenset[tuple[str, str, str | None, str]]:
    """Return the names by which a cluster would tell the objects apart."""
    return frozenset(
        (item.group, item.kind, item.namespace, item.name)
        for item in manifests.objects
        if not item.generated
    )


def _of_group(
    group: tuple[str, ...],
    shared: tuple[str, ...],
    held: dict[str, Manifests],
    containers: Callable[[Manifests], tuple[ContainerSpec, ...]],
    errors: dict[str, InputError],
) -> tuple[ContainerSpec, ...]:
    """Return the containers of a group; the files that keep it from being read are left out."""
    left = list(group)
    whole = [held[file] for file in shared if file not in errors]
    seen = [item for one in whole for item in one.objects if item.template is None]
    while left:
        try:
            return containers(_together([held[file] for file in left], seen))
        except InputError as error:
            place = error.location.file if error.location is not None else None
            wrong = [place] if place in left else left
            errors.update((file, error) for file in wrong if file is not None)
            left = [file for file in left if file not in wrong]
    return ()


def _together(manifests: Sequence[Manifests], seen: Sequence[ApiObject]) -> Manifests:
    own = tuple(item for one in manifests for item in one.objects)
    return replace(manifests[0], objects=(*own, *seen))


def _notes(manifests: Manifests, *, starts: bool) -> tuple[Problem, ...]:
    """Return the notes on a file; that it starts nothing itself is none where others do."""
    return tuple(
        note for note in manifests.notes if not (starts and note.message.startswith(NOTHING_HERE))
    )
