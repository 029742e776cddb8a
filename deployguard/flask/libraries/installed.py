"""What is installed beside a program: whether a module can be imported, and which release it is."""

import posixpath
import re
from collections.abc import Iterator

from deployguard.flask.versions import Version, parse
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.filesystem import Absent, Unread
from deployguard.python import Interpreter, Known

_METADATA = re.compile(r"(?P<name>[A-Za-z0-9._]+)-(?P<version>\d[^-]*).*\.(?:dist|egg)-info")


def importable(run: Interpreter, name: str) -> tuple[Answer, tuple[Missing, ...]]:
    """Say whether `import NAME` finds a top-level module on sys.path, and what is missing to tell.

    It is only looked up: importing it is the affair of whoever runs it.
    """
    missing: list[Missing] = [] if run.unread is None else [run.unread]
    for folder in _folders(run, missing):
        names = run.files.list(folder)
        if any(_is_module(entry, name) for entry in _entries(names)):
            return Answer.YES, ()
        if isinstance(names, Unread):
            missing.append(names.missing)
    return (Answer.UNKNOWN, tuple(missing)) if missing else (Answer.NO, ())


def _is_module(entry: str, name: str) -> bool:
    compiled = entry.startswith(f"{name}.") and entry.endswith((".so", ".pyc"))
    return entry in {name, f"{name}.py"} or compiled


def release(run: Interpreter, distribution: str) -> Version | None:
    """Return the installed release of a distribution by its normalised name, None if not known."""
    for folder in _folders(run, []):
        for entry in _entries(run.files.list(folder)):
            match = _METADATA.fullmatch(entry)
            if match and re.sub(r"[-_.]+", "-", match["name"]).lower() == distribution:
                return parse(match["version"]) or None
    return None


def unknown_release(distribution: str) -> Missing:
    """Return what would tell the release of a distribution."""
    return Missing(Reason.VERSION, f"the installed version of {distribution}")


def _entries(names: tuple[str, ...] | Absent | Unread) -> tuple[str, ...]:
    match names:
        case Absent():
            return ()
        case Unread(seen=seen):
            return seen
        case _:
            return names


def _folders(run: Interpreter, missing: list[Missing]) -> Iterator[str]:
    for entry in run.path.items:
        if not isinstance(entry, Known) or not isinstance(entry.value, str):
            missing.append(Missing(Reason.SOURCE, "a folder of sys.path"))
        elif entry.value.startswith("/"):
            yield entry.value
        elif run.cwd is None:
            missing.append(Missing(Reason.IMAGE, "the working directory"))
        else:
            yield posixpath.normpath(posixpath.join(run.cwd, entry.value))
