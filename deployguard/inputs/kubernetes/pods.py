"""Pods, on their own or as the template of a controller."""

from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass

from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.model.evidence import Traced


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What a Pod, or each Pod made from a template, is known to be."""

    owner: ApiObject
    labels: AnyMapping[str, Traced[str]]
    annotations: AnyMapping[str, Traced[str]]
    spec: Mapping

    @property
    def namespace(self) -> str | None:
        """Return the namespace, None where the manifest leaves it to the deployment."""
        return self.owner.namespace


def pod(item: ApiObject) -> Pod | None:
    """Return the Pod that an object declares, None for what starts no container.

    Raises SyntaxInputError where the template is missing or has the wrong shape.
    """
    if item.template is None:
        return None
    node = item.node
    for step in item.template:
        node = fields.required(node, step)
    metadata = fields.mapping(node, "metadata") or Mapping((), node.location)
    return Pod(
        owner=item,
        labels=fields.texts(metadata, "labels"),
        annotations=fields.texts(metadata, "annotations"),
        spec=fields.required(node, "spec"),
    )
