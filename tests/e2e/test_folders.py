"""A repository as people keep one: `deployguard scan .` judges what it would deploy, and no more."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from inline_snapshot import snapshot

from deployguard.model.codes import ExitCode
from tests.support.command import TODAY, run, scan
from tests.support.effort import examples
from tests.support.folders import CONFIG_MAP, PATCH, POD, SERVICES, TEMPLATE, TREES, write

EXAMPLES = Path(__file__).parents[1] / "examples"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: web
          image: shop:1
          command: [python, -m, flask, --app, shop, run]
          envFrom: [{configMapRef: {name: settings}}]
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {FLASK_DEBUG: "1"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repository(root: Path) -> None:
    """Write a repository: a service with a safe and an unsafe way to start, and what lies about."""
    shutil.copytree(EXAMPLES / "unsafe", root / "shop")
    (root / "shop/compose.yaml").rename(root / "compose.yaml")
    compose = (root / "compose.yaml").read_text()
    write(
        root,
        {
            "compose.yaml": re.sub(r"build: \S+", "build: shop", compose),
            "compose.prod.yml": "services: {web: {command: 'gunicorn shop:app'}}\n",
            "k8s/shop.yaml": DEPLOYMENT,
            "k8s/config/settings.yaml": SETTINGS,
            "worker/Dockerfile": 'FROM scratch\nCOPY run /\nCMD ["/run"]\n',
            "worker/run": "",
            "deploy.yaml.j2": TEMPLATE,
            "release.yaml": TEMPLATE,
            ".github/workflows/ci.yml": "on: push\n",
            "package.json": "{}",
            "node_modules/left-pad/Dockerfile": "FROM scratch\n",
            ".venv/pyvenv.cfg": "",
            "examples/compose.yaml": SERVICES,
            "README.md": "# Shop\n",
        },
    )


def test_a_repository_is_judged_as_it_is_deployed(folder: Path) -> None:
    repository(folder)
    done = scan(".", "--format", "json")
    report = done.report
    assert {one["name"]: one["kind"] for one in report["targets"]} == {
        "compose.prod.yml": "compose",
        "compose.yaml": "compose",
        "k8s/shop.yaml": "kubernetes",
        "k8s/config/settings.yaml": "kubernetes",
        "worker/Dockerfile": "dockerfile",
    }
    assert {one["status"] for one in report["targets"]} == {"inspected"}
    blocked = {
        one["container"] for one in report["findings"] if one["verdict"]["action"] == "block"
    }
    assert blocked == {
        "compose.yaml#services.web",
        "k8s/shop.yaml#Deployment/-/shop/containers/web",
    }
    assert (done.code, done.err) == (ExitCode.BLOCKED, b"")


def test_the_report_names_what_is_not_judged(folder: Path) -> None:
    repository(folder)
    text = scan(".").out.decode()
    assert text[text.index("compose.prod.yml: note") :] == snapshot("""\
compose.prod.yml: note: does not stand alone, and is judged laid over compose.yaml

not judged:
  folders of libraries and tools: .venv, node_modules
  folders of examples and test data: examples
  templates, rendered before they are applied: deploy.yaml.j2, release.yaml
  YAML and JSON that is neither a compose file nor a manifest: .github/workflows/ci.yml, package.json

decision: block (blocked: 3 findings in 2 of 4 containers, warned: 1, unknown: 0, safe: 1)
""")
    explained = scan(".", "--explain").out.decode()
    assert "files of other forms: " in explained


def test_no_target_is_the_folder_one_stands_in(folder: Path) -> None:
    repository(folder)
    assert scan("--format", "json").out == scan(".", "--format", "json").out
    above = scan("--format", "json").out.decode()
    os.chdir("..")
    below = scan(folder.name, "--format", "json").out.decode()
    assert json.loads(below)["decision"] == json.loads(above)["decision"]
    assert len(json.loads(below)["containers"]) == len(json.loads(above)["containers"])


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({}, (), "there is nothing to judge in the folder ."),
        ({"README.md": ""}, (), "there is nothing to judge"),
        ({"values.yaml": "a: 1"}, (), "there is nothing to judge"),
        ({"examples/pod.yaml": POD}, (), "looked into where it is the TARGET"),
        ({"pod.yaml": POD}, ("--exclude", "pod.yaml"), "all of . is excluded"),
        ({"compose.prod.yml": PATCH}, (), "there is nothing to judge"),
        ({"a.yaml": TEMPLATE}, (), "there is nothing to judge"),
    ],
)
def test_a_folder_without_anything_to_judge_fails(
    files: dict[str, str], arguments: tuple[str, ...], said: str, folder: Path
) -> None:
    write(folder, files)
    done = scan(".", *arguments)
    assert done.code == ExitCode.NOT_INSPECTED
    assert said in done.text
    for path in files:
        assert path.partition("/")[0] in done.text or path == "README.md"


def test_what_is_there_but_starts_nothing_is_no_failure(folder: Path) -> None:
    write(folder, {"settings.yaml": CONFIG_MAP})
    done = scan(".")
    assert (done.code, b"nothing to judge in it" in done.out) == (0, True)
    assert scan("examples", "settings.yaml").code == ExitCode.NOT_INSPECTED


def test_a_folder_that_is_skipped_by_its_name_is_judged_where_it_is_named(folder: Path) -> None:
    write(folder, {"examples/pod.yaml": POD, "pod.yaml": POD})
    assert len(scan(".", "--format", "json").report["containers"]) == 1
    assert len(scan(".", "examples", "--format", "json").report["containers"]) == 2


def test_folders_files_and_standard_input_go_in_one_call(folder: Path) -> None:
    write(folder, {"a/pod.yaml": POD, "b/compose.yaml": SERVICES, "empty/x.txt": ""})
    done = scan("a", "b", "-", "empty", "--format", "json", stdin=POD.encode())
    assert [(one["argument"], one["name"], one["status"]) for one in done.report["targets"]] == [
        ("a", "a/pod.yaml", "inspected"),
        ("b", "b/compose.yaml", "inspected"),
        ("-", "-", "inspected"),
        ("empty", "empty", "failed"),
    ]
    assert done.code == ExitCode.NOT_INSPECTED


def test_the_order_of_files_never_changes_a_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(folder)
    first = scan(".", "--format", "json").out
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _Reversed(scandir(path)))
    assert scan(".", "--format", "json").out == first


@settings(max_examples=examples(25, 500), deadline=None)
@given(TREES)
def test_no_folder_is_a_defect_of_ours_or_lets_a_failure_pass(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.chdir(name)
        write(Path(name), files)
        report = scan(".", "--format", "json").report
        codes = {one["code"] for target in report["targets"] for one in target["problems"]}
        assert "internal" not in codes
        failed = [one["name"] for one in report["targets"] if one["status"] == "failed"]
        assert (report["exit_code"] == ExitCode.NOT_INSPECTED) is bool(failed)
        names = [(one["name"], one["kind"]) for one in report["targets"]]
        assert len(names) == len(set(names))


class _Reversed:
    def __init__(self, entries: "os._ScandirIterator[str]") -> None:
        with entries:
            self._entries = list(entries)[::-1]

    def __enter__(self) -> "list[os.DirEntry[str]]":
        return self._entries

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> "object":
        return iter(self._entries)


def at_a_terminal(*arguments: str) -> tuple[bytes, bytes]:
    """Run a scan whose standard error is a terminal; return both streams."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "deployguard",
            "scan",
            *arguments,
            "--images",
            "never",
            "--today",
            TODAY,
        ],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "40"},
    ) as running:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # of a terminal that nobody holds any more
                break
            if not part:
                break
            said += part
        out, _ = running.communicate(timeout=60)
    os.close(ours)
    return out, said


def test_progress_is_shown_on_a_terminal_and_leaves_nothing_behind(folder: Path) -> None:
    write(folder, {"pod.yaml": POD, "b\x1b[31m/compose.yaml": SERVICES})
    out, said = at_a_terminal(".")
    assert out == run("scan", ".", "--images", "never", "--today", TODAY).out
    shown = said.split(b"\r\x1b[K")
    assert shown[0] == b""
    assert shown[1].startswith(b"inspecting .")
    assert shown[-1] == b""
    assert all(len(one) < 40 for one in shown)
    assert b"\x1b[31m" not in said
    assert at_a_terminal(".", "--quiet")[1] == b""
    assert not run("scan", ".", "--images", "never").err
