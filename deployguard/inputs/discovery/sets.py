"""Manifests that are applied together: in which files the objects of a file are looked for."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from deployguard.inputs.discovery.walk import order, parts

# A group of files to judge, and further files whose objects they may refer to.
Group = tuple[tuple[str, ...], tuple[str, ...]]


def trees(manifests: Iterable[str], mixed: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Group manifests by the topmost folder that holds nothing but manifests.

    `mixed` are the folders with other sources directly in them: manifests of one are together, and
    those of the folders below it are not, so that applications beside each other stay apart.
    """
    above: set[str] = set()
    for start in mixed:
        folder = start
        while folder not in above:
            above.add(folder)
            folder = posixpath.dirname(folder)
    groups: dict[str, list[str]] = defaultdict(list)
    for path in sorted(manifests, key=order):
        top = posixpath.dirname(path)
        while top and top not in above and posixpath.dirname(top) not in above:
            top = posixpath.dirname(top)
        groups[top].append(path)
    return tuple(tuple(groups[top]) for top in sorted(groups, key=parts))


def alternatives(declared: Mapping[str, frozenset[Hashable]]) -> tuple[Group, ...]:
    """Take apart files that declare the same object, as those of staging and production do.

    `declared` says which objects each file has. Files stay together as far up as nothing is
    declared twice; what no other file declares is shared by all, and judged without the others.
    """
    disputed = _twice(declared, declared)
    if not disputed:
        return ((tuple(declared), ()),) if declared else ()
    shared = tuple(path for path in declared if not declared[path] & disputed)
    apart = [path for path in declared if declared[path] & disputed]
    groups: list[Group] = [(shared, ())] if shared else []
    groups += ((group, shared) for group in _split(apart, declared, 0))
    return tuple(groups)


def _twice(
    paths: Iterable[str], declared: Mapping[str, frozenset[Hashable]]
) -> frozenset[Hashable]:
    times = Counter(item for path in paths for item in declared[path])
    return frozenset(item for item, count in times.items() if count > 1)


def _split(
    paths: Sequence[str], declared: Mapping[str, frozenset[Hashable]], depth: int
) -> Iterator[tuple[str, ...]]:
    """Yield the groups of files by folder, from the top down until nothing is declared twice."""
    if not _twice(paths, declared):
        yield tuple(paths)
        return
    below: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folders = parts(path)[:-1]
        below[folders[depth] if depth < len(folders) else ""].append(path)
    for name, group in below.items():
        if name:
            yield from _split(group, declared, depth + 1)
        elif _twice(group, declared):
            yield from ((path,) for path in group)
        else:
            yield tuple(group)
