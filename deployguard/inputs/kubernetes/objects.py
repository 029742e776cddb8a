"""ConfigMaps and Secrets among the manifests of the input."""

from base64 import b64decode
from collections.abc import Mapping as AnyMapping

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests, qualified
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject, ObjectSource


class FileObjects(Struct, frozen=True):
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


class LayeredObjects(Struct, frozen=True):
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

    One that is immutable stays as it is, since the API server refuses what comes after it. Raises
    SyntaxInputError for data that the API server would refuse.
    """
    held: dict[tuple[str, str | None, str], ConfigObject] = {}
    fixed: set[tuple[str, str | None, str]] = set()
    for item in manifests.objects:
        key = (item.kind, item.namespace, item.name)
        if item.api_version != "v1" or item.kind not in ("ConfigMap", "Secret") or item.generated:
            continue
        found = config_object(item)
        if key not in fixed:
            held[key] = found
        immutable = fields.flag(item.node, "immutable")
        if immutable is not None and immutable.value:
            fixed.add(key)
    return FileObjects(held)


def config_object(item: ApiObject) -> ConfigObject:
    """Read a ConfigMap or Secret: all of a Secret has the value None.

    Raises SyntaxInputError for data that the API server would refuse.
    """
    if item.kind == "Secret":
        keys = {key: entry.location for key, entry in _decoded(item, "data").items()}
        plain = fields.texts(item.node, "stringData")
        keys.update({key: entry.location for key, entry in plain.items()})
        hidden: dict[str, Traced[str | None]] = {
            key: Traced(None, place) for key, place in keys.items()
        }
        return ConfigObject(item.kind, item.namespace, item.name, hidden, item.location)
    data: dict[str, Traced[str | None]] = dict(fields.texts(item.node, "data"))
    binary = _decoded(item, "binaryData")
    for key, entry in binary.items():
        if key in data:
            raise SyntaxInputError(
                f"the key {key} stands in data and in binaryData",
                location=entry.location,
                hint="the API server refuses it: keep one of the two",
            )
    return ConfigObject(item.kind, item.namespace, item.name, data, item.location, binary)


def _decoded(item: ApiObject, field: str) -> dict[str, Traced[bytes]]:
    """Return a field that maps names to base64, in which line breaks do not count for Go."""
    found: dict[str, Traced[bytes]] = {}
    for key, entry in fields.texts(item.node, field).items():
        try:
            data = b64decode(entry.value.replace("\n", "").replace("\r", ""), validate=True)
        except ValueError as error:
            raise SyntaxInputError(
                f"the key {key} of {field} is not base64",
                location=entry.location,
                hint="the API server refuses it: encode it, or write it as text below "
                + ("stringData" if item.kind == "Secret" else "data"),
            ) from error
        found[key] = Traced(data, entry.location)
    return found
