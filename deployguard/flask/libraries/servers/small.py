"""Smaller servers: bjoern, meinheld, flup, livereload, aiohttp-wsgi, fapws, Rocket and others."""

from collections.abc import Callable
from typing import Any

from deployguard.flask.libraries.effects import INNER, harmless, register, unseen
from deployguard.flask.libraries.foreign import middleware_class
from deployguard.flask.libraries.servers import cheroot
from deployguard.flask.libraries.servers.common import (
    EVERYWHERE,
    LOOPBACK,
    Address,
    address,
    below,
    blocks,
    everywhere,
    given,
    kept,
    serves,
    unknown_address,
)
from deployguard.python import Call, Instance, Interpreter, Known, Native, Value, known


def _at(call: Call, position: int, host: str, port: int) -> Address:
    return (
        everywhere(given(call.argument(position, "host"), host)),
        given(call.argument(position + 1, "port"), port),
    )


def _bjoern_run(call: Call) -> Value:
    """bjoern.run(app, host, port), or without arguments what bjoern.listen() was given."""
    if not call.arguments and not call.keywords:
        held = call.run.modules.get("<bjoern>")
        if isinstance(held, Instance):
            slots = held.slots
            serves(call, "bjoern", slots[INNER], (slots["<host>"], slots["<port>"]))
            return blocks(call, "bjoern")
    host, port = call.argument(1, "host"), call.argument(2, "port")
    place = unknown_address() if host is None else _bjoern_place(host, port)
    serves(call, "bjoern", call.argument(0, "wsgi_app"), place)
    return blocks(call, "bjoern")


def _bjoern_place(host: Value, port: Value | None) -> Address:
    if isinstance(host, Known) and isinstance(host.value, str) and host.value.startswith("unix:"):
        return address(host)
    return everywhere(host), port or known(None)


def _bjoern_listen(call: Call) -> Value:
    held = Instance(None, None)
    host, port = call.argument(1, "host"), call.argument(2, "port")
    place = unknown_address() if host is None else _bjoern_place(host, port)
    kept(call, held, app=call.argument(0, "wsgi_app") or known(None), host=place[0], port=place[1])
    call.run.store(call.run.modules, "<bjoern>", held)
    return known(None)


def _meinheld_listen(call: Call) -> Value:
    """meinheld.server.listen((host, port)), and a path for a socket."""
    held = Instance(None, None)
    host, port = address(call.argument(0, "address"))
    kept(call, held, host=host, port=port)
    call.run.store(call.run.modules, "<meinheld>", held)
    return known(None)


def _meinheld_run(call: Call) -> Value:
    held = call.run.modules.get("<meinheld>")
    place = unknown_address()
    if isinstance(held, Instance):
        place = held.slots["<host>"], held.slots["<port>"]
    serves(call, "meinheld", call.argument(0, "app"), place)
    return blocks(call, "meinheld")


def _flup(name: str) -> Native:
    """Return the class WSGIServer of a module of flup: FastCGI, SCGI or AJP."""

    def construct(call: Call, instance: Instance) -> None:
        place = call.keywords.get("bindAddress")
        host, port = unknown_address() if place is None else address(place)
        kept(call, instance, app=call.argument(0, "application") or known(None))
        kept(call, instance, host=host, port=port)

    return Native(name, construct=construct, attribute=_running("flup", "run"))


def _running(server: str, *methods: str) -> Callable[[Interpreter, Instance, str], Value | None]:
    """Return attributes of an object that serves what it was made with."""

    def attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
        def model(call: Call) -> Value:
            slots = instance.slots
            serves(call, server, slots.get(INNER), (slots["<host>"], slots["<port>"]))
            return blocks(call, server)

        return Native(f"{server}.{name}", model) if name in methods else None

    return attribute


def _live_construct(call: Call, instance: Instance) -> None:
    kept(call, instance, app=call.argument(0, "app") or known(None))


def _live_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    """livereload.Server.serve(port=5500, liveport=None, host=None): Tornado at any address."""

    def serve(call: Call) -> Value:
        host = everywhere(given(call.argument(2, "host"), LOOPBACK))
        port = given(call.argument(0, "port"), 5500)
        serves(call, "livereload", instance.slots[INNER], (host, port))
        return blocks(call, "livereload")

    if name == "serve":
        return Native("livereload.Server.serve", serve)
    if name in {"watch", "setHeader", "_setup_logging"}:
        return Native(f"livereload.Server.{name}", lambda _call: known(None))
    return None


_LIVE = Native("livereload.Server", construct=_live_construct, attribute=_live_attribute)


def _aiohttp_wsgi(call: Call) -> Value:
    """aiohttp_wsgi.serve(application, host="0.0.0.0", port=8080, unix_socket=None)."""
    path = call.keywords.get("unix_socket")
    if path is not None and not (isinstance(path, Known) and path.value is None):
        text = path.value if isinstance(path, Known) else None
        place = address(known(f"unix:{text}")) if isinstance(text, str) else unknown_address()
    else:
        host = everywhere(given(call.keywords.get("host"), EVERYWHERE))
        place = host, given(call.keywords.get("port"), 8080)
    serves(call, "aiohttp", call.argument(0, "application"), place)
    return blocks(call, "aiohttp")


def _wsgiserver(call: Call, instance: Instance) -> None:
    """wsgiserver.WSGIServer(wsgi_app, host="0.0.0.0", port=8080)."""
    host, port = _at(call, 1, EVERYWHERE, 8080)
    kept(call, instance, app=call.argument(0, "wsgi_app") or known(None), host=host, port=port)


def _rocket(call: Call, instance: Instance) -> None:
    """rocket.Rocket(interfaces=("127.0.0.1", 8000), method="wsgi", app_info={"wsgi_app": app})."""
    place = call.argument(0, "interfaces")
    host, port = (known(LOOPBACK), known(8000)) if place is None else address(place)
    information = call.argument(2, "app_info") or call.argument(2, "app")
    slots = getattr(information, "slots", {})
    kept(call, instance, app=slots.get("wsgi_app", known(None)), host=host, port=port)


def _paste_serve(call: Call) -> Value:
    """paste.httpserver.serve(application, host=None, port=None): loopback, port 8080."""
    place = _at(call, 1, LOOPBACK, 8080)
    serves(call, "paste", call.argument(0, "application"), place)
    return blocks(call, "paste")


_DECORATORS = ("postfork", "spool", "spoolforever", "spoolraw", "timer", "rbtimer", "cron",
               "signal", "filemon", "thread", "lock", "mule", "mulefunc", "harakiri", "rpc",
               "erlang", "mule_msg_dispatcher", "mule_msg_hook")  # fmt: skip


_QUIET = ("set_access_logger", "set_error_logger", "set_keepalive", "set_backlog",
          "set_max_content_length", "set_client_body_buffer_size")  # fmt: skip
_ROCKET = Native("rocket.Rocket", construct=_rocket, attribute=_running("rocket", "start"))
_WSGI = Native(
    "wsgiserver.WSGIServer", construct=_wsgiserver, attribute=_running("wsgiserver", "start")
)
_FLUP = ("fcgi", "fcgi_fork", "fcgi_single", "scgi", "scgi_fork", "ajp", "ajp_fork")
# The modules below each package that programs take off it.
_BELOW = {
    "meinheld": ("server", "patch"),
    "flup": ("server",),
    "flup.server": _FLUP,
    "paste": ("translogger", "httpserver"),
}
_MODULES: dict[str, dict[Any, Any]] = {
    "bjoern": {
        "run": Native("bjoern.run", _bjoern_run),
        "listen": Native("bjoern.listen", _bjoern_listen),
    },
    "meinheld.server": {
        "listen": Native("meinheld.server.listen", _meinheld_listen),
        "run": Native("meinheld.server.run", _meinheld_run),
        **{one: Native(one, lambda _call: known(None)) for one in _QUIET},
    },
    "meinheld.patch": {"patch_all": harmless("meinheld.patch.patch_all")},
    **{
        f"flup.server.{one}": {"WSGIServer": _flup(f"flup.server.{one}.WSGIServer")}
        for one in _FLUP
    },
    "livereload": {"Server": _LIVE, "shell": harmless("livereload.shell")},
    "livereload.server": {"Server": _LIVE},
    "aiohttp_wsgi": {
        "serve": Native("aiohttp_wsgi.serve", _aiohttp_wsgi),
        "WSGIHandler": unseen("aiohttp_wsgi.WSGIHandler"),
    },
    "wsgiserver": {"WSGIServer": _WSGI, "WSGIPathInfoDispatcher": cheroot.DISPATCHER},
    "paste.translogger": {
        "TransLogger": middleware_class("paste.translogger.TransLogger", 0, "application")
    },
    "paste.httpserver": {"serve": Native("paste.httpserver.serve", _paste_serve)},
    "uwsgidecorators": {one: Native(f"uwsgidecorators.{one}", register) for one in _DECORATORS},
    "rocket": {"Rocket": _ROCKET},
    "rocket3": {"Rocket3": _ROCKET},
}


def names(run: Interpreter, name: str) -> dict[Any, Any]:
    """Return the names of a module of one of these servers."""
    leaves = _BELOW.get(name, ())
    return below(run, names, name, *leaves) | _MODULES.get(name, {})
