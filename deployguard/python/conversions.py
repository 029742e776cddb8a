"""Values as texts, keys and dictionaries, as str(), format() and dict() see them."""

import re
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python import iteration, objects
from deployguard.python.concrete import (
    Unplain,
    lift,
    plain,
    trails,
    unknown,
)
from deployguard.python.iteration import elements
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Class,
    Instance,
    Items,
    Known,
    Mapped,
    Opaque,
    Value,
    derived,
    known,
    missing_of,
    trail_of,
    visible,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


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
    if isinstance(constant, int) and constant.bit_length() > DIGITS:
        return "0" * DIGITS
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
            slots = {key: entry for key, entry in value.slots.items() if visible(key)}
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
        key = as_key(values[0]) if values is not None and len(values) == PAIR else None
        if isinstance(key, Known) and values is not None:
            made.slots[key.value] = values[1]
        else:
            hidden = derived("a dictionary", pair)
            made.rest = hidden if hidden.missing else unknown("a dictionary")
    return made


PAIR = 2


def _of_keys(run: "Interpreter", value: Instance, location: Location) -> Mapped:
    from deployguard.python.subscripts import item  # noqa: PLC0415  (mutual recursion

    made = Mapped({})
    keys = run.call(run.attribute(value, "keys", location), (), {}, location)
    for key in iteration.collected(run, keys, location):
        if isinstance(key, Known):
            made.slots[key.value] = item(run, value, key, location)
        else:
            made.rest = unknown("a dictionary")
    return made


# CPython refuses longer numbers too (sys.set_int_max_str_digits).
DIGITS = 4000
