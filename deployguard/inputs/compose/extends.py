"""Services that extend others, of the same file or another one (compose-go loader/extends.go)."""

import posixpath
from collections.abc import Callable

from msgspec import Struct

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar
from deployguard.inputs.compose.fields import mapping, wrong
from deployguard.inputs.compose.merge import merge
from deployguard.inputs.compose.relocate import relocated
from deployguard.inputs.compose.reset import applied
from deployguard.inputs.compose.scope import WAY_OUT, Scope
from deployguard.inputs.compose.trees import (
    Path,
    changed_members,
    is_null,
    section,
    string,
    without,
)
from deployguard.model.evidence import Location
from deployguard.model.structs import replace

# Loads one file, itself neither extended nor checked: its project, and the paths that it resets.
LoadFile = Callable[[str, tuple[Mapping, ...], Scope], tuple[Mapping, tuple[Path, ...]]]
_CHAIN = 100


class Extending(Struct, frozen=True, kw_only=True):
    """What a service that extends another is resolved with: the services beside it.

    `file` is the one that all began with, as in the messages of compose.
    """

    file: str
    services: dict[str, Node]
    scope: Scope
    load: LoadFile
    resets: tuple[tuple[Path, ...], ...]
    seen: tuple[tuple[str, str], ...] = ()


def extended(
    top: Mapping, file: str, paths: tuple[Path, ...], scope: Scope, load: LoadFile
) -> Mapping:
    """Return a project whose services stand for themselves.

    `paths` are those that the document resets. Raises SyntaxInputError for a circle, or a service
    that is not there.
    """
    node = top.get("services")
    if node is None:
        return top
    if not isinstance(node, Mapping):
        raise wrong(node, "services", "a mapping")
    services = dict(section(top, "services"))
    state = Extending(file=file, services=services, scope=scope, load=load, resets=(paths,))
    for name in services:
        services[name] = _service(name, state)
    return changed_members(top, "services", services)


def _service(name: str, state: Extending) -> Node:
    node = state.services[name]
    if is_null(node):
        return node
    service = mapping(node, f"the service {name}")
    wanted = service.get("extends")
    if wanted is None:
        return service
    other, file = _named(wanted, name)
    base_state = state
    if file is not None:
        base_state = _in_file(file, wanted, state)
    place = wanted.location
    if other not in base_state.services:
        raise SyntaxInputError(
            f"cannot extend service {name}: service {other} not found",
            location=place,
            hint="name a service of the same file, or give its file as well",
        )
    here = (state.file if file is None else file.text, name)
    base_state = replace(base_state, seen=_seen(base_state.seen, here, place))
    base = _service(other, base_state)
    if is_null(base):
        return service
    for paths in base_state.resets:
        base = applied(base, paths, ("services", name))
    merged = merge(mapping(base, f"the service {other}"), service, ("services", name))
    state.services[name] = without(merged, "extends")
    return state.services[name]


def _named(wanted: Node, name: str) -> tuple[str, Scalar | None]:
    """Return the service that is extended, and the place of its file where that is another one."""
    if isinstance(wanted, Mapping):
        other = string(wanted.get("service"))
        if other is None:
            raise SyntaxInputError(
                f"extends of {name} names no service",
                location=wanted.location,
                hint="add service: NAME",
            )
        file = wanted.get("file")
        if is_null(file):
            return other, None
        if not isinstance(file, Scalar) or string(file) is None:
            raise wrong(wanted, "file of extends", "a text")
        return other, file
    other = string(wanted)
    if other is None:
        raise wrong(wanted, "extends", "a text or a mapping")
    return other, None


_Seen = tuple[tuple[str, str], ...]


def _seen(seen: _Seen, here: tuple[str, str], place: Location) -> _Seen:
    if here in seen:
        chain = " extends ".join(service for _, service in (*seen, here))
        raise SyntaxInputError(
            f"circular reference: {chain}", location=place, hint="let one stand for itself"
        )
    if len(seen) >= _CHAIN:
        raise LimitError(
            f"more than {_CHAIN} services that extend each other", location=place, hint=WAY_OUT
        )
    return (*seen, here)


def _in_file(file: Scalar, wanted: Node, state: Extending) -> Extending:
    """Return what a service of another file is resolved with."""
    scope = state.scope
    name = scope.path(file.text, wanted.location)
    if name not in scope.extended:
        top, paths = state.load(name, scope.read(name, file.location), scope)
        services = top.get("services")
        if not isinstance(services, Mapping):
            raise SyntaxInputError(f"{name} has no services to extend", location=wanted.location)
        folder = posixpath.dirname(file.text) or "."
        scope.extended[name] = (relocated_project(top, folder), paths)
    top, paths = scope.extended[name]
    return replace(
        state,
        services=dict(section(top, "services")),
        resets=(*state.resets, paths),
    )


def relocated_project(top: Mapping, folder: str) -> Mapping:
    """Return a project whose relative paths begin with a folder."""
    return mapping(relocated(top, folder), "a compose file")
