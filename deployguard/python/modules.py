"""Finding and loading modules as `importlib._bootstrap_external.PathFinder` does, by sys.path."""

import posixpath
import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.structs import replace
from deployguard.python import libraries, standard
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    UNSET,
    Function,
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

_SITE = frozenset({"site-packages", "dist-packages"})


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
        try:
            execute(run, module)
        except RaiseSignal:
            run.store(run.modules, name, UNSET)
            raise
    if isinstance(parent, Module):
        run.store(parent.slots, leaf, module)
    return module


def member(
    run: "Interpreter", module: Value, module_name: str, name: str, location: Location
) -> Value:
    """Return what `from module import name` binds: an attribute, else a submodule."""
    if isinstance(module, Module):
        if module.slots.get(name) is UNSET:
            # This release of the library certainly has no such name.
            raise RaiseSignal("ImportError", Evidence(location, f"{module_name} has no {name}"))
        if name in module.slots:
            value: Value = module.slots[name]
            return value
        loaded = run.modules.get(f"{module_name}.{name}")
        if loaded is not None:
            return loaded
        getter = module.slots.get("__getattr__")
        if isinstance(getter, Function):
            return run.call(getter, (known(name),), {}, location)
        if "__path__" in module.slots and module.rest is None:
            return _submodule(run, f"{module_name}.{name}", location)
        if module.rest is not None:
            inner = run.library.module(run, f"{module_name}.{name}")
            if inner is not None and inner.slots:
                # A submodule that has a model of its own.
                return load(run, f"{module_name}.{name}", location)
            return derived(f"{module_name}.{name}", module.rest)
        raise RaiseSignal(
            "ImportError", Evidence(location, f"{module_name} has no {name} to import")
        )
    return run.attribute(module, name, location)


def _submodule(run: "Interpreter", name: str, location: Location) -> Value:
    """Import a submodule for `from package import name`; that there is none is an ImportError."""
    try:
        return load(run, name, location)
    except RaiseSignal as signal:
        if signal.name == "ModuleNotFoundError" and f"no module {name}" in signal.note.note:
            package, _, leaf = name.rpartition(".")
            note = Evidence(location, f"{package} has no {leaf} to import")
            raise RaiseSignal("ImportError", note) from None
        raise


def execute(run: "Interpreter", module: Module) -> None:
    """Run the source of a module that was found."""
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


def compiled(data: bytes) -> bool:
    """Say whether a file is no source: bytecode, an archive, a binary."""
    return data.startswith(b"PK") or (b"\0" in data[:64] and not data.startswith(_UTF_16))


def beside(path: str) -> str:
    """Return where the source of bytecode lies: beside it, or above its __pycache__ (PEP 3147)."""
    folder, name = posixpath.split(path)
    stem = name.partition(".")[0]
    if posixpath.basename(folder) == "__pycache__":
        folder = posixpath.dirname(folder)
    return posixpath.join(folder, f"{stem}.py")


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def of_file(name: str, path: str) -> Module:
    """Return a module of a file of the program's choice, not yet run."""
    slots = {LOCATION: Location(path), "__file__": known(path)}
    return _described(Module(name, dict(slots)), name)


def there(run: "Interpreter", name: str) -> bool | None:
    """Say whether a module can be found, None where that cannot be told; nothing is run."""
    if name in run.modules:
        return True
    top = name.partition(".")[0]
    if top in standard.BUILT_IN or top in sys.stdlib_module_names:
        if standard.doubtful(run, name):
            return None
        return not standard.absent(run, name)
    if "." in name:
        return None
    folders = _folders(run, None)
    if isinstance(folders, Opaque):
        return None
    found = [_source(run, folder, name) for folder in folders]
    if any(isinstance(one, Module) for one in found):
        return True
    return None if any(isinstance(one, Unread) for one in found) else False


def own(run: "Interpreter", name: str) -> bool:
    """Say whether a module of that name is the program's own, which no library imports."""
    folders = _folders(run, None)
    if isinstance(folders, Opaque):
        return False
    mine = (folder for folder in folders if not _is_site(folder))
    return any(isinstance(_source(run, folder, name), Module) for folder in mine)


def main_of(run: "Interpreter", name: str, location: Location) -> Module | None:
    """Return what `python -m name` runs, not yet run; None where it is no source that is read."""
    parent, _, leaf = name.rpartition(".")
    above = load(run, parent, location) if parent else None
    folders = _folders(run, above)
    if isinstance(folders, Opaque):
        return None
    for folder in folders:
        found = _source(run, folder, leaf)
        if isinstance(found, Unread) or (isinstance(found, Module) and _is_site(folder)):
            return None
        if not isinstance(found, Module):
            continue
        if "__path__" in found.slots:
            load(run, name, location)
            path = posixpath.join(folder, leaf, "__main__.py")
            if isinstance(run.files.stat(path), Stat):
                made = of_file(f"{name}.__main__", path)
                made.slots["__package__"] = known(name)
                return made
            return None
        return _described(found, name)
    return None


def add_folder(run: "Interpreter", folder: str, location: Location) -> None:
    """site.addsitedir: the folder joins sys.path, and the lines of its .pth files are taken."""
    run.store(run.path.slots, "items", (*run.path.items, known(folder)))
    names = run.files.list(folder)
    if isinstance(names, Unread):
        run.unseen_import(f"the .pth files of {folder}", (names.missing,), location)
        return
    for name in () if isinstance(names, Absent) else names:
        if name.endswith(".pth") and not name.startswith("."):
            add_path_file(run, folder, name)


# Lines that tools of packaging leave, which change how imports are found and nothing else.
_TOOLS = re.compile(r"(_virtualenv|__editable__|distutils-precedence|_distutils_hack)")


def add_path_file(run: "Interpreter", folder: str, name: str) -> None:
    """Take a .pth file (site.addpackage): lines with `import` are run, others are folders."""
    path = posixpath.join(folder, name)
    content = run.files.read(path)
    if isinstance(content, Unread):
        missing = Missing(Reason.FILE, f"what {path} runs")
        run.unseen_import(path, (missing,), Location(path))
    if not isinstance(content, Content):
        return
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        text = line.rstrip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(("import ", "import\t")):
            if not _TOOLS.search(text):
                place = replace(content.location, line=number)
                run.execute_text(text, Module("site", {LOCATION: place}))
            continue
        further = posixpath.normpath(posixpath.join(folder, text))
        held = [entry.value for entry in run.path.items if isinstance(entry, Known)]
        if further not in held and isinstance(run.files.stat(further), Stat):
            run.store(run.path.slots, "items", (*run.path.items, known(further)))


def _find(run: "Interpreter", name: str, parent: Value | None, location: Location) -> Value:
    """Return a module of a source file, a model of a library, or an opaque module."""
    top = name.partition(".")[0]
    if isinstance(parent, Opaque):
        return derived(name, parent)
    if top in standard.BUILT_IN:
        return standard.module(run, name)
    gone = standard.absent(run, name)
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
        if top in sys.stdlib_module_names and not gone and parent is None and _is_site(folder):
            break
        found = _source(run, folder, leaf)
        if isinstance(found, Unread):
            return _guess(run, name, found, location)
        if isinstance(found, Module):
            found.name = name
            if _is_site(folder) or (isinstance(parent, Module) and parent.rest is not None):
                # A library without a model: what its names do is open, and so is each call.
                missing = Missing(Reason.LIBRARY, f"what the library {top} does")
                quiet = libraries.starts_nothing(run, folder, leaf) if parent is None else (
                    isinstance(parent, Module) and parent.rest is not None and parent.rest.harmless
                )  # fmt: skip
                found.rest = Opaque((missing,), name, harmless=quiet)
            return _described(found, name)
    return _elsewhere(run, name, parent, location)


def _elsewhere(run: "Interpreter", name: str, parent: Value | None, location: Location) -> Value:
    """Return a module that is in none of the folders: Python's own, or one that was not seen."""
    if isinstance(parent, Module) and parent.rest is None and "__path__" in parent.slots:
        raise RaiseSignal("ModuleNotFoundError", Evidence(location, f"there is no module {name}"))
    own = name.partition(".")[0] in sys.stdlib_module_names | {"distutils", "imp"}
    if own and not standard.absent(run, name):
        return standard.module(run, name)
    if isinstance(parent, Module) and parent.rest is not None:
        return derived(name, parent.rest)
    if run.unread is not None and parent is None:
        return _guess(run, name, Unread(run.unread), location)
    if parent is None and libraries.distributed(run, name):
        missing = Missing(Reason.LIBRARY, f"what the library {name} does")
        return Module(name, {}, Opaque((missing,), name))
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
    if name.partition(".")[0] in sys.stdlib_module_names and not standard.absent(run, name):
        return standard.module(run, name)
    return run.unseen_import(name, (unread.missing,), location)


def _folders(run: "Interpreter", parent: Value | None) -> tuple[str, ...] | Opaque:
    if isinstance(parent, Module):
        path = parent.slots.get("__path__")
        return (str(path.value),) if isinstance(path, Known) else ()
    folders: list[str] = []
    for entry in run.path.items:
        if isinstance(entry, Known) and isinstance(entry.value, PurePosixPath):
            continue  # sys.path takes texts only
        if not isinstance(entry, Known) or not isinstance(entry.value, str):
            missing = Missing(Reason.SOURCE, "a folder of sys.path")
            hidden = entry if isinstance(entry, Opaque) and entry.missing else None
            return derived("sys.path", hidden) if hidden else Opaque((missing,), "sys.path")
        folder = entry.value
        if not folder.startswith("/"):
            if run.cwd is None:
                missing = Missing(Reason.IMAGE, "the working directory")
                return Opaque((missing,), "sys.path")
            folder = posixpath.normpath(posixpath.join(run.cwd, folder or "."))
        folders.append(folder)
    return tuple(folders)


def _is_site(folder: str) -> bool:
    # Also below it: a namespace package (PEP 420) holds libraries in folders of its own.
    return not _SITE.isdisjoint(folder.split("/"))


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
        # What else lies there does not matter where it is known that nothing of this name does.
        lone = (package, f"{package}.pyc", f"{package}.so")
        absent = all(isinstance(run.files.stat(path), Absent) for path in lone)
        return Absent(package) if absent else names
    if isinstance(names, Absent):
        return names
    for name in names:
        if name == f"{leaf}.pyc" or (name.startswith(f"{leaf}.") and name.endswith(".so")):
            what = f"what the compiled module {folder}/{name} does"
            return Unread(Missing(Reason.LIBRARY, what))
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
