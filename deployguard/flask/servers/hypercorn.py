"""hypercorn (hypercorn.__main__, hypercorn.config, hypercorn.utils.load_application)."""

import posixpath
import tomllib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.interfaces import unanswered_by_asgi
from deployguard.flask.servers.loading import Style, loaded, named, new_module
from deployguard.flask.servers.places import at, bound
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import Words, read, syntax
from deployguard.flask.servers.worlds import first_on_path, text_of
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason, Traced
from deployguard.model.facts import Listener
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.python import Instance, Interpreter, Items, Known, Module, Opaque, Value, known
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute

_SYNTAX = syntax(
    values="""
    --access-log --access-logfile --access-logformat --backlog -b|--bind --ca-certs --certfile
    --cert-reqs --ciphers -c|--config --error-log --error-logfile|--log-file --graceful-timeout
    --read-timeout --max-requests --max-requests-jitter -g|--group -k|--worker-class --keep-alive
    --keyfile --keyfile-password --insecure-bind --log-config --log-level -p|--pid --quic-bind
    --root-path --server-name --statsd-host --statsd-prefix -m|--umask -u|--user --verify-mode
    --websocket-ping-interval -w|--workers
    """,
    flags="-D|--daemon --debug --reload -h|--help",
)
_PORT = 8000


class _Configuration(Struct):
    """The settings of a configuration file; `hidden` stands for those that were not seen."""

    slots: Mapping[Any, Value] = field(default_factory=dict)
    hidden: Opaque | None = None

    def value(self, name: str) -> Value | None:
        return self.slots.get(name, self.hidden)


def judge(setting: Setting) -> Judged:
    """Return what hypercorn does with its words, under one stack."""
    words = read(setting.program.args, _SYNTAX)
    if words.unseen:
        return not_told(setting, "hypercorn", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help")
    if stop is not None:
        return ends(setting, stop.location, "hypercorn prints its help and ends")
    if len(words.arguments) != 1:
        return ends(setting, setting.program.location, "hypercorn wants one application, and ends")
    name = words.arguments[0]
    if name.value is None:
        return not_told(setting, "hypercorn", name.missing)
    text, mode = name.value, None
    if text.count(":") > 1:
        mode, _, text = text.partition(":")
        if mode not in {"asgi", "wsgi"}:
            return ends(setting, name.location, f"hypercorn knows no mode {mode}, and ends")
    configuration = _Configuration()

    def load(run: Interpreter) -> Value:
        _configure(run, words, configuration, setting.program.location)
        return _application(run, text, name.location)

    imported = loaded(setting, load)
    unanswered = None
    if mode == "asgi":
        unanswered = unanswered_by_asgi(imported.application, name.location, "hypercorn as asgi")
    return served(
        setting,
        "hypercorn",
        _behaviour(words, configuration),
        imported,
        listeners(words.all("bind"), configuration.value("bind"), setting.program.location),
        place=name.location,
        unanswered=unanswered,
    )


def _behaviour(words: Words, configuration: _Configuration) -> Behaviour:
    """Say how a reloader ends: what it starts again is a process of multiprocessing.

    Its sockets are bound by then, but nothing listens there before the application is loaded.
    """
    workers = words.last("workers")
    inline = configuration.value("workers") is not None or (
        workers is not None and workers.value == "0"
    )
    if inline:
        return Behaviour(binds_first=False)
    lost = "its reloader starts a process of multiprocessing once more, and both end"
    return Behaviour(binds_first=False, restarts=Answer.NO, lost=lost, dies=True)


def _configure(
    run: Interpreter, words: Words, configuration: _Configuration, place: Location
) -> None:
    """hypercorn.__main__._load_config: python:MODULE, file:PATH, else a file in TOML."""
    word = words.last("config")
    if word is None:
        return
    text = word.value
    if text is None:
        configuration.hidden = run.unseen_import("the configuration", word.missing, place)
    elif text.startswith("python:"):
        _from_object(run, text.removeprefix("python:"), word.location, configuration)
    else:
        _from_file(run, word, text, configuration)


def _from_object(
    run: Interpreter, text: str, place: Location, configuration: _Configuration
) -> None:
    """Config.from_object: a module, else an object in one."""
    try:
        value = run.import_module(text, place)
    except RaiseSignal:
        head, _, leaf = text.rpartition(".")
        if not head:
            raise
        value = run.attribute(run.import_module(head, place), leaf, place)
    if isinstance(value, Module | Instance) and getattr(value, "rest", None) is None:
        configuration.slots = value.slots
    else:
        missing = Missing(Reason.SOURCE, "the configuration of hypercorn")
        configuration.hidden = run.unseen_import("the configuration", (missing,), place)


def _from_file(run: Interpreter, word: Word, text: str, configuration: _Configuration) -> None:
    source = text.startswith("file:")
    path = absolute(run, text.removeprefix("file:"))
    place = word.location
    match run.files.read(path) if path is not None else Unread(_folder()):
        case Absent():
            raise RaiseSignal("FileNotFoundError", Evidence(place, f"{text} is not there"))
        case Unread(missing=missing):
            configuration.hidden = run.unseen_import("the configuration", (missing,), place)
        case Content() as content if source:
            module = new_module(content.location, "module.name")
            configuration.slots = module.slots
            run.execute_text(content.data, module)
        case Content(data=data, location=location):
            configuration.slots = _toml(data, location)


def _folder() -> Missing:
    return Missing(Reason.IMAGE, "the working directory")


def _toml(data: bytes, place: Location) -> dict[Any, Value]:
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RaiseSignal("TOMLDecodeError", Evidence(place, f"it is no TOML: {error}")) from None
    found: dict[Any, Value] = {}
    for name, value in values.items():
        note = Evidence(place, f"{name} is set here")
        if isinstance(value, list):
            found[name] = Items({"items": tuple(known(entry, note) for entry in value)})
        else:
            found[name] = known(value, note)
    return found


def _application(run: Interpreter, text: str, place: Location) -> Value:
    """load_application: the module may be a path; its folder comes first on sys.path."""
    name, colon, attribute = text.partition(":")
    path = absolute(run, name)
    if path is None:
        return run.unseen_import(name, (_folder(),), place)
    first_on_path(run, posixpath.dirname(path))
    leaf = posixpath.basename(path)
    if not isinstance(run.files.stat(path), Absent | Unread):
        leaf = posixpath.splitext(leaf)[0] if leaf.endswith(".py") else leaf
    return named(run, f"{leaf}:{attribute if colon else 'app'}", "app", Style.EXPRESSION, place)


def listeners(
    words: tuple[Word, ...], value: Value | None, place: Location
) -> tuple[Listener, ...]:
    """Return where hypercorn listens: the words, else the setting `bind`, else loopback."""
    if words:
        return tuple(bound(word, _PORT) for word in words)
    if value is None:
        return (at("127.0.0.1", _PORT, place, default=True),)
    items = value.items if isinstance(value, Items) else (value,)
    return tuple(bound(_word(item, place), _PORT) for item in items)


def _word(item: Value, place: Location) -> Word:
    trail = item.trail if isinstance(item, Known) else ()
    missing = item.missing if isinstance(item, Opaque) else ()
    return Traced(text_of(item), trail[-1].location if trail else place, missing=missing)
