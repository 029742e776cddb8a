"""gunicorn.app.base.BaseApplication: gunicorn as a part of a program of its own."""

from typing import Any

from deployguard.flask.libraries.effects import harmless, unseen
from deployguard.flask.libraries.servers.common import (
    Address,
    below,
    blocks,
    serves,
    unknown_address,
)
from deployguard.flask.servers import gunicorn as command
from deployguard.flask.servers.words import read
from deployguard.flask.servers.worlds import text_of
from deployguard.model.evidence import Evidence, Traced
from deployguard.model.facts import Listener
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Value,
    known,
)
from deployguard.python.signals import ExitSignal
from deployguard.python.values import after_first

# gunicorn.config.Config.settings, which programs filter their own options by.
_SETTINGS = """
    config wsgi_app bind backlog workers worker_class threads worker_connections
    max_requests max_requests_jitter timeout graceful_timeout keepalive limit_request_line
    limit_request_fields limit_request_field_size reload reload_engine reload_extra_files
    spew check_config print_config preload_app sendfile reuse_port chdir daemon raw_env
    pidfile worker_tmp_dir user group umask initgroups tmp_upload_dir secure_scheme_headers
    forwarded_allow_ips accesslog disable_redirect_access_to_syslog access_log_format
    errorlog loglevel capture_output logger_class logconfig logconfig_dict logconfig_json
    syslog_addr syslog syslog_prefix syslog_facility enable_stdio_inheritance statsd_host
    dogstatsd_tags statsd_prefix proc_name default_proc_name pythonpath paste on_starting
    on_reload when_ready pre_fork post_fork post_worker_init worker_int worker_abort
    pre_exec pre_request post_request child_exit worker_exit nworkers_changed on_exit
    ssl_context proxy_protocol proxy_allow_ips keyfile certfile ssl_version cert_reqs
    ca_certs suppress_ragged_eofs do_handshake_on_connect ciphers raw_paste_global_conf
    permit_obsolete_folding strip_header_spaces permit_unconventional_http_method
    permit_unconventional_http_version casefold_http_method forwarder_headers header_map
    """


def _construct(call: Call, instance: Instance) -> None:
    """BaseApplication.__init__: the defaults, then what the class's own load_config sets."""
    configuration = Instance(None, _CONFIG)
    configuration.slots["settings"] = Mapped(
        {name: known(None) for name in _SETTINGS.split()}, None
    )
    call.run.store(instance.slots, "cfg", configuration)
    call.run.store(instance.slots, "callable", known(None))
    if instance.type is not None:
        load = call.run.attribute(instance, "load_config", call.location)
        call.run.call(load, (), {}, call.location)


def _set(call: Call, configuration: Instance) -> Value:
    name, value = text_of(call.argument(0, "name")), call.argument(1, "value")
    if name is None or value is None:
        call.run.unseen("which setting of gunicorn is set", call.location)
    else:
        call.run.store(configuration.slots, f"<{name.lower()}>", value)
    return known(None)


def _configuration_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name == "set":
        return Native("gunicorn.config.Config.set", lambda call: _set(call, instance))
    return instance.slots.get(f"<{name}>") or harmless(f"gunicorn.config.Config.{name}")


_CONFIG = Native("gunicorn.config.Config", attribute=_configuration_attribute)


def _attribute(_run_of: Interpreter, instance: Instance, name: str) -> Value | None:
    if name == "run":
        return Native("gunicorn.app.base.BaseApplication.run", lambda call: _run(call, instance))
    if name in {"load_config", "init", "load_default_config", "chdir"}:
        return Native(f"gunicorn.app.base.BaseApplication.{name}", lambda _call: known(None))
    return None


def _run(call: Call, instance: Instance) -> Value:
    """Arbiter(self).run(): hooks, and the application that the class's own load() returns."""
    run = call.run
    configuration: Instance = instance.slots["cfg"]
    settings = {
        key.strip("<>"): value
        for key, value in configuration.slots.items()
        if isinstance(key, str) and key.startswith("<")
    }
    launch = command.Launch(call.location, _port(run), configuration=settings)
    load = run.attribute(instance, "load", call.location)
    application = command.work(launch, run, lambda: run.call(load, (), {}, call.location))
    return _served(call, launch, application)


def _wsgi_application(call: Call) -> Value:
    """gunicorn.app.wsgiapp.run(): gunicorn's command with the program's own words."""
    run = call.run
    launch = command.Launch(call.location, _port(run))
    words = tuple(Traced(text_of(item), call.location) for item in after_first(_argv(run).items))
    launch.words = read(words, command.SYNTAX)
    if launch.words.unseen:
        return run.unseen("which words gunicorn is given", call.location)
    if launch.words.refused is not None:
        raise ExitSignal(launch.words.refused)
    return _served(call, launch, command.start(launch, run))


def _argv(run: Interpreter) -> Items:
    """Return sys.argv, which the program may have put another list in place of."""
    module = run.modules.get("sys")
    held = module.slots.get("argv") if isinstance(module, Module) else None
    return held if isinstance(held, Items) else run.argv


def _served(call: Call, launch: command.Launch, application: Value) -> Value:
    found = command.places(launch)
    if isinstance(found, Evidence):
        raise ExitSignal(found)
    silent = command.unanswered(launch, application)
    passed = application if silent is None else known(None, silent)
    serves(call, "gunicorn", passed, *(_address(item) for item in found))
    return blocks(call, "gunicorn")


def _address(item: Listener) -> Address:
    if item.address is None:
        return unknown_address()
    return known(item.address, *item.evidence), known(item.port)


def _port(run: Interpreter) -> "Traced[str | None] | None":
    value = run.environ.slots.get("PORT")
    if value is None:
        return None
    place = value.trail[-1].location if isinstance(value, Known) and value.trail else run.place
    missing = getattr(value, "missing", ())
    return Traced(text_of(value), place, missing=missing)


_APPLICATION = Native(
    "gunicorn.app.base.BaseApplication", construct=_construct, attribute=_attribute
)


def _logger_attribute(_run_of: Interpreter, _instance: Instance, name: str) -> Value:
    return Native(f"gunicorn.glogging.Logger.{name}", lambda _call: known(None))


_LOGGER = Native(
    "gunicorn.glogging.Logger",
    construct=lambda _call, _instance: None,
    attribute=_logger_attribute,
)


def names(run: Interpreter, name: str) -> dict[Any, Any]:
    """Return the names of a module of gunicorn."""
    match name:
        case "gunicorn":
            return below(run, names, name, "app", "glogging")
        case "gunicorn.app":
            return below(run, names, name, "base", "wsgiapp")
        case "gunicorn.app.base":
            return {"BaseApplication": _APPLICATION, "Application": _APPLICATION}
        case "gunicorn.glogging":
            return {"Logger": _LOGGER}
        case "gunicorn.app.wsgiapp":
            return {
                "run": Native("gunicorn.app.wsgiapp.run", _wsgi_application),
                "WSGIApplication": unseen("gunicorn.app.wsgiapp.WSGIApplication"),
            }
        case _:
            return {}
