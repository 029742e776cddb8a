import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from deployguard import rules
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts, Reach, Scope
from deployguard.model.structs import replace
from tests.support import reports
from tests.support.reports import DEBUGGER, IMAGE, OPEN, SAFE, SUSPECTED, UNREAD

CLAIMS = st.sampled_from([yes(), no(), OPEN, SUSPECTED])
FACTS = st.builds(
    Facts,
    **{name: CLAIMS for name in Facts.__struct_fields__ if name != "reachable"},
)


def found(*facts: Facts) -> list[tuple[str, Answer, int | None]]:
    container = reports.container(*(reports.program(one) for one in facts))
    return [(one.rule, one.answer, one.program) for one in rules.findings((container,))]


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (Facts(debugger=yes()), "DG101"),
        (Facts(dev_server=yes()), "DG102"),
        (Facts(debug_mode=yes()), "DG103"),
        (Facts(configured=yes()), "DG104"),
        (Facts(remote_debugger=yes()), "DG105"),
        (Facts(passthrough=yes()), "DG106"),
    ],
)
def test_each_rule_finds_what_is_settled(facts: Facts, rule: str) -> None:
    assert found(facts) == [(rule, Answer.YES, 0)]


def test_debug_mode_alone_is_not_told_twice() -> None:
    assert found(Facts(debugger=yes(), debug_mode=yes())) == [("DG101", Answer.YES, 0)]


def test_a_safe_program_is_quiet() -> None:
    assert found(SAFE) == []


def test_what_nobody_can_tell_is_one_finding() -> None:
    assert found(UNREAD) == [("DG107", Answer.UNKNOWN, 0)]


def test_several_open_programs_share_one_finding() -> None:
    other = unknown(Missing(Reason.SCRIPT, "what start.sh does"))
    assert found(UNREAD, SAFE, Facts(dev_server=other)) == [("DG107", Answer.UNKNOWN, None)]
    container = reports.container(reports.program(UNREAD), reports.program(Facts(dev_server=other)))
    (finding,) = rules.findings((container,))
    assert [one.what for one in finding.missing] == ["the image acme/shop:1", "what start.sh does"]


def test_a_suspicion_speaks_for_the_rest_of_its_program() -> None:
    assert found(replace(UNREAD, debugger=SUSPECTED)) == [("DG101", Answer.UNKNOWN, 0)]


def test_debug_mode_is_told_where_the_debugger_is_open() -> None:
    assert found(Facts(debug_mode=yes(), debugger=OPEN)) == [("DG103", Answer.UNKNOWN, 0)]


def test_a_suspicion_does_not_speak_for_another_program() -> None:
    assert found(Facts(dev_server=SUSPECTED), UNREAD) == [
        ("DG102", Answer.UNKNOWN, 0),
        ("DG107", Answer.UNKNOWN, 1),
    ]


def test_a_suspicion_that_policies_switch_off_speaks_for_nothing_else() -> None:
    assert found(Facts(passthrough=SUSPECTED, debugger=OPEN)) == [
        ("DG106", Answer.UNKNOWN, 0),
        ("DG107", Answer.UNKNOWN, 0),
    ]


def test_a_fact_that_no_rule_asks_for_makes_no_finding() -> None:
    assert found(Facts(reloader=OPEN, pin_off=OPEN, interactive=OPEN)) == []


def test_a_process_without_a_known_program_is_undetermined() -> None:
    started = replace(reports.process(()), missing=(IMAGE,))
    (finding,) = rules.findings((reports.container(started=started),))
    assert (finding.rule, finding.missing, finding.program) == ("DG107", (IMAGE,), None)
    assert finding.reachable.scope is None


def test_a_container_without_a_program_is_judged_by_its_own_facts() -> None:
    container = replace(reports.container(), facts=Facts(debugger=yes()))
    (finding,) = rules.findings((container,))
    assert (finding.rule, finding.program) == ("DG101", None)


@given(FACTS)
def test_an_open_fact_of_a_rule_is_never_silent(facts: Facts) -> None:
    answers = {rule.check(facts).answer for rule in rules.RULES[:-1]}
    told = {answer for _, answer, _ in found(facts)}
    assert answers - {Answer.NO} == told


@given(FACTS)
def test_an_unknown_finding_says_what_is_missing(facts: Facts) -> None:
    container = reports.container(reports.program(facts))
    for finding in rules.findings((container,)):
        assert bool(finding.missing) == (finding.answer is Answer.UNKNOWN)


def message(facts: Facts, rule: str) -> str:
    container = reports.container(reports.program(facts))
    return next(one.message for one in rules.findings((container,)) if one.rule == rule)


def test_the_debugger_says_what_it_does_and_for_whom() -> None:
    assert message(DEBUGGER, "DG101").split(";") == snapshot(
        [
            "The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types",
            " a PIN is asked, which is no protection",
            " reachable from beyond the machine that runs the container.",
        ]
    )


@pytest.mark.parametrize(
    ("pin_off", "said"),
    [
        (yes(), "no PIN is asked"),
        (no(), "a PIN is asked, which is no protection"),
        (OPEN, "whether a PIN is asked cannot be told, and it would be no protection"),
    ],
)
def test_a_pin_is_no_protection_either_way(pin_off: Claim, said: str) -> None:
    assert said in message(replace(DEBUGGER, pin_off=pin_off), "DG101")


@pytest.mark.parametrize(
    ("interactive", "said"),
    [
        (yes(), "it runs any code a visitor types"),
        (no(), "it shows source and variables, but runs no code"),
        (OPEN, "whether it also runs code a visitor types cannot be told"),
    ],
)
def test_the_debugger_says_whether_it_runs_code(interactive: Claim, said: str) -> None:
    assert said in message(replace(DEBUGGER, interactive=interactive), "DG101")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope.NONE, "nobody reaches it over a network"),
        (Scope.LOOPBACK, "reachable only from inside the container"),
        (Scope.PRIVATE, "reachable from the other containers or pods"),
        (Scope.HOST, "reachable from the machine that runs the container"),
        (Scope.PUBLIC, "reachable from beyond the machine"),
        (None, "who reaches it cannot be told"),
    ],
)
def test_every_scope_is_put_in_words(scope: Scope | None, said: str) -> None:
    assert said in message(replace(DEBUGGER, reachable=Reach(no(), scope)), "DG102")


@pytest.mark.parametrize(
    ("address", "port", "said"),
    [
        ("0.0.0.0", 5000, " serves on 0.0.0.0:5000:"),
        ("::", 5000, " serves on [::]:5000:"),
        ("localhost", None, " serves on localhost:"),
        ("unix:/run/app.sock", None, " serves on unix:/run/app.sock:"),
        (None, 5000, " serves: "),
    ],
)
def test_an_address_is_named_as_one_types_it(
    address: str | None, port: int | None, said: str
) -> None:
    entry = reports.program(Facts(dev_server=yes()))
    (listener,) = entry.listeners
    entry = replace(entry, listeners=(replace(listener, address=address, port=port),))
    (finding,) = rules.findings((reports.container(entry),))
    assert said in finding.message


def test_a_suspicion_is_not_put_as_a_fact() -> None:
    facts = replace(UNREAD, debugger=SUSPECTED, dev_server=SUSPECTED, debug_mode=SUSPECTED)
    assert message(facts, "DG101").startswith("The Werkzeug debugger may come up")
    assert message(facts, "DG102").startswith("Werkzeug's development server may serve")
    assert message(facts, "DG103") == snapshot(
        "Flask debug mode may be on, whether or not the debugger comes up."
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (UNREAD, "What starts, or what it does, could not be told."),
        (Facts(configured=OPEN), "What starts, or what it does, could not be told."),
        (
            replace(DEBUGGER, remote_debugger=OPEN),
            "Whether a remote debugger listens could not be told.",
        ),
        (
            Facts(debugger=OPEN, debug_mode=OPEN),
            "Whether the Werkzeug debugger comes up or Flask debug mode is on could not be told.",
        ),
    ],
)
def test_what_is_undetermined_is_named_where_the_rest_is_settled(facts: Facts, said: str) -> None:
    assert message(facts, "DG107") == said


def test_a_finding_lies_where_the_last_step_decided() -> None:
    (finding,) = rules.findings(
        (reports.container(reports.program(Facts(debugger=DEBUGGER.debugger))),)
    )
    assert finding.location == reports.FLAG.location


def test_a_finding_without_evidence_lies_at_its_container() -> None:
    (finding,) = rules.findings((reports.container(reports.program(Facts(debugger=yes()))),))
    assert finding.location == Location("compose.yaml", line=3, column=3, pointer="/services/web")


def test_the_way_to_the_program_comes_before_what_it_does() -> None:
    entry = reports.program(Facts(debugger=yes(reports.FLAG)))
    entry = replace(entry, program=replace(entry.program, trail=(reports.COMMAND,)))
    (finding,) = rules.findings((reports.container(entry),))
    assert finding.evidence == (reports.COMMAND, reports.FLAG)


def fingerprint(*evidence: Evidence, name: str = "web") -> str:
    entry = reports.program(Facts(debugger=yes(*evidence)))
    (finding,) = rules.findings((reports.container(entry, name=name),))
    return finding.fingerprint


def step(note: str, line: int = 1) -> Evidence:
    return Evidence(Location("app.py", line=line, layer=f"sha256:{line}"), note)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (step("FLASK_DEBUG is '1'", 1), step("FLASK_DEBUG is 'true'", 40)),
        (step("the argument --debug is given"), step("--debug stands in the command")),
        (step("app.run(debug=True)"), step("calls app.run(debug=True) at line 12")),
    ],
)
def test_a_fingerprint_outlives_lines_values_and_wording(before: Evidence, after: Evidence) -> None:
    assert fingerprint(before) == fingerprint(after)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FLASK_DEBUG is '1'", "FLASK_ENV is 'development'"),
        ("the argument --debug is given", "the argument --debugger is given"),
        ("app.run(debug=True)", "run_simple(use_debugger=True)"),
    ],
)
def test_another_mechanism_is_another_finding(one: str, other: str) -> None:
    assert fingerprint(step(one)) != fingerprint(step(other))


def test_another_subject_is_another_finding() -> None:
    assert fingerprint(name="web") != fingerprint(name="admin")


@pytest.mark.parametrize("name", ["DG101", "dg101", "werkzeug-debugger", "Werkzeug-Debugger"])
def test_a_rule_is_found_by_id_and_name(name: str) -> None:
    rule = rules.by_id(name)
    assert rule is not None
    assert rule.id == "DG101"


def test_no_rule_has_that_name() -> None:
    assert rules.by_id("DG999") is None
