"""ConfigMaps and Secrets among the manifests of the input."""

from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass

from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests, qualified
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject, ObjectSource


@dataclass(frozen=True, slots=True)
class FileObjects:
    """An ObjectSource over manifests; what they do not hold may exist in the cluster.

    One that names no namespace goes wherever the manifests are applied, which may be the namespace
    asked for or not: only an equal one counts as found.
    """

    held: AnyMapping[tuple[str, str | None, str], ConfigObject]

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a ConfigMap of the input."""
        return self._find("ConfigMap", Reason.CONFIG_MAP, namespace, name)

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a Secret of the input, with its keys alone."""
        return self._find("Secret", Reason.SECRET, namespace, name)

    def _find(
        self, kind: str, reason: Reason, namespace: str | None, name: str
    ) -> ConfigObject | Unread:
        found = self.held.get((kind, namespace, name))
        if found is None:
            return Unread(Missing(reason, f"the {kind} {qualified(namespace, name)}"))
        return found


@dataclass(frozen=True, slots=True)
class LayeredObjects:
    """An ObjectSource over several: the first that has an object, else what the last one says."""

    first: ObjectSource
    then: ObjectSource

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a ConfigMap."""
        found = self.first.config_map(namespace, name)
        return found if isinstance(found, ConfigObject) else self.then.config_map(namespace, name)

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Return a Secret."""
        found = self.first.secret(namespace, name)
        return found if isinstance(found, ConfigObject) else self.then.secret(namespace, name)


def file_objects(manifests: Manifests) -> FileObjects:
    """Collect the ConfigMaps and Secrets; of equal ones the last is what stays applied.

    Raises SyntaxInputError for data that the API server would refuse.
    """
    held = {
        (item.kind, item.namespace, item.name): config_object(item)
        for item in manifests.objects
        if item.api_version == "v1" and item.kind in ("ConfigMap", "Secret")
    }
    return FileObjects(held)


def config_object(item: ApiObject) -> ConfigObject:
    """Read a ConfigMap or Secret: what is not text, and all of a Secret, has the value None."""
    binary, plain = ("binaryData", "data") if item.kind == "ConfigMap" else ("data", "stringData")
    data: dict[str, Traced[str | None]] = {
        key: Traced(None, entry.location) for key, entry in fields.texts(item.node, binary).items()
    }
    for key, entry in fields.texts(item.node, plain).items():
        data[key] = entry if item.kind == "ConfigMap" else Traced(None, entry.location)
    return ConfigObject(item.kind, item.namespace, item.name, data, item.location)
