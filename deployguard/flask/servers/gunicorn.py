"""gunicorn: its settings in their order, its hooks, and the application that its workers load.

gunicorn.app.base.Application: defaults, the configuration file, GUNICORN_CMD_ARGS, the words; each
replaces the one before. gunicorn.arbiter.Arbiter and gunicorn.workers.base.Worker: the order in
which hooks run and the application is loaded, all in one process and its forks.
"""

import contextlib
import shlex
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.servers import paste
from deployguard.flask.servers.interfaces import unanswered_by_asgi
from deployguard.flask.servers.loading import Style, loaded, named, new_module
from deployguard.flask.servers.places import EVERYWHERE, at, bound
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served, silent
from deployguard.flask.servers.words import Words, read, syntax
from deployguard.flask.servers.worlds import (
    first_on_path,
    given,
    hide_variables,
    set_variable,
    text_of,
)
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason, Traced
from deployguard.model.facts import Listener
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.python import (
    Call,
    Class,
    Ending,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import Frame
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.standard import absolute
from deployguard.python.values import truth

# gunicorn.config, every setting with a `cli`; the releases from 19 to 27.
SYNTAX = syntax(
    values="""
    -c|--config -b|--bind --backlog -w|--workers -k|--worker-class --threads --worker-connections
    --max-requests --max-requests-jitter -t|--timeout --graceful-timeout --keep-alive
    --limit-request-line --limit-request-fields --limit-request-field_size --reload-engine
    --reload-extra-file --chdir -e|--env -p|--pid --worker-tmp-dir -u|--user -g|--group -m|--umask
    --forwarded-allow-ips --access-logfile --access-logformat --error-logfile|--log-file
    --log-level --logger-class --log-config --log-config-dict --log-config-json --log-syslog-to
    --log-syslog-prefix --log-syslog-facility --statsd-host --dogstatsd-tags --statsd-prefix
    -n|--name --pythonpath --paste|--paster --paste-global --proxy-allow-from --protocol
    --uwsgi-allow-from --keyfile
    --certfile --ssl-version --cert-reqs --ca-certs --ciphers --http-protocols --http2-cleartext
    --http2-max-concurrent-streams --http2-initial-window-size --http2-max-frame-size
    --http2-max-header-list-size --forwarder-headers --header-map --asgi-loop --asgi-lifespan
    --asgi-disconnect-grace-period --websocket-max-message-size --http-parser --root-path
    --dirty-app --dirty-workers --dirty-timeout --dirty-threads --dirty-graceful-timeout
    --control-socket --control-socket-mode
    """,
    flags="""
    --reload --spew --check-config --print-config --preload --no-sendfile --reuse-port -D|--daemon
    --initgroups --disable-redirect-access-to-syslog --capture-output --log-syslog
    -R|--enable-stdio-inheritance --enable-backlog-metric --suppress-ragged-eofs
    --do-handshake-on-connect --permit-obsolete-folding --strip-header-spaces
    --permit-unconventional-http-method --permit-unconventional-http-version
    --casefold-http-method --no-control-socket -h|--help -v|--version
    """,
    maybe="--proxy-protocol",
)
# The option of the command that holds a setting of the configuration.
_OPTIONS = {
    "bind": "bind", "raw_env": "env", "chdir": "chdir", "pythonpath": "pythonpath",
    "preload_app": "preload", "reuse_port": "reuse-port", "worker_class": "worker-class",
    "paste": "paste", "check_config": "check-config", "print_config": "print-config",
    "logger_class": "logger-class",
}  # fmt: skip
_SEVERAL = frozenset({"bind", "raw_env"})
_WORKERS = frozenset({"sync", "gthread", "gevent", "gevent_wsgi", "gevent_pywsgi", "eventlet",
                      "tornado", "asgi"})  # fmt: skip
_WORKER_LIBRARIES = ("gunicorn.", "egg:gunicorn#", "egg:meinheld#", "meinheld.", "uvicorn.",
                     "uvicorn_worker.", "aiohttp.", "geventwebsocket.", "geventwebsocket",
                     "egg:gevent", "bjoern")  # fmt: skip


class Launch(Struct):
    """One start of gunicorn, as far as it has come.

    `configuration` holds the settings of the configuration file, `hidden` stands for those that
    were not seen. `port` is the variable PORT, `bound` is true once its own port is bound.
    """

    place: Location
    port: Word | None = None
    words: Words = field(default_factory=Words)
    below: Words = field(default_factory=Words)
    configuration: Mapping[Any, Value] = field(default_factory=dict)
    hidden: Opaque | None = None
    bound: bool = False

    def value(self, name: str) -> Value | None:
        """Return a setting, the strongest that is given; None for its default."""
        key = _OPTIONS.get(name)
        for words in (self.words, self.below):
            found = words.all(key) if key is not None else ()
            if found and name in _SEVERAL:
                return Items({"items": tuple(given(word) for word in found)})
            if found and key is not None and _is_flag(key):
                return known(value=True)
            if found:
                return given(found[-1])
        return self.configuration.get(name, self.hidden)


def _is_flag(key: str) -> bool:
    return key in {"preload", "reuse-port", "check-config", "print-config"}


def judge(setting: Setting) -> Judged:
    """Return what gunicorn does with its words, under one stack."""
    launch = Launch(setting.program.location, setting.environment.get("PORT"))
    launch.words = read(setting.program.args, SYNTAX)
    variable = setting.environment.get("GUNICORN_CMD_ARGS")
    if variable is not None:
        if variable.value is None:
            return not_told(setting, "gunicorn", variable.missing)
        try:
            extra = shlex.split(variable.value)
        except ValueError:
            return ends(
                setting, variable.location, "GUNICORN_CMD_ARGS cannot be read, so gunicorn ends"
            )
        launch.below = read([Traced(text, variable.location) for text in extra], SYNTAX)
    for words in (launch.words, launch.below):
        if words.unseen:
            return not_told(setting, "gunicorn", words.unseen)
        if words.refused is not None:
            return refused(setting, words.refused)
        stop = words.last("help", "version")
        if stop is not None:
            return ends(setting, stop.location, f"gunicorn {stop.value} prints and ends")
    return _judged(launch, setting)


def _judged(launch: Launch, setting: Setting) -> Judged:
    imported = loaded(setting, lambda run: start(launch, run))
    found = places(launch)
    if isinstance(found, Evidence):
        return refused(setting, found)
    application = launch.words.arguments[0] if launch.words.arguments else None
    outcome = imported.outcome
    if launch.bound and outcome.ending is Ending.EXIT and not outcome.effects:
        note = f"its workers end while they load the application ({outcome.note.note})"
        return silent(setting, "gunicorn", found, replace(outcome.note, note=note))
    return served(
        setting,
        "gunicorn",
        behaviour(launch, found),
        imported,
        found,
        place=application.location if application is not None else None,
        unanswered=unanswered(launch, imported.application),
    )


def behaviour(launch: Launch, listeners: tuple[Listener, ...]) -> Behaviour:
    """Say how a reloader ends inside a worker: it starts gunicorn again, on the same address.

    The second one comes up where it may bind that once more: a socket of a path is replaced, and
    reuse_port lets several bind. Otherwise it gives up after five attempts, as observed.
    """
    if not launch.bound:
        return Behaviour(binds_first=False)
    reuse = truth(launch.value("reuse_port") or known(value=False))
    again = [
        item.address is not None and (item.address.startswith("unix:") or item.port == 0)
        for item in listeners
    ]
    if reuse is Answer.YES or all(again):
        return Behaviour(binds_first=True)
    if reuse is Answer.UNKNOWN or any(again) or any(item.address is None for item in listeners):
        return Behaviour(binds_first=True, restarts=Answer.UNKNOWN)
    lost = "its reloader starts gunicorn once more, whose address is in use, so nothing answers"
    return Behaviour(binds_first=True, restarts=Answer.NO, lost=lost)


def unanswered(launch: Launch, application: Value | None) -> Evidence | None:
    """Return why no request reaches an application, where the worker class speaks ASGI."""
    worker = text_of(launch.value("worker_class"))
    if worker is None or not ("uvicorn" in worker.lower() or worker == "asgi"):
        return None
    return unanswered_by_asgi(application, launch.place, f"the worker class {worker}")


def start(launch: Launch, run: Interpreter) -> Value:
    """Run what gunicorn runs until its worker serves; return what that passes requests to."""
    _enter(launch, run, run.cwd)
    _configure(launch, run)
    folder = launch.value("chdir")
    if folder is not None:
        path = text_of(folder)
        _enter(launch, run, None if path is None else absolute(run, path))
    text = application_text(launch, run)
    for entry in _listed(launch.value("pythonpath")):
        place = absolute(run, entry)
        if place is not None:
            first_on_path(run, place)
    return work(launch, run, lambda: _application(launch, run, text))


def _enter(launch: Launch, run: Interpreter, folder: str | None) -> None:
    """Application.chdir: the folder becomes the current one and comes first on sys.path."""
    if folder is None:
        run.unseen_import("the application", (_folder(),), launch.place)
        return
    if isinstance(run.files.stat(folder), Absent):
        note = Evidence(launch.place, f"there is no folder {folder}")
        raise RaiseSignal("ConfigError", note)
    run.cwd = folder
    first_on_path(run, folder)


def _folder() -> Missing:
    return Missing(Reason.IMAGE, "the folder that gunicorn works in")


def _listed(value: Value | None) -> tuple[str, ...]:
    text = text_of(value)
    return tuple(text.split(",")) if text else ()


def _configure(launch: Launch, run: Interpreter) -> None:
    """Evaluate the file of -c, else ./gunicorn.conf.py (Application.load_config)."""
    word = launch.words.last("config") or launch.below.last("config")
    path = word.value if word is not None else "gunicorn.conf.py"
    place = word.location if word is not None else launch.place
    if path is None:
        _hide(launch, run, word.missing if word is not None else ())
        return
    if path.startswith("python:"):
        module = run.import_module(path.removeprefix("python:"), place)
        if isinstance(module, Module) and module.rest is None:
            launch.configuration = module.slots
        else:
            _hide(launch, run, ())
        return
    file = absolute(run, path.removeprefix("file:"))
    match run.files.read(file) if file is not None else Unread(_folder()):
        case Absent() if word is not None:
            raise RaiseSignal("RuntimeError", Evidence(place, f"{path} does not exist"))
        case Absent():
            return
        case Unread(missing=missing):
            _hide(launch, run, (missing,))
        case Content() as content:
            module = new_module(content.location, "__config__")
            launch.configuration = module.slots
            run.execute_text(content.data, module)


def _hide(launch: Launch, run: Interpreter, missing: tuple[Missing, ...]) -> None:
    names = missing or (Missing(Reason.SOURCE, "the configuration of gunicorn"),)
    launch.hidden = run.unseen_import("the configuration of gunicorn", names, launch.place)


def application_text(launch: Launch, run: Interpreter) -> str | None:
    """Return what names the application: the first argument, else wsgi_app of the configuration."""
    if launch.words.arguments:
        return launch.words.arguments[0].value
    value = launch.value("wsgi_app")
    if launch.value("paste") is not None:
        return None
    if value is None:
        note = Evidence(launch.place, "gunicorn is given no application")
        raise RaiseSignal("ConfigError", note)
    text = text_of(value)
    if text is None:
        run.unseen("what wsgi_app names", launch.place)
    return text


def _application(launch: Launch, run: Interpreter, text: str | None) -> Value:
    """WSGIApplication.load."""
    ini = launch.value("paste")
    if ini is not None:
        return paste.application(run, text_of(ini), launch.place)
    if text is None:
        return Opaque((Missing(Reason.SOURCE, "which application gunicorn loads"),), "app")
    return named(run, text, "application", Style.CALL, launch.place)


def work(launch: Launch, run: Interpreter, load: Any) -> Value:  # noqa: ANN401  (a callback)
    """Run the arbiter and one worker (Arbiter.setup, start, spawn_worker, Worker.init_process)."""
    application = _application_object(run, load, launch.place)
    server = Instance(None, _SERVER, {"app": application})
    worker = Instance(None, _WORKER, {"app": application})
    _worker_class(launch, run)
    _variables(launch, run)
    preload = truth(launch.value("preload_app") or known(value=False))
    stops = any(
        truth(launch.value(name) or known(value=False)) is Answer.YES
        for name in ("check_config", "print_config")
    )
    if preload is not Answer.NO or stops:
        run.call(application.slots["wsgi"], (), {}, launch.place)
    if stops:
        note = Evidence(launch.place, "gunicorn checks or prints its configuration and ends")
        raise ExitSignal(note)
    _hook(launch, run, "on_starting", server)
    launch.bound = True
    _hook(launch, run, "when_ready", server)
    _hook(launch, run, "pre_fork", server, worker)
    _hook(launch, run, "post_fork", server, worker)
    _variables(launch, run)
    run.store(worker.slots, "wsgi", run.call(application.slots["wsgi"], (), {}, launch.place))
    _hook(launch, run, "post_worker_init", worker)
    # Every request runs this one before the application is asked.
    _hook(launch, run, "pre_request", worker, harmless("gunicorn.http.message.Request"))
    for name, arguments in _later(server, worker):
        _perhaps(launch, run, name, arguments)
    _logger_class(launch, run)
    passed: Value = worker.slots["wsgi"]
    return passed


def _application_object(run: Interpreter, load: Any, place: Location) -> Instance:  # noqa: ANN401
    """BaseApplication with its method wsgi(), which loads once and keeps what it loaded."""
    made = Instance(None, _APPLICATION, {"callable": known(None)})

    def wsgi(_call: Call) -> Value:
        held: Value = made.slots["callable"]
        if isinstance(held, Known) and held.value is None:
            held = load()
            if isinstance(held, Known):
                note = Evidence(place, "what is named is no application")
                raise RaiseSignal("AppImportError", note)
            run.store(made.slots, "callable", held)
        return held

    made.slots["wsgi"] = Native("gunicorn.app.base.BaseApplication.wsgi", wsgi)
    return made


def _attributes(name: str) -> Native:
    def attribute(_run: object, _instance: Instance, identifier: str) -> Value:
        return harmless(f"{name}.{identifier}")

    return Native(name, attribute=attribute)


_APPLICATION = _attributes("gunicorn.app.base.Application")
_SERVER = _attributes("gunicorn.arbiter.Arbiter")
_WORKER = _attributes("gunicorn.workers.base.Worker")


def _hook(launch: Launch, run: Interpreter, name: str, *arguments: Value) -> None:
    hook = launch.configuration.get(name)
    if hook is not None and not isinstance(hook, Known):
        run.call(hook, arguments, {}, launch.place)


def _later(server: Value, worker: Value) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    """Return the hooks that run only when something happens, with what they are handed."""
    request, other = harmless("a request"), harmless("a number")
    return (
        ("post_request", (worker, request, harmless("environ"), harmless("a response"))),
        ("worker_int", (worker,)),
        ("worker_abort", (worker,)),
        ("child_exit", (server, worker)),
        ("worker_exit", (server, worker)),
        ("nworkers_changed", (server, other, other)),
        ("on_reload", (server,)),
        ("pre_exec", (server,)),
        ("on_exit", (server,)),
        ("ssl_context", (harmless("gunicorn.config.Config"), harmless("default_factory"))),
    )


def _perhaps(launch: Launch, run: Interpreter, name: str, arguments: tuple[Value, ...]) -> None:
    """Run a hook that may be called: what it leaves behind is open."""
    hook = launch.configuration.get(name)
    if not isinstance(hook, Function | Opaque):
        return
    if name == "post_request" and isinstance(hook, Function):
        # Config.post_request: it may take two, three or four of them.
        arguments = arguments[: len(hook.node.args.args)]
    condition = (Missing(Reason.PROGRAM, f"whether gunicorn calls {name}"),)
    frame = Frame((), run.current or Module("?", {}))

    def call() -> None:
        with contextlib.suppress(RaiseSignal):
            _hook(launch, run, name, *arguments)

    run.branch(frame, condition, (call, lambda: None))
    del run.conditions[len(run.conditions) - frame.early :]


def _variables(launch: Launch, run: Interpreter) -> None:
    """Config.env: every "NAME=value" of raw_env."""
    raw = launch.value("raw_env")
    if raw is None:
        return
    for item in raw.items if isinstance(raw, Items) else (raw,):
        text = text_of(item)
        name, equals, value = (text or "").partition("=")
        if equals:
            trail = item.trail if isinstance(item, Known) else ()
            note = Evidence(trail[-1].location if trail else launch.place, f"{name} is set here")
            set_variable(run, name, known(value, note))
        elif text is None:
            missing = item.missing if isinstance(item, Opaque) else ()
            hide_variables(run, missing or (Missing(Reason.SOURCE, "raw_env of gunicorn"),))


def _worker_class(launch: Launch, run: Interpreter) -> None:
    """Record that a worker class that is not of a known library may do anything."""
    value = launch.value("worker_class")
    text = text_of(value)
    known_one = value is None or (
        text is not None and (text in _WORKERS or text.startswith(_WORKER_LIBRARIES))
    )
    if not known_one:
        run.unseen(f"what the worker class {text or 'of gunicorn'} does", launch.place)


def _logger_class(launch: Launch, run: Interpreter) -> None:
    value = launch.value("logger_class")
    if isinstance(value, Class):
        made = run.call(value, (harmless("gunicorn.config.Config"),), {}, launch.place)
        for name, method in value.slots.items():
            if isinstance(method, Function):
                condition = Missing(Reason.PROGRAM, f"whether gunicorn calls {name}")
                run.perhaps(run.attribute(made, name, launch.place), launch.place, condition)
    elif value is not None and not (text_of(value) or "").startswith("gunicorn."):
        run.unseen("what the logger class of gunicorn does", launch.place)


def places(launch: Launch) -> tuple[Listener, ...] | Evidence:
    """gunicorn.config.Bind: what is given, else every address at $PORT, else loopback."""
    value = launch.value("bind")
    if value is None:
        return _default(launch)
    items = value.items if isinstance(value, Items) else (value,)
    invalid = next((text for item in items if (text := text_of(item)) and not _valid(text)), None)
    if invalid is not None:
        return Evidence(launch.place, f"{invalid} has no valid port, so gunicorn ends")
    return tuple(_bound(launch, item) for item in items)


def _valid(text: str) -> bool:
    """Say whether a text is one address with a port that is a number (util.parse_address)."""
    text = text.strip().removeprefix("tcp://")
    if text.startswith(("unix:", "fd://")) or ":" not in text:
        return True
    port = text.rpartition("]:")[2] if "]:" in text else text.split(":")[1]
    return "]" in port or port.strip().isdigit()


def _bound(launch: Launch, item: Value) -> Listener:
    trail = item.trail if isinstance(item, Known) else ()
    place = trail[-1].location if trail else launch.place
    missing = item.missing if isinstance(item, Opaque) else ()
    return bound(Traced(text_of(item), place, missing=missing), 8000)


def _default(launch: Launch) -> tuple[Listener, ...] | Evidence:
    port = launch.port
    if port is None:
        return (at("127.0.0.1", 8000, launch.place, default=True),)
    if port.value is None:
        return (replace(at(EVERYWHERE, None, port.location), missing=port.missing),)
    if not port.value.isdigit():
        return Evidence(port.location, "PORT is no number, so gunicorn ends")
    return (at(EVERYWHERE, port.value, port.location),)
