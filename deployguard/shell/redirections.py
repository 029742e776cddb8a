"""Redirections: what a command reads, and where what it prints goes (POSIX.1-2017 XCU 2.7)."""

import posixpath
from collections.abc import Callable, Sequence

from msgspec import Struct

from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.expansion import Expander
from deployguard.shell.overlay import Written
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, LONGEST_TEXT, Kind, State, Ways

_INPUT = frozenset({"<", "<<", "<<-", "<<<"})
_OUTPUT = frozenset({">", ">>", ">|"})
_BOTH = frozenset({"&>", "&>>"})
_DISCARDED = frozenset({"/dev/null", "/dev/stderr", "/dev/tty", "/proc/self/fd/2", "/dev/fd/2"})
_PASSED_ON = frozenset({"/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "/proc/1/fd/1"})


class _Sink(Struct, frozen=True):
    """Where standard output goes: a file, or nowhere that is read where `path` is None."""

    path: str | None
    location: Location
    append: bool = False


class _Streams(Struct, frozen=True):
    """What a list of redirections sets up; `sink` None leaves standard output as it is."""

    state: State
    sink: _Sink | None = None
    entered: bool = True


def redirected(
    run: Run,
    expander: Expander,
    redirects: Sequence[syntax.Redirect],
    state: State,
    body: Callable[[State], Ways],
) -> Ways:
    """Run something under redirections, and write what it prints where they lead."""
    if not redirects:
        return body(state)
    streams = _Streams(state)
    for redirect in redirects:
        streams = _applied(run, expander, redirect, streams)
        if not streams.entered:
            return (replace(streams.state, status=FAILURE, stdin=state.stdin),)
    sink, inner = streams.sink, streams.state
    if sink is not None:
        inner = replace(inner, output=Traced("", sink.location))
    return tuple(_after(state, after, inner, sink) for after in body(inner))


def _document(run: Run, body: syntax.Word) -> syntax.Word:
    """Return the body of a here document, in which bash puts blanks between the words of `$*`."""
    if run.shell.kind is not Kind.BASH:
        return body
    parts = tuple(
        replace(part, name="@") if isinstance(part, syntax.Parameter) and part.name == "*" else part
        for part in body.parts
    )
    return replace(body, parts=parts)


def _after(outer: State, after: State, inner: State, sink: _Sink | None) -> State:
    if inner.stdin is not outer.stdin:
        after = replace(after, stdin=outer.stdin)
    if sink is None:
        return after
    if sink.path is not None and after.output is not None:
        after = wrote(after, sink.path, after.output, append=sink.append)
    return replace(after, output=outer.output)


def _applied(
    run: Run, expander: Expander, redirect: syntax.Redirect, streams: _Streams
) -> _Streams:
    target = redirect.target
    if redirect.operator.startswith("<<") and redirect.operator != "<<<":
        target = _document(run, target)
    entry, state = expander.text(target, streams.state)
    streams = replace(streams, state=state)
    operator, descriptor = redirect.operator, redirect.descriptor
    line = redirect.target.line
    if operator in _BOTH and not run.shell.has_more():
        raise run.unclear(f"what this shell makes of {operator}", line)
    if operator == "<<<" and not run.shell.among(Kind.BASH):
        raise run.unclear("what this shell makes of a here string", line)
    if operator in _INPUT:
        return streams if descriptor else _fed(redirect, entry.traced(), streams)
    if operator == "<&":
        if descriptor not in {None, 0} or entry.value == "0":
            return streams
        missing = (run.missing("what is read from another descriptor", line),)
        given: Traced[str | None] = Traced("", entry.location)
        if entry.value != "-":
            given = Traced(None, entry.location, missing=missing)
        return replace(streams, state=replace(state, stdin=given))
    if operator == ">&":
        if descriptor in {None, 1} and entry.value in {"2", "-"}:
            return replace(streams, sink=_Sink(None, entry.location))
        if entry.value is not None and (entry.value.isdigit() or entry.value == "-"):
            return streams
        operator = "&>"
    if operator == "<>":
        return streams
    return _opened(run, entry.traced(), operator, descriptor, streams)


def _opened(
    run: Run,
    target: Traced[str | None],
    operator: str,
    descriptor: int | None,
    streams: _Streams,
) -> _Streams:
    """Open a file to write to; an error there keeps the command from running."""
    standard = (operator in _OUTPUT and descriptor in {None, 1}) or operator in _BOTH
    append = operator in {">>", "&>>"}
    state = streams.state
    path = target.value
    if path is None or not (path.startswith("/") or state.cwd.value):
        doubt = next(iter(target.missing), run.missing("which file is written", 1))
        state = replace(state, files=replace(state.files, doubt=doubt))
        sink = _Sink(None, target.location) if standard else streams.sink
        return replace(streams, state=state, sink=sink)
    if path in _PASSED_ON:
        return streams
    if path in _DISCARDED or path.startswith(("/dev/", "/proc/")):
        return replace(streams, sink=_Sink(None, target.location)) if standard else streams
    whole = place(path, state)
    above = state.files.stat(posixpath.dirname(whole))
    there = state.files.stat(whole)
    is_folder = isinstance(there, Stat) and there.kind is FileKind.DIRECTORY
    if isinstance(above, Absent) or is_folder or path == "":
        return replace(streams, entered=False)
    if not append:
        # The shell empties the file before the command runs, which may read it.
        empty = Written(b"", executable=_executable(there), location=target.location)
        state = replace(state, files=state.files.with_change(whole, empty))
    streams = replace(streams, state=state)
    if standard and operator not in _BOTH:
        return replace(streams, sink=_Sink(whole, target.location, append))
    # What goes to standard error is not followed.
    missing = Missing(Reason.SCRIPT, f"what the script writes to {whole}")
    unseen: Traced[str | None] = Traced(None, target.location, missing=(missing,))
    streams = replace(streams, state=wrote(state, whole, unseen, append=append))
    return replace(streams, sink=_Sink(None, target.location)) if standard else streams


def _executable(there: Stat | Absent | Unread) -> bool:
    return isinstance(there, Stat) and bool(there.mode & 0o111)


def wrote(state: State, path: str, text: Traced[str | None], *, append: bool) -> State:
    """Return the state after a text was written to a file, or added to it."""
    there = state.files.stat(path)
    data = written_data(state, path, text, append=append)
    if data == b"" and append and isinstance(there, Stat):
        return state
    change = Written(data, executable=_executable(there), location=text.location)
    return replace(state, files=state.files.with_change(path, change))


def written_data(
    state: State, path: str, text: Traced[str | None], *, append: bool
) -> bytes | Unread:
    """Return what a file holds after a text was written to it."""
    if text.value is None:
        missing = Missing(Reason.SCRIPT, f"what the script writes to {path}")
        return Unread(text.missing[0] if text.missing else missing)
    data = text.value.encode("utf-8", "replace")
    if not append:
        return data
    before = state.files.read(path)
    match before:
        case Unread():
            return before
        case Absent():
            return data
        case Content():
            if len(before.data) + len(data) > 4 * LONGEST_TEXT:
                return Unread(Missing(Reason.LIMIT, f"a file as large as {path} becomes"))
            return before.data + data


def _fed(redirect: syntax.Redirect, given: Traced[str | None], streams: _Streams) -> _Streams:
    """Set what is read from standard input."""
    state = streams.state
    if redirect.operator == "<<<" and given.value is not None:
        given = replace(given, value=f"{given.value}\n")
    if redirect.operator == "<":
        if given.value in {"/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"}:
            return streams
        content: Content | Absent | Unread
        if given.value == "/dev/null":
            content = Content(b"", given.location)
        else:
            content = content_of(given, state)
        match content:
            case Absent():
                return replace(streams, entered=False)
            case Unread(missing=missing):
                given = replace(given, value=None, missing=(missing,))
            case Content():
                given = Traced(decoded(content.data), content.location)
    return replace(streams, state=replace(state, stdin=given))


def decoded(data: bytes) -> str:
    """Return the text of a file; bytes that are no UTF-8 are replaced."""
    return data.decode("utf-8", "replace")


def content_of(path: Traced[str | None], state: State) -> Content | Absent | Unread:
    """Read a file as the script sees it."""
    if path.value is None:
        return Unread(next(iter(path.missing), Missing(Reason.SCRIPT, "which file is read")))
    whole = place(path.value, state)
    if not whole.startswith("/"):
        return Unread(next(iter(state.cwd.missing), Missing(Reason.SCRIPT, "the directory")))
    if whole.startswith(("/dev/", "/proc/", "/sys/")):
        return Unread(Missing(Reason.SCRIPT, f"what is read from {whole}"))
    return state.files.read(whole)


def place(path: str, state: State) -> str:
    """Return a path as seen from the script's directory, relative where that is not known."""
    return posixpath.normpath(posixpath.join(state.cwd.value or "", path))
