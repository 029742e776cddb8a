"""The variables of a project, and what those of compose itself ask for.

Follows compose-go cli/options.go and docker/compose cmd/compose/compose.go.
"""

import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence as AnySequence

from msgspec import Struct, field

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.interpolation import Lookup, interpolate
from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.scope import from_env_files, own_env_file
from deployguard.inputs.compose.trees import string
from deployguard.model.evidence import Location

_FILLED_LIMIT = 32 * 1024 * 1024
# strconv.ParseBool
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NAME = "COMPOSE_PROJECT_NAME"


class ComposeOptions(Struct, frozen=True, kw_only=True):
    """What decides how a project is read; `env` beats `environ`, which beats the env files.

    `built` says that a service with a `build:` is judged from the image that was built before.
    """

    env_files: tuple[str, ...] = ()
    env: AnyMapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    environ: AnyMapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    built: bool = False

    @property
    def outer(self) -> dict[str, str]:
        """What stands above every file."""
        return {**self.environ, **self.env}


def project_lookup(folder: str, options: ComposeOptions) -> Lookup:
    """Return the variables of a project: those outside, then its env files or its `.env`.

    Raises InputError where one of them is no env file.
    """
    outer = options.outer
    names = options.env_files or tuple(
        name for name in outer.get("COMPOSE_ENV_FILES", "").split(",") if name
    )
    if not names and not _disabled(outer.get("COMPOSE_DISABLE_ENV_FILE")):
        names = own_env_file(folder)
    return from_env_files(names, outer.get)


def _disabled(value: str | None) -> bool:
    if value is None or value in _FALSE:
        return False
    if value in _TRUE:
        return True
    raise SyntaxInputError(
        "COMPOSE_DISABLE_ENV_FILE is neither true nor false",
        location=Location("environment"),
        hint="compose refuses it as well: set it to 1 or 0",
    )


def profiles(options: ComposeOptions, lookup: Lookup) -> frozenset[str]:
    """Return the profiles that are asked for."""
    asked = options.profiles or tuple((lookup("COMPOSE_PROFILES") or "").split(","))
    return frozenset(name.strip() for name in asked)


def recorded(lookup: Lookup, given: dict[str, str], place: Location) -> Lookup:
    """Return the lookup, keeping what it gave: a report hides what came from outside."""
    left = _FILLED_LIMIT

    def find(name: str) -> str | None:
        nonlocal left
        value = lookup(name)
        if value is not None:
            given[name] = value
            left -= len(value)
        if left < 0:
            raise LimitError(
                f"variables make more than {_FILLED_LIMIT // 1024 // 1024} MiB of text",
                location=place,
                hint="a process is not started with values of that length",
            )
        return value

    return find


def project_name(documents: AnySequence[Mapping], folder_name: str, lookup: Lookup) -> str:
    """Return a project's name (compose-go loader.projectName): the folder's, if none.

    Raises SyntaxInputError for a name from outside that compose refuses.
    """
    outer = lookup(_NAME)
    if outer:
        if normalized(outer) != outer:
            raise SyntaxInputError(
                f"{_NAME} is no name of a project",
                location=Location("environment"),
                hint="write lowercase letters, digits, hyphens and underscores, a letter first",
            )
        return outer
    given = [(node, string(node)) for node in (part.get("name") for part in documents) if node]
    for node, name in reversed(given):
        if name:
            found = normalized(interpolate(name, lookup, node.location))
            return found or normalized(folder_name)
    return normalized(folder_name)


def normalized(name: str) -> str:
    """Return a text as the name of a project (compose-go loader.NormalizeProjectName)."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def with_name(lookup: Lookup, name: str) -> Lookup:
    """Return the variables of a project of a name."""
    return lambda wanted: name if wanted == _NAME else lookup(wanted)
