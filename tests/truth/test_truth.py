"""The observed launches go through the whole pipeline: never a wrong "no", never a crash."""

from collections import Counter

import pytest

from tests.truth.case_images import cases
from tests.truth.scoreboard import Row, Score, judge

pytestmark = pytest.mark.truth

# What is right today, of all launches. A change may raise these, never lower them.
RIGHT = {"debugger": 2063, "dev_server": 2070, "beyond": 2075, "pin_off": 1248, "interactive": 1246}
# What must be right of the launches that the first models rest on, in parts of a whole.
FIRST = {
    "debugger": 0.99,
    "dev_server": 0.985,
    "beyond": 0.97,
    "pin_off": 0.99,
    "interactive": 0.99,
}
# A launch that is blamed though it serves nothing in the end: its port is taken by a process that
# was started before it.
WRONG_UNSAFE = {"addr-in-use"}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [row for case in cases() for row in judge(case)]


def test_every_launch_is_judged(rows: list[Row]) -> None:
    assert {row.case for row in rows} == {case.id for case in cases()}
    assert len({row.case for row in rows}) >= 757


@pytest.mark.parametrize("score", [Score.CRASH, Score.WRONG_SAFE])
def test_no_launch_crashes_and_none_is_called_safe_that_is_not(
    score: Score, rows: list[Row]
) -> None:
    assert [(row.case, row.question, row.why) for row in rows if row.score is score] == []


def test_no_further_launch_is_blamed(rows: list[Row]) -> None:
    assert {row.case for row in rows if row.score is Score.WRONG_UNSAFE} <= WRONG_UNSAFE


@pytest.mark.parametrize("question", FIRST)
def test_of_the_first_launches_nearly_all_are_right(question: str, rows: list[Row]) -> None:
    first = {case.id for case in cases("cases")}
    asked = [row.score for row in rows if row.case in first and row.question == question]
    assert asked.count(Score.RIGHT) >= FIRST[question] * len(asked)
    assert asked.count(Score.UNKNOWN) <= (1 - FIRST[question]) * len(asked)


def test_what_was_right_stays_right(rows: list[Row]) -> None:
    right = Counter(row.question for row in rows if row.score is Score.RIGHT)
    assert all(right[question] >= count for question, count in RIGHT.items()), right
