"""`python -m werkzeug.serving` and what else of Werkzeug and Flask can be run as a module."""

from collections.abc import Mapping

from deployguard.flask import script
from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged, ended
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.werkzeug import RUN_SIMPLE
from deployguard.flask.options import Grammar, Option, Parsed, parse
from deployguard.model.evidence import Evidence, Location
from deployguard.model.facts import ProgramClass
from deployguard.python import Call, EffectKind, Interpreter, Known, Value, known
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import after_first

_OPTIONS: Mapping[str, Option] = {
    "-b": Option("bind"),
    "--bind": Option("bind"),
    "-d": Option("debug", 0, known(value=True)),
    "--debug": Option("debug", 0, known(value=True)),
    "-r": Option("reload", 0, known(value=True)),
    "--reload": Option("reload", 0, known(value=True)),
    "-h": Option("help", 0, known(value=True)),
    "--help": Option("help", 0, known(value=True)),
}


def judge(setting: Setting) -> Judged:
    """Follow a module of Werkzeug that is run with -m, under one stack."""
    name, werkzeug = setting.program.name, setting.stack.werkzeug
    if name == "werkzeug.testapp":
        return script.judge_call(setting, _test, flask=True)
    if name == "werkzeug.serving" and werkzeug < (2, 1):
        abbreviated = werkzeug < (2,)
        return script.judge_call(
            setting, lambda call: _serving(call, abbreviated=abbreviated), flask=True
        )
    # The command line of werkzeug.serving went with 2.1; other modules have none.
    note = Evidence(setting.program.location, f"running {name} as a program starts nothing")
    return ended(ProgramClass.FLASK, *setting.program.trail, note)


def _test(call: Call) -> None:
    """werkzeug.testapp: an application that shows its environment."""
    application = harmless("werkzeug.testapp.test_app")
    arguments = (known("localhost"), known(5000), application)
    call.run.call(RUN_SIMPLE, arguments, {"use_reloader": known(value=True)}, call.location)


def _serving(call: Call, *, abbreviated: bool) -> None:
    """werkzeug.serving.main: optparse until 1.0, argparse without abbreviations in 2.0."""
    run, place = call.run, call.location
    parsed = parse(
        after_first(run.argv.items), Grammar(options=_names(abbreviated=abbreviated)), place
    )
    if parsed.unseen:
        run.emit(EffectKind.UNSEEN, "what is served", place, missing=parsed.unseen)
        return
    if parsed.error is not None:
        raise ExitSignal(parsed.error)
    if "help" in parsed.given or len(parsed.rest) != 1:
        raise ExitSignal(Evidence(place, "without one application it prints its usage and ends"))
    host, port = _address(parsed, place)
    application = _imported(run, parsed.rest[0], place)
    keywords = {
        "use_reloader": _flag(parsed, "reload"),
        "use_debugger": _flag(parsed, "debug"),
    }
    run.call(RUN_SIMPLE, (host, port, application), keywords, place)


def _names(*, abbreviated: bool) -> dict[str, Option]:
    names = dict(_OPTIONS)
    for name, option in _OPTIONS.items():
        if abbreviated and name.startswith("--"):
            names |= {name[:length]: option for length in range(3, len(name))}
    return names


def _flag(parsed: Parsed, key: str) -> Value:
    given = parsed.given.get(key)
    return given[-1].values[0] if given and given[-1].values else known(value=False)


def _address(parsed: Parsed, place: Location) -> tuple[Value, Value]:
    given = parsed.given.get("bind")
    value = given[-1].values[0] if given and given[-1].values else known("")
    if not isinstance(value, Known):
        return value, value
    host, _, port = str(value.value).partition(":")
    number = port.partition(":")[0] or "5000"
    if not number.isdigit():
        raise RaiseSignal("ValueError", Evidence(place, "the port is no number"))
    return known(host or "127.0.0.1", *value.trail), known(int(number), *value.trail)


def _imported(run: Interpreter, name: Value, place: Location) -> Value:
    """werkzeug.utils.import_string: "package.module:name", or with a dot."""
    if not isinstance(name, Known):
        return run.unseen("which application is served", place)
    head, _, leaf = str(name.value).replace(":", ".").rpartition(".")
    if not head:
        return run.import_module(leaf, place)
    return run.attribute(run.import_module(head, place), leaf, place)
