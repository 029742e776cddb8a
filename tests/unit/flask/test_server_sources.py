"""Servers that a program starts from its source, and what the debugger has to do with them."""

import contextlib
import itertools
from collections.abc import Iterator

import pytest

from deployguard.flask.libraries import FlaskLibrary, celery, debuggers, servers
from deployguard.flask.versions import Stack
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Location, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import Signal
from tests.support.memory import MemoryFiles
from tests.unit.flask.server_launches import (
    APP,
    DEBUG,
    NO,
    ON_DEBUG,
    UNKNOWN,
    WRAPPED,
    YES,
    base,
    debugger,
    launched,
)

IMPORT = "from app import app\n"
GUNICORN = """
import gunicorn.app.base
class Standalone(gunicorn.app.base.BaseApplication):
    def __init__(self, application, options=None):
        self.options = options or {}
        self.application = application
        super().__init__()
    def load_config(self):
        for key, value in self.options.items():
            if key in self.cfg.settings and value is not None:
                self.cfg.set(key.lower(), value)
    def load(self):
        return self.application
Standalone(app, {'bind': '%s:%s' % ('0.0.0.0', '80'), 'workers': 2}).run()
"""
HYPERCORN = """
import asyncio
from hypercorn.config import Config
from hypercorn.asyncio import serve
config = Config()
config.bind = ["0.0.0.0:80"]
"""
TWO = """
async def main():
    other = Config()
    other.bind = "127.0.0.1:81"
    await asyncio.gather(serve(app, config), serve(app, other))
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from gevent.pywsgi import WSGIServer\nWSGIServer(('', 80), app).serve_forever()",
         ["0.0.0.0:80"]),
        ("from gevent import pywsgi\npywsgi.WSGIServer('127.0.0.1:80', app).serve_forever()",
         ["127.0.0.1:80"]),
        ("from gevent.pywsgi import WSGIServer\nWSGIServer(80, app).serve_forever()",
         ["0.0.0.0:80"]),
        ("import gevent\nfrom gevent.pywsgi import WSGIServer\ns = WSGIServer(('', 80), app)\n"
         "s.start()\ngevent.wait()", ["0.0.0.0:80"]),
        ("import gevent\nfrom gevent.pywsgi import WSGIServer\ndef run():\n"
         "    WSGIServer(('', 80), app).serve_forever()\ngevent.joinall([gevent.spawn(run)])",
         ["0.0.0.0:80"]),
        ("import eventlet\nfrom eventlet import wsgi\nwsgi.server(eventlet.listen(('', 80)), app)",
         ["0.0.0.0:80"]),
        ("import eventlet, eventlet.wsgi\neventlet.wsgi.server("
         "eventlet.wrap_ssl(eventlet.listen(('::', 80)), certfile='c'), app)", [":::80"]),
        ("import waitress\nwaitress.serve(app, host='127.0.0.1', port=80)", ["127.0.0.1:80"]),
        ("import waitress\nwaitress.serve(app, listen='127.0.0.1:1 *:2')",
         ["127.0.0.1:1", "0.0.0.0:2"]),
        ("import waitress\nwaitress.serve(app, unix_socket='/run/w.sock')", ["unix:/run/w.sock"]),
        ("import waitress\nwaitress.serve(app, sockets=[object()])", ["?"]),
        ("from waitress.server import create_server\ncreate_server(app, port=80).run()",
         ["0.0.0.0:80"]),
        ("from cheroot.wsgi import Server, PathInfoDispatcher\n"
         "Server(('0.0.0.0', 80), PathInfoDispatcher({'/': app})).start()", ["0.0.0.0:80"]),
        ("from cheroot import wsgi\ns = wsgi.Server(bind_addr='/run/c.sock', wsgi_app=app)\n"
         "try:\n    s.safe_start()\nexcept KeyboardInterrupt:\n    s.stop()",
         ["unix:/run/c.sock"]),
        ("import uvicorn\nuvicorn.run('app:app', interface='wsgi', host='0.0.0.0')",
         ["0.0.0.0:8000"]),
        ("import uvicorn\nfrom asgiref.wsgi import WsgiToAsgi\nuvicorn.run(WsgiToAsgi(app), port=1)",
         ["127.0.0.1:1"]),
        ("import uvicorn\nfrom a2wsgi import WSGIMiddleware as W\n"
         "uvicorn.Server(uvicorn.Config(W(app), uds='/run/u.sock')).run()", ["unix:/run/u.sock"]),
        ("import asyncio, uvicorn\nfrom a2wsgi import WSGIMiddleware as W\n"
         "asyncio.run(uvicorn.Server(uvicorn.Config(W(app), port=1)).serve())", ["127.0.0.1:1"]),
        (HYPERCORN + "asyncio.run(serve(app, config))", ["0.0.0.0:80"]),
        (HYPERCORN + TWO, ["0.0.0.0:80", "127.0.0.1:81"]),
        (HYPERCORN + "from hypercorn.run import run\nconfig.application_path = 'app:app'\n"
         "run(config)", ["0.0.0.0:80"]),
        (GUNICORN, ["0.0.0.0:80"]),
        ("import sys\nsys.argv = ['gunicorn', '-b', ':80', 'app:app']\n"
         "from gunicorn.app.wsgiapp import run\nrun()", ["0.0.0.0:80"]),
        ("import bjoern\nbjoern.run(app, '0.0.0.0', 80)", ["0.0.0.0:80"]),
        ("import bjoern\nbjoern.listen(app, 'unix:/run/b.sock')\nbjoern.run()",
         ["unix:/run/b.sock"]),
        ("from meinheld import server\nserver.listen(('0.0.0.0', 80))\nserver.run(app)",
         ["0.0.0.0:80"]),
        ("from flup.server.fcgi import WSGIServer\nWSGIServer(app, bindAddress='/run/f').run()",
         ["unix:/run/f"]),
        ("from livereload import Server\ns = Server(app.wsgi_app)\ns.watch('x')\ns.serve(port=80)",
         ["127.0.0.1:80"]),
        ("from aiohttp_wsgi import serve\nserve(app, port=80)", ["0.0.0.0:80"]),
        ("from paste.translogger import TransLogger\nfrom waitress import serve\n"
         "serve(TransLogger(app), port=80)", ["0.0.0.0:80"]),
        ("from paste import httpserver\nhttpserver.serve(app, '0.0.0.0', 80)", ["0.0.0.0:80"]),
        ("from gevent import pywsgi\nfrom geventwebsocket.handler import WebSocketHandler as H\n"
         "pywsgi.WSGIServer(('', 80), app, handler_class=H).serve_forever()", ["0.0.0.0:80"]),
    ],
)  # fmt: skip
def test_a_server_serves_the_application_where_it_is_told_to(
    source: str, expected: list[str]
) -> None:
    files = {"s.py": IMPORT + source + "\n", "app.py": ON_DEBUG}
    for variables, answer in ((DEBUG, YES), ({}, NO)):
        (program,) = launched("python s.py", files, variables)
        assert program.facts.debugger.answer is answer
        assert program.facts.dev_server.answer is NO
        shown = [
            f"{item.address or '?'}" + ("" if item.port is None else f":{item.port}")
            for item in program.listeners
        ]
        assert shown == expected


@pytest.mark.parametrize(
    "source",
    [
        "from gevent.pywsgi import WSGIServer\nWSGIServer(('', 80), app).start()",
        "import waitress\nwaitress.create_server(app, port=80)",
        "from gevent import monkey\nmonkey.patch_all()",
        "import uvicorn\nuvicorn.run(app, host='0.0.0.0')",
        "import uvicorn\nconfig = uvicorn.Config('app:app')",
    ],
)
def test_what_never_serves_the_application_raises_no_debugger(source: str) -> None:
    files = {"s.py": IMPORT + source + "\n", "app.py": WRAPPED}
    assert debugger("python s.py", files) is NO


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", NO),
        ("gevent.wait()", YES),
        ("raise SystemExit", NO),
        # What keeps the program running is not told apart from what does not.
        ("import time\nwhile True:\n    time.sleep(60)", UNKNOWN),
        ("import signal\nsignal.pause()", UNKNOWN),
    ],
)
def test_a_server_that_is_started_serves_while_the_program_runs(
    rest: str, expected: Answer
) -> None:
    start = "import gevent\nfrom gevent.pywsgi import WSGIServer\nWSGIServer(80, app).start()\n"
    files = {"s.py": IMPORT + start + rest + "\n", "app.py": WRAPPED}
    assert debugger("python s.py", files) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("app = DebuggedApplication(app, evalex=True)", YES),
        ("app.wsgi_app = DebuggedApplication(app.wsgi_app)", YES),
        ("debugged = DebuggedApplication(app, True)", NO),
        ("plain = app.wsgi_app\napp.wsgi_app = DebuggedApplication(plain)\napp.wsgi_app = plain", NO),
        ("from werkzeug.middleware.proxy_fix import ProxyFix\n"
         "app = ProxyFix(DebuggedApplication(app))", YES),
        ("from werkzeug.middleware.dispatcher import DispatcherMiddleware as D\n"
         "app = D(app, {'/debug': DebuggedApplication(app)})", YES),
        ("inner = DebuggedApplication(app)\napp = lambda e, s: inner(e, s)", YES),
        ("inner = DebuggedApplication(app)\ndef app(environ, start_response):\n"
         "    environ['A'] = 'b'\n    return inner(environ, start_response)", YES),
        ("flask_app, inner = app, DebuggedApplication(app)\ndef app(environ, start_response):\n"
         "    if environ['PATH_INFO'] == '/x':\n        return inner(environ, start_response)\n"
         "    return flask_app(environ, start_response)", UNKNOWN),
        ("flask_app = app\ndef app(environ, start_response):\n"
         "    from werkzeug.debug import DebuggedApplication\n"
         "    return DebuggedApplication(flask_app)(environ, start_response)", UNKNOWN),
        ("flask_app = app\ndef app(environ, start_response):\n"
         "    return flask_app(environ, start_response)", NO),
        ("class Prefix:\n    def __init__(self, app): self.app = app\n"
         "    def __call__(self, environ, start_response):\n"
         "        return self.app(environ, start_response)\n"
         "app.wsgi_app = Prefix(DebuggedApplication(app.wsgi_app))", YES),
        ("class Prefix:\n    def __init__(self, app):\n        self.app = app\n"
         "        self.other = DebuggedApplication(app)\n"
         "    def __call__(self, environ, start_response):\n"
         "        return self.app(environ, start_response)\n"
         "app.wsgi_app = Prefix(app.wsgi_app)", NO),
        ("import random\nmaybe = DebuggedApplication(app.wsgi_app)\n"
         "if random.random() < 0.5:\n    app.wsgi_app = maybe", UNKNOWN),
        ("import mystery\napp = mystery.wrap(DebuggedApplication(app))", NO),
    ],
)  # fmt: skip
def test_the_debugger_counts_where_requests_pass_through_it(source: str, expected: Answer) -> None:
    files = {"app.py": APP + source + "\n"}
    assert debugger("gunicorn app:app", files) is expected
    assert debugger("waitress-serve app:app", files) is expected


@pytest.mark.parametrize(
    ("source", "listeners", "serves"),
    [
        ("import debugpy\ndebugpy.listen(5678)", ["127.0.0.1:5678"], YES),
        ("import debugpy\ndebugpy.listen(('0.0.0.0', 5678))", ["0.0.0.0:5678"], YES),
        ("import debugpy\ndebugpy.listen(('0.0.0.0', 1))\ndebugpy.wait_for_client()",
         ["0.0.0.0:1"], NO),
        ("import debugpy\ndebugpy.configure(subProcess=False)", [], YES),
        ("import debugpy\ndebugpy.connect(5678)", [], YES),
        ("import os\nif os.getenv('X'):\n    import debugpy\n    debugpy.listen(1)", [], YES),
        ("import ptvsd\nptvsd.enable_attach()", ["0.0.0.0:5678"], YES),
        ("import ptvsd\nptvsd.enable_attach(address=('127.0.0.1', 1))", ["127.0.0.1:1"], YES),
        ("import rpdb\nrpdb.set_trace()", ["127.0.0.1:4444"], NO),
        ("import rpdb\nrpdb.set_trace(addr='0.0.0.0', port=1)", ["0.0.0.0:1"], NO),
        ("from remote_pdb import RemotePdb\nRemotePdb('0.0.0.0', 4444).set_trace()",
         ["0.0.0.0:4444"], NO),
        ("import web_pdb\nweb_pdb.set_trace()", ["0.0.0.0:5555"], NO),
        ("from pudb.remote import set_trace\nset_trace(host='0.0.0.0')", ["0.0.0.0:6899"], NO),
        ("from pudb.remote import set_trace\nset_trace(reverse=True)", [], YES),
        ("from celery.contrib import rdb\nrdb.set_trace()", ["127.0.0.1:6899"], NO),
        ("import manhole\nmanhole.install(socket_path='/run/m')", ["unix:/run/m"], YES),
        ("import pydevd_pycharm\npydevd_pycharm.settrace('10.0.0.1', port=1)", [], YES),
        ("import wdb\nwdb.set_trace()", [], YES),
        ("import threading\nfrom rpyc.utils.server import ThreadedServer\n"
         "from rpyc.core.service import ClassicService\nthreading.Thread("
         "target=ThreadedServer(ClassicService, port=18812).start).start()",
         ["0.0.0.0:18812"], YES),
        ("import threading, rpyc\nfrom rpyc.utils.server import ThreadedServer\n"
         "class Shop(rpyc.Service): pass\nthreading.Thread("
         "target=ThreadedServer(Shop, port=18812).start).start()", [], YES),
    ],
)  # fmt: skip
def test_what_lets_a_remote_debugger_in_and_what_waits_for_one(
    source: str, listeners: list[str], serves: Answer
) -> None:
    files = {"app.py": source + "\n" + APP + "app.run()\n"}
    (program,) = launched("python app.py", files)
    expected = [*([] if serves is NO else ["127.0.0.1:5000"]), *listeners]
    shown = [
        f"{item.address}" + ("" if item.port is None else f":{item.port}")
        for item in program.listeners
    ]
    assert sorted(shown) == sorted(expected)
    assert program.facts.dev_server.answer is serves
    assert program.facts.remote_debugger.answer is (YES if listeners else NO)
    assert program.facts.debugger.answer is NO


PLACE = Location("/srv/app/app.py", line=1)
HIDDEN = Opaque((Missing(Reason.SOURCE, "an argument"),), "an argument")
STACK = Stack(flask=(3, 1, 0), werkzeug=(3, 1, 3), click=(8, 1, 7), dotenv=True)
MODULES = (
    "gevent", "gevent.pywsgi", "gevent.pool", "eventlet", "eventlet.wsgi", "waitress",
    "waitress.server", "cheroot.wsgi", "uvicorn", "uvicorn.config", "hypercorn.config",
    "hypercorn.asyncio", "hypercorn.run", "gunicorn.app.base", "gunicorn.app.wsgiapp", "bjoern",
    "meinheld.server", "flup.server.fcgi", "livereload", "aiohttp_wsgi", "wsgiserver", "rocket",
    "celery", "debugpy", "ptvsd", "pydevd", "rpdb", "remote_pdb", "web_pdb", "pudb.remote",
    "celery.contrib.rdb", "manhole", "rpyc.utils.server", "wdb", "aiomonitor",
)  # fmt: skip
METHODS = ("run", "start", "serve", "serve_forever", "set_trace", "join", "wait", "spawn", "watch",
           "set", "load", "worker_main")  # fmt: skip


def odd_values() -> tuple[Value, ...]:
    return (
        known(None), known(0), known("x"), known(b"\xff"), known(value=True), HIDDEN,
        Items({"items": (known(1), HIDDEN)}), Items({"items": ()}),
        Mapped({"bind": known(1), 3: known(1)}, HIDDEN), Instance(None, None),
    )  # fmt: skip


def calls(run: Interpreter) -> Iterator[Call]:
    values = odd_values()
    yield Call(run, PLACE, (), {})
    for one, two in itertools.product(values, repeat=2):
        words = {"host": two, "port": one, "listen": two, "address": one, "interface": two}
        yield Call(run, PLACE, (one, two), {})
        yield Call(run, PLACE, (one,), words, HIDDEN)


@pytest.mark.parametrize("name", MODULES)
def test_no_model_of_a_server_or_debugger_raises_an_error(name: str) -> None:
    run = Interpreter(
        environment=Environment({}),
        files=MemoryFiles(base()),
        library=FlaskLibrary(STACK),
        cwd="/srv/app",
        arguments=(known("app.py"),),
        search_path=("/srv/app",),
    )
    run.current = Module("app", {})
    found = (
        servers.slots(run, name) or debuggers.slots(run, name) or celery.slots(run, name)
    ) or {}
    assert found
    for value in found.values():
        for call in calls(run):
            with contextlib.suppress(Signal):
                made = run.call(value, call.arguments, call.keywords, PLACE, call.open)
                if isinstance(made, Instance) and isinstance(made.native, Native):
                    for method in METHODS:
                        with contextlib.suppress(Signal):
                            run.call(run.attribute(made, method, PLACE), (), {}, PLACE)
    for effect in run.effects:
        assert effect.name
