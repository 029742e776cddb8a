"""Fields of API objects, with the type that the API server would insist on.

An absent field and one that is null are the same to it (encoding/json leaves the zero value).
Every function raises SyntaxInputError where the field holds something else.
"""

from collections.abc import Iterator
from typing import TypeVar

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.model.evidence import Traced

Default = TypeVar("Default", bound=str | None)


def text(parent: Mapping, name: str) -> Traced[str] | None:
    """Return a text field."""
    node = _present(parent, name)
    return None if node is None else text_of(node, name)


def text_of(node: Node, name: str) -> Traced[str]:
    """Return a value that must be text; null is the empty text, as in a list or map of the API."""
    match node:
        case Scalar(value=str(value)):
            return Traced(value, node.location)
        case Scalar(value=None):
            return Traced("", node.location)
        case _:
            raise _wrong(node, name, "text")


def word(parent: Mapping, name: str, otherwise: Default) -> str | Default:
    """Return a text field that is not empty; to the API server an empty one is as if absent."""
    found = text(parent, name)
    return found.value if found is not None and found.value else otherwise


def flag(parent: Mapping, name: str) -> Traced[bool] | None:
    """Return a field that is true or false."""
    match _present(parent, name):
        case None:
            return None
        case Scalar(value=bool(value)) as node:
            return Traced(value, node.location)
        case node:
            raise _wrong(node, name, "true or false")


def number(parent: Mapping, name: str) -> Traced[int] | None:
    """Return an integer field; 80.0 is one in JSON."""
    match _present(parent, name):
        case None:
            return None
        case Scalar(value=int(value)) as node if not isinstance(value, bool):
            return Traced(value, node.location)
        case Scalar(value=float(value)) as node if value.is_integer():
            return Traced(int(value), node.location)
        case node:
            raise _wrong(node, name, "a whole number")


def mapping(parent: Mapping, name: str) -> Mapping | None:
    """Return a field that holds further fields."""
    node = _present(parent, name)
    return None if node is None else mapping_of(node, name)


def mapping_of(node: Node, name: str) -> Mapping:
    """Return a value that must hold fields."""
    if not isinstance(node, Mapping):
        raise _wrong(node, name, "a mapping")
    return node


def required(parent: Mapping, name: str) -> Mapping:
    """Return a field that holds further fields and must be there."""
    found = mapping(parent, name)
    if found is None:
        raise SyntaxInputError(
            f"{name!r} is missing here",
            location=parent.location,
            hint="is this a patch? then name what renders it, as in kustomize:DIR",
        )
    return found


def items(parent: Mapping, name: str) -> tuple[Node, ...]:
    """Return the members of a list field, none where it is absent."""
    node = _present(parent, name)
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        raise _wrong(node, name, "a list")
    return node.items


def mappings(parent: Mapping, name: str) -> Iterator[Mapping]:
    """Return the members of a list field whose members hold fields."""
    return (mapping_of(item, f"a member of {name}") for item in items(parent, name))


def texts(parent: Mapping, name: str) -> dict[str, Traced[str]]:
    """Return a field that maps names to text, such as labels."""
    found = mapping(parent, name)
    if found is None:
        return {}
    return {str(key.value): text_of(node, str(key.value)) for key, node in found.entries}


def _present(parent: Mapping, name: str) -> Node | None:
    node = parent.get(name)
    return None if isinstance(node, Scalar) and node.value is None else node


def _wrong(node: Node, name: str, expected: str) -> SyntaxInputError:
    """Return the error for a field of another type; its value may be a secret and is not quoted."""
    hint = _WRITTEN_AS.get(expected, f"write {expected} here")
    if expected == "text" and isinstance(node, Scalar):
        hint = "put it in quotes"
    return SyntaxInputError(
        f"{name!r} must be {expected}, not {_found(node)}", location=node.location, hint=hint
    )


_WRITTEN_AS = {
    "a list": "write each member on a line of its own, after a dash",
    "a mapping": "write each field on a line of its own, as NAME: VALUE",
    "true or false": "write true or false, without quotes",
    "a whole number": "write digits alone, without quotes",
}


def _found(node: Node) -> str:
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=str()):
            return "text"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=None):
            return "nothing"
        case Scalar():
            return "a number"
