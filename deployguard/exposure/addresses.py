"""Which addresses are loopback, as getaddrinfo(3) reads what a program binds."""

import ipaddress
import re

# What /etc/hosts of a container names (moby libnetwork/etchosts, kubelet_pods.go hostsFileContent).
_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback"})
# The numbers of inet_aton(3): decimal, octal or hexadecimal, one to four of them.
_NUMBER = r"(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,16})"
_NUMBERS = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}", re.ASCII)


def is_loopback(address: str) -> bool | None:
    """Say whether an address is loopback only; None for a name that the network must resolve.

    "0" is every address and "127.1", "0x7f.1" and "2130706433" are loopback, as inet_aton has it.
    """
    text = address.strip()
    if text.lower() in _LOOPBACK_NAMES:
        return True
    written = is_loopback_address(text)
    return _by_numbers(text) if written is None else written


def is_loopback_address(text: str) -> bool | None:
    """Say whether an IP address is loopback; None for what is none, in whole and in full."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _by_numbers(text: str) -> bool | None:
    if not _NUMBERS.fullmatch(text):
        return None
    import socket  # noqa: PLC0415  (for the few addresses that are no plain ones)

    try:
        packed = socket.inet_aton(text)
    except OSError:
        return None
    return ipaddress.IPv4Address(packed).is_loopback
