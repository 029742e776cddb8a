"""Equality of values that are partly known."""

from deployguard.python.values import (
    Class,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    linearize,
)

# Nested lists are compared no deeper, and lists that hold one another no longer, than this.
_DEPTH = 30
_PAIRS = 5000


def equal(left: Value, right: Value) -> bool | None:
    """Return whether two values are equal, None where it cannot be told."""
    return _equal(left, right, _DEPTH, [_PAIRS])


def _equal(  # noqa: C901, PLR0911  (one way out for each pair of kinds)
    left: Value, right: Value, depth: int, left_over: list[int]
) -> bool | None:
    left_over[0] -= 1
    if depth == 0 or left_over[0] < 0:
        return None
    match left, right:
        case Known(value=one), Known(value=two):
            return bool(one == two)
        case (Opaque(), _) | (_, Opaque()):
            return None
        case Items(), Items() if left.kind is right.kind and left.kind is not set:
            pairs = zip(left.items, right.items, strict=False)
            answers = [_equal(one, two, depth - 1, left_over) for one, two in pairs]
            if False in answers or (len(left.items) != len(right.items) and None not in answers):
                return False
            return None if None in answers else True
        case Items(), Items():
            return _of_kinds(left, right)
        case Mapped(slots=one, rest=None), Mapped(slots=two, rest=None):
            if set(one) != set(two):
                return False
            answers = [_equal(one[key], two[key], depth - 1, left_over) for key in one]
            return False if False in answers else None if None in answers else True
        case (Known(), Items() | Mapped()) | (Items() | Mapped(), Known() | Items() | Mapped()):
            return False if not isinstance(left, Mapped) or not isinstance(right, Mapped) else None
        case (Instance() as one, Instance() as two):
            if "<held>" in one.slots and "<held>" in two.slots and one is not two:
                return _equal(one.slots["<held>"], two.slots["<held>"], depth - 1, left_over)
            return True if one is two else _unlike(one, two)
        case (Class() | Function() | Native() | Module(), Known()) | (
            Known(),
            Class() | Function() | Native() | Module(),
        ):
            return False
        case (Instance(type=None), Known()) | (Known(), Instance(type=None)):
            return None
        case (Instance(type=Class() as cls), Known()) | (Known(), Instance(type=Class() as cls)):
            # Objects of the program that say nothing of equality are like nothing else.
            return False if _plain(cls) else None
        case Class(), Class():
            return left is right
        case _:
            return True if left is right else None


_SETS = (set, frozenset)


def _of_kinds(left: Items, right: Items) -> bool | None:
    if left.kind in _SETS and right.kind in _SETS:
        one, two = _constants(left), _constants(right)
        return None if one is None or two is None else one == two
    plain_kinds = {list, tuple, set, frozenset}
    if left.kind in plain_kinds and right.kind in plain_kinds and left.kind is not right.kind:
        return False
    return True if left is right else None


def _constants(value: Items) -> set[object] | None:
    found = {item.value for item in value.items if isinstance(item, Known)}
    return found if all(isinstance(item, Known) for item in value.items) else None


def _plain(cls: Class) -> bool:
    """Say whether the objects of a class are equal to nothing but themselves."""
    return all(
        (isinstance(base, Class) and "__eq__" not in base.slots and "<fields>" not in base.slots)
        or (isinstance(base, Native) and base.plain is object)
        for base in linearize(cls)
    )


def _unlike(one: Instance, two: Instance) -> bool | None:
    classes = (one.type, two.type)
    members = all(cls is not None and "<members>" in cls.slots for cls in classes)
    plain = all(cls is not None and _plain(cls) for cls in classes)
    return False if members or plain else None
