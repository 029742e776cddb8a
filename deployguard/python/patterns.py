"""Equality of values that are partly known."""

from deployguard.python.values import Items, Known, Mapped, Opaque, Value


def equal(left: Value, right: Value) -> bool | None:
    """Return whether two values are equal, None where it cannot be told."""
    match left, right:
        case Known(value=one), Known(value=two):
            return bool(one == two)
        case (Opaque(), _) | (_, Opaque()):
            return None
        case Items(), Items() if left.kind is right.kind and left.kind is not set:
            answers = [equal(a, b) for a, b in zip(left.items, right.items, strict=False)]
            if False in answers or (len(left.items) != len(right.items) and None not in answers):
                return False
            return None if None in answers else True
        case (Known(), Items() | Mapped()) | (Items() | Mapped(), Known()):
            return False
        case _:
            return True if left is right else None
