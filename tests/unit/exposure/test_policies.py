"""What NetworkPolicies keep out."""

import pytest

from tests.support.exposure import (
    CLUSTER_IP,
    DEPLOYMENT,
    INGRESS,
    NODE_PORT,
    in_cluster,
    policy,
    shown,
    thing,
)

DENY = policy("podSelector: {}")
HOST_PORT = DEPLOYMENT.replace("containerPort: 5000", "containerPort: 5000, hostPort: 80")
ON_LOOPBACK = HOST_PORT.replace("hostPort: 80", "hostPort: 80, hostIP: 127.0.0.1")
THROUGH_PROXY = DEPLOYMENT + CLUSTER_IP + INGRESS
PROXY = "unknown: whether the NetworkPolicies let in the proxy that leads there"


@pytest.mark.parametrize(
    ("spec", "narrows"),
    [
        ("podSelector: {}", True),
        ("podSelector: {}, policyTypes: [Ingress]", True),
        ("podSelector: {}, policyTypes: [Ingress, Egress]", True),
        ("podSelector: {}, ingress: []", True),
        ("podSelector: {}, policyTypes: [Egress]", False),
        ("podSelector: {}, policyTypes: [Egress], egress: [{}]", False),
        ("podSelector: {}, egress: [{}]", True),
        ("podSelector: {}, ingress: [{}]", False),
        ("podSelector: {matchLabels: {app: shop}}", True),
        ("podSelector: {matchLabels: {app: shop, tier: front}}", True),
        ("podSelector: {matchLabels: {app: stock}}", False),
        ("podSelector: {matchExpressions: [{key: app, operator: In, values: [a, shop]}]}", True),
        ("podSelector: {matchExpressions: [{key: app, operator: In, values: [a]}]}", False),
        ("podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [a]}]}", True),
        ("podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [shop]}]}", False),
        ("podSelector: {matchExpressions: [{key: b, operator: NotIn, values: [shop]}]}", True),
        ("podSelector: {matchExpressions: [{key: app, operator: Exists}]}", True),
        ("podSelector: {matchExpressions: [{key: b, operator: Exists}]}", False),
        ("podSelector: {matchExpressions: [{key: b, operator: DoesNotExist}]}", True),
        ("podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}", False),
        ("podSelector: {matchExpressions: [{key: pod-template-hash, operator: DoesNotExist}]}",
         False),
        ("podSelector: {}, ingress: [{ports: [{port: 5000}]}]", False),
        ("podSelector: {}, ingress: [{ports: [{port: http}]}]", False),
        ("podSelector: {}, ingress: [{ports: [{port: 80}]}]", True),
        ("podSelector: {}, ingress: [{ports: [{port: 4000, endPort: 6000}]}]", False),
        ("podSelector: {}, ingress: [{ports: [{port: 4000, endPort: 4999}]}]", True),
        ("podSelector: {}, ingress: [{ports: [{protocol: TCP}]}]", False),
        ("podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]", True),
        ("podSelector: {}, ingress: [{ports: [{protocol: UDP, port: 5000}]}]", True),
        ("podSelector: {}, ingress: [{ports: []}]", False),
    ],
)  # fmt: skip
def test_a_policy_without_a_rule_for_the_port_lets_nobody_in(spec: str, *, narrows: bool) -> None:
    assert shown(in_cluster(DEPLOYMENT + policy(spec))) == ("loopback" if narrows else "private")


@pytest.mark.parametrize(
    ("peers", "direct", "proxied"),
    [
        ("[]", "public", "public"),
        ("[{podSelector: {}}]", "private", PROXY),
        ("[{podSelector: {matchLabels: {a: b}}}]", "private", PROXY),
        ("[{namespaceSelector: {}}]", "private", "public"),
        ("[{namespaceSelector: {}, podSelector: {}}]", "private", "public"),
        ("[{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]", "private", PROXY),
        ("[{namespaceSelector: {matchLabels: {a: b}}}]", "private", PROXY),
        ("[{ipBlock: {cidr: 0.0.0.0/0}}]", "public", "public"),
        ("[{ipBlock: {cidr: '::/0'}}]", "public", "public"),
        ("[{ipBlock: {cidr: 10.0.0.0/8}}]", "public", PROXY),
        ("[{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]", "public", PROXY),
        ("[{podSelector: {}}, {ipBlock: {cidr: 203.0.113.0/24}}]", "public", PROXY),
    ],
)
def test_a_policy_lets_in_whom_its_rules_name(peers: str, direct: str, proxied: str) -> None:
    some = policy(f"podSelector: {{}}, ingress: [{{from: {peers}}}]")
    assert shown(in_cluster(DEPLOYMENT + NODE_PORT + some)) == direct
    assert shown(in_cluster(THROUGH_PROXY + some)) == proxied


def test_policies_add_up() -> None:
    opened = policy("podSelector: {matchLabels: {app: shop}}, ingress: [{}]", name="open")
    assert shown(in_cluster(DEPLOYMENT + NODE_PORT + DENY)) == "loopback"
    assert shown(in_cluster(DEPLOYMENT + NODE_PORT + DENY + opened)) == "public"
    assert shown(in_cluster(THROUGH_PROXY + DENY)) == "loopback"


def test_the_machine_itself_is_kept_out_by_no_policy() -> None:
    assert shown(in_cluster(HOST_PORT + DENY)) == "host"
    assert shown(in_cluster(ON_LOOPBACK + DENY)) == "host"


def test_pods_in_the_network_of_the_machine_are_restrained_by_no_policy() -> None:
    host = DEPLOYMENT.replace("    spec:\n", "    spec:\n      hostNetwork: true\n")
    assert shown(in_cluster(host + DENY)) == "public"
    assert shown(in_cluster(host + DENY, "127.0.0.1")) == "host"


@pytest.mark.parametrize(
    ("pod", "of_policy", "expected"),
    [("a", "a", "loopback"), ("", "", "loopback"), ("a", "b", "private"), ("a", "", "private"),
     ("", "a", "private")],
)  # fmt: skip
def test_a_policy_that_may_be_of_another_namespace_narrows_nothing(
    pod: str, of_policy: str, expected: str
) -> None:
    place = f"{{name: shop, namespace: {pod}}}" if pod else "{name: shop}"
    deployment = DEPLOYMENT.replace("{name: shop}", place)
    assert (
        shown(in_cluster(deployment + policy("podSelector: {}", namespace=of_policy))) == expected
    )


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    ],
)
def test_other_policies_may_let_in_what_a_network_policy_keeps_out(version: str, kind: str) -> None:
    other = thing(version, kind, "")
    assert shown(in_cluster(DEPLOYMENT + other)) == "private"
    assert shown(in_cluster(DEPLOYMENT + other + DENY)) == f"unknown: what the {kind} x lets in"
    assert shown(in_cluster(DEPLOYMENT + other + DENY, "127.0.0.1")) == "loopback"


def test_a_policy_that_cannot_be_read_may_let_in_anybody() -> None:
    broken = policy("podSelector: {matchExpressions: [{key: a, operator: Near}]}", name="broken")
    assert shown(in_cluster(DEPLOYMENT + broken)) == "private"
    assert shown(in_cluster(DEPLOYMENT + broken + DENY)) == (
        "unknown: what the NetworkPolicy broken lets in, for it cannot be read: "
        "a requirement needs a key and an operator"
    )


def test_the_evidence_says_on_what_a_policy_depends() -> None:
    denied = in_cluster(DEPLOYMENT + DENY)
    assert denied.claim.answer.value == "no"
    assert [step.note for step in denied.claim.evidence] == [
        "it listens on 0.0.0.0",
        "the NetworkPolicy deny lets nobody in, where the network plugin enforces it",
    ]


def test_of_policies_of_one_name_it_is_not_known_which_is_there() -> None:
    other = policy("podSelector: {matchLabels: {app: stock}}")
    assert shown(in_cluster(DEPLOYMENT + DENY + other)) == "private"
    assert shown(in_cluster(DEPLOYMENT + other + DENY)) == "private"
    further = policy("podSelector: {}", "further")
    assert shown(in_cluster(DEPLOYMENT + DENY + other + further)) == (
        "unknown: what the NetworkPolicy deny lets in, for it stands there more than once"
    )
    made = (DENY + other).replace("name: deny", "generateName: deny-")
    assert shown(in_cluster(DEPLOYMENT + made)) == "loopback"
