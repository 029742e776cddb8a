"""Frameworks that are not Flask: none of them brings Werkzeug's server or debugger.

What counts of them is what they serve, and where: a Flask application, or a debugger, may be
inside. Sources: the servers' own functions, named at each model.
"""

from collections.abc import Callable
from typing import Any

from deployguard.flask.libraries import (
    connexion,
    dash,
    django,
    foreign,
    products,
    serving,
    socketio,
)
from deployguard.flask.libraries.effects import FRAMEWORK, INNER, harmless, register, unseen
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Missing, Reason
from deployguard.python import Call, Instance, Known, Mapped, Module, Native, Opaque, Value, known

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (what these servers bind where no host is given)
_LOOPBACK = "127.0.0.1"


def slots(name: str, stack: Stack) -> dict[Any, Any] | None:
    """Return what a module of a framework holds that serves, None where it is not known here."""
    own = _own(name, stack)
    below = {
        full.rpartition(".")[2]: Module(full, _own(full, stack) or {}, _rest(full))
        for full in (*serving.SERVING, *names())
        if full.rpartition(".")[0] == name
    }
    if own is None and not below and name.partition(".")[0] not in serving.FRAMEWORKS:
        return None
    # `from aiohttp import web` takes the module off its package.
    return below | (own or {})


def names() -> tuple[str, ...]:
    """Return the modules that have a model here."""
    return (*_MODULES, *_STACKED)


def _own(name: str, stack: Stack) -> dict[Any, Any] | None:
    builder, stacked = _MODULES.get(name), _STACKED.get(name)
    if builder is not None:
        return builder()
    return None if stacked is None else stacked(stack)


def _rest(name: str) -> Opaque:
    missing = Missing(Reason.LIBRARY, f"what {name} does")
    return Opaque((missing,), name, harmless=not serving.starts(name))


def _dash(stack: Stack) -> dict[Any, Any]:
    model = dash.Dashes(stack).dash()
    return {"Dash": model, "DashProxy": model, "JupyterDash": model}


_STACKED: dict[str, Callable[[Stack], dict[Any, Any]]] = {
    "connexion": lambda stack: connexion.Connexions(stack).module(),
    "dash": _dash,
    "dash.dash": _dash,
    "dash_extensions.enrich": _dash,
    "django.conf": lambda _stack: dict(django.CONF),
    "django.core.asgi": lambda _stack: dict(django.ASGI),
    "django.core.management": lambda stack: django.Djangos(stack).management(),
    "django.core.wsgi": lambda _stack: dict(django.WSGI),
    "flask_socketio": lambda _stack: dict(socketio.SOCKETIO),
    "jupyter_dash": _dash,
    "superset": lambda stack: {"create_app": products.superset_application(stack)},
    "superset.app": lambda stack: {"create_app": products.superset_application(stack)},
}


def _bottle() -> dict[Any, Any]:
    default = foreign.application_class("bottle.Bottle", {"run": _bottle_run_method})
    registering = (
        "route", "get", "post", "put", "delete", "patch", "error", "hook", "mount", "install",
        "view",
    )  # fmt: skip
    return {
        "Bottle": default,
        "run": Native("bottle.run", lambda call: _bottle_run(call, call.argument(0, "app"), 1)),
        **{name: Native(f"bottle.{name}", register) for name in registering},
        **{name: unseen(f"bottle.{name}") for name in ("ServerAdapter", "WSGIRefServer")},
    }


def _bottle_run_method(call: Call, instance: Instance) -> Value:
    return _bottle_run(call, instance, None)


# bottle.server_names: none of them is Werkzeug's.
_BOTTLE_SERVERS = frozenset(
    {
        "cgi", "flup", "wsgiref", "waitress", "cherrypy", "cheroot", "paste", "fapws3", "tornado",
        "gae", "twisted", "diesel", "meinheld", "gunicorn", "eventlet", "gevent", "bjoern",
        "aiohttp", "uvloop", "auto", "rocket", "geventSocketIO",
    }
)  # fmt: skip


def _bottle_run(call: Call, application: Value | None, first: int | None) -> Value:
    """bottle.run(app, server, host, port): a server of its own or another's, by name."""

    def option(offset: int, name: str, default: str | int) -> Value:
        position = None if first is None else first + offset
        return foreign.given(call.argument(position, name), default)

    server = option(0, "server", "wsgiref")
    if not isinstance(server, Known) or server.value not in _BOTTLE_SERVERS:
        return call.run.unseen("which server bottle starts", call.location)
    if application is None or (isinstance(application, Known) and application.value is None):
        application = call.run.call(
            foreign.application_class("bottle.Bottle"), (), {}, call.location
        )
    host, port = option(1, "host", _LOOPBACK), option(2, "port", 8080)
    return foreign.serve(call, str(server.value), application, host, port)


def _quart() -> dict[Any, Any]:
    return {
        "Quart": foreign.application_class("quart.Quart", {"run": _quart_run}),
        "Blueprint": foreign.application_class("quart.Blueprint"),
    }


def _quart_run(call: Call, instance: Instance) -> Value:
    """quart.Quart.run: hypercorn, on loopback where no host is given."""
    host = foreign.given(call.argument(0, "host"), _LOOPBACK)
    return foreign.serve(
        call, "hypercorn", instance, host, foreign.given(call.argument(1, "port"), 5000)
    )


def _aiohttp_web() -> dict[Any, Any]:
    registering = ("get", "post", "put", "delete", "patch", "head", "view", "route", "static")
    return {
        "Application": foreign.application_class("aiohttp.web.Application"),
        "run_app": Native("aiohttp.web.run_app", _aiohttp_run),
        "AppRunner": foreign.middleware_class("aiohttp.web.AppRunner"),
        "TCPSite": Native(
            "aiohttp.web.TCPSite",
            construct=_aiohttp_site,
            attribute=lambda _run, instance, name: (
                Native("TCPSite.start", lambda call: _aiohttp_start(call, instance))
                if name == "start"
                else None
            ),
        ),
        **{name: unseen(f"aiohttp.web.{name}") for name in ("BaseSite", "SockSite", "UnixSite")},
        "middleware": Native("aiohttp.web.middleware", register),
        "RouteTableDef": foreign.application_class("aiohttp.web.RouteTableDef"),
        **{name: Native(f"aiohttp.web.{name}", register) for name in registering},
    }


def _aiohttp_run(call: Call) -> Value:
    """aiohttp.web.run_app(app, *, host, port, path, sock)."""
    if "sock" in call.keywords:
        return call.run.unseen("which socket aiohttp serves", call.location)
    path = call.keywords.get("path")
    host = foreign.given(call.keywords.get("host"), _EVERYWHERE)
    if isinstance(path, Known) and isinstance(path.value, str):
        host = known(f"unix:{path.value}", *path.trail)
    port = foreign.given(call.keywords.get("port"), 8080)
    return foreign.serve(call, "aiohttp", call.argument(0, "app"), host, port)


def _aiohttp_site(call: Call, instance: Instance) -> None:
    store = call.run.store
    store(instance.slots, INNER, call.argument(0, "runner") or known(None))
    store(instance.slots, "<host>", foreign.given(call.argument(1, "host"), _EVERYWHERE))
    store(instance.slots, "<port>", foreign.given(call.argument(2, "port"), 8080))


def _aiohttp_start(call: Call, instance: Instance) -> Value:
    own = instance.slots
    foreign.emit_wsgi(call, "aiohttp", own[INNER], own["<host>"], own["<port>"])
    return known(None)


def _sanic() -> dict[Any, Any]:
    return {
        "Sanic": foreign.application_class("sanic.Sanic", {"run": _sanic_run}),
        "Blueprint": foreign.application_class("sanic.Blueprint"),
    }


def _sanic_run(call: Call, instance: Instance) -> Value:
    """sanic.Sanic.run(host, port): 127.0.0.1:8000."""
    host = foreign.given(call.argument(0, "host"), _LOOPBACK)
    return foreign.serve(
        call, "sanic", instance, host, foreign.given(call.argument(1, "port"), 8000)
    )


def _tornado_web() -> dict[Any, Any]:
    return {
        "Application": foreign.application_class("tornado.web.Application", {"listen": _listen}),
    }


def _listen(call: Call, instance: Instance) -> Value:
    """tornado.web.Application.listen and TCPServer.listen(port, address=""): the loop serves."""
    port = call.argument(0, "port") or known(8888)
    host = foreign.given(call.argument(1, "address"), _EVERYWHERE)
    foreign.emit_wsgi(call, "tornado", instance, host, port)
    return known(None)


def _tornado_httpserver() -> dict[Any, Any]:
    server = foreign.application_class(
        "tornado.httpserver.HTTPServer", {"listen": _listen, "bind": _listen}, "tornado"
    )
    return {"HTTPServer": server}


def _tornado_ioloop() -> dict[Any, Any]:
    loop = Native(
        "tornado.ioloop.IOLoop",
        construct=lambda _call, _instance: None,
        attribute=_ioloop_attribute,
    )
    return {"IOLoop": _IOLoop(loop)}


def _ioloop_attribute(_run: object, _instance: Instance, name: str) -> Value | None:
    if name == "start":
        return Native("IOLoop.start", foreign.blocks("tornado"))
    if name in {"add_callback", "spawn_callback", "call_later", "run_sync", "add_handler"}:
        return unseen(f"IOLoop.{name}")
    return None


def _IOLoop(loop: Native) -> Value:  # noqa: N802  (the class it stands for)
    """Return the class IOLoop, whose current() and instance() give one."""
    made = Instance(None, loop)
    factory = Native("IOLoop.current", lambda _call: made)
    return Instance(
        None,
        Native("tornado.ioloop.IOLoop", attribute=_ioloop_attribute),
        {"current": factory, "instance": factory},
    )


def _cherrypy() -> dict[Any, Any]:
    settings = Mapped({}, None, "cherrypy.config")
    tree = Instance(None, foreign.application_class("cherrypy.tree", framework="cherrypy"))
    tree.slots[FRAMEWORK] = known("cherrypy")

    def start(call: Call) -> Value:
        host = foreign.given(settings.slots.get("server.socket_host"), _LOOPBACK)
        port = foreign.given(settings.slots.get("server.socket_port"), 8080)
        foreign.emit_wsgi(call, "cherrypy", tree, host, port)
        return known(None)

    def quickstart(call: Call) -> Value:
        given = call.argument(2, "config")
        inner = given.slots.get("global") if isinstance(given, Mapped) else None
        if isinstance(given, Known) and given.value is not None:
            call.run.unseen("the configuration of CherryPy", call.location)
        if isinstance(inner, Mapped):
            for key, value in inner.slots.items():
                call.run.store(settings.slots, key, value)
        foreign.mount(call, tree)
        start(call)
        return foreign.blocks("cherrypy")(call)

    engine = Instance(
        None,
        Native(
            "cherrypy.engine",
            attribute=lambda _run, _instance, name: (
                {
                    "start": Native("cherrypy.engine.start", start),
                    "block": Native("cherrypy.engine.block", foreign.blocks("cherrypy")),
                }.get(name)
                or Native(f"cherrypy.engine.{name}", register)
            ),
        ),
    )
    return {
        "config": settings,
        "tree": tree,
        "engine": engine,
        "quickstart": Native("cherrypy.quickstart", quickstart),
        "server": unseen("cherrypy.server"),
        "expose": Native("cherrypy.expose", register),
        "tools": harmless("cherrypy.tools"),
        "request": harmless("cherrypy.request"),
        "response": harmless("cherrypy.response"),
        "session": harmless("cherrypy.session"),
        "log": harmless("cherrypy.log"),
        "HTTPError": harmless("cherrypy.HTTPError"),
        "HTTPRedirect": harmless("cherrypy.HTTPRedirect"),
    }


def _twisted_reactor() -> dict[Any, Any]:
    def listen(call: Call) -> Value:
        host = foreign.given(call.argument(3, "interface"), _EVERYWHERE)
        port = call.argument(0, "port") or known(8080)
        foreign.emit_wsgi(call, "twisted", call.argument(1, "factory"), host, port)
        return known(None)

    attributes: dict[str, Value] = {
        "listenTCP": Native("reactor.listenTCP", listen),
        "run": Native("reactor.run", foreign.blocks("twisted")),
        "getThreadPool": Native("reactor.getThreadPool", register),
        "addSystemEventTrigger": Native("reactor.addSystemEventTrigger", register),
    }
    hook = Native(
        "reactor",
        attribute=lambda _run, _instance, name: attributes.get(name) or unseen(f"reactor.{name}"),
    )
    return {"reactor": Instance(None, hook)}


def _registered_only(*names: str) -> dict[Any, Any]:
    return {name: foreign.application_class(name) for name in names}


def _wsgi_middleware(*names: str) -> Callable[[], dict[Any, Any]]:
    return lambda: {name: foreign.middleware_class(name) for name in names}


def _toolbar() -> dict[Any, Any]:
    """flask_debugtoolbar: a panel in the pages of a debug application, and no debugger."""
    toolbar = Native(
        "flask_debugtoolbar.DebugToolbarExtension",
        construct=lambda _call, _instance: None,
        attribute=lambda _run, _instance, name: Native(f"DebugToolbarExtension.{name}", register),
    )
    return {"DebugToolbarExtension": toolbar}


def _fastapi() -> dict[Any, Any]:
    return {
        "FastAPI": foreign.application_class("fastapi.FastAPI"),
        "APIRouter": foreign.application_class("fastapi.APIRouter"),
    }


def _starlette() -> dict[Any, Any]:
    return {"Starlette": foreign.application_class("starlette.applications.Starlette")}


def _pyramid() -> dict[Any, Any]:
    def make(call: Call, instance: Instance) -> Value:
        del instance
        return call.run.call(
            foreign.application_class("pyramid.router.Router"), (), {}, call.location
        )

    configurator = foreign.application_class("pyramid.config.Configurator", {"make_wsgi_app": make})
    return {"Configurator": configurator}


_MODULES: dict[str, Callable[[], dict[Any, Any]]] = {
    "bottle": _bottle,
    "quart": _quart,
    "quart.app": _quart,
    "aiohttp.web": _aiohttp_web,
    "sanic": _sanic,
    "tornado.web": _tornado_web,
    "tornado.wsgi": _wsgi_middleware("WSGIContainer", "WSGIAdapter"),
    "tornado.httpserver": _tornado_httpserver,
    "tornado.ioloop": _tornado_ioloop,
    "cherrypy": _cherrypy,
    "fastapi": _fastapi,
    "fastapi.applications": _fastapi,
    "fastapi.middleware.wsgi": _wsgi_middleware("WSGIMiddleware"),
    "starlette.applications": _starlette,
    "starlette.middleware.wsgi": _wsgi_middleware("WSGIMiddleware"),
    "a2wsgi": _wsgi_middleware("WSGIMiddleware", "ASGIMiddleware"),
    "asgiref.wsgi": _wsgi_middleware("WsgiToAsgi"),
    "falcon": lambda: _registered_only("App", "API"),
    "falcon.asgi": lambda: _registered_only("App"),
    "pyramid.config": _pyramid,
    "eventlet": lambda: {"monkey_patch": Native("eventlet.monkey_patch", register)},
    "eventlet.patcher": lambda: {"monkey_patch": Native("eventlet.monkey_patch", register)},
    "flask_debugtoolbar": _toolbar,
    "gevent.monkey": dict,
    "twisted.internet": _twisted_reactor,
    "twisted.web.wsgi": lambda: {
        "WSGIResource": foreign.middleware_class("WSGIResource", 2, "application")
    },
    "twisted.web.server": lambda: {
        "Site": foreign.middleware_class("twisted.web.server.Site", 0, "resource")
    },
    "werkzeug.contrib.fixers": _wsgi_middleware(
        "ProxyFix", "CGIRootFix", "PathInfoFromRequestUriFix"
    ),
    "werkzeug.contrib.profiler": _wsgi_middleware("ProfilerMiddleware"),
    "werkzeug.middleware.dispatcher": _wsgi_middleware("DispatcherMiddleware"),
    "werkzeug.middleware.http_proxy": _wsgi_middleware("ProxyMiddleware"),
    "werkzeug.middleware.lint": _wsgi_middleware("LintMiddleware"),
    "werkzeug.middleware.profiler": _wsgi_middleware("ProfilerMiddleware"),
    "werkzeug.middleware.proxy_fix": _wsgi_middleware("ProxyFix"),
    "werkzeug.middleware.shared_data": _wsgi_middleware("SharedDataMiddleware"),
    "werkzeug.wsgi": _wsgi_middleware("DispatcherMiddleware", "SharedDataMiddleware"),
}
