"""Every project comes out as the real Docker Compose v2 resolves it, refusals included."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployguard.errors import InputError
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from tests.support.compose_oracle import resolved


class NoImages:
    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def service(text: str) -> dict[str, str]:
    body = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return {"compose.yaml": f"services:\n  web:\n    image: shop\n{body}"}


PROJECTS: Mapping[str, dict[str, str]] = {
    "plain": service(""),
    "command text": service("command: flask run --host 0.0.0.0"),
    "command quotes": service("command: sh -c \"flask run 'a b'\""),
    "command list": service("command: [flask, run, --debug]"),
    "command empty": service('command: ""'),
    "command null": service("command:"),
    "entrypoint text": service("entrypoint: /entry.sh a"),
    "entrypoint list": service("entrypoint: [/entry.sh]\ncommand: [x]"),
    "entrypoint empty": service("entrypoint: []"),
    "dollar": service("command: echo $$HOME"),
    "environment list": service("environment:\n  - A=1\n  - B=x=y\n  - C="),
    "environment map": service("environment:\n  A: 1\n  B: true\n  C: ''\n  D: 1.5\n  E: text"),
    "environment numbers": service("environment:\n  A: 0o17\n  B: 1e3\n  C: 0x1F\n  D: yes"),
    "environment bare set": service("environment:\n  - OUTER"),
    "environment bare unset": service("environment:\n  - NOWHERE"),
    "environment null": service("environment:\n  OUTER:\n  NOWHERE:"),
    "interpolation": service("environment:\n  A: ${OUTER}-$OUTER\n  B: ${NO:-d}\n  C: ${NO-e}"),
    "interpolation alternatives": service(
        "environment:\n  A: ${OUTER:+x}\n  B: ${NO:+x}\n  C: ${EMPTY:-d}\n  D: ${EMPTY-d}"
    ),
    "interpolation nested": service("environment:\n  A: ${NO:-${OUTER}-${NONE:-z}}"),
    "interpolation required": service("environment:\n  A: ${NO:?say it}"),
    "interpolation bad": service("environment:\n  A: ${NO!}"),
    "dotenv": service("environment:\n  A: ${FROM_DOTENV}") | {".env": "FROM_DOTENV=1\nOUTER=no\n"},
    "env_file": service("env_file: a.env\nenvironment:\n  A: over")
    | {"a.env": "A=1\nB='x y' # c\nC=\"q\\n\"\nexport D=4\nE=5 # five\nF=a#b\n"},
    "env_files": service("env_file:\n  - a.env\n  - path: b.env\n    required: false")
    | {"a.env": "A=1\nB=${A}\n"},
    "env_file missing": service("env_file: none.env"),
    "ports": service('ports:\n  - "8000:5000"\n  - "127.0.0.1:81:80/udp"\n  - 9000'),
    "ports long": service(
        "ports:\n  - target: 80\n    published: '8080'\n    host_ip: 127.0.0.1\n  - target: 81"
    ),
    "port range": service('ports: ["7000-7001:5000-5001"]'),
    "port bad": service('ports: ["x:80"]'),
    "other fields": service("working_dir: /srv\nuser: '1000:1000'\ntty: true"),
    "extension": {**service("x-note: 1"), "x": ""},
    "unknown key": service("comand: flask"),
    "unknown top": {"compose.yaml": "servces: {}\nservices: {web: {image: a}}\n"},
    "no services": {"compose.yaml": "version: '3'\n"},
    "neither image nor build": {"compose.yaml": "services: {web: {command: x}}\n"},
    "duplicate key": service("command: a\ncommand: b"),
    "services as list": {"compose.yaml": "services: [web]\n"},
    "ports as text": service("ports: {a: 1}"),
    "anchors": {
        "compose.yaml": "x-base: &b\n  image: shop\n  environment: &e {A: '1'}\n"
        "services:\n  web:\n    <<: *b\n    environment:\n      <<: *e\n      B: '2'\n"
    },
    "profiles": {
        "compose.yaml": "services:\n  web: {image: a}\n  dev: {image: b, profiles: [dev]}\n"
    },
    "override": {
        **service("command: a\nenvironment: [A=1, B=1]\nports: ['1:1']"),
        "compose.override.yaml": "services:\n  web:\n    command: b\n"
        "    environment: {B: '2'}\n    ports: ['2:2']\n",
    },
}  # fmt: skip
OUTER = {"OUTER": "outside", "EMPTY": ""}


def theirs(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the process of each service, `$$` of the output undone."""

    def plain(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return value.replace("$$", "$")
        return [plain(item) for item in value] if isinstance(value, list) else value

    return {
        name: {
            "command": plain(one.get("command")) or None,
            "entrypoint": plain(one.get("entrypoint")),
            "environment": {
                key: plain(value)
                for key, value in (one.get("environment") or {}).items()
                if value is not None
            },
            "working_dir": one.get("working_dir"),
            "user": one.get("user"),
            "tty": one.get("tty", False),
            "ports": sorted(
                (port["target"], port["protocol"], port.get("host_ip", "0.0.0.0"),
                 str(port.get("published", "0")))
                for port in one.get("ports") or []
            ),
        }
        for name, one in found["services"].items()
    }  # fmt: skip


def ours(specs: tuple[ContainerSpec, ...]) -> dict[str, Any]:
    def words(value: Traced[tuple[Traced[str | None], ...]] | None) -> list[str | None] | None:
        return None if value is None else [word.value for word in value.value]

    return {
        spec.name: {
            "command": words(spec.cmd),
            "entrypoint": words(spec.entrypoint),
            "environment": {name: entry.value for name, entry in spec.env.entries.items()},
            "working_dir": spec.working_dir.value if spec.working_dir else None,
            "user": spec.user.value if spec.user else None,
            "tty": spec.terminal.value if spec.terminal else False,
            "ports": sorted(
                (port.container, port.protocol, *port.published.rsplit(":", 1))
                for port in spec.ports
                if port.published
            ),
        }
        for spec in specs
    }


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_is_resolved_as_compose_resolves_it(name: str, tmp_path: Path) -> None:
    for file, text in PROJECTS[name].items():
        (tmp_path / file).write_text(text)
    expected = resolved(tmp_path, **OUTER)
    names = [n for n in ("compose.yaml", "compose.override.yaml") if (tmp_path / n).exists()]
    files = [(str(tmp_path / n), (tmp_path / n).read_bytes()) for n in names]
    options = ComposeOptions(environ=OUTER)
    if isinstance(expected, str):
        with pytest.raises(InputError):
            load(files, options, NoImages(), "compose.yaml")
        return
    assert ours(load(files, options, NoImages(), "compose.yaml")) == theirs(expected)
