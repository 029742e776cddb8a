"""Containers of Pods as specs, in the words of the OCI specification."""

from collections.abc import Iterator

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Sequence
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.environment import Surroundings, environment, lookup, text
from deployguard.inputs.kubernetes.expansion import Budget
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests
from deployguard.inputs.kubernetes.pods import Elsewhere, Pod, is_windows, pods
from deployguard.inputs.kubernetes.ports import pod_ports, ports
from deployguard.inputs.kubernetes.service_links import by_namespace
from deployguard.inputs.kubernetes.volumes import LISTS, Volumes, mounts, staged, volumes
from deployguard.model.container import ContainerKind, ContainerSpec, Network, Port, Workload
from deployguard.model.environment import Environment
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.objects import ImageSource, ObjectSource

Words = Traced[tuple[Traced[str | None], ...]]


class _Context(Struct, frozen=True):
    """What the containers of one input are read with."""

    target: str
    images: ImageSource
    around: Surroundings


class _Shared(Struct, frozen=True):
    """What the containers of one Pod have in common."""

    pod: Pod
    volumes: Volumes
    ports: tuple[Port, ...]


def containers(
    manifests: Manifests, target: str, objects: ObjectSource, images: ImageSource
) -> tuple[ContainerSpec, ...]:
    """Return every container that the manifests start: in their order, init containers first.

    Raises SyntaxInputError where something has a shape that the API server would refuse.
    """
    linked = by_namespace(
        item for item in manifests.objects if (item.group, item.kind) == ("", "Service")
    )
    context = _Context(target, images, Surroundings(objects, linked))
    held = frozenset((item.kind, item.namespace, item.name) for item in manifests.objects)
    return tuple(
        spec
        for item in manifests.objects
        for found in pods(item, held)
        for spec in _specs(item, found, context)
    )


def _specs(item: ApiObject, found: Pod | Elsewhere, context: _Context) -> Iterator[ContainerSpec]:
    if isinstance(found, Elsewhere):
        yield _elsewhere(item, found, context.target)
        return
    if not fields.items(found.spec, "containers"):
        raise SyntaxInputError(
            f"the {item.title} has no containers",
            location=item.location,
            hint="list them under spec.containers of the Pod or its template",
        )
    shared = _Shared(found, volumes(found), tuple(pod_ports(found.spec)))
    names: set[str] = set()
    for listed in LISTS:
        for container in fields.mappings(found.spec, listed):
            name = _name(container, names)
            names.add(name)
            yield _spec(container, name, listed, shared, context)


def _name(container: Mapping, taken: set[str]) -> str:
    name = fields.text(container, "name")
    if name is None or not name.value or name.value in taken:
        raise SyntaxInputError(
            "a container without a name of its own",
            location=container.location,
            hint="the API server refuses it: give it a name that no other container has",
        )
    return name.value


def _elsewhere(item: ApiObject, found: Elsewhere, target: str) -> ContainerSpec:
    """Return a container of which nothing is known but that another object declares it."""
    return ContainerSpec(
        target=target,
        subject="/".join((item.kind, item.namespace or "-", item.name, "workloadRef", found.name)),
        name=found.name,
        kind=ContainerKind.KUBERNETES_CONTAINER,
        location=found.location,
        image=Unread(found.missing),
        namespace=item.namespace,
        workload=Workload(item.api_version, item.kind, item.name),
    )


def _spec(
    container: Mapping,
    name: str,
    listed: str,
    shared: _Shared,
    context: _Context,
) -> ContainerSpec:
    pod = shared.pod
    item = pod.owner
    part = () if pod.part is None else (pod.part,)
    image = fields.text(container, "image")
    env = environment(container, pod, context.around)
    host = fields.flag(pod.spec, "hostNetwork")
    budget = context.around.budget
    return ContainerSpec(
        target=context.target,
        subject="/".join((item.kind, item.namespace or "-", item.name, *part, listed, name)),
        name=name,
        kind=ContainerKind.KUBERNETES_CONTAINER,
        location=container.location,
        image=_image(image, name, pod, context.images),
        image_reference=image,
        namespace=item.namespace,
        workload=Workload(item.api_version, item.kind, item.name),
        labels={label: value.value for label, value in pod.labels.items()},
        entrypoint=_words(container, "command", env, pod, budget),
        cmd=_words(container, "args", env, pod, budget),
        env=env,
        working_dir=_filled(fields.text(container, "workingDir"), pod),
        user=_user(container, pod),
        terminal=fields.flag(container, "tty"),
        ports=tuple(ports(container)),
        network_ports=shared.ports,
        network=Network.HOST if host is not None and host.value else Network.DEFAULT,
        mounts=(
            *mounts(container, pod, shared.volumes, context.around, env),
            *staged(container, pod),
        ),
        hooks=tuple(_hooks(container, pod)),
    )


def _hooks(container: Mapping, pod: Pod) -> Iterator[Words]:
    """Return what is run in a container once it has started; its references are not replaced."""
    lifecycle = fields.mapping(container, "lifecycle")
    started = None if lifecycle is None else fields.mapping(lifecycle, "postStart")
    command = None if started is None else fields.mapping(started, "exec")
    if command is None:
        return
    words = fields.items(command, "command")
    if not words:
        raise SyntaxInputError(
            "a hook without a command",
            location=command.location,
            hint="the API server refuses it: list the words of the command",
        )
    seen = (_literal(fields.text_of(word, "a word of command"), pod) for word in words)
    yield Traced(tuple(seen), command.location)


def _literal(written: Traced[str], pod: Pod) -> Traced[str | None]:
    return text(written, pod, _nothing, Budget()) if pod.filled_in else written


def _nothing(_: str) -> None:
    """Find no variable."""


def _image(image: Traced[str] | None, name: str, pod: Pod, images: ImageSource) -> Image | Unread:
    replaced = pod.images.get(name)
    if replaced is not None:
        return Unread(replaced)
    if image is not None and pod.filled_in and "{{" in image.value:
        return Unread(Missing(Reason.IMAGE, f"the image that the workflow names for {name}"))
    if image is not None and image.value and is_windows(pod.spec):
        return Unread(Missing(Reason.IMAGE, f"the image {image.value} for Windows"))
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
    expanded = (
        text(fields.text_of(word, f"a word of {field}"), pod, find, budget) for word in words
    )
    return Traced(tuple(expanded), node.location)


def _filled(value: Traced[str] | None, pod: Pod) -> Traced[str | None] | None:
    return _literal(value, pod) if value is not None and value.value else None


def _user(container: Mapping, pod: Pod) -> Traced[str | None] | None:
    """Return runAsUser; the container's own security context comes before the Pod's."""
    for holder in (container, pod.spec):
        context = fields.mapping(holder, "securityContext")
        user = None if context is None else fields.number(context, "runAsUser")
        if user is not None:
            return Traced(str(user.value), user.location)
    return None
