"""json, tomllib, csv, plistlib, ast.literal_eval and copy: data from texts and files."""

import ast
import csv
import json
import plistlib
import tomllib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.python import exceptions, iteration
from deployguard.python.concrete import (
    apply,
    cannot,
    lift,
    text_of,
    trails,
    unknown,
)
from deployguard.python.standard import streams
from deployguard.python.values import (
    Call,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Nested data deeper than this is not followed (the parsers of Python recurse).
_NESTED = 100
_ERRORS = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError)


def _loaded(label: str, function: Callable[..., Any]) -> Native:
    """Return the model of a function that reads a text or stream (`load` and `loads`)."""

    def model(call: Call) -> Value:
        source = call.arguments[0] if call.arguments else None
        if source is None:
            return cannot(call, label)
        return parsed(call, label, function, streams.text_in(source))

    return Native(label, model)


def parsed(call: Call, label: str, function: Callable[..., Any], text: Value) -> Value:
    """Parse a known text; the options of a call that change the result leave it open."""
    changing = {"object_hook", "object_pairs_hook", "parse_float", "parse_int", "cls", "dict_type"}
    if set(call.keywords) & changing or not isinstance(text, Known):
        return cannot(call, label, text)
    whole = text.value
    if isinstance(whole, str | bytes) and _nesting(whole) > _NESTED:
        return unknown("deeply nested data")
    inner = Call(call.run, call.location, (text,), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return apply(inner, label, function, _ERRORS)


def _nesting(text: str | bytes) -> int:
    """Return an upper bound for how deep brackets are nested, and operators are repeated."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    depth = deepest = 0
    for byte in data:
        if byte in b"[{(":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]})":
            depth -= 1
    return max(deepest, data.count(b"-") // 4 if len(data) > _NESTED else 0)


def _toml(text: str | bytes) -> Any:  # noqa: ANN401  (parsed data)
    return tomllib.loads(text.decode() if isinstance(text, bytes) else text)


def _plist(text: str | bytes) -> Any:  # noqa: ANN401  (parsed data)
    data = text.encode() if isinstance(text, str) else text
    if b"<!ENTITY" in data or data.startswith(b"bplist"):
        raise MemoryError
    return plistlib.loads(data)


def _dumped(call: Call) -> Value:
    if call.keywords:
        kept = {key: v for key, v in call.keywords.items() if key in {"sort_keys", "indent"}}
        indent = kept.get("indent")
        wide = isinstance(indent, Known) and isinstance(indent.value, int) and indent.value > 8  # noqa: PLR2004
        if len(kept) != len(call.keywords) or wide:
            return cannot(call, "json.dumps")
    return apply(call, "json.dumps", json.dumps)


def _dump(call: Call) -> Value:
    stream = call.argument(1, "fp")
    text = _dumped(Call(call.run, call.location, call.arguments[:1], {}))
    if isinstance(stream, Instance):
        return streams.write(call, stream, text)
    return known(None)


def _rows(call: Call, *, named: bool) -> Value:
    """csv.reader and csv.DictReader over a stream or lines."""
    source = call.arguments[0] if call.arguments else None
    if source is None:
        return cannot(call, "csv")
    values = iteration.collected(call.run, source, call.location)
    lines = [text_of(value) for value in values]
    delimiter = text_of(call.keywords.get("delimiter", known(",")))
    others = set(call.keywords) - {"delimiter"}
    if None in lines or others or delimiter is None or len(call.arguments) > 1:
        return Items({"items": (derived("items", *values, cannot(call, "csv")),)})
    texts = [line for line in lines if line is not None]
    try:
        reader = csv.DictReader if named else csv.reader
        rows = list(reader(texts, delimiter=delimiter))
    except (csv.Error, TypeError):
        return Items({"items": (cannot(call, "csv"),)})
    return lift(rows, trails(*values))


def copied(value: Value) -> Value:
    """Return copy.deepcopy(value): what is held twice is one copy as well."""
    return _copied(value, {}, 0)


def _copied(value: Value, made: dict[int, Value], depth: int) -> Value:
    if id(value) in made:
        return made[id(value)]
    if depth > _NESTED:
        return value
    copy: Value = value
    match value:
        case Items(kind=kind):
            copy = Items({"items": ()}, kind)
            made[id(value)] = copy
            copy.slots["items"] = tuple(_copied(item, made, depth + 1) for item in value.items)
        case Mapped():
            copy = Mapped({}, value.rest, value.name, value.methods, value.factory)
            made[id(value)] = copy
            copy.slots.update(
                {key: _copied(entry, made, depth + 1) for key, entry in value.slots.items()}
            )
        case Instance():
            copy = Instance(value.type, value.native, dict(value.slots))
            made[id(value)] = copy
        case _:
            pass
    return copy


def _deep(call: Call) -> Value:
    return copied(call.arguments[0]) if call.arguments else cannot(call, "deepcopy")


def _shallow(call: Call) -> Value:
    match call.arguments[0] if call.arguments else None:
        case Items(kind=kind) as value:
            return Items({"items": value.items}, kind)
        case Mapped() as value:
            return Mapped(dict(value.slots), value.rest, value.name, value.methods, value.factory)
        case Instance() as value:
            return Instance(value.type, value.native, dict(value.slots))
        case None:
            return cannot(call, "copy")
        case value:
            return value


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    match name:
        case "json" | "json.decoder":
            error = exceptions.native("json.JSONDecodeError")
            return {
                "loads": _loaded("json.loads", json.loads),
                "load": _loaded("json.load", json.loads),
                "dumps": Native("json.dumps", _dumped),
                "dump": Native("json.dump", _dump),
                "JSONDecodeError": error,
                "decoder": Module(
                    "json.decoder", {"JSONDecodeError": error}, _rest("json.decoder")
                ),
            }
        case "tomllib":
            return {
                "loads": _loaded("tomllib.loads", _toml),
                "load": _loaded("tomllib.load", _toml),
                "TOMLDecodeError": exceptions.native("tomllib.TOMLDecodeError"),
            }
        case "plistlib":
            return {
                "loads": _loaded("plistlib.loads", _plist),
                "load": _loaded("plistlib.load", _plist),
            }
        case "ast":
            return {"literal_eval": _loaded("ast.literal_eval", ast.literal_eval)}
        case "csv":
            return {
                "reader": Native("csv.reader", lambda call: _rows(call, named=False)),
                "DictReader": Native("csv.DictReader", lambda call: _rows(call, named=True)),
            }
        case "copy":
            return {
                "copy": Native("copy.copy", _shallow),
                "deepcopy": Native("copy.deepcopy", _deep),
            }
        case _:
            return {}


def _rest(name: str) -> Opaque:
    return unknown(f"what {name} does")
