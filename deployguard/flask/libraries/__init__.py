"""Models of the libraries that a launch meets: what their functions do to it.

Each model follows the function it names, family by family; `Stack` says which one is installed.
"""

from typing import Any

from msgspec import Struct

from deployguard.flask.libraries import (
    command_lines,
    debuggers,
    readers,
    servers,
    serving,
    werkzeug_serving,
)
from deployguard.flask.libraries.application import Applications, blueprint
from deployguard.flask.libraries.config import IMPORT_STRING, config_class
from deployguard.flask.libraries.current import current_app
from deployguard.flask.libraries.dotenv import DOTENV
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.werkzeug import DEBUGGED_APPLICATION
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Missing, Reason
from deployguard.python import Interpreter, Module, Opaque

# Libraries that start no server and no debugger by being imported or called.
_HARMLESS = frozenset(
    {
        "alembic", "authlib", "babel", "bcrypt", "blinker", "boto3", "botocore", "box", "bs4",
        "cachetools", "certifi", "configobj", "confuse", "cryptography", "dateutil",
        "email_validator", "everett", "flask_admin", "flask_babel", "flask_bcrypt",
        "flask_caching", "flask_compress", "flask_cors", "flask_jwt_extended", "flask_limiter",
        "flask_login", "flask_mail", "flask_marshmallow", "flask_migrate", "flask_principal",
        "flask_restful", "flask_session", "flask_sqlalchemy", "flask_talisman", "flask_wtf",
        "itsdangerous", "jinja2", "jwt", "lxml", "markupsafe", "marshmallow", "munch", "numpy",
        "omegaconf", "openpyxl", "pandas", "passlib", "peewee", "PIL", "prometheus_client",
        "psycopg", "psycopg2", "pymongo", "pymysql", "pythonjsonlogger", "pytz", "redis",
        "requests", "sentry_sdk", "six", "sqlalchemy", "tzlocal", "urllib3", "whitenoise",
        "wtforms",
    }
)  # fmt: skip

# Modules of which every function without a model may start a server or a debugger.
_WATCHED = frozenset({"flask.cli", "flask.testing", "werkzeug.serving", "werkzeug.debug"})
# Libraries that have a model for what is usual and may start more than that.
_STARTING = frozenset({"werkzeug"})


def _remainder(name: str) -> Opaque:
    missing = Missing(Reason.LIBRARY, f"what {name} does")
    watched = name in _WATCHED or name in _STARTING or serving.starts(name)
    watched = watched or servers.starts(name) or debuggers.starts(name)
    return Opaque((missing,), name, harmless=not watched)


def _celery(run: Interpreter, name: str) -> dict[str, Any] | None:
    if name.partition(".")[0] != "celery":
        return None
    from deployguard.flask.libraries import celery  # noqa: PLC0415  (seldom needed)

    return celery.slots(run, name)


class FlaskLibrary(Struct, frozen=True):
    """The models of the libraries that are known, for one stack of versions."""

    stack: Stack

    def module(self, run: Interpreter, name: str) -> Module | None:
        """Return the model of a module by its dotted name, None where it is not known."""
        top = name.partition(".")[0]
        if top in _HARMLESS or top in serving.HARMLESS:
            return Module(name, {}, harmless(name))
        slots = self._slots(run, name)
        for find in (servers.slots, debuggers.slots, _celery):
            slots = find(run, name) if slots is None else slots
        if slots is None:
            slots = command_lines.slots(name, self.stack)
        if slots is None:
            slots = self._framework(name)
        if slots is None and top in {"flask", "werkzeug"}:
            slots = {}
        return None if slots is None else Module(name, dict(slots), _remainder(name))

    def _framework(self, name: str) -> dict[Any, Any] | None:
        if name.partition(".")[0] not in serving.FRAMEWORKS and not name.startswith("werkzeug."):
            return None
        # The models of frameworks are many and seldom needed.
        from deployguard.flask.libraries import frameworks  # noqa: PLC0415

        return frameworks.slots(name, self.stack)

    def _slots(self, run: Interpreter, name: str) -> dict[Any, Any] | None:
        applications = Applications(self.stack)
        match name:
            case "flask":
                return {
                    "Flask": applications.flask(),
                    "Blueprint": blueprint(self.stack),
                    "Config": config_class(self.stack.flask),
                    "current_app": current_app(run),
                }
            case "flask.globals":
                return {"current_app": current_app(run)}
            case "flask.config":
                return {"Config": config_class(self.stack.flask)}
            case "werkzeug.utils":
                return {"import_string": IMPORT_STRING}
            case "flask.app":
                return {"Flask": applications.flask()}
            case "werkzeug.serving" | "werkzeug" | "werkzeug._reloader" | "werkzeug.script":
                return werkzeug_serving.slots(name, self.stack)
            case "flask.cli":
                # click's model is large; the servers of a fleet do without it.
                from deployguard.flask.libraries.flask_cli import held  # noqa: PLC0415

                return held(run, self.stack).slots()
            case "werkzeug.debug":
                return {"DebuggedApplication": DEBUGGED_APPLICATION}
            case "dotenv" | "dotenv.main" if self.stack.dotenv:
                return dict(DOTENV)
            case _:
                return readers.slots(run, name)
