"""Who reaches a Pod: a table for what leads to it and what keeps requests out."""

import pytest

from tests.support.exposure import DEPLOYMENT, SELECTED, in_cluster, service, shown


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SELECTED, "private"),
        (f"{SELECTED}, type: ClusterIP", "private"),
        (f"{SELECTED}, clusterIP: None", "private"),
        (f"{SELECTED}, type: NodePort", "public"),
        (f"{SELECTED}, type: LoadBalancer", "public"),
        (f"{SELECTED}, type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]", "public"),
        (f"{SELECTED}, externalIPs: [203.0.113.7]", "public"),
        (f"{SELECTED}, externalIPs: []", "private"),
        (f"{SELECTED}, type: ExternalName, externalName: example.org", "private"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 5000}]", "public"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 80}]", "private"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: http}]", "public"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: admin}]", "private"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: '5000'}]", "public"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 5000, protocol: UDP}]", "private"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: 9}, {port: 5000}]", "public"),
        ("type: NodePort, selector: {app: shop, tier: front}, ports: [{port: 5000}]", "public"),
        ("type: NodePort, selector: {app: shop, tier: back}, ports: [{port: 5000}]", "private"),
        ("type: NodePort, selector: {}, ports: [{port: 5000}]", "private"),
        ("type: NodePort, ports: [{port: 5000}]", "private"),
        ("type: NodePort, selector: {app: shop}, ports: [{port: x}]",
         "unknown: where the Service shop leads, for it cannot be read: 'port' must be a whole "
         "number, not text"),
    ],
)  # fmt: skip
def test_a_service_leads_to_the_port_it_targets(spec: str, expected: str) -> None:
    assert shown(in_cluster(DEPLOYMENT + service(spec))) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0", "public"),
        ("::", "public"),
        ("10.0.0.7", "public"),
        ("127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("::1", "loopback"),
        ("unix:/run/app.sock", "none"),
        ("shop.example.org", "unknown: which address shop.example.org is in the container"),
        (None, "unknown: the address it listens on"),
    ],
)
def test_nothing_leads_to_what_is_bound_to_loopback(address: str | None, expected: str) -> None:
    node_port = service(f"{SELECTED}, type: NodePort")
    assert shown(in_cluster(DEPLOYMENT + node_port, address)) == expected


def test_a_port_that_is_not_listed_is_reached_and_one_that_is_not_known_may_be() -> None:
    assert shown(in_cluster(DEPLOYMENT, port=9999)) == "private"
    assert shown(in_cluster(DEPLOYMENT, port=None)) == "private"
    node_port = DEPLOYMENT + service(f"{SELECTED}, type: NodePort")
    assert shown(in_cluster(node_port, port=None)) == "unknown: the port it listens on"
    assert shown(in_cluster(node_port, port=0)) == "unknown: the port it listens on"


POD = "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: shop, labels: {{app: shop}}}}\nspec: {{containers: [{{name: web, image: shop{0}}}]{1}}}\n"


@pytest.mark.parametrize(
    ("ports", "spec", "address", "expected"),
    [
        ("containerPort: 5000", "", "0.0.0.0", "private"),
        ("containerPort: 5000, hostPort: 80", "", "0.0.0.0", "public"),
        ("containerPort: 5000, hostPort: 80, hostIP: 127.0.0.1", "", "0.0.0.0", "host"),
        ("containerPort: 5000, hostPort: 80, hostIP: '::1'", "", "0.0.0.0", "host"),
        ("containerPort: 5000, hostPort: 80, hostIP: 10.0.0.1", "", "0.0.0.0", "public"),
        ("containerPort: 5000, hostPort: 80, protocol: UDP", "", "0.0.0.0", "private"),
        ("containerPort: 5001, hostPort: 80", "", "0.0.0.0", "private"),
        ("containerPort: 5000, hostPort: 80", "", "127.0.0.1", "loopback"),
        ("containerPort: 5000", "hostNetwork: true", "0.0.0.0", "public"),
        ("containerPort: 5000", "hostNetwork: true", "127.0.0.1", "host"),
        ("containerPort: 5000", "hostNetwork: false", "127.0.0.1", "loopback"),
    ],
)
def test_ports_of_the_host_and_its_network(
    ports: str, spec: str, address: str, expected: str
) -> None:
    pod = POD.format(f", ports: [{{{ports}}}]", f", {spec}" if spec else "")
    assert shown(in_cluster(pod, address)) == expected


def test_the_ports_of_all_containers_of_a_pod_are_the_pods() -> None:
    proxy = ", {name: proxy, image: nginx, ports: [{name: web, containerPort: 5000, hostPort: 80}]}"
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{app: shop}}}}\nspec: {{containers: [{{name: web, image: shop}}{proxy}]}}\n"
    assert shown(in_cluster(pod)) == "public"
    named = pod.replace(", hostPort: 80", "")
    target = service("type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: web}]")
    assert shown(in_cluster(named + target)) == "public"
    assert shown(in_cluster(named + target, "127.0.0.1")) == "loopback"


def placed(namespace: str) -> str:
    return DEPLOYMENT.replace("{name: shop}", f"{{name: shop, namespace: {namespace}}}")


@pytest.mark.parametrize(
    ("pod", "of_service", "expected"),
    [
        ("a", "a", "public"),
        ("a", "b", "private"),
        ("", "", "public"),
        ("a", "", "unknown: whether what names no namespace is applied to a"),
        ("", "a", "unknown: the namespace to which it is applied"),
    ],
)
def test_a_service_selects_in_its_own_namespace(pod: str, of_service: str, expected: str) -> None:
    deployment = placed(pod) if pod else DEPLOYMENT
    node_port = service(f"{SELECTED}, type: NodePort", namespace=of_service)
    assert shown(in_cluster(deployment + node_port)) == expected


def test_a_service_of_one_pod_of_a_stateful_set_leads_to_it() -> None:
    stateful = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet")
    one = service(
        "type: LoadBalancer, ports: [{port: 5000}], "
        "selector: {statefulset.kubernetes.io/pod-name: shop-0}"
    )
    other = one.replace("shop-0", "stock-0")
    assert shown(in_cluster(stateful + one)) == "public"
    assert shown(in_cluster(stateful + other)) == "private"


NO_SELECTOR = service("type: NodePort, ports: [{port: 80, targetPort: 5000}]")
ENDPOINTS = """
---
apiVersion: v1
kind: Endpoints
metadata: {name: shop}
subsets:
- addresses: [{ip: 10.0.0.9, targetRef: {kind: Pod, name: POD}}]
  ports: [{port: 5000}]
"""
SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-x, labels: {kubernetes.io/service-name: shop}}
endpoints: [{addresses: [10.0.0.9], targetRef: {kind: Pod, name: POD}}]
ports: [{port: 5000, protocol: TCP}]
"""


@pytest.mark.parametrize("endpoints", [ENDPOINTS, SLICE])
@pytest.mark.parametrize(("pod", "expected"), [("shop", "public"), ("stock", "private")])
def test_endpoints_that_name_a_pod_lead_to_it(endpoints: str, pod: str, expected: str) -> None:
    text = POD.format("", "") + NO_SELECTOR + endpoints.replace("POD", pod)
    assert shown(in_cluster(text)) == expected


def test_endpoints_that_are_addresses_lead_to_no_pod_that_is_known() -> None:
    addresses = ENDPOINTS.replace(", targetRef: {kind: Pod, name: POD}", "")
    assert shown(in_cluster(POD.format("", "") + NO_SELECTOR + addresses)) == "private"


@pytest.mark.parametrize(
    ("policy", "expected"), [(", restartPolicy: Always", "public"), ("", "private")]
)
def test_the_ports_of_a_sidecar_are_the_pods_and_those_of_what_ends_before_are_not(
    policy: str, expected: str
) -> None:
    ports = "ports: [{name: side, containerPort: 5000, hostPort: 80}]"
    first = f", initContainers: [{{name: first, image: b, {ports}{policy}}}]"
    found = in_cluster(POD.format("", first), subject="Pod/-/shop/containers/web")
    assert shown(found) == expected


def test_a_service_selects_the_pods_of_a_job_by_its_name() -> None:
    job = DEPLOYMENT.replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: Job")
    one = service("type: LoadBalancer, selector: {job-name: shop}, ports: [{port: 5000}]")
    assert shown(in_cluster(job + one)) == "public"
    assert shown(in_cluster(DEPLOYMENT + one)) == "private"
