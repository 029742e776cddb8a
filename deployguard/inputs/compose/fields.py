"""Fields of a compose project, in the shapes the specification allows."""

import math
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.interpolation import Lookup
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.trees import is_null
from deployguard.model.evidence import Traced


class Fields(Struct, frozen=True):
    """Reads nodes of a project whose variables are filled in.

    `lookup` gives what the file leaves to the outside: the value of a name without one.
    """

    lookup: Lookup

    def text(self, node: Node, name: str) -> Traced[str]:
        """Return a value that must be text: compose's schema takes no number for it."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise wrong(node, name, "a text")
        return self.scalar(node, name)

    def scalar(self, node: Node, name: str) -> Traced[str]:
        """Return a scalar as text: numbers and Booleans as compose spells them."""
        if not isinstance(node, Scalar) or node.value is None:
            raise wrong(node, name, "a text or a number")
        return _traced(node)

    def optional(self, parent: Mapping, name: str) -> Traced[str] | None:
        """Return a text field, None where it is missing or null."""
        node = _present(parent, name)
        return None if node is None else self.text(node, name)

    def optional_scalar(self, parent: Mapping, name: str) -> Traced[str] | None:
        """Return a field that may be a number too, None where it is missing or null."""
        node = _present(parent, name)
        return None if node is None else self.scalar(node, name)

    def flag(self, parent: Mapping, name: str) -> Traced[bool] | None:
        """Return a field that is true or false, which a variable may say as well."""
        node = parent.get(name)
        if node is None:
            return None
        value = self.scalar(node, name)
        said = BOOLEANS.get(value.value.lower())
        if said is None:
            raise wrong(node, name, "true or false")
        return Traced(said, value.location)

    def items(self, parent: Mapping, name: str) -> tuple[Node, ...]:
        """Return a list field; a lone scalar is a list of one."""
        node = parent.get(name)
        match node:
            case None:
                return ()
            case Sequence(items=items):
                return items
            case Scalar(value=None):
                return ()
            case Scalar():
                return (node,)
            case _:
                raise wrong(node, name, "a list")

    def texts(self, parent: Mapping, name: str) -> tuple[Traced[str], ...]:
        """Return a list of texts."""
        return tuple(self.text(item, name) for item in self.items(parent, name))

    def pairs(self, parent: Mapping, name: str) -> Iterator[tuple[str, Traced[str | None]]]:
        """Yield NAME=VALUE of a list or mapping; a name without a value has None."""
        node = parent.get(name)
        match node:
            case None | Scalar(value=None):
                return
            case Mapping(entries=entries):
                for key, value in entries:
                    if isinstance(value, Scalar) and value.value is None:
                        yield key.text, Traced(None, value.location)
                    else:
                        yield key.text, self.scalar(value, name)
            case Sequence(items=items):
                for item in items:
                    entry = self.text(item, name)
                    key_text, equals, value_text = entry.value.partition("=")
                    value_or_none = value_text if equals else None
                    yield key_text, Traced(value_or_none, entry.location, replaced=_set(entry))
            case _:
                raise wrong(node, name, "a list or a mapping")


# loader/interpolate.go, toBoolean
BOOLEANS = {
    **dict.fromkeys(("true", "y", "yes", "on"), True),
    **dict.fromkeys(("false", "n", "no", "off"), False),
}
_KEPT = 8  # values that were replaced, one by the next: as many as anybody reads


def _traced(node: Scalar) -> Traced[str]:
    """Return a scalar as text, with what it replaced."""
    chain = [node]
    while isinstance(older := chain[-1].replaced, Scalar) and len(chain) < _KEPT:
        chain.append(older)
    found: Traced[str] | None = None
    for one in reversed(chain):
        found = Traced(spelled(one), one.location, replaced=found)
    return found or Traced(spelled(node), node.location)


def _set(entry: Traced[str]) -> Traced[str | None] | None:
    """Return what a member NAME=VALUE of a list replaced, without the names."""
    chain: list[Traced[str]] = []
    older = entry.replaced
    while older is not None:
        chain.append(older)
        older = older.replaced
    found: Traced[str | None] | None = None
    for one in reversed(chain):
        _, equals, value = one.value.partition("=")
        found = Traced(value if equals else None, one.location, replaced=found)
    return found


def _present(parent: Mapping, name: str) -> Node | None:
    node = parent.get(name)
    return None if is_null(node) else node


def spelled(node: Scalar) -> str:
    """Return a scalar as compose makes text of it (compose-go loader, fmt.Sprint)."""
    match node.value:
        case bool():
            return "true" if node.value else "false"
        case str():
            return node.value
        case None:
            return ""
        case int():
            return str(node.value)
        case float(value):
            return _go_float(value)


# Go's fmt writes a float with an exponent from here on, and below the other (%v, so 'g').
_GO_LARGE, _GO_SMALL = 6, -4


def _go_float(value: float) -> str:
    """Return a float as Go's fmt prints it: in the fewest digits that tell it from others."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits = Decimal(repr(value)).normalize()
    exponent = digits.adjusted()
    if not digits or _GO_SMALL <= exponent < _GO_LARGE:
        return f"{digits:f}"
    mantissa = digits.scaleb(-exponent)
    return f"{mantissa:f}e{exponent:+03d}"


def mapping(node: Node | None, name: str) -> Mapping:
    """Return a node that must be a mapping. Raises SyntaxInputError."""
    if node is None:
        raise SyntaxInputError(f"{name} is missing", hint=_WRITTEN_AS["a mapping"])
    if not isinstance(node, Mapping):
        raise wrong(node, name, "a mapping")
    return node


def wrong(node: Node, name: str, expected: str) -> SyntaxInputError:
    """Return the error for a field of another shape; its value may be a secret, and is not quoted.

    compose refuses the shape as well.
    """
    hint = _WRITTEN_AS.get(expected, f"write {expected} here, as the compose specification has it")
    return SyntaxInputError(f"{name} should be {expected}", location=node.location, hint=hint)


_WRITTEN_AS = {
    "a mapping": "write each entry on a line of its own, as NAME: VALUE",
    "a list": "write each member on a line of its own, after a dash",
    "a text": "write one text, in quotes where it looks like a number",
    "true or false": "write true or false",
}
