"""Gateways that a route is attached to, and leave to refer to another namespace."""

from collections.abc import Iterable

from deployguard.model.evidence import Missing, Reason
from deployguard.model.traffic import Attachable, Backend, Entry, Gate, Gateway, Grant, Traffic

_Key = tuple[str, str | None, str]


class Gates:
    """The gateways and grants of some targets."""

    def __init__(self, traffic: Iterable[Traffic]) -> None:
        self._gateways: dict[_Key, list[Gateway]] = {}
        self._grants: set[Grant] = set()
        for one in traffic:
            self._grants.update(one.grants)
            for gateway in one.gateways:
                key = (gateway.group, gateway.namespace, gateway.name)
                self._gateways.setdefault(key, []).append(gateway)

    def way(self, entry: Entry) -> tuple[Missing, ...] | None:
        """Return on what it hangs that an entry takes requests, None where it certainly does not.

        One gateway that takes the route is enough.
        """
        if entry.gates is None:
            return ()
        open_ones: list[Missing] = []
        for gate in entry.gates:
            missing = self._attached(entry, gate)
            if missing == ():
                return ()
            open_ones.extend(missing or ())
        return tuple(dict.fromkeys(open_ones)) or None

    def _attached(self, entry: Entry, gate: Gate) -> tuple[Missing, ...] | None:
        found = self._gateways.get((gate.group, gate.namespace, gate.name), ())
        answers = [_taken(entry, gate, gateway) for gateway in found]
        if not answers:
            return (Missing(Reason.OBJECT, f"the Gateway {gate.name}, which {entry.title} names"),)
        return next((one for one in answers if one == ()), next(filter(None, answers), None))

    def granted(self, entry: Entry, backend: Backend) -> tuple[Missing, ...]:
        """Return on what it hangs that an entry may refer to a Service of another namespace."""
        if backend.granted is None or entry.namespace in (None, backend.namespace):
            return ()
        for service in (None, backend.service):
            grant = Grant(
                namespace=backend.namespace,
                service=service,
                kind=backend.granted,
                origin=entry.namespace,
            )
            if grant in self._grants:
                return ()
        what = f"a ReferenceGrant of {backend.namespace} for {entry.title}"
        return (Missing(Reason.OBJECT, what),)


def _taken(entry: Entry, gate: Gate, gateway: Gateway) -> tuple[Missing, ...] | None:
    """Return on what it hangs that a gateway takes a route, None where it does not."""
    rules = {rule for name, rule in gateway.listeners if gate.listener in (None, name)}
    if Attachable.ALL in rules:
        return ()
    if Attachable.SAME in rules and gateway.namespace == entry.namespace:
        return ()
    unsure = Attachable.SAME in rules and None in (gateway.namespace, entry.namespace)
    if Attachable.SELECTED in rules or unsure:
        what = f"whether the Gateway {gate.name} takes routes of the namespace of {entry.title}"
        return (Missing(Reason.DEPLOYMENT, what),)
    return None
