"""Finding and loading modules as `importlib._bootstrap_external.PathFinder` does, by sys.path."""

import posixpath
import sys
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python import standard
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Known,
    Module,
    Opaque,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

# Where a module's slots keep the place of its source; no identifier of a program looks like this.
LOCATION = "<location>"

_SITE = ("site-packages", "dist-packages")


def absolute(module: Module, name: str, level: int) -> str:
    """Resolve a relative import (PEP 328)."""
    if level == 0:
        return name
    package = module.slots.get("__package__")
    parts = str(package.value).split(".") if isinstance(package, Known) and package.value else []
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, *([name] if name else [])])


def load(run: "Interpreter", name: str, location: Location) -> Value:
    """Import a module and the packages above it; raises ImportError of the program if absent."""
    if name in run.modules:
        return run.modules[name]
    parent_name, _, leaf = name.rpartition(".")
    parent = load(run, parent_name, location) if parent_name else None
    if name in run.modules:
        return run.modules[name]
    module = _find(run, name, parent, location)
    run.store(run.modules, name, module)
    if isinstance(module, Module) and LOCATION in module.slots and module.rest is None:
        _execute(run, module)
    if isinstance(parent, Module):
        run.store(parent.slots, leaf, module)
    return module


def member(
    run: "Interpreter", module: Value, module_name: str, name: str, location: Location
) -> Value:
    """Return what `from module import name` binds: an attribute, else a submodule."""
    if isinstance(module, Module):
        if name in module.slots:
            value: Value = module.slots[name]
            return value
        if "__path__" in module.slots and module.rest is None:
            return load(run, f"{module_name}.{name}", location)
        if module.rest is not None:
            return derived(f"{module_name}.{name}", module.rest)
        raise RaiseSignal(
            "ImportError", Evidence(location, f"{module_name} has no {name} to import")
        )
    return run.attribute(module, name, location)


def _execute(run: "Interpreter", module: Module) -> None:
    location = module.slots[LOCATION]
    content = run.files.read(location.file)
    match content:
        case Content(data=data):
            module.slots[LOCATION] = content.location
            run.execute_text(data, module)
        case Unread(missing=missing):
            module.rest = Opaque((missing,), module.name)
            run.unseen_module(module.name, missing, location)
        case Absent():
            return


def _find(run: "Interpreter", name: str, parent: Value | None, location: Location) -> Value:
    """Return a module of a source file, a model of a library, or an opaque module."""
    top = name.partition(".")[0]
    if isinstance(parent, Opaque):
        return derived(name, parent)
    if top in standard.BUILT_IN:
        return standard.module(run, name)
    if isinstance(parent, Module) and "__path__" not in parent.slots:
        inner = _below_model(run, name, parent)
        if inner is not None:
            return inner
    folders = _folders(run, parent)
    if isinstance(folders, Opaque):
        return run.unseen_import(name, folders.missing, location)
    leaf = name.rpartition(".")[2]
    for folder in folders:
        if _is_site(folder) or folder.endswith(".zip"):
            model = run.library.module(run, name)
            if model is not None and not isinstance(_source(run, folder, leaf), Absent):
                return model
        found = _source(run, folder, leaf)
        if isinstance(found, Unread):
            return _guess(run, name, found, location)
        if isinstance(found, Module):
            found.name = name
            if _is_site(folder) or (isinstance(parent, Module) and parent.rest is not None):
                # A library without a model: what its names do is open, and so is each call.
                missing = Missing(Reason.PROGRAM, f"what the library {top} does")
                found.rest = Opaque((missing,), name)
            return _described(found, name)
        if top in sys.stdlib_module_names and parent is None and _is_site(folder):
            break
    return _elsewhere(run, name, parent, location)


def _elsewhere(run: "Interpreter", name: str, parent: Value | None, location: Location) -> Value:
    """Return a module that is in none of the folders: Python's own, or one that was not seen."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return standard.module(run, name)
    if isinstance(parent, Module) and parent.rest is not None:
        return derived(name, parent.rest)
    if run.unread is not None and parent is None:
        return _guess(run, name, Unread(run.unread), location)
    raise RaiseSignal("ModuleNotFoundError", Evidence(location, f"there is no module {name}"))


def _below_model(run: "Interpreter", name: str, parent: Module) -> Value | None:
    """Return a submodule of something that was not found as files, None where it has none."""
    model = run.library.module(run, name)
    if model is None and name.partition(".")[0] in sys.stdlib_module_names:
        model = standard.module(run, name)
    if model is not None:
        return model
    return None if parent.rest is None else derived(name, parent.rest)


def _guess(run: "Interpreter", name: str, unread: Unread, location: Location) -> Value:
    """Take a module for the library of its name where the files were not read."""
    model = run.library.module(run, name)
    if model is not None:
        return model
    if name.partition(".")[0] in sys.stdlib_module_names:
        return standard.module(run, name)
    return run.unseen_import(name, (unread.missing,), location)


def _folders(run: "Interpreter", parent: Value | None) -> tuple[str, ...] | Opaque:
    if isinstance(parent, Module):
        path = parent.slots.get("__path__")
        return (str(path.value),) if isinstance(path, Known) else ()
    folders: list[str] = []
    for entry in run.path.items:
        if not isinstance(entry, Known) or not isinstance(entry.value, str):
            return derived("sys.path", entry) if isinstance(entry, Opaque) else Opaque((), "path")
        folder = entry.value
        if not folder.startswith("/"):
            if run.cwd is None:
                missing = Missing(Reason.IMAGE, "the working directory")
                return Opaque((missing,), "sys.path")
            folder = posixpath.normpath(posixpath.join(run.cwd, folder))
        folders.append(folder)
    return tuple(folders)


def _is_site(folder: str) -> bool:
    return folder.rstrip("/").rpartition("/")[2] in _SITE


def _source(run: "Interpreter", folder: str, leaf: str) -> Module | Absent | Unread:
    """Look for a package or module in one folder, in the order of importlib's FileFinder."""
    package = posixpath.join(folder, leaf)
    places = (posixpath.join(package, "__init__.py"), f"{package}.py")
    unread: Unread | None = None
    for path in places:
        found = run.files.stat(path)
        if isinstance(found, Stat) and found.kind is FileKind.FILE:
            if unread is not None:
                return unread
            module = Module(leaf, {LOCATION: Location(path), "__file__": known(path)})
            if path.endswith("/__init__.py"):
                module.slots["__path__"] = known(package)
            return module
        if isinstance(found, Unread):
            unread = unread or found
    if unread is not None:
        return unread
    return _other_forms(run, folder, leaf, package)


def _other_forms(
    run: "Interpreter", folder: str, leaf: str, package: str
) -> Module | Absent | Unread:
    """Bytecode, extension modules and namespace packages."""
    names = run.files.list(folder)
    if isinstance(names, Unread):
        return names
    if isinstance(names, Absent):
        return names
    for name in names:
        if name == f"{leaf}.pyc" or (name.startswith(f"{leaf}.") and name.endswith(".so")):
            what = f"what the compiled module {folder}/{name} does"
            return Unread(Missing(Reason.PROGRAM, what))
    inner = run.files.stat(package)
    if isinstance(inner, Unread):
        return inner
    if isinstance(inner, Stat) and inner.kind is FileKind.DIRECTORY:
        # A namespace package (PEP 420) has no source of its own.
        return Module(leaf, {"__path__": known(package)})
    return Absent(package)


def _described(module: Module, name: str) -> Module:
    package = name if "__path__" in module.slots else name.rpartition(".")[0]
    module.slots["__name__"] = known(name)
    module.slots["__package__"] = known(package)
    return module
