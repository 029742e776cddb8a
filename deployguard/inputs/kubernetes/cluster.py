"""ConfigMaps asked of a running cluster."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from deployguard.errors import InputError, SyntaxInputError, UnreadableError
from deployguard.formats.yaml import MAX_BYTES, Dialect, Mapping, documents
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import objects, qualified
from deployguard.inputs.kubernetes.objects import config_object
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_TIMEOUT_SECONDS = 2.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)  # DNS-1123, safe in a path


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """An ObjectSource over the API server that `client` speaks to.

    Secrets are never read: what a Secret holds is unknown, whatever the client may see.
    """

    client: "ApiClient"

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for a ConfigMap.

        Absent where the API server says that there is none, Unread for every other fault.
        """
        title = f"the ConfigMap {qualified(namespace, name)}"
        if namespace is None or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return Unread(Missing(Reason.CONFIG_MAP, title))
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        try:
            status, data = self._get(path)
            if status == HTTPStatus.NOT_FOUND and _says_not_found(data):
                return Absent(path)
            if status != HTTPStatus.OK:
                raise UnreadableError(f"the cluster answered {status}")
            answer = _answer(data, f"ConfigMap {namespace}/{name} in the cluster")
            for item in objects(answer):
                if (item.kind, item.namespace, item.name) == ("ConfigMap", namespace, name):
                    return config_object(item)
            raise UnreadableError("the cluster answered with something else")
        except InputError as error:
            return Unread(Missing(Reason.CONFIG_MAP, f"{title} ({error.message})"))

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Say that a Secret is not read."""
        return Unread(Missing(Reason.SECRET, f"the Secret {qualified(namespace, name)}"))

    def _get(self, path: str) -> tuple[int, bytes]:
        """Return status and body.

        Goes through the client's connection pool, which holds its certificates and proxy: the
        generated methods differ between releases of the package and read answers of any size.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  (comes with the client)

        configuration = self.client.configuration
        headers = {"Accept": "application/json"}
        for setting in configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        try:
            response = self.client.rest_client.pool_manager.request(
                "GET",
                configuration.host + path,
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return response.status, response.read(MAX_BYTES + 1)
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            raise UnreadableError(f"the cluster cannot be asked: {type(error).__name__}") from error


def _answer(data: bytes, place: str) -> Mapping:
    node = next(documents(data, place, Dialect.KUBECTL), None)
    if not isinstance(node, Mapping):
        raise SyntaxInputError("the cluster's answer is no object")
    return node


def _says_not_found(data: bytes) -> bool:
    """Tell the API server's own Status from the 404 of something on the way to it."""
    status = _answer(data, "the cluster's answer")
    kind, reason = fields.text(status, "kind"), fields.text(status, "reason")
    return (kind and kind.value, reason and reason.value) == ("Status", "NotFound")


def connect() -> ClusterObjects:
    """Return the cluster this runs in, else that of the user's kubeconfig.

    Raises UnreadableError where neither is at hand.
    """
    from kubernetes import client, config  # noqa: PLC0415  (250 ms)

    configuration = client.Configuration()
    try:
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            config.load_kube_config(client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        raise UnreadableError(
            f"no cluster to ask: {error}", hint="set KUBECONFIG, or run it in a Pod"
        ) from error
    return ClusterObjects(client.ApiClient(configuration))
