"""Ways that cannot be told apart: whether some of them together are all there are."""

from collections.abc import Collection

from deployguard.model.process import Choice

_MOST = 4_000


def cover(ways: Collection[tuple[Choice, ...]]) -> bool:
    """Say whether one of some ways is taken however the conditions go.

    Each way is the choices that lead to it; no choices is what happens always. Where there are too
    many to tell, they are not all.
    """
    return _covered(tuple(dict.fromkeys(ways)), [_MOST])


def _covered(ways: tuple[tuple[Choice, ...], ...], budget: list[int]) -> bool:
    budget[0] -= len(ways) + 1
    if not ways or budget[0] < 0:
        return False
    if () in ways:
        return True
    condition = ways[0][0].condition
    return all(
        _covered(
            tuple(
                tuple(choice for choice in way if choice.condition != condition)
                for way in ways
                if Choice(condition, way=not taken) not in way
            ),
            budget,
        )
        for taken in (True, False)
    )
