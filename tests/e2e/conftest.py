"""The engines that tests of whole commands share."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.support.engine import client, engine
from tests.support.podman import podman


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
def podman_host() -> Iterator[str]:
    with podman() as address:
        yield address


@pytest.fixture(scope="module")
def podman_client(podman_host: str) -> Iterator[DockerClient]:
    opened = client(podman_host)
    yield opened
    opened.close()
