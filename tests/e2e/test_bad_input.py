"""Whatever is handed in: one clear line with its place and the way out, and the others judged."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import kubectl
from tests.support.command import process, run, scan
from tests.support.compose_oracle import resolved

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
POD = HEAD + "  containers:\n  - name: web\n    image: shop:1\n"
WEB = "services:\n  web:\n    image: shop\n"
NOBODY = 65534


def pod(field: str) -> str:
    return f"{POD}    {field}\n"


def web(field: str) -> str:
    return f"{WEB}    {field}\n"


def laughs(indent: str = "") -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "".join(f"{indent}{line}\n" for line in lines)


class Bad(NamedTuple):
    """A target that is no good: what lies there, what is said of it, where, and the way out."""

    content: str | bytes | Callable[[Path], object]
    code: str
    said: str
    place: str = ""
    way_out: str = ""
    name: str = "bad.yaml"
    prefix: str = ""


def compose(content: str | bytes, code: str, said: str, place: str = "", way_out: str = "") -> Bad:
    return Bad(content, code, said, place, way_out, prefix="compose:")


def json_file(content: str | bytes, code: str, said: str, place: str = "", way: str = "") -> Bad:
    return Bad(content, code, said, place, way, name="bad.json")


def nothing(_: Path) -> None:
    """Leave nothing at the path."""


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)  # a path of its own may be too long for an address


def folder_of_a_pipe(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "a.yaml")


def folder_to_skip(path: Path) -> None:
    path.mkdir()
    (path / "skip.yaml").write_text(POD)


RENDER = "helm:DIR"
BAD = {
    "nothing": Bad(nothing, "not-found", "there is no file or folder bad.yaml", "bad.yaml", "check"),
    "nothing in a folder": Bad(nothing, "not-found", "no file or folder", name="./no/such.tar"),
    "no folder": Bad(nothing, "not-found", "no file or folder nowhere/", name="nowhere/"),
    "a mistyped name": Bad(
        nothing, "not-found", "no file or folder", "before.yml", "did you mean before.yaml?",
        name="before.yml",
    ),
    "a mistyped name behind a prefix": Bad(
        nothing, "not-found", "no file", "befor.yaml", "before.yaml", name="befor.yaml", prefix="k8s:"
    ),
    "a name too long": Bad(nothing, "unreadable", "File name too long", name="x" * 5000 + ".yaml"),
    "a name that is none": Bad(nothing, "not-found", "NUL", name="a\0b.yaml"),
    "a file as a folder": Bad("x", "not-found", "no file or folder", name="bad.yaml/in.yaml"),
    "a link to nothing": Bad(
        lambda path: path.symlink_to("gone.yaml"), "not-found", "is a link to gone.yaml", "bad.yaml"
    ),
    "a link to itself": Bad(
        lambda path: path.symlink_to(path.name), "unreadable", "leads back to itself", "bad.yaml"
    ),
    "a link to itself without an ending": Bad(
        lambda path: path.symlink_to(path.name), "unreadable", "leads back to itself", name="bad"
    ),
    "a pipe": Bad(os.mkfifo, "unsupported", "is a pipe, not a file", "bad.yaml", "k8s:-"),
    "a pipe as manifest": Bad(os.mkfifo, "unsupported", "is a pipe", prefix="k8s:"),
    "a pipe as project": Bad(os.mkfifo, "unsupported", "is a pipe", prefix="compose:"),
    "a pipe as archive": Bad(os.mkfifo, "unsupported", "is a pipe", prefix="archive:"),
    "a pipe as Dockerfile": Bad(os.mkfifo, "unsupported", "is a pipe", prefix="dockerfile:"),
    "a pipe in a folder": Bad(
        folder_of_a_pipe, "unsupported", "is a pipe",
        "bad/a.yaml", name="bad",
    ),
    "a pipe in a folder of manifests": Bad(
        folder_of_a_pipe, "unsupported", "is a pipe",
        "bad/a.yaml", name="bad", prefix="k8s:",
    ),
    "a socket": Bad(bind, "unsupported", "is a socket, not a file", "bad.yaml"),
    "a device": Bad(nothing, "unsupported", "is a device, not a file", name="/dev/zero"),
    "an endless device": Bad(nothing, "unsupported", "is a device", name="/dev/zero", prefix="k8s:"),
    "an endless archive": Bad(nothing, "unsupported", "device", name="/dev/zero", prefix="archive:"),
    "a folder as project": Bad(
        Path.mkdir, "unsupported", "is a folder, not a file", "bad", "without a prefix", name="bad",
        prefix="compose:",
    ),
    "a folder as archive": Bad(Path.mkdir, "unsupported", "folder", name="bad", prefix="archive:"),
    "an empty folder": Bad(
        Path.mkdir, "not-found", "nothing to judge in the folder", "bad", "name a compose file",
        name="bad",
    ),
    "a folder named as a file": Bad(Path.mkdir, "not-found", "nothing to judge in the folder"),
    "an empty folder of manifests": Bad(
        Path.mkdir, "not-found", "no manifest", "bad", ".yaml", name="bad", prefix="k8s:"
    ),
    "an excluded folder": Bad(
        folder_to_skip, "not-found",
        "all of bad is excluded", name="bad",
    ),
    "an empty file": Bad("", "empty", "holds no object", "bad.yaml", "written it"),
    "blanks": Bad(" \n\n", "empty", "holds no object"),
    "a comment": Bad("# nothing\n", "empty", "holds no object"),
    "separators alone": Bad("---\n---\n---\n", "empty", "holds no object"),
    "an empty list": Bad("apiVersion: v1\nkind: List\nitems: []\n", "empty", "holds no object"),
    "an empty project": compose("", "empty", "is empty", "bad.yaml", "compose refuses"),
    "another sort of file": Bad(
        "hello\n", "unsupported", "neither an archive, a compose file", "bad.txt", "with a prefix",
        name="bad.txt",
    ),
    "NUL": Bad(b"\0\0\0\0", "syntax", "not a text", "bad.yaml:1:1", "binary"),
    "a program": Bad(b"\x7fELF\2\1\1" + bytes(57), "syntax", "not a text", "bad.yaml:1:1", "binary"),
    "an escape": Bad(POD + "# \x1b[31m\n", "syntax", "control characters", "bad.yaml:8:3"),
    "UTF-16 LE without a mark": Bad(
        POD.encode("utf-16-le"), "syntax", "UTF-16 without a byte order mark", "bad.yaml:1", "UTF-8"
    ),
    "UTF-16 BE without a mark": Bad(
        POD.encode("utf-16-be"), "syntax", "UTF-16 without a byte order mark", "bad.yaml:1", "UTF-8"
    ),
    "an open bracket": Bad("a: [1\n", "syntax", "not YAML", "bad.yaml:2:1", "check"),
    "a tab": Bad("a:\n\tb: 1\n", "syntax", "not YAML", "bad.yaml:2:1", "indent with spaces"),
    "U+0085 in a comment": Bad(POD + "# x\u0085y\n", "syntax", "not YAML", "bad.yaml:10:1"),
    "U+2028 in a comment": Bad(POD + "# x\u2028y\n", "syntax", "not YAML", "bad.yaml:10:1"),
    "an alias of nothing": Bad("a: *b\n", "syntax", "nothing above", "bad.yaml:1:4", "quote"),
    "JSON with a trailing comma": json_file(
        '{"apiVersion": "v1", "kind": "Pod",}', "syntax", "metadata.name", "bad.json:1:1"
    ),
    "JSON with a comment": json_file('{"apiVersion": 1, // x\n"a": 1}', "syntax", "not YAML", "bad.json:2"),
    "JSON of several objects": json_file(
        '{"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}\n{"kind": "Pod"}',
        "syntax", "'apiVersion' is missing", "bad.json:2:1",
    ),
    "JSON of numbers that are none": json_file(
        POD.replace("p}", "p, generation: .nan}"), "syntax", "no form in JSON", "bad.json:3:33"
    ),
    "laughs": Bad(laughs(), "limit", "aliases stand for more than 100000", "bad.yaml:5"),
    "laughs of an extension": compose(
        f"{WEB}x-laughs:\n{laughs('  ')}", "limit", "aliases stand for", "bad.yaml:9"
    ),
    "merges": Bad(
        "a: &a {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\n"
        "b: {<<: [" + ", ".join(["*a"] * 1000) + "]}", "limit", "aliases stand for", "bad.yaml:2",
    ),
    "100,000 brackets": Bad("[" * 100_000, "limit", "nested deeper than 64", "bad.yaml:1"),
    "100,000 braces": Bad("{a: " * 100_000, "limit", "nested deeper than 64", "bad.yaml:1"),
    "100,000 dashes": Bad("- " * 100_000, "limit", "nested deeper than 64", "bad.yaml:1"),
    "100,000 levels of JSON": json_file('{"a":' * 100_000, "limit", "nested deeper than 64", "bad.json"),
    "1,000 levels of blocks": Bad(
        "\n".join(" " * n + "a:" for n in range(1000)), "limit", "nested deeper", "bad.yaml:64"
    ),
    "ten million values": Bad(
        "a: [" + "b," * 5_000_000 + "]", "limit", "keys and values", "bad.yaml:1", "split"
    ),
    "a long line": Bad(f"{POD}# {'x' * 10 * 1024 * 1024}\n", "limit", "10 MiB", "bad.yaml", "split"),
    "a large file": Bad(
        lambda path: path.write_bytes(bytes(65 * 1024 * 1024)), "limit", "64 MiB", "bad.yaml"
    ),
    "containers as text": Bad(
        f"{HEAD}  containers: web\n", "syntax", "'containers' must be a list, not text",
        "bad.yaml:5:15", "after a dash",
    ),
    "containers of a number": Bad(f"{HEAD}  containers: [1]\n", "syntax", "mapping", "bad.yaml:5:16"),
    "no containers": Bad(f"{HEAD}  containers: []\n", "syntax", "no containers", "bad.yaml:1:1"),
    "env as a map": Bad(pod("env: {A: b}"), "syntax", "'env' must be a list", "bad.yaml:8:10"),
    "a number as a value": Bad(
        pod("env: [{name: A, value: 1}]"), "syntax", "'value' must be text, not a number",
        "bad.yaml:8:28", "in quotes",
    ),
    "args as text": Bad(pod("args: flask run"), "syntax", "'args' must be a list", "bad.yaml:8:11"),
    "a number in a command": Bad(
        pod("command: [sleep, 5]"), "syntax", "must be text, not a number", "bad.yaml:8:22", "quotes"
    ),
    "a port of text": Bad(pod("ports: [{containerPort: x}]"), "syntax", "whole number", "bad.yaml:8:29"),
    "no such port": Bad(
        pod("ports: [{containerPort: 70000}]"), "syntax", "is no port", "bad.yaml:8:29", "65535"
    ),
    "no kind": Bad(
        "apiVersion: v1\nmetadata: {name: x}\n", "syntax", "'kind' is missing", "bad.yaml:1:1",
        "apiVersion and kind",
    ),
    "no apiVersion": Bad("kind: Pod\nspec: {}\n", "syntax", "'apiVersion' is missing", "bad.yaml:1:1"),
    "no name": Bad("apiVersion: v1\nkind: Pod\n", "syntax", "metadata.name", "bad.yaml:1:1", "name"),
    "no spec": Bad(HEAD.replace("spec:\n", ""), "syntax", "'spec' is missing", "bad.yaml:1:1", "patch"),
    "items as a map": Bad(
        "apiVersion: v1\nkind: List\nitems: {a: b}\n", "syntax", "'items' must be a list", "bad.yaml:3:8"
    ),
    "text alone": Bad("hello\n", "syntax", "must be a mapping, not text", "bad.yaml:1:1"),
    "a list alone": Bad("- a\n", "syntax", "must be a mapping, not a list", "bad.yaml:1:1"),
    "null alone": Bad("null\n", "empty", "holds no object"),
    "a template of braces": Bad(
        POD.replace("{name: p}", "{name: {{ .Release.Name }}}"), "syntax", "", "bad.yaml:3:19", RENDER
    ),
    "a template of lines": Bad(
        "{{- if .Values.on }}\n" + POD + "{{- end }}\n", "syntax", "not YAML", "bad.yaml:1:3", RENDER
    ),
    "a template in quotes": Bad(
        POD.replace("shop:1", '"{{ .Values.image }}"'), "unsupported", "template of Helm",
        "bad.yaml:7:12", RENDER,
    ),
    "a chart": Bad(
        "apiVersion: v2\nname: shop\n", "unsupported", "a Helm chart is rendered", "Chart.yaml:1:1",
        RENDER, name="Chart.yaml",
    ),
    "a kustomization": Bad(
        "resources: [a.yaml]\n", "unsupported", "a kustomization is rendered", "kustomization.yaml:1:1",
        "kustomize:DIR", name="kustomization.yaml",
    ),
    "a kustomization of another name": Bad(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "unsupported",
        "a kustomization is rendered", "bad.yaml:1:1", "kustomize:DIR",
    ),
    "a project as manifest": Bad(
        WEB, "syntax", "'apiVersion' is missing", "bad.yaml:1:1", "compose:FILE", prefix="k8s:"
    ),
    "a manifest as project": compose(POD, "syntax", "'apiVersion' not allowed", "bad.yaml:1:1", "k8s:FILE"),
    "version 1": compose(
        "web:\n  image: shop\n", "syntax", "'web' not allowed", "bad.yaml:1:1", "below services:"
    ),
    "no services": compose("version: '3'\n", "syntax", "has no services", "bad.yaml", "services:"),
    "a mistyped key": compose("servces: {}\n", "syntax", "'servces'", "bad.yaml:1:1", "services?"),
    "services as a list": compose(
        "services: [web]\n", "syntax", "services should be a mapping", "bad.yaml:1:11", "NAME: VALUE"
    ),
    "services of nothing": compose("services:\n", "syntax", "should be a mapping", "bad.yaml:1:10"),
    "a service as text": compose("services: {web: shop}\n", "syntax", "the service web", "bad.yaml:1:17"),
    "a project of a number": compose("5\n", "syntax", "a compose file should be a mapping", "bad.yaml:1:1"),
    "environment of a number": compose(
        web("environment: 5"), "syntax", "environment should be a list or a mapping", "bad.yaml:4:18"
    ),
    "an environment of lists": compose(web("environment: {A: [b]}"), "syntax", "environment", "bad.yaml:4:22"),
    "an image of a number": compose("services: {web: {image: 5}}\n", "syntax", "image", "bad.yaml:1:25", "quotes"),
    "a command of numbers": compose(web("command: [1]"), "syntax", "command", "bad.yaml:4:15", "quotes"),
    "a command as a map": compose(web("command: {a: b}"), "syntax", "command", "bad.yaml:4:14"),
    "an open quote": compose(web('command: sh -c "x'), "syntax", "quote that is not closed", "bad.yaml:4:14"),
    "ports of nonsense": compose(web("ports: ['a:b:c:d']"), "syntax", "no port", "bad.yaml:4:13", "HOST:CONTAINER"),
    "ports of lists": compose(web("ports: [[1]]"), "syntax", "ports", "bad.yaml:4:13"),
    "a huge port": compose(web(f"ports: ['{'9' * 5000}']"), "syntax", "no port", "bad.yaml:4:13", "65535"),
    "too many ports": compose(
        web("ports: ['1-65535:1-65535', '1-65535:1-65535/udp']"), "limit", "100000 ports", "bad.yaml:2:3"
    ),
    "equal keys": compose(web("image: b"), "syntax", "stands twice, first in line 3", "bad.yaml:4:5"),
    "an open variable": compose(web("command: ${A"), "syntax", "interpolation", "bad.yaml:4:14", "$$"),
    "variables in variables": compose(
        web("command: " + "${A:-" * 100 + "}" * 100), "limit", "nested deeper than 16", "bad.yaml:4:14"
    ),
    "a NUL in a path": compose(web('env_file: "a\\0b"'), "syntax", "NUL", "bad.yaml:4:15"),
    "no env file": compose(web("env_file: gone.env"), "not-found", "gone.env", "bad.yaml:4:15"),
    "a pipe as env file": compose(web("env_file: pipe"), "unsupported", "pipe, not a file", "bad.yaml:4:15"),
    "a broken env file": compose(web("env_file: broken.env"), "syntax", "not closed", "broken.env:2"),
    "an env file of Latin-1": compose(web("env_file: latin.env"), "syntax", "UTF-8", "latin.env:2", "Latin-1"),
    "variables that double": compose(web("env_file: double.env"), "limit", "128 KiB", "double.env:19"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    tmp_path.chmod(0o755)
    Path("before.yaml").write_text(POD.replace("name: p", "name: before"))
    Path("after.yml").write_text(WEB)
    Path("broken.env").write_text("A=1\nB='open\n")
    Path("latin.env").write_bytes(b"A=1\nB=caf\xe9\n")
    Path("double.env").write_text(
        "A0=x\n" + "".join(f"A{n + 1}=${{A{n}}}${{A{n}}}\n" for n in range(64))
    )
    os.mkfifo("pipe")
    return tmp_path


def put(bad: Bad) -> str:
    match bad.content:
        case str() as text:
            Path(bad.name.partition("/")[0]).write_text(text)
        case bytes() as data:
            Path(bad.name).write_bytes(data)
        case make:
            make(Path(bad.name))
    return bad.prefix + bad.name


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_said_in_one_line_and_the_others_are_judged(name: str) -> None:
    bad = BAD[name]
    arguments = ("before.yaml", put(bad), "compose:after.yml", "--exclude", "*/skip.yaml")
    done = scan(*arguments, "--format", "json")
    before, failed, after = done.report["targets"]
    assert (done.code, done.report["decision"], done.err) == (3, "error", b"")
    assert (before["status"], after["status"]) == ("inspected", "inspected")
    assert [one["subject"] for one in done.report["containers"]] == [
        "Pod/-/before/containers/web", "services.web",
    ]  # fmt: skip
    assert failed["status"] == "failed"
    [problem] = failed["problems"]
    assert (problem["code"], bad.said in problem["message"]) == (bad.code, True), problem
    place = problem["location"]
    shown = ":".join(str(place[key]) for key in ("file", "line", "column") if place[key])
    assert f"{shown}:".startswith(f"{bad.place}:" if bad.place else ""), shown
    assert bad.way_out in (problem["hint"] or ""), problem
    assert problem["hint"] or bad.code == "limit"
    text = scan(*arguments).out.decode()
    [line] = [line for line in text.splitlines() if line.startswith(f"  {bad.code}: ")]
    assert len(line) < 2100
    assert "Traceback" not in text


READ = {
    "a byte order mark": POD.encode("utf-8-sig"),
    "UTF-16 LE": POD.encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff" + POD.encode("utf-16-be"),
    "CRLF": POD.replace("\n", "\r\n").encode(),
    "CR alone": POD.replace("\n", "\r").encode(),
    "U+2028 as a line break": f"{POD}# x\u2028status: {{}}\n".encode(),
    "a line of 9 MiB": f"{POD}# {'x' * 9 * 1024 * 1024}\n".encode(),
    "a value of 9 MiB": pod(f"env: [{{name: A, value: {'x' * 9 * 1024 * 1024}}}]").encode(),
    "an integer of a million digits": pod(f"x: {'9' * 1_000_000}").encode(),
    "tags of Python": pod("x: !!python/object/apply:os.system [touch ran]").encode(),
    "a list of lists": b"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n"
    b"  - " + POD.replace("\n", "\n    ").encode(),
    "equal keys": pod("image: other:1").encode(),
    "JSON": b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers":'
    b' [{"name": "web", "image": "shop:1"}]}}',
    "no end of line": POD.strip().encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_odd_input_is_read(name: str) -> None:
    Path("odd.yaml").write_bytes(READ[name])
    done = scan("odd.yaml", "--format", "json")
    assert done.code == 0
    [container] = done.report["containers"]
    assert container["subject"] == "Pod/-/p/containers/web"
    assert done.report["decision"] == "warn"
    assert not Path("ran").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_projects_are_read_in_the_same_encodings(encoding: str) -> None:
    Path("odd.yaml").write_bytes(WEB.encode(encoding))
    assert [one["name"] for one in scan("odd.yaml", "--format", "json").report["containers"]] == [
        "web"
    ]


def test_ten_thousand_documents_are_read() -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    Path("many.yaml").write_text("---\n".join([*[config_map] * 9_999, POD]))
    done = scan("many.yaml", "--format", "json")
    [container] = done.report["containers"]
    assert container["location"]["line"] == 9_999 * 4 + 6


NOTED = {
    "a lone ConfigMap": ("k8s:", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "ConfigMap c"),
    "a kind of one's own": ("k8s:", "apiVersion: acme.io/v1\nkind: Foo\nmetadata: {name: f}\n", "Foo f"),
    "no service": ("compose:", "services: {}\n", "no services"),
    "services of profiles": ("compose:", web("profiles: [dev]"), "profiles that are not asked for: web"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_where_nothing_is_to_judge_a_note_says_so(name: str) -> None:
    prefix, text, said = NOTED[name]
    Path("quiet.yaml").write_text(text)
    done = scan(f"{prefix}quiet.yaml", "--format", "json")
    [target] = done.report["targets"]
    assert (done.code, target["status"]) == (0, "inspected")
    [note] = target["problems"]
    assert note["code"] == "note"
    assert said in note["message"]
    assert scan(f"{prefix}-", stdin=text.encode()).code == 3


def test_of_equal_keys_kubectl_takes_the_last_and_a_note_says_so() -> None:
    Path("twice.yaml").write_text(pod("image: other:1"))
    [target] = scan("twice.yaml", "--format", "json").report["targets"]
    [note] = target["problems"]
    assert (note["code"], note["location"]["line"]) == ("note", 8)
    assert note["message"] == "the key 'image' stands twice, and replaces that of line 7"


def test_kinds_of_ones_own_that_hold_a_pod_are_judged() -> None:
    command = "command: [flask, --app, x, run, --debug, --host, '0.0.0.0']"
    indented = pod(command).partition("spec:\n")[2].replace("\n", "\n    ")
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec:\n  template:\n"
    )
    Path("rollout.yaml").write_text(f"{text}    spec:\n    {indented}\n")
    done = scan("rollout.yaml", "--format", "json")
    assert [one["subject"] for one in done.report["containers"]] == ["Rollout/-/r/containers/web"]
    assert done.report["findings"]


@contextmanager
def powerless() -> Iterator[None]:
    """Be somebody who may not read everything, though tests may run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_said_and_the_others_are_judged() -> None:
    for name in ("closed.yaml", "project/compose.yaml", "tree/inner/pod.yaml", "tree/open.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(WEB if "compose" in name else POD)
    scan("before.yaml", "project", "tree")  # what is loaded late may lie where nobody else reads
    Path("closed.yaml").chmod(0)
    Path("project").chmod(0o644)
    Path("tree/inner").chmod(0)
    arguments = (
        "before.yaml",
        "closed.yaml",
        "project",
        "tree",
        "k8s:tree",
        "project/compose.yaml",
    )
    with powerless():
        done = scan(*arguments, "--format", "json")
    for name in ("project", "tree/inner"):
        Path(name).chmod(0o755)
    said = {
        (one["argument"], one["status"], problem["code"])
        for one in done.report["targets"]
        for problem in one["problems"]
    }
    assert said == {(name, "failed", "unreadable") for name in arguments[1:]}
    assert done.code == 3
    assert [one["target"] for one in done.report["containers"]] == ["before.yaml", "tree/open.yaml"]
    denied = [p for one in done.report["targets"] for p in one["problems"]]
    assert all("Permission denied" in one["message"] and one["hint"] for one in denied)


def test_a_folder_leaves_out_no_manifest_however_it_is_written() -> None:
    odd = {
        "flow.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: flow}, spec: {containers: [{name: web, image: a}]}}",
        "indented.yaml": "".join(f"  {line}\n" for line in POD.splitlines()).replace("p}", "indented}"),
        "marked.yaml": "\ufeff" + POD.replace("p}", "marked}"),
        "quoted.yaml": POD.replace("kind:", '"kind":').replace("apiVersion:", '"apiVersion":').replace("p}", "quoted}"),
        "late.yaml": "# long\n" * 20_000 + POD.replace("p}", "late}"),
        "plain.json": READ["JSON"].decode().replace('"p"', '"json"'),
    }  # fmt: skip
    Path("tree/.hidden").mkdir(parents=True)
    for name, text in odd.items():
        Path("tree", name).write_text(text)
    Path("tree/wide.yaml").write_bytes(POD.replace("p}", "wide}").encode("utf-16"))
    Path("tree/broken.yaml").write_text("apiVersion: v1\nkind: [\n")
    Path("tree/workflow.yaml").write_text("run: |\n  kind: Pod\n  apiVersion: v1\nbroken: no\n")
    Path("tree/package.json").write_text('{"name": "x"}')
    report = scan("tree", "--format", "json").report
    names = {one["workload"]["name"] for one in report["containers"]}
    assert names == {"flow", "indented", "marked", "quoted", "late", "json", "wide"}
    assert [one["name"] for one in report["targets"] if one["status"] == "failed"] == [
        "tree/broken.yaml"
    ]


def test_an_image_without_an_engine_says_which_way_is_left() -> None:
    done = run("scan", "shop:1", "before.yaml", "--format", "json", "--images", "auto")
    image = done.report["targets"][0]
    assert (done.code, image["name"], image["status"]) == (3, "shop:1", "failed")
    [problem] = image["problems"]
    assert "DOCKER_HOST" in problem["hint"] or "docker save" in problem["hint"]
    assert [one["status"] for one in done.report["targets"][1:]] == ["inspected"]


POLICIES: dict[str, tuple[str | bytes, str]] = {
    "broken": ("a: [", "not YAML"),
    "a list": ("- a\n", "expected keys and values"),
    "empty": ("", "holds no policy"),
    "binary": (bytes(100), "not a text"),
    "UTF-16 without a mark": ("apiVersion: deployguard/v1\n".encode("utf-16-le"), "UTF-16"),
    "Latin-1": ("a: caf\xe9\n".encode("latin-1"), "not a text"),
    "laughs": (laughs(), "aliases stand for"),
    "100,000 levels": ("[" * 100_000, "nested deeper than 64"),
    "a tag": ("a: !!python/object/apply:os.system [touch ran]\n", "the tag"),
    "a manifest": (POD, "'apiVersion' is not deployguard/v1"),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_bad_policy_ends_before_anything_is_inspected(name: str) -> None:
    text, said = POLICIES[name]
    Path("policy.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = scan("before.yaml", "--policy", "policy.yaml")
    assert (done.code, done.out) == (2, b"")
    assert said in done.err.decode()
    assert all(line.startswith(b"deployguard: policy.yaml") for line in done.err.splitlines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--policy", "pipe"), "is a pipe"),
        (("--policy", "."), "is a folder"),
        (("--policy", "gone.yaml"), "there is no file"),
        (("--env-file", "gone.env"), "there is no file or folder gone.env"),
        (("--env-file", "broken.env"), "broken.env:2: a quote that is not closed"),
        (("--env-file", "latin.env"), "latin.env:2: not UTF-8"),
        (("--env-file", "double.env"), "more than 128 KiB"),
        (("--env-file", "pipe"), "is a pipe"),
        (("--env-file", "."), "is a folder"),
        (("--platform", "amd64"), "is not OS/ARCH"),
        (("--platform", "linux/"), "is not OS/ARCH"),
        (("--format", "xml"), "there is no format xml"),
        (("--env", "A"), "is not NAME=VALUE"),
    ],
)
def test_a_bad_option_ends_before_anything_is_inspected(
    options: tuple[str, str], said: str
) -> None:
    done = scan("before.yaml", *options)
    assert (done.code, done.out) == (2, b"")
    assert said in done.err.decode()


@pytest.mark.parametrize(
    "name", ["100,000 brackets", "100,000 levels of JSON", "laughs", "a pipe", "NUL"]
)
def test_a_process_of_its_own_ends_as_well(name: str) -> None:
    done = process("scan", put(BAD[name]), "--images", "never")
    assert (done.code, done.err) == (3, b"")
    assert done.out.startswith(b"failed bad.")


def test_a_closed_standard_input_is_said() -> None:
    line = f"exec '{sys.executable}' -m deployguard scan - before.yaml --images never <&-"
    done = subprocess.run(["bash", "-c", line], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (3, b"")
    assert b"failed -\n  unreadable: standard input is closed (" in done.stdout
    assert b"before.yaml#Pod/-/before/containers/web" in done.stdout


# What the real tools make of the same bytes. Where we refuse more, it is the gate that stays shut.
TOOLS = {
    **{name: (data, True, True) for name, data in READ.items() if name not in {"JSON", "a value of 9 MiB", "a list of lists"}},
    "UTF-16 without a mark": (POD.encode("utf-16-le"), False, False),
    "Latin-1": ((POD + "# caf\xe9\n").encode("latin-1"), True, True),
    "half a character": (POD.encode() + b"# \xc3", True, True),
    "U+0085 in a comment": (f"{POD}# x\u0085y\n".encode(), False, False),
    "U+2028 in a comment": (f"{POD}# x\u2028y\n".encode(), False, False),
    "a control character": (POD.encode() + b"# \x01\n", False, False),
    "several documents of UTF-16": (f"{POD}---\n{POD}".encode("utf-16"), True, True),
    "several documents of CRLF": (f"{POD}---\n{POD}".replace("\n", "\r\n").encode(), True, True),
    "no kind": (b"apiVersion: v1\nmetadata: {name: x}\n", False, False),
    "items as a map": (b"apiVersion: v1\nkind: List\nitems: {a: b}\n", False, False),
    "text alone": (b"hello\n", False, False),
    "a list of lists": (READ["a list of lists"], False, True),
    "JSON lines": (READ["JSON"] + b"\n" + READ["JSON"], True, True),
}  # fmt: skip


@pytest.mark.parametrize("name", TOOLS)
def test_kubectl_reads_and_refuses_the_same(name: str) -> None:
    data, reads, read_here = TOOLS[name]
    Path("it.yaml").write_bytes(data)
    assert (scan("it.yaml").code == 0) is read_here
    done = kubectl.local(Path("it.yaml"), "name")
    assert (done.returncode == 0) is reads, done.stderr


@pytest.mark.parametrize(
    ("data", "read_here"),
    [
        (WEB.encode("utf-16"), True),
        (b"\xfe\xff" + WEB.encode("utf-16-be"), True),
        (WEB.encode("utf-8-sig"), True),
        (WEB.encode("utf-16-le"), False),
        (WEB.replace("\n", "\r\n").encode(), True),
        (WEB.replace("\n", "\r").encode(), True),
        (f"{WEB}# x\u2028x-a: 1\n".encode(), True),
        (f"{WEB}# x\u0085y\n".encode(), False),
        ((WEB + "# caf\xe9\n").encode("latin-1"), False),
        (b"services: {}\n", True),
        (b"services:\n", False),
        (b"services: {web: {image: 5}}\n", False),
        (web("user: 1000").encode(), False),
        (web("command: [1]").encode(), False),
        (web("environment: [5]").encode(), False),
        (web("environment: {A: 5, B: true}").encode(), True),
        (web("labels: {a: 1}").encode(), True),
        (web("tty: 'true'").encode(), True),
        (web("expose: [99999, x]").encode(), True),
        (web("ports: ['-:80']").encode(), False),
        (web("ports: ['70000']").encode(), False),
    ],
)
def test_compose_reads_and_refuses_the_same(data: bytes, read_here: bool, folder: Path) -> None:  # noqa: FBT001  (the table's)
    Path("compose.yaml").write_bytes(data)
    assert (scan("compose.yaml").code == 0) is read_here
    assert isinstance(resolved(folder), dict) is read_here
