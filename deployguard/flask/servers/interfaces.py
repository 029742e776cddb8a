"""Which applications a server can pass requests to."""

from deployguard.flask.libraries.effects import DEBUGGED
from deployguard.model.evidence import Evidence, Location
from deployguard.model.structs import replace
from deployguard.python import Class, Function, Instance, Native, Value
from deployguard.python.interpreter import linearize
from deployguard.python.modules import LOCATION

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


# What a WSGI server hands over: the environ and start_response; an ASGI server one thing more.
_HANDED = 2


def unanswered_by_wsgi(application: Value | None, server: str) -> Evidence | None:
    """Return why a function cannot answer: it takes fewer arguments than any server hands over.

    A factory that is named without being called is such a function.
    """
    if not isinstance(application, Function):
        return None
    arguments = application.node.args
    taken = len(arguments.posonlyargs) + len(arguments.args)
    if arguments.vararg is not None or taken >= _HANDED:
        return None
    place = application.module.slots.get(LOCATION)
    where = place if isinstance(place, Location) else Location(application.module.name)
    note = f"{server} takes this function for the application, and each request fails"
    return Evidence(replace(where, line=application.node.lineno), note)
