"""Everything that a report says; renderers only spell it."""

from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.codes import ExitCode
from deployguard.model.container import ContainerSpec
from deployguard.model.decision import Decision, Exemptions, Verdict
from deployguard.model.facts import Facts, ProgramFacts
from deployguard.model.problem import Problem
from deployguard.model.process import Process
from deployguard.model.skipped import Skipped


class TargetKind(StrEnum):
    """What a target turned out to be."""

    IMAGE = "image"
    COMPOSE = "compose"
    KUBERNETES = "kubernetes"
    HELM = "helm"
    KUSTOMIZE = "kustomize"
    DOCKERFILE = "dockerfile"


class Status(StrEnum):
    """How far a target was inspected."""

    INSPECTED = "inspected"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Target(Struct, frozen=True, kw_only=True):
    """One thing inspected, under the name by which containers refer to it."""

    name: str
    argument: str
    kind: TargetKind
    status: Status
    problems: tuple[Problem, ...] = ()


class Container(Struct, frozen=True, kw_only=True):
    """One container with its process, programs and facts."""

    id: str
    spec: ContainerSpec
    process: Process
    programs: tuple[ProgramFacts, ...]
    facts: Facts


class Report(Struct, frozen=True, kw_only=True):
    """The whole outcome of a scan, in input order; `skipped` lay in folders and is not judged."""

    version: str
    decision: Decision
    exit_code: ExitCode
    targets: tuple[Target, ...]
    containers: tuple[Container, ...]
    verdicts: tuple[Verdict, ...]
    exemptions: Exemptions = field(default_factory=Exemptions)
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    explain: bool = False
