"""Who reaches a container's listeners: the bind address and what is published, farthest wins."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deployguard.exposure.addresses import is_loopback
from deployguard.exposure.declared import Declared
from deployguard.exposure.publishing import farthest_port, on_loopback, said
from deployguard.exposure.reaches import farthest
from deployguard.model.container import ContainerKind, ContainerSpec, Network
from deployguard.model.evidence import Answer, Evidence, Missing, Reason, no, unknown, yes
from deployguard.model.facts import Listener, ProgramFacts, Reach, Scope

if TYPE_CHECKING:
    # What leads to Pods takes many types, which images and compose projects do without.
    from deployguard.exposure.cluster import Surroundings

__all__ = ["Declared", "Surroundings", "reach", "surroundings"]


def surroundings(targets: Sequence[Declared]) -> "Sequence[Surroundings | None]":
    """Return what is around each target, in their order; None where none declares anything."""
    if all(one.traffic is None for one in targets):
        return [None] * len(targets)
    from deployguard.exposure import cluster  # noqa: PLC0415  (only for manifests)

    return cluster.surroundings(targets)


def reach(
    spec: ContainerSpec,
    programs: Iterable[ProgramFacts],
    around: "Surroundings | None" = None,
) -> Reach:
    """Return who reaches the programs: the debugger's listeners where one comes up, else any.

    `around` is what is declared around a Pod; a Pod alone is reached by the others of its cluster.
    """
    judged = tuple(programs)
    listeners = [listener for program in judged for listener in program.listeners]
    debuggers = [listener for listener in listeners if listener.debugger is Answer.YES]
    found = [_listener(spec, listener, around) for listener in debuggers or listeners]
    if not debuggers:
        found.extend(_hidden(program) for program in judged if _may_listen(program))
    silent = (step for program in judged for step in program.facts.dev_server.evidence)
    return farthest(found, Reach(no(*dict.fromkeys(silent)), Scope.NONE))


def _may_listen(program: ProgramFacts) -> bool:
    return not program.listeners and program.server != "none"


def _hidden(program: ProgramFacts) -> Reach:
    missing = program.facts.dev_server.missing or (
        Missing(Reason.PROGRAM, f"where {program.program.name} listens"),
    )
    return Reach(unknown(missing), None)


def _listener(spec: ContainerSpec, listener: Listener, around: "Surroundings | None") -> Reach:
    address = listener.address
    if address is None:
        missing = listener.missing or (Missing(Reason.SOURCE, "the address it listens on"),)
        return Reach(unknown(missing, *listener.evidence), None)
    if address.startswith("unix:"):
        note = Evidence(listener.location, f"it listens on the unix socket {address[5:]} alone")
        return Reach(no(note), Scope.NONE)
    loopback = is_loopback(address)
    if loopback is None:
        missing = (Missing(Reason.PROGRAM, f"which address {address} is in the container"),)
        return Reach(unknown(missing, *listener.evidence), None)
    return _inside(spec, listener) if loopback else _beyond(spec, listener, around)


def _inside(spec: ContainerSpec, listener: Listener) -> Reach:
    if spec.network is Network.UNKNOWN:
        return _open(spec, listener)
    if spec.network is Network.HOST:
        return Reach(yes(*listener.evidence, *_shares_machine(spec)), Scope.HOST)
    return Reach(no(*listener.evidence), Scope.LOOPBACK)


def _beyond(spec: ContainerSpec, listener: Listener, around: "Surroundings | None") -> Reach:
    evidence = listener.evidence
    match spec.network:
        case Network.HOST:
            return Reach(yes(*evidence, *_shares_machine(spec)), Scope.PUBLIC)
        case Network.DIRECT:
            return Reach(yes(*evidence, *spec.network_trail), Scope.PUBLIC)
        case Network.NONE:
            trail = spec.network_trail or (Evidence(spec.location, "the container has no network"),)
            return Reach(no(*evidence, *trail), Scope.LOOPBACK)
        case Network.INTERNAL:
            return Reach(yes(*evidence, *spec.network_trail), Scope.PRIVATE)
        case Network.UNKNOWN:
            return _open(spec, listener)
        case Network.DEFAULT if spec.kind is ContainerKind.KUBERNETES_CONTAINER:
            from deployguard.exposure import cluster  # noqa: PLC0415  (only for Pods)

            return cluster.of_pod(spec, listener, around or cluster.NOTHING)
        case Network.DEFAULT:
            return _published(spec, listener)


def _open(spec: ContainerSpec, listener: Listener) -> Reach:
    evidence = (*listener.evidence, *spec.network_trail)
    return Reach(unknown(spec.network_missing, *evidence), None)


def _shares_machine(spec: ContainerSpec) -> tuple[Evidence, ...]:
    note = Evidence(spec.location, "the container shares the machine's network")
    return spec.network_trail or (note,)


def _published(spec: ContainerSpec, listener: Listener) -> Reach:
    evidence = (*listener.evidence, *spec.network_trail)
    port = listener.port or None  # 0 is any that is free
    chosen = farthest_port(spec, port)
    if chosen is not None and port is None:
        missing = Missing(Reason.SOURCE, "the port it listens on")
        return Reach(unknown(missing, *evidence, said(chosen)), None)
    if chosen is not None and not on_loopback(chosen):
        return Reach(yes(*evidence, said(chosen)), Scope.PUBLIC)
    if spec.network_missing:
        return Reach(unknown(spec.network_missing, *evidence), None)
    if chosen is not None:
        return Reach(yes(*evidence, said(chosen)), Scope.HOST)
    note = Evidence(spec.location, f"nothing publishes its port, so {_peers(spec)} reach it")
    return Reach(yes(*evidence, note), Scope.PRIVATE)


def _peers(spec: ContainerSpec) -> str:
    if spec.kind is ContainerKind.COMPOSE_SERVICE:
        return "the containers of its networks"
    return "the containers beside it"
