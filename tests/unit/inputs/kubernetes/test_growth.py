"""What it costs to read the containers of manifests grows with their size, not with its square."""

from collections.abc import Callable

import pytest

from deployguard.inputs.kubernetes.manifests import read
from deployguard.inputs.kubernetes.schema import unknown_fields
from tests.support.calls import counted
from tests.support.manifests import declared


def beside_services(count: int) -> str:
    return "".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p{one}}}\n"
        "spec: {containers: [{name: web, image: a}]}\n---\n"
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{one}}}\n"
        "spec: {ports: [{port: 80}]}\n---\n"
        for one in range(count)
    )


def with_a_folder_in_common(count: int) -> str:
    containers = (
        f"{{name: c{one}, image: a, ports: [{{containerPort: 1}}],"
        " volumeMounts: [{name: v, mountPath: /v}]}"
        for one in range(count)
    )
    spec = f"{{volumes: [{{name: v}}], containers: [{', '.join(containers)}]}}"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n"


def with_claims(count: int) -> str:
    claims = ", ".join(f"{{metadata: {{name: v{one}}}}}" for one in range(count))
    mounts = ", ".join(f"{{name: v{one}, mountPath: /v{one}}}" for one in range(count))
    pod = f"{{spec: {{containers: [{{name: web, image: a, volumeMounts: [{mounts}]}}]}}}}"
    return (
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: p}\n"
        f"spec: {{volumeClaimTemplates: [{claims}], template: {pod}}}\n"
    )


@pytest.mark.parametrize("shape", [beside_services, with_a_folder_in_common, with_claims])
def test_four_times_as_many_of_something_cost_about_four_times_as_much(
    shape: Callable[[int], str],
) -> None:
    few, many = (cost(shape(count)) for count in (20, 80))
    assert many < 5 * few


def cost(text: str) -> int:
    with counted("/deployguard/") as calls:
        declared(text)
        return calls()


def test_hints_are_looked_for_where_they_are_shown_alone() -> None:
    assert hinting(40) < 2 * hinting(3)


def hinting(count: int) -> int:
    names = ", ".join(f"imagePullPolicie{one}: a" for one in range(10, 10 + count))
    pod = f"{{containers: [{{name: web, image: a, {names}}}]}}"
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {pod}\n"
    manifests = read([("f", text.encode())])
    with counted("/difflib.py") as calls:
        list(unknown_fields(manifests))
        return calls()
