"""A TARGET is what its prefix says, else what lies at the path, else an image."""

from pathlib import Path

import pytest

from deployguard.errors import DeployguardError, NotFoundError, UnsupportedError, UsageError
from deployguard.inputs.targets import Folder, TargetArgument, resolve

FILES = {
    "compose.yaml": "services: {}\n",
    "deploy.yaml": "apiVersion: v1\nkind: Pod\n",
    "stack.yml": "services:\n  web: {}\n",
    "Dockerfile": "FROM scratch\n",
    "app.tar": "x",
    "notes.txt": "hello",
    "project/compose.yml": "services: {}\n",
    "project/docker-compose.override.yml": "services: {}\n",
    "project/Dockerfile": "FROM scratch\n",
    "project/k8s/pod.yaml": "kind: Pod\n",
    "layout/oci-layout": "{}",
    "empty/readme.md": "",
    "web/Dockerfile": "FROM scratch\n",
    "Dockerfile.dev": "FROM scratch\n",
    "Dockerfile.dockerignore": "*\n",
    "Containerfile": "FROM scratch\n",
    "shop.Dockerfile": "FROM scratch\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(argument: str) -> tuple[str, str]:
    target = resolve(argument, lambda name: name == "web")
    if isinstance(target, Folder):
        return "folder", target.path
    return target.form.value, target.name


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("myapp:1.2", ("image", "myapp:1.2")),
        ("host/repo@sha256:aa", ("image", "host/repo@sha256:aa")),
        ("image:docker:5000", ("image", "docker:5000")),
        ("docker:myapp", ("docker", "myapp")),
        ("podman:myapp", ("podman", "myapp")),
        ("compose.yaml", ("compose", "compose.yaml")),
        ("stack.yml", ("compose", "stack.yml")),
        ("deploy.yaml", ("k8s", "deploy.yaml")),
        ("k8s:-", ("k8s", "-")),
        ("helm:project", ("helm", "project")),
        ("helm:app.tar", ("helm", "app.tar")),
        ("kustomize:project", ("kustomize", "project")),
        ("compose:compose.yaml,stack.yml", ("compose", "compose.yaml,stack.yml")),
        ("app.tar", ("archive", "app.tar")),
        ("Dockerfile", ("dockerfile", "Dockerfile")),
        ("Dockerfile.dev", ("dockerfile", "Dockerfile.dev")),
        ("Containerfile", ("dockerfile", "Containerfile")),
        ("shop.Dockerfile", ("dockerfile", "shop.Dockerfile")),
        ("project", ("folder", "project")),
        ("./web", ("folder", "web")),
        ("layout/", ("folder", "layout")),
    ],
)  # fmt: skip
def test_a_target_is_what_its_name_says(argument: str, expected: tuple[str, str]) -> None:
    assert named(argument) == expected


@pytest.mark.parametrize(
    ("argument", "part"),
    [("archive:app.tar:shop:1", "shop:1"), ("archive:app.tar", None), ("oci:layout:2", "2"),
     ("dockerfile:Dockerfile#dev", "dev")],
)  # fmt: skip
def test_a_tag_or_stage_may_follow_the_path(argument: str, part: str | None) -> None:
    target = resolve(argument, lambda _: False)
    assert isinstance(target, TargetArgument)
    assert target.part == part


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("", UsageError),
        ("k8s:", UsageError),
        ("web", UsageError),
        ("missing.yaml", NotFoundError),
        ("./missing", NotFoundError),
        ("/no/such", NotFoundError),
        ("archive:missing.tar", NotFoundError),
        ("notes.txt", UnsupportedError),
        ("Dockerfile.dockerignore", UnsupportedError),
        ("helm:chart", NotFoundError),
        ("helm:oci://host/chart", UnsupportedError),
        ("kustomize:https://host/shop?ref=v1", UnsupportedError),
        ("kustomize:overlay", NotFoundError),
        ("kustomize:deploy.yaml", UnsupportedError),
        ("registry:shop:1", UnsupportedError),
    ],
)
def test_what_cannot_be_inspected_is_said_with_the_way_out(
    argument: str, error: type[DeployguardError]
) -> None:
    with pytest.raises(error) as caught:
        resolve(argument, lambda name: name == "web")
    assert caught.value.hint
