"""collections: dictionaries with defaults, counters, chains, queues and named tuples."""

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence
from deployguard.python import iteration
from deployguard.python.concrete import Unplain, cannot, lift, none, number, plain, text_of, unknown
from deployguard.python.dictionaries import mapped_attribute
from deployguard.python.iteration import elements
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import kinds
from deployguard.python.types import type_named
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Mapped,
    Native,
    Value,
    known,
    laid_over,
    visible,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def _default_dict(call: Call) -> Value:
    factory = call.argument(0, "default_factory")
    made = type_named("dict").call
    held = (
        made(Call(call.run, call.location, call.arguments[1:], call.keywords, call.open))
        if made
        else None
    )
    if isinstance(held, Mapped):
        held.factory = None if none(factory) else factory
        return held
    return unknown("a dictionary")


def _ordered(call: Call) -> Value:
    made = type_named("dict").call
    return made(call) if made is not None else unknown("a dictionary")


def _counter(call: Call) -> Value:
    zero = Native("int", lambda _call: known(0))
    given = call.arguments[0] if call.arguments else None
    if given is None or isinstance(given, Mapped):
        held = _ordered(call)
        if isinstance(held, Mapped):
            held.factory = zero
        return held
    values = iteration.collected(call.run, given, call.location)
    try:
        counts = Counter(plain(value) for value in values)
    except (Unplain, TypeError):
        return Mapped({}, unknown("a dictionary"), factory=zero)
    lifted = lift(dict(counts))
    slots = lifted.slots if isinstance(lifted, Mapped) else {}
    return Mapped(slots, factory=zero)


def _queue(call: Call) -> Value:
    given = call.argument(0, "iterable")
    items = () if given is None else iteration.collected(call.run, given, call.location)
    longest = number(call.argument(1, "maxlen"), 0)
    slots: dict[Any, Any] = {"items": items}
    if longest:
        slots = {"items": items[-longest:], "maxlen": longest}
    return Items(slots, deque)


def _chain(call: Call, instance: Instance) -> None:
    maps = call.arguments or (Mapped({}),)
    call.run.store(instance.slots, "maps", Items({"items": maps}))


def _maps(instance: Instance) -> tuple[Value, ...]:
    held = instance.slots.get("maps")
    return (elements(held) or ()) if held is not None else ()


def _looked_up(call: Call, instance: Instance, default: Value | None) -> Value:
    """ChainMap: the first of its dictionaries that has the key."""
    from deployguard.python.subscripts import item  # noqa: PLC0415  (mutual recursion

    for one in _maps(instance):
        try:
            return item(call.run, one, call.arguments[0], call.location)
        except RaiseSignal as signal:
            if signal.name != "KeyError":
                raise
    if default is not None:
        return default
    raise RaiseSignal("KeyError", Evidence(call.location, "no dictionary has the key"))


def _joined(instance: Instance) -> Mapped:
    made = Mapped({})
    for one in reversed(_maps(instance)):
        held = one.slots.get("<held>") if isinstance(one, Instance) else one
        if isinstance(held, Mapped):
            shown = {key: entry for key, entry in held.slots.items() if visible(key)}
            made = laid_over(made, Mapped(shown, held.rest))
        else:
            made = laid_over(made, unknown("a dictionary"))
    return made


def _chain_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    match name:
        case "__getitem__":
            return Native("ChainMap[]", lambda call: _looked_up(call, instance, None))
        case "get":
            return Native(
                "ChainMap.get",
                lambda call: _looked_up(call, instance, call.argument(1, "default") or known(None)),
            )
        case "__setitem__":
            first = next(iter(_maps(instance)), Mapped({}))
            return run.attribute_or_none(first, "__setitem__")
        case "new_child":
            return Native("ChainMap.new_child", lambda call: _child(call, instance))
        case "keys" | "items" | "values" | "__contains__" | "__iter__" | "__len__":
            label = "keys" if name == "__iter__" else name
            return mapped_attribute(_joined(instance), label)
        case _:
            return None


def _child(call: Call, instance: Instance) -> Value:
    first = call.arguments[0] if call.arguments else Mapped({})
    maps = Items({"items": (first, *_maps(instance))})
    return Instance(None, _CHAIN, {"maps": maps})


_CHAIN = Native(
    "collections.ChainMap",
    construct=_chain,
    attribute=_chain_attribute,
    specials=frozenset({"__getitem__", "__setitem__", "__contains__", "__iter__", "__len__"}),
)


def _named_tuple(call: Call) -> Value:
    """collections.namedtuple: a class whose fields are named in a text or a list."""
    name, fields = text_of(call.argument(0, "typename")), call.argument(1, "field_names")
    text = text_of(fields)
    if text is not None:
        names: list[str] | None = text.replace(",", " ").split()
    else:
        values = elements(fields)
        names = [text_of(value) or "" for value in values] if values is not None else None
    if name is None or names is None or "" in names:
        return cannot(call, "namedtuple")
    given = elements(call.keywords.get("defaults")) or ()
    defaults = dict(zip(reversed(names), reversed(given), strict=False))
    return kinds.tuple_class(call, name, names, defaults)


def _user_dict(call: Call, instance: Instance) -> None:
    made = _ordered(call)
    call.run.store(instance.slots, "<held>", made)
    call.run.store(instance.slots, "data", made)


def _user_list(call: Call, instance: Instance) -> None:
    made = Items({"items": iteration.collected(call.run, call.arguments[0], call.location)}
                 if call.arguments else {"items": ()})  # fmt: skip
    call.run.store(instance.slots, "<held>", made)
    call.run.store(instance.slots, "data", made)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    if name == "collections.abc":
        return kinds.interfaces()
    return {
        "defaultdict": Native("collections.defaultdict", _default_dict, plain=dict),
        "OrderedDict": Native(
            "collections.OrderedDict", _ordered, construct=_hold_dictionary, plain=dict
        ),
        "Counter": Native("collections.Counter", _counter, plain=dict),
        "deque": Native("collections.deque", _queue, plain=deque),
        "ChainMap": _CHAIN,
        "namedtuple": Native("collections.namedtuple", _named_tuple),
        "UserDict": Native("collections.UserDict", construct=_user_dict),
        "UserList": Native("collections.UserList", construct=_user_list),
        "Mapping": kinds.interfaces()["Mapping"],
    }


def _hold_dictionary(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "<held>", _ordered(call))
