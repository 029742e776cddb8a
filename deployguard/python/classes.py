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
    Items,
    Known,
    Mapped,
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
    metaclass = keywords.get("metaclass") or objects.in_class(cls, objects.METACLASS)
    if isinstance(metaclass, Class) and _plain_metaclass(metaclass) and "**" not in keywords:
        return _by_metaclass(run, cls, metaclass, keywords, location)
    if "**" in keywords or not _quiet(metaclass):
        run.unseen(f"what the metaclass of {cls.name} does", location)
    _told(run, cls, keywords, location)
    return cls


def _plain_metaclass(metaclass: Class) -> bool:
    """Say whether a metaclass makes classes and does not say how they make their objects."""
    own = [base for base in linearize(metaclass) if isinstance(base, Class)]
    special = ("__call__", "__getattribute__", "__prepare__", "__instancecheck__")
    return objects.makes_classes(metaclass) and not any(
        name in base.slots for base in own for name in special
    )


def _by_metaclass(
    run: "Interpreter",
    cls: Class,
    metaclass: Class,
    keywords: Mapping[str, Value],
    location: Location,
) -> Value:
    """Make a class by a metaclass of the program: its `__new__`, then its `__init__`."""
    run.memory["class", id(cls.slots)] = cls
    cls.slots[objects.METACLASS] = metaclass
    _told(run, cls, keywords, location)
    body = Mapped(cls.slots, name="the names of a class")
    given = (known(cls.name), Items({"items": cls.bases}, tuple), body)
    others = {key: value for key, value in keywords.items() if key != "metaclass"}
    maker = objects.in_class(metaclass, "__new__")
    made: Value = cls
    if isinstance(maker, Function | Descriptor):
        function = maker.function if isinstance(maker, Descriptor) else maker
        made = run.call(function, (metaclass, *given), others, location)
    filler = objects.in_class(metaclass, "__init__")
    if isinstance(filler, Function):
        run.call(filler, (made, *given), others, location)
    return made


def _told(
    run: "Interpreter", cls: Class, keywords: Mapping[str, Value], location: Location
) -> None:
    """Tell the descriptors and bases of a class of it."""
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
