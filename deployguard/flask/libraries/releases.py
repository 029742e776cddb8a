"""Which version of a library is installed, for those whose behaviour changed."""

from deployguard.flask.versions import Version, parse
from deployguard.model.filesystem import Absent, Unread
from deployguard.python import Interpreter, Known

_MARKS = (".dist-info", ".egg-info")


def release(run: Interpreter, name: str) -> Version | None:
    """Return the version of a distribution on the path; None where there is none to be seen."""
    wanted = _normal(name)
    for entry in run.path.items:
        if not (isinstance(entry, Known) and isinstance(entry.value, str)):
            continue
        listed = run.files.list(entry.value)
        names = (
            ()
            if isinstance(listed, Absent)
            else listed.seen
            if isinstance(listed, Unread)
            else listed
        )
        for found in names:
            if not found.endswith(_MARKS):
                continue
            stem = found.removesuffix(".dist-info").removesuffix(".egg-info")
            project, dash, version = stem.partition("-")
            if dash and _normal(project) == wanted:
                return parse(version.partition("-")[0]) or None
    return None


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()
