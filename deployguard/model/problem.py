"""What can go wrong with a target, and the exit codes; light, for every error needs it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from deployguard.model.evidence import Location


class ExitCode(IntEnum):
    """The command's exit codes: part of the interface."""

    ALLOWED = 0
    BLOCKED = 1
    USAGE = 2
    NOT_INSPECTED = 3
    INTERRUPTED = 130


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
