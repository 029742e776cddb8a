"""Charts as the real helm renders them, 3 and 4: what is judged, and where it was written."""

import subprocess
from pathlib import Path

import pytest

from tests.support import rendered, renderers
from tests.support.builds import write

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          command: [flask, run]
          env:
            - name: FLASK_APP
              value: shop
            - name: FLASK_DEBUG
              value: {{ .Values.debug | quote }}
            {{- if .Values.host }}
            - name: FLASK_RUN_HOST
              value: {{ .Values.host }}
            {{- end }}
            {{- range $name, $value := .Values.more }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
"""
WITH_YAML = (
    DEPLOYMENT
    + """\
            {{- with .Values.plain }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
"""
)
VALUES = """\
image:
  repository: shop
  tag: "1.2"
debug: "0"
host: ""
more: {}
plain: []
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "values.yaml": VALUES,
    "templates/web.yaml": DEPLOYMENT,
    "templates/NOTES.txt": "Thank you for installing {{ .Chart.Name }}: kind Deployment\n",
}


@pytest.fixture(params=renderers.HELMS, autouse=True)
def helm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(renderers.folder(request.param)))


@pytest.fixture(autouse=True)
def chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shop", CHART)
    return tmp_path / "shop"


def packed(chart: Path) -> str:
    helm = str(renderers.folder(renderers.HELMS[0]) / "helm")
    subprocess.run([helm, "package", chart, "-d", chart.parent], check=True, capture_output=True)
    return f"{chart.name}-0.1.0.tgz"


def test_a_chart_is_judged_as_it_is_rendered() -> None:
    report = rendered.scanned("helm:shop")
    (target,) = report["targets"]
    assert (target["name"], target["kind"]) == ("shop", "helm")
    assert rendered.subjects(report) == ["Deployment/-/release-name-web/containers/web"]
    assert report["containers"][0]["image"]["reference"] == "shop:1.2"
    assert rendered.environment(report) == {"FLASK_APP": "shop", "FLASK_DEBUG": "0"}
    assert rendered.places(report) == {
        "FLASK_APP": "shop/templates/web.yaml:16",
        "FLASK_DEBUG": "shop/values.yaml:4",
    }
    assert rendered.place(report["containers"][0]["location"]) == "shop/templates/web.yaml:11"


def test_places_are_paths_from_the_folder_one_stands_in(
    chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for argument, start in (("helm:./shop/", "shop/"), (f"helm:{chart}", f"{chart}/")):
        assert rendered.places(rendered.scanned(argument))["FLASK_DEBUG"] == f"{start}values.yaml:4"
    monkeypatch.chdir(chart)
    report = rendered.scanned("helm:.")
    assert rendered.places(report)["FLASK_APP"] == "templates/web.yaml:16"


def test_a_packed_chart_is_the_same_but_for_its_places(chart: Path) -> None:
    name = packed(chart)
    report = rendered.scanned(f"helm:{name}", "--set", "debug=1")
    assert rendered.environment(report) == {"FLASK_APP": "shop", "FLASK_DEBUG": "1"}
    assert rendered.places(report) == {
        "FLASK_APP": f"{name}#templates/web.yaml:16",
        "FLASK_DEBUG": f"{name}#templates/web.yaml:18",
    }


@pytest.mark.parametrize(
    ("options", "variables", "place"),
    [
        (["--values", "one.yaml"], {"FLASK_DEBUG": "1"}, "one.yaml:2"),
        (["--values", "one.yaml", "--values", "two.yaml"], {"FLASK_DEBUG": "2"}, "two.yaml:1"),
        (["--values", "two.yaml", "--values", "one.yaml"], {"FLASK_DEBUG": "1"}, "one.yaml:2"),
        (["--values", "two.yaml", "--set", "debug=3"], {"FLASK_DEBUG": "3"},
         "shop/templates/web.yaml:18"),
        (["--set", "debug=3,host=0.0.0.0"], {"FLASK_DEBUG": "3", "FLASK_RUN_HOST": "0.0.0.0"},
         "shop/templates/web.yaml:18"),
        (["--set", "more.FLASK_RUN_PORT=80"], {"FLASK_DEBUG": "0", "FLASK_RUN_PORT": "80"},
         "shop/values.yaml:4"),
        (["--set", "debug=null"], {"FLASK_DEBUG": ""}, "shop/templates/web.yaml:17"),
    ],
)  # fmt: skip
def test_values_come_in_the_order_of_helm(
    options: list[str], variables: dict[str, str], place: str, chart: Path
) -> None:
    write(chart.parent, {"one.yaml": "host: ''\ndebug: '1'\n", "two.yaml": "debug: 2\n"})
    report = rendered.scanned("helm:shop", *options)
    assert rendered.environment(report) == {"FLASK_APP": "shop", **variables}
    assert rendered.places(report)["FLASK_DEBUG"] == place


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (["--values", "more.yaml"], "more.yaml:2"),
        (["--set", "plain[0].name=FLASK_RUN_PORT", "--set-string", "plain[0].value=1"],
         "shop/templates/web.yaml (rendered):22"),
        (["--set", "more.FLASK_RUN_PORT=1"], "shop/templates/web.yaml (rendered):22"),
    ],
)  # fmt: skip
def test_what_toyaml_prints_stands_in_the_values_or_cannot_be_told(
    options: list[str], place: str, chart: Path
) -> None:
    write(chart, {"templates/web.yaml": WITH_YAML})
    write(chart.parent, {"more.yaml": "plain:\n  - value: '1'\n    name: FLASK_RUN_PORT\n"})
    assert rendered.places(rendered.scanned("helm:shop", *options))["FLASK_RUN_PORT"] == place


def test_what_stands_in_a_template_is_not_taken_for_a_value(chart: Path) -> None:
    branch = (
        "{{- if true }}\n            - name: FLASK_RUN_PORT\n              value: '1'\n{{- end }}\n"
    )
    write(chart, {"templates/web.yaml": WITH_YAML + branch})
    write(chart, {"values.yaml": f"{VALUES}example:\n  - name: FLASK_RUN_PORT\n    value: '1'\n"})
    report = rendered.scanned("helm:shop")
    assert rendered.places(report)["FLASK_RUN_PORT"] == "shop/templates/web.yaml (rendered):22"


def test_what_a_loop_renders_stands_in_its_lines(chart: Path) -> None:
    write(chart.parent, {"more.yaml": "more: {FLASK_RUN_PORT: '1', FLASK_RUN_CERT: '2'}\n"})
    report = rendered.scanned("helm:shop", "--values", "more.yaml")
    places = rendered.places(report)
    assert {places["FLASK_RUN_PORT"], places["FLASK_RUN_CERT"]} == {"shop/templates/web.yaml:25"}


def test_a_finding_names_the_line_of_the_values(chart: Path) -> None:
    write(chart.parent, {"on.yaml": "# for a moment\ncommand: [flask, run, --debug]\n"})
    command = DEPLOYMENT.replace("[flask, run]", "{{ toJson .Values.command }}")
    write(chart, {"templates/web.yaml": command})
    report = rendered.scanned("helm:shop", "--values", "on.yaml")
    (finding,) = (one for one in report["findings"] if one["rule"] == "DG102")
    assert finding["answer"] == "yes"
    assert {rendered.place(step["location"]) for step in finding["evidence"]} == {"on.yaml:2"}


HELPER = '{{- define "x" }}\n              value: "1"\n{{- end }}\n'
BRANCH = "{{- if true }}\n              value: {}\n              {{- end }}"


@pytest.mark.parametrize(
    ("value", "change", "place"),
    [
        ('value: "1"', {}, "shop/templates/web.yaml:18"),
        # The same text stands in a helper, but the line before leads to this one.
        ('value: "1"', {"templates/_x.tpl": HELPER}, "shop/templates/web.yaml:18"),
        (BRANCH.replace("{}", '"1"'), {}, "shop/templates/web.yaml:19"),
        (BRANCH.replace("{}", '"1"'), {"templates/_x.tpl": HELPER},
         "shop/templates/web.yaml (rendered):20"),
        (BRANCH.replace("{}", '"1"'), {"values.yaml": f'{VALUES}x:\n  value: "1"\n'},
         "shop/templates/web.yaml (rendered):20"),
        # A comment is never rendered, and notes are no template of objects.
        (BRANCH.replace("{}", '"1"'), {"templates/_x.tpl": '{{/* define\nvalue: "1"\n*/}}'},
         "shop/templates/web.yaml:19"),
        (BRANCH.replace("{}", '"1"'), {"templates/NOTES.txt": 'value: "1"'},
         "shop/templates/web.yaml:19"),
        # Both branches may have made it.
        (BRANCH.replace("{}", "{{ 1 | quote }}") + "{{- if true }}\n              {{- else }}\n"
         '              value: "{{ 2 }}"\n              {{- end }}', {},
         "shop/templates/web.yaml (rendered):20"),
    ],
)  # fmt: skip
def test_a_line_is_told_only_where_one_can_have_made_it(
    value: str, change: dict[str, str], place: str, chart: Path
) -> None:
    plain = DEPLOYMENT.replace("value: {{ .Values.debug | quote }}", value)
    write(chart, {**change, "templates/web.yaml": plain})
    assert rendered.places(rendered.scanned("helm:shop"))["FLASK_DEBUG"] == place


def test_an_included_template_is_told_by_its_own_lines(chart: Path) -> None:
    helper = '{{- define "debug" -}}\nname: FLASK_DEBUG\nvalue: {{ .Values.debug | quote }}\n{{- end -}}\n'
    lines = DEPLOYMENT.splitlines(keepends=True)
    lines[16:18] = ['            - {{- include "debug" . | nindent 14 }}\n']
    write(chart, {"templates/_env.tpl": helper, "templates/web.yaml": "".join(lines)})
    report = rendered.scanned("helm:shop", "--set", "debug=on")
    assert rendered.environment(report)["FLASK_DEBUG"] == "on"
    assert rendered.places(report)["FLASK_DEBUG"] == "shop/templates/_env.tpl:3"


def test_the_release_and_its_namespace(chart: Path) -> None:
    with_namespace = DEPLOYMENT.replace(
        "metadata:\n  name", "metadata:\n  namespace: {{ .Release.Namespace }}\n  name", 1
    )
    write(chart, {"templates/web.yaml": with_namespace})
    options = ("--namespace", "prod", "--release-name", "blue")
    assert rendered.subjects(rendered.scanned("helm:shop", *options)) == [
        "Deployment/prod/blue-web/containers/web"
    ]
    write(chart, {"templates/web.yaml": DEPLOYMENT})
    assert rendered.subjects(rendered.scanned("helm:shop", *options)) == [
        "Deployment/prod/blue-web/containers/web"
    ]


SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: "{{ .Release.Namespace }}"}
data:
  FLASK_DEBUG: {{ tpl .Values.template . | quote }}
"""


def test_objects_without_a_namespace_are_in_that_of_the_release(chart: Path) -> None:
    using = DEPLOYMENT.replace(
        "          env:\n",
        "          envFrom: [{configMapRef: {name: settings}}]\n          env:\n",
    ).replace(
        "            - name: FLASK_DEBUG\n              value: {{ .Values.debug | quote }}\n", ""
    )
    write(chart, {"templates/web.yaml": using, "templates/settings.yaml": SETTINGS})
    write(chart.parent, {"tpl.yaml": "template: '{{ .Values.image.tag }}'\n"})
    report = rendered.scanned("helm:shop", "--values", "tpl.yaml", "--namespace", "prod")
    assert rendered.environment(report)["FLASK_DEBUG"] == "1.2"
    assert rendered.places(report)["FLASK_DEBUG"] == "shop/templates/settings.yaml:5"


SUB = {
    "Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    "values.yaml": "debug: '0'\nglobal: {port: '1'}\n",
    "templates/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Chart.Name }}"}
spec:
  containers:
    - name: web
      image: shop
      env:
        - name: FLASK_DEBUG
          value: {{ .Values.debug | quote }}
        - name: FLASK_RUN_PORT
          value: {{ .Values.global.port | quote }}
""",
}


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("values", "variables", "files"),
    [
        ("", {"FLASK_DEBUG": "0", "FLASK_RUN_PORT": "1"}, ("sub/values.yaml:1", "sub/values.yaml:2")),
        ("red: {debug: '1'}\n", {"FLASK_DEBUG": "1", "FLASK_RUN_PORT": "1"},
         ("values.yaml:1", "sub/values.yaml:2")),
        ("global:\n  port: '3'\nred:\n  debug: '2'\n", {"FLASK_DEBUG": "2", "FLASK_RUN_PORT": "3"},
         ("values.yaml:4", "values.yaml:2")),
    ],
)  # fmt: skip
def test_subcharts_go_by_their_aliases_and_take_values_from_above(
    *, values: str, variables: dict[str, str], files: tuple[str, str], is_packed: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    dependency = 'dependencies: [{name: sub, version: "1.x", alias: red, condition: red.on}]\n'
    description = CHART["Chart.yaml"] + dependency
    write(tmp_path / "top", {"Chart.yaml": description, "values.yaml": values})
    write(tmp_path / "sub", SUB)
    if is_packed:
        helm = str(renderers.folder(renderers.HELMS[0]) / "helm")
        command = [helm, "package", "sub", "-d", "top/charts"]
        subprocess.run(command, check=True, capture_output=True)
    else:
        write(tmp_path / "top" / "charts" / "sub", SUB)
    report = rendered.scanned("helm:top")
    assert rendered.subjects(report) == ["Pod/-/red/containers/web"]
    assert rendered.environment(report) == variables
    inner = "top/charts/sub-1.0.0.tgz#" if is_packed else "top/charts/sub/"
    expected = [
        inner + file.removeprefix("sub/") if file.startswith("sub/") else f"top/{file}"
        for file in files
    ]
    assert list(rendered.places(report).values()) == expected
    off = rendered.problem("helm:top", "--set", "red.on=false")
    assert off["code"] == "empty"
