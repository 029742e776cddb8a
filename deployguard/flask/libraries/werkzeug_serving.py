"""werkzeug.serving: the server objects that a program drives itself, and what starts them."""

from collections.abc import Callable

from deployguard.flask.libraries.effects import emit_serve, harmless
from deployguard.flask.libraries.flask_files import variable
from deployguard.flask.libraries.werkzeug import RUN_SIMPLE, application_debug
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Evidence
from deployguard.python import Call, Instance, Interpreter, Known, Mapped, Native, Value, known
from deployguard.python.signals import ExitSignal, RaiseSignal, ServeSignal
from deployguard.python.values import after_first

_SERVED = "<served>"


def slots(name: str, stack: Stack) -> dict[str, Value] | None:
    """Return the names of a module of Werkzeug that serves; werkzeug.script went with 1.0."""
    if name == "werkzeug.script":
        return _script() if stack.werkzeug < (1,) else None
    return {
        "run_simple": Native(RUN_SIMPLE.name, lambda call: _run_simple(call, stack)),
        "make_server": Native("werkzeug.serving.make_server", _make_server),
        "BaseWSGIServer": _server("BaseWSGIServer", 4),
        "ThreadedWSGIServer": _server("ThreadedWSGIServer", 4),
        "ForkingWSGIServer": _server("ForkingWSGIServer", 5),
        "WSGIRequestHandler": harmless("werkzeug.serving.WSGIRequestHandler"),
        "run_with_reloader": Native("werkzeug.serving.run_with_reloader", _run_with_reloader),
        "is_running_from_reloader": Native("werkzeug.serving.is_running_from_reloader", _reloaded),
        "get_interface_ip": harmless("werkzeug.serving.get_interface_ip"),
        "select_address_family": harmless("werkzeug.serving.select_address_family"),
        "make_ssl_devcert": harmless("werkzeug.serving.make_ssl_devcert"),
    }


def _reloaded(call: Call) -> Value:
    """werkzeug.serving.is_running_from_reloader."""
    value = variable(call.run, "WERKZEUG_RUN_MAIN")
    return known(value.value == "true", *value.trail) if isinstance(value, Known) else value


def _run_simple(call: Call, stack: Stack) -> Value:
    port = call.argument(1, "port")
    if stack.werkzeug >= (0, 14) and isinstance(port, Known) and not isinstance(port.value, int):
        note = Evidence(call.location, "run_simple() wants a number as port, so the program ends")
        raise RaiseSignal("TypeError", note)
    return RUN_SIMPLE.call(call) if RUN_SIMPLE.call is not None else known(None)


def _make_server(call: Call) -> Value:
    """werkzeug.serving.make_server: bound at once, and served when it is told to."""
    cls = _server("make_server()", 6)
    return call.run.call(cls, call.arguments, call.keywords, call.location, call.open)


def _server(name: str, passthrough: int) -> Native:
    """Return a class of servers; `passthrough` is the place of passthrough_errors."""

    def construct(call: Call, instance: Instance) -> None:
        store = call.run.store
        store(instance.slots, "host", call.argument(0, "host") or known("127.0.0.1"))
        store(instance.slots, "port", call.argument(1, "port") or known(5000))
        store(instance.slots, "app", call.argument(2, "app") or known(None))
        through = call.argument(passthrough, "passthrough_errors") or known(value=False)
        store(instance.slots, "passthrough_errors", through)

    return Native(f"werkzeug.serving.{name}", construct=construct, attribute=_attribute(construct))


def _attribute(
    construct: Callable[[Call, Instance], None],
) -> Callable[[Interpreter, Instance, str], Value | None]:
    def attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
        models: dict[str, Callable[[Call], Value]] = {
            "__init__": lambda call: _constructed(call, instance),
            "__enter__": lambda _call: instance,
            "__exit__": lambda _call: known(None),
            "serve_forever": lambda call: _serve(call, instance, forever=True),
            "handle_request": lambda call: _serve(call, instance, forever=False),
        }
        if name == "server_port":
            port: Value = instance.slots["port"]
            return port
        return Native(f"server.{name}", models[name]) if name in models else None

    def _constructed(call: Call, instance: Instance) -> Value:
        construct(call, instance)
        return known(None)

    return attribute


def _serve(call: Call, server: Instance, *, forever: bool) -> Value:
    """Serve: until the program ends, or one request."""
    if _SERVED not in server.slots:
        slots = server.slots
        emit_serve(
            call,
            host=slots["host"],
            port=slots["port"],
            application=slots["app"],
            debug=application_debug(slots["app"]),
            reloader=known(value=False),
            debugger=known(value=False),
            evalex=known(value=False),
            passthrough=slots["passthrough_errors"],
        )
        call.run.store(slots, _SERVED, known(value=True))
    if forever:
        raise ServeSignal(Evidence(call.location, "serve_forever() serves"))
    return known(None)


def _run_with_reloader(call: Call) -> Value:
    """werkzeug._reloader.run_with_reloader: the function runs in a thread of a further process."""
    function = call.argument(0, "main_func") or known(None)
    return call.run.call(function, (), {}, call.location)


def _script() -> dict[str, Value]:
    return {
        "make_runserver": Native("werkzeug.script.make_runserver", _make_runserver),
        "make_shell": harmless("werkzeug.script.make_shell"),
        "run": Native("werkzeug.script.run", _run_script),
    }


_RUNSERVER = (
    ("hostname", "localhost"), ("port", 5000), ("use_reloader", False), ("use_debugger", False),
    ("use_evalex", True),
)  # fmt: skip


def _make_runserver(call: Call) -> Value:
    """werkzeug.script.make_runserver: an action that serves what a factory makes."""
    defaults = {
        name: call.argument(position, name) or known(default)
        for position, (name, default) in enumerate(_RUNSERVER, start=1)
    }
    factory = call.argument(0, "app_factory") or known(None)

    def action(inner: Call) -> Value:
        given = {**defaults, **inner.keywords}
        made = inner.run.call(factory, (), {}, inner.location)
        arguments = (given["hostname"], given["port"], made)
        options = {name: given[name] for name in ("use_reloader", "use_debugger", "use_evalex")}
        return inner.run.call(RUN_SIMPLE, arguments, options, inner.location)

    return Native("werkzeug.script.runserver", action)


_WORDS = {
    "--hostname": "hostname", "-h": "hostname", "--port": "port", "-p": "port",
    "--reloader": "use_reloader", "--no-reloader": "use_reloader", "--debugger": "use_debugger",
    "--no-debugger": "use_debugger", "--evalex": "use_evalex", "--no-evalex": "use_evalex",
}  # fmt: skip


def _run_script(call: Call) -> Value:
    """werkzeug.script.run: the first word names an action of the calling module."""
    given = call.argument(0, "namespace")
    module = call.run.current
    names = given.slots if isinstance(given, Mapped) else module.slots if module is not None else {}
    words = after_first(call.run.argv.items)
    if not words:
        raise ExitSignal(Evidence(call.location, "without an action the usage is printed"))
    first = words[0]
    if not isinstance(first, Known):
        return call.run.unseen("which action a word of the command line names", call.location)
    action = names.get(f"action_{first.value}")
    if action is None:
        raise ExitSignal(Evidence(call.location, f"there is no action {first.value}"))
    keywords = _keywords(call, words[1:])
    if keywords is None:
        return call.run.unseen("what the words of an action say", call.location)
    return call.run.call(action, (), keywords, call.location)


def _keywords(call: Call, words: tuple[Value, ...]) -> dict[str, Value] | None:
    """Return the options of an action, None where a word is no option of a server."""
    found: dict[str, Value] = {}
    pending = list(words)
    while pending:
        word = pending.pop(0)
        text = word.value if isinstance(word, Known) and isinstance(word.value, str) else None
        name, equals, value = (text or "").partition("=")
        key = _WORDS.get(name)
        if text is None or key is None:
            return None
        if key in {"hostname", "port"}:
            taken = known(value) if equals else pending.pop(0) if pending else None
            if taken is None:
                raise ExitSignal(Evidence(call.location, f"{name} wants a value"))
            number = isinstance(taken, Known) and str(taken.value).isdigit() and key == "port"
            found[key] = (
                known(int(str(taken.value))) if number and isinstance(taken, Known) else taken
            )
        else:
            found[key] = known(
                not name.startswith("--no-"), Evidence(call.location, f"{name} is given")
            )
    return found
