"""Production servers that a program starts by itself."""

from deployguard.flask.libraries.effects import WSGI
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import Call, EffectKind, Native, Opaque, Value, known
from deployguard.python.signals import ServeSignal


def _waitress(call: Call) -> Value:
    missing = Missing(Reason.SOURCE, "the application that is served")
    application = call.argument(0, "app") or Opaque((missing,), "app")
    call.run.emit(
        EffectKind.LIBRARY,
        WSGI,
        call.location,
        values={
            "server": known("waitress"),
            "application": application,
            "host": call.keywords.get("host", known("0.0.0.0")),  # noqa: S104  (waitress's default)
            "port": call.keywords.get("port", known(8080)),
            **({"listen": call.keywords["listen"]} if "listen" in call.keywords else {}),
        },
    )
    raise ServeSignal(Evidence(call.location, "waitress serves"))


WAITRESS = {"serve": Native("waitress.serve", _waitress)}
