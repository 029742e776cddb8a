"""uvicorn and hypercorn, started from the source."""

from typing import Any

from deployguard.flask.libraries.effects import INNER, harmless, unseen
from deployguard.flask.libraries.foreign import middleware_class
from deployguard.flask.libraries.servers.common import (
    LOOPBACK,
    Address,
    address,
    awaitable,
    below,
    blocks,
    given,
    kept,
    serves,
    unknown_address,
)
from deployguard.flask.servers.environment_files import take_environment_file
from deployguard.flask.servers.interfaces import unanswered_by_asgi
from deployguard.flask.servers.loading import Style, named
from deployguard.flask.servers.uvicorn import without_arguments
from deployguard.flask.servers.worlds import first_on_path, text_of
from deployguard.model.evidence import Answer, Traced
from deployguard.python import (
    Call,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.standard import absolute
from deployguard.python.values import truth

_PORT = 8000


def _configured(call: Call, instance: Instance) -> None:
    """uvicorn.Config(app, host, port, uds, fd, ...): what uvicorn.run takes as well."""
    options = call.keywords
    kept(call, instance, app=call.argument(0, "app") or known(None))
    kept(
        call,
        instance,
        host=given(call.argument(1, "host"), LOOPBACK),
        port=given(call.argument(2, "port"), _PORT),
        options=Mapped(dict(options), call.open, "uvicorn.Config"),
    )
    file = text_of(options.get("env_file"))
    if file is not None:
        take_environment_file(call.run, Traced(file, call.location))


def _place(instance: Instance) -> Address:
    options: Mapped = instance.slots["<options>"]
    path = options.slots.get("uds")
    if path is not None and truth(path) is not Answer.NO:
        text = text_of(path)
        return unknown_address() if text is None else address(known(f"unix:{text}"))
    descriptor = options.slots.get("fd")
    if options.rest is not None or (descriptor is not None and truth(descriptor) is not Answer.NO):
        return unknown_address()
    host: Value = instance.slots.get("host", instance.slots["<host>"])
    port: Value = instance.slots.get("port", instance.slots["<port>"])
    return host, port


def _application(call: Call, instance: Instance) -> Value:
    """Config.load: import what a text names, call a factory; a WSGI application wants its flag."""
    options: Mapped = instance.slots["<options>"]
    value: Value = instance.slots[INNER]
    text = text_of(value)
    if text is not None:
        folder = text_of(options.slots.get("app_dir"))
        path = None if folder is None else absolute(call.run, folder)
        if path is not None:
            first_on_path(call.run, path)
        value = named(call.run, text, "", Style.DOTTED, call.location)
    factory = truth(options.slots.get("factory", known(value=False)))
    if factory is Answer.YES or (isinstance(value, Function) and without_arguments(value)):
        value = call.run.call(value, (), {}, call.location)
    interface = options.slots.get("interface", known("auto"))
    if isinstance(interface, Known) and interface.value != "wsgi":
        silent = unanswered_by_asgi(value, call.location, "uvicorn")
        if silent is not None:
            return known(None, silent)
    return value


def _serve(call: Call, configuration: Value | None) -> Value:
    if not isinstance(configuration, Instance) or "<options>" not in configuration.slots:
        return call.run.unseen("what uvicorn serves", call.location)
    serves(call, "uvicorn", _application(call, configuration), _place(configuration))
    return blocks(call, "uvicorn")


def _run(call: Call) -> Value:
    configuration = Instance(None, _CONFIG)
    _configured(Call(call.run, call.location, call.arguments[:1], call.keywords, call.open),
                configuration)  # fmt: skip
    return _serve(call, configuration)


def _server(call: Call, instance: Instance) -> None:
    kept(call, instance, config=call.argument(0, "config") or known(None))


def _server_attribute(_run_of: Interpreter, instance: Instance, name: str) -> Value | None:
    def model(call: Call) -> Value:
        return _serve(call, instance.slots.get("<config>"))

    if name == "run":
        return Native("uvicorn.Server.run", model)
    if name == "serve":
        return awaitable("uvicorn.Server.serve", model)
    if name in {"shutdown", "install_signal_handlers", "handle_exit"}:
        return Native(f"uvicorn.Server.{name}", lambda _call: known(None))
    return None


_CONFIG = Native("uvicorn.Config", construct=_configured)
_SERVER = Native("uvicorn.Server", construct=_server, attribute=_server_attribute)


def _settings(call: Call, instance: Instance) -> None:
    """hypercorn.config.Config: settings are attributes."""
    for name, value in call.keywords.items():
        call.run.store(instance.slots, name, value)


def _settings_made(call: Call) -> Value:
    """Config.from_mapping(mapping, **settings)."""
    made = Instance(None, _HYPERCORN)
    mapping = call.argument(0, "mapping")
    for source in (mapping.slots if isinstance(mapping, Mapped) else {}, call.keywords):
        for name, value in source.items():
            call.run.store(made.slots, name, value)
    unread = mapping is not None and not isinstance(mapping, Mapped)
    if unread or call.open is not None or (isinstance(mapping, Mapped) and mapping.rest):
        call.run.store(made.slots, "bind", unknown_address()[0])
    return made


def _settings_unread(call: Call) -> Value:
    call.run.unseen("the configuration of hypercorn", call.location)
    made = Instance(None, _HYPERCORN)
    made.slots["bind"] = unknown_address()[0]
    return made


_HYPERCORN = Native(
    "hypercorn.config.Config",
    construct=_settings,
    members={
        "from_mapping": Native("hypercorn.config.Config.from_mapping", _settings_made),
        **{
            name: Native(f"hypercorn.config.Config.{name}", _settings_unread)
            for name in ("from_object", "from_pyfile", "from_toml")
        },
    },
)


def _hypercorn_places(configuration: Value | None) -> tuple[Address, ...]:
    if not isinstance(configuration, Instance):
        return (unknown_address(),)
    value = configuration.slots.get("bind")
    if value is None:
        return ((known(LOOPBACK), known(_PORT)),)
    items = value.items if isinstance(value, Items) else (value,)
    return tuple(address(item, _PORT) for item in items)


def _hypercorn_serve(call: Call) -> Value:
    """hypercorn.asyncio.serve(app, config, *, mode)."""
    application = call.argument(0, "app")
    mode = call.keywords.get("mode", known(None))
    if isinstance(mode, Known) and mode.value == "asgi":
        silent = unanswered_by_asgi(application, call.location, "hypercorn as asgi")
        application = application if silent is None else known(None, silent)
    serves(call, "hypercorn", application, *_hypercorn_places(call.argument(1, "config")))
    return blocks(call, "hypercorn")


def _hypercorn_run(call: Call) -> Value:
    """hypercorn.run.run(config), which imports config.application_path."""
    configuration = call.argument(0, "config")
    path = (
        configuration.slots.get("application_path") if isinstance(configuration, Instance) else None
    )
    text = text_of(path)
    application: Value
    if text is None:
        application = call.run.unseen("what hypercorn serves", call.location)
    else:
        plain = text.removeprefix("wsgi:") if text.count(":") > 1 else text
        application = named(call.run, plain, "app", Style.EXPRESSION, call.location)
    serves(call, "hypercorn", application, *_hypercorn_places(configuration))
    return blocks(call, "hypercorn")


def names(  # noqa: PLR0911  (a table: one way out for each module)
    run: Interpreter, name: str
) -> dict[Any, Any]:
    """Return the names of a module of uvicorn or hypercorn."""
    serve = awaitable("hypercorn.serve", _hypercorn_serve)
    match name:
        case "uvicorn":
            return {
                **below(run, names, name, "config", "server", "main"),
                "run": Native("uvicorn.run", _run),
                "Config": _CONFIG,
                "Server": _SERVER,
                "main": unseen("uvicorn.main"),
            }
        case "uvicorn.main":
            return {"run": Native("uvicorn.run", _run), "Server": _SERVER}
        case "uvicorn.config":
            return {"Config": _CONFIG, "LOGGING_CONFIG": _logging()}
        case "uvicorn.middleware":
            return below(run, names, name, "wsgi", "proxy_headers")
        case "uvicorn.middleware.wsgi":
            return {"WSGIMiddleware": middleware_class("uvicorn.middleware.wsgi.WSGIMiddleware")}
        case "uvicorn.middleware.proxy_headers":
            made = middleware_class("uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware")
            return {"ProxyHeadersMiddleware": made}
        case "uvicorn.workers":
            workers = ("UvicornWorker", "UvicornH11Worker")
            return {one: harmless(f"uvicorn.workers.{one}") for one in workers}
        case "uvicorn.server":
            return {"Server": _SERVER}
        case "hypercorn":
            return {**below(run, names, name, "config", "asyncio", "run"), "Config": _HYPERCORN}
        case "hypercorn.config":
            return {"Config": _HYPERCORN}
        case "hypercorn.asyncio" | "hypercorn.trio":
            return {"serve": serve}
        case "hypercorn.run":
            return {"run": Native("hypercorn.run.run", _hypercorn_run)}
        case _:
            return {}


def _logging() -> Value:
    return Opaque((), "uvicorn.config.LOGGING_CONFIG", harmless=True)
