"""werkzeug.serving and werkzeug.debug: the development server, and the debugger as middleware."""

from deployguard.flask.libraries.effects import DEBUGGED, SERVE, emit_serve
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import Call, EffectKind, Instance, Native, Opaque, Value, known
from deployguard.python.signals import ServeSignal


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
        value: Value = application.slots["config"].slots["DEBUG"]
        return value
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


def debugged_parts(application: Value) -> tuple[Instance, ...]:
    """Return the debugger middlewares that an application passes its requests through."""
    found: list[Instance] = []
    pending, seen = [application], set[int]()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case Instance(native=Native(name=name), slots=slots):
                if name == DEBUGGED:
                    found.append(value)
                pending.extend(
                    inner
                    for key, inner in slots.items()
                    if key == "wsgi_app" or (isinstance(key, str) and key.startswith("<app"))
                )
            case Instance(slots=slots):
                pending.extend(entry for entry in slots.values() if isinstance(entry, Instance))
            case Opaque(parts=parts):
                pending.extend(parts)
            case _:
                pass
    return tuple(found)
