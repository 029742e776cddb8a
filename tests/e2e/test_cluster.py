"""What manifests refer to is looked up in a real cluster, with no more rights than that takes."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployguard.inputs.kubernetes import cluster
from deployguard.inputs.kubernetes.cluster import Listed, connect_user
from deployguard.model.evidence import Reason
from deployguard.model.filesystem import Unread
from tests.support import rendered
from tests.support.builds import write
from tests.support.command import TODAY, Done, run
from tests.support.control_plane import ControlPlane, control_plane

SHOP = "/api/v1/namespaces/shop"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop"
NETWORK = "/apis/networking.k8s.io/v1/namespaces/shop"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: shop
      command: [flask, run]
      envFrom:
        - configMapRef: {name: settings}
        - secretRef: {name: keys}
        - configMapRef: {name: none, optional: true}
"""
OWN = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {FLASK_DEBUG: '0'}\n"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as started:
        _fill(started)
        yield started


def _fill(plane: ControlPlane) -> None:
    def named(name: str, **fields: object) -> dict[str, object]:
        return {"metadata": {"name": name}, **fields}

    plane.create("/api/v1/namespaces", named("shop"))
    settings = {"FLASK_DEBUG": "1", "FLASK_APP": "shop"}
    plane.create(f"{SHOP}/configmaps", named("settings", data=settings))
    secret = {"FLASK_RUN_HOST": b64encode(b"canary-value").decode()}
    plane.create(f"{SHOP}/secrets", named("keys", data=secret))
    for name, resources in {"settings-reader": ["configmaps"], "lister": ["services"]}.items():
        rules = [{"apiGroups": [""], "resources": resources, "verbs": ["get", "list"]}]
        plane.create(f"{RBAC}/roles", named(name, rules=rules))
        subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        plane.create(f"{RBAC}/rolebindings", named(name, roleRef=role, subjects=[subject]))
    for number in range(5):
        ports = [{"port": 80 + number}]
        plane.create(f"{SHOP}/services", named(f"s{number}", spec={"ports": ports}))
    plane.create(f"{NETWORK}/networkpolicies", named("deny", spec={"podSelector": {}}))


def scan(plane_config: Path | str, *arguments: str) -> Done:
    options = ["--images", "never", "--today", TODAY, "--format", "json"]
    return run("scan", *arguments, *options, environ={"KUBECONFIG": str(plane_config)})


def missing(report: Any) -> str:  # noqa: ANN401  (JSON)
    return json.dumps([finding["missing"] for finding in report["findings"]])


@pytest.fixture(autouse=True)
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"pod.yaml": POD, "both.yaml": POD + OWN})


def test_config_maps_and_the_keys_of_secrets_are_looked_up(plane: ControlPlane) -> None:
    admin = plane.kubeconfig("admin", "system:masters", namespace="shop")
    without = scan(admin, "k8s:pod.yaml").report
    assert rendered.environment(without) == {}
    assert "the ConfigMap settings" in missing(without)

    done = scan(admin, "k8s:pod.yaml", "--cluster")
    expected = {"FLASK_DEBUG": "1", "FLASK_APP": "shop", "FLASK_RUN_HOST": None}
    assert rendered.environment(done.report) == expected
    assert b"canary" not in done.out + done.err
    assert b64encode(b"canary-value") not in done.out + done.err
    places = rendered.places(done.report)
    assert places["FLASK_DEBUG"].startswith("ConfigMap shop/settings in the cluster:")
    assert "ConfigMap settings" not in missing(done.report)

    # The input's own objects come first, for they are what will be applied.
    both = scan(admin, "k8s:both.yaml", "--cluster").report
    assert rendered.environment(both) == {"FLASK_DEBUG": "0", "FLASK_RUN_HOST": None}


def test_the_namespace_is_that_of_the_manifest_or_the_option_or_the_context(
    plane: ControlPlane, tmp_path: Path
) -> None:
    plain = plane.kubeconfig("admin", "system:masters")
    elsewhere = scan(plain, "k8s:pod.yaml", "--cluster").report
    assert "the ConfigMap settings, which does not exist" in missing(elsewhere)
    given = scan(plain, "k8s:pod.yaml", "--cluster", "--namespace", "shop").report
    write(tmp_path, {"named.yaml": POD.replace("{name: web}", "{name: web, namespace: shop}")})
    named = scan(plain, "k8s:named.yaml", "--cluster").report
    contextual = scan(
        plane.kubeconfig("admin", "system:masters", namespace="shop"), "k8s:pod.yaml", "--cluster",
        "--context", "admin",
    ).report  # fmt: skip
    for report in (given, named, contextual):
        assert rendered.environment(report)["FLASK_DEBUG"] == "1"


def test_no_more_is_asked_than_the_objects_by_their_names(plane: ControlPlane) -> None:
    reader = plane.kubeconfig("settings-reader", namespace="shop")
    report = scan(reader, "k8s:pod.yaml", "k8s:pod.yaml", "--cluster").report
    # The Secret comes later and may set them anew.
    assert rendered.environment(report) == {"FLASK_DEBUG": None, "FLASK_APP": None}
    assert "the Secret shop/keys (the cluster does not let you read it)" in missing(report)
    asked = [(event["verb"], event["requestURI"]) for event in plane.asked_by("settings-reader")]
    assert asked == [
        ("get", "/version"),
        ("get", f"{SHOP}/configmaps/settings"),
        ("get", f"{SHOP}/secrets/keys"),
        ("get", f"{SHOP}/configmaps/none"),
        *(("list", f"{path.format('shop')}?limit=500") for path in Listed),
    ]
    # And who is led to its Pods, which this user may not see.
    (target, _) = report["targets"]
    notes = [problem["message"] for problem in target["problems"]]
    assert len(notes) == len(Listed)
    assert all("(the cluster does not let you read it)" in note for note in notes)


def test_who_is_led_to_a_pod_is_asked_of_the_cluster(plane: ControlPlane, tmp_path: Path) -> None:
    plane.create("/api/v1/namespaces", {"metadata": {"name": "market"}})
    spec = {"type": "NodePort", "selector": {"app": "shop"}, "ports": [{"port": 5000}]}
    service = {"metadata": {"name": "shop"}, "spec": spec}
    plane.create("/api/v1/namespaces/market/services", service)
    labelled = POD.replace("{name: web}", "{name: web, labels: {app: shop}}")
    listening = labelled.replace("[flask, run]", "[flask, run, --host, 0.0.0.0, --port=5000]")
    write(tmp_path, {"shop.yaml": listening.partition("      envFrom")[0]})
    admin = plane.kubeconfig("admin", "system:masters", namespace="market")

    def scope(*options: str) -> str:
        (container,) = scan(admin, "k8s:shop.yaml", *options).report["containers"]
        found: str = container["facts"]["reachable"]["scope"]
        return found

    assert scope() == "private"
    assert scope("--cluster") == "public"
    # In the namespace of the shop a policy keeps everybody out, where the network heeds it.
    assert scope("--cluster", "--namespace", "shop") == "loopback"


def test_who_may_read_nothing_is_told_so(plane: ControlPlane) -> None:
    nobody = plane.kubeconfig("nobody", namespace="shop")
    report = scan(nobody, "k8s:pod.yaml", "--cluster").report
    for kind, name in (("ConfigMap", "settings"), ("Secret", "keys"), ("ConfigMap", "none")):
        assert f"the {kind} shop/{name} (the cluster does not let you read it)" in missing(report)


def test_a_stranger_is_told_so(plane: ControlPlane, tmp_path: Path) -> None:
    document = json.loads(plane.kubeconfig("stranger", namespace="shop").read_text())
    document["users"][0]["user"] = {"token": "none-of-the-cluster"}
    write(tmp_path, {"config": json.dumps(document)})
    report = scan(tmp_path / "config", "k8s:pod.yaml", "--cluster").report
    assert "(the cluster does not know the credentials)" in missing(report)


def test_lists_of_a_namespace_come_whole_or_not_at_all(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PAGE", 2)
    lister = {"KUBECONFIG": str(plane.kubeconfig("lister", namespace="shop"))}
    objects = connect_user(lister, None)
    found = objects.listed(Listed.SERVICE, None, Reason.FIELD)
    assert not isinstance(found, Unread)
    assert [item.title for item in found] == [f"Service shop/s{number}" for number in range(5)]
    asked = [event["requestURI"] for event in plane.asked_by("lister")]
    assert len(asked) == 3
    assert all(path.startswith(f"{SHOP}/services?limit=2") for path in asked)
    refused = objects.listed(Listed.NETWORK_POLICY, "shop", Reason.FIELD)
    assert isinstance(refused, Unread)
    assert refused.missing.what == (
        "the network policy objects of the namespace shop (the cluster does not let you read it)"
    )
    admin = {"KUBECONFIG": str(plane.kubeconfig("admin", "system:masters"))}
    policies = connect_user(admin, None).listed(Listed.NETWORK_POLICY, "shop", Reason.FIELD)
    assert not isinstance(policies, Unread)
    assert [item.name for item in policies] == ["deny"]
    assert connect_user(admin, None).listed(Listed.INGRESS, "shop", Reason.FIELD) == ()
    monkeypatch.setattr(cluster, "_PAGES", 2)
    assert isinstance(objects.listed(Listed.SERVICE, "shop", Reason.FIELD), Unread)
