"""Kustomizations as the real kustomize and kubectl render them: what is judged, and its places."""

import os
from pathlib import Path

import pytest

from deployguard.inputs.kubernetes.containers import containers
from deployguard.inputs.kubernetes.objects import file_objects
from deployguard.inputs.kubernetes.workloads import Workloads
from deployguard.inputs.rendering import kustomize
from deployguard.inputs.rendering.options import RenderingOptions
from tests.support import rendered, renderers
from tests.support.builds import NoImages, write

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: web
          image: shop:1
          command: [flask, run]
          env:
            - name: FLASK_DEBUG
              value: "0"
            - {name: FLASK_APP, value: shop}
          envFrom:
            - configMapRef: {name: settings}
"""
BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\nconfigMapGenerator:\n"
    "  - name: settings\n    literals:\n      - FLASK_RUN_HOST=0.0.0.0\n      - 'FLASK_RUN_PORT=\"80\"'\n",
    "base/web.yaml": WEB,
}
STRATEGIC = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: web
          env:
            - name: FLASK_DEBUG
              value: "1"
"""
JSON_6902 = """\
- op: replace
  path: /spec/template/spec/containers/0/env/0/value
  value: "1"
- op: add
  path: /spec/template/spec/containers/0/env/-
  value: {name: FLASK_RUN_PORT, value: "81"}
"""


def _indented(text: str) -> str:
    return "".join(f"      {line}\n" for line in text.splitlines())


@pytest.fixture(params=renderers.KUSTOMIZES, autouse=True)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(renderers.folder(request.param)))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, BASE)
    return tmp_path


DEFAULT = {
    "FLASK_RUN_HOST": ("0.0.0.0", "base/kustomization.yaml:5"),
    "FLASK_RUN_PORT": ("80", "base/kustomization.yaml:6"),
    "FLASK_DEBUG": ("0", "base/web.yaml:14"),
    "FLASK_APP": ("shop", "base/web.yaml:15"),
}


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"over/kustomization.yaml": "resources: [../base]\n"}, {}),
        ({"over/kustomization.yml": "bases: [../base]\n"}, {}),
        ({"over/Kustomization": "namePrefix: a-\nnameSuffix: -b\nresources: [../base]\n"}, {}),
        ({"over/kustomization.yaml": "resources: [../middle]\nnamePrefix: x-\n",
          "middle/kustomization.yaml": "resources: [../base]\nnamePrefix: web-\nnamespace: prod\n"}, {}),
        ({"over/kustomization.yaml": "resources: [../base]\npatches: [{path: web.yaml}]\n",
          "over/web.yaml": STRATEGIC}, {"FLASK_DEBUG": ("1", "over/web.yaml:11")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatchesStrategicMerge: [web.yaml]\n",
          "over/web.yaml": STRATEGIC}, {"FLASK_DEBUG": ("1", "over/web.yaml:11")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatches:\n  - patch: |-\n"
          + _indented(STRATEGIC)}, {"FLASK_DEBUG": ("1", "over/kustomization.yaml:14")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatchesStrategicMerge:\n  - |-\n"
          + _indented(STRATEGIC)}, {"FLASK_DEBUG": ("1", "over/kustomization.yaml:14")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatches:\n"
          "  - {path: p.yaml, target: {kind: Deployment, name: web}}\n", "over/p.yaml": JSON_6902},
         {"FLASK_DEBUG": ("1", "over/p.yaml:3"), "FLASK_RUN_PORT": ("81", "over/p.yaml:6")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatches:\n"
          "  - target: {kind: Deployment}\n    patch: |-\n" + _indented(JSON_6902)},
         {"FLASK_DEBUG": ("1", "over/kustomization.yaml:7"),
          "FLASK_RUN_PORT": ("81", "over/kustomization.yaml:10")}),
        ({"over/kustomization.yaml": "resources: [../base]\npatchesJson6902:\n"
          "  - {path: p.yaml, target: {version: v1, group: apps, kind: Deployment, name: web}}\n",
          "over/p.yaml": JSON_6902},
         {"FLASK_DEBUG": ("1", "over/p.yaml:3"), "FLASK_RUN_PORT": ("81", "over/p.yaml:6")}),
        ({"over/kustomization.yaml": "resources: [../base]\nconfigMapGenerator:\n"
          "  - {name: settings, behavior: merge, literals: [FLASK_RUN_HOST=1.2.3.4]}\n"},
         {"FLASK_RUN_HOST": ("1.2.3.4", "over/kustomization.yaml:3")}),
        ({"over/kustomization.yaml": "resources: [../base]\nconfigMapGenerator:\n"
          "  - {name: settings, behavior: merge, envs: [x.env]}\n",
          "over/x.env": "# here\n\nFLASK_RUN_PORT=82\n"},
         {"FLASK_RUN_PORT": ("82", "over/x.env:3")}),
        ({"over/kustomization.yaml": "resources: [../base]\nconfigMapGenerator:\n"
          "  - {name: settings, behavior: merge, files: [FLASK_RUN_PORT=port, FLASK_RUN_HOST]}\n",
          "over/port": "83", "over/FLASK_RUN_HOST": "4.4.4.4"},
         {"FLASK_RUN_PORT": ("83", "over/port"), "FLASK_RUN_HOST": ("4.4.4.4", "over/FLASK_RUN_HOST")}),
        ({"over/kustomization.yaml": "resources: [../base]\ncomponents: [../debug]\n",
          "debug/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
          "namePrefix: debug-\npatches: [{path: web.yaml}]\n", "debug/web.yaml": STRATEGIC},
         {"FLASK_DEBUG": ("1", "debug/web.yaml:11")}),
        ({"over/kustomization.yaml": "resources: [../base]\ngeneratorOptions: {disableNameSuffixHash: true}\n"
          "labels: [{pairs: {team: a}, includeSelectors: true}]\ncommonAnnotations: {a: b}\n"
          "replicas: [{name: web, count: 3}]\n"}, {}),
        # The last patch counts, of the same place or another.
        ({"over/kustomization.yaml": "resources: [../middle]\npatches: [{path: p.yaml, target: {kind: Deployment}}]\n",
          "middle/kustomization.yaml": "resources: [../base]\npatches: [{path: web.yaml}]\n",
          "middle/web.yaml": STRATEGIC.replace('"1"', '"2"'), "over/p.yaml": JSON_6902},
         {"FLASK_DEBUG": ("1", "over/p.yaml:3"), "FLASK_RUN_PORT": ("81", "over/p.yaml:6")}),
        # A replacement puts a value where none of the files has it.
        ({"over/kustomization.yaml": "resources: [../base]\nreplacements:\n"
          "  - source: {kind: Deployment, name: web, fieldPath: metadata.name}\n"
          "    targets: [{select: {kind: Deployment}, fieldPaths: ['spec.template.spec.containers.[name=web].env.[name=FLASK_APP].value']}]\n"},
         {"FLASK_APP": ("web", "over (rendered):")}),
        ({"over/kustomization.yaml": "resources: [../base]\n"
          "vars: [{name: NAME, objref: {kind: Deployment, name: web, apiVersion: apps/v1}}]\n"
          "patches: [{path: web.yaml}]\n",
          "over/web.yaml": STRATEGIC.replace('"1"', '"$(NAME)"')},
         {"FLASK_DEBUG": ("web", "over (rendered):")}),
    ],
)  # fmt: skip
def test_values_are_those_of_kustomize_and_stand_where_they_were_written(
    files: dict[str, str], changed: dict[str, tuple[str, str]], folder: Path
) -> None:
    write(folder, files)
    report = rendered.scanned("kustomize:over")
    expected = DEFAULT | changed
    assert rendered.environment(report) == {name: value for name, (value, _) in expected.items()}
    places = rendered.places(report)
    assert {name: place.rstrip("0123456789") if place.startswith("over (r") else place
            for name, place in places.items()} == {name: place for name, (_, place) in expected.items()}  # fmt: skip
    container = report["containers"][0]
    assert rendered.place(container["location"]) == "base/web.yaml:9"
    target = report["targets"][0]
    assert (target["name"], target["kind"]) == ("over", "kustomize")


def test_names_and_namespaces_are_those_that_are_deployed(folder: Path) -> None:
    write(
        folder,
        {"over/kustomization.yaml": "resources: [../base]\nnamespace: prod\nnamePrefix: a-\n"},
    )
    report = rendered.scanned("kustomize:over")
    assert rendered.subjects(report) == ["Deployment/prod/a-web/containers/web"]
    write(folder, {"over/kustomization.yaml": "resources: [../base]\n"})
    report = rendered.scanned("kustomize:over", "--namespace", "dev")
    assert rendered.subjects(report) == ["Deployment/dev/web/containers/web"]


@pytest.mark.parametrize(
    ("images", "reference", "place"),
    [
        ("[{name: shop, newTag: '2'}]", "shop:2", 2),
        ("\n  - name: shop\n    newName: acme/shop\n    newTag: '2'", "acme/shop:2", 5),
        ("\n  - name: shop\n    newName: acme/shop", "acme/shop:1", 4),
        ("\n  - name: shop\n    digest: sha256:" + "a" * 64, "shop@sha256:" + "a" * 64, 4),
    ],
)
def test_an_image_stands_where_it_is_set(
    images: str, reference: str, place: int, folder: Path
) -> None:
    write(folder, {"over/kustomization.yaml": f"resources: [../base]\nimages: {images}\n"})
    manifests = kustomize.render("over", RenderingOptions(), os.environ, Workloads())
    (spec,) = containers(manifests, "over", file_objects(manifests), NoImages())
    assert spec.image_reference is not None
    assert spec.image_reference.value == reference
    location = spec.image_reference.location
    assert (location.file, location.line) == ("over/kustomization.yaml", place)


def test_secrets_have_keys_and_no_values(folder: Path) -> None:
    generator = "secretGenerator: [{name: keys, literals: [FLASK_DEBUG=canary-value]}]\n"
    using = WEB.replace("configMapRef: {name: settings}", "secretRef: {name: keys}").replace(
        '            - name: FLASK_DEBUG\n              value: "0"\n', ""
    )
    write(
        folder,
        {"base/kustomization.yaml": f"resources: [web.yaml]\n{generator}", "base/web.yaml": using},
    )
    done = rendered.scan("kustomize:base")
    assert b"canary" not in done.out
    report = done.report
    assert rendered.environment(report) == {"FLASK_APP": "shop", "FLASK_DEBUG": None}
    assert rendered.places(report)["FLASK_DEBUG"] == "base/kustomization.yaml:2"


def test_objects_of_one_name_are_told_apart_or_not_at_all(folder: Path) -> None:
    files = {
        "over/kustomization.yaml": "resources: [a, b]\n",
        "over/a/kustomization.yaml": "resources: [../../base]\nnamespace: a\n",
        "over/b/kustomization.yaml": "resources: [../../base]\nnamespace: b\n",
    }
    write(folder, files)
    report = rendered.scanned("kustomize:over")
    assert len(report["containers"]) == 2
    assert rendered.places(report)["FLASK_DEBUG"].startswith("over (rendered):")


def test_what_the_program_warns_of_is_noted(folder: Path) -> None:
    write(folder, {"over/kustomization.yaml": "bases: [../base]\n"})
    notes = rendered.notes(rendered.scanned("kustomize:over"))
    assert any("'bases' is deprecated" in note for note in notes)
    assert all(str(folder) not in note for note in notes)
