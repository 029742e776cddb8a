"""The report for a person who was blocked and wants to go home."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from deployguard.model.decision import Exemption, Verdict
from deployguard.model.evidence import Answer, Claim, Evidence, Missing, Traced
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Severity
from deployguard.model.image import Image
from deployguard.model.problem import Problem
from deployguard.model.report import Container, Report, Status, Target
from deployguard.report import passed_over, redact
from deployguard.report.escape import line
from deployguard.report.place import WAYS_OUT, place, short
from deployguard.report.redact import Mask
from deployguard.report.summary import summary


def render(report: Report) -> str:
    """Return the whole report; the worst findings come first, the count and decision last."""
    masks = {container.id: redact.mask(container) for container in report.containers}
    containers = {container.id: container for container in report.containers}
    blocks = [
        tuple(
            _verdict(
                verdict, containers[verdict.finding.container], masks[verdict.finding.container]
            )
        )
        for verdict in sorted(report.verdicts, key=_weight)
    ]
    if report.explain:
        blocks.extend(tuple(_explained(one, masks[one.id])) for one in report.containers)
    blocks.extend(tuple(_target(target)) for target in report.targets)
    blocks.append(tuple(passed_over.lines(report.skipped, every=report.explain)))
    blocks.append(tuple(_exemptions(report)))
    blocks.append((f"decision: {report.decision} ({summary(report).line()})",))
    return "\n\n".join("\n".join(map(line, block)) for block in blocks if block) + "\n"


def _weight(verdict: Verdict) -> tuple[int, int]:
    return -verdict.action.strength, list(Severity).index(verdict.finding.severity)


def _verdict(verdict: Verdict, container: Container, mask: Mask) -> Iterator[str]:
    finding = verdict.finding
    yield f"{verdict.action} {finding.rule} {finding.name} in {container.id}"
    yield f"  {mask(finding.message)}"
    if finding.program is not None:
        yield f"  runs: {_command(container.programs[finding.program].program.process.args, mask)}"
    if finding.evidence:
        yield "  why:"
        yield from _steps(finding.evidence, mask, "    ")
    else:
        yield f"  where: {place(finding.location)}"
    reached = finding.reachable.claim
    if reached.evidence:
        yield f"  reached by: {finding.reachable.scope or 'unknown'}"
        yield from _steps(reached.evidence, mask, "    ")
        further = [entry for entry in reached.missing if entry not in finding.missing]
        yield from _missing(further, mask, "    ")
    yield from _missing(finding.missing, mask, "  ")
    yield f"  fix: {finding.remedy}"
    yield f"  policy: {_policy(verdict)}"


def _policy(verdict: Verdict) -> str:
    if not verdict.policy:
        return f"none speaks of this container ({verdict.reason})"
    if verdict.exemption is not None:
        return f"{verdict.policy}, {_exemption(verdict.exemption)}"
    return f"{verdict.policy} ({verdict.reason})"


def _exemption(exemption: Exemption) -> str:
    owner = f" by {exemption.owner}" if exemption.owner else ""
    until = f" until {exemption.expires.isoformat()}" if exemption.expires else ""
    return f"exempt{owner}{until}: {redact.masked(exemption.reason)} ({place(exemption.location)})"


def _steps(evidence: Sequence[Evidence], mask: Mask, indent: str) -> Iterator[str]:
    return (f"{indent}{place(step.location)}: {mask(step.note)}" for step in evidence)


def _missing(missing: Sequence[Missing], mask: Mask, indent: str) -> Iterator[str]:
    for entry in missing:
        yield f"{indent}missing: {mask(entry.what)}"
        yield f"{indent}  {WAYS_OUT[entry.reason]}"


def _command(words: Sequence[Traced[str | None]], mask: Mask) -> str:
    """Return a command as a shell would take it; a word that is not seen is "?"."""
    return " ".join(
        "?" if word is None else shlex.quote(word) if redact.HIDDEN not in word else word
        for word in redact.arguments(words, mask)
    )


def _target(target: Target) -> Iterator[str]:
    if target.status is not Status.INSPECTED:
        yield f"{target.status} {redact.named(target.name)}"
    for problem in target.problems:
        prefix = "  " if target.status is not Status.INSPECTED else f"{redact.named(target.name)}: "
        yield prefix + _problem(problem)


def _problem(problem: Problem) -> str:
    where = f"{place(problem.location)}: " if problem.location else ""
    hint = f" ({redact.masked(problem.hint)})" if problem.hint else ""
    return f"{problem.code}: {where}{redact.masked(problem.message)}{hint}"


def _exemptions(report: Report) -> Iterator[str]:
    for exemption in report.exemptions.expired:
        yield f"expired: {_named(exemption)}"
    for exemption in report.exemptions.expiring:
        yield f"ends soon: {_named(exemption)}"
    if report.explain:
        for exemption in report.exemptions.unused:
            yield f"not used: {_named(exemption)}"


def _named(exemption: Exemption) -> str:
    return f"{exemption.rule} in {exemption.subject}, {_exemption(exemption)}"


def _explained(container: Container, mask: Mask) -> Iterator[str]:
    spec, process = container.spec, container.process
    yield f"container {container.id}"
    yield f"  declared: {place(spec.location)}"
    yield f"  image: {mask.named(_image(spec.image, spec.image_reference))}"
    yield f"  process: {_command(process.args, mask)}"
    for word, shown in zip(process.args, redact.arguments(process.args, mask), strict=True):
        yield f"    {place(word.location)}: {'?' if shown is None else shown}"
    yield from _missing(process.missing, mask, "    ")
    yield f"  directory: {mask(_seen(process.cwd))}"
    yield f"  user: {mask(_seen(process.user)) if process.user else 'the default'}"
    yield f"  terminal: {'yes' if process.terminal.value else 'no'}"
    yield from _environment(process.env.entries, redact.deciding(container))
    for index, entry in enumerate(container.programs):
        command = _command(entry.program.process.args, mask)
        yield f"  program {index}: {command} ({entry.kind}, server {entry.server})"
        yield from _listeners(entry.listeners)
        yield from _facts(entry.facts, mask, "    ")
    if not container.programs:
        yield from _facts(container.facts, mask, "  ")


def _image(image: object, reference: Traced[str | None] | None) -> str:
    if isinstance(image, Image):
        digest = image.digest or image.config_digest
        suffix = f", {short(digest)}" if digest else ""
        return f"{image.reference} ({image.origin}, {image.platform}{suffix})"
    name = reference.value if reference and reference.value else "not named"
    return f"{name} (not read)"


def _seen(value: Traced[str | None]) -> str:
    text = "not seen" if value.value is None else value.value
    return f"{text} ({place(value.location)})"


def _environment(
    entries: Mapping[str, Traced[str | None]], decided: frozenset[str]
) -> Iterator[str]:
    if entries:
        yield "  environment:"
    for name in sorted(entries):
        current: Traced[str | None] | None = entries[name]
        prefix = "    "
        while current is not None:
            text = redact.variable(name, current.value, decided)
            value = redact.HIDDEN if text is None else text
            yield f"{prefix}{name}={value} ({place(current.location)})"
            current, prefix = current.replaced, "      replaces "


def _listeners(listeners: Sequence[Listener]) -> Iterator[str]:
    for entry in listeners:
        port = "" if entry.port is None else f" port {entry.port}"
        yield f"    listens on {entry.address or 'an address that cannot be told'}{port}"


def _facts(facts: Facts, mask: Mask, indent: str) -> Iterator[str]:
    for name, claim in facts.claims().items():
        yield from _claim(name, claim, mask, indent)
    scope = facts.reachable.scope or "unknown"
    yield from _claim(f"reachable ({scope})", facts.reachable.claim, mask, indent)


def _claim(name: str, claim: Claim, mask: Mask, indent: str) -> Iterator[str]:
    yield f"{indent}{name}: {claim.answer}"
    yield from _steps(claim.evidence, mask, indent + "  ")
    if claim.answer is Answer.UNKNOWN:
        yield from _missing(claim.missing, mask, indent + "  ")
