"""Builds made to cost too much: each ends, within what is counted, as known, unknown or refused."""

from contextlib import suppress
from pathlib import Path

import pytest

from deployguard.errors import InputError, LimitError
from deployguard.formats import dockerfile as syntax
from deployguard.inputs.dockerfile import BuildOptions, build
from deployguard.inputs.dockerfile.stages import Build, Inputs
from deployguard.inputs.dockerfile.trees import Layers, Texts, View
from deployguard.model.evidence import Location, Reason
from deployguard.model.filesystem import Unread
from tests.support.builds import NoImages, built, write

CHAIN = "".join(
    f"FROM scratch AS s{n}\nCOPY --from=s{n - 1} / /\nCOPY --from=s{n - 1} /a /\n"
    for n in range(1, 200)
)


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM scratch\n" + "RUN true\n" * 20_000,
        "".join(f"FROM scratch AS s{n}\n" for n in range(2_000)),
        "FROM scratch AS a\n" + "ONBUILD USER x\n" * 5_000 + "FROM a AS b\nFROM b\n" + "".join(
            f"FROM a AS c{n}\n" for n in range(900)) + "FROM c1\nCOPY --from=c2 / /\nCOPY --from=c3 / /\n"
        "COPY --from=c4 / /\n",
        "FROM scratch\n" + "EXPOSE 1-65535\n" * 100,
    ],
    ids=["steps", "stages", "onbuilds", "ports"],
)  # fmt: skip
def test_more_than_any_build_has_is_refused(tmp_path: Path, dockerfile: str) -> None:
    with pytest.raises(LimitError):
        built(tmp_path, dockerfile)


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM scratch\nENV A=" + "${A:-" * 10_000,
        "FROM scratch\nENV A=" + "${" * 20_000,
        "FROM scratch\nCMD " + "[" * 60_000,
        "FROM scratch\nRUN " + "(" * 20_000,
        "FROM scratch\nRUN " + "a && " * 10_000 + "b",
        "FROM a AS a\nCOPY --from=a / /\n",
        "FROM scratch\n" + "ENV A=$A$A$A\n" * 2_000,
        "FROM scratch\n" + "COPY . /app\nRUN chmod -R 755 /app\n" * 500,
        "FROM scratch\n" + "COPY ***[a-z]*****a?b /app/\n" * 500,
        "FROM scratch AS s0\nCOPY . /a\n" + CHAIN,
        "FROM python:3.12\nCOPY <<R /r\n" + "-r r\n-r ./r\n" * 5_000 + "R\nRUN pip install -r /r\n",
        "FROM python:3.12\n" + "RUN pip install flask==3.0.3\n" * 1_000,
        "FROM busybox\n" + "RUN mkdir -p /a/b && touch /a/b/c && rm -rf /a\n" * 2_000,
        "FROM busybox\nRUN ln -s /b /a && ln -s /a /b && mkdir /a/c && touch /a/c/d\nWORKDIR /a/b/c\n",
    ],
)
def test_what_is_nested_or_repeated_ends(tmp_path: Path, dockerfile: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "root").symlink_to("/")
    write(tmp_path, {"r": "-r r\n", "a": "a", "Dockerfile": dockerfile})
    with suppress(InputError):
        (stage,) = build(str(tmp_path), None, NoImages(), BuildOptions())
        for path in ("/app/self/self/a", "/a/b/c", "/app/loop", "/a/a/a/a", "/etc/passwd"):
            stage.image.files.read(path)
            stage.image.files.list(path)
        assert stage.subject


def lookups(dockerfile: str, path: str) -> int:
    """Return how many lookups one question costs after a build."""
    inputs = Inputs(
        source="Dockerfile", context=Texts({}, Location("context")), arguments={}, images=NoImages(),
        platform=None,
    )  # fmt: skip
    found = Build(syntax.parse(dockerfile.encode(), "Dockerfile"), inputs)
    files = found.stage(found.number(None)).files
    before = files.effort.left
    View(files).read(path)
    return before - files.effort.left


def test_a_lookup_costs_what_its_path_does_and_not_the_steps_before_it() -> None:
    def steps(count: int) -> str:
        return "FROM busybox\n" + "".join(f"RUN touch /srv/f{n}\n" for n in range(count))

    assert lookups(steps(3_000), "/srv/f7") == lookups(steps(10), "/srv/f7")


def test_trees_in_trees_are_unknown_from_a_depth_on(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        "FROM scratch AS s0\nCOPY a /a\n"
        + "".join(f"FROM scratch AS s{n}\nCOPY --from=s{n - 1} / /\n" for n in range(1, 100)),
        {"a": "a"},
    ).image.files
    found = files.read("/a")
    assert isinstance(found, Unread)
    assert found.missing.reason is Reason.LIMIT


def test_copying_a_stage_into_another_twice_and_again_does_not_multiply(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        "FROM scratch AS s0\nCOPY a /a\n"
        + "".join(
            f"FROM scratch AS s{n}\nCOPY --from=s{n - 1} / /\nCOPY --from=s{n - 1} / /b\n"
            f"COPY --from=s{n - 1} / /b/b\n"
            for n in range(1, 50)
        ),
        {"a": "a"},
    ).image.files
    assert isinstance(files, View)
    assert isinstance(files.tree, Layers)
    files.read("/b/b/b/b/b/b/x")
    # Once the effort is spent every lookup is over at once.
    assert files.tree.effort.left < 0
    before = files.tree.effort.left
    assert isinstance(files.read("/a"), Unread)
    assert before - files.tree.effort.left < 10
