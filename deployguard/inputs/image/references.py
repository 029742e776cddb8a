"""Names of images (distribution/reference, grammar and normalisation) and of platforms."""

import platform as machine
import re

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_LONGEST = 1024
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")
# containerd platforms/database.go: names of the same thing.
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm"}
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


def is_reference(text: str) -> bool:
    """Say whether a text can name an image at all; an id can as well."""
    return len(text) <= _LONGEST and _REFERENCE.fullmatch(text) is not None


def digest(reference: str) -> str | None:
    """Return the digest that a reference asks for."""
    return reference.partition("@")[2] or None


def names_id(reference: str, image_id: str) -> bool:
    """Say whether a reference is the id of an image, or the beginning of it."""
    match = _ID.fullmatch(reference)
    return match is not None and image_id.removeprefix("sha256:").startswith(match[1])


def same_platform(wanted: str, found: str) -> bool:
    """Say whether an image of one platform is what another one asks for."""
    system, architecture, variant = _parts(wanted)
    given = _parts(found)
    return (system, architecture) == given[:2] and variant in {None, given[2]}


def _parts(platform: str) -> tuple[str, str, str | None]:
    """Split "os/architecture[/variant]"; an architecture alone is of this machine's system."""
    words = platform.lower().split("/")
    if len(words) == 1:
        words.insert(0, machine.system().lower())
    architecture = _ARCHITECTURES.get(words[1], words[1])
    default = _DEFAULT_VARIANTS.get(architecture)
    variant = words[2] if len(words) > 2 else default  # noqa: PLR2004  (the third part)
    return words[0], architecture, variant
