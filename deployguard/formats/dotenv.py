""".env files as python-dotenv reads them: its own parser, on text that we hand it.

`dotenv.main` reads the process environment; only its parser and its variables are used here. They
are imported where there is a file to read, for the package loads much: 15 ms.
"""

import io

from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content

# MAX_ARG_STRLEN of Linux: a process is not started with a longer variable.
_LONGEST = 128 * 1024
_MOST = 16 * 1024 * 1024  # characters that the values of a file make, each of the ones above it
_TOO_LONG = Missing(Reason.LIMIT, "a value that variables make too long")


def environment(
    content: Content,
    outer: Environment | None = None,
    *,
    inner_first: bool = False,
    interpolate: bool = True,
) -> Environment:
    """Return what a file sets, each value with its line; `outer` is what `${NAME}` looks up first.

    With `inner_first` the file's own names come before `outer`, as where a file overrides the
    environment; without `interpolate` values are taken as they are written. Names without a value
    and lines that do not parse set nothing (dotenv.main.DotEnv). A file that is not UTF-8 may set
    anything: the result then has unseen sources.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415  (see above)

    place = content.location
    try:
        text = content.data.decode("utf-8")
    except UnicodeDecodeError:
        missing = Missing(Reason.TEXT, f"the text of {place.file}, which is not UTF-8")
        return Environment(unseen=(missing,), location=place)
    entries: dict[str, Traced[str | None]] = {}
    made = 0
    for binding in parse_stream(io.StringIO(text, newline="")):
        if binding.key is None or binding.value is None:
            continue
        # A statement's original text starts at the blank lines above it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string[:blank].count("\n")
        location = Location(place.file, line=line, image=place.image, layer=place.layer)
        value, hidden = (
            _resolve(binding.value, entries, outer or Environment(), inner_first=inner_first)
            if interpolate
            else (binding.value, ())
        )
        made += len(value or "")
        if made > _MOST:
            value, hidden = None, (_TOO_LONG,)
        entries[binding.key] = Traced(value, location, missing=hidden)
    return Environment(entries, location=place)


def bare_names(content: Content) -> tuple[str, ...]:
    """Return the names that stand in a file without a value: they are known, and set nothing."""
    try:
        text = content.data.decode("utf-8")
    except UnicodeDecodeError:
        return ()
    from dotenv.parser import parse_stream  # noqa: PLC0415  (see above)

    bindings = parse_stream(io.StringIO(text, newline=""))
    return tuple(one.key for one in bindings if one.key is not None and one.value is None)


def _resolve(
    text: str,
    inner: dict[str, Traced[str | None]],
    outer: Environment,
    *,
    inner_first: bool,
) -> tuple[str | None, tuple[Missing, ...]]:
    """Expand `${NAME}` and `${NAME:-default}` (dotenv.variables), in quotes of either kind too."""
    from dotenv.variables import Literal, Variable, parse_variables  # noqa: PLC0415  (see above)

    pieces: list[str] = []
    length = 0
    for atom in parse_variables(text):
        length += len(pieces[-1]) if pieces else 0
        if length > _LONGEST:
            return None, (_TOO_LONG,)
        match atom:
            case Literal():
                pieces.append(atom.value)
            case Variable():
                first, second = (inner, outer) if inner_first else (outer, inner)
                entry = first.get(atom.name) or second.get(atom.name)
                if entry is None:
                    pieces.append(atom.default or "")
                elif entry.value is None:
                    return None, entry.missing
                else:
                    pieces.append(entry.value)
            case _:
                return None, (Missing(Reason.VARIABLE, "how a value expands"),)
    return "".join(pieces), ()
