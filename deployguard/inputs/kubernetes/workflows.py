"""Steps of Argo Workflows as the specs of the Pods that its controller makes of them.

Follows createWorkflowPod of argo-workflows workflow/controller/workflowpod.go.
"""

from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node
from deployguard.inputs.kubernetes import fields, nodes

_MAIN = "main"
STAGING = "/argo/staging"
SCRIPT = "script"


def steps(holder: Mapping) -> Iterator[tuple[str, Mapping, Mapping]]:
    """Return the name, metadata and Pod spec of each template that starts containers.

    Raises SyntaxInputError for a template without a name.
    """
    for template in fields.mappings(holder, "templates"):
        name = fields.text(template, "name")
        if name is None or not name.value:
            raise SyntaxInputError(
                "a template of a workflow without a name",
                location=template.location,
                hint="give it a name: steps and entrypoint refer to it",
            )
        containers = tuple(_containers(template))
        if containers:
            metadata = fields.mapping(template, "metadata") or Mapping((), template.location)
            yield name.value, metadata, _spec(holder, template, containers)


def _containers(template: Mapping) -> Iterator[Node]:
    container, script = fields.mapping(template, "container"), fields.mapping(template, "script")
    if container is not None:
        yield _named(container)
    if script is not None:
        yield _named(_with_script(script))
    several = fields.mapping(template, "containerSet")
    if several is not None:
        yield from fields.mappings(several, "containers")
    if container is not None or script is not None or several is not None:
        yield from fields.mappings(template, "sidecars")


def _named(container: Mapping) -> Mapping:
    return nodes.with_field(container, "name", nodes.text(_MAIN, container.location))


def _with_script(script: Mapping) -> Mapping:
    """Hand the source's file to the command, as the controller does."""
    path = nodes.text(f"{STAGING}/{SCRIPT}", script.location)
    words = (*fields.items(script, "args"), path)
    return nodes.with_field(script, "args", nodes.sequence(words, script.location))


def _spec(holder: Mapping, template: Mapping, containers: tuple[Node, ...]) -> Mapping:
    here = template.location
    volumes = (*fields.items(holder, "volumes"), *fields.items(template, "volumes"))
    found: dict[str, Node] = {
        "containers": nodes.sequence(containers, here),
        "initContainers": nodes.sequence(fields.items(template, "initContainers"), here),
        "volumes": nodes.sequence(volumes, here),
    }
    for name in ("serviceAccountName", "securityContext", "hostNetwork", "nodeSelector"):
        for place in (template, holder):
            node = place.get(name)
            if node is not None:
                found.setdefault(name, node)
    return nodes.mapping(found, here)
