"""What a service mounts over the files of its image."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from deployguard import files as disk
from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.fields import Fields
from deployguard.inputs.folder import FolderFiles
from deployguard.model.container import Mount
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread


class Project(Protocol):
    """What the mounts of a service need of the project it belongs to."""

    @property
    def folder(self) -> Path:
        """The folder that relative paths are seen from."""

    @property
    def fields(self) -> Fields:
        """What reads its nodes."""


def mounts(service: Mapping, project: Project) -> Iterator[Mount]:
    """Yield what a service mounts. Raises SyntaxInputError for what compose refuses."""
    fields = project.fields
    for item in fields.items(service, "volumes"):
        if isinstance(item, Mapping):
            target = fields.optional(item, "target")
            source = fields.optional(item, "source")
            kind = fields.optional(item, "type")
            bind = kind is not None and kind.value == "bind"
        else:
            text = fields.text(item, "volumes")
            first, colon, rest = text.value.partition(":")
            inside = rest.partition(":")[0] if colon else first
            target = Traced(inside, text.location)
            source = Traced(first, text.location) if colon else None
            bind = source is not None and source.value.startswith((".", "/", "~"))
        if target is None or not target.value.startswith("/"):
            raise SyntaxInputError(
                "a volume without a target path",
                location=item.location,
                hint="write SOURCE:TARGET, the target absolute",
            )
        yield _mount(target, source if bind else None, project)
    for text in fields.texts(service, "tmpfs"):
        yield _mount(Traced(text.value.partition(":")[0], text.location), None, project)
    if fields.items(service, "secrets"):
        yield _mount(Traced("/run/secrets", service.location), None, project)


def _mount(target: Traced[str], source: Traced[str] | None, project: Project) -> Mount:
    path = posixpath.normpath("/" + target.value.lstrip("/"))
    missing = Missing(Reason.FILE, f"the files that a volume puts at {path}")
    if source is None:
        return Mount(path, Unread(missing), target.location)
    place = project.folder / source.value
    if source.value.startswith("~") or not disk.exists(place):
        return Mount(path, Unread(missing), target.location)
    return Mount(path, FolderFiles(place), target.location)
