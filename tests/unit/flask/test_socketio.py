"""socketio.run(): which server comes up, and whether the debugger stands before it."""

import pytest

from deployguard.model.evidence import Answer
from deployguard.model.facts import ProgramFacts
from tests.unit.flask.framework_launches import addresses, launched

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
NEW = {"flask_socketio": "5.5.1"}
ALLOW = "allow_unsafe_werkzeug=True"


def ran(
    run: str,
    *,
    make: str = "SocketIO(app)",
    installed: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    terminal: bool = False,
) -> ProgramFacts:
    source = (
        "import os, random\nfrom flask import Flask\nfrom flask_socketio import SocketIO\n"
        f"app = Flask(__name__)\nsocketio = {make}\n\n"
        "@socketio.on('connect')\ndef connect():\n    os.system('flask run --debug')\n\n"
        f"socketio.run({run})\n"
    )
    return launched(
        "python app.py",
        {"app.py": source},
        installed=installed or NEW,
        variables=variables,
        terminal=terminal,
    )


@pytest.mark.parametrize(
    ("run", "variables", "terminal", "dev_server", "debugger"),
    [
        ("app", {}, False, NO, NO),
        ("app, debug=True", {}, False, NO, NO),
        ("app, debug=True, allow_unsafe_werkzeug=False", {}, False, NO, NO),
        ("app, debug=True", {}, True, YES, YES),
        ("app", {}, True, YES, NO),
        (f"app, {ALLOW}", {}, False, YES, NO),
        (f"app, debug=True, {ALLOW}", {}, False, YES, YES),
        (f"app=app, debug=True, {ALLOW}", {}, False, YES, YES),
        (f"app, {ALLOW}", {"FLASK_DEBUG": "1"}, False, YES, YES),
        (f"app, debug=False, {ALLOW}", {"FLASK_DEBUG": "1"}, False, YES, YES),
        (f"app, debug=True, {ALLOW}", {"FLASK_DEBUG": "0"}, False, YES, NO),
        (f"app, debug=True, use_debugger=False, {ALLOW}", {}, False, YES, NO),
        ("app, debug=True, allow_unsafe_werkzeug=os.getenv('ALLOW')", {}, False, NO, NO),
        ("app, debug=True, allow_unsafe_werkzeug=os.getenv('A')", {"A": "0"}, False, YES, YES),
        (
            "app, debug=True, allow_unsafe_werkzeug=random.random() < 0.5",
            {},
            False,
            UNKNOWN,
            UNKNOWN,
        ),
    ],
)
def test_threading_is_flasks_own_server_and_refused_without_terminal_or_leave(
    run: str,
    variables: dict[str, str],
    terminal: bool,  # noqa: FBT001  (a column of the table)
    dev_server: Answer,
    debugger: Answer,
) -> None:
    facts = ran(run, variables=variables, terminal=terminal).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (dev_server, debugger)


@pytest.mark.parametrize(
    ("version", "run", "dev_server", "debugger"),
    [
        ("4.3.2", "app, debug=True", YES, YES),
        ("5.2.0", "app, debug=True", YES, YES),
        ("5.2.0", f"app, debug=True, {ALLOW}", NO, NO),
        ("5.3.0", "app, debug=True", NO, NO),
        ("5.3.0", f"app, debug=True, {ALLOW}", YES, YES),
    ],
)
def test_the_refusal_came_with_5_3_and_so_did_the_argument(
    version: str, run: str, dev_server: Answer, debugger: Answer
) -> None:
    facts = ran(run, installed={"flask_socketio": version}).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (dev_server, debugger)


def test_without_a_version_the_refusal_is_open_and_the_version_is_asked_for() -> None:
    source = (
        "from flask import Flask\nfrom flask_socketio import SocketIO\n"
        "app = Flask(__name__)\nSocketIO(app, async_mode='threading').run(app, debug=True)\n"
    )
    library = "/srv/venv/lib/python3.13/site-packages/flask_socketio/__init__.py"
    facts = launched("python app.py", {"app.py": source, library: ""}).facts
    assert facts.debugger.answer is UNKNOWN
    assert "the installed version of Flask-SocketIO" in {m.what for m in facts.debugger.missing}


@pytest.mark.parametrize(
    ("present", "make", "server"),
    [
        ({}, "SocketIO(app)", "werkzeug"),
        ({"gevent": "24.2.1"}, "SocketIO(app)", "gevent"),
        ({"eventlet": "0.36.1"}, "SocketIO(app)", "eventlet"),
        ({"eventlet": "0.36.1", "gevent": "24.2.1"}, "SocketIO(app)", "eventlet"),
        ({"eventlet": "0.36.1"}, "SocketIO(app, async_mode=None)", "eventlet"),
        ({"eventlet": "0.36.1"}, "SocketIO(app, async_mode='threading')", "werkzeug"),
        (
            {"eventlet": "0.36.1", "gevent": "24.2.1"},
            "SocketIO(app, async_mode='gevent')",
            "gevent",
        ),
        ({}, "SocketIO(app, async_mode='gevent')", "none"),
        ({"gevent": "24.2.1"}, "SocketIO(app, async_mode='gevent_uwsgi')", "none"),
        ({}, "SocketIO(app, async_mode='asyncio')", "none"),
    ],
)
def test_the_mode_is_the_one_asked_for_else_the_first_that_is_installed(
    present: dict[str, str], make: str, server: str
) -> None:
    program = ran(f"app, debug=True, {ALLOW}", make=make, installed={**NEW, **present})
    assert program.server == server
    assert program.facts.debugger.answer is (NO if server == "none" else YES)
    assert program.facts.dev_server.answer is (YES if server == "werkzeug" else NO)


@pytest.mark.parametrize(
    ("run", "variables", "debugger", "interactive"),
    [
        ("app", {}, NO, NO),
        ("app, debug=True", {}, YES, YES),
        ("app", {"FLASK_DEBUG": "1"}, YES, YES),
        ("app, debug=False", {"FLASK_DEBUG": "1"}, NO, NO),
        ("app, debug=True", {"FLASK_DEBUG": "0"}, YES, YES),
        ("app, debug=random.random() < 0.5", {}, UNKNOWN, UNKNOWN),
        ("app, debug=True, use_debugger=False", {}, NO, NO),
    ],
)
def test_eventlet_serves_by_itself_with_the_debugger_inside_in_debug_mode(
    run: str, variables: dict[str, str], debugger: Answer, interactive: Answer
) -> None:
    present = {**NEW, "eventlet": "0.36.1"}
    program = ran(run, installed=present, variables=variables)
    assert program.facts.debugger.answer is debugger
    assert program.facts.interactive.answer is interactive
    assert program.facts.dev_server.answer is NO


def test_a_middleware_put_on_later_leaves_the_debugger_inside() -> None:
    source = (
        "from flask import Flask\nfrom flask_socketio import SocketIO\n"
        "from werkzeug.middleware.proxy_fix import ProxyFix\n"
        "app = Flask(__name__)\nsocketio = SocketIO()\n"
        "def create():\n    socketio.init_app(app)\n    return app\n"
        "create()\napp.wsgi_app = ProxyFix(app.wsgi_app)\n"
        "socketio.run(app, '0.0.0.0', debug=True, use_reloader=False)\n"
    )
    installed = {**NEW, "eventlet": "0.36.1"}
    program = launched("python app.py", {"app.py": source}, installed=installed)
    assert program.facts.debugger.answer is YES
    assert addresses(program) == [("0.0.0.0", 5000)]


@pytest.mark.parametrize(
    ("watchdog", "run", "expected"),
    [
        ({}, "app, debug=True", YES),
        ({"watchdog": "6.0.0"}, "app, debug=True", UNKNOWN),
        ({"watchdog": "6.0.0"}, "app, debug=True, use_reloader=False", YES),
        (
            {"watchdog": "6.0.0"},
            "app, debug=True, reloader_options={'reloader_type': 'stat'}",
            YES,
        ),
        ({"watchdog": "6.0.0"}, "app", NO),
    ],
)
def test_gevent_beside_the_reloader_of_watchdog_cannot_be_told(
    watchdog: dict[str, str], run: str, expected: Answer
) -> None:
    present = {**NEW, "gevent": "24.2.1", **watchdog}
    assert ran(run, installed=present).facts.debugger.answer is expected


def test_a_program_that_patches_itself_serves_beside_any_reloader() -> None:
    source = (
        "from gevent import monkey\nmonkey.patch_all()\nfrom flask import Flask\n"
        "from flask_socketio import SocketIO\napp = Flask('x')\nSocketIO(app).run(app, debug=True)\n"
    )
    present = {**NEW, "gevent": "24.2.1", "watchdog": "6.0.0"}
    facts = launched("python app.py", {"app.py": source}, installed=present).facts
    assert facts.debugger.answer is YES


def test_gevent_takes_words_it_does_not_know_for_tls_and_answers_nobody() -> None:
    present = {**NEW, "gevent": "24.2.1"}
    program = ran("app, debug=True, use_debugger=False", installed=present)
    assert (program.server, program.facts.debugger.answer) == ("gevent", NO)


def test_an_extension_without_an_application_does_not_start() -> None:
    program = ran(f"app, debug=True, {ALLOW}", make="SocketIO()")
    assert (program.server, program.facts.debugger.answer) == ("none", NO)


def test_a_background_task_that_never_ends_keeps_nothing_from_starting() -> None:
    source = (
        "from flask import Flask\nfrom flask_socketio import SocketIO\n"
        "app = Flask(__name__)\nsocketio = SocketIO(app, async_mode='threading')\n"
        "def work():\n    while True:\n        socketio.sleep(5)\n"
        f"socketio.start_background_task(work)\nsocketio.run(app, debug=True, {ALLOW})\n"
    )
    facts = launched("python app.py", {"app.py": source}, installed=NEW).facts
    assert facts.debugger.answer is YES


@pytest.mark.parametrize(
    ("command", "debugger", "dev_server"),
    [
        ("flask run", NO, YES),
        ("flask run --debug", YES, YES),
        ("gunicorn app:app", NO, NO),
    ],
)
def test_other_commands_serve_the_application_as_they_do_any(
    command: str, debugger: Answer, dev_server: Answer
) -> None:
    source = (
        "from flask import Flask\nfrom flask_socketio import SocketIO\n"
        "app = Flask(__name__)\nsocketio = SocketIO(app)\n"
        f"if __name__ == '__main__':\n    socketio.run(app, debug=True, {ALLOW})\n"
    )
    facts = launched(command, {"app.py": source}, installed=NEW).facts
    assert (facts.debugger.answer, facts.dev_server.answer) == (debugger, dev_server)
