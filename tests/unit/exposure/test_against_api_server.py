"""Objects mean the same as written and as the API server keeps them, with its defaults filled in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deployguard.model.evidence import Answer
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.exposure import CLUSTER_IP, DEPLOYMENT, in_cluster, policy, service, thing

_PATHS = {
    "Service": "/api/v1/namespaces/default/services",
    "Endpoints": "/api/v1/namespaces/default/endpoints",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
}
DENY = policy("podSelector: {}")


def node_port(ports: str) -> str:
    return service(f"type: NodePort, selector: {{app: shop}}, ports: [{ports}]")


def ingress(spec: str) -> str:
    return CLUSTER_IP + thing("networking.k8s.io/v1", "Ingress", spec)


ACCEPTED = {
    "target by default": node_port("{port: 5000}"),
    "target": node_port("{port: 80, targetPort: 5000}"),
    "target by name": node_port("{port: 80, targetPort: http}"),
    "another target": node_port("{port: 5000, targetPort: 80}"),
    "target of zero": node_port("{port: 5000, targetPort: 0}"),
    "of UDP": node_port("{port: 5000, protocol: UDP}"),
    "two ports": node_port("{name: a, port: 80}, {name: b, port: 5000}"),
    "type by default": CLUSTER_IP,
    "headless": service("clusterIP: None, selector: {app: shop}, ports: [{port: 5000}]"),
    "external": service("type: ExternalName, externalName: shop.default.svc.cluster.local"),
    "external addresses": service(
        "selector: {app: shop}, ports: [{port: 5000}], externalIPs: [203.0.113.7]"
    ),
    "load balancer": service(
        "type: LoadBalancer, selector: {app: shop}, ports: [{port: 5000}], "
        "loadBalancerSourceRanges: [10.0.0.0/8]"
    ),
    "load balancer without ports of nodes": service(
        "type: LoadBalancer, selector: {app: shop}, ports: [{port: 5000}], "
        "allocateLoadBalancerNodePorts: false"
    ),
    "no selector": service("type: NodePort, ports: [{port: 5000}]"),
    "empty selector": service("type: NodePort, selector: {}, ports: [{port: 5000}]"),
    "backend by default": ingress("defaultBackend: {service: {name: shop, port: {number: 80}}}"),
    "rule": ingress(
        "rules: [{http: {paths: [{path: /, pathType: Prefix, backend: "
        "{service: {name: shop, port: {number: 80}}}}]}}]"
    ),
    "rule for another port": ingress(
        "rules: [{http: {paths: [{path: /, pathType: Prefix, backend: "
        "{service: {name: shop, port: {number: 81}}}}]}}]"
    ),
    "deny": DENY,
    "deny by an empty list": policy("podSelector: {}, ingress: []"),
    "out alone": policy("podSelector: {}, policyTypes: [Egress]"),
    "rules for what goes out": policy("podSelector: {}, egress: [{}]"),
    "all in": DENY + policy("podSelector: {}, ingress: [{}]", "open"),
    "ports by default": policy("podSelector: {}, ingress: [{ports: [{}]}]"),
    "a port": policy("podSelector: {}, ingress: [{ports: [{port: 5000}]}]"),
    "another port": policy("podSelector: {}, ingress: [{ports: [{port: 80}]}]"),
    "a port by name": policy("podSelector: {}, ingress: [{ports: [{port: http}]}]"),
    "ports in a range": policy("podSelector: {}, ingress: [{ports: [{port: 1, endPort: 6000}]}]"),
    "a port of UDP": policy("podSelector: {}, ingress: [{ports: [{port: 5000, protocol: UDP}]}]"),
    "from an empty list": policy("podSelector: {}, ingress: [{from: []}]"),
    "expressions": policy(
        "podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [stock]}]}"
    ),
}
REFUSED = {
    "a number in quotes": node_port("{port: 80, targetPort: '5000'}"),
    "a port of text": node_port("{port: x}"),
    "no port": service("type: NodePort, selector: {app: shop}"),
    "two ports without names": node_port("{port: 80}, {port: 5000}"),
    "an unknown type": service("type: Nodeport, selector: {app: shop}, ports: [{port: 5000}]"),
    "headless with ports of nodes": service(
        "type: NodePort, clusterIP: None, selector: {app: shop}, ports: [{port: 5000}]"
    ),
    "an unknown operator": policy("podSelector: {matchExpressions: [{key: a, operator: Near}]}"),
    "neither backend nor rules": ingress("ingressClassName: a"),
    "an old backend": ingress("backend: {serviceName: shop, servicePort: 80}"),
    "an older version": thing("extensions/v1beta1", "Ingress", ""),
}


def port(fields: str) -> str:
    return f"podSelector: {{}}, ingress: [{{ports: [{{{fields}}}]}}]"


def peer(fields: str) -> str:
    return f"podSelector: {{}}, ingress: [{{from: [{{{fields}}}]}}]"


def expression(fields: str) -> str:
    return f"podSelector: {{matchExpressions: [{{{fields}}}]}}"


POLICIES = [
    *(port(fields) for fields in (
        "port: 80, endPort: 79", "port: 80, endPort: 81", "endPort: 90", "port: 0", "port: 65536",
        "port: -1", "port: '80'", "port: ''", "port: Http", "port: a--b", "port: a-name-of-16-chr",
        "port: a-name-of-15-ch", "port: http, endPort: 80", "port: 80, protocol: TCPP",
        "port: 80, protocol: ''", "port: 80, protocol: tcp", "port: 80, endPort: 65536", "prt: 80",
    )),
    *(peer(fields) for fields in (
        "", "podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}", "ipBlock: {}", "pods: {}",
        "namespaceSelector: {matchLabels: {a: b}}, podSelector: {}", "podSelector: {labels: {}}",
    )),
    *(peer(f"ipBlock: {{{fields}}}") for fields in (
        "cidr: 10.0.0.0", "cidr: 10.0.0.0/33", "cidr: x", "cidr: 10.0.0.1/8", "cidr: '::/0'",
        "cidr: 10.0.0.0/255.0.0.0", "cidr: 10.0.0.0/8, except: [10.1.0.0/16]",
        "cidr: 10.0.0.0/8, except: [11.0.0.0/16]", "cidr: 10.0.0.0/8, except: [10.0.0.0/8]",
        "cidr: 10.0.0.0/8, except: ['fe80::/64']", "cidr: 10.0.0.0/8, except: [x]",
    )),
    *(expression(fields) for fields in (
        "key: app, operator: Near", "key: app, operator: In", "key: app, operator: In, values: []",
        "key: app, operator: Exists, values: [a]", "operator: Exists", "key: app",
        "key: a b, operator: Exists", "key: app, operator: NotIn, values: [a b]",
        "key: a.b/c, operator: DoesNotExist", "key: A.b/c, operator: DoesNotExist",
        "key: a/b/c, operator: DoesNotExist", "key: app, operator: NotIn, values: ['']",
        "key: app, operator: NotIn, value: [a]",
    )),
    "podSelector: {matchLabels: {app: 'shop '}}", "podSelector: {matchLabels: {'': shop}}",
    "podSelector: {}, policyTypes: [Inwards]", "podSelector: {}, policyTypes: [Ingress, Ingress]",
    "podSelector: {}, policyTypes: [Ingress, Egress, Egress]", "podSelector: {}, ingres: [{}]",
    "podSelector: {}, egress: [{ports: [{port: 0}]}]", "podSelector: {}, egress: [{from: []}]",
    "podSelector: {}, ingress: [{to: []}]", "podSelector: null", "policyTypes: [Ingress]",
]  # fmt: skip
POD = DEPLOYMENT.replace("{name: shop}", "{name: shop, namespace: default}", 1).replace(
    "spec:\n  template", "spec:\n  selector: {matchLabels: {app: shop}}\n  template", 1
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as found:
        yield found


def placed(text: str) -> list[dict[str, Any]]:
    """Return the objects of a text, in the namespace default."""
    objects = [one for one in yaml.safe_load_all(text) if one is not None]
    for one in objects:
        one["metadata"]["namespace"] = "default"
    return objects


def joined(objects: list[dict[str, Any]]) -> str:
    return "\n---\n".join(map(json.dumps, objects)) + "\n"


def made(server: ControlPlane, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers = [server.made(_PATHS[one["kind"]], one) for one in objects]
    assert not [answer for answer in answers if isinstance(answer, str)]
    return [
        {"apiVersion": one["apiVersion"], "kind": one["kind"], **answer}
        for one, answer in zip(objects, answers, strict=True)
        if isinstance(answer, dict)
    ]


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_object_means_what_it_means_with_its_defaults(name: str, server: ControlPlane) -> None:
    written = [*placed(POD), *placed(ACCEPTED[name])]
    kept = made(server, written)
    assert kept != written
    for address in ("0.0.0.0", "127.0.0.1"):
        expected = in_cluster(joined(kept), address).scope
        assert in_cluster(joined(written), address).scope == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_api_server_refuses_is_read_without_an_error(
    name: str, server: ControlPlane
) -> None:
    objects = placed(REFUSED[name])
    answers = [server.made(_PATHS[one["kind"]], one) for one in objects]
    assert [answer for answer in answers if isinstance(answer, str)]
    assert in_cluster(joined([*placed(POD), *objects])).claim.answer is not Answer.NO


@pytest.mark.parametrize("spec", POLICIES)
def test_a_policy_keeps_out_only_where_the_api_server_takes_it(
    spec: str, server: ControlPlane
) -> None:
    objects = placed(policy(spec))
    alone = in_cluster(joined(placed(POD))).scope
    with_policy = in_cluster(joined([*placed(POD), *objects])).scope
    if isinstance(server.made(_PATHS["NetworkPolicy"], objects[0]), str):
        assert with_policy == alone == "private"
    else:
        denied = in_cluster(joined([*placed(POD), *placed(DENY.replace("deny", "other"))])).scope
        assert with_policy in {alone, denied}


@pytest.mark.parametrize(
    "metadata",
    ["labels: {a: b}", "labels: {a b: c}", "labels: {a: b c}", "annotations: {a/b: c d}",
     "annotations: {a b: c}", "annotations: {A.b/C: d}", "label: {}", "uid: a", "finalizers: []"],
)  # fmt: skip
def test_the_metadata_of_a_policy_are_what_the_api_server_takes(
    metadata: str, server: ControlPlane
) -> None:
    objects = placed(policy("podSelector: {}", f"deny, {metadata}"))
    taken = not isinstance(server.made(_PATHS["NetworkPolicy"], objects[0]), str)
    found = in_cluster(joined([*placed(POD), *objects])).scope
    assert found == ("loopback" if taken else "private")


@pytest.mark.parametrize(
    "name", ["deny", "deny.all", "Deny", "deny_all", "-deny", "deny.", "d" * 254, "a..b"]
)
def test_the_name_of_a_policy_is_one_that_the_api_server_takes(
    name: str, server: ControlPlane
) -> None:
    objects = placed(policy("podSelector: {}", f"'{name}'"))
    taken = not isinstance(server.made(_PATHS["NetworkPolicy"], objects[0]), str)
    found = in_cluster(joined([*placed(POD), *objects])).scope
    assert found == ("loopback" if taken else "private")


def test_a_port_of_the_host_is_kept_as_it_is_written(server: ControlPlane) -> None:
    (pod,) = placed(POD)
    container = pod["spec"]["template"]["spec"]["containers"][0]
    for address, expected in (("127.0.0.1", "host"), ("localhost", "public"), ("", "public")):
        container["ports"] = [{"containerPort": 5000, "hostPort": 80, "hostIP": address}]
        (kept,) = made(server, [pod])
        assert in_cluster(joined([kept])).scope == in_cluster(joined([pod])).scope == expected
