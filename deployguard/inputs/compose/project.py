"""A compose project: its files, its variables, and the services that start."""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence as AnySequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose import builds, mounts, values
from deployguard.inputs.compose.consistency import check_consistency, is_run_elsewhere, replicas
from deployguard.inputs.compose.environment import environment, labels
from deployguard.inputs.compose.fields import Fields, mapping, wrong
from deployguard.inputs.compose.loading import load_project
from deployguard.inputs.compose.networks import attached
from deployguard.inputs.compose.ports import check_ports, ports
from deployguard.inputs.compose.resolved import Project
from deployguard.inputs.compose.scope import Scope, empty, parsed
from deployguard.inputs.compose.variables import (
    ComposeOptions,
    profiles,
    project_lookup,
    project_name,
    recorded,
    with_name,
)
from deployguard.model.codes import ProblemCode
from deployguard.model.container import ContainerKind, ContainerSpec, Port
from deployguard.model.evidence import Location, Traced
from deployguard.model.objects import ImageSource
from deployguard.model.problem import Problem
from deployguard.model.structs import replace

_PORTS_LIMIT = 100_000  # of a whole project: one line may publish 65,536
_Words = Traced[tuple[Traced[str | None], ...]]


class _Selection(Struct, frozen=True):
    """The services of a project that start, and those that do not, by the reason."""

    started: AnyMapping[str, Mapping]
    unasked: tuple[Scalar, ...]
    scaled: tuple[Scalar, ...]
    provided: tuple[Scalar, ...]


def load(
    files: AnySequence[tuple[str, bytes]],
    options: ComposeOptions,
    images: ImageSource,
    target: str,
    notes: list[Problem] | None = None,
) -> tuple[ContainerSpec, ...]:
    """Return the services that `docker compose up` would start, in the order of the file.

    `files` are names and contents, later ones laid over earlier ones; the first one's folder is the
    project's. `notes` collects what is left out. Raises InputError for what compose refuses and for
    what it would fetch from elsewhere.
    """
    first = files[0][0]
    folder = Path() if first == "-" else Path(first).parent
    given: dict[str, str] = {}
    try:
        lookup = recorded(project_lookup(str(folder), options), given, Location(first))
        read = [(name, parsed(name, data)) for name, data in files]
        documents = [part for _, parts in read for part in parts]
        name = project_name(documents, folder.resolve().name, lookup)
        lookup = with_name(lookup, name)
        whole = load_project(read, Scope(folder=str(folder), lookup=lookup))
        values.check_values(whole)
        selection = _selected(whole, profiles(options, lookup), first)
        project = Project(
            target=target,
            folder=folder,
            fields=Fields(lookup),
            images=images,
            given=given,
            name=name,
            platform=options.platform,
            built=options.built,
            whole=whole,
        )
        specs = _services(selection, project)
    except InputError as error:
        raise _as_written(error, given) from error
    if notes is not None:
        notes += _notes(specs, selection, first)
    return specs


def _selected(whole: Mapping, wanted: frozenset[str], file: str) -> _Selection:
    """Tell the services that start; raises SyntaxInputError where they do not fit together."""
    services = whole.get("services")
    if services is None:
        if not whole.entries:
            raise empty(file) if whole.location.file != file else _without_services(file)
        services = Mapping((), whole.location)
    enabled: dict[str, Mapping] = {}
    unasked: list[Scalar] = []
    scaled: list[Scalar] = []
    provided: list[Scalar] = []
    for key, node in mapping(services, "services").entries:
        service = mapping(node, f"the service {key.text}")
        if _is_asked(service, wanted):
            enabled[key.text] = service
        else:
            unasked.append(key)
    check_consistency(whole, enabled)
    for key, _ in mapping(services, "services").entries:
        one = enabled.get(key.text)
        if one is not None and is_run_elsewhere(one):
            provided.append(key)
        elif one is not None and replicas(one)[0] == 0:
            scaled.append(key)
    left_out = {key.text for key in (*scaled, *provided)}
    started = {name: service for name, service in enabled.items() if name not in left_out}
    return _Selection(started, tuple(unasked), tuple(scaled), tuple(provided))


def _without_services(file: str) -> SyntaxInputError:
    return SyntaxInputError(
        f"{file} has no services",
        location=Location(file),
        hint="a compose file lists them under services:; version 1 files are refused",
    )


def _is_asked(service: Mapping, wanted: frozenset[str]) -> bool:
    """Say whether a service is in no profile, or in one that is asked for."""
    node = service.get("profiles")
    own = (
        {item.text for item in node.items if isinstance(item, Scalar)}
        if isinstance(node, Sequence)
        else set()
    )
    return not own or "*" in wanted or bool(own & wanted)


def _services(selection: _Selection, project: Project) -> tuple[ContainerSpec, ...]:
    unasked = frozenset(key.text for key in selection.unasked)
    specs: list[ContainerSpec] = []
    published = 0
    for key, node in project.part("services").values():
        service = selection.started.get(key.text)
        if service is not None:
            specs.append(_service(key, service, project, _PORTS_LIMIT - published))
            published += len(specs[-1].ports)
        elif isinstance(node, Mapping):
            _check_unstarted(node, project, asked=key.text not in unasked)
    return attached(tuple(specs), project)


def _check_unstarted(service: Mapping, project: Project, *, asked: bool) -> None:
    """Raise InputError for what compose refuses in a service that does not start all the same."""
    check_ports(service, project.fields)
    if asked:
        environment(service, project)
        labels(service, project)


_SHORT = 6  # values of fewer characters stand in a message by chance


def _as_written(error: InputError, given: AnyMapping[str, str]) -> InputError:
    """Return an error that names variables, not what they hold: that may be a secret."""
    by_length = sorted(given.items(), key=lambda item: (-len(item[1]), item[0]))
    replaced = [(value, f"${{{name}}}") for name, value in by_length if len(value) >= _SHORT]

    def written(text: str) -> str:
        for value, name in replaced:
            text = text.replace(value, name)
        return text

    place = error.location
    return type(error)(
        written(error.message),
        location=None if place is None else replace(place, file=written(place.file)),
        hint=None if error.hint is None else written(error.hint),
    )


_NAMED = 3


def _notes(
    specs: AnySequence[ContainerSpec], selection: _Selection, file: str
) -> Iterator[Problem]:
    reasons = (
        (
            selection.unasked,
            "not started, being in profiles that are not asked for",
            "take them in with --profile",
        ),
        (selection.scaled, "not started, the number of their containers being 0", None),
        (selection.provided, "run by a provider, not as a container", None),
    )
    said = False
    for keys, reason, hint in reasons:
        if keys:
            names = ", ".join(key.text for key in keys[:_NAMED])
            more = ", ..." if keys[_NAMED:] else ""
            message = f"{reason}: {names}{more}"
            yield Problem(ProblemCode.NOTE, message, keys[0].location, hint)
            said = True
    if not specs and not said:
        yield Problem(ProblemCode.NOTE, "nothing to judge in it: no services", Location(file))


def check(options: ComposeOptions) -> None:
    """Read the env files that the options name. Raises InputError where one is no env file."""
    if options.env_files:
        project_lookup(".", options)


def _service(key: Scalar, service: Mapping, project: Project, most_ports: int) -> ContainerSpec:
    fields = project.fields
    reference = fields.optional(service, "image")
    image = builds.image(key, service, reference, project)
    user = fields.optional(service, "user")
    directory = fields.optional(service, "working_dir")
    published = tuple(islice(ports(service, fields), most_ports + 1))
    if len(published) > most_ports:
        raise LimitError(
            f"the project has more than {_PORTS_LIMIT} ports",
            location=key.location,
            hint="publish what is needed alone",
        )
    return ContainerSpec(
        target=project.target,
        subject=f"services.{key.text}",
        name=key.text,
        kind=ContainerKind.COMPOSE_SERVICE,
        location=key.location,
        image=image,
        image_reference=reference,
        labels=labels(service, project),
        entrypoint=_words(service.get("entrypoint"), "entrypoint", fields),
        cmd=_not_empty(_words(service.get("command"), "command", fields)),
        env=environment(service, project),
        working_dir=directory if directory is None or directory.value else None,
        user=user if user is None or user.value else None,
        terminal=fields.flag(service, "tty"),
        ports=_distinct(published),
        mounts=mounts.mounts(service, image, project),
        given=project.given,
        hooks=tuple(_hooks(service, fields)),
    )


def _hooks(service: Mapping, fields: Fields) -> Iterator[_Words]:
    """Yield the commands that compose runs in a container once it has started."""
    for hook in fields.items(service, "post_start"):
        command = hook.get("command") if isinstance(hook, Mapping) else None
        found = _not_empty(_words(command, "command", fields))
        if found is not None:
            yield found


def _distinct(published: Iterable[Port]) -> tuple[Port, ...]:
    """Return each port once: a file that is laid over may publish it again, in another form."""
    return tuple({(one.container, one.protocol, one.published): one for one in published}.values())


_REPLACED = 8  # commands that were replaced, one by the next: as many as anybody reads


def _words(node: Node | None, name: str, fields: Fields, depth: int = 0) -> _Words | None:
    """Read a command, and those that it replaced."""
    match node:
        case None | Scalar(value=None):
            return None
        case Scalar(value=str(text)):
            parts = values.split(text, name, node.location)
            words = tuple(Traced(part, node.location) for part in parts)
        case Sequence(items=items):
            words = tuple(fields.text(item, name) for item in items)
        case _:
            raise wrong(node, name, "a text or a list")
    older = _words(node.replaced, name, fields, depth + 1) if depth < _REPLACED else None
    return Traced(words, node.location, replaced=older)


def _not_empty(words: _Words | None) -> _Words | None:
    return words if words is not None and words.value else None
