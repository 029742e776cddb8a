"""werkzeug.serving and werkzeug.debug: the development server, and the debugger as middleware."""

from deployguard.flask.libraries import config
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
        debug=application_debug(call.argument(2, "application")),
        reloader=option(3, "use_reloader", default=False),
        debugger=option(4, "use_debugger", default=False),
        evalex=option(5, "use_evalex", default=True),
        passthrough=call.keywords.get("passthrough_errors", known(value=False)),
    )
    raise ServeSignal(Evidence(call.location, "run_simple() serves"))


def application_debug(application: Value | None) -> Value:
    """Return app.debug of what is served."""
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
