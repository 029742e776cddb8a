"""Manifests over a real image: what is declared for a container decides what comes up."""

from datetime import date
from functools import cache
from pathlib import Path

import pytest

from deployguard import pipeline
from deployguard.errors import UsageError
from deployguard.inputs.image.stored import open_archive
from deployguard.inputs.kubernetes.containers import containers
from deployguard.inputs.kubernetes.manifests import read
from deployguard.inputs.kubernetes.objects import file_objects
from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.report import Report, Status, Target, TargetKind
from deployguard.policy import load
from deployguard.rules import IDS
from tests.support.flask_images import flask_image

APP = b"from flask import Flask\napp = Flask(__name__)\n"
SERVED = b"from shop import app\nimport settings\napp.run(debug=settings.DEBUG)\n"


@cache
def image(path: Path) -> Image:
    config = {"WorkingDir": "/app", "Cmd": ["flask", "--app", "shop", "run"]}
    files = {"app/shop.py": APP, "app/serve.py": SERVED, "app/settings.py": b"DEBUG = False\n"}
    path.write_bytes(flask_image(config, files))
    [found] = open_archive(str(path), tag=None, platform=None)
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return image(tmp_path_factory.mktemp("shop") / "shop.tar")


class OneImage:
    def __init__(self, image: Image) -> None:
        self.image = image

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        assert reference.value
        return self.image


OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {FLASK_DEBUG: "1", FLAG: --debug, settings.py: "DEBUG = True"}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {FLASK_DEBUG: "1"}
---
"""


def judged(shop: Image, container: str, pod: str) -> Report:
    fields = f", {container}" if container else ""
    more = f", {pod}" if pod else ""
    text = (
        f"{OBJECTS}apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\n"
        f"spec: {{containers: [{{name: web, image: shop{fields}}}]{more}}}\n"
    )
    manifests = read([("pod.yaml", text.encode())])
    specs = containers(manifests, "pod.yaml", file_objects(manifests), OneImage(shop))
    target = Target(
        name="pod.yaml", argument="pod.yaml", kind=TargetKind.KUBERNETES, status=Status.INSPECTED
    )
    options = pipeline.ScanOptions(today=date(2031, 1, 1))
    return pipeline.review(target, specs, (load("production", IDS),), options)


SERVE = "command: [python, serve.py]"
OVER = "volumeMounts: [{name: v, mountPath: /app/settings.py, subPath: settings.py}]"


@pytest.mark.parametrize(
    ("container", "pod", "debugger", "dev_server"),
    [
        ("", "", "no", "yes"),
        ("envFrom: [{configMapRef: {name: c}}]", "", "yes", "yes"),
        ("envFrom: [{configMapRef: {name: c}, prefix: X_}]", "", "no", "yes"),
        ("envFrom: [{secretRef: {name: s}}]", "", "unknown", "yes"),
        ("envFrom: [{configMapRef: {name: gone}}]", "", "unknown", "yes"),
        ("env: [{name: FLASK_DEBUG, valueFrom: {configMapKeyRef: {name: c, key: FLASK_DEBUG}}}]", "", "yes", "yes"),
        ("args: [flask, --app, shop, run, $(FLAG)], envFrom: [{configMapRef: {name: c}}]", "", "yes", "yes"),
        ("args: [flask, --app, shop, run, $$(FLAG)], envFrom: [{configMapRef: {name: c}}]", "", "no", "no"),
        (SERVE, "", "no", "yes"),
        (f"{SERVE}, {OVER}", "volumes: [{name: v, configMap: {name: c}}]", "yes", "yes"),
        (f"{SERVE}, {OVER}", "volumes: [{name: v, projected: {sources: [{configMap: {name: c}}]}}]", "yes", "yes"),
        (f"{SERVE}, {OVER}", "volumes: [{name: v, hostPath: {path: /x}}]", "unknown", "yes"),
        (f"{SERVE}, volumeMounts: [{{name: v, mountPath: /app}}]", "volumes: [{name: v, emptyDir: {}}]", "no", "no"),
        (
            f"{SERVE}, volumeMounts: [{{name: v, mountPath: /app}}]",
            "volumes: [{name: v, emptyDir: {}}], initContainers: [{name: fill, image: x, command: [sleep, '1'], volumeMounts: [{name: v, mountPath: /to}]}]",
            "unknown",
            "unknown",
        ),
        ("command: [sleep, '9']", "", "no", "no"),
        ("command: [sleep, '9'], lifecycle: {postStart: {exec: {command: [flask, --app, shop, run, --debug]}}}", "", "yes", "yes"),
        ("command: [sleep, '9'], lifecycle: {preStop: {exec: {command: [flask, --app, shop, run, --debug]}}}", "", "no", "no"),
        ("command: [sleep, '9'], livenessProbe: {exec: {command: [flask, --app, shop, run, --debug]}}", "", "no", "no"),
        ("workingDir: /", "", "no", "no"),
    ],
)  # fmt: skip
def test_what_a_manifest_declares_decides_what_comes_up(
    shop: Image, container: str, pod: str, debugger: str, dev_server: str
) -> None:
    report = judged(shop, container, pod)
    [web] = [one for one in report.containers if one.spec.name == "web"]
    found = web.facts.claims()
    assert (found["debugger"].answer, found["dev_server"].answer) == (debugger, dev_server)
    for claim in (found["debugger"], found["dev_server"]):
        assert bool(claim.missing) is (claim.answer == "unknown")


OWN = """
apiVersion: ray.example/v1
kind: Cluster
metadata: {name: a}
spec: {workers: [{template: {spec: {containers: [{name: web, image: shop, command: [flask, run]}]}}}]}
"""


def scanned(workloads: dict[str, str]) -> Report:
    options = pipeline.ScanOptions(
        today=date(2031, 1, 1), images="never", workloads=workloads, stdin=OWN.encode
    )
    return pipeline.scan(("k8s:-",), (load("production", IDS),), options)


def test_a_kind_of_ones_own_is_judged_where_it_is_configured() -> None:
    [target] = scanned({}).targets
    assert target.status is Status.FAILED
    report = scanned({"Cluster.ray.example": "spec.workers.*.template"})
    assert [one.id for one in report.containers] == ["-#Cluster/-/a/containers/web"]


def test_a_configured_path_that_says_nothing_stops_the_scan() -> None:
    with pytest.raises(UsageError, match="workloads"):
        scanned({"cluster": ""})
