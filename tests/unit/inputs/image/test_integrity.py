"""Nothing is believed of an image that is not what its digests and sizes say: exit 3, never allow."""

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deployguard import pipeline
from deployguard.model.report import Report, Status
from deployguard.policy import load
from deployguard.rules import IDS
from tests.support.archives import (
    Parts,
    StoredImage,
    archived,
    digest,
    file,
    finish_layout,
    folder,
    hybrid,
    layout,
    old_save,
    put_index,
    put_manifest,
    spread,
    tape,
    write,
)
from tests.support.mutants import mutants, redone

IMAGE = StoredImage(
    (tape(folder("usr/bin"), file("usr/bin/flask", "#!/bin/sh\n")), tape(file("app/app.py", "x"))),
    config={"Cmd": ["flask", "run"], "Env": ["PATH=/usr/bin"]},
)
PACKED = StoredImage(IMAGE.layers, config=IMAGE.config, pack=gzip.compress)


def scanned(target: str) -> Report:
    options = pipeline.ScanOptions(today=date(2031, 1, 1), images="never")
    policies = tuple(load(name, IDS) for name in ("production", "strict", "audit"))
    return pipeline.scan((target,), policies, options)


def nested() -> Parts:
    parts: Parts = {}
    return finish_layout(parts, [put_index(parts, [put_manifest(parts, PACKED)])])


FORMS: dict[str, Parts] = {
    "docker save of old": old_save(IMAGE),
    "docker save": hybrid(IMAGE),
    "OCI": layout(PACKED),
    "OCI with an index": nested(),
}


def target(parts: Parts, place: Path, *, as_folder: bool) -> str:
    if as_folder:
        return f"oci:{spread(place / 'dir', parts)}"
    return f"archive:{write(place / 'app.tar', archived(parts))}"


def refused(report: Report) -> str:
    """Return the code of the problem of a target of which nothing was believed."""
    (one,) = report.targets
    assert one.status is Status.FAILED
    assert (report.decision.value, report.exit_code) == ("error", 3)
    assert report.containers == ()
    return one.problems[0].code.value


@pytest.mark.parametrize("form", FORMS)
def test_the_whole_image_is_inspected(form: str, tmp_path: Path) -> None:
    report = scanned(target(FORMS[form], tmp_path, as_folder=False))
    assert [one.status for one in report.targets] == [Status.INSPECTED]
    assert len(report.containers) == 1


@pytest.mark.parametrize(
    ("form", "harm", "parts"),
    [(form, harm, one) for form, parts in FORMS.items() for harm, one in mutants(parts)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_what_its_digest_says_fails(
    form: str, harm: str, parts: Parts, tmp_path: Path
) -> None:
    assert harm
    assert refused(scanned(target(parts, tmp_path, as_folder="OCI" in form))) == "integrity"


Change = tuple[str, Callable[[dict[str, Any]], object]]


def descriptor(**fields: object) -> Change:
    return "descriptor", lambda found: found.update(fields)


def layer(**fields: object) -> Change:
    return "manifest", lambda manifest: manifest["layers"][0].update(fields)


def config(**fields: object) -> Change:
    return "config", lambda found: found.update(fields)


def diff_ids(of: Callable[[list[str]], list[str]]) -> Change:
    return "config", lambda found: found["rootfs"].update(diff_ids=of(found["rootfs"]["diff_ids"]))


ZERO = "sha256:" + "0" * 64
REAL = digest(IMAGE.config_bytes)
# Only what is named is wrong; every digest around it is right again.
WRONG: dict[str, Change] = {
    "a digest that is a path": descriptor(digest="sha256:../../../etc/passwd"),
    "a digest with a path in it": descriptor(digest="sha256:" + "../" * 21 + "a"),
    "a digest in capitals": descriptor(digest=REAL.upper().replace("SHA", "sha")),
    "a digest of another length": descriptor(digest=REAL[:-1]),
    "a digest and a line break": descriptor(digest=REAL + "\n"),
    "a digest of sha512": descriptor(digest="sha512:" + "0" * 128),
    "a digest of an unknown algorithm": descriptor(digest="md5:" + "0" * 32),
    "a digest without an algorithm": descriptor(digest=REAL[7:]),
    "no digest": descriptor(digest=""),
    "a digest of nothing that is there": descriptor(digest=ZERO),
    "the config for a manifest": descriptor(digest=REAL),
    "a size too small": descriptor(size=1),
    "a size too large": descriptor(size=1 << 40),
    "a size below zero": descriptor(size=-1),
    "a size that is a text": descriptor(size="12"),
    "a size that is true": descriptor(size=True),
    "no size": descriptor(size=None),
    "another architecture in the index": descriptor(
        platform={"os": "linux", "architecture": "arm64"}
    ),
    "another system in the index": descriptor(platform={"os": "windows", "architecture": "amd64"}),
    "a layer's digest of sha512": layer(digest="sha512:" + "0" * 128),
    "a layer's digest that is a path": layer(digest="sha256:../../config"),
    "a layer's size": layer(size=7),
    "a layer that is the config": layer(digest=REAL, size=len(IMAGE.config_bytes)),
    "layers in another order": ("manifest", lambda manifest: manifest["layers"].reverse()),
    "no diff_ids": diff_ids(lambda _: []),
    "diff_ids exchanged": diff_ids(lambda ids: ids[::-1]),
    "a diff_id missing": diff_ids(lambda ids: ids[:1]),
    "a diff_id too many": diff_ids(lambda ids: [*ids, ids[0]]),
    "a wrong diff_id": diff_ids(lambda ids: [ids[0], ZERO]),
    "a diff_id of sha512": diff_ids(lambda ids: [ids[0], "sha512:" + "0" * 128]),
    "a diff_id in capitals": diff_ids(lambda ids: [ids[0], ids[1].upper()]),
    "a config of another architecture": config(architecture="arm64"),
    "a key twice in the config": config(Config={"Cmd": ["other"]}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_digest_size_or_platform_that_is_wrong_fails(name: str, tmp_path: Path) -> None:
    parts = redone(layout(IMAGE), *WRONG[name])
    assert refused(scanned(target(parts, tmp_path, as_folder=True))) in {"integrity", "syntax"}


def entry(parts: Parts, **fields: object) -> Parts:
    (found,) = json.loads(parts["manifest.json"])
    return {**parts, "manifest.json": json.dumps([found | fields]).encode()}


def renamed() -> Parts:
    parts = old_save(IMAGE)
    name = f"{REAL[7:]}.json"
    other = f"{'0' * 64}.json"
    data = parts.pop(name)
    return entry({**parts, other: data}, Config=other)


SAVED: dict[str, Parts] = {
    "a config under another's name": renamed(),
    "a config that is not there": entry(old_save(IMAGE), Config="none.json"),
    "a config out of the archive": entry(old_save(IMAGE), Config="../../../etc/passwd"),
    "a layer that is not there": entry(old_save(IMAGE), Layers=["none/layer.tar"] * 2),
    "a layer too few": entry(old_save(IMAGE), Layers=json.loads(
        old_save(IMAGE)["manifest.json"])[0]["Layers"][:1]),
    "no layers": entry(old_save(IMAGE), Layers=None),
    "layers in another order": entry(old_save(IMAGE), Layers=json.loads(
        old_save(IMAGE)["manifest.json"])[0]["Layers"][::-1]),
    "the config for a layer": entry(old_save(IMAGE), Layers=[f"{REAL[7:]}.json"] * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_archive_whose_parts_do_not_fit_fails(name: str, tmp_path: Path) -> None:
    parts = SAVED[name]
    assert refused(scanned(target(parts, tmp_path, as_folder=False))) == "integrity"


def test_a_limit_leaves_the_target_incomplete_and_blocks(tmp_path: Path) -> None:
    bomb = StoredImage((tape(file("usr/bin/flask", "x"), file("zeros", bytes(80 << 20))),),
                       config=IMAGE.config, pack=gzip.compress)  # fmt: skip
    options = pipeline.ScanOptions(today=date(2031, 1, 1), images="never")
    place = target(layout(bomb), tmp_path, as_folder=True)
    report = pipeline.scan((place,), (load("production", IDS),), options)
    (one,) = report.targets
    assert one.status is Status.INCOMPLETE
    assert [problem.code.value for problem in one.problems] == ["limit"]
    assert (report.decision.value, report.exit_code) == ("block", 1)
    (container,) = report.containers
    # What is forced by the config alone is said; nothing is denied.
    assert container.facts.dev_server.answer.value == "yes"
    assert container.facts.debugger.answer.value == "unknown"


def test_an_image_that_starts_nothing_is_decided_by_its_config_alone(tmp_path: Path) -> None:
    idle = StoredImage((tape(file("a", "1")),), config={})
    parts = old_save(idle)
    report = scanned(target(parts, tmp_path, as_folder=False))
    assert report.targets[0].status is Status.INSPECTED
    assert report.containers[0].facts.debugger.answer.value == "no"
