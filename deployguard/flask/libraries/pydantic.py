"""pydantic and pydantic-settings: models, and settings out of variables and .env files.

Values come from arguments, then the environment, then .env files, then secrets, then defaults
(BaseSettings.settings_customise_sources; pydantic 1: env_settings). What is not valid ends the
program.
"""

import ast
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployguard.flask.libraries.annotations import (
    SECRET,
    InvalidValue,
    Kind,
    Type,
    coerced,
    from_json,
    is_complex,
    is_model,
    type_of,
)
from deployguard.flask.libraries.concrete import Unplain, none, plain, text_of
from deployguard.flask.libraries.dotenv import environment, values
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.reading import absolute, raising
from deployguard.flask.libraries.releases import release
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    UNSET,
    Call,
    Class,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import Frame, linearize
from deployguard.python.values import derived, missing_of


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model: its type, its default, and the names it is read under."""

    name: str
    type: Type
    default: Value | None
    aliases: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a class of settings reads: its configuration, and whether that is all known."""

    options: dict[str, object] = field(default_factory=dict)
    hidden: tuple[Missing, ...] = ()

    def text(self, name: str) -> str:
        """Return an option that is a text, "" where it is not set."""
        value = self.options.get(name)
        return value if isinstance(value, str) else ""

    def on(self, name: str) -> bool:
        """Say whether an option is on."""
        return bool(self.options.get(name))


def _fields(run: Interpreter, cls: Class) -> tuple[Field, ...]:
    """Return the fields of a model and of those it is made of; a later one replaces its name."""
    found: dict[str, Field] = {}
    for base in reversed(linearize(cls)):
        if not isinstance(base, Class):
            continue
        for name, annotation in base.annotations.items():
            kind = _type(run, base, annotation)
            if name.startswith("_") or name == "model_config" or kind.kind is Kind.CLASS_VARIABLE:
                continue
            found[name] = _field(name, kind, base.slots.get(name))
        for name in base.slots:
            if name in found and name not in base.annotations:
                # A default alone, for a field of a class above.
                old = found[name]
                found[name] = Field(name, old.type, base.slots[name], old.aliases, old.hidden)
    return tuple(found.values())


def _type(run: Interpreter, cls: Class, annotation: ast.expr) -> Type:
    if cls.module is None:
        return Type(Kind.OTHER)
    before, run.current = run.current, cls.module
    try:
        return type_of(run, annotation, Frame(cls.scopes, cls.module))
    finally:
        run.current = before


def _field(name: str, kind: Type, default: Value | None) -> Field:
    for info in (*kind.metadata, default):
        if isinstance(info, Instance) and info.native is _FIELD:
            slots = info.slots
            own = default if default is not info else None
            made = slots.get("default", own)
            factory = slots.get("default_factory")
            aliases = _aliases(slots)
            return Field(
                name,
                kind,
                made if factory is None else Opaque((), _FACTORY, parts=(factory,)),
                () if aliases is None else aliases,
                hidden=aliases is None,
            )
    return Field(name, kind, default)


_FACTORY = "a default factory"


def _aliases(slots: dict[object, Value]) -> tuple[str, ...] | None:
    """Return the names of Field(validation_alias=..., alias=..., env=...), None where not known."""
    for key in ("validation_alias", "alias", "env"):
        value = slots.get(key)
        if value is None or none(value):
            continue
        if isinstance(value, Instance) and value.native is _CHOICES:
            value = value.slots["names"]
        try:
            found = plain(value)
        except Unplain:
            return None
        names = (found,) if isinstance(found, str) else tuple(found)
        return names if all(isinstance(name, str) for name in names) else None
    return ()


def _settings(run: Interpreter, cls: Class) -> Settings:
    """Return model_config and the inner class Config, those of the classes above included."""
    options: dict[str, object] = {}
    hidden: list[Missing] = []
    for base in reversed(linearize(cls)):
        slots = base.slots if isinstance(base, Class) else {}
        inner, config = slots.get("Config"), slots.get("model_config")
        entries: dict[object, Value] = {}
        if isinstance(inner, Class):
            entries |= inner.slots
        if isinstance(config, Mapped):
            entries |= config.slots
        elif config is not None:
            hidden.extend(missing_of(config) or (Missing(Reason.SOURCE, "model_config"),))
        for name, value in entries.items():
            try:
                options[str(name)] = plain(value)
            except Unplain:
                if name in _READ:
                    hidden.extend(missing_of(value) or (Missing(Reason.SOURCE, f"{name}"),))
        if {"settings_customise_sources", "customise_sources"} & {*slots, *entries}:
            hidden.append(Missing(Reason.SOURCE, f"where {cls.name} takes its values from"))
    if options.get("cli_parse_args") and len(run.argv.items) > 1:
        hidden.append(Missing(Reason.COMMAND, f"the arguments that {cls.name} reads"))
    return Settings(options, tuple(hidden))


_READ = frozenset(
    {
        "env_prefix", "env_file", "case_sensitive", "env_nested_delimiter", "env_ignore_empty",
        "extra", "secrets_dir", "cli_parse_args", "fields",
    }
)  # fmt: skip


def _construct(call: Call, instance: Instance, name: str) -> None:
    """Validate what a model is made of, and keep it as the attributes of the object."""
    cls = instance.type
    if cls is None:
        return
    old = _is_old(call.run, name)
    fields = _fields(call.run, cls)
    settings = _settings(call.run, cls)
    sources = _Sources(call, cls, fields, settings, old=old) if name in _SETTINGS else None
    hidden = settings.hidden if sources is not None else ()
    before, after = _validators(cls)
    for entry in fields:
        value = _given(call, entry)
        if value is None and sources is not None:
            value = sources.value(entry)
        if hidden or entry.hidden:
            what = Missing(Reason.SOURCE, f"where the setting {entry.name} comes from")
            value = Opaque(hidden or (what,), entry.name, harmless=True)
        call.run.store(
            instance.slots, entry.name, _validated(call, cls, entry, value, before, after, old=old)
        )
    if sources is not None and not old and not hidden:
        sources.refuse_others()
    _finish(call, cls, instance, fields)


def _is_old(run: Interpreter, name: str) -> bool:
    """Say whether pydantic 1 is at work; its settings are gone from pydantic itself since 2."""
    version = release(run, "pydantic")
    return name == "pydantic.BaseSettings" or (
        name != "pydantic_settings.BaseSettings" and version is not None and version < (2,)
    )


def _given(call: Call, entry: Field) -> Value | None:
    for name in (*entry.aliases, entry.name):
        if name in call.keywords:
            return call.keywords[name]
    if call.open is not None:
        return derived(entry.name, call.open)
    return None


def _validated(
    call: Call,
    cls: Class,
    entry: Field,
    value: Value | None,
    before: "list[_Validator]",
    after: "list[_Validator]",
    *,
    old: bool,
) -> Value:
    checks_default = any(
        isinstance(base, Native) and base.name in _SETTINGS for base in linearize(cls)
    )
    is_default = value is None
    if value is None:
        if entry.default is None or _is_ellipsis(entry.default):
            if old and entry.default is None and _takes_none(entry.type):
                return known(None)
            raise raising(call, "ValidationError", f"the setting {entry.name} is missing")
        value = _default(call, entry.default)
    try:
        if is_default and not checks_default:
            return value
        for validator in before:
            value = validator.applied(call, cls, entry, value)
        value = coerced(call, value, entry.type, old=old)
        for validator in after:
            value = validator.applied(call, cls, entry, value)
    except InvalidValue:
        note = f"the setting {entry.name} has a value that its type does not take"
        raise raising(call, "ValidationError", note) from None
    return value


def _takes_none(kind: Type) -> bool:
    return kind.kind is Kind.ANY or any(inner.kind is Kind.NONE for inner in kind.inner)


def _is_ellipsis(value: Value) -> bool:
    return isinstance(value, Known) and value.value is ...


def _default(call: Call, default: Value) -> Value:
    if isinstance(default, Opaque) and default.name == _FACTORY:
        return call.run.call(default.parts[0], (), {}, call.location)
    return default


class _Sources:
    """The variables and files that settings are read from, strongest first."""

    def __init__(
        self, call: Call, cls: Class, fields: tuple[Field, ...], settings: Settings, *, old: bool
    ) -> None:
        self.call = call
        self.fields = fields
        self.old = old
        self.folds = not self._option("_case_sensitive", settings.options.get("case_sensitive"))
        self.prefix = str(self._option("_env_prefix", settings.text("env_prefix")) or "")
        self.delimiter = str(
            self._option("_env_nested_delimiter", settings.text("env_nested_delimiter")) or ""
        )
        self.ignores_empty = bool(
            self._option("_env_ignore_empty", settings.on("env_ignore_empty"))
        )
        self.extra = str(settings.options.get("extra", "forbid"))
        environ = call.run.environ
        self.environ = self._folded(environ.slots)
        self.rest = environ.rest
        self.file_rest: Opaque | None = None
        self.file = self._file(self._option("_env_file", settings.options.get("env_file")))
        self.secrets = self._option("_secrets_dir", settings.options.get("secrets_dir"))
        self.cls = cls

    def _option(self, name: str, configured: object) -> object:
        value = self.call.keywords.get(name)
        if value is None:
            return configured
        try:
            return plain(value)
        except Unplain:
            return _HIDDEN

    def _folded(self, entries: Mapping[Any, Value]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, value in entries.items():
            name = str(key).lower() if self.folds else str(key)
            if self.ignores_empty and isinstance(value, Known) and value.value == "":
                continue
            if name in found and found[name] != value:
                missing = Missing(Reason.VARIABLE, f"which spelling of {name} comes last")
                found[name] = Opaque((missing,), name, harmless=True)
            else:
                found[name] = value
        return found

    def _file(self, given: object) -> dict[str, Value]:
        """Return what .env files set, the later ones over the earlier ones."""
        found: dict[str, Value] = {}
        if given is None:
            return found
        names = list(given) if isinstance(given, list | tuple) else [given]
        for name in names:
            path = None if name is _HIDDEN else absolute(self.call.run, str(name))
            missing = Missing(Reason.FILE, "which .env file settings are read from")
            content = Unread(missing) if path is None else self.call.run.files.read(path)
            match content:
                case Content():
                    entries = environment(self.call.run, content, override=True)
                    found |= self._folded(dict(values(entries)))
                    if entries.unseen:
                        self.file_rest = Opaque(entries.unseen, "a .env file", harmless=True)
                case Unread(missing=hidden):
                    self.file_rest = Opaque((hidden,), "a .env file", harmless=True)
                case Absent():
                    continue
        return found

    def names(self, entry: Field) -> tuple[str, ...]:
        """Return the variables of a field; a name of its own knows no prefix."""
        found = entry.aliases or (f"{self.prefix}{entry.name}",)
        return tuple(name.lower() if self.folds else name for name in found)

    def value(self, entry: Field) -> Value | None:
        """Return what a field is set to, None where nothing sets it."""
        names = self.names(entry)
        parts: list[Value] = []
        for entries, rest in ((self.environ, self.rest), (self.file, self.file_rest)):
            whole = next((entries[name] for name in names if name in entries), rest)
            found = self._read(entry, whole)
            nested = self._nested(entry, entries, names)
            if nested is not None and not isinstance(found, Opaque):
                found = _merged(found, nested)
            if found is not None:
                parts.append(found)
        secret = self._secret(names)
        if secret is not None:
            parts.append(secret)
        return _first(parts)

    def _read(self, entry: Field, whole: Value | None) -> Value | None:
        if not isinstance(whole, Known) or not is_complex(entry.type):
            return whole
        try:
            return from_json(whole)
        except InvalidValue:
            if entry.type.kind is Kind.UNION:
                return whole
            note = f"the setting {entry.name} is not JSON"
            raise raising(self.call, "SettingsError", note) from None

    def _nested(
        self, entry: Field, entries: dict[str, Value], names: tuple[str, ...]
    ) -> Mapped | None:
        """Return what variables such as SERVER__DEBUG set of a field that is a model."""
        if not self.delimiter or not is_complex(entry.type):
            return None
        made = Mapped({})
        delimiter = self.delimiter.lower() if self.folds else self.delimiter
        for key, value in entries.items():
            start = next((n for n in names if key.startswith(f"{n}{delimiter}")), None)
            if start is not None:
                steps = key.removeprefix(f"{start}{delimiter}").split(delimiter)
                self._put(made, entry.type, steps, value)
        return made if made.slots else None

    def _put(self, made: Mapped, kind: Type, steps: list[str], value: Value) -> None:
        step, *rest = steps
        inner = self._inner(kind, step)
        name = inner.name if inner is not None else step
        if not rest:
            read = value if inner is None else self._read(inner, value)
            made.slots[name] = value if read is None else read
            return
        below = made.slots.setdefault(name, Mapped({}))
        if isinstance(below, Mapped):
            self._put(below, Type(Kind.OTHER) if inner is None else inner.type, rest, value)

    def _inner(self, kind: Type, step: str) -> Field | None:
        models = [
            one for one in (kind, *kind.inner) if one.kind is Kind.CLASS and is_model(one.cls)
        ]
        for one in models:
            for entry in _fields(self.call.run, one.cls) if one.cls is not None else ():
                if entry.name == step or (self.folds and entry.name.lower() == step):
                    return entry
        return None

    def _secret(self, names: tuple[str, ...]) -> Value | None:
        """Return a file of the folder of secrets that is named as the field is."""
        if self.secrets is None:
            return None
        path = None if self.secrets is _HIDDEN else absolute(self.call.run, str(self.secrets))
        listed = None if path is None else self.call.run.files.list(path)
        if isinstance(listed, Absent):
            return None
        if not isinstance(listed, tuple) or path is None:
            missing = Missing(Reason.FILE, "the secrets that settings are read from")
            return Opaque((missing,), "a secret", harmless=True)
        for name in listed:
            if (name.lower() if self.folds else name) in names:
                content = self.call.run.files.read(posixpath.join(path, name))
                if isinstance(content, Content):
                    return known(content.data.decode("utf-8", "replace").strip())
        return None

    def refuse_others(self) -> None:
        """Raise where a .env file sets what no field reads, unless the class allows it."""
        if self.extra != "forbid":
            return
        names = [name for entry in self.fields for name in self.names(entry)]
        bare = {entry.name for entry in self.fields}
        for key, value in self.file.items():
            used = any(key.startswith(name) for name in names) or (self.prefix and key in bare)
            if not used and isinstance(value, Known) and value.value:
                note = f"a .env file sets {key}, which is no setting of {self.cls.name}"
                raise raising(self.call, "ValidationError", note)


_HIDDEN = object()


def _first(parts: list[Value]) -> Value | None:
    """Return the strongest value; of dictionaries, what the weaker ones add."""
    if not parts:
        return None
    first, *others = parts
    for other in others:
        if isinstance(first, Mapped) and isinstance(other, Mapped):
            first = _merged(other, first)
        elif isinstance(first, Opaque):
            # It may be that nothing sets it there, and then the weaker one counts.
            return derived("a setting", first, other)
        else:
            break
    return first


def _merged(under: Value | None, over: Mapped) -> Mapped:
    if not isinstance(under, Mapped):
        return over
    made = Mapped(dict(under.slots), under.rest or over.rest)
    for key, value in over.slots.items():
        below = made.slots.get(key)
        made.slots[key] = _merged(below, value) if isinstance(value, Mapped) else value
    return made


@dataclass(frozen=True, slots=True)
class _Validator:
    """A function of a model that checks or changes fields."""

    function: Value
    names: tuple[str, ...]
    before: bool
    model: bool

    def applied(self, call: Call, cls: Class, entry: Field, value: Value) -> Value:
        """Return what the function makes of a field that it is for."""
        if entry.name not in self.names and "*" not in self.names:
            return value
        rest = Opaque((Missing(Reason.SOURCE, "the other settings"),), "settings", harmless=True)
        return call.run.call(self.function, (cls, value), {}, call.location, rest)


def _validators(cls: Class) -> tuple[list[_Validator], list[_Validator]]:
    found = [one for one in _all_validators(cls) if not one.model]
    return [one for one in found if one.before], [one for one in found if not one.before]


def _all_validators(cls: Class) -> Iterator[_Validator]:
    for base in reversed(linearize(cls)):
        for value in tuple(base.slots.values()) if isinstance(base, Class) else ():
            if isinstance(value, Instance) and value.native is _VALIDATOR:
                yield _Validator(
                    value.slots["function"],
                    tuple(plain(value.slots["names"])),
                    before=bool(plain(value.slots["before"])),
                    model=bool(plain(value.slots["model"])),
                )


def _finish(call: Call, cls: Class, instance: Instance, fields: tuple[Field, ...]) -> None:
    """Run the validators of the whole model; one that runs before the fields may change all."""
    for validator in _all_validators(cls):
        if not validator.model:
            continue
        if validator.before:
            missing = Missing(Reason.SOURCE, f"what a validator of {cls.name} makes of its values")
            for entry in fields:
                hidden = Opaque((missing,), entry.name, harmless=True)
                call.run.store(instance.slots, entry.name, hidden)
            continue
        call.run.call(validator.function, (instance,), {}, call.location)


def _decorator(name: str) -> Native:
    """field_validator, validator, model_validator or root_validator."""
    model = name in {"model_validator", "root_validator"}

    def make(call: Call) -> Value:
        names = Items({"items": () if model else call.arguments}, tuple)
        mode = text_of(call.keywords.get("mode", known("after")))
        before = mode in {"before", "wrap", None} or not none(call.keywords.get("pre"))
        before = before and call.keywords.get("pre") != known(value=False)
        if name == "root_validator":
            before = True
        slots: dict[object, Value] = {
            "names": names if _is_plain(names) else Items({"items": (known("*"),)}),
            "before": known(before or mode in {"wrap", None}),
            "model": known(model),
        }

        def decorate(later: Call) -> Value:
            function = _function(later.arguments[0])
            return Instance(None, _VALIDATOR, {**slots, "function": function})

        bare = model and len(call.arguments) == 1 and not isinstance(call.arguments[0], Known)
        decorated = Native(f"pydantic.{name}", decorate)
        return call.run.call(decorated, call.arguments, {}, call.location) if bare else decorated

    return Native(f"pydantic.{name}", make)


def _is_plain(value: Value) -> bool:
    try:
        return all(isinstance(name, str) for name in plain(value))
    except Unplain:
        return False


def _function(value: Value) -> Value:
    """Return the function of a class method: it is handed the class by pydantic."""
    if isinstance(value, Function):
        return value
    inner = getattr(value, "function", None)
    if isinstance(inner, Function):
        return inner
    parts = value.parts if isinstance(value, Opaque) else ()
    return next((part for part in parts if isinstance(part, Function)), value)


def _attribute(run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"model_dump", "dict"}:
        return Native(f"a model's {name}", lambda call: _dumped(call, instance))
    if name in {"model_copy", "copy"}:
        return Native(f"a model's {name}", lambda call: _copied(call, instance))
    del run
    return None


def _dumped(call: Call, instance: Instance) -> Value:
    """BaseModel.model_dump, or dict(): the fields, models among them as dictionaries."""
    if (
        set(call.keywords) - {"mode", "by_alias", "exclude_none", "exclude_unset"}
        or instance.type is None
    ):
        missing = Missing(Reason.SOURCE, "which fields of a model are taken")
        return Mapped({}, Opaque((missing,), "a model", harmless=True))
    made = Mapped({})
    for entry in _fields(call.run, instance.type):
        value = instance.slots.get(entry.name)
        if isinstance(value, Instance) and value.type is not None and is_model(value.type):
            value = _dumped(call, value)
        if value is not None and not (none(value) and "exclude_none" in call.keywords):
            made.slots[entry.name] = value
    return made


def _copied(call: Call, instance: Instance) -> Value:
    made = Instance(instance.type, instance.native, dict(instance.slots))
    update = call.keywords.get("update")
    if isinstance(update, Mapped):
        made.slots.update(update.slots)
        if update.rest is not None:
            return harmless("a copy of a model")
    return made


def _keep(call: Call, instance: Instance) -> None:
    """Field(default, default_factory=..., alias=...): remember what it is given."""
    instance.slots.update(call.keywords)
    if call.arguments:
        instance.slots["default"] = call.arguments[0]


def _keep_names(call: Call, instance: Instance) -> None:
    instance.slots["names"] = Items({"items": call.arguments}, tuple)


def _dictionary(call: Call) -> Value:
    rest = call.open
    return Mapped(dict(call.keywords), rest)


_FIELD = Native("pydantic.Field", construct=_keep)
_CHOICES = Native("pydantic.AliasChoices", construct=_keep_names)
_VALIDATOR = Native("pydantic.validator")
_SETTINGS = frozenset({"pydantic.BaseSettings", "pydantic_settings.BaseSettings"})


def _model(name: str) -> Native:
    return Native(
        name,
        construct=lambda call, instance: _construct(call, instance, name),
        attribute=_attribute,
    )


def slots(run: Interpreter, name: str) -> dict[str, object]:
    """Return the names of pydantic or of pydantic_settings; UNSET for one that is no more."""
    if name.startswith("pydantic_settings"):
        return {
            "BaseSettings": _model("pydantic_settings.BaseSettings"),
            "SettingsConfigDict": Native("pydantic_settings.SettingsConfigDict", _dictionary),
        }
    decorators = ("field_validator", "validator", "model_validator", "root_validator")
    version = release(run, "pydantic")
    gone = version is not None and version >= (2,) and name == "pydantic"
    found: dict[str, object] = {decorator: _decorator(decorator) for decorator in decorators}
    return found | {
        "BaseModel": _model("pydantic.BaseModel"),
        "BaseSettings": UNSET if gone else _model("pydantic.BaseSettings"),
        "Field": _FIELD,
        "AliasChoices": _CHOICES,
        "ConfigDict": Native("pydantic.ConfigDict", _dictionary),
        "computed_field": Native("pydantic.computed_field", _itself),
        "SecretStr": Native("pydantic.SecretStr", _secret),
    }


def _itself(call: Call) -> Value:
    """computed_field: the property stays what it is, with or without options."""
    if call.arguments:
        return call.arguments[0]
    return Native("pydantic.computed_field", lambda later: later.arguments[0])


def _secret(call: Call) -> Value:
    return Instance(None, SECRET, {"<value>": call.arguments[0] if call.arguments else known("")})
