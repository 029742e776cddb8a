"""Real engines of Docker and podman: found, asked, failing, dying and interrupted."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import trustme
from docker import DockerClient
from docker.errors import APIError, NotFound

from deployguard.inputs.image import container
from deployguard.inputs.image.engine import EngineImages, EngineOptions
from deployguard.inputs.image.stored import open_archive
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from deployguard.model.image import Image, ImageOrigin
from deployguard.model.report import Report
from deployguard.pipeline import ScanOptions
from deployguard.pipeline import scan as inspect
from deployguard.policy import load
from deployguard.rules import IDS
from tests.support.components import missing
from tests.support.effort import LONG
from tests.support.engine_proxy import Fault, Hold, Proxy, proxied, proxied_over_tls
from tests.support.images import APP, FIXTURES, Fixture, ensure
from tests.support.podman import copied

pytestmark = pytest.mark.engine

MAIN = f"{APP}\n\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', debug=True)\n"
# Its source alone says that the debugger comes up.
UNSAFE = Fixture("unsafe", 'CMD ["python3", "app.py"]', {"app.py": MAIN})
# The same, too large to be fetched as a whole.
LARGE = Fixture(
    "large",
    "RUN python3 -c \"open('/usr/share/large', 'wb').truncate(100 << 20)\"\n"
    'CMD ["python3", "app.py"]',
    {"app.py": MAIN},
)
# What a listing and a look at one path could disagree about.
ODD = Fixture(
    "odd",
    "RUN mkdir -p /data/sub /links && echo kept > /data/sub/f && echo one > /links/a"
    " && ln /links/a /links/hard && ln -s /links/a /links/abs && ln -s a /links/rel"
    " && ln -s loop2 /links/loop1 && ln -s loop1 /links/loop2 && ln -s /nowhere /links/dangling"
    " && ln -s ../../../links/a /links/out && ln -s /links /again\n"
    "RUN python3 -c \"import os; os.makedirs(b'/bytes/d\\xff');"
    " open(b'/bytes/f\\xe9', 'w').write('latin'); os.symlink(b'f\\xe9', '/bytes/tolatin');"
    " os.mkfifo('/bytes/fifo'); open('/bytes/sparse', 'wb').truncate(5000);"
    " os.mknod('/bytes/null', 0o20644, os.makedev(1, 3))\"\n"
    # As large as LARGE where the paths are to be asked one by one.
    "VOLUME /data\nUSER nobody-here\nWORKDIR /app",
)
PATHS = (
    "/data/sub/f", "/data", "/data/sub", "/links/a", "/links/hard", "/links/abs", "/links/rel",
    "/links/loop1", "/links/loop1/x", "/links/dangling", "/links/out", "/links/a/below",
    "/again/rel", "/again/../app/app.py", "/bytes/f\udce9", "/bytes/tolatin", "/bytes/d\udcff",
    "/bytes/fifo", "/bytes/null", "/bytes/sparse", "/bytes/none\udcff", "/no", "/no/such", "/bin/sh",
    "/", "/app/", "/app/./app.py", "/usr/lib/python3.11/os.py",
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path: a socket's may have 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="dg"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def proxy(host: str, folder: Path) -> Iterator[Proxy]:
    with proxied(host, folder) as made:
        yield made


def report(*targets: str, platform: str | None = None, **environ: str) -> Report:
    """Scan in this process, with nothing in the environment but what is given."""
    options = ScanOptions(
        today=date(2030, 1, 1),
        environ={"HOME": "/no-home", "XDG_RUNTIME_DIR": "/no-runtime", **environ},
        platform=platform,
    )
    return inspect(targets, (load("production", IDS),), options)


def problem(found: Report, index: int = 0) -> str:
    (told,) = found.targets[index].problems
    return f"{told.code}: {told.message} ({told.hint})"


def started(*arguments: str, driver: str | None = None, **environ: str) -> subprocess.Popen[str]:
    """Start the command; warnings count as failures of it."""
    program = ["-c", driver] if driver else ["-m", "deployguard"]
    return subprocess.Popen(
        [sys.executable, "-X", "dev", *program, "scan", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": "/no-home", "XDG_RUNTIME_DIR": "/no-runtime", **environ},
    )


def left(docker_client: DockerClient, names: list[str]) -> list[str]:
    return [name for name in names if held(docker_client, name)]


def held(docker_client: DockerClient, name: str) -> bool:
    """Say whether an engine has a container; podman fails while it forgets one in its steps."""
    for _ in range(50):
        try:
            docker_client.containers.get(name)
        except NotFound:
            return False
        except APIError:
            time.sleep(0.1)
        else:
            return True
    return True


def test_docker_and_podman_say_the_same_of_an_image(
    host: str, docker_client: DockerClient, podman_host: str, podman_client: DockerClient
) -> None:
    for fixture in FIXTURES if LONG else (UNSAFE, FIXTURES[0], FIXTURES[14]):
        reference = ensure(docker_client, fixture)
        copied(reference, docker_client, podman_client)
        found = report(
            f"docker:{reference}",
            f"podman:{reference}",
            DOCKER_HOST=host,
            CONTAINER_HOST=podman_host,
        )
        by_docker, by_podman = found.containers
        assert [target.status for target in found.targets] == ["inspected"] * 2
        images = [one.spec.image for one in found.containers]
        assert all(isinstance(image, Image) for image in images)
        first, second = (image for image in images if isinstance(image, Image))
        assert (first.origin, second.origin) == (ImageOrigin.DOCKER, ImageOrigin.PODMAN)
        assert first.config_digest == second.config_digest == docker_client.images.get(reference).id
        assert (first.name, first.platform) == (second.name, second.platform)
        assert (first.digest, second.digest) == (
            None,
            podman_client.images.get(reference).attrs["RepoDigests"][0].partition("@")[2],
        )
        assert by_docker.facts == by_podman.facts
        assert by_docker.process.args == by_podman.process.args


@pytest.mark.parametrize("spelling", ["app", "app:latest", "localhost/app", "short id", "id",
                                      "repo@digest", "repo:tag@digest"])  # fmt: skip
def test_podman_finds_an_image_by_every_name_that_podman_takes(
    spelling: str, docker_client: DockerClient, podman_host: str, podman_client: DockerClient
) -> None:
    reference = copied(ensure(docker_client, UNSAFE), docker_client, podman_client)
    image = podman_client.images.get(reference)
    image.tag("localhost/app", "latest")
    repository, _, tag = reference.rpartition(":")
    digest = image.attrs["RepoDigests"][0].partition("@")[2]
    name = {
        "short id": str(image.id)[7:19], "id": str(image.id), "repo@digest": f"{repository}@{digest}",
        "repo:tag@digest": f"{repository}:{tag}@{digest}",
    }.get(spelling, spelling)  # fmt: skip
    found = report(f"podman:{name}", CONTAINER_HOST=podman_host)
    (container,) = found.containers
    assert isinstance(container.spec.image, Image)
    assert container.spec.image.config_digest == image.id
    assert container.spec.subject in {"app", "localhost/app", repository}
    if "digest" in spelling:
        assert container.spec.image.digest == digest


def test_docker_finds_an_image_by_its_id_and_names_it_by_its_repository(
    host: str, docker_client: DockerClient
) -> None:
    image = docker_client.images.get(ensure(docker_client, LARGE))
    names = [str(image.id), str(image.id)[7:], str(image.id)[7:19]]
    found = report(*(f"docker:{name}" for name in names), DOCKER_HOST=host)
    assert [container.spec.subject for container in found.containers] == ["dgtest/large"] * 3
    assert [container.spec.target for container in found.containers] == names


def test_an_image_of_another_digest_is_not_the_one_that_was_asked_for(
    host: str, docker_client: DockerClient, podman_host: str, podman_client: DockerClient
) -> None:
    reference = ensure(docker_client, UNSAFE)
    copied(reference, docker_client, podman_client)
    other = f"{reference}@sha256:{'0' * 64}"
    found = report(
        f"docker:{other}", f"podman:{other}", DOCKER_HOST=host, CONTAINER_HOST=podman_host
    )
    assert [target.status for target in found.targets] == ["failed"] * 2
    assert [problem(found, n).partition(":")[0] for n in (0, 1)] == ["not-found"] * 2


def test_an_image_is_sought_in_docker_and_then_in_podman(
    host: str, docker_client: DockerClient, podman_host: str, podman_client: DockerClient
) -> None:
    both = ensure(docker_client, UNSAFE)
    copied(both, docker_client, podman_client)
    podman_client.images.get(both).tag("localhost/dgtest/podman-alone", "1")
    engines = {"DOCKER_HOST": host, "CONTAINER_HOST": podman_host}

    def origin(name: str, **environ: str) -> str | None:
        (container,) = report(name, **environ).containers or (None,)
        image = container.spec.image if container else None
        return image.origin.value if isinstance(image, Image) else None

    assert origin(both, **engines) == "docker"
    assert origin(f"image:{both}", **engines) == "docker"
    assert origin("dgtest/podman-alone:1", **engines) == "podman"
    assert origin("docker:dgtest/podman-alone:1", **engines) is None
    nobody = {"DOCKER_HOST": "unix:///no/such.sock", "CONTAINER_HOST": podman_host}
    assert origin(both, **nobody) == "podman"
    # Through podman's socket in the place of Docker's it is podman that answers.
    assert origin(f"docker:{both}", DOCKER_HOST=podman_host) == "podman"


def test_what_compose_and_kubernetes_name_is_looked_up_in_the_same_engines(
    host: str,
    docker_client: DockerClient,
    podman_host: str,
    podman_client: DockerClient,
    tmp_path: Path,
) -> None:
    reference = ensure(docker_client, UNSAFE)
    copied(reference, docker_client, podman_client)
    podman_client.images.get(reference).tag("localhost/dgtest/podman-alone", "1")
    names = {"web": reference, "api": "dgtest/podman-alone:1", "gone": "dgtest/never-built:1"}
    services = "".join(f"  {name}: {{image: '{image}'}}\n" for name, image in names.items())
    (tmp_path / "compose.yaml").write_text(f"services:\n{services}")
    containers = "".join(f"  - {{name: {n}, image: '{i}'}}\n" for n, i in names.items())
    (tmp_path / "pod.yaml").write_text(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}"
    )
    files = [str(tmp_path / name) for name in ("compose.yaml", "pod.yaml")]
    found = report(*files, DOCKER_HOST=host, CONTAINER_HOST=podman_host)
    origins = [
        container.spec.image.origin if isinstance(container.spec.image, Image) else None
        for container in found.containers
    ]
    assert Counter(origins) == {ImageOrigin.DOCKER: 2, ImageOrigin.PODMAN: 2, None: 2}


def test_an_image_of_another_platform_gets_no_verdict(
    host: str, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, UNSAFE)
    assert report(f"docker:{reference}", platform="linux/amd64", DOCKER_HOST=host).containers
    found = report(f"docker:{reference}", platform="linux/arm64", DOCKER_HOST=host)
    assert found.exit_code == 3
    assert "is of linux/amd64, not of linux/arm64 (fetch it: docker pull --platform" in problem(
        found
    )


@dataclass(frozen=True)
class Contexts:
    """Three engines behind proxies: the contexts `work` and `home`, and one for DOCKER_HOST."""

    config: Path
    proxies: Mapping[str, Proxy]

    def asked(self) -> set[str]:
        return {name for name, made in self.proxies.items() if made.calls}


@pytest.fixture
def contexts(host: str, folder: Path) -> Iterator[Contexts]:
    command = shutil.which("docker", path="/usr/bin:/usr/local/bin")
    if command is None:
        missing("there is no docker command to make contexts with")
    with contextlib.ExitStack() as stack:
        made = {
            name: stack.enter_context(proxied(host, folder, name))
            for name in ("work", "home", "given")
        }
        config = folder / "config"
        for name in ("work", "home"):
            subprocess.run(
                [command, "--config", str(config), "context", "create", name,
                 "--docker", f"host={made[name].address}"],
                check=True,
                capture_output=True,
            )  # fmt: skip
        yield Contexts(config, made)


@pytest.mark.parametrize("current", ["", "work", "default"])
@pytest.mark.parametrize("context", ["", "home", "default"])
@pytest.mark.parametrize("given", ["", "given"])
def test_the_engine_is_the_one_that_the_docker_command_would_ask(
    current: str, context: str, given: str, contexts: Contexts
) -> None:
    (contexts.config / "config.json").write_text(json.dumps({"currentContext": current}))
    environ = {"DOCKER_CONFIG": str(contexts.config)}
    if context:
        environ["DOCKER_CONTEXT"] = context
    if given:
        environ["DOCKER_HOST"] = contexts.proxies[given].address
    report("docker:dgtest/never-built:1", **environ)
    ours = contexts.asked()
    for made in contexts.proxies.values():
        made.calls.clear()
    subprocess.run(
        [shutil.which("docker", path="/usr/bin:/usr/local/bin") or "docker", "images", "-q"],
        check=False,
        capture_output=True,
        env={**os.environ, **environ},
    )
    assert ours == contexts.asked()


@dataclass(frozen=True)
class Secured:
    """An engine that asks for a certificate, and the folder with what it takes."""

    proxy: Proxy
    folder: Path


@pytest.fixture
def secured(host: str, tmp_path: Path) -> Iterator[Secured]:
    authority, folder = trustme.CA(), tmp_path / "pem"
    folder.mkdir()
    server, user = authority.issue_cert("127.0.0.1"), authority.issue_cert("user@example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(folder / "ca.pem")
    user.private_key_pem.write_to_path(folder / "key.pem")
    user.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.pem")
    with proxied_over_tls(host, context) as made:
        yield Secured(made, folder)


def context_with(secured: Secured, tmp_path: Path, **more: str) -> dict[str, str]:
    command = shutil.which("docker", path="/usr/bin:/usr/local/bin")
    if command is None:
        missing("there is no docker command to make contexts with")
    said = {"host": secured.proxy.address, **more}
    subprocess.run(
        [command, "--config", str(tmp_path / "config"), "context", "create", "far", "--docker",
         ",".join(f"{key}={value}" for key, value in said.items())],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {"DOCKER_CONFIG": str(tmp_path / "config"), "DOCKER_CONTEXT": "far"}


def pem(secured: Secured, *names: str) -> dict[str, str]:
    return {name: str(secured.folder / f"{name}.pem") for name in names}


def test_an_engine_over_tls_is_asked_with_the_files_of_its_context(
    secured: Secured, docker_client: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = ensure(docker_client, UNSAFE)
    environ = context_with(secured, tmp_path, **pem(secured, "ca", "cert", "key"))
    # What requests would take from the environment for every connection.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "stranger.pem"))
    found = report(f"docker:{reference}", **environ)
    assert (found.exit_code, found.targets[0].problems) == (1, ())
    by_variables = {"DOCKER_HOST": secured.proxy.address, "DOCKER_TLS_VERIFY": "1",
                    "DOCKER_CERT_PATH": str(secured.folder)}  # fmt: skip
    assert report(f"docker:{reference}", **by_variables).exit_code == 1
    (secured.folder / "ca.pem").unlink()
    unverified = {**by_variables, "DOCKER_TLS_VERIFY": "", "DOCKER_TLS": "1"}
    assert report(f"docker:{reference}", **unverified).exit_code == 1


@pytest.mark.parametrize("wrong", ["another authority", "no certificate", "plain"])
def test_an_engine_that_cannot_be_trusted_is_not_asked(
    wrong: str, secured: Secured, tmp_path: Path
) -> None:
    files = pem(secured, "ca", "cert", "key")
    match wrong:
        case "another authority":
            environ = context_with(secured, tmp_path, **{**files, "ca": f"{tmp_path}/stranger.pem"})
        case "no certificate":
            environ = context_with(secured, tmp_path, ca=files["ca"])
        case _:
            environ = {"DOCKER_HOST": secured.proxy.address}
    found = report("docker:shop:1", **environ)
    assert found.exit_code == 3
    assert problem(found).startswith(f"unreadable: the docker engine at {secured.proxy.address}")
    assert not secured.proxy.calls


def serve(path: Path, answer: bytes | None) -> threading.Thread:
    """Answer each connection with the same bytes, or keep it without a word."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(10)

    def loop() -> None:
        kept = []
        with contextlib.suppress(TimeoutError, OSError), listener:
            for _ in range(4):
                taken, _peer = listener.accept()
                if answer is None:
                    kept.append(taken)
                    continue
                with taken, contextlib.suppress(OSError):
                    if answer:
                        taken.settimeout(1)
                        taken.recv(65_536)
                        taken.sendall(answer)
        for taken in kept:
            taken.close()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return thread


def http(body: bytes, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no HTTP"),
        (http(b"<html>hello</html>"), "is no engine that is known"),
        (http(b"{}"), "is no engine that is known"),
        (http(b'{"ApiVersion": "../../x"}'), "is no engine that is known"),
        (http(b"[" * 100_000), "is no engine that is known"),
        (http(b"[]"), "is no engine that is known"),
        (http(b"{}", "404 Not Found"), "is no engine that is known"),
        (http(b"", "302 Found\r\nLocation: http://localhost/x"), "is no engine that is known"),
        (http(b'{"message": "out of order"}', "500 Error"), "does not say its version: out of order"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{", "its answer was cut off"),
    ],
    ids=["closes", "another protocol", "a page", "no version", "odd version", "deep", "list",
         "missing", "redirect", "failing", "cut"],
)  # fmt: skip
def test_what_is_no_engine_is_said_so(answer: bytes, said: str, folder: Path) -> None:
    serve(folder / "s", answer)
    found = report("docker:shop:1", "tests/examples", DOCKER_HOST=f"unix://{folder}/s")
    assert found.exit_code == 3 or found.targets[1].status == "inspected"
    assert said in problem(found)
    assert found.targets[0].status == "failed"


def test_an_engine_that_says_nothing_is_left_in_time(folder: Path) -> None:
    serve(folder / "s", None)
    environ = {"DOCKER_HOST": f"unix://{folder}/s", "XDG_RUNTIME_DIR": "/no"}
    with EngineImages(EngineOptions(environ=environ, seconds=0.2)) as images:
        for _ in range(3):
            with pytest.raises(Exception, match="no answer in time"):
                images.open_image("shop:1", ImageOrigin.DOCKER)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DOCKER_HOST": "unix:///no/such.sock"},
         "unreadable: nobody answers for the docker engine at unix:///no/such.sock"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, "nobody answers for the docker engine at tcp://"),
        ({"DOCKER_HOST": "nonsense"}, "syntax: DOCKER_HOST is no address of an engine: nonsense"),
        ({"DOCKER_HOST": "unix://relative"}, "DOCKER_HOST names no absolute path"),
        ({"DOCKER_HOST": "tcp://host:port"}, "DOCKER_HOST is no address of an engine"),
        ({"DOCKER_HOST": "ssh://me@host"}, "unsupported: the engine of DOCKER_HOST is reached over ssh"),
        ({"DOCKER_HOST": f"unix:///{'long/' * 40}s"}, "cannot be reached"),
        ({"DOCKER_CONTEXT": "gone"}, "there is no docker context gone, which DOCKER_CONTEXT names"),
        ({"DOCKER_CONFIG": "BROKEN"}, "is no JSON object, so the engine it names is not known"),
        ({"DOCKER_CONFIG": "LIST"}, "is no JSON object, so the engine it names is not known"),
        ({"DOCKER_CONFIG": "META"}, "meta.json is no JSON object"),
        ({"DOCKER_CONFIG": "HOSTLESS"}, "the docker context work names no host"),
        ({"DOCKER_CONFIG": "FOLDER"}, "cannot read"),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_be_reached_is_one_line_with_the_way_out(
    environ: Mapping[str, str], said: str, tmp_path: Path
) -> None:
    files = {
        "BROKEN/config.json": "{",
        "LIST/config.json": "[]",
        "META/config.json": '{"currentContext": "work"}',
        "HOSTLESS/config.json": '{"currentContext": "work"}',
        "FOLDER/config.json/x": "",
    }
    # The name of a context's folder is the digest of its own.
    place = f"contexts/meta/{hashlib.sha256(b'work').hexdigest()}"
    files |= {f"META/{place}/meta.json": "x", f"HOSTLESS/{place}/meta.json": '{"Endpoints": {}}'}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    placed = {
        key: str(tmp_path / value) if key == "DOCKER_CONFIG" else value
        for key, value in environ.items()
    }
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: shop:1, command: flask run --debug}}"
    )
    with started(
        "docker:shop:1", str(tmp_path / "compose.yaml"), "--format", "json", **placed
    ) as run:
        out, told = run.communicate(timeout=60)
    assert not told
    found = json.loads(out)
    (shown,) = found["targets"][0]["problems"]
    assert said in f"{shown['code']}: {shown['message']}"
    assert shown["message"].count("\n") == 0
    assert found["targets"][1]["status"] == "inspected"
    assert run.returncode in {1, 3}


@pytest.mark.parametrize("form", ["docker", "podman", "image"])
def test_a_socket_that_may_not_be_used_is_said_with_the_way_out(form: str, proxy: Proxy) -> None:
    if shutil.which("setpriv") is None:
        missing("there is no setpriv to drop a capability with")
    path = proxy.address.removeprefix("unix://")
    os.chown(path, 65534, 65534)
    Path(path).chmod(0o600)
    # Root without the capability that opens every file.
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override", "--", sys.executable, "-X", "dev", "-m",
         "deployguard", "scan", f"{form}:shop:1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DOCKER_HOST": proxy.address, "CONTAINER_HOST": proxy.address},
    )  # fmt: skip
    assert done.returncode == 3
    assert "no permission on the socket of" in done.stdout
    assert "run the scan as a user who may use it" in done.stdout
    assert not done.stderr
    assert not proxy.calls


@pytest.mark.parametrize(
    "name", ["Shop:1", "shop:1:2", "../containers/x", "shop?x=1", "a//b", "x\ny"]
)
def test_a_name_that_is_no_reference_never_reaches_an_engine(name: str, proxy: Proxy) -> None:
    found = report(f"docker:{name}", DOCKER_HOST=proxy.address)
    assert "is no name of an image" in problem(found)
    assert not proxy.calls


@pytest.mark.parametrize("fixture", [UNSAFE, LARGE], ids=lambda fixture: fixture.name)
def test_a_scan_asks_little_and_starts_nothing(
    fixture: Fixture, proxy: Proxy, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, fixture)
    found = report(f"docker:{reference}", DOCKER_HOST=proxy.address)
    assert found.exit_code == 1
    counted = Counter(proxy.spelled())
    asked = counted.pop("HEAD /containers/ID/archive", 0)
    # Whether the container is still there, where a path is not.
    present = counted.pop("GET /containers/ID/json", 0)
    assert counted.pop("GET /containers/ID/archive") <= (1 if fixture is UNSAFE else 4)
    assert asked <= (0 if fixture is UNSAFE else 30)
    assert counted == {
        "GET /version": 1,
        "GET /images/NAME/json": 1,
        "POST /containers/create": 1,
        "DELETE /containers/ID": 1,
    }
    assert present <= (0 if fixture is UNSAFE else 12)
    (removal,) = (call for call in proxy.calls if call.method == "DELETE")
    assert removal.query == {"v": "1", "force": "1"}
    assert all(name.startswith("deployguard-") for name in proxy.created)
    assert left(docker_client, proxy.created) == []


def test_an_image_is_looked_up_once_and_no_container_is_made_before_a_file_is_needed(
    proxy: Proxy, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, UNSAFE)
    with EngineImages(EngineOptions(environ={"DOCKER_HOST": proxy.address})) as images:
        found = [images.open_image(reference) for _ in range(3)]
    assert found[0] is found[1] is found[2]
    assert proxy.spelled() == ["GET /version", "GET /images/NAME/json"]


def seen(image: Image, path: str) -> object:
    """Return what the files say of a path, without where it was read."""
    stat, read, names = image.files.stat(path), image.files.read(path), image.files.list(path)
    assert not any(isinstance(found, Unread) for found in (stat, read, names)), (path, stat, read)
    return (
        (stat.kind, stat.path, stat.size if stat.kind == "file" else 0)
        if isinstance(stat, Stat)
        else None,
        read.data if isinstance(read, Content) else None,
        # What an engine itself lays into a container's root.
        tuple(n for n in names if n != ".dockerenv") if isinstance(names, tuple) else None,
    )


@pytest.mark.parametrize("fetched", ["as a whole", "path by path", "folders first"])
@pytest.mark.parametrize("program", ["docker", "podman"])
def test_the_files_of_an_engine_are_those_of_the_saved_image(
    program: str,
    fetched: str,
    host: str,
    docker_client: DockerClient,
    podman_host: str,
    podman_client: DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fetched != "as a whole":
        monkeypatch.setattr(container, "_WHOLE_LIMIT", 0)
    reference = ensure(docker_client, ODD)
    copied(reference, docker_client, podman_client)
    (tmp_path / "odd.tar").write_bytes(
        b"".join(docker_client.images.get(reference).save(named=reference))
    )
    (saved,) = open_archive(str(tmp_path / "odd.tar"), tag=None, platform=None)
    environ = {"DOCKER_HOST": host, "CONTAINER_HOST": podman_host}
    with EngineImages(EngineOptions(environ=environ)) as images:
        found = images.open_image(reference, ImageOrigin(program))
        if fetched == "folders first":
            for folder in ("/bytes", "/links", "/data", "/"):
                found.files.list(folder)
        for path in PATHS:
            if path == "/" and fetched == "path by path":
                continue
            assert seen(found, path) == seen(saved, path), path


def test_several_threads_share_one_container(proxy: Proxy, docker_client: DockerClient) -> None:
    reference = ensure(docker_client, LARGE)
    with EngineImages(EngineOptions(environ={"DOCKER_HOST": proxy.address})) as images:

        def read(path: str) -> object:
            return images.open_image(reference).files.read(path)

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(read, ["/app/app.py", "/etc/passwd", "/usr/bin/flask"] * 8))
    assert [isinstance(one, Content) for one in found] == [True, True, False] * 8
    assert len(proxy.created) == 1
    assert left(docker_client, proxy.created) == []


def test_a_large_folder_passes_through_little_memory(
    proxy: Proxy, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, LARGE)
    with EngineImages(EngineOptions(environ={"DOCKER_HOST": proxy.address})) as images:
        # Loads what is loaded once, before the count begins.
        image = images.open_image(reference)
        assert isinstance(image.files.stat("/usr/share"), Stat)
    with EngineImages(EngineOptions(environ={"DOCKER_HOST": f"unix://{proxy.upstream}"})) as images:
        image = images.open_image(reference)
        tracemalloc.start()
        names = image.files.list("/usr/share")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(names, tuple)
        assert "large" in names
        # Ten times as much passed.
        assert peak < 10 * 1024 * 1024
        assert isinstance(image.files.read("/usr/share/large"), Unread)


def test_a_folder_beyond_the_limit_is_incomplete_and_the_rest_is_read(
    proxy: Proxy, docker_client: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_FOLDER_LIMIT", 4 * 1024 * 1024)
    reference = ensure(docker_client, LARGE)
    with EngineImages(EngineOptions(environ={"DOCKER_HOST": proxy.address})) as images:
        files = images.open_image(reference).files
        assert isinstance(files, container.ContainerFiles)
        assert isinstance(files.list("/usr/share"), Unread)
        assert isinstance(files.read("/app/app.py"), Content)
        assert [one.code for one in files.problems()] == ["limit"]
    assert left(docker_client, proxy.created) == []


def calls(host: str, folder: Path, target: str) -> int:
    with proxied(host, folder, "count") as made:
        assert report(target, DOCKER_HOST=made.address, CONTAINER_HOST=made.address).exit_code == 1
    return len(made.calls)


def faulty(
    host: str,
    folder: Path,
    target: str,
    number: int,
    fault: Fault,
    *,
    dies: bool,
    kept: float = 0.5,
) -> tuple[Report, Proxy]:
    with proxied(host, folder, "faulty") as made:
        made.faults, made.dies, made.kept = {number: fault}, dies, kept
        found = report(target, DOCKER_HOST=made.address, CONTAINER_HOST=made.address)
    return found, made


def holds_to_it(found: Report, made: Proxy, number: int) -> None:
    """An unsafe image is blocked, or its scan failed with a problem: never anything else."""
    assert found.exit_code in {1, 3}
    if found.exit_code == 3:
        (told,) = found.targets[0].problems
        assert told.code == "unreadable"
        assert not found.containers
    # A removal that fails is said, with the container's name.
    if made.calls[number].method == "DELETE":
        assert found.exit_code == 1


@pytest.mark.parametrize(
    ("fixture", "fault"),
    [
        (UNSAFE, Fault.CLOSED),
        (UNSAFE, Fault.UNANSWERED),
        (UNSAFE, Fault.REFUSED),
        (LARGE, Fault.CLOSED),
        pytest.param(LARGE, Fault.UNANSWERED, marks=pytest.mark.long),
        pytest.param(LARGE, Fault.REFUSED, marks=pytest.mark.long),
    ],
    ids=lambda value: value.name if isinstance(value, Fixture) else None,
)
def test_an_engine_that_dies_at_any_call_never_makes_an_image_safe(
    fixture: Fixture, fault: Fault, host: str, docker_client: DockerClient, folder: Path
) -> None:
    target = f"docker:{ensure(docker_client, fixture)}"
    for number in range(calls(host, folder, target)):
        found, made = faulty(host, folder, target, number, fault, dies=True)
        holds_to_it(found, made, number)
        stays = left(docker_client, made.created)
        for name in stays:
            assert any(name in note for note in found.notes)
            docker_client.containers.get(name).remove(force=True, v=True)


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        (Fault.CUT, 0.5),
        (Fault.RAGGED, 0.50001),
        (Fault.SHORT, 0.0),
        (Fault.SHORT, 0.5),
        (Fault.SHORT, 0.99999),
    ],
)
def test_an_answer_that_is_cut_anywhere_never_makes_an_image_safe(
    kept: float, fault: Fault, host: str, docker_client: DockerClient, folder: Path
) -> None:
    target = f"docker:{ensure(docker_client, UNSAFE)}"
    for number in range(calls(host, folder, target)):
        found, made = faulty(host, folder, target, number, fault, dies=False, kept=kept)
        holds_to_it(found, made, number)
        if made.calls[number].path.endswith("/archive"):
            assert found.exit_code == 3
        assert left(docker_client, made.created) == []


def test_podman_that_dies_at_any_call_never_makes_an_image_safe(
    podman_host: str, docker_client: DockerClient, podman_client: DockerClient, folder: Path
) -> None:
    target = f"podman:{copied(ensure(docker_client, UNSAFE), docker_client, podman_client)}"
    for number in range(calls(podman_host, folder, target)):
        for fault in (Fault.CLOSED, Fault.UNANSWERED):
            found, made = faulty(podman_host, folder, target, number, fault, dies=True)
            holds_to_it(found, made, number)
            for name in left(podman_client, made.created):
                assert any(name in note for note in found.notes)
                podman_client.containers.get(name).remove(force=True, v=True)


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_a_container_that_somebody_takes_away_makes_no_file_absent(
    program: str,
    host: str,
    docker_client: DockerClient,
    podman_host: str,
    podman_client: DockerClient,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(container, "_WHOLE_LIMIT", 0)
    reference = ensure(docker_client, UNSAFE)
    copied(reference, docker_client, podman_client)
    engine_host, held_by = (
        (host, docker_client) if program == "docker" else (podman_host, podman_client)
    )
    with proxied(engine_host, folder) as made:
        environ = {"DOCKER_HOST": made.address, "CONTAINER_HOST": made.address}
        with EngineImages(EngineOptions(environ=environ)) as images:
            files = images.open_image(reference, ImageOrigin(program)).files
            assert isinstance(files.stat("/none"), Absent)
            held_by.containers.get(made.created[0]).remove(force=True, v=True)
            assert isinstance(files.stat("/nothing"), Unread)
            assert isinstance(files.read("/etc/passwd"), Unread)


def test_an_engine_that_was_down_is_asked_again_later(
    proxy: Proxy, docker_client: DockerClient
) -> None:
    reference = ensure(docker_client, UNSAFE)
    now = [0.0]
    environ = {"DOCKER_HOST": proxy.address, "XDG_RUNTIME_DIR": "/no"}
    with EngineImages(EngineOptions(environ=environ, clock=lambda: now[0])) as images:

        def files() -> object:
            return images.open_image(reference, ImageOrigin.DOCKER).files.read("/app/app.py")

        proxy.dead = True
        for _ in range(5):
            with pytest.raises(Exception, match="closed the connection"):
                files()
        assert len(proxy.calls) == 1
        proxy.dead, now[0] = False, 60.0
        assert isinstance(files(), Content)
        # It goes away with the container, and comes back.
        docker_client.containers.get(proxy.created[0]).remove(force=True, v=True)
        image = images.open_image(reference, ImageOrigin.DOCKER)
        assert isinstance(image.files.read("/usr/bin/busybox"), Unread)
        assert isinstance(files(), Unread)
        now[0] = 120.0
        assert isinstance(files(), Content)
    assert left(docker_client, proxy.created) == []


REMOVAL = "DELETE /containers/ID"
PHASES = (
    "GET /version",
    "GET /images/NAME/json",
    "POST /containers/create",
    "POST /containers/create, made",
    "GET /containers/ID/archive",
    "GET /containers/ID/archive, sent",
    REMOVAL,
    f"{REMOVAL}, done",
)


def interrupted(
    target: str, made: Proxy, phase: str, *signals: signal.Signals
) -> subprocess.Popen[str]:
    """Scan, stop at a phase, send a signal there, and further ones while the removal waits."""
    call = phase.partition(",")[0]
    hold, removal = Hold(after="," in phase), Hold()
    made.holds = {REMOVAL: removal, call: hold}
    with started(target, DOCKER_HOST=made.address, CONTAINER_HOST=made.address) as run:
        assert hold.reached.wait(60)
        run.send_signal(signals[0])
        if made.created and call != REMOVAL:
            # What the scan gave up reaches the engine while the removal is under way.
            assert removal.reached.wait(60)
            hold.released.set()
            for number in signals[1:]:
                run.send_signal(number)
        hold.released.set()
        removal.released.set()
        out, told = run.communicate(timeout=60)
    # Click ends the line that a terminal shows ^C on.
    assert (out, told) == ("", "\ndeployguard: interrupted\n")
    return run


@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupted_scan_leaves_nothing_in_the_engine(
    phase: str, proxy: Proxy, docker_client: DockerClient
) -> None:
    target = f"docker:{ensure(docker_client, UNSAFE)}"
    assert interrupted(target, proxy, phase, signal.SIGINT).returncode == 130
    assert left(docker_client, proxy.created) == []


@pytest.mark.parametrize(
    "signals",
    [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT),
     (signal.SIGTERM, signal.SIGINT)],
    ids=lambda numbers: "+".join(number.name for number in numbers),
)  # fmt: skip
def test_another_signal_and_a_second_one_leave_nothing_either(
    signals: tuple[signal.Signals, ...], proxy: Proxy, docker_client: DockerClient
) -> None:
    target = f"docker:{ensure(docker_client, UNSAFE)}"
    run = interrupted(target, proxy, "POST /containers/create, made", *signals)
    assert run.returncode == 130
    assert left(docker_client, proxy.created) == []


@pytest.mark.parametrize("phase", ["HEAD /containers/ID/archive", "GET /containers/ID/archive"])
def test_an_interrupted_scan_of_a_large_image_leaves_nothing(
    phase: str, proxy: Proxy, docker_client: DockerClient
) -> None:
    target = f"docker:{ensure(docker_client, LARGE)}"
    assert interrupted(target, proxy, phase, signal.SIGINT).returncode == 130
    assert left(docker_client, proxy.created) == []


@pytest.mark.parametrize(
    "phase",
    ["GET /images/NAME/json", "POST /libpod/containers/create",
     "POST /libpod/containers/create, made", "GET /containers/ID/archive", "DELETE /containers/ID"],
)  # fmt: skip
def test_an_interrupted_scan_leaves_nothing_in_podman(
    phase: str,
    podman_host: str,
    docker_client: DockerClient,
    podman_client: DockerClient,
    folder: Path,
) -> None:
    target = f"podman:{copied(ensure(docker_client, UNSAFE), docker_client, podman_client)}"
    with proxied(podman_host, folder) as made:
        assert interrupted(target, made, phase, signal.SIGINT).returncode == 130
        assert left(podman_client, made.created) == []
