"""Names of images: grammar and normalisation (distribution/reference)."""

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


def is_reference(text: str) -> bool:
    """Say whether a text can name an image at all; an id can as well."""
    return len(text) <= _LONGEST and _REFERENCE.fullmatch(text) is not None


def digest(reference: str) -> str | None:
    """Return the digest that a reference asks for."""
    return reference.partition("@")[2] or None


def id_prefix(reference: str) -> str | None:
    """Return the digits of an id, or of the beginning of one; None for what can be none."""
    match = _ID.fullmatch(reference)
    return None if match is None else match[1]


def names_id(reference: str, image_id: str) -> bool:
    """Say whether a reference is the id of an image, or the beginning of it."""
    prefix = id_prefix(reference)
    return prefix is not None and image_id.removeprefix("sha256:").startswith(prefix)


def repository(reference: str) -> str:
    """Return a reference without tag and digest."""
    name = reference.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def tag_of(reference: str) -> str:
    """Return the tag of a reference, "latest" where it has none."""
    name = reference.partition("@")[0]
    return name[len(repository(name)) + 1 :] or "latest"


def qualified(reference: str) -> str:
    """Return a reference with the registry and tag that Docker takes for granted.

    As distribution/reference does: "shop" is "docker.io/library/shop:latest".
    """
    name = repository(reference)
    first, slash, _ = name.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    return f"{name}:{tag_of(reference)}"
