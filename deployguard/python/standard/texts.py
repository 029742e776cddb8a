"""Functions over texts and numbers that compute and do nothing else."""

import base64
import binascii
import html
import math
import re
import shlex
import string
import textwrap
import unicodedata
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence
from deployguard.python import methods
from deployguard.python.concrete import (
    Unplain,
    apply,
    cannot,
    lift,
    plain,
    pure,
    running,
    text_of,
    trails,
    unknown,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Model,
    Native,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)

# Patterns are matched where they cannot backtrack for long: no repetition in another, and no more
# ways to divide a text among repetitions than this.
_PATTERN = 200
_WAYS = 5_000_000

_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})


def _strtobool(call: Call) -> Value:
    """distutils.util.strtobool, which Python 3.12 lacks: 1, 0 or ValueError."""
    value = call.argument(0, "val")
    text = text_of(value)
    if text is None:
        if isinstance(value, Known):
            note = Evidence(call.location, "strtobool() is given no text")
            raise RaiseSignal("AttributeError", note)
        return cannot(call, "strtobool")
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise RaiseSignal("ValueError", Evidence(call.location, "no word for true or false"))
    return known(int(word in _TRUE), *trails(*call.arguments))


def _short(pattern: str, subject: str) -> bool:
    """Say whether matching is certainly done in a moment."""
    if len(pattern) > _PATTERN or re.search(r"\\\d|\(\?P?[=<!(]", pattern.replace("(?P<", "(")):
        return False
    choices = len(re.findall(r"[*+?{|]", pattern))
    nested = choices > 1 and re.search(r"\)[*+{]", pattern) is not None
    return not nested and (len(subject) + 1) ** (min(choices, 20) + 1) <= _WAYS


def _matched(function: str) -> Model:
    """Return the model of re.match and the like over known texts."""

    def model(call: Call) -> Value:
        try:
            values = [plain(value) for value in call.arguments]
            keywords = {key: plain(value) for key, value in call.keywords.items()}
        except Unplain:
            return cannot(call, f"re.{function}")
        subject = values[-1 if function != "sub" else 2] if len(values) > 1 else ""
        pattern = values[0] if values else ""
        if (
            not isinstance(pattern, str)
            or not isinstance(subject, str)
            or not _short(pattern, subject)
            or (function == "sub" and len(subject) * methods.longest(call.arguments) > methods.WORK)
            or call.open is not None
        ):
            return cannot(call, f"re.{function}")
        try:
            made = getattr(re, function)(*values, **keywords)
        except re.error:
            raise RaiseSignal("Exception", Evidence(call.location, "no pattern")) from None
        except (TypeError, ValueError, IndexError):
            return cannot(call, f"re.{function}")
        return _result(made, call)

    return model


def _result(made: Any, call: Call) -> Value:  # noqa: ANN401  (a match or a list)
    origin = trails(*call.arguments)
    if isinstance(made, re.Match):
        groups = lift((made.group(0), *made.groups()), origin)
        named = lift(made.groupdict(), origin)
        return Instance(None, _MATCH, {"<groups>": groups, "<named>": named})
    return lift(made, origin)


def _match_attribute(run: "Interpreter", match: Instance, name: str) -> Value | None:
    del run
    groups: Items = match.slots["<groups>"]
    match name:
        case "group" | "__getitem__":
            return Native("Match.group", lambda call: _group(call, match))
        case "groups":
            return Native("Match.groups", lambda _call: Items({"items": groups.items[1:]}, tuple))
        case "groupdict":
            return Native("Match.groupdict", lambda _call: match.slots["<named>"])
        case _:
            return None


def _group(call: Call, match: Instance) -> Value:
    groups: Items = match.slots["<groups>"]
    if len(call.arguments) > 1:
        return cannot(call, "Match.group")
    key = call.arguments[0] if call.arguments else known(0)
    named = match.slots["<named>"]
    if isinstance(key, Known):
        if isinstance(key.value, int) and 0 <= key.value < len(groups.items):
            return groups.items[key.value]
        if isinstance(key.value, str) and key.value in named.slots:
            found: Value = named.slots[key.value]
            return found
        raise RaiseSignal("IndexError", Evidence(call.location, "no such group"))
    return cannot(call, "Match.group")


_MATCH = Native("re.Match", attribute=_match_attribute, specials=frozenset({"__getitem__"}))


def _compiled(call: Call) -> Value:
    return Instance(None, _COMPILED, {"<given>": call.arguments[:1], "<flags>": call.arguments[1:]})


def _compiled_attribute(run: "Interpreter", pattern: Instance, name: str) -> Value | None:
    del run
    if name not in {"match", "search", "fullmatch", "findall", "sub", "split"}:
        return None

    def model(call: Call) -> Value:
        if pattern.slots["<flags>"]:
            return cannot(call, f"re.{name}")
        given = (*pattern.slots["<given>"], *call.arguments)
        return _matched(name)(Call(call.run, call.location, given, call.keywords, call.open))

    return Native(f"Pattern.{name}", model)


_COMPILED = Native("re.Pattern", attribute=_compiled_attribute)


def _template(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "template", call.argument(0, "template") or known(""))


def _template_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name not in {"substitute", "safe_substitute"}:
        return None

    def model(call: Call) -> Value:
        text = text_of(instance.slots["template"])
        if text is None:
            return derived("a text", instance.slots["template"])
        given = (*call.arguments, *call.keywords.values())
        if text.count("$") * methods.longest(given) > methods.WORK:
            return unknown("a very long text")
        return apply(call, name, getattr(string.Template(text), name), (KeyError, ValueError))

    return Native(f"Template.{name}", model)


_TEMPLATE = Native("string.Template", construct=_template, attribute=_template_attribute)


def _expressions() -> dict[Any, Any]:
    functions = ("match", "search", "fullmatch", "findall", "sub", "split")
    flags = ("I", "IGNORECASE", "M", "MULTILINE", "S", "DOTALL", "X", "VERBOSE", "A", "ASCII", "U")
    return {
        **{name: Native(f"re.{name}", _matched(name)) for name in functions},
        "compile": Native("re.compile", _compiled),
        "escape": pure("re.escape", re.escape),
        **{flag: known(int(getattr(re, flag))) for flag in flags},
    }


def _parts(call: Call) -> Value:
    """urllib.parse.urlparse and urlsplit: the parts as attributes and items."""
    text = text_of(call.argument(0, "url"))
    if text is None or len(call.arguments) != 1:
        return cannot(call, "urlparse")
    origin = trails(*call.arguments)
    try:
        found = urllib.parse.urlparse(text)
        port = found.port
    except ValueError:
        raise RaiseSignal("ValueError", Evidence(call.location, "no address")) from None
    slots: dict[Any, Any] = {name: known(value, *origin) for name, value in zip(
        found._fields, found, strict=True)}  # fmt: skip
    slots |= {
        "hostname": known(found.hostname, *origin),
        "port": known(port, *origin),
        "username": known(found.username, *origin),
        "password": known(found.password, *origin),
        "<held>": lift(tuple(found), origin),
    }
    return Instance(None, _ADDRESS, slots)


_ADDRESS = Native("urllib.parse.ParseResult", plain=tuple)


def _table(label: str, functions: dict[str, Callable[..., Any]]) -> dict[Any, Any]:
    return {name: pure(f"{label}.{name}", function) for name, function in functions.items()}


def _functions(module: Any, *chosen: str) -> dict[str, Callable[..., Any]]:  # noqa: ANN401
    return {name: getattr(module, name) for name in chosen}


def names(run: "Interpreter", name: str) -> dict[Any, Any]:  # noqa: PLR0911  (one for each module)
    """Return the names of a module of this subject."""
    del run
    match name:
        case "re":
            return _expressions()
        case "shlex":
            return _table(name, _functions(shlex, "split", "quote", "join"))
        case "string":
            return {
                "Template": _TEMPLATE,
                **{
                    constant: known(getattr(string, constant))
                    for constant in (
                        "ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits",
                        "hexdigits", "punctuation", "whitespace", "printable",
                    )
                },
            }  # fmt: skip
        case "textwrap":
            return _table(name, _functions(textwrap, "dedent"))
        case "base64":
            chosen = ("b64decode", "b64encode", "urlsafe_b64decode", "urlsafe_b64encode",
                      "b32decode", "b16decode")  # fmt: skip
            return _table(name, _functions(base64, *chosen))
        case "binascii":
            return _table(name, _functions(binascii, "unhexlify", "hexlify", "a2b_base64"))
        case "html":
            return _table(name, _functions(html, "escape", "unescape"))
        case "unicodedata":
            return _table(name, _functions(unicodedata, "normalize"))
        case "urllib.parse":
            functions = ("quote", "unquote", "quote_plus", "unquote_plus", "parse_qs", "urljoin",
                      "parse_qsl", "urlencode")  # fmt: skip
            return {
                **_table(name, _functions(urllib.parse, *functions)),
                "urlparse": Native("urllib.parse.urlparse", _parts),
                "urlsplit": Native("urllib.parse.urlsplit", _parts),
            }
        case "math":
            names_of = ("floor", "ceil", "sqrt", "log", "log2", "fabs", "isnan", "isinf", "trunc")
            return {
                **_table(name, _functions(math, *names_of)),
                "pi": known(math.pi),
                "inf": known(math.inf),
            }
        case "distutils" | "distutils.util":
            return {"strtobool": Native("distutils.util.strtobool", _strtobool)}
        case "time":
            return {
                "sleep": Native("time.sleep", lambda _call: known(None)),
                "time": Native("time.time", lambda _call: running("the time")),
            }
        case _:
            return {}
