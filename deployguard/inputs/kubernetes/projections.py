"""What ConfigMaps, Secrets and the Pod's own fields become as files of a volume.

Follows MakePayload of k8s.io/kubernetes pkg/volume/configmap and secret, CollectData of downwardapi
and collectData of projected, where a later source lies over an earlier one.
"""

from collections.abc import Iterator

from msgspec import Struct, field

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.entry_files import Entry, normal
from deployguard.inputs.kubernetes.environment import Surroundings, field_of, optional, referred
from deployguard.inputs.kubernetes.manifests import qualified
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.objects import ConfigObject
from deployguard.model.structs import replace

_DEFAULT_MODE = 0o644


class Held(Struct, frozen=True):
    """The files of a volume; where `hidden` is set there may be any others."""

    files: dict[str, Entry] = field(default_factory=dict)
    hidden: Missing | None = None


def held(volume: Mapping, pod: Pod, around: Surroundings) -> Held | None:
    """Return what a volume of these forms holds, None for one of another form."""
    for form, name in (("configMap", "name"), ("secret", "secretName")):
        source = fields.mapping(volume, form)
        if source is not None:
            return _of_object(form, source, name, (pod, around, _mode(source, _DEFAULT_MODE)))
    own = fields.mapping(volume, "downwardAPI")
    if own is not None:
        return _of_fields(own, pod, _mode(own, _DEFAULT_MODE))
    projected = fields.mapping(volume, "projected")
    return None if projected is None else _projected(projected, pod, around)


def _projected(projected: Mapping, pod: Pod, around: Surroundings) -> Held:
    mode = _mode(projected, _DEFAULT_MODE)
    files: dict[str, Entry] = {}
    hidden: Missing | None = None
    for source in fields.mappings(projected, "sources"):
        found = _of_source(source, pod, around, mode)
        if found.hidden is not None:
            hidden = found.hidden
            files = {}  # it may lie over any of those before it
        files.update(found.files)
    return Held(files, hidden)


def _of_source(source: Mapping, pod: Pod, around: Surroundings, mode: int) -> Held:
    for form in ("configMap", "secret"):
        reference = fields.mapping(source, form)
        if reference is not None:
            return _of_object(form, reference, "name", (pod, around, mode))
    own = fields.mapping(source, "downwardAPI")
    if own is not None:
        return _of_fields(own, pod, mode)
    token = fields.mapping(source, "serviceAccountToken")
    path = None if token is None else fields.text(token, "path")
    if path is not None:
        missing = Missing(Reason.MOUNT, "the token of the service account")
        return Held({normal(path.value): Entry(Unread(missing), mode)})
    if not source.entries:
        return Held()
    return Held(hidden=Missing(Reason.MOUNT, "the files of a source of this form"))


def _of_object(
    form: str, reference: Mapping, name: str, context: tuple[Pod, Surroundings, int]
) -> Held:
    pod, around, mode = context
    found = referred(form, reference, pod, around.objects, name)
    items = list(_items(reference, mode))
    match found:
        case Absent():
            return Held()
        case Unread(missing) if items:
            return Held({path: Entry(found, item_mode) for _, path, item_mode in items})
        case Unread(missing):
            return Held(hidden=missing)
        case ConfigObject():
            if not items:
                items = [(key, normal(key), mode) for key in (*found.data, *found.binary)]
            return Held(
                {
                    path: Entry(_content(found, key), item_mode)
                    for key, path, item_mode in items
                    if key in found.data or key in found.binary or not optional(reference)
                }
            )


def _content(found: ConfigObject, key: str) -> Content | Unread:
    entry, data = found.data.get(key), found.binary.get(key)
    if data is not None:
        return Content(data.value, _place(data, key))
    if entry is None or entry.value is None:
        reason = Reason.SECRET if found.kind == "Secret" else Reason.CONFIG_MAP
        title = qualified(found.namespace, found.name)
        return Unread(Missing(reason, f"the key {key} of the {found.kind} {title}"))
    return Content(entry.value.encode(), _place(entry, key))


def _place(entry: Traced[bytes] | Traced[str | None], key: str) -> Location:
    """Return where a file begins: its readers count its own lines, not those of the manifest."""
    return replace(entry.location, file=f"{entry.location.file}#{key}", line=None, column=None)


def _items(reference: Mapping, mode: int) -> Iterator[tuple[str, str, int]]:
    """Return key, path and mode of what is taken out of an object."""
    for item in fields.mappings(reference, "items"):
        key = fields.text(item, "key")
        if key is None or not key.value:
            raise SyntaxInputError(
                "an item needs key and path", location=item.location, hint="add what is missing"
            )
        yield key.value, _path(item), _mode(item, mode, "mode")


def _path(item: Mapping) -> str:
    path = fields.text(item, "path")
    if path is None or not path.value:
        raise SyntaxInputError(
            "an item needs key and path", location=item.location, hint="add what is missing"
        )
    check_inside(path)
    return normal(path.value)


def check_inside(path: Traced[str]) -> None:
    """Refuse a path that leads out of its volume, as the API server does."""
    if path.value.startswith("/") or ".." in path.value.split("/"):
        raise SyntaxInputError(
            "the path leads out of the volume",
            location=path.location,
            hint="the API server refuses it: write a path within, without ..",
        )


def _mode(holder: Mapping, otherwise: int, name: str = "defaultMode") -> int:
    found = fields.number(holder, name)
    return otherwise if found is None else found.value


def _of_fields(own: Mapping, pod: Pod, mode: int) -> Held:
    """Return files with fields of the Pod; that all of its labels are known is never certain."""
    files: dict[str, Entry] = {}
    for item in fields.mappings(own, "items"):
        reference = fields.mapping(item, "fieldRef")
        name = None if reference is None else fields.text(reference, "fieldPath")
        content: Content | Unread = Unread(Missing(Reason.FIELD, "the resources of a container"))
        if name is not None:
            value = field_of(name, pod)
            content = (
                Unread(value.missing[0])
                if value.value is None
                else Content(value.value.encode(), value.location)
            )
        files[_path(item)] = Entry(content, _mode(item, mode, "mode"))
    return Held(files)
