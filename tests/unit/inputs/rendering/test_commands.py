"""What the programs are started with, word by word and variable by variable."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import rendered
from tests.support.builds import write

# A program that renders a Pod, whose command says how it was started.
TELLING = f"""\
#!{sys.executable} -S
import json, sys
env = dict(entry.split("=", 1) for entry in open("/proc/self/environ").read().split("\\0") if entry)
told = json.dumps([sys.argv[1:], env])
print(json.dumps({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "p"}}, "spec":
    {{"containers": [{{"name": "c", "image": "x", "command": ["true", told]}}]}}}}))
"""
NOWHERE = "/proc/deployguard/none"
ALL = {
    "PATH": "", "HOME": NOWHERE, "TMPDIR": NOWHERE, "KUBECONFIG": NOWHERE, "LANG": "C.UTF-8",
    "HTTP_PROXY": "http://127.0.0.1:0", "HTTPS_PROXY": "http://127.0.0.1:0", "NO_PROXY": "",
}  # fmt: skip
HELM = {
    "HELM_NO_PLUGINS": "1", "HELM_PLUGINS": NOWHERE, "HELM_CONFIG_HOME": NOWHERE,
    "HELM_CACHE_HOME": NOWHERE, "HELM_DATA_HOME": NOWHERE, "HELM_REPOSITORY_CACHE": NOWHERE,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("HELM_PLUGINS", "HELM_KUBEAPISERVER", "AWS_PROFILE", "https_proxy"):
        monkeypatch.setenv(variable, "of-the-user")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    write(
        tmp_path,
        {
            "-chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
            "v.yaml": "a: 1\n",
            "over/kustomization.yaml": "resources: []\n",
        },
    )
    return tmp_path


def started(folder: Path, program: str, *arguments: str) -> Any:  # noqa: ANN401  (JSON)
    write(folder / "path", {program: TELLING})
    (folder / "path" / program).chmod(0o755)
    (words,) = rendered.arguments(rendered.scanned(*arguments))
    return json.loads(words[1])


def test_helm_is_started_with_what_was_given_and_nothing_of_the_users(folder: Path) -> None:
    plain, variables = started(folder, "helm", "helm:-chart")
    chart = f"{folder}/-chart"
    assert plain == ["template", "--include-crds", "--", chart]
    assert variables == ALL | HELM
    words, variables = started(
        folder, "helm", "helm:-chart", "--values", "v.yaml", "--set", "-x=1", "--set", "b=2",
        "--set-string", "c=3", "--namespace", "prod", "--release-name", "blue",
        "--kube-version", "1.30", "--api-versions", "a/v1", "--api-versions", "b/v1",
    )  # fmt: skip
    assert words == [
        "template", "--include-crds", f"--values={folder}/v.yaml", "--set=-x=1", "--set=b=2",
        "--set-string=c=3", "--namespace=prod", "--kube-version=1.30", "--api-versions=a/v1",
        "--api-versions=b/v1", "--", "blue", chart,
    ]  # fmt: skip
    assert variables == ALL | HELM


@pytest.mark.parametrize(("program", "word"), [("kustomize", "build"), ("kubectl", "kustomize")])
def test_kustomize_is_started_without_an_option(program: str, word: str, folder: Path) -> None:
    words, variables = started(folder, program, "kustomize:over")
    assert words == [word, f"{folder}/over"]
    assert variables == ALL


def test_kustomize_comes_before_kubectl(folder: Path) -> None:
    write(folder / "path", {"kubectl": "#!/bin/sh\nexit 1\n"})
    (folder / "path" / "kubectl").chmod(0o755)
    words, _ = started(folder, "kustomize", "kustomize:over")
    assert words[0] == "build"
