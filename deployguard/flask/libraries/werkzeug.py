"""werkzeug.serving and werkzeug.debug: the development server, and the debugger as middleware."""

from dataclasses import dataclass

from deployguard.flask.libraries import config
from deployguard.flask.libraries.effects import DEBUGGED, INNER, SERVE, emit_serve
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import Call, Class, EffectKind, Instance, Native, Opaque, Value, known
from deployguard.python.interpreter import linearize
from deployguard.python.signals import ServeSignal
from deployguard.python.values import CONDITIONAL


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
    `settled`: everything on the way is known, so that what is not among it is not passed.
    """

    debuggers: tuple[tuple[Instance, bool], ...]
    settled: bool


# Slots that hold what a request is passed on to, beside those whose names begin with INNER.
_INNER = frozenset({"wsgi_app"})


def passage(application: Value) -> Passage:
    """Follow what an application passes its requests through."""
    found: dict[int, tuple[Instance, bool]] = {}
    settled = True
    pending: list[tuple[Value, bool]] = [(application, True)]
    seen: set[tuple[int, bool]] = set()
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
            case Opaque(name=name, parts=parts):
                own = name == "app.wsgi_app"
                settled = settled and own
                pending.extend((part, certain and name != CONDITIONAL) for part in parts)
            case _:
                settled = False
    return Passage(tuple(found.values()), settled)


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
