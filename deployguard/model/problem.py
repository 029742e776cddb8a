"""One thing wrong with a target."""

from msgspec import Struct

from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location


class Problem(Struct, frozen=True):
    """One thing wrong with a target; `hint` is the way out."""

    code: ProblemCode
    message: str
    location: Location | None = None
    hint: str | None = None
