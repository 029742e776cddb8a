"""Who reaches a container's listeners: the bind address and what is published, farthest wins."""

import ipaddress
from collections.abc import Iterable

from deployguard.model.container import ContainerKind, ContainerSpec, Network, Port
from deployguard.model.evidence import Answer, Evidence, Missing, Reason, no, unknown, yes
from deployguard.model.facts import Listener, ProgramFacts, Reach, Scope

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost", "localhost.localdomain"})


def reach(spec: ContainerSpec, programs: Iterable[ProgramFacts]) -> Reach:
    """Return who reaches the programs: the debugger's listeners where one comes up, else any."""
    judged = tuple(programs)
    listeners = [listener for program in judged for listener in program.listeners]
    debuggers = [listener for listener in listeners if listener.debugger is Answer.YES]
    found = [_listener(spec, listener) for listener in debuggers or listeners]
    if not debuggers:
        found.extend(_hidden(program) for program in judged if _may_listen(program))
    known = [one for one in found if one.scope is not None]
    silent = (step for program in judged for step in program.facts.dev_server.evidence)
    farthest = max(known, key=_distance, default=Reach(no(*dict.fromkeys(silent)), Scope.NONE))
    open_ones = [one for one in found if one.scope is None]
    if open_ones and farthest.scope is not Scope.PUBLIC:
        return open_ones[0]
    return farthest


def _distance(one: Reach) -> int:
    return -1 if one.scope is None else list(Scope).index(one.scope)


def _may_listen(program: ProgramFacts) -> bool:
    return not program.listeners and program.server != "none"


def _hidden(program: ProgramFacts) -> Reach:
    missing = program.facts.dev_server.missing or (
        Missing(Reason.PROGRAM, f"where {program.program.name} listens"),
    )
    return Reach(unknown(missing), None)


def _listener(spec: ContainerSpec, listener: Listener) -> Reach:
    address = listener.address
    if address is None:
        missing = listener.missing or (Missing(Reason.SOURCE, "the address it listens on"),)
        return Reach(unknown(missing, *listener.evidence), None)
    if address.startswith("unix:"):
        note = Evidence(listener.location, f"it listens on the unix socket {address[5:]} alone")
        return Reach(no(note), Scope.NONE)
    loopback = _is_loopback(address)
    if loopback is None:
        missing = (Missing(Reason.PROGRAM, f"which address {address} is in the container"),)
        return Reach(unknown(missing, *listener.evidence), None)
    if loopback:
        return _inside(spec, listener)
    return _beyond(spec, listener)


def _is_loopback(address: str) -> bool | None:
    """Say whether an address is loopback only; None for a name that the network must resolve."""
    if address.lower() in _LOOPBACK_NAMES:
        return True
    text = address.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        pass
    parts = text.split(".")
    if not all(part.isdigit() and len(part) < len("10000000000") for part in parts):
        return None
    # inet_aton's short forms: "0" and "0.0" are every address, "127.1" is loopback.
    first = int(parts[0]) if len(parts) > 1 else int(parts[0]) >> 24
    return first == 127  # noqa: PLR2004  (127.0.0.0/8, RFC 1122)


def _inside(spec: ContainerSpec, listener: Listener) -> Reach:
    if spec.network is Network.HOST:
        note = Evidence(spec.location, "the container shares the machine's network")
        return Reach(yes(*listener.evidence, note), Scope.HOST)
    return Reach(no(*listener.evidence), Scope.LOOPBACK)


def _beyond(spec: ContainerSpec, listener: Listener) -> Reach:
    evidence = listener.evidence
    match spec.network:
        case Network.HOST:
            note = Evidence(spec.location, "the container shares the machine's network")
            return Reach(yes(*evidence, note), Scope.PUBLIC)
        case Network.NONE:
            note = Evidence(spec.location, "the container has no network")
            return Reach(no(*evidence, note), Scope.LOOPBACK)
        case Network.DEFAULT:
            return _published(spec, listener)


def _published(spec: ContainerSpec, listener: Listener) -> Reach:
    published = [port for port in spec.ports if port.published is not None]
    if published and listener.port is None:
        missing = (Missing(Reason.SOURCE, "the port it listens on"),)
        return Reach(unknown(missing, *listener.evidence), None)
    matching = [port for port in published if port.container == listener.port]
    outside = next((port for port in matching if not _on_loopback(port)), None)
    chosen = outside or next(iter(matching), None)
    if chosen is None:
        note = Evidence(spec.location, f"nothing publishes its port, so {_peers(spec)} reach it")
        return Reach(yes(*listener.evidence, note), Scope.PRIVATE)
    note = Evidence(chosen.location, f"port {chosen.container} is published on {chosen.published}")
    scope = Scope.PUBLIC if outside is not None else Scope.HOST
    return Reach(yes(*listener.evidence, note), scope)


def _on_loopback(port: Port) -> bool:
    address = (port.published or "").rpartition(":")[0]
    return _is_loopback(address) is True


def _peers(spec: ContainerSpec) -> str:
    match spec.kind:
        case ContainerKind.KUBERNETES_CONTAINER:
            return "the pods of the cluster"
        case ContainerKind.COMPOSE_SERVICE:
            return "the containers of its networks"
        case ContainerKind.IMAGE | ContainerKind.DOCKERFILE_STAGE:
            return "the containers beside it"
