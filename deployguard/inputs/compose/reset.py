"""The tags !reset and !override (compose-go loader/reset.go)."""

from deployguard.formats.yaml import Mapping, Node, Sequence
from deployguard.inputs.compose.trees import Path, matches
from deployguard.model.structs import replace


def take_tags(node: Node) -> tuple[Node | None, tuple[Path, ...]]:
    """Return a document without what !reset marks, and the paths that it resets or overrides."""
    found: list[Path] = []
    kept = _taken(node, (), found)
    return kept, tuple(found)


def _taken(node: Node, place: Path, found: list[Path]) -> Node | None:
    if node.tag in {"!reset", "!override"}:
        found.append(place)
        return node if node.tag == "!override" else None
    match node:
        case Mapping():
            entries = []
            for key, value in node.entries:
                kept = _taken(value, (*place, key.text), found)
                if kept is not None:
                    entries.append((key, kept))
            return replace(node, entries=tuple(entries))
        case Sequence():
            items = []
            for index, item in enumerate(node.items):
                kept = _taken(item, (*place, str(index)), found)
                if kept is not None:
                    items.append(kept)
            return replace(node, items=tuple(items))
        case _:
            return node


def applied(node: Node, paths: tuple[Path, ...], place: Path = ()) -> Node:
    """Return what was there before without what the paths name; members of lists are not named."""
    wild = tuple(one for one in paths if "*" in one)
    return _without(node, frozenset(paths), wild, place) if paths else node


def _without(node: Node, named: frozenset[Path], wild: tuple[Path, ...], place: Path) -> Node:
    match node:
        case Mapping():
            entries = []
            for key, value in node.entries:
                here = (*place, key.text)
                if here not in named and not any(matches(here, one) for one in wild):
                    entries.append((key, _without(value, named, wild, here)))
            return replace(node, entries=tuple(entries))
        case Sequence():
            items = tuple(
                _without(item, named, wild, (*place, f"[{index}]"))
                for index, item in enumerate(node.items)
            )
            return replace(node, items=items)
        case _:
            return node
