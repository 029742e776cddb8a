"""click.Context: what a command is handed, and which one is at work."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from deployguard.flask.libraries.click.conversion import Site, convert
from deployguard.flask.libraries.click.declarations import Spec, spec_of
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python import (
    Call,
    Class,
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
from deployguard.python.interpreter import linearize
from deployguard.python.signals import RaiseSignal

# Where the evaluator remembers the contexts at work.
_AT_WORK = "contexts of click"
# A context of which the words could not be told: what would have to be known.
UNSEEN = "<unseen>"

_SETTINGS = (
    "default_map", "allow_extra_args", "allow_interspersed_args", "ignore_unknown_options",
    "help_option_names", "token_normalize_func", "auto_envvar_prefix", "obj",
)  # fmt: skip


def current(run: Interpreter) -> Instance | None:
    """Return the context at work (click.get_current_context)."""
    held = run.memory.get(_AT_WORK)
    last = held.items[-1] if isinstance(held, Items) and held.items else None
    return last if isinstance(last, Instance) else None


@contextmanager
def at_work(run: Interpreter, context: Value) -> Iterator[None]:
    """Put a context to work for the time of a block."""
    held = run.memory.get(_AT_WORK)
    before = held.items if isinstance(held, Items) else ()
    run.store(run.memory, _AT_WORK, Items({"items": (*before, context)}))
    try:
        yield
    finally:
        run.store(run.memory, _AT_WORK, Items({"items": before}))


def context_of(value: Value | None) -> Instance | None:
    """Return a value as the context it is."""
    if isinstance(value, Instance) and value.native is not None:
        return value if value.native.name == "click.Context" else None
    return None


class Contexts:
    """The class click.Context under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.context = Native("click.Context", construct=self._construct, attribute=self._attribute)

    def _construct(self, call: Call, instance: Instance) -> None:
        command = call.argument(0, "command") or known(None)
        parent = context_of(call.argument(1, "parent"))
        made = self.make(
            call.run, command, call.argument(2, "info_name") or known(None), parent, call.keywords
        )
        for key, value in made.slots.items():
            call.run.store(instance.slots, key, value)

    def make(
        self,
        run: Interpreter,
        command: Value,
        info_name: Value,
        parent: Instance | None,
        settings: Mapping[str, Value],
    ) -> Instance:
        """Return a new context (click.core.Context.__init__)."""
        slots: dict[str, Value] = {
            "command": command,
            "info_name": info_name,
            "parent": parent if parent is not None else known(None),
            "params": Mapped({}, name="ctx.params"),
            "args": Items({"items": ()}),
            "protected_args": Items({"items": ()}),
            "invoked_subcommand": known(None),
            "<sources>": Mapped({}),
            "meta": Mapped({}, name="ctx.meta"),
            **{name: settings.get(name, known(None)) for name in _SETTINGS},
        }
        context = Instance(None, self.context, {})
        for key, value in slots.items():
            run.store(context.slots, key, value)
        if parent is not None:
            self._inherit(run, context, parent, info_name)
        run.store(context.slots, "auto_envvar_prefix", _prefix(context.slots["auto_envvar_prefix"]))
        return context

    def _inherit(
        self, run: Interpreter, context: Instance, parent: Instance, info_name: Value
    ) -> None:
        slots = context.slots
        for name in ("obj", "help_option_names", "token_normalize_func"):
            if none(slots[name]):
                run.store(slots, name, parent.slots[name])
        run.store(slots, "meta", parent.slots["meta"])
        mapped = parent.slots["default_map"]
        if none(slots["default_map"]) and isinstance(info_name, Known):
            if isinstance(mapped, Mapped):
                run.store(
                    slots,
                    "default_map",
                    mapped.slots.get(info_name.value, mapped.rest or known(None)),
                )
            elif isinstance(mapped, Opaque):
                run.store(slots, "default_map", mapped)
        prefix = parent.slots["auto_envvar_prefix"]
        if none(slots["auto_envvar_prefix"]) and not none(prefix):
            joined = prefix
            if isinstance(prefix, Known) and isinstance(info_name, Known):
                joined = known(f"{prefix.value}_{str(info_name.value).upper()}")
            run.store(slots, "auto_envvar_prefix", joined)

    def _attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        del run
        models: dict[str, Callable[[Call, Instance], Value]] = {
            "invoke": self._invoke,
            "forward": self._forward,
            "exit": _exit,
            "abort": _abort,
            "fail": _fail,
            "find_root": _find_root,
            "find_object": _find_object,
            "ensure_object": _ensure_object,
            "get_parameter_source": _parameter_source,
            "with_resource": lambda call, _: call.argument(0, "context_manager") or known(None),
            "lookup_default": _lookup_default,
        }
        if name not in models:
            return None
        return Native(f"Context.{name}", lambda call: models[name](call, instance))

    def _invoke(self, call: Call, context: Instance) -> Value:
        """Context.invoke: a command gets its defaults, and no variable is asked."""
        given = dict(call.keywords)
        function, *arguments = call.arguments or (known(None),)
        run = call.run
        if isinstance(function, Instance) and "callback" in function.slots:
            site = Site(run, call.location, self.stack)
            inner = self.make(run, function, function.slots["name"], context, {})
            for spec in _specs(function):
                if spec.name not in given and spec.exposed and spec.ends is None:
                    default = spec.default or known(None)
                    value = default if none(default) else convert(site, spec.kind, default)
                    given[spec.name] = value
            run.store(inner.slots, "params", Mapped(dict(given), call.open, "ctx.params"))
            context, function = inner, function.slots["callback"]
        with at_work(run, context):
            return run.call(function, arguments, given, call.location, call.open)

    def _forward(self, call: Call, context: Instance) -> Value:
        """Context.forward: the parameters of this command go along."""
        params = context.slots["params"]
        given = dict(params.slots) if isinstance(params, Mapped) else {}
        keywords = {**given, **call.keywords}
        return self._invoke(
            Call(call.run, call.location, call.arguments, keywords, call.open), context
        )


def _specs(command: Instance) -> list[Spec]:
    params = command.slots["params"]
    items = params.items if isinstance(params, Items) else ()
    return [spec for spec in map(spec_of, items) if spec is not None]


def _prefix(value: Value) -> Value:
    if isinstance(value, Known) and isinstance(value.value, str):
        return known(value.value.upper().replace("-", "_"), *value.trail)
    return value


def _exit(call: Call, _context: Instance) -> Value:
    raise RaiseSignal("Exit", Evidence(call.location, "the command ends here"))


def _abort(call: Call, _context: Instance) -> Value:
    raise RaiseSignal("Abort", Evidence(call.location, "the command is aborted here"))


def _fail(call: Call, _context: Instance) -> Value:
    raise RaiseSignal("UsageError", Evidence(call.location, "the command ends with an error here"))


def _find_root(_call: Call, context: Instance) -> Value:
    while isinstance(context.slots["parent"], Instance):
        context = context.slots["parent"]
    return context


def found(context: Instance, kind: Value) -> Value | None:
    """Return the nearest object of a class (Context.find_object), None where there is none."""
    node: Value = context
    while isinstance(node, Instance):
        value: Value = node.slots["obj"]
        if _is(value, kind):
            return value
        node = node.slots["parent"]
    return None


def ensured(run: Interpreter, context: Instance, kind: Value, location: Location) -> Value:
    """Return the nearest object of a class, made where there is none (Context.ensure_object)."""
    there = found(context, kind)
    if there is not None:
        return there
    made = run.call(kind, (), {}, location)
    run.store(context.slots, "obj", made)
    return made


def _find_object(call: Call, context: Instance) -> Value:
    kind = call.argument(0, "object_type") or known(None)
    return found(context, kind) or known(None)


def _ensure_object(call: Call, context: Instance) -> Value:
    return ensured(call.run, context, call.argument(0, "object_type") or known(None), call.location)


def _is(value: Value, kind: Value) -> bool:
    match value, kind:
        case Known(value=None), _:
            return False
        case Mapped(), Native(name="dict"):
            return True
        case Items(), Native(name="list"):
            return True
        case Instance(type=Class() as cls), Class():
            return kind in linearize(cls)
        case Instance(type=Class() as cls, native=native), Native(name=name):
            return native is not None and native.name == name
        case Instance(native=Native(name=one)), Native(name=other):
            return one == other
        case Opaque(), _:
            return True
        case _:
            return False


def _parameter_source(call: Call, context: Instance) -> Value:
    """Context.get_parameter_source: a member of the enumeration ParameterSource, by its name."""
    key = call.argument(0, "name")
    sources = context.slots["<sources>"]
    if isinstance(key, Known) and isinstance(sources, Mapped) and key.value in sources.slots:
        return sources.slots[key.value]
    missing = Missing(Reason.SOURCE, "where a parameter comes from")
    return Opaque((missing,), "a source", harmless=True)


def _lookup_default(call: Call, context: Instance) -> Value:
    key, mapped = call.argument(0, "name"), context.slots["default_map"]
    if isinstance(key, Known) and isinstance(mapped, Mapped):
        return mapped.slots.get(key.value, mapped.rest or known(None))
    return mapped if isinstance(mapped, Opaque) else known(None)
