"""What a Dockerfile would make, compared with what the real BuildKit makes of it."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from deployguard.inputs.dockerfile import BuildOptions, BuiltStage, build
from deployguard.inputs.image.engine import EngineImages, EngineOptions
from deployguard.model.filesystem import Content, FileKind, Filesystem, Stat, Unread
from tests.support.builds import write
from tests.support.command import scan_with
from tests.support.components import missing
from tests.support.engine import client
from tests.support.images import FIXTURES, Fixture, base, ensure

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

BASE = "dgtest/busybox:1"
PARENT = "dgtest/parent:1"
TOOLS = ("sh", "cat", "rm", "ln", "mkdir", "cp", "mv", "env", "sleep", "ls", "chmod", "chown", "touch",
         "echo", "sed", "adduser", "addgroup", "true", "printf", "test", "id")  # fmt: skip
# Where steps write; the rest of an image is the base's.
ROOTS = ("/app", "/srv", "/opt", "/data", "/etc/acme")


@dataclass(frozen=True)
class Case:
    """A Dockerfile with its context; below `unknown` the files may be unread."""

    name: str
    dockerfile: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    unknown: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


TREE: dict[str, str | bytes] = {
    "app.py": "app\n", "run.sh": "#!/bin/sh\n", "pkg/__init__.py": "", "pkg/a.py": "a\n",
    "pkg/sub/b.txt": "b\n", "docs/one.md": "1\n", "docs/two.md": "2\n", "docs/deep/three.md": "3\n",
    "notes.txt": "n\n", ".env": "FLASK_DEBUG=1\n", "Makefile": "all:\n",
}  # fmt: skip
CASES = (
    Case("copy-folder", "COPY pkg /app/pkg\nCOPY docs/ /app", TREE),
    Case("copy-all", "WORKDIR /app\nCOPY . .", TREE),
    Case("copy-files", "WORKDIR /srv\nCOPY app.py notes.txt ./\nCOPY app.py main.py", TREE),
    Case("copy-into-existing", "RUN mkdir -p /app/x\nCOPY notes.txt /app\nCOPY app.py /app/x", TREE),
    Case("copy-glob", "COPY *.py docs/*.md /app/\nCOPY p*/s*b /srv/\nCOPY [am]* /opt/x/", TREE),
    Case("copy-json", 'COPY ["app.py", "notes.txt", "/app/my files/"]', TREE),
    Case("copy-merge", "COPY pkg /app\nCOPY docs /app\nCOPY notes.txt /app/a.py", TREE),
    Case("copy-links", "COPY . /app\nCOPY current /srv/current\nCOPY loop /srv/loop\n", TREE,
         links={"current": "pkg", "pkg/up": "../notes.txt", "absolute": "/etc/passwd",
                "loop": "docs/deep"}),
    Case("into-a-link", "RUN mkdir /opt/real && ln -s /opt/real /app\nCOPY pkg /app/\n"
         "COPY app.py /app/x/app.py", TREE),
    Case("ignored", "COPY . /app", TREE | {".dockerignore": "# tests\n**/*.md\n!docs/two.md\n.env\n"
                                           "pkg\n!pkg/sub\n/Makefile\n"}),
    Case("ignored-all-but", "COPY . /app", TREE | {".dockerignore": "*\n!app.py\n!docs/deep\n"}),
    Case("ignored-forms", "COPY . /app", TREE | {".dockerignore": "do?s/one.md\n[m-p]*s.txt\n"
                                                 "pkg/**\n*/*/three.md\nDockerfile*\n"}),
    Case("ignore-beside", "COPY . /app", TREE | {".dockerignore": "app.py\n",
                                                 "Dockerfile.dockerignore": "notes.txt\n"}),
    Case("env-forms", 'ENV A=1 B="two words" C=three\\ words\nENV D four  words "kept"\n'
         "ENV E=$A-${B}-${X:-dflt}-${A:+set} F='$A' G=\"a\\\"$A\" H=a\\$A\nENV A=2 I=$A\n"
         "ENV EMPTY= ALSO=${EMPTY:-filled}"),
    Case("arguments", "ARG V=1\nARG W\nARG N=none\nENV V1=$V W1=${W:-unset} N1=$N\nARG V=3\n"
         "ENV V2=$V\nLABEL l=$V\nUSER $N", arguments={"N": "given", "W": "w"}),
    Case("command-forms", 'SHELL ["/bin/sh", "-ec"]\nCMD echo "$HOME" && true\n'
         'ENTRYPOINT ["/bin/env", "x"]'),
    Case("entrypoint-drops", 'FROM {base} AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["b"]\n'),
    Case("entrypoint-keeps", 'CMD ["a", "b"]\nENTRYPOINT exec true'),
    Case("not-json", "CMD ['a', 'b']\nENTRYPOINT [ \"a\", \"b\" ] "),
    Case("empty-commands", "FROM {parent}\nCMD []\nENTRYPOINT []"),
    Case("inherited", "FROM {parent}\nWORKDIR sub\nENV MORE=$GIVEN-2 GIVEN=3\nEXPOSE 9000 8000/udp"),
    Case("parents-entrypoint", 'FROM {parent}\nENTRYPOINT ["other"]'),
    Case("directories", "WORKDIR a/b\nWORKDIR ../c\nENV P=/opt/x\nWORKDIR $P/y/\nWORKDIR /data/z"),
    Case("ports", "ARG PORT=5000\nEXPOSE 80 443/tcp $PORT 6000-6002/udp"),
    Case("stages", "ARG WHICH=b\nFROM {base} AS a\nRUN echo one > /data/f\nFROM {base} AS b\n"
         "RUN mkdir /opt/b && echo two > /opt/b/f\nFROM $WHICH\nCOPY --from=a /data/f /app/one\n"
         "COPY --from=1 /opt/b /app/\nCOPY --from={parent} /etc/acme /app/acme", TREE),
    Case("target", "FROM {base} AS first\nENV A=1\nFROM first AS second\nENV B=2\n"
         "FROM second\nENV C=3", target="second"),
    Case("onbuild-of-a-stage", "FROM {base} AS a\nONBUILD COPY app.py /app/\nONBUILD ENV T=$A\n"
         "ENV A=1\nFROM a\nENV A=2", TREE),
    Case("onbuild-of-a-base", "FROM {trigger}\nENV Z=1", TREE),
    Case("onbuild-kept", 'ONBUILD RUN make\nONBUILD ENTRYPOINT ["x"]'),
    Case("plain-runs", "WORKDIR /app\nCOPY . .\nRUN rm -f .env notes.txt && mkdir -p a/b && touch a/b/c"
         " && ln -s app.py link.py && cp -r pkg copied && mv docs /srv/docs && chmod +x run.sh\n"
         "RUN echo \"A=1\" > .env && echo 'B=2' >> .env && printf 'x\\ny' > p\n"
         "RUN cd /srv && cp /app/app.py . && cp /app/app.py docs/\nRUN rm -rf /srv/docs/* a*", TREE),
    Case("run-with-variables", "ARG NAME=cfg\nENV DIR=/srv/app\nRUN mkdir -p $DIR/$NAME && "
         'echo "name=${NAME}" > "$DIR/$NAME/n.txt"'),
    Case("unknown-run", "WORKDIR /app\nCOPY . .\nRUN sh run.sh; id -u\nCOPY app.py /app/after.py\n"
         'ENV A=1\nCMD ["x"]', TREE, unknown=("/",)),
    Case("sed", "WORKDIR /app\nCOPY . .\nRUN sed -i s/n/m/ notes.txt", TREE,
         unknown=("/app/notes.txt",)),
    Case("continued", "RUN mkdir /opt/c \\\n  # a comment\n\n  && echo x \\\n > /opt/c/f\n"
         "env  A=1 \\\n     B=2"),
    Case("escape", "# escape=`\nFROM {base}\nENV A=a`$b B=c\\d\nRUN mkdir /opt/e `\n && touch /opt/e/f\n"
         "COPY app.py `\n  /app/", TREE),
    Case("windows-lines", 'ENV A=1\r\nWORKDIR /app\r\nCOPY app.py .\r\nCMD ["a"]\r\n', TREE),
    Case("chmod", "COPY --chmod=755 app.py /app/app.py\nCOPY --chown=1:1 notes.txt /app/", TREE),
    Case("mounted", "WORKDIR /app\nRUN --mount=type=bind,source=docs,target=/mnt/docs "
         "--mount=type=cache,target=/app/cache cp /mnt/docs/one.md . && touch cache/x", TREE,
         unknown=("/app/cache",)),
    Case("user", "RUN echo app:x:5:5::/srv:/bin/sh >> /etc/passwd\nUSER app:app\nWORKDIR /app"),
)  # fmt: skip


@pytest.fixture(scope="module")
def docker_client(host: str) -> Iterator[DockerClient]:
    opened = client(host)
    busybox = shutil.which("busybox")
    if busybox is None:
        missing("there is no busybox to make a base of")
    _import(opened, Path(busybox))
    for name, text in (
        (PARENT, f'FROM {BASE}\nRUN mkdir /etc/acme && echo acme > /etc/acme/f\nENV GIVEN=1\nWORKDIR /srv/app\nUSER 7\nEXPOSE 8000\nENTRYPOINT ["/p"]\n'
                 'CMD ["c"]\n'),
        ("dgtest/trigger:1", f"FROM {BASE}\nWORKDIR /app\nONBUILD COPY notes.txt .\n"
                             "ONBUILD RUN echo built > /app/built\n"),
    ):  # fmt: skip
        opened.images.build(
            fileobj=io.BytesIO(text.encode()), tag=name, rm=True, forcerm=True, network_mode="none"
        )
    yield opened
    opened.close()


def _import(opened: DockerClient, busybox: Path) -> None:
    repository, _, tag = BASE.rpartition(":")
    opened.api.import_image_from_data(
        base_layer(busybox), repository=repository, tag=tag, changes=["ENV PATH=/bin"]
    )


def base_layer(busybox: Path) -> bytes:
    """Return the files of the base: busybox under the names of its tools."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "data", "dev", "etc", "opt", "proc", "srv", "sys", "tmp"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(busybox.resolve(), "bin/busybox")
        for tool in TOOLS:
            info = tarfile.TarInfo(f"bin/{tool}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
        for name, text in (
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("etc/group", "root:x:0:\n"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def written(case: Case, folder: Path) -> str:
    """Write the context of a case; a case without FROM stands on the base."""
    text = case.dockerfile.replace("{base}", BASE).replace("{parent}", PARENT)
    text = text.replace("{trigger}", "dgtest/trigger:1")
    if "FROM " not in text:
        text = f"FROM {BASE}\n{text}"
    for name, content in {"Dockerfile": text, **case.files}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    for name, target in case.links.items():
        (folder / name).symlink_to(target)
    return text


def really_built(case: Case, folder: Path, host: str) -> str:
    return docker_build(
        host, folder, f"dgtest/case:{case.name}", target=case.target, arguments=case.arguments
    )


def docker_build(
    host: str,
    folder: Path,
    tag: str,
    *,
    target: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> str:
    """Build a context with the BuildKit of the engine, without a network; return the tag."""
    docker = "/usr/bin/docker"
    if not Path(docker).exists():
        missing("there is no docker with BuildKit to build with")
    words = [docker, "-H", host, "build", "--network", "none", "-q", "-t", tag]
    for name, value in (arguments or {}).items():
        words += ["--build-arg", f"{name}={value}"]
    words += ["--target", target] if target else []
    done = subprocess.run(
        [*words, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    assert done.returncode == 0, done.stderr
    return tag


def exported(docker_client: DockerClient, reference: str) -> dict[str, tuple[str, bytes, int]]:
    """Return what lies in an image: kind, content or target, and permissions."""
    container = docker_client.containers.create(reference, command=["x"], network_mode="none")
    try:
        chunks: Any = container.export()  # bytes, whatever the stubs say
        buffer = io.BytesIO(b"".join(chunks))
    finally:
        container.remove(force=True, v=True)
    found: dict[str, tuple[str, bytes, int]] = {}
    with tarfile.open(fileobj=buffer) as tar:
        for member in tar:
            path = "/" + member.name.strip("/")
            if member.isdir():
                found[path] = ("folder", b"", member.mode)
            elif member.issym():
                found[path] = ("link", member.linkname.encode(), 0)
            elif member.isfile() or member.islnk():
                file = tar.extractfile(member)
                found[path] = ("file", file.read() if file else b"", member.mode)
    return found


def config(stage: BuiltStage) -> dict[str, Any]:
    """Return a derived config in the words of docker inspect."""
    given = stage.image.config
    return {
        "Entrypoint": list(given.entrypoint.value) if given.entrypoint else [],
        "Cmd": list(given.cmd.value) if given.cmd else [],
        "Env": {name: entry.value for name, entry in given.env.entries.items()},
        "WorkingDir": (given.working_dir.value if given.working_dir else "") or "",
        "User": (given.user.value if given.user else "") or "",
        "ExposedPorts": sorted(port.value for port in given.exposed_ports),
        "OnBuild": list(given.on_build),
        "Labels": dict(given.labels),
    }


def inspected(docker_client: DockerClient, reference: str) -> dict[str, Any]:
    given = docker_client.images.get(reference).attrs["Config"]
    return {
        "Entrypoint": given.get("Entrypoint") or [],
        "Cmd": given.get("Cmd") or [],
        "Env": dict(entry.partition("=")[::2] for entry in given.get("Env") or ()),
        "WorkingDir": (given.get("WorkingDir") or ""),
        "User": given.get("User") or "",
        "ExposedPorts": sorted(given.get("ExposedPorts") or ()),
        "OnBuild": given.get("OnBuild") or [],
        "Labels": given.get("Labels") or {},
    }


def below(path: str, roots: tuple[str, ...]) -> bool:
    return any(root in {"/", path} or path.startswith(root + "/") for root in roots)


def compare(files: Filesystem, real: Mapping[str, tuple[str, bytes, int]], case: Case) -> None:
    """Hold every path below the roots, and every listing, to the real image."""
    resolved = 0
    for path, (kind, content, mode) in real.items():
        if not below(path, ROOTS):
            continue
        found = files.stat(path)
        if not isinstance(found, Stat) and path in case.unknown:
            continue
        if isinstance(found, Unread):
            assert below(path, case.unknown), (path, found)
            continue
        if kind == "link":
            continue
        assert isinstance(found, Stat), (path, found)
        resolved += 1
        if kind == "folder":
            assert found.kind is FileKind.DIRECTORY, path
            names = {name.rpartition("/")[2] for name in real if name.rpartition("/")[0] == path}
            listed = files.list(path)
            if isinstance(listed, Unread):
                assert below(path, case.unknown), path
                continue
            assert isinstance(listed, tuple), path
            # Where something is mounted for a RUN, old releases leave an empty directory.
            assert {name for name in names if f"{path}/{name}" not in case.unknown} == {
                name for name in listed if f"{path}/{name}" not in case.unknown
            }, path
        else:
            read = files.read(path)
            if isinstance(read, Unread):
                assert below(path, case.unknown), path
                continue
            assert isinstance(read, Content), path
            assert read.data == content, path
            assert bool(found.mode & 0o111) == bool(mode & 0o111), path
    assert resolved or not case.files or "/" in case.unknown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dockerfile_makes_what_buildkit_makes_of_it(
    case: Case,
    host: str,
    docker_client: DockerClient,
    tmp_path: Path,
) -> None:
    written(case, tmp_path)
    reference = really_built(case, tmp_path, host)
    images = EngineImages(EngineOptions(environ={"DOCKER_HOST": host}))
    try:
        options = BuildOptions(target=case.target, arguments=case.arguments)
        (stage,) = build(str(tmp_path), None, images, options)
        derived, real = config(stage), inspected(docker_client, reference)
        assert derived == real
        compare(stage.image.files, exported(docker_client, reference), case)
    finally:
        images.close()
        docker_client.images.remove(reference)


# Fixtures with a RUN that is not plain (a loop): what it leaves may be unknown.
NOT_PLAIN = {"venv"}


def recipe(docker_client: DockerClient, fixture: Fixture) -> str:
    """Return the Dockerfile of a fixture with the references that its bases have here."""
    text = (
        fixture.dockerfile
        or f"FROM @base:{fixture.base}\nWORKDIR /app\nCOPY . .\n{fixture.steps}\n"
    )
    named = {other.name: other for other in FIXTURES}

    def reference(match: re.Match[str]) -> str:
        if match[1] == "base":
            return base(docker_client, match[2])
        return ensure(docker_client, named[match[2]])

    return re.sub(r"@(base|image):([a-z0-9-]+)", reference, text)


def test_a_context_and_the_image_built_from_it_have_the_same_facts(
    host: str, docker_client: DockerClient, tmp_path: Path
) -> None:
    arguments: list[str] = []
    for fixture in FIXTURES:
        arguments.append(f"docker:{ensure(docker_client, fixture)}")
        files = {
            "Dockerfile": recipe(docker_client, fixture),
            ".dockerignore": "Dockerfile\n.dockerignore\n",
            **fixture.files,
        }
        write(tmp_path / fixture.name, files)
        for script in (tmp_path / fixture.name).rglob("*"):
            program = script.name.endswith((".sh", ".envsh")) or (
                script.is_file() and script.read_bytes().startswith(b"\x7fELF")
            )
            script.chmod(0o755 if program or script.is_dir() else 0o644)
        arguments.append(f"dockerfile:{tmp_path / fixture.name}")
    report = scan_with(host, *arguments)
    assert {target["status"] for target in report["targets"]} == {"inspected"}
    containers = report["containers"]
    for fixture, image, context in zip(FIXTURES, containers[::2], containers[1::2], strict=True):
        assert context["process"]["args"] == image["process"]["args"]
        found, real = answers(context), answers(image)
        if fixture.name in NOT_PLAIN:
            found = {name: real[name] if it == "unknown" else it for name, it in found.items()}
        assert found == real, fixture.name


def answers(container: dict[str, Any]) -> dict[str, str]:
    return {name: fact["answer"] for name, fact in container["facts"].items()}


def test_every_stage_is_a_container_of_the_report(tmp_path: Path, host: str) -> None:
    place = tmp_path / "Dockerfile"
    place.write_text(
        "FROM python:3.12-slim AS dev\nRUN pip install flask==3.0.3\nWORKDIR /app\nCOPY app.py .\n"
        'CMD ["flask", "run", "--debug", "--host=0.0.0.0"]\n\n'
        'FROM dev\nRUN pip install gunicorn==23.0.0\nCMD ["gunicorn", "app:app"]\n'
    )
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    report = scan_with(host, f"dockerfile:{place}#*")
    assert [(target["kind"], target["name"]) for target in report["targets"]] == [
        ("dockerfile", str(place))
    ]
    dev, prod = report["containers"]
    assert [one["id"] for one in (dev, prod)] == [f"{place}#dev", f"{place}#1"]
    assert {one["kind"] for one in (dev, prod)} == {"dockerfile-stage"}
    assert {one["image"]["source"] for one in (dev, prod)} == {"build"}
    assert [one["location"]["line"] for one in (dev, prod)] == [1, 7]
    assert answers(dev)["debugger"] == "yes"
    assert answers(prod)["debugger"] == answers(prod)["dev_server"] == "no"
    assert report["exit_code"] == 1
    (alone,) = scan_with(host, f"dockerfile:{place}")["containers"]
    assert alone["subject"] == "1"
