from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import policy, rules
from deployguard.model.action import Action
from deployguard.model.codes import ExitCode
from deployguard.model.container import ContainerKind
from deployguard.model.decision import Decision, Verdict
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Location, no, yes
from deployguard.model.facts import Facts, Reach, Scope
from deployguard.model.filesystem import UnreadFilesystem
from deployguard.model.image import Image, ImageConfig, ImageOrigin
from deployguard.model.report import Container, Status
from deployguard.model.structs import replace
from deployguard.policy import Judgement, Policy
from tests.support import reports
from tests.support.reports import DEBUGGER, IMAGE, OPEN, SAFE, SUSPECTED, UNREAD

DAY = date(2026, 11, 24)
DIGEST = "sha256:" + "0" * 64


def mine(spec: str, name: str = "mine") -> Policy:
    head = f"apiVersion: deployguard/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
    return policy.loads(f"{head}spec: {spec}\n".encode(), "mine.yaml", rules.IDS)


def service(facts: Facts, name: str = "web") -> Container:
    return reports.container(reports.program(facts), name=name)


def judge(
    container: Container, *policies: Policy, on_unknown: Action | None = None, day: date = DAY
) -> Judgement:
    found = rules.findings((container,))
    return policy.evaluate(found, (container,), policies, day, on_unknown)


def verdicts(
    container: Container, *policies: Policy, on_unknown: Action | None = None, day: date = DAY
) -> dict[str, tuple[Action, str]]:
    judged = judge(container, *policies, on_unknown=on_unknown, day=day)
    return {one.finding.rule: (one.action, one.reason) for one in judged.verdicts}


EVERYTHING = Facts(
    dev_server=yes(),
    debugger=yes(),
    configured=yes(),
    remote_debugger=yes(),
    passthrough=yes(),
    reachable=Reach(yes(), Scope.PUBLIC),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production", {"DG101": "block", "DG102": "block", "DG104": "warn", "DG105": "block"}),
        (
            "strict",
            {
                "DG101": "block",
                "DG102": "block",
                "DG104": "block",
                "DG105": "block",
                "DG106": "block",
            },
        ),
        (
            "audit",
            {"DG101": "warn", "DG102": "warn", "DG104": "warn", "DG105": "warn", "DG106": "warn"},
        ),
        (
            "development",
            {"DG101": "block", "DG102": "warn", "DG104": "warn", "DG105": "block", "DG106": "warn"},
        ),
    ],
)
def test_what_the_shipped_policies_do(name: str, expected: dict[str, str]) -> None:
    judged = verdicts(service(EVERYTHING), policy.load(name, rules.IDS))
    assert {rule: action.value for rule, (action, _) in judged.items()} == expected


@pytest.mark.parametrize(
    ("name", "action"),
    [("production", "warn"), ("strict", "block"), ("audit", "warn"), ("development", "warn")],
)
@pytest.mark.parametrize("facts", [UNREAD, Facts(debugger=SUSPECTED)])
def test_what_the_shipped_policies_do_about_the_unknown(
    name: str, action: str, facts: Facts
) -> None:
    judged = verdicts(service(facts), policy.load(name, rules.IDS))
    assert {action.value for action, _ in judged.values()} == {action}


@pytest.mark.parametrize(
    ("name", "action"),
    [("production", "block"), ("strict", "block"), ("audit", "warn"), ("development", "block")],
)
def test_what_the_shipped_policies_do_about_the_incomplete(name: str, action: str) -> None:
    assert policy.load(name, rules.IDS).on_incomplete == action


@pytest.mark.parametrize(
    ("scope", "action"),
    [
        (Scope.NONE, Action.WARN),
        (Scope.LOOPBACK, Action.WARN),
        (Scope.PRIVATE, Action.WARN),
        (Scope.HOST, Action.BLOCK),
        (Scope.PUBLIC, Action.BLOCK),
        (None, Action.BLOCK),
    ],
)
def test_beyond_its_scope_a_rule_has_the_default(scope: Scope | None, action: Action) -> None:
    facts = replace(DEBUGGER, reachable=Reach(no(), scope))
    development = policy.load("development", rules.IDS)
    assert verdicts(service(facts), development)["DG101"][0] is action


def test_a_verdict_names_its_reason() -> None:
    assert verdicts(service(DEBUGGER), mine("{default: allow, rules: {DG101: block}}")) == {
        "DG101": (Action.BLOCK, "rules.DG101"),
        "DG102": (Action.ALLOW, "default"),
    }


def test_a_rule_that_is_off_is_not_listed() -> None:
    assert verdicts(service(DEBUGGER), mine("{rules: {DG101: off}}")).keys() == {"DG102"}


@pytest.mark.parametrize(
    ("rule", "unknown", "given", "action"),
    [
        ("block", "warn", None, Action.WARN),
        ("warn", "block", None, Action.WARN),
        ("block", "block", None, Action.BLOCK),
        ("block", "warn", Action.BLOCK, Action.BLOCK),
        ("block", "block", Action.ALLOW, Action.ALLOW),
        ("warn", "allow", Action.BLOCK, Action.WARN),
    ],
)
def test_an_unknown_finding_has_the_weaker_of_both_actions(
    rule: str, unknown: str, given: Action | None, action: Action
) -> None:
    by = mine(f"{{onUnknown: {unknown}, rules: {{DG107: {rule}}}}}")
    assert verdicts(service(UNREAD), by, on_unknown=given) == {"DG107": (action, "on_unknown")}


def test_the_strictest_of_several_policies_wins_and_is_named() -> None:
    soft, hard = mine("{rules: {DG101: warn}}", "soft"), mine("{rules: {DG101: block}}", "hard")
    for order in ((soft, hard), (hard, soft)):
        judged = judge(service(Facts(debugger=yes())), *order)
        assert [(one.action, one.policy) for one in judged.verdicts] == [(Action.BLOCK, "hard")]


def test_an_exemption_of_one_policy_does_not_bind_another() -> None:
    exempt = mine("{exemptions: [{rule: DG101, subject: services.web, reason: demo}]}")
    hard = mine("{rules: {DG101: block}}", "hard")
    container = service(Facts(debugger=yes()))
    assert verdicts(container, exempt, hard)["DG101"] == (Action.BLOCK, "rules.DG101")


def image(digest: str) -> Image:
    place = Location("image config")
    return Image(
        reference="acme/shop:1",
        name="acme/shop",
        origin=ImageOrigin.DOCKER,
        config=ImageConfig(location=place, env=Environment()),
        files=UnreadFilesystem(IMAGE),
        digest=digest,
    )


@pytest.mark.parametrize(
    ("field", "covers"),
    [
        ("", True),
        ("source: compose.yaml", True),
        ("source: '*.yaml'", True),
        ("source: '*.yml'", False),
        (f"image: {DIGEST}", True),
        (f"image: sha256:{'1' * 64}", False),
        ("namespace: shop", True),
        ("namespace: default", False),
    ],
)
def test_an_exemption_covers_what_all_its_fields_name(field: str, covers: bool) -> None:  # noqa: FBT001  (the table's)
    container = reports.named(service(Facts(debugger=yes())), image=image(DIGEST), namespace="shop")
    by = mine(
        "{rules: {DG101: block}, exemptions: "
        f"[{{rule: DG101, subject: services.web, reason: demo, {field}}}]}}"
    )
    expected = (Action.ALLOW, "exempt: demo") if covers else (Action.BLOCK, "rules.DG101")
    assert verdicts(container, by)["DG101"] == expected


@pytest.mark.parametrize(("rule", "subject"), [("DG102", "services.web"), ("DG101", "services.w")])
def test_an_exemption_is_for_one_rule_and_one_subject(rule: str, subject: str) -> None:
    by = mine(f"{{exemptions: [{{rule: {rule}, subject: {subject}, reason: demo}}]}}")
    judged = judge(service(Facts(debugger=yes())), by)
    assert [one.action for one in judged.verdicts] == [Action.WARN]
    assert judged.exemptions.unused == by.exemptions


@pytest.mark.parametrize(
    ("day", "action", "expired", "expiring"),
    [
        (date(2031, 1, 23), Action.ALLOW, 0, 0),
        (date(2031, 1, 24), Action.ALLOW, 0, 1),
        (date(2031, 1, 31), Action.ALLOW, 0, 1),
        (date(2031, 2, 1), Action.BLOCK, 1, 0),
    ],
)
def test_an_exemption_holds_through_its_last_day(
    day: date, action: Action, expired: int, expiring: int
) -> None:
    by = mine(
        "{rules: {DG101: block}, exemptions: "
        "[{rule: DG101, subject: services.web, reason: demo, expires: 2031-01-31}]}"
    )
    judged = judge(service(Facts(debugger=yes())), by, day=day)
    (verdict,) = judged.verdicts
    assert verdict.action is action
    assert verdict.exemption == (None if expired else by.exemptions[0])
    assert len(judged.exemptions.expired) == expired
    assert len(judged.exemptions.expiring) == expiring
    assert len(judged.exemptions.used) == 1 - expired


@pytest.mark.parametrize(
    ("match", "speaks"),
    [
        ("{}", True),
        ("{kinds: [compose-service]}", True),
        ("{kinds: [image]}", False),
        ("{namespaces: ['*']}", True),
        ("{namespaces: [shop]}", True),
        ("{namespaces: ['sh*']}", True),
        ("{namespaces: [default]}", False),
        ("{labels: {tier: web}}", True),
        ("{labels: {tier: web, team: a}}", False),
        ("{images: ['acme/*']}", True),
        ("{images: ['other/*']}", False),
        ("{images: []}", False),
    ],
)
def test_which_containers_a_policy_speaks_of(match: str, speaks: bool) -> None:  # noqa: FBT001  (the table's)
    container = reports.named(
        service(Facts(debugger=yes())), namespace="shop", labels={"tier": "web"}
    )
    judged = verdicts(container, mine(f"{{rules: {{DG101: block}}, match: {match}}}"))
    expected = (Action.BLOCK, "rules.DG101") if speaks else (Action.WARN, "no-policy")
    assert judged["DG101"] == expected


@pytest.mark.parametrize(("pattern", "speaks"), [("*", True), ("**", True), ("default", False)])
def test_a_container_without_namespace_is_matched_by_all_alone(pattern: str, speaks: bool) -> None:  # noqa: FBT001  (the table's)
    by = mine(f"{{match: {{namespaces: ['{pattern}']}}}}")
    assert policy.evaluate((), (service(SAFE),), [by], DAY).notes == (
        () if speaks else ("no policy speaks of compose.yaml#services.web",)
    )


def test_a_policy_for_images_knows_an_image_without_a_declared_reference() -> None:
    container = reports.named(
        service(SAFE), image=image(DIGEST), image_reference=None, kind=ContainerKind.IMAGE
    )
    assert not judge(container, mine("{match: {images: ['acme/*']}}")).notes


ACTIONS = {"allow": Action.ALLOW, "warn": Action.WARN, "block": Action.BLOCK}


def some_verdict(action: Action) -> Verdict:
    (finding,) = rules.findings((service(Facts(debugger=yes())),))
    return Verdict(finding=finding, action=action, policy="mine", reason="default")


@pytest.mark.parametrize(
    ("action", "status", "incomplete", "decision", "code"),
    [
        ("allow", Status.INSPECTED, "block", Decision.ALLOW, ExitCode.ALLOWED),
        ("warn", Status.INSPECTED, "block", Decision.WARN, ExitCode.ALLOWED),
        ("block", Status.INSPECTED, "block", Decision.BLOCK, ExitCode.BLOCKED),
        ("allow", Status.INCOMPLETE, "block", Decision.BLOCK, ExitCode.BLOCKED),
        ("allow", Status.INCOMPLETE, "warn", Decision.WARN, ExitCode.ALLOWED),
        ("allow", Status.FAILED, "warn", Decision.ERROR, ExitCode.NOT_INSPECTED),
        ("warn", Status.FAILED, "block", Decision.ERROR, ExitCode.NOT_INSPECTED),
        ("block", Status.FAILED, "block", Decision.BLOCK, ExitCode.BLOCKED),
    ],
)
def test_the_worst_that_happened_decides(
    action: str, status: Status, incomplete: str, decision: Decision, code: ExitCode
) -> None:
    by = mine(f"{{onIncomplete: {incomplete}}}")
    judged = policy.decide([some_verdict(ACTIONS[action])], [reports.target(status)], [by])
    assert judged == (decision, code)


def test_nothing_found_is_allowed() -> None:
    assert policy.decide([], [reports.target()], [mine("{}")]) == (
        Decision.ALLOW,
        ExitCode.ALLOWED,
    )


@given(
    st.lists(st.sampled_from(list(Action)), max_size=4),
    st.lists(st.sampled_from(list(Status)), min_size=1, max_size=3),
)
def test_a_failed_target_never_ends_in_zero(actions: list[Action], statuses: list[Status]) -> None:
    targets = [reports.target(status) for status in statuses]
    _, code = policy.decide([some_verdict(each) for each in actions], targets, [mine("{}")])
    assert (code is not ExitCode.ALLOWED) == (
        Action.BLOCK in actions or set(statuses) != {Status.INSPECTED}
    )


@given(st.sampled_from([yes(), OPEN, SUSPECTED]), st.sampled_from(list(Action)))
def test_no_action_for_the_unknown_touches_what_is_settled(claim: object, unknown: Action) -> None:
    assert isinstance(claim, type(yes()))
    judged = judge(service(Facts(debugger=claim)), mine("{default: block}"), on_unknown=unknown)
    for verdict in judged.verdicts:
        if verdict.finding.answer is Answer.YES:
            assert verdict.action is Action.BLOCK
