"""Iteration: lists, texts, generators of the program, and objects with `__iter__`."""

from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python import objects
from deployguard.python.concrete import unknown
from deployguard.python.signals import (
    BreakSignal,
    ContinueSignal,
    EnoughSignal,
    PassSignal,
    RaiseSignal,
    ReturnSignal,
    Signal,
)
from deployguard.python.values import (
    Class,
    Coroutine,
    Instance,
    Items,
    Known,
    Mapped,
    Opaque,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Of a generator or iterator no more values are taken than this.
_ROUNDS = 500


def elements(value: Value | None) -> tuple[Value, ...] | None:
    """Return the values that iteration gives, None where they cannot be told without running."""
    match value:
        case Items():
            if any(isinstance(item, Opaque) and item.name == "items" for item in value.items):
                return None
            return value.items
        case Mapped(slots=slots, rest=None):
            return tuple(known(key) for key in slots if key != "<root>")
        case Known(value=str() | bytes() as text):
            return tuple(Known(item, value.trail) for item in text)
        case Instance(slots={"<held>": held}, type=None):
            return elements(held)
        case Class(slots={"<members>": members}):
            return elements(members)
        case _:
            return None


def each(
    run: "Interpreter", value: Value, location: Location, action: Callable[[Value], None]
) -> Opaque | None:
    """Hand every value of an iteration to an action as it comes.

    Returns None where these were all, else what stands for those that cannot be told.
    """
    if isinstance(value, Coroutine) and value.generates:
        return _generated(run, value, location, action)
    if isinstance(value, Items) and value.kind is GeneratorType:
        return _used_up(run, value, action)
    listed = elements(value) if not _own(value) else None
    if listed is not None:
        for entry in listed:
            action(entry)
        return None
    method = objects.special(run, value, "__iter__")
    if method is not None:
        made = run.call(method, (), {}, location)
        if made is value or not _iterable(made):
            return _called(run, made, location, action)
        return each(run, made, location, action)
    if isinstance(value, Instance) and objects.HELD in value.slots:
        return each(run, value.slots[objects.HELD], location, action)
    if isinstance(value, Items):
        for entry in value.items:
            if not (isinstance(entry, Opaque) and entry.name == "items"):
                action(entry)
        return derived("items", *value.items)
    if isinstance(value, Known) and not isinstance(value.value, str | bytes):
        raise RaiseSignal("TypeError", Evidence(location, "this cannot be iterated over"))
    run.doubts += 1
    made_of = derived("items", value)
    return made_of if made_of.missing else unknown("items")


def _own(value: Value) -> bool:
    return isinstance(value, Instance) and value.type is not None


def _iterable(value: Value) -> bool:
    match value:
        case Items() | Mapped() | Coroutine() | Opaque():
            return True
        case Instance():
            return objects.HELD in value.slots
        case Known(value=str() | bytes()):
            return True
        case _:
            return False


def _used_up(run: "Interpreter", value: Items, action: Callable[[Value], None]) -> Opaque | None:
    items = value.items
    run.store(value.slots, "items", ())
    for entry in items:
        if isinstance(entry, Opaque) and entry.name == "items":
            return entry
        action(entry)
    return None


def _called(
    run: "Interpreter", value: Value, location: Location, action: Callable[[Value], None]
) -> Opaque | None:
    """Ask an iterator of the program for its values (`__next__`)."""
    for _ in range(_ROUNDS):
        method = objects.special(run, value, "__next__")
        if method is None:
            return unknown("items")
        try:
            entry = run.call(method, (), {}, location)
        except RaiseSignal as signal:
            if signal.name == "StopIteration":
                return None
            raise
        action(entry)
    return Opaque((Missing(Reason.LIMIT, "how long an iterator goes on"),), "items")


def _generated(
    run: "Interpreter",
    value: Coroutine,
    location: Location,
    action: Callable[[Value], None],
) -> Opaque | None:
    left = value.slots.get("left")
    if isinstance(left, Items):
        return _used_up(run, left, action)
    taken = 0

    def on_yield(entry: Value) -> Value:
        nonlocal taken
        taken += 1
        if taken > _ROUNDS:
            raise EnoughSignal
        try:
            action(entry)
        except (BreakSignal, ContinueSignal, ReturnSignal) as signal:
            raise PassSignal(signal) from None
        return known(None)

    run.store(value.slots, "left", Items({"items": ()}, GeneratorType))
    try:
        run.activate(value, location, on_yield)
    except PassSignal as signal:
        raise signal.inner from None
    except EnoughSignal:
        return Opaque((Missing(Reason.LIMIT, "how long a generator goes on"),), "items")
    return None


def collected(run: "Interpreter", value: Value, location: Location) -> tuple[Value, ...]:
    """Return the values of an iteration; one called "items" stands for those not told."""
    found: list[Value] = []

    def action(entry: Value) -> None:
        run.step()
        found.append(entry)

    hidden = each(run, value, location, action)
    return (*found, hidden) if hidden is not None else tuple(found)


def following(run: "Interpreter", value: Value, location: Location) -> Value | None:
    """Return next(value), None at its end; what is left stays for the next time."""
    match value:
        case Coroutine(generates=True):
            if "left" not in value.slots:
                items = collected(run, value, location)
                run.store(value.slots, "left", Items({"items": items}, GeneratorType))
            return following(run, value.slots["left"], location)
        case Items():
            if not value.items:
                return None
            first, *left = value.items
            if isinstance(first, Opaque) and first.name == "items":
                return derived("an item", first)
            run.store(value.slots, "items", tuple(left))
            return first
        case Instance():
            method = objects.special(run, value, "__next__")
            if method is None:
                return unknown("the next value")
            try:
                return run.call(method, (), {}, location)
            except RaiseSignal as signal:
                if signal.name == "StopIteration":
                    return None
                raise
        case _:
            run.doubts += 1
            return derived("an item", value) if isinstance(value, Opaque) else unknown("an item")


def iterator(run: "Interpreter", value: Value, location: Location) -> Value:
    """Return iter(value)."""
    match value:
        case Coroutine() | Opaque():
            return value
        case Items(kind=kind) if kind is GeneratorType:
            return value
        case Instance() if objects.special(run, value, "__next__") is not None:
            return value
        case _:
            return Items({"items": collected(run, value, location)}, GeneratorType)


def entered(
    run: "Interpreter",
    manager: Value,
    location: Location,
    body: Callable[[Value], None],
    *,
    waits: bool,
) -> bool:
    """Run the body of a `with` under a manager; say whether the manager is one that is known.

    `waits` says that it is an `async with`.
    What leaves the body passes through the manager, which may keep an exception to itself.
    """
    match manager:
        case Instance(slots={"<generator>": Coroutine() as generator}):
            _through(run, generator, location, body)
            return True
        case Instance():
            names = ("__aenter__", "__aexit__") if waits else ("__enter__", "__exit__")
            enter, leave = (objects.special(run, manager, name) for name in names)
            if enter is None:
                return False
            _enter_and_exit(run, (enter, leave), location, body)
            return True
        case _:
            return False


def _through(
    run: "Interpreter", generator: Coroutine, location: Location, body: Callable[[Value], None]
) -> None:
    """contextlib.contextmanager: the body runs where the generator yields."""

    def on_yield(entry: Value) -> Value:
        try:
            body(entry)
        except RaiseSignal:
            raise
        except Signal as signal:
            raise PassSignal(signal) from None
        return known(None)

    try:
        run.activate(generator, location, on_yield)
    except PassSignal as signal:
        raise signal.inner from None


def _enter_and_exit(
    run: "Interpreter",
    methods: tuple[Value, Value | None],
    location: Location,
    body: Callable[[Value], None],
) -> None:
    enter, leave = methods
    value = run.await_value(run.call(enter, (), {}, location), location)
    nothing = (known(None), known(None), known(None))
    try:
        body(value)
    except RaiseSignal as signal:
        error = signal.value or unknown("an exception")
        given = (run.exception_class(signal), error, known(None))
        kept: Value = known(None)
        if leave is not None:
            kept = run.await_value(run.call(leave, given, {}, location), location)
        _perhaps_kept(run, kept, signal)
    except Signal:
        if leave is not None:
            run.await_value(run.call(leave, nothing, {}, location), location)
        raise
    else:
        if leave is not None:
            run.await_value(run.call(leave, nothing, {}, location), location)


def _perhaps_kept(run: "Interpreter", kept: Value, signal: RaiseSignal) -> None:
    from deployguard.python.values import Module, missing_of, truth  # noqa: PLC0415

    answer = truth(kept)
    if answer == "no":
        raise signal
    if answer == "unknown":
        from deployguard.python.interpreter import Frame  # noqa: PLC0415  (mutual recursion)

        def again() -> None:
            raise signal

        frame = Frame((), run.current or Module("?", {}))
        run.branch(frame, missing_of(kept), (again, lambda: None))
