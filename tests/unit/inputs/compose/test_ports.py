"""Ports and networks as the real Docker Compose reads them, refusals included."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployguard.errors import InputError
from tests.support.compose_oracle import resolved
from tests.support.effort import examples
from tests.support.exposure import project

ACCEPTED = [
    "5000", "'5000'", "'5000:5000/TCP'", "'80:5000/sctp'", "'5000-5002'", "'6000-6002:5000-5002'",
    "'6000-6001:5000'", "'127.0.0.1::5000'", "'127.0.0.1:80:5000'", "'[::1]:80:5000'",
    "'::1:80:5000'", "'0:5000'", "':5000'", "'80:5000/'", "'[::]:80:5000'", "'080:05000'",
    "'0.0.0.0:6000-6001:5000-5001/udp'", "80:5000", "22:22", "'[::ffff:127.0.0.1]:80:5000'",
    "{target: 5000}", "{target: '5000'}", "{target: 5000, published: 80}",
    "{target: 5000, published: ''}", "{target: 5000, published: '80-90'}",
    "{target: 5000, published: 0}", "{target: 5000, protocol: udp}",
    "{target: 5000, host_ip: '::1'}", "{target: 5000, host_ip: 127.0.0.1, published: 1}",
    "{target: 5000, mode: host, name: web, app_protocol: http, x-a: 1}", "{target: 5000.0}",
    "{target: 0x50}", "{target: '+5'}", "'80:5000', '80:5000'", "'80:5000', '80:5000/udp'",
    "'80:5000', {target: 5000, published: '80'}",
]  # fmt: skip
REFUSED = [
    "5000.0", "'80:5000/x'", "'6000:5000-5001'", "'127.0.0.1:5000'", "'localhost:80:5000'",
    "'80:5000:1'", "'70000:5000'", "'80:0'", "'127.1:80:5000'", "'[fe80::1%eth0]:80:5000'",
    "'::80:5000'", "'80:5000/tcp/udp'", "'+80:5000'", "''", "'*:80:5000'",
    "'127.000.000.001:80:5000'", "'80:'", "'80:5001-5000'", "'1-70000:1'",
    "{published: 80}", "{target: '5000-5001'}", "{target: 5000, host_ip: localhost}",
    "{target: 5000, host_ip: '[::1]'}", "{target: 5000, host_ip: ''}",
    "{target: 5000, published: 1.5}", "{target: 5000, foo: 1}", "{target: 5000, published: null}",
]  # fmt: skip


def written(ports: Sequence[str]) -> str:
    """Return a project with a service for each."""
    services = (f"  s{index}: {{image: a, ports: [{port}]}}\n" for index, port in enumerate(ports))
    return "services:\n" + "".join(services)


def theirs(folder: Path, text: str) -> list[list[Any]] | None:
    """Return the ports of each service as compose has them, None where it refuses them."""
    (folder / "compose.yaml").write_text(text)
    found = resolved(folder)
    if isinstance(found, str):
        return None
    services = sorted(found["services"].items(), key=lambda item: int(item[0][1:]))
    return [
        sorted(
            (one["target"], one["protocol"], one.get("host_ip", "0.0.0.0"),
             one.get("published", "0"))
            for one in service["ports"]
        )
        for _, service in services
    ]  # fmt: skip


def ours(folder: Path, text: str) -> list[list[Any]] | None:
    """Return the ports of each service as they are read here, None where they are refused."""
    try:
        specs = project(folder, {"compose.yaml": text})
    except InputError:
        return None
    return [
        sorted(
            (one.container, one.protocol, host.strip("[]"), number)
            for one in spec.ports
            for host, _, number in [(one.published or "").rpartition(":")]
        )
        for spec in specs
    ]


def test_ports_are_read_as_compose_reads_them(tmp_path: Path) -> None:
    text = written(ACCEPTED)
    expected = theirs(tmp_path, text)
    assert expected is not None
    assert ours(tmp_path, text) == expected


@pytest.mark.parametrize("port", REFUSED)
def test_a_port_that_compose_refuses_is_refused(port: str, tmp_path: Path) -> None:
    assert theirs(tmp_path, written([port])) is None
    assert ours(tmp_path, written([port])) is None


NUMBERS = st.sampled_from(["", "0", "80", "081", "5000", "65535", "65536", "5000-5001", "80-81",
                           "80-80", "90-80", "x", "-1", "1-2-3"])  # fmt: skip
HOSTS = st.sampled_from(["", "", "", "127.0.0.1", "[::1]", "::1", "0.0.0.0", "10.1", "a.b", "[::",
                         "::", "1.2.3.4.5", "127.0.0.01"])  # fmt: skip
PROTOCOLS = st.sampled_from(["", "", "/tcp", "/udp", "/UDP", "/", "/x", "/tcp/"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = [draw(NUMBERS) for _ in range(draw(st.integers(1, 2)))]
    host = draw(HOSTS)
    return "'" + ":".join([*([host] if host else []), *parts]) + draw(PROTOCOLS) + "'"


@settings(
    max_examples=examples(4, 60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(texts(), min_size=30, max_size=60, unique=True), st.data())
def test_ports_that_are_made_up_are_read_as_compose_reads_them(
    tmp_path: Path, made: list[str], data: st.DataObject
) -> None:
    taken = [port for port in made if ours(tmp_path, written([port])) is not None]
    text = written(taken)
    if taken:
        assert ours(tmp_path, text) == theirs(tmp_path, text)
    left = [port for port in made if port not in taken]
    if left:
        port = data.draw(st.sampled_from(left))
        assert theirs(tmp_path, written([port])) is None, port


NETWORKS = {
    "undefined": "services: {web: {image: a, networks: [a]}}",
    "undefined mode": "services: {web: {image: a, network_mode: 'service:x'}}",
    "no service in the mode": "services: {web: {image: a, network_mode: 'service:'}}",
    "own": "services: {web: {image: a, network_mode: 'service:web'}}",
    "cycle": "services: {web: {image: a, network_mode: 'service:db'}, "
    "db: {image: a, network_mode: 'service:web'}}",
    "left out": "services: {web: {image: a, network_mode: 'service:db'}, "
    "db: {image: a, profiles: [p]}}",
    "shared": "services: {web: {image: a, network_mode: 'service:db'}, db: {image: a}}",
    "defined": "services: {web: {image: a, networks: [a]}}\nnetworks: {a: }",
    "default": "services: {web: {image: a, networks: [default]}}",
    "none listed": "services: {web: {image: a, networks: []}}",
    "mode empty": "services: {web: {image: a, network_mode: ''}}",
    "filled in": "services: {web: {image: a, network_mode: 'service:${X:-db}'}, db: {image: a}}",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_project_whose_networks_compose_refuses_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(NETWORKS[name])
    if isinstance(resolved(tmp_path), str):
        with pytest.raises(InputError):
            project(tmp_path, {"compose.yaml": NETWORKS[name]})
    else:
        assert project(tmp_path, {"compose.yaml": NETWORKS[name]})
