"""Laws of every answer, over the observed launches: what is missing only ever opens an answer.

A file or variable that is asked for and then hidden leaves each answer as it was or makes it
unknown, naming something; hiding what was never asked for changes nothing at all. One step is
allowed beyond that: what is hidden is presumed not to end the launch, so that a launch that ends by
itself, or may, becomes one that serves; and a version that is hidden is presumed not to be older
than 1.0. Whether a PIN is asked is no matter where no debugger is seen to come up.
"""

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployguard import flask
from deployguard.effective.mounts import files
from deployguard.effective.process import process
from deployguard.inputs.opening import OpeningOptions, Openings
from deployguard.model.evidence import Answer, Claim, Missing, Reason, Traced, no
from deployguard.model.facts import Reach, Scope, worst
from deployguard.model.filesystem import (
    Absent,
    Content,
    Filesystem,
    Searched,
    Stat,
    Unread,
    search,
)
from deployguard.model.process import Process
from deployguard.model.structs import replace
from tests.support.effort import LONG, examples
from tests.truth.case_images import Case, archive, cases

pytestmark = pytest.mark.truth

HIDDEN = Missing(Reason.FILE, "what this test hides")
BEFORE_1_0 = frozenset({"f09", "f012"})
# What is said of a launch that serves, as its other answers have it.
FOLLOWING = frozenset({"configured", "passthrough"})
# Launches of which an answer once turned: all their files are hidden in every run.
ONCE_TURNED = frozenset(
    {
        "commands-flag-default-true-f31", "commands-suffix-f31", "python-toml-old",
        "python-usercustomize", "python2-has_key", "python2-unicode",
        "servers-hypercorn-config-py", "servers-mod_wsgi-envvars", "servers-uwsgi-import",
        "settings-dynaconf-root-path", "sh-c-su-login-drops", "wrappers-more-uv-dotdir",
        "x-flask-shadowed-in-PATH",
    }
)  # fmt: skip
# How many of the files that a launch asks for are hidden, one at a time.
FILES = examples(4, 40)


@dataclass
class Veiled:
    """Files of which some are hidden; remembers what was asked for."""

    inner: Filesystem
    hidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    asked: set[str] = field(default_factory=set)

    def _veil(self, path: str) -> Unread | None:
        self.asked.add(path)
        unread = path in self.hidden or (self.only is not None and path not in self.only)
        return Unread(HIDDEN) if unread else None

    def read(self, path: str) -> Content | Absent | Unread:
        return self._veil(path) or self.inner.read(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        return self._veil(path) or self.inner.list(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        return self._veil(path) or self.inner.stat(path)

    def search(self, path: str, wanted: frozenset[bytes]) -> Searched | Absent | Unread:
        return self._veil(path) or search(self.inner, path, wanted)


def launch(case: Case, folder: Path) -> tuple[Process, Filesystem]:
    path = folder / "case.tar"
    path.write_bytes(archive(case))
    with Openings(OpeningOptions()) as openings:
        (opened,) = openings.open(f"archive:{path}")
    (spec,) = opened.specs
    return process(spec), files(spec)


def claims(started: Process, seen: Filesystem) -> dict[str, Claim]:
    return worst(flask.judge(started, seen), Reach(no(), Scope.NONE)).claims()


def turned(case: Case, before: dict[str, Claim], after: dict[str, Claim]) -> list[str]:
    """Return the facts whose answer was turned, or opened for want of nothing."""
    serves = case.row["truth"].get("exit") is None

    def presumed(name: str) -> bool:
        may_end = not serves or before[name].answer is Answer.UNKNOWN
        return may_end and (after[name].answer is Answer.YES or name in FOLLOWING)

    return [
        f"{name}: {before[name].answer} became {claim.answer}"
        for name, claim in after.items()
        if claim.answer is not before[name].answer
        and (claim.answer is not Answer.UNKNOWN or not claim.missing)
        and not presumed(name)
        and not (name == "pin_off" and after["debugger"].answer is not Answer.YES)
    ]


def sampled(every: int) -> list[Case]:
    """Return the launches of this run: a part of them that stays the same, or all of them."""
    return [
        case
        for case in cases()
        if LONG or case.id in ONCE_TURNED or zlib.crc32(case.id.encode()) % every == 0
    ]


def picked(case: Case, paths: set[str]) -> list[str]:
    most = None if case.id in ONCE_TURNED else FILES
    return sorted(paths, key=lambda path: zlib.crc32(f"{case.id} {path}".encode()))[:most]


def test_a_settled_answer_misses_nothing_and_an_open_one_names_what_it_misses(
    tmp_path: Path,
) -> None:
    wrong = [
        f"{case.id} {name}: {claim.answer} {claim.missing}"
        for case in sampled(12)
        for name, claim in claims(*launch(case, tmp_path)).items()
        if (claim.answer is Answer.UNKNOWN) != bool(claim.missing)
    ]
    assert wrong == []


def test_hiding_a_file_that_is_asked_for_only_opens_answers(tmp_path: Path) -> None:
    wrong: list[str] = []
    for case in sampled(14):
        started, inner = launch(case, tmp_path)
        whole = Veiled(inner)
        before = claims(started, whole)
        for path in picked(case, whole.asked):
            if case.row["venv"] in BEFORE_1_0 and path.startswith("/srv/venv/lib"):
                continue
            after = claims(started, Veiled(inner, hidden=frozenset({path})))
            wrong.extend(
                f"{case.id} without {path}: {each}" for each in turned(case, before, after)
            )
    assert wrong == []


def test_what_is_not_asked_for_changes_nothing(tmp_path: Path) -> None:
    wrong: list[str] = []
    for case in sampled(12):
        started, inner = launch(case, tmp_path)
        whole = Veiled(inner)
        before = claims(started, whole)
        if claims(started, Veiled(inner, only=frozenset(whole.asked))) != before:
            wrong.append(case.id)
    assert wrong == []


def test_hiding_a_variable_only_opens_answers(tmp_path: Path) -> None:
    wrong: list[str] = []
    for case in sampled(7):
        started, inner = launch(case, tmp_path)
        before = claims(started, inner)
        for name, entry in started.env.entries.items():
            if name not in case.row["env"]:
                continue
            unseen = Missing(Reason.VARIABLE, f"the value of {name}")
            veiled: Traced[str | None] = Traced(None, entry.location, missing=(unseen,))
            after = claims(replace(started, env=started.env.with_entry(name, veiled)), inner)
            wrong.extend(
                f"{case.id} without {name}: {each}" for each in turned(case, before, after)
            )
    assert wrong == []
