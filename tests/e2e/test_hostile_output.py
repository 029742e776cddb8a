"""What strangers write acts on no terminal, editor, log or CI runner, and no secret comes out."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deployguard.inputs.kubernetes.objects import FileObjects
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.pipeline import ScanOptions
from deployguard.policy import load
from deployguard.rules import IDS
from deployguard.webhook.review import Judge, answer, parse
from tests.support.command import TODAY, Done, process, run, scan
from tests.support.flask_images import flask_image

FORMATS = ("text", "json", "sarif", "github")
UNSAFE = ["flask", "--app", "shop", "run", "--host=0.0.0.0", "--debug", "--debugger"]

# Each begins a text; the last one is all that goes into the middle of one.
PAYLOADS = {
    "workflow command": "::error file=a.py,line=1::owned",
    "a new line": "\r\n::error::owned\n::stop-commands::x\n",
    "all of them": (
        "##[error]owned %0A::error::owned%0D a\x1b[31mred\x1b]8;;http://evil\x1b\\x\x1b]8;;\x07\x9b31m\u202egnp\u2066b\u200bc\ufeff"
        "\u0085\u2028\u2029\b\b\x7f\u2800\ufe0f\U000e0041[click](http://evil) ](x) &lt;b> <script>"
    ),
    "very long": "x" * 50_000,
}


def project(at: str, text: str) -> dict[str, Any]:
    """Return an unsafe project with a text at one position."""

    def here(position: str, otherwise: Any) -> Any:  # noqa: ANN401  (JSON)
        return text if position == at else otherwise

    service = {
        "image": here("image", "shop:1"),
        "entrypoint": [*UNSAFE[:1], "--app", here("option", "shop"), *UNSAFE[3:]],
        "command": ["-x", text] if at == "command" else [],
        "environment": {
            "FLASK_DEBUG": here("shown variable", "1"),
            "FLASK_APP": here("app", "shop"),
            here("variable name", "A"): here("variable", "b"),
        },
        "labels": {here("label name", "a"): here("label", "b")},
        "user": here("user", "1000"),
        "working_dir": here("directory", "/app"),
        "ports": [{"target": 5000, "host_ip": here("address", "0.0.0.0")}],
        "volumes": [f"./src:/{text}"] if at == "mount" else [],
        "env_file": [text] if at == "env file" else [],
        "profiles": [text] if at == "profile" else [],
        **({text: 1} if at == "key" else {}),
        **({"cpus": f"${{A:?{text}}}", "hostname": f"${{A:?{text}}}"} if at == "message" else {}),
    }
    if at == "message":
        service["image"] = f"${{A:?{text}}}"
    if at == "interpolation":
        service["image"] = f"${{{text}"
    return {
        "services": {here("service", "web"): service},
        here("top key", "x-a"): {"image": 1},
        "name": here("project", "shop"),
    }


PROJECT = (
    "image", "option", "command", "shown variable", "app", "variable name", "variable", "label name",
    "label", "user", "directory", "address", "mount", "env file", "profile", "key", "message",
    "interpolation", "service", "top key", "project",
)  # fmt: skip


def pod(at: str, text: str) -> dict[str, Any]:
    """Return an unsafe Pod with a text at one position."""

    def here(position: str, otherwise: Any) -> Any:  # noqa: ANN401  (JSON)
        return text if position == at else otherwise

    entries = [
        {"name": "FLASK_DEBUG", "value": here("shown variable", "1")},
        {"name": here("variable name", "A"), "value": here("variable", "b")},
        {"name": "C", "valueFrom": {"configMapKeyRef": {
            "name": here("config map", "c"), "key": here("entry", "k")}}},
        {"name": "FLASK_APP", "valueFrom": {"fieldRef": {"fieldPath": here("field", "spec.x")}}},
    ]  # fmt: skip
    container = {
        "name": here("container", "web"),
        "image": here("image", "shop:1"),
        "command": [*UNSAFE, "-x", text] if at == "command" else UNSAFE,
        "env": {text: 1} if at == "env of another type" else entries,
        "envFrom": [{"configMapRef": {"name": here("source", "s")}}],
        "workingDir": here("directory", "/app"),
        "volumeMounts": [{"name": here("volume", "v"), "mountPath": here("mount", "/data")}],
        "ports": [{"containerPort": 5000, "protocol": here("protocol", "TCP")}],
    }
    if at == "repeated key":
        container = {**container, text: 1}
    metadata = {
        "name": here("name", "p"),
        "namespace": here("namespace", "n"),
        "labels": {here("label name", "a"): here("label", "b")},
    }
    return {
        "apiVersion": here("version", "v1"),
        "kind": here("kind", "Pod"),
        "metadata": metadata,
        "spec": {
            "containers": [container],
            "volumes": [{"name": here("volume", "v"), "persistentVolumeClaim": {"claimName": "x"}}],
        },
    }


POD = (
    "shown variable", "variable name", "variable", "config map", "entry", "field", "container", "image",
    "command", "env of another type", "source", "directory", "volume", "mount", "protocol", "name",
    "namespace", "label name", "label", "version", "kind", "repeated key",
)  # fmt: skip


def image(at: str, text: str) -> bytes:
    """Return an archive of an unsafe image with a text at one position."""
    source = "from flask import Flask\napp = Flask(__name__)\n"
    body = repr(text) if at == "source" else "'x'"
    files = {
        "app/shop.py": f"{source}app.run(debug=True, host={body})\n".encode("utf-8", "replace")
    }
    if at == "file" and "\0" not in text:
        name = text[:100].replace("/", "_")
        files[f"app/{name}"] = b"#!/bin/sh\nexec flask --app shop run --debug\n"
        command = [f"./{name}"]
    else:
        command = ["python", "shop.py"] if at == "source" else UNSAFE
    config = {
        "Env": [f"FLASK_DEBUG={text}" if at == "shown variable" else "FLASK_DEBUG=1", f"A={text}"],
        "Cmd": [*command, text] if at == "command" else command,
        "WorkingDir": f"/app/{text}" if at == "directory" else "/app",
        "User": text if at == "user" else "1000",
        "Labels": {text: text} if at == "label" else {},
        "ExposedPorts": {text: {}} if at == "port" else {},
    }
    system = text if at == "platform" else "linux"
    return flask_image(
        config, files, tag=text if at == "tag" else "shop:1", platform=(system, "amd64")
    )


IMAGE = (
    "shown variable", "command", "directory", "user", "label", "port", "platform", "tag", "source", "file",
)  # fmt: skip

POLICY = {
    "reason": "rules: {{DG101: block}}\n  exemptions: [{{rule: DG101, subject: services.web, reason: {0}}}]",
    "owner": "exemptions: [{{rule: DG101, subject: services.web, reason: r, owner: {0}, expires: {today}}}]",
    "subject": "exemptions: [{{rule: DG101, subject: {0}, reason: r, expires: 2020-01-01}}]",
    "unknown key": "{0}: 1",
    "unknown rule": "rules: {{{0}: block}}",
    "word": "default: {0}",
    "day": "exemptions: [{{rule: DG101, subject: a, reason: r, expires: {0}}}]",
}


def policy(at: str, text: str) -> str:
    body = POLICY[at].format(json.dumps(text), today=TODAY)
    return f"apiVersion: deployguard/v1\nkind: Policy\nmetadata: {{name: mine}}\nspec:\n  {body}\n"


@cache
def sarif_schema() -> jsonschema.Draft202012Validator:
    path = Path(__file__).parents[1] / "support/schemas/sarif-2.1.0.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_bytes()))


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def check_lines(output: bytes) -> list[str]:
    """Check what a terminal or a runner reads line by line; commands of ours are the caller's."""
    lines = output.decode().split("\n")
    for line in lines:
        assert line.isprintable(), ascii(line)[:200]
        assert not set(line) & set("\u2800\ufe0f"), ascii(line)[:200]
        assert "##[" not in line
    return lines


def check(done: Done, form: str) -> None:
    """Check both streams of a run."""
    for line in check_lines(done.err):
        assert not line.lstrip().startswith("::")
        assert len(line) < 2_200
    lines = check_lines(done.out)
    if form == "text":
        assert not [line for line in lines if line.lstrip().startswith("::") or len(line) > 2_200]
    elif form == "github":
        commands = ("::error ", "::warning ", "::notice ", "decision: ")
        assert all(line.startswith(commands) for line in lines if line)
        assert all(line.count("::") >= 2 for line in lines if line.startswith("::"))
    elif done.out:
        assert done.out.isascii()
        assert not [line for line in lines if line.lstrip().startswith("::")]
        body = json.loads(done.out)
        for text in texts(body):
            text.encode()
        if form == "sarif":
            sarif_schema().validate(body)


def check_everywhere(*arguments: str, stdin: bytes = b"") -> None:
    for form in FORMATS:
        check(scan(*arguments, "--format", form, "--verbose", stdin=stdin), form)
    check(scan(*arguments, "--explain", stdin=stdin), "text")


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("position", PROJECT)
def test_a_project_prints_nothing_that_acts(position: str, payload: str) -> None:
    text = PAYLOADS[payload]
    check_everywhere("compose:-", stdin=json.dumps(project(position, text)).encode())


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("position", POD)
def test_a_manifest_prints_nothing_that_acts(position: str, payload: str) -> None:
    body = json.dumps(pod(position, PAYLOADS[payload]))
    if position == "repeated key":
        key = json.dumps(PAYLOADS[payload])
        body = body.replace(f"{key}: 1", f"{key}: 1, {key}: 2")
    check_everywhere("k8s:-", stdin=body.encode())


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("position", IMAGE)
def test_an_image_prints_nothing_that_acts(position: str, payload: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(position, PAYLOADS[payload]))
    check_everywhere(f"archive:{path}")


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("position", POLICY)
def test_a_policy_prints_nothing_that_acts(position: str, payload: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(policy(position, PAYLOADS[payload]))
    check_everywhere("compose:-", "--policy", str(path), stdin=json.dumps(project("", "")).encode())
    for command in ("show", "validate"):
        done = run("policy", command, str(path))
        check(
            done, "text" if command == "validate" else ""
        ) if command == "validate" else check_lines(done.out)


@pytest.mark.parametrize("payload", [name for name in PAYLOADS if name != "very long"])
@pytest.mark.parametrize(
    "position", ["folder", "manifest", "broken", "Dockerfile", "target", "prefixed"]
)
def test_names_of_files_print_nothing_that_acts(
    position: str, payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    text = PAYLOADS[payload].replace("/", "_")
    if position == "folder":
        Path(text).mkdir()
        Path(text, "compose.yaml").write_text(json.dumps(project("", "")))
    elif position == "Dockerfile":
        Path(text).mkdir()
        Path(text, "Dockerfile").write_text(f"FROM python:3\nCMD {json.dumps(UNSAFE)}\n")
    elif position in {"manifest", "broken"}:
        content = json.dumps(pod("", "")) if position == "manifest" else "kind: ["
        Path(f"{text}.yaml").write_text(content)
    check_everywhere({"target": text, "prefixed": f"k8s:{text}"}.get(position, "."))


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.yaml", b"a\x80.yaml", "\udcff.yaml".encode("utf-8", "surrogatepass")]
)
def test_names_that_are_no_text_are_printed(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").mkdir()
    (tmp_path / "plain").joinpath(name.decode("utf-8", "surrogateescape")).write_text(
        json.dumps(pod("", ""))
    )
    check_everywhere("plain")
    report = json.loads(scan("plain", "--format", "json").out)
    assert report["containers"][0]["target"] == report["targets"][0]["name"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_command_line_prints_nothing_that_acts(payload: str) -> None:
    text = PAYLOADS[payload]
    for options in (
        ("scan", "--format", text), ("scan", f"--{text}"), ("scan", "--today", text), ("scan", "--env", text.replace("=", "")),
        ("scan", "--images", text), ("scan", "--platform", text), ("scan", "--policy", text),
        ("scan", "--env-file", text), ("scan", "--output", f"no/{text}"), ("explain", text), (text,),
        ("policy", "show", text), ("policy", "validate", text), ("scan", "--on-unknown", text),
    ):  # fmt: skip
        done = run(*options)
        assert done.code in {2, 3}
        check(done, "text")
        assert len(done.err) < 3_000


class NoImages:
    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def reviewed(manifest: Mapping[str, Any], name: str = "p") -> dict[str, Any]:
    judge = Judge(
        policies=(load("production", IDS),),
        options=lambda: ScanOptions(today=date(2031, 1, 1)),
        objects=FileObjects({}),
        images=NoImages(),
    )
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "operation": "CREATE",
            "name": name,
            "namespace": "n",
            "object": manifest,
        },
    }
    response: dict[str, Any] = answer(parse(json.dumps(review).encode()), judge)["response"]
    return response


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("position", POD)
def test_a_denial_prints_nothing_that_acts(position: str, payload: str) -> None:
    text = PAYLOADS[payload]
    response = reviewed(pod(position, text), text)
    said = [
        *response.get("status", {}).get("message", "").split("\n"),
        *response.get("warnings", []),
        *response["auditAnnotations"].values(),
    ]
    for line in said:
        assert line.isprintable(), ascii(line)[:200]
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


CANARY = "c4n4ry"


def canary(position: str) -> str:
    return f"{CANARY}-{position}-Zq8Lw2"


def holds(*outputs: bytes) -> list[str]:
    return [line for output in outputs for line in output.decode().splitlines() if CANARY in line]


SECRETS = {
    "compose.yaml": f"""\
services:
  web:
    build:
      context: .
      args: {{PIP_TOKEN: {canary("arg")}, INDEX: "https://u:{canary("url-arg")}@pypi.example/"}}
    command: [sh, -c, "login --password {canary("option")} --api-key={canary("assigned")}; exec flask --app shop run
      --debug --debugger --host 0.0.0.0", --token, {canary("word-after")}]
    environment:
      FLASK_DEBUG: "1"
      SHOP: {canary("variable")}
      DATABASE_URL: postgres://shop:{canary("url")}@db/shop
      GIVEN: ${{OUTER_PLAIN}}
    env_file: shop.env
    labels: {{traefik.basicauth: "u:{canary("label")}", from: "${{OUTER_TOKEN}}"}}
    secrets: [token]
  text:
    image: shop:1
    command: sh -c "export DB_PASSWORD={canary("exported")}; flask run --host https://a:{canary("host")}@b $OUTER_TOKEN"
  given:
    image: registry/$OUTER_TOKEN:1
    command: [flask, run, --debug, --host, "${{OUTER_PLAIN}}", "${{FROM_DOTENV}}"]
    working_dir: /srv/${{OUTER_PLAIN}}
    user: ${{OUTER_TOKEN}}
secrets: {{token: {{environment: OUTER_TOKEN}}}}
""",
    "shop.env": f"MAIL_PASSWORD={canary('env-file')}\nOTHER='{canary('env-file-plain')}'\n",
    ".env": f"FROM_DOTENV={canary('dotenv')}\n",
    ".flaskenv": f"FLASK_DEBUG=1\nKEY={canary('flaskenv')}\n",
    "Dockerfile": f"""\
FROM python:3.11
ARG BUILD_SECRET={canary("arg-default")}
ENV SHOP_TOKEN={canary("env")} OTHER="{canary("env-plain")}"
LABEL password={canary("label-of-file")}
RUN pip install --index-url https://u:{canary("run")}@pypi.example/ flask==3.0.0
COPY . /app
WORKDIR /app
CMD export AWS_SECRET_ACCESS_KEY={canary("cmd")}; exec ./entry.sh --token {canary("cmd-option")}
""",
    "entry.sh": f"#!/bin/sh\nexport TOKEN={canary('script')}\nPASSWORD='{canary('script-quoted')}' exec python shop.py\n",
    "shop.py": f"""\
from flask import Flask
SECRET_KEY = "{canary("source")}"
app = Flask(__name__)
app.config["SECRET_KEY"] = "{canary("config")}"
app.config.update(API_TOKEN="{canary("update")}", DATABASE="mysql://u:{canary("source-url")}@db/x")
app.run(debug=True, host="0.0.0.0", ssl_context=("cert.pem", "{canary("context")}"))
""",
    "k8s/pod.yaml": f"""\
apiVersion: v1
kind: Pod
metadata:
  name: p
  annotations: {{auth-token: {canary("annotation")}}}
  labels: {{api-key: {canary("pod-label")}}}
spec:
  containers:
  - name: web
    image: shop:1
    command: [env, "API_TOKEN={canary("word")}", "X=$(SHOP)", "Y=$(FROM_MAP)", "DSN=https://{canary("dsn")}@sentry/1"]
    args: [flask, --app, shop, run, --debug, --debugger, --host=0.0.0.0]
    env:
    - {{name: SHOP, value: {canary("value")}}}
    - {{name: FLASK_DEBUG, value: "1"}}
    - {{name: FROM_MAP, valueFrom: {{configMapKeyRef: {{name: c, key: plain}}}}}}
    - {{name: FROM_SECRET, valueFrom: {{secretKeyRef: {{name: s, key: a}}}}}}
    - {{name: ANNOTATED, valueFrom: {{fieldRef: {{fieldPath: "metadata.annotations['auth-token']"}}}}}}
    envFrom: [{{configMapRef: {{name: c}}}}, {{secretRef: {{name: s}}}}]
    volumeMounts: [{{name: v, mountPath: /etc/shop}}]
  volumes: [{{name: v, configMap: {{name: c}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: c}}
data: {{plain: {canary("map")}, shop.py: "SECRET_KEY = '{canary("map-source")}'"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: s}}
data: {{a: YzRuNHJ5}}
stringData: {{b: {canary("secret")}}}
""",
}
BROKEN = {
    "alias": f"a:\n  password: *{canary('alias')}\n",
    "tag": f"a:\n  password: !{canary('tag')} x\n",
    "verbatim tag": f"a: !!int {canary('int')}\n",
    "open quote": f"password: '{canary('quote')}\n",
    "colon": f"password: {canary('colon')}: x\n",
    "bracket": f"password: [{canary('bracket')}\n",
    "at": f"password: @{canary('at')}\n",
    "percent": f"%{canary('percent')}\n",
    "template": f"password: {{{{ {canary('template')} }}}}\n",
    "binary": f"password: !!binary '{canary('binary')}'\n",
    "control": f"password: {canary('control')}\x01\n",
    "Latin-1": f"password: {canary('latin')}é\n",
    "merge": f"<<: {canary('merge')}\n",
    "value": f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {canary('spec')}\n",
}
SHAPES = {
    "interpolation": f"services: {{web: {{image: a, environment: {{P: '${{{canary('open')}'}}}}}}\n",
    "required": "services: {web: {image: '${GONE:?$OUTER_TOKEN}'}}\n",
    "port": "services: {web: {image: a, ports: ['$OUTER_PLAIN:80']}}\n",
    "env file": "services: {web: {image: a, env_file: '$OUTER_PLAIN'}}\n",
    "env file path": "services: {web: {image: a, env_file: [{path: 'x/$OUTER_PLAIN'}]}}\n",
    "flag": "services: {web: {image: a, tty: '$OUTER_PLAIN'}}\n",
    "volume": "services: {web: {image: a, volumes: ['$OUTER_PLAIN']}}\n",
    "build": "services: {web: {build: './$OUTER_PLAIN'}}\n",
    "dockerfile": "services: {web: {build: {context: ., dockerfile: '$OUTER_PLAIN'}}}\n",
    "command": "services: {web: {image: a, command: 'x \"$OUTER_PLAIN'}}\n",
}
OUTER = {
    "OUTER_TOKEN": canary("outer-token"),
    "OUTER_PLAIN": canary("outer-plain"),
    "AWS_SECRET_ACCESS_KEY": canary("aws"),
}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in SECRETS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    source = SECRETS["shop.py"].encode()
    config = {
        "Env": [
            f"SHOP={canary('config-env')}",
            "FLASK_DEBUG=1",
            f"FLASK_SECRET_KEY={canary('config-key')}",
        ],
        "Entrypoint": [
            "sh",
            "-c",
            f'TOKEN={canary("config-entry")} exec python shop.py "$@"',
            "--",
        ],
        "Cmd": ["--token", canary("config-cmd")],
        "Labels": {"secret": canary("config-label")},
        "WorkingDir": "/app",
    }
    (tmp_path / "image.tar").write_bytes(flask_image(config, {"app/shop.py": source}))
    monkeypatch.chdir(tmp_path)
    for name, value in OUTER.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize("form", [*FORMATS, "explain"])
@pytest.mark.parametrize(
    "target", [".", "compose:compose.yaml", "dockerfile:Dockerfile", "k8s:k8s", "image.tar"]
)
def test_no_secret_comes_out(secrets: Path, target: str, form: str) -> None:
    options = ("--explain",) if form == "explain" else ("--format", form)
    given = ("--env", f"OUTER_EXTRA={canary('given')}", "--env-file", "shop.env")
    done = scan(target, *options, *(given if "compose" in target else ()), "--verbose")
    assert holds(done.out, done.err) == []
    assert done.code == 1
    assert secrets.is_dir()


def test_values_that_explain_a_verdict_stay_shown(secrets: Path) -> None:
    [container] = scan("image.tar", "--format", "json").report["containers"]
    shown = {
        entry["name"]: entry["value"] for entry in container["process"]["env"] if entry["value"]
    }
    assert shown["FLASK_DEBUG"] == "1"
    assert "/srv/venv/bin" in shown["PATH"]
    assert "SHOP" not in shown
    assert secrets.is_dir()


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("name", [*BROKEN, *SHAPES])
def test_no_error_quotes_a_secret(name: str) -> None:
    text = BROKEN.get(name) or SHAPES[name]
    prefixes = ("k8s:", "compose:") if name in BROKEN else ("compose:",)
    Path("bad.yaml").write_text(text, "latin-1" if name == "Latin-1" else "utf-8")
    for prefix in prefixes:
        for form in FORMATS:
            done = scan(f"{prefix}bad.yaml", "--format", form)
            assert holds(done.out, done.err) == []
            assert name in {"volume", "build", "dockerfile"} or done.code == 3, done.text
    done = run("policy", "validate", "bad.yaml")
    if name not in {"tag", "colon", "bracket", "percent", "value", "open quote"}:
        assert holds(done.out, done.err) == []


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "--env", canary("alone")),
        ("scan", f"--env=={canary('nameless')}"),
        ("scan", f"https://u:{canary('target')}@registry.example/shop:1"),
        ("scan", f"docker:https://u:{canary('docker')}@registry.example/shop:1"),
        ("scan", f"k8s:https://u:{canary('path')}@host/x.yaml"),
        ("scan", f"./TOKEN={canary('assigned-path')}.yaml"),
        ("scan", "--policy", f"https://u:{canary('policy')}@host/x.yaml"),
        ("scan", "--output", f"https://u:{canary('output')}@host/x"),
    ],
)
def test_no_argument_with_a_secret_is_repeated(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://u:{canary('engine')}@127.0.0.1:1")
    for form in FORMATS:
        done = run(*arguments, *(("--format", form, "--verbose") if arguments[0] == "scan" else ()))
        assert done.code in {2, 3}
        assert holds(done.out, done.err) == []


def test_no_denial_holds_a_secret() -> None:
    manifest = pod("", "")
    [container] = manifest["spec"]["containers"]
    container["env"].append({"name": "SHOP", "value": canary("review")})
    container["command"] = [*UNSAFE, "--token", canary("word"), "$(SHOP)"]
    container["args"] = []
    manifest["metadata"]["annotations"] = {"token": canary("annotation")}
    assert CANARY not in json.dumps(reviewed(manifest))


def faults() -> dict[str, Callable[[Path], object]]:
    """Return what can go wrong below an input that is fine otherwise."""
    return {
        "a broken manifest": lambda path: (path / "a.yaml").write_text("kind: ["),
        "an empty manifest": lambda path: (path / "a.yaml").write_text("kind:\n"),
        "a truncated archive": lambda path: (path / "a.tar").write_bytes(image("", "")[:5_000]),
        "no manifest": lambda path: path / "a.yaml",
        "a limit": lambda path: (path / "a.yaml").write_text("[" * 100_000),
    }


@pytest.mark.parametrize("by", ["production", "strict", "development"])
@pytest.mark.parametrize("fault", faults())
def test_no_fault_is_allowed(fault: str, by: str, tmp_path: Path) -> None:
    faults()[fault](tmp_path)
    name = "a.tar" if fault == "a truncated archive" else "a.yaml"
    done = scan(str(tmp_path / name), "--policy", by, "--format", "json")
    assert done.code in {1, 3}
    assert done.report["decision"] in {"block", "error"}


@pytest.mark.usefixtures("secrets")
def test_the_same_input_gives_the_same_bytes_wherever_hashes_fall(tmp_path: Path) -> None:
    inputs = [
        str(tmp_path),
        str(tmp_path / "image.tar"),
        f"k8s:{tmp_path}/k8s",
        str(tmp_path / "none.yaml"),
    ]
    common = ("scan", *inputs, "--images", "never", "--today", TODAY, "--explain")
    for form in FORMATS:
        outputs = {
            process(*common, "--format", form, environ={"PYTHONHASHSEED": seed}, cwd=folder).out
            for seed, folder in (("0", "/"), ("1", str(tmp_path)), ("4242", "/"))
        }
        assert len(outputs) == 1
        assert outputs.pop()


def test_an_own_environment_is_in_no_output() -> None:
    done = process("scan", "-", "--images", "never", "--verbose", stdin=b"kind: [", environ=OUTER)
    assert done.code == 3
    assert holds(done.out, done.err) == []
    failing = "import sys; from deployguard import cli, pipeline; pipeline.scan = None; sys.exit(cli.run(['scan']))"
    run_out = subprocess.run(
        [sys.executable, "-c", failing], check=False, capture_output=True, timeout=60
    )
    assert run_out.returncode == 3
    assert b"internal error: TypeError" in run_out.stderr
