"""The environment that a container's spec declares, as the kubelet makes it.

Follows makeEnvironmentVariables of k8s.io/kubernetes pkg/kubelet/kubelet_pods.go: envFrom in its
order, env over it in its order, references expanded with what stands so far.
"""

import re
from collections.abc import Callable

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.expansion import Budget, expand
from deployguard.inputs.kubernetes.manifests import qualified
from deployguard.inputs.kubernetes.pods import Pod
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject, ObjectSource

Variable = Traced[str | None]

# What the kubelet sets for the Services of the namespace: pkg/kubelet/envvars/envvars.go.
_OF_SERVICE = re.compile(
    r"[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)"
)
# A Service's name has 63 characters, and so has that of a port; the expression takes time that
# grows with the square of the length.
_LONGEST_NAME = 256
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_KINDS = {"configMap": ("ConfigMap", Reason.CONFIG_MAP), "secret": ("Secret", Reason.SECRET)}


def environment(container: Mapping, pod: Pod, objects: ObjectSource, budget: Budget) -> Environment:
    """Return the variables that a container's spec sets, over those of its image.

    Raises SyntaxInputError for what the API server would refuse, such as a value that is a number.
    """
    base = overlay(_source(entry, pod, objects) for entry in fields.mappings(container, "envFrom"))
    own: dict[str, Variable] = {}
    layers = [base]
    for entry in fields.mappings(container, "env"):
        name = fields.text(entry, "name")
        if name is None or not name.value:
            raise SyntaxInputError(
                "a variable without a name",
                location=entry.location,
                hint="write it as {name: NAME, value: TEXT}",
            )
        variable = _variable(entry, pod, objects, _lookup(own, base, pod), budget)
        if variable is not None:
            own[name.value] = variable
            layers.append(Environment({name.value: variable}))
    return overlay(layers)


def lookup(environment: Environment, pod: Pod) -> Callable[[str], Variable | None]:
    """Return how references in command and args find a variable."""
    return _lookup({}, environment, pod)


def _lookup(
    own: dict[str, Variable], base: Environment, pod: Pod
) -> Callable[[str], Variable | None]:
    links = fields.flag(pod.spec, "enableServiceLinks")

    def find(name: str) -> Variable | None:
        found = own.get(name) or base.get(name)
        if found is not None or len(name) > _LONGEST_NAME or not _OF_SERVICE.fullmatch(name):
            return found
        if links is not None and not links.value and not name.startswith("KUBERNETES_"):
            return None
        missing = Missing(Reason.VARIABLE, f"the value of {name}, which a Service may set")
        return Traced(None, pod.spec.location, missing=(missing,))

    return find


def _source(entry: Mapping, pod: Pod, objects: ObjectSource) -> Environment:
    """Return what one member of envFrom sets."""
    prefix = fields.text(entry, "prefix")
    for form in _KINDS:
        reference = fields.mapping(entry, f"{form}Ref")
        if reference is None:
            continue
        found = _referred(form, reference, pod, objects)
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


def _referred(
    form: str, reference: Mapping, pod: Pod, objects: ObjectSource
) -> ConfigObject | Absent | Unread:
    """Return the object a reference names.

    One that must be there and is not keeps the container from starting until somebody makes it:
    what it will hold is not known, so it is Unread.
    """
    kind, reason = _KINDS[form]
    name = fields.text(reference, "name")
    if name is None or not name.value:
        raise SyntaxInputError(
            f"the reference names no {kind}", location=reference.location, hint="add its name"
        )
    ask = objects.config_map if form == "configMap" else objects.secret
    found = ask(pod.namespace, name.value)
    if isinstance(found, Absent) and not _optional(reference):
        title = f"the {kind} {qualified(pod.namespace, name.value)}"
        return Unread(Missing(reason, f"{title}, which does not exist"))
    return found


def _optional(reference: Mapping) -> bool:
    optional = fields.flag(reference, "optional")
    return optional is not None and optional.value


def _variable(
    entry: Mapping,
    pod: Pod,
    objects: ObjectSource,
    find: Callable[[str], Variable | None],
    budget: Budget,
) -> Variable | None:
    """Return what one member of env sets, None where it sets nothing."""
    value = fields.text(entry, "value")
    if value is not None and value.value:
        return expand(value, find, budget)
    origin = fields.mapping(entry, "valueFrom")
    if origin is None:
        return value or Traced("", entry.location)
    for form in _KINDS:
        reference = fields.mapping(origin, f"{form}KeyRef")
        if reference is not None:
            return _entry(form, reference, pod, objects)
    field = fields.mapping(origin, "fieldRef")
    path = None if field is None else fields.text(field, "fieldPath")
    if path is not None:
        return _field(path, pod)
    resource = fields.mapping(origin, "resourceFieldRef")
    wanted = None if resource is None else fields.text(resource, "resource")
    what = "a source of this form" if wanted is None else f"the container's {wanted.value}"
    return _unseen(origin.location, Reason.FIELD, what)


def _entry(form: str, reference: Mapping, pod: Pod, objects: ObjectSource) -> Variable | None:
    """Return one entry of a ConfigMap or Secret."""
    key = fields.text(reference, "key")
    if key is None or not key.value:
        raise SyntaxInputError(
            "the reference names no key", location=reference.location, hint="add the key"
        )
    found = _referred(form, reference, pod, objects)
    match found:
        case ConfigObject(data=data) if key.value in data:
            entry = data[key.value]
            return entry if entry.value is not None else _hidden(found, key.value, key)
        case ConfigObject() | Absent() if _optional(reference):
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


def _field(path: Traced[str], pod: Pod) -> Variable:
    """Return a field of the Pod, where the manifest settles it.

    A label that the manifest lacks may still be there: controllers and admission add their own.
    """
    known: Traced[str] | None = None
    if match := _SUBSCRIPT.fullmatch(path.value):
        known = (pod.labels if match[1] == "labels" else pod.annotations).get(match[2])
    elif path.value == "metadata.namespace" and pod.namespace is not None:
        return Traced(pod.namespace, path.location)
    elif path.value == "metadata.name" and pod.owner.kind == "Pod" and not pod.owner.generated:
        return Traced(pod.owner.name, path.location)
    elif path.value == "spec.serviceAccountName":
        known = fields.text(pod.spec, "serviceAccountName")
    if known is not None:
        return Traced(known.value, known.location)
    return _unseen(path.location, Reason.FIELD, f"the field {path.value} of the Pod")


def _unseen(location: Location, reason: Reason, what: str) -> Variable:
    return Traced(None, location, missing=(Missing(reason, what),))
