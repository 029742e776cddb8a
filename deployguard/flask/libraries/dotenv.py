"""python-dotenv: .env files that the program itself reads."""

import posixpath

from deployguard.flask import dotenv
from deployguard.formats import dotenv as dotenv_format
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import Call, Known, Native, Opaque, Value, known
from deployguard.python.modules import LOCATION
from deployguard.python.values import derived, truth


def _find_dotenv(call: Call) -> Value:
    name = call.argument(0, "filename") or known(".env")
    if not isinstance(name, Known):
        return derived("find_dotenv()", name)
    content = _search(call, str(name.value))
    match content:
        case Content(location=location):
            return known(location.file)
        case Absent():
            return known("")
        case Unread(missing=missing):
            return Opaque((missing,), "find_dotenv()", harmless=True)


def _search(call: Call, name: str) -> Content | Absent | Unread:
    """dotenv.find_dotenv: upwards from the folder of the calling file."""
    place = call.run.current.slots.get(LOCATION) if call.run.current else None
    if not isinstance(place, Location):
        return Unread(Missing(Reason.FILE, f"which {name} the program reads"))
    return dotenv.find(name, posixpath.dirname(place.file), call.run.files)


def _load_dotenv(call: Call) -> Value:
    path = call.argument(0, "dotenv_path")
    override = truth(call.keywords.get("override", known(value=False)))
    if path is None or (isinstance(path, Known) and not path.value):
        content = _search(call, ".env")
    elif isinstance(path, Known) and isinstance(path.value, str) and call.run.cwd is not None:
        content = call.run.files.read(posixpath.normpath(posixpath.join(call.run.cwd, path.value)))
    else:
        missing = derived("a path", path).missing or (Missing(Reason.FILE, "which .env is read"),)
        content = Unread(missing[0])
    if override is Answer.UNKNOWN:
        content = Unread(Missing(Reason.SOURCE, "whether .env overrides the environment"))
    take_file(call, content, override=override is not Answer.NO)
    return known(value=True)


def take_file(call: Call, content: Content | Absent | Unread, *, override: bool) -> None:
    """Lay a .env file over os.environ, or under it where nothing is overridden."""
    environ = call.run.environ
    match content:
        case Absent():
            return
        case Unread(missing=missing):
            for name in tuple(environ.slots) if override else ():
                call.run.store(environ.slots, name, Opaque((missing,), name, harmless=True))
            environ.rest = environ.rest or Opaque((missing,), "os.environ", harmless=True)
        case Content():
            for name, entry in dotenv_format.environment(content).entries.items():
                if name in environ.slots and not override:
                    continue
                value: Value = (
                    Opaque(entry.missing, name, harmless=True)
                    if entry.value is None
                    else known(entry.value, Evidence(entry.location, f"{name} is set here"))
                )
                call.run.store(environ.slots, name, value)


DOTENV = {
    "load_dotenv": Native("dotenv.load_dotenv", _load_dotenv),
    "find_dotenv": Native("dotenv.find_dotenv", _find_dotenv),
}
