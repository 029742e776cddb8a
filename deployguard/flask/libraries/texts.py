"""Parsers of YAML, TOML and JSON: PyYAML, ruamel.yaml, toml, tomli, tomlkit, and other JSONs."""

import json
import tomllib
from collections.abc import Callable
from pathlib import PurePosixPath

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.reading import content_of, exception, missing_file, raising, read
from deployguard.formats.program_yaml import Schema, UnknownTag, documents
from deployguard.model.evidence import Evidence, Reason
from deployguard.model.filesystem import Absent, Content
from deployguard.python import (
    Call,
    Class,
    Instance,
    Interpreter,
    Items,
    Known,
    Native,
    Opaque,
    Value,
)
from deployguard.python.concrete import lift, none, text_of, unknown
from deployguard.python.values import known

# yaml.load without a loader is an error from this release on.
_LOADER_REQUIRED = (6,)
_MOST = 256 * 1024
_CHANGED = "yaml constructors"

_YAML_ERROR = exception("YAMLError")
_TOML_ERROR = exception("TOMLDecodeError", "ValueError")

Parse = Callable[[str | bytes], object]


def _parsed(call: Call, stream: Value | None, parse: Parse, error: Class | None) -> Value:
    """Return what a parser makes of a text or of an open file.

    `error` is what it raises; None where it may take what ours does not.
    """
    content = content_of(call, stream)
    if not isinstance(content, Known):
        return content
    if len(content.value) > _MOST:
        return unknown("what a long text holds", Reason.LIMIT)
    try:
        return lift(parse(content.value), content.trail)
    except (SyntaxInputError, ValueError):
        if error is None:
            return unknown("what a library makes of a text that is unusual")
        raise raising(call, error, "what is read here does not parse") from None
    except (LimitError, RecursionError):
        return unknown("what a large or deep text holds", Reason.LIMIT)
    except UnknownTag:
        return unknown("what a tag of the program's own makes")


def _yaml(schema: Schema, *, every: bool) -> Parse:
    def parse(text: str | bytes) -> object:
        found = documents(text, schema)
        if every:
            return list(found)
        if len(found) > 1:
            raise ValueError
        return found[0] if found else None

    return parse


def _yaml_load(name: str, schema: Schema, *, every: bool) -> Native:
    def model(call: Call) -> Value:
        return _under(call, call.argument(0, "stream"), schema, every=every)

    return Native(f"yaml.{name}", model)


def _under(call: Call, stream: Value | None, schema: Schema, *, every: bool) -> Value:
    if call.run.memory.get(_CHANGED) is not None:
        return unknown("what constructors of the program's own make of YAML")
    error = None if schema is Schema.CORE else _YAML_ERROR
    return _parsed(call, stream, _yaml(schema, every=every), error)


_SCHEMAS = {
    name: schema
    for schema, names in {
        Schema.PYYAML: ("SafeLoader", "CSafeLoader", "FullLoader", "CFullLoader", "Loader",
                        "CLoader", "UnsafeLoader", "CUnsafeLoader"),
        Schema.BASE: ("BaseLoader", "CBaseLoader"),
    }.items()
    for name in names
}  # fmt: skip


def _with_loader(*, every: bool) -> Callable[[Call], Value]:
    def model(call: Call) -> Value:
        loader = call.argument(1, "Loader")
        if loader is None:
            version = release(call.run, "pyyaml")
            if version is None:
                return unknown("the installed version of PyYAML", Reason.VERSION)
            if version >= _LOADER_REQUIRED:
                raise raising(call, "TypeError", "yaml.load() needs a loader in this release")
            schema: Schema | None = Schema.PYYAML
        else:
            name = loader.name.removeprefix("yaml.") if isinstance(loader, Native) else ""
            schema = _SCHEMAS.get(name)
        if schema is None:
            return unknown("what a loader of the program's own makes of YAML")
        return _under(call, call.argument(0, "stream"), schema, every=every)

    return model


def _change(call: Call) -> Value:
    call.run.store(call.run.memory, _CHANGED, known(value=True))
    return known(None)


_CHANGES = {
    name: Native(f"yaml.{name}", _change)
    for name in ("add_constructor", "add_multi_constructor", "add_implicit_resolver",
                 "add_path_resolver")
}  # fmt: skip


def pyyaml(_run: Interpreter, _name: str) -> dict[str, Value]:
    """Return the names of PyYAML's module."""
    found: dict[str, Value] = {
        name: Native(f"yaml.{name}", construct=_no_loader, members=_CHANGES) for name in _SCHEMAS
    }
    for name in ("safe_load", "full_load", "unsafe_load"):
        found[name] = _yaml_load(name, Schema.PYYAML, every=False)
        found[f"{name}_all"] = _yaml_load(f"{name}_all", Schema.PYYAML, every=True)
    found["load"] = Native("yaml.load", _with_loader(every=False))
    found["load_all"] = Native("yaml.load_all", _with_loader(every=True))
    return found | _CHANGES | {"YAMLError": _YAML_ERROR}


def _no_loader(_call: Call, _instance: Instance) -> None:
    """Make a loader that the program drives by itself: what it makes is not followed."""


def _ruamel(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name not in {"load", "load_all"}:
        return None
    kind = text_of(instance.slots.get("<typ>", known("rt")))
    schema = Schema.BASE if kind == "base" else Schema.CORE

    def model(call: Call) -> Value:
        if "version" in instance.slots or kind is None:
            return unknown("which version of YAML is read")
        stream = _opened(call, call.argument(0, "stream"))
        return _under(call, stream, schema, every=name == "load_all")

    return Native(f"YAML.{name}", model)


def _construct_ruamel(call: Call, instance: Instance) -> None:
    kind = call.argument(None, "typ")
    match kind:
        case Items(slots={"items": (first, *_)}):
            call.run.store(instance.slots, "<typ>", first)
        case None:
            return
        case _ if not none(kind):
            call.run.store(instance.slots, "<typ>", kind)
        case _:
            return


def _opened(call: Call, stream: Value | None) -> Value | None:
    """Return a path of pathlib as the file it names."""
    is_path = isinstance(stream, Known) and isinstance(stream.value, PurePosixPath)
    return _content(call, stream) if is_path and stream is not None else stream


def _content(call: Call, path: Value) -> Value:
    content = read(call.run, path)
    match content:
        case Absent(path=absent):
            raise missing_file(call, absent)
        case Content(data=data, location=location):
            return known(data, Evidence(location, f"{location.file} is read"))
        case _:
            return Opaque((content.missing,), "a file", harmless=True)


def ruamel(_run: Interpreter, _name: str) -> dict[str, Value]:
    """Return the names of ruamel.yaml: YAML 1.2, where `on` and `yes` are text."""
    return {"YAML": Native("ruamel.yaml.YAML", construct=_construct_ruamel, attribute=_ruamel)}


def _toml(text: str | bytes) -> object:
    """Parse TOML; load() takes a file that was opened in binary mode, loads() a text."""
    return tomllib.loads(text if isinstance(text, str) else text.decode())


def _json(text: str | bytes) -> object:
    return json.loads(text)


def _loads(name: str, parse: Parse, error: Class | None) -> Native:
    return Native(name, lambda call: _parsed(call, _first(call), parse, error))


def _load(name: str, parse: Parse, error: Class | None, *, paths: bool = False) -> Native:
    """Return a function of an open file; with `paths` also of what names one."""

    def model(call: Call) -> Value:
        given = _first(call)
        if paths and given is not None and text_of(given) is not None:
            given = _content(call, given)
        elif isinstance(given, Items):
            return harmless("several files")
        return _parsed(call, given, parse, error)

    return Native(name, model)


def _first(call: Call) -> Value | None:
    return call.arguments[0] if call.arguments else next(iter(call.keywords.values()), None)


def toml(_run: Interpreter, name: str) -> dict[str, Value]:
    """Return the names of toml, tomli or tomlkit; tomli is what Python has as tomllib."""
    error = _TOML_ERROR if name == "tomli" else None
    found: dict[str, Value] = {
        "load": _load(f"{name}.load", _toml, error, paths=name == "toml"),
        "loads": _loads(f"{name}.loads", _toml, error),
        **({"TOMLDecodeError": _TOML_ERROR} if name == "tomli" else {}),
    }
    return found | ({"parse": _loads("tomlkit.parse", _toml, None)} if name == "tomlkit" else {})


def other_json(_run: Interpreter, name: str) -> dict[str, Value]:
    """Return the names of simplejson, ujson, rapidjson or orjson."""
    found: dict[str, Value] = {"loads": _loads(f"{name}.loads", _json, None)}
    if name != "orjson":
        found["load"] = _load(f"{name}.load", _json, None)
    return found
