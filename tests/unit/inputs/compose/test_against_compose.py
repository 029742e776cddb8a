"""Every project comes out as the real Docker Compose v2 resolves it, refusals included."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployguard.errors import InputError, LimitError, UnsupportedError
from tests.support.compose_projects import ComposeProject


def project(files: Mapping[str, str], *names: str) -> ComposeProject:
    return ComposeProject(files, names)


def service(text: str, **files: str) -> ComposeProject:
    """Return a project of one service, with files beside it: `a_env` is a.env."""
    body = "".join(f"    {line}\n" for line in text.strip().splitlines())
    compose = f"services:\n  web:\n    image: shop\n{body}"
    return ComposeProject(
        {"compose.yaml": compose, **{name.replace("_", "."): text for name, text in files.items()}}
    )


def laid(first: str, *others: str) -> ComposeProject:
    """Return files that are laid over each other, each the body of the service web."""
    files = {}
    for number, text in enumerate((f"image: shop\n{first}", *others)):
        body = "".join(f"    {line}\n" for line in text.strip().splitlines())
        files[f"{number}.yaml"] = f"services:\n  web:\n{body}"
    return ComposeProject(files, tuple(files))


BASE = "services: {base: {image: shop, command: flask run, environment: {A: '1', B: '1'}}}\n"
PROJECTS: Mapping[str, ComposeProject] = {
    "plain": service(""),
    "command text": service("command: flask run --host 0.0.0.0"),
    "command quotes": service("command: sh -c \"flask run 'a b'\""),
    "command quotes in quotes": service("command: 'sh -c \"flask run \\\"a b\\\" && x\"'"),
    "command of a shell": service("command: flask run | tee log"),
    "command in the background": service("command: flask run & sleep 1; ls > x"),
    "command with substitutions": service("command: echo $(date a) `date b` $$x"),
    "command of several lines": service("command: >-\n  flask run\n  --debug"),
    "command of blanks": service("command: '  '"),
    "command list": service("command: [flask, run, --debug]"),
    "command empty": service('command: ""'),
    "command null": service("command:"),
    "command open quote": service("command: sh -c 'x"),
    "command open parenthesis": service("command: (flask run)"),
    "command of a number": service("command: 5"),
    "command of an unknown tag": service("command: !mine flask run"),
    "entrypoint text": service("entrypoint: /entry.sh a"),
    "entrypoint list": service("entrypoint: [/entry.sh]\ncommand: [x]"),
    "entrypoint empty": service("entrypoint: []"),
    "entrypoint empty text": service('entrypoint: ""'),
    "dollar": service("command: echo $$HOME"),
    "dollars alone": service("command: echo $ $1 $- 5$"),
    "environment list": service("environment:\n  - A=1\n  - B=x=y\n  - C="),
    "environment map": service("environment:\n  A: 1\n  B: true\n  C: ''\n  D: 1.5\n  E: text"),
    "environment numbers": service("environment:\n  A: 0o17\n  B: 1e3\n  C: 0x1F\n  D: yes"),
    "environment floats": service(
        "environment: {A: 1e21, B: 1e20, C: 0.00001, D: 1.0, E: -0.0, F: .inf, G: .nan, H: 100000.0,\n"
        "  I: 1e6, J: 1234567.5, K: 0.0001, L: 99999999999999999999, M: -1.5e-7}"
    ),
    "environment of a date": service("environment: {A: 2024-01-01}"),
    "environment bare set": service("environment:\n  - OUTER"),
    "environment bare unset": service("environment:\n  - NOWHERE"),
    "environment null": service("environment:\n  OUTER:\n  NOWHERE:"),
    "environment of nothing": service("environment:"),
    "environment twice": service("environment: [A=1, B=2, A=3, B]"),
    "environment of a text": service("environment: A=1"),
    "environment of lists": service("environment: {A: [1]}"),
    "interpolation": service("environment:\n  A: ${OUTER}-$OUTER\n  B: ${NO:-d}\n  C: ${NO-e}"),
    "interpolation alternatives": service(
        "environment:\n  A: ${OUTER:+x}\n  B: ${NO:+x}\n  C: ${EMPTY:-d}\n  D: ${EMPTY-d}\n"
        "  E: ${EMPTY:+x}\n  F: ${EMPTY+x}\n  G: ${NO+x}"
    ),
    "interpolation nested": service("environment:\n  A: ${NO:-${OUTER}-${NONE:-z}}"),
    "interpolation of braces": service("environment:\n  A: '${NO:-{a}}'\n  B: '${NO:-{}}'"),
    "interpolation of values": service("environment:\n  A: $DOLLAR\n  B: ${DOLLAR:-x}"),
    "interpolation of keys": service("environment:\n  ${OUTER}: x"),
    "interpolation over lines": service("environment:\n  A: |\n    ${NO:-a\n    b}"),
    "interpolation required": service("environment:\n  A: ${NO:?say it}"),
    "interpolation required and empty": service("environment:\n  A: ${EMPTY?say it}"),
    "interpolation required and there": service("environment:\n  A: ${OUTER:?say it}"),
    "interpolation bad": service("environment:\n  A: ${NO!}"),
    "interpolation bad and unused": service("environment:\n  A: ${OUTER:-${}}"),
    "interpolation of a flag": service("tty: ${NO:-yes}"),
    "interpolation of no flag": service("tty: ${NO}"),
    "interpolation of the name": service("environment:\n  A: ${COMPOSE_PROJECT_NAME:+named}"),
    "dotenv": service(
        "environment:\n  A: ${FROM_DOTENV}\n  B: $OUTER", _env="FROM_DOTENV=1\nOUTER=no\n"
    ),
    "dotenv of variables": service(
        "environment: [A, B, C]", _env="A=$OUTER\nB=${A:-x}\nC='${A}'\n"
    ),
    "dotenv off": ComposeProject(
        service("environment: [A]", _env="A=1\n").files,
        environ={"COMPOSE_DISABLE_ENV_FILE": "true"},
    ),
    "dotenv off, or not": ComposeProject(
        service("environment: [A]").files, environ={"COMPOSE_DISABLE_ENV_FILE": "maybe"}
    ),
    "env files of the command": ComposeProject(
        service("environment: [A, B, C]", _env="C=1\n", a_env="A=1\nB=1\n", b_env="B=$A$B\n").files,
        env_files=("a.env", "b.env"),
    ),
    "env file of the command missing": ComposeProject(service("").files, env_files=("gone.env",)),
    "env_file": service(
        "env_file: a.env\nenvironment:\n  A: over",
        a_env="A=1\nB='x y' # c\nC=\"q\\n\"\nexport D=4\nE=5 # five\nF=a#b\n",
    ),
    "env_file forms": service(
        "env_file: a.env",
        a_env="\ufeffA = 1\nB: 2\nC=\nD=\"a\nb\"\nE='a\\n'\nF=$OUTER-${NO:-$B}\n# c\n  G=x\\ty\n"
        'H="x\\ty\\$z\\\\"\nI=#x\nJ= #x\nexport\tK=1\nOUTER\nNOWHERE\nL-M.N[0]=1\n',
    ),
    "env_file without a line break": service("env_file: a.env", a_env="A=1\nB"),
    "env_file of Windows": service("env_file: a.env", a_env="A=1\r\nB='2'\r\nC\r\n"),
    "env_file of two on a line": service("env_file: a.env", a_env="A='1' B='2'\nC=3 D=4\n"),
    "env_file of a blank name": service("env_file: a.env", a_env="A B=1\n"),
    "env_file of an odd name": service("env_file: a.env", a_env="A@B=1\n"),
    "env_file with an open quote": service("env_file: a.env", a_env="A='1\nB=2\n"),
    "env_file with a bad variable": service("env_file: a.env", a_env="A=${}\n"),
    "env_files": service(
        "env_file:\n  - a.env\n  - path: b.env\n    required: false", a_env="A=1\nB=${A}\n"
    ),
    "env_files in order": service(
        "env_file: [a.env, b.env]\nenvironment: {C: own, D: }",
        a_env="A=1\nB=1\nD=1\n", b_env="B=2$A$C\nC=2\n",
    ),
    "env_file raw": service(
        "env_file: [{path: a.env, format: raw}]",
        a_env="A='x'\nB=$OUTER\n# c\n  C=a # b\nD= x \nOUTER\nNO\n",
    ),
    "env_file raw with a blank": service(
        "env_file: [{path: a.env, format: raw}]", a_env="A B=1\n"
    ),
    "env_file of an unknown format": service("env_file: [{path: a.env, format: x}]", a_env="A=1"),
    "env_file missing": service("env_file: none.env"),
    "env_file of no text": service("env_file: 5"),
    "label_file": service("label_file: a.env\nlabels: {b: 1}", a_env="a=1\nb=2\n"),
    "labels": service("labels: [a=b, c]"),
    "ports": service('ports:\n  - "8000:5000"\n  - "127.0.0.1:81:80/udp"\n  - 9000'),
    "ports long": service(
        "ports:\n  - target: 80\n    published: '8080'\n    host_ip: 127.0.0.1\n  - target: 81"
    ),
    "ports of variables": service('ports: ["${NO:-8000}:5000"]'),
    "port range": service('ports: ["7000-7001:5000-5001"]'),
    "port bad": service('ports: ["x:80"]'),
    "other fields": service("working_dir: /srv\nuser: '1000:1000'\ntty: true"),
    "words for flags": service("tty: 'on'\nstdin_open: 'off'\nprivileged: 'no'"),
    "user of a number": service("user: 1000"),
    "extension": service("x-note: 1"),
    "unknown key": service("comand: flask"),
    "unknown key below": service("healthcheck: {tset: x}"),
    "a wrong choice": service("pull_policy: sometimes"),
    "a list of equals": service("security_opt: [a, a]"),
    "a number out of range": service("scale: -1"),
    "no duration": service("stop_grace_period: soon"),
    "durations": service("stop_grace_period: 1m30.5s\nhealthcheck: {test: x, interval: 1d}"),
    "no size": service("mem_limit: much"),
    "no number": service("deploy: {resources: {limits: {cpus: many}}}"),
    "no device": service("devices: ['a:b:c:d']"),
    "no group": service("group_add: [1.5]"),
    "no card": service("gpus: [{count: some}]"),
    "no rate": service("blkio_config: {device_read_bps: [{path: a, rate: fast}]}"),
    "cards and groups": service("gpus: [{count: all}, {count: 2}]\ngroup_add: [1, a]\ndevices: ['a:b:r']"),
    "an address of six": service("ports: ['[::1]:80:80']"),
    "sizes": service("mem_limit: 1.5gb\nshm_size: 64\nmemswap_limit: -1"),
    "unknown top": project({"compose.yaml": "servces: {}\nservices: {web: {image: a}}\n"}),
    "version 1": project({"compose.yaml": "web: {image: a}\n"}),
    "version": project({"compose.yaml": "version: '2.4'\nservices: {web: {image: a}}\n"}),
    "no services": project({"compose.yaml": "version: '3'\n"}),
    "services of nothing": project({"compose.yaml": "services:\n"}),
    "a service of nothing": project({"compose.yaml": "services: {web: }\n"}),
    "networks alone": project({"compose.yaml": "networks: {a: }\n"}),
    "neither image nor build": project({"compose.yaml": "services: {web: {command: x}}\n"}),
    "duplicate key": service("command: a\ncommand: b"),
    "services as list": project({"compose.yaml": "services: [web]\n"}),
    "ports as text": service("ports: {a: 1}"),
    "a document of nothing": project({"compose.yaml": "services: {web: {image: a}}\n---\n"}),
    "two documents": project(
        {"compose.yaml": "services: {web: {image: a}}\n---\nservices: {web: {command: b}}\n"}
    ),
    "anchors": project({
        "compose.yaml": "x-base: &b\n  image: shop\n  environment: &e {A: '1'}\n"
        "services:\n  web:\n    <<: *b\n    environment:\n      <<: *e\n      B: '2'\n"
    }),
    "JSON": project({"compose.yaml": '{"services": {"web": {"image": "a", "command": "b"}}}'}),
    "profiles": project({
        "compose.yaml": "services:\n  web: {image: a}\n  dev: {image: b, profiles: [dev]}\n"
    }),
    "profiles asked for": ComposeProject(
        {"compose.yaml": "services: {a: {image: a, profiles: [x]}, b: {image: b, profiles: [y]}}"},
        profiles=("y",),
    ),
    "all profiles": ComposeProject(
        {"compose.yaml": "services: {a: {image: a, profiles: [x]}, b: {image: b, profiles: [y]}}"},
        profiles=("*",),
    ),
    "profiles of a variable": ComposeProject(
        {"compose.yaml": "services: {a: {image: a, profiles: [x]}, b: {image: b, profiles: [y]}}",
         ".env": "COMPOSE_PROFILES=z, x\n"},
    ),
    "a dependency in a profile": project({
        "compose.yaml": "services: {a: {image: a, depends_on: [b]}, b: {image: b, profiles: [x]}}"
    }),
    "a dependency that may be missing": project({
        "compose.yaml": "services: {a: {image: a, depends_on: {b: {condition: service_started, "
        "required: false}}}, b: {image: b, profiles: [x]}}"
    }),
    "a dependency that is nowhere": service("depends_on: [gone]"),
    "a link that is nowhere": service("links: ['gone:x']"),
    "a namespace that is nowhere": service("pid: service:gone"),
    "a circle of dependencies": project({
        "compose.yaml": "services: {a: {image: a, depends_on: [b]}, b: {image: b, links: [a]}}"
    }),
    "an undefined network": service("networks: [n]"),
    "an undefined secret": service("secrets: [n]"),
    "an undefined model": service("models: [n]"),
    "an undefined volume": service("volumes: ['data:/data']"),
    "a network and a mode": service("network_mode: host\nnetworks: [default]"),
    "a secret of nothing": service("", other="").__class__(
        {"compose.yaml": "services: {web: {image: a}}\nsecrets: {s: {}}\n"}
    ),
    "a config of two things": project({
        "compose.yaml": "services: {web: {image: a}}\nconfigs: {s: {file: a, content: b}}\n"
    }),
    "scale 0": service("scale: 0"),
    "replicas 0": service("deploy: {replicas: 0}"),
    "two numbers of replicas": service("deploy: {replicas: 2}\nscale: 3"),
    "limits that differ": service("mem_limit: 5m\ndeploy: {resources: {limits: {memory: 6m}}}"),
    "a name for two": service("container_name: shop\nscale: 2"),
    "a provider": project({
        "compose.yaml": "services: {db: {provider: {type: x}}, web: {image: a, depends_on: [db]}}"
    }),
    "a development section": service(
        "develop: {watch: [{path: ., action: sync, target: /app}]}\npost_start: [{command: ls}]"
    ),
    "a watch without a target": service("develop: {watch: [{path: ., action: sync}]}"),
    "override": ComposeProject({
        **service("command: a\nenvironment: [A=1, B=1]\nports: ['1:1']").files,
        "compose.override.yaml": "services:\n  web:\n    command: b\n"
        "    environment: {B: '2'}\n    ports: ['2:2']\n",
    }),
    "override of nothing": ComposeProject({
        **service("command: a").files, "compose.override.yaml": "# later\n",
    }),
    "override of a new service": laid("command: a").__class__({
        **service("").files, "compose.override.yaml": "services: {b: {image: b}}\n",
    }),
    "laid environment forms": laid(
        "environment: {A: 1, B: 2.0, C: true}", "environment: [A, B=x]", "environment: {C: , D: 1}"
    ),
    "laid commands": laid("command: a\nentrypoint: [b]", "command: [c]\nentrypoint: d"),
    "laid nothing over commands": laid("command: a\nentrypoint: b\nuser: c", "command:\nentrypoint:"),
    "laid texts": laid("user: a\nworking_dir: /a\ntty: true", "user: b\nworking_dir: /b\ntty: false"),
    "laid ports": laid(
        "ports: ['80:80', '81:81']", "ports: [{target: 80, published: '80'}, '82:82', '0.0.0.0:81:81']"
    ),
    "laid labels": laid("labels: [a=1, b=1]", "labels: {b: 2, c: }"),
    "laid env_files": ComposeProject({
        **laid("env_file: a.env", "env_file: [{path: b.env, required: false}, a.env]").files,
        "a.env": "A=a\nB=a\n", "b.env": "A=b\n",
    }, ("0.yaml", "1.yaml")),
    "laid a list over a mapping": laid("healthcheck: {test: x}", "healthcheck: [x]"),
    "laid a text over a list": laid("cap_add: [A]", "cap_add: A"),
    "laid what is wrong": laid("command: a", "comand: b"),
    "reset": laid("command: a\nenvironment: {A: 1, B: 1}", "command: !reset\nenvironment: {A: !reset }"),
    "reset in a list": laid("environment: [A=1]", "environment: {A: !reset }"),
    "reset of the image": laid("command: a", "image: !reset"),
    "reset of a service": ComposeProject({
        "compose.yaml": "services: {a: {image: a}, b: {image: b}}\n",
        "compose.override.yaml": "services: {b: !reset }\n",
    }),
    "reset and set later": laid("command: a", "command: !reset", "command: c"),
    "reset at once": service("command: !reset flask run\nuser: !reset a"),
    "reset of a member": laid("ports: ['80:80']", "ports: [!reset '80:80', '81:81']"),
    "override by tag": laid(
        "environment: {A: 1}\nports: ['80:80']", "environment: !override {B: 2}\nports: !override ['81:81']"
    ),
    "override by tag of a service": ComposeProject({
        "compose.yaml": "services: {a: {image: a, command: a, user: a}}\n",
        "compose.override.yaml": "services: {a: !override {image: b, user: b}}\n",
    }),
    "override by tag in a mapping": laid(
        "healthcheck: {test: x, retries: 3}\nlabels: {a: 1, b: 2}",
        "healthcheck: !override {test: y}\nlabels: !override {c: 3}",
    ),
    "extends": project({
        "compose.yaml": "services:\n  base: {image: shop, command: a, environment: {A: 1, B: 1}}\n"
        "  web: {extends: base, environment: [B=2]}\n"
    }),
    "extends of a chain": project({
        "compose.yaml": "services:\n  c: {extends: {service: b}, user: c}\n"
        "  b: {extends: a, command: b, ports: ['2:2']}\n  a: {image: a, command: a, ports: ['1:1']}\n"
    }),
    "extends of a file": project({
        "compose.yaml": "services: {web: {extends: {file: sub/base.yaml, service: base}}}\n",
        "sub/base.yaml": "services:\n  base: {image: a, env_file: [a.env, ../b.env], command: $A-$OUTER}\n"
        "  odd: {nonsense: 1}\nfoo: 1\n",
        "sub/a.env": "X=sub\n", "b.env": "Y=top\n", "sub/.env": "A=sub\n", ".env": "A=top\n",
    }),
    "extends through files": project({
        "compose.yaml": "services: {web: {extends: {file: a/a.yaml, service: a}, command: w}}\n",
        "a/a.yaml": "services: {a: {extends: {file: b/b.yaml, service: b}, env_file: e}}\n",
        "a/b/b.yaml": "services: {b: {extends: c, env_file: e}, c: {image: c, labels: [c=1]}}\n",
        "a/e": "A=a\nB=a\n", "a/b/e": "A=b\nC=b\n",
    }),
    "extends of what is reset": project({
        "compose.yaml": "services:\n  a: {image: x, command: c, environment: {A: 1, B: 2}}\n"
        "  b: {extends: a, command: !reset , environment: {A: !reset }}\n"
    }),
    "extends of what is overridden": project({
        "compose.yaml": "services: {b: {extends: {file: base.yaml, service: base}, "
        "environment: !override {C: 3}, command: x}}\n",
        "base.yaml": BASE,
    }),
    "extends with a profile": project({
        "compose.yaml": "services: {a: {image: a, profiles: [p]}, b: {extends: a}}\n"
    }),
    "extends with a dependency": project({
        "compose.yaml": "services: {b: {extends: {file: base.yaml, service: a}}}\n",
        "base.yaml": "services: {a: {image: a, depends_on: [c]}, c: {image: c}}\n",
    }),
    "extends over files": ComposeProject({
        "compose.yaml": "services: {a: {image: a, command: a}, b: {extends: a}}\n",
        "compose.override.yaml": "services: {a: {command: o, user: o}, b: {user: b}}\n",
    }),
    "extends of another file's": ComposeProject({
        "compose.yaml": "services: {a: {image: a, command: a}}\n",
        "compose.override.yaml": "services: {b: {extends: a}}\n",
    }),
    "extends of itself": project({"compose.yaml": "services: {a: {extends: a}}\n"}),
    "extends in a circle": project({
        "compose.yaml": "services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}\n"
    }),
    "extends in a circle of files": project({
        "compose.yaml": "services: {a: {extends: {file: b.yaml, service: b}}}\n",
        "b.yaml": "services: {b: {extends: {file: compose.yaml, service: a}}}\n",
    }),
    "extends of nothing": service("extends: gone"),
    "extends of no file": service("extends: {file: gone.yaml, service: a}"),
    "extends of nothing in a file": ComposeProject({
        **service("extends: {file: base.yaml, service: gone}").files, "base.yaml": BASE,
    }),
    "extends without a service": service("extends: {file: base.yaml}"),
    "extends of an empty service": project({
        "compose.yaml": "services: {a: {image: a, extends: {file: b.yaml, service: b}}}\n",
        "b.yaml": "services: {b: }\n",
    }),
    "extends of what is wrong": project({
        "compose.yaml": "services: {a: {image: a, extends: {file: b.yaml, service: b}}}\n",
        "b.yaml": "services: {b: {comand: x}}\n",
    }),
    "extends of a file whose other services are wrong": ComposeProject({
        **service("extends: {file: base.yaml, service: base}").files,
        "base.yaml": f"{BASE[:-2]}, other: {{ports: '80'}}}}\n",
    }),
    "extends of a file with no port in another service": ComposeProject({
        **service("extends: {file: base.yaml, service: base}").files,
        "base.yaml": f"{BASE[:-2]}, other: {{ports: ['x:80']}}}}\n",
    }),
    "include": project({
        "compose.yaml": "include: [sub/base.yaml]\nservices: {web: {image: a, environment: [X, Y]}}\n",
        "sub/base.yaml": "services: {base: {image: '$X-$Y', command: '$$x $X$Y', env_file: e,\n"
        "  environment: [X, Y]}}\n",
        "sub/.env": "X=sub\nY=sub\n", "sub/e": "E=$Y\n", ".env": "X=top\n",
    }),
    "include of bare names": project({
        "compose.yaml": "include: [sub/base.yaml]\n",
        "sub/base.yaml": "services: {base: {image: a, environment: {X: , Y: }}}\n",
        "sub/.env": "X=sub\nY=sub\n", ".env": "X=top\n",
    }),
    "include in the long form": project({
        "compose.yaml": "include: [{path: [sub/a.yaml, b.yaml], project_directory: ., env_file: [q.env]}]\n",
        "b.yaml": "services: {a: {command: $Q}}\n",
        "sub/a.yaml": "services: {a: {image: j, env_file: f.env}}\n", "q.env": "Q=1\n", "f.env": "F=1\n",
    }),
    "include of includes": project({
        "compose.yaml": "include: [a/a.yaml]\n",
        "a/a.yaml": "include: [b/b.yaml]\nservices: {a: {image: a, env_file: e}}\n",
        "a/b/b.yaml": "services: {b: {image: '$V', env_file: e}}\n",
        "a/e": "A=a\n", "a/b/e": "B=b\n", "a/.env": "V=a\n", "a/b/.env": "V=b\n",
    }),
    "include and extends": project({
        "compose.yaml": "include: [sub/base.yaml]\n",
        "sub/base.yaml": "services: {a: {extends: {file: x/x.yaml, service: x}}}\n",
        "sub/x/x.yaml": "services: {x: {image: x, env_file: e}}\n", "sub/x/e": "X=1\n",
    }),
    "include and override": ComposeProject({
        "compose.yaml": "include: [base.yaml]\n", "base.yaml": BASE,
        "compose.override.yaml": "services: {base: {command: x, environment: !override [B=2]}}\n",
    }),
    "include of the same": project({
        "compose.yaml": "include: [base.yaml]\nservices: {a: {image: i}}\n",
        "base.yaml": "services: {a: {image: i}}\n",
    }),
    "include of another": project({
        "compose.yaml": "include: [base.yaml]\nservices: {a: {image: i}}\n",
        "base.yaml": "services: {a: {image: j}}\n",
    }),
    "include of one twice": project({
        "compose.yaml": "include: [a.yaml, b.yaml]\n", "base.yaml": BASE,
        "a.yaml": "include: [base.yaml]\n", "b.yaml": "include: [base.yaml]\n",
    }),
    "include in a circle": project({
        "compose.yaml": "include: [a.yaml]\n", "a.yaml": "include: [compose.yaml]\n",
    }),
    "include of nothing": project({"compose.yaml": "include: [gone.yaml]\n"}),
    "include of a text": project({"compose.yaml": "include: gone.yaml\n"}),
    "include of no env file": project({
        "compose.yaml": "include: [{path: base.yaml, env_file: gone.env}]\n", "base.yaml": BASE,
    }),
    "include of what is wrong": project({
        "compose.yaml": "include: [base.yaml]\n", "base.yaml": f"{BASE}foo: 1\n",
    }),
    "include of networks": project({
        "compose.yaml": "include: [base.yaml]\nservices: {web: {image: a, networks: [n], models: [model]}}\n",
        "base.yaml": "networks: {n: }\nmodels: {model: {model: x}}\n",
    }),
    "include of profiles": project({
        "compose.yaml": "include: [base.yaml]\n",
        "base.yaml": "services: {a: {image: a, profiles: [x]}, b: {image: b}}\n",
    }),
    "a key with dots": laid("").__class__({
        "0.yaml": "services: {a.b: {image: x, command: [a]}}\n", "1.yaml": "services: {a.b: {command: [b]}}\n",
    }, ("0.yaml", "1.yaml")),
    "limits of files": laid("ulimits: {nofile: {soft: 1, hard: 2}}", "ulimits: {nofile: {soft: 5}}"),
    "a bad project name": ComposeProject(
        service("").files, environ={"COMPOSE_PROJECT_NAME": "Not a name"}
    ),
    "a project name": ComposeProject(
        service("command: $COMPOSE_PROJECT_NAME").files, environ={"COMPOSE_PROJECT_NAME": "shop"}
    ),
    "a project name in the file": project(
        {"compose.yaml": "name: My-${NO:-shop}\nservices: {a: {image: '$COMPOSE_PROJECT_NAME'}}\n"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_is_resolved_as_compose_resolves_it(name: str, tmp_path: Path) -> None:
    case = PROJECTS[name]
    case.write(tmp_path)
    theirs, ours = case.theirs(tmp_path), case.ours(tmp_path)
    if isinstance(theirs, str):
        assert isinstance(ours, InputError), theirs
        assert not isinstance(ours, LimitError | UnsupportedError)
        assert ours.location is not None
    else:
        assert ours == theirs


# Read once more: what has dollars, bare names, commands, ports or files in many forms.
READ_AGAIN = (
    "dollars alone", "command of a shell", "command with substitutions", "command empty",
    "entrypoint empty", "environment floats", "environment bare unset", "interpolation of values",
    "env_file forms", "env_file raw", "labels", "ports long", "laid ports", "words for flags",
    "profiles of a variable", "scale 0", "extends through files", "include of includes",
    "a provider",
)  # fmt: skip


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("name", READ_AGAIN)
def test_what_config_prints_is_the_same_project(name: str, form: str, tmp_path: Path) -> None:
    case = PROJECTS[name]
    case.write(tmp_path)
    assert case.printed(tmp_path, form) == case.ours(tmp_path)
