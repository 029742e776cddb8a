"""mod_wsgi-express: Apache with a configuration of its own (mod_wsgi.server, mod_wsgi.express)."""

import posixpath
import re

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers import paste
from deployguard.flask.servers.loading import Style, loaded, named, new_module, taken
from deployguard.flask.servers.places import EVERYWHERE, at
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import Words, read, syntax
from deployguard.flask.servers.worlds import first_on_path, set_variable
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.facts import Listener
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.python import Interpreter, Value, known
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute

# mod_wsgi.express.options, and those of the releases before it.
_SYNTAX = syntax(
    values="""
    --application-type --entry-point --application-group --process-group --host --port --https-port
    --ssl-port --ssl-certificate-file --ssl-certificate-key-file --ssl-certificate
    --ssl-ca-certificate-file --ssl-verify-client --ssl-certificate-chain-file --hsts-policy
    --server-name --server-alias --processes --threads --max-clients --initial-workers
    --minimum-spare-workers --maximum-spare-workers --limit-request-body --maximum-requests
    --startup-timeout --shutdown-timeout --restart-interval --cpu-time-limit --graceful-timeout
    --eviction-timeout --deadlock-timeout --inactivity-timeout --ignore-activity --request-timeout
    --interrupt-timeout --connect-timeout --socket-timeout --proxy-timeout --queue-timeout
    --header-timeout --header-max-timeout --header-min-rate --body-timeout --body-max-timeout
    --body-min-rate --server-backlog --daemon-backlog --send-buffer-size --receive-buffer-size
    --header-buffer-size --response-buffer-size --response-socket-timeout --response-flush-delay
    --user --group --callable-object --map-head-to-get --document-root --directory-index
    --allow-override --mount-point --trust-proxy-header --trust-proxy --keep-alive-timeout
    --telemetry-service --telemetry-ui-port --telemetry-interval --slow-requests --switch-interval
    --telemetry-options --host-access-script --auth-user-script --auth-type --auth-group-script
    --auth-group --include-file --rewrite-rules --envvars-script --lang --locale --passenv
    --working-directory --pid-file --server-root --server-mpm --log-directory --log-level
    --access-log-format --error-log-format --error-log-name --access-log-name --startup-log-name
    --max-log-size --rotatelogs-executable --python-path --python-eggs --python-warnings
    --shell-executable --httpd-executable --process-name --modules-directory --mime-types
    --socket-prefix --coverage-directory --profiler-directory --recorder-directory
    --gdb-executable --newrelic-config-file --newrelic-environment
    """,
    flags="""
    --http2 --ssl-environment --https-only --allow-localhost --enable-sendfile --disable-reloading
    --reload-on-changes --directory-listing --error-override --compress-responses --server-metrics
    --enable-telemetry --free-threading --server-status --access-log --startup-log
    --verbose-debugging --log-to-terminal --rotate-logs --chunked-request --with-php5 --with-cgi
    --with-newrelic --with-newrelic-agent --with-newrelic-platform --with-wdb --orphan-interpreter
    --embedded-mode --enable-docs --debug-mode --enable-debugger --debugger-startup
    --enable-coverage --enable-profiler --enable-recorder --enable-gdb --setup-only --isatty
    -h|--help
    """,
    pairs="""
    --url-alias --error-document --proxy-mount-point --proxy-url-alias --proxy-virtual-host
    --setenv --add-handler --service-script --service-user --service-group --service-log-file
    """,
)
_PORT = 8000


def judge(setting: Setting) -> Judged:
    """Return what mod_wsgi-express does with its words, under one stack."""
    command, *rest = setting.program.args or (None,)
    place = setting.program.location
    if command is None:
        return ends(setting, place, "mod_wsgi-express is given no command, and ends")
    if command.value is None:
        return not_told(setting, "apache", command.missing)
    if command.value != "start-server":
        note = f"mod_wsgi-express {command.value} starts no server"
        return ends(setting, command.location, note)
    words = read([word for word in rest if word is not None], _SYNTAX)
    if words.unseen:
        return not_told(setting, "apache", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help", "setup-only")
    if stop is not None:
        return ends(setting, stop.location, f"mod_wsgi-express {stop.value} starts no server")
    if words.last("include-file", "service-script", "httpd-executable"):
        missing = Missing(Reason.FILE, "what the files name that mod_wsgi-express is given")
        return not_told(setting, "apache", (missing,))
    if _as_root(setting, words):
        note = "Apache serves nothing as root, and no --user is given, so it ends"
        return ends(setting, place, note)
    imported = loaded(setting, lambda run: _load(run, words, place))
    return served(
        setting,
        "apache",
        Behaviour(binds_first=True, lost="Apache's process cannot be started once more"),
        imported,
        _listeners(words, place),
    )


def _as_root(setting: Setting, words: Words) -> bool:
    """Say whether Apache is to serve as root, which it refuses (server/core.c)."""
    given_user, user = words.last("user"), setting.program.process.user
    name = given_user.value if given_user is not None else user.value if user is not None else ""
    return name is not None and name.partition(":")[0] in {"", "root", "0"}


def _load(run: Interpreter, words: Words, place: Location) -> Value:
    """Load the script, module or file in the folder that is set, at the server's start.

    What --setenv sets belongs to requests and is no variable of the process.
    """
    folder = words.last("working-directory")
    if folder is not None:
        run.cwd = None if folder.value is None else absolute(run, folder.value)
    for word in words.all("python-path"):
        for part in (word.value or "").split(":"):
            path = absolute(run, part)
            if path is not None:
                first_on_path(run, path)
    _take_variables(run, words)
    if run.cwd is None:
        missing = Missing(Reason.IMAGE, "the folder that the application is loaded in")
        return run.unseen_import("the application", (missing,), place)
    first_on_path(run, run.cwd)
    kind, entry = words.last("application-type"), words.last("entry-point")
    target = entry or (words.arguments[0] if words.arguments else None)
    name = words.last("callable-object")
    attribute = "application" if name is None else name.value or ""
    match "script" if kind is None else kind.value:
        case "script":
            return _script(run, target, attribute, place)
        case "module" if target is not None and target.value is not None:
            text = f"{target.value}:{attribute}"
            return named(run, text, "application", Style.DOTTED, target.location)
        case "paste" if target is not None:
            return paste.application(run, target.value, target.location)
        case _:
            return run.unseen("what mod_wsgi-express loads", place)


_EXPORT = re.compile(r"export[ \t]+([A-Za-z_]\w*)=([\w./:@+-]*|'[^']*'|\"[^\"$`\\]*\")")
_PLAIN = re.compile(r"\s*(?:#.*|[A-Za-z_]\w*=[\w./:@+-]*)?")


def _take_variables(run: Interpreter, words: Words) -> None:
    """Take what a script of variables exports, which apachectl sources; the rest is open."""
    word = words.last("envvars-script")
    if word is None:
        return
    path = None if word.value is None else absolute(run, word.value)
    content = None if path is None else run.files.read(path)
    lines = (
        content.data.decode("utf-8", "replace").splitlines()
        if isinstance(content, Content)
        else ["?"]
    )
    for number, line in enumerate(lines, start=1):
        match = _EXPORT.fullmatch(line.strip())
        if match is not None and isinstance(content, Content):
            note = f"{match[1]} is set here"
            place = replace(content.location, line=number)
            set_variable(run, match[1], known(match[2].strip("'\""), Evidence(place, note)))
        elif not _PLAIN.fullmatch(line):
            what = Missing(Reason.SCRIPT, f"what {word.value} sets")
            run.unseen_import("the script of variables", (what,), word.location)
            return


def _script(run: Interpreter, target: Word | None, attribute: str, place: Location) -> Value:
    """Execute a file as a module of its own; without one, or where none is, it serves a page."""
    word = target or Traced("wsgi.py", place)
    path = None if word.value is None else absolute(run, word.value)
    missing = Missing(Reason.COMMAND, "the script that mod_wsgi-express is given")
    match run.files.read(path) if path is not None else Unread(missing):
        case Absent():
            raise RaiseSignal("ConfigurationError", Evidence(place, f"{word.value} is not there"))
        case Unread(missing=unread):
            return run.unseen_import("the application", (unread,), word.location)
        case Content(data=data, location=location):
            module = new_module(location, f"_mod_wsgi_{posixpath.basename(location.file)}")
            run.execute_text(data, module)
            return taken(run, module, attribute, Style.DOTTED, word.location)


def _listeners(words: Words, place: Location) -> tuple[Listener, ...]:
    host = words.last("host")
    where = place if host is None else host.location
    address = EVERYWHERE if host is None else host.value
    found = []
    for key, default in (("port", _PORT), ("https-port", None), ("ssl-port", None)):
        port = words.last(key)
        if port is not None or default is not None:
            number = default if port is None else port.value
            found.append(at(address, number, where, () if host is None else host.missing))
    return tuple(found)
