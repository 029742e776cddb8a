"""gunicorn: whose settings win, what its hooks do, and which application a worker loads."""

import pytest

from deployguard.model.evidence import Answer
from tests.unit.flask.server_launches import (
    APP,
    DEBUG,
    FACTORY,
    MOUNTED,
    NO,
    ON_DEBUG,
    UNKNOWN,
    WRAPPED,
    YES,
    debugger,
    launched,
    places,
)

CONF = "gunicorn.conf.py"


@pytest.mark.parametrize(
    ("command", "variable", "configuration", "expected"),
    [
        ("gunicorn app:app", None, "", NO),
        ("gunicorn -e FLASK_DEBUG=1 app:app", None, "", YES),
        ("gunicorn app:app --env=FLASK_DEBUG=1", None, "", YES),
        ("gunicorn app:app", "--env FLASK_DEBUG=1", "", YES),
        ("gunicorn -e FLASK_DEBUG=0 app:app", "--env FLASK_DEBUG=1", "", NO),
        ("gunicorn app:app", None, "raw_env = ['FLASK_DEBUG=1']", YES),
        ("gunicorn app:app", None, "raw_env = ('A=1', 'FLASK_DEBUG=1')", YES),
        # A stronger list takes the place of a weaker one whole.
        ("gunicorn -e A=1 app:app", None, "raw_env = ['FLASK_DEBUG=1']", NO),
        ("gunicorn app:app", "-e A=1", "raw_env = ['FLASK_DEBUG=1']", NO),
        ("gunicorn app:app", None, "import os\nos.environ['FLASK_DEBUG'] = '1'", YES),
        ("gunicorn app:app", None, "import os\nraw_env = [os.environ['HIDDEN']]", NO),
        ("gunicorn app:app", None, "import socket\nraw_env = [socket.gethostname()]", UNKNOWN),
        ("gunicorn -c python:settings app:app", None, "", YES),
        ("gunicorn -c file:other.py app:app", None, "", YES),
        ("gunicorn app:app", "-c other.py", "", YES),
        ("gunicorn -c gunicorn.conf.py app:app", "-c other.py", "", NO),
        ("gunicorn --chdir web app:app", None, "raw_env = ['FLASK_DEBUG=1']", YES),
    ],
)
def test_words_beat_the_variable_and_that_the_configuration(
    command: str, variable: str | None, configuration: str, expected: Answer
) -> None:
    other = "raw_env = ['FLASK_DEBUG=1']\n"
    files = {"app.py": ON_DEBUG, "web/app.py": ON_DEBUG, "settings.py": other, "other.py": other}
    if configuration:
        files[CONF] = configuration
    variables = {"GUNICORN_CMD_ARGS": variable}
    assert debugger(command, files, variables) is expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("gunicorn web:create_app()", NO),
        ("gunicorn \"web:create_app('dev')\"", YES),
        ("gunicorn \"web:create_app(mode='dev')\"", YES),
        # Named without parentheses it is taken for the application, and each request fails.
        ("gunicorn web:dev", NO),
        ("gunicorn app", YES),
        ("gunicorn app:app.wsgi_app", NO),
        ("gunicorn app:nothing", NO),
        ("gunicorn nothing:app", NO),
        ("gunicorn --pythonpath lib shop:app", YES),
        ("gunicorn --chdir lib shop:app", YES),
        ("gunicorn --chdir nowhere app:app", NO),
        ("gunicorn -k uvicorn.workers.UvicornWorker app:app", NO),
        ("gunicorn -k uvicorn.workers.UvicornWorker asgi:app", YES),
        ("gunicorn -k gthread --threads 4 app:app", YES),
        ("gunicorn -k mine.Worker plain:app", UNKNOWN),
        ("gunicorn --reload --preload -w 4 -b :80 app:app", YES),
        ("gunicorn --check-config app:app", NO),
        ("gunicorn --print-config app:app", NO),
        ("gunicorn --nonsense app:app", NO),
        ("gunicorn -c missing.py app:app", NO),
        ("gunicorn --paste site.ini", YES),
        ("python -m gunicorn app:app", YES),
        ("gunicorn", NO),
    ],
)
def test_the_application_is_what_gunicorn_would_load(command: str, expected: Answer) -> None:
    files = {
        "app.py": WRAPPED + "application = app\n",
        "plain.py": APP,
        "lib/shop.py": WRAPPED,
        "web.py": FACTORY + "def dev():\n    return create_app('dev')\n",
        "asgi.py": "from a2wsgi import WSGIMiddleware\nfrom app import app as inner\n"
        "app = WSGIMiddleware(inner)\n",
        "mine.py": "class Worker: pass\n",
        "site.ini": "[app:main]\npaste.app_factory = made:factory\n",
        "made.py": "from app import app\ndef factory(global_conf, **settings):\n    return app\n",
    }
    assert debugger(command, files) is expected


HOOKED = "from werkzeug.debug import DebuggedApplication\nimport os\n"
WRAP = "DebuggedApplication({}, True)"


@pytest.mark.parametrize(
    ("hook", "application", "expected"),
    [
        ("def post_worker_init(worker): worker.wsgi = " + WRAP.format("worker.wsgi"), APP, YES),
        # The worker has taken the application by then.
        (
            "def post_worker_init(worker): worker.app.callable = " + WRAP.format("worker.wsgi"),
            APP,
            NO,
        ),
        (
            "def post_fork(server, worker): worker.app.callable = "
            + WRAP.format("worker.app.wsgi()"),
            APP,
            YES,
        ),
        ("def post_fork(server, worker): os.environ['FLASK_DEBUG'] = '1'", ON_DEBUG, YES),
        ("def when_ready(server): os.environ['FLASK_DEBUG'] = '1'", ON_DEBUG, YES),
        ("def on_starting(server): os.environ['FLASK_DEBUG'] = '1'", ON_DEBUG, YES),
        # With preload_app the application is loaded before any hook.
        (
            "preload_app = True\ndef on_starting(server): os.environ['FLASK_DEBUG'] = '1'",
            ON_DEBUG,
            NO,
        ),
        ("def post_worker_init(worker): os.environ['FLASK_DEBUG'] = '1'", ON_DEBUG, NO),
        ("def post_fork(server, worker): server.log.info('pid %s', worker.pid)", ON_DEBUG, NO),
        ("def worker_int(worker): worker.log.info('stop')", ON_DEBUG, NO),
        (
            "def pre_request(worker, req): worker.wsgi = " + WRAP.format("worker.wsgi"),
            APP,
            YES,
        ),
        (
            "def post_request(worker, req): worker.wsgi = " + WRAP.format("worker.wsgi"),
            APP,
            UNKNOWN,
        ),
        (
            "def post_worker_init(worker):\n    if os.getenv('STAGE') == 'dev':\n"
            "        worker.wsgi = " + WRAP.format("worker.wsgi"),
            APP,
            NO,
        ),
        (
            "from gunicorn.glogging import Logger\nclass Quiet(Logger):\n"
            "    def access(self, resp, req, environ, request_time):\n"
            "        super().access(resp, req, environ, request_time)\nlogger_class = Quiet",
            ON_DEBUG,
            NO,
        ),
        ("from mystery import hook as post_fork", ON_DEBUG, NO),
        ("raise ValueError", WRAPPED, NO),
    ],
)
def test_hooks_run_in_the_order_of_arbiter_and_worker(
    hook: str, application: str, expected: Answer
) -> None:
    files = {"app.py": application, CONF: HOOKED + hook + "\n"}
    assert debugger("gunicorn app:app", files) is expected


@pytest.mark.parametrize(
    ("command", "variables", "configuration", "expected"),
    [
        ("gunicorn app:app", {}, "", ["127.0.0.1:8000"]),
        ("gunicorn app:app", {"PORT": "9000"}, "", ["0.0.0.0:9000"]),
        ("gunicorn app:app", {"PORT": ""}, "", []),
        ("gunicorn -b :80 app:app", {"PORT": "9000"}, "", ["0.0.0.0:80"]),
        ("gunicorn -b 0.0.0.0 app:app", {}, "", ["0.0.0.0:8000"]),
        ("gunicorn --bind=[::]:80 app:app", {}, "", [":::80"]),
        ("gunicorn -b127.0.0.1:1 -b :2 app:app", {}, "", ["127.0.0.1:1", "0.0.0.0:2"]),
        ("gunicorn -b unix:/run/g.sock app:app", {}, "", ["unix:/run/g.sock"]),
        ("gunicorn -b fd://3 app:app", {}, "", ["?"]),
        ("gunicorn -b :http app:app", {}, "", []),
        ("gunicorn app:app", {}, "bind = '0.0.0.0:5'", ["0.0.0.0:5"]),
        ("gunicorn app:app", {}, "bind = ['127.0.0.1:5', ':6']", ["127.0.0.1:5", "0.0.0.0:6"]),
        ("gunicorn app:app", {"PORT": "7"}, "bind = ':6'", ["0.0.0.0:6"]),
        ("gunicorn -b :8 app:app", {}, "bind = ':6'", ["0.0.0.0:8"]),
        (
            "gunicorn app:app",
            {"P": "5"},
            "import os\nbind = f':{os.environ[\"P\"]}'",
            ["0.0.0.0:5"],
        ),
        ("gunicorn app:app", {}, "import socket\nbind = socket.gethostname()", ["?"]),
    ],
)
def test_where_gunicorn_listens(
    command: str, variables: dict[str, str], configuration: str, expected: list[str]
) -> None:
    files = {"app.py": APP} | ({CONF: configuration} if configuration else {})
    assert places(command, files, **variables) == expected


@pytest.mark.parametrize(
    ("run", "command", "debugger_expected", "listeners"),
    [
        ("app.run()", "gunicorn -b :80 app:app", NO, ["0.0.0.0:80", "127.0.0.1:5000"]),
        (
            "app.run(debug=True, use_reloader=False)",
            "gunicorn -b :80 app:app",
            YES,
            ["0.0.0.0:80", "127.0.0.1:5000"],
        ),
        # The reloader starts gunicorn again, which cannot bind the same address.
        ("app.run(debug=True)", "gunicorn -b :80 app:app", NO, None),
        ("app.run(debug=True)", "gunicorn -b unix:/run/g.sock app:app", YES, None),
        ("app.run(debug=True)", "gunicorn --reuse-port -b :80 app:app", YES, None),
        # Loaded before anything is bound.
        ("app.run(debug=True)", "gunicorn --preload -b :80 app:app", YES, ["127.0.0.1:5000"]),
        ("app.run(debug=True)", "gunicorn -b fd://3 app:app", UNKNOWN, None),
    ],
)
def test_an_application_that_serves_while_it_is_loaded(
    run: str, command: str, debugger_expected: Answer, listeners: list[str] | None
) -> None:
    files = {"app.py": APP + run + "\n"}
    assert debugger(command, files) is debugger_expected
    if listeners is not None:
        assert places(command, files) == listeners


def test_workers_that_end_leave_a_server_that_answers_nothing() -> None:
    files = {"app.py": "import sys\nsys.exit('no')\n" + WRAPPED}
    (program,) = launched("gunicorn -b :80 app:app", files)
    assert program.facts.debugger.answer is NO
    assert [(item.address, item.debugger) for item in program.listeners] == [("0.0.0.0", NO)]
    # Loaded before it is bound, it ends gunicorn itself.
    assert places("gunicorn --preload -b :80 app:app", files) == []


def test_a_configuration_that_is_not_seen_leaves_the_answer_open() -> None:
    assert debugger("gunicorn app:app", {"app.py": APP}, unread={CONF: MOUNTED}) is UNKNOWN
    (program,) = launched("gunicorn app:app", {"app.py": APP}, unread={CONF: MOUNTED})
    assert MOUNTED in program.facts.debugger.missing
    assert [item.address for item in program.listeners] == [None]


def test_what_wraps_the_application_is_named_with_its_place() -> None:
    (program,) = launched("gunicorn app:app", {"app.py": ON_DEBUG}, DEBUG)
    places_of = [
        (step.location.file, step.location.line) for step in program.facts.debugger.evidence
    ]
    assert ("/srv/app/app.py", 6) in places_of
