"""Ingresses, routes of gateways, of OpenShift, Istio and Traefik: what leads in from beyond."""

import pytest

from tests.support.exposure import CLUSTER_IP, DEPLOYMENT, in_cluster, service, shown, thing

SHOP = DEPLOYMENT + CLUSTER_IP


def ingress(backend: str, version: str = "networking.k8s.io/v1") -> str:
    rules = f"rules: [{{http: {{paths: [{{path: /, pathType: Prefix, backend: {{{backend}}}}}]}}}}]"
    return thing(version, "Ingress", rules)


def default(backend: str) -> str:
    return thing("networking.k8s.io/v1", "Ingress", f"defaultBackend: {{{backend}}}")


def to(port: str, name: str = "shop") -> str:
    return f"service: {{name: {name}, port: {{{port}}}}}"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ingress(to("number: 80")), "public"),
        (ingress(to("name: http")), "private"),
        (ingress(to("number: 5000")), "private"),
        (default(to("number: 80")), "public"),
        (ingress("serviceName: shop, servicePort: 80", "extensions/v1beta1"), "public"),
        (ingress("serviceName: shop, servicePort: 80", "networking.k8s.io/v1beta1"), "public"),
        (ingress("serviceName: shop, servicePort: 81", "networking.k8s.io/v1beta1"), "private"),
        (thing("networking.k8s.io/v1", "Ingress", "rules: []"), "private"),
        (ingress(to("number: 80", name="other")),
         "unknown: the Service other, to which the Ingress x leads"),
        (ingress("resource: {apiGroup: a.example, kind: Bucket, name: b}"),
         "unknown: the Bucket b, to which the Ingress x leads"),
        (thing("networking.k8s.io/v1", "Ingress", "rules: 5"),
         "unknown: where the Ingress x leads, for it cannot be read: 'rules' must be a list, "
         "not a number"),
    ],
)  # fmt: skip
def test_an_ingress_leads_to_the_port_of_its_service(entry: str, expected: str) -> None:
    assert shown(in_cluster(SHOP + entry)) == expected


def test_a_service_has_its_ports_by_name() -> None:
    named = service("selector: {app: shop}, ports: [{name: web, port: 80, targetPort: http}]")
    assert shown(in_cluster(DEPLOYMENT + named + ingress(to("name: web")))) == "public"
    assert shown(in_cluster(DEPLOYMENT + named + ingress(to("name: http")))) == "private"


def test_what_leads_to_a_service_of_another_pod_leads_not_to_this_one() -> None:
    stock = service("selector: {app: stock}, ports: [{port: 80, targetPort: 5000}]", name="stock")
    assert shown(in_cluster(SHOP + stock + ingress(to("number: 80", name="stock")))) == "private"


def test_a_name_for_a_service_of_another_namespace_is_followed() -> None:
    alias = service(
        "type: ExternalName, externalName: shop.prod.svc.cluster.local", "front", "edge"
    )
    edge = ingress(to("number: 80", name="front")).replace(
        "{name: x}", "{name: x, namespace: edge}"
    )
    place = ("{name: shop}", "{name: shop, namespace: prod}")
    assert shown(in_cluster(SHOP.replace(*place) + alias + edge)) == "public"
    elsewhere = alias.replace("shop.prod", "shop.dev")
    assert shown(in_cluster(SHOP.replace(*place) + elsewhere + edge)) == "private"


API = "gateway.networking.k8s.io/v1"
GATEWAY = thing(API, "Gateway", "gatewayClassName: c, listeners: [{name: web, port: 80, protocol: HTTP}]",
                "name: edge")  # fmt: skip
BACKEND = "rules: [{backendRefs: [{name: shop, port: 80}]}]"


def route(kind: str = "HTTPRoute", parents: str = "{name: edge}", rules: str = BACKEND) -> str:
    return thing(API, kind, f"parentRefs: [{parents}], {rules}")


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"])
def test_a_route_leads_in_through_its_gateway(kind: str) -> None:
    assert shown(in_cluster(SHOP + GATEWAY + route(kind))) == "public"
    assert shown(in_cluster(SHOP + route(kind))) == (
        f"unknown: the Gateway edge, which the {kind} x names"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (route(parents=""), "private"),
        (route(parents="{name: shop, kind: Service, group: ''}"), "private"),
        (route(parents="{name: edge, sectionName: web}"), "public"),
        (route(parents="{name: edge, sectionName: other}"), "private"),
        (route(parents="{name: none}, {name: edge}"), "public"),
        (route(rules="rules: [{backendRefs: [{name: shop, port: 80, weight: 0}]}]"), "private"),
        (route(rules="rules: [{backendRefs: [{name: shop, port: 81}]}]"), "private"),
        (route(rules="rules: [{backendRefs: [{name: other, port: 80}]}]"),
         "unknown: the Service other, to which the HTTPRoute x leads"),
        (route(rules="rules: [{backendRefs: [{group: a.example, kind: Bucket, name: b}]}]"),
         "unknown: the Bucket b, to which the HTTPRoute x leads"),
        (route(rules="rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: "
                     "{name: shop, port: 80}}}]}]"), "public"),
        (route("UDPRoute"), "private"),
    ],
)  # fmt: skip
def test_of_a_route_counts_what_gets_requests(changed: str, expected: str) -> None:
    assert shown(in_cluster(SHOP + GATEWAY + changed)) == expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("", "private"),
        (", allowedRoutes: {namespaces: {from: Same}}", "private"),
        (", allowedRoutes: {namespaces: {from: All}}", "public"),
        (", allowedRoutes: {namespaces: {from: None}}", "private"),
        (", allowedRoutes: {namespaces: {from: Selector, selector: {}}}",
         "unknown: whether the Gateway edge takes routes of the namespace of the HTTPRoute x"),
    ],
)  # fmt: skip
def test_a_gateway_takes_routes_of_the_namespaces_it_allows(allowed: str, expected: str) -> None:
    infra = GATEWAY.replace("protocol: HTTP", "protocol: HTTP" + allowed).replace(
        "{name: edge}", "{name: edge, namespace: infra}"
    )
    here = route(parents="{name: edge, namespace: infra}").replace(
        "{name: x}", "{name: x, namespace: prod}"
    )
    shop = SHOP.replace("{name: shop}", "{name: shop, namespace: prod}")
    assert shown(in_cluster(shop + infra + here)) == expected


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("", "unknown: a ReferenceGrant of prod for the HTTPRoute x"),
        ("to: [{group: '', kind: Service}]", "public"),
        ("to: [{group: '', kind: Service, name: shop}]", "public"),
        ("to: [{group: '', kind: Service, name: stock}]",
         "unknown: a ReferenceGrant of prod for the HTTPRoute x"),
        ("to: [{group: '', kind: Secret}]", "unknown: a ReferenceGrant of prod for the HTTPRoute x"),
    ],
)  # fmt: skip
def test_a_route_needs_leave_to_lead_to_another_namespace(grant: str, expected: str) -> None:
    edge = "{name: edge, namespace: edge}"
    text = SHOP.replace("{name: shop}", "{name: shop, namespace: prod}")
    text += GATEWAY.replace("{name: edge}", edge)
    text += route(
        rules="rules: [{backendRefs: [{name: shop, namespace: prod, port: 80}]}]"
    ).replace("{name: x}", "{name: x, namespace: edge}")
    if grant:
        origin = "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}], "
        text += thing(API, "ReferenceGrant", origin + grant, "name: g, namespace: prod")
    assert shown(in_cluster(text)) == expected


OPENSHIFT = "route.openshift.io/v1"
TRAEFIK = "traefik.io/v1alpha1"
ISTIO = "networking.istio.io/v1"
ISTIO_GATEWAY = thing(ISTIO, "Gateway", "selector: {istio: ingressgateway}", "name: edge")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (thing(OPENSHIFT, "Route", "to: {kind: Service, name: shop}"), "public"),
        (thing("v1", "Route", "to: {kind: Service, name: shop}"), "public"),
        (thing(OPENSHIFT, "Route", "to: {name: shop}, port: {targetPort: 5000}"), "public"),
        (thing(OPENSHIFT, "Route", "to: {name: shop}, port: {targetPort: 80}"), "private"),
        (thing(OPENSHIFT, "Route", "to: {name: shop}, port: {targetPort: web}"), "private"),
        (thing(OPENSHIFT, "Route", "to: {name: shop, weight: 0}"), "private"),
        (thing(OPENSHIFT, "Route",
               "to: {name: x, weight: 0}, alternateBackends: [{kind: Service, name: shop}]"),
         "public"),
        (thing(TRAEFIK, "IngressRoute", "routes: [{services: [{name: shop, port: 80}]}]"), "public"),
        (thing(TRAEFIK, "IngressRoute", "routes: [{services: [{name: shop, port: 81}]}]"), "private"),
        (thing(TRAEFIK, "IngressRouteTCP", "routes: [{services: [{name: shop, port: 80}]}]"),
         "public"),
        (thing(TRAEFIK, "IngressRouteUDP", "routes: [{services: [{name: shop, port: 80}]}]"),
         "private"),
        (thing(TRAEFIK, "IngressRoute", "routes: [{services: [{kind: TraefikService, name: t}]}]"),
         "unknown: the TraefikService t, to which the IngressRoute x leads"),
        (ISTIO_GATEWAY + thing(ISTIO, "VirtualService",
         "gateways: [edge], http: [{route: [{destination: {host: shop, port: {number: 80}}}]}]"),
         "public"),
        (ISTIO_GATEWAY + thing(ISTIO, "VirtualService",
         "gateways: [mesh], http: [{route: [{destination: {host: shop}}]}]"), "private"),
        (ISTIO_GATEWAY + thing(ISTIO, "VirtualService",
         "gateways: [edge], http: [{route: [{destination: {host: example.org}}]}]"), "private"),
        (thing(ISTIO, "VirtualService",
         "gateways: [infra/edge], http: [{route: [{destination: {host: shop}}]}]"),
         "unknown: the Gateway edge, which the VirtualService x names"),
    ],
)  # fmt: skip
def test_entries_of_other_groups(entry: str, expected: str) -> None:
    assert shown(in_cluster(SHOP + entry)) == expected


def test_a_port_of_a_route_of_openshift_is_the_pods_whatever_the_service_calls_it() -> None:
    named = service("selector: {app: shop}, ports: [{name: web, port: 80, targetPort: http}]")
    for port, expected in (("5000", "public"), ("web", "public"), ("80", "private")):
        spec = f"to: {{name: shop}}, port: {{targetPort: {port}}}"
        assert shown(in_cluster(DEPLOYMENT + named + thing(OPENSHIFT, "Route", spec))) == expected


def test_an_entry_without_its_service_leaves_the_pods_of_its_namespace_open() -> None:
    alone = ingress(to("number: 80", name="other"))
    prod = DEPLOYMENT.replace("{name: shop}", "{name: shop, namespace: prod}")
    for namespace, expected in (("prod", None), ("dev", "private")):
        placed = alone.replace("{name: x}", f"{{name: x, namespace: {namespace}}}")
        assert in_cluster(prod + placed).scope == expected
    bound = shown(in_cluster(DEPLOYMENT + alone, "127.0.0.1"))
    assert bound == "loopback"


KNATIVE = """
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: shop, labels: {LABELS}}
spec: {template: {spec: {containers: [{name: web, image: a, ports: [{containerPort: 5000}]}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, labels: {serving.knative.dev/service: shop}}
spec: {containers: [{name: web, image: a}]}
"""


@pytest.mark.parametrize(
    ("labels", "port", "expected"),
    [
        ("", 5000, "public"),
        ("", 8080, "private"),
        ("networking.knative.dev/visibility: cluster-local", 5000, "private"),
    ],
)
def test_a_service_of_knative_is_open_unless_it_is_kept_inside(
    labels: str, port: int, expected: str
) -> None:
    text = KNATIVE.replace("{LABELS}", f"{{{labels}}}")
    assert shown(in_cluster(text, port=port, subject="Pod/-/shop-1/containers/web")) == expected
    template = shown(in_cluster(text, port=port, subject="Service/-/shop/containers/web"))
    assert template == expected
