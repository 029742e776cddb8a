"""Nothing that is scanned is written, executed or imported, and no connection is made for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import renderers
from tests.support.builds import write
from tests.support.effort import examples
from tests.truth.case_images import archive, cases

EXAMPLES = Path(__file__).parents[1] / "examples"

# Runs commands with an audit hook that keeps every event by which something could be written,
# started, loaded or reached. Imports of our own are done before: they are Python's.
WATCHED = """
import ast, builtins, json, os, sys

commands = json.load(sys.stdin)
allowed = [path for path in sys.path if path] + [sys.prefix, sys.base_prefix, os.getcwd()]
watching, events = False, []
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STARTS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod",
           "os.chown", "os.truncate", "os.utime", "os.mkfifo", "os.setxattr", "shutil.", "tempfile.",
           "socket.", "ctypes.", "scanned.code")


def hook(event, arguments):
    if not watching:
        return
    if event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & WRITE:
            events.append([event, str(path)])
    elif event == "exec":
        name = arguments[0].co_filename
        if not name.startswith(("<frozen", "<string>", *allowed)):
            events.append([event, name])
    elif event.startswith(STARTS + CHANGES):
        events.append([event, repr(arguments)[:200]])


plain_compile = builtins.compile


def compile(source, filename, mode, flags=0, *rest, **more):
    # The tree of a source is read; code that could run is never made of it.
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if watching and not flags & ast.PyCF_ONLY_AST and caller.startswith(("deployguard", "ast")):
        events.append(["compile", str(filename)])
    return plain_compile(source, filename, mode, flags, *rest, **more)


from deployguard import cli

builtins.compile = compile
sys.addaudithook(hook)
sys.stdout = open(os.devnull, "w")
watching = True
codes = [cli.run(command) for command in commands]
watching = False
modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
foreign = [name for name in modules if name and not name.startswith(tuple(allowed))]
print(json.dumps({"codes": codes, "events": events, "foreign": foreign}), file=sys.stderr)
"""

CANARY = "__import__('sys').audit('scanned.code')\n"
FILES = {
    "compose.yaml": "services: {web: {build: .}, job: {build: {context: ., target: job}}}\n",
    "compose.override.yaml": "services: {web: {environment: {FLASK_DEBUG: '1'}}}\n",
    "Dockerfile": """\
FROM python:3.11 AS web
WORKDIR /app
COPY . .
RUN touch /tmp/ran && pip install -r requirements.txt
RUN --mount=type=bind,target=/src python setup.py build
CMD ["./entry.sh"]
FROM web AS job
CMD ["python", "-c", "import app, json, helper"]
""",
    "entry.sh": "#!/bin/sh\ntouch ran\n. ./more.sh\nexport X=$(touch ran)\nexec flask --app app run --debug\n",
    "more.sh": "touch ran\neval 'touch ran'\n",
    "requirements.txt": "flask==3.0.0\n-e .\n",
    "setup.py": CANARY,
    "helper/__init__.py": CANARY,
    "json.py": CANARY,
    "sitecustomize.py": CANARY,
    "app.py": f"{CANARY}import helper, json\nfrom flask import Flask\napp = Flask(__name__)\n"
    "exec('open(\"ran\", \"w\")')\nimport os; os.system('touch ran')\napp.run(debug=True)\n",
    ".env": "FLASK_APP=app\nX=$(touch ran)\n",
    ".flaskenv": "FLASK_DEBUG=1\n",
    "k8s/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: web, image: "shop:1", command: [sh, -c, "touch ran; flask run --debug"],
                     x: !!python/object/apply:os.system ["touch ran"]}]}
""",
    "broken.yaml": "apiVersion: v1\nkind: [\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "project", FILES)
    for name in FILES:
        (tmp_path / "project" / name).chmod(0o755)
    step = examples(20, 2)
    for number, case in enumerate(list(cases())[::step]):
        (tmp_path / f"case{number}.tar").write_bytes(archive(case))
    return tmp_path


def observed(commands: list[list[str]], **environ: str) -> dict[str, Any]:
    """Run commands of ours under the hook; return codes, events and what was imported."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, **environ},
    )
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return found


def test_nothing_is_written_executed_imported_or_reached(folder: Path) -> None:
    archives = sorted(str(path) for path in folder.glob("*.tar"))
    project = str(folder / "project")
    inputs = [
        project, str(EXAMPLES), f"compose:{project}/compose.yaml", f"dockerfile:{project}#*",
        f"dockerfile:{project}#job", f"k8s:{project}/k8s", f"{project}/broken.yaml", "missing.yaml",
        *archives,
    ]  # fmt: skip
    options = ["--images", "never", "--offline"]
    commands = [["scan", *inputs, *options, "--format", name] for name in ("text", "json", "sarif")]
    commands += [
        ["scan", project, archives[0], *options, "--format", "github", "--explain", "--verbose"],
        ["explain", "DG101"], ["explain"], ["policy", "list"], ["policy", "show", "strict"],
        ["policy", "validate", f"{project}/broken.yaml"], ["scan", "--nonsense"],
    ]  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    found = observed(commands)
    assert found["events"] == []
    assert found["foreign"] == []
    assert found["codes"] == [1, 1, 1, 1, 0, 0, 0, 0, 2, 2]
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))} == before


CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "chart/templates/pod.yaml": FILES["k8s/pod.yaml"].replace("sh, -c", "{{ .Values.shell }}, -c"),
    "chart/values.yaml": "shell: sh\n",
    "over/kustomization.yaml": "resources: [pod]\n",
    "over/pod/kustomization.yaml": "resources: [pod.yaml]\nconfigMapGenerator: [{name: x, literals: [a=b]}]\n",
    "over/pod/pod.yaml": FILES["k8s/pod.yaml"].replace("{name: p}", "{name: q}"),
}


def test_only_helm_and_kustomize_are_started_and_only_for_their_targets(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, **CHART})
    programs = [renderers.folder(renderers.HELMS[0]), renderers.folder(renderers.KUSTOMIZES[0])]
    options = ["--images", "never", "--offline"]
    commands = [
        ["scan", f"helm:{tmp_path}/chart", *options, "--set", "shell=bash"], ["scan", f"kustomize:{tmp_path}/over", *options],
        ["scan", f"k8s:{tmp_path}/k8s", f"compose:{tmp_path}/compose.yaml", f"dockerfile:{tmp_path}", *options],
    ]  # fmt: skip
    before = sorted(tmp_path.rglob("*"))
    found = observed(commands, PATH=os.pathsep.join(map(str, programs)))
    started = [words for event, words in found["events"] if event == "subprocess.Popen"]
    assert len(started) == 2
    assert started[0].startswith(f"('{programs[0]}/helm', ['{programs[0]}/helm', 'template', ")
    assert started[1].startswith(
        f"('{programs[1]}/kustomize', ['{programs[1]}/kustomize', 'build', "
    )
    others = [event for event in found["events"] if event[0] != "subprocess.Popen"]
    assert others == [["open", os.devnull]] * 2  # their standard input
    assert found["foreign"] == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("open('ran', 'w')", "open"),
        ("__import__('os').system('true')", "os.system"),
        ("__import__('subprocess').run(['true'])", "subprocess.Popen"),
        ("__import__('os').mkdir('made')", "os.mkdir"),
        ("__import__('socket').socket().connect_ex(('127.0.0.1', 9))", "socket.__new__"),
        ("__import__('sys').audit('scanned.code')", "scanned.code"),
        ("exec(compile('1', 'app.py', 'exec'))", "exec"),
    ],
)
def test_the_watch_sees_what_it_is_for(code: str, event: str, tmp_path: Path) -> None:
    watched = WATCHED.replace(
        "codes = [cli.run(command) for command in commands]", f"codes = []; {code}"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", watched],
        input="[]",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    events = json.loads(done.stderr.splitlines()[-1])["events"]
    assert event in {name for name, _ in events}
