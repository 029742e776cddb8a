"""Whether some ways together are all there are, told against all that may happen."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.model.process import Choice
from deployguard.model.ways import cover


def way(*signed: int) -> tuple[Choice, ...]:
    return tuple(Choice((abs(one),), way=one > 0) for one in signed)


@pytest.mark.parametrize(
    ("ways", "all_there_are"),
    [
        ([], False),
        ([way()], True),
        ([way(1)], False),
        ([way(1), way(-1)], True),
        ([way(1), way(-2)], False),
        ([way(1), way(-1, 2)], False),
        ([way(1), way(-1, 2), way(-1, -2)], True),
        ([way(1, 2), way(-2), way(2, -1)], True),
    ],
)
def test_ways_are_all_there_are(ways: list[tuple[Choice, ...]], all_there_are: bool) -> None:  # noqa: FBT001
    assert cover(ways) is all_there_are


SIGNS = st.integers(-4, 4).filter(bool)
WAYS = st.lists(
    st.lists(SIGNS, max_size=3, unique_by=abs).map(lambda signs: way(*signs)), max_size=6
)


@given(WAYS)
def test_it_is_so_for_every_way_the_conditions_may_go(ways: list[tuple[Choice, ...]]) -> None:
    taken = [
        {Choice((number,), way=one) for number, one in enumerate(answers, start=1)}
        for answers in product((True, False), repeat=4)
    ]
    assert cover(ways) is all(any(set(one) <= way for one in ways) for way in taken)
