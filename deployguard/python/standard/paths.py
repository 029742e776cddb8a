"""pathlib, glob and fnmatch: paths, and the files of the image that they lead to."""

import fnmatch
import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread
from deployguard.python.concrete import (
    apply,
    cannot,
    lift,
    pure,
    text_of,
    texts,
    trails,
    unknown,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute, environment_value, streams, system
from deployguard.python.values import (
    Call,
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

_PROPERTIES = frozenset(
    {"name", "stem", "suffix", "suffixes", "parent", "parents", "parts", "root", "anchor", "drive"}
)
_COMPUTED = frozenset(
    {"as_posix", "as_uri", "is_absolute", "is_relative_to", "joinpath", "match", "relative_to",
     "with_name", "with_suffix", "with_stem", "is_reserved", "__truediv__", "__str__", "__fspath__"}
)  # fmt: skip
_HARMLESS = frozenset({"mkdir", "chmod", "rmdir", "symlink_to", "lchmod", "hardlink_to"})
# A glob looks at no more files than this.
_FILES = 2000


def attribute(run: "Interpreter", value: Known, name: str) -> Value | None:
    """Return an attribute of a path; None where paths have none of that name."""
    path: PurePosixPath = value.value
    if name in _PROPERTIES:
        found = getattr(path, name)
        return lift(list(found) if name == "parents" else found, value.trail)
    if name in _COMPUTED:
        return Native(f"Path.{name}", lambda call: apply(call, name, getattr(path, name)))
    model = _METHODS.get(name)
    if model is not None:
        return Native(f"Path.{name}", lambda call: model(call, value))
    if name in _HARMLESS:
        return Native(f"Path.{name}", _perhaps)
    if name == "__class__":
        return _PATH
    del run
    if name in {"stat", "lstat", "owner", "group", "samefile", "readlink"}:
        return Native(f"Path.{name}", lambda call: cannot(call, name))
    return None


def _perhaps(call: Call) -> Value:
    call.run.doubts += 1
    return known(None)


def _made(call: Call) -> Value:
    values = texts(call.arguments)
    if values is None or call.open is not None:
        made = derived("a path", *call.arguments)
        return made if made.missing else unknown("a path")
    return known(PurePosixPath(*values), *trails(*call.arguments))


def _cwd(call: Call) -> Value:
    if call.run.cwd is None:
        missing = Missing(Reason.IMAGE, "the working directory")
        return Opaque((missing,), "Path.cwd()", harmless=True)
    return known(PurePosixPath(call.run.cwd))


def _home(call: Call) -> Value:
    home = environment_value(call.run, known("HOME"), unknown("the user's home"))
    if isinstance(home, Known):
        return known(PurePosixPath(str(home.value)), *home.trail)
    return derived("Path.home()", home)


_PATH = Native(
    "pathlib.Path",
    _made,
    plain=PurePosixPath,
    members={"cwd": Native("Path.cwd", _cwd), "home": Native("Path.home", _home)},
)


def _absolute(call: Call, value: Known) -> str | None:
    return absolute(call.run, str(value.value))


def _resolved(call: Call, value: Known) -> Value:
    place = _absolute(call, value)
    if place is None:
        return cannot(call, "Path.resolve")
    found = call.run.files.stat(place)
    if isinstance(found, Unread):
        return Opaque((found.missing,), "a path", harmless=True)
    real = found.path if isinstance(found, Stat) else place
    return known(PurePosixPath(real), *value.trail)


def _made_absolute(call: Call, value: Known) -> Value:
    place = _absolute(call, value)
    return cannot(call, "Path.absolute") if place is None else known(PurePosixPath(place))


def _expanded(call: Call, value: Known) -> Value:
    text = str(value.value)
    if not text.startswith("~"):
        return value
    home = _home(call)
    if isinstance(home, Known) and (text == "~" or text.startswith("~/")):
        return known(home.value / text[2:], *home.trail)
    return derived("a path", home) if isinstance(home, Opaque) else unknown("a path")


def _is(kind: FileKind | None) -> Any:  # noqa: ANN401  (a method's model)
    def model(call: Call, value: Known) -> Value:
        place = _absolute(call, value)
        return cannot(call, "exists") if place is None else system.is_there(call, place, kind)

    return model


def _read(call: Call, value: Known, *, binary: bool) -> Value:
    return streams.content(call.run, str(value.value), binary=binary, call=call)


def _open(call: Call, value: Known) -> Value:
    return streams.opened(
        Call(call.run, call.location, (value, *call.arguments), call.keywords, call.open)
    )


def _write(call: Call, value: Known) -> Value:
    mode = known("w")
    stream = streams.opened(Call(call.run, call.location, (value, mode), {}))
    text = call.arguments[0] if call.arguments else unknown("a text")
    return streams.write(call, stream, text) if hasattr(stream, "slots") else known(None)  # type: ignore[arg-type]


def _unlink(call: Call, value: Known) -> Value:
    place = _absolute(call, value)
    if place is None:
        return call.run.unseen("which file is removed", call.location)
    call.run.store(call.run.files.slots, place, Absent(place))
    return known(None)


def _renamed(call: Call, value: Known) -> Value:
    del value
    return call.run.unseen("which file is moved", call.location)


def _touch(call: Call, value: Known) -> Value:
    place = _absolute(call, value)
    if place is not None and isinstance(call.run.files.stat(place), Absent):
        streams.opened(Call(call.run, call.location, (value, known("w")), {}))
    return known(None)


def _children(call: Call, value: Known) -> Value:
    place = _absolute(call, value)
    names = None if place is None else call.run.files.list(place)
    if isinstance(names, Absent):
        raise RaiseSignal("FileNotFoundError", Evidence(call.location, f"{place} is not there"))
    if names is None or isinstance(names, Unread):
        return Items({"items": (cannot(call, "items", value),)})
    return Items({"items": tuple(known(value.value / name) for name in names)})


def _glob(call: Call, value: Known, *, everywhere: bool) -> Value:
    pattern = text_of(call.argument(0, "pattern"))
    place = _absolute(call, value)
    found = (
        None if pattern is None or place is None else _matching(call, place, pattern, everywhere)
    )
    if found is None:
        return Items({"items": (cannot(call, "items", value),)})
    base = str(value.value)
    return Items({"items": tuple(known(PurePosixPath(base, path)) for path in found)})


def _matching(
    call: Call,
    place: str,
    pattern: str,
    everywhere: bool,  # noqa: FBT001  (rglob or glob)
) -> list[str] | None:
    """Return the paths below a folder that a pattern fits, None where that cannot be told."""
    parts = [part for part in pattern.split("/") if part]
    if everywhere:
        parts = ["**", *parts]
    found: list[str] = []
    pending = [("", tuple(parts))]
    looked = 0
    while pending:
        base, left = pending.pop()
        looked += 1
        if looked > _FILES:
            return None
        if not left:
            found.append(base)
            continue
        first, rest = left[0], left[1:]
        names = call.run.files.list(posixpath.join(place, base))
        if isinstance(names, Unread):
            return None
        if first == "**":
            pending.append((base, rest))
            pending.extend(
                (posixpath.join(base, name), left)
                for name in (() if isinstance(names, Absent) else names)
            )
            continue
        pending.extend(
            (posixpath.join(base, name), rest)
            for name in (() if isinstance(names, Absent) else names)
            if fnmatch.fnmatchcase(name, first) and (first[:1] == "." or name[:1] != ".")
        )
    return sorted({path for path in found if path})


def _glob_function(call: Call) -> Value:
    pattern = text_of(call.argument(0, "pathname"))
    base = "/" if pattern is not None and pattern.startswith("/") else "."
    place = None if pattern is None else absolute(call.run, base)
    found = None
    if pattern is not None and place is not None:
        found = _matching(call, place, pattern, everywhere=False)
    if found is None:
        return Items({"items": (cannot(call, "items"),)})
    return lift([f"/{path}" if base == "/" else path for path in found])


_METHODS: dict[str, Any] = {
    "resolve": _resolved,
    "absolute": _made_absolute,
    "expanduser": _expanded,
    "exists": _is(None),
    "is_file": _is(FileKind.FILE),
    "is_dir": _is(FileKind.DIRECTORY),
    "read_text": lambda call, value: _read(call, value, binary=False),
    "read_bytes": lambda call, value: _read(call, value, binary=True),
    "open": _open,
    "write_text": _write,
    "write_bytes": _write,
    "unlink": _unlink,
    "rename": _renamed,
    "replace": _renamed,
    "touch": _touch,
    "iterdir": _children,
    "glob": lambda call, value: _glob(call, value, everywhere=False),
    "rglob": lambda call, value: _glob(call, value, everywhere=True),
}


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    match name:
        case "pathlib":
            kinds = ("Path", "PurePath", "PosixPath", "PurePosixPath")
            return dict.fromkeys(kinds, _PATH)
        case "glob":
            model: Model = _glob_function
            return {"glob": Native("glob.glob", model), "iglob": Native("glob.iglob", model)}
        case "fnmatch":
            return {
                "fnmatch": pure("fnmatch.fnmatch", fnmatch.fnmatchcase),
                "fnmatchcase": pure("fnmatch.fnmatchcase", fnmatch.fnmatchcase),
                "filter": pure("fnmatch.filter", fnmatch.filter),
            }
        case _:
            return {}
