"""What volumes put over the image's files, beyond what is compared with the kubelet's own code."""

import pytest

from deployguard.errors import SyntaxInputError
from deployguard.model.container import Mount
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from tests.support.manifests import declared

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {.env: FLASK_DEBUG=1, start.sh: flask run}
binaryData: {gunicorn.conf.py: cmVsb2FkID0gVHJ1ZQ==}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {.env: canary}
---
"""


def mounts(volume: str, mount: str = "", others: str = "", kind: str = "Pod") -> tuple[Mount, ...]:
    """Return the mounts of a container with one volume `v` at /app."""
    listed = f"volumes: [{{name: v{volume}}}]" if volume else "volumes: []"
    web = f"{{name: web, image: x, volumeMounts: [{{name: v, mountPath: /app{mount}}}]}}"
    spec = f"{{containers: [{web}], {listed}{others}}}"
    body = (
        spec
        if kind == "Pod"
        else f"{{template: {{spec: {spec}}}, volumeClaimTemplates: [{{metadata: {{name: v}}}}]}}"
    )
    version = "v1" if kind == "Pod" else "apps/v1"
    text = f"{OBJECTS}apiVersion: {version}\nkind: {kind}\nmetadata: {{name: p}}\nspec: {body}\n"
    [found] = [spec.mounts for spec in declared(text) if spec.name == "web"]
    return found


def content(mount: Mount, path: str) -> object:
    if isinstance(mount.content, Unread):
        return mount.content.missing.what
    found = mount.content.read(path)
    match found:
        case Content(data=data):
            return data
        case Unread(missing):
            return missing.what
        case Absent():
            return None


@pytest.mark.parametrize(
    ("volume", "mount", "path", "expected"),
    [
        (", configMap: {name: c}", "", "/.env", b"FLASK_DEBUG=1"),
        (", configMap: {name: c}", "", "/gunicorn.conf.py", b"reload = True"),
        (", configMap: {name: c}", "/.env, subPath: .env", "/", b"FLASK_DEBUG=1"),
        (", configMap: {name: c}", ", subPath: nope", "/", None),
        (", configMap: {name: c}", ", subPathExpr: .env", "/", b"FLASK_DEBUG=1"),
        (", configMap: {name: c, items: [{key: .env, path: x/y}]}", "", "/x/y", b"FLASK_DEBUG=1"),
        (", configMap: {name: c, items: [{key: none, path: to}]}", "", "/to", "the key none of the ConfigMap c"),
        (", configMap: {name: c, optional: true, items: [{key: none, path: to}]}", "", "/to", None),
        (", configMap: {name: gone}", "", "/.env", "the ConfigMap gone"),
        (", configMap: {name: gone, items: [{key: a, path: b}]}", "", "/b", "the ConfigMap gone"),
        (", configMap: {name: gone, items: [{key: a, path: b}]}", "", "/.env", None),
        (", secret: {secretName: s}", "", "/.env", "the key .env of the Secret s"),
        (", secret: {secretName: s}", "", "/other", None),
        (", projected: {sources: [{secret: {name: s}}, {configMap: {name: c}}]}", "", "/.env", b"FLASK_DEBUG=1"),
        (", projected: {sources: [{configMap: {name: c}}, {secret: {name: gone}}]}", "", "/.env", "the Secret gone"),
        (", projected: {sources: [{serviceAccountToken: {path: token}}]}", "", "/token", "the token of the service account"),
        (", projected: {sources: [{clusterTrustBundle: {path: x}}]}", "", "/.env", "the files of a source of this form"),
        (", downwardAPI: {items: [{path: own, fieldRef: {fieldPath: metadata.name}}]}", "", "/own", b"p"),
        (", downwardAPI: {items: [{path: own, resourceFieldRef: {resource: limits.cpu}}]}", "", "/own", "the resources of a container"),
        (", emptyDir: {}", "", "/.env", None),
        ("", "", "/.env", None),
        (", hostPath: {path: /x}", "", "/.env", "the files that the volume v puts at /app"),
        (", persistentVolumeClaim: {claimName: x}", "", "/a", "the files that the volume v puts at /app"),
        (", csi: {driver: x}", "", "/a", "the files that the volume v puts at /app"),
        (", image: {reference: x}", "", "/a", "the files that the volume v puts at /app"),
        (", ephemeral: {volumeClaimTemplate: {}}", "", "/a", "the files that the volume v puts at /app"),
    ],
)  # fmt: skip
def test_a_volume_shows_its_files_or_says_what_is_missing(
    volume: str, mount: str, path: str, expected: object
) -> None:
    if not volume:
        volume = ", "  # a volume without a source is an emptyDir
    [found] = mounts(volume, mount)
    assert content(found, path) == expected


WRITER = "volumeMounts: [{name: v, mountPath: /x}]"
TWICE = "volumeMounts: [{name: v, mountPath: /x, readOnly: true}, {name: v, mountPath: /z}]"


@pytest.mark.parametrize(
    ("others", "writers"),
    [
        (f", initContainers: [{{name: fill, image: z, {WRITER}}}]", "fill"),
        (f", initContainers: [{{name: side, image: z, restartPolicy: Always, {WRITER}}}]", "side"),
        (f", ephemeralContainers: [{{name: shell, image: z, {WRITER}}}]", "shell"),
        (f", initContainers: [{{name: fill, image: z, {WRITER.replace('/x', '/x, readOnly: true')}}}]", None),
        (f", initContainers: [{{name: fill, image: z, {WRITER.replace('name: v', 'name: w')}}}]", None),
        (f", initContainers: [{{name: fill, image: z, {TWICE}}}]", "fill"),
    ],
)  # fmt: skip
def test_an_empty_dir_is_empty_unless_another_container_may_fill_it(
    others: str, writers: str | None
) -> None:
    volume = ", emptyDir: {}}, {name: w" if "name: w" in others else ", emptyDir: {}"
    [found] = mounts(volume, "", others)
    expected = writers and f"the files that {writers} may put into the volume v"
    assert content(found, "/.env") == expected


def test_the_mode_of_a_file_is_the_items_then_the_volumes() -> None:
    items = ", configMap: {name: c, defaultMode: 0755, items: [{key: .env, path: a, mode: 0600}, {key: start.sh, path: b}]}"
    [mount] = mounts(items)
    assert not isinstance(mount.content, Unread)
    stats = [mount.content.stat(path) for path in ("/a", "/b")]
    assert [stat.mode for stat in stats if isinstance(stat, Stat)] == [0o600, 0o755]


def test_a_claim_of_a_stateful_set_replaces_the_volume_of_its_name() -> None:
    [found] = mounts(", emptyDir: {}", kind="StatefulSet")
    assert content(found, "/.env") == "the files that the volume v puts at /app"


def test_a_relative_mount_path_begins_at_the_root() -> None:
    [found] = mounts(", emptyDir: {}", "")
    assert found.path == "/app"
    text = f"{OBJECTS}apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: w, image: x, volumeMounts: [{{name: v, mountPath: etc/x}}]}}], volumes: [{{name: v}}]}}"
    [spec] = declared(text)
    assert [mount.path for mount in spec.mounts] == ["/etc/x"]


def test_no_value_of_a_secret_is_kept_in_a_mount() -> None:
    assert "canary" not in repr(mounts(", secret: {secretName: s}"))


@pytest.mark.parametrize("volume", [", nope: {}", ", configMap: {}"])
def test_a_volume_that_names_nothing_is_refused_or_unknown(volume: str) -> None:
    try:
        [found] = mounts(volume)
    except SyntaxInputError:
        assert "configMap" in volume
    else:
        assert isinstance(found.content, Unread)
