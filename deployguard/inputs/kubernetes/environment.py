"""The environment that a container's spec declares, as the kubelet makes it.

Follows makeEnvironmentVariables of k8s.io/kubernetes pkg/kubelet/kubelet_pods.go: envFrom in its
order, env over it in its order, references expanded with what stands so far. Names are taken
whatever characters they have: kubelets before 1.34 left out some that are of no matter here.
"""

import re
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields, service_links
from deployguard.inputs.kubernetes.expansion import Budget, expand
from deployguard.inputs.kubernetes.manifests import qualified
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject, ObjectSource

Variable = Traced[str | None]
Lookup = Callable[[str], Variable | None]

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_KINDS = {"configMap": ("ConfigMap", Reason.CONFIG_MAP), "secret": ("Secret", Reason.SECRET)}


class Surroundings(Struct, frozen=True):
    """What the containers of an input may refer to, and how much references may still make.

    `linked` are the variables of its Services by namespace.
    """

    objects: ObjectSource
    linked: service_links.Linked = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)


def environment(container: Mapping, pod: Pod, around: Surroundings) -> Environment:
    """Return the variables that a container's spec sets, over those of its image.

    Raises SyntaxInputError for what the API server would refuse, such as a value that is a number.
    """
    linked = service_links.links(pod, around.linked)
    sources = [_source(entry, pod, around) for entry in fields.mappings(container, "envFrom")]
    # Not copied where nothing lies over it: many Pods share the variables of many Services.
    base = overlay((linked, *sources)) if sources else linked
    own: dict[str, Variable] = {}
    layers = [base]
    for entry in fields.mappings(container, "env"):
        name = fields.text(entry, "name")
        if name is None or not name.value or "=" in name.value:
            raise SyntaxInputError(
                "a variable needs a name, without an equals sign in it",
                location=entry.location,
                hint="write it as {name: NAME, value: TEXT}",
            )
        variable = _variable(entry, pod, around, _lookup(own, base, pod))
        if variable is not None:
            own[name.value] = variable
            layers.append(Environment({name.value: variable}))
    return overlay(layers) if own else base


def lookup(environment: Environment, pod: Pod) -> Lookup:
    """Return how references in command and args find a variable."""
    return _lookup({}, environment, pod)


def _lookup(own: dict[str, Variable], base: Environment, pod: Pod) -> Lookup:
    def find(name: str) -> Variable | None:
        found = own.get(name) or base.get(name)
        if found is not None or not service_links.may_set(name, pod):
            return found
        missing = Missing(Reason.VARIABLE, f"the value of {name}, which a Service may set")
        return Traced(None, pod.spec.location, missing=(missing,))

    return find


def text(written: Traced[str], pod: Pod, find: Lookup, budget: Budget) -> Variable:
    """Return a text with its references replaced."""
    if pod.filled_in and "{{" in written.value:
        missing = Missing(Reason.VARIABLE, "what the workflow puts in for the double braces")
        return Traced(None, written.location, missing=(missing,))
    return expand(written, find, budget)


def _source(entry: Mapping, pod: Pod, around: Surroundings) -> Environment:
    """Return what one member of envFrom sets."""
    prefix = fields.text(entry, "prefix")
    _check_single(entry, ("configMapRef", "secretRef"))
    for form in _KINDS:
        reference = fields.mapping(entry, f"{form}Ref")
        if reference is None:
            continue
        found = referred(form, reference, pod, around.objects)
        match found:
            case ConfigObject():
                start = "" if prefix is None else prefix.value
                return Environment(
                    {
                        start + key: value
                        if value.value is not None
                        else _hidden(found, key, value)
                        for key, value in found.data.items()
                    },
                    location=entry.location,
                )
            case Absent():
                return Environment(location=entry.location)
            case Unread(missing):
                return Environment(unseen=(missing,), location=entry.location)
    # A form that came after this was written may set anything.
    missing = Missing(Reason.FIELD, "what a member of envFrom refers to")
    return Environment(unseen=(missing,), location=entry.location)


def _check_single(holder: Mapping, forms: Iterable[str]) -> None:
    """Refuse two sources where the API server takes one."""
    given = [form for form in forms if fields.mapping(holder, form) is not None]
    if len(given) > 1:
        raise SyntaxInputError(
            f"{' and '.join(given)} exclude each other",
            location=holder.location,
            hint="the API server refuses it: keep one of them",
        )


def referred(
    form: str, reference: Mapping, pod: Pod, objects: ObjectSource, named: str = "name"
) -> ConfigObject | Absent | Unread:
    """Return the object a reference names.

    One that must be there and is not keeps the container from starting until somebody makes it:
    what it will hold is not known, so it is Unread.
    """
    kind, reason = _KINDS[form]
    name = fields.text(reference, named)
    if pod.filled_in and name is not None and "{{" in name.value:
        return Unread(Missing(reason, f"the {kind} that the workflow names"))
    if name is None or not name.value:
        raise SyntaxInputError(
            f"the reference names no {kind}", location=reference.location, hint="add its name"
        )
    ask = objects.config_map if form == "configMap" else objects.secret
    found = ask(pod.namespace, name.value)
    if isinstance(found, Absent) and not optional(reference):
        title = f"the {kind} {qualified(pod.namespace, name.value)}"
        return Unread(Missing(reason, f"{title}, which does not exist"))
    return found


def optional(reference: Mapping) -> bool:
    """Say whether what is referred to may be missing."""
    found = fields.flag(reference, "optional")
    return found is not None and found.value


def _variable(entry: Mapping, pod: Pod, around: Surroundings, find: Lookup) -> Variable | None:
    """Return what one member of env sets, None where it sets nothing."""
    value, origin = fields.text(entry, "value"), fields.mapping(entry, "valueFrom")
    if value is not None and value.value:
        if origin is not None:
            raise SyntaxInputError(
                "value and valueFrom exclude each other",
                location=origin.location,
                hint="the API server refuses it: keep one of the two",
            )
        return text(value, pod, find, around.budget)
    if origin is None:
        return value or Traced("", entry.location)
    _check_single(origin, _SOURCES)
    for form in _KINDS:
        reference = fields.mapping(origin, f"{form}KeyRef")
        if reference is not None:
            return _entry(form, reference, pod, around.objects)
    chosen = fields.mapping(origin, "fieldRef")
    path = None if chosen is None else fields.text(chosen, "fieldPath")
    if path is not None:
        return field_of(path, pod)
    return _unseen(origin.location, Reason.FIELD, _beyond(origin))


_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def _beyond(origin: Mapping) -> str:
    """Return what a source is that only the running cluster can tell."""
    resource = fields.mapping(origin, "resourceFieldRef")
    wanted = None if resource is None else fields.text(resource, "resource")
    if wanted is not None:
        return f"the container's {wanted.value}"
    file = fields.mapping(origin, "fileKeyRef")
    if file is None:
        return "a source of this form"
    names = (fields.text(file, name) for name in ("key", "path", "volumeName"))
    key, path, volume = ("" if name is None else name.value for name in names)
    return f"the key {key} of the file {path} in the volume {volume}"


def _entry(form: str, reference: Mapping, pod: Pod, objects: ObjectSource) -> Variable | None:
    """Return one entry of a ConfigMap or Secret."""
    key = fields.text(reference, "key")
    if key is None or not key.value:
        raise SyntaxInputError(
            "the reference names no key", location=reference.location, hint="add the key"
        )
    found = referred(form, reference, pod, objects)
    match found:
        case ConfigObject(data=data) if key.value in data:
            entry = data[key.value]
            return entry if entry.value is not None else _hidden(found, key.value, key)
        case ConfigObject() | Absent() if optional(reference):
            return None
        case Unread(missing):
            return Traced(None, key.location, missing=(missing,))
        case _:
            kind, reason = _KINDS[form]
            name = fields.text(reference, "name")
            title = qualified(pod.namespace, "" if name is None else name.value)
            if isinstance(found, ConfigObject) and reason is Reason.CONFIG_MAP:
                reason = Reason.CONFIG_MAP_KEY
            return _unseen(key.location, reason, f"the key {key.value} of the {kind} {title}")


def _hidden(found: ConfigObject, key: str, place: Traced[str | None]) -> Variable:
    reason = Reason.SECRET if found.kind == "Secret" else Reason.CONFIG_MAP_KEY
    title = qualified(found.namespace, found.name)
    return _unseen(place.location, reason, f"the key {key} of the {found.kind} {title}")


def field_of(path: Traced[str], pod: Pod) -> Variable:
    """Return a field of the Pod, where the manifest settles it.

    A label that the manifest lacks may still be there: controllers and admission add their own.
    """
    known: Traced[str] | None = None
    if pod.filled_in:
        return _unseen(path.location, Reason.FIELD, f"the field {path.value} of the Pod")
    if match := _SUBSCRIPT.fullmatch(path.value):
        known = (pod.labels if match[1] == "labels" else pod.annotations).get(match[2])
    elif path.value == "metadata.namespace" and pod.namespace is not None:
        return Traced(pod.namespace, path.location)
    elif path.value == "metadata.name" and pod.owner.kind == "Pod" and not pod.owner.generated:
        return Traced(pod.owner.name, path.location)
    elif path.value == "spec.serviceAccountName":
        known = _filled(pod, "serviceAccountName") or _filled(pod, "serviceAccount")
    elif path.value == "spec.nodeName":
        known = _filled(pod, "nodeName")
    if known is not None:
        return Traced(known.value, known.location)
    return _unseen(path.location, Reason.FIELD, f"the field {path.value} of the Pod")


def _filled(pod: Pod, name: str) -> Traced[str] | None:
    found = fields.text(pod.spec, name)
    return found if found is not None and found.value else None


def _unseen(location: Location, reason: Reason, what: str) -> Variable:
    return Traced(None, location, missing=(Missing(reason, what),))
