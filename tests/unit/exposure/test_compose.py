"""Who reaches a service of a compose project."""

from pathlib import Path

import pytest

from deployguard.errors import InputError
from tests.support.exposure import in_project, project, shown

DB = "  db: {image: b}\n"


def web(fields: str, more: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in fields.splitlines())
    return f"services:\n  web:\n    image: a\n{lines}{more}"


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("'8000:5000'", "public"),
        ("'5000'", "public"),
        ("5000", "public"),
        ("':5000'", "public"),
        ("'8000:5000/tcp'", "public"),
        ("'8000:5000/TCP'", "public"),
        ("'8000:5000/udp'", "private"),
        ("'5000:8000'", "private"),
        ("'127.0.0.1:8000:5000'", "host"),
        ("'127.0.0.1::5000'", "host"),
        ("'127.3.2.1:8000:5000'", "host"),
        ("'[::1]:8000:5000'", "host"),
        ("'::1:8000:5000'", "host"),
        ("'[::ffff:127.0.0.1]:8000:5000'", "host"),
        ("'[::]:8000:5000'", "public"),
        ("'192.168.1.7:8000:5000'", "public"),
        ("'8000-8002:4999-5001'", "public"),
        ("'8000-8002:5001-5003'", "private"),
        ("'8000-8010:5000'", "public"),
        ("{target: 5000}", "public"),
        ("{target: 5000, published: '8000-8010'}", "public"),
        ("{target: 5000, published: ''}", "public"),
        ("{target: 5000, published: 80, host_ip: 127.0.0.1}", "host"),
        ("{target: 5000, published: 80, host_ip: '::1'}", "host"),
        ("{target: 5000, published: 80, protocol: udp}", "private"),
        ("{target: 5000, published: 80, mode: host, name: web, app_protocol: http}", "public"),
        ("{target: 80, published: 5000}", "private"),
        ("'127.0.0.1:80:5000', '81:5000'", "public"),
        ("'127.0.0.1:80:5000', '81:5001'", "host"),
    ],
)
def test_a_published_port_leads_to_what_listens_there(
    port: str, expected: str, tmp_path: Path
) -> None:
    text = web(f"ports: [{port}]")
    assert shown(in_project(tmp_path, text)) == expected
    assert shown(in_project(tmp_path, text, address="127.0.0.1")) == "loopback"
    assert shown(in_project(tmp_path, text, address="unix:/run/app.sock")) == "none"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", "private"),
        ("expose: ['5000']", "private"),
        ("network_mode: bridge", "private"),
        ("network_mode: ''", "private"),
        ("network_mode: host", "public"),
        ("network_mode: none", "loopback"),
        ("network_mode: somewhere", "private"),
        ("network_mode: container:other", "unknown: the network of the container other"),
        ("network_mode: ns:/run/netns/a", "unknown: the network namespace /run/netns/a"),
        ("links: [db]", "private"),
        ("labels: {traefik.enable: 'true'}", "private"),
        ("deploy: {replicas: 2, endpoint_mode: dnsrr}", "private"),
    ],
)
def test_the_network_mode_and_what_publishes_nothing(
    fields: str, expected: str, tmp_path: Path
) -> None:
    assert shown(in_project(tmp_path, web(fields, DB))) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("host", "host"), ("none", "loopback"), ("bridge", "loopback"),
     ("container:other", "unknown: the network of the container other")],
)  # fmt: skip
def test_loopback_is_the_machines_in_its_network(mode: str, expected: str, tmp_path: Path) -> None:
    text = web(f"network_mode: {mode}")
    assert shown(in_project(tmp_path, text, address="127.0.0.1")) == expected


PUBLISHED = "ports: ['8000:5000']\n"
ON_LOOPBACK = "ports: ['127.0.0.1:8000:5000']\n"
BINDING = "com.docker.network.bridge.host_binding_ipv4"
MODE = "com.docker.network.bridge.gateway_mode_ipv4"


@pytest.mark.parametrize(
    ("joined", "networks", "unpublished", "published"),
    [
        ("", "default: {}", "private", "public"),
        ("", "default: {internal: true}", "private", "private"),
        ("", "default: {internal: false}", "private", "public"),
        ("networks: [a]", "a: ", "private", "public"),
        ("networks: [a]", "a: {internal: 'true'}", "private", "private"),
        ("networks: [a, default]", "a: {internal: true}", "private", "public"),
        ("networks: [a, b]", "a: {internal: true}, b: {internal: true}", "private", "private"),
        ("networks: {a: {aliases: [x]}}", "a: {internal: true}", "private", "private"),
        ("networks: [a]", "a: {external: true}", "private", "public"),
        ("networks: [a]", "a: {external: true, name: host}", "public", "public"),
        ("networks: [a]", "a: {external: {name: host}}", "public", "public"),
        ("networks: [a]", "a: {external: true, name: none}", "loopback", "loopback"),
        ("networks: [a]", "a: {driver: overlay, internal: true}", "private", "public"),
        ("networks: [a]", "a: {driver: macvlan}", "private", "private"),
        ("networks: [a]", "a: {driver: macvlan, driver_opts: {parent: eth0}}", "public", "public"),
        ("networks: [a]", "a: {driver: ipvlan, driver_opts: {parent: eth0}}", "public", "public"),
        ("networks: [a]", "a: {driver: macvlan, external: true}", "public", "public"),
        ("networks: [a]", "a: {driver: macvlan, internal: true, driver_opts: {parent: eth0}}",
         "private", "private"),
        ("networks: [a]", "a: {driver: weave}",
         "unknown: who reaches the network a of the driver weave", "public"),
        ("networks: [a]", f"a: {{driver_opts: {{{BINDING}: 127.0.0.1}}}}", "private", "host"),
        ("networks: [a, b]", f"a: {{driver_opts: {{{BINDING}: 127.0.0.1}}}}, b: ",
         "private", "public"),
        ("networks: [a]", f"a: {{driver_opts: {{{MODE}: nat-unprotected}}}}", "public", "public"),
        ("networks: [a]", f"a: {{driver_opts: {{{MODE}: routed}}}}",
         "unknown: who is routed to the network a", "public"),
    ],
)  # fmt: skip
def test_networks_of_a_service(
    joined: str, networks: str, unpublished: str, published: str, tmp_path: Path
) -> None:
    top = f"networks: {{{networks}}}\n"
    assert shown(in_project(tmp_path, web(joined, top))) == unpublished
    assert shown(in_project(tmp_path, web(PUBLISHED + joined, top))) == published
    within = shown(in_project(tmp_path, web(joined, top), address="127.0.0.1"))
    assert within == ("host" if "host}" in networks else "loopback")


def test_a_port_on_loopback_of_a_network_that_is_not_known_may_be_reached_from_beyond(
    tmp_path: Path,
) -> None:
    text = web(f"{ON_LOOPBACK}networks: [a]", "networks: {a: {driver: weave}}\n")
    assert (
        shown(in_project(tmp_path, text))
        == "unknown: who reaches the network a of the driver weave"
    )


SHARED = """\
services:
  web: {image: a, network_mode: "service:proxy"}
  proxy: {image: b, container_name: front, FIELDS}
  side: {image: c, network_mode: "container:front"}
  deep: {image: d, network_mode: "service:side"}
  away: {image: e}
"""


@pytest.mark.parametrize("service", ["web", "proxy", "side", "deep"])
@pytest.mark.parametrize(
    ("fields", "beyond", "loopback"),
    [
        ("ports: ['80:5000']", "public", "loopback"),
        ("ports: ['127.0.0.1:80:5000']", "host", "loopback"),
        ("ports: ['80:80']", "private", "loopback"),
        ("network_mode: host", "public", "host"),
        ("network_mode: none", "loopback", "loopback"),
        ("network_mode: container:x", "unknown: the network of the container x",
         "unknown: the network of the container x"),
    ],
)  # fmt: skip
def test_services_that_share_a_network_share_what_is_published_into_it(
    service: str, fields: str, beyond: str, loopback: str, tmp_path: Path
) -> None:
    text = SHARED.replace("FIELDS", fields)
    assert shown(in_project(tmp_path, text, service)) == beyond
    assert shown(in_project(tmp_path, text, service, "127.0.0.1")) == loopback
    assert shown(in_project(tmp_path, text, "away")) == "private"


@pytest.mark.parametrize(
    "text",
    [
        web("networks: [a]"),
        web("networks: {a: {}}", "networks: {b: {}}\n"),
        web("network_mode: service:db"),
        web("network_mode: service:web"),
        web("network_mode: service:db", "  db: {image: b, network_mode: 'service:web'}\n"),
        web("network_mode: service:db", "  db: {image: b, profiles: [p]}\n"),
    ],
)
def test_networks_that_compose_does_not_find_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        project(tmp_path, {"compose.yaml": text})
    assert caught.value.location is not None
    assert caught.value.hint


def test_the_evidence_says_in_whose_network_a_service_is(tmp_path: Path) -> None:
    found = in_project(tmp_path, SHARED.replace("FIELDS", "ports: ['80:5000']"))
    assert [step.note for step in found.claim.evidence] == [
        "it listens on 0.0.0.0",
        "it shares the network of the service proxy",
        "port 5000 is published on 0.0.0.0:80",
    ]
