"""What a program rendered as manifests, with the places of what it was rendered from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployguard.errors import InputError
from deployguard.formats.yaml import Node
from deployguard.inputs.kubernetes import manifests
from deployguard.inputs.kubernetes.manifests import Manifests
from deployguard.inputs.kubernetes.workloads import Workloads
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem


class Places(Protocol):
    """Tells where what was rendered had been written."""

    def at(self, location: Location) -> Location:
        """Return where a place of the rendered text was written, or that place with its label."""

    def node(self, node: Node) -> Node:
        """Return a document of the rendered text with its places."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How manifests are read: the namespace of what names none, and where kinds keep templates."""

    namespace: str | None
    workloads: Workloads


def read_rendered(
    data: bytes, label: str, places: Places, reading: Reading, notes: Sequence[Problem]
) -> Manifests:
    """Read rendered manifests. Raises InputError as `manifests.read` does, with its place."""
    try:
        found = manifests.read(
            [(label, data)], reading.workloads, placed=places.node, namespace=reading.namespace
        )
    except InputError as error:
        if error.location is not None and error.location.file == label:
            error.location = places.at(error.location)
        raise
    return Manifests(found.objects, (*notes, *found.notes))
