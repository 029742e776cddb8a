"""Volumes of a service, in the short and the long form (compose-go format/volume.go)."""

import posixpath
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.fields import Fields, mapping, wrong
from deployguard.model.evidence import Location, Traced

_KINDS = frozenset({"bind", "volume", "tmpfs", "cluster", "npipe", "image"})
_WAY_OUT = "write SOURCE:TARGET, the target absolute"
_OPTIONED = ("volume", "image")


class Volume(Struct, frozen=True):
    """One volume: `kind` as in the long form; `copied` unless `nocopy` is asked for."""

    kind: str
    source: Traced[str] | None
    target: Traced[str]
    subpath: str | None = None
    copied: bool = True


def volumes(service: Mapping, fields: Fields) -> Iterator[Volume]:
    """Yield the volumes of a service. Raises SyntaxInputError for what is refused."""
    for item in fields.items(service, "volumes"):
        if isinstance(item, Mapping):
            volume = _long(item, fields)
        else:
            text = fields.text(item, "volumes")
            volume = _short(text.value, text.location)
        if not _absolute(volume.target.value):
            raise SyntaxInputError(
                "a volume without an absolute target path", location=item.location, hint=_WAY_OUT
            )
        if posixpath.normpath(volume.target.value).strip("/") == "":
            raise SyntaxInputError(
                "the target of a volume can't be '/'",
                location=item.location,
                hint="the engine refuses it as well; mount a folder below",
            )
        yield volume


def _long(node: Mapping, fields: Fields) -> Volume:
    kind = fields.optional(node, "type")
    target = fields.optional(node, "target")
    source = fields.optional(node, "source")
    if kind is None or kind.value not in _KINDS:
        raise wrong(node, "type", "one of bind, volume, tmpfs, cluster, npipe, image")
    if target is None or not target.value:
        raise SyntaxInputError(
            "a volume is missing a mount target", location=node.location, hint="add target: PATH"
        )
    if kind.value == "bind" and (source is None or not source.value):
        raise SyntaxInputError(
            "a bind without a source", location=node.location, hint="add source: PATH"
        )
    subpath: Traced[str] | None = None
    copied = True
    for name in _OPTIONED:
        options = node.get(name)
        if isinstance(options, Mapping) and name == kind.value:
            subpath = fields.optional(options, "subpath")
            flag = fields.flag(options, "nocopy")
            copied = flag is None or not flag.value
        elif options is not None:
            mapping(options, name)
    return Volume(
        kind.value,
        source if source is not None and source.value else None,
        target,
        subpath.value if subpath is not None and subpath.value else None,
        copied,
    )


def _short(text: str, location: Location) -> Volume:
    """Read SOURCE:TARGET:OPTIONS; a letter before a colon is a drive of Windows."""
    parts = _parts(text)
    if not text or (len(parts) > 1 and not all(parts)):
        raise SyntaxInputError(
            "empty section between colons" if text else "invalid empty volume spec",
            location=location,
            hint=_WAY_OUT,
        )
    if len(parts) > len(("source", "target", "options")):
        raise SyntaxInputError("too many colons", location=location, hint=_WAY_OUT)
    if len(parts) == 1:
        return Volume("volume", None, Traced(parts[0], location))
    source, target = (Traced(part, location) for part in parts[:2])
    options = parts[2].split(",") if len(parts) > 2 else []  # noqa: PLR2004  (the options)
    kind = "bind" if _is_path(source.value) else "volume"
    return Volume(kind, source, target, copied="nocopy" not in options)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    part = ""
    for sign in text:
        if sign == ":" and not (len(part) == 1 and part.isalpha()):
            parts.append(part)
            part = ""
        else:
            part += sign
    return [*parts, part]


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~", "\\\\")) or _has_drive(source)


def _has_drive(path: str) -> bool:
    return path[:1].isalpha() and path[1:2] == ":"


def _absolute(path: str) -> bool:
    return path.startswith(("/", "\\")) or _has_drive(path)


def source_path(source: str, folder: Path, fields: Fields) -> Path | None:
    """Return the path that a source names; None for one of Windows, or of a home not known."""
    if source.startswith("~"):
        home = fields.lookup("HOME")
        # Compose knows no other user's home: ~name lies below one's own.
        return Path(home, source[1:].lstrip("/")) if home else None
    if source.startswith("\\") or _has_drive(source):
        return None
    return folder / source
