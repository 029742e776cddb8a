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
    given_system, given_architecture, given_variant = _parts(found)
    return (system, architecture) == (given_system, given_architecture) and (
        not variant or variant == (given_variant or _DEFAULT_VARIANTS.get(architecture))
    )


def _parts(platform: str) -> tuple[str, str, str]:
    """Split "os/architecture[/variant]"; an architecture alone is of this machine's system."""
    words = platform.lower().split("/")
    if len(words) == 1:
        words.insert(0, machine.system().lower())
    system, architecture, variant, *_ = (*words, "")
    return system, _ARCHITECTURES.get(architecture, architecture), variant
