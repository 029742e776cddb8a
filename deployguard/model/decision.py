"""What a policy does about findings."""

from datetime import date
from enum import StrEnum

from msgspec import Struct

from deployguard.model.action import Action
from deployguard.model.evidence import Location
from deployguard.model.finding import Finding


class Decision(StrEnum):
    """The outcome of a whole scan."""

    ALLOW = "allow"
    WARN = "warn"
    BLOCK = "block"
    ERROR = "error"


class Exemption(Struct, frozen=True, kw_only=True):
    """A named exception of a policy; `expires` is its last day, in UTC."""

    rule: str
    subject: str
    reason: str
    expires: date | None
    location: Location
    owner: str | None = None
    source: str | None = None
    image: str | None = None
    namespace: str | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """What one policy does about one finding, and why: "rules.DG101", "on_unknown" ..."""

    finding: Finding
    action: Action
    policy: str
    reason: str
    exemption: Exemption | None = None


class Exemptions(Struct, frozen=True):
    """What became of the exemptions of all policies; `expiring` end within a week."""

    used: tuple[Exemption, ...] = ()
    unused: tuple[Exemption, ...] = ()
    expired: tuple[Exemption, ...] = ()
    expiring: tuple[Exemption, ...] = ()
