"""What a service finds in its files, compared with containers that Docker Compose really starts."""

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from deployguard.effective.mounts import files
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.inputs.image.engine import EngineImages, EngineOptions
from deployguard.model.container import ContainerSpec
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from tests.support import compose_oracle
from tests.support.builds import write
from tests.support.images import base

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# Test processes share one engine: each has a project and an image of its own.
PROJECT = f"dgtest-mounts-{os.getpid()}"
IMAGE = f"dgtest/mounts:{os.getpid()}"
DOCKERFILE = """\
RUN mkdir -p /app/sub /app/vol /data /real && echo v > /app/vol/v && echo image > /app/a && echo image > /app/sub/b \
 && echo image > /data/d && ln -s /real /link && ln -s /app/a /real/to-app && echo r > /real/r
VOLUME /data /fresh /app/vol
WORKDIR /app
CMD ["sleep", "600"]
"""
CONTEXT = {
    "src/a": "disk\n", "src/c": "disk\n", "src/sub/e": "disk\n", "one.env": "ONE=1\n", "out/x": "x\n",
    "full/f": "full\n",
}  # fmt: skip
LINKS = {
    "src/inside": "sub/e", "src/nested": "sub/x", "src/twice": "sub/../inside", "src/relative": "../data/d", "src/absolute": "/real/r",
    "src/own": "/app/a", "src/loop": "loop", "src/to-sub": "/app/sub/..", "src/dead": "/nowhere",
    "aslink": "src",
}  # fmt: skip
# Services by name: what they say, and the paths below which their files may be unknown.
SERVICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("", ()),
    "bind": ("volumes: ['./src:/app']", ()),
    "bind-long": ("volumes: [{type: bind, source: src, target: /app, consistency: cached}]", ()),
    "bind-deeper": ("volumes: ['./out:/app/sub', './src:/app']", ()),
    "bind-file": ("volumes: ['./one.env:/app/a:ro', './src:/app/sub/deep']", ()),
    "bind-through-link": ("volumes: ['./out:/link']", ()),
    "bind-of-a-link": ("volumes: ['./aslink:/app']", ()),
    "bind-variable": ("volumes: ['${WHERE}/src:/app:z']", ()),
    "bind-home": ("volumes: ['~/out:/app']", ()),
    "bind-missing": ("volumes: ['./gone:/app/gone']", ("/app/gone",)),
    "bind-unclean": ("volumes: ['./src/../out:/app//sub/../y/']", ()),
    "anonymous-masks": ("volumes: ['./src:/app', /app/sub]", ()),
    "anonymous-new": ("volumes: [/new]", ()),
    "anonymous-empty": ("volumes: [{type: volume, target: /app, volume: {nocopy: true}}]", ()),
    "image-volume-beaten": ("volumes: ['./src:/data']", ()),
    "named": ("volumes: ['fresh:/app/sub']", ("/app/sub",)),
    "named-bound": ("volumes: ['bound:/app']", ()),
    "named-bound-empty": ("volumes: ['hollow:/app']", ()),
    "named-bound-nocopy": ("volumes: ['hollow2:/app:nocopy']", ()),
    "tmpfs": ("tmpfs: ['/app/sub:size=1m']\nvolumes: [{type: tmpfs, target: /data}]", ()),
    "config-text": ("configs: [text]", ()),
    "config-files": (
        "configs: [{source: file, target: /app/a}, {source: file, target: etc/x.env}, file]", ()),
    "config-variable": ("configs: [{source: variable, target: /app/v}]", ()),
    "secrets": ("secrets: [s, {source: s, target: other}, {source: v, target: /app/secret}]", ()),
    "volumes-from": ("volumes_from: ['bind-deeper:ro']\nvolumes: ['./one.env:/app/c']", ()),
    "volumes-from-from": ("volumes_from: [volumes-from]\nvolumes: ['./full:/app']", ()),
    "volumes-from-image": ("volumes_from: [plain]", ()),
}  # fmt: skip
TOP = """\
volumes:
  fresh: {}
  bound: {driver: local, driver_opts: {type: none, o: bind, device: ./full}}
  hollow: {driver: local, driver_opts: {type: none, o: bind, device: ./hollow}}
  hollow2: {driver_opts: {type: none, o: bind, device: '${WHERE}/hollow2'}}
configs:
  text: {content: "x=${WORD}\\n$$y"}
  file: {file: ./one.env}
  variable: {environment: WORD}
secrets:
  s: {file: ./one.env}
  v: {environment: WORD}
"""
ROOTS = ("/app", "/data", "/real", "/link", "/new", "/fresh", "/text", "/file", "/etc/x.env",
         "/run/secrets")  # fmt: skip


def project(folder: Path) -> str:
    write(folder, CONTEXT)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)
    for name in ("hollow", "hollow2"):
        (folder / name).mkdir()
    lines = [f"name: {PROJECT}", "services:"]
    for name, (text, _) in SERVICES.items():
        lines += [f"  {name}:", f"    image: {IMAGE}", "    network_mode: none"]
        lines += ["    stop_grace_period: 0s", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n" + TOP


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("mounts")
    (folder / "compose.yaml").write_text(project(folder))
    return {"HOME": str(folder), "WHERE": str(folder), "WORD": "a word"}


@pytest.fixture(scope="module")
def specs(
    host: str, docker_client: DockerClient, environ: dict[str, str]
) -> Iterator[dict[str, ContainerSpec]]:
    """Start the project, and read it."""
    text = f"FROM {base(docker_client, 'tiny')}\n{DOCKERFILE}"
    docker_client.images.build(fileobj=io.BytesIO(text.encode()), tag=IMAGE, rm=True, forcerm=True,
                               network_mode="none")  # fmt: skip
    file = Path(environ["HOME"], "compose.yaml")
    images = EngineImages(EngineOptions(environ={"DOCKER_HOST": host}))
    found = load(
        [(str(file), file.read_bytes())], ComposeOptions(environ=environ), images, str(file)
    )
    command(host, environ, "down", "--volumes", "--timeout", "0")
    command(host, environ, "up", "--detach", "--no-build", "--pull", "never")
    yield {spec.name: spec for spec in found}
    command(host, environ, "down", "--volumes", "--timeout", "0")
    images.close()
    docker_client.images.remove(IMAGE, force=True)


def command(host: str, environ: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [str(compose_oracle.find()), *words],
        cwd=environ["HOME"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": host, **environ},
    )
    assert not done.returncode, done.stderr


def listed(client: DockerClient, name: str) -> dict[str, tuple[str, bytes]]:
    """Return what lies below the roots of a running container, as its own programs see it."""
    container = client.containers.get(f"{PROJECT}-{name}-1")
    script = (
        f"for f in $(find {' '.join(ROOTS)} 2>/dev/null); do"
        ' if [ -d "$f" ]; then echo "d $f"; elif [ -f "$f" ]; then echo "f $f";'
        ' elif [ -L "$f" ]; then echo "x $f"; fi; done'
    )
    _, output = container.exec_run(["/bin/busybox", "sh", "-c", script])
    found: dict[str, tuple[str, bytes]] = {}
    assert isinstance(output, bytes)
    for line in output.decode().splitlines():
        kind, _, path = line.partition(" ")
        data = container.exec_run(["/bin/busybox", "cat", path])[1] if kind == "f" else b""
        assert isinstance(data, bytes)
        found[path] = (kind, data)
    return found


def below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_finds_the_files_that_compose_mounts(
    name: str, specs: dict[str, ContainerSpec], docker_client: DockerClient
) -> None:
    seen = files(specs[name])
    unknown = SERVICES[name][1]
    real = listed(docker_client, name)
    assert real
    for path, (kind, data) in real.items():
        found = seen.stat(path)
        if below(path, unknown):
            assert isinstance(found, Unread), path
            continue
        match kind:
            case "f":
                read = seen.read(path)
                assert isinstance(read, Content), (path, read)
                assert read.data == data, path
            case "d":
                assert isinstance(found, Stat), (path, found)
                assert found.kind is FileKind.DIRECTORY, path
                names = {one.rpartition("/")[2] for one in real if one.rpartition("/")[0] == path}
                if found.path == path:
                    assert set(listing(seen.list(path))) == names, path
            case _:
                assert isinstance(found, Absent), (path, found)
    for path in ("/app/a", "/app/c", "/app/sub/b", "/data/d", "/link/x", "/run/secrets/s"):
        if path not in real and not below(path, unknown):
            assert kind_of(docker_client, name, path) == shown(seen.stat(path)), path


def listing(found: tuple[str, ...] | Absent | Unread) -> tuple[str, ...]:
    assert isinstance(found, tuple), found
    return found


def kind_of(client: DockerClient, name: str, path: str) -> str:
    container = client.containers.get(f"{PROJECT}-{name}-1")
    code, _ = container.exec_run(["/bin/busybox", "test", "-e", path])
    return "absent" if code else "there"


def shown(found: Stat | Absent | Unread) -> str:
    return {Stat: "there", Absent: "absent", Unread: "unread"}[type(found)]
