"""Where Pods come from: lists, kinds of one's own, templates of other tools."""

import pytest

from deployguard.errors import SyntaxInputError, UsageError
from deployguard.inputs.kubernetes.manifests import Manifests, read
from deployguard.inputs.kubernetes.workloads import workloads
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Content, Unread
from tests.support.manifests import declared


def manifests(text: str, **configured: str) -> Manifests:
    own = workloads({name.replace("__", "."): path for name, path in configured.items()})
    return read([("app.yaml", text.encode())], own)


def specs(text: str, **configured: str) -> tuple[ContainerSpec, ...]:
    return declared(manifests(text, **configured))


def subjects(text: str, **configured: str) -> list[str]:
    return [spec.subject for spec in specs(text, **configured)]


def item(version: str, kind: str, spec: str, name: str = "a") -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"


POD = "{containers: [{name: web, image: shop}]}"
TEMPLATE = f"{{template: {{spec: {POD}}}}}"


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("extensions/v1beta1", "Deployment", TEMPLATE),
        ("apps/v1beta2", "StatefulSet", TEMPLATE),
        ("batch/v1beta1", "CronJob", f"{{jobTemplate: {{spec: {TEMPLATE}}}}}"),
        ("argoproj.io/v1alpha1", "Rollout", TEMPLATE),
        ("serving.knative.dev/v1", "Service", TEMPLATE),
        ("serving.knative.dev/v1", "Configuration", TEMPLATE),
        ("serving.knative.dev/v1", "Revision", POD),
        ("apps.openshift.io/v1", "DeploymentConfig", TEMPLATE),
        ("other.example/v1", "Anything", TEMPLATE),
    ],
)
def test_pods_are_found_where_a_kind_keeps_them(version: str, kind: str, spec: str) -> None:
    assert subjects(item(version, kind, spec)) == [f"{kind}/-/a/containers/web"]


@pytest.mark.parametrize(
    ("kind", "path", "spec", "parts"),
    [
        ("Cluster", "spec.head", f"{{head: {{spec: {POD}}}}}", ["containers/web"]),
        ("Cluster", "spec.head", f"{{head: {POD}}}", ["containers/web"]),
        (
            "Cluster",
            "spec.workers.*.template",
            f"{{workers: [{{template: {{spec: {POD}}}}}, {{template: {{spec: {POD}}}}}]}}",
            ["containers/web", "1/containers/web"],
        ),
        ("Cluster", "spec.*", f"{{head: {{spec: {POD}}}}}", ["containers/web"]),
    ],
)
def test_a_kind_of_ones_own_is_judged_by_its_configured_path(
    kind: str, path: str, spec: str, parts: list[str]
) -> None:
    found = subjects(item("ray.example/v1", kind, spec), Cluster__ray__example=path)
    assert found == [f"{kind}/-/a/{part}" for part in parts]


@pytest.mark.parametrize(
    ("name", "path"),
    [("cluster.x", "spec"), ("Cluster.X", "spec"), ("Cluster", ""), ("A.b", "a..b")],
)
def test_a_path_that_says_nothing_is_a_wrong_usage(name: str, path: str) -> None:
    with pytest.raises(UsageError, match="workloads"):
        workloads({name: path})


def test_what_looks_like_a_pod_template_is_noted_with_what_would_judge_it() -> None:
    text = item("ray.example/v1", "Cluster", f"{{groups: [{{main: {{spec: {POD}}}}}]}}")
    found = manifests(text)
    [note, rest] = found.notes
    assert (
        note.message == "not judged: Cluster a, though spec.groups.*.main looks like a Pod template"
    )
    assert (note.hint or "").endswith("workloads: Cluster.ray.example: spec.groups.*.main")
    assert rest.message.startswith("nothing to judge")
    assert subjects(text, Cluster__ray__example="spec.groups.*.main") == [
        "Cluster/-/a/containers/web"
    ]


def test_a_configured_path_to_nothing_is_an_error_or_a_note() -> None:
    text = item("ray.example/v1", "Cluster", "{head: {}, groups: []}")
    with pytest.raises(SyntaxInputError, match="'nothing' is missing"):
        specs(text, Cluster__ray__example="spec.nothing")
    notes = manifests(text, Cluster__ray__example="spec.groups.*").notes
    assert notes[0].message == "not judged: Cluster a has nothing at spec.groups.*"


@pytest.mark.parametrize("kind", ["List", "Bundle", "ThingList"])
def test_whatever_has_items_is_a_list_to_kubectl(kind: str) -> None:
    inner = f"{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {POD}}}"
    nested = f"{{apiVersion: v1, kind: List, items: [{inner}]}}"
    text = f"apiVersion: v1\nkind: {kind}\nitems: [{inner}, {nested}]\n"
    assert subjects(text) == ["Pod/-/a/containers/web"] * 2


def test_members_of_a_typed_list_may_leave_out_what_it_says() -> None:
    text = f"apiVersion: v1\nkind: PodList\nitems: [{{metadata: {{name: a}}, spec: {POD}}}]\n"
    assert subjects(text) == ["Pod/-/a/containers/web"]
    untyped = text.replace("PodList", "List")
    with pytest.raises(SyntaxInputError, match="'apiVersion' is missing"):
        specs(untyped)


def test_a_pod_with_items_is_refused_for_kubectl_applies_none_of_it() -> None:
    for items in ("[]", "null", "[{}]"):
        with pytest.raises(SyntaxInputError, match="for a list"):
            specs(item("v1", "Pod", POD) + f"items: {items}\n")


ROLLOUT = item(
    "argoproj.io/v1alpha1",
    "Rollout",
    "{workloadRef: {apiVersion: apps/v1, kind: Deployment, name: d}}",
)


def test_a_rollout_of_a_deployment_in_the_input_is_judged_with_that_else_it_is_open() -> None:
    [spec] = specs(ROLLOUT)
    assert spec.subject == "Rollout/-/a/workloadRef/d"
    assert spec.image == Unread(Missing(Reason.OBJECT, "the Deployment d"))
    both = ROLLOUT + "---\n" + item("apps/v1", "Deployment", TEMPLATE, "d")
    assert subjects(both) == ["Deployment/-/d/containers/web"]


def test_knative_names_the_container_and_sets_variables() -> None:
    text = item(
        "serving.knative.dev/v1", "Service", "{template: {spec: {containers: [{image: shop}]}}}"
    )
    [spec] = specs(text)
    assert spec.subject == "Service/-/a/containers/user-container"
    values = {name: entry.value for name, entry in spec.env.entries.items()}
    assert values == {"PORT": "8080", "K_SERVICE": "a", "K_CONFIGURATION": "a", "K_REVISION": None}
    ported = text.replace("image: shop", "image: shop, ports: [{containerPort: 5000}]")
    port = specs(ported)[0].env.get("PORT")
    assert port is not None
    assert port.value == "5000"


def test_openshift_puts_in_the_image_that_a_trigger_names() -> None:
    change = "{containerNames: [web], from: {kind: ImageStreamTag, name: 'shop:latest'}}"
    triggered = f"{{triggers: [{{type: ImageChange, imageChangeParams: {change}}}], {TEMPLATE[1:]}"
    [spec] = specs(item("apps.openshift.io/v1", "DeploymentConfig", triggered))
    assert spec.image == Unread(Missing(Reason.IMAGE, "the image of the image stream shop:latest"))


@pytest.mark.parametrize(("name", "replaced"), [("web", True), ("other", False)])
def test_openshift_puts_in_the_image_that_an_annotation_names(name: str, replaced: bool) -> None:  # noqa: FBT001  (a row of the table)
    path = f'spec.template.spec.containers[?(@.name=="{name}")].image'.replace('"', '\\"')
    annotation = f"""image.openshift.io/triggers: '[{{"from": {{}}, "fieldPath": "{path}"}}]'"""
    text = item("apps/v1", "Deployment", TEMPLATE).replace(
        "{name: a}", f"{{name: a, annotations: {{{annotation}}}}}"
    )
    [spec] = specs(text)
    assert isinstance(spec.image, Unread)
    assert ("annotation" in spec.image.missing.what) is replaced


STEPS = """{templates: [
  {name: serve, container: {image: shop, command: [flask, run], args: ["{{inputs.x}}"], env: [{name: A, value: "{{x}}"}, {name: B, value: b}]}},
  {name: script, script: {image: "{{image}}", command: [python], source: "print(1)"}, sidecars: [{name: db, image: pg}]},
  {name: several, containerSet: {containers: [{name: one, image: a}, {name: two, image: b}]}},
  {name: order, steps: [[{name: s, template: serve}]]}]}"""


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Workflow", STEPS),
        ("WorkflowTemplate", STEPS),
        ("CronWorkflow", f"{{workflowSpec: {STEPS}}}"),
    ],
)
def test_steps_of_a_workflow_are_pods_in_which_braces_hide_what_is_put_in(
    kind: str, spec: str
) -> None:
    found = specs(item("argoproj.io/v1alpha1", kind, spec))
    assert [one.subject.removeprefix(f"{kind}/-/a/templates/") for one in found] == [
        "serve/containers/main",
        "script/containers/main",
        "script/containers/db",
        "several/containers/one",
        "several/containers/two",
    ]
    serve, script, *_ = found
    assert serve.cmd is not None
    assert [word.value for word in serve.cmd.value] == [None]
    assert {name: entry.value for name, entry in serve.env.entries.items()} == {"A": None, "B": "b"}
    assert script.image == Unread(
        Missing(Reason.IMAGE, "the image that the workflow names for main")
    )
    assert script.cmd is not None
    assert [word.value for word in script.cmd.value] == ["/argo/staging/script"]
    [mount] = script.mounts
    assert not isinstance(mount.content, Unread)
    source = mount.content.read("/script")
    assert isinstance(source, Content)
    assert source.data == b"print(1)"


def test_objects_of_one_name_are_noted_and_the_last_counts_unless_the_first_is_immutable() -> None:
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\nimmutable: {0}\ndata: {{A: '{1}'}}\n---\n"
    pod = item(
        "v1", "Pod", "{containers: [{name: w, image: x, envFrom: [{configMapRef: {name: c}}]}]}"
    )
    for immutable, expected in (("false", "2"), ("true", "1")):
        text = settings.format(immutable, 1) + settings.format("false", 2) + pod
        entry = specs(text)[0].env.get("A")
        assert entry is not None
        assert entry.value == expected
        [note] = manifests(text).notes
        assert (
            note.message
            == "the ConfigMap c stands here more than once: the last one is what counts"
        )


@pytest.mark.parametrize(
    ("workload", "object_", "found"),
    [
        ("", "", True),
        ("one", "one", True),
        ("", "one", False),
        ("one", "", False),
        ("one", "two", False),
    ],
)
def test_objects_are_looked_up_in_the_workloads_own_namespace(
    workload: str,
    object_: str,
    found: bool,  # noqa: FBT001  (a row of the table)
) -> None:
    def named(name: str, namespace: str) -> str:
        return f"metadata: {{name: {name}, namespace: {namespace}}}"

    pod = item(
        "v1",
        "Pod",
        "{containers: [{name: w, image: x, envFrom: [{configMapRef: {name: c-7f9h}}]}]}",
    )
    text = f"apiVersion: v1\nkind: ConfigMap\n{named('c-7f9h', object_)}\ndata: {{A: '1'}}\n---\n"
    text += pod.replace("metadata: {name: a}", named("a", workload))
    entry = specs(text)[0].env.get("A")
    assert entry is not None
    title = f"the ConfigMap {workload}/c-7f9h" if workload else "the ConfigMap c-7f9h"
    assert (entry.value, [one.what for one in entry.missing]) == (
        ("1", []) if found else (None, [title])
    )
