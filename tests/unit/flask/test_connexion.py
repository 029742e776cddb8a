"""connexion: Flask's own server in versions 1 and 2, uvicorn in version 3."""

import pytest

from deployguard.model.evidence import Answer
from deployguard.model.facts import ProgramFacts
from tests.unit.flask.framework_launches import SITE, addresses, launched, script

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
EVERYWHERE = "0.0.0.0"
SPECIFICATION = "paths:\n  /:\n    get:\n      operationId: api.views.index\n"


def ran(
    source: str,
    version: str = "2.14.2",
    variables: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> ProgramFacts:
    texts = {"app.py": f"import connexion\n{source}\n", "spec.yaml": SPECIFICATION}
    return launched(
        "python app.py",
        {**texts, **(files or {})},
        installed={"connexion": version},
        variables=variables,
    )


@pytest.mark.parametrize(
    ("make", "run", "variables", "expected"),
    [
        ("App(__name__)", "run()", {}, NO),
        ("App(__name__)", "run(port=8080, debug=True)", {}, YES),
        ("FlaskApp(__name__, debug=True)", "run()", {}, YES),
        ("FlaskApp(__name__, debug=True)", "run(debug=False)", {}, NO),
        ("App(__name__)", "run()", {"FLASK_DEBUG": "1"}, YES),
        ("App(__name__)", "run(debug=False)", {"FLASK_DEBUG": "1"}, NO),
        ("App(__name__)", "run(debug=True)", {"FLASK_DEBUG": "0"}, YES),
        ("App(__name__)", "run(debug=True, use_debugger=False)", {}, NO),
        ("App(__name__)", "run(8080, 'flask', True)", {}, YES),
        ("App(__name__)", "run(server='gevent', debug=True)", {}, NO),
        ("App(__name__, 'tornado')", "run(debug=True)", {}, NO),
        ("App(__name__)", "app.run(debug=True)", {}, YES),
    ],
)
def test_version_2_hands_what_it_is_told_to_flask(
    make: str, run: str, variables: dict[str, str], expected: Answer
) -> None:
    source = f"app = connexion.{make}\napp.add_api('spec.yaml')\napp.{run}"
    assert ran(source, variables=variables).facts.debugger.answer is expected


@pytest.mark.parametrize(("version", "expected"), [("1.5.3", NO), ("2.4.0", NO), ("2.5.0", YES)])
def test_before_2_5_flask_debug_did_not_count(version: str, expected: Answer) -> None:
    facts = ran("connexion.App(__name__).run()", version, {"FLASK_DEBUG": "1"}).facts
    assert facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("version", "source", "expected"),
    [
        ("2.14.2", "connexion.App(__name__).run()", (EVERYWHERE, 5000)),
        (
            "2.14.2",
            "connexion.App(__name__, port=9090, host='127.0.0.1').run()",
            ("127.0.0.1", 9090),
        ),
        ("2.14.2", "connexion.App(__name__, port=9090).run(8080)", (EVERYWHERE, 8080)),
        ("2.14.2", "connexion.App(__name__).run(server='tornado')", (EVERYWHERE, 5000)),
        ("3.1.0", "connexion.FlaskApp(__name__).run()", ("127.0.0.1", 8000)),
        ("3.1.0", "connexion.AsyncApp(__name__).run(host='0.0.0.0', port=80)", (EVERYWHERE, 80)),
        ("3.1.0", "connexion.FlaskApp(__name__).app.run()", ("127.0.0.1", 5000)),
    ],
)
def test_where_it_listens(version: str, source: str, expected: tuple[str, int]) -> None:
    assert addresses(ran(source, version)) == [expected]


@pytest.mark.parametrize(
    ("source", "dev_server", "debugger"),
    [
        ("app.run(port=8080)", NO, NO),
        ("app.app.run(port=8080, debug=True)", YES, YES),
        ("app.app.debug = True\napp.run()", NO, NO),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "app.add_wsgi_middleware(DebuggedApplication, evalex=True)\napp.run()",
            NO,
            YES,
        ),
    ],
)
def test_version_3_serves_with_uvicorn(source: str, dev_server: Answer, debugger: Answer) -> None:
    whole = f"app = connexion.FlaskApp(__name__)\napp.add_api('spec.yaml')\n{source}"
    facts = ran(whole, "3.1.0", {"FLASK_DEBUG": "1"}).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (dev_server, debugger)


def test_without_a_version_the_server_cannot_be_told() -> None:
    files = {
        "app.py": "import connexion\nconnexion.App(__name__).run(debug=True)\n",
        f"{SITE}/connexion/__init__.py": "",
    }
    facts = launched("python app.py", files).facts
    assert facts.debugger.answer is UNKNOWN
    assert "the installed version of connexion" in {m.what for m in facts.debugger.missing}


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ("def index():\n    return 'ok'\n", NO),
        ("import os\nos.environ['WERKZEUG_DEBUG_PIN'] = 'off'\n", YES),
    ],
)
def test_the_modules_that_a_specification_names_are_imported(views: str, expected: Answer) -> None:
    source = "app = connexion.App(__name__)\napp.add_api('spec.yaml')\napp.run(debug=True)"
    files = {"api/__init__.py": "", "api/views.py": views}
    assert ran(source, files=files).facts.pin_off.answer is expected


@pytest.mark.parametrize(
    ("version", "command", "dev_server", "debugger"),
    [
        ("2.14.2", "connexion run spec.yaml", YES, NO),
        ("2.14.2", "connexion run spec.yaml --debug", YES, YES),
        ("2.14.2", "connexion run -d spec.yaml", YES, YES),
        ("2.14.2", "connexion run -v spec.yaml", YES, NO),
        ("2.14.2", "connexion run -vv spec.yaml", YES, YES),
        ("2.14.2", "connexion run -v -v -p 80 spec.yaml", YES, YES),
        ("2.14.2", "connexion run --server gevent -d spec.yaml", NO, NO),
        ("2.14.2", "connexion run -f aiohttp -d spec.yaml", NO, NO),
        ("2.14.2", "connexion --help", NO, NO),
        ("3.1.0", "connexion run -f flask spec.yaml", NO, NO),
    ],
)
def test_the_command_of_version_2_knows_a_debug_flag(
    version: str, command: str, dev_server: Answer, debugger: Answer
) -> None:
    files = {"spec.yaml": SPECIFICATION, **script("connexion", "connexion.cli:main")}
    facts = launched(
        command, files, installed={"connexion": version}, variables={"FLASK_DEBUG": "1"}
    ).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (dev_server, debugger)
