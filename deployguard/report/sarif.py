"""The report as SARIF 2.1.0 (OASIS standard, section 3), for code scanning and editors."""

from deployguard.model.action import Action
from deployguard.model.decision import Verdict
from deployguard.model.evidence import Location
from deployguard.model.finding import Severity
from deployguard.model.problem import Problem
from deployguard.model.report import Container, Report, Status, Target
from deployguard.report import redact
from deployguard.report.escape import json_text, line, uri
from deployguard.report.place import WAYS_OUT
from deployguard.report.redact import Mask
from deployguard.report.repository import in_the_repository

Json = dict[str, object]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Action.BLOCK: "error", Action.WARN: "warning", Action.ALLOW: "note"}
# GitHub sorts by this property: over 9 is critical, 7 high, 4 medium, 0.1 low.
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.0",
}


def render(report: Report) -> str:
    """Return one SARIF log with one run; what a policy exempts is a suppressed result."""
    masks = {container.id: redact.mask(container) for container in report.containers}
    containers = {container.id: container for container in report.containers}
    rules = sorted({verdict.finding.rule for verdict in report.verdicts})
    run: Json = {
        "tool": {
            "driver": {
                "name": "deployguard",
                "version": report.version,
                "rules": [_rule(rule, report) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": all(
                    target.status is not Status.FAILED for target in report.targets
                ),
                "exitCode": int(report.exit_code),
                "toolExecutionNotifications": [
                    _notification(target, problem)
                    for target in report.targets
                    for problem in target.problems
                ],
            }
        ],
        "results": [
            _result(
                verdict,
                containers[verdict.finding.container],
                masks[verdict.finding.container],
                rules.index(verdict.finding.rule),
            )
            for verdict in report.verdicts
        ],
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: str, report: Report) -> Json:
    finding = next(one.finding for one in report.verdicts if one.finding.rule == rule)
    return {
        "id": rule,
        "name": finding.name,
        "shortDescription": {"text": finding.name.replace("-", " ")},
        "help": {"text": f"{finding.remedy}\n\ndeployguard explain {rule} says more."},
        "properties": {
            "security-severity": _SECURITY_SEVERITY[finding.severity],
            "tags": ["security"],
        },
    }


def _result(verdict: Verdict, container: Container, mask: Mask, index: int) -> Json:
    finding = verdict.finding
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[verdict.action],
        "message": {"text": _message(verdict, mask)},
        "locations": [
            {
                **_location(in_the_repository(verdict, container)),
                "logicalLocations": [{"fullyQualifiedName": finding.container, "kind": "resource"}],
            }
        ],
        "relatedLocations": [
            {**_location(step.location), "id": number, "message": {"text": _shown(mask(step.note))}}
            for number, step in enumerate(finding.evidence)
        ],
        "partialFingerprints": {"deployguard/v1": finding.fingerprint},
        "properties": {"answer": finding.answer, "reachable": finding.reachable.scope},
    }
    if verdict.exemption is not None:
        text = _shown(redact.masked(verdict.exemption.reason))
        result["suppressions"] = [{"kind": "external", "justification": text}]
    return result


def _message(verdict: Verdict, mask: Mask) -> str:
    finding = verdict.finding
    missing = [
        f"Missing: {mask(entry.what)} ({WAYS_OUT[entry.reason]})." for entry in finding.missing
    ]
    lines = (
        f"{finding.container}: {mask(finding.message)}",
        *missing,
        f"Fix: {finding.remedy}",
    )
    return "\n".join(map(_shown, lines))


def _shown(text: str) -> str:
    """Return a line of a message; "[text](target)" would be a link (section 3.11.6)."""
    return line(text).replace("](", "] (")


def _location(location: Location) -> Json:
    path = redact.named(location.file)
    if location.image is not None:
        path = f"{redact.named(location.image)}/{path.lstrip('/')}"
    physical: Json = {"artifactLocation": {"uri": uri(path)}}
    if location.line is not None:
        region: Json = {"startLine": location.line}
        if location.column is not None:
            region["startColumn"] = location.column
        physical["region"] = region
    return {"physicalLocation": physical}


def _notification(target: Target, problem: Problem) -> Json:
    hint = "" if problem.hint is None else f" ({redact.masked(problem.hint)})"
    notification: Json = {
        "level": "note" if target.status is Status.INSPECTED else "error",
        "message": {
            "text": _shown(f"{redact.named(target.name)}: {redact.masked(problem.message)}{hint}")
        },
        "descriptor": {"id": problem.code},
    }
    if problem.location is not None:
        notification["locations"] = [_location(problem.location)]
    return notification
