"""What helm refuses is said with its place, and what it would fetch is not fetched."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import rendered, renderers
from tests.support.builds import write
from tests.support.counting_server import counting

NAMED = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: shop}]}
"""


@pytest.fixture(params=renderers.HELMS, autouse=True)
def helm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = renderers.folder(request.param)
    monkeypatch.setenv("PATH", str(folder))
    return folder / "helm"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shop", {"Chart.yaml": NAMED, "templates/pod.yaml": POD})
    return tmp_path


@pytest.mark.parametrize(
    ("files", "options", "code", "message", "place", "hint"),
    [
        ({"templates/x.yaml": 'a: 1\nb: {{ required "a host, please" .Values.host }}\n'}, [],
         "syntax", "a host, please", "shop/templates/x.yaml:2", "--values or --set"),
        ({"templates/x.yaml": '\n{{ fail "not today" }}\n'}, [],
         "syntax", "not today", "shop/templates/x.yaml:2", "--values or --set"),
        ({"templates/x.yaml": "a: {{ .Values.a.b.c }}\n"}, [],
         "syntax", "nil pointer evaluating", "shop/templates/x.yaml:1", "--values or --set"),
        ({"templates/x.yaml": "a: b: c\n"}, [],
         "syntax", "YAML parse error", "shop/templates/x.yaml", "helm template shows the same"),
        ({"templates/x.yaml": "a:\n{{ if }}\n"}, [],
         "syntax", "missing value for if", "shop/templates/x.yaml:2", None),
        ({"templates/x.yaml": 'a: {{ include "x" . }}\n',
          "templates/_x.tpl": '{{ define "x" }}\n\n{{ .Values.deep.er }}{{ end }}\n'}, [],
         "syntax", "error calling include", "shop/templates/_x.tpl:3", None),
        ({"values.yaml": "a: 1\nb: : 2\n"}, [], "syntax", "values.yaml", "shop/values.yaml:2", None),
        ({"Chart.yaml": NAMED + 'dependencies: [{name: redis, version: "1", repository: "https://x.invalid"}]\n'},
         [], "not-found", "redis", "shop", "helm dependency build"),
        ({"Chart.yaml": NAMED + "kubeVersion: '>= 9.0.0'\n"}, [],
         "unsupported", "incompatible with Kubernetes", "shop", "--kube-version"),
        ({"Chart.yaml": NAMED + "type: library\n"}, [],
         "unsupported", "library charts are not installable", "shop", "name one of those"),
        ({"values.schema.json": '{"properties": {"port": {"type": "integer"}}}'}, ["--set", "port=x"],
         "syntax", "port", "shop", "give values that fit"),
        ({}, ["--set", "a={secret-word"], "syntax", "--set", "shop", "--set takes NAME=VALUE"),
        ({}, ["--release-name", "No Such"], "syntax", "release name", "shop", None),
        ({"templates/pod.yaml": "# nothing\n"}, [], "empty", "renders to no object", "shop", "--values"),
    ],
)  # fmt: skip
def test_what_helm_refuses_is_said_with_its_place_and_a_way_out(
    files: dict[str, str], options: list[str], code: str, message: str, place: str, hint: str | None,
    folder: Path,
) -> None:  # fmt: skip
    write(folder / "shop", files)
    found = rendered.problem("helm:shop", *options)
    assert found["code"] == code
    assert message in found["message"]
    assert rendered.place(found["location"]) == place
    assert hint is None or hint in found["hint"]
    told = found["message"]
    assert "\n" not in told
    assert str(folder) not in told
    assert "secret-word" not in told


def test_without_helm_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = rendered.problem("helm:shop")
    assert found["code"] == "unsupported"
    assert found["message"] == "helm is needed for this, and is not on PATH"
    assert "install helm" in found["hint"]
    assert "helm template DIR | deployguard scan k8s:-" in found["hint"]


def test_a_chart_for_another_kubernetes_is_rendered_where_it_is_named(folder: Path) -> None:
    apis = '{{ if .Capabilities.APIVersions.Has "shop.example/v1" }}\n' + POD + "{{ end }}\n"
    newer = NAMED + "kubeVersion: '>= 9.0.0'\n"
    write(folder / "shop", {"Chart.yaml": newer, "templates/pod.yaml": apis})
    options = ("--kube-version", "9.1.0", "--api-versions", "shop.example/v1")
    assert rendered.subjects(rendered.scanned("helm:shop", *options)) == [
        "Pod/-/web/containers/web"
    ]


@pytest.mark.parametrize(
    ("argument", "code"),
    [("helm:none", "not-found"), ("helm:empty", "not-found"), ("helm:file.tgz", "integrity"),
     ("helm:text.tgz", "integrity")],
)  # fmt: skip
def test_what_is_no_chart_is_said_to_be_none(argument: str, code: str, folder: Path) -> None:
    write(folder, {"empty/x": "", "file.tgz": b"\x1f\x8b\x08garbage", "text.tgz": "text"})
    assert rendered.problem(argument)["code"] == code


@pytest.mark.parametrize("name", ["none.yaml", "shop", "bad.yaml", "https://x.invalid/values.yaml"])
def test_values_that_cannot_be_read_are_wrong_usage(name: str, folder: Path) -> None:
    write(folder, {"bad.yaml": "a: [\n"})
    done = rendered.scan("helm:shop", "--values", name)
    assert done.code == 2
    assert not done.out
    assert name in done.text


HOOK = POD.replace("{name: web}", "{name: NAME, annotations: {helm.sh/hook: KIND}}")


def test_hooks_and_crds_are_judged_and_tests_are_said_to_be_tests(folder: Path) -> None:
    kinds = {"job": "pre-install", "check": "test", "old": '"test-success, post-upgrade"'}
    hooks = {
        f"templates/{name}.yaml": HOOK.replace("NAME", name).replace("KIND", kind)
        for name, kind in kinds.items()
    }
    write(folder / "shop", {**hooks, "crds/crd.yaml": POD.replace("{name: web}", "{name: crd}")})
    report = rendered.scanned("helm:shop")
    names = {subject.split("/")[2] for subject in rendered.subjects(report)}
    assert names == {"web", "job", "check", "old", "crd"}
    assert rendered.notes(report) == ["Pod check is started by helm test alone"]
    places = {one["workload"]["name"]: one["location"]["file"] for one in report["containers"]}
    assert places["crd"] == "shop/crds/crd.yaml"
    assert places["job"] == "shop/templates/job.yaml"


def test_lookup_finds_nothing_and_lists_are_taken_apart(folder: Path) -> None:
    listed = (
        'apiVersion: v1\nkind: List\nitems:\n{{ $found := lookup "v1" "Secret" "default" "x" }}\n'
        "- {apiVersion: v1, kind: Pod, metadata: {name: {{ len $found }}-a},\n"
        "   spec: {containers: [{name: web, image: shop}]}}\n"
    )
    write(folder / "shop", {"templates/pod.yaml": listed})
    report = rendered.scanned("helm:shop")
    assert rendered.subjects(report) == ["Pod/-/0-a/containers/web"]
    assert rendered.place(report["containers"][0]["location"]) == "shop/templates/pod.yaml:6"


def test_what_helm_warns_of_is_noted(folder: Path) -> None:
    write(folder, {"elsewhere/more.yaml": POD.replace("{name: web}", "{name: more}")})
    (folder / "shop" / "templates" / "linked").symlink_to(folder / "elsewhere")
    report = rendered.scanned("helm:shop")
    assert rendered.subjects(report) == ["Pod/-/more/containers/web", "Pod/-/web/containers/web"]
    assert report["containers"][0]["location"]["file"] == "shop/templates/linked/more.yaml"
    (note,) = rendered.notes(report)
    assert note.startswith("helm: ")
    assert "found symbolic link in path" in note


SCHEMA = {"properties": {"port": {"$ref": "URL/port.json"}}}


def test_a_schema_that_refers_elsewhere_is_not_followed(folder: Path, helm: Path) -> None:
    with counting(b'{"type": "integer"}') as server:
        schema = json.dumps(SCHEMA).replace("URL", server.url)
        write(folder / "shop", {"values.schema.json": schema})
        asked = subprocess.run(
            [helm, "template", "shop", "--set", "port=x"],
            check=False,
            capture_output=True,
            cwd=folder,
        )
        # That is what helm does of its own accord.
        assert asked.returncode == 1
        assert server.asked == ["/port.json"]
        server.asked.clear()
        report = rendered.scanned("helm:shop", "--set", "port=x")
        assert server.asked == []
    (note,) = rendered.notes(report)
    assert (
        note
        == f"the values are not checked against their schema, which refers to {server.url}/port.json"
    )


@pytest.mark.parametrize(
    ("schema", "is_checked"),
    [
        ('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', True),
        ('{"$ref": "#/definitions/x", "definitions": {"x": {"type": "object"}}}', True),
        ('{"$ref": "file:///etc/passwd"}', False),
        ('{"$ref": "other.json"}', False),
        ('{"\\u0024ref": "http://127.0.0.1:9/x"}', False),
        ('{"items": [{"$dynamicRef": "http://127.0.0.1:9/x"}]}', False),
        ('{"$schema": "http://127.0.0.1:9/x"}', False),
    ],
)
def test_only_schemas_that_stand_alone_are_checked(
    schema: str,
    is_checked: bool,  # noqa: FBT001  (a column of the table)
    folder: Path,
) -> None:
    sub = {"Chart.yaml": NAMED.replace("shop", "sub"), "values.schema.json": schema}
    write(folder / "shop" / "charts" / "sub", sub)
    assert (not rendered.notes(rendered.scanned("helm:shop"))) == is_checked


def test_no_plugin_runs_and_nothing_is_fetched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = folder / "trace"
    script = f"#!/bin/sh\necho x >> {trace}\nexit 1\n"
    for name in ("git", "sh", "curl", "kubectl", "kustomize"):
        write(folder / "path", {name: script})
        (folder / "path" / name).chmod(0o755)
    plugin = {"plugin.yaml": "name: template\nversion: 1\nusage: x\ncommand: $HELM_PLUGIN_DIR/run.sh\n"
              "downloaders: [{command: run.sh, protocols: [evil]}]\n", "run.sh": script}  # fmt: skip
    write(folder / "plugins" / "evil", plugin)
    (folder / "plugins" / "evil" / "run.sh").chmod(0o755)
    helm = shutil.which("helm")
    assert helm is not None
    (folder / "path" / "helm").symlink_to(helm)
    monkeypatch.setenv("PATH", str(folder / "path"))
    monkeypatch.setenv("HELM_PLUGINS", str(folder / "plugins"))
    monkeypatch.setenv("HELM_DEBUG", "1")
    monkeypatch.setenv("HOME", str(folder))
    before = sorted(folder.iterdir())
    assert len(rendered.scanned("helm:shop")["containers"]) == 1
    assert rendered.scan("helm:evil://shop").report["targets"][0]["status"] == "failed"
    assert rendered.scan("helm:oci://127.0.0.1:9/shop").report["targets"][0]["status"] == "failed"
    assert sorted(folder.iterdir()) == before
    assert not trace.exists()
