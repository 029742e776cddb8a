"""The rendered objects of a kustomization with the places where they were written."""

from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.rendering.kustomizations import text
from deployguard.inputs.rendering.origins import Origin, Origins, Path, signatures, step
from deployguard.model.evidence import Location
from deployguard.model.structs import replace

_Told = dict[tuple[Path, object], Location]


class KustomizationPlaces:
    """Moves the nodes of what was rendered to where they were written.

    What cannot be told keeps its line of the rendered text, under a name that says so.
    """

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def at(self, location: Location) -> Location:
        """Return a place of the rendered text: it is told for whole objects alone."""
        return location

    def node(self, node: Node) -> Node:
        """Return a rendered object with its places."""
        kind, name = text(node, "kind"), None
        if isinstance(node, Mapping):
            name = text(node.get("metadata"), "name")
        if kind is None or name is None:
            return node
        origin = self._origins.of(str(kind.value), str(name.value))
        return node if origin is None else self._placed(node, (), _told(origin, node))

    def _placed(self, node: Node, path: Path, told: _Told) -> Node:
        match node:
            case Scalar():
                found = told.get((path, ("value", node.value)))
                if found is None and path[:1] == ("data",):  # of a Secret, by its key alone
                    found = told.get((path, None))
                if found is None and path[-1:] == ("image",):
                    found = self._image(str(node.value))
                return replace(node, location=found or node.location)
            case Sequence(items=items):
                placed = tuple(
                    self._placed(item, (*path, step(item, index)), told)
                    for index, item in enumerate(items)
                )
                return replace(node, items=placed, location=told.get((path, None), node.location))
            case Mapping(entries=entries):
                pairs = tuple(
                    (key, self._placed(value, (*path, str(key.value)), told))
                    for key, value in entries
                )
                return replace(node, entries=pairs, location=told.get((path, None), node.location))

    def _image(self, value: str) -> Location | None:
        found = [
            location
            for image, location in self._origins.images
            if value == image or (image.endswith(":") and value.startswith(image))
        ]
        return found[-1] if len(found) == 1 else None


def _told(origin: Origin, root: Node) -> _Told:
    """Return the places of an object, with those of the operations that were applied to it."""
    told = dict(origin.places)
    for operation in origin.patches:
        value, pointer = operation.get("value"), text(operation, "path")
        if value is None or pointer is None:
            continue
        path = _resolved(str(pointer.value), root, value)
        if path is None:
            continue
        for below, held, location in signatures(value, path):
            told[below, held] = location
    return told


def _resolved(pointer: str, root: Node, value: Node) -> Path | None:
    """Return the path that a JSON pointer of an operation speaks of, in what was rendered."""
    path: list[str | tuple[str, object]] = []
    node: Node | None = root
    *above, last = [
        part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]
    ] or [""]
    for part in (*above, last):
        if isinstance(node, Sequence):
            index = int(part) if part.isascii() and part.isdigit() else len(node.items) - 1
            if not 0 <= index < len(node.items):
                return None
            item = node.items[index]
            own = step(value, index) if part is last else step(item, index)
            path.append(own)
            node = item
        else:
            path.append(part)
            node = node.get(part) if isinstance(node, Mapping) else None
    return tuple(path)
