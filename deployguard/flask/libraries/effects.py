"""What the models of libraries share: names of effects, what is recorded, what is left opaque."""

from deployguard.model.evidence import Missing, Reason
from deployguard.python import Call, EffectKind, Items, Known, Mapped, Native, Opaque, Value, known

# Names of effects.
SERVE = "werkzeug.serving.run_simple"
DEBUGGED = "werkzeug.debug.DebuggedApplication"
WSGI = "wsgi server"
REMOTE = "remote debugger"

# Where a middleware or application keeps what it passes requests on to; slots whose names begin so
# are followed by passage().
INNER = "<app>"
# Marks the application of a framework that is not Flask, and names the framework.
FRAMEWORK = "<framework>"


def harmless(name: str) -> Opaque:
    """Return something of which a call computes and starts nothing."""
    missing = Missing(Reason.LIBRARY, f"what {name} does")
    return Opaque((missing,), name, harmless=True)


def unseen(name: str) -> Native:
    """Return a function of a library whose call is recorded as not seen."""
    return Native(name, lambda call: call.run.unseen(f"what {name}() does", call.location))


def emit_serve(call: Call, **values: Value) -> None:
    """Record that Werkzeug's server starts, with the variable of the PIN as it is now."""
    pin = call.run.environ.slots.get("WERKZEUG_DEBUG_PIN")
    if pin is None and call.run.environ.rest is not None:
        pin = call.run.environ.rest
    call.run.emit(
        EffectKind.LIBRARY, SERVE, call.location, values=values | ({"pin": pin} if pin else {})
    )


def register(call: Call) -> Value:
    """Register what is given, as the application's decorators do, and run nothing now."""
    if (
        len(call.arguments) == 1
        and not call.keywords
        and not isinstance(call.arguments[0], Known | Items | Mapped | Opaque)
    ):
        return call.arguments[0]
    return Native("a registering decorator", _kept)


def _kept(call: Call) -> Value:
    return call.arguments[0] if call.arguments else known(None)
