"""Servers other than Werkzeug's: the application they load, its environment, where they listen.

One module for each family of servers; the words of each follow the server's own option parser.
"""

from importlib import import_module

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged

# The module of the family, by the entry point or module that is run.
_FAMILIES = {
    "gunicorn": ("gunicorn.app.wsgiapp:run", "gunicorn", "gunicorn.__main__",
                 "gunicorn.app.wsgiapp"),
    "waitress": ("waitress.runner:run", "waitress", "waitress.__main__"),
    "uvicorn": ("uvicorn.main:main", "uvicorn:main", "uvicorn", "uvicorn.__main__"),
    "hypercorn": ("hypercorn.__main__:main", "hypercorn", "hypercorn.__main__"),
    "cheroot": ("cheroot.cli:main", "cheroot", "cheroot.__main__"),
    "asgi": ("daphne.cli:CommandLineInterface.entrypoint", "daphne", "daphne.__main__",
             "granian:cli.entrypoint", "granian.cli:entrypoint", "granian", "granian.__main__"),
    "mod_wsgi": ("mod_wsgi.server:main", "mod_wsgi.server", "mod_wsgi.express.cli:main"),
    "paste": ("pyramid.scripts.pserve:main",),
    "uwsgi": ("pyuwsgi:run",),
    "aiohttp_wsgi": ("aiohttp_wsgi.__main__:main", "aiohttp_wsgi"),
}  # fmt: skip
_NAMES = {name: family for family, names in _FAMILIES.items() for name in names}


def known_server(name: str) -> str | None:
    """Return the family of a server by its entry point or module, None where it is none."""
    return _NAMES.get(name)


def judge(setting: Setting, family: str) -> Judged:
    """Return what a server does with its words, under one stack."""
    # A launch has one server: the others' models need not be loaded.
    module = import_module(f"{__name__}.{family}")
    judged: Judged = module.judge(setting)
    return judged


__all__ = ["judge", "known_server"]
