"""Who reaches a server that listens in a declared container, for tests of what leads to it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from deployguard import exposure
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.inputs.kubernetes.containers import containers
from deployguard.inputs.kubernetes.manifests import read
from deployguard.inputs.kubernetes.objects import file_objects
from deployguard.inputs.kubernetes.traffic import traffic
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason, Traced
from deployguard.model.facts import (
    Facts,
    Listener,
    ProgramClass,
    ProgramFacts,
    Reach,
)
from deployguard.model.filesystem import Unread
from deployguard.model.process import Program, ProgramKind
from deployguard.model.traffic import Traffic
from tests.support.reports import process

PLACE = Location("app.py", line=1)
DEPLOYMENT = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    metadata: {labels: {app: shop, tier: front}}
    spec:
      containers:
      - {name: web, image: shop, ports: [{name: http, containerPort: 5000}]}
"""


def thing(version: str, kind: str, spec: str, metadata: str = "name: x") -> str:
    """Return one object, its parts in flow style."""
    return f"---\napiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n"


def service(spec: str, name: str = "shop", namespace: str = "") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return thing("v1", "Service", spec, f"name: {name}{place}")


def policy(spec: str, name: str = "deny", namespace: str = "") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return thing("networking.k8s.io/v1", "NetworkPolicy", spec, f"name: {name}{place}")


SELECTED = "selector: {app: shop}, ports: [{port: 80, targetPort: 5000}]"
CLUSTER_IP = service(SELECTED)
NODE_PORT = service(f"{SELECTED}, type: NodePort")
INGRESS = thing(
    "networking.k8s.io/v1",
    "Ingress",
    "defaultBackend: {service: {name: shop, port: {number: 80}}}",
)


class NoImages:
    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def listener(
    address: str | None = "0.0.0.0", port: int | None = 5000, debugger: Answer = Answer.YES
) -> Listener:
    note = Evidence(PLACE, f"it listens on {address}")
    return Listener(address=address, port=port, debugger=debugger, location=PLACE, evidence=(note,))


def program(
    *listeners: Listener, server: str = "werkzeug", facts: Facts | None = None
) -> ProgramFacts:
    return ProgramFacts(
        program=Program(
            kind=ProgramKind.ENTRY_POINT, name="flask", args=(), process=process(), location=PLACE
        ),
        kind=ProgramClass.FLASK,
        server=server,
        facts=facts or Facts(),
        listeners=listeners,
    )


def manifests(text: str, file: str = "app.yaml") -> tuple[tuple[ContainerSpec, ...], Traffic]:
    """Return the containers of manifests, and what they declare around them."""
    found = read([(file, text.encode())])
    return containers(found, file, file_objects(found), NoImages()), traffic(found)


def in_cluster(
    texts: str | Iterable[tuple[str, str]],
    address: str | None = "0.0.0.0",
    port: int | None = 5000,
    subject: str | None = None,
) -> Reach:
    """Return who reaches a listener in a container: the first, or the one of a subject.

    Several targets are given as place and text; the container is sought in all of them.
    """
    targets = [("", texts)] if isinstance(texts, str) else list(texts)
    read_ones = [(place, *manifests(text)) for place, text in targets]
    declared = [exposure.Declared(around, place) for place, _, around in read_ones]
    for (_, specs, _), around in zip(read_ones, exposure.surroundings(declared), strict=True):
        for spec in specs:
            if subject in (None, spec.subject):
                return exposure.reach(spec, (program(listener(address, port)),), around)
    raise LookupError(subject)


def project(folder: Path, files: Mapping[str, str], **environ: str) -> tuple[ContainerSpec, ...]:
    """Return the services of a compose project."""
    for name, text in files.items():
        (folder / name).write_text(text)
    given = [(str(folder / name), text.encode()) for name, text in files.items()]
    return load(given, ComposeOptions(environ=environ), NoImages(), "compose.yaml")


def in_project(
    folder: Path, text: str, service: str = "web", address: str = "0.0.0.0", port: int | None = 5000
) -> Reach:
    """Return who reaches a listener in a service of a compose file."""
    specs = project(folder, {"compose.yaml": text})
    (spec,) = (spec for spec in specs if spec.name == service)
    return exposure.reach(spec, (program(listener(address, port)),))


def shown(reach: Reach) -> str:
    """Return the scope, or what is missing."""
    return reach.scope or "unknown: " + "; ".join(entry.what for entry in reach.claim.missing)
