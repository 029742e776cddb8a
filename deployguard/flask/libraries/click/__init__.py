"""click: command lines of Python programs, as the installed version reads them."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from deployguard.flask.libraries.click.commands import is_command
from deployguard.flask.libraries.click.contexts import current, ensured, found
from deployguard.flask.libraries.click.conversion import TYPES
from deployguard.flask.libraries.click.declarations import SOURCES, Spec, parameter
from deployguard.flask.libraries.click.functions import decorated, function_of
from deployguard.flask.libraries.click.groups import Commands
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import truth

# Modules that hold the names of click, and drop-in replacements that print in colour.
MODULES = frozenset(
    {
        "click", "click.core", "click.decorators", "click.exceptions", "click.globals",
        "click.types", "rich_click",
    }
)  # fmt: skip


@cache
def commands(stack: Stack) -> Commands:
    """Return the classes of click under one stack of versions."""
    return Commands(stack)


def made(classes: Commands, name: str, callback: Value, parameters: Sequence[Value]) -> Instance:
    """Return a command that a library brings."""
    return Instance(
        None,
        classes.command,
        {
            "name": known(name),
            "callback": callback,
            "params": Items({"items": tuple(parameters)}),
            "context_settings": Mapped({}),
            "add_help_option": known(value=True),
            "no_args_is_help": known(value=False),
        },
    )


def slots(stack: Stack) -> dict[str, Any]:
    """Return the names of the module click."""
    classes = commands(stack)
    made: dict[str, Any] = dict(TYPES)
    made |= {
        "Command": classes.command,
        "BaseCommand": classes.command,
        "Group": classes.group,
        "MultiCommand": classes.group,
        "CommandCollection": classes.collection,
        "Context": classes.contexts.context,
        "Option": classes.declarations.option,
        "Argument": classes.declarations.argument,
        "ParameterSource": _sources(),
    }
    models: dict[str, Callable[[Call], Value]] = {
        "command": lambda call: classes.decorator(call, classes.command),
        "group": lambda call: classes.decorator(call, classes.group),
        "option": lambda call: _parameter(call, classes.declarations.option),
        "argument": lambda call: _parameter(call, classes.declarations.argument),
        "version_option": lambda call: _ending(call, classes, "--version"),
        "help_option": lambda call: _ending(call, classes, "--help"),
        "confirmation_option": lambda call: _confirmation(call, classes),
        "password_option": lambda call: _password(call, classes),
        "pass_context": lambda call: _passing(call, _context),
        "pass_obj": lambda call: _passing(call, _object),
        "make_pass_decorator": _make_pass_decorator,
        "get_current_context": lambda call: current(call.run) or harmless("the context of click"),
        "prompt": _prompt,
        "confirm": _prompt,
    }
    return made | {name: Native(f"click.{name}", model) for name, model in models.items()}


def _sources() -> Class:
    members = {name: known(name) for name in SOURCES}
    return Class("ParameterSource", (), members, Location("click/core.py"))


def _parameter(call: Call, default: Native) -> Value:
    """click.option, click.argument: put a parameter on a function, or on a command."""
    cls = call.keywords.get("cls")
    kind = default if cls is None or truth(cls) is Answer.NO else cls
    keywords = {key: value for key, value in call.keywords.items() if key != "cls"}
    names = Items({"items": call.arguments})

    def put(inner: Call) -> Value:
        made = inner.run.call(kind, (names,), keywords, inner.location, call.open)
        return _put(inner, made)

    return Native(f"{default.name}()", put)


def _put(call: Call, made: Value) -> Value:
    function = call.arguments[0]
    if isinstance(function, Instance) and is_command(function):
        params = function.slots["params"]
        call.run.store(params.slots, "items", (*params.items, made))
        return function
    return decorated(function, parameters=(made,))


def _ending(call: Call, classes: Commands, default: str) -> Value:
    """click.version_option, click.help_option: an option that prints and ends."""
    texts = [
        value.value
        for value in call.arguments
        if isinstance(value, Known) and isinstance(value.value, str) and value.value[:1] == "-"
    ]
    names = tuple(texts) or (default,)
    spec = Spec(
        name=f"<{default}>", names=names, flag=True, boolean=True, eager=True, exposed=False,
        flag_value=known(value=True), ends=f"{names[0]} prints and ends",
    )  # fmt: skip
    return Native(
        "click.option()", lambda inner: _put(inner, parameter(spec, classes.declarations.option))
    )


def _confirmation(call: Call, classes: Commands) -> Value:
    """click.confirmation_option: without --yes somebody has to answer."""
    keywords = {
        "is_flag": known(value=True),
        "expose_value": known(value=False),
        "prompt": known("Do you want to continue?"),
        **call.keywords,
    }
    arguments = call.arguments or (known("--yes"),)
    return _parameter(
        Call(call.run, call.location, arguments, keywords, call.open), classes.declarations.option
    )


def _password(call: Call, classes: Commands) -> Value:
    keywords = {"prompt": known(value=True), **call.keywords}
    arguments = call.arguments or (known("--password"),)
    return _parameter(
        Call(call.run, call.location, arguments, keywords, call.open), classes.declarations.option
    )


def _context(call: Call) -> Value:
    return current(call.run) or harmless("the context of click")


def _object(call: Call) -> Value:
    context = current(call.run)
    if context is None:
        return harmless("the object of click's context")
    value: Value = context.slots["obj"]
    return value


def _passing(call: Call, first: Callable[[Call], Value]) -> Value:
    """Return a function that gets one more argument, in front."""
    function = call.arguments[0]

    def model(inner: Call) -> Value:
        return inner.run.call(
            function_of(function),
            (first(inner), *inner.arguments),
            inner.keywords,
            inner.location,
            inner.open,
        )

    return decorated(function, calls=Native("click.pass_context()", model))


def _make_pass_decorator(call: Call) -> Value:
    kind = call.argument(0, "object_type") or known(None)
    ensure = truth(call.argument(1, "ensure") or known(value=False)) is not Answer.NO
    return Native(
        "a passing decorator", lambda inner: _passing(inner, partial(_nearest, kind, ensure))
    )


def _nearest(kind: Value, ensure: bool, call: Call) -> Value:  # noqa: FBT001  (bound by partial)
    context = current(call.run)
    if context is None:
        return harmless("the object of click's context")
    if ensure:
        return ensured(call.run, context, kind, call.location)
    there = found(context, kind)
    if there is None:
        note = Evidence(call.location, "the context of click holds no such object")
        raise RaiseSignal("RuntimeError", note)
    return there


def _prompt(call: Call) -> Value:
    missing = (Missing(Reason.INPUT, "what is answered to a prompt"),)
    aborted = RaiseSignal("Abort", Evidence(call.location, "nobody answers the prompt"))

    def abort() -> None:
        raise aborted

    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (abort, lambda: None))
    return Opaque(missing, "an answer", harmless=True)
