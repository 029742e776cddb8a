"""The installed distributions that decide how Flask behaves, and the families of versions."""

import re
from collections.abc import Sequence

from msgspec import Struct

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Filesystem, Stat, Unread

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
    r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[0-9<>=!~][^-]*)[^/]*\.(?:dist|egg)-info"
)
# Flask's releases (its changelog); whatever comes after them counts to the last family.
_RELEASES = (
    "0.9", "0.10.1", "0.11.1", "0.12.5", "1.0.4", "1.1.4", "2.0.3", "2.1.3", "2.2.0", "2.2.1",
    "2.2.2", "2.2.3", "2.2.4", "2.2.5", "2.3.0", "2.3.1", "2.3.2", "2.3.3", "3.0.0", "3.0.1",
    "3.0.2", "3.0.3", "3.1.0", "3.1.1", "3.1.2", "3.1.3", "999",
)  # fmt: skip
_NUMBER = re.compile(r"\d{1,6}")


class Stack(Struct, frozen=True, kw_only=True):
    """The versions one launch runs with. `dotenv` says whether python-dotenv is installed."""

    flask: Version
    werkzeug: Version
    click: Version
    dotenv: bool


class Release(Struct, frozen=True):
    """What is known of a distribution's version: the versions it may have, the newest last.

    `text` is the version, or the specifier of a build that leaves it open.
    """

    text: str
    versions: tuple[Version, ...]
    location: Location


class Installed(Struct, frozen=True, kw_only=True):
    """What the search path holds: releases by normalised name, each with its place.

    `unread` says why there may be distributions that were not seen; `dotenv` whether python-dotenv
    may be among them.
    """

    versions: dict[str, Release]
    unread: Missing | None
    dotenv: bool

    def stacks(self) -> tuple[Stack, ...]:
        """Return the stacks that may run: one where the versions are known."""
        flask = self.versions.get("flask")
        if "python-dotenv" in self.versions:
            dotenv = [True]
        else:
            dotenv = [True, False] if self.dotenv else [False]
        if flask is None:
            pairs = list(_FAMILIES)
        else:
            pairs = [(one, two) for one in flask.versions for two in self._werkzeugs(one)]
        return tuple(
            Stack(flask=one, werkzeug=two, click=click, dotenv=present)
            for one, two in pairs
            for click in self._clicks(one)
            for present in dotenv
        )

    def _werkzeugs(self, flask: Version) -> tuple[Version, ...]:
        """Return the versions of Werkzeug that may stand beside a Flask of a known version."""
        known = self.versions.get("werkzeug")
        if known is not None and known.versions:
            return known.versions
        # From Flask 2.0 on all that it admits behave alike; before, 0.11 brought the PIN.
        old = self.unread is not None and flask < (1,)
        return ((0, 10, 4), (0, 16, 1)) if old else (flask,)

    def _clicks(self, flask: Version) -> tuple[Version, ...]:
        known = self.versions.get("click")
        if known is not None and known.versions:
            return known.versions
        if self.unread is not None and flask >= (2, 3):
            # From click 8.2 on names of commands lose a suffix, from 8.3 on flags are read anew.
            return ((8, 1, 7), (8, 5, 0))
        if self.unread is None or "flask" not in self.versions:
            return ((7, 1, 2) if flask < (2,) else (8, 1, 7),)
        # Flask 2.0 asks for click 8.0, 2.3 for 8.1 (their metadata).
        return ((7, 1, 2), (8, 1, 7)) if flask < (2,) else ((8, 0, 4), (8, 1, 7))

    def evidence(self) -> tuple[Evidence, ...]:
        """Return where Flask's version stands."""
        found = self.versions.get("flask")
        if found is None:
            return ()
        return (Evidence(found.location, f"Flask {found.text} is installed"),)

    def missing(self) -> Missing:
        """Return what would tell the versions."""
        flask = self.versions.get("flask")
        if flask is not None and len(flask.versions) == 1:
            what = "whether python-dotenv is installed, and the version of click"
            return Missing(Reason.VERSION, what)
        return Missing(Reason.VERSION, "the installed version of Flask")


def parse(text: str) -> Version:
    """Return the release numbers of a version (PEP 440), as many as there are."""
    release = re.split(r"[^0-9.]", text, maxsplit=1)[0]
    return tuple(int(part) for part in _NUMBER.findall(release)[:4])


def installed(
    folders: Sequence[str], files: Filesystem, unread: Missing | None = None
) -> Installed:
    """Read the distributions of site-packages folders from the names of their metadata.

    `unread` says why there may be further folders.
    """
    versions: dict[str, Release] = {}
    dotenv = unread is not None
    for folder in folders:
        names = files.list(folder)
        if isinstance(names, Unread):
            unread = unread or names.missing
            # Flask finds it by importing it (flask.cli: import dotenv).
            dotenv = dotenv or not isinstance(files.stat(f"{folder}/dotenv/__init__.py"), Absent)
        for name in _names(names):
            match = _DISTRIBUTION.fullmatch(name)
            if match is not None:
                key = re.sub(r"[-_.]+", "-", match["name"]).lower()
                place = f"{folder}/{name}"
                release = _release(key, match["version"], place, files)
                if release is not None:
                    versions.setdefault(key, release)
    return Installed(versions=versions, unread=unread, dotenv=dotenv)


def _names(names: tuple[str, ...] | Absent | Unread) -> tuple[str, ...]:
    match names:
        case Absent():
            return ()
        case Unread(seen=seen):
            return seen
        case _:
            return names


def _release(key: str, text: str, place: str, files: Filesystem) -> Release | None:
    """Return what the version in a name says; of a specifier, the newest of each family."""
    if key not in _DECIDING:
        return None
    if text[0].isdigit():
        version = parse(text)
        return Release(text, (version,), _place(place, files)) if version else None
    versions = _admitted(text) if key == "flask" else ()
    if key == "flask" and not versions:
        versions = tuple(flask for flask, _ in _FAMILIES)
    return Release(text, versions, _place(place, files))


# The distributions that decide how Flask behaves.
_DECIDING = frozenset({"flask", "werkzeug", "click", "python-dotenv"})


def _place(path: str, files: Filesystem) -> Location:
    """Return where a distribution is known from: what was pinned for a build, or the image."""
    found = files.stat(path)
    return found.location if isinstance(found, Stat) else Location(path)


def _admitted(specifier: str) -> tuple[Version, ...]:
    """Return the newest admitted release of each family of Flask, oldest family first."""
    # Only where a build leaves the version open: the package takes 20 ms to load.
    from deployguard.formats.distributions import admits  # noqa: PLC0415

    newest: dict[int, Version] = {}
    for text in _RELEASES:
        if admits(specifier, text):
            version = parse(text)
            newest[_family(version)] = _FAMILIES[-1][0] if text == "999" else version
    return tuple(newest[family] for family in sorted(newest))


def _family(version: Version) -> int:
    bounds: tuple[Version, ...] = ((1,), (2,), (2, 2), (2, 2, 3), (2, 3), (3,), (3, 1))
    return sum(version >= bound for bound in bounds)
