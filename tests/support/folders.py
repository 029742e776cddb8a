"""Folders of a repository written for a test, and what is found in them."""

from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from deployguard.inputs.discovery.finding import FindOptions, Found, find
from deployguard.inputs.discovery.sources import Sources
from deployguard.inputs.discovery.walk import Skips
from deployguard.model.skipped import Skipped
from tests.support import builds

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: OWN_NAME}
spec: {containers: [{name: web, image: "shop:1", command: [sleep, "1"]}]}
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: OWN_NAME}\ndata: {A: b}\n"
SERVICES = "services: {OWN_NAME: {image: nginx}}\n"
PATCH = "services: {web: {command: sleep 1}}\n"
CHART = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
TEMPLATE = "{{- if .on }}\napiVersion: v1\nkind: Pod\nmetadata: {name: {{ .name }}}\n{{- end }}\n"
BUILT = "FROM python:3.12\nCOPY app.py /app/\n"
_PLACES = st.sampled_from(["", "a", "a/b", "k8s", "k8s/prod", "node_modules/x", "chart/templates"])
_CONTENTS = st.sampled_from(
    [
        ("compose.yaml", SERVICES), ("compose.yml", SERVICES), ("compose.override.yml", PATCH),
        ("compose.prod.yml", PATCH), ("stack.yml", SERVICES), ("pod.yaml", POD), ("map.yml", CONFIG_MAP),
        ("pod.json", '{"kind": "Pod", "apiVersion": "v1", "metadata": {}}'), ("Chart.yaml", CHART),
        ("values.yaml", "a: 1"), ("kustomization.yaml", "resources: [pod.yaml, ../a, b]"),
        ("Kustomization", "resources: [.., map.yml]"), ("Dockerfile", BUILT), ("a.Dockerfile", BUILT),
        ("app.py", "x"), ("t.yaml", TEMPLATE), ("x.yaml.j2", ""), ("a.tar", "x"), (".env", "A=1"),
        ("broken.yaml", "kind: [\napiVersion: v1\n"), ("oci-layout", "{}"), ("pyvenv.cfg", ""),
    ]
)  # fmt: skip
# Repositories as files with their texts: few folders and names, so that much belongs together.
TREES = st.dictionaries(st.tuples(_PLACES, _CONTENTS), st.none(), max_size=12).map(
    lambda files: {f"{place}/{name}".lstrip("/"): text for place, (name, text) in files}
)


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder; OWN_NAME in a text is the file's own, without its ending."""
    builds.write(root, {name: _filled(name, content) for name, content in files.items()})
    return root


def _filled(name: str, content: str | bytes) -> str | bytes:
    if isinstance(content, bytes):
        return content
    return content.replace("OWN_NAME", Path(name).name.partition(".")[0].lower() or "x")


def look_through(
    root: str = ".",
    *exclude: str,
    environ: Mapping[str, str] | None = None,
    sources: Sources | None = None,
) -> tuple[Found, tuple[Skipped, ...]]:
    """Look through a folder; return what is found, and what is skipped."""
    skips = Skips()
    options = FindOptions(exclude=exclude, environ=environ or {})
    return find(root, root, options, sources or Sources(), skips), skips.all()


def judged(found: Found) -> list[str]:
    """Return the targets and the manifests of a folder, each as "FORM NAME"."""
    targets = [f"{one.form} {','.join(one.files) or one.name}" for one in found.targets]
    return [*targets, *(f"k8s {' '.join(together)}" for together in found.manifests)]


def named(skipped: tuple[Skipped, ...]) -> dict[str, list[str]]:
    """Return the paths that are skipped by the reason, what is only counted left out."""
    return {one.why.value: list(one.paths) for one in skipped if one.paths}
