"""Which libraries are known frameworks or their companions, by name."""

# Frameworks and their companions of which no function serves: others serve what they make.
HARMLESS = frozenset(
    {
        "anyio", "django_extensions", "django_filters", "dash_bootstrap_components",
        "dash_mantine_components", "dash_daq", "dash_ag_grid", "dash_iconify", "engineio",
        "environ", "flask_profiler", "greenlet", "httpx", "plotly",
        "rest_framework", "simple_websocket", "socketio", "swagger_ui_bundle",
        "webob", "zope", "better_exceptions", "flask_assets", "flask_debug",
    }
)  # fmt: skip
# Frameworks whose modules without an entry start nothing but what `serves` names.
FRAMEWORKS = frozenset(
    {
        "aiohttp", "bottle", "cherrypy", "connexion", "dash", "dash_extensions", "django",
        "fastapi", "flask_debugtoolbar", "flask_socketio", "jupyter_dash", "pyramid", "quart",
        "sanic", "starlette", "tornado", "twisted", "falcon", "asgiref", "a2wsgi",
    }
)  # fmt: skip
# Modules of these frameworks that serve, or that start what they are given: what has no model here
# cannot be told.
_SERVING = (
    "aiohttp.worker", "cherrypy", "connexion.cli", "django.core.management", "django.core.servers",
    "quart.cli", "sanic.server", "sanic.worker", "sanic.mixins", "tornado.autoreload",
    "tornado.httpserver", "tornado.ioloop", "tornado.netutil", "tornado.process",
    "tornado.tcpserver", "twisted",
)  # fmt: skip
# What is defined below them and starts nothing by itself: base classes and errors.
_BASES = ("django.core.management.base", "django.core.management.color", "twisted.web.resource")


def starts(name: str) -> bool:
    """Say whether a module without a model may serve, or start what it is given."""
    return name not in _BASES and any(
        name == entry or name.startswith(f"{entry}.") for entry in _SERVING
    )
