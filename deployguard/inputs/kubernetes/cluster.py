"""Objects asked of a running cluster: single ones by their names, and lists of a namespace.

Only GET requests are made.
"""

import os
import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import InputError, LimitError, SyntaxInputError, UnreadableError
from deployguard.formats.yaml import MAX_BYTES, Dialect, Mapping, documents
from deployguard.inputs.kubernetes import fields
from deployguard.inputs.kubernetes.manifests import ApiObject, objects, qualified
from deployguard.inputs.kubernetes.objects import config_object
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.objects import ConfigObject

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_TIMEOUT_SECONDS = 2.0
_PAGE = 500
_PAGES = 20
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)  # DNS-1123, safe in a path


class Listed(StrEnum):
    """The kinds that are listed for a namespace, by the paths of their resources."""

    SERVICE = "/api/v1/namespaces/{}/services"
    NETWORK_POLICY = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
    INGRESS = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"


class ClusterObjects(Struct, frozen=True):
    """An ObjectSource over the API server that `client` speaks to.

    `namespace` is that of what names none. Unless `secrets` says so, Secrets are not asked for; of
    those that are, the keys alone are kept, and what they hold is unknown.
    """

    client: "ApiClient"
    namespace: str | None = None
    secrets: bool = False

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for a ConfigMap.

        Absent where the API server says that there is none, Unread for every other fault.
        """
        return self._object("ConfigMap", Reason.CONFIG_MAP, namespace, name)

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for the keys of a Secret, where Secrets are asked for at all."""
        if not self.secrets:
            return Unread(Missing(Reason.SECRET, f"the Secret {qualified(namespace, name)}"))
        return self._object("Secret", Reason.SECRET, namespace, name)

    def _object(
        self, kind: str, reason: Reason, namespace: str | None, name: str
    ) -> ConfigObject | Absent | Unread:
        inside = namespace or self.namespace
        title = f"the {kind} {qualified(inside, name)}"
        if inside is None or not _NAME.fullmatch(inside) or not _NAME.fullmatch(name):
            return Unread(Missing(reason, title))
        path = f"/api/v1/namespaces/{inside}/{kind.lower()}s/{name}"
        try:
            status, data = self._get(path)
            if status == HTTPStatus.NOT_FOUND and _says_not_found(data):
                return Absent(path)
            if status != HTTPStatus.OK:
                raise _refused(status)
            answer = _answer(data, f"{kind} {inside}/{name} in the cluster")
            for item in objects(answer):
                if (item.kind, item.namespace, item.name) == (kind, inside, name):
                    return config_object(item)
            raise UnreadableError("the cluster answered with something else")
        except InputError as error:
            return Unread(Missing(reason, f"{title} ({error.message})"))

    def listed(
        self, kind: Listed, namespace: str | None, reason: Reason
    ) -> tuple[ApiObject, ...] | Unread:
        """List the objects of a kind in a namespace, in pages; all of them, or Unread."""
        inside = namespace or self.namespace
        title = f"the {kind.name.replace('_', ' ').lower()} objects of the namespace {inside}"
        if inside is None or not _NAME.fullmatch(inside):
            return Unread(Missing(reason, title))
        path = kind.value.format(inside)
        found: list[ApiObject] = []
        page = ""
        try:
            for _ in range(_PAGES):
                status, data = self._get(f"{path}?limit={_PAGE}{page}")
                if status != HTTPStatus.OK:
                    raise _refused(status)
                answer = _answer(data, f"{path} in the cluster")
                found += objects(answer)
                more = fields.text(fields.required(answer, "metadata"), "continue")
                if more is None or not more.value:
                    return tuple(found)
                page = f"&continue={quote(more.value, safe='')}"
            raise LimitError(f"there are more than {_PAGES * _PAGE}")
        except InputError as error:
            return Unread(Missing(reason, f"{title} ({error.message})"))

    def greet(self) -> None:
        """See that the cluster answers at all. Raises UnreadableError."""
        self._get("/version")

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


_REFUSALS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the cluster does not know the credentials",
    HTTPStatus.FORBIDDEN: "the cluster does not let you read it",
}


def _refused(status: int) -> UnreadableError:
    return UnreadableError(_REFUSALS.get(status, f"the cluster answered {status}"))


class UserCluster(Struct):
    """An ObjectSource over the user's cluster: connected when first asked, and asked once for each.

    A cluster that does not answer is not asked again: each further object would wait as long.
    """

    connecting: Callable[[], ClusterObjects]
    _cluster: ClusterObjects | InputError | None = None
    _known: dict[tuple[str, str | None, str], ConfigObject | Absent | Unread] = field(
        default_factory=dict
    )
    _lists: dict[tuple[Listed, str | None], tuple[ApiObject, ...] | Unread] = field(
        default_factory=dict
    )

    def config_map(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for a ConfigMap."""
        return self._find("ConfigMap", Reason.CONFIG_MAP, namespace, name)

    def secret(self, namespace: str | None, name: str) -> ConfigObject | Absent | Unread:
        """Ask for the keys of a Secret."""
        return self._find("Secret", Reason.SECRET, namespace, name)

    def listed(
        self, kind: Listed, namespace: str | None, reason: Reason
    ) -> tuple[ApiObject, ...] | Unread:
        """List the objects of a kind in a namespace; each list is asked for once."""
        cluster = self._connected()
        if isinstance(cluster, InputError):
            title = f"the {kind.name.replace('_', ' ').lower()} objects of the cluster"
            return Unread(Missing(reason, f"{title} ({cluster.message})"))
        if (kind, namespace) not in self._lists:
            self._lists[kind, namespace] = cluster.listed(kind, namespace, reason)
        return self._lists[kind, namespace]

    def _find(
        self, kind: str, reason: Reason, namespace: str | None, name: str
    ) -> ConfigObject | Absent | Unread:
        key = (kind, namespace, name)
        if key not in self._known:
            cluster = self._connected()
            if isinstance(cluster, InputError):
                title = f"the {kind} {qualified(namespace, name)} ({cluster.message})"
                return Unread(Missing(reason, title))
            ask = cluster.config_map if kind == "ConfigMap" else cluster.secret
            self._known[key] = ask(namespace, name)
        return self._known[key]

    def _connected(self) -> ClusterObjects | InputError:
        if self._cluster is None:
            try:
                self._cluster = self.connecting()
                self._cluster.greet()
            except InputError as error:
                self._cluster = error
        return self._cluster


def user_cluster(environ: AnyMapping[str, str], context: str | None) -> UserCluster:
    """Return the cluster of the user's kubeconfig, else the one this runs in."""
    return UserCluster(lambda: connect_user(environ, context))


def connect_user(environ: AnyMapping[str, str], context: str | None) -> ClusterObjects:
    """Connect as kubectl does: KUBECONFIG, else ~/.kube/config, else the cluster this runs in.

    Credentials that the kubeconfig takes from a program come from that program. Raises
    UnreadableError where there is no cluster to ask.
    """
    from kubernetes import client, config  # noqa: PLC0415  (250 ms)

    file = environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "~"), ".kube", "config"))
    configuration = client.Configuration()
    try:
        for name in filter(None, file.split(os.pathsep)):
            _check_kubeconfig(name)
        if context is None and not environ.get("KUBECONFIG") and not files.exists(Path(file)):
            config.load_incluster_config(client_configuration=configuration)
            return ClusterObjects(client.ApiClient(configuration), _own_namespace(), secrets=True)
        config.load_kube_config(
            file, context=context, client_configuration=configuration, persist_config=False
        )
        contexts, active = config.list_kube_config_contexts(file)
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        raise _no_cluster(error) from error
    chosen = next((one for one in contexts if one["name"] == context), active)
    namespace = (chosen.get("context") or {}).get("namespace") or "default"
    return ClusterObjects(client.ApiClient(configuration), namespace, secrets=True)


_KUBECONFIG_LIMIT = 4 * 1024 * 1024


def _check_kubeconfig(name: str) -> None:
    """See that a file is YAML, if there is one: the client lets errors of its parser out."""
    if files.exists(Path(name)):
        for _ in documents(files.read(name, _KUBECONFIG_LIMIT), name, Dialect.KUBECTL):
            pass


_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _own_namespace() -> str:
    try:
        return _OWN_NAMESPACE.read_text("utf-8").strip() or "default"
    except OSError:
        return "default"


def _no_cluster(error: Exception) -> UnreadableError:
    return UnreadableError(f"no cluster to ask: {error}", hint="set KUBECONFIG, or run it in a Pod")


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
        raise _no_cluster(error) from error
    return ClusterObjects(client.ApiClient(configuration))
