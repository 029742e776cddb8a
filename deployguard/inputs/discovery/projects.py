"""The compose projects of a folder, as `docker compose` reads it, and what they take in."""

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from deployguard.errors import InputError
from deployguard.formats import compose_env, yaml
from deployguard.inputs.discovery import kinds
from deployguard.inputs.discovery.sources import Sources

_STARTS = ("image", "build", "extends", "provider")
_TOP = frozenset(
    {
        "configs",
        "include",
        "models",
        "name",
        "networks",
        "secrets",
        "services",
        "version",
        "volumes",
    }
)
_INCLUDES = 100  # files that a project includes, those of the included ones counted


class Project(Struct, frozen=True, kw_only=True):
    """A compose project: its files in order, and the one that it is called after.

    `laid_over` says that this file does not stand alone and is read over the project's.
    """

    name: str
    files: tuple[str, ...]
    laid_over: bool = False


class Taken(Struct, eq=False):
    """What a project takes in: files, and Dockerfiles of which the last stage is built."""

    files: set[str] = field(default_factory=set)
    dockerfiles: set[str] = field(default_factory=set)


def main_files(
    folder: str, names: set[str], sources: Sources, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the files that `docker compose` takes in a folder, none where it finds no project.

    Source: compose-go, cli/options.go, WithConfigFileEnv (COMPOSE_FILE in the folder's .env, or in
    the environment where it is the folder one stands in) and WithDefaultConfigPath.
    """
    listed = _listed(folder, names, sources, environ)
    if listed:
        return listed
    project = next((name for name in kinds.COMPOSE_NAMES if name in names), None)
    if project is None:
        return ()
    override = next((name for name in kinds.OVERRIDE_NAMES if name in names), None)
    return tuple(_in(folder, name) for name in (project, override) if name is not None)


def _listed(
    folder: str, names: set[str], sources: Sources, environ: Mapping[str, str]
) -> tuple[str, ...]:
    here = os.path.realpath(folder) == os.path.realpath(".")
    outer = environ if here else {}
    own: dict[str, str] = {}
    if ".env" in names:
        name = _in(folder, ".env")
        try:
            data = sources.read(name)
            if b"COMPOSE_" in data:
                found = compose_env.environment(data, name, outer.get)
                own = {key: entry.value or "" for key, entry in found.entries.items()}
        except InputError:  # who reads the project says what is wrong with it
            return ()
    listed = outer.get("COMPOSE_FILE", own.get("COMPOSE_FILE", ""))
    separator = outer.get("COMPOSE_PATH_SEPARATOR") or own.get("COMPOSE_PATH_SEPARATOR")
    return tuple(_in(folder, name) for name in listed.split(separator or os.pathsep) if name)


def projects(
    folder: str, names: set[str], main: tuple[str, ...], sources: Sources
) -> tuple[list[Project], list[str]]:
    """Return the projects of a folder, and compose files that stand neither alone nor over one.

    A further file that stands alone is a project of its own, as `docker compose -f FILE` reads it;
    one that does not is laid over the main ones: `docker compose -f compose.yaml -f FILE`.
    """
    found = [Project(name=main[0], files=main)] if main else []
    fragments: list[str] = []
    real = {os.path.realpath(name) for name in main}
    for name in sorted(names):
        path = _in(folder, name)
        # A link of compose.yaml to another file of the folder is one file, not two.
        if not name.endswith(kinds.MANIFEST_ENDINGS) or os.path.realpath(path) in real:
            continue
        top = compose_file(path, sources)
        if top is None:
            continue
        if isinstance(top, InputError) or _stands_alone(top):
            found.append(Project(name=path, files=(path,)))
        elif main:
            found.append(Project(name=path, files=(*main, path), laid_over=True))
        else:
            fragments.append(path)
    return found, fragments


def compose_file(path: str, sources: Sources) -> yaml.Mapping | InputError | None:
    """Return a compose file's top level, the error of one that does not parse, None for another."""
    name = posixpath.basename(path)
    try:
        data = sources.read(path)
    except InputError as error:
        return error if _is_named(name) else None
    if not _is_named(name) and not kinds.is_compose(name, data):
        return None
    try:
        found = next(iter(yaml.documents(data, path, yaml.Dialect.COMPOSE)), None)
    except InputError as error:
        meant = _is_named(name) or "compose" in name
        return error if meant and not kinds.is_rendered(data) else None
    if not isinstance(found, yaml.Mapping):
        return None
    return found if _is_named(name) or _looks_like_one(found) else None


def _is_named(name: str) -> bool:
    return name in kinds.COMPOSE_NAMES or name in kinds.OVERRIDE_NAMES


def _looks_like_one(top: yaml.Mapping) -> bool:
    """Tell a compose file from what else has services at the top, as Symfony and GitLab have."""
    services = top.get("services")
    if not isinstance(services, yaml.Mapping):
        return False
    known = all(key.text in _TOP or key.text.startswith("x-") for key, _ in top.entries)
    return known and all(isinstance(node, yaml.Mapping) for _, node in services.entries)


def _stands_alone(top: yaml.Mapping) -> bool:
    services = top.get("services")
    if top.get("include") is not None or not isinstance(services, yaml.Mapping):
        return top.get("include") is not None
    return all(
        isinstance(node, yaml.Mapping) and any(node.get(key) is not None for key in _STARTS)
        for _, node in services.entries
    )


def taken_in(project: Project, sources: Sources, profiles: Sequence[str]) -> Taken:
    """Return what a project takes in by include, extends and build."""
    taken = Taken()
    files = project.files
    waiting, seen = list(files), set(files)
    while waiting:
        path = waiting.pop()
        top = compose_file(path, sources)
        if isinstance(top, yaml.Mapping):
            # Paths are seen from the first file's folder, those of an included file from its own.
            folder = posixpath.dirname(files[0] if path in files else path)
            _note(top, folder, taken, profiles)
            for further in _included(top, folder):
                taken.files.add(posixpath.normpath(further))
                if further not in seen and len(seen) < _INCLUDES:
                    seen.add(further)
                    waiting.append(further)
    return taken


def _included(top: yaml.Mapping, folder: str) -> Iterator[str]:
    include = top.get("include")
    for item in include.items if isinstance(include, yaml.Sequence) else ():
        given = item.get("path") if isinstance(item, yaml.Mapping) else item
        for path in given.items if isinstance(given, yaml.Sequence) else (given,):
            if isinstance(path, yaml.Scalar) and "://" not in path.text:
                yield _in(folder, path.text)


def _note(top: yaml.Mapping, folder: str, taken: Taken, profiles: Sequence[str]) -> None:
    services = top.get("services")
    for _, service in services.entries if isinstance(services, yaml.Mapping) else ():
        if not isinstance(service, yaml.Mapping):
            continue
        extends = service.get("extends")
        file = extends.get("file") if isinstance(extends, yaml.Mapping) else None
        if isinstance(file, yaml.Scalar):
            taken.files.add(posixpath.normpath(_in(folder, file.text)))
        dockerfile = _built(service.get("build"), folder)
        if dockerfile is not None and _starts(service, profiles):
            taken.dockerfiles.add(posixpath.normpath(dockerfile))


def _built(build: yaml.Node | None, folder: str) -> str | None:
    """Return the Dockerfile whose last stage a service builds, None where it cannot be told."""
    if isinstance(build, yaml.Scalar):
        context, dockerfile = build.text, "Dockerfile"
    elif isinstance(build, yaml.Mapping):
        if build.get("target") is not None or build.get("dockerfile_inline") is not None:
            return None
        given = build.get("context")
        named = build.get("dockerfile")
        context = given.text if isinstance(given, yaml.Scalar) else "."
        dockerfile = named.text if isinstance(named, yaml.Scalar) else "Dockerfile"
    else:
        return None
    if "$" in context + dockerfile or "://" in context:
        return None
    return posixpath.join(_in(folder, context), dockerfile)


def _starts(service: yaml.Mapping, profiles: Sequence[str]) -> bool:
    """Say whether a service starts; one whose profile is not asked for is not judged."""
    own = service.get("profiles")
    if not isinstance(own, yaml.Sequence) or not own.items or "*" in profiles:
        return True
    return any(isinstance(item, yaml.Scalar) and item.text in profiles for item in own.items)


def _in(folder: str, name: str) -> str:
    return posixpath.join(folder, name) if folder not in {"", "."} else name
