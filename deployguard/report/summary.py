"""How the containers of a scan fared, counted once for every format."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from deployguard.model.action import Action
from deployguard.model.decision import Verdict
from deployguard.model.evidence import Answer
from deployguard.model.report import Container, Report, Status

# The facts that stand for something by themselves; the others only colour these.
_JUDGED = ("dev_server", "debug_mode", "debugger", "remote_debugger", "configured", "passthrough")


class Fate(StrEnum):
    """The worst that holds for a container."""

    BLOCKED = "blocked"
    WARNED = "warned"
    UNKNOWN = "unknown"
    ALLOWED = "allowed"
    SAFE = "safe"


class Summary(Struct, frozen=True, kw_only=True):
    """Each container counts once, as the worst that holds for it.

    `safe` has no finding and no fact that is open; `allowed` has findings that an exemption or the
    policy lets pass.
    """

    findings_blocked: int
    containers: int
    blocked: int
    warned: int
    unknown: int
    allowed: int
    safe: int
    not_inspected: int

    def line(self) -> str:
        """Return the counts in one line; what is always there comes first."""
        findings = "finding" if self.findings_blocked == 1 else "findings"
        containers = "container" if self.containers == 1 else "containers"
        of_all = f"{self.blocked} of {self.containers} {containers}"
        parts = [f"blocked: {self.findings_blocked} {findings} in {of_all}"]
        if self.warned:
            parts.append(f"warned: {self.warned}")
        parts.append(f"unknown: {self.unknown}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        parts.append(f"safe: {self.safe}")
        if self.not_inspected:
            parts.append(f"targets not inspected: {self.not_inspected}")
        return ", ".join(parts)


def summary(report: Report) -> Summary:
    """Count a report's containers and blocked findings."""
    unfinished = {one.name for one in report.targets if one.status is not Status.INSPECTED}
    verdicts: dict[str, list[Verdict]] = {container.id: [] for container in report.containers}
    for verdict in report.verdicts:
        verdicts[verdict.finding.container].append(verdict)
    fates = Counter(
        _fate(one, verdicts[one.id], unfinished=one.spec.target in unfinished)
        for one in report.containers
    )
    return Summary(
        findings_blocked=sum(verdict.action is Action.BLOCK for verdict in report.verdicts),
        containers=len(report.containers),
        blocked=fates[Fate.BLOCKED],
        warned=fates[Fate.WARNED],
        unknown=fates[Fate.UNKNOWN],
        allowed=fates[Fate.ALLOWED],
        safe=fates[Fate.SAFE],
        not_inspected=sum(target.status is Status.FAILED for target in report.targets),
    )


def _fate(container: Container, verdicts: Sequence[Verdict], *, unfinished: bool) -> Fate:
    settled = [one for one in verdicts if one.finding.answer is Answer.YES]
    claims = container.facts.claims()
    answers = {claims[name].answer for name in _JUDGED}
    if any(one.action is Action.BLOCK for one in verdicts):
        return Fate.BLOCKED
    if any(one.action is Action.WARN for one in settled):
        return Fate.WARNED
    doubted = len(settled) < len(verdicts) or (not verdicts and Answer.UNKNOWN in answers)
    if unfinished or doubted:
        return Fate.UNKNOWN
    return Fate.ALLOWED if verdicts or Answer.YES in answers else Fate.SAFE
