"""Containers of Pods as specs, in the words of the OCI specification."""

from collections.abc import Iterator

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Sequence
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.environment import environment, lookup
from deployguard.inputs.kubernetes.expansion import Budget, expand
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests
from deployguard.inputs.kubernetes.pods import Pod, pod
from deployguard.inputs.kubernetes.ports import pod_ports, ports
from deployguard.inputs.kubernetes.volumes import mounts, volumes
from deployguard.model.container import ContainerKind, ContainerSpec, Network, Workload
from deployguard.model.environment import Environment
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.objects import ImageSource, ObjectSource

_LISTS = ("containers", "initContainers", "ephemeralContainers")

Words = Traced[tuple[Traced[str | None], ...]]


def containers(
    manifests: Manifests, target: str, objects: ObjectSource, images: ImageSource
) -> tuple[ContainerSpec, ...]:
    """Return every container that the manifests start, in their order.

    Raises SyntaxInputError where something has a shape that the API server would refuse.
    """
    budget = Budget()
    return tuple(
        spec for item in manifests.objects for spec in _specs(item, target, objects, images, budget)
    )


def _specs(
    item: ApiObject, target: str, objects: ObjectSource, images: ImageSource, budget: Budget
) -> Iterator[ContainerSpec]:
    declared = pod(item)
    if declared is None:
        return
    if not fields.items(declared.spec, "containers"):
        raise SyntaxInputError(
            f"the {item.title} has no containers",
            location=item.location,
            hint="list them under spec.containers of the Pod or its template",
        )
    held = volumes(declared)
    shared = tuple(pod_ports(declared.spec))
    for field in _LISTS:
        for container in fields.mappings(declared.spec, field):
            name = fields.text(container, "name")
            if name is None or not name.value:
                raise SyntaxInputError(
                    "a container without a name",
                    location=container.location,
                    hint="the API server refuses it: give it a name",
                )
            path = (item.kind, item.namespace or "-", item.name, field, name.value)
            image = fields.text(container, "image")
            env = environment(container, declared, objects, budget)
            host = fields.flag(declared.spec, "hostNetwork")
            yield ContainerSpec(
                target=target,
                subject="/".join(path),
                name=name.value,
                kind=ContainerKind.KUBERNETES_CONTAINER,
                location=container.location,
                image=_image(image, name.value, images),
                image_reference=image,
                namespace=item.namespace,
                workload=Workload(item.api_version, item.kind, item.name),
                labels={label: value.value for label, value in declared.labels.items()},
                entrypoint=_words(container, "command", env, declared, budget),
                cmd=_words(container, "args", env, declared, budget),
                env=env,
                working_dir=_filled(fields.text(container, "workingDir")),
                user=_user(container, declared),
                terminal=fields.flag(container, "tty"),
                ports=tuple(ports(container)),
                network_ports=shared,
                network=Network.HOST if host is not None and host.value else Network.DEFAULT,
                mounts=tuple(mounts(container, declared, held, objects)),
            )


def _image(image: Traced[str] | None, name: str, images: ImageSource) -> Image | Unread:
    if image is None or not image.value:
        # The API server allows it in a template, for something that fills it in later.
        return Unread(Missing(Reason.IMAGE, f"the image of the container {name}"))
    return images.find(image)


def _words(
    container: Mapping, field: str, env: Environment, pod: Pod, budget: Budget
) -> Words | None:
    """Return command or args expanded; an empty list keeps the image's, as an absent one does."""
    node = container.get(field)
    words = fields.items(container, field)
    if not words or not isinstance(node, Sequence):
        return None
    find = lookup(env, pod)
    expanded = (expand(fields.text_of(word, f"a word of {field}"), find, budget) for word in words)
    return Traced(tuple(expanded), node.location)


def _filled(value: Traced[str] | None) -> Traced[str | None] | None:
    return value if value is not None and value.value else None


def _user(container: Mapping, pod: Pod) -> Traced[str | None] | None:
    """Return runAsUser; the container's own security context comes before the Pod's."""
    for holder in (container, pod.spec):
        context = fields.mapping(holder, "securityContext")
        user = None if context is None else fields.number(context, "runAsUser")
        if user is not None:
            return Traced(str(user.value), user.location)
    return None
