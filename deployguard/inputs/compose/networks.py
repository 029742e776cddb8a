"""The network namespace each service joins, and what the networks in it lead to.

Follows `network_mode` and `networks` of the compose specification, and the drivers of moby's
daemon/libnetwork.
"""

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.fields import Fields, mapping
from deployguard.inputs.compose.objects import is_external
from deployguard.inputs.compose.ports import EVERYWHERE, ports
from deployguard.inputs.compose.resolved import Project
from deployguard.model.container import ContainerSpec, Network, Port
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.structs import replace

_BRIDGE = "com.docker.network.bridge."
# Where this is set, nothing is published on addresses of IPv6 (moby port_mapping_linux.go).
_BINDING = f"{_BRIDGE}host_binding_ipv4"
_GATEWAY_MODES = (f"{_BRIDGE}gateway_mode_ipv4", f"{_BRIDGE}gateway_mode_ipv6")
_ON_THE_LINK = frozenset({"macvlan", "ipvlan"})
_BRIDGED = frozenset({"", "bridge", "default", "overlay", "nat"})
# From the least to the most that leads in.
_WIDTHS = (
    Network.NONE,
    Network.INTERNAL,
    Network.DEFAULT,
    Network.DIRECT,
    Network.HOST,
    Network.UNKNOWN,
)


class _Joined(Struct, frozen=True):
    """What a service joins; `address` is where its ports are published if they do not say."""

    network: Network = Network.DEFAULT
    trail: tuple[Evidence, ...] = ()
    missing: tuple[Missing, ...] = ()
    address: str = EVERYWHERE


def attached(specs: tuple[ContainerSpec, ...], project: Project) -> tuple[ContainerSpec, ...]:
    """Return the services of a project with their networks.

    Raises SyntaxInputError for services that compose does not find.
    """
    fields = project.fields
    services = project.part("services")
    nodes = {spec.name: mapping(services[spec.name][1], spec.name) for spec in specs}
    declared = _Declared(project)
    modes = {spec.name: fields.optional(nodes[spec.name], "network_mode") for spec in specs}
    owners = _owners(specs, nodes, modes, fields)
    joined = {spec.name: declared.joined(nodes[spec.name], modes[spec.name]) for spec in specs}
    bound = [_bound(spec, nodes[spec.name], joined[spec.name], fields) for spec in specs]
    shared: dict[str, list[Port]] = {}
    for spec in bound:
        shared.setdefault(owners[spec.name], []).extend(spec.ports)
    held_ports = {owner: tuple(found) for owner, found in shared.items()}
    return tuple(_in_network(spec, owners, joined, modes[spec.name], held_ports) for spec in bound)


def _bound(spec: ContainerSpec, node: Mapping, joined: _Joined, fields: Fields) -> ContainerSpec:
    if joined.address == EVERYWHERE:
        return spec
    return replace(spec, ports=tuple(ports(node, fields, joined.address)))


def _in_network(
    spec: ContainerSpec,
    owners: AnyMapping[str, str],
    joined: AnyMapping[str, _Joined],
    mode: Traced[str] | None,
    shared: AnyMapping[str, tuple[Port, ...]],
) -> ContainerSpec:
    owner = owners[spec.name]
    found = joined[owner]
    trail = found.trail
    if owner != spec.name and mode is not None:
        joins = Evidence(mode.location, f"it shares the network of the service {owner}")
        trail = (joins, *trail)
    alone = len(shared[owner]) == len(spec.ports)
    return replace(
        spec,
        network=found.network,
        network_ports=() if alone else shared[owner],
        network_trail=trail,
        network_missing=found.missing,
    )


def _owners(
    specs: tuple[ContainerSpec, ...],
    nodes: AnyMapping[str, Mapping],
    modes: AnyMapping[str, Traced[str] | None],
    fields: Fields,
) -> dict[str, str]:
    """Return the service whose network namespace each one is in, along service: and container:."""
    containers: dict[str, str] = {}
    for spec in specs:
        called = fields.optional(nodes[spec.name], "container_name")
        if called is not None and called.value:
            containers[called.value] = spec.name
    following: dict[str, str] = {}
    for name, mode in modes.items():
        kind, _, other = ("", "", "") if mode is None else mode.value.partition(":")
        if kind == "service" and mode is not None:
            if other not in modes:
                raise SyntaxInputError(
                    f"the service {name} depends on a service that does not start",
                    location=mode.location,
                    hint="network_mode: service:NAME names another service of the project",
                )
            following[name] = other
        elif kind == "container" and other in containers:
            following[name] = containers[other]
    return {name: _end(name, following, modes) for name in modes}


def _end(name: str, following: dict[str, str], modes: AnyMapping[str, Traced[str] | None]) -> str:
    path = [name]
    while (further := following.get(path[-1])) is not None:
        if further in path:
            mode = modes[name]
            raise SyntaxInputError(
                f"the network of the service {name} is its own in the end",
                location=None if mode is None else mode.location,
                hint="compose refuses a cycle as well: let one service have a network",
            )
        path.append(further)
    for step in path[:-1]:
        following[step] = path[-1]
    return path[-1]


class _Declared:
    """The networks of a project by name, each read once."""

    def __init__(self, project: Project) -> None:
        self._networks = project.part("networks")
        self._fields = project.fields
        self._read: dict[str, _Joined] = {}

    def joined(self, service: Mapping, mode: Traced[str] | None) -> _Joined:
        """Return what a service joins by itself."""
        if mode is not None and mode.value:
            return _by_mode(mode)
        found = [self._network(name) for name in self._names(service)]
        widest = max((one.network for one in found), key=_WIDTHS.index)
        leading = [one for one in found if one.network is widest]
        addresses = {one.address for one in leading}
        return _Joined(
            widest,
            tuple(dict.fromkeys(step for one in leading for step in one.trail)),
            tuple(dict.fromkeys(name for one in leading for name in one.missing)),
            addresses.pop() if len(addresses) == 1 else EVERYWHERE,
        )

    def _names(self, service: Mapping) -> Iterator[Traced[str]]:
        node = service.get("networks")
        if isinstance(node, Mapping):
            names = tuple(Traced(key.text, key.location) for key, _ in node.entries)
        else:
            names = self._fields.texts(service, "networks")
        yield from names or (Traced("default", service.location),)

    def _network(self, name: Traced[str]) -> _Joined:
        if name.value not in self._read:
            self._read[name.value] = self._declared(name)
        return self._read[name.value]

    def _declared(self, name: Traced[str]) -> _Joined:
        found = self._networks.get(name.value)
        if found is None and name.value != "default":
            raise SyntaxInputError(
                f"a service refers to the network {name.value}, which is not defined",
                location=name.location,
                hint=f"list it at the top: networks: {{{name.value}: {{}}}}",
            )
        node = None if found is None else found[1]
        return _network(name.value, node, self._fields) if isinstance(node, Mapping) else _Joined()


def _by_mode(mode: Traced[str]) -> _Joined:
    kind, _, name = mode.value.partition(":")
    match kind:
        case "host":
            note = Evidence(mode.location, "the container shares the machine's network")
            return _Joined(Network.HOST, (note,))
        case "none":
            return _Joined(Network.NONE, (Evidence(mode.location, "the container has no network"),))
        case "container":
            return _unknown(mode.location, f"the network of the container {name}")
        case "ns":
            return _unknown(mode.location, f"the network namespace {name}")
        case "bridge" | "default" | "nat":
            return _Joined()
        case _:
            return _outside(mode.value, mode.location)


def _unknown(location: Location, what: str) -> _Joined:
    note = Evidence(location, f"it shares {what}")
    return _Joined(Network.UNKNOWN, (note,), (Missing(Reason.NETWORK, what),))


def _outside(name: str, location: Location) -> _Joined:
    """Return a network that is made outside of the project; as a rule it is a bridge or overlay."""
    if name == "host":
        note = Evidence(location, "the container shares the machine's network")
        return _Joined(Network.HOST, (note,))
    if name == "none":
        return _Joined(Network.NONE, (Evidence(location, "the container has no network"),))
    return _Joined(trail=(Evidence(location, f"the network {name} is made elsewhere"),))


def _network(name: str, node: Mapping, fields: Fields) -> _Joined:
    given, driver = fields.optional(node, "name"), fields.optional(node, "driver")
    options = {key: value.value for key, value in fields.pairs(node, "driver_opts")}
    real = given.value if given is not None and given.value else name
    kind = "" if driver is None else driver.value
    place = node.location if driver is None else driver.location
    internal = fields.flag(node, "internal")
    inside = internal is not None and internal.value
    if kind in _ON_THE_LINK:
        orphan = "parent" not in options and not is_external(node)
        return _on_link(name, place, internal=inside or orphan)
    if kind in {"host", "none", "null"}:
        return _outside("host" if kind == "host" else "none", place)
    if is_external(node):
        return _outside(_external_name(node, fields) or real, node.location)
    if kind not in _BRIDGED:
        what = f"who reaches the network {name} of the driver {kind}"
        return _Joined(missing=(Missing(Reason.NETWORK, what),))
    # A port of a service in a swarm is published by the routing mesh, whatever the network.
    if inside and kind != "overlay":
        note = f"the network {name} is internal: nothing is published from it"
        return _Joined(Network.INTERNAL, (Evidence(node.location, note),))
    return _bridge(name, node, options)


def _on_link(name: str, place: Location, *, internal: bool) -> _Joined:
    """Return a macvlan or ipvlan; without a parent it is internal (moby macvlan_network.go)."""
    if not internal:
        note = f"the network {name} gives it an address in the machine's own network"
        return _Joined(Network.DIRECT, (Evidence(place, note),))
    note = f"the network {name} has no parent, or is internal"
    return _Joined(Network.INTERNAL, (Evidence(place, note),))


def _bridge(name: str, node: Mapping, options: AnyMapping[str, str | None]) -> _Joined:
    modes = {options.get(mode) for mode in _GATEWAY_MODES}
    if "nat-unprotected" in modes:
        note = f"the network {name} lets in everybody who is routed to it"
        return _Joined(Network.DIRECT, (Evidence(node.location, note),))
    missing = Missing(Reason.NETWORK, f"who is routed to the network {name}")
    return _Joined(
        missing=(missing,) if "routed" in modes else (),
        address=options.get(_BINDING) or EVERYWHERE,
    )


def _external_name(node: Mapping, fields: Fields) -> str | None:
    """Return the name below `external`, where older files have it."""
    found = node.get("external")
    name = fields.optional(found, "name") if isinstance(found, Mapping) else None
    return None if name is None else name.value
