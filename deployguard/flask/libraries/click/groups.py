"""click.Group and CommandCollection: commands that a word names (click.core)."""

from collections.abc import Callable, Sequence
from functools import partial

from deployguard.flask.libraries.click.commands import (
    SingleCommands,
    is_command,
    items_of,
    title_of,
)
from deployguard.flask.libraries.click.contexts import (
    UNSEEN,
    at_work,
    context_of,
)
from deployguard.flask.libraries.click.functions import function_of
from deployguard.flask.options import place_of
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import none
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, missing_of, truth

# Where a group keeps what is called with the result of its command.
_RESULT = "<result callback>"


class Commands(SingleCommands):
    """The classes Command, Group and CommandCollection under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.group = self.native("click.Group", self.construct_group, self.group_attribute)
        self.collection = self.native(
            "click.CommandCollection", self._construct_collection, self.group_attribute
        )

    def construct_group(self, call: Call, instance: Instance) -> None:
        """Fill a new group (Group.__init__)."""
        keywords = {key: value for key, value in call.keywords.items() if key != "commands"}
        self.construct(
            Call(call.run, call.location, call.arguments[:1], keywords, call.open), instance
        )
        store, slots = call.run.store, instance.slots
        given = call.argument(1, "commands")
        commands = given if isinstance(given, Mapped) else Mapped({}, name="commands")
        for command in items_of(given):
            commands.slots[title_of(command)] = command
        if isinstance(given, Opaque):
            commands.rest = given
        store(slots, "commands", commands)
        for key in ("invoke_without_command", "chain"):
            store(slots, key, call.keywords.get(key) or known(value=False))
        store(slots, _RESULT, call.keywords.get("result_callback") or known(None))
        if none(call.keywords.get("no_args_is_help")):
            without = truth(slots["invoke_without_command"])
            value: Value = known(without is Answer.NO)
            if without is Answer.UNKNOWN:
                value = derived("no_args_is_help", slots["invoke_without_command"])
            store(slots, "no_args_is_help", value)

    def _construct_collection(self, call: Call, instance: Instance) -> None:
        self.construct_group(
            Call(call.run, call.location, call.arguments[:1], call.keywords, call.open), instance
        )
        sources = call.argument(1, "sources")
        call.run.store(instance.slots, "sources", Items({"items": items_of(sources)}))

    def group_attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        """Return a method of a group."""
        models: dict[str, Callable[[Call, Instance], Value]] = {
            "parse_args": self.parse_group,
            "invoke": self.invoke_group,
            "get_command": self.get_command,
            "list_commands": self._list_commands,
            "resolve_command": self._resolve,
            "add_command": self.add_command,
            "add_source": self._add_source,
            "command": self._command,
            "group": self._group,
            "result_callback": self._result_callback,
            "resultcallback": self._result_callback,
        }
        if name not in models:
            return self.attribute(run, instance, name)
        return Native(f"Group.{name}", lambda call: models[name](call, instance))

    def parse_group(self, call: Call, group: Instance) -> Value:
        """Group.parse_args: what is left names a command."""
        context = context_of(call.argument(0, "ctx"))
        rest = self.parse_args(call, group)
        if context is None or UNSEEN in context.slots:
            return rest
        store, words = call.run.store, items_of(rest)
        chained = truth(group.slots["chain"]) is not Answer.NO
        first = words if chained else words[:1]
        store(context.slots, "protected_args", Items({"items": first}))
        store(context.slots, "args", Items({"items": () if chained else words[1:]}))
        left: Value = context.slots["args"]
        return left

    def invoke_group(self, call: Call, group: Instance) -> Value:
        """Group.invoke: its own function, then the command that the words name."""
        context = context_of(call.argument(0, "ctx"))
        if context is None:
            return known(None)
        run = call.run
        if UNSEEN in context.slots:
            self.invoke(call, group)
            commands = group.slots["commands"].slots
            self._one_of(call, context, list(commands.values()), context.slots[UNSEEN])
            return known(None)
        words = (*items_of(context.slots["protected_args"]), *items_of(context.slots["args"]))
        if not words:
            if truth(group.slots["invoke_without_command"]) is Answer.NO:
                note = "no command is named, so the group ends with an error"
                raise RaiseSignal("UsageError", Evidence(call.location, note))
            return self._finish(call, group, context, self.invoke(call, group))
        run.store(context.slots, "args", Items({"items": ()}))
        run.store(context.slots, "protected_args", Items({"items": ()}))
        if truth(group.slots["chain"]) is not Answer.NO:
            return self._chain(call, group, context, words)
        with at_work(run, context):
            name, command, rest = self._resolved(call, group, context, words)
            run.store(context.slots, "invoked_subcommand", name)
            self.invoke(call, group)
            value = self._run(call, context, name, command, rest)
        return self._finish(call, group, context, value)

    def _chain(
        self, call: Call, group: Instance, context: Instance, words: tuple[Value, ...]
    ) -> Value:
        run = call.run
        with at_work(run, context):
            run.store(context.slots, "invoked_subcommand", known("*"))
            self.invoke(call, group)
            made: list[Value] = []
            while words:
                name, command, rest = self._resolved(call, group, context, words)
                if not is_command(command):
                    self._run(call, context, name, command, rest)
                    break
                lenient = {
                    "allow_extra_args": known(value=True),
                    "allow_interspersed_args": known(value=False),
                }
                inner = self.method(
                    call, command, "make_context", name, Items({"items": rest}),
                    parent=context, **lenient,
                )  # fmt: skip
                made.append(inner)
                words = items_of(inner.slots["args"]) if isinstance(inner, Instance) else ()
            values: list[Value] = []
            for inner in made:
                with at_work(run, inner):
                    command = inner.slots["command"] if isinstance(inner, Instance) else inner
                    values.append(self.method(call, command, "invoke", inner))
        return self._finish(call, group, context, Items({"items": tuple(values)}))

    def _finish(self, call: Call, group: Instance, context: Instance, value: Value) -> Value:
        function = group.slots[_RESULT]
        if none(function):
            return value
        params = context.slots["params"]
        with at_work(call.run, context):
            return call.run.call(function, (value,), dict(params.slots), call.location, params.rest)

    def _resolved(
        self, call: Call, group: Instance, context: Instance, words: tuple[Value, ...]
    ) -> tuple[Value, Value, tuple[Value, ...]]:
        found = self.method(call, group, "resolve_command", context, Items({"items": words}))
        parts = items_of(found)
        if len(parts) == 3:  # noqa: PLR2004  (the name, the command and the words)
            return parts[0], parts[1], items_of(parts[2])
        return known(None), found, words[1:]

    def _resolve(self, call: Call, group: Instance) -> Value:
        """Group.resolve_command: the command of a name, or an error of usage."""
        context, words = call.argument(0, "ctx"), items_of(call.argument(1, "args"))
        name = words[0] if words else known("")
        command = self.method(call, group, "get_command", context or known(None), name)
        if none(command) and isinstance(context, Instance):
            function = context.slots["token_normalize_func"]
            if not none(function):
                name = call.run.call(function, (name,), {}, call.location)
                command = self.method(call, group, "get_command", context, name)
        if none(command):
            commands = group.slots["commands"]
            if isinstance(commands, Mapped) and commands.rest is not None:
                command = derived("a command", commands.rest)
            else:
                text = name.value if isinstance(name, Known) else "of this name"
                note = f"there is no command {text}, so it ends with an error"
                raise RaiseSignal("NoSuchCommand", Evidence(place_of(name, call.location), note))
        return Items({"items": (name, command, Items({"items": words[1:]}))}, tuple)

    def _run(
        self, call: Call, context: Instance, name: Value, command: Value, words: tuple[Value, ...]
    ) -> Value:
        """Run a command below a group."""
        run = call.run
        if isinstance(command, Instance) and is_command(command):
            inner = self.method(
                call, command, "make_context", name, Items({"items": words}), parent=context
            )
            with at_work(run, inner):
                return self.method(call, command, "invoke", inner)
        if isinstance(command, Opaque):
            commands = [part for part in command.parts if is_command(part)]
            self._one_of(call, context, commands, Items({"items": words}), command.missing)
        return run.call(command, (), {}, call.location)

    def _one_of(
        self,
        call: Call,
        context: Instance,
        commands: Sequence[Value],
        words: Value,
        missing: tuple[Missing, ...] = (),
    ) -> None:
        """Run each of several commands of which one is named, or none."""
        if not commands:
            return
        condition = missing or missing_of(words)

        def one(command: Value) -> None:
            name = known(title_of(command))
            inner = self.method(call, command, "make_context", name, words, parent=context)
            with at_work(call.run, inner):
                self.method(call, command, "invoke", inner)

        frame = Frame((), call.run.current or Module("?", {}))
        alternatives = [partial(one, command) for command in commands]
        call.run.branch(frame, condition, (*alternatives, lambda: None))

    def get_command(self, call: Call, group: Instance) -> Value:
        """Group.get_command: by its name, also in the sources of a collection."""
        name = call.argument(1, "cmd_name") or call.argument(1, "name") or known(None)
        commands = group.slots["commands"]
        if not isinstance(name, Known):
            parts = tuple(commands.slots.values()) if isinstance(commands, Mapped) else ()
            return Opaque(missing_of(name), "a command", harmless=True, parts=parts)
        if isinstance(commands, Mapped) and name.value in commands.slots:
            return commands.slots[name.value]
        for source in items_of(group.slots.get("sources")):
            context = call.argument(0, "ctx") or known(None)
            found = self.method(call, source, "get_command", context, name)
            if not none(found):
                return found
        return known(None)

    @staticmethod
    def _list_commands(_call: Call, group: Instance) -> Value:
        commands = group.slots["commands"]
        names = sorted(str(key) for key in commands.slots) if isinstance(commands, Mapped) else []
        return Items({"items": tuple(known(name) for name in names)})

    def add_command(self, call: Call, group: Instance) -> Value:
        """Group.add_command: under its own name or another."""
        command = call.argument(0, "cmd") or known(None)
        name = call.argument(1, "name")
        if name is None or none(name):
            name = (
                command.slots["name"]
                if isinstance(command, Instance) and is_command(command)
                else None
            )
        commands = group.slots["commands"]
        if not isinstance(commands, Mapped):
            return known(None)
        if isinstance(name, Known) and isinstance(name.value, str):
            call.run.store(commands.slots, name.value, command)
        else:
            missing = (Missing(Reason.SOURCE, "the name of a command"),)
            commands.rest = Opaque(missing, "a command", parts=(command,))
        return known(None)

    @staticmethod
    def _add_source(call: Call, group: Instance) -> Value:
        before = items_of(group.slots.get("sources"))
        source = call.argument(0, "group") or call.argument(0, "multi_cmd") or known(None)
        call.run.store(group.slots, "sources", Items({"items": (*before, source)}))
        return known(None)

    def _command(self, call: Call, group: Instance) -> Value:
        return self.registering(call, group, self._class(group, "command_class", self.command))

    def _group(self, call: Call, group: Instance) -> Value:
        return self.registering(call, group, self._class(group, "group_class", self.group))

    @staticmethod
    def _class(group: Instance, attribute: str, default: Value) -> Value:
        """Return the class that a group of the program's own makes its commands of."""
        own = group.type.slots.get(attribute) if group.type is not None else None
        if own is None or none(own):
            return default
        if isinstance(own, Native) and own.name == "type":
            return group.type or default
        chosen: Value = own
        return chosen

    def registering(self, call: Call, group: Instance, kind: Value) -> Value:
        """Return the decorator that makes a command and adds it to a group."""

        def add(inner: Call, command: Value) -> Value:
            self.method(inner, group, "add_command", command)
            return command

        return self.decorator(call, kind, add)

    @staticmethod
    def _result_callback(_call: Call, group: Instance) -> Value:
        def keep(call: Call) -> Value:
            call.run.store(group.slots, _RESULT, function_of(call.arguments[0]))
            return call.arguments[0]

        return Native("result_callback", keep)
