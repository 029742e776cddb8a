"""Lock files of uv, Poetry and Pipenv, and the dependencies that a project declares.

Only what decides which distributions of which version get installed is read.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from typing import Any, TypeAlias

from msgspec import Struct, field

from deployguard.formats.distributions import Target, Wanted, marker, normalised, requirement
from deployguard.model.evidence import Answer, Location

_TOML_LIMIT = 4 * 1024 * 1024


class LockError(ValueError):
    """Text that is not the lock or project file it should be."""


class Locked(Struct, frozen=True):
    """What a lock installs: certainly, and perhaps (markers that are not known)."""

    certain: tuple[Wanted, ...]
    perhaps: frozenset[str]


class Choice(Struct, frozen=True, kw_only=True):
    """Which groups and extras are asked for.

    `default` says that the groups that are installed without being asked for count (of uv those
    named in `defaults`); `main` that the project's own dependencies do.
    """

    main: bool = True
    default: bool = True
    defaults: frozenset[str] = frozenset({"dev"})
    with_groups: frozenset[str] = frozenset()
    without_groups: frozenset[str] = frozenset()
    all_groups: bool = False
    extras: frozenset[str] = frozenset()
    all_extras: bool = False


# What a package depends on: name, marker, extras, and the version where the lock says which.
_Need: TypeAlias = tuple[str, str, frozenset[str], str | None]


class _Package(Struct):
    """One package of a lock with what it depends on."""

    name: str
    version: str | None
    location: Location
    needs: list[_Need] = field(default_factory=list)
    extras: dict[str, list[_Need]] = field(default_factory=dict)
    groups: dict[str, list[_Need]] = field(default_factory=dict)


def toml(data: bytes, source: str) -> dict[str, Any]:
    """Parse TOML. Raises LockError."""
    if len(data) > _TOML_LIMIT:
        raise LockError(f"{source} has more than {_TOML_LIMIT} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LockError(f"{source} is no TOML") from error


def uv(data: bytes, source: str, choice: Choice, target: Target) -> Locked:
    """Return what `uv sync` installs from uv.lock. Raises LockError."""
    whole = toml(data, source)
    lines = _lines(data)
    packages: dict[str, list[_Package]] = {}
    roots: list[_Package] = []
    for entry in _tables(whole.get("package")):
        package = _uv_package(entry, source, lines)
        packages.setdefault(package.name, []).append(package)
        origin = entry.get("source")
        if isinstance(origin, dict) and origin.get("virtual", origin.get("editable")) == ".":
            roots.append(package)
    if len(roots) != 1:
        raise LockError(f"{source} has no root package")
    root = roots[0]
    wanted = list(root.needs) if choice.main else []
    for name, needs in root.extras.items():
        if choice.all_extras or name in choice.extras:
            wanted.extend(needs)
    for name, needs in root.groups.items():
        asked = choice.all_groups or name in choice.with_groups
        if (asked or (choice.default and name in choice.defaults)) and (
            name not in choice.without_groups
        ):
            wanted.extend(needs)
    return _closure(wanted, packages, target, skip=root.name)


def uv_defaults(project: bytes) -> frozenset[str] | None:
    """Return the groups that uv installs unasked ([tool.uv] default-groups); None for all.

    Raises LockError.
    """
    table = _table(_table(toml(project, "pyproject.toml").get("tool")).get("uv"))
    groups = table.get("default-groups", ["dev"])
    return None if groups == "all" else frozenset(normalised(str(name)) for name in _list(groups))


def _uv_package(entry: Mapping[str, Any], source: str, lines: Mapping[str, int]) -> _Package:
    name = normalised(str(entry.get("name", "")))
    version = entry.get("version")
    place = Location(source, line=lines.get(f"{name}={version}") or lines.get(name))
    package = _Package(name, version if isinstance(version, str) else None, place)
    package.needs = _uv_needs(entry.get("dependencies"))
    for key, kept in (
        ("optional-dependencies", package.extras),
        ("dev-dependencies", package.groups),
    ):
        groups = entry.get(key)
        for group, needs in groups.items() if isinstance(groups, dict) else ():
            kept[normalised(group)] = _uv_needs(needs)
    return package


def _uv_needs(value: object) -> list[_Need]:
    return [
        (
            normalised(str(need.get("name", ""))),
            str(need.get("marker", "")),
            frozenset(normalised(str(extra)) for extra in _list(need.get("extra"))),
            str(need["version"]) if "version" in need else None,
        )
        for need in _tables(value)
    ]


def poetry(data: bytes, project: bytes, source: str, choice: Choice, target: Target) -> Locked:
    """Return what `poetry install` installs from poetry.lock. Raises LockError."""
    whole = toml(data, source)
    lines = _lines(data)
    packages: dict[str, list[_Package]] = {}
    for entry in _tables(whole.get("package")):
        name, version = normalised(str(entry.get("name", ""))), entry.get("version")
        place = Location(source, line=lines.get(f"{name}={version}") or lines.get(name))
        package = _Package(name, version if isinstance(version, str) else None, place)
        package.needs = list(_poetry_needs(entry.get("dependencies"), optional=False))
        extras = entry.get("extras")
        for extra, needs in extras.items() if isinstance(extras, dict) else ():
            named = {normalised(re.split(r"[^A-Za-z0-9._-]", str(n).strip(), maxsplit=1)[0])
                     for n in _list(needs)}  # fmt: skip
            package.extras[normalised(extra)] = [
                need for need in _poetry_needs(entry.get("dependencies"), optional=True)
                if need[0] in named
            ]  # fmt: skip
        packages.setdefault(name, []).append(package)
    wanted = list(_poetry_roots(toml(project, "pyproject.toml"), choice, target))
    return _closure(wanted, packages, target, skip="")


def _poetry_needs(table: object, *, optional: bool) -> Iterator[_Need]:
    for name, value in table.items() if isinstance(table, dict) else ():
        for one in value if isinstance(value, list) else (value,):
            entry = one if isinstance(one, dict) else {}
            if bool(entry.get("optional")) is not optional or name.lower() == "python":
                continue
            text = str(entry.get("markers", ""))
            extras = frozenset(normalised(str(extra)) for extra in _list(entry.get("extras")))
            yield normalised(name), text, extras, None


def _poetry_roots(project: Mapping[str, Any], choice: Choice, target: Target) -> Iterator[_Need]:
    tool = _table(_table(project.get("tool")).get("poetry"))
    if choice.main:
        yield from _poetry_needs(tool.get("dependencies"), optional=False)
        declared = _table(project.get("project"))
        for text in _list(declared.get("dependencies")):
            yield from _declared(str(text), target)
        for extra, texts in _table(declared.get("optional-dependencies")).items():
            if choice.all_extras or normalised(extra) in choice.extras:
                for text in _list(texts):
                    yield from _declared(str(text), target)
        for extra, names in _table(tool.get("extras")).items():
            if choice.all_extras or normalised(extra) in choice.extras:
                for name in _list(names):
                    yield normalised(str(name)), "", frozenset(), None
    yield from _poetry_groups(project, tool, choice, target)


def _poetry_groups(
    project: Mapping[str, Any], tool: Mapping[str, Any], choice: Choice, target: Target
) -> Iterator[_Need]:
    groups = {name: _table(group) for name, group in _table(tool.get("group")).items()}
    if "dev-dependencies" in tool:
        groups.setdefault("dev", {"dependencies": tool["dev-dependencies"]})
    for name, group in groups.items():
        asked = choice.all_groups or name in choice.with_groups
        standing = choice.default and not group.get("optional")
        if (asked or standing) and name not in choice.without_groups:
            yield from _poetry_needs(group.get("dependencies"), optional=False)
    for name, texts in _table(project.get("dependency-groups")).items():
        asked = choice.all_groups or choice.default or name in choice.with_groups
        if asked and name not in choice.without_groups:
            for text in _list(texts):
                if isinstance(text, str):
                    yield from _declared(text, target)


def _declared(text: str, target: Target) -> Iterator[_Need]:
    try:
        found = requirement(text, Location("pyproject.toml"), target)
    except ValueError as error:
        raise LockError(f"pyproject.toml has no requirement {text[:60]!r}") from error
    if found is not None:
        unclear = "platform_machine == 'x86_64'" if found.perhaps else ""
        yield found.name, unclear, found.extras, None


def pipfile(data: bytes, source: str, *, develop: bool, target: Target) -> Locked:
    """Return what `pipenv sync` installs from Pipfile.lock. Raises LockError."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LockError(f"{source} is no JSON") from error
    lines = {
        match[1]: number
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1)
        if (match := re.match(r'\s*"([^"]+)": \{', line))
    }
    certain: list[Wanted] = []
    perhaps: set[str] = set()
    for section in ("default", *(("develop",) if develop else ())):
        table = whole.get(section) if isinstance(whole, dict) else None
        if not isinstance(table, dict):
            raise LockError(f"{source} has no {section}")
        for key, entry in table.items():
            fields = _table(entry)
            name = normalised(key)
            holds = marker(str(fields.get("markers", "")), target)
            version = fields.get("version")
            if holds is Answer.UNKNOWN:
                perhaps.add(name)
            if holds is Answer.YES:
                place = Location(source, line=lines.get(key))
                certain.append(Wanted(name, version if isinstance(version, str) else None, place))
    return Locked(tuple(certain), frozenset(perhaps))


def _closure(
    wanted: Iterable[_Need],
    packages: Mapping[str, list[_Package]],
    target: Target,
    skip: str,
) -> Locked:
    """Follow dependencies from the roots; a marker that is not known makes all below it perhaps."""
    reached: dict[str, bool] = {}
    versions: dict[str, set[str]] = {}
    pending = [(need, True) for need in wanted]
    seen: set[tuple[str, frozenset[str], str | None, bool]] = set()
    while pending:
        (name, text, extras, version), certain = pending.pop()
        holds = marker(text, target)
        if holds is Answer.NO or name == skip:
            continue
        certain = certain and holds is Answer.YES
        key = (name, extras, version, certain)
        if key in seen:
            continue
        seen.add(key)
        reached[name] = reached.get(name, False) or certain
        for package in packages.get(name, ()):
            if version is not None and package.version != version:
                continue
            versions.setdefault(name, set()).add(package.version or "")
            pending.extend((need, certain) for need in package.needs)
            for extra in extras:
                pending.extend((need, certain) for need in package.extras.get(extra, ()))
    return Locked(
        tuple(
            _wanted(name, versions.get(name, set()), packages)
            for name, certain in reached.items()
            if certain
        ),
        frozenset(name for name, certain in reached.items() if not certain),
    )


def _wanted(name: str, versions: set[str], packages: Mapping[str, list[_Package]]) -> Wanted:
    """Return a package of a lock; where markers choose among versions, which one is not known."""
    places = [package.location for package in packages.get(name, ())]
    specifier = f"=={next(iter(versions))}" if len(versions) == 1 and "" not in versions else None
    return Wanted(name, specifier, places[0] if places else Location("lock"))


class Declared(Struct, frozen=True):
    """The dependencies of a project; None where they are made by code when it is built."""

    requirements: tuple[tuple[str, Location], ...] | None
    extras: Mapping[str, tuple[tuple[str, Location], ...]] = field(default_factory=dict)


def pyproject(data: bytes, source: str) -> Declared:
    """Read [project] of pyproject.toml (PEP 621), or Poetry's table. Raises LockError."""
    whole = toml(data, source)
    place = Location(source)
    project = whole.get("project")
    if not isinstance(project, dict):
        return Declared(None)
    dynamic = {str(name) for name in _list(project.get("dynamic"))}
    extras = {
        normalised(name): tuple((str(text), place) for text in _list(texts))
        for name, texts in _table(project.get("optional-dependencies")).items()
    }
    if "dependencies" in dynamic:
        return Declared(None, extras)
    rows = {text.strip().strip(",\"'"): n for n, text in enumerate(data.decode().splitlines(), 1)}
    return Declared(
        tuple(
            (str(text), Location(source, line=rows.get(str(text))))
            for text in _list(project.get("dependencies"))
        ),
        extras,
    )


def setup_cfg(data: bytes, source: str) -> Declared:
    """Read install_requires and extras_require of setup.cfg. Raises LockError."""
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(data.decode("utf-8", "replace"))
    except (ConfigError, RecursionError) as error:
        raise LockError(f"{source} is no configuration file") from error
    place = Location(source)

    def listed(text: str) -> tuple[tuple[str, Location], ...] | None:
        rows = [row.strip() for row in text.splitlines()]
        rows = [row for row in rows if row and not row.startswith("#")]
        if any(row.startswith(("file:", "attr:")) for row in rows):
            return None
        return tuple((row, place) for row in rows)

    needs = parser.get("options", "install_requires", fallback="")
    section = "options.extras_require"
    extras = dict(parser.items(section)) if parser.has_section(section) else {}
    return Declared(
        listed(needs), {normalised(name): listed(text) or () for name, text in extras.items()}
    )


def _lines(data: bytes) -> dict[str, int]:
    """Return the lines of the `name = "..."` of a lock's packages, by name and name=version."""
    found: dict[str, int] = {}
    name, at = "", 0
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if line.startswith("[["):
            name = ""
        match = re.match(r'(name|version) = "([^"]+)"', line)
        if match is None:
            continue
        if match[1] == "name":
            name, at = normalised(match[2]), number
            found.setdefault(name, number)
        elif name:
            found.setdefault(f"{name}={match[2]}", at)
    return found


def _tables(value: object) -> Iterator[dict[str, Any]]:
    yield from (
        (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
