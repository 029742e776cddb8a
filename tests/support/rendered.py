"""What a scan says of a chart or kustomization, in the few words that tests are about."""

from collections.abc import Iterator
from typing import Any

from tests.support.command import TODAY, Done, run


def scan(*arguments: str) -> Done:
    """Scan without an engine on a fixed day; PATH is the test's."""
    return run("scan", *arguments, "--images", "never", "--today", TODAY, "--format", "json")


def scanned(*arguments: str) -> dict[str, Any]:
    """Return the report of a scan that was to succeed."""
    report: dict[str, Any] = scan(*arguments).report
    assert report["targets"][0]["status"] == "inspected", report["targets"]
    return report


def problem(*arguments: str) -> dict[str, Any]:
    """Return the one problem of a target that could not be inspected."""
    done = scan(*arguments)
    (target,) = done.report["targets"]
    assert target["status"] == "failed"
    assert done.code == 3
    (found,) = target["problems"]
    assert isinstance(found, dict)
    return found


def notes(report: dict[str, Any]) -> list[str]:
    """Return what is noted of the targets."""
    return [one["message"] for target in report["targets"] for one in target["problems"]]


def environment(report: dict[str, Any], container: int = 0) -> dict[str, str | None]:
    """Return the variables of Flask that a container has."""
    return {entry["name"]: entry["value"] for entry in _of_flask(report, container)}


def places(report: dict[str, Any]) -> dict[str, str]:
    """Return where the variables of Flask of the first container stand, as FILE:LINE."""
    return {entry["name"]: place(entry["location"]) for entry in _of_flask(report, 0)}


def _of_flask(report: dict[str, Any], container: int) -> list[dict[str, Any]]:
    entries = report["containers"][container]["process"]["env"]
    return [entry for entry in entries if entry["name"].startswith("FLASK_")]


def place(location: dict[str, Any]) -> str:
    """Return a place as FILE:LINE, or the file alone."""
    return ":".join(str(part) for part in (location["file"], location["line"]) if part is not None)


def subjects(report: dict[str, Any]) -> list[str]:
    """Return the subjects of the containers, in their order."""
    return [one["subject"] for one in report["containers"]]


def arguments(report: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the arguments of the containers."""
    for container in report["containers"]:
        yield container["process"]["args"]
