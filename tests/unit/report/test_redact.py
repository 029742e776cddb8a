import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.model.codes import ProblemCode
from deployguard.model.container import ContainerKind
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced, unknown, yes
from deployguard.model.facts import Facts, Reach, Scope
from deployguard.model.problem import Problem
from deployguard.model.report import Report, Status
from deployguard.model.structs import replace
from deployguard.report import github, json_report, redact, sarif, text
from deployguard.report.redact import masked
from tests.support import reports

CANARY = "c4n4ry-b1rd"
PLACE = Location("compose.yaml", line=4)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("SECRET_KEY=abc flask run", "SECRET_KEY=(hidden) flask run"),
        ("gunicorn -e 'DB_PASSWORD=a b' app", "gunicorn -e 'DB_PASSWORD=(hidden) b' app"),
        ("app.config['SECRET_KEY'] = 'x y'; run()", "app.config['SECRET_KEY'] = (hidden); run()"),
        ('setdefault("TOKEN", "abc")', 'setdefault("TOKEN", (hidden))'),
        ("the command is 'run -e API_KEY=abc'", "the command is 'run -e API_KEY=(hidden)'"),
        ("--password hunter2 --x", "--password (hidden) --x"),
        ("--api-key=hunter2", "--api-key=(hidden)"),
        ("Authorization: Bearer abc.def", "Authorization: (hidden)"),
        ("WERKZEUG_DEBUG_PIN is '123'", "WERKZEUG_DEBUG_PIN is (hidden)"),
        ("postgres://u:p@ss@db/shop", "postgres://(hidden)@db/shop"),
        ("https://token@example.org", "https://(hidden)@example.org"),
        (
            "env TOKEN=(hidden) flask --password (hidden)",
            "env TOKEN=(hidden) flask --password (hidden)",
        ),
        ('{"client_secret":"x","a":1}', '{"client_secret":(hidden),"a":1}'),
    ],
)
def test_what_is_assigned_to_a_secret_name_is_masked(shown: str, expected: str) -> None:
    assert masked(shown) == expected


@pytest.mark.parametrize(
    "shown",
    [
        "FLASK_DEBUG is '1'",
        "SECRET_KEY is set, but its value cannot be seen",
        "the value of SECRET_KEY, set by nothing here",
        "PWD=/srv/app",
        "author=me",
        "https://example.org/a@b",
        "monkey=see",
        "flask run --host 0.0.0.0 --port 5000",
    ],
)
def test_what_is_no_secret_stays(shown: str) -> None:
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "piece",
    ["--password ", "://", "a", "token", 'token="', "token:", "key_", "a@", "SECRET is ", "'\")]"],
)
def test_masking_takes_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        started = time.process_time()
        masked(text)
        return time.process_time() - started

    assert seconds(200_000) < 1


@given(st.text())
def test_masking_is_done_once(shown: str) -> None:
    assert masked(masked(shown)) == masked(shown)


@pytest.mark.parametrize(
    ("name", "value", "decided", "expected"),
    [
        ("FLASK_DEBUG", "1", False, "1"),
        ("FLASK_RUN_HOST", "0.0.0.0", False, "0.0.0.0"),
        ("PATH", "/usr/bin", False, "/usr/bin"),
        ("WERKZEUG_DEBUG_PIN", "off", False, "off"),
        ("WERKZEUG_DEBUG_PIN", "123-456", False, "(set)"),
        ("SHOP_MODE", "production", True, "production"),
        ("SHOP_MODE", "production", False, None),
        ("SHOP_MODE", "hunter2", True, "(set)"),
        ("SHOP_MODE", None, True, None),
        ("FLASK_APP", "https://u:p@host", False, "https://(hidden)@host"),
    ],
)
def test_which_values_of_variables_are_shown(
    name: str,
    value: str | None,
    decided: bool,  # noqa: FBT001  (the table's)
    expected: str | None,
) -> None:
    decided_names = frozenset({name} if decided else ())
    assert redact.variable(name, value, decided_names) == expected


def with_canaries() -> Report:
    """A report whose every text that may hold a secret holds one."""
    hidden: dict[str, Traced[str | None]] = {
        "SHOP": Traced(CANARY, PLACE, replaced=Traced(CANARY + "0", PLACE)),
        "WERKZEUG_DEBUG_PIN": Traced(CANARY + "1", PLACE),
    }
    started = replace(
        reports.process(("run", "--api-token", "tok", f"--x={CANARY}", "-e", "DB_PASSWORD=c4n4ry")),
        env=Environment(hidden),
        cwd=Traced(f"/srv/{CANARY}", PLACE),
    )
    note = Evidence(PLACE, f"SHOP is {CANARY!r}, and SECRET_KEY = 'c4n4ry'")
    missing = Missing(Reason.COMMAND, f"what run --x={CANARY} does")
    facts = Facts(
        dev_server=yes(note),
        debugger=unknown(missing, note, suspected=True),
        reachable=Reach(yes(note), Scope.HOST),
    )
    container = reports.named(
        reports.container(reports.program(facts, started)),
        kind=ContainerKind.COMPOSE_SERVICE,
        labels={"basicauth": "c4n4ry", "note": CANARY},
        image_reference=Traced("host/shop?token=c4n4ry", PLACE),
    )
    problem = Problem(
        ProblemCode.UNREADABLE,
        "cannot read https://user:c4n4ry@host/x",
        hint="set TOKEN=c4n4ry",
    )
    failed = replace(
        reports.target(Status.FAILED, "https://user:c4n4ry@host/shop"), problems=(problem,)
    )
    return reports.report(container, targets=(reports.target(), failed), explain=True)


@pytest.mark.parametrize(
    "render",
    [text.render, json_report.render, sarif.render, github.render],
    ids=["text", "json", "sarif", "github"],
)
def test_no_report_holds_a_secret(render: Callable[[Report], str]) -> None:
    rendered = render(with_canaries())
    assert "c4n4ry" not in rendered
    assert "tok " not in rendered


def with_many_variables(count: int, note: str) -> Report:
    hidden: dict[str, Traced[str | None]] = {
        f"V{number}": Traced(f"{CANARY}-{number:05}", PLACE) for number in range(count)
    }
    started = replace(reports.process(("run",)), env=Environment(hidden))
    facts = Facts(debugger=yes(Evidence(PLACE, note)))
    return reports.report(reports.container(reports.program(facts, started)))


@pytest.mark.parametrize("count", [1, 64, 65, 5_000])
def test_any_number_of_hidden_values_is_masked(count: int) -> None:
    last = f"{CANARY}-{count - 1:05}"
    note = f"{CANARY[:4]} {last}{CANARY}-00000 ends with {last} and {CANARY}"
    rendered = text.render(with_many_variables(count, note))
    assert f"{CANARY[:4]} (hidden)(hidden) ends with (hidden) and {CANARY}" in rendered


def test_what_fills_in_the_name_of_an_image_is_shown_unless_its_name_speaks_of_a_secret() -> None:
    container = reports.named(
        reports.container(
            reports.program(reports.SAFE, reports.process(("run", "acme-registry", "t0k3n-v4lue")))
        ),
        image_reference=Traced("acme-registry/shop:t0k3n-v4lue", PLACE),
        given={
            "REGISTRY": "acme-registry",
            "DEPLOY_TOKEN": "t0k3n-v4lue",
            "OTHER": "something-else",
        },
    )
    rendered = text.render(reports.report(container, explain=True))
    assert "  image: acme-registry/shop:(hidden) (not read)\n" in rendered
    assert "  process: run acme-registry (hidden)\n" in rendered


@pytest.mark.parametrize("name", ["acme/token-service:1.2", "./secret.yaml", "key:1"])
def test_a_reference_keeps_its_tag(name: str) -> None:
    assert redact.named(name) == name
