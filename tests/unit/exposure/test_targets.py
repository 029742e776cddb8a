"""Services and policies of other targets of a scan, and what a person reads about them."""

from datetime import date
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from deployguard.inputs.kubernetes.objects import FileObjects
from deployguard.inputs.opening import OpeningOptions, Openings
from deployguard.pipeline import ScanOptions, scan
from deployguard.policy import load
from deployguard.report import json_report, text
from deployguard.rules import IDS
from deployguard.webhook import review
from tests.support.exposure import (
    CLUSTER_IP,
    DEPLOYMENT,
    INGRESS,
    NODE_PORT,
    NoImages,
    in_cluster,
    policy,
    shown,
)

DENY = policy("podSelector: {}")
APART = "unknown: whether the files that lead there are applied together"


def test_a_service_of_another_file_that_is_applied_with_it_counts() -> None:
    assert shown(in_cluster([("", DEPLOYMENT), ("", NODE_PORT)])) == "public"
    assert shown(in_cluster([("", DEPLOYMENT), ("", CLUSTER_IP), ("", INGRESS)])) == "public"
    assert shown(in_cluster([("", NODE_PORT), ("", DEPLOYMENT)])) == "public"


def test_a_service_of_a_file_elsewhere_may_be_applied_with_it() -> None:
    assert shown(in_cluster([("dev", DEPLOYMENT), ("prod", NODE_PORT)])) == APART
    assert shown(in_cluster([("dev", DEPLOYMENT), ("prod", CLUSTER_IP)])) == "private"
    both = [("dev", DEPLOYMENT + CLUSTER_IP), ("edge", INGRESS)]
    assert shown(in_cluster(both)) == APART
    assert shown(in_cluster([("dev", DEPLOYMENT + NODE_PORT), ("prod", DEPLOYMENT)])) == "public"


def test_a_policy_counts_in_its_own_target_alone() -> None:
    assert shown(in_cluster([("", DEPLOYMENT + DENY)])) == "loopback"
    assert shown(in_cluster([("", DEPLOYMENT), ("", DENY)])) == "private"


def places(*arguments: str) -> list[str]:
    with Openings(OpeningOptions(images="never")) as openings:
        return [one.place for argument in arguments for one in openings.open(argument)]


def test_files_that_are_named_one_by_one_go_together_and_so_do_those_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("a/x.yaml", "a/y.yaml", "b/x.yaml")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(DEPLOYMENT)
    assert len(set(places("a/x.yaml", "k8s:b/x.yaml"))) == 1
    assert len(set(places("k8s:a", "k8s:b"))) == 2
    # Files that declare the same object are not applied together.
    assert len(set(places("./"))) == 3
    for number, name in enumerate(names):
        own = DEPLOYMENT.replace("metadata: {name: shop}", f"metadata: {{name: shop{number}}}", 1)
        (tmp_path / name).write_text(own)
    of_folder = places("./")
    assert len(of_folder) == 3
    assert len(set(of_folder)) == 1
    assert set(of_folder).isdisjoint(places("a/x.yaml"))


SHOP = DEPLOYMENT.replace(
    "image: shop", 'image: shop, command: [flask, run, --host, 0.0.0.0, --port, "5000"]'
)


def scanned(*arguments: str) -> str:
    options = ScanOptions(today=date(2031, 1, 1), images="never")
    report = scan(arguments, (load("production", IDS),), options)
    assert '"reachable"' in json_report.render(report)
    return text.render(report)


def test_a_report_shows_how_a_server_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.yaml").write_text(SHOP + CLUSTER_IP)
    Path("edge.yaml").write_text(INGRESS)
    report = scanned("app.yaml", "edge.yaml")
    assert report[report.index("  reached by") : report.index("  fix")] == snapshot("""\
  reached by: public
    app.yaml:11:64: it listens on 0.0.0.0
    edge.yaml:5:41: the Ingress x leads from beyond to shop
    app.yaml:13:1: the Service shop leads to its Pods
""")
    report = scanned("app.yaml")
    assert report[report.index("  reached by") : report.index("  fix")] == snapshot("""\
  reached by: private
    app.yaml:11:64: it listens on 0.0.0.0
    app.yaml:13:1: the Service shop leads its port 80 to 5000
""")
    Path("app.yaml").write_text(SHOP + INGRESS)
    report = scanned("app.yaml")
    assert report[report.index("  reached by") : report.index("  fix")] == snapshot("""\
  reached by: unknown
    app.yaml:11:64: it listens on 0.0.0.0
    app.yaml:16:41: the Ingress x leads to shop
    missing: the Service shop, to which the Ingress x leads
      give the object's manifest to the same scan
""")


def test_the_files_of_a_folder_count_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.yaml").write_text(SHOP)
    Path("edge.yaml").write_text(CLUSTER_IP + INGRESS)
    assert "reached by: public" in scanned("./")
    assert "reached by: public" in scanned("k8s:.")


@pytest.mark.parametrize(
    ("ports", "spec", "expected"),
    [
        ([], {}, "private"),
        ([{"containerPort": 5000, "hostPort": 80}], {}, "public"),
        ([{"containerPort": 5000, "hostPort": 80, "hostIP": "127.0.0.1"}], {}, "host"),
        ([], {"hostNetwork": True}, "public"),
    ],
)
def test_the_webhook_sees_a_pod_without_what_leads_to_it(
    ports: list[dict[str, object]], spec: dict[str, object], expected: str
) -> None:
    container = {
        "name": "web",
        "image": "shop",
        "command": ["flask", "run", "--host", "0.0.0.0", "--port", "5000"],
        "ports": ports,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop", "labels": {"app": "shop"}},
        "spec": {"containers": [container], **spec},
    }
    judge = review.Judge(
        policies=(load("production", IDS),),
        options=lambda: ScanOptions(today=date(2031, 1, 1)),
        objects=FileObjects({}),
        images=NoImages(),
    )
    request = review.Request(uid="1", operation="CREATE", namespace="a", name="shop", object=pod)
    (found,) = review.report(request, judge).containers
    assert shown(found.facts.reachable) == expected
