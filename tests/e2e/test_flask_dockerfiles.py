"""The answers for a build context are those for the image that is really built from it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from tests.e2e.test_dockerfiles import answers, docker_build
from tests.support.builds import write
from tests.support.command import run
from tests.support.effort import LONG
from tests.support.flask_bases import python_base
from tests.support.flask_dockerfiles import CASES, Case

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# The name under which the base is well known, where no engine is asked.
NAME = "python:3.11-slim"
CHOSEN = CASES if LONG else CASES[::4]
MOST_UNKNOWN = 0.1


def scanned(host: str, *words: str) -> list[dict[str, Any]]:
    done = run("scan", *words, "--format", "json", environ={"DOCKER_HOST": host})
    report = done.report
    assert {target["status"] for target in report["targets"]} == {"inspected"}, report["targets"]
    containers: list[dict[str, Any]] = report["containers"]
    return containers


def target_of(case: Case, folder: Path) -> str:
    return f"dockerfile:{folder}" + (f"#{case.target}" if case.target else "")


@pytest.fixture(scope="module")
def base(docker_client: DockerClient) -> str:
    return python_base(docker_client)


@pytest.fixture(scope="module")
def open_answers() -> Iterator[dict[str, set[str]]]:
    """Collect which answers are open, and hold their share to the bound in the end."""
    found: dict[str, set[str]] = {}
    yield found
    left = [name for name, facts in found.items() if facts]
    assert len(left) <= MOST_UNKNOWN * len(found) + 1, left


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_a_context_has_the_answers_of_its_image(
    case: Case,
    host: str,
    base: str,
    docker_client: DockerClient,
    open_answers: dict[str, set[str]],
    tmp_path: Path,
) -> None:
    ours, named = tmp_path / "ours", tmp_path / "named"
    for folder, python in ((ours, base), (named, NAME)):
        text = case.dockerfile.replace("{python}", python)
        # A scan is given no arguments of a build: they stand in the text.
        for name, value in case.arguments.items():
            assert f"ARG {name}=" in text
            text = re.sub(rf"^ARG {name}=.*$", f"ARG {name}={value}", text, flags=re.MULTILINE)
        write(folder, {**case.context, "Dockerfile": text})
    reference = docker_build(host, ours, f"dgtest/flask-case:{case.name}", target=case.target)
    try:
        image, context = scanned(host, f"docker:{reference}", target_of(case, ours))
        (by_name,) = scanned(host, target_of(case, named), "--images", "never")
    finally:
        docker_client.images.remove(reference)
    assert context["process"]["args"] == image["process"]["args"] == by_name["process"]["args"]
    real = answers(image)
    for found in (answers(context), answers(by_name)):
        differing = {name for name in real if found[name] not in {real[name], "unknown"}}
        assert not differing, (found, real)
        open_answers[case.name] = {name for name in real if found[name] != real[name]}
        assert case.opaque or not open_answers[case.name], (found, real)
