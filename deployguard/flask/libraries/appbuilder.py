"""Flask-AppBuilder: what holds an application, and `fabmanager`, its command (until it went)."""

from typing import Any

from deployguard.flask.libraries import click
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Evidence
from deployguard.python import Call, Instance, Interpreter, Known, Native, Value, known
from deployguard.python.signals import ExitSignal, RaiseSignal

# Commands that work and end (flask_appbuilder.console).
_ENDING = (
    "reset-password", "create-admin", "create-user", "create-db", "version", "security-cleanup",
    "list-views", "list-users", "babel-extract", "babel-compile", "create-app", "create-addon",
    "collect-static", "security-converge", "create-permissions",
)  # fmt: skip


def slots(name: str, stack: Stack) -> dict[str, Any]:
    """Return the names of a module of flask_appbuilder."""
    if name == "flask_appbuilder.console":
        command = Native("fabmanager", lambda call: manager(call, stack))
        return {"cli": command, "cli_app": command}
    return {"AppBuilder": _APP_BUILDER}


def _construct(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "app", call.argument(0, "app") or known(None))


def _attribute(_run: Interpreter, instance: Instance, name: str) -> Value | None:
    if name == "get_app":
        app: Value = instance.slots["app"]
        return app
    if name == "init_app":
        return Native("AppBuilder.init_app", lambda call: _init(call, instance))
    return None


def _init(call: Call, instance: Instance) -> Value:
    _construct(call, instance)
    return known(None)


_APP_BUILDER = Native("flask_appbuilder.AppBuilder", construct=_construct, attribute=_attribute)


def manager(call: Call, stack: Stack) -> Value:
    """fabmanager: a group of click, whose `run` serves with the debugger unless told otherwise."""
    classes = click.commands(stack)
    option = classes.declarations.option

    def declared(name: str, default: object) -> Value:
        return call.run.call(option, (known(name),), {"default": known(default)}, call.location)

    params = [
        declared("--app", "app"),
        declared("--appbuilder", "appbuilder"),
        declared("--host", "0.0.0.0"),  # noqa: S104  (its default)
        declared("--port", 8080),
        declared("--debug", True),  # noqa: FBT003  (its default)
    ]
    group = call.run.call(classes.group, (known("fabmanager"),), {}, call.location)
    commands = group.slots["commands"].slots if isinstance(group, Instance) else {}
    call.run.store(
        commands, "run", click.made(classes, "run", Native("fabmanager run", _run), params)
    )
    for name in _ENDING:
        call.run.store(commands, name, click.made(classes, name, Native(name, _ends), ()))
    return classes.method(call, group, "main")


def _ends(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the command does its work and ends"))


def _run(call: Call) -> Value:
    """flask_appbuilder.console.run: the application of an AppBuilder in a module."""
    run, place = call.run, call.location
    name, attribute = call.keywords.get("app"), call.keywords.get("appbuilder")
    if not isinstance(name, Known) or not isinstance(attribute, Known):
        return run.unseen("which application fabmanager serves", place)
    folder = known(run.cwd)
    run.store(run.path.slots, "items", (*run.path.items, folder))
    try:
        module = run.import_module(str(name.value).partition(".")[0], place)
        builder = run.attribute(module, str(attribute.value), place)
    except RaiseSignal as error:
        raise ExitSignal(error.note) from None
    application = run.attribute(builder, "get_app", place)
    options = {key: call.keywords[key] for key in ("host", "port", "debug")}
    return run.call(run.attribute(application, "run", place), (), options, place)
