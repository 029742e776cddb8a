"""Finding the application: what `app:create_app('dev')` names, and what flask takes by itself."""

import ast
import posixpath
import sys
from collections.abc import Mapping

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Unread
from deployguard.python import (
    Function,
    Instance,
    Interpreter,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import missing_of


def prepared(run: Interpreter, path: str) -> str:
    """flask.cli.prepare_import: put the folder above the package to the front of sys.path.

    Returns the dotted name of the module. The working directory has to be known.
    """
    full = posixpath.normpath(posixpath.join(run.cwd or "/", path))
    base, extension = posixpath.splitext(full)
    full = base if extension == ".py" else full
    if posixpath.basename(full) == "__init__":
        full = posixpath.dirname(full)
    names: list[str] = []
    while True:
        full, name = posixpath.split(full)
        names.insert(0, name)
        marker = run.files.stat(posixpath.join(full, "__init__.py"))
        if isinstance(marker, Unread | Absent):
            break
    first = run.path.items[0] if run.path.items else None
    if first is None or getattr(first, "value", None) != full:
        items = (known(full), *run.path.items)
        run.store(run.path.slots, "items", items)
    return ".".join(names)


def named(run: Interpreter, module: Value, attribute: str, place: Location) -> Value:
    """Take "app", "shop.app" or "create_app('dev')" from a module."""
    try:
        tree = ast.parse(attribute.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise RaiseSignal("NoAppException", Evidence(place, f"{attribute!r} is no name")) from None
    call = tree if isinstance(tree, ast.Call) else None
    target = call.func if call is not None else tree
    names: list[str] = []
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return run.unseen(f"what {attribute!r} names", place)
    value = module
    for step in (target.id, *reversed(names)):
        value = run.attribute(value, step, place)
    if call is None:
        return _made(run, value, place)
    arguments = [entry.value for entry in call.args if isinstance(entry, ast.Constant)]
    keywords = {
        entry.arg: known(entry.value.value)
        for entry in call.keywords
        if entry.arg is not None and isinstance(entry.value, ast.Constant)
    }
    if len(arguments) != len(call.args) or len(keywords) != len(call.keywords):
        return run.unseen(f"what {attribute!r} makes", place)
    return run.call(value, [known(entry) for entry in arguments], keywords, place)


def _made(run: Interpreter, value: Value, place: Location) -> Value:
    """Call a factory that was named without parentheses (flask.cli.find_app_by_string)."""
    return run.call(value, (), {}, place) if isinstance(value, Function) else value


def best(
    run: Interpreter, module: Value, name: str, place: Location, *, factories: bool = True
) -> Value:
    """flask.cli.find_best_app: app or application, the only Flask instance, a factory."""
    if name.partition(".")[0] in sys.stdlib_module_names and "__file__" not in _slots(module):
        note = f"{name} is a module of Python's own and holds no Flask application"
        raise RaiseSignal("NoAppException", Evidence(place, note))
    if not isinstance(module, Module) or module.rest is not None:
        return Opaque(
            missing_of(module) or (Missing(Reason.SOURCE, f"the application in {name}"),), "app"
        )
    for attribute in ("app", "application"):
        value: Value | None = module.slots.get(attribute)
        if isinstance(value, Opaque) or (isinstance(value, Instance) and is_flask(value)):
            return value
    found = {id(value): value for value in module.slots.values() if is_flask(value)}
    if len(found) == 1:
        only: Value = next(iter(found.values()))
        return only
    for attribute in ("create_app", "make_app") if factories else ():
        factory = module.slots.get(attribute)
        if isinstance(factory, Function):
            return run.call(factory, (), {}, place)
        if isinstance(factory, Opaque):
            return factory
    if any(isinstance(value, Opaque | Instance) for value in module.slots.values()):
        return Opaque((Missing(Reason.SOURCE, f"the application in {name}"),), "app")
    raise RaiseSignal("NoAppException", Evidence(place, f"{name} holds no Flask application"))


def _slots(module: Value) -> Mapping[object, object]:
    return module.slots if isinstance(module, Module) else {}


def is_flask(value: Value | None) -> bool:
    """Say whether a value is an instance of flask.Flask or of a subclass."""
    return (
        isinstance(value, Instance)
        and isinstance(value.native, Native)
        and (value.native.name == "flask.Flask")
    )
