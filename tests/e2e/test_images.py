"""Real images from a real engine: every source says the same, and what a run of the image shows."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import APIError

from deployguard import pipeline
from deployguard.pipeline import ScanOptions
from deployguard.policy import load
from deployguard.report import json_report
from deployguard.rules import IDS
from tests.support.command import scan_with
from tests.support.components import missing
from tests.support.effort import LONG
from tests.support.engine import FOLDER
from tests.support.forms import Forms, formed, saved
from tests.support.images import FIXTURES, Fixture, ensure, probe
from tests.support.podman import SOCKET
from tests.support.services import GO, SERVICES, go_program

pytestmark = [
    pytest.mark.engine,
    # The docker package leaves connections of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


# An image of one test, so that tests beside it leave no containers of it.
WATCHED = Fixture("watched", 'CMD ["flask", "run"]')


def left(docker_client: DockerClient, reference: str) -> list[object]:
    return list(docker_client.containers.list(all=True, filters={"ancestor": reference}))


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


@pytest.fixture(scope="module")
def references(docker_client: DockerClient) -> Mapping[str, str]:
    """Build all images, several at a time; return their references by name."""
    with ThreadPoolExecutor(3) as builders:
        built = builders.map(lambda fixture: ensure(docker_client, fixture), FIXTURES)
        return dict(zip((fixture.name for fixture in FIXTURES), built, strict=True))


@pytest.fixture(scope="module")
def forms(host: str, references: Mapping[str, str], podman_client: DockerClient) -> Forms:
    return formed(FOLDER, host, podman_client, tuple(references.values()))


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_source_of_an_image_says_what_a_run_of_it_shows(
    fixture: Fixture,
    host: str,
    docker_client: DockerClient,
    references: Mapping[str, str],
    forms: Forms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = references[fixture.name]
    with ThreadPoolExecutor(1) as beside:
        run = beside.submit(probe, docker_client, reference, fixture.port) if fixture.runs else None
        targets = (f"docker:{reference}", *forms.targets(reference))
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


def test_an_archive_of_all_images_has_each_of_them_once(
    host: str, references: Mapping[str, str], forms: Forms, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = judged(host, monkeypatch, f"archive:{forms.folder}/saved.tar")
    by_name = {
        container["image"]["reference"]: facts
        for container, facts in zip(report["containers"], said(report), strict=True)
    }
    assert set(by_name) == set(references.values())
    some = tuple(references.values())[:: 1 if LONG else 9]
    alone = judged(host, monkeypatch, *(f"docker:{reference}" for reference in some))
    assert said(alone) == [by_name[reference] for reference in some]


# Layers that take away, that link, and that a build has left behind; the settings of a config.
SKOPEO = FIXTURES if LONG else tuple(
    fixture for fixture in FIXTURES
    if fixture.name in {"flaskenv-opaque", "flaskenv-link", "metadata"}
)  # fmt: skip


@pytest.mark.parametrize("fixture", SKOPEO, ids=lambda fixture: fixture.name)
def test_what_skopeo_writes_of_an_image_says_the_same(
    fixture: Fixture,
    host: str,
    references: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("skopeo") is None:
        missing("there is no skopeo to write OCI layouts with")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def copy(source: str, destination: str, *options: str) -> None:
        words = ["skopeo", "--policy", str(policy), "copy", "-q", *options, source, destination]
        subprocess.run(words, check=True)

    reference = references[fixture.name]
    saved(host, tmp_path / "saved.tar", reference)
    source = f"docker-archive:{tmp_path}/saved.tar"
    copy(source, f"oci:{tmp_path}/gzip:1", "--dest-compress-level", "1")
    copy(source, f"oci:{tmp_path}/zstd:1", "--dest-compress-format", "zstd")
    copy(f"oci:{tmp_path}/gzip:1", f"oci-archive:{tmp_path}/oci.tar:1")
    targets = (f"archive:{tmp_path}/saved.tar", f"oci:{tmp_path}/gzip", f"oci:{tmp_path}/zstd",
               f"archive:{tmp_path}/oci.tar")  # fmt: skip
    by_reference, *others = said(judged(host, monkeypatch, f"docker:{reference}", *targets))
    assert others == [by_reference] * len(targets)


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
    saved(host, tmp_path / "image.tar", reference)
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

    saved(host, tmp_path / "image.tar", reference)
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
    scan_with(host, reference)
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
    report = scan_with(host, "docker:dgtest/never-built:1")
    (target,) = report["targets"]
    assert (report["decision"], target["status"]) == ("error", "failed")
    assert target["problems"][0]["code"] == "not-found"
