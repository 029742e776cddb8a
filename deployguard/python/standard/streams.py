"""Files and streams: what a program reads of the image, and what it writes."""

import io
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from deployguard.python import iteration
from deployguard.python.concrete import cannot, lift, none, text_of, texts, unknown
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Model,
    Native,
    Opaque,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_WRITES = frozenset("wax+")
_READ_LIMIT = 1_000_000


def content(run: "Interpreter", path: str, *, binary: bool, call: Call) -> Value:
    """Return what a file of the image holds; one that is not there raises FileNotFoundError."""
    from deployguard.python.standard import absolute  # noqa: PLC0415  (mutual recursion)

    place = absolute(run, path)
    if place is None:
        return Opaque((Missing(Reason.IMAGE, "the working directory"),), "a file", harmless=True)
    found = run.files.read(place)
    match found:
        case Absent():
            return _missing_file(run, place, call)
        case Unread(missing=missing):
            run.doubts += 1
            return Opaque((missing,), f"what {place} holds", harmless=True)
        case Content(data=data, location=location):
            if len(data) > _READ_LIMIT:
                return unknown(f"what {place} holds", Reason.LIMIT)
            step = Evidence(location, f"the program reads {place}")
            if binary:
                return Known(data, (step,))
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                return Opaque((Missing(Reason.TEXT, f"the text of {place}"),), place, harmless=True)
            return Known(text.replace("\r\n", "\n"), (step,))


def _missing_file(run: "Interpreter", place: str, call: Call) -> Value:
    if place.startswith(("/proc/", "/sys/", "/dev/", "/run/secrets/", "/var/run/secrets/")):
        missing = Missing(Reason.RUNNING, f"what the running container has in {place}")
        run.doubts += 1
        return Opaque((missing,), place, harmless=True)
    folder = isinstance(run.files.stat(place), Stat)
    name = "IsADirectoryError" if folder else "FileNotFoundError"
    raise RaiseSignal(name, Evidence(call.location, f"{place} is not there to be read"))


def opened(call: Call) -> Value:
    """open(file, mode): a stream over what the file holds, or one that is written to."""
    path = text_of(call.argument(0, "file"))
    mode = call.argument(1, "mode")
    how = "r" if mode is None else text_of(mode)
    first = call.argument(0, "file")
    if isinstance(first, Known) and isinstance(first.value, int) and first.value in {0, 1, 2}:
        return Instance(None, STANDARD)
    if path is None or how is None:
        if how is None or set(how) & _WRITES:
            call.run.unseen("what the program writes to a file", call.location)
        made = cannot(call, "open")
        return Instance(None, FILE, {"<text>": made})
    if set(how) & _WRITES:
        return _writer(call, path, how)
    text = content(call.run, path, binary="b" in how, call=call)
    return Instance(None, FILE, {"<text>": text, "name": known(path)})


def _writer(call: Call, path: str, mode: str) -> Value:
    """Return a stream that is written to: its file holds what is known to be written."""
    from deployguard.python.standard import absolute  # noqa: PLC0415  (mutual recursion)

    place = absolute(call.run, path)
    if place is None:
        call.run.unseen("what the program writes to a file", call.location)
        return Instance(None, FILE, {"<text>": unknown("a file")})
    start: Value = known(b"")
    if "w" not in mode and "x" not in mode:
        before = call.run.files.read(place)
        start = known(before.data) if isinstance(before, Content) else known(b"")
        if isinstance(before, Unread):
            start = Opaque((before.missing,), place, harmless=True)
    # The folder may not be there, or not be writable.
    call.run.doubts += 1
    stream = Instance(None, FILE, {"<path>": known(place), "<text>": start, "name": known(path)})
    _keep(call, stream)
    return stream


def _keep(call: Call, stream: Instance) -> None:
    """Let the file hold what was written to it so far."""
    place, text = stream.slots["<path>"].value, stream.slots["<text>"]
    written: Content | Unread
    if isinstance(text, Known):
        data = text.value if isinstance(text.value, bytes) else str(text.value).encode()
        written = Content(data, call.location)
    else:
        missing = Missing(Reason.SOURCE, f"what the program writes to {place}")
        written = Unread(missing)
    call.run.store(call.run.files.slots, place, written)


def write(call: Call, stream: Instance, *values: Value) -> Value:
    """Add texts to what a stream holds."""
    if "<path>" not in stream.slots and "<memory>" not in stream.slots:
        return known(None)
    held = stream.slots["<text>"]
    parts = [_raw(held), *(_raw(value) for value in values)]
    whole = [part for part in parts if part is not None]
    if len(whole) == len(parts) and sum(map(len, whole)) <= _READ_LIMIT:
        made: Value = known(b"".join(whole))
    else:
        made = derived("what is written", held, *values)
    call.run.store(stream.slots, "<text>", made)
    if "<path>" in stream.slots:
        _keep(call, stream)
    return known(None)


def _raw(value: Value) -> bytes | None:
    if isinstance(value, Known) and isinstance(value.value, str | bytes):
        return value.value if isinstance(value.value, bytes) else value.value.encode()
    return None


def text_in(value: Value) -> Value:
    """Return the text or bytes that a stream holds; any other value is returned as it is."""
    if isinstance(value, Instance) and "<text>" in value.slots:
        held: Value = value.slots["<text>"]
        if "<memory>" in value.slots and isinstance(held, Known) and isinstance(held.value, bytes):
            return known(held.value.decode("utf-8", "replace"), *held.trail)
        return held
    if isinstance(value, Instance) and value.native is STANDARD:
        return unknown("what the program reads from its standard input", Reason.INPUT)
    return value


def lines(stream: Instance) -> tuple[Value, ...]:
    """Return the lines of what a stream holds."""
    held = text_in(stream)
    if isinstance(held, Known) and isinstance(held.value, str | bytes):
        return tuple(Known(line, held.trail) for line in held.value.splitlines(keepends=True))
    made = derived("items", held)
    return (made if made.missing else unknown("items"),)


def _read(call: Call, stream: Instance) -> Value:
    if call.arguments and not none(call.arguments[0]):
        return cannot(call, "read", text_in(stream))
    held = text_in(stream)
    if isinstance(held, Opaque):
        call.run.doubts += 1
    left = b"" if isinstance(held, Known) and isinstance(held.value, bytes) else ""
    if isinstance(held, Known) and "<memory>" not in stream.slots and "<path>" not in stream.slots:
        call.run.store(stream.slots, "<text>", Known(left, held.trail))
    return held


def _readline(call: Call, stream: Instance) -> Value:
    found = lines(stream)
    if len(found) == 1 and isinstance(found[0], Opaque):
        return derived("a line", found[0])
    if not found:
        return known("")
    rest = "".join(str(entry.value) for entry in found[1:] if isinstance(entry, Known))
    call.run.store(stream.slots, "<text>", known(rest))
    return found[0]


def _attribute(run: "Interpreter", stream: Instance, name: str) -> Value | None:
    del run
    models: dict[str, Model] = {
        "read": lambda call: _read(call, stream),
        "readline": lambda call: _readline(call, stream),
        "readlines": lambda _call: Items({"items": lines(stream)}),
        "getvalue": lambda _call: text_in(stream),
        "write": lambda call: write(call, stream, *call.arguments),
        "writelines": lambda call: write(
            call, stream, *iteration.collected(call.run, call.arguments[0], call.location)
        ),
        "__enter__": lambda _call: stream,
        "__iter__": lambda _call: Items({"items": lines(stream)}),
        "isatty": lambda _call: known(value=False),
    }
    if name in models:
        return Native(f"file.{name}", models[name])
    if name in {"close", "flush", "__exit__", "seek", "truncate", "fileno"}:
        return Native(f"file.{name}", lambda _call: known(None))
    return None


FILE = Native(
    "a file",
    attribute=_attribute,
    specials=frozenset({"__enter__", "__exit__", "__iter__"}),
)


def _standard_attribute(run: "Interpreter", stream: Instance, name: str) -> Value | None:
    if name == "isatty":
        return Native("isatty", lambda call: known(call.run.terminal))
    if name in {"buffer", "__enter__"}:
        return stream
    del run
    if name in {"read", "readline"}:
        return Native(name, lambda call: cannot(call, f"stdin.{name}"))
    return Native(f"a standard stream's {name}", lambda _call: known(None))


STANDARD = Native("a standard stream", attribute=_standard_attribute)


def _memory(call: Call, instance: Instance) -> None:
    start = call.argument(0, "initial_value") or call.argument(0, "initial_bytes") or known("")
    call.run.store(instance.slots, "<text>", start)
    call.run.store(instance.slots, "<memory>", known(value=True))


_MEMORY = Native("io.StringIO", construct=_memory, attribute=_attribute, specials=FILE.specials)


def _temporary(call: Call) -> Value:
    """Return a new file of a name that nobody knows: nothing finds it by a name."""
    return Instance(None, FILE, {"<text>": cannot(call, "a temporary file")})


def _copy_file(call: Call) -> Value:
    from deployguard.python.standard import absolute  # noqa: PLC0415  (mutual recursion)

    found = texts(call.arguments[:2])
    places = [absolute(call.run, text) for text in found or ()]
    if len(places) != 2 or None in places:  # noqa: PLR2004  (from and to)
        return call.run.unseen("which file is copied", call.location)
    source, target = (place or "/" for place in places)
    held = call.run.files.read(source)
    if isinstance(held, Absent):
        raise RaiseSignal("FileNotFoundError", Evidence(call.location, f"{source} is not there"))
    call.run.store(call.run.files.slots, target, held)
    return known(target)


def _which(call: Call) -> Value:
    return cannot(call, "shutil.which")


def _codecs_open(call: Call) -> Value:
    return opened(call)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    match name:
        case "io":
            return {
                "open": Native("io.open", opened),
                "StringIO": _MEMORY,
                "BytesIO": _MEMORY,
                "TextIOWrapper": Native("io.TextIOWrapper", lambda call: call.arguments[0]),
                "SEEK_SET": lift(io.SEEK_SET),
            }
        case "codecs":
            return {"open": Native("codecs.open", _codecs_open)}
        case "tempfile":
            return {
                "NamedTemporaryFile": Native("tempfile.NamedTemporaryFile", _temporary),
                "TemporaryFile": Native("tempfile.TemporaryFile", _temporary),
                "gettempdir": Native("tempfile.gettempdir", lambda _call: unknown("a folder")),
            }
        case "shutil":
            return {
                "copy": Native("shutil.copy", _copy_file),
                "copyfile": Native("shutil.copyfile", _copy_file),
                "copy2": Native("shutil.copy2", _copy_file),
                "which": Native("shutil.which", _which),
                **{
                    moved: Native(
                        f"shutil.{moved}",
                        lambda call: call.run.unseen("which files are moved", call.location),
                    )
                    for moved in ("move", "copytree", "unpack_archive")
                },
            }
        case _:
            return {}
