"""Targets to a report: problems are values, ids are unique, and nothing opens the gate by failing."""

from datetime import date
from pathlib import Path

import pytest

from deployguard import flask, pipeline
from deployguard.model.codes import ExitCode
from deployguard.model.decision import Decision
from deployguard.model.report import Report, Status
from deployguard.pipeline import ScanOptions
from deployguard.policy import load
from deployguard.rules import IDS

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec: {containers: [{name: web, image: "shop:1", command: [sleep, "1"]}]}
"""
EXAMPLES = Path(__file__).parents[1] / "examples"


def scan(*arguments: str, stdin: bytes = b"") -> Report:
    options = ScanOptions(today=date(2031, 1, 1), images="never", stdin=lambda: stdin)
    return pipeline.scan(arguments, (load("production", IDS),), options)


def test_a_target_that_fails_does_not_keep_the_others_from_being_judged(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    report = scan(f"k8s:{tmp_path / 'bad.yaml'}", str(EXAMPLES / "safe"), "missing.tar")
    assert [target.status for target in report.targets] == [
        Status.FAILED, Status.INSPECTED, Status.FAILED,
    ]  # fmt: skip
    assert len(report.containers) == 1
    assert (report.decision, report.exit_code) == (Decision.ERROR, ExitCode.NOT_INSPECTED)


def test_a_defect_of_ours_fails_its_target_and_never_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(flask, "judge", broken)
    report = scan(str(EXAMPLES / "safe"))
    (target,) = report.targets
    assert target.problems[0].code.value == "internal"
    assert report.exit_code is ExitCode.NOT_INSPECTED


def test_equal_ids_are_numbered_in_input_order() -> None:
    text = "---\n".join(POD.replace("NAME", name) for name in ("a", "a", "b", "a"))
    report = scan("k8s:-", stdin=text.encode())
    assert [container.id for container in report.containers] == [
        "-#Pod/-/a/containers/web",
        "-#Pod/-/a/containers/web~2",
        "-#Pod/-/b/containers/web",
        "-#Pod/-/a/containers/web~3",
    ]


@pytest.mark.parametrize(
    ("stdin", "kind"),
    [(POD.encode(), "kubernetes"), (b"services: {web: {image: a}}\n", "compose")],
)
def test_what_comes_through_a_pipe_is_told_apart(stdin: bytes, kind: str) -> None:
    (target,) = scan("-", stdin=stdin).targets
    assert (target.kind.value, target.status) == (kind, Status.INSPECTED)


def test_a_lone_config_map_is_inspected_with_a_note_and_an_empty_pipe_fails() -> None:
    config_map = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    (target,) = scan("k8s:-", stdin=b"").targets
    assert target.status is Status.FAILED
    folder = scan(str(EXAMPLES / "deployment.yaml")).targets[0]
    assert folder.status is Status.INSPECTED
    assert scan("k8s:-", stdin=config_map).targets[0].status is Status.FAILED


@pytest.mark.parametrize(
    ("argument", "name"),
    [("nginx:1", "nginx:1"), ("docker:a/b:1", "a/b:1"), ("./no.tar", "./no.tar")],
)
def test_a_target_that_cannot_be_opened_keeps_its_name(
    argument: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    (target,) = scan(argument).targets
    assert (target.name, target.status) == (name, Status.FAILED)
