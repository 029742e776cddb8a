"""Methods of dictionaries."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python.concrete import (
    Unplain,
    cannot,
    lift,
    none,
    plain,
    text_of,
)
from deployguard.python.conversions import as_dictionary, as_key
from deployguard.python.signals import RaiseSignal
from deployguard.python.types import class_of
from deployguard.python.values import (
    UNSET,
    Call,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    derived,
    join,
    known,
    trail_of,
    visible,
)

if TYPE_CHECKING:
    pass


def mapped_attribute(value: Mapped, name: str) -> Value | None:
    """Return a method of a dictionary; None where it has none of that name."""
    own = value.methods(value, name) if value.methods is not None else None
    if own is not None:
        return own
    model = _MAPPED_METHODS.get(name)
    if model is not None:
        return Native(f"{value.name}.{name}", lambda call: model(call, value))
    if name == "__class__":
        return class_of(value)
    if value.methods is None and value.rest is None and not hasattr(dict, name):
        return None
    missing = Missing(Reason.SOURCE, f"what {value.name}.{name} does")
    return Opaque((missing,), f"{value.name}.{name}", harmless=True)


def _get(call: Call, value: Mapped) -> Value:

    default = call.argument(1, "default") or known(None)
    key = as_key(call.argument(0, "key") or known(None))
    if isinstance(key, Known):
        if _hashable(key.value) and key.value in value.slots:
            return value.slots[key.value]
        return (
            default if value.rest is None else derived(f"{value.name}[{key.value!r}]", value.rest)
        )
    parts = (*value.slots.values(), default)
    made = derived("an item", key, default)
    missing = made.missing or (Missing(Reason.SOURCE, "which item is taken"),)
    return Opaque(missing, "an item", parts=parts, trail=trail_of(key))


def _hashable(key: object) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _setdefault(call: Call, value: Mapped) -> Value:
    key, default = call.argument(0, "key"), call.argument(1, "default") or known(None)
    if not isinstance(key, Known):
        return call.run.unseen(f"which item of {value.name} is set", call.location)
    if key.value in value.slots:
        return value.slots[key.value]
    if value.rest is None:
        trace = Evidence(call.location, f"the program sets {key.value}")
        new = default
        if value is call.run.environ and isinstance(default, Known):
            traced(call, value, key.value, default)
            new = known(default.value, *default.trail, trace)
        call.run.store(value.slots, key.value, new)
        return new
    unknown_value = derived(f"{value.name}[{key.value!r}]", value.rest, default)
    call.run.store(value.slots, key.value, unknown_value)
    return unknown_value


def _update(call: Call, value: Mapped) -> Value:

    for given in call.arguments:
        source = as_dictionary(call.run, given, call.location)
        if source.rest is not None:
            for key in tuple(value.slots):
                before = value.slots[key]
                call.run.store(value.slots, key, join(before, UNSET, source.rest.missing))
            value.rest = derived(value.name, source.rest, *((value.rest,) if value.rest else ()))
        for key, entry in source.slots.items():
            if visible(key):
                call.run.store(value.slots, key, traced(call, value, key, entry))
    for key, entry in call.keywords.items():
        call.run.store(value.slots, key, traced(call, value, key, entry))
    if call.open is not None:
        call.run.unseen(f"which items of {value.name} are set", call.location)
    return known(None)


def traced(call: Call, value: Mapped, key: object, entry: Value) -> Value:
    """Remember where a variable of the environment was set in the source."""
    from deployguard.python import builtins  # noqa: PLC0415  (mutual recursion)
    from deployguard.python.subscripts import only_texts  # noqa: PLC0415

    if value is call.run.environ and isinstance(entry, Known):
        only_texts(entry, call.location)
        note = f"the program sets {key} to {builtins.shown(str(key), entry.value)}"
        return known(entry.value, *entry.trail, Evidence(call.location, note))
    return entry


def _take(call: Call, value: Mapped) -> Value:
    key, default = call.argument(0, "key"), call.argument(1, "default")
    if isinstance(key, Known):
        found = value.slots.get(key.value)
        if found is not None:
            call.run.store(value.slots, key.value, UNSET)
            return found
        if value.rest is not None:
            return derived(f"{value.name}[{key.value!r}]", value.rest)
        if default is None:
            raise RaiseSignal("KeyError", Evidence(call.location, f"no {key.value!r} to pop"))
        return default
    return call.run.unseen(f"which item of {value.name} is taken out", call.location)


def _take_last(call: Call, value: Mapped) -> Value:
    keys = [key for key in value.slots if visible(key)]
    if value.rest is not None:
        return call.run.unseen(f"which item of {value.name} is taken out", call.location)
    if not keys:
        raise RaiseSignal("KeyError", Evidence(call.location, "nothing to pop"))
    entry = value.slots[keys[-1]]
    call.run.store(value.slots, keys[-1], UNSET)
    return Items({"items": (known(keys[-1]), entry)}, tuple)


def _clear(call: Call, value: Mapped) -> Value:
    for key in [key for key in value.slots if visible(key)]:
        call.run.store(value.slots, key, UNSET)
    value.rest = None
    return known(None)


def _listed(value: Mapped, make: Callable[[Any, Value], Value]) -> Value:
    items = tuple(make(key, entry) for key, entry in value.slots.items() if visible(key))
    if value.rest is not None:
        items = (*items, derived("items", value.rest))
    return Items({"items": items})


def _copy(value: Mapped) -> Mapped:
    slots = {key: entry for key, entry in value.slots.items() if visible(key)}
    return Mapped(slots, value.rest, factory=value.factory)


def _contains(call: Call, value: Mapped) -> Value:
    key = text_of(call.arguments[0]) if call.arguments else None
    if key in value.slots:
        return known(value=True)
    return known(value=False) if value.rest is None and key is not None else cannot(call, "in")


def _item(call: Call, value: Mapped) -> Value:
    from deployguard.python.subscripts import item  # noqa: PLC0415  (mutual recursion

    return item(call.run, value, call.arguments[0], call.location)


def _set_item(call: Call, value: Mapped) -> Value:
    from deployguard.python.subscripts import assign_item  # noqa: PLC0415  (mutual recursion

    if len(call.arguments) > 1:
        assign_item(call.run, value, call.arguments[0], call.arguments[1], call.location)
    return known(None)


def _most_common(call: Call, value: Mapped) -> Value:
    try:
        counts = plain(_copy(value))
        ordered = sorted(counts.items(), key=lambda entry: entry[1], reverse=True)
    except (Unplain, TypeError):
        return cannot(call, "most_common")
    limit = call.argument(0, "n")
    count = None if none(limit) else limit.value if isinstance(limit, Known) else 0
    return lift(ordered[:count])


_MAPPED_METHODS: dict[str, Callable[[Call, Mapped], Value]] = {
    "get": _get,
    "setdefault": _setdefault,
    "update": _update,
    "pop": _take,
    "popitem": _take_last,
    "clear": _clear,
    "keys": lambda _, value: _listed(value, lambda key, _: known(key)),
    "values": lambda _, value: _listed(value, lambda _, entry: entry),
    "items": lambda _, value: _listed(
        value, lambda key, entry: Items({"items": (known(key), entry)}, tuple)
    ),
    "copy": lambda _, value: _copy(value),
    "move_to_end": lambda _call, _value: known(None),
    "most_common": _most_common,
    "__contains__": _contains,
    "__getitem__": _item,
    "__setitem__": _set_item,
    "__len__": lambda _, value: known(len([key for key in value.slots if visible(key)])),
}
