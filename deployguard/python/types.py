"""The built-in classes: what their calls make, and which object is one of which."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Reason
from deployguard.python import iteration, methods, objects
from deployguard.python.concrete import (
    apply,
    cannot,
    pure,
    text_of,
    trails,
    unknown,
)
from deployguard.python.conversions import as_dictionary, as_text, once
from deployguard.python.values import (
    Call,
    Class,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Native,
    Opaque,
    Value,
    derived,
    known,
    laid_over,
    linearize,
)

if TYPE_CHECKING:
    pass
from deployguard.python.conversions import DIGITS


def class_of(value: Value) -> Value:
    """Return type(value)."""
    match value:
        case Known(value=constant):
            return _native_of(type(constant))
        case Items(kind=kind):
            return _native_of(kind)
        case Mapped():
            return TYPES["dict"]
        case Instance(type=cls, native=native):
            return cls or native or unknown("a class")
        case Class() | Native(plain=type()):
            return TYPES["type"]
        case _:
            return unknown("the class of an object")


def _native_of(kind: type) -> Value:
    return TYPES.get(kind.__name__) or Native(kind.__name__, plain=kind)


def is_instance(value: Value, cls: Value) -> Answer:
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
        if text is not None and len(text) > DIGITS:
            return cannot(call, label)
        errors = (ValueError, TypeError, OverflowError)
        return apply(call, label, kind, errors)

    return model


def _str(call: Call) -> Value:
    if not call.arguments and not call.keywords and call.open is None:
        return known("")
    if len(call.arguments) > 1 or call.keywords or call.open is not None:
        if not methods.encodes_plainly(call.argument(1, "encoding")):
            return cannot(call, "str")
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
        made = laid_over(made, as_dictionary(call.run, given, call.location))
    if call.open is not None:
        made = laid_over(made, call.open)
    made.slots.update(call.keywords)
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
    return Instance(None, TYPES["object"])


def _native_type(label: str, kind: type, model: Model, **members: Value) -> Native:
    return Native(label, model, construct=_hold, plain=kind, members=members)


_BYTES = 1000


def _bytes(call: Call) -> Value:
    first = call.arguments[0] if call.arguments else known(0)
    if isinstance(first, Known) and isinstance(first.value, int) and first.value > _BYTES:
        return unknown("many bytes", Reason.LIMIT)
    if not methods.encodes_plainly(call.argument(1, "encoding")):
        return cannot(call, "bytes")
    return apply(call, "bytes", bytes, (TypeError, ValueError, LookupError))


TYPES: dict[str, Native] = {
    "bool": _native_type("bool", bool, _bool),
    "int": _native_type("int", int, _converted(int), from_bytes=pure("int", int.from_bytes)),
    "float": _native_type("float", float, _converted(float)),
    "complex": _native_type("complex", complex, _converted(complex)),
    "str": _native_type("str", str, _str, maketrans=pure("str.maketrans", str.maketrans)),
    "bytes": _native_type("bytes", bytes, _bytes, fromhex=pure("bytes.fromhex", bytes.fromhex)),
    "list": _native_type("list", list, _collection(list)),
    "tuple": _native_type("tuple", tuple, _collection(tuple)),
    "set": _native_type("set", set, _collection(set)),
    "frozenset": _native_type("frozenset", frozenset, _collection(frozenset)),
    "dict": _native_type("dict", dict, _dict, fromkeys=Native("dict.fromkeys", _from_keys)),
    "object": Native("object", _object, plain=object),
    "type": Native("type", _type, plain=type),
}


def type_named(label: str) -> Native:
    """Return a built-in class by its name."""
    return TYPES[label]
