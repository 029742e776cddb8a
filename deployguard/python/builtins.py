"""Built-in names, and the attributes of every kind of value."""

import ast
import builtins as python_builtins
import operator
import re
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from deployguard.model.disclosure import quoted
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import exceptions, iteration, methods, objects
from deployguard.python.concrete import (
    Unplain,
    apply,
    cannot,
    lift,
    none,
    plain,
    pure,
    text_of,
    trails,
    unknown,
)
from deployguard.python.iteration import elements
from deployguard.python.methods import formatted
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import (
    UNSET,
    Bound,
    Call,
    Class,
    Coroutine,
    Descriptor,
    DescriptorKind,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
    linearize,
    missing_of,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

ENVIRON = "os.environ"


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
    if identifier == "__debug__":
        return known(run.optimize == 0)
    if identifier in {"NotImplemented", "__spec__", "__loader__"}:
        return Opaque((), identifier, harmless=True)
    native = _TYPES.get(identifier) or exceptions.native(identifier)
    if native is not None and "." not in identifier:
        return native
    model = _FUNCTIONS.get(identifier)
    if model is not None:
        return Native(identifier, model, scoped=identifier in _SCOPED)
    if hasattr(python_builtins, identifier):
        missing = Missing(Reason.SOURCE, f"what {identifier}() returns")
        return Opaque((missing,), identifier, harmless=True)
    return None


# Built-ins that see the names in scope where they are called.
_SCOPED = frozenset({"locals", "vars", "eval", "exec", "dir"})


def attribute(run: "Interpreter", value: Value, identifier: str) -> Value | None:  # noqa: PLR0911
    """Return an attribute of a value; None where the value certainly lacks it."""
    match value:
        case Known():
            return methods.constant_attribute(run, value, identifier)
        case Items():
            return methods.items_attribute(value, identifier)
        case Mapped():
            return methods.mapped_attribute(value, identifier)
        case Module():
            return _of_module(run, value, identifier)
        case Instance():
            return objects.instance_attribute(run, value, identifier)
        case Class():
            return objects.class_attribute(run, value, identifier)
        case Opaque(name=opaque_name):
            run.doubts += 1
            return derived(f"{opaque_name}.{identifier}", value)
        case Native():
            return objects.native_attribute(run, value, identifier)
        case Descriptor():
            return _of_descriptor(value, identifier)
        case Function() | Bound() | Coroutine():
            return _of_function(value, identifier)


def _of_module(run: "Interpreter", value: Module, identifier: str) -> Value | None:
    if value.slots.get(identifier) is UNSET:
        # This release of the library certainly has no such name.
        return None
    if identifier in value.slots:
        found: Value = value.slots[identifier]
        return found
    loaded = run.modules.get(f"{value.name}.{identifier}")
    if loaded is not None:
        return loaded
    if identifier == "__dict__":
        return Mapped(value.slots, value.rest, "the names of a module")
    getter = value.slots.get("__getattr__")
    if isinstance(getter, Function):
        return run.call(getter, (known(identifier),), {}, run.place)
    if value.rest is None:
        return None
    return derived(f"{value.name}.{identifier}", value.rest)


def _of_descriptor(value: Descriptor, identifier: str) -> Value | None:
    if identifier == "setter":
        return Native(
            "property.setter",
            lambda call: Descriptor(value.kind, value.function, call.arguments[0]),
        )
    if identifier in {"getter", "deleter"}:
        return Native(f"property.{identifier}", lambda _call: value)
    return value.function if identifier in {"fget", "__func__", "__wrapped__"} else None


def _of_function(value: Function | Bound | Coroutine, identifier: str) -> Value | None:
    if isinstance(value, Coroutine):
        models: dict[str, Model] = {
            "__next__": _next_of(value),
            "send": _next_of(value),
            "close": lambda _call: known(None),
        }
        return Native(identifier, models[identifier]) if identifier in models else None
    function = value.function if isinstance(value, Bound) else value
    named = getattr(function.node, "name", "<lambda>")
    if identifier in {"__name__", "__qualname__"}:
        return known(named)
    if identifier == "__self__" and isinstance(value, Bound):
        return value.instance
    if identifier == "__module__":
        return function.module.slots.get("__name__", known(None))
    missing = Missing(Reason.SOURCE, f"the attribute {identifier} of a function")
    return Opaque((missing,), identifier, harmless=True, parts=(value,))


def _next_of(value: Coroutine) -> Model:
    return lambda call: _next(Call(call.run, call.location, (value,), {}))


def class_of(value: Value) -> Value:
    """Return type(value)."""
    match value:
        case Known(value=constant):
            return _native_of(type(constant))
        case Items(kind=kind):
            return _native_of(kind)
        case Mapped():
            return _TYPES["dict"]
        case Instance(type=cls, native=native):
            return cls or native or unknown("a class")
        case Class() | Native(plain=type()):
            return _TYPES["type"]
        case _:
            return unknown("the class of an object")


def _native_of(kind: type) -> Value:
    return _TYPES.get(kind.__name__) or Native(kind.__name__, plain=kind)


def as_key(value: Value) -> Value:
    """Return a value as a dictionary takes it for a key: tuples of constants, members of enums."""
    if isinstance(value, Instance) and objects.HELD in value.slots:
        return as_key(value.slots[objects.HELD])
    if isinstance(value, Items) and value.kind in {tuple, frozenset}:
        try:
            return Known(plain(value), trails(value))
        except Unplain:
            return value
    return value


def once(items: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values of a set: each constant once."""
    found: list[Value] = []
    seen: set[object] = set()
    for item in items:
        if isinstance(item, Known):
            try:
                if item.value in seen:
                    continue
                seen.add(item.value)
            except TypeError:
                pass
        found.append(item)
    return tuple(found)


def as_text(run: "Interpreter", value: Value, *, representation: bool = False) -> Value:
    """Return str(value), or its repr()."""
    match value:
        case Known(value=constant):
            text = repr(constant) if representation else _text_of_constant(constant)
            return known(text, *value.trail)
        case Instance():
            for special in ("__repr__",) if representation else ("__str__", "__repr__"):
                method = objects.special(run, value, special)
                if method is not None:
                    return run.call(method, (), {}, run.place)
            if objects.HELD in value.slots:
                held: Value = value.slots[objects.HELD]
                return as_text(run, held, representation=representation)
        case Items() | Mapped():
            try:
                return lift(repr(plain(value)), trails(value))
            except Unplain:
                pass
        case Class(name=class_name):
            return known(f"<class '{class_name}'>")
        case _:
            pass
    made = derived("a text", value)
    missing = made.missing or missing_of(value) or (Missing(Reason.SOURCE, "a text"),)
    return Opaque(missing, "a text", harmless=True, trail=made.trail)


def _text_of_constant(constant: object) -> str:
    # A number of many digits is refused by CPython too (sys.set_int_max_str_digits).
    if isinstance(constant, int) and constant.bit_length() > _DIGITS:
        return "0" * _DIGITS
    return str(constant)


def as_format(run: "Interpreter", value: Value, specification: Value) -> Value:
    """Return format(value, specification); widths of more than three digits are not followed."""
    if not isinstance(specification, Known):
        return derived("a text", value, specification)
    spec = str(specification.value)
    if not isinstance(value, Known):
        method = objects.special(run, value, "__format__")
        if method is not None:
            return run.call(method, (specification,), {}, run.place)
        text = as_text(run, value)
        return as_format(run, text, specification) if spec and isinstance(text, Known) else text
    if re.search(r"\d{4}", spec):
        return unknown("a formatted text", Reason.LIMIT)
    try:
        made = format(value.value, spec)
    except (ValueError, TypeError) as error:
        note = Evidence(run.place, "the format does not fit")
        raise RaiseSignal(type(error).__name__, note) from None
    return known(made, *trail_of(value, specification))


def as_dictionary(run: "Interpreter", value: Value, location: Location) -> Mapped:
    """Return dict(value): of a dictionary, of pairs, or of an object with keys."""
    match value:
        case Mapped():
            slots = {key: entry for key, entry in value.slots.items() if methods.visible(key)}
            return Mapped(slots, value.rest)
        case Instance(slots={"<held>": held}):
            return as_dictionary(run, held, location)
        case Opaque():
            hidden = derived("a dictionary", value)
            return Mapped({}, hidden if hidden.missing else unknown("a dictionary"))
        case Instance() if run.attribute_or_none(value, "keys") is not None:
            return _of_keys(run, value, location)
        case _:
            pass
    made = Mapped({})
    for pair in iteration.collected(run, value, location):
        values = elements(pair)
        key = as_key(values[0]) if values is not None and len(values) == _PAIR else None
        if isinstance(key, Known) and values is not None:
            made.slots[key.value] = values[1]
        else:
            hidden = derived("a dictionary", pair)
            made.rest = hidden if hidden.missing else unknown("a dictionary")
    return made


_PAIR = 2


def _of_keys(run: "Interpreter", value: Instance, location: Location) -> Mapped:
    from deployguard.python.expressions import item  # noqa: PLC0415  (mutual recursion)

    made = Mapped({})
    keys = run.call(run.attribute(value, "keys", location), (), {}, location)
    for key in iteration.collected(run, keys, location):
        if isinstance(key, Known):
            made.slots[key.value] = item(run, value, key, location)
        else:
            made.rest = unknown("a dictionary")
    return made


def is_instance(value: Value, cls: Value) -> Answer:  # noqa: PLR0911  (one for each kind)
    """Say whether isinstance(value, cls)."""
    if isinstance(cls, Items):
        return _any_answer([is_instance(value, entry) for entry in cls.items])
    if isinstance(value, Opaque) or not isinstance(cls, Class | Native):
        return Answer.UNKNOWN
    if isinstance(cls, Native) and cls.plain is object:
        return Answer.YES
    match value:
        case Known(value=constant):
            return _plain_answer(type(constant), cls)
        case Items(kind=kind):
            return _plain_answer(kind, cls)
        case Mapped():
            return _plain_answer(dict, cls)
        case Instance(type=None, native=Native() as native):
            return is_subclass(native, cls)
        case Instance(type=Class() as own):
            return is_subclass(own, cls)
        case Class():
            return Answer.YES if isinstance(cls, Native) and cls.plain is type else Answer.UNKNOWN
        case _:
            return Answer.UNKNOWN


def _plain_answer(kind: type, cls: Class | Native) -> Answer:
    if isinstance(cls, Class):
        return Answer.NO
    if cls.plain is None:
        return Answer.UNKNOWN
    return Answer.YES if issubclass(kind, cls.plain) else Answer.NO


def _any_answer(answers: list[Answer]) -> Answer:
    if Answer.YES in answers:
        return Answer.YES
    return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.NO


def is_subclass(cls: Value, other: Value) -> Answer:
    """Say whether a class is another or one made of it."""
    if isinstance(other, Items):
        return _any_answer([is_subclass(cls, entry) for entry in other.items])
    if not isinstance(other, Class | Native) or not isinstance(cls, Class | Native):
        return Answer.UNKNOWN
    if isinstance(other, Native) and other.plain is object:
        return Answer.YES
    line = linearize(cls) if isinstance(cls, Class) else (cls,)
    if other in line:
        return Answer.YES
    if any(isinstance(base, Opaque) for base in line):
        return Answer.UNKNOWN
    if isinstance(other, Class):
        return Answer.NO
    natives = [base for base in line if isinstance(base, Native)]
    if any(base.name == other.name for base in natives):
        return Answer.YES
    if other.plain is None:
        # What the classes of libraries are made of is not known.
        return Answer.UNKNOWN if natives else Answer.NO
    plains = [base.plain for base in natives if base.plain is not None]
    if any(issubclass(kind, other.plain) for kind in plains):
        return Answer.YES
    return Answer.NO if len(plains) == len(natives) else Answer.UNKNOWN


def _converted(kind: Callable[..., Any]) -> Model:
    def model(call: Call) -> Value:
        label = getattr(kind, "__name__", "a conversion")
        first = call.arguments[0] if call.arguments else None
        if isinstance(first, Instance):
            for special in (f"__{label}__", "__int__", "__index__", "__float__"):
                method = objects.special(call.run, first, special)
                if method is not None:
                    return call.run.call(method, (), {}, call.location)
        text = text_of(first)
        if text is not None and len(text) > _DIGITS:
            return cannot(call, label)
        errors = (ValueError, TypeError, OverflowError)
        return apply(call, label, kind, errors)

    return model


# CPython refuses longer numbers too (sys.set_int_max_str_digits).
_DIGITS = 4000


def _str(call: Call) -> Value:
    if not call.arguments and not call.keywords and call.open is None:
        return known("")
    if len(call.arguments) > 1 or call.keywords or call.open is not None:
        return apply(call, "str", str, (TypeError, UnicodeError, LookupError))
    return as_text(call.run, call.arguments[0])


def _bool(call: Call) -> Value:
    if not call.arguments:
        return known(value=False) if call.open is None else cannot(call, "bool")
    answer = objects.answer_of(call.run, call.arguments[0])
    if answer is Answer.UNKNOWN:
        return cannot(call, "bool")
    return known(answer is Answer.YES, *trails(call.arguments[0]))


def _collection(kind: type) -> Model:
    def model(call: Call) -> Value:
        if not call.arguments:
            hidden = () if call.open is None else (derived("items", call.open),)
            return Items({"items": hidden}, kind)
        items = iteration.collected(call.run, call.arguments[0], call.location)
        return Items({"items": once(items) if kind in {set, frozenset} else items}, kind)

    return model


def _dict(call: Call) -> Value:
    made = Mapped({})
    for given in call.arguments:
        source = as_dictionary(call.run, given, call.location)
        made.slots.update(source.slots)
        made.rest = made.rest or source.rest
    made.slots.update(call.keywords)
    made.rest = made.rest or call.open
    return made


def _from_keys(call: Call) -> Value:
    value = call.argument(1, "value") or known(None)
    made = Mapped({})
    for key in iteration.collected(call.run, call.arguments[0], call.location):
        if isinstance(key, Known):
            made.slots[key.value] = value
        else:
            made.rest = unknown("a dictionary")
    return made


def _range(call: Call) -> Value:
    try:
        numbers = range(*[operator.index(plain(value)) for value in call.arguments])
    except Unplain:
        return Items({"items": (cannot(call, "items"),)})
    except (TypeError, ValueError) as error:
        note = Evidence(call.location, "a range of this cannot be made")
        raise RaiseSignal(type(error).__name__, note) from None
    if len(numbers) > _RANGE:
        missing = Missing(Reason.LIMIT, "a long range")
        return Items({"items": (Opaque((missing,), "items", harmless=True),)})
    return Items({"items": tuple(known(number) for number in numbers)})


_RANGE = 1000


def _type(call: Call) -> Value:
    from deployguard.python import classes  # noqa: PLC0415  (mutual recursion)

    if len(call.arguments) == 1:
        return class_of(call.arguments[0])
    named, bases, body = (call.argument(n, k) for n, k in enumerate(("name", "bases", "dict")))
    text = text_of(named)
    if text is None or not isinstance(bases, Items) or not isinstance(body, Mapped) or body.rest:
        return call.run.unseen("what type() makes", call.location)
    cls = Class(text, bases.items, dict(body.slots), call.location)
    for value in cls.slots.values():
        if isinstance(value, Function):
            value.owner = value.owner or cls
    return classes.made(call.run, cls, call.keywords, call.location)


def _hold(call: Call, instance: Instance) -> None:
    """Fill an object of a subclass of a built-in class with what it holds."""
    native = instance.native
    if native is not None and native.call is not None and native.plain not in _IMMUTABLE:
        call.run.store(instance.slots, objects.HELD, native.call(call))


_IMMUTABLE = frozenset({str, int, float, bool, bytes, tuple, frozenset, object, type, complex})


def _object(call: Call) -> Value:
    del call
    return Instance(None, _TYPES["object"])


def _native_type(label: str, kind: type, model: Model, **members: Value) -> Native:
    return Native(label, model, construct=_hold, plain=kind, members=members)


_TYPES: dict[str, Native] = {
    "bool": _native_type("bool", bool, _bool),
    "int": _native_type("int", int, _converted(int), from_bytes=pure("int", int.from_bytes)),
    "float": _native_type("float", float, _converted(float)),
    "complex": _native_type("complex", complex, _converted(complex)),
    "str": _native_type("str", str, _str, maketrans=pure("str.maketrans", str.maketrans)),
    "bytes": _native_type(
        "bytes", bytes, lambda call: _bytes(call), fromhex=pure("bytes.fromhex", bytes.fromhex)
    ),
    "list": _native_type("list", list, _collection(list)),
    "tuple": _native_type("tuple", tuple, _collection(tuple)),
    "set": _native_type("set", set, _collection(set)),
    "frozenset": _native_type("frozenset", frozenset, _collection(frozenset)),
    "dict": _native_type("dict", dict, _dict, fromkeys=Native("dict.fromkeys", _from_keys)),
    "object": Native("object", _object, plain=object),
    "type": Native("type", _type, plain=type),
}


def _bytes(call: Call) -> Value:
    first = call.arguments[0] if call.arguments else known(0)
    if isinstance(first, Known) and isinstance(first.value, int) and first.value > _RANGE:
        return unknown("many bytes", Reason.LIMIT)
    return apply(call, "bytes", bytes, (TypeError, ValueError, LookupError))


def _getattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) > 1 else None
    if identifier is not None:
        try:
            return call.run.attribute(call.arguments[0], identifier, call.location)
        except RaiseSignal as signal:
            if len(call.arguments) == _WITH_DEFAULT and signal.name == "AttributeError":
                return call.arguments[2]
            raise
    made = derived("getattr()", *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, "which attribute getattr() takes"),)
    call.run.doubts += 1
    return Opaque(missing, "getattr()", parts=(*call.arguments[:1], *_held_by(call.arguments[0])))


def _held_by(owner: Value) -> tuple[Value, ...]:
    """Return what an attribute of an object may be: whatever it holds."""
    slots = owner.slots if isinstance(owner, Class | Module) else {}
    return tuple(entry for key, entry in slots.items() if methods.visible(key) and key[:1] != "_")


_WITH_DEFAULT = 3


def _hasattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) > 1 else None
    if identifier is not None:
        try:
            found = call.run.attribute(call.arguments[0], identifier, call.location)
        except RaiseSignal as signal:
            if signal.name == "AttributeError":
                return known(value=False)
            raise
        if not isinstance(found, Opaque):
            return known(value=True)
    return cannot(call, "hasattr")


def _setattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) == _WITH_DEFAULT else None
    if identifier is None:
        return call.run.unseen("which attribute setattr() sets", call.location)
    call.run.assign_attribute(call.arguments[0], identifier, call.arguments[2], call.location)
    return known(None)


def _len(call: Call) -> Value:
    match call.arguments:
        case (Known(value=str() | bytes() as text),):
            return known(len(text), *trail_of(*call.arguments))
        case (Mapped(slots=slots, rest=None),):
            return known(len([key for key in slots if methods.visible(key)]))
        case (Items() as value,) if elements(value) is not None:
            return known(len(value.items))
        case (Instance() as instance,):
            method = objects.special(call.run, instance, "__len__")
            if method is not None:
                return call.run.call(method, (), {}, call.location)
            if objects.HELD in instance.slots:
                held = (instance.slots[objects.HELD],)
                return _len(Call(call.run, call.location, held, {}))
        case _:
            pass
    return cannot(call, "len")


def _any(call: Call, stop: Answer, otherwise: Answer) -> Value:
    values = iteration.collected(call.run, call.arguments[0], call.location)
    answers = [objects.answer_of(call.run, value) for value in values]
    if stop in answers:
        return known(stop is Answer.YES, *trail_of(*values))
    if Answer.UNKNOWN in answers:
        return cannot(call, "any", *values)
    return known(otherwise is Answer.YES, *trail_of(*values))


def _enumerate(call: Call) -> Value:
    start = call.argument(1, "start") or known(0)
    first = start.value if isinstance(start, Known) and isinstance(start.value, int) else None
    values = iteration.collected(call.run, call.arguments[0], call.location)
    pairs: list[Value] = []
    for position, value in enumerate(values):
        if isinstance(value, Opaque) and value.name == "items":
            pairs.append(value)
            continue
        number = unknown("a number") if first is None else known(first + position)
        pairs.append(Items({"items": (number, value)}, tuple))
    return Items({"items": tuple(pairs)}, GeneratorType)


def _several(call: Call, arguments: tuple[Value, ...]) -> list[tuple[Value, ...]] | Opaque:
    """Return the values of several iterations, or what hides how many there are."""
    lists = [iteration.collected(call.run, value, call.location) for value in arguments]
    for values in lists:
        if values and isinstance(values[-1], Opaque) and values[-1].name == "items":
            return values[-1]
    return lists


def _zip(call: Call) -> Value:
    lists = _several(call, call.arguments)
    if isinstance(lists, Opaque):
        return Items({"items": (lists,)}, GeneratorType)
    rows = zip(*lists, strict=False)
    return Items({"items": tuple(Items({"items": row}, tuple) for row in rows)}, GeneratorType)


def _map(call: Call) -> Value:
    function, *iterables = call.arguments
    lists = _several(call, tuple(iterables))
    if isinstance(lists, Opaque):
        condition = lists.missing[0] if lists.missing else Missing(Reason.SOURCE, "what is mapped")
        call.run.perhaps(function, call.location, condition)
        return Items({"items": (lists,)}, GeneratorType)
    made = [call.run.call(function, row, {}, call.location) for row in zip(*lists, strict=False)]
    return Items({"items": tuple(made)}, GeneratorType)


def _filter(call: Call) -> Value:
    function = call.arguments[0]
    found: list[Value] = []
    for value in iteration.collected(call.run, call.arguments[1], call.location):
        test = value if none(function) else call.run.call(function, (value,), {}, call.location)
        answer = objects.answer_of(call.run, test)
        if answer is Answer.UNKNOWN or (isinstance(value, Opaque) and value.name == "items"):
            hidden = derived("items", value, test)
            found = [hidden if hidden.missing else unknown("items")]
            break
        if answer is Answer.YES:
            found.append(value)
    return Items({"items": tuple(found)}, GeneratorType)


def _keyed(call: Call, values: tuple[Value, ...]) -> list[Any] | None:
    """Return what values are ordered by, None where that is not known."""
    key = call.keywords.get("key")
    try:
        if key is None or none(key):
            return [plain(value) for value in values]
        return [plain(call.run.call(key, (value,), {}, call.location)) for value in values]
    except Unplain:
        return None


def in_order(call: Call) -> Value:
    """Return sorted(values, key=..., reverse=...)."""
    values = iteration.collected(call.run, call.arguments[0], call.location)
    keys = _keyed(call, values)
    reverse = truth(call.keywords.get("reverse", known(value=False)))
    if keys is None or reverse is Answer.UNKNOWN:
        hidden = derived("items", *values)
        return Items({"items": (hidden if hidden.missing else unknown("items"),)})
    try:
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse is Answer.YES)
    except TypeError:
        note = Evidence(call.location, "these have no order")
        raise RaiseSignal("TypeError", note) from None
    return Items({"items": tuple(values[position] for position in order)})


def _extreme(call: Call, choose: Callable[..., Any]) -> Value:
    several = len(call.arguments) > 1
    given = call.arguments if several else ()
    values = given or iteration.collected(call.run, call.arguments[0], call.location)
    if not values and "default" in call.keywords:
        return call.keywords["default"]
    keys = _keyed(call, values)
    if keys is None:
        return cannot(call, "min", *values)
    try:
        return values[choose(range(len(keys)), key=keys.__getitem__)]
    except (TypeError, ValueError) as error:
        note = Evidence(call.location, "there is no smallest or largest of these")
        raise RaiseSignal(type(error).__name__, note) from None


def _sum(call: Call) -> Value:
    from deployguard.python.expressions import binary  # noqa: PLC0415  (mutual recursion)

    total = call.argument(1, "start") or known(0)
    for value in iteration.collected(call.run, call.arguments[0], call.location):
        total = binary(call.run, ast.Add(), total, value)
    return total


def _reversed(call: Call) -> Value:
    values = iteration.collected(call.run, call.arguments[0], call.location)
    return Items({"items": tuple(reversed(values))}, GeneratorType)


def _iter(call: Call) -> Value:
    if len(call.arguments) > 1:
        return Items({"items": (cannot(call, "items"),)}, GeneratorType)
    return iteration.iterator(call.run, call.arguments[0], call.location)


def _next(call: Call) -> Value:
    found = iteration.following(call.run, call.arguments[0], call.location)
    if found is not None:
        return found
    if len(call.arguments) > 1:
        return call.arguments[1]
    raise RaiseSignal("StopIteration", Evidence(call.location, "there is no further value"))


def _exit(_call: Call) -> Value:
    raise ExitSignal(Evidence(_call.location, "the program ends here"))


def _nothing(_call: Call) -> Value:
    return known(None)


def _text_to_run(value: Value | None) -> str | bytes | None:
    match value:
        case Known(value=str() | bytes() as text):
            return text
        case Instance(slots={"<source>": Known(value=str() | bytes() as text)}):
            return text
        case _:
            return None


def _compile(call: Call) -> Value:
    text = call.argument(0, "source")
    if _text_to_run(text) is None:
        return Opaque(missing_of(text) if text else (), "compile()")
    return Instance(None, _CODE, {"<source>": text})


_CODE = Native("code")


def _scope(call: Call, position: int, keyword: str) -> dict[Any, Any] | None:
    """Return the names that exec() or eval() sees; None where they are not known."""
    given = call.argument(position, keyword)
    if none(given):
        frame = call.run.scopes[-1] if call.run.scopes else None
        return frame.scopes[0] if frame is not None else {}
    return given.slots if isinstance(given, Mapped) else None


def _exec(call: Call) -> Value:
    text = _text_to_run(call.argument(0, "source"))
    scope = _scope(call, 1, "globals")
    if text is None or scope is None:
        return call.run.unseen("what exec() runs", call.location)
    current = call.run.current or Module("exec", {})
    module = current
    if scope is not current.slots and not none(call.argument(1, "globals")):
        module = Module("exec", scope)
        scope.setdefault("<location>", call.location)
    call.run.execute_text(text, module)
    return known(None)


def _eval(call: Call) -> Value:
    from deployguard.python import expressions, source  # noqa: PLC0415  (mutual recursion)
    from deployguard.python.interpreter import Frame  # noqa: PLC0415

    text = _text_to_run(call.argument(0, "source"))
    scope = _scope(call, 1, "globals")
    if text is None or scope is None:
        return call.run.unseen("what eval() runs", call.location)
    whole = text if isinstance(text, str) else text.decode("utf-8", "replace")
    tree = source.parse(whole.strip(), call.run.version)
    if isinstance(tree, source.Refused) or (
        not isinstance(tree, Missing)
        and not (len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr))
    ):
        raise RaiseSignal("SyntaxError", Evidence(call.location, "eval() of what is none"))
    if isinstance(tree, Missing):
        # An evaluator that cannot parse a word such as a variable's value: Python's would raise.
        return call.run.unseen("what eval() runs", call.location)
    current = call.run.current or Module("eval", {})
    scopes = call.run.scopes[-1].scopes if call.run.scopes and scope is not None else (scope,)
    if not none(call.argument(1, "globals")):
        scopes, current = (scope,), Module("eval", scope)
    statement = tree.body[0]
    frame = Frame(scopes, current)
    return expressions.evaluate(call.run, statement.value, frame)  # type: ignore[attr-defined]


def _globals(call: Call) -> Value:
    module = call.run.current or Module("?", {})
    return Mapped(module.slots, module.rest, "globals()")


def _locals(call: Call) -> Value:
    frame = call.run.scopes[-1] if call.run.scopes else None
    return Mapped(frame.scopes[0] if frame is not None else {}, name="locals()")


def _vars(call: Call) -> Value:
    if not call.arguments:
        return _locals(call)
    match call.arguments[0]:
        case Instance(slots=slots) | Class(slots=slots):
            return Mapped(slots, name="the attributes of an object")
        case Module(slots=slots, rest=rest):
            return Mapped(slots, rest, "the names of a module")
        case _:
            return cannot(call, "vars")


def _dir(call: Call) -> Value:
    owner = call.arguments[0] if call.arguments else None
    if owner is None and call.run.scopes:
        owner = Module("names", call.run.scopes[-1].scopes[0])
    match owner:
        case Class():
            slots = [base.slots for base in linearize(owner) if isinstance(base, Class)]
        case Instance(type=Class() as cls):
            slots = [base.slots for base in linearize(cls) if isinstance(base, Class)]
            slots.append(owner.slots)
        case Module(slots=names, rest=None):
            slots = [names]
        case _:
            return Items({"items": (cannot(call, "items"),)})
    found = {key for one in slots for key in one if isinstance(key, str) and methods.visible(key)}
    return Items({"items": tuple(known(key) for key in sorted(found))})


def _import(call: Call) -> Value:
    key = text_of(call.argument(0, "name"))
    if key is None:
        return call.run.unseen("what __import__() imports", call.location)
    module = call.run.import_module(key, call.location)
    listed = call.argument(3, "fromlist")
    if listed is not None and truth(listed) is Answer.YES:
        return module
    return call.run.modules.get(key.partition(".")[0], module)


def _open(call: Call) -> Value:
    from deployguard.python.standard import streams  # noqa: PLC0415  (large and rare)

    return streams.opened(call)


def _breakpoint(call: Call) -> Value:
    from deployguard.python.standard import servers  # noqa: PLC0415  (large and rare)

    return servers.breakpoint_hook(call)


def _isinstance(call: Call, ask: Callable[[Value, Value], Answer]) -> Value:
    if len(call.arguments) != _PAIR:
        return cannot(call, "isinstance")
    answer = ask(*call.arguments)
    if answer is Answer.UNKNOWN:
        return cannot(call, "isinstance")
    return known(answer is Answer.YES)


def _callable(call: Call) -> Value:
    match call.arguments:
        case (Function() | Bound() | Class() | Native() | Descriptor(),):
            return known(value=True)
        case (Known() | Items() | Mapped() | Module(),):
            return known(value=False)
        case (Instance(type=Class() as cls),) if not any(
            isinstance(base, Opaque) for base in linearize(cls)
        ):
            return known(objects.in_class(cls, "__call__") is not None)
        case _:
            return cannot(call, "callable")


def _format(call: Call) -> Value:
    specification = call.argument(1, "format_spec") or known("")
    return as_format(call.run, call.arguments[0], specification)


def _descriptor(kind: DescriptorKind) -> Model:
    def model(call: Call) -> Value:
        function = call.argument(0, "fget")
        if function is None:
            return unknown("a property")
        return Descriptor(kind, function, call.argument(1, "fset"))

    return model


def _needs(count: int, label: str, model: Model) -> Model:
    """Return a model that is only asked with that many arguments: fewer raise TypeError."""

    def checked(call: Call) -> Value:
        if len(call.arguments) < count:
            if call.open is not None or call.keywords:
                return cannot(call, label)
            note = Evidence(call.location, f"{label}() is given too few arguments")
            raise RaiseSignal("TypeError", note)
        return model(call)

    return checked


_COMPUTED: dict[str, Callable[..., Any]] = {
    "abs": abs, "bin": bin, "chr": chr, "divmod": divmod, "hex": hex, "oct": oct, "ord": ord,
    "round": round,
}  # fmt: skip
_COUNTED: dict[str, tuple[int, Model]] = {
    "getattr": (2, _getattr),
    "hasattr": (2, _hasattr),
    "setattr": (3, _setattr),
    "len": (1, _len),
    "any": (1, lambda call: _any(call, Answer.YES, Answer.NO)),
    "all": (1, lambda call: _any(call, Answer.NO, Answer.YES)),
    "range": (1, _range),
    "enumerate": (1, _enumerate),
    "map": (2, _map),
    "filter": (2, _filter),
    "sorted": (1, in_order),
    "min": (1, lambda call: _extreme(call, min)),
    "max": (1, lambda call: _extreme(call, max)),
    "sum": (1, _sum),
    "reversed": (1, _reversed),
    "iter": (1, _iter),
    "next": (1, _next),
    "repr": (1, lambda call: as_text(call.run, call.arguments[0], representation=True)),
    "format": (1, _format),
    "callable": (1, _callable),
}
_FUNCTIONS: dict[str, Model] = {
    **{label: lambda call, f=f, n=label: apply(call, n, f) for label, f in _COMPUTED.items()},
    **{label: _needs(count, label, model) for label, (count, model) in _COUNTED.items()},
    "globals": _globals,
    "locals": _locals,
    "vars": _vars,
    "dir": _dir,
    "zip": _zip,
    "exit": _exit,
    "quit": _exit,
    "print": _nothing,
    "breakpoint": lambda call: _breakpoint(call),
    "help": _nothing,
    "delattr": lambda call: call.run.unseen("which attribute delattr() removes", call.location),
    "compile": _compile,
    "exec": _exec,
    "eval": _eval,
    "__import__": _import,
    "open": _open,
    "isinstance": lambda call: _isinstance(call, is_instance),
    "issubclass": lambda call: _isinstance(call, is_subclass),
    "property": _descriptor(DescriptorKind.PROPERTY),
    "staticmethod": _descriptor(DescriptorKind.STATIC_METHOD),
    "classmethod": _descriptor(DescriptorKind.CLASS_METHOD),
}


def function(label: str) -> Native:
    """Return a built-in function by its name."""
    return Native(label, _FUNCTIONS[label])


def type_named(label: str) -> Native:
    """Return a built-in class by its name."""
    return _TYPES[label]


__all__ = ["ENVIRON", "attribute", "environ", "formatted", "name", "shown"]
