"""Which libraries are known frameworks or their companions, by name."""

# Frameworks and their companions of which no function serves: others serve what they make.
HARMLESS = frozenset(
    {
        "anyio", "better_exceptions", "dash_ag_grid", "dash_bootstrap_components",
        "dash_core_components", "dash_daq", "dash_html_components", "dash_iconify",
        "dash_mantine_components", "dash_table", "django_extensions", "django_filters", "engineio",
        "flask_assets", "flask_debug", "flask_profiler", "greenlet", "httpx", "plotly",
        "rest_framework", "simple_websocket", "socketio", "swagger_ui_bundle", "webob", "zope",
    }
)  # fmt: skip
# Frameworks whose modules without an entry start nothing but what `starts` names.
FRAMEWORKS = frozenset(
    {
        "a2wsgi", "aiohttp", "asgiref", "bottle", "cherrypy", "connexion", "dash",
        "dash_extensions", "django", "eventlet", "falcon", "fastapi", "flask_debugtoolbar",
        "flask_socketio", "gevent", "jupyter_dash", "locust", "pyramid", "quart", "sanic",
        "starlette", "superset", "tornado", "twisted",
    }
)  # fmt: skip
# Modules of these frameworks that serve, or that start what they are given: what has no model here
# cannot be told.
SERVING = (
    "aiohttp.worker", "cherrypy", "connexion.cli", "django.core.management", "django.core.servers",
    "eventlet", "gevent", "locust.env", "locust.main", "locust.web", "quart.cli", "sanic.mixins",
    "sanic.server", "sanic.worker", "superset", "tornado.autoreload", "tornado.httpserver",
    "tornado.ioloop", "tornado.netutil", "tornado.process", "tornado.tcpserver", "twisted",
)  # fmt: skip
# What is defined below them and starts nothing by itself: base classes and errors.
_BASES = (
    "django.core.management.base", "django.core.management.color", "gevent.monkey",
    "twisted.web.resource",
)  # fmt: skip


def starts(name: str) -> bool:
    """Say whether a module without a model may serve, or start what it is given."""
    return name not in _BASES and any(
        name == entry or name.startswith(f"{entry}.") for entry in SERVING
    )
