"""Fields of a compose file, interpolated, in the shapes the specification allows."""

from collections.abc import Iterator
from dataclasses import dataclass

from deployguard.errors import SyntaxInputError
from deployguard.formats.interpolation import Lookup, interpolate
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.model.evidence import Traced


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads nodes with the variables of a project filled in."""

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
        value = interpolate(spelled(node), self.lookup, node.location)
        if "\0" in value:
            raise SyntaxInputError(
                f"{name} holds a NUL character",
                location=node.location,
                hint="no path, word or variable of a process can hold one",
            )
        return Traced(value, node.location)

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
        if value.value.lower() not in {"true", "false"}:
            raise wrong(node, name, "true or false")
        return Traced(value.value.lower() == "true", value.location)

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
                    yield key_text, Traced(value_or_none, entry.location)
            case _:
                raise wrong(node, name, "a list or a mapping")


def _present(parent: Mapping, name: str) -> Node | None:
    node = parent.get(name)
    return None if isinstance(node, Scalar) and node.value is None else node


def spelled(node: Scalar) -> str:
    """Return a scalar as compose makes text of it (compose-go loader, fmt.Sprint)."""
    match node.value:
        case bool():
            return "true" if node.value else "false"
        case str():
            return node.value
        case None:
            return ""
        case float() if node.value.is_integer() and abs(node.value) < _GO_EXPONENT:
            return str(int(node.value))
        case _:
            return str(node.value)


# From here on Go's fmt writes a float with an exponent (strconv.FormatFloat, 'g').
_GO_EXPONENT = 1e21


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
