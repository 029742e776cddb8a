"""How libraries find files and read them: paths, the folder of the caller, open files."""

import posixpath
from collections.abc import Callable

from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python import Call, Class, Interpreter, Known, Opaque, Value, known
from deployguard.python.builtins import name as builtin
from deployguard.python.concrete import none, text_of
from deployguard.python.exceptions import native
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute
from deployguard.python.values import truth


def calling_folder(run: Interpreter) -> str | None:
    """Return the folder of the source that is running, None where it is no file."""
    place = run.current.slots.get(LOCATION) if run.current else None
    if isinstance(place, Location) and place.file.startswith("/"):
        return posixpath.dirname(place.file)
    return None


def main_folder(run: Interpreter) -> str | None:
    """Return the folder of the program's own source, None where it is no file."""
    first = run.argv.items[0] if run.argv.items else None
    text = text_of(first)
    return posixpath.dirname(text) if text is not None and text.startswith("/") else None


def read(run: Interpreter, path: Value | None) -> Content | Absent | Unread:
    """Read the file that a value names."""
    text = text_of(path)
    place = None if text is None else absolute(run, text)
    if place is None:
        missing = path.missing if isinstance(path, Opaque) else ()
        return Unread(missing[0] if missing else Missing(Reason.FILE, "which file is read"))
    return run.files.read(place)


def upwards(
    run: Interpreter, folder: str | None, names: tuple[str, ...], *, root: bool = True
) -> Content | Absent | Unread:
    """Return the nearest file of one of the names, from a folder upwards, "/" included or not."""
    if folder is None:
        return Unread(Missing(Reason.FILE, f"which {names[0]} the program reads"))
    while True:
        for name in names:
            path = posixpath.normpath(posixpath.join(folder, name))
            found = run.files.stat(path)
            if isinstance(found, Unread):
                return found
            if isinstance(found, Stat) and found.kind is FileKind.FILE:
                return run.files.read(path)
        parent = posixpath.dirname(folder)
        if parent == folder or (parent == "/" and not root):
            return Absent(names[0])
        folder = parent


def decoded(content: Content) -> str | None:
    """Return the text of a file in UTF-8, None where it is none."""
    try:
        return content.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def opened(call: Call, path: str, mode: str = "r") -> Value:
    """Open a file as the program would, and return what open() gives."""
    function = builtin(call.run, "open")
    if function is None:
        return Opaque((Missing(Reason.FILE, f"what {path} holds"),), "open()", harmless=True)
    return call.run.call(function, (known(path), known(mode)), {}, call.location)


def content_of(call: Call, stream: Value | None) -> Known | Opaque:
    """Return the text or bytes of what a parser is given: a text, or something with read()."""
    if isinstance(stream, Known) and isinstance(stream.value, str | bytes):
        return stream
    if stream is not None:
        method = call.run.attribute_or_none(stream, "read")
        value = None if method is None else call.run.call(method, (), {}, call.location)
        if isinstance(value, Known) and isinstance(value.value, str | bytes):
            return value
        if isinstance(value, Opaque) and value.missing:
            return value
    return Opaque((Missing(Reason.FILE, "what is read here"),), "a file", harmless=True)


def flag(call: Call, position: int | None, name: str, *, default: bool) -> Answer:
    """Return whether an argument is true, the default where it is not given."""
    value = call.argument(position, name)
    if value is None:
        return Answer.YES if default else Answer.NO
    return truth(value)


def given(call: Call, position: int | None, name: str) -> Value | None:
    """Return an argument; None where it is not given or is None."""
    value = call.argument(position, name)
    return None if none(value) else value


def missing_file(call: Call, path: str) -> RaiseSignal:
    """Return the exception of opening a file that is not there."""
    return RaiseSignal("FileNotFoundError", Evidence(call.location, f"{path} is not there"))


def exception(name: str, base: Class | str = "Exception") -> Class:
    """Return an exception class of a library, made of another one or of a built-in one."""
    above = native(base) if isinstance(base, str) else base
    return Class(name, () if above is None else (above,), {}, Location(name))


def raising(call: Call, error: Class | str, note: str) -> RaiseSignal:
    """Return an exception of a library's own class, or of a built-in one by its name."""
    step = Evidence(call.location, note)
    if isinstance(error, str):
        return RaiseSignal(error, step)
    return RaiseSignal(error.name, step, error)


Words = Callable[[str], bool | None]


def words(true: frozenset[str], false: frozenset[str], fold: Callable[[str], str]) -> Words:
    """Return what reads words as booleans: None for a word that is neither."""

    def read_word(text: str) -> bool | None:
        word = fold(text)
        return True if word in true else False if word in false else None

    return read_word
