"""Everything that a report says; renderers only spell it."""

from dataclasses import dataclass, field
from enum import StrEnum

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing inspected, under the name by which containers refer to it."""

    name: str
    argument: str
    kind: TargetKind
    status: Status
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container with its process, programs and facts."""

    id: str
    spec: ContainerSpec
    process: Process
    programs: tuple[ProgramFacts, ...]
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
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
