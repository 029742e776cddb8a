"""Functions that decorators of click have been put on: the parameters, and what is called."""

from collections.abc import Sequence

from deployguard.python import (
    Call,
    Class,
    Function,
    Instance,
    Interpreter,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.values import FUNCTION, Bound

_PARAMETERS = "<parameters>"


def _attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
    del run
    if name == "__call__":
        return Native(name, lambda call: _call(call, instance))
    if name in {"__name__", "__qualname__"}:
        return known(name_of(instance))
    return None


def _call(call: Call, instance: Instance) -> Value:
    inner: Value = instance.slots[FUNCTION]
    return call.run.call(inner, call.arguments, call.keywords, call.location, call.open)


_DECORATED = Native(
    "a function with parameters of click",
    attribute=_attribute,
    specials=frozenset({"__call__", "__name__", "__qualname__"}),
)


def decorated(
    function: Value, *, parameters: Sequence[Value] = (), calls: Value | None = None
) -> Value:
    """Return a function with further parameters, or with another function that is called."""
    slots = {
        FUNCTION: function_of(function) if calls is None else calls,
        _PARAMETERS: (*parameters_of(function), *parameters),
        "<name>": known(name_of(function)),
    }
    return Instance(None, _DECORATED, slots)


def parameters_of(function: Value) -> tuple[Value, ...]:
    """Return the parameters of a function, the one that was put on last at the end."""
    found = function.slots.get(_PARAMETERS, ()) if isinstance(function, Instance) else ()
    return tuple(found)


def function_of(function: Value) -> Value:
    """Return what is called when a function with parameters is called."""
    if isinstance(function, Instance) and FUNCTION in function.slots:
        inner: Value = function.slots[FUNCTION]
        return inner
    return function


def name_of(function: Value) -> str:
    """Return the name of a function, "" where it cannot be told."""
    match function:
        case Function(node=node):
            return getattr(node, "name", "")
        case Bound(function=inner):
            return name_of(inner)
        case Class(name=name):
            return name
        case Instance(slots=slots) if "<name>" in slots:
            return str(slots["<name>"].value)
        case Opaque(parts=parts):
            # Decorators of libraries keep the name of what they wrap (functools.wraps).
            return next(filter(None, map(name_of, parts)), "")
        case _:
            return ""
