"""optparse and getopt: read by Python's own, as the program tells them to."""

import getopt
import optparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import exceptions
from deployguard.python.concrete import Unplain, apply, lift, none, plain, trails, unknown
from deployguard.python.iteration import elements
from deployguard.python.signals import ExitSignal
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Native,
    Opaque,
    Value,
    derived,
    known,
    missing_of,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_STEPS = "<steps>"
_TEXTS = ("action", "type", "dest", "nargs", "choices")


class _Ended(Exception):  # noqa: N818  (control flow, not an error)
    """The parser ends the process."""


class _Parser(optparse.OptionParser):
    def exit(self, status: int = 0, msg: str | None = None) -> Any:  # noqa: ANN401
        raise _Ended(msg or f"it ends with {status}")

    def error(self, msg: str) -> Any:  # noqa: ANN401
        raise _Ended(msg)

    def print_help(self, file: Any = None) -> None:  # noqa: ANN401
        """Print nothing."""

    def print_version(self, file: Any = None) -> None:  # noqa: ANN401
        """Print nothing."""


def _construct(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, _STEPS, ())


def _add(parser: Instance, call: Call) -> Value:
    step = (call.arguments, dict(call.keywords), call.open)
    call.run.store(parser.slots, _STEPS, (*parser.slots[_STEPS], step))
    return Instance(None, _OPTION)


_OPTION = Native("optparse.Option")


def _set_defaults(parser: Instance, call: Call) -> Value:
    step = ("defaults", dict(call.keywords), call.open)
    call.run.store(parser.slots, _STEPS, (*parser.slots[_STEPS], step))
    return known(None)


def _attribute(run: "Interpreter", parser: Instance, name: str) -> Value | None:
    del run
    match name:
        case "add_option":
            return Native("optparse.add_option", lambda call: _add(parser, call))
        case "set_defaults":
            return Native("optparse.set_defaults", lambda call: _set_defaults(parser, call))
        case "parse_args":
            return Native("optparse.parse_args", lambda call: _parse(parser, call))
        case "error" | "exit":
            return Native(f"optparse.{name}", _end)
        case "print_help" | "print_usage" | "set_usage":
            return Native(f"optparse.{name}", lambda _call: known(None))
        case _:
            return None


def _end(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the parser of options ends the program"))


_PARSER = Native("optparse.OptionParser", construct=_construct, attribute=_attribute)


def _built(parser: Instance) -> _Parser:
    """Make a real parser; raises `Unplain` where a part is not known."""
    made = _Parser(prog="program")
    for arguments, keywords, hidden in parser.slots[_STEPS]:
        if hidden is not None:
            raise Unplain
        if arguments == "defaults":
            made.set_defaults(**{name: plain(value) for name, value in keywords.items()})
            continue
        made.add_option(*[plain(value) for value in arguments], **_options(keywords))
    return made


def _options(keywords: Mapping[str, Value]) -> dict[str, Any]:
    options = {
        name: plain(keywords[name]) for name in (*_TEXTS, "default", "const") if name in keywords
    }
    if "callback" in keywords:
        raise Unplain
    kind = options.get("type")
    if isinstance(kind, type):
        options["type"] = kind.__name__
    return options


def _parse(parser: Instance, call: Call) -> Value:
    given = call.argument(0, "args")
    source = call.run.argv if none(given) or given is None else given
    values = elements(source)
    if values is None:
        return _hidden(call, source)
    words = values[1:] if none(given) else values
    try:
        found, left = _built(parser).parse_args([plain(word) for word in words])
    except Unplain:
        return _hidden(call, source)
    except _Ended as end:
        note = f"the program ends over its options: {str(end)[:80]}"
        raise ExitSignal(Evidence(call.location, note)) from None
    except (optparse.OptParseError, TypeError, ValueError, AttributeError):
        return _hidden(call, source)
    step = Evidence(call.location, "optparse reads the arguments")
    origin = (*trails(*words), step)
    options = Instance(None, _VALUES, {name: lift(v, origin) for name, v in vars(found).items()})
    return Items({"items": (options, lift(left, origin))}, tuple)


def _hidden(call: Call, source: Value) -> Value:
    call.run.doubts += 1
    missing = missing_of(source) or (Missing(Reason.SOURCE, "what the options say"),)
    hidden = Opaque(missing, "an option", harmless=True)
    return Items({"items": (hidden, Items({"items": (derived("items", hidden),)}))}, tuple)


_VALUES = Native("optparse.Values", plain=optparse.Values)


def _getopt(function: Any) -> Any:  # noqa: ANN401  (functions of getopt)
    def model(call: Call) -> Value:
        arguments = tuple(
            value if isinstance(value, Known | Items) else unknown("options")
            for value in call.arguments
        )
        inner = Call(call.run, call.location, arguments, call.keywords, call.open)
        return apply(inner, "getopt", function, getopt.GetoptError)

    return model


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    if name == "getopt":
        error = exceptions.native("getopt.GetoptError")
        return {
            "getopt": Native("getopt.getopt", _getopt(getopt.getopt)),
            "gnu_getopt": Native("getopt.gnu_getopt", _getopt(getopt.gnu_getopt)),
            "GetoptError": error,
            "error": error,
        }
    return {"OptionParser": _PARSER, "make_option": Native("optparse.make_option", _option)}


def _option(_call: Call) -> Value:
    return unknown("an option")
