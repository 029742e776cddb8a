"""werkzeug.serving and werkzeug.debug: the development server, and the debugger as middleware."""

import ast
from dataclasses import dataclass

from deployguard.flask.libraries import config
from deployguard.flask.libraries.effects import DEBUGGED, INNER, SERVE, emit_serve
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    EffectKind,
    Function,
    Instance,
    Known,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import linearize
from deployguard.python.signals import ServeSignal
from deployguard.python.values import CONDITIONAL, Bound


def _run_simple(call: Call) -> Value:
    def option(position: int, name: str, default: object) -> Value:
        return call.argument(position, name) or known(default)

    emit_serve(
        call,
        host=option(0, "hostname", "127.0.0.1"),
        port=option(1, "port", 5000),
        application=option(2, "application", None),
        debug=_application_debug(call.argument(2, "application")),
        reloader=option(3, "use_reloader", default=False),
        debugger=option(4, "use_debugger", default=False),
        evalex=option(5, "use_evalex", default=True),
        passthrough=call.keywords.get("passthrough_errors", known(value=False)),
    )
    raise ServeSignal(Evidence(call.location, "run_simple() serves"))


def _application_debug(application: Value | None) -> Value:
    if isinstance(application, Instance) and "config" in application.slots:
        return config.debug(application.slots["config"])
    return Opaque((Missing(Reason.SOURCE, "app.debug"),), "app.debug", harmless=True)


def _debugged(call: Call, instance: Instance) -> None:
    store = call.run.store
    missing = Missing(Reason.SOURCE, "the application that is wrapped")
    store(instance.slots, "<app>", call.argument(0, "app") or Opaque((missing,), "app"))
    store(instance.slots, "<evalex>", call.argument(1, "evalex") or known(value=False))
    store(instance.slots, "<pin_security>", call.argument(6, "pin_security") or known(value=True))
    store(instance.slots, "<location>", known(call.location))
    call.run.emit(EffectKind.LIBRARY, DEBUGGED, call.location, values={"instance": instance})


RUN_SIMPLE = Native(SERVE, _run_simple)
DEBUGGED_APPLICATION = Native(DEBUGGED, construct=_debugged)


@dataclass(frozen=True, slots=True)
class Passage:
    """What the requests to an application pass through.

    `debuggers` are the debugger middlewares on the way, each with whether it certainly is.
    `settled`: everything on the way is known, so that what is not among it is not passed. `makers`
    are functions of the program on the way that speak of the debugger themselves.
    """

    debuggers: tuple[tuple[Instance, bool], ...]
    settled: bool
    makers: tuple[Function, ...] = ()


# Slots that hold what a request is passed on to, beside those whose names begin with INNER.
_INNER = frozenset({"wsgi_app"})


def passage(application: Value) -> Passage:
    """Follow what an application passes its requests through."""
    found: dict[int, tuple[Instance, bool]] = {}
    settled = True
    pending: list[tuple[Value, bool]] = [(application, True)]
    seen: set[tuple[int, bool]] = set()
    makers: list[Function] = []
    while pending:
        value, certain = pending.pop()
        if (id(value), certain) in seen:
            continue
        seen.add((id(value), certain))
        match value:
            case Instance(type=None, native=Native(name=name)) if name == DEBUGGED:
                found.setdefault(id(value), (value, certain))
                pending.extend((inner, certain) for inner in _inner(value))
            case Instance(native=Native(), slots=slots):
                settled = settled and _passes_plainly(value)
                if value.type is not None:
                    pending.extend((e, certain) for e in slots.values() if isinstance(e, Instance))
                pending.extend((inner, certain) for inner in _inner(value))
            case Instance(slots=slots):
                settled = False
                pending.extend((e, certain) for e in slots.values() if isinstance(e, Instance))
                pending.extend((method, False) for method in _answering(value))
            case Bound(function=function, instance=instance):
                pending.extend(((function, certain), (instance, False)))
            case Function():
                inner, only = _passed_on(value)
                settled = settled and only
                pending.extend((entry, certain and only) for entry in inner)
                if _speaks_of_the_debugger(value):
                    settled = False
                    makers.append(value)
            case Opaque(name=name, parts=parts):
                own = name == "app.wsgi_app"
                settled = settled and own
                pending.extend((part, certain and name != CONDITIONAL) for part in parts)
            case Known():
                continue
            case _:
                settled = False
    return Passage(tuple(found.values()), settled, tuple(makers))


def _answering(value: Instance) -> tuple[Function, ...]:
    """Return the methods of an object of the program, of which one answers requests."""
    line = linearize(value.type) if isinstance(value.type, Class) else ()
    return tuple(
        entry
        for base in line
        if isinstance(base, Class)
        for entry in base.slots.values()
        if isinstance(entry, Function)
    )


def _passed_on(function: Function) -> tuple[tuple[Value, ...], bool]:
    """Return what a function may pass requests on to, and whether it does nothing but that.

    That is what its names refer to; "return app(environ, start_response)" passes on to one thing.
    """
    inner = [
        value
        for name in _names(function.node)
        if isinstance(value := _referred(function, name), Instance | Function)
        and value is not function
    ]
    statements = [] if isinstance(function.node, ast.Lambda) else function.node.body
    plain = (
        len(statements) == 1
        and isinstance(statements[0], ast.Return)
        and isinstance(statements[0].value, ast.Call)
        and isinstance(statements[0].value.func, ast.Name)
        and len(inner) == 1
    )
    return tuple(inner), plain


def _referred(function: Function, name: str) -> object:
    scopes = (*function.scopes, function.module.slots)
    return next((scope[name] for scope in scopes if name in scope), None)


def _names(node: ast.AST) -> tuple[str, ...]:
    """Return the names that a function looks up, each once."""
    found = (entry.id for entry in ast.walk(node) if isinstance(entry, ast.Name))
    return tuple(dict.fromkeys(found))


def _speaks_of_the_debugger(function: Function) -> bool:
    """Say whether a function names the debugger, so that it may make one for a request."""
    for entry in ast.walk(function.node):
        match entry:
            case ast.Attribute(attr=name) | ast.alias(name=name) if name == _DEBUGGER:
                return True
            case ast.Name(id=name):
                referred = _referred(function, name)
                if isinstance(referred, Native) and referred.name == DEBUGGED:
                    return True
            case _:
                continue
    return False


_DEBUGGER = DEBUGGED.rpartition(".")[2]


def _inner(value: Instance) -> tuple[Value, ...]:
    return tuple(
        inner
        for key, inner in value.slots.items()
        if key in _INNER or (isinstance(key, str) and key.startswith(INNER))
    )


def _passes_plainly(value: Instance) -> bool:
    """Say whether an object answers as its library does: a class of the program may change that."""
    if value.type is None:
        return True
    return not any(
        isinstance(base, Class) and {"__call__", "wsgi_app"} & set(base.slots)
        for base in linearize(value.type)
    )


def debugged_parts(application: Value) -> tuple[Instance, ...]:
    """Return the debugger middlewares that an application may pass its requests through."""
    return tuple(middleware for middleware, _ in passage(application).debuggers)
