"""Connexion: versions 1 and 2 around Flask's own server, version 3 around uvicorn.

Source: connexion.apps.flask_app.FlaskApp (1.5, 2.0 to 2.14), connexion.apps.flask and
connexion.middleware.main (3.0 to 3.3).
"""

import posixpath
import re
from collections.abc import Sequence

from msgspec import Struct

from deployguard.flask.libraries import foreign, installed
from deployguard.flask.libraries.application import Applications
from deployguard.flask.libraries.effects import INNER, register
from deployguard.flask.libraries.words import arguments, flag, option, words
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location
from deployguard.model.filesystem import Content, Unread
from deployguard.python import Call, Instance, Known, Module, Native, Value, known
from deployguard.python.interpreter import Frame
from deployguard.python.modules import LOCATION
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import truth

_FLASK = "app"
_GIVEN = ("port", "host", "debug", "server")
# Servers of version 2 beside Flask's.
_OTHERS = ("tornado", "gevent", "aiohttp")
# Before, False went on to Flask where nothing was said, so that FLASK_DEBUG did not count.
_READS_ENVIRONMENT = (2, 5)
_NAMES = re.compile(
    r"""(?:operationId|x-(?:openapi|swagger)-router-controller)["']?\s*:\s*["']?([\w.]+)"""
)


class Connexions(Struct, frozen=True):
    """The model of connexion's applications under one stack of versions."""

    stack: Stack

    def module(self) -> dict[object, Value]:
        """Return what the module connexion holds that starts something."""
        flask = Native(
            "connexion.FlaskApp",
            construct=self._construct,
            attribute=lambda _run, instance, name: _attribute(instance, name),
        )
        run = {"run": _run_uvicorn, "add_api": _add_api}
        asynchronous = foreign.application_class("connexion.AsyncApp", run)
        return {
            "App": flask,
            "FlaskApp": flask,
            "AsyncApp": asynchronous,
            "ConnexionMiddleware": asynchronous,
            "AioHttpApp": foreign.application_class(
                "connexion.AioHttpApp",
                {"run": lambda call, instance: _run_other(call, instance, "aiohttp")},
            ),
        }

    def _construct(self, call: Call, instance: Instance) -> None:
        store = call.run.store
        name = call.argument(0, "import_name") or known("connexion")
        application = call.run.call(Applications(self.stack).flask(), (name,), {}, call.location)
        store(instance.slots, _FLASK, application)
        store(instance.slots, INNER, application)
        for key in _GIVEN:
            if key in call.keywords:
                store(instance.slots, f"<{key}>", call.keywords[key])
        if len(call.arguments) > 1:
            store(instance.slots, "<server>", call.arguments[1])
        folder = call.keywords.get("specification_dir", known(""))
        store(instance.slots, "<specification_dir>", folder)


# Options of `connexion run` that take a value.
_COMMAND_VALUES = (
    "--port", "-p", "--host", "-H", "--wsgi-server", "-w", "--server", "-s", "--mock",
    "--console-ui-url", "--console-ui-from", "--base-path", "--app-framework", "-f",
    "--swagger-ui-path", "--swagger-ui-template-dir",
)  # fmt: skip


def command(call: Call, stack: Stack) -> Value:
    """connexion.cli: `connexion run SPECIFICATION [FOLDER]`."""
    run, given = call.run, words(call)
    version = installed.release(run, "connexion")
    names = arguments(given, _COMMAND_VALUES)
    if version is None or any(not isinstance(word, Known) for word in given):
        return run.unseen("what connexion is asked to run", call.location)
    if not names or names[0].value != "run" or flag(given, "--help", "--version", "-V"):
        raise ExitSignal(Evidence(call.location, "connexion prints and ends"))
    host, port = option(given, ("--host", "-H")), option(given, ("--port", "-p")) or known(5000)
    if len(names) > 1:
        _import_specification(call, names[1:])
    if version >= (3,):
        application = run.call(
            foreign.application_class("connexion.AsyncApp"), (), {}, call.location
        )
        return foreign.serve(call, "uvicorn", application, host or known("127.0.0.1"), port)
    framework = option(given, ("--app-framework", "-f")) or known("flask")
    server = option(given, ("--server", "-s", "--wsgi-server", "-w")) or framework
    made = run.call(Connexions(stack).module()["App"], (known("connexion.cli"),), {}, call.location)
    start = {"port": port, "host": host or known(None), "server": server, "debug": _asked(given)}
    method = run.attribute(made, "run", call.location)
    return run.call(method, (), start, call.location)


def _asked(given: Sequence[Value]) -> Value:
    """Return the debug flag of version 2: -d, or -v given twice."""
    clusters = [
        word.value
        for word in given
        if isinstance(word, Known) and re.fullmatch(r"-[dv]+", str(word.value))
    ]
    letters = "".join(clusters) + ("d" if flag(given, "--debug") else "")
    verbose = letters.count("v") + sum(flag([word], "--verbose") for word in given)
    return known("d" in letters or verbose > 1)


def _import_specification(call: Call, names: Sequence[Known]) -> None:
    """Import what the specification names, from the folder given or its own."""
    run = call.run
    path = posixpath.join(run.cwd or "/", str(names[0].value))
    folder = str(names[1].value) if len(names) > 1 else posixpath.dirname(path)
    items = run.path.items
    place = known(posixpath.normpath(posixpath.join(run.cwd or "/", folder)))
    run.store(run.path.slots, "items", (*items[:1], place, *items[1:]))
    _import_handlers(call, posixpath.normpath(path))


def _attribute(instance: Instance, name: str) -> Value | None:
    match name:
        case "run":
            return Native("connexion.FlaskApp.run", lambda call: _run(call, instance))
        case "add_api":
            return Native("connexion.FlaskApp.add_api", lambda call: _add_api(call, instance))
        case "add_wsgi_middleware":
            return Native("add_wsgi_middleware", lambda call: _wrap(call, instance))
        case "route" | "add_url_rule" | "add_error_handler" | "add_middleware":
            return Native(f"connexion.{name}", register)
        case _:
            return None


def _run(call: Call, instance: Instance) -> Value:
    if _FLASK not in instance.slots:
        return call.run.unseen("which application connexion serves", call.location)
    version = installed.release(call.run, "connexion")
    if version is None:
        frame = Frame((), call.run.current or Module("?", {}))
        call.run.branch(
            frame,
            (installed.unknown_release("connexion"),),
            (
                lambda: _discard(_run_flask(call, instance, older=False)),
                lambda: _discard(_run_uvicorn(call, instance)),
            ),
        )
        return known(None)
    if version >= (3,):
        return _run_uvicorn(call, instance)
    return _run_flask(call, instance, older=version < _READS_ENVIRONMENT)


def _discard(_value: Value) -> None:
    return


def _run_flask(call: Call, instance: Instance, *, older: bool) -> Value:
    """FlaskApp.run of versions 1 and 2: what is given here beats what the application was given."""

    def option(position: int, name: str, default: object) -> Value:
        value = call.argument(position, name)
        if value is None or (isinstance(value, Known) and value.value is None):
            own: Value = instance.slots.get(f"<{name}>", known(None))
            value = own
        if isinstance(value, Known) and value.value is None:
            return known(default)
        return value

    host = foreign.given(option(3, "host", None), "0.0.0.0")  # noqa: S104  (connexion's default)
    port = option(0, "port", 5000)
    server = option(1, "server", "flask")
    debug = option(2, "debug", False if older else None)
    application: Instance = instance.slots[_FLASK]
    if not isinstance(server, Known):
        return call.run.unseen("which server connexion starts", call.location)
    if server.value in _OTHERS:
        return foreign.serve(call, str(server.value), application, host, port)
    if server.value != "flask":
        note = f"connexion knows no server {server.value!r}"
        raise RaiseSignal("Exception", Evidence(call.location, note))
    own = {"port", "server", "debug", "host"}
    rest = {key: value for key, value in call.keywords.items() if key not in own}
    method = call.run.attribute(application, "run", call.location)
    arguments = {"host": host, "port": port, "debug": debug, **rest}
    return call.run.call(method, (), arguments, call.location, call.open)


def _run_uvicorn(call: Call, instance: Instance) -> Value:
    """AbstractApp.run of version 3: uvicorn.run() with its own defaults."""
    host = call.keywords.get("host", call.open or known("127.0.0.1"))
    port = call.keywords.get("port", call.open or known(8000))
    return foreign.serve(call, "uvicorn", instance, host, port)


def _run_other(call: Call, instance: Instance, server: str) -> Value:
    host = foreign.given(call.argument(3, "host"), "0.0.0.0")  # noqa: S104  (connexion's default)
    return foreign.serve(
        call, server, instance, host, foreign.given(call.argument(0, "port"), 5000)
    )


def _wrap(call: Call, instance: Instance) -> Value:
    """FlaskApp.add_wsgi_middleware(CLASS, **options): put around what there is."""
    if not call.arguments or INNER not in instance.slots:
        return call.run.unseen("which middleware is added", call.location)
    inner: Value = instance.slots[INNER]
    made = call.run.call(call.arguments[0], (inner,), call.keywords, call.location, call.open)
    call.run.store(instance.slots, INNER, made)
    return known(None)


def _add_api(call: Call, instance: Instance) -> Value:
    """Import the modules that a specification names its handlers in."""
    run = call.run
    specification = call.argument(0, "specification")
    if not isinstance(specification, Known) or not isinstance(specification.value, str):
        if specification is None or truth(specification) is Answer.UNKNOWN:
            run.unseen("which modules the specification names", call.location)
        return known(None)
    if specification.value.startswith(("http://", "https://")):
        return known(None)
    folder = instance.slots.get("<specification_dir>", known(""))
    root = run.current.slots.get(LOCATION) if run.current else None
    if not isinstance(folder, Known) or not isinstance(root, Location):
        run.unseen("which modules the specification names", call.location)
        return known(None)
    path = posixpath.join(posixpath.dirname(root.file), str(folder.value), specification.value)
    _import_handlers(call, posixpath.normpath(path))
    return known(None)


def _import_handlers(call: Call, path: str) -> None:
    content = call.run.files.read(path)
    if isinstance(content, Unread):
        call.run.unseen_module(path, content.missing, call.location)
    if isinstance(content, Content):
        for name in dict.fromkeys(_NAMES.findall(content.data.decode("utf-8", "replace"))):
            _import_handler(call, name)


def _import_handler(call: Call, name: str) -> None:
    """connexion.utils.get_function_from_name: the longest part of a name that is a module."""
    parts = name.split(".")
    for length in range(max(len(parts) - 1, 1), 0, -1):
        try:
            call.run.import_module(".".join(parts[:length]), call.location)
        except RaiseSignal as error:
            if error.name not in {"ModuleNotFoundError", "ImportError"}:
                raise
        else:
            return
