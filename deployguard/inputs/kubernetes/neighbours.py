"""What a cluster holds beside the objects of an input: what leads to Pods, or keeps them out."""

from collections.abc import Iterator

from deployguard.inputs.kubernetes.cluster import Listed, UserCluster
from deployguard.inputs.kubernetes.manifests import ApiObject, Manifests
from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Reason
from deployguard.model.filesystem import Unread
from deployguard.model.problem import Problem
from deployguard.model.structs import replace


def with_neighbours(
    manifests: Manifests, cluster: UserCluster
) -> tuple[Manifests, tuple[Problem, ...]]:
    """Add the Services, Ingresses and NetworkPolicies of the namespaces that workloads start in.

    What the input holds itself replaces what the cluster has of it. The notes say what could not
    be listed.
    """
    own = {item.identity for item in manifests.objects}
    found: list[ApiObject] = []
    notes: list[Problem] = []
    for item in _listed(manifests, cluster):
        if isinstance(item, Unread):
            message = f"who is led to Pods in the cluster is not known: {item.missing.what}"
            notes.append(Problem(ProblemCode.NOTE, message, hint="grant the list, or do without"))
        elif item.identity not in own:
            found.append(item)
    return replace(manifests, objects=(*manifests.objects, *found)), tuple(notes)


def _listed(manifests: Manifests, cluster: UserCluster) -> Iterator[ApiObject | Unread]:
    spaces = (item.namespace for item in manifests.objects if item.template is not None)
    for namespace in dict.fromkeys(spaces):
        for kind in Listed:
            objects = cluster.listed(kind, namespace, Reason.DEPLOYMENT)
            if isinstance(objects, Unread):
                yield objects
                continue
            # What names no namespace is in that of the context, as are these.
            yield from (replace(item, namespace=namespace) for item in objects)
