"""Each input below the folder of a rule, and each example of its page, fails or passes it."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployguard.model.report import Report, Status
from deployguard.rules import RULES

HERE = Path(__file__).parent


def examples() -> Iterator[tuple[str, str, bool]]:
    for rule in RULES:
        fails, passes = rule.page.partition("Fails:")[2].split("Passes:")
        yield rule.id, textwrap.dedent(fails), True
        yield rule.id, textwrap.dedent(passes), False


def inputs() -> Iterator[tuple[str, str, bool]]:
    for path in sorted(HERE.glob("DG*/*/*.yaml")):
        yield path.parts[-3], path.read_text(), path.parts[-2] == "fails"


def found(report: Report) -> set[str]:
    (target,) = report.targets
    assert target.status is Status.INSPECTED, target.problems
    assert len(report.containers) == 1
    return {verdict.finding.rule for verdict in report.verdicts}


@pytest.mark.parametrize(
    ("rule", "compose", "fails"),
    tuple(examples()),
    ids=[f"{rule.id}-{word}" for rule in RULES for word in ("fails", "passes")],
)
def test_the_examples_of_a_page(
    scanned: Callable[[str], Report],
    rule: str,
    compose: str,
    fails: bool,  # noqa: FBT001  (the table's)
) -> None:
    assert (rule in found(scanned(compose))) is fails


@pytest.mark.parametrize(
    ("rule", "compose", "fails"),
    tuple(inputs()),
    ids=["-".join(path.with_suffix("").parts[-3:]) for path in sorted(HERE.glob("DG*/*/*.yaml"))],
)
def test_the_inputs_of_a_rule(
    scanned: Callable[[str], Report],
    rule: str,
    compose: str,
    fails: bool,  # noqa: FBT001  (the table's)
) -> None:
    assert (rule in found(scanned(compose))) is fails


def test_every_rule_has_inputs_on_both_sides() -> None:
    sides = {(rule, fails) for rule, _, fails in inputs()}
    assert sides == {(rule.id, fails) for rule in RULES for fails in (True, False)}
