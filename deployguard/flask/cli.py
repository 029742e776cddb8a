"""The flask command: `flask run` and its kin, as flask.cli and click read their words.

Precedence, innermost first: the options of `run`, those of the group, the environment, .env files.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from deployguard.flask import dotenv
from deployguard.flask.application import (
    Imported,
    Setting,
    Wrapped,
    hidden_application,
    import_application,
    processes,
    remote_debugger,
    serves,
    unseen,
    value_claim,
    wrapped,
)
from deployguard.flask.judged import Judged, ended, nothing, undetermined
from deployguard.flask.libraries.application import debug_flag
from deployguard.flask.listeners import remote_listeners
from deployguard.flask.options import Given, Option, Parsed, boolean, parse
from deployguard.flask.served import Serving, served_facts
from deployguard.flask.versions import Stack
from deployguard.model.disclosure import quoted
from deployguard.model.environment import Environment
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    Traced,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Listener, ProgramClass
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.python import Ending

_HELP = Option("help")
_GROUP_OLD = {"--help": _HELP, "--version": Option("version")}
_GROUP = _GROUP_OLD | {
    "--app": Option("app", takes_value=True),
    "-A": Option("app", takes_value=True),
    "--env-file": Option("env_file", takes_value=True),
    "-e": Option("env_file", takes_value=True),
    "--debug": Option("debug"),
    "--no-debug": Option("debug", sets=False),
}
_RUN_OLD = {
    "--help": _HELP,
    "--host": Option("host", takes_value=True),
    "-h": Option("host", takes_value=True),
    "--port": Option("port", takes_value=True),
    "-p": Option("port", takes_value=True),
    "--reload": Option("reload"),
    "--no-reload": Option("reload", sets=False),
    "--debugger": Option("debugger"),
    "--no-debugger": Option("debugger", sets=False),
    "--with-threads": Option("threads"),
    "--without-threads": Option("threads", sets=False),
}
_EAGER = {"--eager-loading": Option("eager"), "--lazy-loader": Option("eager", sets=False)}
_TLS = {"--cert": Option("cert", takes_value=True), "--key": Option("key", takes_value=True)}
_FILES = {"--extra-files": Option("extra_files", takes_value=True)}
_EXCLUDE = {"--exclude-patterns": Option("exclude", takes_value=True)}
_DEBUG = {"--debug": Option("debug"), "--no-debug": Option("debug", sets=False)}

# Commands that Flask and its well-known extensions add and that end by themselves.
_ENDING = frozenset({"shell", "routes", "db", "translate", "assets"})


def _run_options(stack: Stack) -> dict[str, Option]:
    options = dict(_RUN_OLD)
    if stack.flask < (2, 3):
        options |= _EAGER
    if stack.flask >= (1,):
        options |= _TLS
    if stack.flask >= (1, 1):
        options |= _FILES
    if stack.flask >= (2, 2):
        options |= _EXCLUDE
    if stack.flask >= (2, 2, 3):
        options |= _DEBUG
    return options


class _Ends(Exception):  # noqa: N818  (control flow: the command ends by itself)
    def __init__(self, note: Evidence) -> None:
        super().__init__()
        self.note = note


class _Open(Exception):  # noqa: N818  (control flow: what the command does cannot be told)
    def __init__(self, missing: tuple[Missing, ...]) -> None:
        super().__init__()
        self.missing = missing


def judge(setting: Setting) -> Judged:
    """Return what the flask command does with its words, under one stack."""
    evidence = setting.program.trail
    if setting.stack.flask < (0, 11):
        note = Evidence(setting.program.location, "this Flask has no command of its own")
        return ended(ProgramClass.FLASK, note)
    try:
        return _command(setting)
    except _Ends as end:
        return ended(ProgramClass.FLASK, *evidence, end.note)
    except _Open as hidden:
        return Judged(
            kind=ProgramClass.FLASK,
            server="unknown",
            starts=unknown(hidden.missing),
            facts=undetermined(hidden.missing, *evidence, flask=True, debug=True),
        )


def _parsed(words: Sequence[Word], options: dict[str, Option], *, group: bool) -> Parsed:
    result = parse(words, options, group=group)
    if result.unseen:
        raise _Open(result.unseen)
    # --help and --version act as soon as they are met, unless the words do not parse at all.
    if result.error is not None:
        raise _Ends(result.error)
    for key in ("help", "version"):
        if key in result.given:
            raise _Ends(Evidence(result.given[key].word.location, f"--{key} prints and ends"))
    return result


def _command(setting: Setting) -> Judged:
    stack, program = setting.stack, setting.program
    words = program.args
    options = _GROUP if stack.flask >= (2, 2) else _GROUP_OLD
    group = _parsed(words, options, group=True)
    environment = _dotenv(setting, group)
    if not group.rest:
        raise _Ends(Evidence(program.location, "flask without a command prints its help and ends"))
    environment = _group_debug(group, environment, stack)
    command = group.rest[0]
    if command.value != "run":
        if command.value in _ENDING:
            note = f"flask {command.value} does its work and ends"
            raise _Ends(Evidence(command.location, note))
        missing = Missing(Reason.COMMAND, f"what the command flask {command.value} does")
        raise _Open((missing,))
    run = _parsed(group.rest[1:], _run_options(stack), group=False)
    if run.rest:
        raise _Ends(
            Evidence(run.rest[0].location, "flask run takes no arguments, so it ends with an error")
        )
    return _run(replace(setting, environment=environment), group, run)


def _dotenv(setting: Setting, group: Parsed) -> Environment:
    stack, environment = setting.stack, setting.environment
    explicit: Content | Absent | Unread | None = None
    if stack.flask >= (2, 2):
        given = group.given.get("env_file")
        name: Traced[str | None] | None = None
        if given is not None:
            name = Traced(
                given.value if isinstance(given.value, str) else None,
                given.word.location,
                missing=given.word.missing,
            )
        else:
            name = environment.get("FLASK_ENV_FILE")
        if name is not None and name.value is None:
            explicit = Unread(_first(name.missing, Reason.FILE, "which file -e names"))
        elif name is not None and name.value is not None:
            if not stack.dotenv:
                raise _Ends(Evidence(name.location, "-e wants python-dotenv, so flask ends"))
            explicit = _read(setting, name.value)
            if isinstance(explicit, Absent):
                raise _Ends(Evidence(name.location, f"{name.value} is not there, so flask ends"))
    return dotenv.layers(environment, setting.cwd, stack, setting.files, explicit)


def _first(missing: Sequence[Missing], reason: Reason, what: str) -> Missing:
    return missing[0] if missing else Missing(reason, what)


def _read(setting: Setting, path: str) -> Content | Absent | Unread:
    if setting.cwd is None and not path.startswith("/"):
        return Unread(Missing(Reason.IMAGE, "the working directory"))
    return setting.files.read(posixpath.normpath(posixpath.join(setting.cwd or "/", path)))


def _group_debug(group: Parsed, environment: Environment, stack: Stack) -> Environment:
    """flask.cli._set_debug: from 2.2 on the group option, else FLASK_DEBUG as click reads it."""
    if stack.flask < (2, 2):
        return environment
    given = group.given.get("debug")
    if given is not None:
        return _with_debug(environment, given)
    return _through_click(environment, "FLASK_DEBUG", stack)


def _with_debug(environment: Environment, given: Given) -> Environment:
    entry: Traced[str | None] = Traced("1" if given.value else "0", given.word.location)
    return environment.with_entry("FLASK_DEBUG", entry)


def _through_click(environment: Environment, name: str, stack: Stack) -> Environment:
    """Rewrite a variable as click's BOOL does; text it refuses ends the command."""
    entry = environment.get(name)
    if entry is None or entry.value is None:
        return environment
    answer = boolean(entry.value, stack)
    if answer is None:
        note = f"{name} is {quoted(name, entry.value)}, which click refuses: flask ends"
        raise _Ends(Evidence(entry.location, note))
    if answer is Answer.UNKNOWN:
        return environment
    value = "1" if answer is Answer.YES else "0"
    return Environment(
        {**environment.entries, name: replace(entry, value=value)},
        environment.removed,
        environment.unseen,
        environment.location,
    )


def _variable(environment: Environment, name: str, stack: Stack) -> Claim | None:
    """Read a FLASK_RUN_ flag as click does; None where it is not set."""
    entry = environment.get(name)
    if entry is None:
        return None
    step = Evidence(entry.location, f"{name} is {quoted(name, entry.value)}")
    if entry.value is None:
        missing = entry.missing or (Missing(Reason.VARIABLE, f"the value of {name}"),)
        return unknown(missing, step, suspected=True)
    answer = boolean(entry.value, stack)
    if answer is None:
        raise _Ends(Evidence(entry.location, f"{step.note}, which click refuses: flask ends"))
    if answer is Answer.UNKNOWN:
        return None
    return Claim(answer, (step,))


def _flag(parsed: Parsed, key: str, environment: Environment, stack: Stack) -> Claim | None:
    """Return a flag of `run`: the option, else its variable, else None."""
    given = parsed.given.get(key)
    if given is not None:
        step = Evidence(given.word.location, f"{given.word.value} is given")
        return yes(step) if given.value else no(step)
    return _variable(environment, f"FLASK_RUN_{key.upper()}", stack)


def _run(setting: Setting, group: Parsed, run: Parsed) -> Judged:
    stack, environment = setting.stack, setting.environment
    if stack.flask >= (2, 2, 3):
        environment = _run_debug(run, environment, stack)
    debugger_flag = _flag(run, "debugger", environment, stack)
    reload_flag = _flag(run, "reload", environment, stack)
    listener = _listener(setting, run, environment)
    early = _debug_before(environment, stack, setting.program.location)
    imported = _import(replace(setting, environment=environment), group)
    lazy = _loads_lazily(run, early, stack)
    gone = imported is not None and imported.failure is not None
    if imported is None:
        note = Evidence(setting.program.location, "there is no application to be found")
        if not lazy:
            raise _Ends(note)
    elif gone and imported.failure is not None and not lazy:
        raise _Ends(Evidence(imported.failure.location, _import_fails(imported.failure)))
    if imported is not None and not lazy and _waits(imported):
        return _waiting(setting, imported)
    outcome_unseen = unseen(imported.outcome, suspected=True) if imported else no()
    debug = early if early is not None else _debug_after(imported, stack, setting)
    debug = _told(_doubted(debug, imported, stack), group, run)
    debugger = debugger_flag if debugger_flag is not None else debug
    middleware = _middleware(imported)
    facts = served_facts(
        Serving(
            trail=(
                *setting.program.trail,
                Evidence(
                    setting.program.location, "flask run starts Werkzeug's development server"
                ),
            ),
            dev_server=yes(),
            debug=debug,
            server_debugger=debugger,
            evalex=yes(),
            middleware=middleware,
            unseen=outcome_unseen,
            environment=environment if imported is None else None,
            run=imported.run if imported else None,
            stack=stack,
            reloader=reload_flag if reload_flag is not None else debug,
            remote=remote_debugger(imported.outcome) if imported else no(),
        )
    )
    own = tuple(serves(imported.outcome)) if imported else ()
    if own and stack.flask < (1,):
        # Before 1.0 an unguarded app.run() starts at the import.
        claim = value_claim(own[0].values["debugger"], "use_debugger")
        facts = replace(facts, debugger=any_of(facts.debugger, claim))
    return Judged(
        kind=ProgramClass.FLASK,
        server="werkzeug",
        starts=yes(),
        facts=facts,
        listeners=(
            replace(listener, debugger=facts.debugger.answer),
            *(remote_listeners(imported.outcome) if imported else ()),
        ),
        processes=processes(imported.outcome, setting.program) if imported else (),
    )


def _waits(imported: Imported) -> bool:
    """Say whether the application certainly never lets the command go on, and serves nothing."""
    outcome = imported.outcome
    return outcome.ending is Ending.SERVES and not serves(outcome)


def _waiting(setting: Setting, imported: Imported) -> Judged:
    """Return a launch whose application never lets the command go on: it waits for a debugger."""
    outcome = imported.outcome
    steps = (*setting.program.trail, outcome.note)
    facts = nothing(*steps)
    if outcome.unseen:
        facts = undetermined(outcome.unseen, *steps, flask=True, debug=True)
    facts = replace(facts, remote_debugger=remote_debugger(outcome))
    return Judged(
        kind=ProgramClass.FLASK,
        server="none",
        starts=yes(*steps),
        facts=facts,
        listeners=remote_listeners(outcome),
        processes=processes(outcome, setting.program),
    )


def _told(debug: Claim, group: Parsed, run: Parsed) -> Claim:
    """Put the option before the variable that it sets."""
    given = run.given.get("debug") or group.given.get("debug")
    if given is None:
        return debug
    step = Evidence(given.word.location, f"{given.word.value} is given, which sets FLASK_DEBUG")
    return replace(debug, evidence=(step, *debug.evidence))


def _loads_lazily(run: Parsed, early: Claim | None, stack: Stack) -> bool:
    """Before 2.0 the server starts before the application is imported, in debug mode or if told."""
    given = run.given.get("eager")
    if given is not None:
        return not given.value
    return stack.flask < (2,) and early is not None and early.answer is not Answer.NO


def _import_fails(note: Evidence) -> str:
    return f"the application cannot be imported ({note.note}), so flask ends"


def _middleware(imported: Imported | None) -> Wrapped:
    if imported is None:
        return Wrapped(debugger=no(), interactive=no(), pin_off=no())
    return wrapped(imported.application, imported.outcome)


def _run_debug(run: Parsed, environment: Environment, stack: Stack) -> Environment:
    """From 2.2.3 on `run` has --debug itself, with the variable FLASK_RUN_DEBUG."""
    given = run.given.get("debug")
    if given is not None:
        return _with_debug(environment, given)
    claim = _variable(environment, "FLASK_RUN_DEBUG", stack)
    entry = environment.get("FLASK_RUN_DEBUG")
    if claim is None or entry is None:
        return environment
    if claim.answer is Answer.UNKNOWN:
        return environment.with_entry("FLASK_DEBUG", replace(entry, replaced=None))
    value = "1" if claim.answer is Answer.YES else "0"
    return environment.with_entry("FLASK_DEBUG", replace(entry, value=value))


def _debug_before(environment: Environment, stack: Stack, location: Location) -> Claim | None:
    """Before 2.2 the flag is read before the application is loaded; None from 2.2 on."""
    if stack.flask >= (2, 2):
        return None
    return flag_claim(environment, stack, location)


def flag_claim(environment: Environment, stack: Stack, location: Location) -> Claim:
    """Claim flask.helpers.get_debug_flag() of an environment."""
    entry = environment.get("FLASK_DEBUG")
    if entry is not None and entry.value is None:
        step = Evidence(entry.location, "FLASK_DEBUG is set, but its value cannot be seen")
        missing = entry.missing or (Missing(Reason.VARIABLE, "the value of FLASK_DEBUG"),)
        return unknown(missing, step, suspected=True)
    if entry is not None and entry.value:
        word = entry.value if stack.flask < (1,) else entry.value.lower()
        step = Evidence(entry.location, f"FLASK_DEBUG is {quoted('FLASK_DEBUG', entry.value)}")
        return no(step) if word in {"0", "false", "no"} else yes(step)
    mode = environment.get("FLASK_ENV") if (1,) <= stack.flask < (2, 3) else None
    if mode is None:
        return no(Evidence(location, "nothing turns debug mode on"))
    step = Evidence(mode.location, f"FLASK_ENV is {quoted('FLASK_ENV', mode.value)}")
    if mode.value is None:
        return unknown(mode.missing, step, suspected=True)
    return yes(step) if mode.value == "development" else no(step)


def _debug_after(imported: Imported | None, stack: Stack, setting: Setting) -> Claim:
    """From 2.2 on the flag is read after the import, which may have set it."""
    if imported is None:
        return flag_claim(setting.environment, stack, setting.program.location)
    claim = value_claim(debug_flag(imported.run, stack), "FLASK_DEBUG")
    if claim.answer is Answer.NO and not claim.evidence:
        return no(Evidence(setting.program.location, "nothing turns debug mode on"))
    return claim


def _doubted(debug: Claim, imported: Imported | None, stack: Stack) -> Claim:
    """Doubt the flag, from 2.2 on, where an import does something unseen that may set it."""
    if imported is None or stack.flask < (2, 2) or debug.answer is Answer.YES:
        return debug
    return any_of(debug, unseen(imported.outcome, suspected=True))


_MODULE_NAME = re.compile(r":(?![\\/])")


def _import(setting: Setting, group: Parsed) -> Imported | None:
    """flask.cli.ScriptInfo.load_app: the application named, else wsgi.py, else app.py."""
    given = group.given.get("app")
    name: Traced[str | None] | None = setting.environment.get("FLASK_APP")
    if given is not None:
        value = given.value if isinstance(given.value, str) else None
        name = Traced(value, given.word.location, missing=given.word.missing)
    inner = _with_flag(setting)
    if name is not None and name.value is None:
        missing = _first(name.missing, Reason.VARIABLE, "the value of FLASK_APP")
        return hidden_application(inner, missing)
    if setting.cwd is None:
        return hidden_application(inner, Missing(Reason.IMAGE, "the working directory"))
    if name is not None and name.value:
        path, *rest = _MODULE_NAME.split(name.value, maxsplit=1)
        return _load(inner, path, rest[0] if rest else None)
    for path in ("wsgi.py", "app.py"):
        found = _load(inner, path, None)
        if found.failure is None or path.removesuffix(".py") in found.run.modules:
            return found
    return None


def _with_flag(setting: Setting) -> Setting:
    if setting.stack.flask < (1,):
        return setting
    entry: Traced[str | None] = Traced("true", setting.program.location)
    environment = setting.environment.with_entry("FLASK_RUN_FROM_CLI", entry)
    return replace(setting, environment=environment)


def _load(setting: Setting, path: str, attribute: str | None) -> Imported:
    """flask.cli.prepare_import: the folder above the package goes to the front of sys.path."""
    full = posixpath.normpath(posixpath.join(setting.cwd or "/", path))
    base, extension = posixpath.splitext(full)
    full = base if extension == ".py" else full
    if posixpath.basename(full) == "__init__":
        full = posixpath.dirname(full)
    names: list[str] = []
    while True:
        full, name = posixpath.split(full)
        names.insert(0, name)
        marker = setting.files.stat(posixpath.join(full, "__init__.py"))
        if isinstance(marker, Unread | Absent):
            break
    folders = (full, *(folder for folder in setting.folders if folder != full))
    return import_application(replace(setting, folders=folders), ".".join(names), attribute)


def _listener(setting: Setting, run: Parsed, environment: Environment) -> Listener:
    host, host_place, host_missing = _option_text(run, "host", environment)
    port, _, port_missing = _option_text(run, "port", environment)
    number: int | None = 5000
    if port is not None:
        if not port.strip().isdigit():
            note = "the port is not a number, so flask ends"
            raise _Ends(Evidence(host_place or setting.program.location, note))
        number = int(port)
    if port_missing:
        number = None
    address = "127.0.0.1" if host is None else host or "0.0.0.0"  # noqa: S104  (what '' binds)
    if address.startswith("unix://"):
        address, number = f"unix:{address.removeprefix('unix://')}", None
    location = host_place or setting.program.location
    note = f"it listens on {address}" if host_place else f"it listens on {address}, the default"
    return Listener(
        address=None if host_missing else address,
        port=number,
        debugger=Answer.UNKNOWN,
        location=location,
        missing=host_missing,
        evidence=(Evidence(location, note),),
    )


def _option_text(
    run: Parsed, key: str, environment: Environment
) -> tuple[str | None, Location | None, tuple[Missing, ...]]:
    given = run.given.get(key)
    if given is not None:
        if isinstance(given.value, str):
            return given.value, given.word.location, ()
        missing = given.word.missing or (Missing(Reason.COMMAND, f"the value of --{key}"),)
        return None, given.word.location, missing
    entry = environment.get(f"FLASK_RUN_{key.upper()}")
    if entry is None or entry.value == "":
        return None, None, ()
    if entry.value is None:
        missing = (Missing(Reason.VARIABLE, f"the value of FLASK_RUN_{key.upper()}"),)
        return None, entry.location, entry.missing or missing
    return entry.value, entry.location, ()
