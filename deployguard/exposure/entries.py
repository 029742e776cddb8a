"""Ingresses and routes by the Services that they lead to.

However many lead to a port of a Service of one name, the first that certainly does is kept, and the
first that may: entries and Services of one name are never compared with one another.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from deployguard.exposure.gates import Gates
from deployguard.exposure.places import ANYWHERE, Place, kept, places
from deployguard.exposure.ways import Target, Way
from deployguard.model.evidence import Evidence, Location, Missing
from deployguard.model.structs import replace
from deployguard.model.traffic import Backend, Entry, Service, Traffic

_ALIASES = 8  # a longer chain of them leads nowhere


class Entrance(Struct, frozen=True):
    """One backend of an entry, and on what it hangs."""

    entry: Entry
    backend: Backend
    missing: tuple[Missing, ...]

    @property
    def namespace(self) -> Place:
        """Return the namespace of the Service."""
        return self.backend.namespace

    @property
    def service(self) -> str | None:
        """Return the name of the Service, None where it may be any."""
        return self.backend.service

    @property
    def location(self) -> Location:
        """Return where the Service is named."""
        return self.backend.location


# By the port and whether that is the Pods', then by whether it hangs on something.
_Entrances = dict[tuple[int | str | None, bool], dict[bool, Entrance]]


class Entries:
    """The entries of some targets."""

    def __init__(self, traffic: tuple[Traffic, ...]) -> None:
        gates = Gates(traffic)
        self._to: dict[tuple[Place, str], _Entrances] = {}
        self._any: list[Entrance] = []
        for entry in (entry for one in traffic for entry in one.entries):
            hanging = gates.way(entry)
            if hanging is None:
                continue
            for backend in entry.backends:
                missing = (*hanging, *backend.missing, *gates.granted(entry, backend))
                self._add(Entrance(entry, backend, missing))
        aliases = [service for one in traffic for service in one.services if service.alias]
        for _ in range(_ALIASES):
            news = [self._follow(service) for service in aliases]
            if not any(news):
                break

    def _add(self, entrance: Entrance) -> None:
        if entrance.service is None:
            self._any.append(entrance)
            return
        for place in kept(entrance.namespace):
            ports = self._to.setdefault((place, entrance.service), {})
            sorts = ports.setdefault((entrance.backend.port, entrance.backend.of_pod), {})
            sorts.setdefault(bool(entrance.missing), entrance)

    def _follow(self, service: Service) -> bool:
        """Let what leads to an ExternalName lead to its Service; say whether that is news."""
        if service.alias is None:
            return False
        namespace, name = service.alias
        found = self._to.get((service.namespace, service.name), {})
        entrances = [one for sorts in found.values() for one in sorts.values()]
        known = self._to.get((namespace, name), {})
        news = [
            one
            for one in entrances
            if bool(one.missing) not in known.get((one.backend.port, one.backend.of_pod), {})
        ]
        for one in news:
            backend = replace(one.backend, namespace=namespace, service=name)
            self._add(replace(one, backend=backend))
        return bool(news)

    def ways(self, service: Service) -> Iterator[tuple[Target, Way]]:
        """Yield the Pods' ports that entries lead to through a Service."""
        for place, unsure in places(service.namespace):
            found = self._to.get((place, service.name))
            for target, sorts in _targets(service, found) if found else ():
                for one in sorts.values():
                    yield target, _through(one, service, (*one.missing, *unsure))

    def unresolved(self, held: Callable[[Place, str], bool]) -> Iterator[Entrance]:
        """Yield what leads to Services that are not there."""
        yield from self._any
        for (place, name), ports in self._to.items():
            if place != ANYWHERE and not held(place, name):
                yield from (one for sorts in ports.values() for one in sorts.values())


def _targets(service: Service, found: _Entrances) -> Iterator[tuple[Target, dict[bool, Entrance]]]:
    """Yield the Pods' ports that entries to a Service mean."""
    for port in service.ports:
        for key in dict.fromkeys((port.number, port.name, None)):
            for of_pod in (False, True) if isinstance(key, str) else (False,):
                if (key, of_pod) in found:
                    yield port.target, found[key, of_pod]
        if isinstance(port.target, int) and (port.target, True) in found:
            yield port.target, found[port.target, True]
        if isinstance(port.target, str):
            # A name stands for any number, as the Pods have it.
            for (number, of_pod), sorts in found.items():
                if of_pod and isinstance(number, int):
                    yield number, sorts


def _through(entrance: Entrance, service: Service, missing: tuple[Missing, ...]) -> Way:
    title = entrance.entry.title
    leads = Evidence(entrance.location, f"{title} leads from beyond to {service.name}")
    selects = Evidence(service.location, f"the Service {service.name} leads to its Pods")
    return Way(evidence=(leads, selects), public=True, proxied=True, missing=missing)
