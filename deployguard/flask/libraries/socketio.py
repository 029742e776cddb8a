"""Flask-SocketIO: which server socketio.run() starts, and the debugger it wraps around.

Source: flask_socketio.SocketIO.init_app and .run (2.9 to 5.7), engineio.base_server for the mode.
"""

from collections.abc import Callable

from msgspec import Struct

from deployguard.flask.libraries import installed
from deployguard.flask.libraries.effects import INNER, register
from deployguard.flask.libraries.foreign import application_class, given, serve
from deployguard.flask.libraries.werkzeug import DEBUGGED_APPLICATION
from deployguard.flask.versions import Version
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal, ServeSignal
from deployguard.python.values import derived, missing_of, truth

_MODE, _OPTIONS, _MIDDLEWARE = "<mode>", "<options>", "<middleware>"
# Refusing Werkzeug's server without a terminal, and the argument that allows it, came with 5.3.0.
_REFUSES: Version = (5, 3)
# In the order in which engineio tries them. A fourth mode, gevent_uwsgi, wants a module that there
# is only inside of uWSGI, where socketio.run() is not called.
_MODES = ("eventlet", "gevent")
# What eventlet.wsgi.server takes, and what socketio.run() takes away before (TLS).
_EVENTLET = frozenset(
    {
        "log", "environ", "max_size", "max_http_version", "protocol", "server_event",
        "minimum_chunk_size", "log_x_forwarded_for", "custom_pool", "keepalive", "log_format",
        "url_length_limit", "debug", "socket_timeout", "capitalize_response_headers", "keyfile",
        "certfile", "server_side", "cert_reqs", "ssl_version", "ca_certs",
        "do_handshake_on_connect", "suppress_ragged_eofs", "ciphers",
    }
)  # fmt: skip
# What gevent.pywsgi.WSGIServer takes by name, and what it hands to TLS.
_GEVENT = frozenset(
    {
        "spawn", "error_log", "handler_class", "environ", "backlog", "keyfile", "certfile",
        "server_side", "cert_reqs", "ssl_version", "ssl_context", "ca_certs",
        "do_handshake_on_connect", "suppress_ragged_eofs", "ciphers",
    }
)  # fmt: skip
_OWN = frozenset(
    {"app", "host", "port", "debug", "log_output", "use_reloader", "extra_files"}
    | {"reloader_options", "allow_unsafe_werkzeug"}
)
_MIDDLEWARE_CLASS = Native("flask_socketio._SocketIOMiddleware")


def _construct(call: Call, instance: Instance) -> None:
    options = Mapped(dict(call.keywords))
    call.run.store(instance.slots, _OPTIONS, options)
    application = call.argument(0, "app")
    if truth(application or known(None)) is not Answer.NO or "message_queue" in call.keywords:
        _attach(call, instance, application)


def _init_app(call: Call, instance: Instance) -> Value:
    if _OPTIONS not in instance.slots:
        call.run.store(instance.slots, _OPTIONS, Mapped({}))
    options: Mapped = instance.slots[_OPTIONS]
    for name, value in call.keywords.items():
        call.run.store(options.slots, name, value)
    _attach(call, instance, call.argument(0, "app"))
    return known(None)


def _attach(call: Call, instance: Instance, application: Value | None) -> None:
    """SocketIO.init_app: the mode is chosen, and a middleware put before the application."""
    run = call.run
    run.store(instance.slots, _MODE, _mode(call, instance.slots[_OPTIONS]))
    if isinstance(application, Instance):
        inner = run.attribute_or_none(application, "wsgi_app")
        middleware = Instance(None, _MIDDLEWARE_CLASS, {INNER: inner} if inner else {})
        run.store(instance.slots, _MIDDLEWARE, middleware)
        run.assign_attribute(application, "wsgi_app", middleware, call.location)


def _mode(call: Call, options: Mapped) -> Value:
    """engineio.BaseServer: the mode asked for, else the first whose library can be imported."""
    asked = options.slots.get("async_mode")
    if asked is not None and not (isinstance(asked, Known) and asked.value is None):
        return _checked(call, asked)
    flag = call.run.environ.slots.get("FLASK_RUN_FROM_CLI")
    if flag is not None and truth(flag) is Answer.YES:
        return known("threading")
    for mode in _MODES:
        present, missing = installed.importable(call.run, mode)
        if present is Answer.YES:
            note = f"{mode} is installed, so Flask-SocketIO serves with it"
            return known(mode, Evidence(call.location, note))
        if present is Answer.UNKNOWN:
            return Opaque(missing, "the mode of Flask-SocketIO", harmless=True)
    note = "neither eventlet nor gevent is installed, so Flask-SocketIO serves with Werkzeug"
    return known("threading", Evidence(call.location, note))


def _checked(call: Call, asked: Value) -> Value:
    """Refuse a mode that does not exist or whose library cannot be imported, as engineio does."""
    if not isinstance(asked, Known) or asked.value == "threading":
        return asked
    mode = str(asked.value)
    if mode in _MODES and installed.importable(call.run, mode)[0] is not Answer.NO:
        return asked
    note = f"async_mode {mode!r} cannot be had here, so SocketIO() raises"
    raise RaiseSignal("ValueError", Evidence(call.location, note))


class _Start(Struct, frozen=True):
    """One call of socketio.run(): its debug flag, address and further words."""

    call: Call
    server: Instance
    application: Instance
    debug: Value
    host: Value
    port: Value

    @property
    def rest(self) -> dict[str, Value]:
        """Return the arguments that go on to the server."""
        return {name: value for name, value in self.call.keywords.items() if name not in _OWN}


def _run(call: Call, instance: Instance) -> Value:
    run = call.run
    application = call.argument(0, "app")
    if not isinstance(application, Instance) or _OPTIONS not in instance.slots:
        return run.unseen("which application SocketIO.run() serves", call.location)
    if _MODE not in instance.slots:
        raise RaiseSignal(
            "AttributeError", Evidence(call.location, "SocketIO was never given an application")
        )
    own = run.attribute(application, "debug", call.location)
    debug = call.keywords.get("debug", own if call.open is None else derived("debug", call.open))
    run.assign_attribute(application, "debug", debug, call.location)
    start = _Start(
        call,
        instance,
        application,
        debug,
        given(call.argument(1, "host"), "127.0.0.1"),
        given(call.argument(2, "port"), _named_port(application)),
    )
    mode: Value = instance.slots[_MODE]
    if not isinstance(mode, Known):
        return _either(start, mode)
    return _serve(start, mode.value)


def _named_port(application: Instance) -> Value | int:
    """Return the port of SERVER_NAME, else 5000; the host of it does not count here."""
    config = application.slots.get("config")
    name = config.slots.get("SERVER_NAME") if isinstance(config, Mapped) else None
    if isinstance(name, Known) and isinstance(name.value, str):
        text = name.value.rpartition(":")[2]
        return known(int(text), *name.trail) if ":" in name.value and text.isdigit() else 5000
    return 5000 if name is None or isinstance(name, Known) else derived("SERVER_NAME", name)


def _either(start: _Start, mode: Value) -> Value:
    """Start each server that may be the one, where the mode cannot be told."""
    run = start.call.run
    frame = Frame((), run.current or Module("?", {}))
    run.branch(
        frame,
        missing_of(mode),
        (lambda: _discard(_werkzeug(start)), lambda: _discard(_evented(start, "gevent"))),
    )
    return known(None)


def _discard(_value: Value) -> None:
    return


def _serve(start: _Start, mode: object) -> Value:
    return _werkzeug(start) if mode == "threading" else _evented(start, str(mode))


def _werkzeug(start: _Start) -> Value:
    """Threading: app.run(), which from 5.3 on is refused without a terminal unless allowed."""
    call = start.call
    version = installed.release(call.run, "flask-socketio")
    allowed = call.keywords.get("allow_unsafe_werkzeug", call.open or known(value=False))
    if version is None:
        missing = (installed.unknown_release("Flask-SocketIO"),)
        _perhaps(call, missing, lambda: _refuse(call, allowed))
    elif version < _REFUSES:
        if "allow_unsafe_werkzeug" in call.keywords:
            raise RaiseSignal("TypeError", Evidence(call.location, _TOO_OLD))
    else:
        _refuse(call, allowed)
    arguments = {
        "host": start.host,
        "port": start.port,
        "threaded": known(value=True),
        "use_reloader": call.keywords.get("use_reloader", call.open or start.debug),
        **start.rest,
    }
    method = call.run.attribute(start.application, "run", call.location)
    return call.run.call(method, (), arguments, call.location, call.open)


_TOO_OLD = "this Flask-SocketIO does not know allow_unsafe_werkzeug, so the server refuses it"
_REFUSED = "Flask-SocketIO refuses Werkzeug's server without a terminal"


def _refuse(call: Call, allowed: Value) -> None:
    if call.run.terminal:
        return
    answer = truth(allowed)
    if answer is Answer.NO:
        raise RaiseSignal("RuntimeError", Evidence(call.location, _REFUSED))
    if answer is Answer.UNKNOWN:
        missing = missing_of(allowed)
        _perhaps(call, missing, lambda: _refuse(call, known(value=False)))


def _perhaps(call: Call, missing: tuple[Missing, ...], action: Callable[[], None]) -> None:
    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (action, lambda: None))


def _evented(start: _Start, mode: str) -> Value:
    """Eventlet and gevent: in debug mode the debugger stands between middleware and application."""
    call = start.call
    refused = [name for name in start.rest if name not in _EVENTLET]
    if mode == "eventlet" and refused:
        note = f"eventlet's server knows no {refused[0]}"
        raise RaiseSignal("TypeError", Evidence(call.location, note))
    if mode == "gevent" and any(name not in _GEVENT for name in start.rest):
        # gevent takes them for TLS and fails at each connection.
        mute = call.run.call(application_class("flask_socketio"), (), {}, call.location)
        return serve(call, mode, mute, start.host, start.port)
    if mode == "gevent" and _blocked(start):
        # Seen with gevent 24.2 to 26.9 and watchdog 2.1 to 7.1; who patches first is free of it.
        missing = Missing(Reason.PROGRAM, "whether gevent serves beside the reloader of watchdog")
        _perhaps(call, (missing,), lambda: _discard(_finish(start, mode)))
        raise ServeSignal(Evidence(call.location, "socketio.run() does not return"))
    return _finish(start, mode)


def _finish(start: _Start, mode: str) -> Value:
    """Wrap the application in the debugger in debug mode, and serve it."""
    answer = truth(start.debug)
    if answer is Answer.YES:
        _wrap(start)
    elif answer is Answer.UNKNOWN:
        _perhaps(start.call, missing_of(start.debug), lambda: _wrap(start))
    return serve(start.call, mode, start.application, start.host, start.port)


def _blocked(start: _Start) -> bool:
    """Say whether the reloader of watchdog may keep gevent from ever serving."""
    call = start.call
    options = call.keywords.get("reloader_options")
    kind = options.slots.get("reloader_type") if isinstance(options, Mapped) else None
    reloads = call.keywords.get("use_reloader", call.open or start.debug)
    return (
        truth(reloads) is not Answer.NO
        and "gevent" not in call.run.modules
        and not (isinstance(kind, Known) and kind.value == "stat")
        and installed.importable(call.run, "watchdog")[0] is not Answer.NO
    )


def _wrap(start: _Start) -> None:
    run, middleware = start.call.run, start.server.slots.get(_MIDDLEWARE)
    slots = middleware.slots if isinstance(middleware, Instance) else {}
    inner: Value = slots.get(INNER, start.application)
    debugged = run.call(
        DEBUGGED_APPLICATION, (inner,), {"evalex": known(value=True)}, start.call.location
    )
    # Where the application was handed over unseen, its being made leaves the answer open.
    run.store(slots, INNER, debugged)


def _background(call: Call) -> Value:
    """SocketIO.start_background_task(target, *args, **kwargs): a thread of its own."""
    target, *arguments = call.arguments or (call.keywords.get("target", known(None)),)
    if isinstance(target, Known):
        return known(None)
    keywords = {name: value for name, value in call.keywords.items() if name != "target"}
    doubts = len(call.run.lasting)
    try:
        call.run.call(target, arguments, keywords, call.location, call.open)
    except (RaiseSignal, ServeSignal):
        pass
    finally:
        # Whatever ends the thread or keeps it busy, its starter goes on.
        del call.run.lasting[doubts:]
    return known(None)


def _attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
    del run
    match name:
        case "run":
            return Native("SocketIO.run", lambda call: _run(call, instance))
        case "init_app":
            return Native("SocketIO.init_app", lambda call: _init_app(call, instance))
        case "start_background_task":
            return Native("SocketIO.start_background_task", _background)
        case "async_mode":
            mode: Value = instance.slots.get(_MODE, known(None))
            return mode
        case "on" | "event" | "on_event" | "on_error" | "on_error_default" | "on_namespace":
            return Native(f"SocketIO.{name}", register)
        case _:
            return None


SOCKETIO = {
    "SocketIO": Native("flask_socketio.SocketIO", construct=_construct, attribute=_attribute)
}
