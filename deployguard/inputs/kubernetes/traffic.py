"""What the manifests of a target declare that leads requests to Pods, or keeps them out."""

from msgspec import Struct, field

from deployguard.errors import InputError
from deployguard.inputs.kubernetes import gateways, ingresses, services
from deployguard.inputs.kubernetes.knative_services import knative_service
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests
from deployguard.inputs.kubernetes.policies import network_policy
from deployguard.model.evidence import Missing, Reason
from deployguard.model.traffic import (
    Backend,
    Endpoint,
    Entry,
    Gateway,
    Grant,
    NetworkPolicy,
    Service,
    Traffic,
    UnreadPolicy,
)

_Endpoints = dict[tuple[str | None, str], list[Endpoint]]


class _Found(Struct):
    endpoints: _Endpoints = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    policies: dict[object, list[NetworkPolicy | None]] = field(default_factory=dict)
    unread: list[UnreadPolicy] = field(default_factory=list)


def traffic(manifests: Manifests) -> Traffic:
    """Collect what leads to Pods and what keeps requests out.

    Nothing is raised: an object that cannot be read may lead to any Pod of its namespace, and a
    policy that cannot be read may let in anybody.
    """
    found = _Found()
    # Endpoints belong to Services that may stand before them.
    late = [item for item in manifests.objects if item.kind not in _ENDPOINTS]
    for item in (*(item for item in manifests.objects if item.kind in _ENDPOINTS), *late):
        try:
            _read(item, found)
            _read_policy(item, found)
        except InputError as error:
            _leave(item, error, found)
    policies = [policy for versions in found.policies.values() for policy in _applied(versions)]
    return Traffic(
        services=tuple(found.services),
        entries=tuple(found.entries),
        gateways=tuple(found.gateways),
        grants=tuple(found.grants),
        policies=tuple(policies),
        unread=tuple(found.unread),
    )


_ENDPOINTS = frozenset({"Endpoints", "EndpointSlice"})


def _read(item: ApiObject, found: _Found) -> None:
    match item.group, item.kind:
        case ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice"):
            for owner, endpoint in services.endpoints(item):
                found.endpoints.setdefault((item.namespace, owner), []).append(endpoint)
        case "", "Service":
            endpoints = found.endpoints.get((item.namespace, item.name), ())
            found.services.append(services.service(item, endpoints))
        case "serving.knative.dev", "Service":
            found.services.append(knative_service(item))
        case (("networking.k8s.io" | "extensions"), "Ingress"):
            found.entries.append(ingresses.ingress(item))
        case (("route.openshift.io" | ""), "Route"):
            found.entries.append(ingresses.openshift(item))
        case (("traefik.io" | "traefik.containo.us"), ("IngressRoute" | "IngressRouteTCP")):
            found.entries.append(ingresses.traefik(item))
        case gateways.GATEWAY_API, ("HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute"):
            found.entries.append(gateways.route(item))
        case gateways.GATEWAY_API, "Gateway":
            found.gateways.append(gateways.gateway(item))
        case gateways.GATEWAY_API, "ReferenceGrant":
            found.grants.extend(gateways.grants(item))
        case gateways.ISTIO, "Gateway":
            found.gateways.append(gateways.istio_gateway(item))
        case gateways.ISTIO, "VirtualService":
            routed = gateways.virtual_service(item)
            found.entries.extend(() if routed is None else (routed,))
        case _:
            pass  # it leads nowhere


def _read_policy(item: ApiObject, found: _Found) -> None:
    if (item.api_version, item.kind) == ("networking.k8s.io/v1", "NetworkPolicy"):
        policy = network_policy(item)
        key: object = object() if item.generated else (item.namespace, item.name)
        versions = found.policies.setdefault(key, [])
        versions.append(policy)
        if len(versions) > 1:
            found.unread.append(_other(item, "lets in, for it stands there more than once"))
    elif item.kind in _OTHER_POLICIES.get(item.group, ()):
        found.unread.append(_other(item, "lets in"))


def _applied(versions: list[NetworkPolicy | None]) -> tuple[NetworkPolicy, ...]:
    """Return the policy of a name, none where several are: which is applied last is not known."""
    policy = versions[0]
    return () if policy is None or len(versions) > 1 else (policy,)


# Kinds whose rules are joined with those of NetworkPolicies, or come before them.
_CALICO = ("NetworkPolicy", "GlobalNetworkPolicy")
_OTHER_POLICIES = {
    "cilium.io": ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"),
    "crd.projectcalico.org": _CALICO,
    "projectcalico.org": _CALICO,
    "policy.networking.k8s.io": (
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
    ),
}


def _other(item: ApiObject, does: str) -> UnreadPolicy:
    missing = Missing(Reason.NETWORK, f"what the {item.kind} {item.name} {does}")
    return UnreadPolicy(item.namespace, missing)


def _leave(item: ApiObject, error: InputError, found: _Found) -> None:
    """Let an object that cannot be read lead anywhere, and a policy let in anybody."""
    if item.kind == "NetworkPolicy":
        found.unread.append(_other(item, f"lets in, for it cannot be read: {error.message}"))
        return
    what = f"where the {item.kind} {item.name} leads, for it cannot be read: {error.message}"
    backend = Backend(
        namespace=item.namespace,
        service=None,
        location=error.location or item.location,
        missing=(Missing(Reason.OBJECT, what),),
    )
    found.entries.append(ingresses.entry(item, (backend,)))
