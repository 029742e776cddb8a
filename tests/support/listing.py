"""The whole of a filesystem as plain values, to be compared with a model or an engine."""

import io
import posixpath
import tarfile
from collections.abc import Collection

from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from tests.support.layer_model import Files

UNREAD = "?"


def listed(files: Filesystem) -> Files:
    """Return every path that can be walked to: "file TEXT", "folder", "other", or "?" for unread.

    A link counts as what it leads to, and is left out where that is nothing.
    """
    found: Files = {}
    pending = ["/"]
    while pending:
        folder = pending.pop()
        names = files.list(folder)
        if isinstance(names, Unread):
            found[folder.strip("/")] = UNREAD
        for name in names if isinstance(names, tuple) else ():
            path = posixpath.join(folder, name)
            shown = look(files, path)
            if shown is not None:
                found[path.strip("/")] = shown
            stat = files.stat(path)
            if shown == "folder" and isinstance(stat, Stat) and stat.path == path:
                pending.append(path)
    return found


def look(files: Filesystem, path: str) -> str | None:
    """Return what one path leads to, None where there is nothing."""
    stat = files.stat(path)
    match stat:
        case Unread():
            return UNREAD
        case Absent():
            return None
        case Stat(kind=FileKind.DIRECTORY):
            return "folder"
        case Stat(kind=FileKind.OTHER):
            return "other"
        case Stat():
            content = files.read(path)
            if isinstance(content, Content):
                return f"file {content.data.decode('latin-1')}"
            return UNREAD


def hidden(path: str, doubted: Collection[str]) -> bool:
    """Say whether a path is one of which engines differ, or lies below one."""
    return any(path == one or path.startswith(f"{one}/") for one in doubted)


def followed(files: Files, doubted: Collection[str] = ()) -> Files:
    """Return a listing with each link replaced by what it leads to; those to nothing are left out.

    What leads to or through a path in doubt is unread.
    """
    found = {path: _led(files, path, doubted) for path in files}
    return {path: value for path, value in found.items() if value is not None}


def _led(files: Files, path: str, doubted: Collection[str]) -> str | None:
    """Follow a path as the kernel does, within the root."""
    pending = path.split("/")[::-1]
    here: list[str] = []
    hops = 0
    while pending:
        part = pending.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            here = here[:-1]
            continue
        if hidden("/".join([*here, part]), doubted):
            return UNREAD
        value = files.get("/".join([*here, part]))
        if value is None or (here and files.get("/".join(here)) != "folder"):
            return None
        if value.startswith("link "):
            hops += 1
            if hops > 40:
                return None
            if value[5:].startswith("/"):
                here = []
            pending.extend(value[5:].split("/")[::-1])
            continue
        here.append(part)
    return files.get("/".join(here), "folder")


def exported(archive: bytes) -> Files:
    """Return the listing of a tar that an engine exports."""
    found: Files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), errors="surrogateescape") as members:
        for member in members:
            path = member.name.strip("/")
            if member.isdir():
                found[path] = "folder"
            elif member.issym():
                found[path] = f"link {member.linkname}"
            elif member.islnk():
                found[path] = found[member.linkname.strip("/")]
            elif member.isreg():
                content = members.extractfile(member)
                assert content is not None
                found[path] = f"file {content.read().decode('latin-1')}"
            else:
                found[path] = "other"
    return found
