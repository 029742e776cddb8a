"""gevent and eventlet: servers of green threads, which run while the program waits."""

from typing import Any

from deployguard.flask.libraries.effects import INNER, harmless, unseen
from deployguard.flask.libraries.servers.common import (
    Address,
    address,
    below,
    blocks,
    kept,
    serves,
    unknown_address,
    waits,
)
from deployguard.python import Call, Instance, Interpreter, Native, Value, known
from deployguard.python.standard.threads import beside


def _wsgi_server(name: str) -> Native:
    """gevent.pywsgi.WSGIServer(listener, application): a pair, a port, "HOST:PORT" or a socket."""

    def construct(call: Call, instance: Instance) -> None:
        listener = call.argument(0, "listener")
        application = call.argument(1, "application")
        kept(call, instance, app=application or known(None))
        host, port = _bound(listener)
        kept(call, instance, host=host, port=port)

    return Native(name, construct=construct, attribute=_server_attribute)


def _bound(listener: Value | None) -> Address:
    """Return where a listener is bound; an object is a socket that was bound before."""
    if isinstance(listener, Instance):
        slots = listener.slots
        if "<host>" in slots:
            return slots["<host>"], slots["<port>"]
        return unknown_address()
    return address(listener)


def _server_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    match name:
        case "serve_forever":
            return Native("WSGIServer.serve_forever", lambda call: _serve(call, instance))
        case "start":
            return Native("WSGIServer.start", lambda call: _start(call, instance))
        case "stop" | "close" | "init_socket" | "set_environ":
            return Native(f"WSGIServer.{name}", lambda _call: known(None))
        case "server_host" | "address" | "server_port":
            return harmless(f"WSGIServer.{name}")
        case _:
            return None


def _serve(call: Call, instance: Instance) -> Value:
    _record(call, instance, stays=True)
    return blocks(call, "gevent")


def _start(call: Call, instance: Instance) -> Value:
    _record(call, instance, stays=False)
    return known(None)


def _record(call: Call, instance: Instance, *, stays: bool) -> None:
    slots = instance.slots
    application = slots.get(INNER)
    serves(call, "gevent", application, (slots["<host>"], slots["<port>"]), stays=stays)


def _spawn(call: Call, skipped: int = 0) -> Value:
    """Run a function as soon as the program waits: what it serves keeps running beside the rest."""
    if len(call.arguments) > skipped:
        function, *arguments = call.arguments[skipped:]
        beside(call, function, tuple(arguments), dict(call.keywords))
    return Instance(None, _GREENLET)


def _later(call: Call) -> Value:
    return _spawn(call, 1)


def _join(call: Call) -> Value:
    return waits(call, "the program")


def _waiting(name: str) -> Native:
    return Native(name, _join)


def _greenlet_attribute(_run: Interpreter, _instance: Instance, name: str) -> Value | None:
    if name in {"join", "get", "wait", "waitall", "waitpid"}:
        return _waiting(f"greenlet.{name}")
    if name in {"kill", "link", "start", "cancel", "link_exception", "link_value"}:
        return Native(f"greenlet.{name}", lambda _call: known(None))
    if name in {"spawn", "spawn_n", "apply_async", "map", "imap", "apply"}:
        return Native(f"pool.{name}", _spawn)
    return None


_GREENLET = Native("a green thread", attribute=_greenlet_attribute)
_POOL = Native(
    "a pool of green threads",
    construct=lambda _call, _instance: None,
    attribute=_greenlet_attribute,
)


def _listen(call: Call) -> Value:
    """eventlet.listen(addr): a socket that is bound."""
    host, port = address(call.argument(0, "addr"))
    made = Instance(None, _SOCKET)
    kept(call, made, host=host, port=port)
    return made


_SOCKET = Native("a socket")


def _wrap_ssl(call: Call) -> Value:
    return call.argument(0, "sock") or harmless("a socket")


def _eventlet_server(call: Call) -> Value:
    """eventlet.wsgi.server(sock, site)."""
    socket = call.argument(0, "sock")
    place = _bound(socket) if isinstance(socket, Instance) else unknown_address()
    serves(call, "eventlet", call.argument(1, "site"), place)
    return blocks(call, "eventlet")


def names(run: Interpreter, name: str) -> dict[Any, Any]:
    """Return the names of a module of gevent or eventlet."""
    match name:
        case "gevent":
            waiting = ("joinall", "wait", "iwait")
            return {
                **below(run, names, name, "pywsgi", "wsgi", "monkey", "pool", "server"),
                "spawn": Native("gevent.spawn", _spawn),
                "spawn_later": Native("gevent.spawn_later", _later),
                "Greenlet": Native("gevent.Greenlet", _spawn),
                **{one: _waiting(f"gevent.{one}") for one in waiting},
                **{
                    one: harmless(f"gevent.{one}")
                    for one in ("sleep", "Timeout", "signal_handler", "signal", "getcurrent",
                                "idle", "kill", "killall", "GreenletExit", "config", "reinit")
                },
                "get_hub": Native("gevent.get_hub", lambda _call: Instance(None, _GREENLET)),
            }  # fmt: skip
        case "gevent.pywsgi" | "gevent.wsgi":
            return {
                "WSGIServer": _wsgi_server(f"{name}.WSGIServer"),
                "WSGIHandler": harmless(f"{name}.WSGIHandler"),
                "LoggingLogAdapter": harmless(f"{name}.LoggingLogAdapter"),
            }
        case "geventwebsocket" | "geventwebsocket.server":
            return {
                **(below(run, names, name, "server", "handler") if "." not in name else {}),
                "WebSocketServer": _wsgi_server("geventwebsocket.WebSocketServer"),
            }
        case "geventwebsocket.handler":
            return {"WebSocketHandler": harmless("geventwebsocket.handler.WebSocketHandler")}
        case "gevent.pool" | "eventlet.greenpool":
            return {"Pool": _POOL, "Group": _POOL, "GreenPool": _POOL}
        case "gevent.server":
            servers = ("StreamServer", "DatagramServer")
            return {one: unseen(f"gevent.server.{one}") for one in servers}
        case "gevent.monkey":
            return {"patch_all": Native("gevent.monkey.patch_all", lambda _call: known(None))}
        case "eventlet":
            return {
                **below(run, names, name, "wsgi", "greenpool"),
                "listen": Native("eventlet.listen", _listen),
                "wrap_ssl": Native("eventlet.wrap_ssl", _wrap_ssl),
                "monkey_patch": Native("eventlet.monkey_patch", lambda _call: known(None)),
                "spawn": Native("eventlet.spawn", _spawn),
                "spawn_n": Native("eventlet.spawn_n", _spawn),
                "spawn_after": Native("eventlet.spawn_after", _later),
                "GreenPool": _POOL,
                **{
                    one: harmless(f"eventlet.{one}")
                    for one in ("sleep", "Timeout", "getcurrent", "import_patched", "patcher",
                                "Queue", "Event", "semaphore", "hubs", "tpool")
                },
                "serve": unseen("eventlet.serve"),
                "StopServe": harmless("eventlet.StopServe"),
            }  # fmt: skip
        case "eventlet.wsgi":
            return {"server": Native("eventlet.wsgi.server", _eventlet_server)}
        case _:
            return {}
