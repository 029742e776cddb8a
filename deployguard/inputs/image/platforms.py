"""Platforms of images, and the choice among several (image-spec image-index.md)."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deployguard.errors import AmbiguousError
from deployguard.model.evidence import Location

_SPELLINGS = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i686": "386",
    "armhf": "arm/v7",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "armel": "arm/v6",
}
_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd", "wasi", "wasip1"})
# A machine of a variant runs these, best first (containerd platforms/compare.go).
_RUNS = {
    "arm": ("v7", "v6", "v5"),
    "arm/v7": ("v7", "v6", "v5"),
    "arm/v6": ("v6", "v5"),
    "arm64": ("v8",),
    "arm64/v8": ("v8",),
    "amd64": ("v1",),
    "amd64/v1": ("v1",),
}
_NATURAL = {"arm": "v7", "arm64": "v8", "amd64": "v1"}


def platform_of(descriptor: Mapping[str, Any]) -> str | None:
    """Return "os/architecture[/variant]" of a descriptor, None where it names none."""
    given = descriptor.get("platform")
    if not isinstance(given, dict):
        return None
    parts: Iterable[object] = (given.get("os"), given.get("architecture"), given.get("variant"))
    return "/".join(str(part) for part in parts if part) or None


def is_attachment(descriptor: Mapping[str, Any]) -> bool:
    """Say whether a descriptor is of something about an image: BuildKit's attestations, artifacts.

    BuildKit gives them the platform unknown/unknown.
    """
    unknown = (platform_of(descriptor) or "").startswith("unknown")
    return unknown or bool(descriptor.get("artifactType"))


def normal(name: str) -> str:
    """Return a platform in Go's names, with the operating system."""
    parts = name.strip().lower().split("/")
    if parts[0] not in _SYSTEMS:
        parts = ["linux", *parts]
    if len(parts) == 1:
        parts.append(_architecture())
    parts[1] = _SPELLINGS.get(parts[1], parts[1])
    return "/".join(part for part in parts if part)


def _architecture() -> str:
    if sys.platform == "win32":
        import platform  # noqa: PLC0415  (4 ms, and not needed elsewhere)

        machine = platform.machine()
    else:
        machine = os.uname().machine
    return _SPELLINGS.get(machine, machine)


def host() -> str:
    """Return the platform of the machine that runs this, which runs Linux images."""
    return f"linux/{_architecture()}"


def matching(wanted: str, offered: Sequence[str | None]) -> int | None:
    """Return the index of the first platform that a machine of the wanted one would run."""
    system, _, architecture = normal(wanted).partition("/")
    bare = architecture.partition("/")[0]
    named = [normal(name) if name else "" for name in offered]
    variants = _RUNS.get(architecture, (architecture.partition("/")[2],))
    for variant in variants:
        spelled = {f"{system}/{bare}/{variant}".rstrip("/")}
        if variant == _NATURAL.get(bare, ""):
            spelled.add(f"{system}/{bare}")
        for index, name in enumerate(named):
            if name in spelled:
                return index
    return None


def runs(wanted: str, found: str) -> bool:
    """Say whether a machine of one platform would run an image of another."""
    return matching(wanted, (found,)) is not None


def choose(offered: Sequence[str | None], wanted: str | None, path: str) -> int:
    """Choose the platform asked for, else the host's, else the only one; return its index.

    Raises AmbiguousError that names those there are.
    """
    found = matching(wanted or host(), offered)
    if found is not None:
        return found
    if wanted is None and len(set(offered)) == 1:
        return 0
    names = ", ".join(sorted({name or "one without a name" for name in offered}))
    if not names:
        raise AmbiguousError(f"an index in {path} holds no image", location=Location(path))
    raise AmbiguousError(
        f"{path} holds the platforms {names}"
        + (f" and not {wanted}" if wanted else f" and not this machine's, {host()}"),
        location=Location(path),
        hint="choose one with --platform",
    )
