"""Built-in names, and the attributes of every kind of value."""

import builtins as python_builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployguard.model.disclosure import quoted
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import exceptions, methods, objects
from deployguard.python.dictionaries import mapped_attribute
from deployguard.python.functions import FUNCTIONS, next_value
from deployguard.python.methods import formatted
from deployguard.python.types import TYPES
from deployguard.python.values import (
    UNSET,
    Bound,
    Call,
    Class,
    Coroutine,
    Descriptor,
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
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

ENVIRON = "os.environ"


def shown(name: str, value: object) -> str:
    """Return a variable's value as evidence quotes it."""
    return quoted(name, value if isinstance(value, str) else str(value))


def variables(environment: Environment) -> dict[Any, Value]:
    """Return the values of a process's variables as a program sees them."""
    slots: dict[Any, Value] = {}
    for name, entry in environment.entries.items():
        if entry.value is None:
            slots[name] = Opaque(entry.missing, f"the value of {name}", harmless=True)
        else:
            note = f"{name} is {quoted(name, entry.value)}"
            slots[name] = known(entry.value, Evidence(entry.location, note))
    return slots


def environ(environment: Environment, values: Mapping[Any, Value]) -> Mapped:
    """Return os.environ of a process, whose `variables` have these values."""
    rest = Opaque(environment.unseen, ENVIRON, harmless=True) if environment.unseen else None
    return Mapped(dict(values), rest, ENVIRON)


def name(run: "Interpreter", identifier: str) -> Value | None:
    """Return a built-in name, None where Python has none."""
    if identifier == "__debug__":
        if isinstance(run.optimize, Opaque):
            return derived(identifier, run.optimize)
        return known(run.optimize.value == 0)
    if identifier in {"NotImplemented", "__spec__", "__loader__"}:
        return Opaque((), identifier, harmless=True)
    native = TYPES.get(identifier) or exceptions.native(identifier)
    if native is not None and "." not in identifier:
        return native
    model = FUNCTIONS.get(identifier)
    if model is not None:
        return Native(identifier, model, scoped=identifier in _SCOPED)
    if hasattr(python_builtins, identifier):
        missing = Missing(Reason.SOURCE, f"what {identifier}() returns")
        return Opaque((missing,), identifier, harmless=True)
    return None


# Built-ins that see the names in scope where they are called.
_SCOPED = frozenset({"locals", "vars", "eval", "exec", "dir"})


def attribute(run: "Interpreter", value: Value, identifier: str) -> Value | None:
    """Return an attribute of a value; None where the value certainly lacks it."""
    match value:
        case Known():
            return methods.constant_attribute(run, value, identifier)
        case Items():
            return methods.items_attribute(value, identifier)
        case Mapped():
            return mapped_attribute(value, identifier)
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
        module: Value = function.module.slots.get("__name__", known(None))
        return module
    missing = Missing(Reason.SOURCE, f"the attribute {identifier} of a function")
    return Opaque((missing,), identifier, harmless=True, parts=(value,))


def _next_of(value: Coroutine) -> Model:
    return lambda call: next_value(Call(call.run, call.location, (value,), {}))


__all__ = ["ENVIRON", "attribute", "environ", "formatted", "name", "shown"]
