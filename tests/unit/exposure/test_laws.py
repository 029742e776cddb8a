"""What widens never narrows, what narrows never widens, and nothing unread is taken for safe."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployguard.model.facts import Scope
from tests.support.effort import examples
from tests.support.exposure import DEPLOYMENT, in_cluster, in_project, policy, service, thing

WIDTHS = list(Scope)
NAMESPACES = st.sampled_from(["", "a", "b"])
APPS = st.sampled_from(["shop", "stock"])
PORTS = st.sampled_from(["5000", "80", "http"])
API = "gateway.networking.k8s.io/v1"


def metadata(name: str, namespace: str) -> str:
    return f"name: {name}" + (f", namespace: {namespace}" if namespace else "")


@st.composite
def workloads(draw: st.DrawFn) -> str:
    """Draw the manifest of one Deployment, of one container on port 5000."""
    port = draw(st.sampled_from(["", ", hostPort: 80", ", hostPort: 80, hostIP: 127.0.0.1"]))
    text = DEPLOYMENT.replace("containerPort: 5000", f"containerPort: 5000{port}")
    if draw(st.booleans()):
        text = text.replace("    spec:\n", "    spec:\n      hostNetwork: true\n")
    return text.replace("{name: shop}", f"{{{metadata('shop', draw(NAMESPACES))}}}", 1)


@st.composite
def services(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]))
    ports = f"ports: [{{name: http, port: 80, targetPort: {draw(PORTS)}}}]"
    outside = f"externalName: {draw(APPS)}.{draw(NAMESPACES) or 'c'}.svc"
    spec = f"type: {kind}, selector: {{app: {draw(APPS)}}}, {ports}, {outside}"
    return service(spec, draw(APPS), draw(NAMESPACES))


@st.composite
def inner_services(draw: st.DrawFn) -> str:
    ports = f"ports: [{{name: http, port: 80, targetPort: {draw(PORTS)}}}]"
    return service(f"selector: {{app: {draw(APPS)}}}, {ports}", draw(APPS), draw(NAMESPACES))


@st.composite
def entries(draw: st.DrawFn) -> str:
    name, place = draw(APPS), metadata("x", draw(NAMESPACES))
    kind = draw(st.sampled_from(["Ingress", "Route", "HTTPRoute"]))
    match kind:
        case "Ingress":
            backend = f"defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}"
            return thing("networking.k8s.io/v1", kind, backend, place)
        case "Route":
            port = f"port: {{targetPort: {draw(PORTS)}}}"
            return thing("route.openshift.io/v1", kind, f"to: {{name: {name}}}, {port}", place)
        case _:
            parent = f"parentRefs: [{{{metadata('edge', draw(NAMESPACES))}}}]"
            backend = f"backendRefs: [{{{metadata(name, draw(NAMESPACES))}, port: 80}}]"
            return thing(API, kind, f"{parent}, rules: [{{{backend}}}]", place)


@st.composite
def gateways(draw: st.DrawFn) -> str:
    origin = draw(st.sampled_from(["Same", "All", "Selector", "None"]))
    listener = f"{{name: l, port: 80, allowedRoutes: {{namespaces: {{from: {origin}}}}}}}"
    place = metadata("edge", draw(NAMESPACES))
    return thing(API, "Gateway", f"listeners: [{listener}]", place)


@st.composite
def policies(draw: st.DrawFn) -> str:
    selector = draw(st.sampled_from(["", "matchLabels: {app: shop}", "matchLabels: {app: stock}"]))
    peer = draw(
        st.sampled_from(
            [
                "[]",
                "[{podSelector: {}}]",
                "[{namespaceSelector: {}}]",
                "[{ipBlock: {cidr: 10.0.0.0/8}}]",
            ]
        )
    )
    port = draw(st.sampled_from(["", ", ports: [{port: 5000}]", ", ports: [{port: 80}]"]))
    rules = draw(st.sampled_from(["", f", ingress: [{{from: {peer}{port}}}]"]))
    return policy(f"podSelector: {{{selector}}}{rules}", namespace=draw(NAMESPACES))


THINGS = st.lists(services() | entries() | gateways() | policies(), max_size=6)
FEW = settings(max_examples=examples(60, 600), deadline=None)


@FEW
@given(workloads(), THINGS, services() | entries())
def test_what_leads_to_pods_never_narrows(pod: str, around: list[str], further: str) -> None:
    before = in_cluster(pod + "".join(around)).scope
    after = in_cluster(pod + "".join(around) + further).scope
    if before is not None and after is not None:
        assert WIDTHS.index(after) >= WIDTHS.index(before)


@FEW
@given(workloads(), THINGS, NAMESPACES)
def test_a_policy_that_lets_nobody_in_never_widens(
    pod: str, around: list[str], namespace: str
) -> None:
    # Where policies are already, one more adds nobody; where none is, it keeps out.
    before = in_cluster(pod + "".join(around)).scope
    deny = policy("podSelector: {}", "none", namespace)
    after = in_cluster(pod + "".join(around) + deny).scope
    if before is not None:
        # Of policies of one name it is not known which is applied, and it may let somebody in.
        named = [one.partition("spec:")[0] for one in around if "kind: NetworkPolicy" in one]
        assert after is not None or len(set(named)) < len(named)
        if after is not None:
            assert WIDTHS.index(after) <= WIDTHS.index(before)


def test_of_policies_of_one_name_it_is_not_known_which_keeps_out() -> None:
    shut = policy("podSelector: {}")
    assert in_cluster(DEPLOYMENT + shut + shut).scope is Scope.PRIVATE
    assert in_cluster(DEPLOYMENT + shut + shut + policy("podSelector: {}", "none")).scope is None


@FEW
@given(workloads(), THINGS)
def test_a_narrower_bind_never_widens(pod: str, around: list[str]) -> None:
    text = pod + "".join(around)
    binds = ("0.0.0.0", "127.0.0.1", "unix:/a")
    reaches = [in_cluster(text, address).scope for address in binds]
    known = [WIDTHS.index(scope) for scope in reaches if scope is not None]
    assert known == sorted(known, reverse=True)
    assert reaches[1] is not None
    assert reaches[2] is Scope.NONE


@FEW
@given(workloads(), THINGS, st.randoms(use_true_random=False))
def test_the_order_of_objects_never_matters(pod: str, around: list[str], random: object) -> None:
    shuffled = list(around)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before = in_cluster(pod + "".join(around)).scope
    assert in_cluster("".join(shuffled) + pod).scope == before


@FEW
@given(NAMESPACES, st.lists(inner_services(), min_size=1), st.lists(entries() | gateways()))
def test_an_entry_whose_service_is_taken_out_of_the_input_may_lead_anywhere(
    namespace: str, held: list[str], around: list[str]
) -> None:
    pod = DEPLOYMENT.replace("{name: shop}", f"{{{metadata('shop', namespace)}}}", 1)
    if in_cluster(pod + "".join([*held, *around])).scope is Scope.PUBLIC:
        assert in_cluster(pod + "".join(around)).scope is None


PUBLISHED = st.sampled_from(
    ["80:5000", "127.0.0.1:80:5000", "80:81", "5000/udp", "127.0.0.1::5000", "[::1]:1:5000"]
)
JOINED = st.sampled_from(
    ["", "network_mode: host", "network_mode: none", "networks: [inside]", "networks: [inside, out]",
     "network_mode: service:db", "network_mode: container:x", "networks: [other]"]
)  # fmt: skip
NETWORKS = "networks: {inside: {internal: true}, out: {}, other: {driver: weave}}\n"


@settings(FEW, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PUBLISHED, max_size=3), PUBLISHED, JOINED, st.sampled_from(["web", "db"]))
def test_a_further_published_port_never_narrows(
    tmp_path: Path, ports: list[str], further: str, joined: str, publisher: str
) -> None:
    def scope(held: list[str], address: str = "0.0.0.0") -> Scope | None:
        lines = {
            name: f"    ports: {held}\n" if name == publisher else "" for name in ("web", "db")
        }
        text = (
            f"services:\n  web:\n    image: a\n    {joined}\n{lines['web']}"
            f"  db:\n    image: b\n{lines['db']}{NETWORKS}"
        )
        return in_project(tmp_path, text, address=address).scope

    before, after = scope(ports), scope([*ports, further])
    if before is not None:
        assert after is not None
        assert WIDTHS.index(after) >= WIDTHS.index(before)
    elif after is not None:
        assert after is Scope.PUBLIC
    inner = scope(ports, "127.0.0.1")
    assert inner is None or before is None or WIDTHS.index(inner) <= WIDTHS.index(before)
