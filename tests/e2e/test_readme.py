"""What the README shows is what the commands print."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SHOWN = re.findall(r"<!-- output: deployguard (.+?) -->\n```\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_block_marked_as_output_is_the_end_of_the_commands_output(
    command: str, output: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployguard", *shlex.split(command), "--images", "never"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.stdout.endswith(output)
    assert done.returncode == 1


def test_the_readme_shows_output() -> None:
    assert SHOWN
