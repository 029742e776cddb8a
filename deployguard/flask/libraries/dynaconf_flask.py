"""FlaskDynaconf: dynaconf's settings over app.config."""

from collections.abc import Callable

from deployguard.flask.libraries import config as config_model
from deployguard.flask.libraries.dynaconf import SETTINGS, construct, store_of
from deployguard.flask.libraries.dynaconf import slots as settings_slots
from deployguard.flask.libraries.dynaconf_reading import DEFAULT_FILES
from deployguard.flask.libraries.dynaconf_values import (
    boxed,
    plain_key,
)
from deployguard.flask.libraries.reading import raising
from deployguard.model.evidence import Answer
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Mapped,
    Native,
    Value,
    known,
)
from deployguard.python.concrete import none, text_of
from deployguard.python.values import derived, truth


def _flask(call: Call, instance: Instance) -> None:
    """FlaskDynaconf(app, ...): the prefix FLASK, sections by FLASK_ENV, and .env files."""
    keywords = {
        name: value
        for name, value in call.keywords.items()
        if name not in {"app", "instance_relative_config", "dynaconf_instance", "extensions_list"}
    }
    run = call.run
    run.store(instance.slots, "<keywords>", Mapped(dict(keywords), call.open))
    for position, name in ((2, "dynaconf_instance"), (3, "extensions_list")):
        value = call.argument(position, name)
        if value is not None:
            run.store(instance.slots, f"<{name}>", value)
    application = call.argument(0, "app")
    if isinstance(application, Instance):
        _init_app(call, instance, application, {})
    elif application is not None and not none(application):
        call.run.unseen("which application FlaskDynaconf configures", call.location)


def _init_app(
    call: Call, instance: Instance, application: Instance, more: dict[str, Value]
) -> None:
    given = instance.slots["<keywords>"]
    options: dict[object, Value] = {
        str(name).upper(): value
        for name, value in {**(given.slots if isinstance(given, Mapped) else {}), **more}.items()
    }
    prefix = text_of(options.setdefault("ENVVAR_PREFIX", known("FLASK"))) or "FLASK"
    options.setdefault("ENV_SWITCHER", known(f"{prefix}_ENV"))
    options.setdefault("ENVIRONMENTS", known(value=True))
    options.setdefault("LOAD_DOTENV", known(value=True))
    files = Items({"items": tuple(known(name) for name in DEFAULT_FILES)})
    options.setdefault("DEFAULT_SETTINGS_PATHS", files)
    settings = instance.slots.get("<dynaconf_instance>")
    if not (isinstance(settings, Instance) and settings.native is SETTINGS):
        settings = Instance(None, SETTINGS)
        made = Call(call.run, call.location, (), {str(k): v for k, v in options.items()}, call.open)
        construct(made, settings)
    config = config_model.held(application.slots.get("config"))
    store = store_of(call, settings)
    run = call.run
    if config is None or application.native is None:
        run.unseen("which configuration FlaskDynaconf lays settings over", call.location)
        return
    for name, value in store.slots.items():
        run.store(config.slots, name, boxed(value))
    if store.rest is not None:
        for name in tuple(config.slots):
            if name not in store.slots:
                run.store(config.slots, name, derived(str(name), store.rest))
        config.rest = store.rest
    config.methods = _folding(config.methods)
    # The configuration looks into the settings first: they are one from now on.
    run.store(settings.slots, "<store>", config)
    run.store(application.slots, "dynaconf", settings)
    extensions = instance.slots.get("<extensions_list>")
    if extensions is not None and truth(extensions) is not Answer.NO:
        run.unseen("which extensions dynaconf loads", call.location)


_Methods = Callable[[Mapped, str], Value | None]


def _folding(base: _Methods | None) -> _Methods:
    """Return the methods of DynaconfConfig: names of settings in any case, also as attributes."""

    def methods(mapping: Mapped, name: str) -> Value | None:
        if name == "__getitem__":
            return Native("app.config.__getitem__", lambda call: _folded(call, mapping))
        if name == "get":
            return Native("app.config.get", lambda call: _folded(call, mapping, default=True))
        found = None if base is None else base(mapping, name)
        if found is None and plain_key(name) in mapping.slots:
            return mapping.slots[plain_key(name)]
        return found

    return methods


def _folded(call: Call, mapping: Mapped, *, default: bool = False) -> Value:
    key = call.arguments[0] if call.arguments else call.argument(0, "key")
    name = text_of(key)
    if name is None:
        return derived("a setting", *call.arguments[:1])
    found = mapping.slots.get(name, mapping.slots.get(plain_key(name), mapping.rest))
    if found is not None:
        return found
    if not default:
        raise raising(call, "KeyError", f"app.config has no {name}")
    return call.argument(1, "default") or known(None)


def _flask_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name != "init_app":
        return None

    def model(call: Call) -> Value:
        application = call.argument(0, "app")
        if not isinstance(application, Instance):
            return call.run.unseen("which application FlaskDynaconf configures", call.location)
        more = {key: value for key, value in call.keywords.items() if key != "app"}
        _init_app(call, instance, application, more)
        return known(None)

    return Native("FlaskDynaconf.init_app", model)


FLASK = Native("dynaconf.FlaskDynaconf", construct=_flask, attribute=_flask_attribute)


def slots(run: Interpreter, name: str) -> dict[str, object]:
    """Return the names of the module dynaconf."""
    return {**settings_slots(run, name), "FlaskDynaconf": FLASK}
