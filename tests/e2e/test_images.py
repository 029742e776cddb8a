"""Real images from a real engine: every source says the same, and what a run of the image shows."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from tests.support.components import missing
from tests.support.engine import client, engine
from tests.support.images import FIXTURES, Fixture, ensure, probe

pytestmark = [
    pytest.mark.engine,
    # The docker package leaves connections of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with engine() as address:
        yield address


@pytest.fixture(scope="module")
def docker_client(host: str) -> Iterator[DockerClient]:
    opened = client(host)
    yield opened
    opened.close()


# An image of one test, so that tests beside it leave no containers of it.
WATCHED = Fixture("watched", 'CMD ["flask", "run"]')


def left(docker_client: DockerClient, reference: str) -> list[object]:
    return list(docker_client.containers.list(all=True, filters={"ancestor": reference}))


def scan(host: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "deployguard", "scan", *arguments, "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "DOCKER_HOST": host},
    )
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    return report


def saved(reference: str, folder: Path, host: str) -> tuple[Path, Path]:
    """Write an image as docker save does, and copy it into an OCI layout."""
    if shutil.which("skopeo") is None:
        missing("there is no skopeo to write OCI layouts with")
    archive, layout = folder / "image.tar", folder / "layout"
    docker = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if docker is None:
        missing("there is no docker to save images with")
    subprocess.run([docker, "-H", host, "save", "-o", str(archive), reference], check=True)
    policy = folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subprocess.run(
        ["skopeo", "--policy", str(policy), "copy", "-q", f"docker-archive:{archive}",
         f"oci:{layout}:1"],
        check=True,
    )  # fmt: skip
    return archive, layout


def answers(container: dict[str, Any]) -> dict[str, str]:
    return {name: fact["answer"] for name, fact in container["facts"].items()}


def verdicts(report: dict[str, Any], container: str) -> list[tuple[str, str, str]]:
    return sorted(
        (finding["rule"], finding["answer"], finding["verdict"]["action"])
        for finding in report["findings"]
        if finding["container"] == container
    )


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_source_of_an_image_says_what_a_run_of_it_shows(
    fixture: Fixture, host: str, docker_client: DockerClient, tmp_path: Path
) -> None:
    reference = ensure(docker_client, fixture)
    archive, layout = saved(reference, tmp_path, host)
    report = scan(host, f"docker:{reference}", f"archive:{archive}", f"oci:{layout}")
    assert [target["status"] for target in report["targets"]] == ["inspected"] * 3
    by_reference, from_archive, from_layout = report["containers"]
    assert answers(by_reference) == answers(from_archive) == answers(from_layout)
    assert (
        verdicts(report, by_reference["id"])
        == verdicts(report, from_archive["id"])
        == verdicts(report, from_layout["id"])
    )

    shown = probe(docker_client, reference, fixture.port)
    assert shown["up"]
    found = answers(by_reference) | {"beyond": answers(by_reference)["reachable"]}
    for fact in ("debugger", "dev_server", "beyond"):
        allowed = {"yes" if shown[fact] else "no"} | (set() if fixture.settled else {"unknown"})
        assert found[fact] in allowed, (fact, shown, found)


def test_a_scan_starts_nothing_and_leaves_nothing_in_the_engine(
    host: str, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, WATCHED)
    begun = int(time.time())
    scan(host, reference)
    events = docker_client.api.events(
        since=begun, until=int(time.time()) + 1, decode=True, filters={"type": "container"}
    )
    seen = {
        event["Action"]
        for event in events
        if event["Actor"]["Attributes"]["image"] == docker_client.images.get(reference).id
    }
    assert {"create", "destroy"} <= seen
    assert not seen & {"start", "exec_create", "exec_start"}
    assert left(docker_client, reference) == []


def test_an_image_that_the_engine_does_not_have_is_said_with_the_way_out(host: str) -> None:
    report = scan(host, "docker:dgtest/never-built:1")
    (target,) = report["targets"]
    assert (report["decision"], target["status"]) == ("error", "failed")
    assert target["problems"][0]["code"] == "not-found"
