"""OCI image configs (image-spec config.md), which Docker's are as well, with a place per value."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.inputs.image import documents
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Traced
from deployguard.model.image import ImageConfig

FILE = "image config"
_ROOT = ("config", "rootfs", "os", "architecture", "variant")
_CONFIG = ("Entrypoint", "Cmd", "Env", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels")


class ParsedConfig(Struct, frozen=True):
    """A config, and what it says of the image around it."""

    config: ImageConfig
    platform: str
    diff_ids: tuple[str, ...]


def parse(data: bytes, reference: str) -> ParsedConfig:
    """Parse the bytes of a config. Raises SyntaxInputError with the place of what is wrong."""
    try:
        whole = documents.parse(data)
    except ValueError as error:
        raise SyntaxInputError(
            f"the image config {error}", location=Location(FILE, image=reference)
        ) from error
    root = _fields(whole, _ROOT, "", reference)
    rootfs = _fields(root.get("rootfs") or {}, ("diff_ids",), "/rootfs", reference)
    inner = _fields(root.get("config") or {}, _CONFIG, "/config", reference)
    diff_ids = _words(rootfs.get("diff_ids"), "/rootfs/diff_ids", reference)
    return ParsedConfig(
        from_mapping(inner, reference),
        platform(root, reference),
        diff_ids.value if diff_ids else (),
    )


def platform(root: Mapping[str, Any], reference: str) -> str:
    """Return "os/architecture[/variant]" of a config or an engine's answer."""
    parts = [
        _text(root.get(key) or default, f"/{key}", reference)
        for key, default in (("os", "linux"), ("architecture", "amd64"), ("variant", ""))
    ]
    return "/".join(part for part in parts if part)


def from_mapping(config: Mapping[str, Any], reference: str) -> ImageConfig:
    """Read the `config` object of an image config, or of an engine's answer to inspect."""

    def at(pointer: str) -> Location:
        return Location(FILE, pointer=f"/config/{pointer}", image=reference)

    def text(key: str) -> Traced[str | None] | None:
        value = _text(config.get(key) or "", f"/config/{key}", reference)
        return Traced(value, at(key)) if value else None

    ports = _mapping(config.get("ExposedPorts") or {}, "/config/ExposedPorts", reference)
    volumes = _mapping(config.get("Volumes") or {}, "/config/Volumes", reference)
    labels = _mapping(config.get("Labels") or {}, "/config/Labels", reference)
    shell = _words(config.get("Shell"), "/config/Shell", reference)
    on_build = _words(config.get("OnBuild"), "/config/OnBuild", reference)
    return ImageConfig(
        location=Location(FILE, image=reference),
        entrypoint=_words(config.get("Entrypoint"), "/config/Entrypoint", reference),
        cmd=_words(config.get("Cmd"), "/config/Cmd", reference),
        env=_environment(config, reference),
        working_dir=text("WorkingDir"),
        user=text("User"),
        exposed_ports=tuple(Traced(port, at("ExposedPorts")) for port in sorted(ports)),
        volumes=tuple(Traced(path, at("Volumes")) for path in sorted(volumes)),
        labels={str(key): str(value) for key, value in labels.items()},
        shell=shell.value if shell else None,
        on_build=on_build.value if on_build else (),
    )


def _environment(config: Mapping[str, Any], reference: str) -> Environment:
    """Read NAME=VALUE entries; of equal names the last counts, one without "=" sets nothing."""
    words = _words(config.get("Env"), "/config/Env", reference)
    entries: dict[str, Traced[str | None]] = {}
    for index, word in enumerate(words.value if words else ()):
        name, equals, value = word.partition("=")
        if equals and name:
            place = Location(FILE, pointer=f"/config/Env/{index}", image=reference)
            entries[name] = Traced(value, place)
    return Environment(entries, location=Location(FILE, image=reference))


def _fields(value: object, names: Sequence[str], pointer: str, reference: str) -> Mapping[str, Any]:
    try:
        return documents.fields(_mapping(value, pointer, reference), names)
    except ValueError as error:
        raise SyntaxInputError(
            f"the image config {error} at {pointer or '/'}",
            location=Location(FILE, pointer=pointer, image=reference),
        ) from error


def _mapping(value: object, pointer: str, reference: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("an object", pointer, reference)
    return value


def _text(value: object, pointer: str, reference: str) -> str:
    if not isinstance(value, str):
        raise _wrong("a text", pointer, reference)
    return value


def _words(value: object, pointer: str, reference: str) -> Traced[tuple[str, ...]] | None:
    """Read a list of texts; null and the empty list count as none, as in the engines."""
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong("a list of texts", pointer, reference)
    return Traced(tuple(value), Location(FILE, pointer=pointer, image=reference))


def _wrong(expected: str, pointer: str, reference: str) -> SyntaxInputError:
    return SyntaxInputError(
        f"the image config should have {expected} at {pointer or '/'}",
        location=Location(FILE, pointer=pointer, image=reference),
    )
