"""Which applications an ASGI server can pass requests to."""

from deployguard.flask.libraries.effects import DEBUGGED
from deployguard.model.evidence import Evidence, Location
from deployguard.python import Class, Instance, Native, Value
from deployguard.python.interpreter import linearize

_WSGI = ("flask.", "werkzeug.", "bottle.", "pyramid.", "whitenoise.")


def unanswered_by_asgi(application: Value | None, place: Location, server: str) -> Evidence | None:
    """Return why an ASGI server lets no request through to an application, None where it does.

    A WSGI application takes two arguments and is no coroutine: each request ends with an error.
    """
    if not isinstance(application, Instance) or not isinstance(application.native, Native):
        return None
    if isinstance(application.type, Class) and any(
        isinstance(base, Class) and "__call__" in base.slots for base in linearize(application.type)
    ):
        return None
    name = application.native.name
    if name != DEBUGGED and not name.startswith(_WSGI):
        return None
    return Evidence(place, f"{server} speaks ASGI, and {name} does not: each request fails")
