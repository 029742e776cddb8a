"""What policies do about findings, and the decision that follows."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase

from msgspec import Struct

from deployguard.model.action import Action
from deployguard.model.codes import ExitCode
from deployguard.model.container import ContainerSpec
from deployguard.model.decision import Decision, Exemption, Exemptions, Verdict
from deployguard.model.evidence import Answer
from deployguard.model.facts import Reach, Scope
from deployguard.model.finding import Finding
from deployguard.model.image import Image
from deployguard.model.report import Container, Status, Target
from deployguard.policy.document import Off, Policy, Setting

EXPIRING = timedelta(days=7)
NO_POLICY = "no-policy"


class Judgement(Struct, frozen=True):
    """One verdict for each finding that a policy lists, what became of the exemptions, and notes.

    A note names a container that no policy speaks of.
    """

    verdicts: tuple[Verdict, ...]
    exemptions: Exemptions
    notes: tuple[str, ...] = ()


def evaluate(
    findings: Sequence[Finding],
    containers: Sequence[Container],
    policies: Sequence[Policy],
    today: date,
    on_unknown: Action | None = None,
) -> Judgement:
    """Judge findings on the day `today` (UTC); the strictest verdict of several policies wins.

    `on_unknown` stands in for every policy's own. A finding whose rule is off in every policy that
    speaks of its container is left out. A container that no policy speaks of is warned of.
    """
    speaking = {
        container.id: tuple(policy for policy in policies if speaks_of(policy, container.spec))
        for container in containers
    }
    verdicts = []
    for finding in findings:
        judging = speaking[finding.container]
        judged = [
            verdict
            for policy in judging
            if (verdict := _verdict(finding, policy, today, on_unknown)) is not None
        ]
        if judged:
            verdicts.append(max(judged, key=lambda verdict: verdict.action.strength))
        elif not judging:
            verdicts.append(
                Verdict(finding=finding, action=Action.WARN, policy="", reason=NO_POLICY)
            )
    notes = tuple(
        f"no policy speaks of {container.id}"
        for container in containers
        if not speaking[container.id]
    )
    return Judgement(tuple(verdicts), _exemptions(findings, speaking, policies, today), notes)


def decide(
    verdicts: Iterable[Verdict], targets: Iterable[Target], policies: Iterable[Policy]
) -> tuple[Decision, ExitCode]:
    """Return the decision over a whole scan: the worst that happened."""
    targets = tuple(targets)
    actions = {verdict.action for verdict in verdicts}
    if any(target.status is Status.INCOMPLETE for target in targets):
        actions.update(policy.on_incomplete for policy in policies)
    if Action.BLOCK in actions:
        return Decision.BLOCK, ExitCode.BLOCKED
    if any(target.status is Status.FAILED for target in targets):
        return Decision.ERROR, ExitCode.NOT_INSPECTED
    if Action.WARN in actions:
        return Decision.WARN, ExitCode.ALLOWED
    return Decision.ALLOW, ExitCode.ALLOWED


def speaks_of(policy: Policy, spec: ContainerSpec) -> bool:
    """Return whether a policy's `match` holds for a container."""
    match = policy.match
    return (
        (match.kinds is None or spec.kind in match.kinds)
        and _matched(spec.namespace, match.namespaces)
        and all(spec.labels.get(name) == value for name, value in match.labels.items())
        and _matched(_reference(spec), match.images)
    )


def _matched(name: str | None, patterns: Iterable[str]) -> bool:
    return any(pattern == "*" or fnmatchcase(name or "", pattern) for pattern in patterns)


def _reference(spec: ContainerSpec) -> str | None:
    if spec.image_reference is not None:
        return spec.image_reference.value
    return spec.image.reference if isinstance(spec.image, Image) else None


def _verdict(
    finding: Finding, policy: Policy, today: date, on_unknown: Action | None
) -> Verdict | None:
    """Return one policy's verdict, None where it has the rule off."""
    setting = policy.rules.get(finding.rule)
    if setting is not None and isinstance(setting.action, Off):
        return None
    for exemption in policy.exemptions:
        if _covers(exemption, finding) and not _expired(exemption, today):
            return Verdict(
                finding=finding,
                action=Action.ALLOW,
                policy=policy.name,
                reason=f"exempt: {exemption.reason}",
                exemption=exemption,
            )
    action, reason = _action(finding, policy, setting)
    if finding.answer is Answer.UNKNOWN:
        weakest = min(action, on_unknown or policy.on_unknown, key=lambda each: each.strength)
        action, reason = weakest, "on_unknown"
    return Verdict(finding=finding, action=action, policy=policy.name, reason=reason)


def _action(finding: Finding, policy: Policy, setting: Setting | None) -> tuple[Action, str]:
    if (
        setting is None
        or isinstance(setting.action, Off)
        or (setting.scope is not None and _scope(finding.reachable) not in setting.scope)
    ):
        return policy.default, "default"
    return setting.action, f"rules.{finding.rule}"


def _scope(reach: Reach) -> Scope:
    """Return the scope; one that cannot be told counts as the widest."""
    return Scope.PUBLIC if reach.scope is None else reach.scope


def _covers(exemption: Exemption, finding: Finding) -> bool:
    return (
        exemption.rule == finding.rule
        and exemption.subject == finding.subject
        and (exemption.source is None or fnmatchcase(finding.target, exemption.source))
        and (exemption.image is None or exemption.image == finding.image_digest)
        and (exemption.namespace is None or exemption.namespace == finding.namespace)
    )


def _expired(exemption: Exemption, today: date) -> bool:
    """Return whether its last day, which still counts, is over."""
    return exemption.expires is not None and today > exemption.expires


def _exemptions(
    findings: Sequence[Finding],
    speaking: dict[str, tuple[Policy, ...]],
    policies: Sequence[Policy],
    today: date,
) -> Exemptions:
    used: list[Exemption] = []
    unused: list[Exemption] = []
    expired: list[Exemption] = []
    expiring: list[Exemption] = []
    for policy in policies:
        for exemption in policy.exemptions:
            covers = any(
                _covers(exemption, finding) and policy in speaking[finding.container]
                for finding in findings
            )
            if _expired(exemption, today):
                expired.append(exemption)
                continue
            (used if covers else unused).append(exemption)
            if exemption.expires is not None and exemption.expires - today <= EXPIRING:
                expiring.append(exemption)
    return Exemptions(tuple(used), tuple(unused), tuple(expired), tuple(expiring))
