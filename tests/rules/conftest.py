"""The build context that the rules' examples share: a small image with Flask and gunicorn."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployguard.model.report import Report
from deployguard.pipeline import ScanOptions, scan
from deployguard.policy import loads
from deployguard.rules import IDS
from tests.support.contexts import write_context
from tests.support.reports import TODAY

EVERYTHING = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: everything}
spec: {}
"""


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Report]:
    """Scan a compose file beside the build context."""
    write_context(tmp_path)
    monkeypatch.chdir(tmp_path)

    def scanned(compose: str) -> Report:
        (tmp_path / "compose.yaml").write_text(compose)
        policies = [loads(EVERYTHING, "everything.yaml", IDS)]
        return scan(["compose.yaml"], policies, ScanOptions(today=TODAY, images="never"))

    return scanned
