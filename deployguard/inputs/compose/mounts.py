"""What a service mounts over the files of its image.

Read is what lies on disk. What only running it would show is not known: a named volume is filled
from the image when it is new, but it outlives the container and may hold what an older image left.
An anonymous volume belongs to its container, and so it holds what the image has there. Files that
`develop.watch` replaces come later than the start, and only where watch is asked for.

Source: docker/compose pkg/compose/create.go (buildContainerMountOptions) and compose-go.
"""

import posixpath
from collections.abc import Iterator

from msgspec import Struct

from deployguard import files as disk
from deployguard.effective.contents import EmptyFolder, OneFile, Part, normal
from deployguard.errors import SyntaxInputError, UnsupportedError
from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.inputs.compose import builds
from deployguard.inputs.compose.fields import Fields, mapping
from deployguard.inputs.compose.resolved import Project
from deployguard.inputs.compose.volumes import Volume, source_path, volumes
from deployguard.inputs.folder import FolderFiles
from deployguard.model.container import Mount
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content, Filesystem, Unread
from deployguard.model.image import Image
from deployguard.model.structs import replace

_SECRETS = "/run/secrets/"


def mounts(service: Mapping, image: Image | Unread, project: Project) -> tuple[Mount, ...]:
    """Return what a service mounts, each path once.

    Raises SyntaxInputError for what compose refuses.
    """
    own = dict(_own(service, image, project))
    found: dict[str, Mount] = {}
    for inherited in _inherited(service, project):
        found[inherited.path] = inherited
    return tuple((found | own).values())


def _own(service: Mapping, image: Image | Unread, project: Project) -> Iterator[tuple[str, Mount]]:
    """Yield the mounts of a service by path, weakest first."""
    fields = project.fields
    if isinstance(image, Image):
        for declared in image.config.volumes:
            path = normal(declared.value)
            yield path, Mount(path, _filled(image, path, declared.location), declared.location)
    for kind in ("configs", "secrets"):
        for mount in _entries(service, kind, project):
            yield mount.path, mount
    for text in fields.texts(service, "tmpfs"):
        path = normal(text.value.partition(":")[0])
        yield path, Mount(path, EmptyFolder(text.location), text.location)
    for volume in volumes(service, fields):
        path = normal(volume.target.value)
        content = _content(volume, path, image, project)
        yield path, Mount(path, content, volume.target.location)


def _inherited(service: Mapping, project: Project) -> Iterator[Mount]:
    """Yield what `volumes_from` brings: the mounts of other services, and of theirs.

    A tmpfs stays with its service. Of a container that compose does not know, nothing is known.
    """
    seen: set[str] = set()
    pending = list(_named(service, project.fields))
    while pending:
        name = pending.pop()
        if name.value in seen:
            continue
        seen.add(name.value)
        if name.value.startswith("container:"):
            what = f"the files of the volumes of {name.value.replace(':', ' ', 1)}"
            yield Mount("/", Unread(Missing(Reason.MOUNT, what)), name.location)
            continue
        key, node = _service(name, project)
        other = mapping(node, f"the service {key.text}")
        image = builds.image(key, other, project.fields.optional(other, "image"), project)
        tmpfs = {
            normal(text.value.partition(":")[0]) for text in project.fields.texts(other, "tmpfs")
        }
        for path, mount in dict(_own(other, image, project)).items():
            if path not in tmpfs:
                yield mount
        pending.extend(_named(other, project.fields))


def _named(service: Mapping, fields: Fields) -> Iterator[Traced[str]]:
    for text in fields.texts(service, "volumes_from"):
        name = text.value
        for mode in (":ro", ":rw"):
            name = name.removesuffix(mode)
        yield replace(text, value=name.removeprefix("service:"))


def _service(name: Traced[str], project: Project) -> tuple[Scalar, Node]:
    found = project.part("services").get(name.value)
    if found is None:
        raise SyntaxInputError(
            f'depends on undefined service "{name.value}"',
            location=name.location,
            hint="name a service of the project, or container:NAME",
        )
    return found


def _content(
    volume: Volume, path: str, image: Image | Unread, project: Project
) -> Filesystem | Unread:
    """Return what a volume shows at a path."""
    source = volume.source
    match volume.kind:
        case "bind":
            assert source is not None  # noqa: S101  (volumes refuses a bind without one)
            return _bound(source, volume.subpath, project)
        case "tmpfs":
            return EmptyFolder(volume.target.location)
        case "image" if source is not None:
            found = project.images.find(Traced(source.value, source.location))
            return found if isinstance(found, Unread) else _part(found.files, volume)
        case "volume" if source is None and not volume.copied:
            return EmptyFolder(volume.target.location)
        case "volume" if source is None:
            return _filled(image, path, volume.target.location)
        case "volume" if source is not None:
            return _volume(volume, source, path, image, project)
        case _:
            return Unread(Missing(Reason.MOUNT, f"the files that a volume puts at {path}"))


def _filled(image: Image | Unread, path: str, location: Location) -> Filesystem | Unread:
    """Return what a new volume holds: a copy of what the image has there."""
    return image if isinstance(image, Unread) else Part(image.files, path, location)


def _part(files: Filesystem, volume: Volume) -> Filesystem:
    return Part(files, normal(volume.subpath or "/"), volume.target.location)


def _volume(
    volume: Volume, source: Traced[str], path: str, image: Image | Unread, project: Project
) -> Filesystem | Unread:
    """Return the files of a named volume; one that is bound to a folder shows that folder."""
    declared = _definition("volumes", source, project)
    what = f"the files of the volume {source.value} at {path}, which may hold older ones"
    missing = Unread(Missing(Reason.MOUNT, what))
    if not isinstance(declared, Mapping):
        return missing
    options = declared.get("driver_opts")
    driver = project.fields.optional(declared, "driver")
    if not isinstance(options, Mapping) or (driver is not None and driver.value != "local"):
        return missing
    values = {
        name: project.fields.optional_scalar(options, name) for name in ("type", "o", "device")
    }
    device, flags = values["device"], values["o"]
    bound = flags is not None and {"bind", "rbind"} & set(flags.value.split(","))
    if not bound or device is None:
        return missing
    # Compose makes a path of it only where driver and option are written just so.
    relative = driver is not None and flags is not None and flags.value == "bind"
    if not relative and not device.value.startswith("/"):
        return missing
    place = source_path(device.value, project.folder, project.fields)
    if place is None or not disk.is_folder(place):
        return missing
    root = FolderFiles(place)
    if root.list("/") == () and volume.copied:
        return _filled(image, path, volume.target.location)
    return root if volume.subpath is None else Part(root, normal(volume.subpath), device.location)


def _bound(source: Traced[str], subpath: str | None, project: Project) -> Filesystem | Unread:
    """Return what lies at a path of the disk.

    Compose makes an empty folder where nothing is; but where it is deployed, something may be.
    """
    place = source_path(source.value, project.folder, project.fields)
    if place is None or not disk.exists(place):
        return Unread(Missing(Reason.MOUNT, f"the files of {source.value}, which is not there"))
    root = FolderFiles(place)
    return root if subpath is None else Part(root, normal(subpath), source.location)


def _definition(section: str, name: Traced[str], project: Project) -> Node:
    """Return what the project says of a volume, config or secret."""
    found = project.part(section).get(name.value)
    if found is None:
        word = section.removesuffix("s")
        raise SyntaxInputError(
            f"refers to undefined {word} {name.value}: invalid compose project",
            location=name.location,
            hint=f"declare it under the project's {section}",
        )
    return found[1]


class _Entry(Struct, frozen=True):
    """A config or secret that a service asks for: its name in the project, and where it goes."""

    source: Traced[str]
    target: str


def _entries(service: Mapping, section: str, project: Project) -> Iterator[Mount]:
    """Yield the files that `configs` or `secrets` put into a service."""
    for entry in _asked(service, section, project.fields):
        node = _definition(section, entry.source, project)
        content = _defined(mapping(node, entry.source.value), section, entry, project)
        yield Mount(normal(entry.target), content, entry.source.location)


def _asked(service: Mapping, section: str, fields: Fields) -> Iterator[_Entry]:
    folder = _SECRETS if section == "secrets" else "/"
    for item in fields.items(service, section):
        if isinstance(item, Mapping):
            source = fields.optional(item, "source")
            target = fields.optional(item, "target")
        else:
            source, target = fields.text(item, section), None
        if source is None or not source.value:
            raise SyntaxInputError(
                f"an entry of {section} without a source",
                location=item.location,
                hint="add source:",
            )
        wanted = target.value if target is not None and target.value else source.value
        yield _Entry(source, posixpath.join(folder, wanted))


def _defined(
    declared: Mapping, section: str, entry: _Entry, project: Project
) -> Filesystem | Unread:
    """Return the content of a config or secret, from wherever the project takes it."""
    fields, name = project.fields, entry.source.value
    unread = Unread(Missing(Reason.MOUNT, f"the {section.removesuffix('s')} {name}"))
    for driver in ("driver", "template_driver"):
        if fields.optional(declared, driver) is not None:
            raise UnsupportedError(
                f"Docker Compose does not support {section}.*.{driver}",
                location=declared.location,
                hint="take it from a file, a variable or its content",
            )
    file = fields.optional(declared, "file")
    text = fields.optional(declared, "content")
    variable = fields.optional(declared, "environment")
    if file is not None:
        return _bound(file, None, project)
    if text is not None:
        return OneFile(_written(text.value, text.location, name))
    if variable is not None:
        value = fields.lookup(variable.value)
        if value is None:
            missing = Missing(Reason.VARIABLE, f"the value of {variable.value}")
            return Unread(missing)
        return OneFile(_written(value, variable.location, name))
    return unread


def _written(text: str, location: Location, name: str) -> Content:
    # Readers of the file count its own lines, which must not be taken for lines of the project.
    place = replace(location, file=f"{location.file}#{name}", line=None, column=None)
    return Content(text.encode(), place)
