"""The values of the evaluator: known ones, containers of values, objects, and opaque ones."""

import ast
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from msgspec import Struct, field

from deployguard.model.evidence import Answer, Evidence, Location, Missing, distinct

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# The name of what a slot holds after branches of which one happens.
CONDITIONAL = "a value that depends on a condition"
# A chain longer than this tells a reader no more.
_TRAIL = 12


class Known(Struct, frozen=True):
    """A constant (text, bytes, number, bool, None, Ellipsis) or a path, with its origin."""

    value: Any
    trail: tuple[Evidence, ...] = ()


class Opaque(Struct, frozen=True, eq=False):
    """A value that cannot be told.

    `missing` names what would tell it. `harmless` marks what comes from a library that is known to
    start no server: calling it starts nothing but the functions handed to it. `parts` are values
    that it may hold, such as the application a middleware wraps.
    """

    missing: tuple[Missing, ...]
    name: str
    harmless: bool = False
    parts: tuple["Value", ...] = ()
    trail: tuple[Evidence, ...] = ()


class Items(Struct, eq=False):
    """A list, tuple, set or iterator of values; `slots["items"]` holds them as a tuple."""

    slots: dict[Any, Any]
    kind: type = list

    @property
    def items(self) -> tuple["Value", ...]:
        """Return the values in order."""
        items: tuple[Value, ...] = self.slots["items"]
        return items


class Mapped(Struct, eq=False):
    """A dictionary with known keys; with `rest` there may be others, of unknown values."""

    slots: dict[Any, "Value"]
    rest: Opaque | None = None
    name: str = "a dictionary"
    # Methods of a library's own kind of dictionary, asked before those of dict.
    methods: "Callable[[Mapped, str], Value | None] | None" = None
    # What makes the value of a key that is not there (collections.defaultdict).
    factory: "Value | None" = None


class Function(Struct, eq=False):
    """A function of the program, with the scopes it closes over."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scopes: tuple[dict[Any, Any], ...]
    module: "Module"
    defaults: tuple["Value", ...] = ()
    keyword_defaults: Mapping[str, "Value"] = field(default_factory=dict)
    owner: "Class | None" = None


class Class(Struct, eq=False):
    """A class of the program; bases that are not its own are natives or opaque."""

    name: str
    bases: tuple["Value", ...]
    slots: dict[Any, Any]
    location: Location
    # Of its body: what names are annotated with, and where such an expression is evaluated.
    annotations: dict[str, ast.expr] = field(default_factory=dict)
    scopes: tuple[dict[Any, Any], ...] = ()
    module: "Module | None" = None
    # What stands beside the bases, for the metaclass or `__init_subclass__`.
    keywords: Mapping[str, "Value"] = field(default_factory=dict)


class Instance(Struct, eq=False):
    """An object: of a class of the program, of a modelled class of a library, or of both."""

    type: "Class | None"
    native: "Native | None"
    slots: dict[Any, Any] = field(default_factory=dict)


class Bound(Struct, eq=False):
    """A function of the program bound to an object."""

    function: Function
    instance: "Value"


class DescriptorKind(StrEnum):
    """How an attribute of a class is handed to who asks for it (Python's descriptor guide)."""

    PROPERTY = "property"
    CACHED = "cached_property"
    CLASS_METHOD = "classmethod"
    STATIC_METHOD = "staticmethod"


class Descriptor(Struct, frozen=True, eq=False):
    """A property, class method or static method in a class."""

    kind: DescriptorKind
    function: "Value"
    setter: "Value | None" = None


class Coroutine(Struct, eq=False):
    """A call of an async function or generator that nobody has run yet.

    Once a generator was asked for a single value, `slots["left"]` holds those that are left.
    """

    function: Function
    arguments: tuple["Value", ...]
    keywords: Mapping[str, "Value"]
    rest: Opaque | None = None
    generates: bool = False
    slots: dict[Any, Any] = field(default_factory=dict)


class Module(Struct, eq=False):
    """An imported module: evaluated from its source, or a model of a library."""

    name: str
    slots: dict[Any, Any]
    rest: Opaque | None = None


class Call(Struct, frozen=True):
    """A call of a modelled function: positional and keyword arguments, and the place.

    `open` says that there may be further arguments, of a `*args` or `**kwargs` that is opaque.
    """

    run: "Interpreter"
    location: Location
    arguments: tuple["Value", ...]
    keywords: Mapping[str, "Value"]
    open: Opaque | None = None

    def argument(self, position: int | None, name: str) -> "Value | None":
        """Return an argument by position or name, None where it is not given."""
        if name in self.keywords:
            return self.keywords[name]
        if position is not None and position < len(self.arguments):
            return self.arguments[position]
        return self.open


# What a library function does: the value of a call; effects go to `call.run`.
Model: TypeAlias = Callable[[Call], "Value"]


class Native(Struct, frozen=True, eq=False):
    """A modelled function or class of a library.

    A class has `construct`, which fills the slots of a new instance; `attribute` gives attributes
    that are not slots (None: opaque), `assign` sees assignments before the slot is written. Of the
    special methods (`__getitem__`), `attribute` is asked only for those in `specials`. `members`
    are attributes of the function or class itself, `plain` the class of Python it stands for. With
    `binds` it is a method where it is found in a class, with `scoped` it asks for the names in
    scope where it is called (`locals`). `created` is told of classes of the program that are made
    of it, `called` makes their objects, as metaclasses do. `handed` is told of objects that a
    library without a model is handed.
    """

    name: str
    call: Model | None = None
    construct: Callable[[Call, Instance], None] | None = None
    attribute: Callable[["Interpreter", Instance, str], "Value | None"] | None = None
    assign: Callable[["Interpreter", Instance, str, "Value"], bool] | None = None
    specials: frozenset[str] = frozenset()
    members: Mapping[str, "Value"] = field(default_factory=dict)
    plain: type | None = None
    binds: bool = False
    scoped: bool = False
    created: Callable[["Interpreter", Class, Location], None] | None = None
    called: Callable[[Call, Class], "Value"] | None = None
    handed: Callable[[Instance], None] | None = None


Value: TypeAlias = (
    Known
    | Opaque
    | Items
    | Mapped
    | Function
    | Class
    | Instance
    | Bound
    | Descriptor
    | Coroutine
    | Module
    | Native
)


class Library(Protocol):
    """The models of known libraries."""

    def module(self, run: "Interpreter", name: str) -> Module | None:
        """Return the model of a module, None where the library does not know it."""


class _Unset:
    """The type of the marker for a slot that holds nothing."""


UNSET = _Unset()

# An instance of a modelled class that stands for a function of the program keeps it here, so that
# functools.wraps carries over what the class knows of it.
FUNCTION = "<function>"


def known(value: Any, *trail: Evidence) -> Known:  # noqa: ANN401  (any constant)
    """Return a constant with its origin."""
    return Known(value, trail[-_TRAIL:])


def trail_of(*values: "Value") -> tuple[Evidence, ...]:
    """Return the origins of several values, each step once."""
    steps = dict.fromkeys(
        step for value in values if isinstance(value, Known | Opaque) for step in value.trail
    )
    return tuple(steps)[-_TRAIL:]


def derived(name: str, *values: "Value") -> Opaque:
    """Return an opaque value made of others: as harmless as they are, for want of the same."""
    opaque = [value for value in values if isinstance(value, Opaque)]
    missing = distinct(entry for value in opaque for entry in value.missing)
    return Opaque(
        missing,
        name,
        harmless=all(value.harmless for value in opaque),
        parts=tuple(value for value in values if holds_objects(value)),
        trail=trail_of(*values),
    )


def laid_over(under: Mapped, over: "Value") -> Mapped:
    """Return what a dictionary is with another laid over it; what that may hold hides what it has.

    Anything but a dictionary is taken for one of which nothing is known.
    """
    rest = over.rest if isinstance(over, Mapped) else derived("a dictionary", over)
    slots = dict(under.slots)
    if rest is not None:
        slots = {key: join(entry, UNSET, rest.missing) for key, entry in slots.items()}
    if isinstance(over, Mapped):
        slots.update(over.slots)
    if under.rest is not None and rest is not None:
        rest = derived(under.name, under.rest, rest)
    return Mapped(slots, rest or under.rest)


def after_first(values: "tuple[Value, ...]") -> "tuple[Value, ...]":
    """Return `values[1:]`, as of sys.argv; nobody knows how many one called "items" stands for."""
    first = values[0] if values else None
    return values if isinstance(first, Opaque) and first.name == "items" else values[1:]


def holds_objects(value: "Value") -> bool:
    """Say whether a value is or may hold an object that a server could serve."""
    match value:
        case Instance():
            return True
        case Opaque(parts=parts):
            return bool(parts)
        case _:
            return False


def visible(key: object) -> bool:
    """Say whether a key is one of the program's, and not one of ours."""
    return not (isinstance(key, str) and key.startswith("<") and key.endswith(">"))


def join(one: Any, other: Any, missing: tuple[Missing, ...]) -> Any:  # noqa: ANN401
    """Return what a slot holds after either of two branches: the same value, or an opaque one."""
    if one is other:
        return one
    if isinstance(one, Known) and isinstance(other, Known) and _identical(one, other):
        return one
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(join(left, right, missing) for left, right in zip(one, other, strict=True))
    values = [value for value in (one, other) if value is not UNSET]
    if any(isinstance(value, tuple) for value in values):
        return (Opaque(missing, "items", parts=()),)
    return Opaque(
        distinct((*missing, *(m for v in values if isinstance(v, Opaque) for m in v.missing))),
        CONDITIONAL,
        harmless=all(not isinstance(v, Opaque) or v.harmless for v in values),
        parts=tuple(value for value in values if not isinstance(value, Known)),
        trail=trail_of(*values),
    )


def _identical(one: Known, other: Known) -> bool:
    return type(one.value) is type(other.value) and bool(one.value == other.value)


def truth(value: Value) -> Answer:
    """Return bool(value), where it can be told."""
    match value:
        case Known(value=constant):
            return Answer.YES if constant else Answer.NO
        case Items():
            if any(isinstance(item, Opaque) and item.name == "items" for item in value.items):
                return Answer.UNKNOWN
            return Answer.YES if value.items or value.kind is GeneratorType else Answer.NO
        case Mapped(slots=slots, rest=rest):
            if not slots and rest is not None:
                return Answer.UNKNOWN
            return Answer.YES if slots else Answer.NO
        case Instance(slots={"<held>": held}) if not isinstance(held, Instance):
            return truth(held)
        case Instance(type=Class() as cls) if _has_truth(cls):
            return Answer.UNKNOWN
        case Opaque():
            return Answer.UNKNOWN
        case _:
            return Answer.YES


def _has_truth(cls: Class) -> bool:
    """Say whether a class decides itself about the truth of its objects, or may do so."""
    return any(
        isinstance(base, Opaque)
        or (isinstance(base, Class) and ("__bool__" in base.slots or "__len__" in base.slots))
        for base in linearize(cls)
    )


def linearize(cls: Class) -> tuple[Value, ...]:
    """Return a class and its bases in the order of lookup (C3; where there is none, by depth)."""
    lines = [list(linearize(base)) if isinstance(base, Class) else [base] for base in cls.bases]
    pending = [*lines, list(cls.bases)]
    line: list[Value] = [cls]
    while pending := [one for one in pending if one]:
        heads = [one[0] for one in pending]
        free = [head for head in heads if not any(head in one[1:] for one in pending)]
        chosen = free[0] if free else heads[0]
        line.append(chosen)
        pending = [[entry for entry in one if entry is not chosen] for one in pending]
    return tuple(line)


def missing_of(value: Value) -> tuple[Missing, ...]:
    """Return what would settle a value, nothing where it is settled.

    Lists may hold one another any number of times: each is looked at once.
    """
    found: list[Missing] = []
    pending, seen = [value], set[int]()
    while pending:
        entry = pending.pop()
        if id(entry) in seen:
            continue
        seen.add(id(entry))
        match entry:
            case Opaque(missing=missing):
                found.extend(missing)
            case Mapped(rest=Opaque(missing=missing)):
                found.extend(missing)
            case Items():
                pending.extend(reversed(entry.items))
            case Instance(slots={"<held>": held}):
                pending.append(held)
            case _:
                pass
    return distinct(found)
