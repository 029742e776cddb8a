"""Which binds are loopback, as real sockets show it."""

import socket
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.exposure.addresses import is_loopback
from tests.support.components import missing

LOOPBACK = ["127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1",
            "017700000001", "127.255.255.254", "localhost", "LOCALHOST", "::1", "::ffff:127.0.0.1",
            "0:0:0:0:0:0:0:1"]  # fmt: skip
BEYOND = ["0.0.0.0", "0", "0.0", "0x0", "00", "::", "0::0", "::ffff:0.0.0.0"]


def bound(address: str, *, only_6: bool | None = None) -> socket.socket:
    """Return a socket that listens where a program would be told to, or skip the test."""
    try:
        (family, kind, protocol, _, place), *_ = socket.getaddrinfo(
            address, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        server = socket.socket(family, kind, protocol)
    except OSError:
        missing(f"{address} cannot be bound here")
    if only_6 is not None:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_6))
    try:
        server.bind(place)
    except OSError:
        server.close()
        missing(f"{address} cannot be bound here")
    server.listen()
    return server


def own_addresses() -> list[str]:
    """Return an address of this machine other than loopback, as another one would see it."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return []
        name: str = probe.getsockname()[0]
        return [name] if not name.startswith(("127.", "0.")) else []


def reached(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("address", [*LOOPBACK, *BEYOND])
def test_an_address_is_bound_where_it_is_said_to_be(address: str) -> None:
    with closing(bound(address)) as server:
        place = server.getsockname()[0].removeprefix("::ffff:")
        assert (place == "::1" or place.startswith("127.")) is is_loopback(address)
        others = own_addresses()
        if not others:
            missing("this machine has no address but loopback")
        if is_loopback(address):
            assert not reached(others[0], server.getsockname()[1])
        else:
            assert reached(others[0], server.getsockname()[1])


@pytest.mark.parametrize("only_6", [False, True])
def test_every_address_of_ipv6_is_beyond_loopback_whether_or_not_it_takes_ipv4(
    *, only_6: bool
) -> None:
    with closing(bound("::", only_6=only_6)) as server:
        assert reached("127.0.0.1", server.getsockname()[1]) is not only_6
        assert reached("::1", server.getsockname()[1])
    assert is_loopback("::") is False


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("[::1]", True),
        ("[::]", False),
        ("ip6-localhost", True),
        ("ip6-loopback", True),
        ("fe80::1%eth0", False),
        ("10.1.2.3", False),
        ("128.0.0.1", False),
        ("1270", False),
        ("web", None),
        ("localhost.example.org", None),
        ("localhost.localdomain", None),
        ("127.0.0.1.example.org", None),
        ("127.0.0.256", None),
        ("127.0.0.1.1", None),
        ("0x7g.1", None),
        ("", None),
        ("1" * 400, None),
    ],
)
def test_other_addresses_and_names(address: str, *, expected: bool | None) -> None:
    assert is_loopback(address) is expected


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    assert is_loopback(text) in {True, False, None}


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_the_numbers_of_an_address_are_the_address(address: object) -> None:
    assert is_loopback(str(int(address))) is is_loopback(str(address))  # type: ignore[call-overload]
