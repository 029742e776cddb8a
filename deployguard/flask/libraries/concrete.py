"""Values to plain Python objects and back."""

from pathlib import PurePosixPath
from typing import Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import Instance, Items, Known, Mapped, Opaque, Value
from deployguard.python.values import trail_of

_DEPTH = 30


class Unplain(Exception):  # noqa: N818  (control flow, not an error)
    """A value that is not known throughout."""


def plain(value: Value, depth: int = 0) -> Any:  # noqa: ANN401  (any object)
    """Return the object a value stands for; raises `Unplain` where a part is not known."""
    if depth > _DEPTH:
        raise Unplain
    match value:
        case Known(value=constant):
            return constant
        case Items(kind=kind):
            items = [plain(item, depth + 1) for item in value.items]
            try:
                return kind(items)
            except TypeError:
                raise Unplain from None
        case Mapped(slots=slots, rest=None):
            return {key: plain(entry, depth + 1) for key, entry in slots.items()}
        case Instance(slots={"<held>": inner}):
            return plain(inner, depth + 1)
        case _:
            raise Unplain


def lift(made: object, trail: tuple[Evidence, ...] = ()) -> Value:
    """Return the value of a plain object; other objects stay opaque."""
    match made:
        case bool() | None | str() | bytes() | int() | float() | PurePosixPath():
            return Known(made, trail)
        case list() | tuple():
            return Items({"items": tuple(lift(item, trail) for item in made)}, type(made))
        case dict():
            return Mapped({key: lift(entry, trail) for key, entry in made.items()})
        case _:
            return unknown("an object of a library")


def unknown(what: str, reason: Reason = Reason.SOURCE) -> Opaque:
    """Return a value that computes and starts nothing, and cannot be told."""
    return Opaque((Missing(reason, what),), what, harmless=True)


def trails(*values: Value) -> tuple[Evidence, ...]:
    """Return the origins of values."""
    return trail_of(*values)


def text_of(value: Value | None) -> str | None:
    """Return a known text or path, None where it is none or not known."""
    match value:
        case Known(value=str() as text):
            return text
        case Known(value=PurePosixPath() as path):
            return str(path)
        case _:
            return None


def none(value: Value | None) -> bool:
    """Say whether an argument is not given, or is None."""
    return value is None or (isinstance(value, Known) and value.value is None)
