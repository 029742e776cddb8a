"""Who gets an answer from a service that Docker Compose started is who is said to reach it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from deployguard.model.facts import Scope
from tests.support import networked_engine
from tests.support.daemons import client
from tests.support.exposure import in_project
from tests.support.networked_engine import HERE, IMAGE, WIRE, Machine

pytestmark = pytest.mark.engine

_BINDING = "com.docker.network.bridge.host_binding_ipv4"
_LINK = f"{{driver: macvlan, driver_opts: {{parent: {WIRE}}}, ipam: {{config: [{{subnet: 198.18.0.0/24, ip_range: 198.18.0.128/25}}]}}}}"

# Fields of the service, and what stands at the top; PORT is one of the machine's.
PROJECTS = {
    "nothing published": ("", ""),
    "exposed": ("expose: ['5000']", ""),
    "published": ("ports: ['PORT:5000']", ""),
    "published on a port of the engine's choice": ("ports: ['5000']", ""),
    "published on loopback": ("ports: ['127.0.0.1:PORT:5000']", ""),
    "published on another address of loopback": ("ports: ['127.0.0.7:PORT:5000']", ""),
    "published on loopback of IPv6": ("ports: ['[::1]:PORT:5000']", ""),
    "published on every address of IPv6": ("ports: ['[::]:PORT:5000']", ""),
    "published on the machine's address": (f"ports: ['{HERE[0]}:PORT:5000']", ""),
    "published from another port": ("ports: ['PORT:5001']", ""),
    "published for UDP": ("ports: ['PORT:5000/udp']", ""),
    "published in the long form": (
        "ports: [{target: 5000, published: PORT, host_ip: 127.0.0.1, mode: host}]", ""
    ),
    "on loopback and beyond": ("ports: ['127.0.0.1:PORT:5000', '5000']", ""),
    "an internal network": (
        "networks: [a]\nports: ['PORT:5000']", "networks: {a: {internal: true}}"
    ),
    "the default network is internal": (
        "ports: ['PORT:5000']", "networks: {default: {internal: true}}"
    ),
    "an internal network and another": (
        "networks: [a, b]\nports: ['PORT:5000']", "networks: {a: {internal: true}, b: {}}"
    ),
    "a network that binds to loopback": (
        "networks: [a]\nports: ['PORT:5000']",
        f"networks: {{a: {{driver_opts: {{{_BINDING}: 127.0.0.1}}}}}}",
    ),
    "the machine's network": ("network_mode: host", ""),
    "no network": ("network_mode: none", ""),
    "the default bridge": ("network_mode: bridge\nports: ['PORT:5000']", ""),
    "on the wire": ("networks: [a]", f"networks: {{a: {_LINK}}}"),
    "the network of a service that publishes": (
        "network_mode: service:other", "OTHER: ports: ['PORT:5000']"
    ),
    "the network of a service that publishes on loopback": (
        "network_mode: service:other", "OTHER: ports: ['127.0.0.1:PORT:5000']"
    ),
    "the network of a service that publishes nothing": ("network_mode: service:other", "OTHER: "),
    "the network of a service in the machine's": (
        "network_mode: service:other", "OTHER: network_mode: host"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with networked_engine.running() as found:
        yield found


@pytest.fixture(scope="module")
def engine(machine: Machine) -> Iterator[DockerClient]:
    found = client(machine.host)
    yield found
    found.close()


def written(name: str, address: str, number: int) -> str:
    """Return a compose file: the service, one beside it in its networks, and the other."""
    fields, top = PROJECTS[name]
    other = top.removeprefix("OTHER: ") if top.startswith("OTHER: ") else ""
    networks = "\n".join(line for line in fields.splitlines() if line.startswith("networks"))
    served = f"command: [httpd, -f, -p, '{address}:5000']"
    idle = "command: [sleep, '1000']"
    services = [
        ("web", f"{served}\n{fields}"),
        ("other", f"{idle}\n{other}"),
        ("peer", f"{idle}\n{networks}"),
    ]
    text = "services:\n"
    for service, lines in services:
        text += (
            f"  {service}:\n    image: {IMAGE}\n    entrypoint: [/bin/busybox]\n    init: false\n"
        )
        text += "".join(f"    {line}\n" for line in lines.splitlines() if line)
    text += "" if top.startswith("OTHER: ") else f"{top}\n"
    return text.replace("PORT", str(number))


def measured(machine: Machine, engine: DockerClient, project: str) -> Scope:
    """Return who gets an answer, from the farthest on."""
    held = networked_engine.inspected(engine, project)
    published = sorted({number for one in held.values() for number in _published(one)} | {5000})
    addresses = sorted({address for one in held.values() for address in _addresses(one)})
    web = held["web"]["State"]["Pid"]
    networked_engine.wait_for(web, 5000)
    on_wire = [(address, 5000) for address in addresses if address.startswith("198.18.")]
    if any(
        machine.answers_outside(*place)
        for place in [*((here, number) for here in HERE for number in published), *on_wire]
    ):
        return Scope.PUBLIC
    loopback = ("127.0.0.1", "127.0.0.7", "::1")
    if any(machine.answers_itself(one, number) for one in loopback for number in published):
        return Scope.HOST
    peer = held["peer"]["State"]["Pid"]
    if any(machine.answers_container(peer, address, 5000) for address in addresses):
        return Scope.PRIVATE
    inside = ("127.0.0.1", *addresses)
    return (
        Scope.LOOPBACK
        if any(machine.answers_container(web, address, 5000) for address in inside)
        else Scope.NONE
    )


def _published(container: dict[str, Any]) -> list[int]:
    ports = container["NetworkSettings"]["Ports"] or {}
    return [int(one["HostPort"]) for bindings in ports.values() for one in bindings or ()]


def _addresses(container: dict[str, Any]) -> list[str]:
    networks = container["NetworkSettings"]["Networks"].values()
    return [one["IPAddress"] for one in networks if one["IPAddress"]]


ON_LOOPBACK = ("published", "the machine's network", "no network", "on the wire",
               "the network of a service in the machine's")  # fmt: skip
# What CI has time for; `make long` takes all.
OFTEN = ("nothing published", "published", "published on loopback", "published from another port",
         "published for UDP", "an internal network", "an internal network and another",
         "a network that binds to loopback", "no network",
         "the network of a service that publishes on loopback")  # fmt: skip
CASES = [
    pytest.param(name, address, marks=() if name in often else pytest.mark.long)
    for address, often in (("0.0.0.0", OFTEN), ("127.0.0.1", ON_LOOPBACK))
    for name in PROJECTS
]


@pytest.mark.parametrize(("name", "address"), CASES)
def test_who_is_answered_is_who_is_said_to_reach_it(
    name: str, address: str, machine: Machine, engine: DockerClient, tmp_path: Path
) -> None:
    text = written(name, address, 20_000)
    project = tmp_path.name.lower().replace("[", "").replace("]", "")
    (tmp_path / "compose.yaml").write_text(text)
    machine.compose(tmp_path, "-p", project, "up", "-d", "--pull", "never")
    try:
        found = measured(machine, engine, project)
    finally:
        machine.compose(tmp_path, "-p", project, "down", "-t", "0", "-v")
    assert in_project(tmp_path, text, address=address).scope is found
