"""A folder holds what its files say; what belongs to something else is judged through that."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard import files as disk
from deployguard.inputs.discovery import projects
from deployguard.inputs.discovery.finding import Found
from deployguard.inputs.discovery.sources import Sources
from deployguard.inputs.targets import TargetForm
from deployguard.model.skipped import Skipped, SkipReason
from tests.support import compose_oracle
from tests.support.effort import examples
from tests.support.folders import (
    BUILT,
    CHART,
    CONFIG_MAP,
    PATCH,
    POD,
    SERVICES,
    TEMPLATE,
    TREES,
    judged,
    look_through,
    named,
    write,
)


def archive(*members: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in members:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    return data.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOLDERS: dict[str, tuple[dict[str, str | bytes], list[str], dict[str, list[str]]]] = {
    "a project and its override": (
        {"compose.yaml": SERVICES, "docker-compose.override.yml": PATCH},
        ["compose compose.yaml,docker-compose.override.yml"],
        {},
    ),
    "a further project that stands alone": (
        {"compose.yaml": SERVICES, "compose.tools.yml": SERVICES},
        ["compose compose.tools.yml", "compose compose.yaml"],
        {},
    ),
    "a file that is laid over the project": (
        {"compose.yaml": SERVICES, "compose.prod.yml": PATCH},
        ["compose compose.yaml,compose.prod.yml", "compose compose.yaml"],
        {},
    ),
    "a file to lay over nothing": (
        {"compose.prod.yml": PATCH},
        [],
        {"fragment": ["compose.prod.yml"]},
    ),
    "files that a project lists in its .env": (
        {".env": "COMPOSE_FILE=a.yml:b.yml", "a.yml": SERVICES, "b.yml": PATCH, "c.yml": PATCH},
        ["compose a.yml,b.yml", "compose a.yml,b.yml,c.yml"],
        {},
    ),
    "files that a project includes or extends": (
        {
            "compose.yaml": "include: [db/compose.yaml, {path: [web.yaml]}]\n"
            "services: {a: {extends: {file: base.yaml, service: a}}}\n",
            "db/compose.yaml": "services: {db: {build: .}}\n",
            "db/Dockerfile": BUILT,
            "web.yaml": SERVICES,
            "base.yaml": SERVICES,
        },
        ["compose compose.yaml"],
        {},
    ),
    "Dockerfiles that projects build": (
        {
            "compose.yaml": "services: {a: {build: a}, b: {build: {context: b, dockerfile: X.Dockerfile}}}\n",
            "a/Dockerfile": BUILT,
            "b/X.Dockerfile": BUILT,
            "b/Dockerfile": BUILT,
        },
        ["compose compose.yaml", "dockerfile b/Dockerfile"],
        {},
    ),
    "Dockerfiles of which another stage is built, or in a profile": (
        {
            "compose.yaml": "services: {a: {build: {context: a, target: dev}}, b: {build: b, profiles: [x]}}\n",
            "a/Dockerfile": BUILT,
            "b/Dockerfile": BUILT,
        },
        ["compose compose.yaml", "dockerfile a/Dockerfile", "dockerfile b/Dockerfile"],
        {},
    ),
    "Dockerfiles by every name": (
        {
            "Dockerfile": BUILT, "Dockerfile.dev": BUILT, "web.Dockerfile": BUILT,
            "Containerfile": BUILT, "Dockerfile.md": "# x", "Dockerfile.old": "nothing",
            "Dockerfile.j2": BUILT, "Dockerfile.dockerignore": "*",
        },
        ["dockerfile Containerfile", "dockerfile Dockerfile", "dockerfile Dockerfile.dev",
         "dockerfile web.Dockerfile"],
        {"template": ["Dockerfile.j2"]},
    ),
    "manifests of one tree": (
        {"k8s/web.yaml": POD, "k8s/config/settings.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}',
         "k8s/README.md": "", "app.py": ""},
        ["k8s k8s/web.yaml k8s/config/settings.json"],
        {},
    ),
    "manifests beside sources stay apart": (
        {"shop/app.py": "", "shop/k8s/a.yaml": POD, "blog/app.py": "", "blog/k8s/a.yaml": POD},
        ["k8s blog/k8s/a.yaml", "k8s shop/k8s/a.yaml"],
        {},
    ),
    "a chart": (
        {"charts/shop/Chart.yaml": CHART, "charts/shop/values.yaml": "a: 1\n",
         "charts/shop/templates/web.yaml": TEMPLATE, "charts/shop/charts/db/Chart.yaml": CHART,
         "charts/shop/crds/crd.yaml": CONFIG_MAP, "charts/lib/Chart.yaml": CHART + "type: library\n"},
        ["helm charts/shop"],
        {"fragment": ["charts/lib/Chart.yaml"]},
    ),
    "a chart at the top beside the source": (
        {"Chart.yaml": CHART, "templates/web.yaml": TEMPLATE, "Dockerfile": BUILT, "app.py": ""},
        ["helm .", "dockerfile Dockerfile"],
        {},
    ),
    "overlays and their base": (
        {
            "base/kustomization.yaml": "resources: [web.yaml]\nconfigMapGenerator: [{name: c, files: [x=c.yaml]}]\n",
            "base/web.yaml": POD, "base/c.yaml": "a: 1", "base/alone.yaml": POD,
            "prod/kustomization.yml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
            "prod/patch.yaml": POD,
            "dev/Kustomization": "bases: [../base]\ncomponents: [../extra]\n",
            "extra/kustomization.yaml": "kind: Component\nresources: [more.yaml]\n",
            "extra/more.yaml": POD,
        },
        ["kustomize dev", "kustomize prod", "k8s base/alone.yaml"],
        {},
    ),
    "a kustomization at the top, and of each other": (
        {"kustomization.yaml": "resources: [web.yaml, https://example.org/x.yaml]\n", "web.yaml": POD,
         "a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n",
         "c/kustomization.yaml": "kind: Component\n", "d/kustomization.yaml": "{{ not }} yaml"},
        ["kustomize .", "kustomize a", "kustomize d"],
        {"fragment": ["c/kustomization.yaml"]},
    ),
    "images": (
        {"saved.tar": archive("blobs/", "index.json"), "old.tar": archive("0" * 64 + "/layer.tar"),
         "dist.tar": archive("shop-1.0/PKG-INFO"), "oci/oci-layout": "{}", "oci/index.json": POD},
        ["oci oci", "archive old.tar", "archive saved.tar"],
        {"no-image": ["dist.tar"]},
    ),
    "what is neither": (
        {".github/workflows/ci.yml": "on: push\n", "package.json": "{}", "kube.yaml": "apiVersion: v1\nkind: Config\nusers: []\n",
         "services.yaml": "services:\n  App\\: {resource: ../src}\n  _defaults: ~\n", ".gitlab-ci.yml": "services: [postgres]\n",
         "pod.yaml": POD, "readme.md": "", ".deployguard.yaml": "images: never\n",
         "ours.yaml": "apiVersion: deployguard/v1\nkind: Policy\nmetadata: {name: ours}\nspec: {}\n"},
        ["k8s pod.yaml"],
        {"neither": [".github/workflows/ci.yml", ".gitlab-ci.yml", "kube.yaml", "ours.yaml", "package.json", "services.yaml"]},
    ),
    "folders that are not looked into": (
        {"node_modules/a/compose.yaml": SERVICES, ".git/x.yaml": POD, "env/pyvenv.cfg": "", "env/x.yaml": POD,
         "target/CACHEDIR.TAG": "", "target/x.yaml": POD,
         "src/examples/a.yaml": POD, "testdata/a.yaml": POD, ".devcontainer/compose.yaml": SERVICES,
         ".deploy/pod.yaml": POD, "build/Dockerfile": BUILT},
        ["dockerfile build/Dockerfile", "k8s .deploy/pod.yaml"],
        {"libraries": [".git", "env", "node_modules", "target"], "examples": ["src/examples", "testdata"],
         "development": [".devcontainer"]},
    ),
    "what is broken, for its reader to say so": (
        {"compose.prod.yml": "services: [\n", "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: [\n", "a.yaml": "services: [\n"},
        ["compose compose.prod.yml", "k8s pod.yaml"],
        {"neither": ["a.yaml"]},
    ),
    "data and manifests beyond what is read": (
        {"data.json": '{"a": "' + "x" * 11_000_000 + '"}', "big.yaml": POD + "#" * 11_000_000},
        ["k8s big.yaml"],
        {"too-large": ["data.json"]},
    ),
    "templates": (
        {"a.yaml.j2": POD, "compose.yml.tmpl": SERVICES, "values.yaml": "{% if x %}\na: 1\n{% endif %}\n", "x.tpl": ""},
        [],
        {"template": ["a.yaml.j2", "compose.yml.tmpl", "values.yaml"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_holds_what_its_files_say(name: str, folder: Path) -> None:
    files, expected, passed_over = FOLDERS[name]
    write(folder, files)
    found, skipped = look_through()
    assert judged(found) == expected
    assert named(skipped) == passed_over
    assert unaccounted(folder, found, skipped) == []


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_the_same_seen_from_above(name: str, folder: Path) -> None:
    files, expected, _ = FOLDERS[name]
    write(folder / "repo", files)
    below = [one.replace("repo/", "") for one in judged(look_through("repo")[0])]
    assert below == [one.replace(" .", " repo") if one.endswith(" .") else one for one in expected]


def unaccounted(root: Path, found: Found, skipped: tuple[Skipped, ...]) -> list[str]:
    """Return the files that are neither judged, nor part of something, nor named or counted."""
    if [one.name for one in found.targets if one.form is TargetForm.OCI] == ["."]:
        return []
    rendered = {TargetForm.HELM, TargetForm.KUSTOMIZE}  # whose files are parts
    targets = [one for one in found.targets if one.form not in rendered]
    taken = {path for one in targets for path in (*one.files, one.name)}
    taken |= {path for group in found.manifests for path in group}
    taken |= {*found.parts, *(path for path, _ in found.unreadable)}
    taken |= {path for one in skipped for path in one.paths}
    counted = sum(one.count for one in skipped if one.why is SkipReason.OTHER)
    left = []
    for place, _, names in os.walk(root):
        for name in names:
            path = str(Path(place, name).relative_to(root))
            above = {str(parent) for parent in Path(path).parents} - {"."}
            if path not in taken and not above & taken:
                left.append(path)
    return left if len(left) != counted else []


@settings(max_examples=examples(60, 1_000), deadline=None)
@given(TREES)
def test_each_file_counts_once_and_their_order_never_matters(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root, files)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            found, skipped = look_through()
            assert unaccounted(root, found, skipped) == []
            patch.setattr(os, "scandir", Backwards)
            assert look_through() == (found, skipped)


SCANDIR = os.scandir


class Backwards:
    """os.scandir in the opposite order."""

    def __init__(self, path: str) -> None:
        with SCANDIR(path) as entries:
            self.found = list(entries)

    def __enter__(self) -> Iterator[object]:
        return iter(reversed(self.found))

    def __exit__(self, *_: object) -> None:
        return


def test_a_text_is_opened_once_and_other_files_never(folder: Path) -> None:
    opened: list[str] = []

    def counted(name: str, limit: int) -> bytes:
        opened.append(name)
        return disk.read(name, limit)

    for files, *_ in FOLDERS.values():
        write(folder / str(len(list(folder.iterdir()))), files)
    write(folder, {f"src/{n}.py": "x" for n in range(200)})
    found, _ = look_through(sources=Sources(counted))
    assert found.files > 250
    assert len(opened) == len(set(opened))
    assert not [name for name in opened if name.endswith((".py", ".md", ".tar"))]


def test_links_are_not_followed_out_and_loops_end(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-outside"
    write(outside, {"pod.yaml": POD})
    write(folder, {"compose.prod.yml": SERVICES, "a/pod.yaml": POD})
    Path("compose.yaml").symlink_to("compose.prod.yml")
    Path("a/loop").symlink_to("..")
    Path("a/out").symlink_to(outside)
    Path("out.yaml").symlink_to(outside / "pod.yaml")
    Path("gone.yaml").symlink_to("nowhere")
    Path("itself.yaml").symlink_to("itself.yaml")
    found, skipped = look_through()
    assert judged(found) == ["compose compose.yaml", "k8s a/pod.yaml"]
    assert named(skipped) == {"link": ["a/loop", "a/out", "gone.yaml", "itself.yaml", "out.yaml"]}
    assert found.parts == ("compose.prod.yml",)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("compose.dev.yml", ["compose.yaml"]),
        ("*.yml", ["compose.yaml"]),
        ("shop", ["compose.yaml", "compose.yaml,compose.dev.yml"]),
        ("shop/", ["compose.yaml", "compose.yaml,compose.dev.yml"]),
        ("./shop/*", ["compose.yaml", "compose.yaml,compose.dev.yml"]),
        ("**/compose.dev.yml", ["compose.yaml"]),
        ("repo/compose.dev.yml", ["compose.yaml", "shop/compose.dev.yml"]),
    ],
)
def test_a_pattern_leaves_out_paths_of_the_folder(
    folder: Path, pattern: str, left: list[str]
) -> None:
    write(
        folder,
        {
            "repo/compose.yaml": SERVICES,
            "repo/compose.dev.yml": PATCH,
            "repo/shop/compose.dev.yml": SERVICES,
        },
    )
    found, skipped = look_through("repo", pattern)
    shown = {one.removeprefix("compose ").replace("repo/", "") for one in judged(found)}
    if "shop" not in pattern and left == ["compose.yaml"]:
        assert shown == set(left)
    else:
        assert set(left) <= shown
    assert sum(one.count for one in skipped if one.why is SkipReason.EXCLUDED)


@pytest.mark.parametrize("copied", ["app.py", "src/app.py", "missing.py"])
def test_a_build_is_made_in_the_nearest_folder_that_holds_what_it_copies(
    folder: Path, copied: str
) -> None:
    write(
        folder,
        {"docker/Dockerfile": f"FROM scratch\nCOPY {copied} /\n", "app.py": "", "src/app.py": ""},
    )
    (target,) = look_through()[0].targets
    assert target.context == (None if copied == "missing.py" else ".")
    write(folder, {f"docker/{copied}": ""})
    (target,) = look_through()[0].targets
    assert (target.context, target.notes) == (None, ())


NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = tuple(name.replace("compose.", "compose.override.") for name in NAMES)


@settings(max_examples=examples(12, 100), deadline=None)
@given(
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.sets(st.sampled_from(OVERRIDES)),
    st.sampled_from(["", "A=1", "COMPOSE_FILE=compose.yml:compose.yaml",
                     "COMPOSE_FILE=compose.yaml,compose.yml\nCOMPOSE_PATH_SEPARATOR=,"]),
)  # fmt: skip
def test_compose_takes_the_same_files(names: set[str], overrides: set[str], dotenv: str) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        root = Path(name)
        patch.chdir(root)
        services = {
            file: f"services: {{{file.replace('.', '-')}: {{image: x}}}}\n"
            for file in (*names, *overrides)
        }
        write(root, {**services, ".env": dotenv})
        real = compose_oracle.resolved(root)
        main = projects.main_files(".", {*services, ".env"}, Sources(), {})
        if isinstance(real, dict):
            assert set(real["services"]) == {one.replace(".", "-") for one in main}
        else:
            assert not all(Path(one).exists() for one in main), real
