"""ConfigMaps asked of a running cluster."""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployguard.errors import UnreadableError
from deployguard.inputs.kubernetes.manifests import qualified
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MAX_BYTES = 4 * 1024 * 1024  # the API server keeps 1 MiB of data; managedFields come on top
_TIMEOUT_SECONDS = 2.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)  # DNS-1123, safe in a path


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """An ObjectSource over the API server that `client` speaks to.

    Secrets are never read: what a Secret holds is unknown, whatever the client may see.
    """

    client: "ApiClient"

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for a ConfigMap: Absent where the API server says so, Unread for every other fault."""
        title = f"the ConfigMap {qualified(namespace, name)}"
        if namespace is None or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return Unread(Missing(Reason.CONFIG_MAP, title))
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        answer = self._get(path)
        if isinstance(answer, str):
            return Unread(Missing(Reason.CONFIG_MAP, f"{title} ({answer})"))
        if answer is None:
            return Absent(path)
        return _config_map(namespace, name, answer)

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Say that a Secret is not read."""
        return Unread(Missing(Reason.SECRET, f"the Secret {qualified(namespace, name)}"))

    def _get(self, path: str) -> dict[str, Any] | str | None:
        """Return the object at a path, None where there is none, or the fault in words.

        Goes through the client's connection pool, which holds its certificates and proxy: the
        generated methods differ between releases of the package and read answers of any size.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  (with the client's package)

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
                data = response.read(MAX_BYTES + 1)
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            return f"the cluster cannot be asked: {type(error).__name__}"
        return _decoded(response.status, data)


def _decoded(status: int, data: bytes) -> dict[str, Any] | str | None:
    try:
        body = json.loads(data) if len(data) <= MAX_BYTES else "too long"
    except (ValueError, RecursionError):
        body = "not JSON"
    if status == 404 and isinstance(body, dict) and body.get("reason") == "NotFound":  # noqa: PLR2004
        return None  # a bare 404 may be a proxy's
    if status != 200:  # noqa: PLR2004
        return f"the cluster answered {status}"
    return body if isinstance(body, dict) else f"the cluster's answer is {body!s:.20}"


def _config_map(namespace: str, name: str, body: dict[str, Any]) -> ConfigObject:
    place = f"ConfigMap {namespace}/{name} in the cluster"
    data: dict[str, Traced[str | None]] = {}
    for field in ("binaryData", "data"):
        for key, value in (body.get(field) or {}).items():
            text = value if field == "data" and isinstance(value, str) else None
            data[key] = Traced(text, Location(place, pointer=f"/{field}/{key}"))
    return ConfigObject("ConfigMap", namespace, name, data, Location(place))


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
