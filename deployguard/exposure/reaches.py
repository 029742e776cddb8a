"""Several answers to who reaches a listener made one."""

from collections.abc import Iterable

from deployguard.model.evidence import no, unknown
from deployguard.model.facts import Reach, Scope

NOBODY = Reach(no(), Scope.NONE)


def farthest(found: Iterable[Reach], otherwise: Reach = NOBODY) -> Reach:
    """Return the farthest of several; one that is open leaves all open that is not public."""
    reaches = tuple(found)
    known = [one for one in reaches if one.scope is not None]
    best = max(known, key=_distance, default=otherwise)
    unsettled = [one for one in reaches if one.scope is None]
    if not unsettled or best.scope is Scope.PUBLIC:
        return best
    claims = [one.claim for one in unsettled]
    evidence = dict.fromkeys(step for claim in claims for step in claim.evidence)
    missing = (name for claim in claims for name in claim.missing)
    return Reach(unknown(missing, *evidence), None)


def _distance(one: Reach) -> int:
    return -1 if one.scope is None else list(Scope).index(one.scope)
