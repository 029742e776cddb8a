"""A compose project: its files, its variables, and the services that start."""

import posixpath
import re
import shlex
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from deployguard import files as disk
from deployguard.errors import (
    EmptyError,
    InputError,
    LimitError,
    SyntaxInputError,
    UnsupportedError,
    nearest,
)
from deployguard.formats import compose_env
from deployguard.formats.interpolation import Lookup
from deployguard.formats.yaml import Dialect, Mapping, Node, Scalar, Sequence, documents
from deployguard.inputs.compose.fields import Fields, mapping, wrong
from deployguard.inputs.compose.merge import merge
from deployguard.inputs.compose.ports import ports
from deployguard.inputs.folder import FolderFiles
from deployguard.model.codes import ProblemCode
from deployguard.model.container import ContainerKind, ContainerSpec, Mount, Network
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from deployguard.model.objects import ImageSource
from deployguard.model.problem import Problem

_FILLED_LIMIT = 32 * 1024 * 1024
_ENV_FILE_LIMIT = 10 * 1024 * 1024
_COMMAND_LIMIT = 256 * 1024  # shlex takes time that grows with the square of a word's length
_PORTS_LIMIT = 100_000  # of a whole project: one line may publish 65,536
_TOP = frozenset(
    {"version", "name", "services", "networks", "volumes", "configs", "secrets", "models"}
)
_WAY_OUT = "resolve it first: docker compose config | deployguard scan compose:-"
# What changes the process or its files in ways that are not followed yet.
_UNSUPPORTED = ("extends", "volumes_from", "configs", "credential_spec")
_KNOWN = frozenset(
    {
        "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup",
        "cgroup_parent", "command", "container_name", "cpu_count", "cpu_percent", "cpu_period",
        "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset",
        "depends_on", "deploy", "develop", "device_cgroup_rules", "devices", "dns", "dns_opt",
        "dns_search", "domainname", "entrypoint", "env_file", "environment", "expose",
        "external_links", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image",
        "init", "ipc", "isolation", "label_file", "labels", "links", "logging", "mac_address",
        "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models",
        "network_mode", "networks", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit",
        "platform", "ports", "post_start", "pre_stop", "privileged", "profiles", "provider",
        "pull_policy", "pull_refresh_after", "read_only", "restart", "runtime", "scale", "secrets",
        "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal",
        "storage_opt", "sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user",
        "userns_mode", "uts", "volumes", "working_dir", *_UNSUPPORTED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeOptions:
    """What decides how a project is read; `env` beats `environ`, which beats the env files.

    `built` says that a service with a `build:` is judged from the image that was built before.
    """

    env_files: tuple[str, ...] = ()
    env: AnyMapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    environ: AnyMapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    built: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    target: str
    folder: Path
    fields: Fields
    images: ImageSource
    given: AnyMapping[str, str]
    name: str = ""
    platform: str | None = None
    built: bool = False


def load(
    files: AnySequence[tuple[str, bytes]],
    options: ComposeOptions,
    images: ImageSource,
    target: str,
    notes: list[Problem] | None = None,
) -> tuple[ContainerSpec, ...]:
    """Return the services that `docker compose up` would start, in the order of the file.

    `files` are names and contents, later ones laid over earlier ones; the first one's folder is the
    project's. `notes` collects what is left out. Raises SyntaxInputError for what compose refuses,
    UnsupportedError for what would change the process and is not followed.
    """
    first = files[0][0]
    folder = Path() if first == "-" else Path(first).parent
    given: dict[str, str] = {}
    project = _Project(
        target=target,
        folder=folder,
        fields=Fields(_recorded(_lookup(folder, options), given, Location(first))),
        images=images,
        given=given,
    )
    try:
        whole = _whole(files)
        project = replace(
            project,
            name=_project_name(whole, folder, project.fields),
            platform=options.platform,
            built=options.built,
        )
        specs, left_out = _services(whole, project, options.profiles)
    except InputError as error:
        raise _as_written(error, given) from error
    if notes is not None:
        notes += _notes(specs, left_out, first)
    return specs


def _services(
    whole: Mapping, project: _Project, profiles: tuple[str, ...]
) -> tuple[tuple[ContainerSpec, ...], AnySequence[Scalar]]:
    """Return the services that start, and the names of those that their profiles leave out."""
    services = whole.get("services")
    if services is None:
        raise SyntaxInputError(
            f"{whole.location.file} has no services",
            location=Location(whole.location.file),
            hint="a compose file lists them under services:; version 1 files are refused",
        )
    specs: list[ContainerSpec] = []
    left_out: list[Scalar] = []
    published = 0
    for key, node in mapping(services, "services").entries:
        service = mapping(node, f"the service {key.text}")
        if not _starts(service, project.fields, profiles):
            left_out.append(key)
            continue
        specs.append(_service(key, service, project, _PORTS_LIMIT - published))
        published += len(specs[-1].ports)
    return tuple(specs), left_out


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


def _project_name(whole: Mapping, folder: Path, fields: Fields) -> str:
    """Return a project's name (compose-go loader.NormalizeProjectName): the folder's, if none."""
    given = fields.optional(whole, "name")
    name = fields.lookup("COMPOSE_PROJECT_NAME") or (
        given.value if given else folder.resolve().name
    )
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


_NAMED = 3


def _notes(
    specs: AnySequence[ContainerSpec], left_out: AnySequence[Scalar], file: str
) -> Iterator[Problem]:
    hint = "take them in with --profile"
    if left_out:
        names = ", ".join(key.text for key in left_out[:_NAMED])
        more = ", ..." if left_out[_NAMED:] else ""
        message = f"not started, being in profiles that are not asked for: {names}{more}"
        yield Problem(ProblemCode.NOTE, message, left_out[0].location, hint)
    elif not specs:
        yield Problem(ProblemCode.NOTE, "nothing to judge in it: no services", Location(file))


def _whole(files: AnySequence[tuple[str, bytes]]) -> Mapping:
    merged: Mapping | None = None
    for name, data in files:
        found = [node for node in documents(data, name, Dialect.COMPOSE) if node is not None]
        if not found:
            raise EmptyError(
                f"{name} is empty",
                location=Location(name),
                hint="is what should have written it at fault? compose refuses an empty file",
            )
        for node in found:
            top = mapping(node, "a compose file")
            _check_top(top)
            merged = top if merged is None else merge(merged, top)
    if merged is None:
        raise SyntaxInputError("there is no compose file")
    return merged


def _check_top(top: Mapping) -> None:
    for key, value in top.entries:
        if key.text == "include":
            raise UnsupportedError(
                "include is not followed yet", location=key.location, hint=_WAY_OUT
            )
        if key.text not in _TOP and not key.text.startswith("x-"):
            hint = None
            if key.text in {"apiVersion", "kind"}:
                hint = "is it a Kubernetes manifest? write k8s:FILE"
            elif isinstance(value, Mapping) and (value.get("image") or value.get("build")):
                hint = "is it a version 1 file? put its services below services:"
            raise _not_allowed(key, _TOP, hint)


def _not_allowed(key: Scalar, known: frozenset[str], hint: str | None = None) -> SyntaxInputError:
    """Return the error for a key that compose's schema does not have."""
    close = nearest(key.text, known)
    meant = f"did you mean {close}? " if close else ""
    return SyntaxInputError(
        f"additional properties '{key.text}' not allowed",
        location=key.location,
        hint=hint or f"{meant}compose refuses it as well; extensions begin with x-",
    )


def check(options: ComposeOptions) -> None:
    """Read the env files that the options name. Raises InputError where one is no env file."""
    if options.env_files:
        _lookup(Path(), options)


def _lookup(folder: Path, options: ComposeOptions) -> Lookup:
    """Return the variables of a project (compose-go cli/options.go WithDotEnv)."""
    outer: dict[str, str] = {**options.environ, **options.env}
    below: dict[str, str] = {}

    def current(name: str) -> str | None:
        return outer.get(name, below.get(name))

    own = folder / ".env"
    own_names = (str(own),) if disk.exists(own) and not disk.is_folder(own) else ()
    for name in options.env_files or own_names:
        found = compose_env.environment(disk.read(name, _ENV_FILE_LIMIT), name, current)
        below |= {key: entry.value or "" for key, entry in found.entries.items()}
    return current


def _recorded(lookup: Lookup, given: dict[str, str], place: Location) -> Lookup:
    """Return the lookup, keeping what it gave: a report hides what came from outside."""
    left = _FILLED_LIMIT

    def find(name: str) -> str | None:
        nonlocal left
        value = lookup(name)
        if value is not None:
            given[name] = value
            left -= len(value)
        if left < 0:
            raise LimitError(
                f"variables make more than {_FILLED_LIMIT // 1024 // 1024} MiB of text",
                location=place,
                hint="a process is not started with values of that length",
            )
        return value

    return find


def _starts(service: Mapping, fields: Fields, wanted: tuple[str, ...]) -> bool:
    """Say whether a service is in no profile, or in one that is asked for."""
    profiles = {text.value for text in fields.texts(service, "profiles")}
    return not profiles or "*" in wanted or bool(profiles & set(wanted))


def _service(key: Scalar, service: Mapping, project: _Project, most_ports: int) -> ContainerSpec:
    _check_service(service)
    fields = project.fields
    reference = fields.optional(service, "image")
    image = _image(key, service, reference, project)
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
        labels={name: value.value or "" for name, value in fields.pairs(service, "labels")},
        entrypoint=_words(service, "entrypoint", fields),
        cmd=_not_empty(_words(service, "command", fields)),
        env=_environment(service, project),
        working_dir=directory if directory is None or directory.value else None,
        user=user if user is None or user.value else None,
        terminal=fields.flag(service, "tty"),
        ports=published,
        network=_network(service, fields),
        mounts=tuple(_mounts(service, project)),
        given=project.given,
    )


def _check_service(service: Mapping) -> None:
    for key, _ in service.entries:
        if key.text in _UNSUPPORTED:
            raise UnsupportedError(
                f"{key.text} of a service is not followed yet",
                location=key.location,
                hint=_WAY_OUT,
            )
        if key.text not in _KNOWN and not key.text.startswith("x-"):
            raise _not_allowed(key, _KNOWN)


def _image(
    key: Scalar, service: Mapping, reference: Traced[str] | None, project: _Project
) -> Image | Unread:
    build = service.get("build")
    if build is not None and project.built:
        # The name under which compose keeps what it builds.
        name = reference or Traced(f"{project.name}-{key.text}", build.location)
        return project.images.find(name)
    if build is not None:
        return _build(build, service, project)
    if reference is None or not reference.value:
        raise SyntaxInputError(
            "a service has neither an image nor a build context",
            location=service.location,
            hint="add image: or build:",
        )
    return project.images.find(reference)


def _build(build: Node, service: Mapping, project: _Project) -> Image | Unread:
    from deployguard.inputs import dockerfile  # noqa: PLC0415  (only for projects with builds)

    fields = project.fields
    if isinstance(build, Scalar):
        context: Traced[str] | None = fields.text(build, "build")
        section = Mapping((), build.location)
    else:
        section = mapping(build, "build")
        context = fields.optional(section, "context")
    folder = context.value if context is not None else "."
    if _remote(folder):
        return Unread(Missing(Reason.IMAGE, f"the image that is built from {folder}"))
    file = fields.optional(section, "dockerfile")
    target = fields.optional(section, "target")
    inline = fields.optional(section, "dockerfile_inline")
    if file is not None and inline is not None:
        raise SyntaxInputError(
            "dockerfile and dockerfile_inline cannot both be given", location=file.location
        )
    place = project.folder / folder
    platform = fields.optional(service, "platform")
    options = dockerfile.BuildOptions(
        target=target.value if target is not None and target.value else None,
        arguments=_arguments(section, fields),
        contexts=_contexts(section, project),
        inline=inline.value.encode() if inline is not None else None,
        platform=platform.value if platform is not None else project.platform,
    )
    # The Dockerfile's path is seen from the context.
    path = str(place / file.value) if file is not None else None
    (stage,) = dockerfile.build(str(place), path, project.images, options)
    return stage.image


def _arguments(section: Mapping, fields: Fields) -> dict[str, str]:
    """Return the build's arguments; one without a value that is set nowhere is not given at all."""
    given: dict[str, str] = {}
    for name, value in fields.pairs(section, "args"):
        text = value.value if value.value is not None else fields.lookup(name)
        if text is not None:
            given[name] = text
    return given


def _contexts(section: Mapping, project: _Project) -> dict[str, str]:
    """Return additional contexts: folders as paths from here, others as they are written."""
    return {
        name: value.value
        if _remote(value.value) or "://" in value.value or value.value.startswith("service:")
        else str(project.folder / value.value)
        for name, value in project.fields.pairs(section, "additional_contexts")
        if value.value is not None
    }


def _remote(context: str) -> bool:
    """Say whether a context is no folder (compose-go, types.BuildConfig.Context)."""
    return "://" in context or context.startswith(("git@", "github.com/"))


_Words = Traced[tuple[Traced[str | None], ...]]


def _words(service: Mapping, name: str, fields: Fields) -> _Words | None:
    """Read a command: a text is split as a shell would split words, without expanding them."""
    node = service.get(name)
    match node:
        case None | Scalar(value=None):
            return None
        case Scalar():
            text = fields.text(node, name)
            if len(text.value) > _COMMAND_LIMIT:
                raise LimitError(
                    f"{name} has more than {_COMMAND_LIMIT // 1024} KiB",
                    location=node.location,
                    hint="no process takes arguments of that length",
                )
            try:
                parts = shlex.split(text.value)
            except ValueError as error:
                raise SyntaxInputError(
                    f"{name} has a quote that is not closed",
                    location=node.location,
                    hint="close it, or write the words as a list",
                ) from error
            return Traced(tuple(Traced(part, node.location) for part in parts), node.location)
        case Sequence(items=items):
            return Traced(tuple(fields.text(item, name) for item in items), node.location)
        case _:
            raise wrong(node, name, "a text or a list")


def _not_empty(words: _Words | None) -> _Words | None:
    return words if words is not None and words.value else None


def _environment(service: Mapping, project: _Project) -> Environment:
    """Lay `environment` over the env files; a name without a value comes from outside, or goes."""
    fields = project.fields
    layers = list(_env_files(service, project))
    entries: dict[str, Traced[str | None]] = {}
    removed: dict[str, Location] = {}
    for name, value in fields.pairs(service, "environment"):
        entries.pop(name, None)
        removed.pop(name, None)
        given = value.value if value.value is not None else fields.lookup(name)
        if given is None:
            removed[name] = value.location
        else:
            entries[name] = Traced(given, value.location)
    return overlay((*layers, Environment(entries, removed, location=service.location)))


def _env_files(service: Mapping, project: _Project) -> Iterator[Environment]:
    for item in project.fields.items(service, "env_file"):
        required = True
        if isinstance(item, Mapping):
            path = project.fields.optional(item, "path")
            flag = project.fields.flag(item, "required")
            required = flag is None or flag.value
            if item.get("format") is not None:
                raise UnsupportedError(
                    "the format of an env_file is not followed yet",
                    location=item.location,
                    hint=_WAY_OUT,
                )
            if path is None:
                raise SyntaxInputError(
                    "an env_file without a path", location=item.location, hint="add path:"
                )
        else:
            path = project.fields.text(item, "env_file")
        place = project.folder / path.value
        if not required and not disk.exists(place):
            continue
        data = disk.read(str(place), _ENV_FILE_LIMIT, path.location)
        yield compose_env.environment(data, str(place), project.fields.lookup)


def _network(service: Mapping, fields: Fields) -> Network:
    mode = fields.optional(service, "network_mode")
    match mode.value if mode is not None else "":
        case "host":
            return Network.HOST
        case "none":
            return Network.NONE
        case _:
            return Network.DEFAULT


def _mounts(service: Mapping, project: _Project) -> Iterator[Mount]:
    fields = project.fields
    for item in fields.items(service, "volumes"):
        if isinstance(item, Mapping):
            target = fields.optional(item, "target")
            source = fields.optional(item, "source")
            kind = fields.optional(item, "type")
            bind = kind is not None and kind.value == "bind"
        else:
            text = fields.text(item, "volumes")
            first, colon, rest = text.value.partition(":")
            inside = rest.partition(":")[0] if colon else first
            target = Traced(inside, text.location)
            source = Traced(first, text.location) if colon else None
            bind = source is not None and source.value.startswith((".", "/", "~"))
        if target is None or not target.value.startswith("/"):
            raise SyntaxInputError(
                "a volume without a target path",
                location=item.location,
                hint="write SOURCE:TARGET, the target absolute",
            )
        yield _mount(target, source if bind else None, project)
    for text in fields.texts(service, "tmpfs"):
        yield _mount(Traced(text.value.partition(":")[0], text.location), None, project)
    if fields.items(service, "secrets"):
        yield _mount(Traced("/run/secrets", service.location), None, project)


def _mount(target: Traced[str], source: Traced[str] | None, project: _Project) -> Mount:
    path = posixpath.normpath("/" + target.value.lstrip("/"))
    missing = Missing(Reason.MOUNT, f"the files that a volume puts at {path}")
    if source is None:
        return Mount(path, Unread(missing), target.location)
    place = project.folder / source.value
    if source.value.startswith("~") or not disk.exists(place):
        return Mount(path, Unread(missing), target.location)
    return Mount(path, FolderFiles(place), target.location)
