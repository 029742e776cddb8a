from itertools import pairwise

import pytest

from deployguard.errors import SyntaxInputError
from deployguard.inputs.kubernetes.expansion import Budget, expand
from deployguard.inputs.kubernetes.manifests import read
from deployguard.model.container import ContainerSpec, Network
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content, Unread
from tests.support.manifests import declared

HERE = Location("test")
SETTINGS = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {FLASK_DEBUG: "1", app.py: "print(1)"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {FLASK_DEBUG: "1"}
"""


def specs(text: str) -> tuple[ContainerSpec, ...]:
    return declared(text)


def container(fields: str = "", pod: str = "", more: str = SETTINGS) -> ContainerSpec:
    """Return the container of a Pod with further fields, in flow style."""
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: shop}}\n"
    comma = ", " if fields else ""
    text = f"{head}spec: {{containers: [{{name: web, image: shop:1{comma}{fields}}}]{pod}}}\n{more}"
    return specs(text)[0]


def nothing(_: str) -> Traced[str | None] | None:
    return None


def words(found: Traced[tuple[Traced[str | None], ...]] | None) -> list[str | None] | None:
    return None if found is None else [word.value for word in found.value]


def seen(spec: ContainerSpec, name: str) -> object:
    """Return a variable's value, ... where it cannot be seen, None where it is not set."""
    entry = spec.env.get(name)
    return None if entry is None else ... if entry.value is None else entry.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "a"),
        ("$(A)$(B)", "ab"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("$(NOPE)", "$(NOPE)"),
        ("$(A", "$(A"),
        ("$A ${A}", "$A ${A}"),
        ("x$", "x$"),
        ("$", "$"),
        ("", ""),
        ("$()", "$()"),
        ("$($(A)", "$($(A)"),
        ("a)$(A", "a)$(A"),
        ("$(HIDDEN)", None),
        ("$(A)$(HIDDEN)", None),
        ("$$(HIDDEN)", "$(HIDDEN)"),
    ],
)
def test_references_are_expanded_as_the_kubelet_does(text: str, expected: str | None) -> None:
    hidden = Traced[str | None](None, HERE, missing=(Missing(Reason.SECRET, "the Secret s"),))
    known: dict[str, Traced[str | None]] = {
        "A": Traced("a", HERE),
        "B": Traced("b", HERE),
        "HIDDEN": hidden,
    }
    found = expand(Traced(text, HERE), known.get, Budget())
    assert (found.value, bool(found.missing)) == (expected, expected is None)


def test_many_references_without_an_end_take_no_time() -> None:
    text = "$(" * 500_000
    assert expand(Traced(text, HERE), nothing, Budget()).value == text


def test_a_long_line_of_unclosed_references_before_a_closer_is_linear() -> None:
    text = "$(" * 100_000 + ")"
    assert expand(Traced(text, HERE), nothing, Budget()).value == text


def test_command_is_the_entrypoint_and_args_the_cmd() -> None:
    spec = container("command: [flask], args: [run, --debug]")
    assert (words(spec.entrypoint), words(spec.cmd)) == (["flask"], ["run", "--debug"])


@pytest.mark.parametrize("fields", ["", "command: [], args: []", "command: null, args: null"])
def test_empty_lists_keep_what_the_image_says(fields: str) -> None:
    spec = container(fields)
    assert spec.entrypoint is spec.cmd is None


def test_words_are_expanded_with_the_specs_own_variables() -> None:
    spec = container('args: ["$(A)", "$$(A)", "$(PATH)"], env: [{name: A, value: x}]')
    assert words(spec.cmd) == ["x", "$(A)", "$(PATH)"]


def test_later_variables_win_and_see_the_earlier() -> None:
    spec = container(
        'env: [{name: A, value: "1"}, {name: B, value: "$(A)"}, {name: A, value: "2"}]'
    )
    assert (seen(spec, "A"), seen(spec, "B")) == ("2", "1")


def test_env_beats_env_from() -> None:
    spec = container(
        'envFrom: [{configMapRef: {name: settings}}], env: [{name: FLASK_DEBUG, value: "0"}]'
    )
    entry = spec.env.get("FLASK_DEBUG")
    assert entry is not None
    assert entry.value == "0"
    assert entry.replaced is not None
    assert entry.replaced.value == "1"


@pytest.mark.parametrize(
    ("reference", "flask_debug", "other"),
    [
        ("configMapRef: {name: settings}", "1", None),
        ("configMapRef: {name: settings}, prefix: X_", None, None),
        ("configMapRef: {name: elsewhere}", ..., ...),
        ("configMapRef: {name: elsewhere, optional: true}", ..., ...),
        ("secretRef: {name: keys}", ..., None),
        ("secretRef: {name: elsewhere}", ..., ...),
        ("newRef: {name: x}", ..., ...),
    ],
)
def test_env_from_gives_what_the_input_holds_and_hides_the_rest(
    reference: str, flask_debug: object, other: object
) -> None:
    spec = container(f"envFrom: [{{{reference}}}]")
    assert (seen(spec, "FLASK_DEBUG"), seen(spec, "OTHER")) == (flask_debug, other)


@pytest.mark.parametrize(
    ("origin", "expected", "reason"),
    [
        ("configMapKeyRef: {name: settings, key: FLASK_DEBUG}", "1", None),
        ("configMapKeyRef: {name: settings, key: nope}", ..., Reason.CONFIG_MAP_KEY),
        ("configMapKeyRef: {name: settings, key: nope, optional: true}", None, None),
        ("configMapKeyRef: {name: elsewhere, key: k}", ..., Reason.CONFIG_MAP),
        ("secretKeyRef: {name: keys, key: FLASK_DEBUG}", ..., Reason.SECRET),
        ("secretKeyRef: {name: elsewhere, key: k}", ..., Reason.SECRET),
        ("fieldRef: {fieldPath: metadata.name}", "p", None),
        ("fieldRef: {fieldPath: \"metadata.labels['app']\"}", "shop", None),
        ("fieldRef: {fieldPath: \"metadata.labels['x']\"}", ..., Reason.FIELD),
        ("fieldRef: {fieldPath: metadata.namespace}", ..., Reason.FIELD),
        ("fieldRef: {fieldPath: status.podIP}", ..., Reason.FIELD),
        ("resourceFieldRef: {resource: limits.cpu}", ..., Reason.FIELD),
        ("newRef: {}", ..., Reason.FIELD),
    ],
)
def test_a_value_from_elsewhere_is_seen_or_says_what_is_missing(
    origin: str, expected: object, reason: Reason | None
) -> None:
    spec = container(f"env: [{{name: V, valueFrom: {{{origin}}}}}]")
    assert seen(spec, "V") == expected
    entry = spec.env.get("V")
    reasons = [missing.reason for missing in entry.missing] if entry else []
    assert reasons == ([reason] if reason else [])


def test_no_value_of_a_secret_is_kept() -> None:
    spec = container("envFrom: [{secretRef: {name: keys}}]", more=SETTINGS.replace('"1"', "canary"))
    assert "canary" not in repr(spec.env)


@pytest.mark.parametrize(
    ("links", "expected"), [("", None), (", enableServiceLinks: false", "$(DB_SERVICE_HOST)")]
)
def test_a_services_variable_cannot_be_seen(links: str, expected: str | None) -> None:
    spec = container('args: ["$(DB_SERVICE_HOST)"]', pod=links)
    assert words(spec.cmd) == [expected]


@pytest.mark.parametrize("value", ["1", "true", "on", "y", "0x1", "1.5", "[a]", "{a: b}"])
def test_a_value_that_is_not_text_is_refused_with_its_place(value: str) -> None:
    with pytest.raises(SyntaxInputError, match="must be text") as caught:
        container(f"env: [{{name: FLASK_DEBUG, value: {value}}}]")
    assert caught.value.location is not None
    assert caught.value.location.line == 4


@pytest.mark.parametrize(
    "fields",
    ["command: flask", "command: [1]", "env: {A: b}", "env: [A]", "env: [{value: x}]", "tty: 'yes'",
     "ports: [80]", "ports: [{containerPort: http}]", "ports: [{hostPort: 1}]", "workingDir: 1",
     "volumeMounts: [{name: x}]", "envFrom: [{configMapRef: {}}]", "securityContext: 1"],
)  # fmt: skip
def test_a_wrong_shape_is_an_error_with_its_place(fields: str) -> None:
    with pytest.raises(SyntaxInputError) as caught:
        container(fields)
    assert caught.value.location is not None


@pytest.mark.parametrize(
    "spec", ["{}", "{containers: web}", "{containers: []}", "[a]", "{containers: [{image: x}]}"]
)
def test_a_pod_needs_containers(spec: str) -> None:
    with pytest.raises(SyntaxInputError):
        specs(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n")


def test_ports_user_terminal_and_network_are_taken_over() -> None:
    spec = container(
        "tty: true, ports: [{containerPort: 5000, hostPort: 80}, {containerPort: 1, protocol: UDP}, "
        "{containerPort: 2, hostPort: 3, hostIP: '::1'}]",
        pod=", hostNetwork: true, securityContext: {runAsUser: 1000}",
    )
    assert [(port.container, port.protocol, port.published) for port in spec.ports] == [
        (5000, "tcp", "0.0.0.0:80"),
        (1, "udp", None),
        (2, "tcp", "[::1]:3"),
    ]
    assert spec.network is Network.HOST
    assert spec.terminal is not None
    assert spec.terminal.value
    assert spec.user is not None
    assert spec.user.value == "1000"


def test_the_containers_own_user_comes_first() -> None:
    spec = container("securityContext: {runAsUser: 0}", pod=", securityContext: {runAsUser: 7}")
    assert spec.user is not None
    assert spec.user.value == "0"


VOLUMES = ", volumes: [{name: c, configMap: {name: settings}}, {name: claim, persistentVolumeClaim: {claimName: c}}, {name: i, configMap: {name: settings, items: [{key: app.py, path: src/app.py}]}}]"


@pytest.mark.parametrize(
    ("mount", "path", "expected"),
    [
        ("name: c, mountPath: /etc/c", "/app.py", b"print(1)"),
        ("name: c, mountPath: /app/app.py, subPath: app.py", "/", b"print(1)"),
        ("name: i, mountPath: /app", "/src/app.py", b"print(1)"),
        ("name: i, mountPath: /app, subPath: src", "/app.py", b"print(1)"),
        ("name: c, mountPath: /x, subPathExpr: $(A)", "/", None),
        ("name: claim, mountPath: /data", "/", None),
    ],
)
def test_a_mount_shows_a_config_map_and_hides_all_else(
    mount: str, path: str, expected: bytes | None
) -> None:
    [found] = container(f"volumeMounts: [{{{mount}}}]", pod=VOLUMES).mounts
    if expected is None:
        assert isinstance(found.content, Unread)
    else:
        assert not isinstance(found.content, Unread)
        content = found.content.read(path)
        assert isinstance(content, Content)
        assert content.data == expected


KINDS = [
    ("v1", "Pod", "{spec: %s}", ""),
    ("v1", "ReplicationController", "{spec: {template: {spec: %s}}}", ""),
    ("apps/v1", "Deployment", "{spec: {template: {spec: %s}}}", ""),
    ("apps/v1", "StatefulSet", "{spec: {template: {spec: %s}}}", ""),
    ("apps/v1", "DaemonSet", "{spec: {template: {spec: %s}}}", ""),
    ("apps/v1", "ReplicaSet", "{spec: {template: {spec: %s}}}", ""),
    ("batch/v1", "Job", "{spec: {template: {spec: %s}}}", ""),
    ("batch/v1", "CronJob", "{spec: {jobTemplate: {spec: {template: {spec: %s}}}}}", ""),
    ("v1", "PodTemplate", "{template: {spec: %s}}", ""),
]


@pytest.mark.parametrize(("version", "kind", "body", "_"), KINDS)
def test_every_kind_that_starts_containers_is_judged(
    version: str, kind: str, body: str, _: str
) -> None:
    pod = "{containers: [{name: web}], initContainers: [{name: migrate}], ephemeralContainers: [{name: shell}]}"
    item = (
        f"apiVersion: {version}, kind: {kind}, metadata: {{name: shop, namespace: prod}}, "
        + (body % pod)[1:-1]
    )
    listed = f"{{apiVersion: v1, kind: List, items: [{{{item}}}]}}"
    for text in ("{" + item + "}", listed):
        found = specs(f"# yaml\n{text}\n")
        assert [spec.subject for spec in found] == [
            f"{kind}/prod/shop/initContainers/migrate",
            f"{kind}/prod/shop/containers/web",
            f"{kind}/prod/shop/ephemeralContainers/shell",
        ]


def test_a_namespace_left_out_is_a_dash_and_a_generated_name_its_prefix() -> None:
    [spec] = specs(
        "apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}\nspec: {containers: [{name: c}]}\n"
    )
    assert spec.subject == "Pod/-/web-/containers/c"


def test_what_starts_nothing_is_noted() -> None:
    manifests = read(
        [("svc.yaml", b"{apiVersion: v1, kind: Service, metadata: {name: s}}"), ("none.yaml", b"")]
    )
    assert [note.message for note in manifests.notes] == [
        "nothing to judge in it: it holds Service s",
        "nothing to judge in it: it is empty",
    ]


@pytest.mark.parametrize(
    "text", ["a: b", "[a]", "text", "{apiVersion: v1, kind: Pod, metadata: {}}"]
)
def test_what_is_no_api_object_is_an_error(text: str) -> None:
    with pytest.raises(SyntaxInputError):
        specs(f"# yaml\n{text}\n")


@pytest.mark.parametrize("grown", ["$(A)$(A)", "$(A)" * 1000])
def test_variables_that_grow_from_one_to_the_next_end_as_unknown(grown: str) -> None:
    names = [f"A{number}" for number in range(60)]
    entries = ["{name: A0, value: x}"] + [
        f"{{name: {name}, value: {grown.replace('(A)', f'({before})')}}}"
        for before, name in pairwise(names)
    ]
    spec = container(f"command: [sleep], env: [{', '.join(entries)}]")
    values = [entry.value for entry in spec.env.entries.values()]
    assert sum(len(value or "") for value in values) < 512 * 1024
    assert values[-1] is None
    assert spec.env.entries["A59"].missing


def test_a_long_value_that_many_refer_to_is_copied_within_a_budget() -> None:
    entries = [f"{{name: A, value: {'x' * 100_000}}}"]
    entries += [f"{{name: B{number}, value: $(A)y}}" for number in range(2_000)]
    spec = container(f"command: [sleep], env: [{', '.join(entries)}]")
    made = sum(len(entry.value or "") for entry in spec.env.entries.values())
    assert made <= Budget().left + 200_000
    assert spec.env.entries["B1999"].value is None
