"""What dynaconf makes of texts, files and dictionaries (dynaconf.utils.parse_conf, .nodes)."""

import json
import tomllib
from collections.abc import Callable

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.flask.libraries.reading import decoded
from deployguard.formats.program_yaml import Schema, UnknownTag, documents
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Content
from deployguard.python import Call, Items, Known, Mapped, Native, Opaque, Value, known
from deployguard.python.concrete import lift, text_of
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, laid_over

# True and False in variables are booleans from this release on; before they are texts.
PLAIN_BOOLEANS = (3, 2, 2)
_TRUE = frozenset({"t", "true", "enabled", "1", "on", "yes"})
_MOST = 256 * 1024
_DEEPEST = 20

_CASTS: dict[str, Callable[[str], object]] = {
    "@str": str,
    "@int": int,
    "@float": float,
    "@bool": lambda text: text.strip().lower() in _TRUE,
    "@json": json.loads,
    "@upper": str.upper,
    "@lower": str.lower,
    "@title": str.title,
    "@capitalize": str.capitalize,
    "@strip": str.strip,
    "@casefold": str.casefold,
    **dict.fromkeys(("@none", "@null", "@note", "@comment"), lambda _text: None),
}
# Marks whose value is only known once others are, or that change what was there before.
_LAZY = frozenset(
    {
        "@format", "@jinja", "@get", "@read_file", "@merge", "@merge_unique", "@insert", "@del",
        "@reset", "@empty", "@split", "@lstrip", "@rstrip", "@swapcase",
    }
)  # fmt: skip


def plain_key(name: str) -> str:
    """Return the name under which a setting is kept (upperfy)."""
    first, mark, rest = name.strip().partition("__")
    return first.upper() + mark + rest


def from_text(
    value: Value, *, as_toml: bool, fix: bool | None, cast: str | None = None, depth: int = 0
) -> Value:
    """Return what a value is after its mark, such as "@bool", or as TOML says.

    `fix` says that True and False are booleans of a variable, None that it cannot be told.
    """
    match value:
        case Known(value=raw) if cast is not None:
            return _marked(cast, str(raw), value)
        case Known(value=str() as text):
            mark, _, rest = text.partition(" ")
            if mark in _CASTS or mark in _LAZY:
                return _marked(mark, rest, value)
            return _toml(text, value, fix) if as_toml else value
        case Mapped(slots=slots, rest=rest) if depth < _DEEPEST:
            return Mapped(
                {
                    key: from_text(entry, as_toml=False, fix=fix, depth=depth + 1)
                    for key, entry in slots.items()
                },
                rest,
            )
        case Items() if depth < _DEEPEST:
            items = (from_text(one, as_toml=False, fix=fix, depth=depth + 1) for one in value.items)
            return Items({"items": tuple(items)}, value.kind)
        case _:
            return value


def _marked(mark: str, text: str, value: Known) -> Value:
    known_cast = _CASTS.get(mark)
    if known_cast is None or text.startswith("@"):
        return _hidden(f"what {mark} makes of a setting", value)
    try:
        return lift(known_cast(text), value.trail)
    except (ValueError, RecursionError):
        return _hidden(f"what {mark} makes of a text that is none", value)


def _hidden(what: str, value: Known, reason: Reason = Reason.SOURCE) -> Opaque:
    return Opaque((Missing(reason, what),), "a setting", harmless=True, trail=value.trail)


def _toml(text: str, value: Known, fix: bool | None) -> Value:  # noqa: FBT001  (three-valued)
    """parse_with_toml: `key=TEXT` as TOML, else the text."""
    if text.strip() in {"True", "False"} and fix is not False:
        if fix is None:
            return _hidden("the installed version of dynaconf", value, Reason.VERSION)
        return known(text.strip() == "True", *value.trail)
    try:
        return lift(tomllib.loads(f"key={text}")["key"], value.trail)
    except (tomllib.TOMLDecodeError, KeyError, RecursionError):
        return value


def file_data(content: Content) -> Mapped | RaiseSignal | None:
    """Return the dictionary in a settings file; None where it cannot be told."""
    path = content.location.file
    text = decoded(content)
    if text is None or len(text) > _MOST:
        return None
    try:
        loaded = _parsed(path, text)
    except (SyntaxInputError, ValueError):
        return RaiseSignal("ValueError", Evidence(content.location, f"{path} does not parse"))
    except (LimitError, UnknownTag, RecursionError):
        return None
    value = lift(loaded, (Evidence(content.location, f"{path} sets it"),))
    if isinstance(value, Known) and not value.value:
        return Mapped({})
    return value if isinstance(value, Mapped) else None


def _parsed(path: str, text: str) -> object:
    match path.rpartition(".")[2]:
        case "toml" | "tml":
            return tomllib.loads(text)
        case "yaml" | "yml":
            found = documents(text, Schema.CORE)
            return found[0] if found else None
        case "json":
            return json.loads(text)
        case _:
            # ConfigObj's files need a library that is seldom there.
            raise LimitError(f"the settings in {path}")


def merged(old: Value | None, steps: list[str], value: Value, *, merge: bool) -> Value:
    """Return a setting after a new value, which `steps` lead to from the setting down."""
    if isinstance(old, Opaque) and steps:
        return derived("a setting", old, value)
    if not steps:
        return _over(old, value) if _merges(value, merge=merge) else _without_mark(value)
    first, *rest = steps
    slots = dict(old.slots) if isinstance(old, Mapped) else {}
    key = next((key for key in slots if str(key).lower() == first.lower()), first)
    slots[key] = merged(slots.get(key), rest, value, merge=merge)
    return Mapped(slots, old.rest if isinstance(old, Mapped) else None)


def _merges(value: Value, *, merge: bool) -> bool:
    return merge or (isinstance(value, Mapped) and "dynaconf_merge" in value.slots)


def _without_mark(value: Value) -> Value:
    if isinstance(value, Mapped) and "dynaconf_merge" in value.slots:
        slots = {key: entry for key, entry in value.slots.items() if key != "dynaconf_merge"}
        return Mapped(slots, value.rest)
    return value


def _over(old: Value | None, value: Value) -> Value:
    """Lay a dictionary over another one, or put a list behind another one (object_merge)."""
    if isinstance(old, Mapped) and isinstance(value, Mapped):
        slots = dict(laid_over(old, Mapped({}, value.rest)).slots)
        for name, entry in value.slots.items():
            if name == "dynaconf_merge":
                continue
            key = next((key for key in slots if str(key).lower() == str(name).lower()), name)
            slots[key] = _over(slots.get(key), entry)
        return Mapped(slots, old.rest or value.rest)
    if isinstance(old, Items) and isinstance(value, Items):
        return Items({"items": (*old.items, *value.items)}, list)
    return _without_mark(value)


def boxed(value: Value) -> Value:
    """Return a dictionary as settings give it: its keys are attributes, in any case."""
    if isinstance(value, Mapped) and value.methods is None:
        return Mapped(value.slots, value.rest, value.name, _methods)
    return value


def _methods(mapping: Mapped, name: str) -> Value | None:
    if name in {"__getitem__", "get"}:
        return Native(f"settings.{name}", lambda call: _entry(call, mapping, get=name == "get"))
    if name == "__setattr__":
        return Native(f"settings.{name}", lambda call: _set(call, mapping))
    key = _key(mapping, name)
    return None if key is None else boxed(mapping.slots[key])


def _key(mapping: Mapped, name: object) -> object | None:
    folded = str(name).lower()
    return next((key for key in mapping.slots if str(key).lower() == folded), None)


def _entry(call: Call, mapping: Mapped, *, get: bool) -> Value:
    first = call.arguments[0] if call.arguments else call.argument(0, "key")
    if not isinstance(first, Known):
        return derived("a setting", *call.arguments[:1])
    key = _key(mapping, first.value)
    if key is not None:
        return boxed(mapping.slots[key])
    if mapping.rest is not None:
        return derived("a setting", mapping.rest)
    if not get:
        raise RaiseSignal("KeyError", Evidence(call.location, f"no setting {first.value!r}"))
    return call.argument(1, "default") or known(None)


def _set(call: Call, mapping: Mapped) -> Value:
    name, value = text_of(call.arguments[0]), call.arguments[1]
    if name is not None:
        call.run.store(mapping.slots, _key(mapping, name) or name, value)
    return known(None)
