"""Django's management commands: runserver, and runserver_plus of django-extensions.

Source: django.core.management (ManagementUtility.execute, call_command),
django.core.management.commands.runserver, and runserver_plus of django-extensions 2.2 to 4.1.
"""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from deployguard.flask.libraries import foreign, installed
from deployguard.flask.libraries.effects import emit_serve, harmless
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent
from deployguard.python import (
    Call,
    Class,
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
from deployguard.python.signals import ExitSignal, RaiseSignal, ServeSignal
from deployguard.python.values import after_first, derived, missing_of, truth

_SETTINGS = "DJANGO_SETTINGS_MODULE"
# Under which name the settings of settings.configure() are kept among the modules.
_CONFIGURED = "<settings>"
# Commands of Django itself and of its usual companions that do their work and end.
_ENDING = frozenset(
    {
        "--help", "--version", "-h", "changepassword", "check", "clearsessions", "collectstatic",
        "compilemessages", "compress", "createcachetable", "createsuperuser", "dbshell",
        "diffsettings", "dumpdata", "findstatic", "flush", "help", "inspectdb", "loaddata",
        "makemessages", "makemigrations", "migrate", "optimizemigration", "rebuild_index",
        "remove_stale_contenttypes", "reset_db", "sendtestemail", "shell", "shell_plus",
        "show_urls", "showmigrations", "sqlflush", "sqlmigrate", "sqlsequencereset",
        "squashmigrations", "startapp", "startproject", "test", "update_index", "version",
        "wait_for_db",
    }
)  # fmt: skip
_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:]+\]|[^:\[\]]+):)?(?P<port>\d+)")
# Options that take no value, by the key under which call_command() takes them.
_FLAGS = {
    "--noreload": ("use_reloader", False), "--nothreading": ("threaded", False),
    "--threaded": ("threaded", True), "--nopin": ("nopin", True),
    "--ipv6": ("use_ipv6", True), "-6": ("use_ipv6", True), "--browser": ("open_browser", True),
    "--print-sql": ("print_sql", True), "--print-sql-location": ("print_sql_location", True),
    "--pdb": ("pdb", True), "--ipdb": ("ipdb", True), "--pm": ("pm", True),
    "--keep-meta-shutdown": ("keep_meta_shutdown_func", True),
    "--nostatic": ("use_static_handler", False), "--insecure": ("insecure_serving", True),
    "--traceback": ("traceback", True), "--no-color": ("no_color", True),
    "--force-color": ("force_color", True), "--skip-checks": ("skip_checks", True),
    "--noasgi": ("noasgi", True), "--no-asgi": ("noasgi", True),
    "--help": ("help", True), "-h": ("help", True), "--version": ("version", True),
}  # fmt: skip
_VALUES = {
    "--settings": "settings", "--pythonpath": "pythonpath", "--verbosity": "verbosity",
    "-v": "verbosity", "--output": "output_file", "--truncate-sql": "truncate_sql",
    "--cert": "cert_path", "--cert-file": "cert_path", "--key-file": "key_file_path",
    "--extra-file": "extra_files", "--exclude-pattern": "exclude_patterns",
    "--reloader-interval": "reloader_interval", "--reloader-type": "reloader_type",
    "--startup-messages": "startup_messages", "--http_timeout": "http_timeout",
    "--websocket_handshake_timeout": "websocket_handshake_timeout",
}  # fmt: skip


class _Command(Struct, frozen=True):
    """A management command with its options; `address` is the first argument."""

    name: str
    options: Mapping[str, Value]
    address: Value | None


class Djangos(Struct, frozen=True):
    """The model of Django's management under one stack of versions."""

    stack: Stack

    def management(self) -> dict[object, Value]:
        """Return what django.core.management holds that starts something."""
        execute = Native("django.core.management.execute_from_command_line", self._execute)
        return {
            "execute_from_command_line": execute,
            "call_command": Native("django.core.management.call_command", self._call_command),
            "ManagementUtility": Native(
                "django.core.management.ManagementUtility",
                construct=lambda call, instance: call.run.store(
                    instance.slots, "<argv>", call.argument(0, "argv") or known(None)
                ),
                attribute=lambda _run, instance, name: (
                    Native("ManagementUtility.execute", lambda call: self._given(call, instance))
                    if name == "execute"
                    else None
                ),
            ),
            "BaseCommand": harmless("django.core.management.BaseCommand"),
            "CommandError": harmless("django.core.management.CommandError"),
            "base": harmless("django.core.management.base"),
        }

    def _given(self, call: Call, instance: Instance) -> Value:
        return self._command_line(call, instance.slots["<argv>"])

    def _execute(self, call: Call) -> Value:
        return self._command_line(call, call.argument(0, "argv"))

    def _command_line(self, call: Call, argv: Value | None) -> Value:
        """ManagementUtility.execute: the words after the program's name."""
        if argv is None or (isinstance(argv, Known) and argv.value is None):
            argv = call.run.argv
        words = [] if not isinstance(argv, Items) else list(after_first(argv.items))
        if not isinstance(argv, Items) or any(not isinstance(word, Known) for word in words):
            return call.run.unseen("which management command is run", call.location)
        command = _parsed(call, [word for word in words if isinstance(word, Known)])
        return known(None) if command is None else self._perform(call, command)

    def _call_command(self, call: Call) -> Value:
        """call_command(name, *words, **options): the options by their keys."""
        name = call.argument(0, "command_name")
        words = call.arguments[1:]
        if not isinstance(name, Known) or any(not isinstance(word, Known) for word in words):
            return call.run.unseen("which management command is run", call.location)
        command = _parsed(call, [name, *(word for word in words if isinstance(word, Known))])
        if command is None:
            return known(None)
        options = {**command.options, **call.keywords}
        address = command.address or call.keywords.get("addrport")
        return self._perform(call, _Command(command.name, options, address))

    def _perform(self, call: Call, command: _Command) -> Value:
        if "help" in command.options or "version" in command.options:
            _ends(call, f"{command.name} prints and ends")
        configured = _settings(call, command)
        if configured is None:
            return known(None)
        own = _own_command(call, command.name, configured)
        if own is not None:
            return own
        match command.name:
            case "runserver":
                return _runserver(call, command, configured)
            case "runserver_plus":
                return self._runserver_plus(call, command, configured)
            case name if name in _ENDING:
                return known(None)
            case name:
                return call.run.unseen(f"what the management command {name} does", call.location)

    def _runserver_plus(self, call: Call, command: _Command, settings: Value) -> Value:
        """Werkzeug's server with its debugger, whatever settings.DEBUG says."""
        run = call.run
        apps = _setting(call, settings, "INSTALLED_APPS")
        has = _holds(apps, "django_extensions")
        if has is Answer.NO:
            _ends(call, "runserver_plus is not known: django_extensions is not installed in it")
        wanted = {"django_extensions", "werkzeug", *_wanted(command)}
        for library in sorted(wanted):
            if installed.importable(run, library)[0] is Answer.NO:
                _ends(call, f"runserver_plus wants {library}, which is not installed")
        if has is Answer.UNKNOWN:
            missing = (missing_of(apps) if apps else ()) or (
                Missing(Reason.SOURCE, "INSTALLED_APPS"),
            )
            _perhaps(call, missing, lambda: self._plus(call, command, settings))
            return known(None)
        return self._plus(call, command, settings)

    def _plus(self, call: Call, command: _Command, settings: Value) -> Value:
        run = call.run
        address = command.address
        if address is None:
            address = _setting(call, settings, "RUNSERVERPLUS_SERVER_ADDRESS_PORT")
        host, port = _bound(call, command, address)
        reloads = command.options.get("use_reloader", known(value=True))
        nested = run.environ.slots.get("WERKZEUG_RUN_MAIN")
        # What a reloader really started has the socket of the process above it.
        told = isinstance(nested, Known) and nested.value == "true"
        inside = told and "WERKZEUG_SERVER_FD" not in run.environ.slots
        answer = Answer.NO if inside else truth(reloads)
        if answer is not Answer.YES and self.stack.werkzeug >= (2, 1):
            # The command says that it is the reloader's child, which these releases believe.
            _unless(call, answer, reloads)
        if answer is not Answer.NO and _asks(command, "nopin"):
            note = Evidence(call.location, "--nopin turns the PIN off")
            run.store(run.environ.slots, "WERKZEUG_DEBUG_PIN", known("off", note))
        brings = Evidence(call.location, "runserver_plus brings the debugger")
        emit_serve(
            call,
            host=host,
            port=port,
            application=_application(call, settings),
            debug=known(value=False),
            reloader=reloads,
            debugger=Known(value=True, trail=(brings,)),
            evalex=known(value=True),
            passthrough=known(value=False),
        )
        raise ServeSignal(Evidence(call.location, "runserver_plus serves"))


def _wanted(command: _Command) -> tuple[str, ...]:
    """Return the libraries that options of runserver_plus want: for TLS, and django-pdb."""
    tls = any(name in command.options for name in ("cert_path", "key_file_path"))
    post_mortem = any(_asks(command, name) for name in ("pdb", "ipdb", "pm"))
    return (*(("OpenSSL",) if tls else ()), *(("django_pdb",) if post_mortem else ()))


def _asks(command: _Command, option: str) -> bool:
    return truth(command.options.get(option, known(value=False))) is not Answer.NO


def _unless(call: Call, answer: Answer, reloads: Value) -> None:
    """End without a reloader: Werkzeug looks for the socket of a parent that there is not."""

    def ends() -> Value:
        note = "without a reloader this Werkzeug does not start for runserver_plus"
        raise ExitSignal(Evidence(call.location, note))

    if answer is Answer.NO:
        ends()
    else:
        _perhaps(call, missing_of(reloads), ends)


def _parsed(call: Call, words: Sequence[Known]) -> _Command | None:
    """Read the words as argparse does: options by unambiguous beginnings, then the address."""
    if not words:
        return None
    name, *rest = (str(word.value) for word in words)
    options: dict[str, Value] = {}
    arguments: list[Value] = []
    pending = list(zip(rest, words[1:], strict=True))
    while pending:
        text, word = pending.pop(0)
        option, equals, value = text.partition("=")
        if not text.startswith("-") or text == "-":
            arguments.append(word)
            continue
        full = _completed(option)
        if full in _FLAGS and not equals:
            key, setting = _FLAGS[full]
            options[key] = known(setting, *word.trail)
        elif full in _VALUES and equals:
            options[_VALUES[full]] = known(value, *word.trail)
        elif full in _VALUES and pending:
            options[_VALUES[full]] = pending.pop(0)[1]
        elif name in {"runserver", "runserver_plus"}:
            _ends(call, f"{name} knows no option {text}")
    return _Command(name, options, arguments[0] if arguments else None)


def _completed(option: str) -> str:
    if option in _FLAGS or option in _VALUES or not option.startswith("--"):
        return option
    found = [name for name in (*_FLAGS, *_VALUES) if name.startswith(option)]
    return found[0] if len(found) == 1 else option


def _ends(call: Call, note: str) -> None:
    raise ExitSignal(Evidence(call.location, note))


def _perhaps(call: Call, missing: tuple[Missing, ...], action: Callable[[], Value]) -> None:
    frame = Frame((), call.run.current or Module("?", {}))

    def happens() -> None:
        action()

    call.run.branch(frame, missing, (happens, lambda: None))


def _settings(call: Call, command: _Command) -> Value | None:
    """Import the settings; None where the command ends without them."""
    run = call.run
    given = command.options.get("settings")
    if given is not None:
        run.store(run.environ.slots, _SETTINGS, given)
    folder = command.options.get("pythonpath")
    if folder is not None:
        run.store(run.path.slots, "items", (folder, *run.path.items))
    configured = run.modules.get(_CONFIGURED)
    if configured is not None:
        return configured
    name = run.environ.slots.get(_SETTINGS)
    if name is None and run.environ.rest is not None:
        return Opaque(run.environ.rest.missing, "the settings", harmless=True)
    if name is None or (isinstance(name, Known) and not name.value):
        if command.name in {"runserver", "runserver_plus"}:
            _ends(call, f"{_SETTINGS} is not set, so Django ends")
        return None
    if not isinstance(name, Known):
        return Opaque(missing_of(name), "the settings", harmless=True)
    return run.import_module(str(name.value), call.location)


def _setting(call: Call, settings: Value, name: str) -> Value | None:
    if isinstance(settings, Module):
        value: Value | None = settings.slots.get(name)
        if value is None and settings.rest is not None:
            return derived(name, settings.rest)
        return value
    return call.run.attribute_or_none(settings, name)


def _holds(apps: Value | None, name: str) -> Answer:
    """Say whether INSTALLED_APPS names an application or its configuration."""
    if apps is None:
        return Answer.NO
    if not isinstance(apps, Items):
        return Answer.UNKNOWN
    open_ = False
    for item in apps.items:
        if not isinstance(item, Known):
            open_ = True
        elif str(item.value) == name or str(item.value).startswith(f"{name}."):
            return Answer.YES
    return Answer.UNKNOWN if open_ else Answer.NO


def _own_command(call: Call, name: str, settings: Value) -> Value | None:
    """Run a command that an application of the project brings, which hides Django's own."""
    run = call.run
    apps = _setting(call, settings, "INSTALLED_APPS")
    for item in reversed(apps.items if isinstance(apps, Items) else ()):
        if not isinstance(item, Known):
            continue
        package = str(item.value).partition(".apps.")[0]
        module = f"{package}.management.commands.{name}"
        if not _is_there(call, module):
            continue
        loaded = run.import_module(module, call.location)
        command = loaded.slots.get("Command") if isinstance(loaded, Module) else None
        if not isinstance(command, Class) or "handle" not in command.slots:
            return run.unseen(f"what the management command {name} does", call.location)
        made = run.call(command, (), {}, call.location)
        target = made.parts[0] if isinstance(made, Opaque) and made.parts else made
        handle = run.attribute(target, "handle", call.location)
        missing = Missing(Reason.SOURCE, f"the options of the management command {name}")
        run.call(handle, (), {}, call.location, Opaque((missing,), "an option", harmless=True))
        return known(None)
    return None


def _is_there(call: Call, module: str, *, installed_too: bool = False) -> bool:
    """Say whether a module lies in the project, or among what is installed as well."""
    relative = module.replace(".", "/")
    for entry in call.run.path.items:
        if not isinstance(entry, Known) or call.run.cwd is None:
            continue
        folder = posixpath.normpath(posixpath.join(call.run.cwd, str(entry.value)))
        if folder.endswith(("/site-packages", "/dist-packages")) and not installed_too:
            continue
        if not isinstance(call.run.files.stat(f"{folder}/{relative}.py"), Absent):
            return True
    return False


# Installed applications whose runserver is known to be none of Werkzeug's.
_PLAIN = frozenset({"django", "django_extensions", "channels", "daphne", "whitenoise"})


def _hidden_by(call: Call, settings: Value) -> str | None:
    """Return the installed application whose own runserver takes the place of Django's."""
    apps = _setting(call, settings, "INSTALLED_APPS")
    for item in apps.items if isinstance(apps, Items) else ():
        package = str(item.value).partition(".apps.")[0] if isinstance(item, Known) else ""
        module = f"{package}.management.commands.runserver"
        if package == "werkzeug_debugger_runserver" or (
            package.partition(".")[0] not in _PLAIN and _is_there(call, module, installed_too=True)
        ):
            return package
    return None


def _bound(call: Call, command: _Command, address: Value | None) -> tuple[Value, Value]:
    """Return host and port of "[HOST:]PORT"; 127.0.0.1:8000 where there is none."""
    six = truth(command.options.get("use_ipv6", known(value=False))) is Answer.YES
    default = known("::1" if six else "127.0.0.1")
    if address is None or (isinstance(address, Known) and not address.value):
        return default, known(8000)
    if not isinstance(address, Known):
        return derived("the address", address), derived("the port", address)
    match = _ADDRESS.fullmatch(str(address.value))
    if match is None:
        raise ExitSignal(Evidence(call.location, f"{address.value!r} is no port or address"))
    host = match["host"]
    if host is None:
        return default, known(int(match["port"]), *address.trail)
    # A host of digits alone is an old spelling of an IPv4 address: 0 is 0.0.0.0.
    text = "0.0.0.0" if host == "0" else host.strip("[]")  # noqa: S104
    return known(text, *address.trail), known(int(match["port"]), *address.trail)


def _runserver(call: Call, command: _Command, settings: Value) -> Value:
    """Django's own server: never Werkzeug's, unless an application puts its own in the place."""
    hidden = _hidden_by(call, settings)
    if hidden is not None:
        return call.run.unseen(f"what the runserver of {hidden} does", call.location)
    host, port = _bound(call, command, command.address)
    debug, hosts = (_setting(call, settings, name) for name in ("DEBUG", "ALLOWED_HOSTS"))
    certain = isinstance(settings, Module) and settings.rest is None
    off = truth(debug or known(value=False)) is Answer.NO
    if certain and off and truth(hosts or known(None)) is Answer.NO:
        _ends(call, "runserver wants ALLOWED_HOSTS where DEBUG is off, so it ends")
    return foreign.serve(call, "django", _application(call, settings), host, port)


def _application(call: Call, settings: Value) -> Value:
    """django.core.servers.basehttp.get_internal_wsgi_application: what the settings name."""
    name = _setting(call, settings, "WSGI_APPLICATION")
    if isinstance(name, Known) and isinstance(name.value, str):
        module, _, attribute = name.value.rpartition(".")
        try:
            loaded = call.run.import_module(module, call.location)
            return call.run.attribute(loaded, attribute, call.location)
        except RaiseSignal as error:
            note = f"{name.value} cannot be loaded ({error.note.note}), so Django ends"
            raise ExitSignal(Evidence(call.location, note)) from error
    if name is None or isinstance(name, Known):
        return wsgi_application(call)
    return derived("WSGI_APPLICATION", name)


def wsgi_application(call: Call) -> Value:
    """Return Django's own application."""
    return call.run.call(_APPLICATION, (), {}, call.location)


_APPLICATION = foreign.application_class("django.core.handlers.wsgi.WSGIHandler")


def _configure(call: Call) -> Value:
    """settings.configure(**options): the settings of a program of one file."""
    module = Module(_CONFIGURED, dict(call.keywords), call.open)
    call.run.store(call.run.modules, _CONFIGURED, module)
    return known(None)


def _conf(run: Interpreter, _instance: Instance, name: str) -> Value | None:
    """django.conf.settings: what the settings module holds, as far as it can be told."""
    if name == "configure":
        return Native("django.conf.settings.configure", _configure)
    module = run.modules.get(_CONFIGURED)
    chosen = run.environ.slots.get(_SETTINGS)
    if module is None and isinstance(chosen, Known) and chosen.value:
        module = run.import_module(str(chosen.value), Location("django.conf.settings"))
    if not isinstance(module, Module):
        return None
    value: Value | None = module.slots.get(name)
    if value is None and module.rest is None and name == "DEBUG":
        return known(value=False)
    return value


CONF = {"settings": Instance(None, Native("django.conf.settings", attribute=_conf))}
WSGI = {"get_wsgi_application": Native("get_wsgi_application", wsgi_application)}
ASGI = {"get_asgi_application": Native("get_asgi_application", wsgi_application)}
