"""Several listeners and programs, and those that cannot be told."""

import pytest

from deployguard import exposure
from deployguard.model.container import ContainerKind, ContainerSpec, Network, Port
from deployguard.model.evidence import Answer, Location, Missing, Reason, unknown, yes
from deployguard.model.facts import Facts, Listener, Scope
from deployguard.model.filesystem import Unread
from tests.support.exposure import listener, program, shown

HERE = Location("image config")
IMAGE = Unread(Missing(Reason.IMAGE, "the image shop"))


def spec(
    *ports: Port, network: Network = Network.DEFAULT, kind: ContainerKind = ContainerKind.IMAGE
) -> ContainerSpec:
    return ContainerSpec(
        target="t", subject="s", name="s", kind=kind, location=HERE, image=IMAGE, ports=ports,
        network=network,
    )  # fmt: skip


def reached(*listeners: Listener) -> str:
    return shown(exposure.reach(spec(), (program(*listeners),)))


UNSAID = listener(None, debugger=Answer.NO)
PUBLIC = Port(5000, "tcp", "0.0.0.0:80", HERE)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("0.0.0.0", "private"), ("::", "private"), ("127.0.0.1", "loopback"), ("::1", "loopback"),
     ("unix:/a", "none")],
)  # fmt: skip
def test_an_image_on_its_own_is_published_nowhere(address: str, expected: str) -> None:
    exposed = Port(5000, "tcp", None, HERE)
    assert shown(exposure.reach(spec(exposed), (program(listener(address)),))) == expected


def test_the_farthest_listener_counts() -> None:
    near, far = listener("127.0.0.1"), listener("0.0.0.0")
    assert reached(near, far) == reached(far, near) == "private"
    assert reached(near, listener("unix:/a")) == "loopback"


def test_the_debuggers_listeners_count_where_one_comes_up() -> None:
    debugger, plain = listener("127.0.0.1"), listener("0.0.0.0", debugger=Answer.NO)
    assert reached(debugger, plain) == "loopback"
    assert reached(plain) == "private"
    both = exposure.reach(spec(), (program(plain), program(debugger)))
    assert shown(both) == "loopback"


def test_one_that_cannot_be_told_leaves_all_open_but_what_is_public() -> None:
    near = listener("127.0.0.1", debugger=Answer.NO)
    assert reached(UNSAID, near) == "unknown: the address it listens on"
    far = listener("0.0.0.0", debugger=Answer.NO)
    assert shown(exposure.reach(spec(PUBLIC), (program(UNSAID, far),))) == "public"


def test_what_is_missing_of_several_is_joined() -> None:
    name = listener("shop.example.org", debugger=Answer.NO)
    assert reached(UNSAID, name) == (
        "unknown: the address it listens on; which address shop.example.org is in the container"
    )


def test_a_program_that_may_listen_somewhere_leaves_it_open() -> None:
    silent = program(server="unknown")
    assert shown(exposure.reach(spec(), (silent,))) == "unknown: where flask listens"
    image = Missing(Reason.IMAGE, "the image shop")
    unread = program(server="unknown", facts=Facts(dev_server=unknown(image)))
    assert shown(exposure.reach(spec(), (unread,))) == "unknown: the image shop"
    nothing = program(server="none", facts=Facts(dev_server=yes()))
    assert exposure.reach(spec(), (nothing,)).scope is Scope.NONE
    assert exposure.reach(spec(), ()).scope is Scope.NONE


@pytest.mark.parametrize(
    ("network", "beyond", "loopback"),
    [
        (Network.DEFAULT, "public", "loopback"),
        (Network.HOST, "public", "host"),
        (Network.NONE, "loopback", "loopback"),
        (Network.INTERNAL, "private", "loopback"),
        (Network.DIRECT, "public", "loopback"),
    ],
)
def test_what_a_network_lets_in(network: Network, beyond: str, loopback: str) -> None:
    for kind in ContainerKind:
        held = spec(PUBLIC, network=network, kind=kind)
        for address, expected in (
            ("0.0.0.0", beyond),
            ("127.0.0.1", loopback),
            ("unix:/a", "none"),
        ):
            assert shown(exposure.reach(held, (program(listener(address)),))) == expected


def test_a_port_that_is_not_known_may_be_the_one_that_is_published() -> None:
    for port in (None, 0):
        held = (program(listener("0.0.0.0", port)),)
        assert shown(exposure.reach(spec(PUBLIC), held)) == "unknown: the port it listens on"
        assert shown(exposure.reach(spec(), held)) == "private"
        assert shown(exposure.reach(spec(PUBLIC), (program(listener("::1", port)),))) == "loopback"
