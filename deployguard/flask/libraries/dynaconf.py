"""dynaconf: Dynaconf() and FlaskDynaconf(), with settings files below variables.

The first look at settings reads them (LazySettings): defaults, then the settings files with the
sections of the environment that is chosen, then the variables of the prefix, each read as TOML.
"""

import posixpath
from collections.abc import Callable, Iterator

from deployguard.flask.libraries import config as config_model
from deployguard.flask.libraries.concrete import none, text_of
from deployguard.flask.libraries.dotenv import take_file
from deployguard.flask.libraries.dynaconf_values import (
    PLAIN_BOOLEANS,
    boxed,
    file_data,
    from_text,
    merged,
    plain_key,
)
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.reading import main_folder, raising
from deployguard.flask.libraries.releases import release
from deployguard.model.evidence import Answer, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, missing_of, truth

_EXTENSIONS = ("py", "toml", "tml", "yaml", "yml", "ini", "conf", "properties", "json")
_DEFAULT_FILES = tuple(
    f"{name}.{extension}" for name in ("settings", ".secrets") for extension in _EXTENSIONS
)
_SUFFIX = "_FOR_DYNACONF"
_OPTIONS = frozenset(
    {
        "SETTINGS_FILE", "ENVIRONMENTS", "MAIN_ENV", "ENV_SWITCHER", "ENV", "FORCE_ENV",
        "DEFAULT_ENV", "ENVVAR_PREFIX", "MERGE_ENABLED", "NESTED_SEPARATOR", "ENVVAR",
        "ROOT_PATH", "DOTENV_PATH", "DOTENV_OVERRIDE", "SECRETS", "INCLUDES", "PRELOAD",
        "IGNORE_UNKNOWN_ENVVARS", "LOADERS", "CORE_LOADERS", "LOWERCASE_READ",
        "SYSENV_FALLBACK", "VAULT_ENABLED", "REDIS_ENABLED",
    }
)  # fmt: skip
# Options under which what is read cannot be followed, unless they are off.
_BEYOND = (
    "INCLUDES", "PRELOAD", "LOADERS", "CORE_LOADERS", "IGNORE_UNKNOWN_ENVVARS", "VAULT_ENABLED",
    "REDIS_ENABLED", "SYSENV_FALLBACK",
)  # fmt: skip
_SPECIALS = frozenset({"__call__", "__getitem__", "__setitem__", "__contains__"})


def _construct(call: Call, instance: Instance) -> None:
    """Keep the arguments: nothing is read before the first look."""
    options: dict[object, Value] = {}
    for name, value in call.keywords.items():
        key = name.upper()
        key = "SETTINGS_FILE" if key in {"SETTINGS_FILES", "SETTING_FILE", "SETTING_FILES"} else key
        options[key.removesuffix(_SUFFIX)] = value
    rest = call.open
    if call.arguments and rest is None:
        rest = harmless("the settings that Dynaconf is handed")
    call.run.store(instance.slots, "<options>", Mapped(options, rest))


def _store(call: Call, instance: Instance) -> Mapped:
    """Return the settings by their upper-case names; the first look reads them."""
    found = instance.slots.get("<store>")
    if isinstance(found, Mapped):
        return found
    options = instance.slots.get("<options>")
    reading = _Reading(call, options if isinstance(options, Mapped) else Mapped({}))
    store = reading.read()
    call.run.store(instance.slots, "<store>", store)
    return store


class _Reading:
    """One reading of all sources."""

    def __init__(self, call: Call, options: Mapped) -> None:
        self.call = call
        self.run = call.run
        self.options = options
        self.store = Mapped({}, options.rest, "settings")
        self.folders: list[str] = []
        self.fixes = _fixes_booleans(call.run)

    def read(self) -> Mapped:
        """Read defaults, files, variables, and what validators add."""
        self._defaults()
        if truth(self.options.slots.get("LOAD_DOTENV", known(value=False))) is not Answer.NO:
            self._dotenv()
        for name in _BEYOND:
            value = self._option(name)
            if value is not None and truth(value) is not Answer.NO:
                self._hide(Missing(Reason.SOURCE, f"what dynaconf does with {name.lower()}"))
        if self._option("NESTED_SEPARATOR") not in (None, known("__")):
            self._hide(Missing(Reason.SOURCE, "how dynaconf takes names of variables apart"))
        for path in self._files():
            self._file(path)
        self._variables()
        self.validate()
        return self.store

    def _hide(self, *missing: Missing) -> None:
        rest = Opaque(missing, "settings", harmless=True)
        for name in tuple(self.store.slots):
            self.store.slots[name] = rest
        self.store.rest = rest

    def _defaults(self) -> None:
        for name, value in self.options.slots.items():
            if name not in _OPTIONS:
                self._set(str(name), value)

    def _option(self, name: str) -> Value | None:
        """Return an option: a variable of its name before the argument."""
        environ = self.run.environ
        value = environ.slots.get(f"{name}{_SUFFIX}")
        if value is not None:
            return from_text(value, as_toml=True, fix=self.fixes)
        return self.options.slots.get(name)

    def _environment(self) -> Value:
        """Return the name of the environment whose sections count."""
        forced = self._option("FORCE_ENV")
        if forced is not None and not none(forced):
            return forced
        switch = text_of(self._option("ENV_SWITCHER") or known(f"ENV{_SUFFIX}"))
        environ = self.run.environ
        value = environ.slots.get(switch) if switch is not None else harmless("the environment")
        if value is None and environ.rest is not None:
            return derived("the environment", environ.rest)
        return value or self.options.slots.get("ENV") or known("DEVELOPMENT")

    def _separated(self) -> Answer:
        return truth(self._option("ENVIRONMENTS") or known(value=False))

    def _search(self) -> tuple[str, ...] | None:
        """Return the folders that files are looked for in (dynaconf.utils.files.find_file)."""
        cwd = self.run.cwd
        if cwd is None:
            return None
        root = self._option("ROOT_PATH")
        first = self.folders[0] if self.folders else None
        if root is not None and not none(root):
            first = text_of(root)
            if first is None:
                return None
            first = posixpath.normpath(posixpath.join(cwd, first))
        found: list[str] = []
        found.extend(_upwards(first, cwd) if first is not None else ())
        main = main_folder(self.run)
        found.extend(_upwards(main, None) if main is not None else ())
        found.extend(_upwards(cwd, None))
        return tuple(dict.fromkeys(found))

    def _find(self, name: str) -> str | Absent | Unread:
        if name.startswith("/"):
            return self._place(name)
        folders = self._search()
        if folders is None:
            return Unread(Missing(Reason.IMAGE, "the working directory"))
        for folder in folders:
            place = self._place(posixpath.normpath(posixpath.join(folder, name)))
            if not isinstance(place, Absent):
                return place
        return Absent(name)

    def _place(self, path: str) -> str | Absent | Unread:
        found = self.run.files.stat(path)
        return (
            path
            if isinstance(found, Stat) and found.kind is FileKind.FILE
            else (found if isinstance(found, Unread) else Absent(path))
        )

    def _dotenv(self) -> None:
        named = self._option("DOTENV_PATH")
        name = ".env" if named is None or none(named) else text_of(named)
        place = (
            Unread(Missing(Reason.FILE, "which .env file is read"))
            if name is None
            else (self._find(name))
        )
        content = self.run.files.read(place) if isinstance(place, str) else place
        over = truth(self._option("DOTENV_OVERRIDE") or known(value=False)) is not Answer.NO
        take_file(self.call, content, override=over)

    def _names(self) -> tuple[str, ...] | None:
        variable = text_of(self._option("ENVVAR") or known(f"SETTINGS_FILE{_SUFFIX}"))
        set_outside = self.run.environ.slots.get(variable) if variable is not None else None
        value = self._option("SETTINGS_FILE")
        if set_outside is not None:
            value = from_text(set_outside, as_toml=True, fix=self.fixes)
        defaults = self.options.slots.get("DEFAULT_SETTINGS_PATHS")
        found = _listed(value)
        if found == () and defaults is not None:
            found = _listed(defaults)
        secrets = _listed(self._option("SECRETS"))
        return None if found is None or secrets is None else (*found, *secrets)

    def _files(self) -> Iterator[str]:
        """Give the settings files that are there, and then their `.local.` siblings."""
        names = self._names()
        if names is None or any(mark in name for name in names for mark in "*?["):
            self._hide(Missing(Reason.SOURCE, "which settings files are read"))
            return
        found: list[str] = []
        for name in names:
            if not name.endswith(tuple(f".{extension}" for extension in _EXTENSIONS)):
                self._hide(Missing(Reason.SOURCE, f"the settings module {name}"))
                continue
            place = self._find(name)
            match place:
                case str():
                    found.append(place)
                    self.folders.append(posixpath.dirname(place))
                case Unread(missing=missing):
                    self._hide(missing)
                case Absent():
                    continue
        yield from found
        for path in found:
            stem, _, extension = path.rpartition(".")
            if ".local." not in path:
                yield f"{stem}.local.{extension}"

    def _file(self, path: str) -> None:
        content = self.run.files.read(path)
        match content:
            case Absent():
                return
            case Unread(missing=missing):
                self._hide(missing)
            case Content() if path.endswith(".py"):
                self._python(path, content)
            case Content():
                self._data(content)
        hooks = self.run.files.stat(posixpath.join(posixpath.dirname(path), "dynaconf_hooks.py"))
        if not isinstance(hooks, Absent):
            self._hide(Missing(Reason.SOURCE, "what dynaconf_hooks.py adds to the settings"))

    def _data(self, content: Content) -> None:
        data = file_data(content)
        if isinstance(data, RaiseSignal):
            raise data
        if data is None or data.rest is not None:
            self._hide(
                *(missing_of(data) if data is not None else ()),
                Missing(Reason.FILE, f"the settings in {content.location.file}"),
            )
            return
        separated = self._separated()
        if separated is Answer.UNKNOWN:
            self._hide(Missing(Reason.SOURCE, "whether settings stand in sections"))
        elif separated is Answer.NO:
            self._take(data)
        else:
            self._sections(data)

    def _sections(self, data: Mapped) -> None:
        lower = {str(name).lower(): value for name, value in data.slots.items()}
        default = text_of(self._option("DEFAULT_ENV") or known("default")) or "default"
        prefix = text_of(self._option("ENVVAR_PREFIX") or known("dynaconf")) or "dynaconf"
        chosen = self._environment()
        text = text_of(chosen)
        if text is None:
            missing = missing_of(chosen) or (Missing(Reason.VARIABLE, "the environment"),)
            self._hide(*missing)
            return
        names = [default.lower(), prefix.lower(), *text.lower().split(","), "global"]
        for name in dict.fromkeys(part.strip() for part in names):
            section = lower.get(name)
            if isinstance(section, Mapped):
                self._take(section)

    def _take(self, data: Mapped) -> None:
        merge = data.slots.get("dynaconf_merge", data.slots.get("DYNACONF_MERGE"))
        for name, value in data.slots.items():
            if str(name).lower() != "dynaconf_merge":
                whole = merge is not None and truth(merge) is not Answer.NO
                self._set(str(name), from_text(value, as_toml=False, fix=self.fixes), merge=whole)

    def _python(self, path: str, content: Content) -> None:
        """Read a Python file, and those of the environment beside it (py_loader)."""
        self._executed(content)
        folder, name = posixpath.split(path)
        text = text_of(self._environment()) if self._separated() is not Answer.NO else "main"
        if text is None or self._separated() is Answer.UNKNOWN:
            self._hide(Missing(Reason.VARIABLE, "the environment"))
            return
        for prefix in (*text.lower().split(","), "global"):
            beside = self.run.files.read(posixpath.join(folder, f"{prefix.strip()}_{name}"))
            if isinstance(beside, Content):
                self._executed(beside)
            elif isinstance(beside, Unread):
                self._hide(beside.missing)

    def _executed(self, content: Content) -> None:
        module = Module(
            "settings",
            {LOCATION: content.location, "__file__": known(content.location.file)},
        )
        self.run.execute_text(content.data, module)
        for name, value in tuple(module.slots.items()):
            if isinstance(name, str) and name.split("__")[0].isupper():
                self._set(name, from_text(value, as_toml=False, fix=self.fixes))

    def _variables(self) -> None:
        """Read the variables of a prefix (env_loader); those of DYNACONF_ come before others."""
        given = self._option("ENVVAR_PREFIX")
        if given is not None and none(given):
            return
        whole = isinstance(given, Known) and given.value is False
        text = "" if whole else text_of(given or known("DYNACONF"))
        if text is None:
            self._hide(Missing(Reason.SOURCE, "the prefix of the variables that are settings"))
            return
        prefixes = [f"{part.upper()}_" for part in text.split(",")] if text else [""]
        environ = self.run.environ
        for prefix in dict.fromkeys(("DYNACONF_", *prefixes)):
            for name in tuple(environ.slots):
                if str(name).startswith(prefix):
                    value = from_text(environ.slots[name], as_toml=True, fix=self.fixes)
                    self._set(str(name).removeprefix(prefix), value)
        if environ.rest is not None:
            self._hide(*environ.rest.missing)

    def _set(self, name: str, value: Value, *, merge: bool = False) -> None:
        """Set a name; `__` in it leads into dictionaries."""
        first, *steps = name.split("__")
        key = plain_key(first)
        old = self.store.slots.get(key)
        whole = merge or truth(self._option("MERGE_ENABLED") or known(value=False)) is Answer.YES
        self.store.slots[key] = merged(old, steps, value, merge=whole)

    def validate(self) -> None:
        """Take defaults of validators, and end the program where a setting is not there."""
        validators = self.options.slots.get("VALIDATORS")
        if validators is None:
            return
        for one in validators.items if isinstance(validators, Items) else ():
            names = one.slots.get("names") if isinstance(one, Instance) else None
            if not isinstance(one, Instance) or not isinstance(names, Items):
                continue
            for name in names.items:
                self._checked(one, text_of(name))

    def _checked(self, validator: Instance, name: str | None) -> None:
        if name is None or "." in name or plain_key(name) in self.store.slots:
            return
        default = validator.slots.get("default")
        if default is not None:
            self._set(name, default)
        elif self.store.rest is None and "when" not in validator.slots:
            required = validator.slots.get("must_exist", validator.slots.get("required"))
            if required is not None and truth(required) is Answer.YES:
                raise raising(self.call, "ValidationError", f"{name} is required in settings")


def _listed(value: Value | None) -> tuple[str, ...] | None:
    """Return names of files: a list of them, or a text with commas or semicolons in between."""
    if value is None or none(value):
        return ()
    text = text_of(value)
    if text is not None:
        return tuple(part.strip() for part in text.replace(";", ",").split(",") if part.strip())
    if not isinstance(value, Items):
        return None
    found = [text_of(item) for item in value.items]
    return None if None in found else tuple(name for name in found if name is not None)


def _upwards(folder: str, last: str | None) -> Iterator[str]:
    """Give a folder and those above it, each with its folder `config` (_walk_to_root)."""
    current = folder
    while True:
        yield current
        yield posixpath.join(current, "config")
        parent = posixpath.dirname(current)
        if current in {last, parent}:
            return
        current = parent


def _fixes_booleans(run: Interpreter) -> bool | None:
    """Say whether True and False in variables are booleans; None where the release is not known."""
    version = release(run, "dynaconf")
    return None if version is None else version >= PLAIN_BOOLEANS


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
        "as_dict": lambda call: Mapped(dict(_store(call, instance).slots), _rest(call, instance)),
        "to_dict": lambda call: Mapped(dict(_store(call, instance).slots), _rest(call, instance)),
        "as_bool": lambda call: _cast(call, instance, "@bool"),
        "as_int": lambda call: _cast(call, instance, "@int"),
        "as_float": lambda call: _cast(call, instance, "@float"),
    }
    if name in models:
        return Native(f"settings.{name}", models[name])
    if name in _UNFOLLOWED:
        return Native(f"settings.{name}", lambda call: _changed(call, instance, name))
    if name == "validators":
        return Instance(None, _VALIDATORS, {"<settings>": instance})
    return None if name.startswith("__") else _look(run, instance, name)


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
    found = _found(_store(call, instance), name)
    if found is None:
        raise raising(call, "AttributeError", f"there is no setting {name}")
    return found


def _found(store: Mapped, name: str) -> Value | None:
    value = store.slots.get(plain_key(name), store.rest)
    return None if value is None else boxed(value)


def _rest(call: Call, instance: Instance) -> Opaque | None:
    return _store(call, instance).rest


def _get(call: Call, instance: Instance) -> Value:
    """settings.get(key, default, cast): also "SERVER.DEBUG" and "SERVER__DEBUG"."""
    key = text_of(call.argument(0, "key"))
    store = _store(call, instance)
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
    value = _found(_store(call, instance), name)
    if value is None:
        raise raising(call, "KeyError", f"there is no setting {name}")
    return value


def _set_item(call: Call, instance: Instance) -> Value:
    key, value = call.argument(0, "key"), call.argument(1, "value")
    name = text_of(key)
    store = _store(call, instance)
    if name is None or value is None:
        return call.run.unseen("which setting is set", call.location)
    first, *steps = name.replace(".", "__").split("__")
    old = store.slots.get(plain_key(first))
    call.run.store(store.slots, plain_key(first), merged(old, steps, value, merge=False))
    return known(None)


def _update(call: Call, instance: Instance) -> Value:
    store = _store(call, instance)
    given = call.arguments[0] if call.arguments else Mapped({})
    if not isinstance(given, Mapped) or given.rest is not None:
        return call.run.unseen("which settings are updated", call.location)
    for name, value in {**given.slots, **call.keywords}.items():
        call.run.store(store.slots, plain_key(str(name)), value)
    return known(None)


def _contains(call: Call, instance: Instance) -> Value:
    name = text_of(call.arguments[0]) if call.arguments else None
    store = _store(call, instance)
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
    store = _store(_here(run), instance)
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
        reading = _Reading(call, Mapped({"VALIDATORS": Items({"items": call.arguments})}))
        reading.store = _store(call, settings)
        reading.validate()
    return known(None)


def _keep(call: Call, instance: Instance) -> None:
    instance.slots.update(call.keywords)
    instance.slots["names"] = Items({"items": call.arguments}, tuple)


_VALIDATOR = Native("dynaconf.Validator", construct=_keep)
_VALIDATORS = Native("settings.validators", attribute=_validators)
_SETTINGS = Native(
    "dynaconf.Dynaconf",
    construct=_construct,
    attribute=_attribute,
    assign=_assign,
    specials=_SPECIALS,
)


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
    files = Items({"items": tuple(known(name) for name in _DEFAULT_FILES)})
    options.setdefault("DEFAULT_SETTINGS_PATHS", files)
    settings = instance.slots.get("<dynaconf_instance>")
    if not (isinstance(settings, Instance) and settings.native is _SETTINGS):
        settings = Instance(None, _SETTINGS)
        made = Call(call.run, call.location, (), {str(k): v for k, v in options.items()}, call.open)
        _construct(made, settings)
    config = config_model.held(application.slots.get("config"))
    store = _store(call, settings)
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


_FLASK = Native("dynaconf.FlaskDynaconf", construct=_flask, attribute=_flask_attribute)


def slots(_run: Interpreter, _name: str) -> dict[str, object]:
    """Return the names of the module; its own settings are one object for each program."""
    files = Items({"items": tuple(known(name) for name in _DEFAULT_FILES)})
    own: dict[object, Value] = {
        "ENVIRONMENTS": known(value=True),
        "LOAD_DOTENV": known(value=True),
        "DEFAULT_SETTINGS_PATHS": files,
    }
    return {
        "Dynaconf": _SETTINGS,
        "LazySettings": _SETTINGS,
        "FlaskDynaconf": _FLASK,
        "Validator": _VALIDATOR,
        "settings": Instance(None, _SETTINGS, {"<options>": Mapped(own)}),
    }
