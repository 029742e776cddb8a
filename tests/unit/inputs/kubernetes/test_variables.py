"""Environments, beyond what is compared with the kubelet's own code."""

import pytest

from deployguard.effective.process import hooks, process
from deployguard.errors import SyntaxInputError
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Missing, Reason
from tests.support.manifests import declared

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {A: "1"}
binaryData: {B: aGk=}
---
"""


def container(fields: str, pod: str = "") -> ContainerSpec:
    text = (
        f"{OBJECTS}apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\n"
        f"spec: {{containers: [{{name: web, image: shop, {fields}}}]{pod}}}\n"
    )
    [spec] = declared(text)
    return spec


def test_binary_data_becomes_no_variable() -> None:
    spec = container(
        "envFrom: [{configMapRef: {name: c}}], env: [{name: V, valueFrom: {configMapKeyRef: {name: c, key: B}}}]"
    )
    assert {name: entry.value for name, entry in spec.env.entries.items()} == {"A": "1", "V": None}
    assert spec.env.entries["V"].missing == (
        Missing(Reason.CONFIG_MAP_KEY, "the key B of the ConfigMap c"),
    )


def test_what_only_a_volume_or_the_cluster_tells_is_named() -> None:
    origins = {
        "fileKeyRef: {key: DEBUG, path: app.env, volumeName: config}": "the key DEBUG of the file app.env in the volume config",
        "resourceFieldRef: {resource: limits.memory}": "the container's limits.memory",
        "fieldRef: {fieldPath: status.hostIP}": "the field status.hostIP of the Pod",
        "laterRef: {name: x}": "a source of this form",
    }
    for origin, what in origins.items():
        entry = container(f"env: [{{name: V, valueFrom: {{{origin}}}}}]").env.get("V")
        assert entry is not None
        assert entry.missing == (Missing(Reason.FIELD, what),)


@pytest.mark.parametrize(
    "fields",
    [
        "env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: a}, secretKeyRef: {name: s, key: k}}}]",
        "envFrom: [{configMapRef: {name: c}, secretRef: {name: s}}]",
        "env: [{name: A=B, value: x}]",
        "lifecycle: {postStart: {exec: {command: []}}}",
    ],
)
def test_two_sources_or_none_are_refused(fields: str) -> None:
    with pytest.raises(SyntaxInputError) as caught:
        container(fields)
    assert caught.value.hint


def test_a_hook_is_a_process_of_the_container_whose_words_stay_as_written() -> None:
    spec = container(
        "command: [sleep, '9'], tty: true, workingDir: /srv, env: [{name: A, value: x}], "
        "lifecycle: {postStart: {exec: {command: [flask, run, $(A)]}}, preStop: {exec: {command: [flask, run]}}}"
    )
    main = process(spec)
    [hook] = hooks(spec, main)
    assert [word.value for word in hook.args] == ["flask", "run", "$(A)"]
    assert (hook.env, hook.cwd, hook.user) == (main.env, main.cwd, main.user)
    assert main.terminal.value
    assert not hook.terminal.value
    assert [step.note for step in hook.trail] == ["the hook after the start is flask run '$(A)'"]
