"""A Python program of the user's: what its source starts, and where it listens."""

import posixpath
from collections.abc import Callable, Sequence

from deployguard.flask import reloading
from deployguard.flask.application import (
    Setting,
    Wrapped,
    application_debug,
    happens,
    interpreter,
    processes,
    remote_debugger,
    serves,
    start_up,
    started,
    unseen,
    value_claim,
    wrapped,
)
from deployguard.flask.archives import unpacked, zipped
from deployguard.flask.judged import Judged, ended, nothing, undetermined
from deployguard.flask.libraries.effects import WSGI
from deployguard.flask.listeners import listener, remote_listeners
from deployguard.flask.served import Serving, pin_claim, served_facts
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    all_of,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts, Listener, ProgramClass, mapped
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Choice, ProgramKind
from deployguard.model.structs import replace
from deployguard.model.ways import cover
from deployguard.python import (
    Call,
    Effect,
    Ending,
    Interpreter,
    Known,
    Module,
    Outcome,
    known,
    modules,
)
from deployguard.python.modules import LOCATION, beside, compiled


def judge(setting: Setting) -> Judged:
    """Follow a script, `python -m MODULE`, `python -c TEXT` or a console script under one stack."""
    program = setting.program
    run = interpreter(setting)
    if program.kind is ProgramKind.SCRIPT:
        content = _source_of(run, program.name)
        if isinstance(content, Absent):
            note = Evidence(program.location, f"{program.name} is not there, so Python ends")
            return ended(ProgramClass.PYTHON, *program.trail, note)
        if isinstance(content, Unread):
            return _open(setting, (content.missing,))
        if compiled(content.data):
            missing = Missing(Reason.PROGRAM, f"what the compiled program {program.name} does")
            return _open(setting, (missing,))
        # Of a folder or archive it is what runpy runs: a module at the top.
        package = "" if content.location.file.endswith("/__main__.py") else None
        return _follow(setting, run, content.data, content.location, package)
    if program.kind is ProgramKind.CODE:
        return _follow(setting, run, program.name.encode(), program.location)
    if program.kind is ProgramKind.ENTRY_POINT:
        return _entry_point(setting, run)
    return _module(setting, run)


def _entry_point(setting: Setting, run: Interpreter) -> Judged:
    """Follow a console script: the function of a module is called, and the program ends."""
    program = setting.program
    name, _, attribute = program.name.partition(":")

    def start() -> None:
        start_up(run, setting)
        value = run.import_module(name, program.location)
        for step in filter(None, attribute.split(".")):
            value = run.attribute(value, step, program.location)
        run.call(value, (), {}, program.location)

    return judged(setting, run, run.run(start, program.location))


def _source_of(run: Interpreter, path: str) -> Content | Absent | Unread:
    """Return what Python runs of a path: a file, or the `__main__` of a folder or archive.

    Of bytecode it is the source, where that lies beside it.
    """
    content = run.files.read(path)
    if isinstance(content, Absent):
        return run.files.read(posixpath.join(path, "__main__.py"))
    if isinstance(content, Content) and zipped(run.files, path):
        missing = unpacked(run.files, path)
        if missing is not None:
            return Unread(missing)
        return run.files.read(posixpath.join(path, "__main__.py"))
    if isinstance(content, Content) and path.endswith(".pyc"):
        source = run.files.read(beside(path))
        return source if isinstance(source, Content) else content
    return content


def _open(setting: Setting, missing: Sequence[Missing]) -> Judged:
    return Judged(
        kind=ProgramClass.PYTHON,
        server="unknown",
        starts=unknown(missing),
        facts=undetermined(
            missing, *setting.program.trail, flask=False, debug=debug_hinted(setting)
        ),
    )


def debug_hinted(setting: Setting) -> bool:
    """Say whether the environment speaks of debugging to Flask."""
    names = ("FLASK_DEBUG", "FLASK_ENV", "FLASK_RUN_DEBUGGER", "FLASK_RUN_DEBUG")
    return any(name in setting.environment.entries for name in names)


def _follow(
    setting: Setting,
    run: Interpreter,
    text: bytes,
    location: Location,
    package: str | None = None,
) -> Judged:
    module = Module(
        "__main__",
        {
            LOCATION: location,
            "__name__": known("__main__"),
            "__file__": known(location.file),
            "__package__": known(package),
            "__doc__": known(None),
        },
    )

    def start() -> Module:
        start_up(run, setting)
        run.store(run.modules, "__main__", module)
        run.execute_text(text, module)
        return module

    return judged(setting, run, run.run(start, location))


def _module(setting: Setting, run: Interpreter) -> Judged:
    """`python -m NAME` (runpy._run_module_as_main): a package's __main__, else the module."""
    program = setting.program

    def start() -> Module | None:
        start_up(run, setting)
        main = modules.main_of(run, program.name, program.location)
        if main is None:
            leaf = program.name.rpartition(".")[2]
            run.unseen(f"what the module {leaf} does", program.location, Reason.PROGRAM)
            return None
        main.slots["__name__"] = known("__main__")
        main.name = "__main__"
        modules.execute(run, main)
        return main

    return judged(setting, run, run.run(start, program.location))


def judge_call(
    setting: Setting, action: Callable[[Call], object], *, flask: bool = False
) -> Judged:
    """Follow a command by the model of its function, under one stack.

    `flask` says that it is one of Flask's own.
    """
    run = interpreter(setting)
    place = setting.program.location

    def start() -> None:
        start_up(run, setting)
        action(Call(run, place, (), {}))

    return judged(
        setting,
        run,
        run.run(start, place),
        lambda again: judge_call(again, action, flask=flask),
        flask=flask,
    )


def judged(
    setting: Setting,
    run: Interpreter,
    outcome: Outcome,
    follow: Callable[[Setting], Judged] | None = None,
    *,
    flask: bool = False,
) -> Judged:
    """Judge what was followed; `follow` follows it again where a reloader starts it anew.

    `flask` says that it is one of Flask's own commands.
    """
    again = reloading.child(setting, run, outcome)
    if again is not None:
        return reloading.joined((follow or judge)(again), setting, outcome)
    own = flask
    flask = flask or any(name.partition(".")[0] in {"flask", "werkzeug"} for name in run.modules)
    suspected = flask or debug_hinted(setting)
    hidden = any_of(unseen(outcome, suspected=flask), started(outcome, suspected=flask))
    served = serves(outcome)
    others = _others(run, outcome)
    if not served and not others and hidden.answer is Answer.NO:
        trail = (*setting.program.trail, outcome.note)
        facts = nothing(*trail)
        return Judged(
            kind=ProgramClass.FLASK if flask else ProgramClass.PYTHON,
            server="none",
            starts=no(outcome.note) if outcome.ending is not Ending.DONE else no(*trail),
            facts=replace(facts, remote_debugger=remote_debugger(outcome)),
            listeners=remote_listeners(outcome),
            processes=processes(outcome, setting.program),
        )
    facts, listeners = _facts(setting, run, outcome, hidden, suspected=suspected)
    server = "werkzeug" if served else str(_text(others[0], "server")) if others else "unknown"
    return Judged(
        kind=ProgramClass.FLASK if flask else ProgramClass.PYTHON,
        server=server,
        starts=_starts(outcome, ended=own and not served and not others),
        facts=facts,
        listeners=listeners,
        processes=processes(outcome, setting.program),
    )


def _starts(outcome: Outcome, *, ended: bool) -> Claim:
    """Claim that a launch stays up: a command of Flask's that ends here does not, as far as seen.

    Its facts stay open, but a version with which it serves is the likelier one.
    """
    if ended and outcome.ending in {Ending.EXIT, Ending.RAISED}:
        return no(outcome.note)
    return yes()


def _others(run: Interpreter, outcome: Outcome) -> tuple[Effect, ...]:
    """Return the starts of other servers; some serve only while something else goes on.

    Where nothing runs after such a start the program ends with it.
    """
    found = []
    for effect in outcome.effects:
        left = _text(effect, "left")
        if effect.name != WSGI:
            continue
        if left is None or outcome.ending in {Ending.SERVES, Ending.LIMIT}:
            found.append(effect)
        elif outcome.ending is Ending.DONE and left != run.left:
            what = "whether the program goes on running while its server does"
            conditions = (*effect.conditions, Missing(Reason.SOURCE, what))
            found.append(replace(effect, conditions=conditions, choices=None))
    return tuple(found)


def _text(effect: Effect, key: str) -> object:
    value = effect.values.get(key)
    return value.value if isinstance(value, Known) else None


def _facts(
    setting: Setting, run: Interpreter, outcome: Outcome, hidden: Claim, *, suspected: bool
) -> tuple[Facts, tuple[Listener, ...]]:
    trail = setting.program.trail
    joined: list[Facts] = []
    listeners: list[Listener] = []
    remote = remote_debugger(outcome)
    ways: dict[str, list[tuple[Choice, ...]]] = {}
    for effect in serves(outcome):
        facts = _served(setting, run, outcome, effect, hidden, remote)
        joined.append(facts)
        if effect.conditions and effect.choices is not None:
            sure = replace(effect, conditions=())
            for name, claim in (
                _served(setting, run, outcome, sure, hidden, remote).claims().items()
            ):
                if claim.answer is Answer.YES:
                    ways.setdefault(name, []).append(effect.choices)
        listeners.append(listener(effect, "host", "port", facts.debugger.answer))
    for effect in _others(run, outcome):
        application = effect.values["application"]
        # A server of Python's own that hands out no WSGI application.
        plain = isinstance(application, Known) and application.value is None
        facts = served_facts(
            Serving(
                trail=(*trail, Evidence(effect.location, f"{_text(effect, 'server')} serves here")),
                dev_server=hidden,
                debug=all_of(
                    happens(effect, "it serves"),
                    no() if plain else application_debug(application),
                ),
                server_debugger=no(),
                evalex=no(),
                middleware=_while_serving(effect, wrapped(application, outcome)),
                unseen=hidden,
                environment=None,
                run=run,
                stack=setting.stack,
                reloader=no(),
                remote=remote,
            )
        )
        joined.append(facts)
        if "listen" in effect.values:
            listeners.append(listener(effect, "listen", "port", facts.debugger.answer))
        else:
            listeners.append(listener(effect, "host", "port", facts.debugger.answer))
    if not joined:
        return (
            undetermined(
                hidden.missing, *trail, *hidden.evidence, flask=hidden.suspected, debug=suspected
            ),
            (),
        )
    certain = frozenset(name for name, taken in ways.items() if cover(taken))

    def worst(name: str, _: Claim) -> Claim:
        claim = any_of(*(entry.claims()[name] for entry in joined))
        # Whichever way the conditions go, one of the starts does it.
        return yes(*claim.evidence) if name in certain else claim

    return mapped(joined[0], worst), (*listeners, *remote_listeners(outcome))


def _while_serving(effect: Effect, middleware: Wrapped) -> Wrapped:
    """Weaken what is claimed of an application that is served only under a condition."""
    return replace(middleware, debugger=all_of(happens(effect, "it serves"), middleware.debugger))


def _debug(setting: Setting, effect: Effect, hidden: Claim) -> tuple[Claim, Claim]:
    """Claim debug mode and the reloader of a server.

    The flask command reads the flag after the import, which may have set it unseen; from 1.0 to 2.1
    it reads it before. Before 1.0 an import may serve by itself.
    """
    debug = value_claim(effect.values["debug"], "debug")
    reloader = value_claim(effect.values["reloader"], "use_reloader")
    before = (1,) <= setting.stack.flask < (2, 2)
    if "command" in effect.values and debug.answer is not Answer.YES and not before:
        debug = any_of(debug, hidden)
    return debug, reloader


def _served(
    setting: Setting,
    run: Interpreter,
    outcome: Outcome,
    effect: Effect,
    hidden: Claim,
    remote: Claim,
) -> Facts:
    values = effect.values
    starter = _text(effect, "command") or "the source"
    start = happens(effect, f"{starter} starts Werkzeug's development server")
    debug, reloader = _debug(setting, effect, hidden)
    facts = served_facts(
        Serving(
            trail=setting.program.trail,
            dev_server=any_of(start, hidden),
            debug=all_of(start, debug),
            server_debugger=value_claim(values["debugger"], "use_debugger"),
            evalex=value_claim(values["evalex"], "use_evalex"),
            middleware=_while_serving(effect, wrapped(values["application"], outcome)),
            unseen=hidden,
            environment=None,
            run=run,
            stack=setting.stack,
            reloader=debug if values["reloader"] is values["debug"] else reloader,
            remote=remote,
        )
    )
    off = value_claim(values["debugger"], "use_debugger")
    through = value_claim(values["passthrough"], "passthrough_errors")
    pin = pin_claim(values.get("pin")) if setting.stack.werkzeug >= (0, 11) else yes()
    passthrough = (
        all_of(start, through)
        if off.answer is Answer.NO
        else no()
        if off.answer is Answer.YES or through.answer is Answer.NO
        else all_of(start, off, through)
    )
    return replace(
        facts,
        passthrough=passthrough,
        pin_off=any_of(pin, facts.pin_off) if pin.answer is Answer.YES else facts.pin_off,
    )
