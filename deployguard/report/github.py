"""The report as workflow commands, which GitHub shows beside the lines of a pull request."""

from collections.abc import Iterator

from deployguard.model.action import Action
from deployguard.model.decision import Verdict
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem
from deployguard.model.report import Container, Report, Status, Target
from deployguard.report import redact
from deployguard.report.escape import github_message, github_property, line
from deployguard.report.place import WAYS_OUT, place
from deployguard.report.redact import Mask
from deployguard.report.repository import in_the_repository
from deployguard.report.summary import summary

_COMMANDS = {Action.BLOCK: "error", Action.WARN: "warning", Action.ALLOW: "notice"}
_STATUSES = {Status.FAILED: "error", Status.INCOMPLETE: "warning", Status.INSPECTED: "notice"}


def render(report: Report) -> str:
    """Return one command for each finding and problem, and the count as a plain last line."""
    masks = {container.id: redact.mask(container) for container in report.containers}
    containers = {container.id: container for container in report.containers}
    lines = [
        _finding(verdict, containers[verdict.finding.container], masks[verdict.finding.container])
        for verdict in report.verdicts
    ]
    lines += [_problem(target, problem) for target in report.targets for problem in target.problems]
    lines.append(f"decision: {report.decision} ({summary(report).line()})")
    return "\n".join(lines) + "\n"


def _finding(verdict: Verdict, container: Container, mask: Mask) -> str:
    finding = verdict.finding
    return _command(
        _COMMANDS[verdict.action],
        in_the_repository(verdict, container),
        f"{finding.rule} {finding.name}",
        (
            f"{finding.container}: {mask(finding.message)}",
            *(f"{place(step.location)}: {mask(step.note)}" for step in finding.evidence),
            *(
                f"missing: {mask(entry.what)} ({WAYS_OUT[entry.reason]})"
                for entry in finding.missing
            ),
            f"fix: {finding.remedy}",
        ),
    )


def _problem(target: Target, problem: Problem) -> str:
    hint = () if problem.hint is None else (redact.masked(problem.hint),)
    return _command(
        _STATUSES[target.status],
        problem.location,
        f"{target.status} {redact.named(target.name)}",
        (redact.masked(problem.message), *hint),
    )


def _command(name: str, location: Location | None, title: str, lines: tuple[str, ...]) -> str:
    properties = ",".join(
        f"{key}={github_property(line(value))}" for key, value in _properties(location, title)
    )
    message = github_message("\n".join(line(each) for each in lines))
    return f"::{name} {properties}::{message}"


def _properties(location: Location | None, title: str) -> Iterator[tuple[str, str]]:
    if location is not None and location.image is None:
        yield "file", redact.named(location.file)
        if location.line is not None:
            yield "line", str(location.line)
        if location.column is not None:
            yield "col", str(location.column)
    yield "title", title
