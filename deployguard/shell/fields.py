"""From expanded pieces to fields: splitting and pathname expansion (POSIX.1-2017 XCU 2.6.5-6)."""

import posixpath

from msgspec import Struct

from deployguard.effective.search import absolute
from deployguard.model.evidence import Location, Missing, Reason, Traced, distinct
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread
from deployguard.model.structs import replace
from deployguard.shell import patterns
from deployguard.shell.state import LONGEST_TEXT, TOO_LONG, State

_MOST_PATHS = 2000
DEFAULT_SPLITTING = " \t\n"


class Field(Struct, frozen=True):
    """A word after expansion.

    `value` is None where it is not seen; `several` says that it may then be any number of words.
    `pattern` is the text with its quoted signs escaped, `known` what stands before the first
    unseen part.
    """

    value: str | None
    pattern: str
    known: str
    several: bool
    missing: tuple[Missing, ...]
    location: Location

    def traced(self) -> Traced[str | None]:
        """Return the field as a value."""
        return Traced(self.value, self.location, missing=self.missing)


class Piece(Struct, frozen=True):
    """Expanded text; `split` marks what field splitting looks at, `ends` the end of a field."""

    text: str | None
    quoted: bool
    split: bool = False
    ends: bool = False
    missing: tuple[Missing, ...] = ()


def split(
    pieces: list[Piece], splitting: Traced[str | None] | None, location: Location
) -> list[Field]:
    """Split pieces into fields at the letters of IFS."""
    letters = DEFAULT_SPLITTING if splitting is None else splitting.value
    found: list[Field] = []
    current: list[Piece] = []
    started = False

    def end() -> None:
        nonlocal started
        if started:
            found.append(field(current, location))
        current.clear()
        started = False

    for piece in pieces:
        if piece.ends:
            end()
        elif piece.quoted or not piece.split:
            current.append(piece)
            started = started or piece.quoted or bool(piece.text) or piece.text is None
        elif piece.text is None or (letters is None and piece.text):
            missing = piece.missing or (splitting.missing if splitting is not None else ())
            current.append(replace(piece, text=None, missing=missing))
            started = True
        else:
            signs = letters or ""
            blank = "".join(letter for letter in signs if letter in DEFAULT_SPLITTING)
            hard = "".join(letter for letter in signs if letter not in DEFAULT_SPLITTING)
            for text, cut in _cut(piece.text, blank, hard):
                if text:
                    current.append(Piece(text, quoted=False))
                    started = True
                if cut:
                    started = started or cut == "hard"
                    end()
    end()
    return found


def _cut(text: str, blank: str, hard: str) -> list[tuple[str, str]]:
    """Return pieces of a text with what ends each: "", "blank", or "hard" for other IFS letters."""
    if not blank and not hard:
        return [(text, "")]
    found: list[tuple[str, str]] = []
    start = at = 0
    while at < len(text):
        if text[at] not in blank + hard:
            at += 1
            continue
        stop, is_hard = at, False
        while stop < len(text) and (text[stop] in blank or (text[stop] in hard and not is_hard)):
            is_hard = is_hard or text[stop] in hard
            stop += 1
        found.append((text[start:at], "hard" if is_hard else "blank"))
        start = at = stop
    return [*found, (text[start:], "")]


def field(pieces: list[Piece], location: Location) -> Field:
    """Put pieces together to one field."""
    unseen = [piece for piece in pieces if piece.text is None]
    known: list[str] = []
    for piece in pieces:
        if piece.text is None:
            break
        known.append(piece.text)
    if not unseen and sum(map(len, known)) > LONGEST_TEXT:
        return Field(None, "", "", several=False, missing=(TOO_LONG,), location=location)
    if unseen:
        return Field(
            None,
            "",
            "".join(known),
            several=any(piece.split for piece in unseen),
            missing=distinct(name for piece in unseen for name in piece.missing),
            location=location,
        )
    text = "".join(known)
    pattern = "".join(
        patterns.escaped(piece.text or "") if piece.quoted else piece.text or "" for piece in pieces
    )
    return Field(text, pattern, text, several=False, missing=(), location=location)


def paths(entry: Field, state: State) -> list[Field]:
    """Expand a field to the files its pattern names, or keep it where there are none."""
    if entry.value is None or "f" in state.options or not patterns.is_pattern(entry.pattern):
        return [entry]
    start = absolute(entry.pattern, state.cwd)
    names = start if isinstance(start, Unread) else _paths_of(entry.pattern, start, state)
    if isinstance(names, Unread):
        return [replace(entry, value=None, several=True, missing=(names.missing,))]
    found = [replace(entry, value=name, pattern=name, known=name) for name in names]
    if not found and "failglob" in state.options:
        missing = Missing(Reason.SCRIPT, f"what a shell does where {entry.value} names nothing")
        return [replace(entry, value=None, several=True, missing=(missing,))]
    return found or ([] if "nullglob" in state.options else [entry])


def _paths_of(pattern: str, start: str, state: State) -> list[str] | Unread:
    """Return the paths a pattern names, spelled as the pattern is, sorted."""
    if "**" in pattern and "globstar" in state.options:
        return Unread(Missing(Reason.SCRIPT, f"the files below that {start} names"))
    found = [("", "/")] if pattern.startswith("/") else [("", state.cwd.value or "/")]
    for step in pattern.strip("/").split("/"):
        following: list[tuple[str, str]] = []
        for spelled, path in found:
            names = _names(step, path, state)
            if isinstance(names, Unread):
                return names
            for name in names:
                place = posixpath.join(path, name)
                there = state.files.stat(place)
                if isinstance(there, Unread):
                    return there
                if isinstance(there, Stat):
                    following.append((f"{spelled}/{name}" if spelled else name, place))
        found = following
        if len(found) > _MOST_PATHS:
            return Unread(Missing(Reason.LIMIT, f"the files that {start} names"))
    root = "/" if pattern.startswith("/") else ""
    if pattern.endswith("/"):
        return sorted(f"{root}{spelled}/" for spelled, place in found if _is_folder(place, state))
    return sorted(root + spelled for spelled, _ in found)


def _is_folder(place: str, state: State) -> bool:
    there = state.files.stat(place)
    return isinstance(there, Stat) and there.kind is FileKind.DIRECTORY


def _names(step: str, path: str, state: State) -> tuple[str, ...] | Unread:
    """Return the names in a directory that one step of a pattern covers."""
    if not patterns.is_pattern(step):
        return (patterns.plain(step),)
    names = state.files.list(path)
    if not isinstance(names, tuple):
        return () if isinstance(names, Absent) else names
    hidden = step.startswith(".") or "dotglob" in state.options
    return tuple(
        name
        for name in names
        if (hidden or not name.startswith(".")) and patterns.matches(step, name)
    )
