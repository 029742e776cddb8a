"""The report for programs; `schema.json` beside this file describes it."""

from collections.abc import Mapping, Sequence

from deployguard.model.container import ContainerSpec
from deployguard.model.decision import Exemption, Verdict
from deployguard.model.evidence import Claim, Evidence, Location, Missing
from deployguard.model.facts import Facts
from deployguard.model.image import Image
from deployguard.model.report import Container, Report, Target
from deployguard.report import redact
from deployguard.report.escape import json_text
from deployguard.report.redact import Mask

SCHEMA_VERSION = "1"

Json = dict[str, object]


def render(report: Report) -> str:
    """Return one JSON object, in ASCII and with a line break at its end."""
    masks = {container.id: redact.mask(container) for container in report.containers}
    body: Json = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "deployguard", "version": report.version},
        "decision": report.decision,
        "exit_code": int(report.exit_code),
        "targets": [_target(target) for target in report.targets],
        "containers": [_container(one, masks[one.id]) for one in report.containers],
        "findings": [_finding(one, masks[one.finding.container]) for one in report.verdicts],
        "exemptions": {
            "used": [_exemption(one) for one in report.exemptions.used],
            "unused": [_exemption(one) for one in report.exemptions.unused],
            "expired": [_exemption(one) for one in report.exemptions.expired],
            "expiring": [_exemption(one) for one in report.exemptions.expiring],
        },
        "skipped": [
            {"reason": one.why, "count": one.count, "paths": [redact.named(p) for p in one.paths]}
            for one in report.skipped
        ],
    }
    return json_text(body)


def _target(target: Target) -> Json:
    return {
        "name": redact.named(target.name),
        "argument": redact.named(target.argument),
        "kind": target.kind,
        "status": target.status,
        "problems": [
            {
                "code": problem.code,
                "message": redact.masked(problem.message),
                "location": None if problem.location is None else _location(problem.location),
                "hint": None if problem.hint is None else redact.masked(problem.hint),
            }
            for problem in target.problems
        ],
    }


def _container(container: Container, mask: Mask) -> Json:
    spec, workload = container.spec, container.spec.workload
    return {
        "id": container.id,
        "target": spec.target,
        "subject": spec.subject,
        "name": spec.name,
        "kind": spec.kind,
        "namespace": spec.namespace,
        "workload": None
        if workload is None
        else {"apiVersion": workload.api_version, "kind": workload.kind, "name": workload.name},
        "labels": _labels(spec.labels, mask),
        "location": _location(spec.location),
        "image": _image(spec, mask),
        "process": _process(container, mask),
        "ports": [
            {"container": port.container, "protocol": port.protocol, "published": port.published}
            for port in spec.ports
        ],
        "listeners": [
            {"address": listener.address, "port": listener.port, "program": index}
            for index, entry in enumerate(container.programs)
            for listener in entry.listeners
        ],
        "programs": [
            {
                "args": redact.arguments(entry.program.process.args, mask),
                "kind": entry.kind,
                "server": entry.server,
                "facts": _facts(entry.facts, mask),
            }
            for entry in container.programs
        ],
        "facts": _facts(container.facts, mask),
    }


def _labels(labels: Mapping[str, str], mask: Mask) -> Json:
    return {
        name: redact.HIDDEN if redact.speaks_of_secret(name) else mask(value)
        for name, value in sorted(labels.items())
    }


def _image(spec: ContainerSpec, mask: Mask) -> Json:
    image, named = spec.image, spec.image_reference
    if isinstance(image, Image):
        return {
            "reference": mask.named(image.reference),
            "digest": image.digest,
            "config_digest": image.config_digest,
            "platform": image.platform,
            "source": image.origin,
        }
    return {
        "reference": None if named is None or named.value is None else mask.named(named.value),
        "digest": None,
        "config_digest": None,
        "platform": None,
        "source": "none",
    }


def _process(container: Container, mask: Mask) -> Json:
    process, decided = container.process, redact.deciding(container)
    return {
        "args": redact.arguments(process.args, mask),
        "cwd": None if process.cwd.value is None else mask(process.cwd.value),
        "user": None
        if process.user is None or process.user.value is None
        else mask(process.user.value),
        "terminal": process.terminal.value,
        "env": [
            {
                "name": name,
                "value": redact.variable(name, entry.value, decided),
                "location": _location(entry.location),
            }
            for name, entry in sorted(process.env.entries.items())
        ],
    }


def _facts(facts: Facts, mask: Mask) -> Json:
    reach = facts.reachable
    return {
        "dev_server": _claim(facts.dev_server, mask),
        "debug_mode": _claim(facts.debug_mode, mask),
        "debugger": _claim(facts.debugger, mask),
        "interactive": _claim(facts.interactive, mask),
        "pin_off": _claim(facts.pin_off, mask),
        "reloader": _claim(facts.reloader, mask),
        "remote_debugger": _claim(facts.remote_debugger, mask),
        "reachable": {
            "answer": reach.claim.answer,
            "scope": reach.scope,
            "evidence": _evidence(reach.claim.evidence, mask),
            "missing": _missing(reach.claim.missing, mask),
        },
    }


def _claim(claim: Claim, mask: Mask) -> Json:
    return {
        "answer": claim.answer,
        "evidence": _evidence(claim.evidence, mask),
        "missing": _missing(claim.missing, mask),
    }


def _evidence(evidence: Sequence[Evidence], mask: Mask) -> list[Json]:
    return [{"location": _location(step.location), "note": mask(step.note)} for step in evidence]


def _missing(missing: Sequence[Missing], mask: Mask) -> list[str]:
    return [mask(entry.what) for entry in missing]


def _location(location: Location) -> Json:
    return {
        "file": redact.named(location.file),
        "line": location.line,
        "column": location.column,
        "pointer": location.pointer,
        "image": None if location.image is None else redact.named(location.image),
        "layer": location.layer,
    }


def _finding(verdict: Verdict, mask: Mask) -> Json:
    finding = verdict.finding
    exemption = verdict.exemption
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity,
        "answer": finding.answer,
        "container": finding.container,
        "program": finding.program,
        "message": mask(finding.message),
        "location": _location(finding.location),
        "evidence": _evidence(finding.evidence, mask),
        "missing": _missing(finding.missing, mask),
        "remedy": finding.remedy,
        "patch": None,
        "fingerprint": finding.fingerprint,
        "verdict": {
            "action": verdict.action,
            "policy": verdict.policy or None,
            "reason": redact.masked(verdict.reason),
            "exemption": None if exemption is None else _exemption(exemption),
        },
    }


def _exemption(exemption: Exemption) -> Json:
    return {
        "rule": exemption.rule,
        "subject": exemption.subject,
        "source": exemption.source,
        "image": exemption.image,
        "namespace": exemption.namespace,
        "reason": redact.masked(exemption.reason),
        "owner": exemption.owner,
        "expires": None if exemption.expires is None else exemption.expires.isoformat(),
        "location": _location(exemption.location),
    }
