"""daphne and granian: servers of asynchronous applications; granian serves WSGI as well."""

import posixpath
import re

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.environment_files import take_environment_file
from deployguard.flask.servers.interfaces import unanswered_by_asgi
from deployguard.flask.servers.loading import Style, loaded, named
from deployguard.flask.servers.places import EVERYWHERE, at, local, unix
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.uvicorn import take_variables
from deployguard.flask.servers.words import Words, read, syntax
from deployguard.flask.servers.worlds import first_on_path
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.facts import Listener
from deployguard.model.process import Word
from deployguard.python import Interpreter, Value
from deployguard.python.standard import absolute

# daphne.cli.CommandLineInterface.
_DAPHNE = syntax(
    values="""
    -p|--port -b|--bind --websocket_timeout --websocket_connect_timeout -u|--unix-socket --fd
    -e|--endpoint -v|--verbosity -t|--http-timeout --access-log --log-fmt --ping-interval
    --ping-timeout --websocket-max-message-size --websocket-max-frame-size
    --application-close-timeout --root-path --proxy-headers-host --proxy-headers-port
    -s|--server-name --ws-protocol
    """,
    flags="--proxy-headers --no-server-name -h|--help",
)
_PAIRS = (
    "ws", "http1-keep-alive", "http1-pipeline-flush", "http2-adaptive-window", "log", "access-log",
    "ssl-client-verify", "respawn-failed-workers", "factory", "metrics", "reload",
    "reload-ignore-worker-failure", "threading-mode", "opt", "static-path-dir-to-file",
)  # fmt: skip
# granian.cli, a click command with auto_envvar_prefix GRANIAN.
_GRANIAN = syntax(
    values="""
    --host --port --uds --uds-permissions --interface --http --workers --blocking-threads
    --blocking-threads-idle-timeout --runtime-threads --runtime-blocking-threads --runtime-mode
    --loop --task-impl --backlog --backpressure --http1-buffer-size --http1-header-read-timeout
    --http2-initial-connection-window-size --http2-initial-stream-window-size
    --http2-keep-alive-interval --http2-keep-alive-timeout --http2-max-concurrent-streams
    --http2-max-frame-size --http2-max-headers-size --http2-max-send-buffer-size --log-level
    --log-config --access-log-fmt --ssl-certificate --ssl-keyfile --ssl-keyfile-password
    --ssl-protocol-min --ssl-ca --ssl-crl --url-path-prefix --respawn-interval
    --rss-sample-interval --rss-samples --workers-lifetime --workers-max-rss
    --workers-kill-timeout --working-dir --env-files --static-path-route --static-path-mount
    --static-path-expires --metrics-scrape-interval --metrics-address --metrics-port
    --reload-paths --reload-ignore-dirs --reload-ignore-patterns --reload-ignore-paths
    --reload-tick --process-name --pid-file
    """,
    flags=" ".join(f"--{name} --no-{name}" for name in _PAIRS) + " --version --help",
    abbreviated=False,
)


def judge(setting: Setting) -> Judged:
    """Return what daphne or granian does with its words, under one stack."""
    server = re.split(r"[.:]", setting.program.name)[0]
    words = read(setting.program.args, _DAPHNE if server == "daphne" else _GRANIAN)
    if server == "granian" and not words.unseen and words.refused is None:
        take_variables(words, setting, "GRANIAN_", _GRANIAN.options)
    if words.unseen:
        return not_told(setting, server, words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help", "version")
    if stop is not None:
        return ends(setting, stop.location, f"{server} {stop.value} prints and ends")
    if len(words.arguments) != 1:
        place = setting.program.location
        return ends(setting, place, f"{server} wants one application, and ends")
    name = words.arguments[0]
    if name.value is None:
        return not_told(setting, server, name.missing)
    return (_daphne if server == "daphne" else _granian)(setting, words, name)


def _daphne(setting: Setting, words: Words, name: Word) -> Judged:
    """CommandLineInterface.run: the application is imported before anything is bound."""

    def load(run: Interpreter) -> Value:
        if run.cwd is not None:
            first_on_path(run, run.cwd)
        return named(run, name.value or "", "", Style.DOTTED, name.location)

    imported = loaded(setting, load)
    return served(
        setting,
        "daphne",
        Behaviour(binds_first=False),
        imported,
        _daphne_places(words, setting.program.location),
        place=name.location,
        unanswered=unanswered_by_asgi(imported.application, name.location, "daphne"),
    )


def _daphne_places(words: Words, place: Location) -> tuple[Listener, ...]:
    host, port = words.last("bind"), words.last("port")
    path, descriptor = words.last("unix-socket"), words.last("fd")
    found = [_endpoint(word) for word in words.all("endpoint")]
    if path is not None:
        found.append(unix(path))
    if descriptor is not None:
        found.append(at(None, None, descriptor.location))
    if host is not None or port is not None or not found:
        where = host or port
        found.append(
            at(
                "127.0.0.1" if host is None else host.value,
                8000 if port is None else port.value,
                place if where is None else where.location,
                () if host is None else host.missing,
                default=where is None,
            )
        )
    return tuple(found)


_PORT = re.compile(r"(?:^|:)port=(\d+)")
_INTERFACE = re.compile(r"(?:^|:)interface=((?:\\:|[^:])*)")


def _endpoint(word: Word) -> Listener:
    """twisted.internet.endpoints.serverFromString: "tcp:PORT:interface=HOST" and "unix:PATH"."""
    text = word.value
    if text is None:
        return at(None, None, word.location, word.missing)
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return at(f"unix:{rest.partition(':')[0].removeprefix('address=')}", None, word.location)
    if kind not in {"tcp", "tcp6", "ssl"}:
        missing = Missing(Reason.ADDRESS, f"where the endpoint {text} is")
        return at(None, None, word.location, (missing,))
    port, interface = _PORT.search(rest), _INTERFACE.search(rest)
    number = port[1] if port is not None else rest.partition(":")[0]
    host = interface[1].replace("\\:", ":") if interface is not None else EVERYWHERE
    return at(host, number, word.location)


def _granian(setting: Setting, words: Words, name: Word) -> Judged:
    """granian._internal.load_target, in a worker that binds once the application is there."""

    def load(run: Interpreter) -> Value:
        folder, files = words.last("working-dir"), words.all("env-files")
        if folder is not None and folder.value is not None:
            run.cwd = absolute(run, folder.value)
        for file in files:
            take_environment_file(run, file)
        target, _, attribute = (name.value or "").partition(":")
        path = absolute(run, target)
        if path is None:
            missing = Missing(Reason.IMAGE, "the working directory")
            return run.unseen_import(target, (missing,), name.location)
        first_on_path(run, posixpath.dirname(path))
        leaf = posixpath.basename(path).removesuffix(".py")
        text = f"{leaf}:{attribute or 'app'}"
        value = named(run, text, "app", Style.DOTTED, name.location)
        if words.last("factory") is not None:
            value = run.call(value, (), {}, name.location)
        return value

    imported = loaded(setting, load)
    interface = words.last("interface")
    unanswered = None
    if interface is None or interface.value != "wsgi":
        unanswered = unanswered_by_asgi(
            imported.application, name.location, "granian without --interface wsgi"
        )
    return served(
        setting,
        "granian",
        Behaviour(binds_first=False),
        imported,
        _granian_places(words, setting.program.location),
        place=name.location,
        unanswered=unanswered,
    )


def _granian_places(words: Words, place: Location) -> tuple[Listener, ...]:
    path = words.last("uds")
    if path is not None:
        return (unix(path),)
    return (local(words, place),)
