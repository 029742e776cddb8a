"""Servers of the standard library, and prompts that stop a program: none of them is Werkzeug's."""

from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import iteration
from deployguard.python.concrete import text_of, unknown
from deployguard.python.outcome import Condition, EffectKind
from deployguard.python.signals import ExitSignal, ServeSignal
from deployguard.python.standard import environment_value
from deployguard.python.values import (
    Call,
    Instance,
    Known,
    Module,
    Native,
    Value,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# The effect of a server that is not Werkzeug's: "server", "application" (None: no WSGI), "host",
# "port". The library's models of other servers use the same name.
SERVER = "wsgi server"


def _bound(call: Call, instance: Instance, server: str, address: Value | None) -> None:
    """Remember where a server is bound: an address is a pair of host and port."""
    pair = iteration.elements(address) if address is not None else None
    host: Value = unknown("the address it listens on")
    port: Value = unknown("the port it listens on")
    if pair is not None and len(pair) > 1:
        host, port = pair[:2]
    for name, value in (("server", known(server)), ("host", host), ("port", port)):
        call.run.store(instance.slots, f"<{name}>", value)
    call.run.store(instance.slots, "<application>", known(None))


def _server(name: str) -> Native:
    """Return a server class: (address, handler)."""

    def construct(call: Call, instance: Instance) -> None:
        _bound(call, instance, name, call.argument(0, "server_address") or call.argument(0, "addr"))

    return Native(name, construct=construct, attribute=_attribute, specials=_SPECIALS)


_SPECIALS = frozenset({"__enter__", "__exit__"})


def _serve(call: Call, instance: Instance) -> Value:
    slots = instance.slots
    names = ("server", "application", "host", "port")
    call.run.emit(
        EffectKind.LIBRARY,
        SERVER,
        call.location,
        values={name: slots[f"<{name}>"] for name in names if f"<{name}>" in slots},
    )
    raise ServeSignal(Evidence(call.location, "a server of Python's own serves"))


def _attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    match name:
        case "serve_forever" | "handle_request" | "serve":
            return Native(f"server.{name}", lambda call: _serve(call, instance))
        case "set_app":
            return Native("server.set_app", lambda call: _set_application(call, instance))
        case "__enter__":
            return Native("server.__enter__", lambda _call: instance)
        case "server_port":
            return instance.slots.get("<port>")
        case "__exit__" | "shutdown" | "server_close" | "register_function" | "register_instance":
            return Native(f"server.{name}", lambda _call: known(None))
        case _:
            return None


def _set_application(call: Call, instance: Instance) -> Value:
    call.run.store(instance.slots, "<application>", call.argument(0, "application"))
    return known(None)


def _make_server(call: Call) -> Value:
    """wsgiref.simple_server.make_server(host, port, app)."""
    instance = Instance(None, _WSGI)
    values = {
        "server": known("wsgiref"),
        "host": call.argument(0, "host") or known(""),
        "port": call.argument(1, "port") or known(8000),
        "application": call.argument(2, "app") or known(None),
    }
    for name, value in values.items():
        call.run.store(instance.slots, f"<{name}>", value)
    return instance


_WSGI = _server("wsgiref")


def _test(call: Call) -> Value:
    """http.server.test(HandlerClass, ServerClass, protocol, port, bind)."""
    instance = Instance(None, _server("http.server"))
    host = call.argument(4, "bind") or known(None)
    empty = isinstance(host, Known) and not host.value
    call.run.store(instance.slots, "<server>", known("http.server"))
    call.run.store(instance.slots, "<application>", known(None))
    call.run.store(instance.slots, "<host>", known("") if empty else host)
    call.run.store(instance.slots, "<port>", call.argument(3, "port") or known(8000))
    return _serve(call, instance)


def stop(call: Call) -> Value:
    """pdb.set_trace, breakpoint, code.interact: a prompt, at which the program waits.

    Without a terminal the prompt reads the end of its input and the program ends there; with one
    it may go on. PYTHONBREAKPOINT=0 turns breakpoint() off.
    """
    if call.run.terminal:
        place = f"{call.location.file}:{call.location.line}"
        condition = Missing(Reason.PROGRAM, f"whether somebody goes on at the prompt ({place})")
        call.run.lasting.append(Condition(condition, None))
        return known(None)
    note = Evidence(call.location, "the program stops at a prompt that nobody answers")
    raise ExitSignal(note, hard=True)


def breakpoint_hook(call: Call) -> Value:
    """sys.breakpointhook: PYTHONBREAKPOINT names what runs."""
    hook = environment_value(call.run, known("PYTHONBREAKPOINT"), known(""))
    text = text_of(hook)
    if text == "0":
        return known(None)
    if text in {"", "pdb.set_trace"}:
        return stop(call)
    return call.run.unseen("what PYTHONBREAKPOINT names", call.location)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    handler = Native("a request handler", plain=object)
    match name:
        case "http.server" | "socketserver" | "xmlrpc.server":
            classes = (
                "HTTPServer", "ThreadingHTTPServer", "TCPServer", "ThreadingTCPServer",
                "UDPServer", "UnixStreamServer", "SimpleXMLRPCServer",
            )  # fmt: skip
            handlers = ("BaseHTTPRequestHandler", "SimpleHTTPRequestHandler", "BaseRequestHandler",
                        "StreamRequestHandler", "CGIHTTPRequestHandler",
                        "SimpleXMLRPCRequestHandler", "ThreadingMixIn",
                        "ForkingMixIn")  # fmt: skip
            return {
                **{one: _server(name) for one in classes},
                **dict.fromkeys(handlers, handler),
                "test": Native("http.server.test", _test),
            }
        case "http":
            inner = names(run, "http.server")
            return {"server": Module("http.server", inner, unknown("what http.server does"))}
        case "wsgiref":
            inner = names(run, "wsgiref.simple_server")
            rest = unknown("what wsgiref.simple_server does")
            return {"simple_server": Module("wsgiref.simple_server", inner, rest)}
        case "wsgiref.simple_server":
            return {
                "make_server": Native("wsgiref.simple_server.make_server", _make_server),
                "WSGIServer": _server("wsgiref"),
                "WSGIRequestHandler": handler,
            }
        case "pdb":
            return {
                "set_trace": Native("pdb.set_trace", stop),
                "post_mortem": Native("pdb.post_mortem", stop),
            }
        case "code":
            return {"interact": Native("code.interact", stop)}
        case _:
            return {}
