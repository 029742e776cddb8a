"""What YAML and JSON are read to: values with their places, within bounds."""

from typing import Protocol, TypeAlias

from msgspec import Struct, field

from deployguard.model.evidence import Location

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASED_NODES = 100_000
MAX_NODES = 200_000  # of one document, keys included: 10 MiB of "a," would take 2 GiB
MAX_TEXT_NODES = 500_000  # of all documents of a text
MAX_DOCUMENTS = 20_000  # that kubectl takes a text apart into: each is parsed on its own
MAX_POINTER = 128  # a deeper node shares the pointer of the last one above it
MAX_DIGITS = 64  # of an integer: as many as 64 bits have in base 2

Value: TypeAlias = str | int | float | bool | None


class Scalar(Struct, frozen=True):
    """A value and its text as written, without quotes.

    `tag` is the tag as written ("!reset"; the standard ones in full), or that of a timestamp for a
    plain date of compose's dialect, whose value here is its text. `replaced` is what stood there
    before this was laid over it.
    """

    value: Value
    text: str
    location: Location
    tag: str | None = None
    replaced: "Node | None" = None


class Sequence(Struct, frozen=True):
    """A list; `replaced` as of a scalar."""

    items: tuple["Node", ...]
    location: Location
    tag: str | None = None
    replaced: "Node | None" = None


class Mapping(Struct, frozen=True):
    """Keys, all of them text and each there once, with their values; merge keys are resolved."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    location: Location
    tag: str | None = None

    def get(self, name: str) -> "Node | None":
        """Return the value under a key."""
        return next((node for key, node in self.entries if key.value == name), None)

    def key(self, name: str) -> Scalar | None:
        """Return the key itself, for its place."""
        return next((key for key, _ in self.entries if key.value == name), None)


Node: TypeAlias = Scalar | Sequence | Mapping

# Keys that a later one replaces, each with that one.
Repeated: TypeAlias = list[tuple[Scalar, Scalar]]


class Remarks(Struct, frozen=True):
    """What a text says that does not count: keys that stand twice, and what is not read at all."""

    repeated: Repeated = field(default_factory=list)
    ignored: list[Location] = field(default_factory=list)


class Mark(Protocol):
    """A position of the C parser or of Python's, which share no class; both count from 0."""

    line: int
    column: int


class Origin(Struct, frozen=True):
    """A text, or a part of one: its file and how many lines and columns stand before it."""

    file: str
    line: int = 0
    column: int = 0

    def at(self, mark: Mark | None, pointer: str | None = None) -> Location:
        """Return a place of the text."""
        if mark is None:
            return Location(self.file, pointer=pointer)
        return self.place(mark.line, mark.column, pointer)

    def place(self, line: int, column: int, pointer: str | None = None) -> Location:
        """Return the place at a line and column, counted from 0 in the part."""
        before = 0 if line else self.column
        return Location(
            self.file, line=self.line + line + 1, column=before + column + 1, pointer=pointer
        )


def below(pointer: str, step: str) -> str:
    """Return the JSON pointer of a member; beyond a length, that of its parent."""
    if len(pointer) + len(step) >= MAX_POINTER:
        return pointer
    return f"{pointer}/{step.replace('~', '~0').replace('/', '~1')}"
