"""uWSGI: a program with a Python inside, and the applications that its options name.

plugins/python/python_plugin.c and pyloader.c: variables are set, the folder is entered, "." and
pythonpath come first on sys.path, then imports and applications are loaded. An application that
cannot be loaded leaves a server that answers with an error, unless need-app is set.
"""

import posixpath
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged, agreed, nothing
from deployguard.flask.libraries.effects import INNER, harmless
from deployguard.flask.search_path import search_path
from deployguard.flask.servers import paste
from deployguard.flask.servers.loading import Style, loaded, named, new_module, taken
from deployguard.flask.servers.places import EVERYWHERE, at
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.uwsgi_settings import Settings, settings
from deployguard.flask.servers.worlds import (
    first_on_path,
    given,
    hide_variables,
    set_variable,
)
from deployguard.flask.versions import installed
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    Traced,
    unknown,
    yes,
)
from deployguard.model.facts import Listener, ProgramClass, mapped
from deployguard.model.filesystem import Absent, Content, Filesystem, Unread
from deployguard.model.process import Interpreter as PythonInterpreter
from deployguard.model.process import Process, Program, Start, Word
from deployguard.model.structs import replace
from deployguard.python import (
    UNSET,
    Instance,
    Interpreter,
    Mapped,
    Module,
    Native,
    Value,
)
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.standard import absolute

_SOCKETS = frozenset(
    {
        "http", "http-socket", "http11-socket", "https", "https-socket", "https2", "socket",
        "suwsgi-socket", "ssl-socket", "puwsgi-socket", "fastcgi-socket", "fastcgi-nph-socket",
        "scgi-socket", "scgi-nph-socket", "raw-socket", "shared-socket", "undeferred-shared-socket",
    }
)  # fmt: skip
# What keeps uWSGI running without a socket of its own (core/uwsgi.c, uwsgi_start).
_STAYS = frozenset({"emperor", "no-server", "udp", "spooler", "cron", "cron2", "zerg",
                    "command-mode", "emperor-proxy-socket"})  # fmt: skip
_DAEMONS = ("attach-daemon", "smart-attach-daemon", "smart-attach-daemon2")
_COMMANDS = tuple(
    f"exec-{when}"
    for when in ("asap", "pre-jail", "post-jail", "in-jail", "as-root", "as-user", "pre-app",
                 "post-app", "as-vassal", "as-emperor")
)  # fmt: skip
# What runs Python, or anything, in ways that are not followed here.
_OPEN = ("eval", "pecan", "web3", "pump", "wsgi-lite", "pyshell", "pyshell-oneshot", "python-raw",
         "python-worker-override", "pymodule-alias", "post-pymodule-alias", "attach-daemon2",
         "hook-asap", "hook-pre-app", "hook-post-app", "hook-post-fork", "hook-as-user",
         "hook-as-root", "mule", "worker-exec", "worker-exec2", "chroot", "chdir2", "vhost",
         "plugins-dir", "declare-option", "emperor-wrapper", "test")  # fmt: skip
_CONFIGURATIONS = (".ini", ".xml", ".yml", ".yaml", ".json", ".js")
_LOST = Behaviour(
    binds_first=True,
    restarts=Answer.NO,
    lost="its reloader starts uWSGI once more without its options, and both end",
    dies=True,
)


def judge_binary(program: Program, files: Filesystem) -> Judged:
    """Return what the program uWSGI does, under every stack that its Python may have."""
    process = program.process
    given_options = settings(program.args, process.env, files, process.cwd.value)
    home, optimize = given_options.last("home"), given_options.last("optimize")
    path: str | None = program.name
    if home is not None:
        folder = None if home.value is None else _below(process, home.value)
        path = None if folder is None else posixpath.join(folder, "bin/python")
    level = optimize.value if optimize is not None else None
    python = PythonInterpreter(
        path=path,
        no_site=given_options.on("no-site"),
        optimize=int(level) if level is not None and level.isdigit() and len(level) == 1 else 0,
    )
    places = search_path(python, process, None, files)
    found = installed(places.sites, files, places.unread)
    setting = Setting(
        program=replace(program, interpreter=python),
        environment=process.env,
        files=files,
        stack=found.stacks()[0],
        folders=places.folders,
        cwd=process.cwd.value,
        unread=places.unread,
        version=places.version,
        sites=places.sites,
        user=places.user,
    )
    candidates = [_judged(replace(setting, stack=stack), given_options) for stack in found.stacks()]
    return agreed(candidates, found.missing())


def _below(process: Process, path: str) -> str | None:
    if path.startswith("/"):
        return posixpath.normpath(path)
    cwd = process.cwd.value
    return None if cwd is None else posixpath.normpath(posixpath.join(cwd, path))


def judge(setting: Setting) -> Judged:
    """Return what pyuwsgi's command does: uWSGI as an extension of the Python that runs it."""
    process = setting.program.process
    return _judged(setting, settings(setting.program.args, process.env, setting.files, setting.cwd))


def _judged(setting: Setting, options: Settings) -> Judged:
    place = setting.program.location
    if options.missing:
        return not_told(setting, "uwsgi", options.missing)
    if options.refused is not None:
        return refused(setting, options.refused)
    stop = options.last("help", "version", "exit", "plugins-list", "plugin-list", "show-config")
    if stop is not None:
        return ends(setting, stop.location, "uWSGI prints or checks something and ends")
    vassals = _vassals(setting, options)
    if isinstance(vassals, Missing):
        return not_told(setting, "uwsgi", (vassals,))
    beside = (*vassals, *_commands(setting, options))
    if options.last("emperor") is not None and _application_options(options) == ():
        return _emperor(setting, beside)
    if not any(options.all(*_SOCKETS)) and not any(options.all(*_STAYS, *_DAEMONS)):
        return ends(setting, place, "uWSGI is given no socket, so it ends")
    opened = next((key for key, _ in options.options if key in _OPEN), None)
    if opened is not None:
        missing = Missing(Reason.PROGRAM, f"what the option {opened} of uWSGI does")
        return not_told(setting, "uwsgi", (missing,))
    failed: list[Evidence] = []
    imported = loaded(setting, lambda run: _start(run, options, failed, place))
    where = next((word.location for _, word in _application_options(options)), place)
    judged = served(
        setting,
        "uwsgi",
        _LOST,
        imported,
        _listeners(options),
        place=where,
        unanswered=failed[0] if failed else None,
        started_beside=beside,
    )
    return _doubted(judged, options.doubt) if options.doubt else judged


def _doubted(judged: Judged, doubt: tuple[Missing, ...]) -> Judged:
    """Leave open what holds only if the program reads its configuration at all."""

    def change(_: str, claim: Claim) -> Claim:
        if claim.answer is not Answer.YES:
            return claim
        return unknown(doubt, *claim.evidence, suspected=True)

    return replace(
        judged,
        facts=mapped(judged.facts, change),
        listeners=tuple(replace(item, address=None, missing=doubt) for item in judged.listeners),
    )


def _emperor(setting: Setting, vassals: tuple[Start, ...]) -> Judged:
    note = Evidence(setting.program.location, "uWSGI starts one of itself for each configuration")
    evidence = (*setting.program.trail, note)
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server="uwsgi",
        starts=yes(*evidence),
        facts=nothing(*evidence),
        processes=vassals,
    )


def _vassals(setting: Setting, options: Settings) -> tuple[Start, ...] | Missing:
    """Return an instance for each configuration in the folders or patterns of emperor."""
    found: list[Start] = []
    for word in options.all("emperor"):
        path = None if word.value is None else _below(setting.program.process, word.value)
        if path is None or "://" in (word.value or ""):
            return next(iter(word.missing), Missing(Reason.FILE, "what emperor names"))
        folder, pattern = path, "*"
        if "*" in posixpath.basename(path):
            folder, pattern = posixpath.split(path)
        names = setting.files.list(folder)
        if isinstance(names, Unread):
            return names.missing
        found.extend(
            _instance(setting, word, posixpath.join(folder, name))
            for name in (names if isinstance(names, tuple) else ())
            if fnmatchcase(name, pattern) and name.endswith(_CONFIGURATIONS)
        )
    return tuple(found)


def _instance(setting: Setting, word: Word, path: str) -> Start:
    process = setting.program.process
    note = Evidence(word.location, f"emperor starts uWSGI with {path}")
    words = (Traced(setting.program.name, word.location), Traced(path, word.location))
    return Start(
        process=replace(process, args=words, trail=(*setting.program.trail, note)),
    )


def _commands(setting: Setting, options: Settings) -> tuple[Start, ...]:
    """Return the commands that uWSGI hands to a shell (core/daemons.c, core/utils.c)."""
    process = setting.program.process
    found = []
    environment = process.env
    for word in options.all("env"):
        name, equals, value = (word.value or "").partition("=")
        if equals:
            environment = environment.with_entry(name, replace(word, value=value))
    for word in options.all(*_DAEMONS, *_COMMANDS):
        shell = (Traced("/bin/sh", word.location), Traced("-c", word.location), word)
        note = Evidence(word.location, "uWSGI starts a command beside itself")
        made = replace(process, args=shell, env=environment, trail=(*setting.program.trail, note))
        found.append(Start(process=made))
    return tuple(found)


def _application_options(options: Settings) -> tuple[tuple[str, Word], ...]:
    keys = ("module", "wsgi-file", "paste", "mount", "worker-mount", "pyrun")
    return tuple((key, word) for key, word in options.options if key in keys)


def _start(run: Interpreter, options: Settings, failed: list[Evidence], place: Location) -> Value:
    """Run what the Python plugin runs until requests are served."""
    for key, word in options.options:
        name, equals, value = (word.value or "").partition("=")
        if key == "env" and equals:
            set_variable(run, name, given(replace(word, value=value), f"{name} is set here"))
        elif key == "env" and word.value is None:
            hide_variables(run, word.missing or (Missing(Reason.VARIABLE, "what env sets"),))
        elif key == "unenv" and name:
            run.store(run.environ.slots, name, UNSET)
    folder = options.last("chdir")
    if folder is not None:
        run.cwd = None if folder.value is None else absolute(run, folder.value)
        if run.cwd is not None and isinstance(run.files.stat(run.cwd), Absent):
            raise ExitSignal(Evidence(folder.location, f"there is no folder {folder.value}"))
    if run.cwd is None:
        missing = Missing(Reason.IMAGE, "the folder that uWSGI works in")
        return run.unseen_import("the application", (missing,), place)
    # The module that uWSGI brings itself, for programs that talk to it.
    run.store(run.modules, "uwsgi", Module("uwsgi", {}, harmless("uwsgi")))
    first_on_path(run, ".")
    for word in options.all("pythonpath"):
        if word.value is not None:
            first_on_path(run, word.value)
    for word in options.all("import"):
        _tried(partial(_imported, run, word), failed)
    tried = [
        _tried(partial(_one, run, options, key, word), failed) for key, word in _chosen(options)
    ]
    applications = [application for application in tried if application is not None]
    if not applications and options.on("need-app"):
        note = failed[0].note if failed else "no application is named"
        raise ExitSignal(Evidence(place, f"{note}, and need-app is set"))
    if not applications and not failed:
        failed.append(Evidence(place, "uWSGI is given no application"))
    if applications:
        failed.clear()
    if len(applications) == 1:
        return applications[0]
    return _mounted(applications)


def _mounted(applications: Sequence[Value]) -> Value:
    """Return several applications, of which each answers below its own path."""
    slots = {f"{INNER}{number}": value for number, value in enumerate(applications)}
    return Instance(None, Native("the applications of uWSGI"), slots)


def _chosen(options: Settings) -> tuple[tuple[str, Word], ...]:
    """Return what is loaded: mounted ones, and the first kind of those for the root."""
    mounted = [("mount", word) for word in options.all("mount", "worker-mount")]
    runs = [("pyrun", word) for word in options.all("pyrun")]
    for key in ("module", "wsgi-file", "paste"):
        word = options.last(key)
        if word is not None:
            return (*runs, *mounted, (key, word))
    return (*runs, *mounted)


def _tried(load: Callable[[], Value], failed: list[Evidence]) -> Value | None:
    try:
        return load()
    except RaiseSignal as signal:
        failed.append(
            replace(signal.note, note=f"the application cannot be loaded ({signal.note.note})")
        )
        return None


def _imported(run: Interpreter, word: Word) -> Value:
    if word.value is None:
        return run.unseen_import("a module", word.missing, word.location)
    if "/" in word.value or word.value.endswith(".py"):
        return _file(run, word, f"uwsgi_file_{word.value}")
    return run.import_module(word.value, word.location)


def _one(run: Interpreter, options: Settings, key: str, word: Word) -> Value:
    text = word.value
    if text is None:
        return run.unseen_import("the application", word.missing, word.location)
    callable_word = options.last("callable")
    name = "application" if callable_word is None else callable_word.value or ""
    if key == "mount":
        text = text.partition("=")[2]
        if text.endswith((".py", ".wsgi")):
            key = "wsgi-file"
        elif text.endswith(".ini"):
            key = "paste"
        else:
            key = "module"
    match key:
        case "pyrun":
            return _file(run, word, "__main__")
        case "paste":
            return paste.application(run, text.removeprefix("config:"), word.location)
        case "wsgi-file":
            module = _file(run, replace(word, value=text), f"uwsgi_file_{text}")
            return _taken(run, module, name, word.location)
        case _ if ":" in text:
            return named(run, text, name, Style.EXPRESSION, word.location)
        case _:
            return _taken(run, run.import_module(text, word.location), name, word.location)


def _taken(run: Interpreter, module: Value, name: str, place: Location) -> Value:
    """Take the callable; a module may hold a dictionary of applications instead."""
    several = module.slots.get("applications") if isinstance(module, Module) else None
    if isinstance(several, Mapped):
        return _mounted(tuple(several.slots.values()))
    return taken(run, module, name, Style.EXPRESSION, place)


def _file(run: Interpreter, word: Word, name: str) -> Value:
    path = None if word.value is None else absolute(run, word.value)
    if path is None:
        return run.unseen_import("the application", word.missing, word.location)
    match run.files.read(path):
        case Absent():
            raise RaiseSignal("OSError", Evidence(word.location, f"{word.value} is not there"))
        case Unread(missing=missing):
            return run.unseen_import("the application", (missing,), word.location)
        case Content(data=data, location=location):
            module = new_module(location, name)
            run.execute_text(data, module)
            return module


def _listeners(options: Settings) -> tuple[Listener, ...]:
    return tuple(_listener(key, word) for key, word in options.options if key in _SOCKETS)


def _listener(key: str, word: Word) -> Listener:
    """core/socket.c: "HOST:PORT" with any part of it empty, else the path of a socket.

    "=0" is a shared socket, which has its own option; a certificate follows behind a comma.
    """
    text = word.value
    if text is None:
        return at(None, None, word.location, word.missing)
    if key == "https2":
        pairs = dict(entry.partition("=")[::2] for entry in text.split(","))
        text = pairs.get("addr", "")
    elif key.startswith("https") or key in {"suwsgi-socket", "ssl-socket"}:
        text = text.partition(",")[0]
    if text.startswith(("=", "fd://")):
        missing = Missing(Reason.ADDRESS, f"where the shared socket {text} is")
        return at(None, None, word.location, (missing,))
    host, colon, port = text.rpartition(":")
    if not colon:
        return at(f"unix:{text}", None, word.location)
    return at(host or EVERYWHERE, port, word.location)
