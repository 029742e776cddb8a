"""Frameworks that are not Flask: their own servers, and what may stand inside of them."""

import pytest

from deployguard.model.evidence import Answer
from tests.unit.flask.framework_launches import addresses, launched

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
EVERYWHERE = "0.0.0.0"
FLASK = (
    "from flask import Flask\nfrom werkzeug.debug import DebuggedApplication\napp = Flask('x')\n"
)
WRAPPED = "DebuggedApplication(app, evalex=True)"
VERSIONS = dict.fromkeys(("a2wsgi", "aiohttp", "bottle", "cherrypy", "falcon", "fastapi", "flask_debugtoolbar", "flask_profiler", "better_exceptions", "pyramid", "quart", "sanic", "starlette", "tornado", "twisted"), "1.0")  # fmt: skip


@pytest.mark.parametrize(
    ("source", "server", "expected"),
    [
        ("import bottle\nbottle.run(host='0.0.0.0', debug=True)", "wsgiref", (EVERYWHERE, 8080)),
        ("from bottle import Bottle, run\nrun(Bottle(), 'waitress', 'localhost', 80)", "waitress",
         ("localhost", 80)),
        ("from bottle import Bottle\napp = Bottle()\n@app.route('/')\ndef i():\n    import os\n"
         "    os.system('flask run')\napp.run(port=81, reloader=True)", "wsgiref",
         ("127.0.0.1", 81)),
        ("from quart import Quart\napp = Quart(__name__)\n@app.route('/')\nasync def i():\n"
         "    return 'ok'\napp.run(debug=True)", "hypercorn", ("127.0.0.1", 5000)),
        ("from quart import Quart\nQuart(__name__).run('0.0.0.0', 80)", "hypercorn",
         (EVERYWHERE, 80)),
        ("from aiohttp import web\nweb.run_app(web.Application())", "aiohttp", (EVERYWHERE, 8080)),
        ("import aiohttp.web\naiohttp.web.run_app(aiohttp.web.Application(), host='127.0.0.1')",
         "aiohttp", ("127.0.0.1", 8080)),
        ("from aiohttp import web\nweb.run_app(web.Application(), path='/run/x.sock')", "aiohttp",
         ("unix:/run/x.sock", 8080)),
        ("import asyncio\nfrom aiohttp import web\nasync def main():\n"
         "    runner = web.AppRunner(web.Application())\n    await runner.setup()\n"
         "    await web.TCPSite(runner, '0.0.0.0', 81).start()\nasyncio.run(main())", "aiohttp",
         (EVERYWHERE, 81)),
        ("from sanic import Sanic\napp = Sanic('x')\napp.run(debug=True)", "sanic",
         ("127.0.0.1", 8000)),
        ("import cherrypy\nclass Root:\n    @cherrypy.expose\n    def index(self):\n"
         "        return 'ok'\ncherrypy.quickstart(Root())", "cherrypy", ("127.0.0.1", 8080)),
        ("import cherrypy\ncherrypy.quickstart(object(), '/', "
         "{'global': {'server.socket_host': '0.0.0.0', 'server.socket_port': 80}})", "cherrypy",
         (EVERYWHERE, 80)),
        ("import tornado.ioloop, tornado.web\ntornado.web.Application([]).listen(8888)\n"
         "tornado.ioloop.IOLoop.current().start()", "tornado", (EVERYWHERE, 8888)),
    ],
)  # fmt: skip
def test_no_other_framework_serves_with_werkzeug(
    source: str, server: str, expected: tuple[str, int]
) -> None:
    program = launched(
        "python app.py",
        {"app.py": source},
        installed=VERSIONS,
        variables={"FLASK_DEBUG": "1", "QUART_DEBUG": "1"},
    )
    facts = program.facts
    assert program.server == server
    assert (facts.dev_server.answer, facts.debugger.answer) == (NO, NO)
    assert facts.debug_mode.answer is NO
    assert addresses(program) == [expected]


SERVERS = {
    "tornado": "from tornado.httpserver import HTTPServer\nfrom tornado.ioloop import IOLoop\n"
    "from tornado.wsgi import WSGIContainer\nHTTPServer(WSGIContainer({0})).listen(8000)\n"
    "IOLoop.instance().start()",
    "tornado-fallback": "from tornado import ioloop, web, wsgi\n"
    "web.Application([('.*', web.FallbackHandler, dict(fallback=wsgi.WSGIContainer({0})))])"
    ".listen(8000)\nioloop.IOLoop.current().start()",
    "twisted": "from twisted.internet import reactor\nfrom twisted.web.server import Site\n"
    "from twisted.web.wsgi import WSGIResource\n"
    "reactor.listenTCP(8000, Site(WSGIResource(reactor, reactor.getThreadPool(), {0})))\n"
    "reactor.run()",
    "cherrypy": "import cherrypy\ncherrypy.tree.graft({0}, '/')\ncherrypy.engine.start()\n"
    "cherrypy.engine.block()",
    "bottle": "import bottle\nbottle.run({0}, host='0.0.0.0', port=8000)",
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("app", NO),
        (WRAPPED, YES),
        ("DebuggedApplication(app)", YES),
        ("ProxyFix(DebuggedApplication(app, True))", YES),
        ("DispatcherMiddleware(app, {'/x': DebuggedApplication(app)})", YES),
        ("DispatcherMiddleware(app, {'/x': app})", NO),
    ],
)
def test_a_debugger_inside_counts_whoever_serves(
    server: str, application: str, expected: Answer
) -> None:
    head = (
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
        "from werkzeug.middleware.proxy_fix import ProxyFix\n"
    )
    source = head + FLASK + "app.debug = True\n" + SERVERS[server].replace("{0}", application)
    facts = launched("python app.py", {"app.py": source}, installed=VERSIONS).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (NO, expected)


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("ProfilerMiddleware(app)", NO),
        ("ProfilerMiddleware(DebuggedApplication(app, True))", YES),
        ("SharedDataMiddleware(LintMiddleware(DebuggedApplication(app, True)), {})", YES),
        ("ProxyFix(app, x_for=1)", NO),
        ("DispatcherMiddleware(ProxyFix(DebuggedApplication(app)), {})", YES),
    ],
)
def test_middleware_of_werkzeug_passes_an_application_on(
    application: str, expected: Answer
) -> None:
    head = "".join(
        f"from werkzeug.middleware.{module} import {name}\n"
        for module, name in (
            ("profiler", "ProfilerMiddleware"), ("proxy_fix", "ProxyFix"), ("lint", "LintMiddleware"),
            ("shared_data", "SharedDataMiddleware"), ("dispatcher", "DispatcherMiddleware"),
        )
    )  # fmt: skip
    source = (
        f"{head}{FLASK}from werkzeug.serving import run_simple\nrun_simple('0', 80, {application})"
    )
    facts = launched("python app.py", {"app.py": source}).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (YES, expected)


@pytest.mark.parametrize(
    "extension",
    [
        "from flask_debugtoolbar import DebugToolbarExtension\nDebugToolbarExtension(app)\n",
        "from flask_debugtoolbar import DebugToolbarExtension\ntoolbar = DebugToolbarExtension()\n"
        "toolbar.init_app(app)\n",
        "import flask_profiler\nflask_profiler.init_app(app)\n",
        "import better_exceptions\nbetter_exceptions.hook()\n",
    ],
)
@pytest.mark.parametrize(
    ("command", "debugger"),
    [
        ("gunicorn app:app", NO),
        ("flask run", NO),
        ("flask run --debug", YES),
        ("python app.py", YES),
    ],
)
def test_what_looks_like_a_debugger_is_none(extension: str, command: str, debugger: Answer) -> None:
    source = (
        FLASK + "app.config['SECRET_KEY'] = 'x'\napp.debug = True\n" + extension
        + "if __name__ == '__main__':\n    app.run()\n"
    )  # fmt: skip
    facts = launched(command, {"app.py": source}, installed=VERSIONS).facts
    assert facts.debugger.answer is debugger


@pytest.mark.parametrize(
    "source",
    [
        "import bottle\nclass Own(bottle.ServerAdapter):\n    pass\nbottle.run(server=Own)",
        "from twisted.internet import endpoints, reactor\n"
        "endpoints.serverFromString(reactor, 'tcp:80').listen(DebuggedApplication(app))",
        "from tornado import netutil\nnetutil.bind_sockets(80)",
        "import cherrypy\ncherrypy.process.servers.ServerAdapter(cherrypy.engine).start()",
        "from aiohttp import web\nweb.run_app(web.Application(), sock=object())",
    ],
)
def test_a_server_without_a_model_leaves_the_answer_open(source: str) -> None:
    facts = launched("python app.py", {"app.py": FLASK + source}, installed=VERSIONS).facts
    assert facts.debugger.answer is UNKNOWN
    assert facts.debugger.missing


@pytest.mark.parametrize(
    "source",
    [
        "from fastapi import FastAPI, Depends\napp = FastAPI(debug=True)\n@app.get('/')\ndef i():\n"
        "    return 'ok'\n",
        "from starlette.applications import Starlette\napp = Starlette(debug=True, routes=[])\n",
        "from pyramid.config import Configurator\nwith Configurator() as config:\n"
        "    config.add_route('x', '/')\napp = Configurator().make_wsgi_app()\n",
        "import falcon\napp = falcon.App()\napp.add_route('/', object())\n",
    ],
)
def test_an_application_of_another_framework_is_none_of_flasks(source: str) -> None:
    facts = launched(
        "gunicorn app:app", {"app.py": source}, installed=VERSIONS, variables={"FLASK_DEBUG": "1"}
    ).facts
    answers = (facts.dev_server.answer, facts.debugger.answer, facts.debug_mode.answer)
    assert answers == (NO, NO, NO)


@pytest.mark.parametrize(
    "patch",
    [
        "import eventlet\neventlet.monkey_patch()\n",
        "from eventlet import monkey_patch\nmonkey_patch(socket=True)\n",
        "from gevent import monkey\nmonkey.patch_all()\n",
        "import gevent.monkey\ngevent.monkey.patch_all(thread=False)\n",
    ],
)
def test_patches_for_green_threads_start_nothing(patch: str) -> None:
    installed = {"eventlet": "0.36", "gevent": "24.2"}
    source = patch + FLASK + "app.run()\n"
    facts = launched("python app.py", {"app.py": source}, installed=installed).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (YES, NO)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("SECRET_KEY = 'x'\n", NO),
        (
            "from werkzeug.middleware.proxy_fix import ProxyFix\nADDITIONAL_MIDDLEWARE = [ProxyFix]\n",
            NO,
        ),
        ("from werkzeug.debug import DebuggedApplication as D\nADDITIONAL_MIDDLEWARE = [D]\n", YES),
    ],
)
def test_superset_is_a_flask_application_with_the_middleware_of_its_settings(
    settings: str, expected: Answer
) -> None:
    program = launched(
        ["gunicorn", "superset.app:create_app()"],
        {"superset_config.py": settings},
        installed={"superset": "4.0"},
        variables={"FLASK_DEBUG": "1", "PYTHONPATH": "/srv/app"},
    )
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == (NO, expected)
