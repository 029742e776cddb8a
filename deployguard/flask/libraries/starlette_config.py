"""starlette.config.Config: the environment, then a file, then the default, through a cast."""

from deployguard.flask.libraries.decouple import lines
from deployguard.flask.libraries.reading import decoded, given, raising, read, words
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import none, text_of
from deployguard.python.standard import environment_value
from deployguard.python.values import derived

_BOOLEAN = words(frozenset({"true", "1"}), frozenset({"false", "0"}), str.lower)
_UNSET = Opaque((), "a variable that is not set")


def _construct(call: Call, instance: Instance) -> None:
    path = given(call, 0, "env_file")
    content = Absent("") if path is None else read(call.run, path)
    call.run.store(instance.slots, "file_values", _values(content))
    call.run.store(instance.slots, "<prefix>", call.keywords.get("env_prefix", known("")))
    environ = call.argument(1, "environ")
    if environ is not None:
        call.run.store(instance.slots, "<environ>", environ)


def _values(content: Content | Absent | Unread) -> Mapped:
    match content:
        case Absent():
            return Mapped({})
        case Unread(missing=missing):
            return Mapped({}, Opaque((missing,), "a settings file", harmless=True))
        case Content(location=location):
            text = decoded(content)
            if text is None:
                missing = Missing(Reason.TEXT, f"the text of {location.file}")
                return Mapped({}, Opaque((missing,), "a settings file", harmless=True))
            note = Evidence(location, f"{location.file} is read")
            return Mapped({name: known(value, note) for name, value in lines(text).items()})


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name not in {"__call__", "get"}:
        return None
    return Native(f"config.{name}", lambda call: _get(call, instance))


def _get(call: Call, instance: Instance) -> Value:
    key, prefix = text_of(call.argument(0, "key")), text_of(instance.slots["<prefix>"])
    cast, default = call.argument(1, "cast"), call.argument(2, "default")
    if key is None or prefix is None:
        return derived("a setting", *call.arguments[:1])
    name = prefix + key
    environ, own = instance.slots.get("<environ>"), instance.slots["file_values"]
    value: Value = _UNSET
    if environ is None:
        value = environment_value(call.run, known(name), _UNSET)
    elif isinstance(environ, Mapped):
        value = environ.slots.get(name, environ.rest or _UNSET)
    else:
        value = derived("a setting", environ)
    if value is _UNSET and isinstance(own, Mapped):
        value = own.slots.get(name, own.rest or _UNSET)
    if value is _UNSET:
        if default is None:
            raise raising(call, "KeyError", f"{name} is not set and has no default")
        value = default
    return _cast(call, value, cast)


def _cast(call: Call, value: Value, cast: Value | None) -> Value:
    if cast is None or none(cast) or none(value):
        return value
    is_bool = isinstance(cast, Native) and cast.name == "bool"
    if is_bool and isinstance(value, Known) and isinstance(value.value, str):
        word = _BOOLEAN(value.value)
        if word is None:
            raise raising(call, "ValueError", "a setting is neither true nor false")
        return known(word, *value.trail)
    if is_bool and isinstance(value, Opaque):
        return derived("a setting", value)
    return call.run.call(cast, (value,), {}, call.location)


def slots(_run: Interpreter, name: str) -> dict[str, object]:
    """Return the names of starlette.config; nothing of starlette's others is told here."""
    config = Native(
        "starlette.config.Config",
        construct=_construct,
        attribute=_attribute,
        specials=frozenset({"__call__"}),
    )
    return {"Config": config} if name == "starlette.config" else {}
