"""python-dotenv (dotenv.main): .env files that the program itself reads."""

import posixpath

from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.reading import (
    calling_folder,
    content_of,
    flag,
    given,
    raising,
    read,
    upwards,
)
from deployguard.formats import dotenv as dotenv_format
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import lift, text_of
from deployguard.python.standard import absolute
from deployguard.python.values import derived, missing_of, trail_of, truth

_DISABLING = frozenset({"1", "true", "t", "yes", "y"})
# PYTHON_DOTENV_DISABLED is heeded from this release on.
_DISABLED_SINCE = (1, 2)


def find_dotenv(call: Call) -> Value:
    """find_dotenv: upwards from the folder of the calling file, or from the working directory."""
    name = call.argument(0, "filename") or known(".env")
    text = text_of(name)
    if text is None:
        return derived("find_dotenv()", name)
    from_cwd = flag(call, 2, "usecwd", default=False)
    content = _search(call, text, from_cwd)
    match content:
        case Content(location=location):
            return known(location.file, Evidence(location, f"{location.file} is found"))
        case Absent():
            raises = flag(call, 1, "raise_error_if_not_found", default=False)
            if raises is Answer.YES:
                raise raising(call, "OSError", f"{text} is not found")
            return known("")
        case Unread(missing=missing):
            return Opaque((missing,), "find_dotenv()", harmless=True)


def _search(call: Call, name: str, from_cwd: Answer) -> Content | Absent | Unread:
    run = call.run
    if from_cwd is Answer.UNKNOWN:
        return Unread(Missing(Reason.SOURCE, f"where {name} is looked for"))
    folder = run.cwd if from_cwd is Answer.YES else calling_folder(run) or run.cwd
    return upwards(run, folder, (name,))


def _source(call: Call) -> Content | Absent | Unread:
    """Return what a function is told to read: a path, else a stream, else what is found."""
    path, stream = given(call, 0, "dotenv_path"), given(call, 1, "stream")
    if path is None and call.open is not None:
        return Unread(Missing(Reason.FILE, "which .env file is read"))
    if path is not None and truth(path) is not Answer.NO:
        return read(call.run, path)
    if stream is not None:
        value = content_of(call, stream)
        if not isinstance(value, Known):
            return Unread((missing_of(value) or (Missing(Reason.SOURCE, "a text"),))[0])
        data = value.value.encode() if isinstance(value.value, str) else value.value
        return Content(data, call.location)
    # An empty path is what find_dotenv() gives where it finds nothing.
    return _search(call, ".env", Answer.NO) if path is None else Absent("")


def load_dotenv(call: Call) -> Value:
    """load_dotenv: lay a file under os.environ, or over it."""
    off = disabled(call.run)
    override = flag(call, 3, "override", default=False)
    content = _source(call)
    if off is Answer.YES:
        return known(value=False)
    if off is Answer.UNKNOWN:
        content = Unread(Missing(Reason.VARIABLE, "the value of PYTHON_DOTENV_DISABLED"))
    if override is Answer.UNKNOWN:
        content = Unread(Missing(Reason.SOURCE, "whether .env overrides the environment"))
    over = override is not Answer.NO
    take_file(call, content, override=over, interpolate=_interpolates(call, 4))
    return _anything(content)


def _anything(content: Content | Absent | Unread) -> Value:
    """Return whether load_dotenv found a variable to set."""
    match content:
        case Content():
            return known(bool(dotenv_format.environment(content).entries))
        case Absent():
            return known(value=False)
        case Unread(missing=missing):
            return Opaque((missing,), "load_dotenv()", harmless=True)


def disabled(run: Interpreter) -> Answer:
    """Say whether PYTHON_DOTENV_DISABLED keeps load_dotenv from loading."""
    version = release(run, "python-dotenv")
    value = run.environ.slots.get("PYTHON_DOTENV_DISABLED")
    if (version is not None and version < _DISABLED_SINCE) or (
        value is None and run.environ.rest is None
    ):
        return Answer.NO
    if isinstance(value, Known):
        on = str(value.value).casefold() in _DISABLING
        return Answer.NO if not on else Answer.YES if version is not None else Answer.UNKNOWN
    # Nobody hides this variable; what may set any is not taken to set it.
    return Answer.NO if value is None else Answer.UNKNOWN


def _interpolates(call: Call, position: int) -> bool | None:
    answer = flag(call, position, "interpolate", default=True)
    return None if answer is Answer.UNKNOWN else answer is Answer.YES


def environment(
    run: Interpreter,
    content: Content,
    *,
    override: bool = False,
    interpolate: bool | None = True,
) -> Environment:
    """Return what a file sets; `${NAME}` is the environment's first, or the file's own first."""
    if interpolate is False:
        return dotenv_format.environment(content, interpolate=False)
    return dotenv_format.environment(content, _outer(run), inner_first=override)


def _outer(run: Interpreter) -> Environment:
    """Return os.environ as it is now."""
    entries: dict[str, Traced[str | None]] = {}
    for name, value in run.environ.slots.items():
        if isinstance(value, Known) and isinstance(value.value, str):
            entries[str(name)] = Traced(value.value, Location("environment"))
        else:
            missing = missing_of(value) or (Missing(Reason.VARIABLE, f"the value of {name}"),)
            entries[str(name)] = Traced(None, Location("environment"), missing=missing)
    unseen = run.environ.rest.missing if run.environ.rest is not None else ()
    return Environment(entries, unseen=unseen)


def values(environment: Environment) -> dict[str, Value]:
    """Return the variables of a file as values, each with its line."""
    return {name: _value(name, entry) for name, entry in environment.entries.items()}


def _value(name: str, entry: Traced[str | None]) -> Value:
    if entry.value is None:
        return Opaque(entry.missing, name, harmless=True)
    return known(entry.value, Evidence(entry.location, f"{name} is set here"))


def take_file(
    call: Call,
    content: Content | Absent | Unread,
    *,
    override: bool,
    interpolate: bool | None = True,
    own_first: bool | None = None,
) -> None:
    """Lay a .env file over os.environ, or under it where nothing is overridden.

    `own_first` says that `${NAME}` is the file's own first, as it is where a file overrides.
    """
    environ = call.run.environ
    match content:
        case Absent():
            return
        case Unread(missing=missing):
            _unread(call, (missing,), override=override)
        case Content():
            first = override if own_first is None else own_first
            found = environment(call.run, content, override=first, interpolate=interpolate)
            for name, value in values(found).items():
                if name in environ.slots and not override:
                    continue
                if environ.rest is not None and not override:
                    # Whether the environment sets it already cannot be told.
                    call.run.store(environ.slots, name, derived(name, environ.rest, value))
                    continue
                hidden = isinstance(value, Known) and interpolate is None and "$" in value.value
                missing = Missing(Reason.SOURCE, f"how {name} expands")
                kept = Opaque((missing,), name, harmless=True) if hidden else value
                call.run.store(environ.slots, name, kept)
            if found.unseen:
                _unread(call, found.unseen, override=override)


def _unread(call: Call, missing: tuple[Missing, ...], *, override: bool) -> None:
    environ = call.run.environ
    for name in tuple(environ.slots) if override else ():
        call.run.store(environ.slots, name, Opaque(missing, name, harmless=True))
    environ.rest = environ.rest or Opaque(missing, "os.environ", harmless=True)


def dotenv_values(call: Call) -> Value:
    """dotenv_values: a file as a dictionary, the environment left alone."""
    content = _source(call)
    match content:
        case Absent():
            return Mapped({})
        case Unread(missing=missing):
            return Mapped({}, Opaque((missing,), "dotenv_values()", harmless=True))
        case Content():
            found = environment(
                call.run, content, override=True, interpolate=_interpolates(call, 3)
            )
            rest = Opaque(found.unseen, "dotenv_values()", harmless=True) if found.unseen else None
            return Mapped({**_bare(content), **values(found)}, rest)


def _bare(content: Content) -> dict[str, Value]:
    """Return the names that stand in a file without a value."""
    return {name: known(None) for name in dotenv_format.bare_names(content)}


def _get_key(call: Call) -> Value:
    """get_key(path, name): one variable of a file, None where it is not there."""
    name = text_of(call.argument(1, "key_to_get"))
    content = read(call.run, call.argument(0, "dotenv_path"))
    match content:
        case Content() if name is not None:
            found = values(environment(call.run, content, override=True))
            return found.get(name, known(None))
        case Absent():
            return known(None)
        case _:
            missing = Missing(Reason.FILE, "which variable is read from a .env file")
            return Opaque((missing,), "get_key()", harmless=True)


def _set_key(call: Call) -> Value:
    """set_key(path, name, value): a line more at the end of a file, where the last one counts."""
    run = call.run
    given = [text_of(call.argument(n, name)) for n, name in enumerate(_SET_KEY)]
    path = None if given[0] is None else absolute(run, given[0])
    content = None if path is None else run.files.read(path)
    mode = text_of(call.argument(3, "quote_mode") or known("always"))
    if content is None or None in given or mode is None or isinstance(content, Unread):
        return _written(call)
    name, value = str(given[1]), str(given[2])
    if "\\" in value or "'" in value:
        # What is escaped differs from release to release.
        return _written(call)
    plain = mode == "never" or (mode == "auto" and value.isalnum())
    quoted = value if plain else f"'{value}'"
    before = content.data if isinstance(content, Content) else b""
    line = f"\n{name}={quoted}\n".encode()
    run.store(run.files.slots, path, Content(before + line, call.location))
    return Items({"items": (known(value=True), known(name), known(value))}, tuple)


_SET_KEY = ("dotenv_path", "key_to_set", "value_to_set")


def _written(call: Call) -> Value:
    """Note that a file is changed in a way that is not followed; it may be read later on."""
    call.run.unseen("what the program writes to a .env file", call.location)
    unknown = Opaque((Missing(Reason.SOURCE, "whether a key was set"),), "set_key()", harmless=True)
    return Items({"items": (unknown, *call.arguments[1:3])}, tuple)


def _walk(call: Call) -> Value:
    """dotenv.main._walk_to_root: a folder and those above it."""
    text = text_of(call.argument(0, "path"))
    if text is None or not text.startswith("/"):
        return derived("folders", *call.arguments)
    folders = [posixpath.normpath(text)]
    while folders[-1] != "/":
        folders.append(posixpath.dirname(folders[-1]))
    return lift(folders, trail_of(*call.arguments))


DOTENV = {
    "load_dotenv": Native("dotenv.load_dotenv", load_dotenv),
    "find_dotenv": Native("dotenv.find_dotenv", find_dotenv),
    "dotenv_values": Native("dotenv.dotenv_values", dotenv_values),
    "get_key": Native("dotenv.get_key", _get_key),
    "set_key": Native("dotenv.set_key", _set_key),
    "unset_key": Native("dotenv.unset_key", _written),
    "_walk_to_root": Native("dotenv.main._walk_to_root", _walk),
}
