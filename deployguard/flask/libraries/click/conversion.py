"""Types of click's parameters: what a word, a variable or a default becomes (click.types)."""

import posixpath

from msgspec import Struct

from deployguard.flask.options import boolean, place_of
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, FileKind, Stat
from deployguard.python import (
    Call,
    Class,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, missing_of, truth

PLAIN = {
    "STRING": Native("click.STRING"),
    "UNPROCESSED": Native("click.UNPROCESSED"),
    "INT": Native("click.INT"),
    "FLOAT": Native("click.FLOAT"),
    "BOOL": Native("click.BOOL"),
    "UUID": Native("click.UUID"),
}
_MADE_OF_TEXT = frozenset({"str", "click.STRING", "click.UNPROCESSED"})
_NUMBERS = {"int": int, "click.INT": int, "float": float, "click.FLOAT": float}
_BOOLEANS = frozenset({"bool", "click.BOOL"})


class Site(Struct, frozen=True):
    """Where a command is handled: the evaluator, the place, and the versions.

    `normalize` is the function that tokens are passed through, if there is one.
    """

    run: Interpreter
    location: Location
    stack: Stack
    normalize: Value | None = None


def refused(site: Site, value: Value, note: str) -> RaiseSignal:
    """Return the error of a value that its parameter refuses; the command ends with it."""
    return RaiseSignal("BadParameter", Evidence(place_of(value, site.location), note))


def guessed(default: Value | None, stack: Stack) -> Value | None:
    """Return the type that a default implies (click.types.convert_type), None where it is open."""
    match default:
        case None | Known(value=None):
            return PLAIN["STRING"]
        case Known(value=bool()):
            # click 7 takes a Boolean default of what is no flag for a text.
            return PLAIN["BOOL" if stack.click >= (8,) else "STRING"]
        case Known(value=int()):
            return PLAIN["INT"]
        case Known(value=float()):
            return PLAIN["FLOAT"]
        case Opaque():
            return None
        case _:
            return PLAIN["STRING"]


def convert(site: Site, kind: Value | None, value: Value, handed: tuple[Value, ...] = ()) -> Value:
    """Return a value as its type makes it; `handed` are what a type of the program gets besides.

    Raises BadParameter of the program where the type refuses it.
    """
    if isinstance(value, Known) and value.value is None:
        return value
    match kind:
        case Items():
            return _tuple(site, kind, value)
        case Native(name=name) if name in _MADE_OF_TEXT:
            return _text(site, value)
        case Native(name=name) if name in _NUMBERS:
            return _number(site, _NUMBERS[name], value)
        case Native(name=name) if name in _BOOLEANS:
            return _boolean(site, value)
        case Native(name="click.UUID"):
            return _opaque("a UUID", value)
        case Instance(type=None, native=Native(name=name)):
            return _of_class(site, name, kind, value)
        case Instance(type=Class()):
            method = site.run.attribute(kind, "convert", site.location)
            return site.run.call(method, (value, *handed), {}, site.location)
        case Function() | Class() | Native():
            return _function(site, kind, value)
        case _:
            missing = missing_of(kind) if kind is not None else ()
            return Opaque(missing or _open("the type of a parameter"), "a value", harmless=True)


def _open(what: str) -> tuple[Missing, ...]:
    return (Missing(Reason.SOURCE, what),)


def _opaque(name: str, *values: Value) -> Opaque:
    made = derived(name, *values)
    return Opaque(made.missing or _open(name), name, harmless=True, trail=made.trail)


def _text(site: Site, value: Value) -> Value:
    match value:
        case Known(value=str() | bytes()):
            return value
        case Known(value=other, trail=trail) if site.stack.click >= (8,):
            # Before click 8 a default that is no text stayed what it was.
            return known(str(other), *trail)
        case _:
            return value


def _number(site: Site, kind: type[int] | type[float], value: Value) -> Value:
    if not isinstance(value, Known):
        return value
    try:
        return known(kind(value.value), *value.trail)
    except (TypeError, ValueError, OverflowError):
        raise refused(site, value, f"{value.value!r} is no number, so the command ends") from None


def _boolean(site: Site, value: Value) -> Value:
    if not isinstance(value, Known):
        return value
    if isinstance(value.value, bool):
        return value
    made = boolean(str(value.value), site.stack)
    if made is None:
        raise refused(site, value, "this is no Boolean, which click refuses: the command ends")
    return known(made, *value.trail)


def _tuple(site: Site, kinds: Items, value: Value) -> Value:
    if not isinstance(value, Items) or any(
        isinstance(item, Opaque) and item.name == "items" for item in value.items
    ):
        return _opaque("several values", value)
    if len(value.items) != len(kinds.items):
        first = value.items[0] if value.items else known(None)
        raise refused(site, first, f"{len(kinds.items)} values are wanted, so the command ends")
    pairs = zip(kinds.items, value.items, strict=True)
    return Items({"items": tuple(convert(site, kind, one) for kind, one in pairs)}, tuple)


def _of_class(site: Site, name: str, kind: Instance, value: Value) -> Value:
    match name:
        case "click.Choice":
            return _choice(site, kind, value)
        case "click.IntRange" | "click.FloatRange":
            number = _number(site, int if name == "click.IntRange" else float, value)
            return _in_range(site, kind, number)
        case "click.Path":
            return _path(site, kind, value)
        case "click.File":
            return _opaque("a file that is opened", value)
        case "click.Tuple":
            kinds = kind.slots["types"]
            return _tuple(site, kinds, value) if isinstance(kinds, Items) else _opaque("x", value)
        case _:
            return _opaque(name, value)


def _choice(site: Site, kind: Instance, value: Value) -> Value:
    choices = kind.slots["choices"]
    if not isinstance(value, Known) or not isinstance(choices, Items):
        return _opaque("a choice", value)
    plain = [choice.value for choice in choices.items if isinstance(choice, Known)]
    exact = truth(kind.slots["case_sensitive"])
    if len(plain) != len(choices.items) or exact is Answer.UNKNOWN:
        return _opaque("a choice", value, *choices.items)
    wanted = _normal(site, str(value.value))
    names = [_normal(site, str(choice)) for choice in plain]
    if wanted is None or None in names:
        return _opaque("a choice", value)
    for choice, name in zip(plain, names, strict=True):
        same = exact is Answer.NO and str(name).casefold() == wanted.casefold()
        if name == wanted or same:
            return known(choice, *value.trail)
    raise refused(site, value, f"{value.value!r} is none of the choices, so the command ends")


def _normal(site: Site, text: str) -> str | None:
    if site.normalize is None:
        return text
    made = site.run.call(site.normalize, (known(text),), {}, site.location)
    return str(made.value) if isinstance(made, Known) else None


def _in_range(site: Site, kind: Instance, value: Value) -> Value:
    bounds = [kind.slots[name] for name in ("min", "max", "min_open", "max_open", "clamp")]
    if not isinstance(value, Known) or not all(isinstance(bound, Known) for bound in bounds):
        return _opaque("a number in a range", value, *bounds)
    low, high, low_open, high_open, clamp = (b.value for b in bounds if isinstance(b, Known))
    number = value.value
    below = low is not None and (number <= low if low_open else number < low)
    above = high is not None and (number >= high if high_open else number > high)
    if not below and not above:
        return value
    if clamp and isinstance(number, int):
        near = (low + 1 if low_open else low) if below else high - 1 if high_open else high
        return known(near, *value.trail)
    raise refused(site, value, f"{number} is out of range, so the command ends")


def _path(site: Site, kind: Instance, value: Value) -> Value:
    """click.Path: what has to exist does, or the command ends."""
    if not isinstance(value, Known) or not isinstance(value.value, str):
        return value
    if truth(kind.slots["path_type"]) is not Answer.NO:
        return _opaque("a path", value)
    if site.run.cwd is None:
        return value
    place = posixpath.normpath(posixpath.join(site.run.cwd, value.value))
    if truth(kind.slots["exists"]) is Answer.YES:
        found = site.run.files.stat(place)
        folder = isinstance(found, Stat) and found.kind is FileKind.DIRECTORY
        wrong = (folder and truth(kind.slots["dir_okay"]) is Answer.NO) or (
            isinstance(found, Stat) and not folder and truth(kind.slots["file_okay"]) is Answer.NO
        )
        if isinstance(found, Absent) or wrong:
            raise refused(site, value, f"{value.value} is not there, so the command ends")
    return known(place, *value.trail) if truth(kind.slots["resolve_path"]) is Answer.YES else value


def _function(site: Site, kind: Value, value: Value) -> Value:
    """click.types.FuncParamType: a ValueError of the function is an error of usage."""
    try:
        return site.run.call(kind, (value,), {}, site.location)
    except RaiseSignal as error:
        if error.name == "ValueError":
            raise refused(site, value, f"{error.note.note}, so the command ends") from None
        raise


def _type(name: str, **defaults: object) -> Native:
    """Return a class of types whose instances keep their arguments."""

    def construct(call: Call, instance: Instance) -> None:
        for position, (key, default) in enumerate(defaults.items()):
            given = call.argument(position, key) or known(default)
            call.run.store(instance.slots, key, given)

    return Native(f"click.{name}", construct=construct)


def _param_type(run: Interpreter, instance: Instance, name: str) -> Value | None:
    del run
    if name == "fail":
        return Native("click.ParamType.fail", _fail)
    if name in {"convert", "__call__"} and instance.type is None:
        return Native("click.ParamType.convert", lambda call: call.arguments[0])
    return None


def _fail(call: Call) -> Value:
    raise RaiseSignal("BadParameter", Evidence(call.location, "the type refuses the value"))


TYPES: dict[str, Native] = {
    **PLAIN,
    "Choice": _type("Choice", choices=None, case_sensitive=True),
    "IntRange": _type(
        "IntRange", min=None, max=None, min_open=False, max_open=False, clamp=False
    ),
    "FloatRange": _type(
        "FloatRange", min=None, max=None, min_open=False, max_open=False, clamp=False
    ),
    "Path": _type(
        "Path", exists=False, file_okay=True, dir_okay=True, writable=False, readable=True,
        resolve_path=False, allow_dash=False, path_type=None,
    ),
    "File": _type("File", mode="r"),
    "DateTime": _type("DateTime", formats=None),
    "Tuple": _type("Tuple", types=None),
    "ParamType": Native(
        "click.ParamType", construct=lambda _call, _instance: None, attribute=_param_type,
        specials=frozenset({"__call__"}),
    ),
}  # fmt: skip
