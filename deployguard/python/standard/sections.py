"""configparser: files and texts of sections, read by Python's own parser.

What a parser was given is kept as a list of steps; every question makes a real parser of them, so
that defaults, interpolation and conversions are Python's own.
"""

import configparser
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import exceptions, iteration
from deployguard.python.concrete import (
    Unplain,
    lift,
    none,
    plain,
    raised,
    text_of,
    trails,
    unknown,
)
from deployguard.python.standard import absolute, streams
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Native,
    Opaque,
    Value,
    known,
    trail_of,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_STEPS = "<steps>"
_SPECIALS = frozenset({"__getitem__", "__setitem__", "__contains__", "__iter__", "__len__"})
_ERRORS = (configparser.Error, ValueError, KeyError, TypeError)


def _construct(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, _STEPS, ())
    call.run.store(instance.slots, "<options>", (call.arguments, dict(call.keywords), call.open))


def _real(parser: Instance) -> tuple[configparser.ConfigParser, tuple[Evidence, ...]]:
    """Make a real parser of the steps; raises `Unplain` where one is not known."""
    arguments, keywords, hidden = parser.slots["<options>"]
    if hidden is not None or not isinstance(parser.slots[_STEPS], tuple):
        raise Unplain
    options: dict[str, Any] = {}
    for name, value in (*zip(("defaults",), arguments, strict=False), *keywords.items()):
        if name == "interpolation":
            options[name] = _interpolation(value)
        elif name in {"converters", "dict_type", "default_section"}:
            raise Unplain
        else:
            options[name] = plain(value)
    native = parser.native
    raw = native is not None and native.name == "configparser.RawConfigParser"
    made = (configparser.RawConfigParser if raw else configparser.ConfigParser)(**options)
    origin: list[Evidence] = []
    for step in parser.slots[_STEPS]:
        if isinstance(step, Opaque):
            raise Unplain
        method, values, key_function = step
        if key_function is not None:
            made.optionxform = str  # type: ignore[method-assign,assignment]
            continue
        origin.extend(trails(*values))
        getattr(made, method)(*[plain(value) for value in values])
    return made, tuple(dict.fromkeys(origin))  # type: ignore[return-value]


def _interpolation(value: Value) -> Any:  # noqa: ANN401  (an interpolation)
    if none(value):
        return None
    named = value.native.name if isinstance(value, Instance) and value.native else ""
    if named == "configparser.ExtendedInterpolation":
        return configparser.ExtendedInterpolation()
    if named == "configparser.BasicInterpolation":
        return configparser.BasicInterpolation()
    raise Unplain


def _why(parser: Instance) -> tuple[Missing, ...]:
    steps = parser.slots[_STEPS]
    found = [step for step in steps if isinstance(step, Opaque)]
    found += [
        value for step in steps if isinstance(step, tuple) for value in step[1]
        if isinstance(value, Opaque)
    ]  # fmt: skip
    missing = tuple(entry for value in found for entry in value.missing)
    return missing or (Missing(Reason.SOURCE, "what a configuration file says"),)


def _hidden(call: Call, parser: Instance) -> Opaque:
    call.run.doubts += 1
    return Opaque(_why(parser), "what a configuration file says", harmless=True)


def _ask(
    call: Call, parser: Instance, question: Callable[[configparser.ConfigParser], Any]
) -> Value:
    """Ask the real parser; its errors become exceptions of the program."""
    try:
        made, origin = _real(parser)
        answer = question(made)
    except Unplain:
        return _hidden(call, parser)
    except _ERRORS as error:
        raise raised(call, error) from None
    except Exception:  # noqa: BLE001  (any other failure of the parser leaves the value open)
        return _hidden(call, parser)
    return lift(answer, origin)


def _add(call: Call, parser: Instance, step: Any) -> None:  # noqa: ANN401  (a step)
    call.run.store(parser.slots, _STEPS, (*parser.slots[_STEPS], step))


def _read(call: Call, parser: Instance) -> Value:
    """ConfigParser.read: several names, of which those that are not there are left out."""
    source = call.argument(0, "filenames")
    if source is None:
        return unknown("nothing is read")
    if isinstance(source, Known) and isinstance(source.value, str | bytes | PurePosixPath):
        values: tuple[Value, ...] = (source,)
    else:
        values = iteration.collected(call.run, source, call.location)
    found: list[Value] = []
    for value in values:
        text = text_of(value)
        place = None if text is None else absolute(call.run, text)
        if place is None:
            _add(call, parser, value if isinstance(value, Opaque) else unknown("a file's name"))
            continue
        held = call.run.files.read(place)
        match held:
            case Absent():
                continue
            case Unread(missing=missing):
                _add(call, parser, Opaque((missing,), place, harmless=True))
            case Content():
                read = streams.content(call.run, place, binary=False, call=call)
                _add(call, parser, ("read_string", (read,), None))
                found.append(known(text))
    _check(call, parser)
    return Items({"items": tuple(found)})


def _check(call: Call, parser: Instance) -> None:
    """Raise what a text raises that is none of sections."""
    _ask(call, parser, lambda _made: None)


def _given(call: Call, parser: Instance, method: str) -> Value:
    values = call.arguments[:1] if method.startswith("read") else call.arguments
    if method == "read_file":
        method, values = "read_string", tuple(streams.text_in(value) for value in values)
        if not all(isinstance(value, Known) and isinstance(value.value, str) for value in values):
            lines = [iteration.collected(call.run, v, call.location) for v in call.arguments[:1]]
            texts = [text_of(line) for line in (lines[0] if lines else ())]
            if None not in texts:
                values = (known("".join(text for text in texts if text is not None)),)
    if call.open is not None:
        _add(call, parser, call.open)
    else:
        _add(call, parser, (method, values, None))
    _check(call, parser)
    return known(None)


def _value(call: Call, parser: Instance, method: str) -> Value:
    """get, getint, getfloat, getboolean with raw, vars and fallback."""
    fallback = call.keywords.get("fallback")
    try:
        names = [plain(value) for value in call.arguments]
        given = {k: plain(v) for k, v in call.keywords.items() if k in {"raw", "vars"}}
    except Unplain:
        return _hidden(call, parser)
    marker = object()
    if fallback is not None:
        given["fallback"] = marker
    try:
        made, origin = _real(parser)
        answer = getattr(made, method)(*names, **given)
    except Unplain:
        return _hidden(call, parser)
    except _ERRORS as error:
        raise raised(call, error) from None
    if answer is marker and fallback is not None:
        return fallback
    return lift(answer, origin)


def _attribute(  # noqa: PLR0911  (one way out for each method)
    run: "Interpreter", parser: Instance, name: str
) -> Value | None:
    del run
    match name:
        case "read":
            return Native("ConfigParser.read", lambda call: _read(call, parser))
        case "read_string" | "read_dict" | "read_file" | "readfp" | "set" | "add_section":
            method = "read_file" if name == "readfp" else name
            return Native(f"ConfigParser.{name}", lambda call: _given(call, parser, method))
        case "remove_option" | "remove_section":
            return Native(f"ConfigParser.{name}", lambda call: _given(call, parser, name))
        case "get" | "getint" | "getfloat" | "getboolean":
            return Native(f"ConfigParser.{name}", lambda call: _value(call, parser, name))
        case "sections" | "options" | "has_section" | "has_option" | "defaults":
            return Native(f"ConfigParser.{name}", lambda call: _listed(call, parser, name))
        case "items":
            return Native("ConfigParser.items", lambda call: _items(call, parser))
        case "write":
            return Native("ConfigParser.write", lambda _call: known(None))
        case "__getitem__":
            return Native("ConfigParser[]", lambda call: _section(call, parser))
        case "__setitem__":
            return Native("ConfigParser[]=", lambda call: _set_section(call, parser))
        case "__contains__":
            return Native("in", lambda call: _ask_one(call, parser, lambda m, key: key in m))
        case "__iter__" | "keys":
            return Native("iter", lambda call: _ask(call, parser, list))
        case "__len__":
            return Native("len", lambda call: _ask(call, parser, len))
        case _:
            return None


def _ask_one(
    call: Call, parser: Instance, question: Callable[[configparser.ConfigParser, Any], Any]
) -> Value:
    try:
        key = plain(call.arguments[0])
    except (Unplain, IndexError):
        return _hidden(call, parser)
    return _ask(call, parser, lambda made: question(made, key))


def _listed(call: Call, parser: Instance, name: str) -> Value:
    try:
        names = [plain(value) for value in call.arguments]
    except Unplain:
        return _hidden(call, parser)
    return _ask(call, parser, lambda made: getattr(made, name)(*names))


def _items(call: Call, parser: Instance) -> Value:
    if not call.arguments:
        return _hidden(call, parser)
    return _ask_one(call, parser, lambda made, section: list(made.items(section)))


def _section(call: Call, parser: Instance) -> Value:
    made = _ask_one(call, parser, lambda found, key: str(found[key].name))
    if not isinstance(made, Known):
        return made
    return Instance(None, _SECTION, {"<parser>": parser, "<name>": made})


def _set_section(call: Call, parser: Instance) -> Value:
    if len(call.arguments) > 1:
        section, values = call.arguments[:2]
        name = text_of(section)
        try:
            given = plain(values)
        except Unplain:
            given = None
        if name is not None and isinstance(given, dict):
            _add(call, parser, ("read_dict", (lift({name: given}, trail_of(values)),), None))
            return known(None)
    _add(call, parser, _hidden(call, parser))
    return known(None)


def _assign(run: "Interpreter", parser: Instance, name: str, value: Value) -> bool:
    if name == "optionxform":
        plain_text = isinstance(value, Native) and value.name == "str"
        step = (name, (), value) if plain_text else unknown("how names are read")
        run.store(parser.slots, _STEPS, (*parser.slots[_STEPS], step))
        return True
    return False


def _of_section(run: "Interpreter", section: Instance, name: str) -> Value | None:
    del run
    parser: Instance = section.slots["<parser>"]
    title: Value = section.slots["<name>"]
    key = title.value if isinstance(title, Known) else ""
    match name:
        case "get" | "getint" | "getfloat" | "getboolean":
            return Native(f"section.{name}", lambda call: _from_section(call, parser, title, name))
        case "__getitem__":
            return Native("section[]", lambda call: _ask_one(call, parser, lambda m, o: m[key][o]))
        case "__contains__":
            return Native("in", lambda call: _ask_one(call, parser, lambda m, o: o in m[key]))
        case "__iter__" | "keys":
            return Native("iter", lambda call: _ask(call, parser, lambda m: list(m[key])))
        case "__len__":
            return Native("len", lambda call: _ask(call, parser, lambda m: len(m[key])))
        case "items":
            return Native("items", lambda call: _ask(call, parser, lambda m: list(m[key].items())))
        case "values":
            return Native("values", lambda call: _ask(call, parser, lambda m: [*m[key].values()]))
        case "__setitem__":
            return Native("section[]=", lambda call: _set_option(call, parser, title))
        case "name":
            return title
        case _:
            return None


def _from_section(call: Call, parser: Instance, title: Value, name: str) -> Value:
    """SectionProxy.get: what is not there is None, or the fallback."""
    keywords = dict(call.keywords)
    arguments = call.arguments[:1]
    keywords.setdefault("fallback", call.arguments[1] if len(call.arguments) > 1 else known(None))
    inner = Call(call.run, call.location, (title, *arguments), keywords, call.open)
    return _value(inner, parser, name)


def _set_option(call: Call, parser: Instance, title: Value) -> Value:
    _add(call, parser, ("set", (title, *call.arguments), None))
    return known(None)


_SECTION = Native("configparser.SectionProxy", attribute=_of_section, specials=_SPECIALS)


def _parser(name: str) -> Native:
    return Native(
        f"configparser.{name}",
        construct=_construct,
        attribute=_attribute,
        assign=_assign,
        specials=_SPECIALS,
    )


_INTERPOLATIONS = ("ExtendedInterpolation", "BasicInterpolation")


def _interpolations() -> dict[str, Native]:
    return {
        name: Native(f"configparser.{name}", construct=lambda _call, _instance: None)
        for name in _INTERPOLATIONS
    }


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del name
    slots: dict[Any, Any] = {
        "ConfigParser": _parser("ConfigParser"),
        "RawConfigParser": _parser("RawConfigParser"),
        **_interpolations(),
        **{
            error: exceptions.native(f"configparser.{error}")
            for error in ("Error", "NoSectionError", "NoOptionError")
        },
    }
    if run.version is not None and run.version < (3, 12):
        slots["SafeConfigParser"] = _parser("ConfigParser")
    return slots
