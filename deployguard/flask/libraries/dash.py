"""Dash: the server it makes or is given, and what app.run() decides by.

Source: dash.Dash.run, .run_server and dash._configs.get_combined_config (1.21 to 4.4).
"""

import posixpath

from msgspec import Struct

from deployguard.flask.libraries import foreign, installed
from deployguard.flask.libraries.application import Applications
from deployguard.flask.libraries.effects import FRAMEWORK, register
from deployguard.flask.versions import Stack, Version
from deployguard.model.evidence import Answer, Evidence, Location
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Known,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import none
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, truth

_SERVER = "server"
# Dash.run() takes the debug flag from the environment, where no argument says it.
_READS_DEBUG: Version = (2, 5)
# HOST and PORT beat the arguments of Dash.run(); before, they were the defaults of them.
_ENVIRONMENT_WINS: Version = (2, 18)
# The arguments beat HOST and PORT, and Dash.run_server() is gone.
_ARGUMENTS_WIN: Version = (3,)
# Arguments of Dash.run() that do not go on to the server.
_OWN = (
    "dev_tools_", "jupyter_", "hide_all_callbacks", "proxy", "host", "port", "debug", "mode",
    "width", "height", "inline_exceptions",
)  # fmt: skip
_SERVERS = {"fastapi": "uvicorn", "quart": "hypercorn"}


class Dashes(Struct, frozen=True):
    """The model of dash.Dash under one stack of versions."""

    stack: Stack

    def dash(self) -> Native:
        """Return the class dash.Dash."""
        return Native(
            "dash.Dash",
            construct=self._construct,
            attribute=lambda _run, instance, name: self._attribute(instance, name),
        )

    def _construct(self, call: Call, instance: Instance) -> None:
        server = call.argument(1, "server") or known(value=True)
        backend = call.keywords.get("backend")
        if isinstance(server, Instance) or truth(server) is Answer.UNKNOWN:
            made = server
        elif truth(server) is Answer.NO:
            made = known(None)
        else:
            made = self._own_server(call, backend)
        call.run.store(instance.slots, _SERVER, made)
        pages = call.keywords.get("use_pages", known(value=False))
        if truth(pages) is not Answer.NO or "pages_folder" in call.keywords:
            _import_pages(call)

    def _own_server(self, call: Call, backend: Value | None) -> Value:
        """Make the server: a Flask application, or from Dash 4 on that of another backend."""
        if backend is None or (isinstance(backend, Known) and backend.value in {None, "flask"}):
            name = call.argument(0, "name") or known("dash")
            return call.run.call(Applications(self.stack).flask(), (name,), {}, call.location)
        if isinstance(backend, Known) and backend.value in _SERVERS:
            return call.run.call(
                foreign.application_class(str(backend.value)), (), {}, call.location
            )
        return derived("the server of Dash", backend)

    def _attribute(self, instance: Instance, name: str) -> Value | None:
        match name:
            case "run" | "run_server":
                return Native(f"Dash.{name}", lambda call: _run(call, instance, name))
            case "init_app":
                return Native("Dash.init_app", lambda call: _init_app(call, instance))
            case "callback" | "clientside_callback" | "long_callback" | "hook":
                return Native(f"Dash.{name}", register)
            case _:
                return None


def _init_app(call: Call, instance: Instance) -> Value:
    application = call.argument(0, "app")
    if application is not None and truth(application) is not Answer.NO:
        call.run.store(instance.slots, _SERVER, application)
    return known(None)


def _run(call: Call, instance: Instance, name: str) -> Value:
    run = call.run
    version = installed.release(run, "dash")
    if name == "run_server" and version is not None and version >= _ARGUMENTS_WIN:
        note = "this Dash has no run_server() any more"
        raise RaiseSignal("ObsoleteAttributeException", Evidence(call.location, note))
    debug = _debug(call, version)
    host = _address(call, version, 0, "host", "HOST", "127.0.0.1")
    port = _address(call, version, 1, "port", "PORT", "8050")
    server: Value = instance.slots.get(_SERVER, known(None))
    if isinstance(server, Instance) and FRAMEWORK in server.slots:
        framework: Known = server.slots[FRAMEWORK]
        return foreign.serve(
            call, _SERVERS.get(framework.value, str(framework.value)), server, host, port
        )
    if not isinstance(server, Instance):
        return run.unseen("which server Dash.run() starts", call.location)
    rest = {key: value for key, value in call.keywords.items() if not key.startswith(_OWN)}
    method = run.attribute(server, "run", call.location)
    arguments = {"host": host, "port": port, "debug": debug, **rest}
    return run.call(method, (), arguments, call.location, call.open)


def _debug(call: Call, version: Version | None) -> Value:
    """Return the flag: the argument, else DASH_DEBUG, which before 2.5 is not looked at."""
    given = call.argument(3, "debug")
    if given is not None and not none(given):
        return given
    newer = _configured(call, default=False)
    # Before, enable_dev_tools(debug=None) read the variable too, and meant True without it.
    older = known(value=False) if given is None else _configured(call, default=True)
    if version is None and truth(older) is not truth(newer):
        return Opaque((installed.unknown_release("Dash"),), "debug", harmless=True)
    return older if version is not None and version < _READS_DEBUG else newer


def _configured(call: Call, *, default: bool) -> Value:
    """dash._configs.get_combined_config("debug"): DASH_DEBUG, else the name in small letters."""
    for name in ("DASH_DEBUG", "dash_debug"):
        value = _variable(call.run, name)
        if value is None:
            continue
        if isinstance(value, Known) and isinstance(value.value, str):
            word = value.value.lower()
            made = word == "true" if word in {"true", "false"} else value.value
            return known(made, *value.trail)
        return value
    return known(default)


def _variable(run: Interpreter, name: str) -> Value | None:
    value = run.environ.slots.get(name)
    return value if value is not None else run.environ.rest


def _address(
    call: Call, version: Version | None, position: int, name: str, variable: str, default: str
) -> Value:
    """Return host or port: the argument and the variable, in the order of the release."""
    given = call.argument(position, name)
    value = _variable(call.run, variable)
    if variable == "HOST" and "CONDA_PREFIX" in call.run.environ.slots:
        # From 3.0 on Conda's own HOST is not taken for an address.
        if version is None:
            value = Opaque((installed.unknown_release("Dash"),), name, harmless=True)
        elif version >= _ARGUMENTS_WIN:
            value = None
    given = None if none(given) else given
    if given is None or value is None:
        return given or value or known(default)
    if version is None:
        return derived(name, given, Opaque((installed.unknown_release("Dash"),), name))
    return value if _ENVIRONMENT_WINS <= version < _ARGUMENTS_WIN else given


def _import_pages(call: Call) -> None:
    """Run the modules of the pages folder, as Dash(use_pages=True) does when it is made."""
    run = call.run
    folder = call.keywords.get("pages_folder", known("pages"))
    place = run.current.slots.get(LOCATION) if run.current else None
    if not isinstance(folder, Known) or not isinstance(place, Location):
        run.unseen("which pages Dash imports", call.location)
        return
    if not folder.value:
        return
    path = posixpath.join(posixpath.dirname(place.file), str(folder.value))
    names = run.files.list(path)
    if isinstance(names, Unread):
        run.unseen_module("the pages of Dash", names.missing, call.location)
    if not isinstance(names, tuple):
        return
    for name in names:
        if not name.endswith(".py") or name.startswith(("_", ".")):
            continue
        content = run.files.read(posixpath.join(path, name))
        match content:
            case Content(data=data, location=location):
                package = posixpath.basename(path)
                module = Module(
                    f"{package}.{name.removesuffix('.py')}",
                    {
                        LOCATION: location,
                        "__name__": known(f"{package}.{name.removesuffix('.py')}"),
                        "__file__": known(location.file),
                        "__package__": known(package),
                    },
                )
                run.execute_text(data, module)
            case Unread(missing=missing):
                run.unseen_module(name, missing, call.location)
            case Absent():
                continue
