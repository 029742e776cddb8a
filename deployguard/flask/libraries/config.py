"""flask.Config: where app.config takes its values from."""

import posixpath

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Class,
    Instance,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import linearize
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import truth


def method(config: Mapped, name: str) -> Value | None:
    """Return a method of app.config, None where it has none of its own."""
    models: dict[str, Model] = {
        "from_object": lambda call: _from_object(call, config),
        "from_mapping": lambda call: _from_mapping(call, config),
        "from_pyfile": lambda call: _from_pyfile(call, config, call.argument(0, "filename")),
        "from_envvar": lambda call: _from_envvar(call, config),
        "from_prefixed_env": lambda call: _from_prefixed_env(call, config),
        "from_json": lambda call: _from_unknown(call, config),
        "from_file": lambda call: _from_unknown(call, config),
    }
    return Native(f"app.config.{name}", models[name]) if name in models else None


def _set(call: Call, config: Mapped, key: object, value: Value) -> None:
    if isinstance(key, str) and key.isupper():
        note = Evidence(call.location, f"the configuration sets {key}")
        made = known(value.value, *value.trail, note) if isinstance(value, Known) else value
        call.run.store(config.slots, key, made)


def _from_object(call: Call, config: Mapped) -> Value:
    """Config.from_object: the upper-case attributes of an object, or of what a text names."""
    value = call.argument(0, "obj")
    if isinstance(value, Known) and isinstance(value.value, str):
        value = _named(call, value.value)
    match value:
        case Class():
            for base in reversed(linearize(value)):
                if isinstance(base, Class):
                    for key, entry in base.slots.items():
                        _set(call, config, key, entry)
                elif not (isinstance(base, Opaque) and base.harmless):
                    return _from_unknown(call, config)
        case Instance(type=Class() as cls, native=None):
            for base in reversed(linearize(cls)):
                for key, entry in base.slots.items() if isinstance(base, Class) else ():
                    _set(call, config, key, entry)
            for key, entry in value.slots.items():
                _set(call, config, key, entry)
        case Module(rest=None):
            for key, entry in value.slots.items():
                _set(call, config, key, entry)
        case _:
            return _from_unknown(call, config)
    return known(None)


def _named(call: Call, dotted: str) -> Value | None:
    """werkzeug.utils.import_string: "package.module:Name", "package.module.Name" or a module."""
    text = dotted.replace(":", ".")
    head, _, leaf = text.rpartition(".")
    if not head:
        return call.run.import_module(text, call.location)
    try:
        return call.run.import_module(text, call.location)
    except RaiseSignal:
        module = call.run.import_module(head, call.location)
        return call.run.attribute(module, leaf, call.location)


def _from_mapping(call: Call, config: Mapped) -> Value:
    for given in call.arguments:
        if not isinstance(given, Mapped) or given.rest is not None:
            return _from_unknown(call, config)
        for key, entry in given.slots.items():
            _set(call, config, key, entry)
    for key, entry in call.keywords.items():
        _set(call, config, key, entry)
    return known(value=True) if call.open is None else _from_unknown(call, config)


def _from_pyfile(call: Call, config: Mapped, path: Value | None) -> Value:
    root = config.slots.get("<root>")
    silent = truth(call.keywords.get("silent", known(value=False))) is Answer.YES
    if not (isinstance(path, Known) and isinstance(path.value, str)):
        return _from_unknown(call, config)
    if not (isinstance(root, Known) and isinstance(root.value, str)):
        return _from_unknown(call, config)
    file = posixpath.normpath(posixpath.join(root.value, path.value))
    content = call.run.files.read(file)
    match content:
        case Absent():
            if silent:
                return known(value=False)
            raise RaiseSignal("FileNotFoundError", Evidence(call.location, f"{file} is not there"))
        case Unread():
            return _from_unknown(call, config)
        case Content(data=data, location=location):
            module = Module("config", {LOCATION: location, "__file__": known(file)})
            call.run.execute_text(data, module)
            for key, entry in module.slots.items():
                _set(call, config, key, entry)
            return known(value=True)


def _from_envvar(call: Call, config: Mapped) -> Value:
    name = call.argument(0, "variable_name")
    silent = truth(call.keywords.get("silent", known(value=False))) is Answer.YES
    if isinstance(name, Known):
        value = call.run.environ.slots.get(name.value)
        if value is None and call.run.environ.rest is None:
            if silent:
                return known(value=False)
            raise RaiseSignal("RuntimeError", Evidence(call.location, f"{name.value} is not set"))
        return _from_pyfile(call, config, value)
    return _from_unknown(call, config)


_JSON_WORDS = {"true": True, "false": False, "null": None}


def _from_prefixed_env(call: Call, config: Mapped) -> Value:
    """Config.from_prefixed_env: PREFIX_KEY, each value read as JSON where it is JSON."""
    prefix = call.argument(0, "prefix") or known("FLASK")
    if not isinstance(prefix, Known) or call.run.environ.rest is not None:
        return _from_unknown(call, config)
    value = call.run.environ.slots.get(f"{prefix.value}_DEBUG")
    match value:
        case None:
            return known(value=True)
        case Known(value=str() as text):
            word = text.strip()
            plain: object = (
                _JSON_WORDS[word]
                if word in _JSON_WORDS
                else int(word)
                if word.isdigit() and len(word) < len("1000000")
                else text
            )
            _set(call, config, "DEBUG", known(plain, *value.trail))
            return known(value=True)
        case _:
            return _from_unknown(call, config)


def _from_unknown(call: Call, config: Mapped) -> Value:
    """Take a configuration that cannot be told: every key may hold anything now."""
    place = f"{call.location.file}:{call.location.line}"
    missing = (Missing(Reason.SOURCE, f"the configuration that is read at {place}"),)
    for key in ("DEBUG", "SERVER_NAME"):
        call.run.store(config.slots, key, Opaque(missing, key, harmless=True))
    return known(value=True)
