"""How many examples a property test tries: few in CI, many in `make long`."""

import os

LONG = bool(os.environ.get("DEPLOYGUARD_LONG"))


def examples(short: int, long: int) -> int:
    """Return the number of examples for this run."""
    return long if LONG else short
