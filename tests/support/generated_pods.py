"""Pods with what they refer to, made by chance: the same for the same seed."""

import json
import random
from typing import Any

_NAMES = ("A", "B", "C", "FLASK_DEBUG", "FLASK_RUN_PORT", "WEB_SERVICE_HOST", "x.y", "1N")
_MAPS = ("settings", "files", "absent")
_KEYS = ("A", "B", "FLASK_DEBUG", "app.py", ".env", "bytes")
_TEXTS = (
    *("", "1", "x y", "$(A)", "$(B)-$(A)", "$$(A)", "$$$(B)", "$(NOPE)", "$(A", "$", "a$b", "$()"),
    *("$(FLASK_DEBUG)$(FLASK_DEBUG)", "$(WEB_SERVICE_PORT)", "$(x.y)", "$(WEB_PORT)", "ü"),
)
_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.labels['app']", "metadata.labels['no']"),
    *("metadata.annotations['note']", "spec.serviceAccountName", "status.podIP"),
)


def generated(seed: int) -> str:
    """Return manifests of ConfigMaps, Secrets, a Service and a Pod named p."""
    chance = random.Random(seed)  # noqa: S311  (repeatable on purpose)
    objects = [
        _object(chance, "ConfigMap", "settings"),
        _object(chance, "ConfigMap", "files"),
        _object(chance, "Secret", "settings"),
        _object(chance, "ConfigMap", "absent", namespace="elsewhere"),
        _service(chance),
        _pod(chance),
    ]
    return "---\n".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def _some(chance: random.Random, choices: tuple[str, ...], most: int) -> list[str]:
    return [chance.choice(choices) for _ in range(chance.randint(0, most))]


def _object(chance: random.Random, kind: str, name: str, namespace: str = "n") -> dict[str, Any]:
    found: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    }
    # Sorted, because the order of a set changes from run to run.
    keys = sorted(set(_some(chance, _KEYS, 5)))
    binary = [key for key in keys if chance.random() < 0.2]
    plain, other = ("data", "binaryData") if kind == "ConfigMap" else ("stringData", "data")
    found[plain] = {key: chance.choice(_TEXTS) for key in keys if key not in binary}
    found[other] = dict.fromkeys(binary, "aGk=")
    if chance.random() < 0.2:
        found["immutable"] = True
    return found


def _service(chance: random.Random) -> dict[str, Any]:
    ports: list[dict[str, Any]] = [{"port": 80, "name": "http"}]
    if chance.random() < 0.5:
        ports.append({"port": 53, "name": "dns-udp", "protocol": "UDP"})
    spec: dict[str, Any] = {
        "clusterIP": chance.choice(("10.0.0.7", "None", "fd00::7")),
        "ports": ports,
    }
    if chance.random() < 0.2:
        spec = {"type": "ExternalName", "externalName": "x.example"}
    name, namespace = chance.choice(("web", "flask-run")), chance.choice(("n", "n", "elsewhere"))
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _pod(chance: random.Random) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "volumes": [_volume(chance, f"v{number}") for number in range(chance.randint(0, 3))]
    }
    names = [volume["name"] for volume in spec["volumes"]]
    spec["containers"] = [_container(chance, "web", names), _container(chance, "other", names)]
    if chance.random() < 0.3:
        spec["initContainers"] = [_container(chance, "first", names)]
    if chance.random() < 0.4:
        spec["enableServiceLinks"] = chance.random() < 0.5
    if chance.random() < 0.5:
        spec["serviceAccountName"] = "keeper"
    metadata = {
        "name": "p",
        "namespace": "n",
        "labels": {"app": "shop"},
        "annotations": {"note": "a $(A)"},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(chance: random.Random, name: str, volumes: list[str]) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = []
    for number, volume in enumerate(volumes):
        mount: dict[str, Any] = {"name": volume, "mountPath": f"/m{number}"}
        if chance.random() < 0.3:
            mount["subPathExpr"] = chance.choice(("$(A)", "x-$(FLASK_DEBUG)", "plain", "$(NOPE)"))
        mounts.append(mount)
    return {
        "name": name,
        "image": "shop:1",
        "command": _some(chance, _TEXTS, 3),
        "args": _some(chance, _TEXTS, 3),
        "envFrom": [_source(chance) for _ in range(chance.randint(0, 3))],
        "env": [_variable(chance) for _ in range(chance.randint(0, 5))],
        "volumeMounts": mounts,
    }


def _source(chance: random.Random) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": chance.choice(_MAPS), "optional": chance.random() < 0.8}
    entry: dict[str, Any] = {
        chance.choice(("configMapRef", "configMapRef", "secretRef")): reference
    }
    if chance.random() < 0.3:
        entry["prefix"] = chance.choice(("P_", "1"))
    return entry


def _variable(chance: random.Random) -> dict[str, Any]:
    name, way = chance.choice(_NAMES), chance.random()
    if way < 0.55:
        return {"name": name, "value": chance.choice(_TEXTS)}
    if way < 0.6:
        return {"name": name}
    if way < 0.75:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": chance.choice(_FIELDS)}}}
    reference = {"name": chance.choice(_MAPS), "key": chance.choice(_KEYS), "optional": way < 0.95}
    form = chance.choice(("configMapKeyRef", "configMapKeyRef", "secretKeyRef"))
    return {"name": name, "valueFrom": {form: reference}}


def _volume(chance: random.Random, name: str) -> dict[str, Any]:
    way = chance.random()
    if way < 0.4:
        return {"name": name, "configMap": _files(chance, "name")}
    if way < 0.55:
        return {"name": name, "secret": _files(chance, "secretName")}
    if way < 0.65:
        return {"name": name, "downwardAPI": {"items": _fields(chance)}}
    sources: list[dict[str, Any]] = [
        {"configMap": _files(chance, "name", "a", mode=False)},
        {"secret": _files(chance, "name", "b", mode=False)},
        {"downwardAPI": {"items": _fields(chance)}},
    ]
    taken = [one for one in sources if chance.random() < 0.7]
    return {"name": name, "projected": {"sources": taken, "defaultMode": 0o600}}


def _files(
    chance: random.Random, name: str, folder: str = "d", *, mode: bool = True
) -> dict[str, Any]:
    found: dict[str, Any] = {name: chance.choice(_MAPS), "optional": chance.random() < 0.8}
    if chance.random() < 0.4:
        keys = sorted(set(_some(chance, _KEYS, 3)))
        found["items"] = [{"key": key, "path": f"{folder}/{key}", "mode": 0o700} for key in keys]
    if mode and chance.random() < 0.3:
        found["defaultMode"] = 0o755
    return found


def _fields(chance: random.Random) -> list[dict[str, Any]]:
    paths = sorted(
        set(_some(chance, ("metadata.name", "metadata.labels['app']", "metadata.labels"), 3))
    )
    return [
        {"path": f"f{number}", "fieldRef": {"fieldPath": path}} for number, path in enumerate(paths)
    ]
