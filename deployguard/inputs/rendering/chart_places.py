"""Where in a chart stands what helm rendered: lines of templates and of values, where told."""

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

from msgspec import Struct

from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.formats.yaml import Sequence as List
from deployguard.inputs.rendering.charts import Chart
from deployguard.inputs.rendering.templates import RenderedLines, TemplateLine
from deployguard.model.evidence import RENDERED, Location
from deployguard.model.structs import replace

_Content: TypeAlias = tuple[object, ...]
_SET = re.compile(r"(?:^|,)\s*([^=,\[]+)")


class ValuesFile(Struct, frozen=True):
    """A file of values; `below` is the path of the subchart that it speaks of in the chart's."""

    root: Mapping
    below: tuple[str, ...] = ()


class ChartPlaces:
    """Moves the nodes of what was rendered to where they were written.

    What cannot be told keeps its line of the rendered text, under a name that says so.
    """

    def __init__(
        self, lines: RenderedLines, chart: Chart, given: Sequence[Mapping], sets: Sequence[str]
    ) -> None:
        self._lines = lines
        self._sets = {tuple(name.split(".")) for one in sets for name in _SET.findall(one)}
        # The strongest first: the last file given, then the chart's own, then a subchart's.
        self._values = [
            *(ValuesFile(root) for root in reversed(given)),
            *_own_values(chart),
        ]
        self._below = {id(one.files): path for one, path in _paths(chart, ())}
        self._contents = _unique_contents(self._values)

    def at(self, location: Location) -> Location:
        """Return where a place of the rendered text was written."""
        return self._told(location, self._line(location))

    def node(self, node: Node) -> Node:
        """Return a rendered node with its places."""
        line = self._line(node.location)
        written = self._written(node, line)
        if written is not None:
            return _placed_as(node, written)
        location = self._told(node.location, line)
        match node:
            case Scalar():
                return replace(node, location=location)
            case List(items=items):
                return replace(node, items=tuple(map(self.node, items)), location=location)
            case Mapping(entries=entries):
                placed = tuple(
                    (replace(key, location=self.at(key.location)), self.node(value))
                    for key, value in entries
                )
                return replace(node, entries=placed, location=location)

    def _line(self, location: Location) -> TemplateLine | None:
        return None if location.line is None else self._lines.line(location.line - 1)

    def _written(self, node: Node, line: TemplateLine | None) -> Node | None:
        """Return the node of the values that this one was rendered from."""
        if node.location.line is None:
            return None
        number = node.location.line - 1
        if line is None:
            # A whole list or mapping, as toYaml prints it.
            whole = not isinstance(node, Scalar) and self._lines.is_printed(number)
            return self._contents.get(_content(node)) if whole else None
        source = self._lines.source(number)
        if line.value is None or source is None:
            return None
        path = (*self._below.get(id(source[0].files), ()), *line.value)
        found = self._value(path)
        if line.value[0] == "global":
            found, path = self._value(line.value) or found, line.value
        if path in self._sets:
            return None
        if isinstance(found, Scalar) and isinstance(node, Scalar):
            return found if found.text == node.text else None
        same = found is not None and _content(found) == _content(node)
        return found if same else None

    def _value(self, path: tuple[str, ...]) -> Node | None:
        """Return the value that counts at a path of the chart's values."""
        for values in self._values:
            if path[: len(values.below)] == values.below:
                node: Node | None = values.root
                for step in path[len(values.below) :]:
                    node = node.get(step) if isinstance(node, Mapping) else None
                if node is not None:
                    return node
        return None

    def _told(self, location: Location, line: TemplateLine | None) -> Location:
        if location.line is None:
            return location
        number = location.line - 1
        if line is not None:
            if not line.is_plain or location.column is None:
                return replace(location, file=line.file, line=line.number, column=None)
            text = self._lines.lines[number]
            shift = line.indent - (len(text) - len(text.lstrip(" ")))
            column = location.column + shift
            return replace(location, file=line.file, line=line.number, column=column)
        source = self._lines.source(number)
        if source is None:
            return location
        return replace(location, file=source[0].label(source[1]) + RENDERED)


def _own_values(chart: Chart) -> Iterator[ValuesFile]:
    for one, path in _paths(chart, ()):
        root = one.document("values.yaml")
        if root is not None:
            yield ValuesFile(root, path)


def _paths(chart: Chart, path: tuple[str, ...]) -> Iterator[tuple[Chart, tuple[str, ...]]]:
    """Yield the charts with the path of each one's values in those of the outermost."""
    yield chart, path
    for one in chart.charts:
        yield from _paths(one, (*path, one.name))


def _content(node: Node) -> _Content:
    """Return what a node holds, whatever the order of its keys: toYaml sorts them."""
    match node:
        case Scalar(value=value):
            return type(value).__name__, value
        case List(items=items):
            return ("list", *map(_content, items))
        case Mapping(entries=entries):
            parts = sorted(((str(key.value), value) for key, value in entries), key=itemgetter(0))
            return ("mapping", *((key, _content(value)) for key, value in parts))


def _unique_contents(values: Sequence[ValuesFile]) -> dict[_Content, Node]:
    """Return the lists and mappings of the values that stand there once, by what they hold."""
    found: dict[_Content, Node | None] = {}
    waiting: list[Node] = [file.root for file in values]
    while waiting:
        match waiting.pop():
            case Mapping(entries=entries) as node if entries:
                waiting += (value for _, value in entries)
            case List(items=items) as node if items:
                waiting += items
            case _:
                continue
        content = _content(node)
        found[content] = None if content in found else node
    return {content: node for content, node in found.items() if node is not None}


def _placed_as(node: Node, written: Node) -> Node:
    """Return a node with the places of one that holds the same."""
    match node, written:
        case Mapping(), Mapping():
            entries = tuple(
                (
                    replace(key, location=(written.key(str(key.value)) or key).location),
                    _placed_as(value, written.get(str(key.value)) or value),
                )
                for key, value in node.entries
            )
            return Mapping(entries, written.location, node.tag)
        case List(), List():
            pairs = zip(node.items, written.items, strict=True)
            return List(tuple(_placed_as(*pair) for pair in pairs), written.location, node.tag)
        case _:
            return replace(node, location=written.location)
