"""Services of Knative: what the platform puts before their Pods (knative.dev serving/v1)."""

from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.knative import DEFAULT_PORT, declared_port
from deployguard.inputs.kubernetes.manifests import ApiObject
from deployguard.inputs.kubernetes.services import specified
from deployguard.model.evidence import Evidence
from deployguard.model.traffic import Service, ServicePort

_POD_LABEL = "serving.knative.dev/service"
_VISIBILITY = ("networking.knative.dev/visibility", "serving.knative.dev/visibility")
_HTTP = 80


def knative_service(item: ApiObject) -> Service:
    """Return what leads to the Pods of a Knative Service: its gateway, unless it is kept inside."""
    metadata = fields.mapping(item.node, "metadata") or Mapping((), item.location)
    labels = fields.texts(metadata, "labels")
    local = any(label in labels and labels[label].value == "cluster-local" for label in _VISIBILITY)
    opens = Evidence(item.location, "Knative's gateway leads to it from beyond the cluster")
    return Service(
        namespace=item.namespace,
        name=item.name,
        location=item.location,
        selector=((_POD_LABEL, item.name),),
        ports=(ServicePort(_HTTP, None, _port(item)),),
        opened=() if local else (opens,),
    )


def _port(item: ApiObject) -> int:
    template = fields.mapping(specified(item), "template") or Mapping((), item.location)
    spec = fields.mapping(template, "spec") or Mapping((), item.location)
    declared = map(declared_port, fields.mappings(spec, "containers"))
    return next(filter(None, declared), DEFAULT_PORT)
