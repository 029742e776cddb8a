"""Names, versions and markers of Python distributions (PEP 440, 503, 508), each with its place."""

import re
from collections.abc import Mapping

from msgspec import Struct, field
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from deployguard.model.evidence import Answer, Location

_LONGEST = 4_096
_PIN = re.compile(r"={2,3}\s*([^\s,;*]+)\Z")


class Wanted(Struct, frozen=True):
    """A distribution that is asked for: its normalised name and what its version must be.

    `specifier` is "" where any version will do, and None where it cannot be told. `perhaps` says
    that a marker leaves open whether it is asked for at all.
    """

    name: str
    specifier: str | None
    location: Location
    extras: frozenset[str] = frozenset()
    perhaps: bool = False

    @property
    def pin(self) -> str | None:
        """Return the one version that is allowed, None where there are several."""
        match = _PIN.match(self.specifier or "")
        return match[1] if match else None


class Target(Struct, frozen=True):
    """The Python that packages are installed for: its "3.12", or None where it is not known."""

    python: str | None
    values: Mapping[str, str] = field(
        default_factory=lambda: {
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    )


def normalised(name: str) -> str:
    """Return a name as indexes compare it (PEP 503)."""
    return canonicalize_name(name)


def requirement(text: str, location: Location, target: Target) -> Wanted | None:
    """Read `name[extra] >= 1; marker`. None where the marker leaves it out.

    Raises ValueError for what is no requirement.
    """
    if len(text) > _LONGEST:
        raise ValueError("a requirement that is too long")
    try:
        found = Requirement(text)
        holds = Answer.YES if found.marker is None else _holds(found.marker, target)
    except (InvalidRequirement, RecursionError) as error:
        raise ValueError(str(error)) from error
    if holds is Answer.NO:
        return None
    return Wanted(
        normalised(found.name),
        None if found.url else str(found.specifier),
        location,
        frozenset(normalised(extra) for extra in found.extras),
        perhaps=holds is Answer.UNKNOWN,
    )


def marker(text: str, target: Target) -> Answer:
    """Say whether an environment marker holds."""
    if not text.strip():
        return Answer.YES
    try:
        found = Marker(text)
    except (InvalidMarker, RecursionError):
        return Answer.UNKNOWN
    return _holds(found, target)


# Where the Python or the machine is not known, a marker holds if it does on all of these.
_PYTHONS = ("3.6", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_MACHINES = (("0", "x86_64"), ("99", "aarch64"))


def _holds(found: Marker, target: Target) -> Answer:
    answers: set[bool] = set()
    for python in (target.python,) if target.python else _PYTHONS:
        for patch, machine in _MACHINES:
            environment = {
                **target.values,
                "python_version": python,
                "python_full_version": f"{python}.{patch}",
                "implementation_version": f"{python}.{patch}",
                "platform_machine": machine,
                "platform_release": "",
                "platform_version": "",
                "extra": "",
            }
            try:
                answers.add(found.evaluate(environment))
            except (UndefinedComparison, UndefinedEnvironmentName, RecursionError):
                return Answer.UNKNOWN
    if len(answers) > 1:
        return Answer.UNKNOWN
    return Answer.YES if answers == {True} else Answer.NO


def both(first: str | None, second: str | None) -> str | None:
    """Join two specifiers; None where one cannot be told."""
    if first is None or second is None:
        return None
    return ",".join(part for part in dict.fromkeys((first, second)) if part)


def admits(specifier: str, version: str) -> bool | None:
    """Say whether a version fits a specifier; None where either is not of PEP 440."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def wheel(name: str) -> tuple[str, str] | None:
    """Return the name and version that a wheel's or source archive's file name tells."""
    base = name.rpartition("/")[2]
    match = re.match(r"(?P<name>[A-Za-z0-9._]+?)-(?P<version>\d[^-]*)-.*\.whl\Z", base) or re.match(
        r"(?P<name>[A-Za-z0-9._-]+)-(?P<version>\d[^-]*)\.(?:tar\.gz|zip)\Z", base
    )
    return (normalised(match["name"]), match["version"]) if match else None
