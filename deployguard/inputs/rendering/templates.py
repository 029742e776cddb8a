"""The lines of a chart's templates, told from the lines they render to.

A line is told by its text: where it is plain text and stands but once in what may have made the
rendered line, or where it holds actions ({{ ... }}), the text around them fits, and no other line
between its plain neighbours fits as well.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from msgspec import Struct

from deployguard.inputs.rendering.charts import Chart

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # where libyaml counts a line
_HOLE = "\0"
_HOLES = 8
_LONGEST = 4_096
_COMPARISONS = 5_000_000  # of rendered lines with lines of templates
_SPREADING = re.compile(
    r"\b(?:n?indent|toYaml|include|template|tpl|block|range|if|with|else|end)\b"
)
_CONTROL = re.compile(
    r"-?\s*(?:(?:if|else|end|range|with|define|break|continue)\b|/\*|\$\w+\s*:?=)"
)
_AGAIN = re.compile(r"-?\s*(?:range|define|block)\b")
_VALUE = re.compile(r"(?<![\w$)])\$?\.Values((?:\.[A-Za-z_]\w*)+)")
_FIELD = re.compile(r"(?<![\w).])\$?\w*\.[A-Za-z]")


def split(text: str) -> list[str]:
    """Return the lines of a text as the YAML reader counts them."""
    return _BREAK.split(text)


class TemplateLine(Struct, frozen=True):
    """One line of a template; `pieces` is the text around its actions, one where it has none.

    `value` is the path of the one value that the actions speak of, as in .Values.image.tag;
    `spreads` says that they may render to several lines.
    """

    file: str
    number: int
    indent: int
    pieces: tuple[str, ...]
    value: tuple[str, ...] | None = None
    spreads: bool = False

    @property
    def is_plain(self) -> bool:
        """Say whether the line is rendered as it stands."""
        return len(self.pieces) == 1

    def fits(self, text: str) -> bool:
        """Say whether the line may render to a text, given without the blanks around it."""
        first, *middle, last = self.pieces if not self.is_plain else (*self.pieces, "")
        if self.is_plain:
            return first == text
        if len(text) < len(first) + len(last) or not (
            text.startswith(first) and text.endswith(last)
        ):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True


class Template(Struct, frozen=True, dict=True):
    """One file of templates with those of its lines that can be told from what they render to.

    `solid` are the numbers of the lines with anything on them, `wild` of those whose actions may
    render to lines of any text. `is_straight` says that its lines are rendered in their order, none
    twice: there are no loops, and no parts with names.
    """

    lines: tuple[TemplateLine, ...]
    solid: frozenset[int]
    wild: tuple[int, ...]
    is_straight: bool

    @cached_property
    def by_text(self) -> dict[str, list[TemplateLine]]:
        """Return the plain lines by their text."""
        found: dict[str, list[TemplateLine]] = {}
        for line in self.lines:
            if line.is_plain:
                found.setdefault(line.pieces[0], []).append(line)
        return found

    @cached_property
    def open(self) -> tuple[TemplateLine, ...]:
        """Return the lines with actions."""
        return tuple(line for line in self.lines if not line.is_plain)

    @cached_property
    def following(self) -> dict[int, TemplateLine]:
        """Return the line that is rendered after another, whatever the values.

        It is the next one, where no action stands between and the first renders to one line.
        """
        return {
            line.number: after
            for line, after in pairwise(self.lines)
            if not line.spreads
            and not any(number in self.solid for number in range(line.number + 1, after.number))
        }


def template(text: str, file: str) -> Template:
    """Take a template apart."""
    plain, actions, broken = _holes(text)
    waiting = iter(actions)
    lines: list[TemplateLine] = []
    solid = set(broken)
    wild = set(broken)
    for number, line in enumerate(split(plain), 1):
        inner = [next(waiting) for _ in range(line.count(_HOLE))]
        pieces = tuple(line.strip().split(_HOLE))
        if any(pieces) or len(pieces) > 1:
            solid.add(number)
        told = number not in broken and len(pieces) <= _HOLES and len(line) <= _LONGEST
        told = told and any(sign.isalnum() for piece in pieces for sign in piece)
        printing = [action for action in inner if not _CONTROL.match(action)]
        spreads = any(map(_SPREADING.search, inner))
        if printing and (spreads or not told):
            wild.add(number)
        if told:
            indent = len(line) - len(line.lstrip(" "))
            lines.append(TemplateLine(file, number, indent, pieces, _value(inner), spreads))
    straight = not any(_AGAIN.match(action) for action in actions)
    return Template(tuple(lines), frozenset(solid), tuple(sorted(wild)), straight)


def _holes(text: str) -> tuple[str, list[str], set[int]]:
    """Return a template with a hole for each action, the actions, and the lines one breaks over.

    An action that spans lines leaves these lines empty, so that the others keep their numbers.
    """
    pieces: list[str] = []
    actions: list[str] = []
    broken: set[int] = set()
    done = line = 0
    while (start := text.find("{{", done)) >= 0:
        body = text[start + 2 : start + 64].lstrip("- \t\r\n")
        closer = text.find("*/", start) if body.startswith("/*") else start
        end = text.find("}}", max(closer, start))
        if closer < 0 or end < 0:
            break
        before, action = text[done:start], text[start + 2 : end]
        breaks = len(_BREAK.findall(action))
        line += len(_BREAK.findall(before))
        if breaks:
            broken.update(range(line + 1, line + breaks + 2))
        line += breaks
        pieces += (before.replace(_HOLE, " "), _HOLE, "\n" * breaks)
        actions.append(action)
        done = end + 2
    pieces.append(text[done:].replace(_HOLE, " "))
    return "".join(pieces), actions, broken


def _value(actions: Sequence[str]) -> tuple[str, ...] | None:
    """Return the path of the value that actions print, None where it is not one alone."""
    if len(actions) != 1:
        return None
    found = _VALUE.findall(actions[0])
    if len(found) != 1 or len(_FIELD.findall(actions[0])) != 1:
        return None
    return tuple(found[0].split(".")[1:])


class _Block(Struct, frozen=True):
    """What one template rendered: the rendered lines from `start` to before `end`."""

    start: int
    end: int
    chart: Chart
    path: str


_SOURCE = re.compile(r"# Source: (\S.*?)\s*")


class RenderedLines:
    """The lines of what helm printed, each with the template's line where that can be told."""

    def __init__(self, text: str, chart: Chart, values: Iterable[str]) -> None:
        self.lines = split(text)
        # What actions may print of the values looks as it does there.
        self._printable = {line.strip() for one in values for line in split(one)}
        self._templates: dict[str, Template] = {}
        self._blocks = list(self._found(chart))
        self._starts = [block.start for block in self._blocks]
        self._anchors: dict[int, tuple[list[int], list[TemplateLine]]] = {}
        self._told: dict[int, list[TemplateLine | None]] = {}
        self._helpers = [
            self._template(one, path)
            for one in chart.everywhere()
            for path, data in one.files.items()
            if path.startswith("templates/") and b"define" in data
        ]
        self._shared: dict[str, list[TemplateLine]] = {}
        for helper in self._helpers:
            for line, found in helper.by_text.items():
                self._shared.setdefault(line, []).extend(found)
        self._left = _COMPARISONS

    def _found(self, chart: Chart) -> Iterator[_Block]:
        """Yield the blocks: helm names the source of each in a comment below its separator."""
        marks: list[tuple[int, tuple[Chart, str] | None]] = []
        for number, line in enumerate(self.lines):
            if number and self.lines[number - 1] == "---":
                match = _SOURCE.fullmatch(line)
                if match is not None:
                    marks.append((number, located(chart, match[1])))
        ends = [number for number, _ in marks[1:]] + [len(self.lines)]
        for (start, source), end in zip(marks, ends, strict=False):  # of no mark, one end
            if source is not None:
                yield _Block(start, end, *source)

    def _template(self, chart: Chart, path: str) -> Template:
        file = chart.label(path)
        if file not in self._templates:
            text = chart.files.get(path, b"").decode("utf-8", "replace")
            self._templates[file] = template(text, file)
        return self._templates[file]

    def source(self, number: int) -> tuple[Chart, str] | None:
        """Return the chart and the template that a rendered line, counted from 0, came from."""
        block = self._block(number)
        return None if block is None else (block.chart, block.path)

    def _block(self, number: int) -> _Block | None:
        at = bisect_left(self._starts, number + 1) - 1
        block = self._blocks[at] if at >= 0 else None
        return block if block is not None and number < block.end else None

    def line(self, number: int) -> TemplateLine | None:
        """Return the line of a template that rendered to a line, None where it cannot be told."""
        block = self._block(number)
        if block is None:
            return None
        if block.start not in self._told:
            self._told[block.start] = list(self._tell(block))
        return self._told[block.start][number - block.start]

    def is_printed(self, number: int) -> bool:
        """Say whether a line that cannot be told may be what an action printed, and no template's.

        Of its own text alone: a template may hold a line with actions that fits as well.
        """
        block = self._block(number)
        if block is None:
            return False
        own, text = self._template(block.chart, block.path), self.lines[number].strip()
        return bool(own.wild) and text not in own.by_text and text not in self._shared

    def _tell(self, block: _Block) -> Iterator[TemplateLine | None]:
        """Yield the lines of the templates for each line of a block."""
        own = self._template(block.chart, block.path)
        file = block.chart.label(block.path)
        before: TemplateLine | None = None
        for number in range(block.start, block.end):
            text = self.lines[number].strip()
            if not text or len(text) > _LONGEST:
                yield None
                continue
            plain = own.by_text.get(text, [])
            shared = [one for one in self._shared.get(text, []) if one.file != file]
            after = self._after(before)
            if len(plain) + len(shared) == 1 and text not in self._printable:
                before = (*plain, *shared)[0]
            elif after is not None and after.fits(text):
                before = after
            else:
                before = self._between(block, own, number, plain, shared)
            yield before

    def _after(self, line: TemplateLine | None) -> TemplateLine | None:
        """Return the line of a template that is rendered after another, whatever the values."""
        return None if line is None else self._templates[line.file].following.get(line.number)

    def _between(
        self,
        block: _Block,
        own: Template,
        number: int,
        plain: Sequence[TemplateLine],
        shared: Sequence[TemplateLine],
    ) -> TemplateLine | None:
        """Return the one line that fits between those that the neighbours of a line came from.

        None where an action in between may have printed it as well, and where so much has been
        compared that it is enough.
        """
        text = self.lines[number].strip()
        self._left -= len(own.open) + len(own.wild)
        if self._left < 0:
            return None
        first, last = self._neighbours(block, own, number)
        if text in self._printable or any(first < one < last for one in own.wild):
            return None
        if not plain and not shared:
            plain = [line for line in own.open if line.fits(text)]
        return _only((*(line for line in plain if first < line.number < last), *shared))

    def _neighbours(self, block: _Block, own: Template, number: int) -> tuple[float, float]:
        """Return the lines of the template that a rendered line lies between, as far as told."""
        if not own.is_straight:
            return 0, float("inf")
        if block.start not in self._anchors:
            told = [
                (at, found[0])
                for at in range(block.start, block.end)
                if len(found := own.by_text.get(self.lines[at].strip(), [])) == 1
                and found[0].pieces[0] not in self._shared
                and found[0].pieces[0] not in self._printable
            ]
            self._anchors[block.start] = ([at for at, _ in told], [line for _, line in told])
        places, lines = self._anchors[block.start]
        at = bisect_left(places, number)
        first = lines[at - 1].number if at else 0
        following = at + 1 if at < len(places) and places[at] == number else at
        return first, lines[following].number if following < len(lines) else float("inf")


def _only(lines: Iterable[TemplateLine]) -> TemplateLine | None:
    found = list(lines)
    return found[0] if len(found) == 1 else None


def located(chart: Chart, source: str) -> tuple[Chart, str] | None:
    """Return the chart and the path in it that helm's name of a file speaks of."""
    name, _, path = source.partition("/")
    if name != chart.name:
        return None
    while path.startswith("charts/"):
        name, _, rest = path.removeprefix("charts/").partition("/")
        inner = [one for one in chart.charts if one.name == name]
        if len(inner) != 1:
            return None
        chart, path = inner[0], rest
    return (chart, path) if path in chart.files else None
