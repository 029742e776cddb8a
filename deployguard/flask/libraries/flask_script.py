"""Flask-Script: managers and their commands (flask_script 2.0), read as argparse does."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from deployguard.flask.libraries.arguments import Declared, declared, values_of
from deployguard.flask.libraries.click.conversion import Site
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.flask_cli import entered
from deployguard.flask.libraries.flask_script_options import (
    declared_of,
    function_options,
    server_option_values,
    server_options,
)
from deployguard.flask.libraries.located import is_flask
from deployguard.flask.options import Grammar, parse, place_of
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    EffectKind,
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
from deployguard.python.concrete import none
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import after_first, missing_of, truth

_COMMANDS = "<commands>"
_OPTIONS = "<options>"
# Marks a command that does its work and ends, whatever its words are.
_ENDS = "<ends>"
_SERVER = ("host", "port", "use_debugger", "use_reloader", "threaded", "processes",
           "passthrough_errors", "ssl_crt", "ssl_key")  # fmt: skip
_DEFAULTS: dict[str, object] = {
    "host": "127.0.0.1", "port": 5000, "threaded": False, "processes": 1,
    "passthrough_errors": False,
}  # fmt: skip
_PROMPTS = ("prompt", "prompt_pass", "prompt_bool", "prompt_choices")


def slots(stack: Stack) -> dict[str, Any]:
    """Return the names of flask_script; it cannot be imported beside Flask 2 or later."""
    if stack.flask >= (2,):
        note = Evidence(Location("flask_script"), "flask_script wants flask._compat, which is gone")
        raise RaiseSignal("ModuleNotFoundError", note)
    model = _Script(stack)
    return {
        "Manager": model.manager,
        "Command": model.command,
        "Server": model.server,
        "Shell": model.ending("Shell"),
        "Clean": model.ending("Clean"),
        "ShowUrls": model.ending("ShowUrls"),
        "Option": model.option,
        "Group": model.group,
        **{name: harmless(f"flask_script.{name}") for name in _PROMPTS},
    }


def _native(
    name: str,
    construct: Callable[[Call, Instance], None],
    attribute: Callable[[Interpreter, Instance, str], Value | None],
) -> Native:
    return Native(
        f"flask_script.{name}",
        construct=construct,
        attribute=attribute,
        specials=frozenset({"__call__", "__init__"}),
    )


def _items(value: Value | None) -> tuple[Value, ...]:
    return value.items if isinstance(value, Items) else ()


class _Script:
    """The classes of flask_script under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.manager = _native("Manager", self._manager, self._manager_attribute)
        self.command = _native("Command", self._command, self._command_attribute)
        self.server = _native("Server", self._server, self._server_attribute)
        self.option = Native("flask_script.Option", construct=self._option)
        self.group = Native("flask_script.Group", construct=self._group)

    def ending(self, name: str) -> Native:
        """Return a class of commands that print or ask and end."""

        def attribute(_run: Interpreter, _instance: Instance, asked: str) -> Value | None:
            if asked == "__call__":
                return Native(name, lambda _call: known(None))
            return None

        return _native(
            name, lambda call, made: call.run.store(made.slots, _ENDS, known(value=True)), attribute
        )

    # Making

    @staticmethod
    def _option(call: Call, instance: Instance) -> None:
        call.run.store(instance.slots, "<declared>", declared(call))

    @staticmethod
    def _group(call: Call, instance: Instance) -> None:
        call.run.store(instance.slots, "option_list", Items({"items": call.arguments}))

    @staticmethod
    def _manager(call: Call, instance: Instance) -> None:
        store, slots = call.run.store, instance.slots
        store(slots, "app", call.argument(0, "app") or known(None))
        store(slots, _COMMANDS, Mapped({}))
        store(slots, _OPTIONS, Items({"items": ()}))
        default = call.argument(1, "with_default_commands") or known(None)
        store(slots, "with_default_commands", default)
        store(slots, "parent", known(None))

    @staticmethod
    def _command(call: Call, instance: Instance) -> None:
        """Command.__init__: the parameters of a function become its options."""
        function = call.argument(0, "func")
        own = instance.type is not None and _of_class(instance.type, "option_list") is not None
        if none(function) or function is None:
            if not own:
                call.run.store(instance.slots, "option_list", Items({"items": ()}))
            return
        call.run.store(instance.slots, "run", function)
        call.run.store(instance.slots, "<from function>", function)

    @staticmethod
    def _server(call: Call, instance: Instance) -> None:
        store, slots = call.run.store, instance.slots
        for position, name in enumerate(_SERVER):
            store(slots, name, call.argument(position, name) or known(_DEFAULTS.get(name)))
        if none(slots["use_reloader"]):
            store(slots, "use_reloader", slots["use_debugger"])
        others = {key: value for key, value in call.keywords.items() if key not in _SERVER}
        store(slots, "server_options", Mapped(others, call.open))

    # Managers

    def _manager_attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        del run
        models: dict[str, Callable[[Call, Instance], Value]] = {
            "__init__": self._again,
            "__call__": self._made_application,
            "run": self._run,
            "handle": self._handled,
            "add_command": self._add_command,
            "add_option": self._add_option,
            "add_default_commands": self._add_defaults,
            "command": self._decorated,
            "option": self._optioned,
            "shell": lambda call, _: call.arguments[0],
        }
        if name not in models:
            return None
        return Native(f"Manager.{name}", lambda call: models[name](call, instance))

    @staticmethod
    def _again(call: Call, instance: Instance) -> Value:
        if instance.native is not None and instance.native.construct is not None:
            instance.native.construct(call, instance)
        return known(None)

    def _add_command(self, call: Call, manager: Instance) -> Value:
        """Manager.add_command: (command), (name, command) or with a namespace."""
        arguments = [
            *call.arguments,
            *(call.keywords[k] for k in ("command",) if k in call.keywords),
        ]
        if "name" in call.keywords:
            arguments.insert(0, call.keywords["name"])
        if not arguments:
            return known(None)
        name: Value = known(None) if len(arguments) == 1 else arguments[0]
        command = arguments[-1]
        if isinstance(command, Class | Native):
            command = call.run.call(command, (), {}, call.location)
        if none(name):
            name = known(_own_name(call.run, command))
        if isinstance(command, Instance) and command.native is self.manager:
            call.run.store(command.slots, "parent", manager)
        self._register(call, manager, name, command, call.keywords.get("namespace"))
        return known(None)

    def _register(
        self, call: Call, manager: Instance, name: Value, command: Value, namespace: Value | None
    ) -> None:
        commands = manager.slots[_COMMANDS]
        if isinstance(namespace, Known) and namespace.value:
            inner = commands.slots.get(namespace.value)
            if not isinstance(inner, Instance):
                made = call.run.call(self.manager, (), {}, call.location)
                call.run.store(commands.slots, namespace.value, made)
                inner = made
            if isinstance(inner, Instance):
                call.run.store(inner.slots, "parent", manager)
                commands = inner.slots[_COMMANDS]
        if isinstance(name, Known) and isinstance(name.value, str):
            call.run.store(commands.slots, name.value, command)
        else:
            missing = (Missing(Reason.SOURCE, "the name of a command"),)
            commands.rest = Opaque(missing, "a command", parts=(command,))

    @staticmethod
    def _add_option(call: Call, manager: Instance) -> Value:
        made = Instance(None, None, {"<declared>": declared(call)})
        options = (*_items(manager.slots[_OPTIONS]), made)
        call.run.store(manager.slots, _OPTIONS, Items({"items": options}))
        return known(None)

    def _add_defaults(self, call: Call, manager: Instance) -> Value:
        commands = manager.slots[_COMMANDS].slots
        for name, cls in (("shell", self.ending("Shell")), ("runserver", self.server)):
            if name not in commands:
                call.run.store(commands, name, call.run.call(cls, (), {}, call.location))
        return known(None)

    def _decorated(self, call: Call, manager: Instance) -> Value:
        """Manager.command: a decorator of a function."""
        function = call.arguments[0]
        command = call.run.call(self.command, (function,), {}, call.location)
        self._register(call, manager, known(_function_name(function)), command, None)
        return function

    def _optioned(self, call: Call, manager: Instance) -> Value:
        """Manager.option: each decorator adds an option to the command of a function."""
        option = Instance(None, self.option, {"<declared>": declared(call)})

        def decorate(inner: Call) -> Value:
            function = inner.arguments[0]
            name = _function_name(function)
            commands = manager.slots[_COMMANDS].slots
            command = commands.get(name)
            if not isinstance(command, Instance):
                command = Instance(
                    None, self.command, {"run": function, "option_list": Items({"items": ()})}
                )
                inner.run.store(commands, name, command)
            options = (*_items(command.slots.get("option_list")), option)
            inner.run.store(command.slots, "option_list", Items({"items": options}))
            return function

        return Native("Manager.option()", decorate)

    def _made_application(self, call: Call, manager: Instance) -> Value:
        """Manager.__call__: the application, made of the options where it is a factory."""
        given = call.argument(0, "app")
        app: Value = manager.slots["app"] if given is None or none(given) else given
        if none(app):
            raise RaiseSignal(
                "Exception", Evidence(call.location, "the manager has no application")
            )
        if is_flask(app) or isinstance(app, Opaque):
            return app
        options = {key: value for key, value in call.keywords.items() if key != "app"}
        made = call.run.call(app, (), options, call.location)
        call.run.store(manager.slots, "app", made)
        return made

    def _run(self, call: Call, manager: Instance) -> Value:
        """Manager.run: whatever the command does, the program ends with it."""
        run = call.run
        commands = call.argument(0, "commands")
        if isinstance(commands, Mapped):
            for name, command in commands.slots.items():
                run.store(manager.slots[_COMMANDS].slots, name, command)
        words = after_first(run.argv.items)
        default = call.argument(1, "default_command")
        if default is not None and not none(default) and not words:
            words = (default,)
        self._handle(call, manager, words, None)
        raise ExitSignal(Evidence(call.location, "the command does its work and ends"))

    def _handled(self, call: Call, manager: Instance) -> Value:
        return self._handle(call, manager, _items(call.argument(1, "args")), None)

    def _handle(
        self, call: Call, manager: Instance, words: Sequence[Value], above: Value | None
    ) -> Value:
        """Manager.handle: the options of the manager, then the command that a word names."""
        run = call.run
        wanted = manager.slots["with_default_commands"]
        parent = manager.slots["parent"]
        if truth(wanted) is Answer.YES or (none(wanted) and none(parent)):
            self._add_defaults(call, manager)
        if not words:
            raise ExitSignal(Evidence(call.location, "without a command its help is printed"))
        options = [one for one in map(declared_of, _items(manager.slots[_OPTIONS])) if one]
        found = self._parsed(call, manager, options, words, interspersed=False)
        if found is None:
            return known(None)
        values, rest = found
        if not rest:
            raise ExitSignal(Evidence(call.location, "too few arguments, so the program ends"))
        handed = {} if above is None else {"app": above}
        application = run.call(
            run.attribute(manager, "__call__", call.location),
            (),
            {**handed, **values},
            call.location,
        )
        return self._named(call, manager, application, rest)

    def _named(
        self, call: Call, manager: Instance, application: Value, words: Sequence[Value]
    ) -> Value:
        name, *rest = words
        commands = manager.slots[_COMMANDS]
        command = commands.slots.get(name.value) if isinstance(name, Known) else None
        if command is None:
            if isinstance(name, Known) and commands.rest is None:
                place = place_of(name, call.location)
                note = f"there is no command {name.value}, so the program ends with an error"
                raise ExitSignal(Evidence(place, note))
            missing = missing_of(name) or missing_of(commands)
            call.run.emit(EffectKind.UNSEEN, "which command runs", call.location, missing=missing)
            return known(None)
        if isinstance(command, Instance) and _ENDS in command.slots:
            return known(None)
        if isinstance(command, Instance) and _COMMANDS in command.slots:
            return self._handle(call, command, rest, application)
        if not isinstance(command, Instance):
            return call.run.call(command, (application,), {}, call.location)
        return self._execute(call, command, application, rest)

    def _execute(
        self, call: Call, command: Instance, application: Value, words: Sequence[Value]
    ) -> Value:
        """Parse the words of a command, then call it with the application and their values."""
        run = call.run
        options = self._options_of(call, command)
        if options is None:
            return run.unseen("which options a command takes", call.location)
        found = self._parsed(call, command, options, words, interspersed=True)
        if found is None:
            return known(None)
        values, rest = found
        if rest:
            place = place_of(rest[0], call.location)
            raise ExitSignal(Evidence(place, "too many arguments, so the program ends"))
        return run.call(
            run.attribute(command, "__call__", call.location), (application,), values, call.location
        )

    def _parsed(
        self,
        call: Call,
        owner: Instance,
        options: list[Declared],
        words: Sequence[Value],
        *,
        interspersed: bool,
    ) -> tuple[dict[str, Value], tuple[Value, ...]] | None:
        del owner
        site = Site(call.run, call.location, self.stack)
        names, positional = Declared.grammar([*options, Declared.help("-?", "--help")])
        parsed = parse(
            words,
            Grammar(options=names, arguments=positional, interspersed=interspersed),
            call.location,
        )
        if parsed.unseen:
            call.run.emit(
                EffectKind.UNSEEN, "what the words of a command say", call.location,
                missing=parsed.unseen,
            )  # fmt: skip
            return None
        if parsed.error is not None:
            raise ExitSignal(parsed.error)
        return values_of(site, options, parsed), parsed.rest

    # Commands

    def _options_of(self, call: Call, command: Instance) -> list[Declared] | None:
        """Command.get_options: the program's own, those of a server, or of a function."""
        run = call.run
        own = _of_class(command.type, "get_options") if command.type is not None else None
        if own is not None:
            listed: Value | None = run.call(
                run.attribute(command, "get_options", call.location), (), {}, call.location
            )
        elif command.native is self.server:
            return server_options(command)
        elif "<from function>" in command.slots:
            return function_options(command.slots["<from function>"])
        else:
            listed = run.attribute_or_none(command, "option_list")
        if not isinstance(listed, Items):
            return None if isinstance(listed, Opaque) else []
        found: list[Declared] = []
        for value in listed.items:
            inner = value.slots.get("option_list") if isinstance(value, Instance) else None
            for one in _items(inner) if isinstance(inner, Items) else (value,):
                option = declared_of(one)
                if option is None:
                    return None
                found.append(option)
        return found

    def _command_attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        del run
        if name == "__call__":
            return Native("Command.__call__", lambda call: self._call(call, instance))
        if name == "__init__":
            return Native(name, lambda call: self._again(call, instance))
        if name == "get_options":
            listed = instance.slots.get("option_list") or Items({"items": ()})
            return Native(name, lambda _call: listed)
        if name == "add_option":
            return Native(name, lambda call: _append(call, instance))
        return None

    @staticmethod
    def _call(call: Call, command: Instance) -> Value:
        """Command.__call__: `run` in a request context of the application."""
        run = call.run
        application = call.arguments[0] if call.arguments else known(None)
        if is_flask(application):
            entered(call, application)
        function = run.attribute(command, "run", call.location)
        return run.call(function, call.arguments[1:], call.keywords, call.location, call.open)

    def _server_attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        if name == "__call__":
            return Native("Server.__call__", lambda call: self._serve(call, instance))
        if name == "get_options":
            return Native(name, lambda _call: server_option_values(instance))
        return self._command_attribute(run, instance, name)

    @staticmethod
    def _serve(call: Call, server: Instance) -> Value:
        """Server.__call__: app.run() with the debugger of -d, else of app.debug."""
        run = call.run
        application = call.argument(0, "app") or known(None)
        given = {
            name: call.argument(position, name) or server.slots[name]
            for position, name in enumerate(_SERVER, start=1)
        }
        debugger = given["use_debugger"]
        if none(debugger):
            debugger = run.attribute(application, "debug", call.location)
        reloader = debugger if none(given["use_reloader"]) else given["use_reloader"]
        options = server.slots["server_options"]
        keywords: dict[str, Value] = {
            "host": given["host"],
            "port": given["port"],
            "debug": debugger,
            "use_debugger": debugger,
            "use_reloader": reloader,
            "threaded": given["threaded"],
            "processes": given["processes"],
            "passthrough_errors": given["passthrough_errors"],
            **(options.slots if isinstance(options, Mapped) else {}),
        }
        rest = options.rest if isinstance(options, Mapped) else None
        serving = run.attribute(application, "run", call.location)
        return run.call(serving, (), keywords, call.location, rest)


def _append(call: Call, command: Instance) -> Value:
    options = (*_items(command.slots.get("option_list")), *call.arguments)
    call.run.store(command.slots, "option_list", Items({"items": options}))
    return known(None)


def _of_class(cls: Class, name: str) -> Value | None:
    if name in cls.slots:
        found: Value = cls.slots[name]
        return found
    inherited = (_of_class(base, name) for base in cls.bases if isinstance(base, Class))
    return next((value for value in inherited if value is not None), None)


def _own_name(run: Interpreter, command: Value) -> str:
    name = run.attribute_or_none(command, "name") if isinstance(command, Instance) else None
    if isinstance(name, Known) and isinstance(name.value, str):
        return name.value
    text = ""
    if isinstance(command, Instance):
        cls = command.type.name if command.type is not None else ""
        text = cls or (command.native.name if command.native is not None else "")
    return re.sub(r"command\Z", "", text.rpartition(".")[2].lower())


def _function_name(function: Value) -> str:
    return getattr(function.node, "name", "") if isinstance(function, Function) else ""
