"""Dash's app.run(): argument, variable and release decide about the flag and the address."""

import pytest

from deployguard.model.evidence import Answer
from deployguard.model.facts import ProgramFacts
from tests.unit.flask.framework_launches import SITE, addresses, launched

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
EVERYWHERE = "0.0.0.0"
HEAD = (
    "import os\nimport dash\nfrom dash import Dash, Input, Output, dcc, html\nimport plotly.express as px\n"
    "app = Dash(__name__, title='shop')\nserver = app.server\n"
    "app.layout = html.Div([html.H1('x'), dcc.Graph(id='g', figure=px.line())])\n"
    "@app.callback(Output('g', 'figure'), Input('h', 'value'))\n"
    "def update(value):\n    os.system('flask run --debug')\n"
    "@dash.callback(Output('g', 'figure'), Input('h', 'value'))\n"
    "def other(value):\n    os.system('flask run --debug')\n"
)


def ran(
    run: str, version: str = "3.0.4", variables: dict[str, str] | None = None, head: str = HEAD
) -> ProgramFacts:
    return launched(
        "python app.py",
        {"app.py": head + run},
        installed={"dash": version, "plotly": "5.0"},
        variables=variables,
    )


@pytest.mark.parametrize(
    ("run", "variables", "expected"),
    [
        ("app.run()", {}, NO),
        ("app.run(debug=True)", {}, YES),
        ("app.run('127.0.0.1', 8050, None, True)", {}, YES),
        ("app.run(debug=True)", {"DASH_DEBUG": "False"}, YES),
        ("app.run(debug=False)", {"DASH_DEBUG": "True"}, NO),
        ("app.run()", {"DASH_DEBUG": "TRUE"}, YES),
        ("app.run(debug=None)", {"DASH_DEBUG": "true"}, YES),
        ("app.run()", {"DASH_DEBUG": "false"}, NO),
        ("app.run()", {"DASH_DEBUG": "0"}, YES),
        ("app.run()", {"DASH_DEBUG": ""}, NO),
        ("app.run()", {"dash_debug": "true"}, YES),
        ("app.run()", {"FLASK_DEBUG": "1"}, NO),
        ("app.run(debug=True)", {"FLASK_DEBUG": "0"}, YES),
        ("app.run(debug=True, use_debugger=False)", {}, NO),
        ("app.run(dev_tools_ui=True, dev_tools_props_check=True)", {}, NO),
        ("app.enable_dev_tools(debug=True)\napp.run()", {}, NO),
        ("server.run(debug=True)", {}, YES),
        ("app.server.debug = True\nserver.run()", {}, YES),
        ("app.run(debug=os.getenv('DEBUG'))", {"DEBUG": "no"}, YES),
    ],
)
def test_the_argument_then_dash_debug_and_never_flask_debug(
    run: str, variables: dict[str, str], expected: Answer
) -> None:
    facts = ran(run, variables=variables).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (YES, expected)


@pytest.mark.parametrize(
    ("version", "run", "variables", "expected"),
    [
        ("1.21.0", "app.run_server()", {"DASH_DEBUG": "true"}, NO),
        ("1.21.0", "app.run_server(debug=None)", {}, YES),
        ("1.21.0", "app.run_server(debug=None)", {"DASH_DEBUG": "false"}, NO),
        ("2.4.1", "app.run()", {"DASH_DEBUG": "true"}, NO),
        ("2.5.0", "app.run()", {"DASH_DEBUG": "true"}, YES),
        ("2.18.2", "app.run_server(debug=True)", {}, YES),
    ],
)
def test_dash_debug_is_read_from_2_5_on(
    version: str, run: str, variables: dict[str, str], expected: Answer
) -> None:
    assert ran(run, version, variables).facts.debugger.answer is expected


def test_run_server_is_gone_from_3_0_on() -> None:
    program = ran("app.run_server(debug=True)")
    assert (program.server, program.facts.debugger.answer) == ("none", NO)


@pytest.mark.parametrize(
    ("run", "variables", "expected"),
    [
        ("app.run()", {}, NO),
        ("app.run()", {"DASH_DEBUG": "false"}, NO),
        ("app.run()", {"DASH_DEBUG": "true"}, UNKNOWN),
        ("app.run(debug=None)", {}, UNKNOWN),
        ("app.run(debug=True)", {}, YES),
    ],
)
def test_without_a_version_what_the_releases_agree_on_holds(
    run: str, variables: dict[str, str], expected: Answer
) -> None:
    source = f"from dash import Dash\napp = Dash(__name__)\n{run}\n"
    files = {"app.py": source, f"{SITE}/dash/__init__.py": ""}
    facts = launched("python app.py", files, variables=variables).facts
    assert facts.debugger.answer is expected
    if expected is UNKNOWN:
        assert "the installed version of Dash" in {m.what for m in facts.debugger.missing}


@pytest.mark.parametrize(
    ("version", "run", "variables", "expected"),
    [
        ("3.0.4", "app.run()", {}, ("127.0.0.1", 8050)),
        ("3.0.4", "app.run()", {"HOST": EVERYWHERE, "PORT": "80"}, (EVERYWHERE, 80)),
        ("3.0.4", "app.run('127.0.0.1')", {"HOST": EVERYWHERE}, ("127.0.0.1", 8050)),
        ("3.0.4", "app.run()", {"HOST": "x86_64", "CONDA_PREFIX": "/c"}, ("127.0.0.1", 8050)),
        ("2.18.2", "app.run('127.0.0.1')", {"HOST": EVERYWHERE}, (EVERYWHERE, 8050)),
        ("2.17.1", "app.run('127.0.0.1')", {"HOST": EVERYWHERE}, ("127.0.0.1", 8050)),
        ("2.17.1", "app.run(port='8051')", {"HOST": EVERYWHERE}, (EVERYWHERE, 8051)),
        ("1.21.0", "app.run_server()", {"HOST": EVERYWHERE}, (EVERYWHERE, 8050)),
    ],
)
def test_host_and_port_come_from_arguments_and_variables_in_the_order_of_the_release(
    version: str, run: str, variables: dict[str, str], expected: tuple[str, int]
) -> None:
    assert addresses(ran(run, version, variables)) == [expected]


@pytest.mark.parametrize(
    ("make", "run", "expected"),
    [
        ("app = Dash(server=flask_app)", "app.run(debug=True)", YES),
        ("app = Dash(server=flask_app)", "flask_app.run(debug=True)", YES),
        ("app = Dash(__name__, server=False)\napp.init_app(flask_app)", "app.run(debug=True)", YES),
        ("app = Dash(__name__, server=flask_app)", "flask_app.run()", NO),
    ],
)
def test_a_given_server_is_the_one_that_runs(make: str, run: str, expected: Answer) -> None:
    head = f"from dash import Dash\nfrom flask import Flask\nflask_app = Flask('x')\n{make}\n"
    assert ran(run, head=head).facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("backend", "server"), [("fastapi", "uvicorn"), ("quart", "hypercorn"), ("flask", "werkzeug")]
)
def test_from_4_0_on_other_backends_bring_their_own_server(backend: str, server: str) -> None:
    head = f"from dash import Dash\napp = Dash(__name__, backend={backend!r})\n"
    program = ran("app.run(debug=True)", "4.4.1", head=head)
    assert program.server == server
    assert program.facts.debugger.answer is (YES if backend == "flask" else NO)


@pytest.mark.parametrize(
    ("command", "debugger", "dev_server"),
    [
        ("gunicorn app:server", NO, NO),
        ("flask --app app:server run", NO, YES),
        ("flask --app app run --debug", YES, YES),
    ],
)
def test_dash_debug_is_nothing_to_other_commands(
    command: str, debugger: Answer, dev_server: Answer
) -> None:
    source = HEAD + "if __name__ == '__main__':\n    app.run(debug=True)\n"
    facts = launched(
        command,
        {"app.py": source},
        installed={"dash": "3.0.4", "plotly": "5.0"},
        variables={"DASH_DEBUG": "true"},
    ).facts
    assert (facts.debugger.answer, facts.dev_server.answer) == (debugger, dev_server)


def test_pages_are_run_when_the_application_is_made() -> None:
    files = {
        "app.py": "from dash import Dash\napp = Dash(__name__, use_pages=True)\napp.run()\n",
        "pages/home.py": "import os\nos.environ['WERKZEUG_DEBUG_PIN'] = 'off'\n",
        "pages/shop.py": "import dash\nimport nobody_knows\ndash.register_page(__name__)\n",
    }
    library = f"{SITE}/nobody_knows/__init__.py"
    program = launched("python app.py", {**files, library: ""}, installed={"dash": "3.0.4"})
    assert program.facts.pin_off.answer is YES
