"""importlib, runpy, pkgutil and site: modules that a program loads by their names or paths."""

import posixpath
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import modules
from deployguard.python.concrete import cannot, none, text_of, unknown
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute, processes
from deployguard.python.values import (
    Call,
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

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def _import_module(call: Call) -> Value:
    """importlib.import_module, relative to a package where the name begins with dots."""
    name = text_of(call.argument(0, "name"))
    package = text_of(call.argument(1, "package"))
    if name is None or (name.startswith(".") and package is None):
        return call.run.unseen("which module importlib imports", call.location)
    if name.startswith("."):
        level = len(name) - len(name.lstrip("."))
        parts = (package or "").split(".")
        base = parts[: len(parts) - level + 1]
        name = ".".join([*base, *([name[level:]] if name[level:] else [])])
    return call.run.import_module(name, call.location)


def _reload(call: Call) -> Value:
    module = call.arguments[0] if call.arguments else None
    if isinstance(module, Module) and modules.LOCATION in module.slots and module.rest is None:
        modules.execute(call.run, module)
        return module
    if isinstance(module, Module) and module.rest is not None and module.rest.harmless:
        return module
    return call.run.unseen("what importlib.reload() runs", call.location)


def _find(call: Call) -> Value:
    """importlib.util.find_spec and pkgutil.find_loader: None where there is no such module."""
    name = text_of(call.argument(0, "name") or call.argument(0, "module_or_name"))
    if name is None:
        return cannot(call, "find_spec")
    found = modules.there(call.run, name)
    if found is None:
        return cannot(call, "find_spec")
    return Instance(None, _SPEC, {"name": known(name)}) if found else known(None)


_SPEC = Native("importlib.machinery.ModuleSpec")


def _from_file(call: Call) -> Value:
    """importlib.util.spec_from_file_location(name, path)."""
    name, path = text_of(call.argument(0, "name")), text_of(call.argument(1, "location"))
    place = None if path is None else absolute(call.run, path)
    if name is None or place is None:
        return call.run.unseen("which file is loaded as a module", call.location)
    loader = Instance(None, _LOADER)
    spec = Instance(None, _SPEC, {"name": known(name), "<path>": known(place), "loader": loader})
    loader.slots["<spec>"] = spec
    return spec


def _of_spec(call: Call) -> Value:
    spec = call.arguments[0] if call.arguments else None
    path = spec.slots.get("<path>") if isinstance(spec, Instance) else None
    if not isinstance(spec, Instance) or not isinstance(path, Known):
        return call.run.unseen("which module is made", call.location)
    return modules.of_file(str(spec.slots["name"].value), str(path.value))


def _loader_attribute(run: "Interpreter", loader: Instance, name: str) -> Value | None:
    del run, loader
    if name == "exec_module":
        return Native("Loader.exec_module", _executed)
    return None


def _executed(call: Call) -> Value:
    module = call.arguments[0] if call.arguments else None
    if not isinstance(module, Module) or modules.LOCATION not in module.slots:
        return call.run.unseen("which module is run", call.location)
    modules.execute(call.run, module)
    return known(None)


_LOADER = Native("importlib.machinery.SourceFileLoader", attribute=_loader_attribute)


def _source_loader(call: Call, instance: Instance) -> None:
    for position, name in enumerate(("fullname", "path")):
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{name}>", value)


def _source_attribute(run: "Interpreter", loader: Instance, name: str) -> Value | None:
    del run
    if name != "load_module":
        return None
    return Native(
        "SourceFileLoader.load_module",
        lambda call: _loaded(call, loader.slots.get("<fullname>"), loader.slots.get("<path>")),
    )


_SOURCE_LOADER = Native(
    "importlib.machinery.SourceFileLoader",
    construct=_source_loader,
    attribute=_source_attribute,
)


def _loaded(call: Call, name: Value | None, path: Value | None) -> Value:
    title, file = text_of(name), text_of(path)
    place = None if file is None else absolute(call.run, file)
    if title is None or place is None:
        return call.run.unseen("which file is loaded as a module", call.location)
    module = modules.of_file(title, place)
    call.run.store(call.run.modules, title, module)
    modules.execute(call.run, module)
    return module


def _load_source(call: Call) -> Value:
    """imp.load_source(name, path), until Python 3.12."""
    return _loaded(call, call.argument(0, "name"), call.argument(1, "pathname"))


def _names_of(module: Module) -> Mapped:
    return Mapped(module.slots, module.rest, "what a program leaves")


def _initial(call: Call, module: Module) -> None:
    given = call.argument(1, "init_globals")
    if isinstance(given, Mapped):
        module.slots.update(given.slots)
    elif not none(given):
        call.run.unseen("what a program is given", call.location)


def _run_path(call: Call) -> Value:
    """runpy.run_path: a file, or a folder or archive with a `__main__`, as `run_name`."""
    path = text_of(call.argument(0, "path_name"))
    place = None if path is None else absolute(call.run, path)
    named = call.argument(2, "run_name") or known("<run_path>")
    if place is None:
        return call.run.unseen("which file runpy runs", call.location)
    content = call.run.files.read(place)
    if isinstance(content, Absent):
        place = posixpath.join(place, "__main__.py")
        content = call.run.files.read(place)
        folder = known(posixpath.dirname(place))
        items = (folder, *call.run.path.items)
        call.run.store(call.run.path.slots, "items", items)
    match content:
        case Absent():
            note = Evidence(call.location, f"{place} is not there")
            raise RaiseSignal("FileNotFoundError", note)
        case Unread(missing=missing):
            call.run.unseen_module(place, missing, call.location)
            return Mapped({}, Opaque((missing,), "what a program leaves"))
        case Content(data=data, location=location) if not modules.compiled(data):
            module = Module(
                "<run_path>",
                {
                    modules.LOCATION: location,
                    "__name__": named,
                    "__file__": known(place),
                    "__package__": known(""),
                },
            )
            _initial(call, module)
            call.run.execute_text(data, module)
            return _names_of(module)
        case _:
            return call.run.unseen(f"what {place} does", call.location)


def _run_module(call: Call) -> Value:
    """runpy.run_module: a module or a package's `__main__`, from the start."""
    name = text_of(call.argument(0, "mod_name"))
    if name is None:
        return call.run.unseen("which module runpy runs", call.location)
    named = call.argument(2, "run_name")
    found = modules.main_of(call.run, name, call.location)
    if not isinstance(found, Module):
        if text_of(named) != "__main__":
            return call.run.unseen(f"what the module {name} does", call.location)
        # A library's own command: it is what `python -m` of that name would do now.
        python = known(call.run.executable or "python")
        words = (python, known("-m"), known(name), *call.run.argv.items[1:])
        return processes.start(call, words, replaces=True)
    found.slots["__name__"] = known(name) if none(named) or named is None else named
    _initial(call, found)
    modules.execute(call.run, found)
    return _names_of(found)


def _add_folder(call: Call) -> Value:
    """site.addsitedir: a folder of packages, whose .pth lines are run."""
    path = text_of(call.argument(0, "sitedir"))
    place = None if path is None else absolute(call.run, path)
    if place is None:
        return call.run.unseen("which folder of packages is added", call.location)
    modules.add_folder(call.run, place, call.location)
    return known(None)


def _distribution_version(call: Call) -> Value:
    return cannot(call, "importlib.metadata")


def _data(call: Call) -> Value:
    return cannot(call, "pkgutil.get_data")


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    match name:
        case "importlib":
            return {
                "import_module": Native("importlib.import_module", _import_module),
                "reload": Native("importlib.reload", _reload),
                "invalidate_caches": Native("invalidate_caches", lambda _call: known(None)),
                "util": Module("importlib.util", names(run, "importlib.util"), _open("util")),
                "machinery": Module(
                    "importlib.machinery", {"SourceFileLoader": _SOURCE_LOADER}, _open("machinery")
                ),
            }
        case "importlib.util":
            return {
                "find_spec": Native("importlib.util.find_spec", _find),
                "spec_from_file_location": Native("spec_from_file_location", _from_file),
                "module_from_spec": Native("module_from_spec", _of_spec),
            }
        case "importlib.metadata":
            version = Native("importlib.metadata.version", _distribution_version)
            return {
                "version": version,
                "distribution": version,
                "metadata": version,
                "PackageNotFoundError": unknown("PackageNotFoundError"),
            }
        case "importlib.resources":
            data = Native("importlib.resources", _data)
            return dict.fromkeys(("files", "read_text", "open_text", "path"), data)
        case "runpy":
            return {
                "run_path": Native("runpy.run_path", _run_path),
                "run_module": Native("runpy.run_module", _run_module),
            }
        case "site":
            return {
                "addsitedir": Native("site.addsitedir", _add_folder),
                "getsitepackages": Native("site.getsitepackages", _site_packages),
                "main": Native("site.main", lambda _call: known(None)),
            }
        case "pkgutil":
            return {
                "find_loader": Native("pkgutil.find_loader", _find),
                "get_data": Native("pkgutil.get_data", _data),
                "extend_path": Native("pkgutil.extend_path", lambda call: call.arguments[0]),
                "iter_modules": Native(
                    "pkgutil.iter_modules", lambda call: Items({"items": (cannot(call, "items"),)})
                ),
            }
        case "imp":
            return {
                "load_source": Native("imp.load_source", _load_source),
                "reload": Native("imp.reload", _reload),
            }
        case _:
            return {}


def _site_packages(call: Call) -> Value:
    return Items({"items": (cannot(call, "items"),)})


def _open(name: str) -> Opaque:
    made = unknown(f"what importlib.{name} does")
    return Opaque(made.missing, f"importlib.{name}")
