"""cron and its kin: the jobs of their tables, which start at some time or other.

Sources: cron(8) and crontab(5) of Debian, busybox crond, supercronic 0.2. cron hands a job few
variables; busybox's crond and supercronic hand on their own.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from deployguard.effective import search
from deployguard.formats import crontab, dotenv
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_shell, started
from deployguard.launch.packages import Owned, owner
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Process, Start
from deployguard.model.structs import replace

_SYSTEM = ("/etc/crontab",)
_SYSTEM_FOLDERS = ("/etc/cron.d",)
_USER_FOLDERS = ("/var/spool/cron/crontabs", "/var/spool/cron", "/etc/crontabs")
_RUN_PARTS = re.compile(r"\brun-parts\b.*?(/etc/cron\.\w+)")
_PATH = "/usr/bin:/bin"
_WHEN = Missing(Reason.RUNNING, "whether the time of a job of cron comes")


class _UnreadError(Exception):
    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


def _cron(call: Call) -> Next:
    """Follow cron: the tables of the system and of users; the jobs get few variables."""
    known = syntax(flags="-f -l -n -P -s -i -p", values="-L -x -m -c", ends="-h -V")
    options = read(call.name, call.words, known)
    if not isinstance(options, Read):
        return options
    entries = {"SHELL": at("/bin/sh", call.place), "PATH": at(_PATH, call.place)}
    return _jobs(call, Environment(dict(entries), location=call.place), _USER_FOLDERS)


def _crond(call: Call) -> Next:
    """Follow crond, which hands on its own variables where it is busybox's."""
    known = syntax(flags="-f -b -S -n -s -i -p -P", values="-l -d -L -c -x -m", ends="-h -V")
    options = read(call.name, call.words, known)
    if not isinstance(options, Read):
        return options
    folder = options.last("-c")
    folders = _USER_FOLDERS if folder is None or folder.value is None else (folder.value,)
    return _jobs(call, call.process.env, folders)


def _supercronic(call: Call) -> Next:
    """Follow supercronic TABLE, which hands on its own variables."""
    known = syntax(
        flags="-debug -json -quiet -passthrough-logs -split-logs -overlapping -inotify -no-reap",
        values="-prometheus-listen-address -sentry-dsn -sentry-environment -sentry-release",
        ends="-h -help -test -version",
        abbreviated=False,
    )
    options = read(call.name, call.words, known)
    if not isinstance(options, Read):
        return options
    if not options.rest:
        return call.ends("ends: it is given no table")
    table = options.rest[0]
    if table.value is None:
        return hidden(table)
    place = search.absolute(table.value, call.process.cwd)
    content = place if isinstance(place, Unread) else call.files.read(place)
    match content:
        case Unread(missing=missing):
            return missing
        case Absent():
            return call.ends("ends: its table is not there")
        case Content():
            return _started(call, _table(call, content, call.process.env, users=False))


def _jobs(call: Call, env: Environment, folders: tuple[str, ...]) -> Next:
    return _started(call, _all(call, env, folders))


def _started(call: Call, processes: Iterator[Process]) -> Next:
    try:
        found = tuple(Start(process=one, certain=False, missing=(_WHEN,)) for one in processes)
    except _UnreadError as error:
        return error.missing
    return Started(processes=found) if found else call.ends("finds no job in its tables")


def _all(call: Call, env: Environment, folders: tuple[str, ...]) -> Iterator[Process]:
    own = _read(call, "/etc/environment")
    if own is not None:
        # Debian's cron reads it through PAM (pam_env).
        env = overlay((env, dotenv.environment(own)))
    for path in (*_SYSTEM, *(one for folder in _SYSTEM_FOLDERS for one in _files(call, folder))):
        content = _read(call, path)
        if content is not None:
            yield from _table(call, content, env, users=True)
    for path in (one for folder in folders for one in _files(call, folder)):
        content = _read(call, path)
        if content is not None:
            yield from _table(call, content, env, users=False)


def _read(call: Call, path: str) -> Content | None:
    content = call.files.read(path)
    if isinstance(content, Unread):
        raise _UnreadError(content.missing)
    return content if isinstance(content, Content) else None


def _files(call: Call, folder: str) -> tuple[str, ...]:
    names = call.files.list(folder)
    if isinstance(names, Unread):
        raise _UnreadError(names.missing)
    return tuple(
        posixpath.join(folder, name)
        for name in (names if isinstance(names, tuple) else ())
        if not name.startswith(".")
    )


def _table(call: Call, content: Content, env: Environment, *, users: bool) -> Iterator[Process]:
    """Yield the processes of a table's jobs; a folder of run-parts is one job for each file.

    What the distribution brought into such a folder cleans up after its own packages.
    """
    for job in crontab.parse(content, users=users):
        inner = overlay((env, Environment(dict(job.variables), location=content.location)))
        place = job.command.location
        home = inner.get("HOME") or at("/root", place)
        user = call.process.user if job.user is None else at(job.user, place)
        process = replace(call.process, env=inner, cwd=home, user=user)
        folder = _RUN_PARTS.search(job.command.value or "")
        if folder is None:
            yield in_shell(process, call.name, job.command, shell=inner.get("SHELL"))
            continue
        for path in _files(call, folder[1]):
            if not isinstance(owner(path, call.files), Owned):
                step = Evidence(place, f"run-parts runs the files of {folder[1]}")
                yield started(process, (at(path, place),), step)


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "cron": _cron,
    "crond": _crond,
    "supercronic": _supercronic,
}
