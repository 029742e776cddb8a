"""The installed distributions that decide how Flask behaves, and the families of versions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Filesystem, Unread

Version = tuple[int, ...]

# One release of each family whose members behave alike, from the oldest to the newest.
_FAMILIES: tuple[tuple[Version, Version], ...] = (
    ((0, 12, 5), (0, 16, 1)),
    ((1, 1, 4), (1, 0, 1)),
    ((2, 1, 3), (2, 1, 2)),
    ((2, 2, 2), (2, 2, 2)),
    ((2, 2, 5), (2, 2, 3)),
    ((2, 3, 3), (2, 3, 8)),
    ((3, 0, 3), (3, 0, 6)),
    ((3, 1, 3), (3, 1, 3)),
)
_DISTRIBUTION = re.compile(
    r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[0-9][^-]*)[^/]*\.(?:dist|egg)-info"
)
_NUMBER = re.compile(r"\d{1,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The versions one launch runs with. `dotenv` says whether python-dotenv is installed."""

    flask: Version
    werkzeug: Version
    click: Version
    dotenv: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What the search path holds: versions by normalised name, each with its place.

    `unread` says why there may be distributions that were not seen.
    """

    versions: dict[str, tuple[Version, Location]]
    unread: Missing | None

    def stacks(self) -> tuple[Stack, ...]:
        """Return the stacks that may run: one where the versions are known."""
        flask = self.versions.get("flask")
        werkzeug = self.versions.get("werkzeug")
        click = self.versions.get("click")
        pairs = (
            [(flask[0], werkzeug[0] if werkzeug else flask[0])]
            if flask is not None
            else list(_FAMILIES)
        )
        dotenv = [True] if "python-dotenv" in self.versions else [False]
        if self.unread is not None and "python-dotenv" not in self.versions:
            dotenv = [True, False]
        return tuple(
            Stack(
                flask=one,
                werkzeug=two,
                click=click[0] if click else ((7, 1, 2) if one < (2,) else (8, 1, 7)),
                dotenv=present,
            )
            for one, two in pairs
            for present in dotenv
        )

    def evidence(self) -> tuple[Evidence, ...]:
        """Return where Flask's version stands."""
        found = self.versions.get("flask")
        if found is None:
            return ()
        version, location = found
        return (Evidence(location, f"Flask {'.'.join(map(str, version))} is installed"),)

    def missing(self) -> Missing:
        """Return what would tell the versions."""
        return Missing(Reason.VERSION, "the installed version of Flask")


def parse(text: str) -> Version:
    """Return the release numbers of a version (PEP 440), as many as there are."""
    release = re.split(r"[^0-9.]", text, maxsplit=1)[0]
    return tuple(int(part) for part in _NUMBER.findall(release)[:4])


def installed(folders: Sequence[str], files: Filesystem) -> Installed:
    """Read the distributions of site-packages folders from the names of their metadata."""
    versions: dict[str, tuple[Version, Location]] = {}
    unread: Missing | None = None
    for folder in folders:
        names = files.list(folder)
        if isinstance(names, Unread):
            unread = unread or names.missing
            continue
        if isinstance(names, Absent):
            continue
        for name in names:
            match = _DISTRIBUTION.fullmatch(name)
            if match is not None:
                key = re.sub(r"[-_.]+", "-", match["name"]).lower()
                version = parse(match["version"])
                if version:
                    versions.setdefault(key, (version, Location(f"{folder}/{name}")))
    return Installed(versions=versions, unread=unread)
