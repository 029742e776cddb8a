"""What is no manifest yet: kustomizations, charts and templates, which are rendered first."""

import re
from pathlib import PurePath

from deployguard.errors import UnsupportedError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.discovery.kinds import CHART, KUSTOMIZATIONS

_KUSTOMIZE_GROUP = "kustomize.config.k8s.io/"
# What names Helm's own objects and functions; other tools' braces ({{ .Data.x }}) are their own.
_HELM = re.compile(
    r"\{\{-?[^{}]*(?:[\s($]\.(?:Values|Release|Chart|Capabilities|Files|Template)\b"
    r"|\b(?:include|toYaml|tpl)\s)"
)
_RENDER_CHART = "name the chart, which helm renders: helm:DIR"


def check_rendered(document: Node, source: str) -> None:
    """Refuse what is only rendered to manifests: kustomizations, charts and their templates."""
    if not isinstance(document, Mapping):
        return
    version, kind = document.get("apiVersion"), document.get("kind")
    grouped = isinstance(version, Scalar) and version.text.startswith(_KUSTOMIZE_GROUP)
    if grouped or PurePath(source).name in KUSTOMIZATIONS:
        raise UnsupportedError(
            "a kustomization is rendered before it is applied",
            location=document.location,
            hint="name its folder, which kustomize renders: kustomize:DIR",
        )
    if PurePath(source).name == CHART and kind is None:
        raise UnsupportedError(
            "a Helm chart is rendered before it is applied",
            location=document.location,
            hint=_RENDER_CHART,
        )


def check_no_template(workload: Mapping, kind: str) -> None:
    """Refuse a workload that is a template still: what it starts is not written in it."""
    waiting: list[Node] = [workload]
    while waiting:
        node = waiting.pop()
        match node:
            case Mapping(entries=entries):
                waiting += (value for _, value in entries)
            case Sequence(items=members):
                waiting += members
            case Scalar() if "{{" in node.text and _HELM.search(node.text):
                raise UnsupportedError(
                    f"the {kind} is a template of Helm",
                    location=node.location,
                    hint=_RENDER_CHART,
                )
            case Scalar():
                pass
