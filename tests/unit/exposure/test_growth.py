"""What it costs to tell who reaches the Pods of a scan grows with its size, not with its square."""

from collections.abc import Callable

import pytest

from deployguard import exposure
from tests.support.calls import counted
from tests.support.exposure import listener, manifests, policy, program, service, thing

_SERVER = (program(listener()),)


def pod(name: str, labels: str, namespace: str = "") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return thing(
        "v1", "Pod", "containers: [{name: web, image: a}]",
        f"name: {name}{place}, labels: {{{labels}}}",
    )  # fmt: skip


def ingress(name: str, namespace: str = "") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    backend = f"defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}"
    return thing("networking.k8s.io/v1", "Ingress", backend, f"name: {name}{place}")


PORTS = "ports: [{port: 80, targetPort: 5000}]"


def alike(number: int) -> str:
    return (
        pod(f"p{number}", "app: a")
        + service(f"selector: {{app: a}}, {PORTS}", f"s{number}")
        + ingress(f"s{number}")
    )


def distinct(number: int) -> str:
    name = f"a{number}"
    return (
        pod(name, f"app: {name}, tier: front")
        + service(f"selector: {{app: {name}, tier: front}}, {PORTS}", name)
        + ingress(name)
        + policy(f"podSelector: {{matchLabels: {{tier: front, app: {name}}}}}", name)
    )


def apart(number: int) -> str:
    space = f"n{number}"
    return (
        pod("a", "app: a", space)
        + service(f"selector: {{app: a}}, {PORTS}", "a", space)
        + ingress("a", space)
        + policy("podSelector: {}", "deny", space)
    )


def of_one_name(number: int) -> str:
    return (
        pod("a", f"app: a, one: n{number}")
        + service(f"selector: {{app: a}}, {PORTS}", "a")
        + ingress("a")
    )


def without_services(number: int) -> str:
    return pod("a", f"app: a{number}") + ingress(f"s{number}")


def chained(number: int) -> str:
    alias = f"type: ExternalName, externalName: s{number + 1}.x.svc"
    return service(alias, f"s{number}", "x") + ingress(f"s{number}", "x") + pod("a", "app: a", "x")


def of_many_ports(number: int) -> str:
    rule = f"podSelector: {{}}, ingress: [{{ports: [{{port: {6000 + number}}}]}}]"
    return pod("a", f"app: a{number}") + policy(rule, f"p{number}")


def cost(shape: Callable[[int], str], count: int, *, together: bool) -> int:
    """Return the calls for as many of a shape, as one target or as a target each."""
    texts = [shape(number) for number in range(count)]
    targets = ["".join(texts)] if together else texts
    read = [manifests(text) for text in targets]
    declared = [
        exposure.Declared(traffic, f"folder{index}") for index, (_, traffic) in enumerate(read)
    ]
    with counted("/exposure/") as calls:
        for (specs, _), around in zip(read, exposure.surroundings(declared), strict=True):
            for spec in specs:
                exposure.reach(spec, _SERVER, around)
        return calls()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "shape",
    [alike, distinct, apart, of_one_name, without_services, chained, of_many_ports],
)
def test_four_times_as_many_objects_cost_about_four_times_as_much(
    shape: Callable[[int], str], *, together: bool
) -> None:
    few, many = (cost(shape, count, together=together) for count in (20, 80))
    assert many < 5 * few


def test_endpoints_of_many_addresses_and_ports_are_bounded() -> None:
    addresses = ", ".join("{targetRef: {kind: Pod, name: a}}" for _ in range(1_000))
    ports = ", ".join(f"{{name: p{number}, port: {number}}}" for number in range(1, 1_001))
    held = f"---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: s}}\nsubsets: [{{addresses: [{addresses}], ports: [{ports}]}}]\n"
    _, leading = manifests(held)
    (entry,) = leading.entries
    assert "more than 100000 addresses and ports of them" in entry.backends[0].missing[0].what
