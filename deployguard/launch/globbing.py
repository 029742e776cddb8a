"""Pathnames with patterns, as glob(3) and Python's glob find them."""

import fnmatch
import posixpath
import re

from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Filesystem, Unread

_MAGIC = re.compile(r"[*?\[]")
_MOST = 1_000


def glob(pattern: str, files: Filesystem) -> tuple[str, ...] | Missing:
    """Return the paths that an absolute pattern stands for, sorted; names with a dot only by one.

    A directory that was not read leaves them open.
    """
    found = ["/"]
    for part in posixpath.normpath(pattern).strip("/").split("/"):
        step: list[str] = []
        for folder in found:
            inner = _matching(folder, part, files)
            if isinstance(inner, Missing):
                return inner
            step.extend(inner)
        if len(step) > _MOST:
            return Missing(Reason.LIMIT, f"the more than {_MOST} files that {pattern} names")
        found = step
    return tuple(sorted(found))


def _matching(folder: str, part: str, files: Filesystem) -> list[str] | Missing:
    if not _MAGIC.search(part):
        path = posixpath.join(folder, part)
        there = files.stat(path)
        if isinstance(there, Unread):
            return there.missing
        return [] if isinstance(there, Absent) else [path]
    names = files.list(folder)
    if isinstance(names, Unread):
        return names.missing
    if isinstance(names, Absent):
        return []
    return [
        posixpath.join(folder, name)
        for name in names
        if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
    ]
