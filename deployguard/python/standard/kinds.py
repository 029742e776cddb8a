"""dataclasses, typing, abc and types: classes made from what their bodies declare."""

import collections.abc
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Location
from deployguard.python import iteration, objects
from deployguard.python.classes import annotated
from deployguard.python.concrete import cannot, unknown
from deployguard.python.conversions import as_dictionary
from deployguard.python.signals import RaiseSignal
from deployguard.python.types import type_named
from deployguard.python.values import (
    Call,
    Class,
    Descriptor,
    DescriptorKind,
    Instance,
    Items,
    Known,
    Mapped,
    Native,
    Value,
    derived,
    known,
    linearize,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_FIELDS = "<fields>"


def _fields(cls: Class) -> dict[str, Value | None]:
    """Return the fields of a data class with their defaults, those of its bases first."""
    found: dict[str, Value | None] = {}
    for base in reversed(linearize(cls)):
        if isinstance(base, Class):
            for name in annotated(base):
                found[name] = base.slots.get(name)
    return found


def _data_class(call: Call) -> Value:
    if call.arguments and isinstance(call.arguments[0], Class):
        return _made(call, call.arguments[0], call.keywords)
    return Native(
        "dataclasses.dataclass",
        lambda inner: _made(inner, inner.arguments[0], call.keywords),
    )


def _made(call: Call, cls: Value, options: Mapping[str, Value]) -> Value:
    if not isinstance(cls, Class):
        return unknown("a data class")
    if truth(options.get("init", known(value=True))) == "yes" and "__init__" not in cls.slots:
        model = Native(f"{cls.name}.__init__", lambda inner: _fill(inner, cls), binds=True)
        cls.slots["__init__"] = model
    cls.slots[_FIELDS] = known(value=True)
    del call
    return cls


def _fill(call: Call, cls: Class) -> Value:
    """Do as the `__init__` of dataclasses: fields, their defaults, then `__post_init__`."""
    instance, *given = call.arguments
    if not isinstance(instance, Instance):
        return known(None)
    fields = _fields(cls)
    names = [name for name, default in fields.items() if _taken(default)]
    values = dict(zip(names, given, strict=False))
    wrong = [name for name in call.keywords if name not in names]
    if wrong or len(given) > len(names):
        raise RaiseSignal("TypeError", Evidence(call.location, "no such field"))
    values.update(call.keywords)
    for name, default in fields.items():
        if name not in values:
            values[name] = _default(call, name, default)
        call.run.store(instance.slots, name, values[name])
    after = objects.special(call.run, instance, "__post_init__")
    if after is not None:
        call.run.call(after, (), {}, call.location)
    return known(None)


def _taken(default: Value | None) -> bool:
    if isinstance(default, Instance) and default.native is FIELD:
        return truth(default.slots.get("init", known(value=True))) != "no"
    return True


def _default(call: Call, name: str, default: Value | None) -> Value:
    if isinstance(default, Instance) and default.native is FIELD:
        if "default" in default.slots:
            found: Value = default.slots["default"]
            return found
        if "default_factory" in default.slots:
            return call.run.call(default.slots["default_factory"], (), {}, call.location)
        default = None
    if default is not None:
        return default
    if call.open is not None:
        return derived(name, call.open)
    raise RaiseSignal("TypeError", Evidence(call.location, f"the field {name} is not given"))


def _field(call: Call, instance: Instance) -> None:
    for name, value in call.keywords.items():
        call.run.store(instance.slots, name, value)


FIELD = Native("dataclasses.field", construct=_field)


def _as_dictionary(call: Call) -> Value:
    value = call.arguments[0] if call.arguments else None
    if isinstance(value, Instance) and isinstance(value.type, Class):
        names = _fields(value.type)
        return Mapped({name: value.slots[name] for name in names if name in value.slots})
    return cannot(call, "asdict")


def _replaced(call: Call) -> Value:
    value = call.arguments[0] if call.arguments else None
    if isinstance(value, Instance) and isinstance(value.type, Class):
        held = {name: value.slots[name] for name in _fields(value.type) if name in value.slots}
        return call.run.call(value.type, (), {**held, **call.keywords}, call.location)
    return cannot(call, "replace")


def _field_list(call: Call) -> Value:
    value = call.arguments[0] if call.arguments else None
    cls = value.type if isinstance(value, Instance) else value
    if isinstance(cls, Class):
        items = tuple(
            Instance(None, FIELD, {"name": known(name), "default": default or known(None)})
            for name, default in _fields(cls).items()
        )
        return Items({"items": items}, tuple)
    return cannot(call, "fields")


def tuple_class(
    call: Call, name: str, names: Sequence[str], defaults: Mapping[str, Value]
) -> Class:
    """Return a class of tuples with named fields."""
    cls = Class(name, (NAMED_TUPLE,), {}, call.location)
    cls.slots["_fields"] = Items({"items": tuple(known(one) for one in names)}, tuple)
    cls.slots["<defaults>"] = dict(defaults)
    _add_methods(cls)
    return cls


def _add_methods(cls: Class) -> None:
    replace = Native("_replace", lambda call: _replace_fields(call, cls), binds=True)
    as_dictionary = Native("_asdict", lambda call: _fields_of(call, cls), binds=True)
    make = Native("_make", lambda call: _of_values(call, cls))
    cls.slots |= {
        "_replace": replace,
        "_asdict": as_dictionary,
        "_make": Descriptor(DescriptorKind.STATIC_METHOD, make),
    }


def _field_names(cls: Class) -> list[str]:
    held = objects.in_class(cls, "_fields")
    return [str(item.value) for item in held.items if isinstance(item, Known)] if isinstance(
        held, Items
    ) else []  # fmt: skip


def _named(call: Call, cls: Class) -> Value:
    """Make an object of a class of named tuples."""
    names = _field_names(cls)
    held = objects.in_class(cls, "_fields")
    owner = next(
        (base for base in linearize(cls) if isinstance(base, Class) and "<defaults>" in base.slots),
        cls,
    )
    del held
    defaults: Mapping[str, Value] = owner.slots.get("<defaults>", {})
    values: dict[str, Value] = dict(zip(names, call.arguments, strict=False))
    if len(call.arguments) > len(names) or set(call.keywords) - set(names):
        raise RaiseSignal("TypeError", Evidence(call.location, "no such field"))
    values.update(call.keywords)
    for name in names:
        if name not in values:
            if name not in defaults and call.open is None:
                raise RaiseSignal("TypeError", Evidence(call.location, f"no field {name}"))
            default = defaults.get(name)
            values[name] = default if default is not None else derived(name, call.open or known(0))
    ordered = tuple(values[name] for name in names)
    return Instance(cls, NAMED_TUPLE, {**values, "<held>": Items({"items": ordered}, tuple)})


def _replace_fields(call: Call, cls: Class) -> Value:
    instance = call.arguments[0]
    held = {name: instance.slots[name] for name in _field_names(cls)} if isinstance(
        instance, Instance
    ) else {}  # fmt: skip
    return _named(Call(call.run, call.location, (), {**held, **call.keywords}), cls)


def _fields_of(call: Call, cls: Class) -> Value:
    instance = call.arguments[0]
    if not isinstance(instance, Instance):
        return unknown("a dictionary")
    return Mapped({name: instance.slots[name] for name in _field_names(cls)})


def _of_values(call: Call, cls: Class) -> Value:
    values = iteration.collected(call.run, call.arguments[0], call.location)
    return _named(Call(call.run, call.location, values, {}), cls)


def _typed_tuple(run: "Interpreter", cls: Class, location: Location) -> None:
    """typing.NamedTuple: the fields are what the body annotates."""
    del run, location
    names = list(annotated(cls))
    if not names or "_fields" in cls.slots:
        return
    cls.slots["<defaults>"] = {name: cls.slots.pop(name) for name in names if name in cls.slots}
    cls.slots["_fields"] = Items({"items": tuple(known(name) for name in names)}, tuple)
    _add_methods(cls)


def _typed_tuple_call(call: Call) -> Value:
    name, fields = call.argument(0, "typename"), call.argument(1, "fields")
    pairs = iteration.elements(fields)
    title = name.value if isinstance(name, Known) else None
    if pairs is None or not isinstance(title, str):
        return unknown("a class")
    names = [
        str(first.value)
        for pair in pairs
        for first in (iteration.elements(pair) or ())[:1]
        if isinstance(first, Known)
    ]
    return tuple_class(call, title, names, {})


NAMED_TUPLE = Native(
    "typing.NamedTuple", _typed_tuple_call, plain=tuple, created=_typed_tuple, called=_named
)


def interfaces() -> dict[Any, Any]:
    """Return the interfaces of collections.abc, which classes name and isinstance() asks for."""
    return {
        name: Native(f"collections.abc.{name}", plain=getattr(collections.abc, name))
        for name in collections.abc.__all__
    }


def _quiet(name: str) -> Native:
    """Return a name that stands for a type: calling it or taking an item gives no more."""
    return Native(name, lambda _call: unknown("a type"))


def _typing(run: "Interpreter") -> dict[Any, Any]:
    generic = ("Any", "Optional", "Union", "Dict", "List", "Tuple", "Set", "FrozenSet", "Callable",
               "Iterable", "Iterator", "Generator", "Sequence", "Mapping", "MutableMapping", "Type",
               "Literal", "Final", "ClassVar", "Annotated", "Awaitable", "Coroutine", "NoReturn",
               "IO", "TextIO", "Text", "AnyStr", "Self", "TypeAlias", "Required",
               "NotRequired")  # fmt: skip
    del run
    first = Native("typing", lambda call: call.arguments[0] if call.arguments else known(None))
    return {
        "TYPE_CHECKING": known(value=False),
        "NamedTuple": NAMED_TUPLE,
        "TypedDict": Native("typing.TypedDict", type_named("dict").call, plain=dict,
                            called=_typed_dictionary),
        "Generic": Native("typing.Generic", plain=object),
        "Protocol": Native("typing.Protocol", plain=object),
        "cast": Native("typing.cast", lambda call: call.arguments[-1]),
        "overload": first,
        "final": first,
        "override": first,
        "no_type_check": first,
        "runtime_checkable": first,
        "NewType": Native("typing.NewType", lambda _call: first),
        "TypeVar": Native("typing.TypeVar", lambda _call: unknown("a type")),
        "ParamSpec": Native("typing.ParamSpec", lambda _call: unknown("a type")),
        **{name: _quiet(f"typing.{name}") for name in generic},
    }  # fmt: skip


def _typed_dictionary(call: Call, cls: Class) -> Value:
    del cls
    made = type_named("dict").call
    return made(call) if made is not None else unknown("a dictionary")


def _abstract(name: str) -> Native:
    return Native(name, lambda call: call.arguments[0] if call.arguments else known(None))


def _abc() -> dict[Any, Any]:
    prop = Native(
        "abc.abstractproperty",
        lambda call: Descriptor(DescriptorKind.PROPERTY, call.arguments[0]),
    )
    return {
        "ABC": Native("abc.ABC", plain=object),
        "ABCMeta": Native("abc.ABCMeta", type_named("type").call, plain=type),
        "abstractmethod": _abstract("abc.abstractmethod"),
        "abstractproperty": prop,
    }


def _simple_namespace(call: Call, instance: Instance) -> None:
    if call.open is not None:
        call.run.unseen("which attributes an object is given", call.location)
    for given in call.arguments:
        for key, entry in as_dictionary(call.run, given, call.location).slots.items():
            call.run.store(instance.slots, key, entry)
    for key, entry in call.keywords.items():
        call.run.store(instance.slots, key, entry)


def _types() -> dict[Any, Any]:
    first = Native("types", lambda call: call.arguments[0])
    return {
        "SimpleNamespace": Native(
            "types.SimpleNamespace", construct=_simple_namespace, plain=types.SimpleNamespace
        ),
        "MappingProxyType": first,
        "ModuleType": Native("types.ModuleType", construct=_module, plain=types.ModuleType),
        "MethodType": Native("types.MethodType", _method),
        "FunctionType": Native("types.FunctionType", plain=types.FunctionType),
    }


def _module(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "__name__", call.argument(0, "name") or known("module"))


def _method(call: Call) -> Value:
    if len(call.arguments) < 2:  # noqa: PLR2004  (a function and an object)
        return cannot(call, "MethodType")
    return objects.bind(call.arguments[0], call.arguments[1])


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    match name:
        case "dataclasses":
            return {
                "dataclass": Native("dataclasses.dataclass", _data_class),
                "field": FIELD,
                "asdict": Native("dataclasses.asdict", _as_dictionary),
                "replace": Native("dataclasses.replace", _replaced),
                "fields": Native("dataclasses.fields", _field_list),
                "KW_ONLY": known(None),
            }
        case "typing":
            return _typing(run)
        case "abc":
            return _abc()
        case "types":
            return _types()
        case _:
            return {}


__all__ = ["interfaces", "names", "tuple_class"]
