"""The observed launches go through the whole pipeline: never a wrong "no", never a crash."""

from collections import Counter

import pytest

from tests.truth.case_images import cases
from tests.truth.scoreboard import Row, Score, judge

pytestmark = pytest.mark.truth

# What is right today. A change may raise these, never lower them.
RIGHT = {"debugger": 748, "dev_server": 761, "beyond": 758, "pin_off": 409, "interactive": 403}
# Two launches that are blamed though they serve nothing in the end: one whose port is taken by a
# process started before it, and one whose server ends at its first error.
WRONG_UNSAFE = {"addr-in-use", "apprun-docs-external-f012"}


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


def test_what_was_right_stays_right(rows: list[Row]) -> None:
    right = Counter(row.question for row in rows if row.score is Score.RIGHT)
    assert all(right[question] >= count for question, count in RIGHT.items()), right
