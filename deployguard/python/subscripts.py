"""Items of lists, dictionaries and objects: taken, set and deleted."""

from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python import builtins, objects
from deployguard.python.concrete import hashable, untold
from deployguard.python.iteration import collected, elements
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    UNSET,
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
    derived,
    known,
    missing_of,
    trail_of,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def item(  # noqa: PLR0911  (one way out for each kind of value)
    run: "Interpreter", owner: Value, index: Value, location: Location
) -> Value:
    """Return `owner[index]`; what certainly is not there raises KeyError or IndexError."""
    own = owner.methods if isinstance(owner, Mapped) else None
    method = own(owner, "__getitem__") if own is not None and isinstance(owner, Mapped) else None
    if method is not None:
        return run.call(method, (index,), {}, location)
    match owner, index:
        case Mapped(), Known(value=key):
            return _entry(run, owner, key, location)
        case (Items(), Known(value=int() as number)) if elements(owner) is not None:
            if -len(owner.items) <= number < len(owner.items):
                return owner.items[number]
            raise RaiseSignal("IndexError", Evidence(location, "the list is shorter"))
        case Known(value=str() | bytes() as text), Known(value=int() as number):
            if -len(text) <= number < len(text):
                return Known(text[number], owner.trail)
            raise RaiseSignal("IndexError", Evidence(location, "the text is shorter"))
        case Class(), _:
            return _of_class(run, owner, index, location)
        case ((Native() | Function()), _):
            return owner  # a generic alias, as in list[int]
        case Instance(), _:
            method = objects.special(run, owner, "__getitem__")
            if method is not None:
                return run.call(method, (index,), {}, location)
            if objects.HELD in owner.slots:
                return _held_item(run, owner, index, location)
            return run.unseen("what an item of this object is", location)
        case Mapped(slots=slots), _:
            return _chosen(run, owner, tuple(slots.values()), index, location)
        case Known(value=None | bool() | int() | float()), _:
            raise RaiseSignal("TypeError", Evidence(location, "this has no items"))
        case _:
            made = derived("an item", owner, index)
            return made if made.missing else untold("an item")


def _entry(run: "Interpreter", owner: Mapped, key: object, location: Location) -> Value:
    if hashable(key) and key in owner.slots:
        return owner.slots[key]
    if owner.rest is not None:
        return derived(f"{owner.name}[{key!r}]", owner.rest)
    if owner.factory is not None:
        made = run.call(owner.factory, (), {}, location)
        run.store(owner.slots, key, made)
        return made
    raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {key!r}"))


def _chosen(
    run: "Interpreter",
    owner: Mapped,
    values: tuple[Value, ...],
    index: Value,
    location: Location,
) -> Value:
    """Return one of the values of a dictionary, and nobody knows which."""
    run.doubts += 1
    hidden = missing_of(index) or (Missing(Reason.SOURCE, f"which item of {owner.name} is taken"),)
    del location
    return Opaque(hidden, "an item", parts=values, trail=trail_of(index))


def _held_item(run: "Interpreter", owner: Instance, index: Value, location: Location) -> Value:
    held = owner.slots[objects.HELD]
    method = objects.special(run, owner, "__missing__")
    match held, index:
        case Mapped(slots=slots, rest=None), Known(value=key) if method and key not in slots:
            return run.call(method, (index,), {}, location)
        case _:
            pass
    return item(run, held, index, location)


def _of_class(run: "Interpreter", owner: Class, index: Value, location: Location) -> Value:
    """Return an item of a class: a member of an enumeration, or what `__class_getitem__` gives."""
    if "<members>" in owner.slots and isinstance(index, Known):
        found = owner.slots.get(index.value)
        if isinstance(found, Instance):
            return found
        raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {index.value!r}"))
    hook = objects.in_class(owner, "__class_getitem__")
    if isinstance(hook, Function | Descriptor):
        function = hook.function if isinstance(hook, Descriptor) else hook
        return run.call(objects.bind(function, owner), (index,), {}, location)
    return owner  # a generic alias, as in Box[int]


def assign_item(
    run: "Interpreter", owner: Value, index: Value, value: Value | None, location: Location
) -> None:
    """Set `owner[index]`, or delete it where the value is None."""
    match owner, index:
        case Mapped(slots=slots), Known(value=key) if hashable(key):
            if value is None and key not in slots and owner.rest is None:
                raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {key!r}"))
            run.store(slots, key, UNSET if value is None else _traced(owner, key, value, location))
        case Mapped(slots=slots), _:
            for name in tuple(slots):
                run.store(slots, name, derived("an item", slots[name], index))
            run.unseen(f"which item of {owner.name} is set", location)
        case Items(), _:
            _assign_in_list(run, owner, index, value, location)
        case Instance(), _:
            name = "__delitem__" if value is None else "__setitem__"
            arguments = (index,) if value is None else (index, value)
            method = objects.special(run, owner, name)
            if method is not None:
                run.call(method, arguments, {}, location)
            elif objects.HELD in owner.slots:
                assign_item(run, owner.slots[objects.HELD], index, value, location)
            else:
                run.unseen("what setting an item of this object does", location)
        case Opaque(harmless=harmless, parts=parts), _ if parts or not harmless:
            run.unseen(f"what setting an item of {owner.name} does", location)
        case _:
            return


def _assign_in_list(
    run: "Interpreter", owner: Items, index: Value, value: Value | None, location: Location
) -> None:
    """Set or delete an item or a slice of a list; what is not told leaves all of it open."""
    items = list(owner.items)
    match index:
        case Known(value=int() as number) if -len(items) <= number < len(items):
            if value is None:
                del items[number]
            else:
                items[number] = value
        case Known(value=slice() as part) if elements(owner) is not None:
            try:
                if value is None:
                    del items[part]
                else:
                    items[part] = collected(run, value, location)
            except ValueError as error:
                note = Evidence(location, "the slice and the values differ in number")
                raise RaiseSignal("ValueError", note) from error
        case _:
            hidden = derived("items", index, *items, *(() if value is None else (value,)))
            unclear = Missing(Reason.SOURCE, "which items of a list are set")
            items = [hidden if hidden.missing else Opaque((unclear,), "items", parts=hidden.parts)]
    run.store(owner.slots, "items", tuple(items))


def only_texts(value: Known, location: Location) -> None:
    """Refuse what is no text as the value of a variable, as os.environ does."""
    if not isinstance(value.value, str):
        raise RaiseSignal("TypeError", Evidence(location, "os.environ takes texts only"))


def _traced(owner: Mapped, key: object, value: Value, location: Location) -> Value:
    """Remember where a variable of the environment was set in the source."""
    if owner.name == builtins.ENVIRON and isinstance(value, Known):
        only_texts(value, location)
        note = f"the program sets {key} to {builtins.shown(str(key), value.value)}"
        return known(value.value, *value.trail, Evidence(location, note))
    return value
