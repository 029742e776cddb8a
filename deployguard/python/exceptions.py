"""Exceptions: the built-in classes, those of programs, and which handler catches which."""

import builtins as python_builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployguard.model.evidence import Answer, Evidence, Location
from deployguard.python.concrete import text_of
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import (
    Call,
    Class,
    Instance,
    Items,
    Known,
    Native,
    Opaque,
    Value,
    known,
    linearize,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_CLASSES: Mapping[str, type[BaseException]] = {
    name: value
    for name, value in vars(python_builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
# Exceptions of the standard library by their full names, and the built-in class each is one of.
_OTHERS: Mapping[str, type[BaseException]] = {
    "json.JSONDecodeError": ValueError,
    "configparser.Error": Exception,
    "configparser.NoSectionError": Exception,
    "configparser.NoOptionError": Exception,
    "subprocess.CalledProcessError": Exception,
    "subprocess.TimeoutExpired": Exception,
    "argparse.ArgumentTypeError": Exception,
    "argparse.ArgumentError": Exception,
    "getopt.GetoptError": Exception,
    "tomllib.TOMLDecodeError": ValueError,
}


def _construct(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "args", Items({"items": call.arguments}, tuple))
    if call.arguments:
        call.run.store(instance.slots, "code", call.arguments[0])


def _attribute(_run: "Interpreter", instance: Instance, name: str) -> Value | None:
    if name == "__str__":
        return Native("__str__", lambda _call: text(instance))
    if name in {"args", "__cause__", "__context__", "__traceback__"}:
        return known(None)
    return None


def text(instance: Instance) -> Value:
    """Return str() of an exception: its argument, or its arguments as a tuple."""
    given = instance.slots.get("args")
    if not isinstance(given, Items) or not given.items:
        return known("")
    first = given.items[0]
    if len(given.items) == 1 and isinstance(first, Known):
        return known(str(first.value), *first.trail)
    return Opaque((), "the text of an exception", harmless=True)


_NATIVES: Mapping[str, Native] = {
    name: Native(
        name,
        construct=_construct,
        attribute=_attribute,
        specials=frozenset({"__str__"}),
        plain=cls,
    )
    for name, cls in (*_CLASSES.items(), *_OTHERS.items())
}


def native(name: str) -> Native | None:
    """Return a built-in exception class by its name, or one of the standard library."""
    return _NATIVES.get(name)


def signal_of(value: Value, location: Location) -> RaiseSignal | ExitSignal:
    """Return what raising a value does: an exception of its class, or the end of the process."""
    name = class_name(value)
    note = Evidence(location, f"raises {name or 'an exception'}")
    if name == "SystemExit":
        return ExitSignal(note)
    return RaiseSignal(name, note, value)


def class_name(value: Value) -> str:
    """Return the name of the class of an exception, "" where it cannot be told."""
    match value:
        case Instance(type=Class() as cls):
            return cls.name
        case Instance(native=Native(name=name)) | Native(name=name):
            return name
        case Class(name=name):
            return name
        case _:
            return ""


def catches(pattern: Value, raised: RaiseSignal) -> Answer:
    """Say whether `except pattern` catches an exception."""
    if isinstance(pattern, Items):
        answers = [catches(entry, raised) for entry in pattern.items]
        if Answer.YES in answers:
            return Answer.YES
        return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.NO
    if isinstance(pattern, Native) and pattern.name in {"Exception", "BaseException"}:
        return Answer.YES
    match raised.value:
        case Instance(type=Class() as cls) | (Class() as cls):
            return _of_program(cls, pattern)
        case _:
            return _of_python(raised.name, pattern)


def _of_program(cls: Class, pattern: Value) -> Answer:
    line = linearize(cls)
    if pattern in line:
        return Answer.YES
    if any(isinstance(base, Opaque) for base in line):
        return Answer.UNKNOWN
    if isinstance(pattern, Class):
        return Answer.NO
    answers = [_of_python(base.name, pattern) for base in line if isinstance(base, Native)]
    return answers[0] if answers else Answer.UNKNOWN


def _of_python(name: str, pattern: Value) -> Answer:
    exception = _CLASSES.get(name) or _OTHERS.get(name)
    match pattern:
        case Class() | Known():
            return Answer.NO if exception is not None else Answer.UNKNOWN
        case Native(name=caught, plain=plain) if plain is not None:
            if name == caught:
                return Answer.YES
            if exception is None:
                return Answer.UNKNOWN
            own = _CLASSES.get(caught)
            return Answer.YES if own is not None and issubclass(exception, own) else Answer.NO
        case _:
            return Answer.UNKNOWN


def stops(pattern: Value) -> bool:
    """Say whether `except pattern` catches SystemExit."""
    if isinstance(pattern, Items):
        return any(stops(entry) for entry in pattern.items)
    return isinstance(pattern, Native) and pattern.name in {"SystemExit", "BaseException"}


def described(value: Value) -> str | None:
    """Return the text an exception was made with, where it is known."""
    return text_of(text(value)) if isinstance(value, Instance) else None
