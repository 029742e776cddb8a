"""Models of Flask and Werkzeug for the evaluator: what their functions do to a launch.

Each model follows the function it names, family by family; `Stack` says which one is installed.
"""

import posixpath
from dataclasses import dataclass
from typing import Any

from deployguard.flask import dotenv
from deployguard.flask.versions import Stack
from deployguard.formats import dotenv as dotenv_format
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Class,
    EffectKind,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import linearize
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal, ServeSignal
from deployguard.python.values import derived, truth

# Names of effects.
SERVE = "werkzeug.serving.run_simple"
DEBUGGED = "werkzeug.debug.DebuggedApplication"
WSGI = "wsgi server"
REMOTE = "remote debugger"

# Libraries that start no server and no debugger by being imported or called.
_HARMLESS = frozenset(
    {
        "alembic", "authlib", "babel", "bcrypt", "blinker", "boto3", "botocore", "bs4",
        "cachetools", "certifi", "cryptography", "dateutil", "email_validator", "flask_admin",
        "flask_babel", "flask_bcrypt", "flask_caching", "flask_compress", "flask_cors",
        "flask_jwt_extended", "flask_limiter", "flask_login", "flask_mail", "flask_marshmallow",
        "flask_migrate", "flask_principal", "flask_restful", "flask_session",
        "flask_sqlalchemy", "flask_talisman", "flask_wtf", "itsdangerous", "jinja2", "jwt",
        "lxml", "markupsafe", "marshmallow", "numpy", "openpyxl", "pandas", "passlib", "peewee",
        "PIL", "prometheus_client", "psycopg", "psycopg2", "pymongo", "pymysql", "pytz",
        "redis", "requests", "sentry_sdk", "simplejson", "six", "sqlalchemy", "tzlocal",
        "urllib3", "whitenoise", "wtforms", "yaml",
    }
)  # fmt: skip

_PIN_WITHOUT = (0, 11)


# Modules of which every function without a model may start a server or a debugger.
_WATCHED = frozenset({"flask.cli", "flask.testing", "werkzeug.serving", "werkzeug.debug"})


def _remainder(name: str) -> Opaque:
    missing = Missing(Reason.PROGRAM, f"what {name} does")
    return Opaque((missing,), name, harmless=name not in _WATCHED and name not in _STARTING)


# Libraries that have a model for what is usual and may start more than that.
_STARTING = frozenset({"debugpy", "waitress", "werkzeug"})


def _harmless(name: str) -> Opaque:
    missing = Missing(Reason.PROGRAM, f"what {name} does")
    return Opaque((missing,), name, harmless=True)


@dataclass(frozen=True, slots=True)
class FlaskLibrary:
    """The models of the libraries that are known, for one stack of versions."""

    stack: Stack

    def module(self, run: Interpreter, name: str) -> Module | None:  # noqa: ARG002  (a protocol)
        """Return the model of a module by its dotted name, None where it is not known."""
        top = name.partition(".")[0]
        if top in _HARMLESS:
            return Module(name, {}, _harmless(name))
        slots = self._slots(name)
        if slots is None and top in {"flask", "werkzeug"}:
            slots = {}
        return None if slots is None else Module(name, slots, _remainder(name))

    def _slots(self, name: str) -> dict[Any, Any] | None:
        match name:
            case "flask":
                # current_app is the application under another name.
                current = Opaque(_harmless("flask.current_app").missing, "flask.current_app")
                return {"Flask": self.flask(), "Blueprint": _BLUEPRINT, "current_app": current}
            case "flask.app":
                return {"Flask": self.flask()}
            case "werkzeug.serving" | "werkzeug":
                return {"run_simple": Native(SERVE, self._run_simple)}
            case "flask.cli":
                return {
                    "load_dotenv": Native("flask.cli.load_dotenv", self._flask_load_dotenv),
                    "FlaskGroup": _unseen("flask.cli.FlaskGroup"),
                    "main": _unseen("flask.cli.main"),
                    "cli": _unseen("flask.cli.cli"),
                    "run_command": _unseen("flask.cli.run_command"),
                    "ScriptInfo": _unseen("flask.cli.ScriptInfo"),
                }
            case "werkzeug.debug":
                return {"DebuggedApplication": _DEBUGGED}
            case "dotenv" if self.stack.dotenv:
                return {
                    "load_dotenv": Native("dotenv.load_dotenv", _load_dotenv),
                    "find_dotenv": Native("dotenv.find_dotenv", _find_dotenv),
                }
            case "waitress":
                return {"serve": Native("waitress.serve", _waitress)}
            case "debugpy":
                return {"listen": Native("debugpy.listen", _debugpy_listen)}
            case _:
                return None

    def flask(self) -> Native:
        """Return the class flask.Flask."""
        return Native(
            "flask.Flask",
            construct=self._construct,
            attribute=self._attribute,
            assign=_assign,
        )

    def _construct(self, call: Call, instance: Instance) -> None:
        store = call.run.store
        config = Mapped(
            {"DEBUG": self._default_debug(call.run)},
            _harmless("app.config"),
            "app.config",
            _config_method,
        )
        root = call.run.current.slots.get(LOCATION) if call.run.current else None
        folder = posixpath.dirname(root.file) if isinstance(root, Location) else call.run.cwd
        store(instance.slots, "config", config)
        store(instance.slots, "<root>", known(folder))
        if call.keywords.get("instance_relative_config") is not None:
            store(instance.slots, "<root>", _harmless("the instance folder"))
        config.slots["<root>"] = instance.slots["<root>"]

    def _default_debug(self, run: Interpreter) -> Value:
        """Return config["DEBUG"] of a new application (Flask.make_config)."""
        if self.stack.flask < (0, 11):
            return known(value=False)
        return debug_flag(run, self.stack)

    def _attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        del run
        if name == "debug":
            config = instance.slots["config"]
            value: Value = config.slots["DEBUG"]
            return value
        if name == "run":
            return Native("Flask.run", lambda call: self._run(call, instance))
        if name == "wsgi_app":
            missing = Missing(Reason.PROGRAM, "what the application answers")
            return Opaque((missing,), "app.wsgi_app", harmless=True, parts=(instance,))
        if name == "cli":
            return Instance(None, _CLI)
        return Native(f"Flask.{name}", _register)

    def _run(self, call: Call, instance: Instance) -> Value:
        """Flask.run: the environment, then the argument, decide about app.debug."""
        run, stack = call.run, self.stack
        flag = run.environ.slots.get("FLASK_RUN_FROM_CLI")
        if stack.flask >= (1,):
            if isinstance(flag, Known) and flag.value == "true":
                return known(None)
            if isinstance(flag, Opaque) or (flag is None and run.environ.rest is not None):
                return _either_way(call, lambda: self._serve(call, instance))
        return self._serve(call, instance)

    def _serve(self, call: Call, instance: Instance) -> Value:
        run, stack = call.run, self.stack
        config: Mapped = instance.slots["config"]
        given = call.argument(2, "debug")
        reads = call.argument(3, "load_dotenv") if stack.flask >= (1,) else known(value=False)
        if stack.flask >= (1,) and (reads is None or truth(reads) is not Answer.NO):
            self._read_environment(call, config)
        if given is not None and not (isinstance(given, Known) and given.value is None):
            run.store(config.slots, "DEBUG", _as_bool(given, call.location))
        debug: Value = config.slots["DEBUG"]
        options = {
            name: value
            for name, value in call.keywords.items()
            if name not in {"host", "port", "debug", "load_dotenv"}
        }
        server_name = config.slots.get("SERVER_NAME")
        host, port = _address(call, server_name)
        _emit_serve(
            call,
            host=host,
            port=port,
            application=instance,
            debug=debug,
            reloader=options.get("use_reloader", call.open or debug),
            debugger=options.get("use_debugger", call.open or debug),
            evalex=options.get("use_evalex", known(value=True)),
            passthrough=options.get("passthrough_errors", known(value=False)),
        )
        raise ServeSignal(Evidence(call.location, "app.run() serves"))

    def _read_environment(self, call: Call, config: Mapped) -> None:
        """Flask.run with load_dotenv: .env files, then FLASK_DEBUG and FLASK_ENV where present."""
        run, stack = call.run, self.stack
        skip = run.environ.slots.get("FLASK_SKIP_DOTENV")
        if isinstance(skip, Known) and str(skip.value).lower() not in {"", "0", "false", "no"}:
            return
        self._load_files(call)
        names = ("FLASK_ENV", "FLASK_DEBUG") if stack.flask < (2, 3) else ("FLASK_DEBUG",)
        present = [name for name in names if name in run.environ.slots]
        if present:
            run.store(config.slots, "DEBUG", debug_flag(run, stack))
        elif run.environ.rest is not None:
            run.store(
                config.slots, "DEBUG", derived("app.debug", run.environ.rest, config.slots["DEBUG"])
            )

    def _load_files(self, call: Call) -> None:
        run = call.run
        if not self.stack.dotenv or run.cwd is None:
            return
        for name in (".env", ".flaskenv"):
            _take_file(call, dotenv.find(name, run.cwd, run.files), override=False)

    def _flask_load_dotenv(self, call: Call) -> Value:
        self._load_files(call)
        return known(value=True)

    def _run_simple(self, call: Call) -> Value:
        def option(position: int, name: str, default: object) -> Value:
            return call.argument(position, name) or known(default)

        _emit_serve(
            call,
            host=option(0, "hostname", "127.0.0.1"),
            port=option(1, "port", 5000),
            application=option(2, "application", None),
            debug=_application_debug(call.argument(2, "application")),
            reloader=option(3, "use_reloader", default=False),
            debugger=option(4, "use_debugger", default=False),
            evalex=option(5, "use_evalex", default=True),
            passthrough=call.keywords.get("passthrough_errors", known(value=False)),
        )
        raise ServeSignal(Evidence(call.location, "run_simple() serves"))


def _unseen(name: str) -> Native:
    return Native(name, lambda call: call.run.unseen(f"what {name}() does", call.location))


def _either_way(call: Call, action: Any) -> Value:  # noqa: ANN401  (a thunk that may not return)
    from deployguard.python.interpreter import Frame  # noqa: PLC0415

    missing = (Missing(Reason.VARIABLE, "the value of FLASK_RUN_FROM_CLI"),)
    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (action, lambda: None))
    return known(None)


def debug_flag(run: Interpreter, stack: Stack) -> Value:
    """Return flask.helpers.get_debug_flag() for the environment of this moment."""
    environ = run.environ
    value = environ.slots.get("FLASK_DEBUG")
    if value is None and environ.rest is not None:
        return derived("FLASK_DEBUG", environ.rest)
    if value is None or (isinstance(value, Known) and value.value == ""):
        if (1,) <= stack.flask < (2, 3):
            return _development(run)
        return known(value=False)
    if isinstance(value, Known) and isinstance(value.value, str):
        word = value.value if stack.flask < (1,) else value.value.lower()
        return known(word not in {"0", "false", "no"}, *value.trail)
    return derived("FLASK_DEBUG", value)


def _development(run: Interpreter) -> Value:
    """Return get_env() == "development" (Flask 1.0 to 2.2)."""
    value = run.environ.slots.get("FLASK_ENV")
    if value is None:
        return known(value=False) if run.environ.rest is None else derived("x", run.environ.rest)
    if isinstance(value, Known):
        return known(value.value == "development", *value.trail)
    return derived("FLASK_ENV", value)


def _as_bool(value: Value, location: Location) -> Value:
    answer = truth(value)
    if answer is Answer.UNKNOWN:
        return derived("debug", value)
    trail = value.trail if isinstance(value, Known) else ()
    word = value.value if isinstance(value, Known) and isinstance(value.value, bool) else "set"
    note = Evidence(location, f"debug is {word}" if word != "set" else "debug is given")
    return known(answer is Answer.YES, *trail, note)


def _application_debug(application: Value | None) -> Value:
    if isinstance(application, Instance) and "config" in application.slots:
        value: Value = application.slots["config"].slots["DEBUG"]
        return value
    return Opaque((Missing(Reason.SOURCE, "app.debug"),), "app.debug", harmless=True)


def _address(call: Call, server_name: Value | None) -> tuple[Value, Value]:
    """Flask.run: host and port from the arguments, then SERVER_NAME, then the defaults."""
    host = call.argument(0, "host") or known(None)
    port = call.argument(1, "port") or known(None)
    named_host, named_port = known("127.0.0.1"), known(5000)
    if isinstance(server_name, Known) and isinstance(server_name.value, str):
        left, _, right = server_name.value.partition(":")
        named_host = known(left or "127.0.0.1", *server_name.trail)
        if right.isdigit():
            named_port = known(int(right), *server_name.trail)
    elif server_name is not None and not isinstance(server_name, Known):
        unknown = derived("SERVER_NAME", server_name)
        return (host if truth(host) is Answer.YES else unknown), unknown
    chosen_host = named_host if truth(host) is Answer.NO else host
    chosen_port = named_port if isinstance(port, Known) and port.value is None else port
    return chosen_host, chosen_port


def _emit_serve(call: Call, **values: Value) -> None:
    pin = call.run.environ.slots.get("WERKZEUG_DEBUG_PIN")
    if pin is None and call.run.environ.rest is not None:
        pin = call.run.environ.rest
    call.run.emit(
        EffectKind.LIBRARY, SERVE, call.location, values=values | ({"pin": pin} if pin else {})
    )


def _register(call: Call) -> Value:
    """Register what is given, as the application's decorators do, and run nothing now."""
    if (
        len(call.arguments) == 1
        and not call.keywords
        and not isinstance(call.arguments[0], Known | Items | Mapped | Opaque)
    ):
        return call.arguments[0]
    return Native("a registering decorator", _kept)


def _kept(call: Call) -> Value:
    return call.arguments[0] if call.arguments else known(None)


_BLUEPRINT = Native(
    "flask.Blueprint",
    construct=lambda _call, _instance: None,
    attribute=lambda _run, _instance, name: Native(f"Blueprint.{name}", _register),
)


def _cli_attribute(_run: Interpreter, _instance: Instance, name: str) -> Value | None:
    registers = name in {"command", "group", "add_command"}
    return Native(f"app.cli.{name}", _register) if registers else _unseen(f"app.cli.{name}")


_CLI = Native("app.cli", attribute=_cli_attribute)


def _assign(run: Interpreter, instance: Instance, name: str, value: Value) -> bool:
    if name == "debug":
        run.store(instance.slots["config"].slots, "DEBUG", value)
        return True
    return False


def _debugged(call: Call, instance: Instance) -> None:
    store = call.run.store
    missing = Missing(Reason.SOURCE, "the application that is wrapped")
    store(instance.slots, "<app>", call.argument(0, "app") or Opaque((missing,), "app"))
    store(instance.slots, "<evalex>", call.argument(1, "evalex") or known(value=False))
    store(instance.slots, "<pin_security>", call.argument(6, "pin_security") or known(value=True))
    store(instance.slots, "<location>", known(call.location))
    call.run.emit(EffectKind.LIBRARY, DEBUGGED, call.location, values={"instance": instance})


_DEBUGGED = Native(DEBUGGED, construct=_debugged)


def debugged_parts(application: Value) -> tuple[Instance, ...]:
    """Return the debugger middlewares that an application passes its requests through."""
    found: list[Instance] = []
    pending, seen = [application], set[int]()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case Instance(native=Native(name=name), slots=slots):
                if name == DEBUGGED:
                    found.append(value)
                pending.extend(slots[key] for key in ("<app>", "wsgi_app") if key in slots)
            case Instance(slots=slots):
                pending.extend(entry for entry in slots.values() if isinstance(entry, Instance))
            case Opaque(parts=parts):
                pending.extend(parts)
            case _:
                pass
    return tuple(found)


def _waitress(call: Call) -> Value:
    missing = Missing(Reason.SOURCE, "the application that is served")
    application = call.argument(0, "app") or Opaque((missing,), "app")
    call.run.emit(
        EffectKind.LIBRARY,
        WSGI,
        call.location,
        values={
            "server": known("waitress"),
            "application": application,
            "host": call.keywords.get("host", known("0.0.0.0")),  # noqa: S104  (waitress's default)
            "port": call.keywords.get("port", known(8080)),
            **({"listen": call.keywords["listen"]} if "listen" in call.keywords else {}),
        },
    )
    raise ServeSignal(Evidence(call.location, "waitress serves"))


def _debugpy_listen(call: Call) -> Value:
    call.run.emit(
        EffectKind.LIBRARY,
        REMOTE,
        call.location,
        values={"address": call.argument(0, "endpoint") or known(5678)},
    )
    return known(None)


# .env files read by the program itself


def _find_dotenv(call: Call) -> Value:
    name = call.argument(0, "filename") or known(".env")
    if not isinstance(name, Known):
        return derived("find_dotenv()", name)
    content = _search(call, str(name.value))
    match content:
        case Content(location=location):
            return known(location.file)
        case Absent():
            return known("")
        case Unread(missing=missing):
            return Opaque((missing,), "find_dotenv()", harmless=True)


def _search(call: Call, name: str) -> Content | Absent | Unread:
    """dotenv.find_dotenv: upwards from the folder of the calling file."""
    place = call.run.current.slots.get(LOCATION) if call.run.current else None
    if not isinstance(place, Location):
        return Unread(Missing(Reason.FILE, f"which {name} the program reads"))
    return dotenv.find(name, posixpath.dirname(place.file), call.run.files)


def _load_dotenv(call: Call) -> Value:
    path = call.argument(0, "dotenv_path")
    override = truth(call.keywords.get("override", known(value=False)))
    if path is None or (isinstance(path, Known) and not path.value):
        content = _search(call, ".env")
    elif isinstance(path, Known) and isinstance(path.value, str) and call.run.cwd is not None:
        content = call.run.files.read(posixpath.normpath(posixpath.join(call.run.cwd, path.value)))
    else:
        missing = derived("a path", path).missing or (Missing(Reason.FILE, "which .env is read"),)
        content = Unread(missing[0])
    if override is Answer.UNKNOWN:
        content = Unread(Missing(Reason.SOURCE, "whether .env overrides the environment"))
    _take_file(call, content, override=override is not Answer.NO)
    return known(value=True)


def _take_file(call: Call, content: Content | Absent | Unread, *, override: bool) -> None:
    environ = call.run.environ
    match content:
        case Absent():
            return
        case Unread(missing=missing):
            for name in tuple(environ.slots) if override else ():
                call.run.store(environ.slots, name, Opaque((missing,), name, harmless=True))
            environ.rest = environ.rest or Opaque((missing,), "os.environ", harmless=True)
        case Content():
            for name, entry in dotenv_format.environment(content).entries.items():
                if name in environ.slots and not override:
                    continue
                value: Value = (
                    Opaque(entry.missing, name, harmless=True)
                    if entry.value is None
                    else known(entry.value, Evidence(entry.location, f"{name} is set here"))
                )
                call.run.store(environ.slots, name, value)


# app.config


def _config_method(config: Mapped, name: str) -> Value | None:
    models: dict[str, Model] = {
        "from_object": lambda call: _from_object(call, config),
        "from_mapping": lambda call: _from_mapping(call, config),
        "from_pyfile": lambda call: _from_pyfile(call, config, call.argument(0, "filename")),
        "from_envvar": lambda call: _from_envvar(call, config),
        "from_prefixed_env": lambda call: _from_prefixed_env(call, config),
        "from_json": lambda call: _from_unknown(call, config),
        "from_file": lambda call: _from_unknown(call, config),
    }
    return Native(f"app.config.{name}", models[name]) if name in models else None


def _set(call: Call, config: Mapped, key: object, value: Value) -> None:
    if isinstance(key, str) and key.isupper():
        note = Evidence(call.location, f"the configuration sets {key}")
        made = known(value.value, *value.trail, note) if isinstance(value, Known) else value
        call.run.store(config.slots, key, made)


def _from_object(call: Call, config: Mapped) -> Value:
    """Config.from_object: the upper-case attributes of an object, or of what a text names."""
    value = call.argument(0, "obj")
    if isinstance(value, Known) and isinstance(value.value, str):
        value = _named(call, value.value)
    match value:
        case Class():
            for base in reversed(linearize(value)):
                if isinstance(base, Class):
                    for key, entry in base.slots.items():
                        _set(call, config, key, entry)
                elif not (isinstance(base, Opaque) and base.harmless):
                    return _from_unknown(call, config)
        case Instance(type=Class() as cls, native=None):
            for base in reversed(linearize(cls)):
                for key, entry in base.slots.items() if isinstance(base, Class) else ():
                    _set(call, config, key, entry)
            for key, entry in value.slots.items():
                _set(call, config, key, entry)
        case Module(rest=None):
            for key, entry in value.slots.items():
                _set(call, config, key, entry)
        case _:
            return _from_unknown(call, config)
    return known(None)


def _named(call: Call, dotted: str) -> Value | None:
    """werkzeug.utils.import_string: "package.module:Name", "package.module.Name" or a module."""
    text = dotted.replace(":", ".")
    head, _, leaf = text.rpartition(".")
    if not head:
        return call.run.import_module(text, call.location)
    try:
        return call.run.import_module(text, call.location)
    except RaiseSignal:
        module = call.run.import_module(head, call.location)
        return call.run.attribute(module, leaf, call.location)


def _from_mapping(call: Call, config: Mapped) -> Value:
    for given in call.arguments:
        if not isinstance(given, Mapped) or given.rest is not None:
            return _from_unknown(call, config)
        for key, entry in given.slots.items():
            _set(call, config, key, entry)
    for key, entry in call.keywords.items():
        _set(call, config, key, entry)
    return known(value=True) if call.open is None else _from_unknown(call, config)


def _from_pyfile(call: Call, config: Mapped, path: Value | None) -> Value:
    root = config.slots.get("<root>")
    silent = truth(call.keywords.get("silent", known(value=False))) is Answer.YES
    if not (isinstance(path, Known) and isinstance(path.value, str)):
        return _from_unknown(call, config)
    if not (isinstance(root, Known) and isinstance(root.value, str)):
        return _from_unknown(call, config)
    file = posixpath.normpath(posixpath.join(root.value, path.value))
    content = call.run.files.read(file)
    match content:
        case Absent():
            if silent:
                return known(value=False)
            raise RaiseSignal("FileNotFoundError", Evidence(call.location, f"{file} is not there"))
        case Unread():
            return _from_unknown(call, config)
        case Content(data=data, location=location):
            module = Module("config", {LOCATION: location, "__file__": known(file)})
            call.run.execute_text(data, module)
            for key, entry in module.slots.items():
                _set(call, config, key, entry)
            return known(value=True)


def _from_envvar(call: Call, config: Mapped) -> Value:
    name = call.argument(0, "variable_name")
    silent = truth(call.keywords.get("silent", known(value=False))) is Answer.YES
    if isinstance(name, Known):
        value = call.run.environ.slots.get(name.value)
        if value is None and call.run.environ.rest is None:
            if silent:
                return known(value=False)
            raise RaiseSignal("RuntimeError", Evidence(call.location, f"{name.value} is not set"))
        return _from_pyfile(call, config, value)
    return _from_unknown(call, config)


_JSON_WORDS = {"true": True, "false": False, "null": None}


def _from_prefixed_env(call: Call, config: Mapped) -> Value:
    """Config.from_prefixed_env: PREFIX_KEY, each value read as JSON where it is JSON."""
    prefix = call.argument(0, "prefix") or known("FLASK")
    if not isinstance(prefix, Known) or call.run.environ.rest is not None:
        return _from_unknown(call, config)
    value = call.run.environ.slots.get(f"{prefix.value}_DEBUG")
    match value:
        case None:
            return known(value=True)
        case Known(value=str() as text):
            word = text.strip()
            plain: object = (
                _JSON_WORDS[word]
                if word in _JSON_WORDS
                else int(word)
                if word.isdigit() and len(word) < len("1000000")
                else text
            )
            _set(call, config, "DEBUG", known(plain, *value.trail))
            return known(value=True)
        case _:
            return _from_unknown(call, config)


def _from_unknown(call: Call, config: Mapped) -> Value:
    """Take a configuration that cannot be told: every key may hold anything now."""
    place = f"{call.location.file}:{call.location.line}"
    missing = (Missing(Reason.SOURCE, f"the configuration that is read at {place}"),)
    for key in ("DEBUG", "SERVER_NAME"):
        call.run.store(config.slots, key, Opaque(missing, key, harmless=True))
    return known(value=True)
