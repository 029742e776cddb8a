"""Every error that a user can act on.

DeployguardError
|- UsageError        the command line, exit 2
|- PolicyError       a policy or configuration file, exit 2; `problems` has all of them
`- InputError        a target: becomes a problem in the report
   |- NotFoundError      there is nothing at that path or reference
   |- UnreadableError    no permission, no engine, an error of the system
   |- IntegrityError     not what its digest, size or checksum says
   |- LimitError         a limit of ours was reached
   |- UnsupportedError   a form we do not read
   |- AmbiguousError     several things it could mean
   |- EmptyError         nothing in it at all
   `- SyntaxInputError   text that does not parse
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deployguard.model.codes import ProblemCode

if TYPE_CHECKING:
    # Help and version do without the types of what is inspected.
    from deployguard.model.evidence import Location
    from deployguard.model.problem import Problem


class DeployguardError(Exception):
    """An error with its place and the way out."""

    def __init__(
        self, message: str, *, location: "Location | None" = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint

    def __str__(self) -> str:
        """Say what, where and what to do in one line."""
        place = ""
        if self.location is not None:
            parts = (self.location.file, self.location.line, self.location.column)
            place = ":".join(str(part) for part in parts if part is not None) + ": "
        return place + self.message + (f" ({self.hint})" if self.hint else "")


class UsageError(DeployguardError):
    """The command line does not say what to do."""


class PolicyError(DeployguardError):
    """A policy or configuration file is wrong; `others` are the further errors of the same file."""

    others: tuple["PolicyError", ...] = ()


class InputError(DeployguardError):
    """A target cannot be inspected; becomes a `Problem` of that target."""

    code = ProblemCode.UNREADABLE

    def problem(self) -> "Problem":
        """Return the error as a value for the report."""
        from deployguard.model.problem import Problem  # noqa: PLC0415  (see above)

        return Problem(self.code, self.message, self.location, self.hint)


class NotFoundError(InputError):
    """There is nothing at that path or reference."""

    code = ProblemCode.NOT_FOUND


class UnreadableError(InputError):
    """No permission, no engine, or an error of the system."""


class IntegrityError(InputError):
    """Not what its digest, size or checksum says: nothing in it is believed."""

    code = ProblemCode.INTEGRITY


class LimitError(InputError):
    """A limit of ours was reached."""

    code = ProblemCode.LIMIT


class UnsupportedError(InputError):
    """A form that is not read."""

    code = ProblemCode.UNSUPPORTED


class AmbiguousError(InputError):
    """Several things it could mean."""

    code = ProblemCode.AMBIGUOUS


class EmptyError(InputError):
    """Nothing in it at all: more likely a mistake on the way here than something to let pass."""

    code = ProblemCode.EMPTY


class SyntaxInputError(InputError):
    """Text that does not parse."""

    code = ProblemCode.SYNTAX


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word that was probably meant, for a hint; None where none is so alike.

    `likeness` goes from 0 to 1, as `difflib.SequenceMatcher.ratio` measures it.
    """
    from difflib import get_close_matches  # noqa: PLC0415  (loaded where something is wrong)

    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=likeness)), None)
