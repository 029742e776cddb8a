"""Where the files of a project are read from, and what they take from outside."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from deployguard import files as disk
from deployguard.errors import EmptyError, LimitError, SyntaxInputError, UnsupportedError
from deployguard.formats import compose_env
from deployguard.formats.interpolation import Lookup, over
from deployguard.formats.yaml import Dialect, Mapping, documents
from deployguard.inputs.compose.fields import mapping
from deployguard.inputs.compose.relocate import at_home, is_remote, joined
from deployguard.inputs.compose.trees import Path as TreePath
from deployguard.model.evidence import Location, Traced

WAY_OUT = "resolve it first: docker compose config | deployguard scan compose:-"
ENV_FILE_LIMIT = 10 * 1024 * 1024
_FILE_LIMIT = 64 * 1024 * 1024
_FILES = 500  # of a project: files that each include two others make thousands of a few


class Budget(Struct):
    """How many more files a project may have."""

    left: int = _FILES

    def spend(self, place: Location) -> None:
        """Count one file. Raises LimitError."""
        self.left -= 1
        if self.left < 0:
            raise LimitError(
                f"the project reads more than {_FILES} files", location=place, hint=WAY_OUT
            )


class Scope(Struct, frozen=True, kw_only=True):
    """A project, or one that it includes: its folder and its variables.

    `extended` keeps what files that are extended came to: their services, and what they reset.
    """

    folder: str
    lookup: Lookup
    budget: Budget = field(default_factory=Budget)
    extended: dict[str, tuple[Mapping, tuple[TreePath, ...]]] = field(default_factory=dict)

    def path(self, name: str, place: Location) -> str:
        """Return a file's path. Raises UnsupportedError for one that compose would fetch."""
        if is_remote(name):
            raise UnsupportedError(
                "files from elsewhere are not fetched", location=place, hint=WAY_OUT
            )
        return joined(self.folder, at_home(name))

    def read(self, name: str, place: Location) -> tuple[Mapping, ...]:
        """Return the documents of a file."""
        self.budget.spend(place)
        return parsed(name, disk.read(name, _FILE_LIMIT, place))


def parsed(name: str, data: bytes) -> tuple[Mapping, ...]:
    """Return the documents of a compose file; one of comments alone has none.

    Raises SyntaxInputError for what is no mapping, EmptyError for a document without anything.
    """
    found = tuple(documents(data, name, Dialect.COMPOSE))
    if found == (None,):
        raise empty(name)
    for node in found:
        if node is None:
            raise SyntaxInputError(
                "a document without anything in it",
                location=Location(name),
                hint="remove the --- that no mapping follows",
            )
    return tuple(mapping(node, "a compose file") for node in found)


def empty(name: str) -> EmptyError:
    """Return the error for a file that says nothing."""
    return EmptyError(
        f"{name} is empty",
        location=Location(name),
        hint="is what should have written it at fault? compose refuses an empty file",
    )


def from_env_files(names: Iterable[str], lookup: Lookup, place: Location | None = None) -> Lookup:
    """Return the variables of env files below those that are there (dotenv.GetEnvFromFile)."""
    below: dict[str, Traced[str | None]] = {}
    for name in names:
        data = disk.read(name, ENV_FILE_LIMIT, place)
        found = compose_env.environment(data, name, over(lookup, below))
        below |= found.entries
    return over(lookup, below)


def own_env_file(folder: str) -> tuple[str, ...]:
    """Return the `.env` of a folder, where there is one."""
    name = joined(folder, ".env")
    there = disk.exists(Path(name)) and not disk.is_folder(Path(name))
    return (name,) if there else ()
