"""The files of a Helm chart and its subcharts, in a folder or packed, read and never unpacked.

helm reads them itself; they are read here for what it would fetch, and for the places of what it
renders. Follows pkg/chart/loader of helm: what lies in charts/ is a chart, as a folder or a .tgz.
"""

import json
import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import InputError, LimitError, NotFoundError
from deployguard.formats import yaml
from deployguard.formats.yaml import Dialect, Node, documents
from deployguard.inputs.discovery.kinds import CHART
from deployguard.inputs.image import tar
from deployguard.inputs.image.compression import unpacker
from deployguard.model.evidence import Location

_FILES = 20_000
_BYTES = 64 * 1024 * 1024
_NESTED = 8
_PACKED = ".tgz"
_SCHEMA = "values.schema.json"


class Chart(Struct, frozen=True, kw_only=True):
    """One chart: `name` as its parent calls it, `place` where its files lie for a reader.

    `files` are those of the chart itself by their paths in it, `charts` the ones in its charts/.
    """

    name: str
    place: str
    files: Mapping[str, bytes]
    charts: tuple["Chart", ...] = ()

    def label(self, path: str) -> str:
        """Return the name under which a report speaks of a file."""
        return self.place + path

    def document(self, path: str) -> yaml.Mapping | None:
        """Return a YAML file as a mapping, None where there is none that can be read."""
        data = self.files.get(path)
        if data is None:
            return None
        try:
            node = next(documents(data, self.label(path), Dialect.KUBECTL), None)
        except InputError:  # helm says what is wrong with it
            return None
        return node if isinstance(node, yaml.Mapping) else None

    def everywhere(self) -> Iterator["Chart"]:
        """Yield the chart and those below it."""
        yield self
        for chart in self.charts:
            yield from chart.everywhere()


class _Room(Struct):
    """How much of a chart may still be read."""

    name: str
    files: int = _FILES
    bytes: int = _BYTES
    seen: set[str] = field(default_factory=set)

    def take(self, size: int) -> None:
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise LimitError(
                f"the chart has more than {_FILES} files or {_BYTES // 1024 // 1024} MiB",
                location=Location(self.name),
                hint="render it yourself: helm template DIR | deployguard scan k8s:-",
            )


def read(name: str) -> Chart:
    """Read a chart. Raises NotFoundError for what is none, InputError for what cannot be read."""
    room = _Room(name)
    if files.is_folder(Path(name)):
        found = _folder(Path(name), "", room)
        place = "" if str(Path(name)) == "." else f"{Path(name)}/"
    else:
        found = _members(files.read(name, _BYTES), name, room)
        place = f"{name}#"
    if CHART not in found:
        raise NotFoundError(
            f"{name} is no chart: it has no Chart.yaml",
            location=Location(name),
            hint="name the folder of the chart, or the packed chart",
        )
    return _chart(found, place, room, 0)


def _folder(root: Path, below: str, room: _Room) -> dict[str, bytes]:
    """Return the files below a folder, links followed as helm follows them, none twice over."""
    found: dict[str, bytes] = {}
    real = os.path.realpath(root)
    if real in room.seen:
        return found
    room.seen.add(real)
    try:
        children = sorted(root.iterdir())
    except OSError:  # helm says what is wrong with it
        return found
    for child in children:
        path = below + child.name
        if files.is_folder(child):
            found |= _folder(child, f"{path}/", room)
        elif child.is_file():
            data = files.read(str(child), room.bytes)
            room.take(len(data))
            found[path] = data
    return found


def _members(data: bytes, name: str, room: _Room) -> dict[str, bytes]:
    """Return the files of a packed chart, without the folder that it lies in."""
    source = tar.Memory(_unpacked(data, name, room))
    found: dict[str, bytes] = {}
    for entry in tar.entries(source):
        path = posixpath.normpath(entry.name.lstrip("/")).partition("/")[2]
        if entry.kind is tar.EntryKind.FILE and path:
            room.take(entry.size)
            found[path] = source.read(entry.size)
    return found


def _unpacked(data: bytes, name: str, room: _Room) -> bytes | bytearray:
    packing = unpacker(data[:512], name)
    if packing is None:
        return data
    made = bytearray()
    for piece in packing.unpack(data):
        made += piece
        if len(made) > room.bytes:
            room.take(len(made))
    packing.finish()
    return made


def _chart(found: Mapping[str, bytes], place: str, room: _Room, depth: int) -> Chart:
    if depth > _NESTED:
        raise LimitError(
            f"charts lie in charts more than {_NESTED} deep", location=Location(room.name)
        )
    own: dict[str, bytes] = {}
    inner: dict[str, dict[str, bytes]] = {}
    packed: dict[str, bytes] = {}
    for path, data in found.items():
        folder, _, rest = path.removeprefix("charts/").partition("/")
        if not path.startswith("charts/"):
            own[path] = data
        elif rest:
            inner.setdefault(folder, {})[rest] = data
        elif folder.endswith(_PACKED):
            packed[folder] = data
    charts = [
        _chart(members, f"{place}charts/{folder}/", room, depth + 1)
        for folder, members in inner.items()
        if CHART in members
    ]
    charts += [
        _chart(
            _members(data, f"{place}charts/{file}", room),
            f"{place}charts/{file}#",
            room,
            depth + 1,
        )
        for file, data in packed.items()
    ]
    alone = Chart(name="", place=place, files=own)
    description = alone.document(CHART)
    name = _text(description, "name") or ""
    return Chart(name=name, place=place, files=own, charts=tuple(_called(alone, charts)))


def _called(parent: Chart, charts: list[Chart]) -> Iterator[Chart]:
    """Yield the subcharts under each name that the parent gives them: aliases, or their own."""
    aliases: dict[str, list[str]] = {}
    for file in (CHART, "requirements.yaml"):
        description = parent.document(file)
        listed = None if description is None else description.get("dependencies")
        for entry in listed.items if isinstance(listed, yaml.Sequence) else ():
            if isinstance(entry, yaml.Mapping):
                name, alias = _text(entry, "name"), _text(entry, "alias")
                if name:
                    aliases.setdefault(name, []).append(alias or name)
    for chart in charts:
        for name in aliases.get(chart.name, [chart.name]):
            yield Chart(name=name, place=chart.place, files=chart.files, charts=chart.charts)


def _text(parent: Node | None, name: str) -> str | None:
    node = parent.get(name) if isinstance(parent, yaml.Mapping) else None
    return node.value if isinstance(node, yaml.Scalar) and isinstance(node.value, str) else None


_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_META_SCHEMAS = ("http://json-schema.org/", "https://json-schema.org/")


def fetched_by_schemas(chart: Chart) -> Iterator[tuple[str, str]]:
    """Yield what the schemas of the values refer to outside of themselves: the file, and what.

    helm's validators open such references, be they files or URLs. A schema that is no JSON is not
    opened further than that: helm refuses it.
    """
    for one in chart.everywhere():
        data = one.files.get(_SCHEMA)
        if data is None:
            continue
        try:
            schema = json.loads(data)
        except (ValueError, RecursionError):
            yield one.label(_SCHEMA), "what cannot be told, being no plain JSON"
            continue
        for reference in _outside(schema):
            yield one.label(_SCHEMA), reference


def _outside(schema: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            for key in _REFERENCES:
                reference = value.get(key)
                if isinstance(reference, str) and not reference.startswith("#"):
                    yield reference
            kind = value.get("$schema")
            if isinstance(kind, str) and not kind.startswith(_META_SCHEMAS):
                yield kind
