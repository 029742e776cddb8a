"""The flask command: options, variables and .env files, as each family of versions reads them."""

import posixpath
from collections.abc import Mapping

import pytest

from deployguard import flask
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.facts import Facts, ProgramFacts
from tests.support.memory import (
    FLASK_012,
    FLASK_3,
    FLASK_11,
    FLASK_22,
    FLASK_222,
    MemoryFiles,
    process,
    venv,
)

APP = """\
from flask import Flask
app = Flask(__name__)

@app.route("/")
def index():
    return "hello"
"""
YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


def launched(
    command: str,
    files: dict[str, str] | None = None,
    versions: dict[str, str] = FLASK_3,
    variables: Mapping[str, str | None] | None = None,
) -> ProgramFacts:
    texts = {**venv(**versions), "/srv/app/app.py": APP, **(files or {})}
    (program,) = flask.judge(process(command, **(variables or {})), MemoryFiles(texts))
    return program


def facts(
    command: str,
    files: dict[str, str] | None = None,
    versions: dict[str, str] = FLASK_3,
    variables: Mapping[str, str | None] | None = None,
) -> Facts:
    return launched(command, files, versions, variables).facts


@pytest.mark.parametrize(
    ("command", "flag", "expected"),
    [
        ("flask run", None, NO),
        ("flask run", "1", YES),
        ("flask run", "off", NO),
        ("flask run --debug", None, YES),
        ("flask --debug run", "0", YES),
        ("flask --debug run --no-debug", "1", NO),
        ("flask --no-debug run --debug", "0", YES),
        ("flask run --debug --no-debug", None, NO),
        ("flask run --no-debugger", "1", NO),
        ("flask run --debugger", "0", YES),
        ("flask run --debugger --no-debugger", "1", NO),
        ("python -m flask run", "yes", YES),
        ("python -um flask run", "1", YES),
        ("python -I -m flask run", "1", YES),
        ("flask -A app --debug run -h0.0.0.0 -p8080", None, YES),
        ("flask --app=app run --debug", None, YES),
    ],
)
def test_the_innermost_option_decides_and_beats_the_variable(
    command: str, flag: str | None, expected: Answer
) -> None:
    assert facts(command, variables={"FLASK_DEBUG": flag}).debugger.answer is expected


@pytest.mark.parametrize(
    "command",
    [
        "flask run --debu",
        "flask run --debug=1",
        "flask run --debug 1",
        "flask run run",
        "flask run -- --debug",
        "flask --version --debug run",
        "flask run --debug --help",
        "flask --help",
        "flask",
        "flask run --debug --port x",
        "flask --app nosuch run --debug",
    ],
)
def test_words_that_click_refuses_or_that_only_print_end_the_command(command: str) -> None:
    found = facts(command)
    assert (found.dev_server.answer, found.debugger.answer) == (NO, NO)
    assert found.dev_server.evidence


@pytest.mark.parametrize(
    ("value", "old", "middle", "new"),
    [
        ("1", YES, YES, YES),
        (" 1 ", YES, YES, YES),
        ("0", NO, NO, NO),
        ("false", NO, NO, NO),
        ("False", YES, NO, NO),
        ("off", YES, YES, NO),
        ("n", YES, YES, NO),
        ("", NO, NO, NO),
        ("2", YES, YES, NO),
        ("production", YES, YES, NO),
    ],
)
def test_each_family_has_its_own_truth_of_flask_debug(
    value: str, old: Answer, middle: Answer, new: Answer
) -> None:
    for versions, expected in ((FLASK_012, old), (FLASK_11, middle), (FLASK_3, new)):
        found = facts(
            "flask run", versions=versions, variables={"FLASK_DEBUG": value, "FLASK_APP": "app.py"}
        )
        assert found.debugger.answer is expected, versions


def test_a_value_that_click_refuses_ends_the_command_and_says_so() -> None:
    found = facts("flask run", variables={"FLASK_DEBUG": "2"})
    assert found.dev_server.answer is NO
    assert "refuses" in found.dev_server.evidence[-1].note


@pytest.mark.parametrize(
    ("versions", "expected"),
    [(FLASK_012, NO), (FLASK_11, YES), (FLASK_22, YES), (FLASK_3, NO)],
)
def test_flask_env_counts_from_1_0_to_2_2(versions: dict[str, str], expected: Answer) -> None:
    found = facts(
        "flask run",
        versions=versions,
        variables={"FLASK_ENV": "development", "FLASK_APP": "app.py"},
    )
    assert found.debugger.answer is expected


@pytest.mark.parametrize(
    ("versions", "command", "server"),
    [
        (FLASK_11, "flask run --debug", NO),
        (FLASK_222, "flask run --debug", NO),
        (FLASK_22, "flask run --debug", YES),
        (FLASK_11, "flask --app app run", NO),
        (FLASK_222, "flask --debug run", YES),
        (FLASK_11, "flask run --eager-loading", YES),
        (FLASK_3, "flask run --eager-loading", NO),
    ],
)
def test_an_option_of_another_version_ends_the_command(
    versions: dict[str, str], command: str, server: Answer
) -> None:
    assert (
        facts(command, versions=versions, variables={"FLASK_APP": "app.py"}).dev_server.answer
        is server
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"FLASK_RUN_DEBUG": "1"}, YES),
        ({"FLASK_RUN_DEBUG": "0", "FLASK_DEBUG": "1"}, NO),
        ({"FLASK_RUN_DEBUGGER": "1"}, YES),
        ({"FLASK_RUN_DEBUGGER": "0", "FLASK_DEBUG": "1"}, NO),
        ({"FLASK_RUN_NO_DEBUGGER": "1", "FLASK_DEBUG": "1"}, YES),
    ],
)
def test_options_have_variables_of_their_own(variables: dict[str, str], expected: Answer) -> None:
    assert facts("flask run", variables=variables).debugger.answer is expected


@pytest.mark.parametrize(
    ("files", "variables", "expected"),
    [
        ({".flaskenv": "FLASK_DEBUG=1"}, {}, YES),
        ({".env": "FLASK_DEBUG=0", ".flaskenv": "FLASK_DEBUG=1"}, {}, NO),
        ({".env": "FLASK_DEBUG=1"}, {"FLASK_DEBUG": ""}, NO),
        ({".env": "FLASK_DEBUG=1"}, {"FLASK_SKIP_DOTENV": "1"}, NO),
        ({".env": "FLASK_DEBUG=1"}, {"FLASK_SKIP_DOTENV": "off"}, NO),
        ({".env": "FLASK_DEBUG=1"}, {"FLASK_SKIP_DOTENV": "0"}, YES),
        ({"../.env": "FLASK_DEBUG=1", ".flaskenv": "FLASK_DEBUG=0"}, {}, YES),
        ({".env.local": "FLASK_DEBUG=1"}, {}, NO),
        ({".env": "FLASK_RUN_DEBUGGER=1"}, {}, YES),
    ],
)
def test_dotenv_files_lie_below_the_environment(
    files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    placed = {posixpath.normpath(f"/srv/app/{name}"): text for name, text in files.items()}
    assert facts("flask run", placed, variables=variables).debugger.answer is expected


def test_dotenv_files_count_only_where_python_dotenv_is_installed() -> None:
    versions = {name: version for name, version in FLASK_3.items() if name != "python_dotenv"}
    found = facts("flask run", {"/srv/app/.env": "FLASK_DEBUG=1"}, versions)
    assert found.debugger.answer is NO


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nos.environ['FLASK_DEBUG'] = '1'\n" + APP, YES),
        (APP + "app.debug = True\n", NO),
        (APP + "app.run(debug=True)\n", NO),
        (APP + "from werkzeug.debug import DebuggedApplication\n"
               "app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)\n", YES),
        (APP + "from mystery import protect\nprotect(app)\n", UNKNOWN),
        ("def create_app():\n  from flask import Flask\n  return Flask(__name__)\n", NO),
    ],
)  # fmt: skip
def test_what_the_application_does_when_it_is_imported_counts(
    source: str, expected: Answer
) -> None:
    mystery = {"/srv/venv/lib/python3.13/site-packages/mystery/__init__.py": ""}
    found = facts("flask run", {**mystery, "/srv/app/app.py": source})
    assert found.debugger.answer is expected


def test_without_the_version_the_answer_is_what_the_families_agree_on() -> None:
    texts = {**venv(), "/srv/app/app.py": APP}
    unread = {"/srv/venv/lib": Missing(Reason.RUN, "what RUN at Dockerfile:4 leaves behind")}
    found = {
        flag: flask.judge(
            process("flask run", FLASK_DEBUG=flag, FLASK_APP="app.py"), MemoryFiles(texts, unread)
        )[0].facts.debugger
        for flag in ("1", "off")
    }
    assert found["1"].answer is YES
    assert found["off"].answer is UNKNOWN
    assert "version of Flask" in found["off"].missing[0].what


@pytest.mark.parametrize(
    ("command", "variables", "address", "port"),
    [
        ("flask run", {}, "127.0.0.1", 5000),
        ("flask run -h 0.0.0.0", {}, "0.0.0.0", 5000),
        ("flask run --host=::", {}, "::", 5000),
        ("flask run", {"FLASK_RUN_HOST": "0.0.0.0", "FLASK_RUN_PORT": "80"}, "0.0.0.0", 80),
        ("flask run -h 127.0.0.1", {"FLASK_RUN_HOST": "0.0.0.0"}, "127.0.0.1", 5000),
        ("flask run --host unix:///srv/x.sock", {}, "unix:/srv/x.sock", None),
    ],
)
def test_the_listener_is_where_the_options_and_variables_say(
    command: str, variables: dict[str, str], address: str, port: int | None
) -> None:
    (listener,) = launched(command, variables=variables).listeners
    assert (listener.address, listener.port) == (address, port)


@pytest.mark.parametrize(
    ("value", "expected"), [("off", YES), ("OFF", NO), ("123-456-789", NO), ("", NO), (None, NO)]
)
def test_only_the_word_off_turns_the_pin_off(value: str | None, expected: Answer) -> None:
    assert (
        facts("flask run --debug", variables={"WERKZEUG_DEBUG_PIN": value}).pin_off.answer
        is expected
    )
