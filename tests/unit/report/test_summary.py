import pytest

from deployguard.model.evidence import no, yes
from deployguard.model.facts import Facts, Reach, Scope
from deployguard.model.report import Status
from deployguard.model.structs import replace
from deployguard.report.summary import summary
from tests.support import reports
from tests.support.reports import DEBUGGER, OPEN, SAFE, UNREAD

OFF = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: mine}
spec: {rules: {DG101: off, DG102: allow, DG107: off}}
"""


@pytest.mark.parametrize(
    ("facts", "by", "line"),
    [
        (DEBUGGER, "production", "blocked: 2 findings in 1 of 1 container, unknown: 0, safe: 0"),
        (
            DEBUGGER,
            "audit",
            "blocked: 0 findings in 0 of 1 container, warned: 1, unknown: 0, safe: 0",
        ),
        (UNREAD, "production", "blocked: 0 findings in 0 of 1 container, unknown: 1, safe: 0"),
        (UNREAD, OFF, "blocked: 0 findings in 0 of 1 container, unknown: 1, safe: 0"),
        (SAFE, "production", "blocked: 0 findings in 0 of 1 container, unknown: 0, safe: 1"),
        (
            Facts(dev_server=yes()),
            OFF,
            "blocked: 0 findings in 0 of 1 container, unknown: 0, allowed: 1, safe: 0",
        ),
        (
            Facts(pin_off=yes(), reloader=OPEN),
            "production",
            "blocked: 0 findings in 0 of 1 container, unknown: 0, safe: 1",
        ),
        (
            Facts(debugger=yes(), reachable=Reach(no(), Scope.NONE)),
            OFF,
            "blocked: 0 findings in 0 of 1 container, unknown: 0, allowed: 1, safe: 0",
        ),
    ],
)
def test_each_container_counts_once_as_the_worst(facts: Facts, by: str | bytes, line: str) -> None:
    report = reports.report(reports.container(reports.program(facts)), by=by)
    assert summary(report).line() == line


def test_nothing_of_an_incomplete_target_is_safe() -> None:
    container = reports.container(reports.program(SAFE))
    report = reports.report(container, targets=(reports.target(Status.INCOMPLETE),))
    assert summary(report).line() == (
        "blocked: 0 findings in 0 of 1 container, unknown: 1, safe: 0"
    )


def test_targets_that_were_not_inspected_are_counted() -> None:
    report = reports.report(targets=(reports.target(Status.FAILED),))
    assert summary(report).line().endswith("targets not inspected: 1")


def test_the_counts_add_up_to_the_containers() -> None:
    containers = [
        reports.container(reports.program(facts), name=f"web{index}")
        for index, facts in enumerate([DEBUGGER, UNREAD, SAFE, replace(SAFE, debug_mode=yes())])
    ]
    counted = summary(reports.report(*containers))
    fates = (counted.blocked, counted.warned, counted.unknown, counted.allowed, counted.safe)
    assert fates == (1, 1, 1, 0, 1)
    assert sum(fates) == counted.containers
