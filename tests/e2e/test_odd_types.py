"""A value of any type at any place of a document is judged or said, and never a way round."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.command import Done, scan
from tests.support.effort import examples

UNSAFE = ["flask", "--app", "shop", "run", "--debug", "--debugger", "--host", "0.0.0.0"]
PROJECT = {
    "name": "shop",
    "services": {
        "web": {
            "image": "shop:1",
            "entrypoint": UNSAFE,
            "command": [],
            "environment": {"FLASK_DEBUG": "1", "A": 1},
            "ports": ["5000:5000", {"target": 5001, "published": "5001"}],
            "volumes": ["./src:/app", {"type": "bind", "source": ".", "target": "/x"}],
            "env_file": [{"path": "none.env", "required": False}],
            "labels": {"a": "b"},
            "tty": False,
            "user": "1000",
            "working_dir": "/app",
            "profiles": [],
            "deploy": {"replicas": 1},
        },
        "db": {"image": "postgres:16", "entrypoint": ["postgres"], "expose": ["5432"]},
    },
    "x-any": [1, {"a": None}],
}
CONTAINER = {
    "name": "web",
    "image": "shop:1",
    "command": UNSAFE,
    "args": [],
    "env": [
        {"name": "FLASK_DEBUG", "value": "1"},
        {
            "name": "B",
            "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}},
        },
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
    ],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}],
    "ports": [{"containerPort": 5000, "hostPort": 80, "protocol": "TCP"}],
    "volumeMounts": [{"name": "v", "mountPath": "/etc/app", "subPath": "k"}],
    "securityContext": {"runAsUser": 1000},
    "workingDir": "/app",
    "tty": True,
}
TEMPLATE = {
    "metadata": {"labels": {"app": "shop"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [CONTAINER],
        "initContainers": [{"name": "init", "image": "shop:1", "command": ["true"]}],
        "volumes": [
            {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "k"}]}}
        ],
        "hostNetwork": False,
        "enableServiceLinks": True,
    },
}
OBJECTS = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"t": "x"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "shop", "namespace": "store"},
            "spec": {"replicas": 1, "selector": {}, "template": TEMPLATE},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "night"},
            "spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}},
        },
        {"apiVersion": "v1", "kind": "Pod", **TEMPLATE, "metadata": {"generateName": "p-"}},
    ],
}
ODD = st.sampled_from(
    ["", "${A", "$", "{{ .Values.x }}", "\0", "-1", "0-65535:0-65535", "99999999", "a" * 5000, "\u0662",
     "::error::x", "\x1b[31m", "*", "~", "../../..", "/dev/zero", ".", "name=value", "null"]
)  # fmt: skip
SCALAR = (
    st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.text(max_size=10)
    | st.integers(10**18, 10**40) | st.dates()
)  # fmt: skip
VALUES = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(ODD | st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(node: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a document."""
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


def replaced(node: object, path: tuple[Any, ...], value: object) -> object:
    """Return a document with another value at one place."""
    if not path:
        return value
    copy: Any = dict(node) if isinstance(node, dict) else list(node)  # type: ignore[call-overload]
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


def outcome(prefix: str, document: object) -> Done:
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=False)
    return scan(f"{prefix}-", "--format", "json", stdin=text.encode("utf-8", "replace"))


DOCUMENTS: dict[str, tuple[str, Any]] = {
    "a project": ("compose:", PROJECT),
    "objects": ("k8s:", OBJECTS),
    "a pod": ("k8s:", {"apiVersion": "v1", "kind": "Pod", **TEMPLATE, "metadata": {"name": "p"}}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=examples(150, 3_000), deadline=None)
@given(data=st.data())
def test_a_value_of_any_other_type_is_judged_or_said(name: str, data: st.DataObject) -> None:
    prefix, document = DOCUMENTS[name]
    path = data.draw(st.sampled_from(list(places(document))))
    done = outcome(prefix, replaced(document, path, data.draw(VALUES)))
    assert done.code in {0, 1, 3}, done.text
    report = done.report
    problems = [problem for target in report["targets"] for problem in target["problems"]]
    assert not [one for one in problems if one["code"] == "internal"], problems
    if report["decision"] == "allow":
        found = {one["name"] for one in report["containers"]}
        assert problems or found >= {"web"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_are_unsafe_as_they_are(name: str) -> None:
    assert outcome(*DOCUMENTS[name]).code == 1
