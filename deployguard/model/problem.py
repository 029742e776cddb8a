"""One thing wrong with a target."""

from dataclasses import dataclass

from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a target; `hint` is the way out."""

    code: ProblemCode
    message: str
    location: Location | None = None
    hint: str | None = None
