"""What a program rendered as manifests, with the places of what it was rendered from."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from msgspec import Struct

from deployguard.errors import InputError
from deployguard.formats.yaml import Node
from deployguard.inputs.kubernetes import manifests
from deployguard.inputs.kubernetes.manifests import Manifests
from deployguard.inputs.kubernetes.workloads import Workloads
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location
from deployguard.model.problem import Problem

_NOTED = 3
_LONGEST_MESSAGE = 600


class Places(Protocol):
    """Tells where what was rendered had been written."""

    def at(self, location: Location) -> Location:
        """Return where a place of the rendered text was written, or that place with its label."""

    def node(self, node: Node) -> Node:
        """Return a document of the rendered text with its places."""


class Reading(Struct, frozen=True):
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


def warnings(program: str, messages: Iterable[str], name: str) -> Iterator[Problem]:
    """Yield what a program warned of though it rendered what was asked for."""
    for message in islice(messages, _NOTED):
        yield Problem(ProblemCode.NOTE, f"{program}: {short(message)}", Location(name))


def short(message: str) -> str:
    """Return what a program said, cut where it goes on and on."""
    whole = len(message) <= _LONGEST_MESSAGE
    return message if whole else f"{message[:_LONGEST_MESSAGE]} ..."
