"""Operators and comparisons of the Python reference, sections 6.5 to 6.11."""

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import iteration, objects, patterns
from deployguard.python.concrete import SIZE as _SIZE
from deployguard.python.concrete import Unplain, hashable, lift, plain, trails, untold
from deployguard.python.iteration import elements
from deployguard.python.methods import formatted
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Class,
    Coroutine,
    Instance,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    derived,
    known,
    laid_over,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


# The largest exponent and shift that are computed.
_EXPONENT = 64


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}


# The special methods of binary operations (Python reference, 3.3.8).
_SPECIAL: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.BitOr: "or", ast.BitAnd: "and", ast.BitXor: "xor", ast.Pow: "pow",
    ast.LShift: "lshift", ast.RShift: "rshift", ast.MatMult: "matmul",
}  # fmt: skip


_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq__", ast.NotEq: "__ne__", ast.Lt: "__lt__", ast.LtE: "__le__",
    ast.Gt: "__gt__", ast.GtE: "__ge__",
}  # fmt: skip


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def compared(run: "Interpreter", comparison: ast.cmpop, left: Value, right: Value) -> Value:
    """Return the value of one comparison, membership and identity among them."""
    match comparison:
        case ast.In() | ast.NotIn():
            found = _contains(run, right, left)
            if found is None:
                run.doubts += 1
                return _incomparable(left, right)
            return known(found is isinstance(comparison, ast.In), *trails(left, right))
        case ast.Is() | ast.IsNot():
            alike = same(left, right)
            if alike is None:
                return _incomparable(left, right)
            return known(alike is isinstance(comparison, ast.Is), *trail_of(left, right))
        case _:
            return compare(run, comparison, left, right)


def compare(run: "Interpreter", comparison: ast.cmpop, left: Value, right: Value) -> Value:
    """Return the value of a comparison by order or equality."""
    for one, other, name in (
        (left, right, _COMPARISONS[type(comparison)]),
        (right, left, _REFLECTED[type(comparison)]),
    ):
        method = objects.special(run, one, name)
        if method is not None:
            return run.call(method, (other,), {}, run.place)
    equals = isinstance(comparison, ast.Eq | ast.NotEq)
    if isinstance(comparison, ast.NotEq):
        method = objects.special(run, left, "__eq__")
        if method is not None:
            answer = truth(run.call(method, (right,), {}, run.place))
            if answer is not Answer.UNKNOWN:
                return known(answer is Answer.NO)
    left, right = held_value(left), held_value(right)
    if not isinstance(left, Opaque) and left is right and not isinstance(left, Items | Mapped):
        return known(isinstance(comparison, ast.Eq | ast.LtE | ast.GtE))
    if equals:
        equal = patterns.equal(left, right)
        if equal is not None:
            return known(equal is isinstance(comparison, ast.Eq), *trails(left, right))
        return _incomparable(left, right)
    try:
        one, two = plain(left), plain(right)
    except Unplain:
        run.doubts += 1
        return _incomparable(left, right)
    try:
        return known(bool(_COMPARE[type(comparison)](one, two)), *trails(left, right))
    except TypeError:
        note = Evidence(run.place, "these have no order")
        raise RaiseSignal("TypeError", note) from None


_REFLECTED: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq__", ast.NotEq: "__ne__", ast.Lt: "__gt__", ast.LtE: "__ge__",
    ast.Gt: "__lt__", ast.GtE: "__le__",
}  # fmt: skip


def held_value(value: Value) -> Value:
    """Return what an object of a built-in class or its subclass holds."""
    if isinstance(value, Instance) and objects.HELD in value.slots:
        held: Value = value.slots[objects.HELD]
        return held
    return value


def _incomparable(left: Value, right: Value) -> Value:
    result = derived("a comparison", left, right)
    if result.missing:
        return result
    missing = Missing(Reason.SOURCE, "how two objects compare")
    return Opaque((missing,), "a comparison", harmless=True)


def _contains(run: "Interpreter", container: Value, value: Value) -> bool | None:
    method = objects.special(run, container, "__contains__")
    if method is not None:
        answer = truth(run.call(method, (value,), {}, run.place))
        return None if answer is Answer.UNKNOWN else answer is Answer.YES
    container, bare = held_value(container), held_value(value)
    if isinstance(container, Known) and isinstance(bare, Known):
        try:
            return bare.value in container.value
        except TypeError:
            note = Evidence(run.place, "this holds nothing")
            raise RaiseSignal("TypeError", note) from None
    if isinstance(container, Mapped) and isinstance(bare, Known):
        if hashable(bare.value) and bare.value in container.slots:
            return True
        return False if container.rest is None else None
    hidden = elements(container) is None and not isinstance(container, Items)
    if hidden and (isinstance(container, Opaque) or not _listed(run, container)):
        return None
    values = iteration.collected(run, container, run.place)
    answers = [patterns.equal(held_value(entry), bare) for entry in values]
    if True in answers:
        return True
    return None if None in answers else False


def _listed(run: "Interpreter", container: Value) -> bool:
    generates = isinstance(container, Coroutine) and container.generates
    return generates or objects.special(run, container, "__iter__") is not None


def same(left: Value, right: Value) -> bool | None:
    """Return whether two values are one object, None where it cannot be told."""
    if isinstance(left, Known) and isinstance(right, Known):
        one, two = left.value, right.value
        if one is None or two is None or isinstance(one, bool) or isinstance(two, bool):
            return one is two
        return None if one == two and type(one) is type(two) else False
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        return None
    if isinstance(left, Native) and isinstance(right, Native):
        return left is right or left.name == right.name
    return left is right


def augmented(run: "Interpreter", kind: ast.operator, left: Value, right: Value) -> Value:
    """Return the value of `left += right`: lists and dictionaries are changed in place."""
    match left, right:
        case Items(kind=list_kind), _ if list_kind is list and isinstance(kind, ast.Add):
            added = iteration.collected(run, right, run.place)
            run.store(left.slots, "items", (*left.items, *added))
            return left
        case Mapped(), Mapped() if isinstance(kind, ast.BitOr):
            made = laid_over(left, right)
            for key, entry in made.slots.items():
                run.store(left.slots, key, entry)
            left.rest = made.rest
            return left
        case Instance(), _:
            method = objects.special(run, left, f"__i{_SPECIAL[type(kind)]}__")
            if method is not None:
                return run.call(method, (right,), {}, run.place)
        case _:
            pass
    return binary(run, kind, left, right)


def _rounded(run: "Interpreter", kind: ast.operator, left: object, right: object) -> bool:
    """Say whether this is a division that Python 2 rounds, and no other Python."""
    integers = isinstance(left, int) and isinstance(right, int)
    old = run.version is not None and run.version < (3,)
    return old and integers and isinstance(kind, ast.Div)


def binary(run: "Interpreter", kind: ast.operator, left: Value, right: Value) -> Value:
    """Return the value of a binary operation."""
    run.step()
    name = _SPECIAL[type(kind)]
    for one, other, method_name in ((left, right, f"__{name}__"), (right, left, f"__r{name}__")):
        method = objects.special(run, one, method_name)
        if method is not None:
            return run.call(method, (other,), {}, run.place)
    left, right = held_value(left), held_value(right)
    match left, right:
        case Items(), Items() if isinstance(kind, ast.Add):
            return Items({"items": left.items + right.items}, left.kind)
        case (Items() as items, Known(value=int() as times)) | (
            Known(value=int() as times),
            Items() as items,
        ) if isinstance(kind, ast.Mult) and len(items.items) * max(times, 0) <= _SIZE:
            return Items({"items": items.items * times}, items.kind)
        case Items(), Items() if left.kind in {set, frozenset} and type(kind) in _BINARY:
            return _of_sets(run, kind, left, right)
        case Mapped(), Mapped() if isinstance(kind, ast.BitOr):
            return laid_over(left, right)
        case Known(value=str() as template), _ if isinstance(kind, ast.Mod):
            return formatted(run, template, right, trails(left, right))
        case Known(value=one), Known(value=two) if (
            type(kind) in _BINARY
            and not _too_big(kind, one, two)
            and not _rounded(run, kind, one, two)
        ):
            try:
                return lift(_BINARY[type(kind)](one, two), trail_of(left, right))
            except TypeError:
                note = Evidence(run.place, "these cannot be joined")
                raise RaiseSignal("TypeError", note) from None
            except ZeroDivisionError:
                note = Evidence(run.place, "a division by zero")
                raise RaiseSignal("ZeroDivisionError", note) from None
            except (ValueError, ArithmeticError):
                return untold("an operation")
        case _:
            pass
    if isinstance(kind, ast.BitOr) and _is_type(left) and _is_type(right):
        return untold("a union of types")
    made = derived("an operation", left, right)
    return made if made.missing else untold("an operation")


def _is_type(value: Value) -> bool:
    return isinstance(value, Native | Class) or (isinstance(value, Known) and value.value is None)


def _of_sets(run: "Interpreter", kind: ast.operator, left: Items, right: Items) -> Value:
    try:
        return lift(_BINARY[type(kind)](plain(left), plain(right)), trails(left, right))
    except (Unplain, TypeError):
        run.doubts += 1
        made = derived("items", *left.items, *right.items)
        return Items({"items": (made if made.missing else untold("items"),)}, left.kind)


def _too_big(kind: ast.operator, one: object, two: object) -> bool:
    if isinstance(kind, ast.Pow | ast.LShift | ast.RShift):
        if not (isinstance(one, int | float) and isinstance(two, int | float)):
            return True
        return abs(two) > _EXPONENT or abs(one) > 2.0**_EXPONENT
    if isinstance(kind, ast.Add):
        texts = [value for value in (one, two) if isinstance(value, str | bytes)]
        return sum(map(len, texts)) > _SIZE
    if not isinstance(kind, ast.Mult):
        return isinstance(kind, ast.Mod) and not isinstance(one, int | float)
    sizes = [
        len(value)
        if isinstance(value, str | bytes)
        else abs(value).bit_length()
        if not isinstance(other, str | bytes)
        else abs(value)
        for value, other in ((one, two), (two, one))
        if isinstance(value, str | bytes | int)
    ]
    return len(sizes) == 2 and sizes[0] * sizes[1] > _SIZE  # noqa: PLR2004  (two operands)
