"""django-environ: Env(NAME=(cast, default)), casts by its own words, and .env files."""

import posixpath
import re
from collections.abc import Mapping

from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.reading import (
    calling_folder,
    content_of,
    decoded,
    exception,
    flag,
    given,
    raising,
)
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import none, text_of
from deployguard.python.standard import absolute, environment_value
from deployguard.python.values import derived

_TRUE = frozenset({"true", "on", "ok", "y", "yes", "1"})
_LINE = re.compile(r"\A(?:export )?([A-Za-z_0-9]+)=(.*)\Z")
_UNSET = Opaque((), "a variable that is not set")
_PROXIES = 8
_IMPROPER = exception("ImproperlyConfigured")


def _construct(call: Call, instance: Instance) -> None:
    scheme = Mapped(dict(call.keywords), call.open)
    call.run.store(instance.slots, "<scheme>", scheme)


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"__call__", "get_value"}:
        return Native(f"env.{name}", lambda call: _value(call, instance, _argument_cast(call)))
    if name in _CASTS:
        cast = _CASTS[name]
        return Native(f"env.{name}", lambda call: _value(call, instance, cast, position=1))
    if name in {"read_env", "read_envfile"}:
        return Native(f"env.{name}", _read_env)
    return harmless(f"env.{name}") if name in _OBJECTS else None


# What is told apart of casts: by name for those of Python's own, else the function itself.
_Cast = str | Value | None
_CASTS: Mapping[str, str] = {
    **{name: name for name in ("bool", "str", "int", "float", "list", "tuple", "dict", "json")},
    "unicode": "str",
    "bytes": "bytes",
}
_OBJECTS = frozenset(
    {"url", "db", "db_url", "cache", "cache_url", "email_url", "search_url", "path", "channels"}
)


def _argument_cast(call: Call) -> _Cast:
    cast = call.argument(1, "cast")
    return None if none(cast) else _kind(cast)


def _kind(cast: Value | None) -> _Cast:
    return cast.name if isinstance(cast, Native) and cast.name in _CASTS else cast


def _value(call: Call, instance: Instance, cast: _Cast, position: int = 2) -> Value:
    """Env.get_value: the environment, else the default of the call or of the scheme."""
    name = text_of(call.argument(0, "var"))
    default = call.argument(position, "default")
    scheme = instance.slots.get("<scheme>")
    prefix = text_of(instance.slots.get("prefix", known("")))
    if name is None or prefix is None or not isinstance(scheme, Mapped):
        return derived("a variable", *call.arguments[:1])
    name = prefix + name
    entry = scheme.slots.get(name, scheme.rest)
    match entry:
        case Items(slots={"items": (first, second)}):
            cast = _kind(first) if cast is None else cast
            default = second if default is None else default
        case None:
            pass
        case _:
            cast = _kind(entry) if cast is None else cast
    value = environment_value(call.run, known(name), _UNSET)
    for _ in range(_PROXIES):
        if value is _UNSET:
            if default is None:
                raise raising(call, _IMPROPER, f"{name} is not set")
            return default
        if not (isinstance(value, Known) and str(value.value).startswith("$")):
            break
        value = environment_value(call.run, known(str(value.value).lstrip("$")), _UNSET)
    return _cast(call, value, _smart(cast, default))


def _smart(cast: _Cast, default: Value | None) -> _Cast:
    """Without a cast, the type of the default is one."""
    if cast is not None or default is None or none(default):
        return cast
    match default:
        case Known(value=raw):
            return type(raw).__name__ if type(raw).__name__ in _CASTS else "str"
        case Items(kind=kind):
            return kind.__name__ if kind.__name__ in _CASTS else cast
        case Mapped():
            return "dict"
        case _:
            return default


def _cast(call: Call, value: Value, cast: _Cast) -> Value:
    if cast is None or cast == "str" or not isinstance(value, Known):
        return value if isinstance(value, Known) or cast in {None, "str"} else derived("x", value)
    text = str(value.value)
    match cast:
        case "bool":
            return known(_boolean(text), *value.trail)
        case "int" | "float":
            try:
                number = int(text) if cast == "int" else float(text)
            except ValueError:
                raise raising(call, "ValueError", "a variable is no number") from None
            return known(number, *value.trail)
        case "list" | "tuple":
            inner = text.strip("()") if cast == "tuple" else text
            parts = tuple(known(part, *value.trail) for part in inner.split(",") if part)
            return Items({"items": parts}, tuple if cast == "tuple" else list)
        case Native() | Items() | Mapped() | Opaque() | Known():
            missing = Missing(Reason.PROGRAM, "what a cast makes of a variable")
            return _called(call, cast, value) or Opaque((missing,), "a variable", harmless=True)
        case str():
            return harmless(f"what the cast {cast} makes of a variable")
        case _:
            return call.run.call(cast, (value,), {}, call.location)


def _called(call: Call, cast: Value, value: Known) -> Value | None:
    if isinstance(cast, Items | Mapped | Known):
        return None
    return call.run.call(cast, (value,), {}, call.location)


def _boolean(text: str) -> bool:
    try:
        return int(text) != 0
    except ValueError:
        return text.lower().strip() in _TRUE


def _read_env(call: Call) -> Value:
    """Env.read_env: the file that is named, or .env beside the calling source; no other."""
    run = call.run
    path = given(call, 0, "env_file")
    over = flag(call, 1, "overwrite", default=False)
    text = _text(call, path)
    if isinstance(text, Opaque):
        rest = Opaque(text.missing, "os.environ", harmless=True)
        for name in tuple(run.environ.slots) if over is not Answer.NO else ():
            run.store(run.environ.slots, name, rest)
        run.environ.rest = run.environ.rest or rest
        return known(None)
    found = {} if text is None else _lines(text)
    own = {name: value for name, value in call.keywords.items() if name not in _OWN}
    for name, value in {**found, **own}.items():
        taken = over is not Answer.NO or name not in run.environ.slots
        if taken and run.environ.rest is not None and over is Answer.NO:
            value = derived(name, run.environ.rest, value)  # noqa: PLW2901
        if taken:
            run.store(run.environ.slots, name, value)
    return known(None)


_OWN = frozenset({"env_file", "overwrite", "parse_comments", "encoding"})


def _text(call: Call, path: Value | None) -> Known | Opaque | None:
    """Return the text of the file, None where there is none."""
    run = call.run
    if path is None:
        folder = calling_folder(run)
        place = None if folder is None else posixpath.join(folder, ".env")
    elif text_of(path) is None and not isinstance(path, Opaque):
        return content_of(call, path)
    else:
        name = text_of(path)
        place = None if name is None else absolute(run, name)
    content = (
        Unread(Missing(Reason.FILE, "which .env file is read"))
        if place is None
        else run.files.read(place)
    )
    match content:
        case Absent():
            return None
        case Unread(missing=missing):
            return Opaque((missing,), "a .env file", harmless=True)
        case Content(location=location):
            text = decoded(content)
            if text is None or "parse_comments" in call.keywords:
                missing = Missing(Reason.TEXT, f"the text of {location.file}")
                return Opaque((missing,), "a .env file", harmless=True)
            return known(text, Evidence(location, f"{location.file} is read"))


def _lines(text: Known) -> dict[str, Value]:
    found: dict[str, Value] = {}
    raw = text.value if isinstance(text.value, str) else text.value.decode("utf-8", "replace")
    for line in raw.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        value = match[2]
        if value[:1] == value[-1:] == "'" and len(value) > 1:
            value = value[1:-1]
        if value[:1] == value[-1:] == '"' and len(value) > 1:
            value = re.sub(r"\\([^rnt])", r"\1", value[1:-1])
        found[match[1]] = known(value, *text.trail)
    return found


def slots(_run: Interpreter, _name: str) -> dict[str, object]:
    """Return the names of the module environ."""
    env = Native(
        "environ.Env",
        construct=_construct,
        attribute=_attribute,
        specials=frozenset({"__call__"}),
        members={"read_env": Native("Env.read_env", _read_env)},
    )
    return {"Env": env, "ImproperlyConfigured": _IMPROPER}
