"""Kustomizations: which are judged, and which files and bases they take in."""

import posixpath
from collections.abc import Iterator

from msgspec import Struct

from deployguard.errors import InputError
from deployguard.formats import yaml
from deployguard.inputs.discovery.sources import Sources

# Fields of a kustomization that name files, as texts or as `path` of their members
# (kustomize api/types/kustomization.go); the first three may name folders as well.
_FOLDERS = ("resources", "bases", "components")
_FILES = (
    "configurations", "crds", "generators", "patches", "patchesJson6902", "patchesStrategicMerge",
    "replacements", "transformers", "validators",
)  # fmt: skip
_GENERATORS = ("configMapGenerator", "secretGenerator")
_COMPONENT = "Component"


class Kustomization(Struct, frozen=True, kw_only=True):
    """A folder with a kustomization: what it refers to, as paths in normal form."""

    file: str
    uses: tuple[str, ...] = ()
    component: bool = False


def read(folder: str, file: str, sources: Sources) -> Kustomization:
    """Return what a kustomization refers to; one that does not parse refers to nothing."""
    try:
        documents = list(yaml.documents(sources.read(file), file, yaml.Dialect.KUBECTL))
    except InputError:
        return Kustomization(file=file)
    tops = [node for node in documents if isinstance(node, yaml.Mapping)]
    kinds = [node.get("kind") for node in tops]
    uses = {
        posixpath.normpath(posixpath.join(folder, name))
        for top in tops
        for name in _named(top)
        if "://" not in name
    }
    return Kustomization(
        file=file,
        uses=tuple(sorted(uses)),
        component=any(isinstance(kind, yaml.Scalar) and kind.text == _COMPONENT for kind in kinds),
    )


def _named(top: yaml.Mapping) -> Iterator[str]:
    for field in (*_FOLDERS, *_FILES):
        node = top.get(field)
        for item in node.items if isinstance(node, yaml.Sequence) else ():
            given = item.get("path") if isinstance(item, yaml.Mapping) else item
            if isinstance(given, yaml.Scalar) and "\n" not in given.text:  # a patch in place
                yield given.text
    for field in _GENERATORS:
        node = top.get(field)
        for item in node.items if isinstance(node, yaml.Sequence) else ():
            if isinstance(item, yaml.Mapping):
                yield from _generated(item)


def _generated(item: yaml.Mapping) -> Iterator[str]:
    for field in ("files", "envs"):
        node = item.get(field)
        for one in node.items if isinstance(node, yaml.Sequence) else ():
            if isinstance(one, yaml.Scalar):
                key, equals, path = one.text.partition("=")
                yield path if equals else key
    single = item.get("env")
    if isinstance(single, yaml.Scalar):
        yield single.text
