"""Which .env files count (flask.cli.load_dotenv, dotenv.find_dotenv)."""

import posixpath

from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread


def find(name: str, start: str, files: Filesystem) -> Content | Absent | Unread:
    """Return the nearest file of that name from a folder upwards."""
    folder = start
    while True:
        path = posixpath.join(folder, name)
        found = files.stat(path)
        if isinstance(found, Unread):
            return found
        if isinstance(found, Stat) and found.kind is FileKind.FILE:
            return files.read(path)
        parent = posixpath.dirname(folder)
        if parent == folder:
            return Absent(path)
        folder = parent
