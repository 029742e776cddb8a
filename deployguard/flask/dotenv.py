"""Which .env files count, and what they set (flask.cli.load_dotenv, dotenv.find_dotenv)."""

import posixpath

from deployguard.flask.versions import Stack
from deployguard.formats import dotenv
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread


def skipped(environment: Environment) -> bool | tuple[Missing, ...]:
    """Say whether FLASK_SKIP_DOTENV is on (flask.helpers.get_load_dotenv); what is missing else."""
    entry = environment.get("FLASK_SKIP_DOTENV")
    if entry is None:
        return False
    if entry.value is None:
        return entry.missing
    return entry.value != "" and entry.value.lower() not in {"0", "false", "no"}


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


def layers(
    environment: Environment,
    cwd: str | None,
    stack: Stack,
    files: Filesystem,
    explicit: Content | Absent | Unread | None = None,
) -> Environment:
    """Return the environment after Flask has read its .env files.

    The real environment is never overridden; .env beats .flaskenv. A file named by -e beats both
    from 3.1 on and yields to both before.
    """
    if not stack.dotenv or stack.flask < (1,):
        return environment
    found: list[Environment] = []
    skip = skipped(environment)
    if isinstance(skip, tuple):
        found.append(_unseen(skip))
    elif not skip:
        if cwd is None:
            missing = (Missing(Reason.IMAGE, "the working directory and its .env files"),)
            found.append(_unseen(missing))
        else:
            found = [_parsed(find(name, cwd, files), environment) for name in (".flaskenv", ".env")]
    if explicit is not None:
        named = _parsed(explicit, environment)
        found = [*found, named] if stack.flask >= (3, 1) else [named, *found]
    return _over(overlay(found), environment)


def _over(files: Environment, environment: Environment) -> Environment:
    """Lay the real environment over what files set; what it certainly lacks, files may set."""
    real = Environment(environment.entries, {}, environment.unseen, environment.location)
    merged = overlay((files, real))
    lacking = [name for name in environment.removed if name not in environment.entries]
    entries = dict(merged.entries) | {
        name: files.entries[name] for name in lacking if name in files.entries
    }
    removed = {} if files.unseen else {name: environment.removed[name] for name in lacking}
    return Environment(entries, removed, merged.unseen, merged.location)


def _unseen(missing: tuple[Missing, ...]) -> Environment:
    return Environment(unseen=missing, location=Location(".env"))


def _parsed(content: Content | Absent | Unread, outer: Environment) -> Environment:
    match content:
        case Content():
            return dotenv.environment(content, outer)
        case Unread(missing=missing):
            return _unseen((missing,))
        case Absent():
            return Environment()
