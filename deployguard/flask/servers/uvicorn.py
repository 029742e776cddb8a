"""uvicorn (uvicorn.main, uvicorn.config, uvicorn.importer)."""

import re
from collections.abc import Mapping

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.environment_files import take_environment_file
from deployguard.flask.servers.interfaces import unanswered_by_asgi
from deployguard.flask.servers.loading import Style, loaded, named
from deployguard.flask.servers.places import at, local, unix
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import Takes, Words, read, syntax
from deployguard.flask.servers.worlds import first_on_path
from deployguard.flask.versions import parse
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.facts import Listener
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.python import Function, Interpreter, Value
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute

_PAIRS = ("access-log", "use-colors", "proxy-headers", "server-header", "date-header")
# uvicorn.main.main, a click command with auto_envvar_prefix UVICORN; the releases from 0.11 on.
_SYNTAX = syntax(
    values="""
    --host --port --uds --fd --reload-dir --reload-include --reload-exclude --reload-delay --workers
    --loop --http --http2 --ws --ws-max-size --ws-max-queue --ws-ping-interval --ws-ping-timeout
    --ws-per-message-deflate --lifespan --interface --env-file --log-config --log-level
    --forwarded-allow-ips --root-path --limit-concurrency --backlog --limit-max-requests
    --limit-max-requests-jitter --timeout-keep-alive --timeout-graceful-shutdown
    --timeout-worker-healthcheck --ssl-keyfile --ssl-certfile --ssl-keyfile-password --ssl-version
    --ssl-cert-reqs --ssl-ca-certs --ssl-ciphers --header --app-dir
    --h11-max-incomplete-event-size
    """,
    flags=" ".join(f"--{name} --no-{name}" for name in _PAIRS)
    + " --reload --version --help --factory --reset-contextvars",
    abbreviated=False,
)
_PREFIX = "UVICORN_"
_OFF = frozenset({"", "0", "false", "f", "no", "n", "off"})


def judge(setting: Setting) -> Judged:
    """Return what uvicorn does with its words and variables, under one stack."""
    old = any((word.value or "") == "--debug" for word in setting.program.args)
    if old and not _without_debug(setting):
        # Before 0.19 it stood for --reload and a page with the traceback of ASGI applications.
        missing = Missing(
            Reason.VERSION, "the installed version of uvicorn, which may know --debug"
        )
        return not_told(setting, "uvicorn", (missing,))
    words = read(setting.program.args, _SYNTAX)
    if not words.unseen and words.refused is None:
        take_variables(words, setting, _PREFIX, _SYNTAX.options)
    if words.unseen:
        return not_told(setting, "uvicorn", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help", "version")
    if stop is not None:
        return ends(setting, stop.location, f"uvicorn {stop.value} prints and ends")
    if len(words.arguments) != 1:
        place = setting.program.location
        return ends(setting, place, "uvicorn wants one application, and ends")
    name = words.arguments[0]
    if name.value is None:
        return not_told(setting, "uvicorn", name.missing)
    interface = words.last("interface")
    if interface is not None and interface.value is None:
        return not_told(setting, "uvicorn", interface.missing)
    imported = loaded(setting, lambda run: _load(run, words, name))
    unanswered = None
    if interface is None or interface.value != "wsgi":
        unanswered = unanswered_by_asgi(imported.application, name.location, "uvicorn")
    return served(
        setting,
        "uvicorn",
        _behaviour(words),
        imported,
        _listeners(words, setting.program.location),
        place=name.location,
        unanswered=unanswered,
    )


_DISTRIBUTION = re.compile(r"uvicorn-(\d+(?:\.\d+)*)\.dist-info")


def _without_debug(setting: Setting) -> bool:
    """Say whether the uvicorn that is installed certainly refuses --debug."""
    for folder in setting.folders:
        names = setting.files.list(folder)
        for name in names if isinstance(names, tuple) else ():
            found = _DISTRIBUTION.fullmatch(name)
            if found is not None:
                return parse(found[1]) >= (0, 19)
    return False


def take_variables(
    words: Words, setting: Setting, prefix: str, options: Mapping[str, tuple[str, Takes]]
) -> None:
    """Take from variables what click takes from them: each option that no word gives.

    click.core.Parameter.value_from_envvar: the name of the option after the prefix; of a flag the
    value is read as true or false. An argument's is named after it.
    """
    variables = setting.environment
    for key, takes in dict.fromkeys(options.values()):
        entry = variables.get(prefix + key.replace("-", "_").upper())
        if entry is None or key in words.given or key in {"help", "version"}:
            continue
        if entry.value is None:
            words.unseen = entry.missing or (Missing(Reason.VARIABLE, f"the value of {key}"),)
        elif takes is not Takes.NOTHING and entry.value != "":
            words.take(key, entry)
        elif takes is Takes.NOTHING and entry.value.strip().lower() not in _OFF:
            words.take(key, replace(entry, value=f"--{key}"))
    argument = variables.get(f"{prefix}APP")
    if argument is not None and not words.arguments:
        words.arguments.append(argument)


def _load(run: Interpreter, words: Words, name: Word) -> Value:
    """Config.load_app and Config.load: a factory is called whether or not --factory is given."""
    folder = words.last("app-dir")
    path = absolute(run, "." if folder is None else folder.value or ".")
    if path is not None:
        first_on_path(run, path)
    file = words.last("env-file")
    if file is not None:
        take_environment_file(run, file)
    value = named(run, name.value or "", "", Style.DOTTED, name.location)
    if words.last("factory") is None and not without_arguments(value):
        return value
    if words.last("factory") is not None and not isinstance(value, Function):
        unanswered = unanswered_by_asgi(value, name.location, "uvicorn")
        if unanswered is not None:
            note = Evidence(name.location, "what is named is an application and no factory")
            raise RaiseSignal("TypeError", note)
    return run.call(value, (), {}, name.location)


def without_arguments(value: Value) -> bool:
    """Say whether a call without arguments goes through: a function with defaults for all."""
    if not isinstance(value, Function):
        return False
    arguments = value.node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional == len(value.defaults) and len(arguments.kwonlyargs) == len(
        value.keyword_defaults
    )


def _behaviour(words: Words) -> Behaviour:
    """Run in one process, uvicorn loads the application first; else the socket is bound before."""
    workers = words.last("workers")
    several = workers is not None and workers.value != "1"
    if words.last("reload") is None and not several:
        return Behaviour(binds_first=False)
    lost = "its reloader starts a process of multiprocessing once more, and nothing answers"
    return Behaviour(binds_first=False, restarts=Answer.NO, lost=lost, dies=True)


def _listeners(words: Words, place: Location) -> tuple[Listener, ...]:
    path = words.last("uds")
    if path is not None:
        return (unix(path),)
    descriptor = words.last("fd")
    if descriptor is not None:
        missing = Missing(Reason.ADDRESS, f"where the descriptor {descriptor.value} is bound")
        return (at(None, None, descriptor.location, (missing,)),)
    return (local(words, place),)
