"""A pipe where a build's own files belong is refused: reading one would wait for ever."""

import os
from pathlib import Path

import pytest

from deployguard.errors import UnsupportedError
from deployguard.inputs import dockerfile
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread


class NoImages:
    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_a_pipe_is_refused_before_it_is_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    options = dockerfile.BuildOptions(target=None)
    with pytest.raises(UnsupportedError, match="is a pipe"):
        dockerfile.build(str(tmp_path), str(tmp_path / "Dockerfile"), NoImages(), options)
