"""Ports and networks as the real Docker Compose reads them, refusals included."""

from pathlib import Path

import pytest

from deployguard.errors import InputError
from tests.support.compose_oracle import resolved
from tests.support.exposure import project

_SHORT = [
    "5000",
    '"5000"',
    "5000.0",
    '"5000:5000/TCP"',
    '"80:5000/sctp"',
    '"80:5000/x"',
    '"5000-5002"',
    '"6000-6002:5000-5002"',
    '"6000-6001:5000"',
    '"6000:5000-5001"',
    '"127.0.0.1:5000"',
    '"127.0.0.1::5000"',
    '"127.0.0.1:80:5000"',
    '"[::1]:80:5000"',
    '"::1:80:5000"',
    '"localhost:80:5000"',
    '"0:5000"',
    '":5000"',
    '"80:5000:1"',
    '"70000:5000"',
    '"80:0"',
    '"80:5000/"',
    '"127.1:80:5000"',
    '"[::]:80:5000"',
    '"[fe80::1%eth0]:80:5000"',
    '"::80:5000"',
    '"80:5000/tcp/udp"',
    '"080:05000"',
    '"+80:5000"',
    '""',
    '"0.0.0.0:6000-6001:5000-5001/udp"',
    '"*:80:5000"',
    "80:5000",
    "22:22",
    '"[::ffff:127.0.0.1]:80:5000"',
    '"127.000.000.001:80:5000"',
    '"80:"',
    '"80:5001-5000"',
    '"1-70000:1"',
]
_LONG = [
    "target: 5000", 'target: "5000"', "target: 5000, published: 80", 'target: 5000, published: ""',
    'target: 5000, published: "80-90"', "target: 5000, published: 0", "published: 80",
    'target: "5000-5001"', "target: 5000, protocol: udp", "target: 5000, host_ip: localhost",
    'target: 5000, host_ip: "::1"', 'target: 5000, host_ip: "[::1]"', 'target: 5000, host_ip: ""',
    "target: 5000, mode: host, name: web, app_protocol: http, x-a: 1", "target: 5000.0",
    "target: 5000, published: 1.5", "target: 5000, foo: 1", "target: 5000, published: null",
    "target: 0x50", 'target: "+5"', "target: 5000, host_ip: 127.0.0.1, published: 1",
]  # fmt: skip
PORTS = (*_SHORT, *(f"{{{fields}}}" for fields in _LONG), '"80:5000", "80:5000"',
         '"80:5000", {target: 5000, published: "80"}', '"80:5000", "80:5000/udp"')  # fmt: skip


@pytest.mark.parametrize("port", PORTS)
def test_a_port_is_read_as_compose_reads_it(port: str, tmp_path: Path) -> None:
    text = f"services: {{web: {{image: a, ports: [{port}]}}}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    theirs = resolved(tmp_path)
    if isinstance(theirs, str):
        with pytest.raises(InputError):
            project(tmp_path, {"compose.yaml": text})
        return
    (spec,) = project(tmp_path, {"compose.yaml": text})
    expected = [
        (one["target"], one["protocol"], one.get("host_ip", "0.0.0.0"), one.get("published", "0"))
        for one in theirs["services"]["web"]["ports"]
    ]
    found = [
        (one.container, one.protocol, host.strip("[]"), number)
        for one in spec.ports
        for host, _, number in [(one.published or "").rpartition(":")]
    ]
    assert sorted(found) == sorted(expected)


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
