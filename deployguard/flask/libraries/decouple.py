"""python-decouple: the environment, then settings.ini or .env, then the default."""

import configparser
import posixpath
import shlex
import string
from collections.abc import Mapping

from deployguard.flask.libraries.reading import (
    calling_folder,
    decoded,
    exception,
    missing_file,
    raising,
    read,
    upwards,
    words,
)
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
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
from deployguard.python.concrete import Unplain, lift, none, plain, text_of
from deployguard.python.standard import environment_value
from deployguard.python.values import derived, trail_of

_BOOLEAN = words(
    frozenset({"y", "yes", "t", "true", "on", "1"}),
    frozenset({"n", "no", "f", "false", "off", "0"}),
    str.lower,
)
_SPECIALS = frozenset({"__call__", "__getitem__", "__contains__"})


def _stored(content: Content | Absent | Unread, ini: bool) -> Mapped:  # noqa: FBT001  (which kind)
    """Return what a repository holds; with `rest` where it cannot be told."""
    match content:
        case Absent():
            return Mapped({})
        case Unread(missing=missing):
            return Mapped({}, Opaque((missing,), "a settings file", harmless=True))
        case Content(location=location):
            text = decoded(content)
            found = None if text is None else _ini(text) if ini else lines(text)
            if found is None:
                missing = Missing(Reason.FILE, f"the settings in {location.file}")
                return Mapped({}, Opaque((missing,), location.file, harmless=True))
            return Mapped(
                {
                    name: known(value, Evidence(location, f"{name} is set in {location.file}"))
                    for name, value in found.items()
                }
            )


def lines(text: str) -> Mapping[str, str]:
    """decouple.RepositoryEnv: `NAME=value` lines, one pair of quotes taken off."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or "=" not in stripped:
            continue
        name, _, value = stripped.partition("=")
        word = value.strip()
        if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
            word = word[1:-1]
        found[name.strip()] = word
    return found


def _ini(text: str) -> Mapping[str, str] | None:
    """decouple.RepositoryIni: the section [settings], whose names are in any case."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
        return dict(parser.items("settings")) if parser.has_section("settings") else {}
    except (configparser.Error, RecursionError):
        return None


def _repository(name: str, *, ini: bool) -> Native:
    def construct(call: Call, instance: Instance) -> None:
        source = call.argument(0, "source")
        content = read(call.run, source)
        if isinstance(content, Absent):
            raise missing_file(call, content.path)
        stored = _stored(content, ini)
        call.run.store(instance.slots, "<stored>", stored)
        call.run.store(instance.slots, "<folds>", known(ini))
        call.run.store(instance.slots, "data", stored)

    return Native(f"decouple.{name}", construct=construct)


def _secrets(call: Call, instance: Instance) -> None:
    """decouple.RepositorySecret: a folder with a file for each name."""
    folder = text_of(call.argument(0, "source") or known("/run/secrets/"))
    missing = Missing(Reason.FILE, f"the secrets in {folder or 'a folder'}")
    rest = Opaque((missing,), "secrets", harmless=True)
    listed = call.run.files.list(folder) if folder is not None else None
    slots: dict[object, Value] = {}
    if isinstance(listed, Absent):
        raise missing_file(call, str(folder))
    for name in listed if isinstance(listed, tuple) else ():
        content = call.run.files.read(posixpath.join(str(folder), name))
        text = decoded(content) if isinstance(content, Content) else None
        slots[name] = rest if text is None else known(text)
    stored = Mapped(slots, None if isinstance(listed, tuple) else rest)
    call.run.store(instance.slots, "<stored>", stored)


def _config(call: Call, instance: Instance) -> None:
    given = call.argument(0, "repository")
    stored = given.slots.get("<stored>") if isinstance(given, Instance) else None
    if stored is None:
        # A repository of the program's own: what it holds is not known here.
        missing = Missing(Reason.SOURCE, "what a repository of settings holds")
        stored = Mapped({}, Opaque((missing,), "a repository", harmless=True))
    elif isinstance(given, Instance):
        call.run.store(instance.slots, "<folds>", given.slots.get("<folds>", known(value=False)))
    call.run.store(instance.slots, "<stored>", stored)


def _auto(call: Call, instance: Instance) -> None:
    path = call.argument(0, "search_path")
    if not none(path) and path is not None:
        call.run.store(instance.slots, "<path>", path)


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name in {"__call__", "get"}:
        return Native(f"decouple.config.{name}", lambda call: _get(call, instance))
    return None


def _get(call: Call, instance: Instance) -> Value:
    """decouple.Config.get: the environment, then the repository, then the default, through cast."""
    option = call.argument(0, "option")
    default, cast = call.argument(1, "default"), call.argument(2, "cast")
    value = environment_value(call.run, option, _UNSET)
    if value is _UNSET:
        value = _from_repository(call, instance, option, default)
    if cast is None:
        return value
    if isinstance(cast, Native) and cast.name == "bool":
        return _cast_boolean(call, value)
    return call.run.call(cast, (value,), {}, call.location)


_UNSET = Opaque((), "a setting that is not there")
_UNDEFINED = exception("UndefinedValueError")


def _from_repository(
    call: Call, instance: Instance, option: Value | None, default: Value | None
) -> Value:
    name = text_of(option)
    stored, folds = _loaded(call, instance)
    key = name.lower() if folds and name is not None else name
    if key is None or (key not in stored.slots and stored.rest is not None):
        return derived("a setting", *(value for value in (option, stored.rest) if value))
    if key in stored.slots:
        return stored.slots[key]
    if default is None:
        raise raising(call, _UNDEFINED, f"{name} is not set and has no default")
    return default


def _loaded(call: Call, instance: Instance) -> tuple[Mapped, bool]:
    """Return the repository; AutoConfig looks for it once, from the caller's folder upwards."""
    stored = instance.slots.get("<stored>")
    if not isinstance(stored, Mapped):
        path = instance.slots.get("<path>")
        folder = calling_folder(call.run) or call.run.cwd if path is None else text_of(path)
        if folder is not None and not folder.startswith("/"):
            folder = posixpath.join(call.run.cwd, folder) if call.run.cwd else None
        content = upwards(call.run, folder, ("settings.ini", ".env"), root=False)
        ini = isinstance(content, Content) and content.location.file.endswith(".ini")
        stored = _stored(content, ini)
        call.run.store(instance.slots, "<stored>", stored)
        call.run.store(instance.slots, "<folds>", known(ini))
    folds = instance.slots.get("<folds>")
    return stored, isinstance(folds, Known) and bool(folds.value)


def _cast_boolean(call: Call, value: Value) -> Value:
    if not isinstance(value, Known):
        return derived("a setting", value)
    text = str(value.value)
    if text == "":
        return known(False, *value.trail)  # noqa: FBT003  (the value itself)
    word = _BOOLEAN(text)
    if word is None:
        raise raising(call, "ValueError", f"{text[:20]!r} is no truth value")
    return known(word, *value.trail)


def _strtobool(call: Call) -> Value:
    value = call.argument(0, "value")
    if isinstance(value, Known) and isinstance(value.value, bool):
        return value
    return _cast_boolean(call, value) if value is not None else known(None)


def _csv(call: Call, instance: Instance) -> None:
    for position, name in enumerate(("cast", "delimiter", "strip", "post_process")):
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{name}>", value)


def _csv_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name != "__call__":
        return None
    return Native("decouple.Csv", lambda call: _split(call, instance))


def _split(call: Call, instance: Instance) -> Value:
    """decouple.Csv: the words of a text, each through `cast`, all through `post_process`."""
    value = call.argument(0, "value")
    delimiter = text_of(instance.slots.get("<delimiter>", known(",")))
    strip = text_of(instance.slots.get("<strip>", known(string.whitespace)))
    text = text_of(value)
    if none(value):
        parts: list[str] = []
    elif text is None or delimiter is None or strip is None:
        return derived("several settings", *((value,) if value is not None else ()))
    else:
        lexer = shlex.shlex(text, posix=True)
        lexer.whitespace = delimiter
        lexer.whitespace_split = True
        try:
            parts = [part.strip(strip) for part in lexer]
        except ValueError:
            raise raising(call, "ValueError", "a list of settings is not quoted well") from None
    trail = trail_of(*((value,) if value is not None else ()))
    cast = instance.slots.get("<cast>")
    items = tuple(
        known(part, *trail)
        if cast is None
        else call.run.call(cast, (known(part, *trail),), {}, call.location)
        for part in parts
    )
    made = Items({"items": items})
    process = instance.slots.get("<post_process>")
    return made if process is None else call.run.call(process, (made,), {}, call.location)


def _choices(call: Call, instance: Instance) -> None:
    for position, name in enumerate(("flat", "cast", "choices")):
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{name}>", value)


def _choices_attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name != "__call__":
        return None
    return Native("decouple.Choices", lambda call: _choose(call, instance))


def _choose(call: Call, instance: Instance) -> Value:
    cast = instance.slots.get("<cast>")
    value = call.arguments[0] if call.arguments else known(None)
    made = value if cast is None else call.run.call(cast, (value,), {}, call.location)
    try:
        flat = plain(instance.slots.get("<flat>", lift([])))
        pairs = plain(instance.slots.get("<choices>", lift([])))
        valid = [*flat, *(pair[0] for pair in pairs)]
        chosen = plain(made)
    except (Unplain, TypeError, LookupError):
        return derived("a choice", made)
    if chosen not in valid:
        raise raising(call, "ValueError", "a setting is none of its choices")
    return made


_CALLABLE = frozenset({"__call__"})
_AUTO = Native("decouple.AutoConfig", construct=_auto, attribute=_attribute, specials=_SPECIALS)
_CSV = Native("decouple.Csv", construct=_csv, attribute=_csv_attribute, specials=_CALLABLE)
_CHOICES = Native(
    "decouple.Choices", construct=_choices, attribute=_choices_attribute, specials=_CALLABLE
)
_CONFIG = Native("decouple.Config", construct=_config, attribute=_attribute, specials=_SPECIALS)


def slots(_run: Interpreter, _name: str) -> dict[str, Value]:
    """Return the names of the module; its config is one object for each program."""
    return {
        "config": Instance(None, _AUTO),
        "UndefinedValueError": _UNDEFINED,
        "AutoConfig": _AUTO,
        "Config": _CONFIG,
        "RepositoryEnv": _repository("RepositoryEnv", ini=False),
        "RepositoryIni": _repository("RepositoryIni", ini=True),
        "RepositoryEmpty": Native(
            "decouple.RepositoryEmpty",
            construct=lambda call, one: call.run.store(one.slots, "<stored>", Mapped({})),
        ),
        "RepositorySecret": Native("decouple.RepositorySecret", construct=_secrets),
        "Csv": _CSV,
        "Choices": _CHOICES,
        "strtobool": Native("decouple.strtobool", _strtobool),
    }
