"""Products that are built on Flask or Werkzeug: Airflow, Moto's server, Odoo, Superset.

Sources: airflow.cli.commands.webserver_command (1.10 to 2.10), moto.server (5.1),
odoo.service.server and odoo.tools.config (11 to 17), superset.app and superset.cli.main (1 to 4).
"""

import posixpath
import re
from collections.abc import Mapping

from deployguard.flask.libraries import foreign
from deployguard.flask.libraries.application import Applications
from deployguard.flask.libraries.effects import emit_serve
from deployguard.flask.libraries.werkzeug import DEBUGGED_APPLICATION
from deployguard.flask.libraries.words import arguments, flag, option, words
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence
from deployguard.model.filesystem import Content, Unread
from deployguard.python import Call, Items, Known, Module, Native, Opaque, Value, known
from deployguard.python.modules import LOCATION
from deployguard.python.signals import ExitSignal, RaiseSignal, ServeSignal
from deployguard.python.values import truth

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (what these products bind by themselves)
_AIRFLOW_WORKERS = frozenset({"celery", "worker", "scheduler", "triggerer", "dag-processor"})


def airflow(call: Call, stack: Stack) -> Value:
    """`airflow webserver` is gunicorn's, with --debug Flask's own server and the debugger."""
    given = words(call)
    if any(not isinstance(word, Known) for word in given):
        return call.run.unseen("which command Airflow is given", call.location)
    names = [str(word.value) for word in arguments(given, ())]
    host = foreign.given(
        option(given, ("--hostname", "-H", "--host"))
        or call.run.environ.slots.get("AIRFLOW__WEBSERVER__WEB_SERVER_HOST"),
        _EVERYWHERE,
    )
    port = foreign.given(
        option(given, ("--port", "-p"))
        or call.run.environ.slots.get("AIRFLOW__WEBSERVER__WEB_SERVER_PORT"),
        8080,
    )
    command = names[0] if names else ""
    if command == "webserver" and flag(given, "-d", "--debug"):
        application = call.run.call(
            Applications(stack).flask(), (known("airflow"),), {}, call.location
        )
        method = call.run.attribute(application, "run", call.location)
        options = {"debug": known(value=True), "host": host, "port": port}
        return call.run.call(method, (), options, call.location)
    application = call.run.call(foreign.application_class("airflow"), (), {}, call.location)
    if command in {"webserver", "standalone", "api-server", "fastapi-api"}:
        return foreign.serve(call, "gunicorn", application, host, port)
    if command in _AIRFLOW_WORKERS:
        # Their logs are served to the web server.
        return foreign.serve(call, "gunicorn", application, _EVERYWHERE, 8793)
    raise ExitSignal(Evidence(call.location, f"airflow {command} serves nothing over HTTP"))


def moto(call: Call, stack: Stack) -> Value:
    """moto.server.main: Werkzeug's server without its debugger."""
    del stack
    given = words(call)
    application = call.run.call(foreign.application_class("moto"), (), {}, call.location)
    emit_serve(
        call,
        host=foreign.given(option(given, ("-H", "--host")), "127.0.0.1"),
        port=foreign.given(
            option(given, ("-p", "--port")) or call.run.environ.slots.get("MOTO_PORT"), 5000
        ),
        application=application,
        debug=known(value=False),
        reloader=known(value=flag(given, "-r", "--reload")),
        debugger=known(value=False),
        evalex=known(value=True),
        passthrough=known(value=False),
    )
    raise ServeSignal(Evidence(call.location, "moto_server serves with Werkzeug"))


_SETTING = re.compile(r"^[ \t]*(\w+)[ \t]*[=:][ \t]*(.*?)[ \t]*$", re.MULTILINE)
_ODOO_FILES = ("/etc/odoo/odoo.conf", "/etc/odoo.conf", "/etc/openerp/openerp-server.conf")


def odoo(call: Call, stack: Stack) -> Value:
    """Odoo serves with Werkzeug; --dev=werkzeug or =all puts the debugger in front."""
    del stack
    run = call.run
    given = words(call)
    if any(not isinstance(word, Known) for word in given):
        return run.unseen("which options Odoo is given", call.location)
    first = str(given[0].value) if given and isinstance(given[0], Known) else ""
    if first and not first.startswith("-") and first != "server":
        raise ExitSignal(Evidence(call.location, f"odoo {first} serves nothing"))
    if flag(given, "--no-http", "--no-xmlrpc", "--stop-after-init", "--version", "-h", "--help"):
        raise ExitSignal(Evidence(call.location, "Odoo is told to serve nothing"))
    written = _odoo_file(call, option(given, ("-c", "--config")))
    mode = option(given, ("--dev",)) or written.get("dev_mode")
    host = option(given, ("--http-interface", "--xmlrpc-interface"))
    port = option(given, ("--http-port", "--xmlrpc-port", "-p"))
    application = run.call(foreign.application_class("odoo"), (), {}, call.location)
    if truth(_has_debugger(mode)) is not Answer.NO:
        application = run.call(
            DEBUGGED_APPLICATION, (application,), {"evalex": known(value=True)}, call.location
        )
    emit_serve(
        call,
        host=foreign.given(
            host or written.get("http_interface") or written.get("xmlrpc_interface"), _EVERYWHERE
        ),
        port=foreign.given(port or written.get("http_port") or written.get("xmlrpc_port"), 8069),
        application=application,
        debug=known(value=False),
        reloader=known(value=False),
        debugger=_has_debugger(mode),
        evalex=known(value=True),
        passthrough=known(value=False),
    )
    raise ServeSignal(Evidence(call.location, "Odoo serves with Werkzeug"))


def _has_debugger(mode: Value | None) -> Value:
    if mode is None:
        return known(value=False)
    if isinstance(mode, Known):
        asked = {word.strip() for word in str(mode.value).split(",")}
        return known(bool(asked & {"all", "werkzeug"}), *mode.trail)
    return mode


def _odoo_file(call: Call, path: Value | None) -> Mapping[str, Value]:
    """Read Odoo's configuration: the file named, of ODOO_RC, or one of the usual places."""
    run = call.run
    path = path or run.environ.slots.get("ODOO_RC")
    places = [str(path.value)] if isinstance(path, Known) else list(_ODOO_FILES)
    for place in places:
        content = run.files.read(posixpath.normpath(posixpath.join(run.cwd or "/", place)))
        if isinstance(content, Unread):
            hidden = Opaque((content.missing,), "the configuration of Odoo", harmless=True)
            return {"dev_mode": hidden, "http_interface": hidden}
        if isinstance(content, Content):
            note = Evidence(content.location, "Odoo's configuration says so")
            text = content.data.decode("utf-8", "replace")
            return {name: known(value, note) for name, value in _SETTING.findall(text)}
    return {}


def superset(call: Call, stack: Stack) -> Value:
    """superset.cli.main.superset: a FlaskGroup around Superset's own application."""
    run = call.run
    group = run.attribute(
        run.import_module("flask.cli", call.location), "FlaskGroup", call.location
    )
    factory = superset_application(stack)
    made = run.call(group, (), {"create_app": factory}, call.location)
    return run.call(made, (), {}, call.location)


def superset_application(stack: Stack) -> Native:
    """Return superset.app.create_app: a Flask application with the middleware of its settings."""

    def create(call: Call) -> Value:
        run = call.run
        application = run.call(Applications(stack).flask(), (known("superset"),), {}, call.location)
        settings = _superset_settings(call)
        chosen = settings.slots.get("ADDITIONAL_MIDDLEWARE") if settings else None
        if isinstance(chosen, Opaque):
            run.unseen("which middleware Superset is given", call.location)
        for middleware in chosen.items if isinstance(chosen, Items) else ():
            inner = run.attribute(application, "wsgi_app", call.location)
            made = run.call(middleware, (inner,), {}, call.location)
            run.assign_attribute(application, "wsgi_app", made, call.location)
        return application

    return Native("superset.app.create_app", create)


def _superset_settings(call: Call) -> Module | None:
    """superset.config: the file of SUPERSET_CONFIG_PATH, else the module superset_config."""
    run = call.run
    path = run.environ.slots.get("SUPERSET_CONFIG_PATH")
    if path is None:
        try:
            found = run.import_module("superset_config", call.location)
        except RaiseSignal:
            return None
        return found if isinstance(found, Module) else None
    content = run.files.read(str(path.value)) if isinstance(path, Known) else None
    if not isinstance(content, Content):
        run.unseen("the settings of Superset", call.location)
        return None
    module = Module("superset_config", {LOCATION: content.location})
    run.execute_text(content.data, module)
    return module
