"""An environment whose every entry knows where it came from and what it replaced."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from deployguard.model.evidence import Location, Missing, Traced, distinct
from deployguard.model.structs import replace


class Environment(Struct, frozen=True):
    """The variables of a process, or one layer of them.

    An entry whose value is None is set to something that cannot be seen. `removed` names variables
    that this layer takes out. `unseen` is non-empty where sources were not read that may set any
    variable: then a name that is not among the entries may be set, to anything.
    """

    entries: Mapping[str, Traced[str | None]] = field(default_factory=dict)
    removed: Mapping[str, Location] = field(default_factory=dict)
    unseen: tuple[Missing, ...] = ()
    location: Location = field(default=Location("environment"))

    def get(self, name: str) -> Traced[str | None] | None:
        """Return the entry, None where the variable is certainly not set.

        Where unseen sources may set it, the entry has the value None and says what is missing.
        """
        entry = self.entries.get(name)
        if entry is None and self.unseen and name not in self.removed:
            return Traced(None, self.location, missing=self.unseen)
        return entry

    def with_entry(self, name: str, entry: Traced[str | None]) -> "Environment":
        """Return this environment with one variable set."""
        return overlay((self, Environment({name: entry})))

    def without(self, name: str, location: Location) -> "Environment":
        """Return this environment with one variable taken out."""
        return overlay((self, Environment(removed={name: location})))


def overlay(layers: Iterable[Environment]) -> Environment:
    """Merge environments, weakest first, keeping what each winner replaced.

    A layer with unseen sources may override whatever is below it, so the entries below become
    unseen values, unless the same layer sets them itself.
    """
    entries: dict[str, Traced[str | None]] = {}
    removed: dict[str, Location] = {}
    unseen: dict[Missing, None] = {}
    seen: set[str] = set()  # the entries that no unseen source has been laid over
    location: Location | None = None
    for layer in layers:
        if layer.unseen:
            unseen.update(dict.fromkeys(layer.unseen))
            location = layer.location
            removed.clear()
            for name in seen:
                entry = entries[name]
                entries[name] = Traced(
                    None,
                    layer.location,
                    replaced=entry,
                    missing=distinct((*entry.missing, *layer.unseen)),
                )
            seen.clear()
        for name, place in layer.removed.items():
            entries.pop(name, None)
            seen.discard(name)
            removed[name] = place
        for name, entry in layer.entries.items():
            removed.pop(name, None)
            seen.add(name)
            below = entries.get(name)
            entries[name] = entry if below is None else replace(entry, replaced=below)
        location = location or layer.location
    return Environment(entries, removed, tuple(unseen), location or Location("environment"))
