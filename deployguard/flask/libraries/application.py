"""flask.Flask: the application, its debug flag, and app.run()."""

import posixpath
from collections.abc import Callable

from msgspec import Struct

from deployguard.flask.libraries import config as config_model
from deployguard.flask.libraries import config_defaults, current
from deployguard.flask.libraries.effects import emit_serve, harmless, register
from deployguard.flask.libraries.flask_files import read_files
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    Instance,
    Interpreter,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import text_of
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal, ServeSignal
from deployguard.python.values import derived, truth


class Applications(Struct, frozen=True):
    """The model of flask.Flask under one stack of versions."""

    stack: Stack

    def flask(self) -> Native:
        """Return the class flask.Flask."""
        return Native(
            "flask.Flask",
            construct=self._construct,
            attribute=self._attribute,
            assign=_assign,
            handed=lambda instance: config_model.shared(instance.slots.get("config")),
        )

    def _construct(self, call: Call, instance: Instance) -> None:
        run, slots = call.run, instance.slots
        root = _root_path(call)
        relative = truth(call.keywords.get("instance_relative_config", known(value=False)))
        place = {
            Answer.YES: _instance_path(call, root),
            Answer.NO: root,
            Answer.UNKNOWN: harmless("the folder of the configuration"),
        }[relative]
        run.store(slots, "root_path", root)
        run.store(slots, "instance_path", _instance_path(call, root))
        run.store(slots, "config", self._config(call, instance, place))
        run.store(slots, "extensions", Mapped({}))
        current.created(run, instance)

    def _config(self, call: Call, instance: Instance, root: Value) -> Value:
        """Flask.make_config: of the class of the program where it names one."""
        config = config_defaults.made(
            self.stack.flask, root, _env(call.run), self._default_debug(call.run)
        )
        cls = call.run.attribute_or_none(instance, "config_class") if instance.type else None
        if isinstance(cls, Class):
            return call.run.call(cls, (root, config), {}, call.location)
        return config

    def _default_debug(self, run: Interpreter) -> Value:
        """Return config["DEBUG"] of a new application (Flask.make_config)."""
        if self.stack.flask < (0, 11):
            return known(value=False)
        return debug_flag(run, self.stack)

    def _attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        config = instance.slots.get("config")
        if name == "debug":
            return config_model.debug(config)
        if name in _CONFIG_ATTRIBUTES:
            found = config_model.item(config, _CONFIG_ATTRIBUTES[name])
            return known(None) if found is None else found
        if name == "run":
            return Native("Flask.run", lambda call: self._run(call, instance))
        if name == "wsgi_app":
            missing = Missing(Reason.PROGRAM, "what the application answers")
            return Opaque((missing,), "app.wsgi_app", harmless=True, parts=(instance,))
        if name == "cli":
            return _group(run, self.stack, instance)
        if name == "register_blueprint":
            return Native(name, lambda call: _register_blueprint(call, instance, self.stack))
        if name in _CONTEXTS:
            return Native(f"Flask.{name}", lambda _call: current.context(instance))
        if name == "config_class":
            return config_model.config_class(self.stack.flask)
        if name in _OBJECTS:
            return harmless(f"app.{name}")
        return Native(f"Flask.{name}", register)

    def _run(self, call: Call, instance: Instance) -> Value:
        """Flask.run: the environment, then the argument, decide about app.debug."""
        run, stack = call.run, self.stack
        flag = run.environ.slots.get("FLASK_RUN_FROM_CLI")
        if stack.flask >= (1,):
            if isinstance(flag, Known) and flag.value == "true":
                return known(None)
            if isinstance(flag, Opaque) or (flag is None and run.environ.rest is not None):
                missing = (Missing(Reason.VARIABLE, "the value of FLASK_RUN_FROM_CLI"),)
                _either_way(call, lambda: self._serve(call, instance), missing)
                return known(None)
        return self._serve(call, instance)

    def _serve(self, call: Call, instance: Instance) -> Value:
        run, stack = call.run, self.stack
        config = config_model.held(instance.slots.get("config")) or Mapped(
            {}, harmless("app.config")
        )
        given = call.argument(2, "debug")
        reads = call.argument(3, "load_dotenv") if stack.flask >= (1,) else known(value=False)
        if stack.flask >= (1,) and (reads is None or truth(reads) is not Answer.NO):
            self._read_environment(call, config)
        if given is not None and not (isinstance(given, Known) and given.value is None):
            run.store(config.slots, "DEBUG", _as_bool(given, call.location))
        debug = config_model.debug(config)
        if "DEBUG" not in config.slots and config.rest is None:
            raise RaiseSignal("KeyError", Evidence(call.location, "app.config has no DEBUG"))
        options = {
            name: value
            for name, value in call.keywords.items()
            if name not in {"host", "port", "debug", "load_dotenv"}
        }
        server_name = config_model.item(config, "SERVER_NAME")
        host, port = _address(call, server_name)
        debugger = options.get("use_debugger", call.open or debug)
        passthrough = options.get("passthrough_errors", known(value=False))

        def serve() -> None:
            emit_serve(
                call,
                host=host,
                port=port,
                application=instance,
                debug=debug,
                reloader=options.get("use_reloader", call.open or debug),
                debugger=debugger,
                evalex=options.get("use_evalex", known(value=True)),
                passthrough=passthrough,
            )

        alone = truth(options.get("threaded", known(value=False))) is Answer.NO
        through = truth(passthrough) is Answer.YES and truth(debugger) is Answer.NO
        if stack.flask < (1,) and through and alone:
            # The first error of a request ends a server without threads (1.0 brought them).
            what = "whether a request fails, which ends this server"
            _either_way(call, serve, (Missing(Reason.SOURCE, what),))
        else:
            serve()
        raise ServeSignal(Evidence(call.location, "app.run() serves"))

    def _read_environment(self, call: Call, config: Mapped) -> None:
        """Flask.run with load_dotenv: .env files, then FLASK_DEBUG and FLASK_ENV where present."""
        run = call.run
        skip = run.environ.slots.get("FLASK_SKIP_DOTENV")
        if isinstance(skip, Known) and str(skip.value).lower() not in {"", "0", "false", "no"}:
            return
        if isinstance(skip, Opaque):
            _either_way(call, lambda: self._take_environment(call, config), skip.missing)
            return
        self._take_environment(call, config)

    def _take_environment(self, call: Call, config: Mapped) -> None:
        run, stack = call.run, self.stack
        read_files(call, self.stack)
        names = ("FLASK_ENV", "FLASK_DEBUG") if stack.flask < (2, 3) else ("FLASK_DEBUG",)
        present = [name for name in names if name in run.environ.slots]
        if present:
            run.store(config.slots, "DEBUG", debug_flag(run, stack))
        elif run.environ.rest is not None:
            run.store(
                config.slots,
                "DEBUG",
                derived("app.debug", run.environ.rest, config_model.debug(config)),
            )


def _group(run: Interpreter, stack: Stack, instance: Instance) -> Value:
    # click's model is large, and most applications have no commands.
    from deployguard.flask.libraries.flask_cli import application_group  # noqa: PLC0415

    return application_group(run, stack, instance)


def _register_blueprint(call: Call, instance: Instance, stack: Stack) -> Value:
    from deployguard.flask.libraries.flask_cli import register_blueprint  # noqa: PLC0415

    return register_blueprint(call, instance, stack)


def _either_way(call: Call, action: Callable[[], object], missing: tuple[Missing, ...]) -> None:
    """Do something that may happen or not; it may not return."""
    from deployguard.python.interpreter import Frame  # noqa: PLC0415

    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (lambda: _done(action), lambda: None))


def _done(action: Callable[[], object]) -> None:
    action()


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
    value = _env(run)
    if isinstance(value, Known):
        return known(value.value == "development", *value.trail)
    return value


def _env(run: Interpreter) -> Value:
    """Return flask.helpers.get_env() (Flask 1.0 to 2.2)."""
    value = run.environ.slots.get("FLASK_ENV", run.environ.rest)
    if value is None or (isinstance(value, Known) and not value.value):
        return known("production")
    return value if isinstance(value, Known) else derived("FLASK_ENV", value)


def _as_bool(value: Value, location: Location) -> Value:
    answer = truth(value)
    if answer is Answer.UNKNOWN:
        return derived("debug", value)
    trail = value.trail if isinstance(value, Known) else ()
    word = value.value if isinstance(value, Known) and isinstance(value.value, bool) else "set"
    note = Evidence(location, f"debug is {word}" if word != "set" else "debug is given")
    return known(answer is Answer.YES, *trail, note)


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


def blueprint(stack: Stack) -> Native:
    """Return the class flask.Blueprint."""

    def attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
        if name == "cli" and stack.flask >= (1, 1):
            return _group(run, stack, instance)
        return Native(f"Blueprint.{name}", register)

    return Native("flask.Blueprint", construct=_construct_blueprint, attribute=attribute)


def _construct_blueprint(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "name", call.argument(0, "name") or known(None))
    if "cli_group" in call.keywords:
        call.run.store(instance.slots, "cli_group", call.keywords["cli_group"])


# Attributes of the application that are items of app.config (flask.config.ConfigAttribute).
_CONFIG_ATTRIBUTES = {"testing": "TESTING", "secret_key": "SECRET_KEY", "env": "ENV"}
_CONTEXTS = frozenset({"app_context", "test_request_context", "request_context"})
# Objects of an application that have nothing to do with how it is served.
_OBJECTS = frozenset(
    {"jinja_env", "jinja_options", "logger", "json", "url_map", "session_interface"}
)


def _root_path(call: Call) -> Value:
    """flask.helpers.get_root_path: the folder of the module that the application is named after."""
    given = call.keywords.get("root_path")
    if given is not None and not (isinstance(given, Known) and given.value is None):
        return given
    name = call.argument(0, "import_name")
    module = call.run.modules.get(name.value) if isinstance(name, Known) else None
    own = call.run.current if module is None else module
    place = own.slots.get(LOCATION) if isinstance(own, Module) else None
    return known(posixpath.dirname(place.file) if isinstance(place, Location) else call.run.cwd)


def _instance_path(call: Call, root: Value) -> Value:
    """Flask.auto_find_instance_path: beside the module, or beside the package of its top level."""
    given = call.keywords.get("instance_path")
    if given is not None and not (isinstance(given, Known) and given.value is None):
        return given
    name = call.argument(0, "import_name")
    text = text_of(name)
    folder = text_of(root)
    if text is None or folder is None or {"site-packages", "dist-packages"} & {*folder.split("/")}:
        return harmless("the instance folder")
    top = call.run.modules.get(text.partition(".")[0])
    path = text_of(top.slots.get("__path__")) if isinstance(top, Module) else None
    return known(posixpath.join(posixpath.dirname(path) if path else folder, "instance"))


def _assign(run: Interpreter, instance: Instance, name: str, value: Value) -> bool:
    config = config_model.held(instance.slots.get("config"))
    if name == "config":
        run.store(instance.slots, "config", _configured(run, config, value))
        return True
    key = "DEBUG" if name == "debug" else _CONFIG_ATTRIBUTES.get(name)
    if key is None or config is None:
        return False
    run.store(config.slots, key, value)
    return True


def _configured(run: Interpreter, config: Mapped | None, value: Value) -> Value:
    """Return what app.config is after an assignment: `|=` leaves the same one with more in it."""
    mapping = config_model.held(value)
    if mapping is None or config is None or mapping is config:
        return value
    if mapping.methods is None and all(key in mapping.slots for key in config.slots):
        for key, entry in mapping.slots.items():
            run.store(config.slots, key, entry)
        config.rest = mapping.rest
        return config
    return value
