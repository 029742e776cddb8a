"""The fields of a model of pydantic, and the configuration of a class of settings."""

import ast

from msgspec import Struct, field

from deployguard.flask.libraries.annotations import (
    Kind,
    Type,
    type_of,
)
from deployguard.flask.libraries.reading import exception
from deployguard.model.evidence import Missing, Reason
from deployguard.model.structs import replace
from deployguard.python import (
    Call,
    Class,
    Instance,
    Interpreter,
    Items,
    Mapped,
    Native,
    Opaque,
    Value,
)
from deployguard.python.concrete import Unplain, none, plain
from deployguard.python.interpreter import Frame
from deployguard.python.values import (
    after_first,
    linearize,
    missing_of,
)


def _keep(call: Call, instance: Instance) -> None:
    """Field(default, default_factory=..., alias=...): remember what it is given."""
    instance.slots.update(call.keywords)
    if call.arguments:
        instance.slots["default"] = call.arguments[0]


def _keep_names(call: Call, instance: Instance) -> None:
    instance.slots["names"] = Items({"items": call.arguments}, tuple)


FIELD = Native("pydantic.Field", construct=_keep)
CHOICES = Native("pydantic.AliasChoices", construct=_keep_names)


class Field(Struct, frozen=True):
    """A field of a model: its type, its default, and the names it is read under."""

    name: str
    type: Type
    default: Value | None
    aliases: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()  # pydantic 1: Field(env=...)
    hidden: bool = False


class Settings(Struct, frozen=True):
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


def fields_of(run: Interpreter, cls: Class) -> tuple[Field, ...]:
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
                found[name] = replace(old, default=base.slots[name])
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
        if isinstance(info, Instance) and info.native is FIELD:
            slots = info.slots
            own = default if default is not info else None
            made = slots.get("default", own)
            factory = slots.get("default_factory")
            aliases = _names(slots, "validation_alias", "alias")
            variables = _names(slots, "env")
            return Field(
                name,
                kind,
                made if factory is None else Opaque((), FACTORY, parts=(factory,)),
                aliases or (),
                variables or (),
                hidden=aliases is None or variables is None,
            )
    return Field(name, kind, default)


FACTORY = "a default factory"
INVALID = exception("ValidationError", "ValueError")
UNREADABLE = exception("SettingsError", "ValueError")


def _names(slots: dict[object, Value], *keys: str) -> tuple[str, ...] | None:
    """Return the names that an option of Field gives, None where they are not known."""
    for key in keys:
        value = slots.get(key)
        if value is None or none(value):
            continue
        if isinstance(value, Instance) and value.native is CHOICES:
            value = value.slots["names"]
        try:
            found = plain(value)
        except Unplain:
            return None
        names = (found,) if isinstance(found, str) else tuple(found)
        return names if all(isinstance(name, str) for name in names) else None
    return ()


def settings_of(run: Interpreter, cls: Class) -> Settings:
    """Return model_config and the inner class Config, those of the classes above included."""
    options: dict[str, object] = {}
    hidden: list[Missing] = []
    for base in reversed(linearize(cls)):
        slots = base.slots if isinstance(base, Class) else {}
        inner, config = slots.get("Config"), slots.get("model_config")
        entries: dict[object, Value] = {}
        if isinstance(base, Class):
            entries.update(base.keywords.items())
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
    if options.get("cli_parse_args") and after_first(run.argv.items):
        hidden.append(Missing(Reason.COMMAND, f"the arguments that {cls.name} reads"))
    return Settings(options, tuple(hidden))


_READ = frozenset(
    {
        "env_prefix", "env_file", "case_sensitive", "env_nested_delimiter", "env_ignore_empty",
        "extra", "secrets_dir", "cli_parse_args", "fields",
    }
)  # fmt: skip
