"""Built-in names, and the attributes and methods of built-in values."""

import builtins as python_builtins
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deployguard.model.disclosure import quoted
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import standard
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import (
    UNSET,
    Bound,
    Call,
    Class,
    Coroutine,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

ENVIRON = "os.environ"

# Methods of str and bytes whose result is no longer than a few times their arguments.
_TEXT_METHODS = frozenset(
    {
        "lower", "upper", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "title",
        "startswith", "endswith", "capitalize", "casefold", "partition", "rpartition", "isdigit",
        "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower", "find", "rfind",
        "index", "count", "removeprefix", "removesuffix", "encode", "decode", "swapcase",
        "isdecimal", "isidentifier",
    }
)  # fmt: skip
_LONG_NUMBER = re.compile(r"\d{4}")
_EXCEPTIONS: Mapping[str, type[BaseException]] = {
    name: value
    for name, value in vars(python_builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


def shown(name: str, value: object) -> str:
    """Return a variable's value as evidence quotes it."""
    return quoted(name, value if isinstance(value, str) else str(value))


def environ(environment: Environment) -> Mapped:
    """Return os.environ of a process."""
    slots: dict[Any, Value] = {}
    for name, entry in environment.entries.items():
        if entry.value is None:
            slots[name] = Opaque(entry.missing, f"the value of {name}", harmless=True)
        else:
            note = f"{name} is {quoted(name, entry.value)}"
            slots[name] = known(entry.value, Evidence(entry.location, note))
    rest = Opaque(environment.unseen, ENVIRON, harmless=True) if environment.unseen else None
    return Mapped(slots, rest, ENVIRON)


def name(run: "Interpreter", identifier: str) -> Value | None:
    """Return a built-in name, None where Python has none."""
    if identifier in {"True", "False", "None"}:
        return known({"True": True, "False": False}.get(identifier))
    if identifier == "__debug__":
        return known(run.optimize == 0)
    if identifier == "NotImplemented":
        return Opaque((), identifier, harmless=True)
    model = _FUNCTIONS.get(identifier)
    if model is not None:
        return Native(identifier, model)
    if identifier in _EXCEPTIONS or hasattr(python_builtins, identifier):
        missing = Missing(Reason.SOURCE, f"what {identifier}() returns")
        return Opaque((missing,), identifier, harmless=identifier not in _SEEING)
    return None


# Built-ins through which a program does what cannot be seen from the call.
_SEEING = frozenset({"compile", "breakpoint", "vars", "locals"})


def catches(names: tuple[str, ...], raised: str) -> Answer:
    """Say whether a handler for these exception names catches one of that name."""
    if raised in names:
        return Answer.YES
    exception = _EXCEPTIONS.get(raised)
    handlers = [_EXCEPTIONS.get(entry) for entry in names]
    if exception is None or None in handlers:
        if "BaseException" in names or "Exception" in names:
            return Answer.YES
        return Answer.UNKNOWN
    return Answer.YES if any(h and issubclass(exception, h) for h in handlers) else Answer.NO


def parent(owner: Class, scope: Mapping[Any, Any]) -> Value:
    """Return what `super()` gives in a method: the first parameter, seen as its base classes."""
    instance = next(iter(scope.values()), None)
    if not isinstance(instance, Instance):
        return Opaque((Missing(Reason.SOURCE, "what super() is here"),), "super()")
    bases = owner.bases
    inner = next((base for base in bases if isinstance(base, Class)), None)
    view = Instance(inner, instance.native, instance.slots)
    hidden = next((base for base in bases if isinstance(base, Opaque)), None)
    if hidden is not None and inner is None:
        return Opaque(hidden.missing, "super()", harmless=hidden.harmless, parts=(instance,))
    return view


def attribute(  # noqa: PLR0911  (one way out for each kind of value)
    run: "Interpreter", value: Value, identifier: str
) -> Value | None:
    """Return an attribute of a value; None where the value certainly lacks it."""
    match value:
        case Known():
            return _constant_attribute(value, identifier)
        case Items():
            return _items_attribute(value, identifier)
        case Mapped():
            return _mapped_attribute(value, identifier)
        case Module(slots=slots, rest=rest):
            if slots.get(identifier) is UNSET:
                return None
            if identifier in slots:
                found: Value = slots[identifier]
                return found
            loaded = run.modules.get(f"{value.name}.{identifier}")
            if loaded is not None:
                return loaded
            return None if rest is None else derived(f"{value.name}.{identifier}", rest)
        case Instance():
            return _instance_attribute(run, value, identifier)
        case Class():
            return _class_attribute(value, identifier)
        case Opaque(name=opaque_name):
            return derived(f"{opaque_name}.{identifier}", value)
        case Native(members=members) if identifier in members:
            return members[identifier]
        case Native(attribute=hook) if hook is not None:
            return _unbound(value, identifier)
        case Native(name=native_name):
            missing = Missing(Reason.PROGRAM, f"what {native_name}.{identifier} is")
            return Opaque((missing,), f"{native_name}.{identifier}", harmless=True)
        case Function() | Bound() | Coroutine():
            missing = Missing(Reason.SOURCE, f"the attribute {identifier} of a function")
            return Opaque((missing,), identifier, harmless=True, parts=(value,))


def _instance_attribute(run: "Interpreter", value: Instance, identifier: str) -> Value | None:
    if identifier in value.slots:
        own: Value = value.slots[identifier]
        return own
    if value.type is not None:
        found = _class_attribute(value.type, identifier)
        if isinstance(found, Function):
            return _method(found, value)
        if found is not None and not _inherited(value, found):
            return found
    if value.native is not None and value.native.attribute is not None:
        found = value.native.attribute(run, value, identifier)
        if found is not None:
            return found
    if value.native is not None:
        missing = Missing(Reason.PROGRAM, f"what {value.native.name}.{identifier} is")
        return Opaque(
            (missing,), f"{value.native.name}.{identifier}", harmless=True, parts=(value,)
        )
    if value.type is not None and _class_attribute(value.type, "__getattr__") is not None:
        missing = Missing(Reason.SOURCE, f"what {value.type.name}.{identifier} is")
        return Opaque((missing,), f"{value.type.name}.{identifier}")
    if identifier in {"__class__", "__dict__", "__init__"} and value.type is not None:
        return value.type if identifier == "__class__" else Opaque((), identifier, harmless=True)
    return None


def _inherited(value: Instance, found: Value) -> bool:
    """Say whether a class attribute is the modelled base's, which knows the object itself."""
    return value.native is not None and isinstance(found, Native)


def _unbound(native: Native, identifier: str) -> Value:
    """Return a method of a modelled class, to be called with the object first."""

    def model(call: Call) -> Value:
        if not call.arguments:
            return call.run.unseen(f"what {native.name}.{identifier}() does", call.location)
        method = call.run.attribute(call.arguments[0], identifier, call.location)
        return call.run.call(method, call.arguments[1:], call.keywords, call.location, call.open)

    return Native(f"{native.name}.{identifier}", model)


def _method(function: Function, instance: Instance) -> Value:
    decorators = {
        entry.id for entry in getattr(function.node, "decorator_list", ()) if hasattr(entry, "id")
    }
    return function if "staticmethod" in decorators else Bound(function, instance)


def _class_attribute(cls: Class, identifier: str) -> Value | None:
    if identifier in cls.slots:
        value: Value = cls.slots[identifier]
        return value
    if identifier == "__name__":
        return known(cls.name)
    for base in cls.bases:
        if isinstance(base, Class):
            found = _class_attribute(base, identifier)
            if found is not None:
                return found
        elif isinstance(base, Opaque):
            return derived(f"{base.name}.{identifier}", base)
        elif isinstance(base, Native) and base.attribute is not None:
            return _unbound(base, identifier)
    return None


def _constant_attribute(value: Known, identifier: str) -> Value | None:
    constant = value.value
    if isinstance(constant, str | bytes):
        if identifier in _TEXT_METHODS:
            return Native(identifier, lambda call: _text_method(call, value, identifier))
        if identifier in {"format", "join", "replace"}:
            return Native(identifier, lambda call: _text_maker(call, value, identifier))
    if not hasattr(constant, identifier):
        return None
    missing = Missing(Reason.SOURCE, f"what {identifier} of a constant is")
    return Opaque((missing,), identifier, harmless=True, trail=value.trail)


def _plain(values: tuple[Value, ...]) -> list[Any] | None:
    found = [value.value for value in values if isinstance(value, Known)]
    return found if len(found) == len(values) else None


def _wrapped(made: object, trail: tuple[Evidence, ...]) -> Value:
    if isinstance(made, list | tuple):
        return Items({"items": tuple(Known(part, trail) for part in made)}, type(made))
    return known(made, *trail)


def _text_method(call: Call, value: Known, identifier: str) -> Value:
    arguments = call.arguments
    if len(arguments) == 1 and isinstance(arguments[0], Items):
        options = _plain(arguments[0].items)
        plain = None if options is None else [tuple(options)]
    else:
        plain = _plain(arguments)
    if plain is None or call.open is not None or call.keywords:
        return _cannot(call, identifier, value)
    try:
        made = getattr(value.value, identifier)(*plain)
    except (TypeError, ValueError, LookupError):
        return _cannot(call, identifier, value)
    return _wrapped(made, trail_of(value, *arguments))


def _text_maker(call: Call, value: Known, identifier: str) -> Value:
    if identifier == "join" and call.arguments:
        values = call.arguments[0]
        parts = standard.texts(values.items) if isinstance(values, Items) else None
        if (
            parts is not None
            and isinstance(value.value, str)
            and sum(map(len, parts)) + len(parts) * len(value.value) <= _REPLACED
        ):
            return known(value.value.join(parts), *trail_of(value))
        return _cannot(call, identifier, value)
    plain = _plain(call.arguments)
    named = {key: entry.value for key, entry in call.keywords.items() if isinstance(entry, Known)}
    if plain is None or len(named) != len(call.keywords) or _LONG_NUMBER.search(str(value.value)):
        return _cannot(call, identifier, value)
    if identifier == "replace" and len(str(plain)) * (len(value.value) + 1) > _REPLACED:
        return _cannot(call, identifier, value)
    if identifier == "format" and "{" in str(plain):
        return _cannot(call, identifier, value)
    try:
        made = getattr(value.value, identifier)(*plain, **named)
    except (TypeError, ValueError, LookupError, AttributeError):
        return _cannot(call, identifier, value)
    return known(made, *trail_of(value, *call.arguments))


# An upper bound for the result of str.replace, in characters.
_REPLACED = 1_000_000


def formatted(template: str, values: object, trail: tuple[Evidence, ...]) -> Value:
    """Return `template % values`; widths of more than three digits are not followed."""
    if not _LONG_NUMBER.search(template) and "*" not in template:
        try:
            return known(template % values, *trail)
        except (TypeError, ValueError, LookupError):
            pass
    missing = Missing(Reason.SOURCE, "a formatted text")
    return Opaque((missing,), "a formatted text", harmless=True)


def _cannot(call: Call, identifier: str, *values: Value) -> Opaque:
    made = derived(f"{identifier}()", *values, *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, f"what {identifier}() returns"),)
    return Opaque(missing, f"{identifier}()", harmless=True, parts=made.parts, trail=made.trail)


def _items_attribute(value: Items, identifier: str) -> Value | None:
    def model(call: Call) -> Value:
        items = value.items
        new = call.arguments
        if identifier == "append":
            items = (*items, *new)
        elif identifier == "insert" and len(new) > 1:
            position = new[0].value if isinstance(new[0], Known) else 0
            items = (*items[:position], new[1], *items[position:])
        elif identifier == "extend" and new and isinstance(new[0], Items):
            items = (*items, *new[0].items)
        elif identifier == "pop" and items:
            index = new[0].value if new and isinstance(new[0], Known) else -1
            kept = list(items)
            if isinstance(index, int) and -len(kept) <= index < len(kept):
                taken = kept.pop(index)
                call.run.store(value.slots, "items", tuple(kept))
                return taken
        elif identifier == "copy":
            return Items({"items": items}, value.kind)
        else:
            made = derived("items", *items, *new)
            missing = made.missing or (Missing(Reason.SOURCE, f"what .{identifier}() leaves"),)
            if identifier not in {"index", "count", "__contains__"}:
                unknown = Opaque(missing, "items", parts=(*items, *new))
                call.run.store(value.slots, "items", (unknown,))
            return Opaque(missing, f".{identifier}()", harmless=True, parts=made.parts)
        call.run.store(value.slots, "items", items)
        return known(None)

    return Native(identifier, model) if hasattr(value.kind, identifier) else None


def _mapped_attribute(value: Mapped, identifier: str) -> Value | None:
    def model(call: Call) -> Value:
        return _MAPPED_METHODS[identifier](call, value)

    own = value.methods(value, identifier) if value.methods is not None else None
    if own is not None:
        return own
    if identifier in _MAPPED_METHODS:
        return Native(f"{value.name}.{identifier}", model)
    missing = Missing(Reason.SOURCE, f"what {value.name}.{identifier} does")
    return Opaque((missing,), f"{value.name}.{identifier}", harmless=True)


def _get(call: Call, value: Mapped) -> Value:
    key, default = call.argument(0, "key"), call.argument(1, "default") or known(None)
    if isinstance(key, Known):
        if key.value in value.slots:
            return value.slots[key.value]
        return (
            default if value.rest is None else derived(f"{value.name}[{key.value!r}]", value.rest)
        )
    parts = tuple(value.slots.values())
    made = derived("an item", *(entry for entry in (key, default) if entry is not None))
    missing = made.missing or (Missing(Reason.SOURCE, "which item is taken"),)
    return Opaque(missing, "an item", parts=parts)


def _setdefault(call: Call, value: Mapped) -> Value:
    key, default = call.argument(0, "key"), call.argument(1, "default") or known(None)
    if isinstance(key, Known) and key.value in value.slots:
        return value.slots[key.value]
    if isinstance(key, Known) and value.rest is None:
        trace = Evidence(call.location, f"the program sets {key.value}")
        new = known(default.value, *default.trail, trace) if isinstance(default, Known) else default
        call.run.store(value.slots, key.value, new)
        return new
    if isinstance(key, Known) and value.rest is not None:
        unknown = derived(f"{value.name}[{key.value!r}]", value.rest, default)
        call.run.store(value.slots, key.value, unknown)
        return unknown
    return call.run.unseen(f"which item of {value.name} is set", call.location)


def _update(call: Call, value: Mapped) -> Value:
    for given in call.arguments:
        if isinstance(given, Mapped) and given.rest is None:
            for key, entry in given.slots.items():
                call.run.store(value.slots, key, entry)
        else:
            call.run.unseen(f"which items of {value.name} are set", call.location)
            for key in tuple(value.slots):
                call.run.store(value.slots, key, derived("an item", value.slots[key], given))
    for key, entry in call.keywords.items():
        call.run.store(value.slots, key, entry)
    if call.open is not None:
        call.run.unseen(f"which items of {value.name} are set", call.location)
    return known(None)


def _pop(call: Call, value: Mapped) -> Value:
    key, default = call.argument(0, "key"), call.argument(1, "default")
    if isinstance(key, Known):
        found = value.slots.get(key.value)
        if found is not None:
            call.run.store(value.slots, key.value, UNSET)
            return found
        if value.rest is not None:
            return derived(f"{value.name}[{key.value!r}]", value.rest)
        if default is None:
            raise RaiseSignal("KeyError", Evidence(call.location, f"no {key.value!r} to pop"))
        return default
    return call.run.unseen(f"which item of {value.name} is taken out", call.location)


def _listed(value: Mapped, make: Callable[[Any, Value], Value]) -> Value:
    items = tuple(make(key, entry) for key, entry in value.slots.items())
    if value.rest is not None:
        items = (*items, derived("items", value.rest))
    return Items({"items": items})


_MAPPED_METHODS: dict[str, Callable[[Call, Mapped], Value]] = {
    "get": _get,
    "setdefault": _setdefault,
    "update": _update,
    "pop": _pop,
    "keys": lambda _, value: _listed(value, lambda key, _: known(key)),
    "values": lambda _, value: _listed(value, lambda _, entry: entry),
    "items": lambda _, value: _listed(
        value, lambda key, entry: Items({"items": (known(key), entry)}, tuple)
    ),
    "copy": lambda _, value: Mapped(dict(value.slots), value.rest),
}


def _convert(kind: Callable[..., object], default: object) -> Callable[[Call], Value]:
    def model(call: Call) -> Value:
        if not call.arguments and call.open is None:
            return known(default)
        value = call.arguments[0] if call.arguments else None
        if isinstance(value, Known) and len(call.arguments) == 1:
            if isinstance(value.value, str) and len(value.value) > _DIGITS and kind is not str:
                return _cannot(call, "int")
            try:
                return known(kind(value.value), *value.trail)
            except ValueError:
                note = Evidence(call.location, "the text is not a number")
                raise RaiseSignal("ValueError", note) from None
            except (TypeError, OverflowError):
                raise RaiseSignal(
                    "TypeError", Evidence(call.location, "this cannot be converted")
                ) from None
        return _cannot(call, getattr(kind, "__name__", "a conversion"))

    return model


# CPython refuses longer numbers too (sys.set_int_max_str_digits).
_DIGITS = 4000


def _bool(call: Call) -> Value:
    if not call.arguments:
        return known(value=False) if call.open is None else _cannot(call, "bool", call.open)
    answer = truth(call.arguments[0])
    if answer is Answer.UNKNOWN:
        return _cannot(call, "bool")
    return known(answer is Answer.YES, *trail_of(call.arguments[0]))


def _collection(kind: type) -> Callable[[Call], Value]:
    def model(call: Call) -> Value:
        from deployguard.python.expressions import elements  # noqa: PLC0415  (mutual recursion)

        if not call.arguments and call.open is None:
            return Items({"items": ()}, kind)
        values = elements(call.arguments[0]) if call.arguments else None
        if values is None:
            return Items({"items": (derived("items", *call.arguments),)}, kind)
        return Items({"items": values}, kind)

    return model


def _dict(call: Call) -> Value:
    made = Mapped({})
    for given in call.arguments:
        if isinstance(given, Mapped):
            made.slots.update(given.slots)
            made.rest = made.rest or given.rest
        else:
            made.rest = derived("a dictionary", given)
    made.slots.update(call.keywords)
    made.rest = made.rest or call.open
    return made


def _getattr(call: Call) -> Value:
    if len(call.arguments) > 1 and isinstance(call.arguments[1], Known):
        try:
            return call.run.attribute(call.arguments[0], call.arguments[1].value, call.location)
        except RaiseSignal:
            if len(call.arguments) == _WITH_DEFAULT:
                return call.arguments[2]
            raise
    made = derived("getattr()", *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, "which attribute getattr() takes"),)
    return Opaque(missing, "getattr()", parts=call.arguments[:1])


_WITH_DEFAULT = 3


def _hasattr(call: Call) -> Value:
    if len(call.arguments) > 1 and isinstance(call.arguments[1], Known):
        try:
            found = call.run.attribute(call.arguments[0], call.arguments[1].value, call.location)
        except RaiseSignal:
            return known(value=False)
        if not isinstance(found, Opaque):
            return known(value=True)
    return _cannot(call, "hasattr")


def _setattr(call: Call) -> Value:
    if len(call.arguments) == _WITH_DEFAULT and isinstance(call.arguments[1], Known):
        owner, key, value = call.arguments
        if isinstance(key, Known):
            call.run.assign_attribute(owner, key.value, value, call.location)
        return known(None)
    return call.run.unseen("which attribute setattr() sets", call.location)


def _len(call: Call) -> Value:
    match call.arguments:
        case (Known(value=str() | bytes() as text),):
            return known(len(text), *trail_of(*call.arguments))
        case (Mapped(slots=slots, rest=None),):
            return known(len(slots))
        case (Items() as value,) if not any(isinstance(i, Opaque) for i in value.items):
            return known(len(value.items))
        case _:
            return _cannot(call, "len")


def _any(call: Call, stop: Answer, otherwise: Answer) -> Value:
    from deployguard.python.expressions import elements  # noqa: PLC0415  (mutual recursion)

    values = elements(call.arguments[0]) if call.arguments else None
    answers = [Answer.UNKNOWN] if values is None else [truth(value) for value in values]
    if stop in answers:
        return known(stop is Answer.YES, *trail_of(*(values or ())))
    if Answer.UNKNOWN in answers:
        return _cannot(call, "any", *(values or ()))
    return known(otherwise is Answer.YES, *trail_of(*(values or ())))


def _range(call: Call) -> Value:
    plain = _plain(call.arguments)
    if plain is None or not all(isinstance(number, int) for number in plain) or not plain:
        return Items({"items": (derived("items", *call.arguments),)})
    try:
        numbers = range(*plain)
    except (TypeError, ValueError):
        return _cannot(call, "range")
    if len(numbers) > _RANGE:
        missing = Missing(Reason.LIMIT, "a long range")
        return Items({"items": (Opaque((missing,), "items", harmless=True),)})
    return Items({"items": tuple(known(number) for number in numbers)})


_RANGE = 1000


def _enumerate(call: Call) -> Value:
    from deployguard.python.expressions import elements  # noqa: PLC0415  (mutual recursion)

    values = elements(call.arguments[0]) if call.arguments else None
    if values is None or len(call.arguments) > 1 or call.keywords:
        return Items({"items": (derived("items", *call.arguments),)})
    pairs = (Items({"items": (known(n), v)}, tuple) for n, v in enumerate(values))
    return Items({"items": tuple(pairs)})


def _exit(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the program ends here"))


def _print(_call: Call) -> Value:
    return known(None)


def _exec(call: Call) -> Value:
    text = call.arguments[0] if call.arguments else None
    if isinstance(text, Known) and isinstance(text.value, str) and len(call.arguments) == 1:
        module = call.run.current or Module("exec", {})
        call.run.execute_text(text.value, module)
        return known(None)
    return call.run.unseen("what exec() runs", call.location)


def _import(call: Call) -> Value:
    key = call.argument(0, "name")
    if isinstance(key, Known) and isinstance(key.value, str):
        top = key.value.partition(".")[0]
        module = call.run.import_module(key.value, call.location)
        return call.run.modules.get(top, module)
    return call.run.unseen("what __import__() imports", call.location)


def _open(call: Call) -> Value:
    path = call.argument(0, "file")
    mode = call.argument(1, "mode")
    writes = mode is not None and not (
        isinstance(mode, Known)
        and isinstance(mode.value, str)
        and not set(mode.value) & set("wax+")
    )
    if isinstance(path, Known) and isinstance(path.value, str) and not writes:
        missing = Missing(Reason.FILE, f"what the program reads from {path.value}")
        return Opaque((missing,), f"open({path.value!r})", harmless=True)
    if writes:
        # A file written here may be read as source, configuration or .env later on.
        call.run.unseen("what the program writes to a file", call.location)
    return _cannot(call, "open")


def _isinstance(call: Call) -> Value:
    made = derived("isinstance()", *call.arguments[:1])
    missing = made.missing or (Missing(Reason.SOURCE, "the class of an object"),)
    return Opaque(missing, "isinstance()", harmless=True)


def _eval(call: Call) -> Value:
    text = call.arguments[0] if call.arguments else None
    if isinstance(text, Known) and text.value in {"True", "False", "None", "0", "1"}:
        return known({"True": True, "False": False, "None": None, "0": 0, "1": 1}[text.value])
    return call.run.unseen("what eval() runs", call.location)


def _globals(call: Call) -> Value:
    module = call.run.current or Module("?", {})
    return Mapped(module.slots, module.rest, "globals()")


_FUNCTIONS: dict[str, Callable[[Call], Value]] = {
    "globals": _globals,
    "bool": _bool,
    "int": _convert(int, 0),
    "float": _convert(float, 0.0),
    "str": _convert(str, ""),
    "list": _collection(list),
    "tuple": _collection(tuple),
    "set": _collection(set),
    "frozenset": _collection(frozenset),
    "dict": _dict,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "len": _len,
    "any": lambda call: _any(call, Answer.YES, Answer.NO),
    "all": lambda call: _any(call, Answer.NO, Answer.YES),
    "range": _range,
    "enumerate": _enumerate,
    "exit": _exit,
    "quit": _exit,
    "print": _print,
    "exec": _exec,
    "eval": _eval,
    "__import__": _import,
    "open": _open,
    "isinstance": _isinstance,
    "property": lambda call: Opaque(
        (Missing(Reason.SOURCE, "what a property returns"),),
        "a property",
        harmless=True,
        parts=call.arguments,
    ),
    "staticmethod": lambda call: call.arguments[0],
    "classmethod": lambda call: Opaque(
        (Missing(Reason.SOURCE, "what a class method does"),),
        "a class method",
        parts=call.arguments,
    ),
}
