"""Ways that lead to a port of a container."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from deployguard.model.evidence import Evidence, Missing
from deployguard.model.structs import replace

# A port of a Pod by number or name.
Target = int | str
EVERY = ""  # all ports; no port has an empty name
_SORTS = tuple(
    (public, proxied, hanging)
    for public, proxied in ((True, False), (True, True), (False, False))
    for hanging in (False, True)
)


class Way(Struct, frozen=True, kw_only=True):
    """A way to a port of a Pod; what it hangs on where that cannot be told is `missing`.

    `public`: it begins beyond the cluster. `proxied`: a proxy takes the requests there, and they
    come from its Pods.
    """

    evidence: tuple[Evidence, ...]
    public: bool
    proxied: bool = False
    missing: tuple[Missing, ...] = ()


class Ways:
    """Ways to the ports of some Pods: of each sort the first, for one is enough."""

    def __init__(self) -> None:
        self.first: dict[tuple[Target | None, bool, bool, bool], Way] = {}

    def add(self, target: Target, way: Way) -> None:
        """Add a way to a port."""
        for one in (target, None):
            self.first.setdefault((one, way.public, way.proxied, bool(way.missing)), way)

    def join(self, other: "Ways", missing: Iterable[Missing]) -> None:
        """Add the ways of others, which hang on `missing` as well."""
        further = tuple(missing)
        for (target, *_), way in other.first.items():
            hanging = replace(way, missing=(*way.missing, *further)) if further else way
            sort = (target, way.public, way.proxied, bool(hanging.missing))
            self.first.setdefault(sort, hanging)

    def to(self, port: int | None, names: Iterable[str]) -> Iterator[Way]:
        """Yield the ways to a port with these names; None is a port that is not known."""
        targets: tuple[Target | None, ...] = (port, *names, EVERY)
        for target in targets if port is not None else (None,):
            for sort in _SORTS:
                way = self.first.get((target, *sort))
                if way is not None:
                    yield way
