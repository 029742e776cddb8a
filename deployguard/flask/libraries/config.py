"""flask.Config: where app.config takes its values from."""

import json
import posixpath
from collections.abc import Callable, Iterator

from deployguard.flask.libraries.reading import flag, missing_file, opened, raising
from deployguard.flask.versions import Version
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Class,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import lift, text_of
from deployguard.python.iteration import elements
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import linearize, missing_of


def configuration(
    flask: Version, root: Value, slots: dict[object, Value], rest: Opaque | None = None
) -> Mapped:
    """Return a flask.Config with these items; `root` is the folder of its relative paths."""
    return Mapped(
        slots, rest, "app.config", lambda config, name: _method(config, name, flask, root)
    )


def held(config: Value | None) -> Mapped | None:
    """Return the items of app.config, also of a class of the program that is made of Config."""
    match config:
        case Mapped():
            return config
        case Instance(slots={"<held>": Mapped() as inner}):
            return inner
        case _:
            return None


def item(config: Value | None, key: str) -> Value | None:
    """Return an item of app.config; None where it is certainly not there."""
    mapping = held(config)
    if mapping is None:
        missing = Missing(Reason.SOURCE, f"what app.config holds of {key}")
        return Opaque((missing,), key, harmless=True)
    return mapping.slots.get(key, mapping.rest)


def debug(config: Value | None) -> Value:
    """Return app.debug; a configuration without the key may be anything but a server's."""
    found = item(config, "DEBUG")
    missing = Missing(Reason.SOURCE, "app.debug: the program takes it out of app.config")
    return Opaque((missing,), "app.debug", harmless=True) if found is None else found


def shared(config: Value | None) -> None:
    """Note that a library was handed the application: it may have set keys of its own."""
    mapping = held(config)
    if mapping is not None and mapping.rest is None:
        missing = Missing(Reason.LIBRARY, "what a library sets in app.config")
        mapping.rest = Opaque((missing,), "app.config", harmless=True)


def _method(config: Mapped, name: str, flask: Version, root: Value) -> Value | None:
    """Return an attribute of app.config, None where it has none of its own."""
    if name == "root_path":
        return root
    since = _SINCE.get(name)
    if since is None:
        return None
    first, end, model = since
    if not first <= flask < end:
        return Native(f"app.config.{name}", _absent)
    reader = Reader(config, flask, root)
    return Native(f"app.config.{name}", lambda call: model(call, reader))


def _absent(call: Call) -> Value:
    raise raising(call, "AttributeError", "this release of Flask has no such method of app.config")


class Reader:
    """A configuration that takes values from somewhere: its items, and the folder of its paths."""

    def __init__(self, config: Mapped, flask: Version, root: Value) -> None:
        self.config = config
        self.flask = flask
        self.root = root

    def set(self, call: Call, key: object, value: Value) -> None:
        """Set an upper-case key."""
        if isinstance(key, str) and key.isupper():
            call.run.store(self.config.slots, key, _noted(call, key, value))

    def hide(self, call: Call) -> Value:
        """Take a configuration that cannot be told: every key may hold anything now."""
        place = f"{call.location.file}:{call.location.line}"
        missing = (Missing(Reason.SOURCE, f"the configuration that is read at {place}"),)
        for key in tuple(self.config.slots):
            call.run.store(self.config.slots, key, Opaque(missing, str(key), harmless=True))
        self.config.rest = Opaque(missing, "app.config", harmless=True)
        return known(value=True)

    def path(self, name: Value | None) -> str | None:
        """Return a path as the configuration resolves it, None where it is not known."""
        text, root = text_of(name), text_of(self.root)
        if text is None or (root is None and not text.startswith("/")):
            return None
        return posixpath.normpath(posixpath.join(root or "/", text))


def _noted(call: Call, key: str, value: Value) -> Value:
    note = Evidence(call.location, f"the configuration sets {key}")
    return known(value.value, *value.trail, note) if isinstance(value, Known) else value


def _from_object(call: Call, reader: Reader) -> Value:
    """Config.from_object: the upper-case attributes of an object, or of what a text names."""
    value = call.argument(0, "obj")
    if isinstance(value, Known) and isinstance(value.value, str):
        value = import_string(call, value.value)
    found = None if value is None else _attributes(call, value)
    if found is None:
        return reader.hide(call)
    for key, entry in found:
        reader.set(call, key, entry)
    return known(None)


def _attributes(call: Call, value: Value) -> tuple[tuple[str, Value], ...] | None:
    """Return the upper-case attributes of an object, None where they cannot be told."""
    match value:
        case Class():
            found = _inherited(value)
            return None if found is None else tuple(found.items())
        case Instance(type=None, native=native) if native is not None and not native.plain:
            return _of_model(call, value, native)
        case Instance(type=cls, slots=slots):
            inherited = {} if cls is None else _inherited(cls)
            if inherited is None:
                return None
            names = dict.fromkeys((*inherited, *(name for name in slots if _is_upper(name))))
            return tuple(
                (name, call.run.attribute(value, name, call.location)) for name in sorted(names)
            )
        case Module(rest=None, slots=slots):
            return tuple((name, entry) for name, entry in slots.items() if _is_upper(name))
        case Known() | Items() | Mapped() | Function():
            # A dictionary's keys are no attributes: nothing is taken of it.
            return ()
        case _:
            return None


# Under this name an object of a library's gives the dictionary of its upper-case attributes.
UPPER = "<upper>"


def _of_model(call: Call, value: Instance, native: Native) -> tuple[tuple[str, Value], ...] | None:
    """Return the attributes of an object of a library's, where its model tells them all."""
    found = native.attribute(call.run, value, UPPER) if native.attribute is not None else None
    if isinstance(found, Mapped) and found.rest is None:
        return tuple((str(name), entry) for name, entry in found.slots.items())
    if native.attribute is not None and native.name not in _PLAIN:
        return None
    names = [name for name in value.slots if _is_upper(name)]
    return tuple((name, value.slots[name]) for name in names)


# Classes whose objects have the attributes that were set, and no others.
_PLAIN = frozenset({"types.SimpleNamespace", "argparse.Namespace"})


def _is_upper(name: object) -> bool:
    return isinstance(name, str) and name.isupper()


def _inherited(cls: Class) -> dict[str, Value] | None:
    """Return the upper-case attributes of a class and its bases, None where a base is unknown."""
    found: dict[str, Value] = {}
    for base in reversed(linearize(cls)):
        match base:
            case Class():
                # pydantic takes the defaults of fields out of its classes.
                hidden = base.annotations if _of_pydantic(cls) else {}
                found |= {
                    name: entry
                    for name, entry in base.slots.items()
                    if _is_upper(name) and name not in hidden
                }
            case Opaque(harmless=True) | Native():
                # What a library's class has of its own is written in lower case.
                continue
            case _:
                return None
    return found


def _of_pydantic(cls: Class) -> bool:
    return any(
        isinstance(base, Native) and base.name.startswith("pydantic") for base in linearize(cls)
    )


def import_string(call: Call, dotted: str, *, silent: bool = False) -> Value:
    """werkzeug.utils.import_string: "package.module:Name", "package.module.Name" or a module."""
    text = dotted.replace(":", ".")
    head, _, leaf = text.rpartition(".")
    try:
        return call.run.import_module(text, call.location)
    except RaiseSignal as error:
        if error.name not in {"ImportError", "ModuleNotFoundError"}:
            raise
        if not head:
            if silent:
                return known(None)
            raise
    try:
        module = call.run.import_module(head, call.location)
        return call.run.attribute(module, leaf, call.location)
    except RaiseSignal as error:
        if silent:
            return known(None)
        raise RaiseSignal("ImportError", error.note) from None


def _import_string(call: Call) -> Value:
    text = text_of(call.argument(0, "import_name"))
    if text is None:
        return call.run.unseen("which object import_string() imports", call.location)
    return import_string(call, text, silent=flag(call, 1, "silent", default=False) is Answer.YES)


IMPORT_STRING = Native("werkzeug.utils.import_string", _import_string)


def _from_mapping(call: Call, reader: Reader) -> Value:
    """Config.from_mapping: the upper-case keys of a dictionary or of pairs, and keywords."""
    for given in call.arguments:
        if isinstance(given, Known) and given.value is None:
            continue
        pairs = _pairs(given)
        if pairs is None:
            return reader.hide(call)
        for key, entry in pairs:
            reader.set(call, key, entry)
    for key, entry in call.keywords.items():
        reader.set(call, key, entry)
    return known(value=True) if call.open is None else reader.hide(call)


def _pairs(value: Value) -> list[tuple[object, Value]] | None:
    mapping = held(value)
    if mapping is not None:
        return None if mapping.rest is not None else list(mapping.slots.items())
    found: list[tuple[object, Value]] = []
    for entry in elements(value) or (None,):
        match entry:
            case Items(slots={"items": (Known(value=key), second)}):
                found.append((key, second))
            case _:
                return [] if isinstance(value, Items) and not value.items else None
    return found


def _silent(call: Call, position: int) -> Answer:
    return flag(call, position, "silent", default=False)


def _from_pyfile(call: Call, reader: Reader) -> Value:
    return _pyfile(call, reader, call.argument(0, "filename"), _silent(call, 1))


def _pyfile(call: Call, reader: Reader, name: Value | None, silent: Answer) -> Value:
    """Config.from_pyfile: the upper-case names of a Python file that is executed."""
    path = reader.path(name)
    content = None if path is None else call.run.files.read(path)
    match content:
        case Absent(path=absent):
            return _missing(call, reader, absent, silent)
        case Content(data=data, location=location):
            slots = {
                LOCATION: location,
                "__name__": known("config"),
                "__file__": known(location.file),
            }
            module = Module("config", slots)
            call.run.execute_text(data, module)
            for key, entry in tuple(module.slots.items()):
                reader.set(call, key, entry)
            return known(value=True)
        case _:
            return reader.hide(call)


def _missing(call: Call, reader: Reader, path: str, silent: Answer) -> Value:
    match silent:
        case Answer.YES:
            return known(value=False)
        case Answer.NO:
            raise missing_file(call, path)
        case Answer.UNKNOWN:
            return reader.hide(call)


def _from_envvar(call: Call, reader: Reader) -> Value:
    """Config.from_envvar: from_pyfile of a path in a variable; an empty one is none."""
    name = text_of(call.argument(0, "variable_name"))
    silent = _silent(call, 1)
    if name is None:
        return reader.hide(call)
    environ = call.run.environ
    value = environ.slots.get(name, environ.rest)
    if value is None or (isinstance(value, Known) and not value.value):
        match silent:
            case Answer.YES:
                return known(value=False)
            case Answer.NO:
                raise raising(call, "RuntimeError", f"{name} is not set")
            case Answer.UNKNOWN:
                return reader.hide(call)
    return _pyfile(call, reader, value, silent)


def _from_file(call: Call, reader: Reader) -> Value:
    """Config.from_file: from_mapping of what a function makes of an open file."""
    if "text" in call.keywords and reader.flask < (2, 3):
        raise raising(call, "TypeError", "this release of Flask knows no argument text")
    load = call.argument(1, "load")
    text = flag(call, 3, "text", default=True)
    return _loaded(call, reader, load, "r" if text is not Answer.NO else "rb", _silent(call, 2))


def _from_json(call: Call, reader: Reader) -> Value:
    """Config.from_json, until Flask 2.0: from_mapping of a JSON file."""
    path = reader.path(call.argument(0, "filename"))
    content = None if path is None else call.run.files.read(path)
    match content:
        case Absent(path=absent):
            return _missing(call, reader, absent, _silent(call, 1))
        case Content(data=data, location=location):
            try:
                loaded = json.loads(data)
            except (ValueError, RecursionError):
                raise raising(call, "ValueError", f"{location.file} is not JSON") from None
            note = Evidence(location, f"{location.file} is read")
            return _taken(call, reader, lift(loaded, (note,)))
        case _:
            return reader.hide(call)


def _loaded(call: Call, reader: Reader, load: Value | None, mode: str, silent: Answer) -> Value:
    path = reader.path(call.argument(0, "filename"))
    found = None if path is None else call.run.files.stat(path)
    match found:
        case Absent(path=absent):
            return _missing(call, reader, absent, silent)
        case None | Unread():
            return reader.hide(call)
        case _:
            stream = opened(call, found.path if path is None else path, mode)
            if load is None:
                return reader.hide(call)
            return _taken(call, reader, call.run.call(load, (stream,), {}, call.location))


def _taken(call: Call, reader: Reader, loaded: Value) -> Value:
    pairs = _pairs(loaded)
    if pairs is None:
        return reader.hide(call)
    for key, entry in pairs:
        reader.set(call, key, entry)
    return known(value=True)


def _from_prefixed_env(call: Call, reader: Reader) -> Value:
    """Config.from_prefixed_env: PREFIX_KEY in sorted order, each value through `loads`."""
    prefix = call.argument(0, "prefix") or known("FLASK")
    text = text_of(prefix)
    environ = call.run.environ
    if text is None:
        return reader.hide(call)
    if environ.rest is not None:
        reader.hide(call)
    start = f"{text}_"
    for name in sorted(str(name) for name in environ.slots):
        if name.startswith(start):
            value = _parsed(call, environ.slots[name], call.keywords.get("loads"))
            _nested(call, reader.config, name.removeprefix(start), value)
    return known(value=True)


def _parsed(call: Call, value: Value, loads: Value | None) -> Value:
    """Return what json.loads, or the function that is given, makes of a text; else the text."""
    if loads is not None:
        try:
            return call.run.call(loads, (value,), {}, call.location)
        except RaiseSignal:
            return value
    if not isinstance(value, Known):
        return value
    try:
        return lift(json.loads(value.value), value.trail)
    except (ValueError, RecursionError):
        return value


def _nested(call: Call, config: Mapped, key: str, value: Value) -> None:
    """Set an item, through dictionaries where the key has "__" in it; keys keep their case."""
    *parts, tail = key.split("__") if "__" in key else [key]
    current: Mapped = config
    for part in parts:
        inner = current.slots.get(part)
        if inner is None:
            inner = Mapped({})
            call.run.store(current.slots, part, inner)
        if not isinstance(inner, Mapped):
            call.run.store(current.slots, part, Opaque(missing_of(inner), part, harmless=True))
            return
        current = inner
    call.run.store(current.slots, tail, _noted(call, tail, value))


def _get_namespace(call: Call, reader: Reader) -> Value:
    """Config.get_namespace: the items whose keys begin with a text."""
    start = text_of(call.argument(0, "namespace"))
    lower = flag(call, 1, "lowercase", default=True)
    trim = flag(call, 2, "trim_namespace", default=True)
    if start is None or Answer.UNKNOWN in {lower, trim}:
        missing = missing_of(call.arguments[0]) if call.arguments else ()
        return Opaque(missing, "get_namespace()", harmless=True)
    made = Mapped({}, reader.config.rest)
    for key, entry in _started(reader.config, start):
        name = key.removeprefix(start) if trim is Answer.YES else key
        made.slots[name.lower() if lower is Answer.YES else name] = entry
    return made


def _started(config: Mapped, start: str) -> Iterator[tuple[str, Value]]:
    for key, entry in config.slots.items():
        if isinstance(key, str) and key.startswith(start):
            yield key, entry


_Method = Callable[[Call, Reader], Value]
_EVER: Version = (999,)
# The methods of flask.Config: the first release with them, the first without, and the model.
_SINCE: dict[str, tuple[Version, Version, _Method]] = {
    "from_object": ((0,), _EVER, _from_object),
    "from_pyfile": ((0,), _EVER, _from_pyfile),
    "from_envvar": ((0,), _EVER, _from_envvar),
    "from_mapping": ((0, 11), _EVER, _from_mapping),
    "from_json": ((0, 11), (2, 1), _from_json),
    "from_file": ((2,), _EVER, _from_file),
    "from_prefixed_env": ((2, 1), _EVER, _from_prefixed_env),
    "get_namespace": ((0, 11), _EVER, _get_namespace),
}


def config_class(flask: Version) -> Native:
    """Return the class flask.Config, for programs that make one or a class of it."""
    return Native(
        "flask.Config",
        construct=lambda call, instance: _construct(call, instance, flask),
        attribute=_config_attribute,
        specials=frozenset({"__getitem__", "__setitem__", "__delitem__", "__contains__"}),
    )


def _construct(call: Call, instance: Instance, flask: Version) -> None:
    root = call.argument(0, "root_path") or known("/")
    defaults = held(call.argument(1, "defaults"))
    slots = {} if defaults is None else dict(defaults.slots)
    inner = configuration(flask, root, slots, None if defaults is None else defaults.rest)
    call.run.store(instance.slots, "<held>", inner)


def _config_attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
    from deployguard.python.subscripts import assign_item  # noqa: PLC0415
    from deployguard.python.subscripts import item as subscript  # noqa: PLC0415

    inner = held(instance)
    if inner is None:
        return None
    models: dict[str, Model] = {
        "__getitem__": lambda call: subscript(run, inner, call.arguments[0], call.location),
        "__setitem__": lambda call: _set_item(call, inner, assign_item),
        "__delitem__": lambda call: _set_item(call, inner, assign_item),
        "__contains__": lambda call: _contains(call, inner),
    }
    if name in models:
        return Native(f"app.config.{name}", models[name])
    return run.attribute_or_none(inner, name)


def _contains(call: Call, inner: Mapped) -> Value:
    key = call.arguments[0]
    if isinstance(key, Known) and (key.value in inner.slots or inner.rest is None):
        return known(key.value in inner.slots)
    return Opaque(missing_of(inner) or missing_of(key), "a membership test", harmless=True)


def _set_item(call: Call, inner: Mapped, assign: Callable[..., None]) -> Value:
    value = call.arguments[1] if len(call.arguments) > 1 else None
    assign(call.run, inner, call.arguments[0], value, call.location)
    return known(None)
