"""What a denied user reads in kubectl, within the API server's patience."""

from deployguard.model.action import Action
from deployguard.model.decision import Verdict
from deployguard.model.report import Report, Status
from deployguard.report.escape import plain
from deployguard.report.redact import Mask, mask, masked

# kubectl prints the message on one screen; the API server cuts what is longer elsewhere.
MESSAGE_BYTES = 1024
WARNING_LENGTH = 120
WARNINGS = 10
ANNOTATION_BYTES = 8192


def first_lines(report: Report) -> str:
    """Return the denial: what, where, which rule and how to fix, then the chain, in 1 KiB."""
    blocked = [verdict for verdict in report.verdicts if verdict.action is Action.BLOCK]
    masks = {container.id: mask(container) for container in report.containers}
    lines = [
        line
        for verdict in blocked
        for line in _lines(verdict, masks.get(verdict.finding.container, Mask()))
    ]
    for target in report.targets:
        if target.status is not Status.INSPECTED:
            lines.extend(f"not inspected: {plain(masked(p.message))}" for p in target.problems)
    if not lines:
        lines = ["the request could not be judged"]
    if len(blocked) > 1:
        lines.insert(0, f"{len(blocked)} findings block this:")
    return shortened("\n".join(lines), MESSAGE_BYTES)


def _lines(verdict: Verdict, hide: Mask) -> list[str]:
    finding = verdict.finding
    subject = plain(finding.subject)
    lines = [
        f"{finding.rule} {subject}: {plain(hide(finding.message))}; fix: {plain(finding.remedy)}",
    ]
    lines.extend(f"  {plain(hide(step.note))}" for step in finding.evidence[-3:])
    lines.extend(f"  missing: {plain(hide(missing.what))}" for missing in finding.missing[:3])
    lines.append(
        f"  policy {plain(verdict.policy)}; to exempt: rule {finding.rule}, subject {subject}"
    )
    return lines


def warnings(report: Report) -> list[str]:
    """Return the warnings of an admitted request: at most ten lines of 120 characters."""
    masks = {container.id: mask(container) for container in report.containers}
    found = [verdict for verdict in report.verdicts if verdict.action is Action.WARN]
    return [
        _cut(plain(_warning(verdict, masks.get(verdict.finding.container, Mask()))), WARNING_LENGTH)
        for verdict in found[:WARNINGS]
    ]


def _warning(verdict: Verdict, hide: Mask) -> str:
    finding = verdict.finding
    return f"deployguard {finding.rule} {finding.subject}: {hide(finding.message)}"


def findings(report: Report) -> str:
    """Return every finding with its action for the audit log, in 8 KiB."""
    found = (
        f"{verdict.finding.rule}={verdict.action.value}:{plain(verdict.finding.subject)}"
        for verdict in report.verdicts
    )
    return shortened(", ".join(found), ANNOTATION_BYTES)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def shortened(text: str, size: int) -> str:
    """Return text of at most `size` bytes of UTF-8, cut at a character."""
    data = text.encode()
    if len(data) <= size:
        return text
    return data[: size - 3].decode(errors="ignore") + "..."
