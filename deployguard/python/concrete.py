"""Values to plain Python objects and back, so that known texts and numbers are computed with."""

import math
from collections.abc import Callable
from pathlib import PurePosixPath
from types import GeneratorType
from typing import Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    derived,
    known,
    trail_of,
)

# No computed text or list may grow beyond this, in characters or items.
SIZE = 20_000
# What one call may be handed in all: nested lists and dictionaries count with what they hold.
_WHOLE = 200_000
_DEPTH = 30
_CONSTANTS = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis), PurePosixPath)


class Unplain(Exception):  # noqa: N818  (control flow, not an error)
    """A value that is not known throughout."""


def plain(value: Value) -> Any:  # noqa: ANN401  (any object)
    """Return the object a value stands for; raises `Unplain` where a part is not known."""
    return _Plain().of(value, 0)


class _Plain:
    """One conversion, bounded in what it yields and how deep it goes."""

    def __init__(self) -> None:
        self.left = _WHOLE

    def of(self, value: Value, depth: int) -> Any:  # noqa: ANN401  (any object)
        self.left -= 1
        if depth > _DEPTH or self.left < 0:
            raise Unplain
        match value:
            case Known(value=constant):
                if isinstance(constant, str | bytes):
                    self.left -= len(constant)
                return constant
            case Items(kind=kind):
                items = [self.of(item, depth + 1) for item in value.items]
                try:
                    return items if kind is GeneratorType else kind(items)
                except TypeError:
                    raise Unplain from None
            case Mapped(slots=slots, rest=None):
                return {key: self.of(entry, depth + 1) for key, entry in slots.items()}
            case Instance(slots={"<held>": inner}):
                return self.of(inner, depth + 1)
            case Native(plain=type() as kind):
                return kind
            case _:
                raise Unplain


def trails(*values: Value) -> tuple[Evidence, ...]:
    """Return the origins of values and of what lists and dictionaries among them hold."""
    flat: list[Value] = []
    for value in values:
        match value:
            case Items():
                flat.extend(value.items[:_SHOWN])
            case Mapped(slots=slots):
                flat.extend(list(slots.values())[:_SHOWN])
            case Instance(slots={"<held>": inner}):
                flat.append(inner)
            case _:
                flat.append(value)
    return trail_of(*flat)


_SHOWN = 8


def lift(made: object, trail: tuple[Evidence, ...] = ()) -> Value:
    """Return the value of an object that a known function returned; other objects stay opaque."""
    match made:
        case Known() | Opaque() | Items() | Mapped() | Instance():
            return made
        case bool() | None:
            return Known(made, trail)
        case str() | bytes() if len(made) > SIZE:
            return unknown("a very long text", Reason.LIMIT)
        case int() if made.bit_length() > SIZE:
            return unknown("a very large number", Reason.LIMIT)
        case _ if isinstance(made, _CONSTANTS):
            return Known(made, trail)
        case list() | tuple() | set() | frozenset():
            if len(made) > SIZE:
                return unknown("a very long list", Reason.LIMIT)
            kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(made, kind))
            return Items({"items": tuple(lift(item, trail) for item in made)}, kind)
        case dict():
            return Mapped({key: lift(entry, trail) for key, entry in made.items()})
        case _:
            return unknown("an object of a library")


def unknown(what: str, reason: Reason = Reason.SOURCE) -> Opaque:
    """Return a value that computes and starts nothing, and cannot be told."""
    return Opaque((Missing(reason, what),), what, harmless=True)


def running(what: str) -> Opaque:
    """Return a value that the running container alone knows."""
    return unknown(what, Reason.RUNNING)


def untold(name: str) -> Opaque:
    """Return what an operation gives that we do not compute."""
    return Opaque((Missing(Reason.SOURCE, f"the value of {name}"),), name, harmless=True)


def hashable(key: object) -> bool:
    """Say whether an object can be a key."""
    return isinstance(key, str | bytes | int | float | bool | tuple) or key is None


def cannot(call: Call, name: str, *values: Value) -> Opaque:
    """Return what a call gives whose arguments are not known: as little known as they are."""
    call.run.doubts += 1
    given = (*values, *call.arguments, *call.keywords.values())
    opened = (call.open,) if call.open is not None else ()
    made = derived(f"{name}()", *(flat for value in (*given, *opened) for flat in _flat(value)))
    missing = made.missing or (Missing(Reason.SOURCE, f"what {name}() returns"),)
    return Opaque(missing, f"{name}()", harmless=True, parts=made.parts, trail=made.trail)


def _flat(value: Value) -> tuple[Value, ...]:
    match value:
        case Items():
            return value.items
        case Mapped(slots=slots, rest=rest):
            return (*slots.values(), *((rest,) if rest is not None else ()))
        case Instance(slots={"<held>": inner}):
            return _flat(inner)
        case _:
            return (value,)


def pure(
    name: str,
    function: Callable[..., Any],
    *,
    raises: type[Exception] | tuple[type[Exception], ...] = (ValueError, TypeError),
) -> Native:
    """Return the model of a function that computes from its arguments and nothing else.

    `raises` are the exceptions that a program may catch; they become exceptions of the program.
    """

    def model(call: Call) -> Value:
        return apply(call, name, function, raises)

    return Native(name, model)


def apply(
    call: Call,
    name: str,
    function: Callable[..., Any],
    raises: type[Exception] | tuple[type[Exception], ...] = (ValueError, TypeError),
) -> Value:
    """Call a function of Python's own with what the arguments stand for, where they are known."""
    if call.open is not None:
        return cannot(call, name)
    try:
        arguments = [plain(value) for value in call.arguments]
        keywords = {key: plain(value) for key, value in call.keywords.items()}
    except Unplain:
        return cannot(call, name)
    try:
        made = function(*arguments, **keywords)
    except raises as error:
        raise raised(call, error) from None
    except Exception:  # noqa: BLE001  (any other failure of a known function leaves its value open)
        return cannot(call, name)
    return lift(made, trails(*call.arguments, *call.keywords.values()))


def raised(call: Call, error: BaseException) -> Exception:
    """Return the exception of the program for one that a known function raised."""
    from deployguard.python import exceptions  # noqa: PLC0415  (which uses this module)
    from deployguard.python.signals import RaiseSignal  # noqa: PLC0415

    names = (
        name
        for base in type(error).__mro__
        for name in (f"{base.__module__.partition('.')[0]}.{base.__name__}", base.__name__)
    )
    kind = next((name for name in names if exceptions.native(name) is not None), "Exception")
    return RaiseSignal(kind, Evidence(call.location, f"raises {kind}: {str(error)[:80]}"))


def number(value: Value | None, default: int) -> int | None:
    """Return a known whole number, the default where none is given, None where it is unknown."""
    match value:
        case None:
            return default
        case Known(value=int() as count) if -math.inf < count < math.inf:
            return int(count)
        case _:
            return None


def text_of(value: Value | None) -> str | None:
    """Return a known text or path, None where it is none or not known."""
    match value:
        case Known(value=str() as text):
            return text
        case Known(value=PurePosixPath() as path):
            return str(path)
        case Known(value=bytes() as raw):
            return raw.decode("utf-8", "surrogateescape")
        case Instance(slots={"<held>": inner}):
            return text_of(inner)
        case _:
            return None


def texts(values: tuple[Value, ...]) -> list[str] | None:
    """Return known texts or paths, None where one is not known."""
    found = [text_of(value) for value in values]
    return None if None in found else [text for text in found if text is not None]


def none(value: Value | None) -> bool:
    """Say whether an argument is not given, or is None."""
    return value is None or (isinstance(value, Known) and value.value is None)


def constant(value: object) -> Known:
    """Return a constant without an origin."""
    return known(value)
