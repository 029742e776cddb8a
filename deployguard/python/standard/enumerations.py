"""enum: the members of an enumeration, by name and by value."""

from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Location
from deployguard.python import iteration, objects, patterns
from deployguard.python.concrete import lift, text_of, unknown
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    UNSET,
    Call,
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
    linearize,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_MEMBERS = "<members>"


def _created(run: "Interpreter", cls: Class, location: Location) -> None:
    """Make members of what the body of an enumeration assigns."""
    members: list[Value] = []
    last: Value = known(0)
    for name, value in tuple(cls.slots.items()):
        if name.startswith(("_", "<")) or isinstance(value, Function | Descriptor | Class | Native):
            continue
        made = value
        if isinstance(value, Instance) and value.native is _AUTO:
            made = _next(cls, name, last)
        last = made
        member = Instance(cls, _native(cls), {"name": known(name), "value": made})
        member.slots |= {"_name_": known(name), "_value_": made}
        if _mixed(cls):
            member.slots[objects.HELD] = made
        # Two names of one value are one member.
        same = next((one for one in members if _equal(one, made)), None)
        cls.slots[name] = same or member
        if same is None:
            members.append(member)
            _initialized(run, cls, member, made, location)
    cls.slots[_MEMBERS] = Items({"items": tuple(members)})
    cls.slots["__members__"] = Mapped(
        {member.slots["name"].value: member for member in members if isinstance(member, Instance)}
    )


def _initialized(
    run: "Interpreter", cls: Class, member: Instance, value: Value, location: Location
) -> None:
    method = cls.slots.get("__init__")
    if isinstance(method, Function):
        given = value.items if isinstance(value, Items) and value.kind is tuple else (value,)
        run.call(method, (member, *given), {}, location)


def _native(cls: Class) -> Native | None:
    return next((base for base in linearize(cls) if isinstance(base, Native)), None)


def _mixed(cls: Class) -> bool:
    """Say whether members are texts or numbers as well."""
    return any(
        isinstance(base, Native) and (base.plain in {str, int, float, bytes} or base.name in _MIXED)
        for base in linearize(cls)
    )


def _next(cls: Class, name: str, last: Value) -> Value:
    if any(isinstance(base, Native) and base.name == "enum.StrEnum" for base in linearize(cls)):
        return known(name.lower())
    if isinstance(last, Known) and isinstance(last.value, int):
        return known(last.value + 1)
    return unknown("the value of a member")


def _equal(member: Value, value: Value) -> bool:
    held = member.slots["value"] if isinstance(member, Instance) else member
    return patterns.equal(held, value) is True


def _called(call: Call, cls: Class) -> Value:
    """Return the member of a value; a value that none has raises ValueError."""
    value = call.argument(0, "value")
    members = cls.slots.get(_MEMBERS)
    if value is None or not isinstance(members, Items):
        return unknown("a member")
    if isinstance(value, Instance) and value in members.items:
        return value
    bare = value.slots.get(objects.HELD, value) if isinstance(value, Instance) else value
    answers = [patterns.equal(_value(member), bare) for member in members.items]
    if None in answers[: answers.index(True)] if True in answers else None in answers:
        call.run.doubts += 1
        hidden = derived("a member", value)
        return Opaque(hidden.missing, "a member", harmless=True, parts=(), trail=hidden.trail)
    if True in answers:
        return members.items[answers.index(True)]
    hook = objects.in_class(cls, "_missing_")
    if isinstance(hook, Descriptor):
        found = call.run.call(objects.bind(hook.function, cls), (value,), {}, call.location)
        if isinstance(found, Instance):
            return found
    raise RaiseSignal("ValueError", Evidence(call.location, f"{cls.name} has no such member"))


def _value(member: Value) -> Value:
    found: Value = member.slots["value"] if isinstance(member, Instance) else member
    return found


_MIXED = frozenset({"enum.StrEnum", "enum.IntEnum", "enum.IntFlag"})


def _text(instance: Instance) -> Value:
    """Return str() of a member: its value where it is a text by StrEnum or IntEnum."""
    names = {base.name for base in linearize(instance.type) if isinstance(base, Native)} if (
        instance.type
    ) else set()  # fmt: skip
    value: Value = instance.slots["value"]
    if names & _MIXED and isinstance(value, Known):
        return known(str(value.value), *value.trail)
    title = instance.type.name if instance.type else "Enum"
    name = text_of(instance.slots["name"])
    return known(f"{title}.{name}")


def _attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name == "__str__":
        return Native("Enum.__str__", lambda _call: _text(instance))
    return None


def _enum(name: str) -> Native:
    return Native(
        name,
        lambda call: _functional(call, name),
        attribute=_attribute,
        created=_created,
        called=_called,
        specials=frozenset({"__str__"}),
    )


def _functional(call: Call, name: str) -> Value:
    """Enum("Colour", "RED GREEN") makes a class."""
    title, given = text_of(call.argument(0, "value")), call.argument(1, "names")
    text = text_of(given)
    names = text.replace(",", " ").split() if text is not None else None
    if names is None and given is not None:
        values = iteration.elements(given)
        names = [text_of(value) or "" for value in values] if values is not None else None
    if title is None or not names or "" in names:
        return unknown("an enumeration")
    slots: dict[Any, Any] = {one: lift(number) for number, one in enumerate(names, start=1)}
    cls = Class(title, (_enum(name),), slots, call.location)
    _created(call.run, cls, call.location)
    return cls


_AUTO = Native("enum.auto", construct=lambda _call, _instance: None)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del name
    slots: dict[Any, Any] = {
        one: _enum(f"enum.{one}") for one in ("Enum", "IntEnum", "Flag", "IntFlag")
    }
    old = run.version is not None and run.version < (3, 11)
    slots["StrEnum"] = UNSET if old else _enum("enum.StrEnum")
    first = Native("enum.unique", lambda call: call.arguments[0] if call.arguments else known(None))
    return {
        **slots,
        "auto": _AUTO,
        "unique": first,
        "EnumMeta": Native("enum.EnumMeta", plain=type),
        "EnumType": Native("enum.EnumMeta", plain=type),
    }
