"""flask.current_app: the application whose context the program is in, under another name."""

from deployguard.flask.libraries.effects import harmless
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Native,
    Opaque,
    Value,
    known,
)

# Keys of what is remembered of a program: all applications, the one of the last context, the proxy.
_ALL, _PUSHED, _PROXY = "flask applications", "flask context", "flask.current_app"


def created(run: Interpreter, application: Instance) -> None:
    """Note that the program made an application."""
    run.store(run.memory, _ALL, (*run.memory.get(_ALL, ()), application))
    _point(run)


def pushed(call: Call, application: Instance) -> Value:
    """Make a context of an application: what runs in it sees that one as current."""
    call.run.store(call.run.memory, _PUSHED, application)
    _point(call.run)
    return Instance(None, _CONTEXT, {"app": application})


def _context_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"push", "pop", "__enter__", "__exit__"}:
        result = instance if name == "__enter__" else known(None)
        return Native(f"a context's {name}", lambda _call: result)
    return harmless(f"a context's {name}")


_CONTEXT = Native(
    "an application context",
    attribute=_context_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _candidates(run: Interpreter) -> tuple[Value, ...]:
    found = run.memory.get(_PUSHED)
    return (found,) if isinstance(found, Instance) else tuple(run.memory.get(_ALL, ()))


def _application(run: Interpreter) -> Instance | None:
    """Return the current application, None where there are several and no context was made."""
    match _candidates(run):
        case (Instance() as only,):
            return only
        case _:
            return None


def _point(run: Interpreter) -> None:
    """Let a server that is handed current_app see what it stands for."""
    proxy = run.memory.get(_PROXY)
    if isinstance(proxy, Instance):
        candidates = _candidates(run)
        missing = harmless("flask.current_app").missing
        several = Opaque(missing, "flask.current_app", harmless=True, parts=candidates)
        run.store(proxy.slots, "<app>", _application(run) or several)


def _attribute(run: Interpreter, _instance: Instance, name: str) -> Value | None:
    application = _application(run)
    if application is None:
        return Opaque(harmless("flask.current_app").missing, f"flask.current_app.{name}")
    if name == "_get_current_object":
        return Native(f"current_app.{name}", lambda _call: application)
    return run.attribute_or_none(application, name)


def _assign(run: Interpreter, _instance: Instance, name: str, value: Value) -> bool:
    """Set an attribute of the current application; of each in doubt, where it is not known."""
    application = _application(run)
    if application is not None:
        _set(run, application, name, value)
        return True
    for one in _candidates(run):
        if isinstance(one, Instance):
            _set(run, one, name, harmless(f"flask.current_app.{name}"))
    return True


def _set(run: Interpreter, application: Instance, name: str, value: Value) -> None:
    assign = application.native.assign if application.native is not None else None
    if assign is None or not assign(run, application, name, value):
        run.store(application.slots, name, value)


def current_app(run: Interpreter) -> Instance:
    """Return flask.current_app, one for each program."""
    found = run.memory.get(_PROXY)
    if isinstance(found, Instance):
        return found
    proxy = Instance(None, Native(_PROXY, attribute=_attribute, assign=_assign))
    run.store(run.memory, _PROXY, proxy)
    _point(run)
    return proxy
