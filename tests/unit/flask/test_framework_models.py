"""A law of every model of a framework: whatever it is called with, it never raises an error."""

import contextlib
import itertools
from collections.abc import Iterator

import pytest

from deployguard.flask.libraries import FlaskLibrary, commands, frameworks
from deployguard.flask.libraries.effects import SERVE, WSGI
from deployguard.flask.versions import Stack
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import Signal
from tests.support.memory import FLASK_3, MemoryFiles, venv
from tests.unit.flask.framework_launches import SITE

STACKS = (
    Stack(flask=(3, 1, 0), werkzeug=(3, 1, 3), click=(8, 1, 7), dotenv=True),
    Stack(flask=(0, 10, 1), werkzeug=(0, 9, 6), click=(6,), dotenv=False),
)
PLACE = Location("/srv/app/app.py", line=1)
HIDDEN = Opaque((Missing(Reason.SOURCE, "an argument"),), "an argument")
VALUES = {
    WSGI: ("server", "application", "host", "port"),
    SERVE: (
        "host", "port", "application", "debug", "reloader", "debugger", "evalex", "passthrough",
    ),
}  # fmt: skip
METHODS = (
    "run", "run_server", "init_app", "add_api", "add_wsgi_middleware", "listen", "start", "execute",
    "configure", "DEBUG", "start_background_task", "async_mode", "on", "server", "app", "wsgi_app",
    "graft", "make_wsgi_app", "mount", "current", "instance", "listenTCP", "route", "block",
)  # fmt: skip


def odd_values() -> tuple[Value, ...]:
    return (
        known(None),
        known(0),
        known("x"),
        known(b"\xff"),
        HIDDEN,
        Items({"items": (known(1), HIDDEN)}),
        Mapped({"debug": known(value=True), 3: known(1)}, HIDDEN),
        Instance(None, None),
    )


def evaluator(stack: Stack, words: tuple[Value, ...] = ()) -> Interpreter:
    files = venv(**FLASK_3, dash="3.0.4", connexion="2.14.2", flask_socketio="5.5.1")
    return Interpreter(
        environment=Environment({}),
        files=MemoryFiles(files),
        library=FlaskLibrary(stack),
        cwd="/srv/app",
        arguments=(known("/srv/app/app.py"), *words),
        search_path=("/srv/app", SITE),
    )


def calls(run: Interpreter) -> Iterator[Call]:
    values = odd_values()
    yield Call(run, PLACE, (), {})
    yield Call(run, PLACE, (), {}, HIDDEN)
    for value in values:
        yield Call(run, PLACE, (value,), {})
        yield Call(run, PLACE, (value,) * 4, {"host": value, "port": value, "debug": value})
    for one, two in itertools.pairwise(values):
        yield Call(run, PLACE, (one, two), {"app": two, "config": one, "use_reloader": two})


def called(run: Interpreter, function: Value, call: Call) -> Value:
    try:
        return run.call(function, call.arguments, call.keywords, PLACE, call.open)
    except Signal:
        return known(None)


def broken(run: Interpreter) -> list[str]:
    """Return the servers that were recorded without a value that judging them reads."""
    return [
        f"{effect.name}: {key}"
        for effect in run.effects
        for key in VALUES.get(effect.name, ())
        if key not in effect.values
    ]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", frameworks.names())
def test_whatever_a_model_is_called_with_it_gives_a_value_or_a_signal(
    name: str, stack: Stack
) -> None:
    run = evaluator(stack)
    slots = frameworks.slots(name, stack)
    assert slots is not None
    for held in slots.values():
        for call in calls(run):
            made = called(run, held, call) if isinstance(held, Native) else held
            for method in METHODS if isinstance(made, Instance) else ():
                function = run.attribute_or_none(made, method)
                if isinstance(function, Native):
                    called(run, function, call)
    assert broken(run) == []


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_whatever_words_a_command_is_given_it_gives_a_value_or_a_signal(name: str) -> None:
    words = [known(word) for word in ("run", "server", "web", "-p", "--host", "--dev=", "-c", "=")]
    for given in (
        (),
        *((word,) for word in (*words, *odd_values())),
        tuple(words),
        (HIDDEN, words[0]),
    ):
        run = evaluator(STACKS[0], given)
        with contextlib.suppress(Signal):
            commands.COMMANDS[name](Call(run, PLACE, (), {}), STACKS[0])
        assert broken(run) == []
