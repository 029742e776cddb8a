"""Import statements (Python reference, 7.11)."""

import ast
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence
from deployguard.python import (
    iteration,
    modules,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.targets import scope_of
from deployguard.python.values import (
    Items,
    Known,
    Module,
    Opaque,
    Value,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter


def import_modules(run: "Interpreter", node: ast.Import, frame: "Frame") -> None:
    """Run `import a.b as c`."""
    for alias in node.names:
        module = run.import_module(alias.name, run.at(node))
        if alias.asname is None:
            top = alias.name.partition(".")[0]
            module = run.import_module(top, run.at(node)) if top != alias.name else module
            run.store(scope_of(frame, top), top, module)
        else:
            run.store(scope_of(frame, alias.asname), alias.asname, module)


def _check_package(run: "Interpreter", node: ast.ImportFrom, frame: "Frame") -> None:
    """Refuse a relative import without a package, or beyond its top (importlib._bootstrap)."""
    package = frame.module.slots.get("__package__")
    name = package.value if isinstance(package, Known) else None
    if package is not None and (not name or len(str(name).split(".")) < node.level):
        note = Evidence(run.at(node), "a relative import with no parent package")
        raise RaiseSignal("ImportError", note)


def import_names(run: "Interpreter", node: ast.ImportFrom, frame: "Frame") -> None:
    """Run `from a import b as c`."""
    if node.level:
        _check_package(run, node, frame)
    name = modules.absolute(frame.module, node.module or "", node.level)
    if name == "__future__":
        return
    module = run.import_module(name, run.at(node))
    for alias in node.names:
        if alias.name == "*":
            _import_star(run, module, frame, node)
            continue
        value = modules.member(run, module, name, alias.name, run.at(node))
        run.store(scope_of(frame, alias.asname or alias.name), alias.asname or alias.name, value)


def _import_star(run: "Interpreter", module: Value, frame: "Frame", node: ast.ImportFrom) -> None:
    if not isinstance(module, Module) or module.rest is not None:
        hidden = module.rest if isinstance(module, Module) else module
        if not (isinstance(hidden, Opaque) and hidden.harmless):
            run.unseen("which names are imported with *", run.at(node))
        frame.module.rest = frame.module.rest or (hidden if isinstance(hidden, Opaque) else None)
    if not isinstance(module, Module):
        return
    listed = module.slots.get("__all__")
    chosen = iteration.elements(listed) if isinstance(listed, Items) else None
    names = (
        [item.value for item in chosen if isinstance(item, Known)]
        if chosen is not None
        else [key for key in module.slots if isinstance(key, str) and key[:1] not in {"_", "<"}]
    )
    for name in names:
        if name in module.slots:
            run.store(scope_of(frame, name), name, module.slots[name])
