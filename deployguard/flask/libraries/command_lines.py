"""Libraries that make command lines of a program's functions, by the modules they bring."""

from typing import Any

from deployguard.flask.versions import Stack

_CLICK = frozenset({"click", "rich_click"})
_SCRIPT = frozenset({"flask_script", "flask_script.commands", "flask.ext.script"})
_TYPER = frozenset({"typer", "typer.main", "typer.params", "typer.models"})


def slots(name: str, stack: Stack) -> dict[str, Any] | None:
    """Return the names of a module, None where it is of no such library.

    Servers do without all of them, so that their models are loaded when one is met.
    """
    if name.partition(".")[0] in _CLICK:
        from deployguard.flask.libraries import click  # noqa: PLC0415

        return click.slots(stack) if name in click.MODULES else None
    if name in _SCRIPT:
        from deployguard.flask.libraries import flask_script  # noqa: PLC0415

        return flask_script.slots(stack)
    if name in _TYPER:
        from deployguard.flask.libraries import typer  # noqa: PLC0415

        return typer.slots(stack)
    if name in {"fire", "fire.core"}:
        from deployguard.flask.libraries.fire import FIRE  # noqa: PLC0415

        return dict(FIRE)
    if name in {"flask_appbuilder", "flask_appbuilder.base", "flask_appbuilder.console"}:
        from deployguard.flask.libraries import appbuilder  # noqa: PLC0415

        return appbuilder.slots(name, stack)
    if name == "docopt":
        from deployguard.flask.libraries.docopt import DOCOPT  # noqa: PLC0415

        return dict(DOCOPT)
    return None
