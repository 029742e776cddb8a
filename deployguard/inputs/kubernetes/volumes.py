"""What volumes put over the files of an image."""

import posixpath
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, replace

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import qualified
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.model.container import Mount
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from deployguard.model.objects import ConfigObject, ObjectSource


@dataclass(frozen=True, slots=True)
class EntryFiles:
    """The entries of a ConfigMap as the kubelet writes them: files by absolute path."""

    files: AnyMapping[str, Content | Unread]
    location: Location

    def read(self, path: str) -> Content | Absent | Unread:
        """Return an entry's text."""
        return self.files.get(_normal(path), Absent(path))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        start = _normal(path).rstrip("/") + "/"
        names = {file[len(start) :].split("/")[0] for file in self.files if file.startswith(start)}
        return tuple(sorted(names - {""})) if names or start == "/" else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at the path."""
        normal = _normal(path)
        found = self.files.get(normal)
        match found:
            case Unread():
                return found
            case Content(data, location):
                return Stat(FileKind.FILE, normal, 0o644, len(data), location)
            case None if isinstance(self.list(normal), Absent):
                return Absent(path)
            case None:
                return Stat(FileKind.DIRECTORY, normal, 0o755, 0, self.location)


def volumes(pod: Pod) -> dict[str, Mapping]:
    """Return the volumes of a Pod by their names."""
    return {
        name.value: volume
        for volume in fields.mappings(pod.spec, "volumes")
        if (name := fields.text(volume, "name")) is not None
    }


def mounts(
    container: Mapping, pod: Pod, declared: AnyMapping[str, Mapping], objects: ObjectSource
) -> Iterator[Mount]:
    """Return the mounts of a container in their order; `declared` are the `volumes` of its Pod.

    Known are the files of a ConfigMap that `objects` gives; what any other volume holds when the
    container starts is not (an init container may have filled an emptyDir).
    """
    for mount in fields.mappings(container, "volumeMounts"):
        name, path = fields.text(mount, "name"), fields.text(mount, "mountPath")
        if name is None or path is None or not path.value:
            raise SyntaxInputError(
                "a volume mount needs name and mountPath",
                location=mount.location,
                hint="the API server refuses it: name the volume and where it goes",
            )
        missing = Missing(
            Reason.MOUNT, f"the files that the volume {name.value} puts at {path.value}"
        )
        volume = declared.get(name.value)  # a StatefulSet's claims stand elsewhere
        content = _content(volume, mount, pod, objects) if volume is not None else None
        yield Mount(path.value, content or Unread(missing), path.location)


def _content(
    volume: Mapping, mount: Mapping, pod: Pod, objects: ObjectSource
) -> Filesystem | Unread | None:
    """Return what a mount of a ConfigMap shows, None where that is not known."""
    reference = fields.mapping(volume, "configMap")
    inside, computed = fields.text(mount, "subPath"), fields.text(mount, "subPathExpr")
    if reference is None or (computed is not None and computed.value):
        return None
    name = fields.text(reference, "name")
    if name is None:
        raise SyntaxInputError(
            "the volume names no ConfigMap", location=reference.location, hint="add its name"
        )
    found = objects.config_map(pod.namespace, name.value)
    if not isinstance(found, ConfigObject):
        return None if isinstance(found, Absent) else found
    files = _files(found, reference)
    if inside is None or not inside.value:
        return EntryFiles(files, found.location)
    root = _normal(inside.value)
    below = {
        _normal(path.removeprefix(root)): content
        for path, content in files.items()
        if path == root or path.startswith(root + "/")
    }
    return EntryFiles(below, found.location) if below else None


def _files(found: ConfigObject, reference: Mapping) -> dict[str, Content | Unread]:
    paths = {key: key for key in found.data}
    chosen = list(fields.mappings(reference, "items"))
    if chosen:
        paths = {}
        for item in chosen:
            key, path = fields.text(item, "key"), fields.text(item, "path")
            if key is None or path is None:
                raise SyntaxInputError(
                    "an item needs key and path", location=item.location, hint="add what is missing"
                )
            paths[key.value] = path.value
    return {_normal(path): _file(found, key, found.data.get(key)) for key, path in paths.items()}


def _file(found: ConfigObject, key: str, entry: Traced[str | None] | None) -> Content | Unread:
    if entry is None or entry.value is None:
        title = qualified(found.namespace, found.name)
        return Unread(Missing(Reason.CONFIG_MAP, f"the key {key} of the ConfigMap {title}"))
    # Readers of the file count its own lines, which must not be taken for lines of the manifest.
    place = replace(entry.location, file=f"{entry.location.file}#{key}", line=None, column=None)
    return Content(entry.value.encode(), place)


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))
