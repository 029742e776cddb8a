"""What compose, Kubernetes or nothing at all declares for one container."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Traced
from deployguard.model.filesystem import Filesystem, Unread
from deployguard.model.image import Image


class ContainerKind(StrEnum):
    """What sort of declaration a container comes from."""

    IMAGE = "image"
    COMPOSE_SERVICE = "compose-service"
    KUBERNETES_CONTAINER = "kubernetes-container"
    DOCKERFILE_STAGE = "dockerfile-stage"


class Workload(Struct, frozen=True):
    """The Kubernetes object a container belongs to."""

    api_version: str
    kind: str
    name: str


class Port(Struct, frozen=True):
    """A declared port; `published` is "ADDRESS:PORT" on the machine, None where it is not.

    An address of IPv6 stands in brackets; the port 0 is one that the engine picks, and FIRST-LAST
    one of these. `name` is the one that Services and NetworkPolicies of Kubernetes may call it by.
    """

    container: int
    protocol: str
    published: str | None
    location: Location
    name: str | None = None


class Mount(Struct, frozen=True):
    """Something that replaces the image's files at a path and below.

    `content` holds the files, with the mount's own root as "/", or says why they are not known.
    """

    path: str
    content: Filesystem | Unread
    location: Location


class Network(StrEnum):
    """The network namespace a container joins, and what is around it.

    `internal`: nothing leads in from outside of its networks, whatever is published. `direct`: it
    has an address in the machine's own network, and needs no publishing. `unknown`: the namespace
    of something that is not in the input.
    """

    DEFAULT = "default"
    HOST = "host"
    NONE = "none"
    INTERNAL = "internal"
    DIRECT = "direct"
    UNKNOWN = "unknown"


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """One declared container, with its image looked up.

    `entrypoint` and `cmd` are in the words of the OCI specification, translated on the way in:
    None keeps the image's. An empty `entrypoint` clears the image's and keeps its cmd; a non-empty
    one drops the image's cmd (SEMANTICS of compose and of Kubernetes `command`). An empty `cmd`
    never occurs: inputs make it None. A word that cannot be seen has the value None. `given` are
    the variables that were filled in from outside: reports hide their values like those of `env`.
    `hooks` are the words of commands that are run in the container beside its process once that has
    started.

    `network_ports` are the ports of all containers that share its network namespace, in their
    order; empty where it shares it with nobody. `network_trail` is what makes the network what it
    is, where that is declared, and `network_missing` what would tell who else reaches it.
    """

    target: str
    subject: str
    name: str
    kind: ContainerKind
    location: Location
    image: Image | Unread
    image_reference: Traced[str | None] | None = None
    namespace: str | None = None
    workload: Workload | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Traced[tuple[Traced[str | None], ...]] | None = None
    cmd: Traced[tuple[Traced[str | None], ...]] | None = None
    env: Environment = field(default_factory=Environment)
    working_dir: Traced[str | None] | None = None
    user: Traced[str | None] | None = None
    terminal: Traced[bool] | None = None
    ports: tuple[Port, ...] = ()
    network: Network = Network.DEFAULT
    network_ports: tuple[Port, ...] = ()
    network_trail: tuple[Evidence, ...] = ()
    network_missing: tuple[Missing, ...] = ()
    mounts: tuple[Mount, ...] = ()
    unresolved: tuple[Missing, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    hooks: tuple[Traced[tuple[Traced[str | None], ...]], ...] = ()
