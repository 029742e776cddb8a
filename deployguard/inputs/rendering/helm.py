"""Helm charts, as the user's own `helm template` renders them.

Nothing is fetched and no cluster is asked: without --validate `lookup` finds nothing, dependencies
have to lie in the chart, plugins and post-renderers have no place to be found in.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from deployguard import files
from deployguard.errors import (
    EmptyError,
    InputError,
    NotFoundError,
    SyntaxInputError,
    UnsupportedError,
)
from deployguard.formats import yaml
from deployguard.formats.yaml import Dialect, documents
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import Manifests
from deployguard.inputs.kubernetes.workloads import Workloads
from deployguard.inputs.rendering import charts
from deployguard.inputs.rendering.chart_places import ChartPlaces
from deployguard.inputs.rendering.charts import Chart
from deployguard.inputs.rendering.options import RenderingOptions
from deployguard.inputs.rendering.programs import NOWHERE, Output, environment, find, run
from deployguard.inputs.rendering.reading import Reading, read_rendered, short, warnings
from deployguard.inputs.rendering.templates import RenderedLines, located
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import RENDERED, Location
from deployguard.model.problem import Problem

_INSTALL = (
    "install helm (https://helm.sh/docs/intro/install), or render it where helm is: "
    "helm template DIR | deployguard scan k8s:-"
)
_VALUES_LIMIT = 8 * 1024 * 1024
_TESTS = {"test", "test-success", "test-failure"}
_SHORTEST_SECRET = 8


def check(options: RenderingOptions) -> None:
    """Read the files of values. Raises InputError for one that cannot be read."""
    for file in options.values:
        _values(file)


def render(
    name: str, options: RenderingOptions, environ: Mapping[str, str], workloads: Workloads
) -> Manifests:
    """Render a chart, a folder or a packed one, and return its objects with their places.

    Raises UnsupportedError where there is no helm, InputError for what helm refuses.
    """
    program = find(("helm",), environ, _INSTALL)
    chart = charts.read(name)
    given = [_values(file) for file in options.values]
    outside = list(charts.fetched_by_schemas(chart))
    command = [
        program, "template", "--include-crds", *_words(options),
        *(["--skip-schema-validation"] if outside else []),
        "--", *_positional(name, options),
    ]  # fmt: skip
    output = run(command, _environment())
    if not output.succeeded:
        raise _refused(output, name, chart, options)
    text = output.text.decode("utf-8", "replace")
    written = [
        *(data for data, _ in given),
        *(one.files.get("values.yaml", b"") for one in chart.everywhere()),
    ]
    lines = RenderedLines(text, chart, [data.decode("utf-8", "replace") for data in written])
    sets = (*options.sets, *options.set_strings)
    places = ChartPlaces(lines, chart, [root for _, root in given if root], sets)
    notes = (*_unchecked(outside), *warnings("helm", output.messages, name))
    reading = Reading(options.namespace, workloads)
    found = read_rendered(output.text, f"{name}{RENDERED}", places, reading, notes)
    found = Manifests(found.objects, (*found.notes, *_tests(found)))
    if not found.objects:
        raise EmptyError(
            f"{name} renders to no object with these values",
            location=Location(name),
            hint="give the values of the deployment with --values or --set",
        )
    return found


def _words(options: RenderingOptions) -> Iterator[str]:
    for file in options.values:
        yield f"--values={Path(file).absolute()}"  # absolute, it is never taken for a URL
    for assignment in options.sets:
        yield f"--set={assignment}"
    for assignment in options.set_strings:
        yield f"--set-string={assignment}"
    if options.namespace is not None:
        yield f"--namespace={options.namespace}"
    if options.kube_version is not None:
        yield f"--kube-version={options.kube_version}"
    for version in options.api_versions:
        yield f"--api-versions={version}"


def _positional(name: str, options: RenderingOptions) -> list[str]:
    chart = str(Path(name).absolute())  # likewise: never the name of a repository's chart
    return [chart] if options.release_name is None else [options.release_name, chart]


def _environment() -> dict[str, str]:
    folders = ("PLUGINS", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "REPOSITORY_CACHE")
    return environment(
        HELM_NO_PLUGINS="1", **dict.fromkeys((f"HELM_{folder}" for folder in folders), NOWHERE)
    )


def _values(file: str) -> tuple[bytes, yaml.Mapping | None]:
    """Return a file of values with its root. Raises InputError where it cannot be read."""
    data = files.read(file, _VALUES_LIMIT)
    try:
        node = next(documents(data, file, Dialect.KUBECTL), None)
    except SyntaxInputError as error:
        raise SyntaxInputError(
            error.message, location=error.location, hint="it is given with --values: correct it"
        ) from error
    return data, node if isinstance(node, yaml.Mapping) else None


def _unchecked(outside: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    for file, reference in outside:
        yield Problem(
            ProblemCode.NOTE,
            f"the values are not checked against their schema, which refers to {reference}",
            Location(file),
            "nothing is fetched here: helm lint checks them",
        )


def _tests(manifests: Manifests) -> Iterator[Problem]:
    """Yield the objects that only `helm test` starts: they are judged all the same."""
    for item in manifests.objects:
        metadata = fields.mapping(item.node, "metadata")
        annotations = {} if metadata is None else fields.texts(metadata, "annotations")
        hook = annotations.get("helm.sh/hook")
        if hook is not None and {part.strip() for part in hook.value.split(",")} <= _TESTS:
            yield Problem(
                ProblemCode.NOTE, f"{item.title} is started by helm test alone", item.location
            )


# Where helm names a place: FILE:LINE of a template, or the file alone. The last one is innermost.
_AT_LINE = re.compile(r"([^\s:()\"'<>]+/(?:templates|crds)/[^\s:()\"'<>]+):(\d+)")
_IN_FILE = re.compile(r"error on ([^\s:()\"'<>]+/(?:templates|crds)/[^\s:()\"'<>]+?):")
_PLACED = re.compile(r"\Aexecution error at \([^()]*\): ")
_VALUES_LINE = re.compile(r"(?:failed to parse|cannot load) (\S+?):.*?line (\d+)")
_HINTS: tuple[tuple[str, type[InputError], str], ...] = (
    ("missing in charts/", NotFoundError, "put them there first: helm dependency build DIR"),
    ("out of sync", NotFoundError, "put them there first: helm dependency build DIR"),
    (
        "library charts are not installable",
        UnsupportedError,
        "a library is used by other charts: name one of those",
    ),
    ("unknown flag", UnsupportedError, "install helm 3.16 or newer"),
    (
        "incompatible with Kubernetes",
        UnsupportedError,
        "say which Kubernetes it goes to with --kube-version",
    ),
    (
        "don't meet the specifications of the schema",
        SyntaxInputError,
        "give values that fit with --values or --set",
    ),
    ("parsing --set", SyntaxInputError, "--set takes NAME=VALUE as helm does: a.b=c, list[0]=x"),
)
_OTHERWISE = "give what it needs with --values or --set; helm template shows the same"


def _refused(output: Output, name: str, chart: Chart, options: RenderingOptions) -> InputError:
    """Return helm's own words as an error with its place."""
    lines = output.messages
    start = next((at for at, line in enumerate(lines) if line.startswith("Error: ")), 0)
    kept = [line.removeprefix("Error: ").strip() for line in lines[start:]]
    told = "; ".join(line for line in kept if not line.startswith("Use --debug flag"))
    location = _place(told, name, chart, options)
    told = _PLACED.sub("", told).replace(str(Path(name).absolute()), name) or "ended without a word"
    for value in _given((*options.sets, *options.set_strings)):
        told = told.replace(value, "(hidden)")
    kind, hint = next(
        ((kind, hint) for sign, kind, hint in _HINTS if sign in told),
        (SyntaxInputError, _OTHERWISE),
    )
    return kind(f"helm: {short(told)}", location=location, hint=hint)


def _given(sets: Iterable[str]) -> Iterator[str]:
    """Yield what may be a secret in the words of --set."""
    for assignment in sets:
        for value in re.split(r"[=,{}]", assignment.partition("=")[2]):
            if len(value) >= _SHORTEST_SECRET:
                yield value


def _place(told: str, name: str, chart: Chart, options: RenderingOptions) -> Location:
    at_lines = _AT_LINE.findall(told)
    for source, line in reversed(at_lines):
        found = located(chart, source)
        if found is not None:
            return Location(found[0].label(found[1]), line=int(line))
    for source in _IN_FILE.findall(told):
        found = located(chart, source)
        if found is not None:
            return Location(found[0].label(found[1]))
    match = _VALUES_LINE.search(told)
    if match is not None:
        named = {str(Path(file).absolute()): file for file in options.values}
        file = named.get(match[1], chart.label("values.yaml"))
        return Location(file, line=int(match[2]))
    return Location(name)
