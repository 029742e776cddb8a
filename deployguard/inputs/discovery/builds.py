"""The folder that a Dockerfile is built in, where nobody names it."""

import os
import posixpath
import re
from collections.abc import Iterator

from deployguard.errors import InputError
from deployguard.formats import dockerfile as syntax
from deployguard.inputs.discovery.sources import Sources

_PLAIN = re.compile(r"[^$*?\[\]\\<>:]+")
_EXACT = frozenset({"Dockerfile", "Containerfile"})
_FROM = re.compile(rb"^[ \t]*FROM[ \t]", re.MULTILINE | re.IGNORECASE)


def is_built(path: str, sources: Sources) -> bool:
    """Say whether a file that is called like a Dockerfile is one: the plain name, or a FROM."""
    if posixpath.basename(path) in _EXACT:
        return True
    try:
        return _FROM.search(sources.read(path)) is not None
    except InputError:
        return True  # who builds from it says why it cannot be read


def context(path: str, root: str, sources: Sources) -> str | None:
    """Return the folder above a Dockerfile that holds what it copies, None for its own.

    `docker build -f docker/Dockerfile .` is how a Dockerfile in a folder of its own is used; which
    folder it is stands nowhere. Folders above `root` are not looked into.
    """
    own = posixpath.dirname(path) or "."
    try:
        copied = tuple(_copied(sources.read(path), path))
    except InputError:
        return None
    folder = own
    while not _holds(folder, copied):
        if posixpath.normpath(folder) == posixpath.normpath(root):
            return None
        folder = posixpath.dirname(folder) or "."
    return None if folder == own else folder


def _holds(folder: str, copied: tuple[str, ...]) -> bool:
    return all(os.path.lexists(posixpath.join(folder, name)) for name in copied)


def _copied(data: bytes, path: str) -> Iterator[str]:
    """Yield the paths that are copied from the context, where they are written out."""
    for step in syntax.parse(data, path).instructions:
        if step.keyword in {"COPY", "ADD"} and step.flag("from") is None:
            for source in step.arguments[:-1]:
                if _PLAIN.fullmatch(source):
                    yield source.lstrip("/") or "."
