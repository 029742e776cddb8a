"""Production WSGI servers: the application they load, its environment, and where they listen.

Their words follow each server's own option parser.
"""

import posixpath
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deployguard.flask.application import (
    Imported,
    Setting,
    application_debug,
    happens,
    hidden_processes,
    import_application,
    interpreter,
    processes,
    remote_debugger,
    serves,
    started,
    unseen,
    value_claim,
    wrapped,
)
from deployguard.flask.judged import Judged, ended, undetermined
from deployguard.flask.listeners import listener, remote_listeners
from deployguard.flask.served import Serving, served_facts
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    Traced,
    all_of,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Listener, ProgramClass
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.python import Effect, Ending, Items, Known, Module, Opaque, known
from deployguard.python.modules import LOCATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a server reads its words: flags take no value, `binds` name where it listens."""

    name: str
    flags: frozenset[str]
    binds: frozenset[str]
    default: tuple[str, int]


_GUNICORN = Server(
    name="gunicorn",
    flags=frozenset(
        {
            "--reload", "--spew", "--check-config", "--print-config", "--preload", "--no-sendfile",
            "--reuse-port", "-D", "--daemon", "--initgroups", "--capture-output",
            "--disable-redirect-access-to-syslog", "--log-syslog", "-R",
            "--enable-stdio-inheritance", "--proxy-protocol", "--do-handshake-on-connect",
            "--suppress-ragged-eofs", "--permit-obsolete-folding", "--strip-header-spaces",
            "--permit-unconventional-http-method", "--permit-unconventional-http-version",
            "--casefold-http-method",
        }
    ),
    binds=frozenset({"-b", "--bind"}),
    default=("127.0.0.1", 8000),
)  # fmt: skip
_WAITRESS = Server(
    name="waitress",
    flags=frozenset(
        {
            "--call", "--expose-tracebacks", "--no-expose-tracebacks", "--asyncore-use-poll",
            "--no-asyncore-use-poll", "--log-untrusted-proxy-headers",
            "--clear-untrusted-proxy-headers",
            "--log-socket-errors", "--no-log-socket-errors", "--ipv4", "--no-ipv4", "--ipv6",
            "--no-ipv6",
        }
    ),
    binds=frozenset({"--listen"}),
    default=("0.0.0.0", 8080),  # noqa: S104  (waitress's own default)
)  # fmt: skip
_SERVERS = {
    "gunicorn.app.wsgiapp:run": _GUNICORN,
    "gunicorn": _GUNICORN,
    "gunicorn.app.wsgiapp": _GUNICORN,
    "waitress.runner:run": _WAITRESS,
    "waitress": _WAITRESS,
}
_ENDS = frozenset({"-h", "--help", "-v", "--version", "--check-config", "--print-config"})
_HOOKS = frozenset(
    {
        "on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init",
        "worker_int", "worker_abort", "pre_exec", "child_exit", "worker_exit", "nworkers_changed",
        "on_exit", "ssl_context", "pre_request", "post_request", "logger_class",
    }
)  # fmt: skip


@dataclass(slots=True)
class _Words:
    """A server's command line: the last value of each option, all values of those that repeat."""

    values: dict[str, list[Word]] = field(default_factory=dict)
    flags: dict[str, Word] = field(default_factory=dict)
    arguments: list[Word] = field(default_factory=list)
    unseen: tuple[Missing, ...] = ()

    def last(self, *names: str) -> Word | None:
        found = [word for name in names for word in self.values.get(name, ())]
        return found[-1] if found else None


def known_server(name: str) -> Server | None:
    """Return the server of an entry point or module by its name."""
    return _SERVERS.get(name)


def judge(setting: Setting, server: Server) -> Judged:
    """Return what a server does with its words, under one stack."""
    words = _read(setting.program.args, server)
    if words.unseen:
        return _open(setting, server, words.unseen)
    stop = next((word for name, word in words.flags.items() if name in _ENDS), None)
    if stop is not None:
        note = Evidence(stop.location, f"{server.name} {stop.value} prints and ends")
        return ended(ProgramClass.WSGI_SERVER, *setting.program.trail, note)
    if server is _WAITRESS:
        return _waitress(setting, words)
    return _gunicorn(setting, words)


def _read(given: Sequence[Word], server: Server) -> _Words:
    words = _Words()
    pending = list(given)
    while pending:
        word = pending.pop(0)
        if word.value is None:
            words.unseen = word.missing or (Missing(Reason.COMMAND, "a word of the command"),)
            return words
        text = word.value
        if not text.startswith("-") or text == "-":
            words.arguments.append(word)
            continue
        name, equals, value = text.partition("=") if text.startswith("--") else (text, "", "")
        if name in server.flags or name in _ENDS:
            words.flags[name] = word
        elif equals:
            words.values.setdefault(name, []).append(replace(word, value=value))
        elif not text.startswith("--") and len(text) > len("-b"):
            name = text[: len("-b")]
            words.values.setdefault(name, []).append(replace(word, value=text[len("-b") :]))
        elif pending:
            words.values.setdefault(name, []).append(pending.pop(0))
    return words


def _open(setting: Setting, server: Server, missing: Sequence[Missing]) -> Judged:
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server=server.name,
        starts=unknown(missing),
        facts=undetermined(missing, *setting.program.trail, flask=False, debug=True),
    )


def _gunicorn(setting: Setting, words: _Words) -> Judged:
    """gunicorn.app.base.Application: configuration file, GUNICORN_CMD_ARGS, then the words."""
    variable = setting.environment.get("GUNICORN_CMD_ARGS")
    if variable is not None:
        if variable.value is None:
            return _open(setting, _GUNICORN, variable.missing)
        try:
            extra = shlex.split(variable.value)
        except ValueError:
            note = Evidence(variable.location, "GUNICORN_CMD_ARGS cannot be read, so gunicorn ends")
            return ended(ProgramClass.WSGI_SERVER, *setting.program.trail, note)
        below = _read([Traced(text, variable.location) for text in extra], _GUNICORN)
        for name, values in below.values.items():
            words.values[name] = [*values, *words.values.get(name, [])]
        words.arguments = words.arguments or below.arguments
    directory = words.last("--chdir")
    if directory is not None and directory.value is not None:
        folder = posixpath.normpath(posixpath.join(setting.cwd or "/", directory.value))
        setting = replace(setting, cwd=folder)
    configuration = _configuration(setting, words)
    if isinstance(configuration, tuple):
        return _open(setting, _GUNICORN, configuration)
    setting = _with_environment(setting, words, configuration)
    application = words.arguments[0] if words.arguments else None
    text = (
        application.value if application is not None else _setting_text(configuration, "wsgi_app")
    )
    if text is None:
        note = Evidence(setting.program.location, "gunicorn is given no application, so it ends")
        return ended(ProgramClass.WSGI_SERVER, *setting.program.trail, note)
    folders = [setting.cwd or "/", *setting.folders]
    path = words.last("--pythonpath")
    if path is not None and path.value is not None:
        extra_folders = [
            posixpath.normpath(posixpath.join(setting.cwd or "/", entry))
            for entry in path.value.split(",")
        ]
        folders = [*extra_folders, *folders]
    module, _, attribute = text.partition(":")
    imported = import_application(
        replace(setting, folders=tuple(folders)), module, attribute or "application"
    )
    listeners = _binds(setting, words, configuration)
    return _served(setting, _GUNICORN, imported, application, listeners)


def _configuration(setting: Setting, words: _Words) -> Module | tuple[Missing, ...] | None:
    """Evaluate gunicorn.conf.py, or the file of -c; what it hides is returned as missing."""
    given = words.last("-c", "--config")
    path = given.value if given is not None else "gunicorn.conf.py"
    if path is None or path.startswith(("python:",)):
        return (Missing(Reason.SOURCE, "the configuration of gunicorn"),)
    path = path.removeprefix("file:")
    if setting.cwd is None:
        return (Missing(Reason.IMAGE, "the working directory"),)
    content = setting.files.read(posixpath.normpath(posixpath.join(setting.cwd, path)))
    if isinstance(content, Absent):
        return None
    if isinstance(content, Unread):
        return (content.missing,)
    return _evaluated(setting, content)


def _evaluated(setting: Setting, content: Content) -> Module | tuple[Missing, ...]:
    run = interpreter(setting)
    module = Module(
        "__config__", {LOCATION: content.location, "__file__": known(content.location.file)}
    )

    def start() -> Module:
        run.execute_text(content.data, module)
        return module

    outcome = run.run(start, content.location)
    hidden = (*outcome.unseen, *hidden_processes(outcome))
    hooks = [name for name in module.slots if name in _HOOKS]
    if hooks:
        what = f"what the hook {hooks[0]} in {content.location.file} does"
        hidden = (*hidden, Missing(Reason.SOURCE, what))
    if outcome.ending not in {Ending.DONE, Ending.RAISED} or hidden or outcome.effects:
        return hidden or (Missing(Reason.SOURCE, f"what {content.location.file} does"),)
    return module


def _setting_text(configuration: Module | None, name: str) -> str | None:
    value = configuration.slots.get(name) if configuration is not None else None
    return value.value if isinstance(value, Known) and isinstance(value.value, str) else None


_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def _with_environment(setting: Setting, words: _Words, configuration: Module | None) -> Setting:
    """Lay raw_env of the configuration and -e of the words over the environment."""
    environment = setting.environment
    entries: list[tuple[str, Location]] = []
    raw = configuration.slots.get("raw_env") if configuration is not None else None
    if isinstance(raw, Items) and configuration is not None:
        place = configuration.slots[LOCATION]
        entries.extend(
            (item.value, place)
            for item in raw.items
            if isinstance(item, Known) and isinstance(item.value, str)
        )
    for name in ("-e", "--env"):
        entries.extend(
            (word.value, word.location)
            for word in words.values.get(name, ())
            if word.value is not None
        )
    for text, location in entries:
        match = _ASSIGNMENT.fullmatch(text)
        if match is not None:
            environment = environment.with_entry(match[1], Traced(match[2], location))
    return replace(setting, environment=environment)


def _binds(setting: Setting, words: _Words, configuration: Module | None) -> tuple[Listener, ...]:
    """gunicorn.config.Bind: the words, else the configuration, else $PORT, else loopback."""
    given = [word for name in _GUNICORN.binds for word in words.values.get(name, ())]
    if given:
        return tuple(_bound(word.value, word.location, word.missing) for word in given)
    value = configuration.slots.get("bind") if configuration is not None else None
    if value is not None and configuration is not None:
        place: Location = configuration.slots[LOCATION]
        items = value.items if isinstance(value, Items) else (value,)
        return tuple(
            _bound(
                item.value if isinstance(item, Known) and isinstance(item.value, str) else None,
                place,
                item.missing if isinstance(item, Opaque) else (),
            )
            for item in items
        )
    port = setting.environment.get("PORT")
    if port is not None:
        text = None if port.value is None else f"0.0.0.0:{port.value}"
        return (_bound(text, port.location, port.missing),)
    return (_bound("127.0.0.1:8000", setting.program.location, (), default=True),)


def _bound(
    text: str | None, location: Location, missing: tuple[Missing, ...], *, default: bool = False
) -> Listener:
    if text is None:
        return Listener(
            address=None,
            port=None,
            debugger=Answer.UNKNOWN,
            location=location,
            missing=missing or (Missing(Reason.COMMAND, "the address it listens on"),),
        )
    if text.startswith("unix:"):
        address, number = "unix:" + text.removeprefix("unix:").removeprefix("//"), ""
    else:
        address, _, number = text.removeprefix("tcp://").rpartition(":")
        if not address and not number.isdigit():
            address, number = number, ""
    shown = address.strip("[]") or "0.0.0.0"  # noqa: S104  (what an empty host binds)
    note = f"it listens on {shown}" + (", the default" if default else "")
    return Listener(
        address="0.0.0.0" if shown == "*" else shown,  # noqa: S104
        port=int(number) if number.isdigit() else 8000,
        debugger=Answer.UNKNOWN,
        location=location,
        evidence=(Evidence(location, note),),
    )


def _waitress(setting: Setting, words: _Words) -> Judged:
    """waitress.runner: one application, called first with --call."""
    if not words.arguments:
        note = Evidence(setting.program.location, "waitress is given no application, so it ends")
        return ended(ProgramClass.WSGI_SERVER, *setting.program.trail, note)
    name = words.arguments[0]
    module, _, attribute = (name.value or "").partition(":")
    if "--call" in words.flags:
        attribute += "()"
    folders = (setting.cwd or "/", *setting.folders)
    imported = import_application(replace(setting, folders=folders), module, attribute)
    given = words.values.get("--listen", [])
    if given:
        listeners = tuple(_bound(word.value, word.location, word.missing) for word in given)
    else:
        host, port = words.last("--host"), words.last("--port")
        address = host.value if host is not None else _WAITRESS.default[0]
        number = port.value if port is not None else str(_WAITRESS.default[1])
        place = host.location if host is not None else setting.program.location
        text = None if address is None or number is None else f"{address}:{number}"
        listeners = (_bound(text, place, ()),)
    return _served(setting, _WAITRESS, imported, name, listeners)


def _served(
    setting: Setting,
    server: Server,
    imported: Imported,
    name: Word | None,
    listeners: tuple[Listener, ...],
) -> Judged:
    trail = setting.program.trail
    if imported.failure is not None and not imported.outcome.unseen:
        note = f"the application cannot be loaded ({imported.failure.note}), so {server.name} ends"
        return ended(ProgramClass.WSGI_SERVER, *trail, Evidence(imported.failure.location, note))
    outcome = imported.outcome
    flask = any(entry.partition(".")[0] == "flask" for entry in imported.run.modules)
    hidden = any_of(unseen(outcome, suspected=flask), started(outcome, suspected=flask))
    place = name.location if name is not None else setting.program.location
    own = serves(outcome)
    starts = {effect: _inside(effect, server) for effect in own}
    without = f"{server.name} serves the application without Werkzeug's server"
    inside = any_of(*starts.values(), hidden, no(Evidence(place, without)))
    inner_debugger = any_of(
        *(
            all_of(start, value_claim(effect.values["debugger"], "use_debugger"))
            for effect, start in starts.items()
        ),
        no(Evidence(place, without)),
    )
    debug = any_of(
        application_debug(imported.application) if imported.application else no(),
        no(Evidence(place, "nothing turns debug mode on")),
    )
    facts = served_facts(
        Serving(
            trail=trail,
            dev_server=inside,
            debug=any_of(
                debug,
                *(
                    all_of(start, value_claim(effect.values["debug"], "debug"))
                    for effect, start in starts.items()
                ),
            ),
            server_debugger=inner_debugger,
            evalex=any_of(no(), *(value_claim(e.values["evalex"], "use_evalex") for e in own)),
            middleware=wrapped(imported.application, outcome),
            unseen=hidden,
            environment=None,
            run=imported.run,
            stack=setting.stack,
            reloader=no(),
            remote=remote_debugger(outcome),
        )
    )
    # gunicorn binds before it loads the application; with Werkzeug's server inside, that port is
    # bound and answers nothing. waitress loads it first and never comes to bind.
    binds_first = server is _GUNICORN
    outer = Answer.NO if own else facts.debugger.answer
    inner = tuple(listener(effect, "host", "port", facts.debugger.answer) for effect in own)
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server=server.name,
        starts=yes(),
        facts=facts,
        listeners=(
            *(replace(item, debugger=outer) for item in listeners if binds_first or not own),
            *inner,
            *remote_listeners(outcome),
        ),
        processes=processes(outcome, setting.program),
    )


def _inside(effect: Effect, server: Server) -> Claim:
    """Claim that Werkzeug's server comes up inside a production server, at an unguarded app.run().

    Under gunicorn a reloader leaves both ports bound and nothing that answers, as observed: that is
    not to be relied on.
    """
    start = happens(effect, "app.run() is reached when the module is loaded")
    reloader = value_claim(effect.values["reloader"], "use_reloader")
    if server is _GUNICORN and reloader.answer is Answer.YES:
        missing = Missing(Reason.PROGRAM, "how the reloader ends inside the server's worker")
        return unknown(missing, *start.evidence, suspected=True)
    return start
