"""A cluster that cannot be asked leaves what it would have said unknown, with the reason."""

import json
from pathlib import Path

import pytest

from deployguard.errors import UnreadableError
from deployguard.inputs.kubernetes.cluster import (
    ClusterObjects,
    Listed,
    UserCluster,
    user_cluster,
)
from deployguard.model.evidence import Reason
from deployguard.model.filesystem import Unread
from tests.support.builds import write
from tests.support.command import TODAY, run
from tests.support.counting_server import counting

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: w}\nspec: {containers: [{name: w, image: x, envFrom: [%s]}]}\n"


def config(server: str, **context: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "one",
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", **context}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


def asked(file: Path, context: str | None = None) -> str:
    found = user_cluster({"KUBECONFIG": str(file)}, context).config_map("shop", "settings")
    assert isinstance(found, Unread)
    return found.missing.what


@pytest.mark.parametrize(
    ("text", "context", "reason"),
    [
        (None, None, "no cluster to ask: "),
        ("", None, "no cluster to ask: "),
        ("a: [", None, "not YAML: "),
        ("[]", None, "no cluster to ask: "),
        ("kind: Config\n", None, "no cluster to ask: "),
        (config("http://127.0.0.1:1"), "none", "no cluster to ask: "),
        (config("http://127.0.0.1:1"), None, "the cluster cannot be asked: "),
        (config("https://host.invalid"), "one", "the cluster cannot be asked: "),
    ],
)
def test_without_a_cluster_the_reason_is_told(
    text: str | None, context: str | None, reason: str, tmp_path: Path
) -> None:
    if text is not None:
        write(tmp_path, {"config": text})
    told = asked(tmp_path / "config", context)
    assert told.startswith("the ConfigMap shop/settings (")
    assert reason in told


def test_without_a_kubeconfig_and_outside_of_a_pod_there_is_no_cluster(tmp_path: Path) -> None:
    found = user_cluster({"HOME": str(tmp_path)}, None).secret("shop", "keys")
    assert isinstance(found, Unread)
    assert found.missing.reason is Reason.SECRET
    assert "no cluster to ask" in found.missing.what


def test_the_home_has_the_kubeconfig_where_no_variable_names_one(tmp_path: Path) -> None:
    with counting(b"{}") as server:
        write(tmp_path, {".kube/config": config(server.url, namespace="dev")})
        user_cluster({"HOME": str(tmp_path)}, None).config_map(None, "settings")
        assert server.asked == ["/version", "/api/v1/namespaces/dev/configmaps/settings"]


def test_a_cluster_that_does_not_answer_is_asked_once() -> None:
    tries: list[int] = []

    def connecting() -> ClusterObjects:
        tries.append(1)
        raise UnreadableError("the cluster cannot be asked")

    objects = UserCluster(connecting)
    for name in ("a", "b"):
        assert isinstance(objects.config_map("shop", name), Unread)
        assert isinstance(objects.secret("shop", name), Unread)
    listed = objects.listed(Listed.SERVICE, "shop", Reason.FIELD)
    assert isinstance(listed, Unread)
    assert listed.missing.what == (
        "the service objects of the cluster (the cluster cannot be asked)"
    )
    assert len(tries) == 1


def test_only_what_leads_to_pods_is_asked_for_where_nothing_refers_to_the_cluster(
    tmp_path: Path,
) -> None:
    with counting(b"{}") as server:
        write(tmp_path, {"config": config(server.url), "pod.yaml": POD % ""})
        options = ["--cluster", "--images", "never", "--today", TODAY]
        done = run(
            "scan", f"k8s:{tmp_path}/pod.yaml", *options,
            environ={"KUBECONFIG": str(tmp_path / "config")},
        )  # fmt: skip
        assert done.code == 0
        lists = [f"{path.format('default')}?limit=500" for path in Listed]
        assert server.asked == ["/version", *lists]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cluster", "--offline"], "--cluster asks a cluster, which --offline forbids"),
        (["--context", "x"], "--context names a cluster, but none is asked"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(
    options: list[str], message: str
) -> None:
    done = run("scan", "k8s:-", *options, stdin=b"")
    assert done.code == 2
    assert message in done.text
