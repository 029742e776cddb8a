"""Commands of frameworks and of products built on Flask: what they serve, and where."""

import pytest

from deployguard.model.evidence import Answer
from tests.unit.flask.framework_launches import addresses, launched, script

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
EVERYWHERE = "0.0.0.0"
SCRIPTS = {
    "airflow": "airflow.__main__:main",
    "alembic": "alembic.config:main",
    "celery": "celery.__main__:main",
    "flower": "flower.__main__:main",
    "jupyter": "jupyter_core.command:main",
    "locust": "locust.main:main",
    "mkdocs": "mkdocs.__main__:cli",
    "mlflow": "mlflow.cli:cli",
    "moto_server": "moto.server:main",
    "odoo": "odoo.cli:main",
    "pytest": "pytest:console_main",
    "quart": "quart.cli:main",
    "rq": "rq.cli:main",
    "streamlit": "streamlit.web.cli:main",
    "twist": "twisted.application.twist._twist:Twist.main",
}
INSTALLED = {"quart": "0.20", "celery": "5.4", "twisted": "24.3"}


def files(**more: str) -> dict[str, str]:
    made = {"app.py": "from quart import Quart\napp = Quart(__name__)\n"}
    for name, target in SCRIPTS.items():
        made |= script(name, target)
    return made | {name.replace("__", "/") + ".py": text for name, text in more.items()}


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        ("quart run", {"QUART_DEBUG": "1"}, ("127.0.0.1", 5000)),
        ("quart --app app:app run --host 0.0.0.0 -p 80 --debug", {}, (EVERYWHERE, 80)),
        ("quart run -h0.0.0.0 -p8080", {"QUART_APP": "app:app"}, (EVERYWHERE, 8080)),
        ("streamlit run app.py", {}, (EVERYWHERE, 8501)),
        ("streamlit run app.py --server.address=127.0.0.1 --server.port 80", {}, ("127.0.0.1", 80)),
        ("streamlit run app.py", {"STREAMLIT_SERVER_ADDRESS": "localhost"}, ("localhost", 8501)),
        ("mlflow server", {}, ("127.0.0.1", 5000)),
        ("mlflow ui --host 0.0.0.0 -p 81", {}, (EVERYWHERE, 81)),
        ("mlflow server", {"MLFLOW_HOST": EVERYWHERE}, (EVERYWHERE, 5000)),
        ("mkdocs serve", {}, ("127.0.0.1", 8000)),
        ("mkdocs serve -a 0.0.0.0:8001", {}, (EVERYWHERE, 8001)),
        ("mkdocs serve --dev-addr=:8001", {}, ("127.0.0.1", 8001)),
        ("jupyter lab --ip=0.0.0.0 --no-browser", {}, (EVERYWHERE, 8888)),
        ("jupyter notebook --port 80", {}, (None, 80)),
        ("locust -f load.py", {}, (EVERYWHERE, 8089)),
        ("celery -A app flower --port=80", {}, (EVERYWHERE, 80)),
        ("flower --address=127.0.0.1", {}, ("127.0.0.1", 5555)),
        ("airflow webserver -p 80", {}, (EVERYWHERE, 80)),
        ("airflow standalone", {}, (EVERYWHERE, 8080)),
    ],
)
def test_servers_of_their_own_are_none_of_werkzeugs(
    command: str, variables: dict[str, str], expected: tuple[str | None, int]
) -> None:
    program = launched(
        command, files(), installed=INSTALLED, variables={"FLASK_DEBUG": "1", **variables}
    )
    facts = program.facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (NO, NO)
    assert addresses(program) == [expected]


@pytest.mark.parametrize(
    "command",
    [
        "celery -A app worker -l info",
        "celery --app=app beat",
        "rq worker high",
        "alembic upgrade head",
        "pytest -q",
        "airflow db migrate",
        "mlflow run .",
        "mkdocs build",
        "quart routes",
        "quart --version",
    ],
)
def test_workers_and_tools_serve_nothing(command: str) -> None:
    program = launched(command, files(), installed=INSTALLED, variables={"FLASK_DEBUG": "1"})
    assert (program.server, program.facts.debugger.answer) == ("none", NO)


def test_an_application_that_starts_a_server_when_a_worker_loads_it_counts() -> None:
    source = "from flask import Flask\napp = Flask('x')\napp.run('0.0.0.0', debug=True)\n"
    program = launched("celery -A shop worker", files(shop=source), installed=INSTALLED)
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == (YES, YES)


@pytest.mark.parametrize(
    ("command", "debugger", "expected"),
    [
        ("airflow webserver --debug", YES, (EVERYWHERE, 8080)),
        ("airflow webserver -d -H 127.0.0.1 --port 80", YES, ("127.0.0.1", 80)),
        ("moto_server", NO, ("127.0.0.1", 5000)),
        ("moto_server s3 -H 0.0.0.0 -p3000", NO, (EVERYWHERE, 3000)),
        ("odoo", NO, (EVERYWHERE, 8069)),
        ("odoo --dev=reload,xml", NO, (EVERYWHERE, 8069)),
        ("odoo --dev=all", YES, (EVERYWHERE, 8069)),
        ("odoo server --dev reload,werkzeug -p 80", YES, (EVERYWHERE, 80)),
        ("odoo -c odoo.conf", YES, ("127.0.0.1", 8069)),
        ("odoo -c odoo.conf --dev=xml --http-interface 0.0.0.0", NO, (EVERYWHERE, 8069)),
    ],
)
def test_products_that_serve_with_werkzeug(
    command: str, debugger: Answer, expected: tuple[str, int]
) -> None:
    made = files() | {"odoo.conf": "[options]\ndev_mode = all\nhttp_interface = 127.0.0.1\n"}
    program = launched(command, made, installed=INSTALLED)
    facts = program.facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (YES, debugger)
    assert addresses(program) == [expected]


@pytest.mark.parametrize(
    ("command", "debugger", "expected"),
    [
        ("twist web --wsgi shop.app", NO, (EVERYWHERE, 8080)),
        ("twist web --wsgi=shop.wrapped --listen=tcp:80", YES, (EVERYWHERE, 80)),
        ("twist web --wsgi=shop.app --port tcp:80:interface=127.0.0.1", NO, ("127.0.0.1", 80)),
    ],
)
def test_twist_serves_a_wsgi_application(
    command: str, debugger: Answer, expected: tuple[str, int]
) -> None:
    source = (
        "from flask import Flask\nfrom werkzeug.debug import DebuggedApplication\n"
        "app = Flask('x')\napp.debug = True\n"
    )
    if debugger is YES:
        source += "wrapped = DebuggedApplication(app, True)\n"
    program = launched(command, files(shop=source), installed=INSTALLED)
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == (NO, debugger)
    assert addresses(program) == [expected]


@pytest.mark.parametrize("command", ["twist conch", "twist web --path /srv"])
def test_what_twist_serves_otherwise_cannot_be_told(command: str) -> None:
    assert launched(command, files(), installed=INSTALLED).facts.debugger.answer is UNKNOWN
