"""Types of fields as pydantic reads them from annotations, and how it makes values of texts."""

import ast
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath

from msgspec import Struct

from deployguard.flask.libraries.reading import words
from deployguard.model.evidence import Missing, Reason
from deployguard.python import (
    Call,
    Class,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import lift
from deployguard.python.expressions import evaluate
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived


class Kind(StrEnum):
    """What a type is to pydantic."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STR = "str"
    BYTES = "bytes"
    NONE = "None"
    ANY = "Any"
    PATH = "Path"
    SECRET = "SecretStr"  # noqa: S105  (the name of a class)
    LITERAL = "Literal"
    UNION = "Union"
    LIST = "list"
    DICT = "dict"
    CLASS = "class"
    CLASS_VARIABLE = "ClassVar"
    OTHER = "other"


class Type(Struct, frozen=True):
    """A type: its kind, the types or constants in its brackets, its class, what Annotated adds."""

    kind: Kind
    inner: tuple["Type", ...] = ()
    constants: tuple[object, ...] = ()
    cls: Class | None = None
    metadata: tuple[Value, ...] = ()


_NAMES = {
    "bool": Kind.BOOL,
    "int": Kind.INT,
    "float": Kind.FLOAT,
    "str": Kind.STR,
    "bytes": Kind.BYTES,
    "list": Kind.LIST,
    "List": Kind.LIST,
    "tuple": Kind.LIST,
    "Tuple": Kind.LIST,
    "set": Kind.LIST,
    "Set": Kind.LIST,
    "frozenset": Kind.LIST,
    "Sequence": Kind.LIST,
    "dict": Kind.DICT,
    "Dict": Kind.DICT,
    "Mapping": Kind.DICT,
    "Any": Kind.ANY,
    "object": Kind.ANY,
    "Path": Kind.PATH,
    "FilePath": Kind.OTHER,
    "SecretStr": Kind.SECRET,
    "Literal": Kind.LITERAL,
    "Union": Kind.UNION,
    "Optional": Kind.UNION,
    "ClassVar": Kind.CLASS_VARIABLE,
}
_NONE = Type(Kind.NONE)
_OTHER = Type(Kind.OTHER)
_DEEPEST = 12


def type_of(run: Interpreter, node: ast.expr, frame: Frame, depth: int = 0) -> Type:
    """Return the type that an annotation stands for."""
    if depth > _DEEPEST:
        return _OTHER
    match node:
        case ast.Constant(value=None):
            return _NONE
        case ast.Constant(value=str() as text):
            try:
                inner = ast.parse(text, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return _OTHER
            return type_of(run, inner, frame, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = tuple(type_of(run, side, frame, depth + 1) for side in (left, right))
            return _union(sides)
        case ast.Subscript(value=base, slice=index):
            return _generic(run, base, index, frame, depth)
        case ast.Name() | ast.Attribute():
            return _named(run, node, frame)
        case _:
            return _OTHER


def _union(sides: Sequence[Type]) -> Type:
    flat: list[Type] = []
    for side in sides:
        flat.extend(side.inner if side.kind is Kind.UNION else (side,))
    return Type(Kind.UNION, tuple(flat))


def _generic(run: Interpreter, base: ast.expr, index: ast.expr, frame: Frame, depth: int) -> Type:
    name = _last_name(base)
    parts = tuple(index.elts) if isinstance(index, ast.Tuple) else (index,)
    if name == "Annotated":
        inner = type_of(run, parts[0], frame, depth + 1)
        metadata = tuple(evaluate(run, part, frame) for part in parts[1:])
        return Type(inner.kind, inner.inner, inner.constants, inner.cls, metadata)
    kind = _NAMES.get(name, Kind.OTHER)
    if kind is Kind.LITERAL:
        constants = tuple(part.value for part in parts if isinstance(part, ast.Constant))
        return Type(kind, constants=constants) if len(constants) == len(parts) else _OTHER
    inner_types = tuple(type_of(run, part, frame, depth + 1) for part in parts)
    if kind is Kind.UNION:
        return _union((*inner_types, _NONE) if name == "Optional" else inner_types)
    return Type(kind, inner_types)


def _last_name(node: ast.expr) -> str:
    return (
        node.id
        if isinstance(node, ast.Name)
        else node.attr
        if isinstance(node, ast.Attribute)
        else ""
    )


def _named(run: Interpreter, node: ast.Name | ast.Attribute, frame: Frame) -> Type:
    name = _last_name(node)
    try:
        value = evaluate(run, node, frame)
    except RaiseSignal:
        return Type(_NAMES.get(name, Kind.OTHER))
    if isinstance(value, Class):
        return Type(Kind.CLASS, cls=value)
    if isinstance(value, Native | Opaque):
        last = value.name.rpartition(".")[2]
        return Type(_NAMES.get(last, _NAMES.get(name, Kind.OTHER)))
    return _OTHER


def is_complex(kind: Type) -> bool:
    """Say whether a variable's text is read as JSON for a field of this type."""
    if kind.kind is Kind.UNION:
        return any(is_complex(inner) for inner in kind.inner)
    return kind.kind in {Kind.LIST, Kind.DICT, Kind.CLASS} and not (
        kind.kind is Kind.CLASS and not is_model(kind.cls)
    )


def is_model(cls: Class | None) -> bool:
    """Say whether a class of the program is a model of pydantic."""
    pending: list[Value] = [cls] if cls is not None else []
    while pending:
        base = pending.pop()
        if isinstance(base, Native) and base.name in MODEL_NAMES:
            return True
        if isinstance(base, Class):
            pending.extend(base.bases)
    return False


MODEL_NAMES = frozenset(
    {"pydantic.BaseModel", "pydantic.BaseSettings", "pydantic_settings.BaseSettings"}
)

_BOOLEAN = words(
    frozenset({"1", "on", "t", "true", "y", "yes"}),
    frozenset({"0", "off", "f", "false", "n", "no"}),
    str.lower,
)


class InvalidValue(Exception):  # noqa: N818  (becomes the ValidationError of the program)
    """A value that a type does not take."""


def coerced(call: Call, value: Value, kind: Type, *, old: bool) -> Value:
    """Return what validation makes of a value; raises InvalidValue. `old` is pydantic 1."""
    if isinstance(value, Opaque):
        return value if kind.kind in {Kind.ANY, Kind.STR} else derived("a setting", value)
    match kind.kind:
        case Kind.ANY | Kind.CLASS_VARIABLE:
            return value
        case Kind.NONE:
            if isinstance(value, Known) and value.value is None:
                return value
            raise InvalidValue
        case Kind.UNION:
            return _of_union(call, value, kind, old=old)
        case Kind.CLASS:
            return _of_class(call, value, kind.cls)
        case Kind.LIST:
            return _of_list(call, value, kind, old=old)
        case Kind.DICT:
            if isinstance(value, Mapped):
                return value
            raise InvalidValue
        case Kind.OTHER:
            return _unknown("a field of a type that is not followed", value)
        case _:
            if not isinstance(value, Known):
                return _unknown("a field", value)
            return _of_constant(value, kind, old=old)


def _unknown(what: str, value: Value) -> Opaque:
    trail = value.trail if isinstance(value, Known) else ()
    return Opaque((Missing(Reason.PROGRAM, what),), what, harmless=True, trail=trail)


def _of_constant(value: Known, kind: Type, *, old: bool) -> Value:
    raw, trail = value.value, value.trail
    match kind.kind:
        case Kind.BOOL:
            return known(_boolean(raw), *trail)
        case Kind.INT | Kind.FLOAT:
            return known(_number(raw, whole=kind.kind is Kind.INT), *trail)
        case Kind.STR:
            if isinstance(raw, str):
                return value
            if old and isinstance(raw, int | float) and not isinstance(raw, bool):
                return known(str(raw), *trail)
        case Kind.BYTES:
            if isinstance(raw, str | bytes):
                return known(raw.encode() if isinstance(raw, str) else raw, *trail)
        case Kind.PATH:
            if isinstance(raw, str | PurePosixPath):
                return known(PurePosixPath(raw), *trail)
        case Kind.SECRET:
            if isinstance(raw, str):
                return Instance(None, SECRET, {"<value>": value})
        case Kind.LITERAL:
            if any(type(one) is type(raw) and one == raw for one in kind.constants):
                return value
            if not all(isinstance(one, str) for one in kind.constants):
                return _unknown("a field of numbers to choose from", value)
        case _:
            return _unknown("a field", value)
    raise InvalidValue


def _boolean(raw: object) -> bool:
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "replace")
    if isinstance(raw, str):
        word = _BOOLEAN(raw)
        if word is None:
            raise InvalidValue
        return word
    if isinstance(raw, int | float) and raw in {0, 1}:
        return bool(raw)
    raise InvalidValue


def _number(raw: object, *, whole: bool) -> int | float:
    if isinstance(raw, str | int | float):
        try:
            made = float(raw)
            if not whole:
                return made
            return int(raw) if not isinstance(raw, float) and _is_whole(raw) else _whole(made)
        except (ValueError, OverflowError):
            raise InvalidValue from None
    raise InvalidValue


def _is_whole(raw: str | int) -> bool:
    return isinstance(raw, int) or raw.strip().lstrip("+-").replace("_", "").isdigit()


def _whole(made: float) -> int:
    if not made.is_integer():
        raise InvalidValue
    return int(made)


def _of_union(call: Call, value: Value, kind: Type, *, old: bool) -> Value:
    """Old: the first type that takes the value; since 2: the one it is of, else the only one."""
    if any(inner.kind is Kind.ANY for inner in kind.inner):
        return value
    if not old and isinstance(value, Known):
        exact = _EXACT.get(type(value.value))
        if any(inner.kind is exact for inner in kind.inner):
            return value
    taken: list[Value] = []
    for inner in kind.inner:
        try:
            made = coerced(call, value, inner, old=old)
        except InvalidValue:
            continue
        if old:
            return made
        taken.append(made)
    if not taken:
        raise InvalidValue
    return taken[0] if len(taken) == 1 else _unknown("a field of several types", value)


_EXACT = {
    str: Kind.STR,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.FLOAT,
    type(None): Kind.NONE,
}


def _of_class(call: Call, value: Value, cls: Class | None) -> Value:
    if cls is None:
        return _unknown("a field", value)
    if isinstance(value, Instance):
        return value
    if is_model(cls):
        if not isinstance(value, Mapped):
            raise InvalidValue
        if value.rest is not None or not all(isinstance(key, str) for key in value.slots):
            return _unknown(f"the fields of {cls.name}", value)
        keywords = {str(key): entry for key, entry in value.slots.items()}
        return call.run.call(cls, (), keywords, call.location)
    if any(isinstance(base, Native) and base.called is not None for base in cls.bases):
        # A class that makes its objects itself, such as an Enum: of a value, or not at all.
        try:
            return call.run.call(cls, (value,), {}, call.location)
        except RaiseSignal:
            raise InvalidValue from None
    return _unknown(f"what pydantic makes a {cls.name} of", value)


def _of_list(call: Call, value: Value, kind: Type, *, old: bool) -> Value:
    if not isinstance(value, Items):
        raise InvalidValue
    inner = kind.inner[0] if kind.inner else Type(Kind.ANY)
    return Items({"items": tuple(coerced(call, one, inner, old=old) for one in value.items)})


def from_json(value: Known) -> Value:
    """Return what a variable's text is for a field that is no single value."""
    try:
        return lift(json.loads(value.value), value.trail)
    except (ValueError, TypeError, RecursionError):
        raise InvalidValue from None


def _secret(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name != "get_secret_value":
        return None
    return Native("SecretStr.get_secret_value", lambda _call: instance.slots["<value>"])


SECRET = Native("pydantic.SecretStr", attribute=_secret)
