""".deployguard.yaml sets what the command line leaves open, and a slip in it opens no gate."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from deployguard import cli, pipeline
from deployguard.cli.settings import Settings, settings
from deployguard.errors import PolicyError
from deployguard.inputs.targets import TargetForm
from deployguard.model.codes import ExitCode
from deployguard.pipeline import ScanOptions
from deployguard.policy import Policy
from tests.support import reports
from tests.support.command import run
from tests.support.folders import POD, write

FULL = """\
policy: [strict, mine.yaml]
exclude: ["k8s/dev/*", compose.dev.yml]
images: never
platform: linux/arm64
workloads: {Rollout.argoproj.io: spec.template}
"""
PREFIXES = tuple(TargetForm)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for the pipeline, and keep what it is handed."""
    kept: dict[str, Any] = {}

    def scan(_: object, policies: list[Policy], options: ScanOptions) -> object:
        kept.update(policies=[one.name for one in policies], options=options)
        return reports.report()

    monkeypatch.setattr(pipeline, "scan", scan)
    return kept


def test_a_file_sets_what_the_command_line_leaves_open(handed: dict[str, Any]) -> None:
    mine = "apiVersion: deployguard/v1\nkind: Policy\nmetadata: {name: mine}\nspec: {}\n"
    write(Path(), {".deployguard.yaml": FULL, "mine.yaml": mine})
    cli.run(["scan"])
    options = handed["options"]
    assert handed["policies"] == ["strict", "mine"]
    assert options.exclude == ("k8s/dev/*", "compose.dev.yml")
    assert (options.images, options.platform) == ("never", "linux/arm64")
    assert options.workloads == {"Rollout.argoproj.io": "spec.template"}
    given = "scan --policy audit --exclude x --images engine --platform linux/amd64"
    cli.run(given.split())
    options = handed["options"]
    assert handed["policies"] == ["audit"]
    assert options.exclude == ("x",)
    assert (options.images, options.platform) == ("engine", "linux/amd64")


@pytest.mark.parametrize(
    ("targets", "source"),
    [
        ((), ".deployguard.yaml"),
        ((".",), "./.deployguard.yaml"),
        (("shop",), "shop/.deployguard.yaml"),
        (("shop/",), "shop/.deployguard.yaml"),
        (("blog",), ".deployguard.yaml"),
        (("shop", "blog"), ".deployguard.yaml"),
        (("shop/compose.yaml",), ".deployguard.yaml"),
        (("dockerfile:shop",), ".deployguard.yaml"),
        (("k8s:shop",), ".deployguard.yaml"),
        (("layout",), ".deployguard.yaml"),
        (("myapp:1.2",), ".deployguard.yaml"),
        (("-",), ".deployguard.yaml"),
    ],
)
def test_one_file_counts(targets: tuple[str, ...], source: str) -> None:
    files = {f"{place}.deployguard.yaml": "exclude: [NAME]" for place in ("", "shop/", "layout/")}
    write(Path(), {**files, "blog/a.py": "", "layout/oci-layout": "{}", "shop/compose.yaml": ""})
    found = settings(targets, PREFIXES).source
    assert found is not None
    assert Path(found) == Path(source)


def test_without_a_file_nothing_is_set() -> None:
    assert settings((), PREFIXES) == Settings()


def test_paths_of_policies_are_seen_from_the_file() -> None:
    write(Path(), {"shop/.deployguard.yaml": "policy: [rules/mine.yaml, strict, /etc/p.yaml]"})
    assert settings(("shop",), PREFIXES).policies == (
        "shop/rules/mine.yaml",
        "strict",
        "/etc/p.yaml",
    )


def test_every_mistake_is_told_with_its_place_before_anything_is_inspected() -> None:
    write(
        Path(),
        {
            "pod.yaml": POD,
            ".deployguard.yaml": "polcy: strict\npolicy: {a: b}\nexclude: x\nimages: nevr\n"
            "platform: amd64\nworkloads: {Rollout: spec.template, Foo.acme.io: ..}\nhelm: 1\n",
        },
    )
    done = run("scan", ".")
    assert (done.code, done.out) == (ExitCode.USAGE, b"")
    assert done.err.decode() == snapshot("""\
deployguard: .deployguard.yaml:1:1: unknown key 'polcy' (did you mean 'policy'?)
deployguard: .deployguard.yaml:2:9: expected a list
deployguard: .deployguard.yaml:3:10: expected a list
deployguard: .deployguard.yaml:4:9: not known here: nevr (did you mean 'never'?)
deployguard: .deployguard.yaml:5:11: not a platform: amd64 (write OS/ARCH: linux/arm64)
deployguard: .deployguard.yaml:6:13: not a kind with its group: Rollout (write Kind.group, as in Rollout.argoproj.io)
deployguard: .deployguard.yaml:6:50: not a path of fields: .. (write the names of the fields with dots: spec.template)
deployguard: .deployguard.yaml:7:1: unknown key 'helm' (known here: policy, exclude, images, platform, workloads)
""")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("- a\n", "expected keys and values"),
        ("policy: strict\n---\npolicy: audit\n", "one file holds one set of settings"),
        ("policy: strict\npolicy: audit\n", "stands twice"),
        ("images: 5\n", "not known here: 5"),
        ("exclude: [5]\n", "expected a text"),
        ("policy: nope\n", "the policy cannot be read"),
        ("policy: !!python/name:os.system x\n", "tag"),
    ],
)
def test_what_is_not_understood_is_wrong_usage(text: str, said: str) -> None:
    write(Path(), {".deployguard.yaml": text, "pod.yaml": POD})
    done = run("scan")
    assert (done.code, done.out) == (ExitCode.USAGE, b"")
    assert said in done.err.decode()


def test_a_file_that_cannot_be_read_is_wrong_usage() -> None:
    Path(".deployguard.yaml").mkdir()
    with pytest.raises(PolicyError) as caught:
        settings((), PREFIXES)
    assert "is a folder, not a file" in caught.value.message
    Path(".deployguard.yaml").rmdir()
    Path(".deployguard.yaml").symlink_to("gone")
    assert run("scan").code == ExitCode.USAGE


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_sets_nothing(text: str, handed: dict[str, Any]) -> None:
    write(Path(), {".deployguard.yaml": text})
    done = run("scan")
    assert (done.code, done.err) == (0, b"deployguard: settings from .deployguard.yaml\n")
    assert handed["policies"] == ["production"]
    assert not run("scan", "--quiet").err
