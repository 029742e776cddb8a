"""Methods of texts, numbers, lists, sets and dictionaries."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from types import GeneratorType
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import iteration, patterns
from deployguard.python.concrete import (
    SIZE,
    Unplain,
    apply,
    cannot,
    lift,
    plain,
    text_of,
    trails,
    unknown,
)
from deployguard.python.conversions import as_text
from deployguard.python.functions import in_order
from deployguard.python.signals import RaiseSignal
from deployguard.python.types import class_of
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
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Methods whose result may be as long as a number among their arguments says.
_WIDE = frozenset({"zfill", "ljust", "rjust", "center", "expandtabs", "to_bytes"})
_LONG_NUMBER = re.compile(r"\d{4}")
_SETS = (set, frozenset)


def constant_attribute(run: "Interpreter", value: Known, name: str) -> Value | None:
    """Return an attribute of a constant; None where it has none of that name."""
    constant = value.value
    if isinstance(constant, PurePosixPath):
        from deployguard.python.standard import paths  # noqa: PLC0415  (large and rare)

        return paths.attribute(run, value, name)
    if not hasattr(constant, name):
        return None
    if name == "__class__":
        return class_of(value)
    if not callable(getattr(constant, name)):
        return lift(getattr(constant, name), value.trail) if name[:1] != "_" else unknown(name)
    return Native(name, lambda call: _of_constant(call, value, name))


def _of_constant(call: Call, value: Known, name: str) -> Value:
    constant = value.value
    if isinstance(constant, str | bytes) and name == "join":
        return _joined(call, value)
    if isinstance(constant, str) and name in {"format", "format_map"}:
        return _format(call, value, name)
    if name.startswith("__") or not _bounded(call, constant, name):
        return cannot(call, name, value)
    made = apply(call, name, getattr(constant, name), (ValueError, TypeError, IndexError))
    return Known(made.value, (*value.trail, *made.trail)) if isinstance(made, Known) else made


def longest(values: Iterable[Value]) -> int:
    """Return the length of the longest text among values, and among what they hold."""
    found = 1
    for value in values:
        entries: Iterable[Value] = (value,)
        if isinstance(value, Items):
            entries = value.items
        elif isinstance(value, Mapped):
            entries = value.slots.values()
        texts = (one.value for one in entries if isinstance(one, Known))
        found = max([found, *(len(text) for text in texts if isinstance(text, str | bytes))])
    return found


# Those whose cost grows with the length of the text and no faster.
_ENCODINGS = frozenset(
    {"utf-8", "utf8", "utf_8", "ascii", "latin-1", "latin1", "iso-8859-1", "utf-16", "utf-8-sig",
     "cp1252", "utf-16-le", "utf-32"}
)  # fmt: skip


def encodes_plainly(encoding: Value | None) -> bool:
    """Say whether an encoding that is given, if any, is a common one."""
    return encoding is None or (text_of(encoding) or "").lower() in _ENCODINGS


def _bounded(call: Call, constant: object, name: str) -> bool:
    """Say whether a method's work and result stay within our limits."""
    numbers = [a.value for a in call.arguments if isinstance(a, Known) and isinstance(a.value, int)]
    numbers += [a.value for a in call.keywords.values() if isinstance(a, Known) and isinstance(
        a.value, int)]  # fmt: skip
    if name in _WIDE and any(number > SIZE for number in numbers):
        return False
    if name in {"encode", "decode"}:
        return encodes_plainly(call.argument(0, "encoding"))
    if name in {"replace", "translate"} and isinstance(constant, str | bytes):
        return (len(constant) + 1) * longest(call.arguments) <= WORK
    return True


# No single operation on texts may yield more than this, in characters, before it is refused.
WORK = 1_000_000


def _joined(call: Call, value: Known) -> Value:
    if len(call.arguments) != 1:
        return cannot(call, "join", value)
    values = iteration.collected(call.run, call.arguments[0], call.location)
    parts = [entry.value for entry in values if isinstance(entry, Known)]
    if len(parts) != len(values):
        return cannot(call, "join", value, *values)
    if not all(isinstance(part, type(value.value)) for part in parts):
        raise RaiseSignal("TypeError", Evidence(call.location, "only texts can be joined"))
    if sum(map(len, parts)) + len(parts) * len(value.value) > SIZE:
        return unknown("a very long text", Reason.LIMIT)
    return known(value.value.join(parts), *trails(value, *values))


def _format(call: Call, value: Known, name: str) -> Value:
    """str.format: no width of more than three digits, and nothing that reaches into objects."""
    template = str(value.value)
    arguments = [_formattable(call.run, entry) for entry in call.arguments]
    keywords = {key: _formattable(call.run, entry) for key, entry in call.keywords.items()}
    wide = any(
        isinstance(entry, Known) and isinstance(entry.value, int) and abs(entry.value) > SIZE
        for entry in (*arguments, *keywords.values())
    )
    nested = re.search(r"\{[^{}]*\{", template) is not None and wide
    nested = nested or template.count("{") * longest((*arguments, *keywords.values())) > WORK
    if "__" in template or _LONG_NUMBER.search(template) or nested:
        return cannot(call, name, value)
    inner = Call(call.run, call.location, tuple(arguments), keywords, call.open)
    made = apply(inner, name, getattr(template, name), (ValueError, LookupError, TypeError))
    return Known(made.value, (*value.trail, *made.trail)) if isinstance(made, Known) else made


def _formattable(run: "Interpreter", value: Value) -> Value:

    return as_text(run, value) if isinstance(value, Instance) else value


def formatted(
    run: "Interpreter", template: str, value: Value, trail: tuple[Evidence, ...]
) -> Value:
    """Return `template % value`; widths of more than three digits are not followed."""
    if isinstance(value, Items) and value.kind is tuple:
        entries = tuple(_formattable(run, entry) for entry in value.items)
        value = Items({"items": entries}, tuple)
    elif isinstance(value, Instance):
        value = as_text(run, value)
    try:
        given = plain(value)
    except Unplain:
        run.doubts += 1
        made = derived("a formatted text", value, *_within(value))
        return made if made.missing else unknown("a formatted text")
    large = template.count("%") * longest((value,)) > WORK
    if large or _LONG_NUMBER.search(template) or "*" in template:
        return unknown("a formatted text")
    try:
        return lift(template % given, trail)
    except (TypeError, ValueError, KeyError) as error:
        note = Evidence(run.place, "the format does not fit")
        raise RaiseSignal(type(error).__name__, note) from None


def _within(value: Value) -> tuple[Value, ...]:
    match value:
        case Items():
            return value.items
        case Mapped(slots=slots):
            return tuple(slots.values())
        case _:
            return ()


def items_attribute(value: Items, name: str) -> Value | None:
    """Return a method of a list, tuple, set or iterator; None where it has none of that name."""
    if name == "__class__":
        return class_of(value)
    if not hasattr(value.kind, name):
        return None
    model = (_SET_METHODS if value.kind in _SETS else _LIST_METHODS).get(name)
    if model is None:
        return Native(name, lambda call: _left_open(call, value, name))
    return Native(name, lambda call: model(call, value))


def _left_open(call: Call, value: Items, name: str) -> Value:
    made = derived("items", *value.items, *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, f"what .{name}() leaves"),)
    parts = (*value.items, *call.arguments)
    call.run.store(value.slots, "items", (Opaque(missing, "items", parts=parts),))
    return Opaque(missing, f".{name}()", harmless=True, parts=made.parts)


def _hidden(value: Items) -> bool:
    return any(isinstance(entry, Opaque) and entry.name == "items" for entry in value.items)


def _put(call: Call, value: Items, items: tuple[Value, ...]) -> Value:
    limit = getattr(value, "kind", list) is deque and value.slots.get("maxlen")
    if limit:
        items = items[-limit:]
    if len(items) > SIZE:
        items = (Opaque((Missing(Reason.LIMIT, "a very long list"),), "items", harmless=True),)
    call.run.store(value.slots, "items", items)
    return known(None)


def _insert(call: Call, value: Items) -> Value:
    if len(call.arguments) > 1 and isinstance(call.arguments[0], Known) and not _hidden(value):
        index = call.arguments[0].value
        if isinstance(index, int):
            items = list(value.items)
            items.insert(index, call.arguments[1])
            return _put(call, value, tuple(items))
    return _left_open(call, value, "insert")


def _extend(call: Call, value: Items) -> Value:
    added = iteration.collected(call.run, call.arguments[0], call.location)
    return _put(call, value, (*value.items, *added))


def _pop(call: Call, value: Items) -> Value:
    index = call.arguments[0] if call.arguments else known(-1)
    if _hidden(value) or not (isinstance(index, Known) and isinstance(index.value, int)):
        return _left_open(call, value, "pop")
    items = list(value.items)
    try:
        taken = items.pop(index.value)
    except IndexError:
        raise RaiseSignal("IndexError", Evidence(call.location, "nothing to pop")) from None
    _put(call, value, tuple(items))
    return taken


def _position(call: Call, value: Items) -> int | None:
    """Return where a value is in a list, None where that cannot be told."""
    if not call.arguments or _hidden(value):
        return None
    for position, entry in enumerate(value.items):
        equal = patterns.equal(entry, call.arguments[0])
        if equal is None:
            return None
        if equal:
            return position
    raise RaiseSignal("ValueError", Evidence(call.location, "the value is not in the list"))


def _index(call: Call, value: Items) -> Value:
    position = _position(call, value) if len(call.arguments) == 1 else None
    return cannot(call, "index", *value.items) if position is None else known(position)


def _remove(call: Call, value: Items) -> Value:
    position = _position(call, value)
    if position is None:
        return _left_open(call, value, "remove")
    return _put(call, value, (*value.items[:position], *value.items[position + 1 :]))


def _count(call: Call, value: Items) -> Value:
    answers = [patterns.equal(entry, call.arguments[0]) for entry in value.items]
    if None in answers or _hidden(value):
        return cannot(call, "count", *value.items)
    return known(sum(bool(answer) for answer in answers))


def _sort(call: Call, value: Items) -> Value:

    given = Call(call.run, call.location, (value,), call.keywords, call.open)
    made = in_order(given)
    return _put(call, value, made.items if isinstance(made, Items) else (made,))


def _next(call: Call, value: Items) -> Value:
    found = iteration.following(call.run, value, call.location)
    if found is None:
        raise RaiseSignal("StopIteration", Evidence(call.location, "there is no further value"))
    return found


def _like(call: Call, value: Items, items: tuple[Value, ...]) -> Items:
    del call
    return Items({"items": items}, value.kind)


_LIST_METHODS: dict[str, Callable[[Call, Items], Value]] = {
    "append": lambda call, value: _put(call, value, (*value.items, *call.arguments)),
    "appendleft": lambda call, value: _put(call, value, (*call.arguments, *value.items)),
    "insert": _insert,
    "extend": _extend,
    "pop": _pop,
    "popleft": lambda call, value: _pop(Call(call.run, call.location, (known(0),), {}), value),
    "index": _index,
    "count": _count,
    "remove": _remove,
    "clear": lambda call, value: _put(call, value, ()),
    "copy": lambda call, value: _like(call, value, value.items),
    "reverse": lambda call, value: _put(call, value, tuple(reversed(value.items))),
    "sort": _sort,
    "__len__": lambda _call, value: known(len(value.items)),
    "__iter__": lambda _call, value: Items({"items": value.items}, GeneratorType),
    "__next__": _next,
    "close": lambda call, value: _put(call, value, ()),
    "send": lambda _call, _value: unknown("what a generator yields"),
}


def _of_sets(name: str) -> Callable[[Call, Items], Value]:
    """Return the model of a method that joins sets, or asks how they stand to each other."""

    def model(call: Call, value: Items) -> Value:
        given = tuple(
            Items({"items": iteration.collected(call.run, entry, call.location)})
            for entry in call.arguments
        )
        try:
            sets = [plain(entry) for entry in given]
            made = getattr(plain(value), name)(*sets)
        except (Unplain, TypeError):
            return cannot(call, name, *value.items, *given)
        return lift(made, trails(value, *given))

    return model


def _changed(name: str) -> Callable[[Call, Items], Value]:
    """Return the model of a method that changes a set in place."""

    def model(call: Call, value: Items) -> Value:
        try:
            changed = plain(value)
            lists = name.endswith("update")
            given = [
                [plain(one) for one in iteration.collected(call.run, entry, call.location)]
                if lists
                else plain(entry)
                for entry in call.arguments
            ]
            getattr(changed, name)(*given)
        except KeyError:
            raise RaiseSignal("KeyError", Evidence(call.location, "not in the set")) from None
        except (Unplain, TypeError):
            if name == "add":
                return _put(call, value, (*value.items, *call.arguments))
            return _left_open(call, value, name)
        made = lift(changed, trails(value, *call.arguments))
        return _put(call, value, made.items if isinstance(made, Items) else (made,))

    return model


_SET_METHODS: dict[str, Callable[[Call, Items], Value]] = {
    **{
        name: _of_sets(name)
        for name in (
            "union", "intersection", "difference", "symmetric_difference", "issubset",
            "issuperset", "isdisjoint",
        )
    },
    **{
        name: _changed(name)
        for name in ("add", "discard", "remove", "update", "difference_update",
                     "intersection_update")
    },
    "clear": lambda call, value: _put(call, value, ()),
    "copy": lambda call, value: _like(call, value, value.items),
    "__len__": lambda _call, value: known(len(value.items)),
}  # fmt: skip
