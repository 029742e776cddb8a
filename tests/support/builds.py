"""Builds from texts, for tests that are not about folders."""

from collections.abc import Mapping
from pathlib import Path

from deployguard.inputs.dockerfile import BuildOptions, BuiltStage, build
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Content, Filesystem, Unread
from deployguard.model.image import Image

PYTHON = "FROM python:3.12-slim\nWORKDIR /app\n"
SITE = "/usr/local/lib/python3.12/site-packages"


class NoImages:
    """An engine without images; those that are asked for are kept in `asked`."""

    def __init__(self, **images: Image) -> None:
        self.images = images
        self.asked: list[str | None] = []

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        self.asked.append(reference.value)
        found = self.images.get(reference.value or "")
        return found or Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)


def built(
    folder: Path,
    dockerfile: str,
    files: Mapping[str, str | bytes] | None = None,
    options: BuildOptions | None = None,
) -> BuiltStage:
    """Return the stage that a Dockerfile and its context make."""
    write(folder, {"Dockerfile": dockerfile, **(files or {})})
    (stage,) = build(str(folder), None, NoImages(), options or BuildOptions())
    return stage


def text(files: Filesystem, path: str) -> str | None:
    """Return the text of a file; None where it is absent or not known."""
    found = files.read(path)
    return found.data.decode() if isinstance(found, Content) else None
