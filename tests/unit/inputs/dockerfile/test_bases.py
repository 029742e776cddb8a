"""Well-known bases by their names, and bases that are not known."""

from pathlib import Path

import pytest

from deployguard.effective.process import process
from deployguard.inputs.dockerfile import BuildOptions, build
from deployguard.inputs.dockerfile.bases import well_known
from deployguard.model.container import ContainerKind, ContainerSpec
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Traced
from deployguard.model.filesystem import Absent, Stat, Unread
from deployguard.model.image import Image, ImageConfig, ImageOrigin
from tests.support.builds import NoImages, built, write
from tests.support.memory import MemoryFiles

PLACE = Location("Dockerfile", line=1)


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("python:3.12", "3.12"),
        ("python:3.12-slim-bookworm", "3.12"),
        ("python:3.12.4-alpine3.20", "3.12"),
        ("python:3.9", "3.9"),
        ("python:2.7-slim", "2.7"),
        ("python:3", "3"),
        ("python", "3"),
        ("python:slim", "3"),
        ("docker.io/python:3.12", "3.12"),
        ("docker.io/library/python:3.12", "3.12"),
        ("library/python:3.12", "3.12"),
        ("public.ecr.aws/docker/library/python:3.12", "3.12"),
        (f"python:3.12@sha256:{'0' * 64}", "3.12"),
    ],
)
def test_the_tag_of_python_says_its_release(tmp_path: Path, name: str, release: str) -> None:
    image = built(tmp_path, f"FROM {name}\n").image
    assert image.files.list("/usr/local/lib") == (f"python{release}",)
    assert isinstance(image.files.stat("/usr/local/bin/python"), Stat)
    path = image.config.env.get("PATH")
    assert path is not None
    assert path.value is not None
    assert path.value.startswith("/usr/local/bin:")


@pytest.mark.parametrize(
    "name",
    ["python:3.12-windowsservercore", "python:3.12-nanoserver-1809", "acme/python:3.12", "ghcr.io/python:3",
     "tiangolo/meinheld-gunicorn-flask:python3.8", "nginx", "node:20", "Python:3.12", "python:3.12@sha256:0"],
)  # fmt: skip
def test_other_names_are_not_well_known(name: str) -> None:
    assert well_known(name, PLACE) is None


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("python:3.12", ("python3",)), ("python:2.7", ("python2",)), ("debian:12", ("bash",)),
        ("ubuntu", ("/bin/bash",)), ("alpine:3", ("/bin/sh",)), ("busybox", ("sh",)),
    ],
)  # fmt: skip
def test_a_base_has_its_command(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    cmd = built(tmp_path, f"FROM {name}\n").image.config.cmd
    assert cmd is not None
    assert cmd.value == command


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/usr/local/bin/python3.12", Stat), ("/usr/bin/make", Unread), ("/etc/profile", Unread),
        ("/usr/local/lib/python3.12/json/__init__.py", Unread), ("/app", Absent), ("/.env", Absent),
        ("/usr/local/lib/python3.12/site-packages/flask/__init__.py", Absent),
        ("/usr/local/lib/python3.12/site-packages/sitecustomize.py", Absent),
        ("/usr/local/lib/python3.12/site-packages/pip/__init__.py", Unread),
        ("/usr/local/lib/python3.11/site-packages", Absent), ("/usr/local/pyvenv.cfg", Absent),
        ("/root/.local", Absent), ("/root/.bashrc", Unread), ("/home/x", Absent), ("/srv", Stat),
    ],
)  # fmt: skip
def test_a_base_is_known_where_it_matters(
    tmp_path: Path, path: str, kind: type[Stat | Absent | Unread]
) -> None:
    assert isinstance(built(tmp_path, "FROM python:3.12-slim\n").image.files.stat(path), kind)


def spec(image: Image) -> ContainerSpec:
    return ContainerSpec(
        target="Dockerfile", subject="0", name="0", kind=ContainerKind.DOCKERFILE_STAGE,
        location=PLACE, image=image,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ("", True),
        ('CMD ["flask", "run"]', True),
        ('ENTRYPOINT ["flask"]', False),
        ('ENTRYPOINT ["flask"]\nCMD ["run"]', False),
        ('ENTRYPOINT []\nCMD ["flask", "run"]', False),
        ("ENTRYPOINT []", False),
    ],
)
def test_a_base_that_is_not_known_may_have_an_entrypoint(
    tmp_path: Path,
    steps: str,
    missing: bool,  # noqa: FBT001  (the table's)
) -> None:
    started = process(spec(built(tmp_path, f"FROM acme/base\n{steps}\n").image))
    assert bool(started.missing) is missing
    assert started.cwd.value is None
    assert started.env.unseen
    assert started.user is not None
    assert started.user.value is None


def test_what_stands_above_a_base_that_is_not_known_is_known(tmp_path: Path) -> None:
    image = built(
        tmp_path,
        "FROM acme/base\nWORKDIR /app\nENV A=1 B=$C\nUSER web\nCOPY a.py .\n",
        {"a.py": ""},
    ).image
    started = process(spec(image))
    assert (started.cwd.value, started.user and started.user.value) == ("/app", "web")
    assert started.env.entries["A"].value == "1"
    assert started.env.entries["B"].value is None
    assert isinstance(image.files.stat("/app/a.py"), Stat)
    assert isinstance(image.files.stat("/app/b.py"), Unread)


def test_a_base_of_the_engine_beats_its_name_and_its_onbuilds_run(tmp_path: Path) -> None:
    place = Location("image config")
    base = Image(
        reference="python:3.12",
        name="python",
        origin=ImageOrigin.DOCKER,
        config=ImageConfig(  # noqa: S604  (the Dockerfile's SHELL; nothing runs)
            location=place,
            env=Environment({"PATH": Traced("/own", place)}),
            shell=("/bin/bash", "-c"),
            on_build=("COPY a.py /app/", "WORKDIR /app"),
        ),
        files=MemoryFiles({"/etc/acme": "x"}),
    )
    write(tmp_path, {"Dockerfile": "FROM python:3.12\nCMD run it\n", "a.py": ""})
    (stage,) = build(str(tmp_path), None, NoImages(**{"python:3.12": base}), BuildOptions())
    config = stage.image.config
    assert config.working_dir is not None
    assert config.working_dir.value == "/app"
    assert config.cmd is not None
    assert config.cmd.value == ("/bin/bash", "-c", "run it")
    assert stage.image.files.list("/app") == ("a.py",)
    assert isinstance(stage.image.files.stat("/etc/acme"), Stat)
    assert isinstance(stage.image.files.stat("/usr/bin/make"), Absent)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux/arm64/v8", ("linux/arm64/v8", "arm64", "v8", None, None)),
        (None, (None, None, None, None, None)),
    ],
)
def test_arguments_that_buildkit_predefines(
    tmp_path: Path, platform: str | None, expected: tuple[str | None, ...]
) -> None:
    names = ("TARGETPLATFORM", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDARCH")
    steps = "".join(f"ARG {name}\nENV E_{name}=${name}\n" for name in names)
    image = built(
        tmp_path,
        f"FROM scratch\nENV BEFORE=$TARGETARCH\n{steps}",
        options=BuildOptions(platform=platform),
    ).image
    entries = image.config.env.entries
    assert entries["BEFORE"].value == ""
    assert tuple(entries[f"E_{name}"].value for name in names) == expected


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        ("ARG X=1\nENV Y=$X", "1"),
        ("ARG X\nENV Y=${X-unset}", "unset"),
        ("ARG G\nENV Y=$G", "global"),
        ("ENV Y=${G-out of scope}", "out of scope"),
        ("ARG G=own\nENV Y=$G", "own"),
        ("ARG N\nENV Y=$N", "given"),
        ("ARG N=1\nENV Y=$N", "given"),
        ("ARG X=1\nENV X=2\nENV Y=$X", "2"),
        ("ENV X=2\nARG X=1\nENV Y=$X", None),
        ("ENV X=1\nARG X=1\nENV Y=$X", "1"),
        ("ARG HTTP_PROXY\nENV Y=${HTTP_PROXY-none}", "none"),
    ],
)  # fmt: skip
def test_arguments_have_their_scope(tmp_path: Path, steps: str, value: str | None) -> None:
    options = BuildOptions(arguments={"N": "given"})
    steps = steps.replace("Y=${G-out of scope}", 'Y="${G-out of scope}"')
    image = built(tmp_path, f"ARG G=global\nFROM scratch\n{steps}\n", options=options).image
    assert image.config.env.entries["Y"].value == value


def test_an_argument_of_a_stage_stays_for_those_that_stand_on_it(tmp_path: Path) -> None:
    image = built(
        tmp_path, "FROM scratch AS a\nARG X=1\nFROM a\nENV Y=$X\nCMD x\nENTRYPOINT y\n"
    ).image
    assert image.config.env.entries["Y"].value == "1"
