"""What can go wrong with a target, and the exit codes; light, for every command needs them."""

from enum import IntEnum, StrEnum


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
