"""dynaconf: Dynaconf() and FlaskDynaconf(), with settings files below variables.

The first look at settings reads them (LazySettings): defaults, then the settings files with the
sections of the environment that is chosen, then the variables of the prefix, each read as TOML.
"""

from collections.abc import Callable

from deployguard.flask.libraries.config import UPPER
from deployguard.flask.libraries.dynaconf_reading import DEFAULT_FILES, INVALID, SUFFIX, Reading
from deployguard.flask.libraries.dynaconf_values import (
    boxed,
    from_text,
    merged,
    plain_key,
)
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.reading import raising
from deployguard.model.evidence import Answer, Location, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import text_of
from deployguard.python.modules import LOCATION
from deployguard.python.values import derived

_SPECIALS = frozenset({"__call__", "__getitem__", "__setitem__", "__contains__", "__iter__"})


def construct(call: Call, instance: Instance) -> None:
    """Keep the arguments: nothing is read before the first look."""
    options: dict[object, Value] = {}
    for name, value in call.keywords.items():
        key = name.upper()
        key = "SETTINGS_FILE" if key in {"SETTINGS_FILES", "SETTING_FILE", "SETTING_FILES"} else key
        options[key.removesuffix(SUFFIX)] = value
    rest = call.open
    if call.arguments and rest is None:
        rest = harmless("the settings that Dynaconf is handed")
    call.run.store(instance.slots, "<options>", Mapped(options, rest))


def store_of(call: Call, instance: Instance) -> Mapped:
    """Return the settings by their upper-case names; the first look reads them."""
    found = instance.slots.get("<store>")
    if isinstance(found, Mapped):
        return found
    options = instance.slots.get("<options>")
    reading = Reading(call, options if isinstance(options, Mapped) else Mapped({}))
    store = reading.read()
    call.run.store(instance.slots, "<store>", store)
    return store


def _attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
    models: dict[str, Callable[[Call], Value]] = {
        "__call__": lambda call: _get(call, instance),
        "get": lambda call: _get(call, instance),
        "__getitem__": lambda call: _item(call, instance),
        "__setitem__": lambda call: _set_item(call, instance),
        "set": lambda call: _set_item(call, instance),
        "update": lambda call: _update(call, instance),
        "exists": lambda call: _contains(call, instance),
        "__contains__": lambda call: _contains(call, instance),
        **dict.fromkeys(("as_dict", "to_dict"), lambda call: _copied(call, instance)),
        **{
            one: _dictionary_method(one, instance)
            for one in ("keys", "values", "items", "__iter__", "setdefault", "pop")
        },
        "as_bool": lambda call: _cast(call, instance, "@bool"),
        "as_int": lambda call: _cast(call, instance, "@int"),
        "as_float": lambda call: _cast(call, instance, "@float"),
    }
    if name in models:
        return Native(f"settings.{name}", models[name])
    if name in _UNFOLLOWED:
        return Native(f"settings.{name}", lambda call: _changed(call, instance, name))
    if name == UPPER:
        return _listed_attributes(run, instance)
    if name in _OWN or name.upper().endswith(SUFFIX):
        return _of_settings(run, instance, name)
    if name == "validators":
        return Instance(None, _VALIDATORS, {"<settings>": instance})
    return None if name.startswith("__") else _look(run, instance, name)


# dir() of settings names an attribute from this release on that they do not have.
_MISLEADING = (3, 2)


def _listed_attributes(run: Interpreter, instance: Instance) -> Value | None:
    version = release(run, "dynaconf")
    if version is not None and version >= _MISLEADING:
        raise raising(_here(run), "AttributeError", "dir() of these settings misleads")
    return None if version is None else _copied(_here(run), instance)


def _copied(call: Call, instance: Instance) -> Mapped:
    store = store_of(call, instance)
    return Mapped(dict(store.slots), store.rest)


def _dictionary_method(name: str, instance: Instance) -> Callable[[Call], Value]:
    """Return a method of dictionaries, on the settings by their upper-case names."""

    def model(call: Call) -> Value:
        method = call.run.attribute(store_of(call, instance), name, call.location)
        return call.run.call(method, call.arguments, call.keywords, call.location, call.open)

    return model


# What settings know of themselves, beside the settings.
_OWN = frozenset(
    {
        "current_env", "current_namespace", "loaded_envs", "loaded_namespaces", "store", "loaders",
        "settings_module", "settings_file", "environ", "logger", "path_for", "find_file", "flag",
        "populate_obj", "is_overridden", "dynaconf", "configured", "loaded_by_loaders", "clean",
        "exists_in_environ", "get_environ", "get_fresh", "unset_all", "as_json", "add_validators",
    }
)  # fmt: skip


def _of_settings(run: Interpreter, instance: Instance, name: str) -> Value:
    if name == "store":
        return _copied(_here(run), instance)
    options = instance.slots.get("<options>")
    if name in {"current_env", "current_namespace"} and isinstance(options, Mapped):
        reading = Reading(_here(run), options)
        if reading.separated() is Answer.YES:
            return reading.environment()
        if reading.separated() is Answer.NO:
            return known("main")
    return harmless(f"settings.{name}")


# Methods that read again, or from elsewhere.
_UNFOLLOWED = frozenset(
    {"setenv", "using_env", "from_env", "load_file", "reload", "configure", "fresh", "unset"}
)


def _here(run: Interpreter) -> Call:
    """Return a call at the module that is running, for a look at an attribute."""
    place = run.current.slots.get(LOCATION) if run.current else None
    return Call(run, place if isinstance(place, Location) else Location("source"), (), {})


def _look(run: Interpreter, instance: Instance, name: str) -> Value:
    """Return settings.NAME; what is not there is an AttributeError."""
    call = _here(run)
    found = _found(store_of(call, instance), name)
    if found is None:
        raise raising(call, "AttributeError", f"there is no setting {name}")
    return found


def _found(store: Mapped, name: str) -> Value | None:
    value = store.slots.get(plain_key(name), store.rest)
    return None if value is None else boxed(value)


def _get(call: Call, instance: Instance) -> Value:
    """settings.get(key, default, cast): also "SERVER.DEBUG" and "SERVER__DEBUG"."""
    key = text_of(call.argument(0, "key"))
    store = store_of(call, instance)
    if key is None:
        return derived("a setting", *call.arguments[:1])
    first, *steps = key.replace("__", ".").split(".")
    value = _found(store, first)
    for step in steps:
        value = _below(value, step)
    default = call.argument(1, "default") or known(None)
    cast = text_of(call.argument(2, "cast"))
    chosen = default if value is None else value
    return chosen if cast is None else from_text(chosen, as_toml=False, fix=True, cast=cast)


def _below(value: Value | None, step: str) -> Value | None:
    if isinstance(value, Mapped):
        for key, entry in value.slots.items():
            if str(key).lower() == step.lower():
                return boxed(entry)
        return value.rest
    return value if isinstance(value, Opaque) else None


def _cast(call: Call, instance: Instance, cast: str) -> Value:
    return from_text(_item(call, instance), as_toml=False, fix=True, cast=cast)


def _item(call: Call, instance: Instance) -> Value:
    name = text_of(call.arguments[0] if call.arguments else call.argument(0, "key"))
    if name is None:
        return derived("a setting", *call.arguments[:1])
    value = _found(store_of(call, instance), name)
    if value is None:
        raise raising(call, "KeyError", f"there is no setting {name}")
    return value


def _set_item(call: Call, instance: Instance) -> Value:
    key, value = call.argument(0, "key"), call.argument(1, "value")
    name = text_of(key)
    store = store_of(call, instance)
    if name is None or value is None:
        return call.run.unseen("which setting is set", call.location)
    first, *steps = name.replace(".", "__").split("__")
    old = store.slots.get(plain_key(first))
    call.run.store(store.slots, plain_key(first), merged(old, steps, value, merge=False))
    return known(None)


def _update(call: Call, instance: Instance) -> Value:
    store = store_of(call, instance)
    given = call.arguments[0] if call.arguments else Mapped({})
    if not isinstance(given, Mapped) or given.rest is not None:
        return call.run.unseen("which settings are updated", call.location)
    for name, value in {**given.slots, **call.keywords}.items():
        call.run.store(store.slots, plain_key(str(name)), value)
    return known(None)


def _contains(call: Call, instance: Instance) -> Value:
    name = text_of(call.arguments[0]) if call.arguments else None
    store = store_of(call, instance)
    if name is None or store.rest is not None:
        return derived("whether a setting is there", *call.arguments, *filter(None, (store.rest,)))
    return known(plain_key(name) in store.slots)


def _changed(call: Call, instance: Instance, name: str) -> Value:
    """Take settings that are read anew: each may be anything."""
    missing = Missing(Reason.SOURCE, f"the settings after {name}()")
    rest = Opaque((missing,), "settings", harmless=True)
    call.run.store(instance.slots, "<store>", Mapped({}, rest))
    return instance if name in {"from_env", "using_env", "fresh"} else known(None)


def _assign(run: Interpreter, instance: Instance, name: str, value: Value) -> bool:
    store = store_of(_here(run), instance)
    run.store(store.slots, plain_key(name), value)
    return True


def _validators(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name not in {"register", "validate"}:
        return None
    return Native(f"validators.{name}", lambda call: _registered(call, instance))


def _registered(call: Call, instance: Instance) -> Value:
    """settings.validators.register(...): their defaults count from validate() on."""
    settings = instance.slots["<settings>"]
    if isinstance(settings, Instance) and call.arguments:
        reading = Reading(call, Mapped({"VALIDATORS": Items({"items": call.arguments})}))
        reading.store = store_of(call, settings)
        reading.validate()
    return known(None)


def _keep(call: Call, instance: Instance) -> None:
    instance.slots.update(call.keywords)
    instance.slots["names"] = Items({"items": call.arguments}, tuple)


_VALIDATOR = Native("dynaconf.Validator", construct=_keep)
_VALIDATORS = Native("settings.validators", attribute=_validators)
SETTINGS = Native(
    "dynaconf.Dynaconf",
    construct=construct,
    attribute=_attribute,
    assign=_assign,
    specials=_SPECIALS,
)


def slots(_run: Interpreter, _name: str) -> dict[str, object]:
    """Return the names of the module; its own settings are one object for each program."""
    files = Items({"items": tuple(known(name) for name in DEFAULT_FILES)})
    own: dict[object, Value] = {
        "ENVIRONMENTS": known(value=True),
        "LOAD_DOTENV": known(value=True),
        "DEFAULT_SETTINGS_PATHS": files,
    }
    return {
        "Dynaconf": SETTINGS,
        "LazySettings": SETTINGS,
        "Validator": _VALIDATOR,
        "ValidationError": INVALID,
        "settings": Instance(None, SETTINGS, {"<options>": Mapped(own)}),
    }
