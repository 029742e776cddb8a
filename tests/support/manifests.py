"""Manifests as text to containers as declared, where no image can be looked up."""

from deployguard.inputs.kubernetes.containers import containers
from deployguard.inputs.kubernetes.manifests import Manifests, read
from deployguard.inputs.kubernetes.objects import file_objects
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread


class NoImages:
    """An ImageSource that has none."""

    def find(self, reference: Traced[str | None]) -> Unread:
        """Say that the image is missing."""
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


def declared(manifests: Manifests | str) -> tuple[ContainerSpec, ...]:
    """Return the containers of manifests; a text is that of a file pod.yaml."""
    found = read([("pod.yaml", manifests.encode())]) if isinstance(manifests, str) else manifests
    return containers(found, "pod.yaml", file_objects(found), NoImages())
