"""A project in one tree, as its services are read from it."""

from collections.abc import Mapping as AnyMapping
from pathlib import Path

from msgspec import Struct, field

from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.fields import Fields
from deployguard.inputs.compose.trees import Entries, entries
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.objects import ImageSource


class Project(Struct, frozen=True, kw_only=True):
    """What a service is read with.

    `whole` is the merged project; `given` are the variables that it took from outside. `made` keeps
    the images of services that were asked for, None while one is looked for.
    """

    target: str
    name: str
    folder: Path
    fields: Fields
    images: ImageSource
    given: AnyMapping[str, str]
    platform: str | None
    built: bool
    whole: Mapping
    made: dict[str, Image | Unread | None] = field(default_factory=dict)
    _parts: dict[str, Entries] = field(default_factory=dict)

    def part(self, name: str) -> Entries:
        """Return the members of a part of the project, such as its services, by their names."""
        if name not in self._parts:
            node = self.whole.get(name)
            self._parts[name] = entries(node) if isinstance(node, Mapping) else {}
        return self._parts[name]
