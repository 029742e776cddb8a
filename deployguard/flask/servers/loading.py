"""Loading the application that a server is given by name, as each server does."""

import ast
from collections.abc import Callable
from enum import StrEnum

from deployguard.flask.application import Imported, Setting, interpreter, start_up
from deployguard.model.evidence import Evidence, Location
from deployguard.model.structs import replace
from deployguard.python import Ending, Interpreter, Module, Value, known
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived


class Style(StrEnum):
    """What may stand behind the colon of "module:application"."""

    CALL = "call"  # a name, or a call of one with literals (gunicorn.util.import_app)
    DOTTED = "dotted"  # attributes of attributes (uvicorn.importer, pkgutil.resolve_name)
    EXPRESSION = "expression"  # any expression over the module (hypercorn, uWSGI's "name()")


Load = Callable[[Interpreter], Value]


def loaded(setting: Setting, load: Load) -> Imported:
    """Run what a server does until its application is there; `load` returns that."""
    run = interpreter(setting)
    taken: list[Value] = []
    place = setting.program.location

    def start() -> None:
        start_up(run, setting)
        taken.append(load(run))

    outcome = run.run(start, place)
    failure = outcome.note if outcome.ending in {Ending.RAISED, Ending.EXIT} else None
    return Imported(
        outcome=outcome, run=run, application=taken[0] if taken else None, failure=failure
    )


def with_folders(setting: Setting, *folders: str) -> Setting:
    """Return a setting in which folders come first on sys.path."""
    return replace(setting, folders=(*folders, *setting.folders))


def named(run: Interpreter, text: str, default: str, style: Style, place: Location) -> Value:
    """Import "module:application" and return the application; raises what the import raises."""
    name, colon, attribute = text.partition(":")
    if not name:
        raise RaiseSignal("ImportError", Evidence(place, f"{text!r} names no module"))
    module = run.import_module(name, place)
    return taken(run, module, attribute if colon else default, style, place)


def taken(run: Interpreter, module: Value, text: str, style: Style, place: Location) -> Value:
    """Take what a text names from a module."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _no_name(text, place) from None
    steps = _steps(tree)
    if steps is not None and (len(steps) == 1 or style is not Style.CALL):
        value = module
        for step in steps:
            value = run.attribute(value, step, place)
        return value
    if style is Style.DOTTED or (style is Style.CALL and not _plain_call(tree)):
        raise _no_name(text, place)
    if not isinstance(module, Module):
        return derived(text, module)
    scratch = Module(module.name, {**module.slots, LOCATION: place}, module.rest)
    run.execute_text(f"{_TAKEN} = (\n{text.strip()}\n)", scratch)
    made: Value | None = scratch.slots.get(_TAKEN)
    return run.unseen(f"what {text!r} makes", place) if made is None else made


_TAKEN = "_application_of_the_server"


def _steps(node: ast.expr) -> tuple[str, ...] | None:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _plain_call(node: ast.expr) -> bool:
    """Say whether a node calls a name with literals alone."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    try:
        for entry in (*node.args, *(keyword.value for keyword in node.keywords)):
            ast.literal_eval(entry)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _no_name(text: str, place: Location) -> RaiseSignal:
    return RaiseSignal("AppImportError", Evidence(place, f"{text!r} names no application"))


def new_module(place: Location, name: str) -> Module:
    """Return an empty module whose source lies at a place."""
    return Module(
        name,
        {
            LOCATION: place,
            "__name__": known(name),
            "__file__": known(place.file),
            "__package__": known(name.rpartition(".")[0]),
        },
    )
