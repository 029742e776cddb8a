"""An input for each reason that can stand in `missing`, and what supplies what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployguard.model.evidence import Reason
from tests.support.contexts import DOCKERFILE, HELLO

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
    - name: web
      image: shop:1
      command: [flask, run]
"""
CONFIG_MAP = (
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {KEY: value}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Files beside or over those of the build context, and the target to scan.

    `supplied` are the files that supply what is missing; None where nothing in the input can.
    `engine` asks for a real engine.
    """

    files: Mapping[str, str | bytes]
    target: str = "compose.yaml"
    images: str = "never"
    engine: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    supplied: Mapping[str, str | bytes] | None = None


def compose(command: str, *more: str) -> str:
    """Return a project that builds the context and starts a command."""
    fields = "".join(f"    {line}\n" for line in more)
    return f"services:\n  web:\n    build: .\n    command: {command}\n{fields}"


def variable(source: str) -> str:
    """Return a Pod whose FLASK_DEBUG comes from elsewhere."""
    return f"{POD}      env: [{{name: FLASK_DEBUG, valueFrom: {{{source}}}}}]\n"


def served(debug: str) -> str:
    """Return an application that is served with debug set so."""
    imports = "import os, random, socket\n"
    return f"{imports}{HELLO}\napp.run(debug={debug})\n"


RUNS = compose("python own.py")
REACHED = "flask run --host 0.0.0.0 --port 5000"
ON_A_NETWORK = compose(REACHED, "networks: [n]")
INSIDE = "{name: shop, namespace: a}"
LISTENING = POD.replace("{name: shop}", "{name: shop, namespace: a, labels: {app: shop}}").replace(
    "[flask, run]", f"[{REACHED.replace(' ', ', ').replace('5000', repr('5000'))}]"
)
SERVICE = f"""\
---
apiVersion: v1
kind: Service
metadata: {INSIDE}
spec: {{selector: {{app: shop}}, ports: [{{port: 80, targetPort: 5000}}]}}
"""
INGRESS = """\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {defaultBackend: {service: {name: shop, port: {number: 80}}}}
"""
ROUTE = f"""\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {INSIDE}
spec: {{parentRefs: [{{name: gate}}], rules: [{{backendRefs: [{{name: shop, port: 80}}]}}]}}
"""
GATEWAY = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gate, namespace: a}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
"""
PLAIN = {"files/srv/app/own.py": served("True")}
SHELL = {"files/usr/bin/sh": b"\x7fELF"}
CASES: dict[Reason, Case] = {
    Reason.IMAGE: Case(
        files={"pod.yaml": POD.replace("      image: shop:1\n", "")},
        target="pod.yaml",
        supplied={"pod.yaml": POD},
    ),
    Reason.IMAGE_NOT_LOOKED_UP: Case(
        files={"compose.yaml": "services: {web: {image: shop}}"},
        supplied={"compose.yaml": compose("flask run")},
    ),
    Reason.IMAGE_NOT_FOUND: Case(
        files={"pod.yaml": POD.replace("shop:1", "acme/nowhere:1")},
        target="pod.yaml",
        images="engine",
        engine=True,
    ),
    Reason.IMAGE_NO_ACCESS: Case(
        files={"pod.yaml": POD},
        target="pod.yaml",
        images="auto",
        environ={"DOCKER_HOST": "unix:///nonexistent/docker.sock"},
    ),
    Reason.FILE: Case(
        files={"Dockerfile": f"{DOCKERFILE}COPY gone.py own.py\n", "compose.yaml": RUNS},
        supplied={"gone.py": served("False")},
    ),
    Reason.MOUNT: Case(
        files={"compose.yaml": RUNS + "    volumes: ['code:/srv/app']\nvolumes: {code: }\n"},
        supplied={"compose.yaml": RUNS + "    volumes: ['./code:/srv/app']\n", "code/own.py": served("True")},
    ),
    Reason.TEXT: Case(
        files={"compose.yaml": compose("sh start.sh"), "files/srv/app/start.sh": b"flask run\n\0", **SHELL},
        supplied={"files/srv/app/start.sh": "exec flask run\n"},
    ),
    Reason.VARIABLE: Case(
        files={"compose.yaml": compose("sh -c 'case $$RANDOM in 1) flask run;; esac'"), **SHELL},
        supplied={"compose.yaml": compose("sh -c 'case 1 in 1) flask run;; esac'")},
    ),
    Reason.CONFIG_MAP: Case(
        files={"pod.yaml": variable("configMapKeyRef: {name: settings, key: KEY}")},
        target="pod.yaml",
        supplied={"pod.yaml": variable("configMapKeyRef: {name: settings, key: KEY}") + CONFIG_MAP},
    ),
    Reason.CONFIG_MAP_KEY: Case(
        files={"pod.yaml": variable("configMapKeyRef: {name: settings, key: OTHER}") + CONFIG_MAP},
        target="pod.yaml",
        supplied={"pod.yaml": variable("configMapKeyRef: {name: settings, key: OTHER}")
                  + CONFIG_MAP.replace("KEY", "OTHER")},
    ),
    Reason.SECRET: Case(
        files={"pod.yaml": variable("secretKeyRef: {name: keys, key: KEY}")},
        target="pod.yaml",
        supplied={"pod.yaml": f"{POD}      env: [{{name: FLASK_DEBUG, value: '1'}}]\n"},
    ),
    Reason.FIELD: Case(
        files={"pod.yaml": variable("fieldRef: {fieldPath: status.podIP}")},
        target="pod.yaml",
        supplied={"pod.yaml": f"{POD}      env: [{{name: FLASK_DEBUG, value: '1'}}]\n"},
    ),
    Reason.RUNNING: Case(
        files={"compose.yaml": RUNS, "files/srv/app/own.py": served("os.environ['HOSTNAME'] == 'dev'")},
        supplied={"compose.yaml": RUNS + "    environment: {HOSTNAME: dev}\n"},
    ),
    Reason.INPUT: Case(
        files={"compose.yaml": compose("sh -c 'read x; flask $$x'", "tty: true"), **SHELL},
        supplied={"compose.yaml": compose("sh -c 'x=run; flask $$x'", "tty: true")},
    ),
    Reason.VERSION: Case(
        files={"pod.yaml": f"{POD}      env: [{{name: FLASK_DEBUG, value: '1'}}]\n"},
        target="pod.yaml",
    ),
    Reason.COMMAND: Case(
        files={"compose.yaml": compose("sh -c 'flask run --$$(acme-start)'"), **SHELL},
        supplied={"compose.yaml": compose("sh -c 'flask run --debug'")},
    ),
    Reason.SCRIPT: Case(
        files={"compose.yaml": compose("""sh -c 'x=$$(printf "%q" run); flask $$x'"""), **SHELL},
        supplied={"compose.yaml": compose("sh -c 'exec flask run'")},
    ),
    Reason.SOURCE: Case(
        files={"compose.yaml": RUNS, "files/srv/app/own.py": served("id(app) % 2")}, supplied=PLAIN
    ),
    Reason.LIBRARY: Case(
        files={
            "compose.yaml": RUNS,
            "files/srv/app/own.py": "from acme import debug\n" + served("debug"),
            "files/srv/app/acme.so": b"\x7fELF",
        },
        supplied=PLAIN,
    ),
    Reason.PROGRAM: Case(
        files={"compose.yaml": compose("/usr/local/bin/acme-start")},
        supplied={"compose.yaml": compose("gunicorn hello:app")},
    ),
    Reason.ADDRESS: Case(
        files={"compose.yaml": compose("gunicorn --bind fd://3 hello:app")},
        supplied={"compose.yaml": compose("gunicorn --bind 127.0.0.1:80 hello:app")},
    ),
    Reason.LIMIT: Case(
        files={"compose.yaml": RUNS, "files/srv/app/own.py": f"x = 0\nwhile x < 10**9:\n    x += 1\n{served('x')}"},
        supplied=PLAIN,
    ),
    Reason.RUN: Case(
        files={"Dockerfile": f"{DOCKERFILE}RUN make install\n", "compose.yaml": RUNS},
        supplied={"Dockerfile": DOCKERFILE, **PLAIN},
    ),
    Reason.NETWORK: Case(
        files={"compose.yaml": ON_A_NETWORK + "networks: {n: {driver: acme}}\n"},
        supplied={"compose.yaml": ON_A_NETWORK + "networks: {n: {driver: bridge}}\n"},
    ),
    Reason.OBJECT: Case(
        files={"pod.yaml": LISTENING + SERVICE + ROUTE},
        target="pod.yaml",
        supplied={"pod.yaml": LISTENING + SERVICE + ROUTE + GATEWAY},
    ),
    Reason.DEPLOYMENT: Case(
        files={"pod.yaml": LISTENING + SERVICE + INGRESS},
        target="pod.yaml",
        supplied={"pod.yaml": LISTENING + SERVICE + INGRESS.replace("{name: shop}", INSIDE)},
    ),
}  # fmt: skip
