"""Real images from a real engine: every source says the same, and what a run of the image shows."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from deployguard import pipeline
from deployguard.pipeline import ScanOptions
from deployguard.policy import load
from deployguard.report import json_report
from deployguard.rules import IDS
from tests.support.components import missing
from tests.support.engine import client, engine
from tests.support.images import FIXTURES, Fixture, ensure, probe
from tests.support.podman import SOCKET, podman
from tests.support.services import GO, SERVICES, go_program

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


@pytest.fixture(scope="module")
def podman_client() -> Iterator[DockerClient]:
    with podman() as address:
        opened = client(address)
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


def save(host: str, archive: Path, *references: str) -> None:
    """Write images as docker save does."""
    docker = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if docker is None:
        missing("there is no docker to save images with")
    subprocess.run([docker, "-H", host, "save", "-o", str(archive), *references], check=True)


def stored(reference: str, folder: Path, host: str) -> tuple[str, ...]:
    """Write an image in each stored form with the real programs; return the targets."""
    if shutil.which("skopeo") is None:
        missing("there is no skopeo to write OCI layouts with")
    policy = folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def copy(source: str, destination: str, *options: str) -> None:
        words = ["skopeo", "--policy", str(policy), "copy", "-q", *options, source, destination]
        subprocess.run(words, check=True)

    archive = folder / "image.tar"
    save(host, archive, reference)
    copy(f"docker-archive:{archive}", f"oci:{folder}/gzip:1", "--dest-compress-level", "1")
    copy(f"docker-archive:{archive}", f"oci:{folder}/zstd:1", "--dest-compress-format", "zstd")
    copy(f"oci:{folder}/gzip:1", f"oci-archive:{folder}/oci.tar:1")
    return (f"archive:{archive}", f"oci:{folder}/gzip", f"oci:{folder}/zstd",
            f"archive:{folder}/oci.tar")  # fmt: skip


def loaded(podman_client: DockerClient, reference: str, archive: Path) -> str:
    """Bring a saved image to podman, and return podman's name of it."""
    name = f"localhost/{reference}"
    try:
        podman_client.images.get(name)
    except ImageNotFound:
        podman_client.images.load(archive.read_bytes())
    return name


def judged(
    host: str, monkeypatch: pytest.MonkeyPatch, *targets: str, images: str = "auto"
) -> dict[str, Any]:
    """Scan in this process: the same pipeline as the command's, without its start."""
    monkeypatch.setenv("DOCKER_HOST", host)
    environ = {**os.environ, "CONTAINER_HOST": SOCKET}
    options = ScanOptions(today=date(2026, 1, 1), environ=environ, images=images)
    report: dict[str, Any] = json.loads(
        json_report.render(pipeline.scan(targets, (load("production", IDS),), options))
    )
    return report


def answers(container: dict[str, Any]) -> dict[str, str]:
    return {name: fact["answer"] for name, fact in container["facts"].items()}


def verdicts(report: dict[str, Any], container: str) -> list[tuple[str, str, str]]:
    return sorted(
        (finding["rule"], finding["answer"], finding["verdict"]["action"])
        for finding in report["findings"]
        if finding["container"] == container
    )


def said(report: dict[str, Any]) -> list[object]:
    """Return what a report says of each container: facts, their reach, verdicts, servers."""
    assert [target["problems"] for target in report["targets"]] == [[]] * len(report["targets"])
    return [
        (
            answers(container),
            container["facts"]["reachable"]["scope"],
            verdicts(report, container["id"]),
            [program["server"] for program in container["programs"]],
        )
        for container in report["containers"]
    ]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_source_of_an_image_says_what_a_run_of_it_shows(
    fixture: Fixture,
    host: str,
    docker_client: DockerClient,
    podman_client: DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = ensure(docker_client, fixture)
    with ThreadPoolExecutor(1) as beside:
        run = beside.submit(probe, docker_client, reference, fixture.port) if fixture.runs else None
        targets = (f"docker:{reference}", *stored(reference, tmp_path, host))
        name = loaded(podman_client, reference, tmp_path / "image.tar")
        targets += (f"podman:{name}",)
        report = judged(host, monkeypatch, *targets)
        shown = run.result() if run is not None else None
    by_reference, *others = said(report)
    assert len(others) == len(targets) - 1
    for target, other in zip(targets[1:], others, strict=True):
        assert other == by_reference, target

    container = report["containers"][0]
    found = answers(container) | {"beyond": answers(container)["reachable"]}
    if shown is None:
        assert set(found.values()) == {"no"}
        return
    assert shown["up"]
    facts = ["dev_server", "debugger", "beyond"]
    # Without a console, or without any debugger, a run cannot show what it would ask for.
    facts += ["interactive"] if shown["debugger"] else []
    facts += ["pin_off"] if shown["interactive"] else []
    assert {fact: found[fact] for fact in facts} == {
        fact: "yes" if shown[fact] else "no" for fact in facts
    }
    assert shown["server"] in {program["server"] for program in container["programs"]}


def test_an_archive_of_several_images_says_of_each_what_it_alone_says(
    host: str, docker_client: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [ensure(docker_client, fixture) for fixture in FIXTURES]
    archive = tmp_path / "images.tar"
    save(host, archive, *references)
    together = judged(host, monkeypatch, f"archive:{archive}")
    alone = judged(host, monkeypatch, *(f"archive:{archive}:{name}" for name in references[::7]))
    by_name = dict(zip(
        [container["image"]["reference"] for container in together["containers"]],
        said(together), strict=True,
    ))  # fmt: skip
    assert len(by_name) == len(FIXTURES)
    for container, alike in zip(alone["containers"], said(alone), strict=True):
        assert by_name[container["image"]["reference"]] == alike


REPORTED = {"dev_server", "debug_mode", "debugger", "interactive", "pin_off", "reloader",
            "remote_debugger", "reachable"}  # fmt: skip


def quiet(report: dict[str, Any]) -> None:
    """Hold a report to what is said of a program that has nothing to do with Flask."""
    assert (report["decision"], report["findings"]) == ("allow", [])
    for container in report["containers"]:
        assert set(answers(container)) == REPORTED
        assert set(answers(container).values()) == {"no"}
        assert all(fact["evidence"] for fact in container["facts"].values())


@pytest.mark.parametrize("fixture", [*SERVICES, *GO], ids=lambda fixture: fixture.name)
def test_servers_of_a_distribution_and_go_programs_are_quiet(
    fixture: Fixture,
    host: str,
    docker_client: DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fixture in GO:
        fixture = replace(fixture, files={"server": go_program()})
    reference = ensure(docker_client, fixture)
    save(host, tmp_path / "image.tar", reference)
    report = judged(host, monkeypatch, f"docker:{reference}", f"archive:{tmp_path}/image.tar")
    quiet(report)
    by_reference, stored_form = said(report)
    assert by_reference == stored_form


def test_an_image_without_entrypoint_and_command_starts_nothing_wherever_it_is_named(
    host: str, docker_client: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = ensure(docker_client, Fixture("no-command"))
    with pytest.raises(APIError, match="o command specified"):
        docker_client.containers.create(reference)

    def targets(name: str, compose: str, kubernetes: str) -> tuple[str, str]:
        """Write a compose file and a Pod that name the image, with what they say besides."""
        service, pod = tmp_path / f"{name}-compose.yaml", tmp_path / f"{name}-pod.yaml"
        service.write_text(f"services: {{web: {{image: '{reference}'{compose}}}}}\n")
        pod.write_text(
            "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: "
            f"[{{name: web, image: '{reference}'{kubernetes}}}]}}}}\n"
        )
        return f"compose:{service}", f"k8s:{pod}"

    save(host, tmp_path / "image.tar", reference)
    nothing = targets("nothing", "", "")
    quiet(judged(host, monkeypatch, f"docker:{reference}", f"archive:{tmp_path}/image.tar"))
    quiet(judged(host, monkeypatch, *nothing, images="engine"))

    command = "[flask, run, --debug, --host=0.0.0.0]"
    named = targets("named", f", command: {command}", f", args: {command}")
    for container in judged(host, monkeypatch, *named, images="engine")["containers"]:
        assert answers(container)["debugger"] == "yes"


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
