"""Importing an application the way a command does, and what the import shows about it."""

import posixpath
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from deployguard.flask.libraries import FlaskLibrary, config
from deployguard.flask.libraries.effects import DEBUGGED, FRAMEWORK, INNER, REMOTE, SERVE, WSGI
from deployguard.flask.libraries.passage import Passage, passage
from deployguard.flask.versions import Stack
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
    distinct,
    negate,
    no,
    unknown,
    yes,
)
from deployguard.model.filesystem import Absent, Filesystem
from deployguard.model.process import Process, Program, ProgramKind, Start, Word
from deployguard.model.structs import replace
from deployguard.python import (
    Command,
    Effect,
    EffectKind,
    Function,
    Instance,
    Interpreter,
    Known,
    Mapped,
    Opaque,
    Outcome,
    Value,
    known,
    variables,
)
from deployguard.python.modules import LOCATION, add_path_file
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import Bound, missing_of, trail_of, truth


class Variables:
    """What a program sees of its environment, made once for all stacks that it is judged under."""

    def __init__(self) -> None:
        self._made: tuple[Environment, Mapping[str, Value]] | None = None

    def of(self, environment: Environment) -> Mapping[str, Value]:
        """Return the values of an environment's variables."""
        if self._made is None or self._made[0] is not environment:
            self._made = environment, variables(environment)
        return self._made[1]


class Setting(Struct, frozen=True, kw_only=True):
    """What a program is evaluated with."""

    program: Program
    environment: Environment
    files: Filesystem
    stack: Stack
    folders: tuple[str, ...]
    cwd: str | None
    unread: Missing | None
    version: tuple[int, int] | None = None
    sites: tuple[str, ...] = ()
    user: bool = True
    variables: Variables = field(default_factory=Variables)


class Imported(Struct, frozen=True, kw_only=True):
    """What came of importing: the outcome, the interpreter after it, and the application.

    `application` is None where it certainly cannot be had, with the reason in `failure`.
    """

    outcome: Outcome
    run: Interpreter
    application: Value | None
    failure: Evidence | None


def interpreter(setting: Setting) -> Interpreter:
    """Return an evaluator for a program, its start-up files not yet run."""
    program = setting.program
    python = program.interpreter
    words = (
        known(word.value, Evidence(word.location, "an argument"))
        if word.value is not None
        else Opaque(word.missing, "an argument", harmless=True)
        for word in program.args
    )
    run = Interpreter(
        environment=setting.environment,
        files=setting.files,
        library=FlaskLibrary(setting.stack),
        cwd=setting.cwd,
        arguments=(known(program.name), *words),
        search_path=setting.folders,
        terminal=program.process.terminal.value,
        optimize=_optimize(setting),
        version=setting.version,
        executable=python.path if python is not None else None,
        variables=setting.variables.of(setting.environment),
    )
    run.unread = setting.unread
    run.hosts = frozenset(_loaded_by(program))
    if "gunicorn" in run.hosts:
        # gunicorn.arbiter.Arbiter.__init__ sets it before the application is imported.
        note = Evidence(program.location, "gunicorn sets SERVER_SOFTWARE")
        run.environ.slots["SERVER_SOFTWARE"] = known("gunicorn", note)
    return run


def _optimize(setting: Setting) -> int | Opaque:
    """Return the level of -O, or that of PYTHONOPTIMIZE (Modules/main.c)."""
    python = setting.program.interpreter
    level = python.optimize if python is not None else 0
    variable = setting.environment.get("PYTHONOPTIMIZE")
    if variable is None or variable.value == "" or (python and python.ignore_environment):
        return level
    if variable.value is None:
        # What may set any variable is not taken to set this one; what hides it may.
        named = "PYTHONOPTIMIZE" in setting.environment.entries
        return Opaque(variable.missing, "PYTHONOPTIMIZE", harmless=True) if named else level
    return max(level, int(variable.value) if variable.value.isdecimal() else 1)


# Servers and commands that import a program: what sys.modules holds of them.
_HOSTS = ("gunicorn", "waitress", "hypercorn", "uvicorn", "uwsgi", "celery", "pytest", "debugpy")


def _loaded_by(program: Program) -> tuple[str, ...]:
    names = {posixpath.basename(program.name), re.split(r"[.:]", program.name)[0]}
    if program.kind is ProgramKind.SCRIPT or program.kind is ProgramKind.CODE:
        return ()
    return tuple(name for name in _HOSTS if name in names)


def start_up(run: Interpreter, setting: Setting) -> None:
    """Run what Python runs by itself at its start (Lib/site.py): .pth lines and sitecustomize."""
    python = setting.program.interpreter
    if python is not None and python.no_site:
        return
    for folder in setting.folders:
        names = setting.files.list(folder)
        for name in names if isinstance(names, tuple) else ():
            if name.endswith(".pth") and folder in setting.sites:
                add_path_file(run, folder, name)
    hidden = setting.environment.get("PYTHONPATH")
    if hidden is not None and hidden.value is None:
        run.unseen_import("sitecustomize", hidden.missing, hidden.location)
        return
    # Whether the user's own modules count is said by files that may not have been read.
    doubt = setting.unread
    if python is None or python.path is None:
        doubt = doubt or Missing(Reason.PROGRAM, "which Python runs it")
    for name in ("sitecustomize", *(("usercustomize",) if setting.user else ())):
        if not _may_be_there(name, setting):
            continue
        if name == "usercustomize" and doubt is not None:
            run.unseen_import(name, (doubt,), Location(name))
            continue
        try:
            run.import_module(name, Location(name))
        except RaiseSignal:
            continue


def _may_be_there(name: str, setting: Setting) -> bool:
    """Say whether a start-up module may lie on the path; nobody writes one as an extension."""
    return any(
        not isinstance(setting.files.stat(posixpath.join(folder, name) + ending), Absent)
        for folder in setting.folders
        if folder.startswith("/")
        for ending in (".py", "/__init__.py", ".pyc")
    ) or any(not folder.startswith("/") for folder in setting.folders)


def application_debug(application: Value | None) -> Claim:
    """Claim app.debug of an application; those of other frameworks have none."""
    if isinstance(application, Instance) and "config" not in application.slots:
        if FRAMEWORK in application.slots:
            return no()
        if INNER in application.slots:
            return application_debug(application.slots[INNER])
    if isinstance(application, Instance) and "config" in application.slots:
        return value_claim(config.debug(application.slots["config"]), "app.debug")
    return unknown(Missing(Reason.SOURCE, "app.debug of the application"))


def value_claim(value: Value, name: str) -> Claim:
    """Claim that a value is true."""
    answer = truth(value)
    trail = trail_of(value)
    if answer is Answer.UNKNOWN:
        missing = missing_of(value) or (Missing(Reason.SOURCE, f"the value of {name}"),)
        return Claim(Answer.UNKNOWN, trail, distinct(missing), suspected=True)
    return Claim(answer, trail)


def happens(effect: Effect, note: str) -> Claim:
    """Claim that an effect takes place: certainly, or under conditions that cannot be told."""
    step = Evidence(effect.location, note)
    if effect.conditions:
        return unknown(effect.conditions, step, suspected=True)
    return yes(step)


class Wrapped(Struct, frozen=True, kw_only=True):
    """What the debugger middleware of an application claims."""

    debugger: Claim
    interactive: Claim
    pin_off: Claim


def wrapped(application: Value | None, outcome: Outcome) -> Wrapped:
    """Claim whether an application passes its requests through the debugger middleware.

    One that is made but not seen in the application that is served leaves the answer open.
    """
    way = passage(application) if application is not None else Passage((), settled=True)
    for middleware, certain in way.debuggers:
        made = next(
            effect
            for effect in outcome.effects
            if effect.name == DEBUGGED and effect.values["instance"] is middleware
        )
        claim = happens(made, "DebuggedApplication wraps the application")
        plain = application is None or isinstance(application, Instance | Function | Bound)
        if not plain or not certain:
            missing = missing_of(application) if application is not None else ()
            missing = missing or made.conditions or (_unsure(),)
            claim = unknown(missing, *claim.evidence, suspected=True)
        return Wrapped(
            debugger=claim,
            interactive=value_claim(middleware.slots["<evalex>"], "evalex"),
            pin_off=negate(value_claim(middleware.slots["<pin_security>"], "pin_security")),
        )
    if way.makers:
        step = Evidence(_defined(way.makers[0]), "what answers requests speaks of the debugger")
        claim = unknown(_unsure(), step, suspected=True)
        return Wrapped(debugger=claim, interactive=claim, pin_off=no())
    elsewhere = next((effect for effect in outcome.effects if effect.name == DEBUGGED), None)
    if elsewhere is None:
        return Wrapped(debugger=no(), interactive=no(), pin_off=no())
    step = Evidence(elsewhere.location, "DebuggedApplication is made here")
    if way.settled:
        step = replace(step, note=f"{step.note}, and what is served does not pass through it")
        return Wrapped(debugger=no(step), interactive=no(), pin_off=no())
    claim = unknown(_unsure(), step, suspected=True)
    return Wrapped(debugger=claim, interactive=claim, pin_off=no())


def _defined(function: Function) -> Location:
    place = function.module.slots.get(LOCATION)
    base = place if isinstance(place, Location) else Location(function.module.name)
    return replace(base, line=function.node.lineno)


def _unsure() -> Missing:
    return Missing(Reason.SOURCE, "whether what is served passes through it")


def unseen(outcome: Outcome, *, suspected: bool) -> Claim:
    """Claim that something unseen happens; no where everything was seen."""
    missing = outcome.unseen
    return unknown(missing, suspected=suspected) if missing else no()


def serves(outcome: Outcome) -> tuple[Effect, ...]:
    """Return the starts of Werkzeug's server."""
    return tuple(effect for effect in outcome.effects if effect.name == SERVE)


def remote_debugger(outcome: Outcome) -> Claim:
    """Claim that a remote debugger listens; what is unseen alone is no suspicion of one."""
    found = [
        happens(effect, f"{_debugger(effect)} listens for a debugger")
        for effect in outcome.effects
        if effect.name == REMOTE
    ]
    return any_of(unseen(outcome, suspected=False), *found)


def _debugger(effect: Effect) -> object:
    name = effect.values.get("debugger")
    return name.value if isinstance(name, Known) else "debugpy"


def processes(outcome: Outcome, program: Program) -> tuple[Start, ...]:
    """Return the processes that a program starts, as far as their words can be told."""
    return tuple(
        Start(
            process=_process(effect, effect.command, program),
            files=effect.command.files,
            certain=not effect.conditions,
            missing=effect.conditions,
            choices=effect.choices or (),
            awaited=effect.command.waits and _goes_on(outcome.effects[position + 1 :]),
        )
        for position, effect in enumerate(outcome.effects)
        if effect.command is not None
    )


def _goes_on(effects: Sequence[Effect]) -> bool:
    """Say whether a program serves or starts something after a command that it waits for."""
    return any(
        effect.name in {SERVE, WSGI} or effect.kind is EffectKind.PROCESS for effect in effects
    )


def _process(effect: Effect, command: Command, program: Program) -> Process:
    place = effect.location
    words = tuple(_word(value, place) for value in command.words)
    if command.shell:
        words = (Traced("/bin/sh", place), Traced("-c", place), *words)
    folder = Missing(Reason.SOURCE, "the folder that a command starts in")
    return Process(
        args=words,
        env=environment_of(command.environ, place),
        cwd=Traced(command.cwd, place, missing=() if command.cwd else (folder,)),
        user=program.process.user,
        terminal=program.process.terminal,
        location=place,
        trail=(*program.trail, Evidence(place, "the program starts another one here")),
    )


def _word(value: Value, place: Location) -> Word:
    if isinstance(value, Known) and isinstance(value.value, str | bytes):
        text = value.value
        return Traced(text if isinstance(text, str) else text.decode("utf-8", "replace"), place)
    missing = missing_of(value) or (Missing(Reason.SOURCE, "a word of a command"),)
    return Traced(None, place, missing=missing)


def environment_of(environ: Mapped, place: Location) -> Environment:
    """Return a copy of os.environ as the environment of a process, each value with its place."""
    entries: dict[str, Word] = {}
    for name, value in environ.slots.items():
        word = _word(value, place)
        steps = trail_of(value)
        entries[str(name)] = replace(word, location=steps[0].location) if steps else word
    unseen = environ.rest.missing if environ.rest is not None else ()
    return Environment(entries, unseen=unseen, location=place)


def hidden_processes(outcome: Outcome) -> tuple[Missing, ...]:
    """Return what would have to be known of the processes whose words cannot be told."""
    return distinct(
        entry
        for effect in outcome.effects
        if effect.kind is EffectKind.PROCESS and effect.command is None
        for entry in effect.missing
    )


def started(outcome: Outcome, *, suspected: bool) -> Claim:
    """Claim that a process that cannot be told does something; no where there is none."""
    missing = hidden_processes(outcome)
    return unknown(missing, suspected=suspected) if missing else no()
