"""Everything that a report says; renderers only spell it."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from deployguard.model.container import ContainerSpec
from deployguard.model.decision import Decision, Exemptions, Verdict
from deployguard.model.evidence import Location
from deployguard.model.facts import Facts, ProgramFacts
from deployguard.model.process import Process


class ExitCode(IntEnum):
    """The command's exit codes: part of the interface."""

    ALLOWED = 0
    BLOCKED = 1
    USAGE = 2
    NOT_INSPECTED = 3
    INTERRUPTED = 130


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


class ProblemCode(StrEnum):
    """What went wrong with a target."""

    NOT_FOUND = "not-found"
    UNREADABLE = "unreadable"
    INTEGRITY = "integrity"
    LIMIT = "limit"
    UNSUPPORTED = "unsupported"
    SYNTAX = "syntax"
    AMBIGUOUS = "ambiguous"
    EMPTY = "empty"
    NOTE = "note"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a target; `hint` is the way out."""

    code: ProblemCode
    message: str
    location: Location | None = None
    hint: str | None = None


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
    """The whole outcome of a scan, in input order."""

    version: str
    decision: Decision
    exit_code: ExitCode
    targets: tuple[Target, ...]
    containers: tuple[Container, ...]
    verdicts: tuple[Verdict, ...]
    exemptions: Exemptions = field(default_factory=Exemptions)
    notes: tuple[str, ...] = ()
    explain: bool = False
