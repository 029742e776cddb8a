"""Containers as Knative Serving completes them: a name, and variables of its own.

Follows SetDefaults of RevisionSpec in knative.dev/serving pkg/apis/serving/v1, and makeContainer
and makeServingContainer of pkg/reconciler/revision/resources/deploy.go.
"""

from collections.abc import Iterator

from deployguard.formats.yaml import Mapping, Node
from deployguard.inputs.kubernetes import fields, nodes

_DEFAULT_NAME = "user-container"
DEFAULT_PORT = 8080


def spec(declared: Mapping, service: str | None) -> Mapping:
    """Return the spec of a Pod as Knative makes it from that of a revision.

    `service` is the name of the Knative Service, None where the input does not say it.
    """
    listed = list(fields.mappings(declared, "containers"))
    completed = [
        _completed(one, _DEFAULT_NAME if len(listed) == 1 else f"{_DEFAULT_NAME}-{number}",
                   is_serving=len(listed) == 1 or bool(fields.items(one, "ports")), service=service)
        for number, one in enumerate(listed)
    ]  # fmt: skip
    return nodes.with_field(declared, "containers", nodes.sequence(completed, declared.location))


def _completed(container: Mapping, name: str, *, is_serving: bool, service: str | None) -> Mapping:
    given = fields.text(container, "name")
    if given is None or not given.value:
        container = nodes.with_field(container, "name", nodes.text(name, container.location))
    added = list(_variables(container, is_serving=is_serving, service=service))
    env = nodes.sequence((*fields.items(container, "env"), *added), container.location)
    return nodes.with_field(container, "env", env)


def _variables(container: Mapping, *, is_serving: bool, service: str | None) -> Iterator[Node]:
    here = container.location
    if is_serving:
        number = nodes.text(str(declared_port(container) or DEFAULT_PORT), here)
        yield nodes.mapping({"name": nodes.text("PORT", here), "value": number}, here)
    for name, label, value in _OWN:
        source: dict[str, Node] = {"name": nodes.text(name, here)}
        if value and service is not None:
            source["value"] = nodes.text(service, here)
        else:
            path = nodes.text(f"metadata.labels['serving.knative.dev/{label}']", here)
            source["valueFrom"] = nodes.mapping(
                {"fieldRef": nodes.mapping({"fieldPath": path}, here)}, here
            )
        yield nodes.mapping(source, here)


def declared_port(container: Mapping) -> int | None:
    """Return the port that a container says it serves, None where it says none."""
    first = next(fields.mappings(container, "ports"), None)
    port = None if first is None else fields.number(first, "containerPort")
    return None if port is None else port.value or None


# The variables that Knative sets, and the label that says the same; a Service names the first two.
_OWN = (
    ("K_SERVICE", "service", True),
    ("K_CONFIGURATION", "configuration", True),
    ("K_REVISION", "revision", False),
)
