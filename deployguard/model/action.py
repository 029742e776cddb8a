"""What a policy can do about a finding."""

from enum import StrEnum


class Action(StrEnum):
    """What happens to a deployment, weakest first."""

    ALLOW = "allow"
    WARN = "warn"
    BLOCK = "block"

    @property
    def strength(self) -> int:
        """Return the place in the order allow, warn, block."""
        return list(Action).index(self)
