"""flask.current_app: the application whose context the program is in, under another name."""

from deployguard.flask.libraries.effects import harmless
from deployguard.python import (
    UNSET,
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


def context(application: Instance) -> Instance:
    """Return a context of an application; what runs in it sees that one as current."""
    return Instance(None, _CONTEXT, {"app": application})


def _context_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"push", "__enter__"}:
        return Native(f"a context's {name}", lambda call: _push(call, instance))
    if name in {"pop", "__exit__"}:
        return Native(f"a context's {name}", lambda call: _pop(call, instance))
    return harmless(f"a context's {name}")


def _push(call: Call, instance: Instance) -> Value:
    run = call.run
    run.store(instance.slots, "<before>", run.memory.get(_PUSHED, UNSET))
    run.store(run.memory, _PUSHED, instance.slots["app"])
    _point(run)
    return instance


def _pop(call: Call, instance: Instance) -> Value:
    run = call.run
    run.store(run.memory, _PUSHED, instance.slots.get("<before>", UNSET))
    _point(run)
    return known(None)


_CONTEXT = Native(
    "an application context",
    attribute=_context_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _application(run: Interpreter) -> Instance | None:
    """Return the application of the context, None where there is no context that we saw made."""
    found = run.memory.get(_PUSHED)
    return found if isinstance(found, Instance) else None


def _point(run: Interpreter) -> None:
    """Let a server that is handed current_app see what it stands for."""
    proxy = run.memory.get(_PROXY)
    if isinstance(proxy, Instance):
        missing = harmless(_PROXY).missing
        several = Opaque(missing, _PROXY, harmless=True, parts=tuple(run.memory.get(_ALL, ())))
        run.store(proxy.slots, "<app>", _application(run) or several)


def _attribute(run: Interpreter, _instance: Instance, name: str) -> Value | None:
    application = _application(run)
    if application is None:
        return Opaque(harmless("flask.current_app").missing, f"flask.current_app.{name}")
    if name == "_get_current_object":
        return Native(f"current_app.{name}", lambda _call: application)
    return run.attribute_or_none(application, name)


def _assign(run: Interpreter, _instance: Instance, name: str, value: Value) -> bool:
    """Set an attribute of the current application; where it is not known, of each in doubt."""
    application = _application(run)
    if application is not None:
        _set(run, application, name, value)
        return True
    for one in run.memory.get(_ALL, ()):
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
