"""Every reason for not knowing is a member of one list, each yielded by an input that it names."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from deployguard.model.evidence import Missing, Reason
from deployguard.model.report import Report
from deployguard.pipeline import ScanOptions, scan
from deployguard.policy import load
from deployguard.report import text
from deployguard.report.place import WAYS_OUT
from deployguard.rules import IDS
from tests.support.contexts import write_context
from tests.support.engine import engine
from tests.support.folders import write
from tests.support.reasons import CASES, Case
from tests.support.reports import TODAY


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_context(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scanned(case: Case) -> Report:
    with engine() if case.engine else nullcontext() as host:
        environ = {"DOCKER_HOST": host} if host else case.environ
        options = ScanOptions(today=TODAY, images=case.images, environ=environ, explain=True)
        return scan([case.target], [load("production", IDS)], options)


def missing(report: Report) -> Iterator[Missing]:
    for container in report.containers:
        yield from container.process.missing
        for facts in (container.facts, *(one.facts for one in container.programs)):
            for claim in (*facts.claims().values(), facts.reachable.claim):
                yield from claim.missing


@pytest.mark.parametrize("reason", Reason)
def test_an_input_yields_each_reason_and_the_report_says_what_supplies_it(
    reason: Reason, folder: Path
) -> None:
    case = CASES[reason]
    write(folder, case.files)
    report = scanned(case)
    found = {one.reason for one in missing(report)}
    assert reason in found, sorted(found)
    assert WAYS_OUT[reason] in text.render(report)


@pytest.mark.parametrize("reason", [one for one in CASES if CASES[one].supplied is not None])
def test_what_supplies_it_leaves_it_missing_no_more(reason: Reason, folder: Path) -> None:
    case = CASES[reason]
    supplied: Mapping[str, str | bytes] = case.supplied or {}
    write(folder, {**case.files, **supplied})
    report = scanned(case)
    assert [target.problems for target in report.targets] == [()]
    assert reason not in {one.reason for one in missing(report)}


def test_the_ways_out_are_of_the_list() -> None:
    assert set(WAYS_OUT) == set(Reason)
    assert len(set(WAYS_OUT.values())) == len(Reason)
