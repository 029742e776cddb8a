"""Servers other than Werkzeug's that a program starts from its source: one module a family."""

from importlib import import_module
from typing import Any

from deployguard.python import Interpreter

# The family of each library, by the name it is imported under.
_FAMILIES = {
    "waitress": "waitress", "gevent": "greenlets", "eventlet": "greenlets", "cheroot": "cheroot",
    "uvicorn": "asgi", "hypercorn": "asgi", "gunicorn": "gunicorn", "bjoern": "small",
    "meinheld": "small", "flup": "small", "livereload": "small", "aiohttp_wsgi": "small",
    "geventwebsocket": "greenlets", "fapws": "small", "wsgiserver": "small", "rocket": "small",
    "rocket3": "small",
    "granian": "small", "daphne": "small", "pyuwsgi": "small", "paste": "small",
    "uwsgidecorators": "small",
}  # fmt: skip
# What these libraries offer beside servers and starts nothing by itself.
_QUIET = frozenset(
    {
        "gevent.monkey", "gevent.event", "gevent.queue", "gevent.lock", "gevent.local",
        "gevent.threadpool", "gevent.socket", "gevent.ssl", "gevent.select", "gevent.timeout",
        "gevent.exceptions", "eventlet.green", "eventlet.queue", "eventlet.semaphore",
        "eventlet.event", "eventlet.timeout", "gunicorn.glogging", "gunicorn.config",
        "gunicorn.util", "gunicorn.workers", "gunicorn.http", "uvicorn.logging",
        "uvicorn.middleware", "uvicorn.protocols", "hypercorn.typing", "hypercorn.middleware",
        "hypercorn.logging", "waitress.utilities", "waitress.task", "cheroot.ssl",
    }
)  # fmt: skip


def slots(run: Interpreter, name: str) -> dict[Any, Any] | None:
    """Return what a module of such a library holds, None where it is none of theirs."""
    family = _FAMILIES.get(name.partition(".")[0])
    if family is None:
        return None
    # A program starts one kind of server: the others' models need not be loaded.
    module = import_module(f"{__name__}.{family}")
    found: dict[Any, Any] = module.names(run, name)
    return found


def starts(name: str) -> bool:
    """Say whether what has no model in a module of these libraries may start something."""
    quiet = any(name == entry or name.startswith(f"{entry}.") for entry in _QUIET)
    return name.partition(".")[0] in _FAMILIES and not quiet
