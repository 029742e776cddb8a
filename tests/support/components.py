"""Real components of the tests: where one is missing a test skips, visibly; in CI it fails."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "deployguard-tests"


def missing(what: str) -> NoReturn:
    """Skip the test for want of a component, or fail it where all are promised.

    DEPLOYGUARD_NOT_BUILT names, with commas between them, what is not: programs that could not be
    compiled on this machine.
    """
    unbuilt = [name for name in os.environ.get("DEPLOYGUARD_NOT_BUILT", "").split(",") if name]
    promised = os.environ.get("DEPLOYGUARD_REQUIRE_ALL") and not any(one in what for one in unbuilt)
    if promised:
        pytest.fail(f"{what}, though every component should be there", pytrace=False)
    pytest.skip(what)


def go(what: str) -> str:
    """Return the Go compiler, or skip the test for want of what it would have made."""
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    return found or missing(f"there is no go to build {what} with")
