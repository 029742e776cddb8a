"""The environment of a service: its env files, and what it sets over them.

Follows compose-go types/project.go (WithServicesEnvironmentResolved).
"""

from collections.abc import Iterator
from pathlib import Path

from deployguard import files as disk
from deployguard.errors import SyntaxInputError
from deployguard.formats import compose_env
from deployguard.formats.interpolation import Lookup, over
from deployguard.formats.yaml import Mapping
from deployguard.inputs.compose.consistency import is_run_elsewhere
from deployguard.inputs.compose.fields import Fields
from deployguard.inputs.compose.relocate import at_home, joined
from deployguard.inputs.compose.resolved import Project
from deployguard.inputs.compose.scope import ENV_FILE_LIMIT
from deployguard.inputs.compose.trees import section
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.structs import replace

_SUFFIXES = {"model_var": "MODEL", "endpoint_var": "URL"}


def environment(service: Mapping, project: Project) -> Environment:
    """Return what a service's process finds; a name without a value comes from outside, or goes.

    Raises InputError for an env file that is not there or that compose refuses.
    """
    own = _own(service, project.fields)
    files = tuple(_env_files(service, str(project.folder), project.fields, own))
    return overlay((_from_providers(service, project), *files, own, _models(service, project)))


def labels(service: Mapping, project: Project) -> dict[str, str]:
    """Return a service's labels: those of its label files, and its own over them."""
    found: dict[str, Traced[str | None]] = {}
    for text in project.fields.texts(service, "label_file"):
        name = _placed(text.value, str(project.folder))
        data = disk.read(name, ENV_FILE_LIMIT, text.location)
        found |= compose_env.environment(data, name, lambda _: None, found).entries
    own = dict(project.fields.pairs(service, "labels"))
    return {name: value.value or "" for name, value in {**found, **own}.items()}


def _own(service: Mapping, fields: Fields) -> Environment:
    entries: dict[str, Traced[str | None]] = {}
    removed: dict[str, Location] = {}
    for name, value in fields.pairs(service, "environment"):
        entries.pop(name, None)
        removed.pop(name, None)
        given = value.value if value.value is not None else fields.lookup(name)
        if given is None:
            removed[name] = value.location
        else:
            entries[name] = replace(value, value=given)
    return Environment(entries, removed, location=service.location)


def _env_files(
    service: Mapping, folder: str, fields: Fields, own: Environment
) -> Iterator[Environment]:
    above: dict[str, Traced[str | None]] = {}
    lookup = over(fields.lookup, own.entries)
    for item in fields.items(service, "env_file"):
        if not isinstance(item, Mapping):
            path, required, form = fields.text(item, "env_file"), True, None
        else:
            found = fields.optional(item, "path")
            if found is None:
                raise SyntaxInputError(
                    "an env_file without a path", location=item.location, hint="add path:"
                )
            flag = fields.flag(item, "required")
            path, required = found, flag is None or flag.value
            form = fields.optional(item, "format")
        name = _placed(path.value, folder)
        if not required and not disk.exists(Path(name)):
            continue
        read = _read(name, path, form, lookup, above)
        above |= read.entries
        yield read


def _read(
    name: str,
    path: Traced[str],
    form: Traced[str] | None,
    lookup: Lookup,
    above: dict[str, Traced[str | None]],
) -> Environment:
    data = disk.read(name, ENV_FILE_LIMIT, path.location)
    match form.value if form is not None else "":
        case "":
            return compose_env.environment(data, name, lookup, above)
        case "raw":
            return compose_env.raw(data, name, lookup)
        case _:
            raise SyntaxInputError(
                "unsupported env_file format",
                location=form.location if form is not None else path.location,
                hint="leave format: out, or write raw for the format of docker run --env-file",
            )


def _placed(name: str, folder: str) -> str:
    return joined(folder, at_home(name))


def _models(service: Mapping, project: Project) -> Environment:
    """Return what tells a service of its models; where they answer shows when they run.

    Source: docker/compose pkg/compose/model.go (SetModelVariables).
    """
    fields, known = project.fields, project.part("models")
    entries: dict[str, Traced[str | None]] = {}
    for name, node in section(service, "models").items():
        declared = known[name][1] if name in known else None
        model = fields.optional(declared, "model") if isinstance(declared, Mapping) else None
        for option, suffix in _SUFFIXES.items():
            given = fields.optional(node, option) if isinstance(node, Mapping) else None
            variable = given.value if given else f"{name.upper().replace('-', '_')}_{suffix}"
            missing = (Missing(Reason.VARIABLE, f"the value of {variable}, set for a model"),)
            shown = model.value if model is not None and suffix == "MODEL" else None
            entries[variable] = Traced(
                shown, node.location, missing=() if shown is not None else missing
            )
    return Environment(entries, location=service.location)


def _from_providers(service: Mapping, project: Project) -> Environment:
    """Return what services that a provider runs may set: any variable that begins with their name.

    Source: docker/compose pkg/compose/plugins.go (runPlugin).
    """
    services = project.part("services")
    unseen = []
    for name in section(service, "depends_on"):
        other = services[name][1] if name in services else None
        if isinstance(other, Mapping) and is_run_elsewhere(other):
            prefix = f"{name.upper()}_"
            what = f"the variables {prefix}* that the provider of {name} sets"
            unseen.append(Missing(Reason.VARIABLE, what))
    return Environment(unseen=tuple(unseen), location=service.location)
