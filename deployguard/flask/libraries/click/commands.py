"""click.Command: how words become a call of a function (click.core)."""

from collections.abc import Callable, Mapping, Sequence

from deployguard.flask.libraries.click.contexts import (
    UNSEEN,
    Contexts,
    at_work,
    context_of,
)
from deployguard.flask.libraries.click.conversion import Site
from deployguard.flask.libraries.click.declarations import (
    SOURCES,
    Declarations,
    Spec,
    Taken,
    spec_of,
)
from deployguard.flask.libraries.click.functions import function_of, name_of, parameters_of
from deployguard.flask.libraries.click.parameters import (
    consume,
    grammar_of,
    in_order,
    processed,
    prompted,
)
from deployguard.flask.options import Argument, Grammar, Parsed, parse, place_of
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    EffectKind,
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
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import after_first, derived, missing_of, truth

# Errors that `main` shows before it ends the program (click.exceptions).
_ENDING = frozenset(
    {
        "Abort", "BadArgumentUsage", "BadOptionUsage", "BadParameter", "ClickException", "Exit",
        "FileError", "MissingParameter", "NoAppException", "NoArgsIsHelpError", "NoSuchCommand",
        "NoSuchOption", "UsageError",
    }
)  # fmt: skip
_MAIN = frozenset({"args", "prog_name", "complete_var", "standalone_mode", "windows_expand_args"})
_COMMAND = (
    "name", "context_settings", "callback", "params", "help", "epilog", "short_help",
    "options_metavar", "add_help_option", "no_args_is_help", "hidden", "deprecated",
)  # fmt: skip
# Methods that change what a parameter is worth where a program's own class has them.
_OVERRIDES = frozenset(
    {
        "consume_value", "handle_parse_result", "type_cast_value", "get_default",
        "value_from_envvar", "full_process_value", "prompt_for_value",
    }
)  # fmt: skip


def is_command(value: Value | None) -> bool:
    """Say whether a value is a command or group of click's."""
    return isinstance(value, Instance) and "callback" in value.slots and "params" in value.slots


def items_of(value: Value | None) -> tuple[Value, ...]:
    """Return the values of a list, none of anything else."""
    return value.items if isinstance(value, Items) else ()


class SingleCommands:
    """The class Command under one stack of versions, and what groups share with it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.contexts = Contexts(stack)
        self.declarations = Declarations(stack)
        self.command = self.native("click.Command", self.construct, self.attribute)

    @staticmethod
    def native(
        name: str,
        construct: Callable[[Call, Instance], None],
        attribute: Callable[[Interpreter, Instance, str], Value | None],
    ) -> Native:
        """Return a class of commands, which can be called."""
        return Native(
            name,
            construct=construct,
            attribute=attribute,
            specials=frozenset({"__call__", "__init__"}),
        )

    def construct(self, call: Call, instance: Instance) -> None:
        """Fill a new command (Command.__init__)."""
        store, slots = call.run.store, instance.slots
        for position, key in enumerate(_COMMAND):
            store(slots, key, call.argument(position, key) or known(None))
        params = slots["params"]
        store(slots, "params", Items({"items": items_of(params)}))
        if none(slots["context_settings"]):
            store(slots, "context_settings", Mapped({}))
        if isinstance(params, Opaque):
            store(slots, "<doubt>", params)
        if not isinstance(slots["callback"], Opaque) and not none(slots["callback"]):
            store(slots, "callback", function_of(slots["callback"]))

    def attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        """Return a method of a command."""
        del run
        models: dict[str, Callable[[Call, Instance], Value]] = {
            "__call__": self._main,
            "main": self._main,
            "make_context": self.make_context,
            "parse_args": self.parse_args,
            "invoke": self.invoke,
            "__init__": self._again,
        }
        if name not in models:
            return None
        return Native(f"Command.{name}", lambda call: models[name](call, instance))

    @staticmethod
    def _again(call: Call, instance: Instance) -> Value:
        """Run __init__ for a class of the program that calls it with super()."""
        if instance.native is not None and instance.native.construct is not None:
            instance.native.construct(call, instance)
        return known(None)

    def method(
        self, call: Call, command: Value, name: str, *arguments: Value, **keywords: Value
    ) -> Value:
        """Call a method of a command, the program's own where its class has one."""
        run = call.run
        return run.call(
            run.attribute(command, name, call.location), arguments, keywords, call.location
        )

    def _main(self, call: Call, command: Instance) -> Value:
        """Command.main: whatever the command does, the program ends with it."""
        run = call.run
        words = self._words(call)
        alone = truth(call.keywords.get("standalone_mode", known(value=True)))
        extra = {key: value for key, value in call.keywords.items() if key not in _MAIN}
        program = call.argument(1, "prog_name") or known("program")
        try:
            context = self.method(call, command, "make_context", program, words, **extra)
            with at_work(run, context):
                value = self.method(call, command, "invoke", context)
        except RaiseSignal as error:
            if error.name == "Exit" and alone is Answer.NO:
                return known(0)
            if error.name in _ENDING and alone is not Answer.NO:
                raise ExitSignal(error.note) from None
            raise
        if alone is Answer.NO:
            return value
        raise ExitSignal(Evidence(call.location, "the command does its work and ends"))

    @staticmethod
    def _words(call: Call) -> Value:
        given = call.argument(0, "args")
        if not none(given) and given is not None:
            return Items({"items": given.items}) if isinstance(given, Items) else given
        module = call.run.modules.get("sys")
        argv = (
            module.slots.get("argv", call.run.argv) if isinstance(module, Module) else call.run.argv
        )
        return Items({"items": after_first(items_of(argv))}) if isinstance(argv, Items) else argv

    def make_context(self, call: Call, command: Instance) -> Value:
        """Command.make_context: settings of the command, then its words."""
        settings = command.slots["context_settings"]
        extra = dict(settings.slots) if isinstance(settings, Mapped) else {}
        if isinstance(settings, Opaque) or (isinstance(settings, Mapped) and settings.rest):
            unknown = settings if isinstance(settings, Opaque) else settings.rest
            extra["auto_envvar_prefix"] = derived("auto_envvar_prefix", unknown or known(None))
        parent = context_of(call.argument(2, "parent"))
        extra |= {key: value for key, value in call.keywords.items() if key != "parent"}
        name = call.argument(0, "info_name") or known(None)
        context = self.contexts.make(call.run, command, name, parent, extra)
        words = call.argument(1, "args") or Items({"items": ()})
        with at_work(call.run, context):
            self.method(call, command, "parse_args", context, words)
        return context

    def _specs(self, command: Instance, context: Instance) -> list[Spec]:
        specs = [
            spec for spec in map(spec_of, items_of(command.slots["params"])) if spec is not None
        ]
        names = context.slots["help_option_names"]
        texts = [str(n.value) for n in items_of(names) if isinstance(n, Known)] or ["--help"]
        taken = {name for spec in specs for name in (*spec.names, *spec.others)}
        free = tuple(name for name in texts if name not in taken)
        if (
            free
            and truth(_or(command.slots["add_help_option"], known(value=True))) is not Answer.NO
        ):
            specs.append(help_spec(free))
        return specs

    def parse_args(self, call: Call, command: Instance) -> Value:
        """Command.parse_args: every parameter gets its value, or the command ends."""
        context = context_of(call.argument(0, "ctx"))
        words = call.argument(1, "args")
        if context is None:
            return call.run.unseen("what a command does without its context", call.location)
        if isinstance(words, Items) and not words.items:
            helped = truth(_or(command.slots["no_args_is_help"], known(value=False)))
            if helped is Answer.YES:
                note = "a command without further words prints its help and ends"
                raise RaiseSignal("NoArgsIsHelpError", Evidence(call.location, note))
        specs = self._specs(command, context)
        parsed = self._parsed(call, command, context, specs, words)
        if parsed.error is not None:
            raise RaiseSignal("UsageError", parsed.error)
        if parsed.unseen:
            return self._hidden(call, context, specs, parsed.unseen)
        instances = {id(spec_of(value)): value for value in items_of(command.slots["params"])}
        for position in in_order(parsed, specs):
            spec = specs[position]
            self._handle(call, context, spec, instances.get(id(spec)), parsed, specs)
        if parsed.rest and not self._setting(context, command, "allow_extra_args"):
            place = place_of(parsed.rest[0], call.location)
            note = "there is an argument too many, so the command ends with an error"
            raise RaiseSignal("UsageError", Evidence(place, note))
        rest = Items({"items": parsed.rest})
        call.run.store(context.slots, "args", rest)
        return rest

    def _setting(self, context: Instance, command: Instance, name: str) -> bool:
        value = context.slots[name]
        if none(value):
            group = "commands" in command.slots
            return group if name == "allow_extra_args" else not group if "inter" in name else False
        return truth(value) is not Answer.NO

    def _parsed(
        self,
        call: Call,
        command: Instance,
        context: Instance,
        specs: Sequence[Spec],
        words: Value | None,
    ) -> Parsed:
        doubt = [entry for spec in specs for entry in spec.doubt]
        doubt.extend(missing_of(command.slots.get("<doubt>", known(None))))
        if not isinstance(words, Items):
            doubt.extend(missing_of(words) if words is not None else ())
            doubt = doubt or [Missing(Reason.COMMAND, "the words of a command line")]
        if doubt or not isinstance(words, Items):
            return Parsed(unseen=tuple(doubt))
        function = context.slots["token_normalize_func"]

        def normalize(text: str) -> str | None:
            made = call.run.call(function, (known(text),), {}, call.location)
            return str(made.value) if isinstance(made, Known) else None

        grammar = Grammar(
            options=grammar_of(specs),
            arguments=[Argument(spec.name, spec.takes) for spec in specs if spec.argument],
            interspersed=self._setting(context, command, "allow_interspersed_args"),
            lenient=self._setting(context, command, "ignore_unknown_options"),
            normalize=None if none(function) else normalize,
        )
        return parse(words.items, grammar, call.location)

    def _handle(
        self,
        call: Call,
        context: Instance,
        spec: Spec,
        instance: Value | None,
        parsed: Parsed,
        specs: Sequence[Spec],
    ) -> None:
        """Parameter.handle_parse_result."""
        function = context.slots["token_normalize_func"]
        normalize = None if none(function) else function
        site = Site(call.run, call.location, self.stack, normalize)
        occurrences = parsed.given.get(spec.name, [])
        if spec.ends is not None:
            if occurrences:
                raise RaiseSignal("Exit", Evidence(occurrences[-1].place, spec.ends))
            return
        taken = consume(site, spec, occurrences, context, specs)
        if spec.prompt and taken.source in {"DEFAULT", "DEFAULT_MAP"} and not spec.optional:
            taken = Taken(prompted(site, spec), "PROMPT")
        sources = context.slots["<sources>"].slots
        before = sources.get(spec.name)
        call.run.store(sources, spec.name, known(taken.source))
        handed = (instance or known(None), context)
        if isinstance(instance, Instance) and _overridden(instance):
            value: Value = _own_class(call, instance, spec)
        elif isinstance(instance, Instance) and _has(instance, "process_value"):
            value = self.method(call, instance, "process_value", context, taken.value)
        else:
            value = processed(site, spec, taken, handed)
        if spec.callback is not None:
            value = call.run.call(spec.callback, (context, handed[0], value), {}, call.location)
        params = context.slots["params"].slots
        if not spec.exposed or not spec.name:
            return
        if self._wins(spec, taken.source, before, params.get(spec.name)):
            call.run.store(params, spec.name, value)
        elif before is not None:
            call.run.store(sources, spec.name, before)

    def _wins(self, spec: Spec, source: str, before: Value | None, there: Value | None) -> bool:
        """Say whether a parameter replaces another one of its name.

        Before 8.3 the last does, in 8.3 the first one with a value stays, and from 8.4 on it goes
        by where the values come from (click.core.Parameter.handle_parse_result).
        """
        if self.stack.click < (8, 3) or there is None or none(there):
            return True
        if self.stack.click < (8, 4) or not isinstance(before, Known):
            return False
        old, new = SOURCES.index(str(before.value)), SOURCES.index(source)
        return new < old or (new == old and (source != "DEFAULT" or spec.explicit))

    def _hidden(
        self, call: Call, context: Instance, specs: Sequence[Spec], missing: tuple[Missing, ...]
    ) -> Value:
        """Leave every parameter open where the words cannot be told."""
        call.run.emit(
            EffectKind.UNSEEN, "what a command line asks for", call.location, missing=missing
        )
        for spec in specs:
            if spec.exposed and spec.ends is None:
                value = Opaque(missing, spec.name, harmless=True)
                call.run.store(context.slots["params"].slots, spec.name, value)
        rest = Items({"items": (Opaque(missing, "items", harmless=True),)})
        call.run.store(context.slots, UNSEEN, rest)
        call.run.store(context.slots, "args", rest)
        _perhaps_refused(call, missing)
        return rest

    def invoke(self, call: Call, command: Instance) -> Value:
        """Command.invoke: the function is called with the parameters by their names."""
        context = context_of(call.argument(0, "ctx"))
        function = command.slots["callback"]
        if context is None or none(function):
            return known(None)
        params = context.slots["params"]
        with at_work(call.run, context):
            return call.run.call(function, (), dict(params.slots), call.location, params.rest)

    def decorator(
        self, call: Call, kind: Value, then: Callable[[Call, Value], Value] | None = None
    ) -> Value:
        """Return what click.command(...) returns: a decorator, or the command of a function."""
        first = call.argument(0, "name")
        chosen = call.argument(1, "cls")
        cls = kind if chosen is None or none(chosen) else chosen
        attrs = {key: value for key, value in call.keywords.items() if key not in {"name", "cls"}}

        def make(inner: Call, function: Value, name: Value | None) -> Value:
            made = self._made(inner, function, name, cls, attrs, call.open)
            return made if then is None else then(inner, made)

        if first is not None and not isinstance(first, Known | Opaque):
            return make(call, first, None)
        return Native("click.command()", lambda inner: make(inner, inner.arguments[0], first))

    def _made(
        self,
        call: Call,
        function: Value,
        name: Value | None,
        cls: Value,
        attrs: Mapping[str, Value],
        rest: Opaque | None,
    ) -> Value:
        """click.decorators.command: a command of a function and its decorated parameters."""
        params = (*items_of(attrs.get("params")), *reversed(parameters_of(function)))
        title: Value | None = name
        if title is None or none(title):
            text = self.title(function)
            missing = (Missing(Reason.SOURCE, "the name of a command"),)
            title = known(text) if text else Opaque(missing, "a name", harmless=True)
        keywords = {
            **attrs,
            "name": title,
            "callback": function_of(function),
            "params": Items({"items": params}),
        }
        return call.run.call(cls, (), keywords, call.location, rest)

    def title(self, function: Value) -> str:
        """Return the name of a command that only its function names."""
        text = name_of(function).lower()
        if self.stack.click >= (7,):
            text = text.replace("_", "-")
        if self.stack.click >= (8, 2):
            left, mark, suffix = text.rpartition("-")
            if mark and suffix in {"command", "cmd", "group", "grp"}:
                return left
        return text


def _perhaps_refused(call: Call, missing: tuple[Missing, ...]) -> None:
    """Let the command end, perhaps: words that cannot be told may be refused, or ask for help."""
    refused = RaiseSignal("UsageError", Evidence(call.location, "the words may be refused"))

    def refuse() -> None:
        raise refused

    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (refuse, lambda: None))


def help_spec(names: tuple[str, ...]) -> Spec:
    """Return the option that prints the help and ends."""
    return Spec(
        name="<help>", names=names, flag=True, boolean=True, eager=True, exposed=False,
        flag_value=known(value=True), ends=f"{names[0]} prints and ends",
    )  # fmt: skip


def _or(value: Value, default: Value) -> Value:
    return default if none(value) else value


def title_of(command: Value) -> str:
    """Return the name of a command, "" where it cannot be told."""
    value = command.slots.get("name") if isinstance(command, Instance) else None
    return str(value.value) if isinstance(value, Known) else ""


def _overridden(instance: Instance) -> bool:
    return isinstance(instance.type, Class) and bool(_OVERRIDES & set(instance.type.slots))


def _has(instance: Instance, name: str) -> bool:
    return isinstance(instance.type, Class) and name in instance.type.slots


def _own_class(call: Call, instance: Instance, spec: Spec) -> Value:
    """Take the value of a parameter of a class that handles it itself for open."""
    missing = Missing(Reason.SOURCE, f"what the option {spec.name} makes of its value")
    for name in sorted(_OVERRIDES & set(instance.type.slots if instance.type else ())):
        method = call.run.attribute(instance, name, call.location)
        call.run.perhaps(method, call.location, missing)
    return Opaque((missing,), spec.name, harmless=True)
