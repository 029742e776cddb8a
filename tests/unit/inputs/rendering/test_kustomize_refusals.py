"""What kustomize would fetch or run is refused before it starts; what it refuses is said."""

import shutil
from pathlib import Path

import pytest

from deployguard.inputs.rendering.programs import environment, run
from tests.support import rendered, renderers
from tests.support.builds import write
from tests.support.counting_server import counting

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: shop}]}\n"
PLUGIN = "apiVersion: team.example/v1\nkind: Writer\nmetadata: {name: x}\n"
FUNCTION = (
    "apiVersion: builtin\nkind: X\nmetadata:\n  name: x\n  annotations:\n"
    "    config.kubernetes.io/function: |\n      container: {image: evil}\n"
)
CHART = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: shop\n"
LABELS = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: x}\nlabels: {a: b}\nfieldSpecs: [{path: metadata/labels, create: true}]\n"


@pytest.fixture(params=renderers.KUSTOMIZES, autouse=True)
def program(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Put a real program on PATH, and others beside it that leave a trace where they run."""
    real = renderers.folder(request.param)
    found = next(path for path in (real / "kustomize", real / "kubectl") if path.exists())
    tools = dict.fromkeys(
        ("git", "sh", "helm", "docker"), f"#!/bin/sh\necho x >> {tmp_path}/trace\n"
    )
    write(tmp_path / "path", tools)
    for name in tools:
        (tmp_path / "path" / name).chmod(0o755)
    (tmp_path / "path" / found.name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path,
        {
            "over/pod.yaml": POD,
            "base/pod.yaml": POD,
            "base/kustomization.yaml": "resources: [pod.yaml]\n",
        },
    )
    return [str(found), "build" if found.name == "kustomize" else "kustomize"]


@pytest.mark.parametrize("program", renderers.KUSTOMIZES[:1], indirect=True)  # none is started
@pytest.mark.parametrize(
    ("kustomization", "files", "place"),
    [
        ("resources:\n  - pod.yaml\n  - https://URL/pod.yaml\n", {}, 3),
        ("resources:\n  - http://URL//base?ref=v1\n", {}, 2),
        ("resources: [github.com/acme/shop]\n", {"github.com/acme/shop/kustomization.yaml": "resources: []\n"}, 1),
        ("resources: [GitHub.com/acme/shop//base]\n", {"GitHub.com/acme/shop/base/kustomization.yaml": ""}, 1),
        ("resources: ['git@github.com:acme/shop.git']\n", {}, 1),
        ("resources: ['git::https://URL/acme/shop']\n", {}, 1),
        ("resources: ['acme.visualstudio.com/x/_git/y']\n", {"acme.visualstudio.com/x/_git/y/kustomization.yaml": ""}, 1),
        ("resources: ['file:///srv/shop']\n", {}, 1),
        ("resources: ['ssh://git@host/shop']\n", {}, 1),
        ("bases: [github.com/acme/shop]\n", {}, 1),
        ("Resources: ['http://URL/pod.yaml']\n", {}, 1),
        ("components: ['https://URL/acme/shop?ref=v1']\n", {}, 1),
        ("resources: [pod.yaml]\npatches: [{path: 'http://URL/p.yaml'}]\n", {}, 2),
        ("resources: [pod.yaml]\npatchesStrategicMerge: ['http://URL/p.yaml']\n", {}, 2),
        ("resources: [pod.yaml]\npatchesJson6902: [{path: 'http://URL/p.yaml', target: {kind: Pod, name: web, version: v1}}]\n", {}, 2),
        ("resources: [pod.yaml]\nreplacements: [{path: 'http://URL/p.yaml'}]\n", {}, 2),
        ("resources: [pod.yaml]\ncrds: ['http://URL/p.json']\n", {}, 2),
        ("resources: [pod.yaml]\nconfigurations: ['http://URL/p.yaml']\n", {}, 2),
        ("resources: [pod.yaml]\nopenapi: {path: 'http://URL/p.json'}\n", {}, 2),
        ("resources: [pod.yaml]\nconfigMapGenerator: [{name: x, files: ['a=http://URL/a']}]\n", {}, 2),
        ("resources: [pod.yaml]\nsecretGenerator: [{name: x, envs: ['http://URL/a']}]\n", {}, 2),
        ("resources: [pod.yaml]\nconfigMapGenerator: [{name: x, env: 'http://URL/a'}]\n", {}, 2),
        ("resources: [pod.yaml]\ntransformers: ['http://URL/t.yaml']\n", {}, 2),
        ("resources: [pod.yaml]\ntransformers: [t.yaml]\n", {"t.yaml": PLUGIN}, 2),
        ("resources: [pod.yaml]\ngenerators: [t.yaml]\n", {"t.yaml": FUNCTION}, 2),
        ("resources: [pod.yaml]\ngenerators: [t.yaml]\n", {"t.yaml": CHART}, 2),
        ("resources: [pod.yaml]\nvalidators: [plugins]\n",
         {"plugins/kustomization.yaml": "resources: [t.yaml]\n", "plugins/t.yaml": PLUGIN}, 2),
        ("resources: [pod.yaml]\ntransformers:\n  - |-\n    " + PLUGIN.replace("\n", "\n    ") + "\n", {}, 3),
        ("resources: [pod.yaml]\nhelmCharts: [{name: x, repo: 'https://URL'}]\n", {}, 2),
        ("resources: [pod.yaml]\nhelmChartInflationGenerator: [{chartName: x}]\n", {}, 2),
    ],
)  # fmt: skip
def test_what_would_be_fetched_or_run_is_refused_by_its_place(
    kustomization: str, files: dict[str, str], place: int, tmp_path: Path
) -> None:
    with counting(POD.encode()) as server:
        text = kustomization.replace("URL", server.url.partition("//")[2])
        write(tmp_path / "over", {**files, "kustomization.yaml": text})
        write(tmp_path, {"top/kustomization.yaml": "resources: [../base, ../over]\n"})
        for name in ("over", "top"):
            found = rendered.problem(f"kustomize:{name}")
            assert found["code"] == "unsupported", found
            assert rendered.place(found["location"]) == f"over/kustomization.yaml:{place}"
            assert found["hint"]
        assert server.asked == []
    assert not (tmp_path / "trace").exists()


def test_the_program_itself_could_fetch_nothing(program: list[str], tmp_path: Path) -> None:
    """A second wall, should a form be overlooked: there is no git to find and no proxy to pass."""
    remote = (
        "resources: ['https://host.invalid/acme/shop?ref=v1', 'http://host.invalid/pod.yaml']\n"
    )
    write(tmp_path / "over", {"kustomization.yaml": remote})
    output = run([*program, str(tmp_path / "over")], environment())
    assert not output.succeeded
    assert not (tmp_path / "trace").exists()
    told = " ".join(output.messages)
    assert "127.0.0.1:0" in told
    assert "git" in told


def test_builtin_transformers_are_no_programs(tmp_path: Path) -> None:
    text = "resources: [pod.yaml]\ntransformers:\n  - t.yaml\n  - |-\n    " + LABELS.replace(
        "\n", "\n    "
    )
    write(
        tmp_path / "over",
        {"kustomization.yaml": text + "\n", "t.yaml": LABELS.replace("{name: x}", "{name: y}")},
    )
    (container,) = rendered.scanned("kustomize:over")["containers"]
    assert container["location"]["file"] == "over/pod.yaml"


@pytest.mark.parametrize(
    ("files", "code", "message", "place"),
    [
        ({}, "not-found", "over holds no kustomization", "over"),
        ({"kustomization.yaml": "resources: [none.yaml]\n"}, "not-found", "there is no file or folder none.yaml",
         "over/kustomization.yaml:1"),
        ({"kustomization.yaml": "resources: [../none]\n"}, "not-found", "there is no file or folder ../none",
         "over/kustomization.yaml:1"),
        ({"kustomization.yaml": "resources: [.]\n"}, "syntax", "leads back to itself", "over/kustomization.yaml:1"),
        ({"kustomization.yaml": "resources: [pod.yaml]\ngenerators: [.]\n"}, "syntax", "leads back to itself",
         "over/kustomization.yaml:2"),
        ({"kustomization.yaml": "resources: [\n"}, "syntax", "not YAML", "over/kustomization.yaml:2"),
        ({"kustomization.yaml": "resources: [bad.yaml]\n", "bad.yaml": "a: [\n"}, "syntax", "not YAML", "over/bad.yaml:2"),
        ({"kustomization.yaml": "resources: [pod.yaml]\nnonsense: 1\n"}, "syntax", "nonsense", "over"),
        ({"kustomization.yaml": "resources: [pod.yaml]\npatches: [{path: ../base/pod.yaml}]\n"}, "syntax",
         "is not in or below", "over"),
        ({"kustomization.yaml": "resources: [pod.yaml]\nconfigMapGenerator: [{name: x, files: [/etc/passwd]}]\n"},
         "syntax", "is not in or below", "over"),
        ({"kustomization.yaml": "resources: [pod.yaml, ../base]\n"}, "syntax", "may not add resource", "over"),
        ({"kustomization.yaml": "configMapGenerator: []\n"}, "empty", "renders to no object", "over/kustomization.yaml"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_said_with_its_place(
    files: dict[str, str], code: str, message: str, place: str, tmp_path: Path
) -> None:
    write(tmp_path / "over", files)
    found = rendered.problem("kustomize:over")
    assert found["code"] == code
    assert message in found["message"]
    assert rendered.place(found["location"]) == place
    assert found["hint"]
    assert "\n" not in found["message"]


@pytest.mark.parametrize("argument", ["kustomize:none", "kustomize:base/kustomization.yaml"])
def test_a_kustomization_is_named_by_its_folder(argument: str) -> None:
    assert rendered.problem(argument)["code"] in {"not-found", "unsupported"}


def test_without_a_program_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = rendered.problem("kustomize:base")
    assert found["code"] == "unsupported"
    assert found["message"] == "kustomize or kubectl is needed for this, and is not on PATH"
    assert "install kubectl" in found["hint"]


def test_nothing_but_the_program_runs_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUSTOMIZE_PLUGIN_HOME", str(tmp_path / "plugins"))
    monkeypatch.setenv("KUSTOMIZE_ENABLE_ALPHA_COMMANDS", "true")
    before = sorted(tmp_path.rglob("*"))
    assert len(rendered.scanned("kustomize:base")["containers"]) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert shutil.which("git") == str(tmp_path / "path" / "git")
