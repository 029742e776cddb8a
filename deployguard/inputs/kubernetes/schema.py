"""The fields of a Pod: those that are read, and those that change nothing of what is judged.

The names are those of Kubernetes 1.37. A field that a later release adds is one of neither until
somebody has looked at it; a test that knows the release says so.
"""

from collections.abc import Iterator

from msgspec import Struct

from deployguard.errors import nearest
from deployguard.formats.yaml import Mapping, Scalar
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests
from deployguard.inputs.kubernetes.pods import Pod, pods
from deployguard.inputs.kubernetes.volumes import LISTS
from deployguard.model.codes import ProblemCode
from deployguard.model.problem import Problem


class Fields(Struct, frozen=True):
    """The fields of one type."""

    read: frozenset[str]
    without_influence: frozenset[str] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """Return all of them."""
        return self.read | self.without_influence


def _fields(read: str, without_influence: str = "") -> Fields:
    return Fields(frozenset(read.split()), frozenset(without_influence.split()))


# What only says when, where and how long a Pod runs, how its container is fenced in, or what
# watches it: none of it starts something else, or hands it other words, variables or files. Probes
# and the hook before the end run commands that something waits for, and ends after a while.
CONTAINER = _fields(
    "args command env envFrom image lifecycle name ports securityContext tty volumeMounts"
    " workingDir",
    "imagePullPolicy livenessProbe readinessProbe resizePolicy resources restartPolicy"
    " restartPolicyRules startupProbe stdin stdinOnce terminationMessagePath"
    " terminationMessagePolicy volumeDevices",
)
EPHEMERAL_CONTAINER = Fields(CONTAINER.read, CONTAINER.without_influence | {"targetContainerName"})
POD_SPEC = _fields(
    "containers enableServiceLinks ephemeralContainers hostNetwork initContainers nodeName"
    " nodeSelector os securityContext serviceAccount serviceAccountName volumes",
    "activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy"
    " evictionResponders hostAliases hostIPC hostPID hostUsers hostname hostnameOverride"
    " imagePullSecrets overhead preemptionPolicy priority priorityClassName readinessGates"
    " resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates"
    " schedulingGroup setHostnameAsFQDN shareProcessNamespace subdomain"
    " terminationGracePeriodSeconds tolerations topologySpreadConstraints",
)
# By the names of the types in the schema of Kubernetes.
TYPES: dict[str, Fields] = {
    "Container": CONTAINER,
    "EphemeralContainer": EPHEMERAL_CONTAINER,
    "PodSpec": POD_SPEC,
    "EnvVar": _fields("name value valueFrom"),
    "EnvVarSource": _fields("configMapKeyRef fieldRef fileKeyRef resourceFieldRef secretKeyRef"),
    "EnvFromSource": _fields("configMapRef prefix secretRef"),
    "ConfigMapKeySelector": _fields("key name optional"),
    "SecretKeySelector": _fields("key name optional"),
    "FileKeySelector": _fields("key path volumeName", "optional"),
    "ObjectFieldSelector": _fields("fieldPath", "apiVersion"),
    "Lifecycle": _fields("postStart", "preStop stopSignal"),
    "LifecycleHandler": _fields("exec", "httpGet sleep tcpSocket"),
    "SecurityContext": _fields(
        "runAsUser",
        "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount"
        " readOnlyRootFilesystem runAsGroup runAsNonRoot seLinuxOptions seccompProfile"
        " windowsOptions",
    ),
    "PodSecurityContext": _fields(
        "runAsUser",
        "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot seLinuxChangePolicy"
        " seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls"
        " windowsOptions",
    ),
    "VolumeMount": _fields(
        "mountPath name readOnly subPath subPathExpr",
        "bindMountOptions mountPropagation recursiveReadOnly",
    ),
    "ConfigMapVolumeSource": _fields("defaultMode items name optional", "defaultUser"),
    "SecretVolumeSource": _fields("defaultMode items optional secretName", "defaultUser"),
    "DownwardAPIVolumeSource": _fields("defaultMode items", "defaultUser"),
    "DownwardAPIVolumeFile": _fields("fieldRef mode path resourceFieldRef", "user"),
    "ProjectedVolumeSource": _fields("defaultMode sources", "defaultUser"),
    "KeyToPath": _fields("key mode path", "user"),
    "ConfigMap": _fields("binaryData data immutable metadata", "apiVersion kind"),
    "Secret": _fields("data immutable metadata stringData", "apiVersion kind type"),
}

_NOTED = 3


def unknown_fields(manifests: Manifests) -> Iterator[Problem]:
    """Note fields that are none of the API's: the API server drops them, and kubectl refuses them.

    Kinds that are not Kubernetes' own may have fields of their own.
    """
    found = [
        unknown
        for item in manifests.objects
        if "." not in item.group
        for pod in pods(item, ())  # of these kinds none takes the template of another object
        if isinstance(pod, Pod)
        for unknown in _of_pod(item, pod)
    ]
    yield from (_problem(*unknown) for unknown in found[:_NOTED])
    if len(found) > _NOTED:
        more = f"{len(found) - _NOTED} further fields are none of the API's"
        yield Problem(ProblemCode.NOTE, more, manifests.objects[0].location)


def _of_pod(item: ApiObject, pod: Pod) -> Iterator[tuple[Scalar, Fields, str]]:
    """Yield each field that is none, with those that it may have meant, and whose it is."""
    yield from _unknown(pod.spec, POD_SPEC, f"the Pod of the {item.title}")
    for listed in LISTS:
        ephemeral = listed == "ephemeralContainers"
        for container in fields.mappings(pod.spec, listed):
            known = EPHEMERAL_CONTAINER if ephemeral else CONTAINER
            yield from _unknown(container, known, f"a container of the {item.title}")


def _unknown(holder: Mapping, known: Fields, whose: str) -> Iterator[tuple[Scalar, Fields, str]]:
    names = known.known
    yield from ((key, known, whose) for key, _ in holder.entries if key.value not in names)


def _problem(key: Scalar, known: Fields, whose: str) -> Problem:
    lowered = {name.lower(): name for name in known.known}
    name = str(key.value)
    close = nearest(name.lower(), lowered)
    hint = "kubectl refuses it, unless it is told not to validate"
    if close:
        hint = f"did you mean {lowered[close]!r}? {hint}"
    message = f"{name!r} is no field of {whose}: it has no effect"
    return Problem(ProblemCode.NOTE, message, key.location, hint)
