"""Projects that a project includes (compose-go loader/include.go)."""

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

from msgspec import Struct

from deployguard import files as disk
from deployguard.errors import LimitError, SyntaxInputError, UnsupportedError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import wrong
from deployguard.inputs.compose.relocate import joined
from deployguard.inputs.compose.scope import WAY_OUT, Scope, from_env_files, own_env_file
from deployguard.inputs.compose.trees import (
    entries,
    is_null,
    plain,
    section,
    set_to,
    string,
    text,
    without,
)
from deployguard.model.structs import replace

# Loads a whole project from its files, relative paths seen from the folder that is named.
LoadModel = Callable[[tuple[Scalar, ...], Scope, str, tuple[str, ...]], Mapping]
_PARTS = ("services", "volumes", "networks", "secrets", "configs", "models")
_DEPTH = 32


class _Include(Struct, frozen=True, kw_only=True):
    paths: tuple[Scalar, ...]
    folder: str | None
    env_files: tuple[Scalar, ...]


def included(top: Mapping, scope: Scope, above: tuple[str, ...], load: LoadModel) -> Mapping:
    """Return a project with what it includes. `above` are the files that lead to it, itself last.

    Raises SyntaxInputError for a circle, and where two files declare the same thing differently.
    """
    node = top.get("include")
    if node is None:
        return top
    top = without(top, "include")
    if is_null(node):
        return top
    if not isinstance(node, Sequence):
        raise wrong(node, "include", "a list")
    if len(above) > _DEPTH:
        raise LimitError(
            f"files that include each other deeper than {_DEPTH} levels",
            location=node.location,
            hint=WAY_OUT,
        )
    own = {part: frozenset(section(top, part)) for part in _PARTS}
    for item in node.items:
        found = _loaded(_read(item), item, scope, above, load)
        for part in _PARTS:
            top = _imported(top, found, part, own[part])
    return top


def _read(item: Node) -> _Include:
    if isinstance(item, Scalar) and string(item) is not None:
        return _Include(paths=(item,), folder=None, env_files=())
    if not isinstance(item, Mapping):
        raise wrong(item, "a member of include", "a text or a mapping")
    folder = item.get("project_directory")
    if folder is not None and string(folder) is None:
        raise wrong(folder, "project_directory", "a text")
    return _Include(
        paths=tuple(_texts(item, "path")),
        folder=string(folder) or None,
        env_files=tuple(_texts(item, "env_file")),
    )


def _texts(item: Mapping, name: str) -> Iterator[Scalar]:
    node = item.get(name)
    if node is None or is_null(node):
        return
    for one in node.items if isinstance(node, Sequence) else (node,):
        if not isinstance(one, Scalar) or string(one) is None:
            raise wrong(one, name, "a text or a list of texts")
        yield one


def _loaded(
    include: _Include, item: Node, scope: Scope, above: tuple[str, ...], load: LoadModel
) -> Mapping:
    if not include.paths:
        return Mapping((), item.location)
    names = tuple(scope.path(path.text, path.location) for path in include.paths)
    main = names[0]
    if main in above:
        chain = " includes ".join((*above, main))
        raise SyntaxInputError(
            f"include cycle detected: {chain}",
            location=item.location,
            hint="include it in one place alone",
        )
    folder = posixpath.dirname(main) or "."
    if include.folder is not None:
        folder = scope.path(include.folder, item.location)
    relative = posixpath.relpath(folder, scope.folder)
    lookup = from_env_files(_env_files(include, folder, scope), scope.lookup, item.location)
    inner = replace(scope, folder=folder, lookup=lookup, extended={})
    files = tuple(
        replace(path, value=name, text=name)
        for path, name in zip(include.paths, names, strict=True)
    )
    return load(files, inner, relative, above)


def _env_files(include: _Include, folder: str, scope: Scope) -> tuple[str, ...]:
    if not include.env_files:
        return own_env_file(folder)
    names = []
    for one in include.env_files:
        name = joined(scope.folder, one.text)
        if disk.is_folder(FilePath(name)):
            raise UnsupportedError(f"{name} is not a file", location=one.location)
        disk.regular(name, one.location)
        names.append(name)
    return tuple(names)


def _imported(top: Mapping, found: Mapping, part: str, own: frozenset[str]) -> Mapping:
    members = section(found, part)
    if not members:
        return top
    node = top.get(part)
    target = node if isinstance(node, Mapping) else Mapping((), found.location)
    merged = entries(target)
    for name, member in members.items():
        known = merged.get(name)
        if known is None:
            merged[name] = (text(name, member), member)
        elif plain(known[1]) != plain(member) or (name in own and _has_short_form(member)):
            raise SyntaxInputError(
                f"{part}.{name} conflicts with imported resource",
                location=known[1].location,
                hint=f"it is declared at {member.location.file}:{member.location.line} as well: "
                "change it in a file that is laid over, such as compose.override.yaml",
            )
    return set_to(top, part, replace(target, entries=tuple(merged.values())))


def _has_short_form(member: Node) -> bool:
    """Say whether what is imported would no more be as it is written here: compose compares so."""
    if not isinstance(member, Mapping):
        return False
    lists = (member.get(name) for name in ("ports", "volumes", "devices"))
    return any(
        isinstance(item, Scalar)
        for node in lists
        if isinstance(node, Sequence)
        for item in node.items
    )
