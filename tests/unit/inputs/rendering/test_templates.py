"""A line of a template is told rightly or not at all, whatever branches, loops and helpers do."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.inputs.rendering import templates
from deployguard.inputs.rendering.charts import Chart
from deployguard.inputs.rendering.templates import RenderedLines, template
from tests.support.effort import examples

# Few words, so that the same text stands in several places.
WORDS = st.sampled_from(["name: a", "name: b", "value: 1", "value: 2", "- name: a", "a:", "b: 2"])
KEYS = st.sampled_from(["name:", "value:", "- name:", "b:"])
VALUES = st.sampled_from(["a", "b", "1", "2"])


@dataclass(frozen=True)
class Plain:
    text: str


@dataclass(frozen=True)
class Printed:
    """A key and a value of one line."""

    key: str
    value: str


@dataclass(frozen=True)
class Branch:
    taken: bool
    parts: tuple["Part", ...]


@dataclass(frozen=True)
class Loop:
    times: int
    parts: tuple["Part", ...]


@dataclass(frozen=True)
class Spread:
    """What toYaml prints of the values: lines that are no template's."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Included:
    """The whole helper, indented anew."""


Part = Plain | Printed | Branch | Loop | Spread | Included
LEAVES: st.SearchStrategy[Part] = st.one_of(
    st.builds(Plain, WORDS),
    st.builds(Printed, KEYS, VALUES),
    st.builds(Spread, st.lists(WORDS, max_size=3).map(tuple)),
    st.just(Included()),
)


def _wider(inner: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    parts = st.lists(inner, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Branch, st.booleans(), parts), st.builds(Loop, st.integers(0, 3), parts)
    )


PARTS = st.recursive(LEAVES, _wider, max_leaves=12)


def written(parts: tuple[Part, ...]) -> Iterator[tuple[Part | None, str]]:
    """Yield the lines of a template, with the part that each renders."""
    for part in parts:
        match part:
            case Plain(text):
                yield part, f"  {text}"
            case Printed(key):
                yield part, f"  {key} {{{{ .Values.x | quote }}}}"
            case Branch(_, inner):
                yield None, "  {{- if .Values.x }}"
                yield from written(inner)
                yield None, "  {{- end }}"
            case Loop(_, inner):
                yield None, "  {{- range .Values.x }}"
                yield from written(inner)
                yield None, "  {{- end }}"
            case Spread():
                yield None, "  {{- toYaml .Values.x | nindent 2 }}"
            case Included():
                yield None, '  {{- include "x" . | nindent 4 }}'


def printed(
    parts: tuple[Part, ...], numbers: Iterator[int], helper: list[str]
) -> Iterator[tuple[str, tuple[str, int] | None]]:
    """Yield the rendered lines, each with the file and the line that it comes from.

    The numbers follow `written`: a part that is not rendered takes its lines all the same.
    """
    for part in parts:
        number = next(numbers)
        match part:
            case Plain(text):
                yield f"  {text}", ("t.yaml", number)
            case Printed(key, value):
                yield f'  {key} "{value}"', ("t.yaml", number)
            case Branch(taken, inner):
                yield from _block(inner, numbers, helper, times=int(taken))
            case Loop(times, inner):
                yield from _block(inner, numbers, helper, times=times)
            case Spread(lines):
                yield from ((f"  {line}", None) for line in lines)
            case Included():
                yield from ((f"    {line}", ("_x.tpl", at)) for at, line in enumerate(helper, 2))


def _block(
    inner: tuple[Part, ...], numbers: Iterator[int], helper: list[str], *, times: int
) -> Iterator[tuple[str, tuple[str, int] | None]]:
    length = len(list(written(inner)))
    taken = [next(numbers) for _ in range(length + 1)]
    for _ in range(times):
        yield from printed(inner, iter(taken), helper)


def lines_of(text: str, rendered: list[str], helper: list[str], values: list[str]) -> RenderedLines:
    shared = "\n".join(['{{- define "x" -}}', *helper, "{{- end -}}", ""])
    files = {"templates/t.yaml": text.encode(), "templates/_x.tpl": shared.encode()}
    chart = Chart(name="shop", place="", files=files)
    printed_text = "\n".join(["---", "# Source: shop/templates/t.yaml", *rendered, ""])
    return RenderedLines(printed_text, chart, ["\n".join(values)])


@settings(max_examples=examples(100, 3_000), deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=8).map(tuple), st.lists(WORDS, max_size=3))
def test_a_line_is_told_rightly_or_not_at_all(parts: tuple[Part, ...], helper: list[str]) -> None:
    text = "\n".join(line for _, line in written(parts))
    rendered = list(printed(parts, count(1), helper))
    values = [line.strip() for line, origin in rendered if origin is None]
    found = lines_of(text, [line for line, _ in rendered], helper, values)
    for number, (line, origin) in enumerate(rendered, 2):
        told = found.line(number)
        if told is not None:
            assert (told.file.removeprefix("templates/"), told.number) == origin, line


@given(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=20))
def test_plain_lines_that_differ_are_all_told(numbers: list[int]) -> None:
    lines = [f"  key{number}: {number}" for number in numbers]
    found = lines_of("\n".join(lines), lines, [], [])
    assert [told.number for at in range(len(lines)) if (told := found.line(at + 2))] == [
        at + 1 for at in range(len(lines))
    ]


@given(st.text(alphabet='{}-/*ab\n "`', max_size=60))
def test_any_text_is_taken_apart(text: str) -> None:
    found = template(text, "x")
    count_of_lines = len(templates.split(text))
    assert all(1 <= line.number <= count_of_lines for line in found.lines)
    assert all(line.number in found.solid for line in found.lines)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a: {{ .Values.x }}", ("x",)),
        ("a: {{- .Values.x.y_z | default 1 | quote -}}", ("x", "y_z")),
        ("a: {{ $.Values.x }}", ("x",)),
        ("a: {{ .Values.x | default .Values.y }}", None),
        ("a: {{ .Values.x | default .Chart.Name }}", None),
        ('a: {{ printf "%s" .Values.x }}', ("x",)),
        ("a: {{ $root.Values.x }}", None),
        ("a: {{ .Release.Name }}", None),
        ("a: {{ .Values.x }}-{{ .Values.y }}", None),
    ],
)  # fmt: skip
def test_one_value_is_told_where_a_line_prints_one(
    line: str, value: tuple[str, ...] | None
) -> None:
    (found,) = template(line, "x").lines
    assert found.value == value


def test_so_much_is_compared_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{{ if .x }}\n  a: {{ .Values.a }}\n{{ else }}\n{{ end }}\n  b: {{ .Values.b }}\n"
    assert lines_of(text, ["  b: 1"], [], []).line(2) is not None
    monkeypatch.setattr(templates, "_COMPARISONS", 1)
    assert lines_of(text, ["  b: 1"], [], []).line(2) is None
