"""deployguard in a container: without root, without a shell, read-only, and with the same answers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import NotFound

from tests.support import container
from tests.support.components import missing
from tests.support.engine import client, engine
from tests.support.images import FIXTURES, ensure

pytestmark = [
    pytest.mark.engine,
    # The docker package leaves connections of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
EXAMPLES = container.ROOT / "tests" / "examples"
README = (container.ROOT / "README.md").read_text("utf-8")
SHOWN = re.findall(r"^docker run .*$", README, re.MULTILINE)
HARDENED = ("--rm", "--read-only", "--network=none", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", "--pids-limit=64", "--memory=256m")  # fmt: skip


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with engine() as address:
        yield address


@pytest.fixture(scope="module")
def docker_client(host: str) -> Iterator[DockerClient]:
    opened = client(host)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def image(docker_client: DockerClient) -> str:
    return container.build(docker_client)


@pytest.fixture(scope="module")
def unsafe(docker_client: DockerClient) -> str:
    return ensure(docker_client, FIXTURES[0])


def docker(host: str, command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a docker command of a shell in a folder."""
    program = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if program is None:
        missing("there is no docker to run containers with")
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("docker", program, 1)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "DOCKER_HOST": host},
    )


def outside(host: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deployguard", "scan", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "DOCKER_HOST": host, "PYTHONPATH": str(container.ROOT)},
    )


def readable(folder: Path) -> None:
    """Let the user of the container read a test's folder."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def test_the_image_runs_as_nobody_and_holds_no_shell(
    docker_client: DockerClient, image: str
) -> None:
    config = docker_client.images.get(image).attrs["Config"]
    assert config["User"] == "65532:65532"
    assert config["Cmd"] is None
    held = docker_client.containers.create(image)
    try:
        for shell in ("sh", "bash", "dash", "busybox"):
            for folder in ("/bin", "/usr/bin", "/usr/local/bin"):
                with pytest.raises(NotFound):
                    held.get_archive(f"{folder}/{shell}")
    finally:
        held.remove(force=True, v=True)


@pytest.mark.parametrize(
    "target", [".", "unsafe/compose.yaml", "deployment.yaml", "dockerfile:safe"]
)
def test_what_is_mounted_gets_the_same_report_as_outside(
    target: str, host: str, image: str
) -> None:
    options = f"{target} --images never --format json"
    run = f"docker run {' '.join(HARDENED)} -v {EXAMPLES}:/work:ro {image} scan {options}"
    inside = docker(host, run, EXAMPLES)
    same = outside(host, EXAMPLES, *options.split())
    assert (inside.stdout, inside.returncode) == (same.stdout, same.returncode)
    assert inside.stderr == same.stderr


def test_an_archive_is_read_from_a_mount_and_its_image_through_the_socket(
    host: str, image: str, unsafe: str, tmp_path: Path
) -> None:
    assert docker(host, f"docker save -o app.tar {unsafe}", tmp_path).returncode == 0
    readable(tmp_path)
    socket = host.removeprefix("unix://")
    group = Path(socket).stat().st_gid
    mounts = {
        "archive:app.tar": f"-v {tmp_path}:/work:ro",
        f"docker:{unsafe}": f"-v {socket}:/var/run/docker.sock --group-add {group}",
    }
    for target, mount in mounts.items():
        run = f"docker run {' '.join(HARDENED)} {mount} {image} scan {target} --format json"
        inside = docker(host, run, tmp_path)
        same = outside(host, tmp_path, target, "--format", "json")
        assert (inside.stdout, inside.returncode) == (same.stdout, 1), inside.stderr


def test_modules_in_the_scanned_folder_are_not_imported(
    host: str, image: str, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    for name in ("click", "yaml", "deployguard", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    readable(tmp_path)
    run = f"docker run {' '.join(HARDENED)} -v {tmp_path}:/work:ro {image} scan ."
    done = docker(host, run, tmp_path)
    assert done.returncode == 1
    assert "decision: block" in done.stdout
    assert "imported" not in done.stdout + done.stderr


def test_the_lines_of_the_readme_do_as_they_say(
    host: str, image: str, unsafe: str, docker_client: DockerClient, tmp_path: Path
) -> None:
    """The tag and the socket are those of the tests' engine; the rest runs as it is shown."""
    assert docker(host, f"docker save -o app.tar {unsafe}", tmp_path).returncode == 0
    shutil.copytree(EXAMPLES, tmp_path / "k8s")
    readable(tmp_path)
    docker_client.images.get(unsafe).tag("myapp", "1.2")
    assert len(SHOWN) == 2
    for line in SHOWN:
        adapted = line.replace("/var/run/docker.sock:", f"{host.removeprefix('unix://')}:")
        adapted = adapted.replace("%g /var/run/docker.sock", f"%g {host.removeprefix('unix://')}")
        done = docker(host, re.sub(r" deployguard scan ", f" {image} scan ", adapted), tmp_path)
        assert done.returncode == 1, done.stderr
        assert "decision: block" in done.stdout
