"""What volumes put over the files of an image."""

import posixpath
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as AnyMapping

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.entry_files import Entry, EntryFiles
from deployguard.inputs.kubernetes.environment import (
    Lookup,
    Surroundings,
    Variable,
    lookup,
    text,
)
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.inputs.kubernetes.projections import Held, check_inside, held
from deployguard.inputs.kubernetes.workflows import SCRIPT, STAGING
from deployguard.model.container import Mount
from deployguard.model.environment import Environment
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Content, Filesystem, Unread
from deployguard.model.structs import replace

LISTS = ("initContainers", "containers", "ephemeralContainers")


class Volumes(Struct, frozen=True):
    """The volumes that a Pod lists by their names, and those that claims of its StatefulSet make.

    `writers` are, for each volume, the names of the containers that may write into it.
    """

    listed: AnyMapping[str, Mapping]
    claims: frozenset[str]
    writers: AnyMapping[str, Sequence[str]]


def volumes(pod: Pod) -> Volumes:
    """Return the volumes of a Pod; claims of a StatefulSet replace equal ones.

    Raises SyntaxInputError for two volumes of a name, or for one that is two things.
    """
    found: dict[str, Mapping] = {}
    for volume in fields.mappings(pod.spec, "volumes"):
        name = fields.text(volume, "name")
        sources = [key.text for key, node in volume.entries if isinstance(node, Mapping)]
        if name is None or not name.value or name.value in found or len(sources) > 1:
            raise SyntaxInputError(
                "a volume needs a name of its own, and one source",
                location=volume.location,
                hint="the API server refuses it: give each volume a name and a source",
            )
        found[name.value] = volume
    claims = frozenset(_claims(pod))
    writers: dict[str, list[str]] = {}
    for container in (one for listed in LISTS for one in fields.mappings(pod.spec, listed)):
        title = fields.text(container, "name")
        if title is not None:
            for written in _written(container):
                writers.setdefault(written, []).append(title.value)
    return Volumes(
        {name: volume for name, volume in found.items() if name not in claims}, claims, writers
    )


def _claims(pod: Pod) -> Iterator[str]:
    spec = fields.mapping(pod.owner.node, "spec")
    if pod.owner.kind != "StatefulSet" or spec is None:
        return
    for claim in fields.mappings(spec, "volumeClaimTemplates"):
        metadata = fields.mapping(claim, "metadata")
        name = None if metadata is None else fields.text(metadata, "name")
        if name is not None:
            yield name.value


def mounts(
    container: Mapping,
    pod: Pod,
    declared: Volumes,
    around: Surroundings,
    environment: Environment,
) -> Iterator[Mount]:
    """Return the mounts of a container in their order; `declared` are the `volumes` of its Pod.

    Known are the files of ConfigMaps and of fields of the Pod, and that an emptyDir is empty; what
    any other volume holds when the container starts is not.
    """
    find = lookup(environment, pod)
    taken: set[str] = set()
    for mount in fields.mappings(container, "volumeMounts"):
        name, path = fields.text(mount, "name"), fields.text(mount, "mountPath")
        if name is None or path is None or not path.value or path.value in taken:
            raise SyntaxInputError(
                "a volume mount needs a name, and a mountPath of its own",
                location=mount.location,
                hint="the API server refuses it: name the volume and where it goes",
            )
        taken.add(path.value)
        place = posixpath.join("/", path.value)  # MakeAbsolutePath of pkg/volume/util
        missing = Missing(Reason.MOUNT, f"the files that the volume {name.value} puts at {place}")
        volume = declared.listed.get(name.value)
        if volume is None:
            _check_declared(name, pod, declared)
            yield Mount(place, Unread(missing), path.location)
            continue
        found = held(volume, pod, around)
        if found is None and _is_empty_dir(volume):
            found = _emptied(name.value, container, declared)
        inside = _inside(mount, pod, around, find)
        yield Mount(place, _content(found, inside, mount, missing), path.location)


def staged(container: Mapping, pod: Pod) -> Iterator[Mount]:
    """Return where a workflow puts the source of a script."""
    source = fields.text(container, "source") if pod.filled_in else None
    if source is None:
        return
    content: Content | Unread = Unread(Missing(Reason.FILE, "the script, which is a template"))
    if "{{" not in source.value:
        place = replace(source.location, file=f"{source.location.file}#source", line=None)
        content = Content(source.value.encode(), place)
    files = EntryFiles({f"/{SCRIPT}": Entry(content, 0o755)}, source.location)
    yield Mount(STAGING, files, source.location)


def _content(
    found: Held | None, inside: str | None, mount: Mapping, missing: Missing
) -> Filesystem | Unread:
    """Return what a mount shows: the whole volume or what lies at a path in it."""
    if found is None or inside is None:
        return Unread(missing)
    if found.hidden is not None:
        return Unread(found.hidden)
    files = EntryFiles(found.files, mount.location)
    return files.below(inside) if inside else files


# Kinds whose volumes stand in their Pod template or nowhere.
_STRICT_GROUPS = frozenset({"", "apps", "batch", "extensions"})


def _check_declared(name: Traced[str], pod: Pod, declared: Volumes) -> None:
    """Refuse a mount of no volume, unless something else may add it to the Pod."""
    if pod.owner.group in _STRICT_GROUPS and name.value not in declared.claims:
        raise SyntaxInputError(
            f"the Pod has no volume {name.value}",
            location=name.location,
            hint="the API server refuses it: list the volume under volumes of the Pod",
        )


def _is_empty_dir(volume: Mapping) -> bool:
    """Say whether a volume is an emptyDir; one without a source is."""
    others = [key.value for key, _ in volume.entries if key.value not in ("name", "emptyDir")]
    return not others


def _emptied(name: str, container: Mapping, declared: Volumes) -> Held:
    """Return an empty folder, unless another container of the Pod may write into it."""
    own = fields.text(container, "name")
    itself = None if own is None else own.value
    writers = [title for title in declared.writers.get(name, ()) if title != itself]
    if not writers:
        return Held()
    what = f"the files that {' and '.join(writers)} may put into the volume {name}"
    return Held(hidden=Missing(Reason.MOUNT, what))


def _written(container: Mapping) -> Iterator[str]:
    """Yield the volumes that a container mounts so that it may write into them, each once."""
    found: dict[str, None] = {}
    for mount in fields.mappings(container, "volumeMounts"):
        volume, read_only = fields.text(mount, "name"), fields.flag(mount, "readOnly")
        if volume is not None and not (read_only and read_only.value):
            found[volume.value] = None
    yield from found


def _inside(mount: Mapping, pod: Pod, around: Surroundings, find: Lookup) -> str | None:
    """Return the path within the volume, "" for all of it, None where it cannot be told."""
    path, computed = fields.text(mount, "subPath"), fields.text(mount, "subPathExpr")
    if computed is not None and computed.value:
        if path is not None and path.value:
            raise SyntaxInputError(
                "subPath and subPathExpr exclude each other",
                location=computed.location,
                hint="the API server refuses it: keep one of the two",
            )
        return _computed(computed, pod, around, find)
    if path is None or not path.value:
        return ""
    check_inside(path)
    return None if pod.filled_in and "{{" in path.value else path.value


def _computed(computed: Traced[str], pod: Pod, around: Surroundings, find: Lookup) -> str | None:
    """Return a path with its references replaced; where one is empty the container never starts."""
    complete = True

    def find_filled(name: str) -> Variable | None:
        nonlocal complete
        found = find(name)
        complete = complete and found is not None and bool(found.value)
        return found

    found = text(computed, pod, find_filled, around.budget)
    return found.value if complete else None
