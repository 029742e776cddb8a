"""Rules as data, and what they find."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from deployguard.model.evidence import Answer, Claim, Evidence, Location, Missing
from deployguard.model.facts import Facts, Listener, Reach


class Severity(StrEnum):
    """How bad a finding is, in SARIF's and CVSS's usual words."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Rule(Struct, frozen=True, kw_only=True):
    """A rule: data, and one function that joins claims.

    `describe` makes the finding's message of a program's facts and listeners where the summary does
    not say enough. `page` is the module's docstring, which `deployguard explain` prints.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    remedy: str
    check: Callable[[Facts], Claim]
    page: str
    describe: Callable[[Facts, tuple[Listener, ...]], str] | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule found of one program (or, with `program` None, of a container).

    `answer` is yes or unknown. `subject`, `target`, `namespace`, `image_digest` are what exemptions
    match on. `fingerprint` is a sha256 over rule, subject and mechanism.
    """

    rule: str
    name: str
    severity: Severity
    answer: Answer
    container: str
    target: str
    subject: str
    namespace: str | None
    image_digest: str | None
    program: int | None
    message: str
    location: Location
    evidence: tuple[Evidence, ...]
    missing: tuple[Missing, ...]
    remedy: str
    fingerprint: str
    reachable: Reach
