"""Engines are found where docker and podman find them; names are what their grammar says."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.errors import InputError
from deployguard.inputs.image import endpoints, platforms, references
from deployguard.inputs.image.endpoints import Tls
from deployguard.inputs.image.engine import EngineImages, EngineOptions
from deployguard.model.image import ImageOrigin

CONNECTIONS = {
    "Connection": {
        "Default": "far",
        "Connections": {
            "far": {"URI": "ssh://me@host/run/podman.sock"},
            "near": {"URI": "unix:///near"},
        },
    }
}
CONF = """\
[engine]
active_service = "own"
[engine.service_destinations]
own = {uri = "unix:///own"}
far = {uri = "ssh://me@host/run/podman.sock"}
"""


def podman(folder: Path, **environ: str) -> str | None:
    home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}
    found = endpoints.podman(home | environ)
    return None if found is None else found.address


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_podman_is_what_the_environment_names_before_any_file(tmp_path: Path) -> None:
    put(tmp_path, ".config/containers/containers.conf", CONF)
    assert podman(tmp_path, CONTAINER_HOST="unix:///given") == "unix:///given"
    assert podman(tmp_path, CONTAINER_HOST="") == "unix:///own"


def test_a_connection_over_a_socket_is_taken_and_one_over_ssh_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".config/containers/podman-connections.json", json.dumps(CONNECTIONS))
    put(tmp_path, "run/podman/podman.sock", "")
    own = f"unix://{tmp_path}/run/podman/podman.sock"
    assert podman(tmp_path) == own
    assert podman(tmp_path, CONTAINER_CONNECTION="near") == "unix:///near"
    put(tmp_path, ".config/containers/containers.conf", CONF)
    assert podman(tmp_path) == "unix:///own"
    assert podman(tmp_path, CONTAINER_CONNECTION="far") == own
    put(tmp_path, "given.conf", CONF.replace("///own", "///given"))
    assert podman(tmp_path, CONTAINERS_CONF=f"{tmp_path}/given.conf") == "unix:///given"


def test_a_service_of_the_user_is_found_by_its_socket(tmp_path: Path) -> None:
    put(tmp_path, "run/podman/podman.sock", "")
    assert podman(tmp_path) == f"unix://{tmp_path}/run/podman/podman.sock"


@pytest.mark.parametrize("name", ["containers.conf", "podman-connections.json"])
def test_a_broken_file_of_podman_is_named(name: str, tmp_path: Path) -> None:
    put(tmp_path, f".config/containers/{name}", "[broken")
    with pytest.raises(InputError, match=name):
        podman(tmp_path)


@pytest.mark.parametrize(
    ("environ", "tls"),
    [
        ({}, None),
        ({"DOCKER_TLS_VERIFY": ""}, None),
        ({"DOCKER_CERT_PATH": "certs"}, None),
        ({"DOCKER_TLS": "1"}, Tls(None)),
        ({"DOCKER_TLS_VERIFY": "0"}, Tls("")),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "certs"},
         Tls("certs/ca.pem", ("certs/cert.pem", "certs/key.pem"))),
        ({"DOCKER_TLS": "1", "DOCKER_CERT_PATH": "certs"},
         Tls(None, ("certs/cert.pem", "certs/key.pem"))),
    ],
)  # fmt: skip
def test_the_variables_of_docker_say_how_a_host_is_trusted(
    environ: Mapping[str, str], tls: Tls | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ca", "cert", "key"):
        put(tmp_path, f"certs/{name}.pem", "")
    found = endpoints.docker({"HOME": "/no", "DOCKER_HOST": "tcp://h", **environ})
    assert found.tls == tls
    assert found.url == ("http://h:2375" if tls is None else "https://h:2376")


@pytest.mark.parametrize(
    ("address", "url"),
    [("tcp://127.0.0.1:5555", "http://127.0.0.1:5555"), ("tcp://[::1]:5", "http://[::1]:5"),
     ("http://h/base/", "http://h:2375/base"), ("https://h", "https://h:2376")],
)  # fmt: skip
def test_an_address_over_tcp_gives_the_base_of_requests(address: str, url: str) -> None:
    assert endpoints.docker({"HOME": "/no", "DOCKER_HOST": address}).url == url


@pytest.mark.parametrize(
    ("address", "local"),
    [("unix:///s", True), ("tcp://127.0.0.1:1", True), ("tcp://[::1]:1", True),
     ("tcp://localhost:1", True), ("tcp://192.0.2.1:1", False), ("tcp://engine.example:1", False)],
)  # fmt: skip
def test_an_offline_scan_asks_an_engine_of_this_machine_alone(address: str, *, local: bool) -> None:
    options = EngineOptions(environ={"HOME": "/no", "DOCKER_HOST": address}, offline=True)
    with EngineImages(options) as images, pytest.raises(InputError) as caught:
        # Nobody listens there; an engine of another machine is not even asked.
        images.open_image("shop:1", ImageOrigin.DOCKER)
    assert ("not of this machine" in caught.value.message) is not local


def test_without_anything_named_docker_is_at_its_own_socket() -> None:
    found = endpoints.docker({"HOME": "/no"})
    assert (found.socket, found.named_by) == ("/var/run/docker.sock", "the default")


@pytest.mark.parametrize(
    "name",
    ["shop", "shop:1", "acme/shop:1.2", "host:5000/a/b:1", "HOST.example/a", "a__b/c-d.e:_T",
     f"shop@sha256:{'a' * 64}", f"shop:1@sha256:{'a' * 64}", "[::1]:5000/a:1", "0123456789ab",
     f"sha256:{'b' * 64}"],
)  # fmt: skip
def test_what_docker_takes_for_a_name_is_one(name: str) -> None:
    assert references.is_reference(name)


@pytest.mark.parametrize(
    "name",
    ["", "Shop", "shop:", ":1", "shop:1:2", "a//b", "/a", "a/", "../a", "a/../b", "a b", "a?b", "a#b",
     "a\n", "ä", "shop@sha256:abc", "shop:1 ", "a%2e", "-a", "a..b", "a" * 2000],
)  # fmt: skip
def test_what_docker_takes_for_no_name_is_none(name: str) -> None:
    assert not references.is_reference(name)


@given(st.text(alphabet="aA0._-/:@%? \n.", max_size=60))
def test_a_name_never_leaves_its_place_in_a_path(name: str) -> None:
    if references.is_reference(name):
        assert not {".", "..", ""} & set(name.split("/"))
        assert not set(name) & set("?#% \n")


@pytest.mark.parametrize(
    ("wanted", "found", "run"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/x86_64", "linux/amd64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/aarch64", "linux/arm64/v8", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm", "linux/arm/v6", True),
        ("linux/386", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
        ("amd64", "linux/amd64", True),
    ],
)
def test_a_machine_runs_the_platforms_that_its_own_covers(
    wanted: str, found: str, *, run: bool
) -> None:
    assert platforms.runs(wanted, found) is run
