"""What is done with a class once its body has run."""

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Location
from deployguard.python import objects
from deployguard.python.values import (
    Bound,
    Class,
    Descriptor,
    Function,
    Instance,
    Known,
    Native,
    Opaque,
    Value,
    known,
    linearize,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Metaclasses that change nothing of what a class does.
_QUIET = frozenset({"type", "abc.ABCMeta", "enum.EnumMeta", "enum.EnumType"})


def own(value: Value, cls: Class, slots: dict[Any, Any]) -> None:
    """Tell a function that was defined in a class body which class it belongs to."""
    match value:
        case Function():
            if value.scopes and value.scopes[0] is slots:
                value.scopes = value.scopes[1:]
                value.owner = cls
        case Descriptor():
            own(value.function, cls, slots)
            if value.setter is not None:
                own(value.setter, cls, slots)
        case Opaque(parts=parts):
            for part in parts:
                own(part, cls, slots)
        case _:
            pass


def made(
    run: "Interpreter", cls: Class, keywords: Mapping[str, Value], location: Location
) -> Value:
    """Finish a class: its metaclass, its bases and its descriptors are told of it."""
    metaclass = keywords.get("metaclass")
    if "**" in keywords or not _quiet(metaclass):
        run.unseen(f"what the metaclass of {cls.name} does", location)
    for name, value in tuple(cls.slots.items()):
        method = objects.special(run, value, "__set_name__")
        if method is not None:
            run.call(method, (cls, known(name)), {}, location)
    for base in linearize(cls)[1:]:
        if isinstance(base, Native) and base.created is not None:
            base.created(run, cls, location)
            break
    for base in linearize(cls)[1:]:
        if isinstance(base, Class) and "__init_subclass__" in base.slots:
            hook = base.slots["__init_subclass__"]
            function = hook.function if isinstance(hook, Descriptor) else hook
            given = {key: entry for key, entry in keywords.items() if key != "metaclass"}
            if isinstance(function, Function | Native):
                run.call(objects.bind(function, cls), (), given, location)
            break
    return cls


def _quiet(metaclass: Value | None) -> bool:
    match metaclass:
        case None:
            return True
        case Native(name=name):
            return name in _QUIET
        case Class() | Instance() | Bound() | Known():
            return False
        case _:
            return isinstance(metaclass, Opaque) and metaclass.harmless


def annotated(cls: Class) -> tuple[str, ...]:
    """Return the names that the body of a class annotates, without those of the class itself."""
    return tuple(
        name
        for name, annotation in cls.annotations.items()
        if "ClassVar" not in ast.unparse(annotation)
    )
