"""cheroot.wsgi.Server: CherryPy's server by itself."""

from typing import Any

from deployguard.flask.libraries.effects import INNER, harmless
from deployguard.flask.libraries.foreign import mount
from deployguard.flask.libraries.servers.common import address, below, blocks, kept, serves
from deployguard.python import Call, Instance, Interpreter, Native, Value, known


def _construct(call: Call, instance: Instance) -> None:
    host, port = address(call.argument(0, "bind_addr"))
    kept(call, instance, app=call.argument(1, "wsgi_app") or known(None), host=host, port=port)


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"start", "safe_start", "serve"}:
        return Native(f"cheroot.Server.{name}", lambda call: _start(call, instance))
    if name in {"stop", "prepare", "bind", "ssl_adapter"}:
        return Native(f"cheroot.Server.{name}", lambda _call: known(None))
    return None


def _start(call: Call, instance: Instance) -> Value:
    slots = instance.slots
    application = slots.get("wsgi_app", slots[INNER])
    serves(call, "cheroot", application, (slots["<host>"], slots["<port>"]))
    return blocks(call, "cheroot")


SERVER = Native("cheroot.wsgi.Server", construct=_construct, attribute=_attribute)
DISPATCHER = Native("cheroot.wsgi.PathInfoDispatcher", construct=mount)


def names(run: Interpreter, name: str) -> dict[Any, Any]:
    """Return the names of a module of cheroot."""
    match name:
        case "cheroot":
            return below(run, names, name, "wsgi", "ssl")
        case "cheroot.wsgi":
            return {
                "Server": SERVER,
                "WSGIServer": SERVER,
                "PathInfoDispatcher": DISPATCHER,
                "WSGIPathInfoDispatcher": DISPATCHER,
            }
        case "cheroot.ssl" | "cheroot.ssl.builtin":
            return {"BuiltinSSLAdapter": harmless("cheroot.ssl.builtin.BuiltinSSLAdapter")}
        case _:
            return {}
