"""Objects and classes: how attributes are looked up, and how objects are made and called.

The order is that of the Python reference (3.3.2): data descriptors of the class, the object's own
attributes, what the class holds, and `__getattr__` in the end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python.concrete import untold
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Bound,
    Call,
    Class,
    Coroutine,
    Descriptor,
    DescriptorKind,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
    linearize,
    visible,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

HELD = "<held>"
# What every class answers by itself, so that it is neither missing nor in need of `__getattr__`.
_OF_OBJECT = frozenset(
    {"__init__", "__eq__", "__ne__", "__hash__", "__repr__", "__str__", "__init_subclass__",
     "__setattr__", "__delattr__", "__getattribute__", "__format__", "__reduce__", "__sizeof__"}
)  # fmt: skip


def instance_attribute(run: "Interpreter", value: Instance, name: str) -> Value | None:
    """Return an attribute of an object; None where it certainly has none of that name."""
    found = None if value.type is None else in_class(value.type, name)
    if isinstance(found, Descriptor) and found.kind is DescriptorKind.PROPERTY:
        return run.call(found.function, (value,), {}, run.place)
    if name in value.slots:
        own: Value = value.slots[name]
        return own
    if found is not None and not _of_model(value, found):
        return _handed(run, found, value, name)
    made = _of_native(run, value, name)
    if made is not None:
        return made
    if value.type is not None and not _special(name):
        getter = in_class(value.type, "__getattr__")
        if getter is not None:
            return run.call(_handed(run, getter, value, name), (known(name),), {}, run.place)
    return _of_every_object(value, name)


def _of_model(value: Instance, found: Value) -> bool:
    """Say whether a class attribute is the modelled base's, which knows the object itself."""
    return value.native is not None and isinstance(found, Native) and not found.binds


def _special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _of_native(run: "Interpreter", value: Instance, name: str) -> Value | None:
    from deployguard.python import builtins  # noqa: PLC0415  (mutual recursion)

    native = value.native
    if native is not None and name in run.patched.get(native.name, {}):
        return _handed(run, run.patched[native.name][name], value, name)
    if native is not None and native.plain is not None and native.attribute is not None:
        # A class made of a built-in one has what it has itself before what it holds.
        own = native.attribute(run, value, name)
        if own is not None:
            return own
    if HELD in value.slots:
        held = builtins.attribute(run, value.slots[HELD], name)
        if held is not None:
            return held
    if native is None:
        return None
    if native.attribute is not None and (not _special(name) or name in native.specials):
        found = native.attribute(run, value, name)
        if found is not None:
            return found
    if name in native.members:
        return native.members[name]
    if _special(name) or HELD in value.slots or native.plain is not None:
        return None
    missing = Missing(Reason.LIBRARY, f"what {native.name}.{name} is")
    return Opaque((missing,), f"{native.name}.{name}", harmless=True, parts=(value,))


def _of_every_object(value: Instance, name: str) -> Value | None:
    if name == "__class__":
        return value.type if value.type is not None else value.native
    if name == "__dict__":
        return attributes_of(value)
    if name in _OF_OBJECT:
        return Native(f"object.{name}", lambda _call: known(None))
    if name == "__doc__":
        return known(None)
    line = linearize(value.type) if value.type is not None else ()
    hidden = next((base for base in line if isinstance(base, Opaque)), None)
    return None if hidden is None else derived(f"{hidden.name}.{name}", hidden)


def attributes_of(value: Instance) -> Mapped:
    """Return the attributes of an object as a dictionary; a modelled one may have others."""
    native = value.native
    own = native is None or native.plain is not None or native.attribute is None
    rest = None if own else untold("the attributes of an object")
    return Mapped(value.slots, rest, "the attributes of an object")


def _handed(run: "Interpreter", found: Value, instance: Instance, name: str) -> Value:
    """Return what a class attribute gives when it is asked of an object."""
    match found:
        case Function():
            return Bound(found, instance)
        case Native(binds=True):
            return bound_native(found, instance)
        case Descriptor(kind=DescriptorKind.STATIC_METHOD, function=function):
            return function
        case Descriptor(kind=DescriptorKind.CLASS_METHOD, function=function):
            owner = instance.type if instance.type is not None else instance.native
            return bind(function, owner or known(None))
        case Descriptor(kind=DescriptorKind.CACHED, function=function):
            value = run.call(function, (instance,), {}, run.place)
            run.store(instance.slots, name, value)
            return value
        case Instance(type=Class() as cls) if in_class(cls, "__get__") is not None:
            getter = instance_attribute(run, found, "__get__")
            asked: Value = instance.type if instance.type is not None else known(None)
            return run.call(getter or known(None), (instance, asked), {}, run.place)
        case _:
            return found


def bind(function: Value, first: Value) -> Value:
    """Return a function with its first argument."""
    match function:
        case Function():
            return Bound(function, first)
        case _:
            return Native(
                "a method",
                lambda call: call.run.call(
                    function, (first, *call.arguments), call.keywords, call.location, call.open
                ),
            )


def bound_native(function: Native, instance: Value) -> Native:
    """Return a modelled function that is found in a class, bound to an object."""
    return Native(
        function.name,
        lambda call: call.run.call(
            function, (instance, *call.arguments), call.keywords, call.location, call.open
        ),
    )


def in_class(cls: Class, name: str) -> Value | None:
    """Return what a class or the first of its bases holds under a name, as it is stored."""
    for base in linearize(cls):
        match base:
            case Class(slots=slots):
                if name in slots:
                    value: Value = slots[name]
                    return value
            case Native(members=members) if name in members:
                return members[name]
            case _:
                pass
    return None


def class_attribute(run: "Interpreter", cls: Class, name: str) -> Value | None:
    """Return an attribute of a class itself; None where it certainly has none."""
    found = in_class(cls, name)
    match found:
        case Descriptor(kind=DescriptorKind.STATIC_METHOD, function=function):
            return function
        case Descriptor(kind=DescriptorKind.CLASS_METHOD, function=function):
            return bind(function, cls)
        case Instance(type=Class() as own) if in_class(own, "__get__") is not None:
            getter = instance_attribute(run, found, "__get__")
            return run.call(getter or known(None), (known(None), cls), {}, run.place)
        case None:
            return _of_every_class(run, cls, name)
        case _:
            return found


def _of_every_class(run: "Interpreter", cls: Class, name: str) -> Value | None:
    match name:
        case "__name__" | "__qualname__":
            return known(cls.name)
        case "__mro__":
            return Items({"items": linearize(cls)}, tuple)
        case "__bases__":
            return Items({"items": cls.bases}, tuple)
        case "__dict__":
            visible = {key: slot for key, slot in cls.slots.items() if visible(key)}
            return Mapped(visible, name=f"the attributes of {cls.name}")
        case "__doc__":
            return known(None)
        case _:
            pass
    metaclass = in_class(cls, METACLASS)
    if isinstance(metaclass, Class):
        found = in_class(metaclass, name)
        if isinstance(found, Descriptor) and found.kind is DescriptorKind.PROPERTY:
            return run.call(found.function, (cls,), {}, run.place)
        if found is not None:
            return bind(found, cls) if isinstance(found, Function) else found
    for base in linearize(cls):
        if isinstance(base, Opaque):
            return derived(f"{base.name}.{name}", base)
        if isinstance(base, Native):
            made = native_attribute(run, base, name)
            if made is not None:
                return made
    return None


def native_attribute(run: "Interpreter", native: Native, name: str) -> Value | None:
    """Return an attribute of a modelled function or class; None where it lacks it."""
    if name in run.patched.get(native.name, {}):
        replaced: Value = run.patched[native.name][name]
        return replaced
    if name in native.members:
        return native.members[name]
    if name in {"__name__", "__qualname__"}:
        return known(native.name.rpartition(".")[2])
    if native.attribute is not None or native.plain is not None:
        if _special(name) and name not in native.specials and native.plain is None:
            return None
        if native.plain is not None and not hasattr(native.plain, name):
            return None
        return unbound(native, name)
    if _special(name):
        return None
    missing = Missing(Reason.LIBRARY, f"what {native.name}.{name} is")
    return Opaque((missing,), f"{native.name}.{name}", harmless=True)


def unbound(native: Native, name: str) -> Value:
    """Return a method of a modelled class, to be called with the object first."""

    def model(call: Call) -> Value:
        first = call.arguments[0] if call.arguments else None
        if first is None or (native.plain is None and not isinstance(first, Instance)):
            # A class method that no model knows, or a method of nothing.
            return call.run.unseen(f"what {native.name}.{name}() does", call.location)
        first = call.arguments[0]
        method = None
        if isinstance(first, Instance) and native.attribute is not None:
            # The class's own, whatever the object or the program has put in its place since.
            method = native.attribute(call.run, first, name)
        method = method or call.run.attribute(first, name, call.location)
        return call.run.call(method, call.arguments[1:], call.keywords, call.location, call.open)

    return Native(f"{native.name}.{name}", model)


_OF_PARENT = frozenset(
    {"__init__", "__new__", "__getattr__", "__setattr__", "__getitem__", "__setitem__", "__call__",
     "__enter__", "__exit__", "__repr__", "__init_subclass__", "__post_init__", "__contains__",
     "__len__", "__str__", "__iter__", "__missing__", "__delitem__", "__eq__"}
)  # fmt: skip


def parent(owner: Class, first: Value | None) -> Value:
    """Return what `super()` gives in a method of a class: the classes after it, on the object."""
    match first:
        case Instance(type=Class() as cls) | (Class() as cls):
            line = linearize(cls)
        case _:
            missing = Missing(Reason.SOURCE, "what super() is here")
            return Opaque((missing,), "super()")
    after = line[line.index(owner) + 1 :] if owner in line else linearize(owner)[1:]
    view = Native(
        "super",
        attribute=lambda run, _view, name: _of_parent(run, first, after, name),
        specials=_OF_PARENT,
    )
    return Instance(None, view)


def _of_parent(  # noqa: PLR0911  (one way out for each kind of base)
    run: "Interpreter", first: Value, after: Sequence[Value], name: str
) -> Value | None:
    if not isinstance(first, Instance):
        if name == "__new__":
            return Native("object.__new__", _new)
        for base in after:
            if isinstance(base, Class) and name in base.slots:
                found: Value = base.slots[name]
                return bind(found.function if isinstance(found, Descriptor) else found, first)
        return Native(f"super.{name}", lambda _call: known(None))
    for base in after:
        match base:
            case Class(slots=slots) if name in slots:
                found = slots[name]
                if isinstance(found, Descriptor) and found.kind is DescriptorKind.PROPERTY:
                    return run.call(found.function, (first,), {}, run.place)
                return _handed(run, found, first, name)
            case Native() if name == "__init__":
                return Native(f"{base.name}.__init__", _constructor(base, first))
            case Native(members=members) if name in members:
                return _handed(run, members[name], first, name)
            case Native():
                made = _of_native(run, first, name)
                if made is not None:
                    return made
            case Opaque(missing=missing, harmless=harmless):
                return Opaque(missing, f"super().{name}", harmless=harmless, parts=(first,))
            case _:
                pass
    if name == "__setattr__":
        return Native("object.__setattr__", lambda call: _set_plainly(call, first))
    return _of_every_object(first, name)


def makes_classes(cls: Class) -> bool:
    """Say whether a class is a metaclass."""
    return any(isinstance(base, Native) and base.plain is type for base in linearize(cls))


def _new_class(call: Call) -> Value:
    """type.__new__(metaclass, name, bases, namespace)."""
    metaclass, name, bases, namespace = call.arguments[:4]
    if not (isinstance(name, Known) and isinstance(bases, Items) and isinstance(namespace, Mapped)):
        return call.run.unseen("which class is made", call.location)
    made = call.run.memory.get(("class", id(namespace.slots)))
    if not isinstance(made, Class):
        made = Class(str(name.value), bases.items, dict(namespace.slots), call.location)
        for value in made.slots.values():
            if isinstance(value, Function):
                value.owner = made
    made.slots[METACLASS] = metaclass
    return made


# Where a class keeps its metaclass, where that is one of the program's.
METACLASS = "<metaclass>"
_OF_TYPE = 4


def _new(call: Call) -> Value:
    cls = call.arguments[0] if call.arguments else None
    if isinstance(cls, Class) and makes_classes(cls) and len(call.arguments) >= _OF_TYPE:
        return _new_class(call)
    return empty(cls) if isinstance(cls, Class) else call.run.unseen("what is made", call.location)


def _set_plainly(call: Call, instance: Instance) -> Value:
    if len(call.arguments) > 1 and isinstance(call.arguments[0], Known):
        call.run.store(instance.slots, call.arguments[0].value, call.arguments[1])
        return known(None)
    return call.run.unseen("which attribute is set", call.location)


def _constructor(native: Native, instance: Instance) -> Callable[[Call], Value]:
    def model(call: Call) -> Value:
        if native.construct is not None:
            native.construct(call, instance)
        return known(None)

    return model


def empty(cls: Class) -> Instance:
    """Return an object of a class before anything is in it."""
    native = next((base for base in linearize(cls) if isinstance(base, Native)), None)
    return Instance(cls, native)


def _prepared(call: Call, cls: Class) -> Instance:
    """Return a new object; one of a subclass of a built-in class holds what that would."""
    instance = empty(cls)
    native = instance.native
    if native is not None and native.call is not None and native.plain in _HOLDING:
        given = call if native.plain in _IMMUTABLE else Call(call.run, call.location, (), {})
        instance.slots[HELD] = native.call(given)
    return instance


_IMMUTABLE = frozenset({str, int, float, bytes, tuple, frozenset})
_HOLDING = _IMMUTABLE | {list, dict, set}


def instantiate(
    run: "Interpreter",
    cls: Class,
    arguments: Sequence[Value],
    keywords: Mapping[str, Value],
    location: Location,
    rest: Opaque | None,
) -> Value:
    """Make an object of a class of the program: `__new__`, then `__init__`."""
    line = linearize(cls)
    call = Call(run, location, tuple(arguments), keywords, rest)
    for base in line:
        if isinstance(base, Native) and base.called is not None:
            return base.called(call, cls)
    hidden = next((base for base in line if isinstance(base, Opaque)), None)
    if hidden is not None and not hidden.harmless:
        run.unseen(f"what the base class of {cls.name} does", location)
    maker = in_class(cls, "__new__")
    instance: Value = _prepared(call, cls)
    if isinstance(maker, Function | Descriptor):
        function = maker.function if isinstance(maker, Descriptor) else maker
        instance = run.call(function, (cls, *arguments), keywords, location, rest)
        if not (isinstance(instance, Instance) and instance.type is not None):
            return instance
    if isinstance(instance, Instance):
        _initialize(call, line, instance)
    if hidden is not None:
        return Opaque(hidden.missing, cls.name, harmless=hidden.harmless, parts=(instance,))
    return instance


def _initialize(call: Call, line: Sequence[Value], instance: Instance) -> None:
    for base in line:
        match base:
            case Class(slots={"__init__": method}):
                given = (instance, *call.arguments)
                call.run.call(method, given, call.keywords, call.location, call.open)
                return
            case Native(construct=construct) if construct is not None:
                construct(call, instance)
                return
            case _:
                pass


def special(run: "Interpreter", value: Value, name: str) -> Value | None:
    """Return a special method of an object, looked up in its class; None where it has none."""
    if not isinstance(value, Instance):
        return None
    if value.type is not None:
        found = in_class(value.type, name)
        if found is not None and not _of_model(value, found):
            return _handed(run, found, value, name)
    native = value.native
    if native is not None and native.attribute is not None and name in native.specials:
        return native.attribute(run, value, name)
    return None


def answer_of(run: "Interpreter", value: Value) -> Answer:
    """Return bool(value), asking `__bool__` and `__len__` of the program's own objects."""
    from deployguard.python.values import truth  # noqa: PLC0415  (one name of many)

    for name in ("__bool__", "__len__"):
        method = special(run, value, name)
        if method is not None:
            return truth(run.call(method, (), {}, run.place))
    return truth(value)


def _assigned_by_class(
    run: "Interpreter",
    value: Instance,
    cls: Class,
    name: str,
    new: Value,
    location: Location,
) -> bool:
    """Set an attribute as the class of the object says; say whether it says anything."""
    setter = in_class(cls, "__setattr__")
    if isinstance(setter, Function):
        run.call(setter, (value, known(name), new), {}, location)
        return True
    found = in_class(cls, name)
    if isinstance(found, Descriptor) and found.kind is DescriptorKind.PROPERTY:
        _assign_property(run, value, name, found, new, location)
        return True
    method = special(run, found, "__set__") if isinstance(found, Instance) else None
    if method is not None:
        run.call(method, (value, new), {}, location)
    return method is not None


def assign(run: "Interpreter", value: Value, name: str, new: Value, location: Location) -> None:
    """Set an attribute of an object, class or module."""
    cls = value.type if isinstance(value, Instance) else None
    if isinstance(value, Instance) and cls is not None:
        done = _assigned_by_class(run, value, cls, name, new, location)
        if done:
            return
    match value:
        case Instance(native=Native(assign=hook)) if hook is not None and hook(
            run, value, name, new
        ):
            return
        case Instance() | Class() | Module():
            run.store(value.slots, name, new)
        case Opaque(harmless=False):
            run.unseen(f"what setting {value.name}.{name} does", location)
        case Opaque(parts=parts):
            for part in parts:
                if isinstance(part, Instance):
                    run.store(part.slots, name, derived(name, value, new))
        case Mapped(methods=methods) if methods is not None:
            special_method = methods(value, "__setattr__")
            if special_method is not None:
                run.call(special_method, (known(name), new), {}, location)
        case Known() | Items() | Mapped():
            note = Evidence(location, f"no attribute {name} can be set")
            raise RaiseSignal("AttributeError", note)
        case Native() if value.construct is not None:
            run.store(run.patched.setdefault(value.name, {}), name, new)
        case Native() if value.call is not None:
            run.unseen(f"what setting {value.name}.{name} does", location)
        case Function() | Bound() | Coroutine() | Native() | Descriptor():
            return


def _assign_property(
    run: "Interpreter",
    value: Instance,
    name: str,
    found: Descriptor,
    new: Value,
    location: Location,
) -> None:
    if found.setter is None:
        raise RaiseSignal("AttributeError", Evidence(location, f"{name} has no setter"))
    run.call(found.setter, (value, new), {}, location)
