from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from deployguard.inputs.kubernetes.manifests import read
from deployguard.inputs.kubernetes.schema import CONTAINER, POD_SPEC, TYPES, unknown_fields
from deployguard.model.container import ContainerSpec, Network
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Content, Unread
from tests.support.manifests import declared


def spec(fields: str = "", pod: str = "") -> ContainerSpec:
    """Return the last container of a Pod with further fields, in flow style."""
    text = (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {A: '1', f: x}}\n---\n# y\n"
        "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: [{port: 1}]}}\n---\n# y\n"
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: "
        f"{{containers: [{{name: web{fields}}}]{pod}}}}}"
    )
    return declared(f"# yaml\n{text}")[-1]


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_the_schema_is_read_or_known_to_change_nothing(name: str) -> None:
    known = TYPES[name]
    schema: dict[str, str] = getattr(client, f"V1{name}").attribute_map
    assert known.known == set(schema.values())
    assert not known.read & known.without_influence


def words(found: ContainerSpec) -> list[str | None]:
    parts = (found.entrypoint, found.cmd, *found.hooks)
    return [word.value for part in parts if part for word in part.value]


def value(found: ContainerSpec, name: str = "V") -> object:
    entry = found.env.get(name)
    return entry and (entry.value or tuple(one.what for one in entry.missing))


def mounted(found: ContainerSpec) -> object:
    [mount] = found.mounts
    if isinstance(mount.content, Unread):
        return mount.content.missing.what
    content = mount.content.read("/f")
    return content.data if isinstance(content, Content) else mount.content.list("/")


Read = tuple[str, str, Callable[[ContainerSpec], object], object]
VOLUME = ", volumes: [{name: v, configMap: {name: c}}]"
CONTAINER_FIELDS: dict[str, Read] = {
    "args": (", args: [a]", "", words, ["a"]),
    "command": (", command: [a]", "", words, ["a"]),
    "env": (", env: [{name: V, value: x}]", "", value, "x"),
    "envFrom": (", envFrom: [{configMapRef: {name: c}}]", "", lambda s: value(s, "A"), "1"),
    "image": (", image: x", "", lambda s: s.image, Unread(Missing(Reason.IMAGE, "the image x"))),
    "lifecycle": (", lifecycle: {postStart: {exec: {command: [a]}}}", "", words, ["a"]),
    "name": ("", "", lambda s: s.name, "web"),
    "ports": (", ports: [{containerPort: 5}]", "", lambda s: len(s.ports), 1),
    "securityContext": (
        ", securityContext: {runAsUser: 5}",
        "",
        lambda s: s.user and s.user.value,
        "5",
    ),
    "tty": (", tty: true", "", lambda s: s.terminal and s.terminal.value, True),
    "volumeMounts": (", volumeMounts: [{name: v, mountPath: /x}]", VOLUME, mounted, b"x"),
    "workingDir": (", workingDir: /x", "", lambda s: s.working_dir and s.working_dir.value, "/x"),
}


def field(path: str) -> str:
    return f", env: [{{name: V, valueFrom: {{fieldRef: {{fieldPath: {path}}}}}}}]"


OTHER = ", {0}: [{{name: o, image: z}}]"
POD_FIELDS: dict[str, Read] = {
    "containers": ("", "", lambda s: s.name, "web"),
    "initContainers": ("", OTHER.format("initContainers"), lambda s: s.name, "web"),
    "ephemeralContainers": ("", OTHER.format("ephemeralContainers"), lambda s: s.name, "o"),
    "enableServiceLinks": ("", ", enableServiceLinks: false", lambda s: s.env.get("DB_PORT"), None),
    "hostNetwork": ("", ", hostNetwork: true", lambda s: s.network, Network.HOST),
    "nodeName": (field("spec.nodeName"), ", nodeName: n1", value, "n1"),
    "nodeSelector": (
        ", image: x",
        ", nodeSelector: {kubernetes.io/os: windows}",
        lambda s: s.image,
        Unread(Missing(Reason.IMAGE, "the image x for Windows")),
    ),
    "os": (
        ", image: x",
        ", os: {name: windows}",
        lambda s: s.image,
        Unread(Missing(Reason.IMAGE, "the image x for Windows")),
    ),
    "securityContext": (
        "",
        ", securityContext: {runAsUser: 7}",
        lambda s: s.user and s.user.value,
        "7",
    ),
    "serviceAccount": (field("spec.serviceAccountName"), ", serviceAccount: a", value, "a"),
    "serviceAccountName": (field("spec.serviceAccountName"), ", serviceAccountName: a", value, "a"),
    "volumes": (", volumeMounts: [{name: v, mountPath: /x}]", VOLUME, mounted, b"x"),
}


def test_every_field_that_is_read_has_its_example() -> None:
    assert set(CONTAINER_FIELDS) == CONTAINER.read
    assert set(POD_FIELDS) == POD_SPEC.read


@pytest.mark.parametrize("name", [*CONTAINER_FIELDS, *(f"pod {name}" for name in POD_FIELDS)])
def test_a_field_that_is_read_shows_in_what_is_declared(name: str) -> None:
    table = POD_FIELDS if name.startswith("pod ") else CONTAINER_FIELDS
    fields, pod, look, expected = table[name.removeprefix("pod ")]
    assert look(spec(fields, pod)) == expected


def test_a_service_sets_its_variables_unless_links_are_off() -> None:
    assert value(spec(), "DB_SERVICE_PORT") == "1"
    assert value(spec(), "DB_PORT") == ("the address that the cluster gives the Service db",)


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        (", Env: []", "'Env' is no field of a container of the Pod p", "did you mean 'env'?"),
        (", enviroment: {}", "'enviroment' is no field", None),
        (", xyz: 1", "'xyz' is no field", None),
    ],
)
def test_a_field_that_the_api_lacks_is_noted(fields: str, message: str, hint: str | None) -> None:
    text = f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: w{fields}}}]}}}}"
    [note] = unknown_fields(read([("p.yaml", f"# yaml\n{text}".encode())]))
    assert message in note.message
    assert hint is None or (note.hint or "").startswith(hint)


def test_a_kind_of_ones_own_may_have_fields_of_its_own() -> None:
    text = "# y\n{apiVersion: x.example/v1, kind: Thing, metadata: {name: t}, spec: {template: {spec: {containers: [{name: w, own: 1}]}}}}"
    assert list(unknown_fields(read([("t.yaml", text.encode())]))) == []


def test_further_unknown_fields_are_counted() -> None:
    many: Any = ", ".join(f"no{number}: 1" for number in range(9))
    text = f"# y\n{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: w, {many}}}]}}}}"
    notes = [note.message for note in unknown_fields(read([("p.yaml", text.encode())]))]
    assert notes[-1] == "6 further fields are none of the API's"
