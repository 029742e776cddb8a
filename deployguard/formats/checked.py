"""Our own files, read into values: every mistake of a file is told at once, with its place."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from deployguard.errors import InputError, PolicyError, nearest
from deployguard.formats import yaml
from deployguard.model.evidence import Location

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint where a word is close to a known one."""
    close = nearest(word, known)
    return f"did you mean '{close}'?" if close else None


def nodes(data: bytes, source: str) -> list[yaml.Node]:
    """Parse the documents of a text. Raises PolicyError where it is not YAML."""
    try:
        return [node for node in yaml.documents(data, source, yaml.Dialect.STRICT) if node]
    except InputError as error:
        raise PolicyError(error.message, location=error.location, hint=error.hint) from error


def _place(error: PolicyError) -> tuple[int, int]:
    location = error.location or Location("")
    return location.line or 0, location.column or 0


class Reader:
    """Reads nodes into values and collects what is wrong with them.

    Each method returns a value that the file could hold even where it notes an error, so that
    reading goes on to the next mistake.
    """

    def __init__(self) -> None:
        self.errors: list[PolicyError] = []

    def fail(self, message: str, location: Location, hint: str | None = None) -> None:
        """Note a mistake."""
        self.errors.append(PolicyError(message, location=location, hint=hint))

    def check(self) -> None:
        """Raise PolicyError for the first mistake, with the others in its `others`."""
        if self.errors:
            first, *others = sorted(self.errors, key=_place)
            first.others = tuple(others)
            raise first

    def entries(self, node: yaml.Node | None) -> tuple[tuple[yaml.Scalar, yaml.Node], ...]:
        """Return the entries of a mapping that may be left out."""
        if isinstance(node, yaml.Mapping):
            return node.entries
        if node is not None:
            self.fail("expected keys and values", node.location)
        return ()

    def fields(self, node: yaml.Node | None, names: tuple[str, ...]) -> dict[str, yaml.Node]:
        """Return the entries of a mapping by name; other names are mistakes."""
        fields = {}
        for key, value in self.entries(node):
            name = str(key.value)
            if name in names:
                fields[name] = value
            else:
                hint = did_you_mean(name, names) or f"known here: {', '.join(names)}"
                self.fail(f"unknown key '{name}'", key.location, hint)
        return fields

    def required(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node], names: tuple[str, ...]
    ) -> None:
        """Note the names that a mapping must have and has not."""
        if isinstance(node, yaml.Mapping):
            for name in names:
                if name not in fields:
                    self.fail(f"'{name}' is missing", node.location)

    def constant(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node], name: str, value: str
    ) -> None:
        """Note where a field is not what it must be."""
        self.required(node, fields, (name,))
        if name in fields and self.text(fields[name]) != value:
            self.fail(f"'{name}' is not {value}", fields[name].location, f"write {name}: {value}")

    def items(self, node: yaml.Node | None, read: Callable[[yaml.Node], T]) -> tuple[T, ...]:
        """Read the items of a list that may be left out."""
        if isinstance(node, yaml.Sequence):
            return tuple(read(item) for item in node.items)
        if node is not None:
            self.fail("expected a list", node.location)
        return ()

    def words(self, node: yaml.Node, known: type[Word]) -> tuple[Word, ...]:
        """Read a list of words out of a closed set."""
        default = next(iter(known))
        return self.items(node, lambda item: self.word(item, known, default))

    def word(
        self, node: yaml.Node | None, known: type[Word], default: Word, also: tuple[str, ...] = ()
    ) -> Word:
        """Read one word out of a closed set."""
        if node is None:
            return default
        values = (*also, *(member.value for member in known))
        value = node.value if isinstance(node, yaml.Scalar) else None
        if isinstance(value, str) and value in values:
            return known(value)
        written = node.text if isinstance(node, yaml.Scalar) else "a list or keys"
        hint = did_you_mean(written, values) or f"one of {', '.join(values)}"
        self.fail(f"not known here: {written}", node.location, hint)
        return default

    def text(self, node: yaml.Node | None) -> str:
        """Read a text that is not empty; "" where there is none."""
        if node is None:
            return ""
        if isinstance(node, yaml.Scalar) and isinstance(node.value, str) and node.value:
            return node.value
        self.fail("expected a text", node.location, "put it in quotes")
        return ""

    def optional(self, node: yaml.Node | None) -> str | None:
        """Read a text that may be left out."""
        return self.text(node) or None
