"""environs: Env(), its casts by marshmallow's words, prefixes and .env files.

Until environs 14 a .env file goes into os.environ; from 15 on the reader keeps it to itself. Until
environs 13 a default is cast as a value is.
"""

import json
import posixpath
import re
from collections.abc import Callable

from deployguard.flask.libraries.dotenv import environment, take_file, values
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.reading import (
    calling_folder,
    decoded,
    exception,
    flag,
    given,
    raising,
    upwards,
    words,
)
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python import (
    Call,
    Class,
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
from deployguard.python.concrete import lift, none, text_of
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute, environment_value
from deployguard.python.values import derived, laid_over, trail_of

# marshmallow.fields.Boolean; each word in these spellings alone.
_BOOLEAN = words(
    frozenset(
        ("t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1")
    ),
    frozenset(
        ("f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0")
    ),
    str,
)
_OWN_FILES = (15,)
_BARE_DEFAULT = (14,)
_VARIABLE = re.compile(r"(?<!\\)\$\{([A-Za-z0-9_]+)(:-[^\}:]*)?\}")
_SPECIALS = frozenset({"__call__"})
_UNSET = Opaque((), "a variable that is not set")
_ERROR = exception("EnvError", "ValueError")
_INVALID = exception("EnvValidationError", _ERROR)


def _construct(call: Call, instance: Instance) -> None:
    slots = instance.slots
    store = call.run.store
    store(slots, "<environ>", Mapped({}))
    store(slots, "<prefix>", call.keywords.get("prefix", known("")))
    store(slots, "<eager>", call.keywords.get("eager", known(value=True)))
    store(slots, "<expand>", call.keywords.get("expand_vars", known(value=False)))
    store(slots, "<suffix>", call.keywords.get("file_suffix", known("_FILE")))
    store(slots, "<strip>", call.keywords.get("strip_whitespace", known(value=False)))
    store(slots, "<failed>", known(value=False))


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    parser = instance.slots.get(f"<parser {name}>")
    if parser is not None:
        return Native(f"env.{name}", lambda call: _custom(call, instance, parser))
    if name in _CASTS:
        return Native(f"env.{name}", lambda call: _typed(call, instance, name))
    if name in _METHODS:
        return Native(f"env.{name}", lambda call: _METHODS[name](call, instance))
    return None


def _read_env(call: Call, instance: Instance | None) -> Value:
    """Env.read_env: a file, from a folder upwards unless `recurse` is off."""
    run = call.run
    recurse = flag(call, 1, "recurse", default=True)
    override = flag(call, 3, "override", default=False)
    content = _found(call, given(call, 0, "path"), recurse)
    if override is Answer.UNKNOWN:
        content = Unread(Missing(Reason.SOURCE, "whether a .env file overrides the environment"))
    version = release(run, "environs")
    if version is None:
        version = _either(call, content, override)
    if version < _OWN_FILES or instance is None:
        take_file(call, content, override=override is not Answer.NO)
    else:
        _keep(call, instance, content, override=override is not Answer.NO)
    return known(isinstance(content, Content))


def _either(call: Call, content: Content | Absent | Unread, override: Answer) -> tuple[int, ...]:
    """Without a version: what a file sets may be in the environment, or may not."""
    if isinstance(content, Content):
        missing = Missing(Reason.VERSION, "the installed version of environs")
        for name in environment(call.run, content).entries:
            if name not in call.run.environ.slots or override is not Answer.NO:
                call.run.store(
                    call.run.environ.slots, name, Opaque((missing,), name, harmless=True)
                )
    return _OWN_FILES


def _found(call: Call, path: Value | None, recurse: Answer) -> Content | Absent | Unread:
    run = call.run
    if path is None:
        start = calling_folder(run)
        place = None if start is None else posixpath.join(start, ".env")
    else:
        text = text_of(path)
        place = None if text is None else absolute(run, text)
    if place is None or recurse is Answer.UNKNOWN:
        return Unread(Missing(Reason.FILE, "which .env file is read"))
    kind = run.files.stat(place)
    if path is not None and isinstance(kind, Stat) and kind.kind is FileKind.DIRECTORY:
        raise raising(call, "ValueError", f"{place} is a folder")
    if recurse is Answer.NO:
        return run.files.read(place)
    folder, name = posixpath.split(place)
    if isinstance(run.files.stat(folder), Absent):
        raise raising(call, "OSError", f"{folder} is not there")
    return upwards(run, folder, (name,))


def _keep(
    call: Call, instance: Instance, content: Content | Absent | Unread, *, override: bool
) -> None:
    own = instance.slots["<environ>"]
    if not isinstance(own, Mapped):
        return
    match content:
        case Absent():
            return
        case Unread(missing=missing):
            hidden = Mapped({}, Opaque((missing,), "a .env file", harmless=True))
            made = laid_over(own, hidden) if override else laid_over(hidden, own)
            call.run.store(instance.slots, "<environ>", made)
        case Content():
            for name, value in values(environment(call.run, content, override=True)).items():
                if override or name not in own.slots:
                    call.run.store(own.slots, name, value)


def _lookup(call: Call, instance: Instance, name: str) -> Value:
    """Env._get_value: the environment, then what was read; `_UNSET` where neither has it."""
    value = environment_value(call.run, known(name), _UNSET)
    own = instance.slots.get("<environ>")
    if value is not _UNSET or not isinstance(own, Mapped):
        return value
    return own.slots.get(name, own.rest or _UNSET)


def _raw(call: Call, instance: Instance, key: Value | None) -> Value:
    """Return the text of a variable under the prefix of this moment, `_UNSET` without one."""
    text, prefix = text_of(key), text_of(instance.slots.get("<prefix>"))
    if text is None or (prefix is None and not none(instance.slots.get("<prefix>"))):
        return derived("a variable", *((key,) if key is not None else ()))
    name = f"{prefix or ''}{text}"
    if instance.native is not None and instance.native.name == _FILE_AWARE:
        from_file = _of_file(call, instance, name)
        if from_file is not _UNSET:
            return from_file
    value = _lookup(call, instance, name)
    expands = instance.slots.get("<expand>")
    if isinstance(value, Known) and isinstance(expands, Known) and expands.value:
        return _expanded(call, instance, value)
    return value


def _of_file(call: Call, instance: Instance, name: str) -> Value:
    """FileAwareEnv: NAME_FILE names a file that holds the value."""
    path = _lookup(call, instance, f"{name}{text_of(instance.slots.get('<suffix>')) or '_FILE'}")
    if path is _UNSET or (isinstance(path, Known) and not path.value):
        return _UNSET
    place = text_of(path)
    content = call.run.files.read(absolute(call.run, place) or "/") if place else None
    match content:
        case Absent():
            raise raising(call, "ValueError", f"{place} is not there")
        case Content():
            text = decoded(content)
            strips = instance.slots.get("<strip>")
            if text is not None and isinstance(strips, Known):
                return known(text.strip() if strips.value else text)
        case _:
            pass
    return derived(name, path) if isinstance(path, Opaque) else harmless(f"the file of {name}")


def _expanded(call: Call, instance: Instance, value: Known, depth: int = 0) -> Value:
    """Env._expand_vars: `${NAME}` and `${NAME:-default}`."""
    pieces: list[str] = []
    position = 0
    text = str(value.value)
    for match in _VARIABLE.finditer(text):
        found = _lookup(call, instance, match[1])
        if found is _UNSET:
            if match[2] is None:
                return _UNSET
            found = known(match[2].removeprefix(":-"))
        if depth < _DEEPEST and isinstance(found, Known):
            found = _expanded(call, instance, found, depth + 1)
        if not isinstance(found, Known):
            return found
        pieces += [text[position : match.start()], str(found.value)]
        position = match.end()
    pieces.append(text[position:])
    made = "".join(pieces)
    if len(made) > _LONGEST or depth >= _DEEPEST:
        return harmless("a variable that others make too long")
    return known(made.replace(r"\$", "$"), *value.trail)


_DEEPEST = 8
_LONGEST = 20_000


def _default(call: Call) -> Value | None:
    for name in ("default", "missing", "load_default"):
        found = call.argument(1 if name == "default" else None, name)
        if found is not None:
            return found
    return None


def _typed(call: Call, instance: Instance, kind: str) -> Value:
    value, default = _raw(call, instance, call.argument(0, "name")), _default(call)
    if value is not _UNSET:
        return _cast(call, instance, kind, value)
    if default is None:
        return _fail(call, instance, _ERROR, "a variable is not set and has no default")
    version = release(call.run, "environs")
    if (version is None or version >= _BARE_DEFAULT) or none(default):
        return default
    return _cast(call, instance, kind, default)


def _cast(call: Call, instance: Instance, kind: str, value: Value) -> Value:
    if not isinstance(value, Known):
        return value if kind in {"list", "dict"} else derived(f"env.{kind}()", value)
    try:
        return _CASTS[kind](call, value)
    except ValueError:
        note = f"a variable is not what env.{kind}() reads"
        return _fail(call, instance, _INVALID, note)


def _fail(call: Call, instance: Instance, error: Class, note: str) -> Value:
    """Raise at once where the reader is eager, else when it is sealed."""
    if none(instance.slots.get("<eager>")) or _true(instance.slots.get("<eager>")):
        raise raising(call, error, note)
    call.run.store(instance.slots, "<failed>", known(value=True))
    return known(None)


def _true(value: Value | None) -> bool:
    return not isinstance(value, Known) or bool(value.value)


def _custom(call: Call, instance: Instance, parser: Value) -> Value:
    value, default = _raw(call, instance, call.argument(0, "name")), call.argument(1, "default")
    if value is _UNSET:
        if default is None:
            return _fail(call, instance, _ERROR, "a variable is not set and has no default")
        value = default
    others = {name: entry for name, entry in call.keywords.items() if name != "default"}
    return call.run.call(parser, (value,), others, call.location)


def _boolean(_call: Call, value: Known) -> Value:
    if value.value in {0, 1} and not isinstance(value.value, str):
        return known(bool(value.value), *value.trail)
    word = _BOOLEAN(value.value) if isinstance(value.value, str) else None
    if word is None:
        raise ValueError
    return known(word, *value.trail)


def _number(kind: Callable[[str], object]) -> Callable[[Call, Known], Value]:
    def cast(_call: Call, value: Known) -> Value:
        return known(kind(value.value), *value.trail)

    return cast


def _text(_call: Call, value: Known) -> Value:
    return value


def _list(call: Call, value: Known) -> Value:
    if not isinstance(value.value, str):
        return value
    delimiter = text_of(call.keywords.get("delimiter", known(","))) or ","
    subcast = call.argument(2, "subcast")
    parts = value.value.split(delimiter) if value.value else []
    return Items({"items": tuple(_part(call, subcast, part, value) for part in parts)})


def _part(call: Call, cast: Value | None, text: str, whole: Known) -> Value:
    value = known(text, *whole.trail)
    if none(cast) or cast is None:
        return value
    if isinstance(cast, Native) and cast.name == "bool":
        return _boolean(call, value)
    try:
        return call.run.call(cast, (value,), {}, call.location)
    except RaiseSignal:
        raise ValueError from None


def _dict(call: Call, value: Known) -> Value:
    if not isinstance(value.value, str):
        return value
    keywords = call.keywords
    keys = keywords.get("subcast_keys", keywords.get("subcast_key"))
    entries = keywords.get("subcast_values", call.argument(2, "subcast"))
    delimiter = text_of(keywords.get("delimiter", known(","))) or ","
    between = text_of(keywords.get("key_value_delimiter", known("="))) or "="
    slots: dict[object, Value] = {}
    for part in value.value.split(delimiter) if value.value else ():
        key, mark, entry = part.partition(between)
        if not mark:
            raise ValueError
        name = _part(call, keys, key.strip(), value)
        if not isinstance(name, Known):
            return derived("env.dict()", name)
        slots[name.value] = _part(call, entries, entry.strip(), value)
    return Mapped(slots)


def _json(_call: Call, value: Known) -> Value:
    if not isinstance(value.value, str):
        return value
    try:
        return lift(json.loads(value.value), value.trail)
    except RecursionError:
        raise ValueError from None


def _object(_call: Call, value: Known) -> Value:
    return Opaque(
        (Missing(Reason.PROGRAM, "an object that environs makes of a variable"),),
        "an object",
        harmless=True,
        trail=trail_of(value),
    )


_CASTS: dict[str, Callable[[Call, Known], Value]] = {
    "__call__": _text,
    "str": _text,
    "bool": _boolean,
    "int": _number(int),
    "float": _number(float),
    "list": _list,
    "dict": _dict,
    "json": _json,
    **dict.fromkeys(
        (
            "decimal", "datetime", "date", "time", "timedelta", "path", "log_level", "uuid",
            "url", "enum", "dj_db_url", "dj_email_url", "dj_cache_url",
        ),
        _object,
    ),
}  # fmt: skip


def _prefixed(call: Call, instance: Instance) -> Value:
    prefix = call.argument(0, "prefix") or known("")
    return Instance(None, _PREFIXED, {"<env>": instance, "<new>": prefix})


def _prefix_attribute(_run: Interpreter, context: Instance, name: str) -> Value | None:
    if name not in {"__enter__", "__exit__"}:
        return None
    return Native(f"env.prefixed.{name}", lambda call: _switch(call, context, name))


def _switch(call: Call, context: Instance, name: str) -> Value:
    """Put the prefix after the one of this moment, or take it off again."""
    env = context.slots["<env>"]
    if not isinstance(env, Instance):
        return known(None)
    store = call.run.store
    if name == "__exit__":
        store(env.slots, "<prefix>", context.slots.get("<old>", known("")))
        return known(None)
    old = env.slots.get("<prefix>", known(""))
    new = context.slots["<new>"]
    store(context.slots, "<old>", old)
    first, second = "" if none(old) else text_of(old), text_of(new)
    whole = (
        derived("a prefix", old, new) if first is None or second is None else known(first + second)
    )
    store(env.slots, "<prefix>", whole)
    return env


def _seal(call: Call, instance: Instance) -> Value:
    if instance.slots.get("<failed>") != known(value=False):
        raise raising(call, _INVALID, "variables are missing or not what they should be")
    return known(None)


def _add_parser(call: Call, instance: Instance) -> Value:
    name, function = text_of(call.argument(0, "name")), call.argument(1, "func")
    if name is not None and function is not None:
        call.run.store(instance.slots, f"<parser {name}>", function)
    return known(None)


def _parser_for(call: Call, instance: Instance) -> Value:
    name = text_of(call.argument(0, "name"))

    def decorate(later: Call) -> Value:
        if name is not None:
            later.run.store(instance.slots, f"<parser {name}>", later.arguments[0])
        return later.arguments[0]

    return Native("env.parser_for", decorate)


_METHODS: dict[str, Callable[[Call, Instance], Value]] = {
    "read_env": _read_env,
    "prefixed": _prefixed,
    "seal": _seal,
    "add_parser": _add_parser,
    "parser_for": _parser_for,
    "dump": lambda _call, _instance: harmless("env.dump()"),
}

_FILE_AWARE = "environs.FileAwareEnv"
_PREFIXED = Native(
    "env.prefixed",
    attribute=_prefix_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _env(name: str) -> Native:
    return Native(
        name,
        construct=_construct,
        attribute=_attribute,
        specials=_SPECIALS,
        members={"read_env": Native("Env.read_env", lambda call: _read_env(call, None))},
    )


def slots(_run: Interpreter, _name: str) -> dict[str, Value]:
    """Return the names of the module; its env is one object for each program."""
    env = _env("environs.Env")
    plain = known(value=False)
    single = Instance(
        None,
        env,
        {"<environ>": Mapped({}), "<prefix>": known(""), "<expand>": plain, "<failed>": plain},
    )
    return {
        "EnvError": _ERROR,
        "EnvValidationError": _INVALID,
        "Env": env,
        "FileAwareEnv": _env(_FILE_AWARE),
        "env": single,
    }
