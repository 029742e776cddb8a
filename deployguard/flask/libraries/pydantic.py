"""pydantic and pydantic-settings: models, and settings out of variables and .env files.

Values come from arguments, then the environment, then .env files, then secrets, then defaults
(BaseSettings.settings_customise_sources; pydantic 1: env_settings). What is not valid ends the
program.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from deployguard.flask.libraries.annotations import (
    SECRET,
    InvalidValue,
    Kind,
    Type,
    coerced,
    from_json,
    is_model,
)
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.pydantic_fields import (
    CHOICES,
    FACTORY,
    FIELD,
    INVALID,
    UNREADABLE,
    Field,
    fields_of,
    settings_of,
)
from deployguard.flask.libraries.pydantic_sources import Sources
from deployguard.flask.libraries.reading import missing_file, raising
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Content
from deployguard.model.structs import replace
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
    Model,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import Unplain, none, plain, text_of
from deployguard.python.standard import absolute
from deployguard.python.values import (
    Descriptor,
    DescriptorKind,
    derived,
    linearize,
)


def _construct(call: Call, instance: Instance, name: str) -> None:
    """Validate what a model is made of, and keep it as the attributes of the object."""
    cls = instance.type
    if cls is None:
        return
    old = _is_old(call.run, name)
    fields = fields_of(call.run, cls)
    settings = settings_of(call.run, cls)
    sources = Sources(call, cls, fields, settings, old=old) if name in _SETTINGS else None
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
            raise raising(call, INVALID, f"the setting {entry.name} is missing")
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
        raise raising(call, INVALID, note) from None
    return value


def _takes_none(kind: Type) -> bool:
    return kind.kind is Kind.ANY or any(inner.kind is Kind.NONE for inner in kind.inner)


def _is_ellipsis(value: Value) -> bool:
    return isinstance(value, Known) and value.value is ...


def _default(call: Call, default: Value) -> Value:
    if isinstance(default, Opaque) and default.name == FACTORY:
        return call.run.call(default.parts[0], (), {}, call.location)
    return default


class _Validator(Struct, frozen=True):
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
    chosen = _chosen(call)
    if set(call.keywords) - _DUMPING or instance.type is None or chosen is None:
        missing = Missing(Reason.SOURCE, "which fields of a model are taken")
        return Mapped({}, Opaque((missing,), "a model", harmless=True))
    made = Mapped({})
    for entry in fields_of(call.run, instance.type):
        value = instance.slots.get(entry.name)
        if not chosen(entry.name):
            continue
        if isinstance(value, Instance) and value.type is not None and is_model(value.type):
            value = _dumped(call, value)
        if value is not None and not (none(value) and "exclude_none" in call.keywords):
            made.slots[entry.name] = value
    return made


_DUMPING = frozenset({"mode", "by_alias", "exclude_none", "exclude_unset", "include", "exclude"})


def _chosen(call: Call) -> Callable[[str], bool] | None:
    """Return which fields are taken, None where that is not known."""
    try:
        include, exclude = (
            plain(call.keywords.get(name, known(None))) for name in ("include", "exclude")
        )
    except Unplain:
        return None
    return lambda name: (include is None or name in include) and name not in (exclude or ())


def _copied(call: Call, instance: Instance) -> Value:
    made = Instance(instance.type, instance.native, dict(instance.slots))
    update = call.keywords.get("update")
    if isinstance(update, Mapped):
        made.slots.update(update.slots)
        if update.rest is not None:
            return harmless("a copy of a model")
    return made


def _dictionary(call: Call) -> Value:
    rest = call.open
    return Mapped(dict(call.keywords), rest)


_VALIDATOR = Native("pydantic.validator")
_SETTINGS = frozenset({"pydantic.BaseSettings", "pydantic_settings.BaseSettings"})


def _class_method(name: str, model: Model) -> Descriptor:
    return Descriptor(DescriptorKind.CLASS_METHOD, Native(f"BaseModel.{name}", model, binds=True))


def _made(call: Call) -> Value:
    """model_validate(cls, data): an object of the class, or of a dictionary of its fields."""
    cls = call.arguments[0] if call.arguments else None
    data = call.argument(1, "obj")
    if not isinstance(cls, Class):
        return call.run.unseen("which model is made", call.location)
    if isinstance(data, Mapped) and data.rest is None:
        keywords = {str(name): value for name, value in data.slots.items()}
        return call.run.call(cls, (), keywords, call.location)
    if isinstance(data, Instance):
        return data
    if isinstance(data, Known):
        raise raising(call, INVALID, "what a model is made of is no dictionary")
    missing = Missing(Reason.SOURCE, "what a model is made of")
    return call.run.call(cls, (), {}, call.location, Opaque((missing,), "fields", harmless=True))


def _made_of_json(call: Call) -> Value:
    text = call.arguments[1] if len(call.arguments) > 1 else call.argument(None, "json_data")
    if not isinstance(text, Known) or not isinstance(text.value, str | bytes):
        return _made(replace(call, arguments=call.arguments[:1], keywords={}))
    try:
        data = from_json(text)
    except InvalidValue:
        raise raising(call, INVALID, "what a model is made of is not JSON") from None
    return call.run.call(
        Native("BaseModel.model_validate", _made), (call.arguments[0], data), {}, call.location
    )


def _made_of_file(call: Call) -> Value:
    path = text_of(call.argument(1, "path"))
    place = None if path is None else absolute(call.run, path)
    content = None if place is None else call.run.files.read(place)
    match content:
        case Content(data=data) if call.arguments:
            return _made_of_json(replace(call, arguments=(call.arguments[0], known(data))))
        case Absent():
            raise missing_file(call, str(path))
        case _:
            return _made(replace(call, arguments=call.arguments[:1], keywords={}))


_MEMBERS: dict[str, Value] = {
    "model_validate": _class_method("model_validate", _made),
    "parse_obj": _class_method("parse_obj", _made),
    "model_validate_json": _class_method("model_validate_json", _made_of_json),
    "parse_raw": _class_method("parse_raw", _made_of_json),
    "parse_file": _class_method("parse_file", _made_of_file),
}


def _model(name: str) -> Native:
    return Native(
        name,
        construct=lambda call, instance: _construct(call, instance, name),
        attribute=_attribute,
        members=_MEMBERS,
    )


def slots(run: Interpreter, name: str) -> dict[str, object]:
    """Return the names of pydantic or of pydantic_settings; UNSET for one that is no more."""
    if name.startswith("pydantic_settings"):
        return {
            "BaseSettings": _model("pydantic_settings.BaseSettings"),
            "SettingsError": UNREADABLE,
            "SettingsConfigDict": Native("pydantic_settings.SettingsConfigDict", _dictionary),
        }
    decorators = ("field_validator", "validator", "model_validator", "root_validator")
    version = release(run, "pydantic")
    gone = version is not None and version >= (2,) and name == "pydantic"
    found: dict[str, object] = {decorator: _decorator(decorator) for decorator in decorators}
    return found | {
        "ValidationError": INVALID,
        "BaseModel": _model("pydantic.BaseModel"),
        "BaseSettings": UNSET if gone else _model("pydantic.BaseSettings"),
        "Field": FIELD,
        "AliasChoices": CHOICES,
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
