"""Manifests of a folder see each other's objects, unless two of them declare the same one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployguard.inputs.applied import judged
from deployguard.inputs.kubernetes.manifests import Manifests, read
from deployguard.model.container import ContainerSpec
from tests.support.command import scan
from tests.support.folders import write

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    spec:
      containers:
        - name: web
          image: shop:1
          command: [flask, --app, shop, run, --debug]
          env: [{name: FLASK_RUN_PORT, valueFrom: {configMapKeyRef: {name: settings, key: PORT}}}]
"""


def web(name: str) -> str:
    return WEB.replace("NAME", name)


def settings(port: str) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{PORT: '{port}'}}\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ports(files: Mapping[str, str], target: str = ".") -> dict[str, str | None]:
    """Return what each container knows of the port that a ConfigMap holds, by file."""
    write(Path(), files)
    found = {}
    for one in scan(target, "--format", "json").report["containers"]:
        (value,) = (v["value"] for v in one["process"]["env"] if v["name"] == "FLASK_RUN_PORT")
        assert one["id"].startswith(f"{one['target']}#Deployment/")
        found[one["target"]] = value
    return found


TREES: dict[str, tuple[dict[str, str], dict[str, str | None]]] = {
    "one folder": (
        {"k8s/web.yaml": web("web"), "k8s/settings.yaml": settings("80")},
        {"k8s/web.yaml": "80"},
    ),
    "folders by kind below one": (
        {"k8s/web/web.yaml": web("web"), "k8s/config/settings.yml": settings("80"), "app.py": ""},
        {"k8s/web/web.yaml": "80"},
    ),
    "applications beside each other": (
        {
            "shop/k8s/web.yaml": web("web"),
            "shop/shop.py": "",
            "blog/k8s/settings.yaml": settings("80"),
            "blog/blog.py": "",
        },
        {"shop/k8s/web.yaml": None},
    ),
    "stages in folders": (
        {
            "k8s/base.yaml": web("base"),
            "k8s/staging/web.yaml": web("web"),
            "k8s/staging/settings.yaml": settings("80"),
            "k8s/production/web.yaml": web("web"),
            "k8s/production/settings.yaml": settings("81"),
        },
        {
            "k8s/base.yaml": None,
            "k8s/staging/web.yaml": "80",
            "k8s/production/web.yaml": "81",
        },
    ),
    "stages in files": (
        {
            "k8s/staging.yaml": f"{web('web')}---\n{settings('80')}",
            "k8s/production.yaml": f"{web('web')}---\n{settings('81')}",
        },
        {"k8s/staging.yaml": "80", "k8s/production.yaml": "81"},
    ),
    "applications with stages": (
        {
            f"apps/{app}/{stage}/{name}.yaml": text
            for app in ("shop", "blog")
            for stage, port in (("staging", "80"), ("production", "81"))
            for name, text in (("web", web(app)), ("settings", settings(port)))
        },
        {
            f"apps/{app}/{stage}/web.yaml": port
            for app in ("shop", "blog")
            for stage, port in (("staging", "80"), ("production", "81"))
        },
    ),
    "what all stages share": (
        {
            "k8s/settings.yaml": settings("80"),
            "k8s/staging/web.yaml": web("web"),
            "k8s/production/web.yaml": web("web"),
        },
        {"k8s/staging/web.yaml": "80", "k8s/production/web.yaml": "80"},
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_objects_are_found_where_they_are_applied_together(name: str) -> None:
    files, expected = TREES[name]
    assert ports(files) == expected


def test_what_stages_share_is_seen_from_each_and_sees_none(folder: Path) -> None:
    files = {
        "shared.yaml": settings("80").replace("settings", "shared"),
        "staging/web.yaml": web("web"),
        "staging/settings.yaml": settings("80"),
        "production/web.yaml": web("web"),
        "production/settings.yaml": settings("81"),
    }
    write(folder, files)
    seen: list[set[str]] = []

    def containers(found: Manifests) -> tuple[ContainerSpec, ...]:
        seen.append({item.location.file for item in found.objects})
        return ()

    found = judged(tuple(files), lambda name: read([(name, Path(name).read_bytes())]), containers)
    assert seen == [
        {"shared.yaml"},
        {"shared.yaml", "staging/web.yaml", "staging/settings.yaml"},
        {"shared.yaml", "production/web.yaml", "production/settings.yaml"},
    ]
    assert len({one.together for one in found}) == 3


def test_a_shared_file_that_is_wrong_fails_alone(folder: Path) -> None:
    write(
        folder,
        {
            "k8s/bad.yaml": settings("80").replace("settings", "bad").replace("'80'", "[1]"),
            "k8s/staging/web.yaml": web("web"),
            "k8s/production/web.yaml": web("web"),
        },
    )
    status = {one["name"]: one["status"] for one in scan(".", "--format", "json").report["targets"]}
    assert status == {
        "k8s/bad.yaml": "failed",
        "k8s/staging/web.yaml": "inspected",
        "k8s/production/web.yaml": "inspected",
    }


def test_a_file_that_is_wrong_fails_alone() -> None:
    found = ports(
        {
            "k8s/web.yaml": web("web"),
            "k8s/settings.yaml": settings("80"),
            "k8s/broken.yaml": "apiVersion: v1\nkind: Pod\nmetadata: [\n",
            "k8s/shape.yaml": web("shape").replace("containers:", "containers: {}\n      x:"),
            "k8s/data.yaml": settings("81")
            .replace("settings", "bad")
            .replace("{PORT", "{A: [1], B"),
            "k8s/chart.yaml": web("{{ .Values.name }}"),
            "k8s/quoted.yaml": web("q").replace("shop:1", '"{{ .Values.image }}"'),
        }
    )
    assert found == {"k8s/web.yaml": "80"}
    done = scan(".", "--format", "json")
    status = {one["name"]: one["status"] for one in done.report["targets"]}
    assert status == {
        "k8s/broken.yaml": "failed",
        "k8s/data.yaml": "failed",
        "k8s/settings.yaml": "inspected",
        "k8s/shape.yaml": "failed",
        "k8s/web.yaml": "inspected",
    }
    (templates,) = done.report["skipped"]
    assert (templates["reason"], templates["paths"]) == (
        "template",
        ["k8s/chart.yaml", "k8s/quoted.yaml"],
    )
    # The debugger of the one that is read blocks all the same.
    assert (done.code, done.report["decision"]) == (1, "block")


def test_files_without_workloads_are_noted_only_where_nothing_starts() -> None:
    Path("settings.yaml").write_text(settings("80"))
    (target,) = scan(".", "--format", "json").report["targets"]
    assert [one["code"] for one in target["problems"]] == ["note"]
    Path("web.yaml").write_text(web("web"))
    targets = scan(".", "--format", "json").report["targets"]
    assert [one["problems"] for one in targets] == [[], []]
