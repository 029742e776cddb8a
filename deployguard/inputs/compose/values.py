"""Values that compose makes numbers of: durations, sizes, counts, and commands in one text.

What it cannot read it refuses, in services of any profile. Follows go-units RAMInBytes,
xhit/go-str2duration and the types of compose-go.
"""

import math
import re
from collections.abc import Callable, Iterator

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose import words
from deployguard.inputs.compose.trees import Path, path, section, string
from deployguard.model.evidence import Location

_COMMAND_LIMIT = 256 * 1024
_DURATION = re.compile(
    r"[-+]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h|d|w))+)"
)
_SIZE = re.compile(
    r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:b|([kmgtp])(?:i?b)?)?", re.ASCII | re.IGNORECASE
)
_POWERS: dict[str, int] = {letter: 1024**power for power, letter in enumerate("kmgtp", 1)}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_DEVICE = re.compile(r"(?:[^:]*:){0,2}[^:]*")


def check_values(whole: Mapping) -> None:
    """Raise SyntaxInputError for a value of a service that compose cannot read."""
    for name, service in section(whole, "services").items():
        for where, check in _CHECKS.items():
            for node in _found(service, where):
                check(node, f"services.{name}.{'.'.join(where)}")


def _found(node: Node, where: Path) -> Iterator[Node]:
    """Yield what lies at a path below a node."""
    if not where:
        yield node
    elif isinstance(node, Sequence) and where[0] == "[]":
        for item in node.items:
            yield from _found(item, where[1:])
    elif isinstance(node, Mapping):
        inner = node.get(where[0])
        if inner is not None:
            yield from _found(inner, where[1:])


def _unread(name: str, node: Node, what: str, example: str) -> SyntaxInputError:
    return SyntaxInputError(
        f"{name} should be {what}", location=node.location, hint=f"write it as in {example}"
    )


def _duration(node: Node, name: str) -> None:
    value = string(node)
    if value and not _DURATION.fullmatch(value):
        raise _unread(name, node, "a duration", "90s")


def _number(node: Node, name: str) -> None:
    value = string(node)
    if value is not None and not _NUMBER.fullmatch(value):
        raise _unread(name, node, "a number", "0.5")


def _count(node: Node, name: str) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, int) and node.value < 0:
        raise _unread(name, node, "0 or more", "1")


def _device(node: Node, name: str) -> None:
    if not _DEVICE.fullmatch(string(node) or ""):
        raise _unread(name, node, "a device", "/dev/a:/dev/b")


def _group(node: Node, name: str) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, float):
        raise _unread(name, node, "a group", "1000")


def _cards(node: Node, name: str) -> None:
    value = string(node)
    if value is not None and value != "all" and not value.isdecimal():
        raise _unread(name, node, "all or a number", "all")


def _command(node: Node, name: str) -> None:
    value = string(node)
    if value is not None:
        split(value, name.rpartition(".")[2], node.location)


def size(node: Node | None, name: str) -> float:
    """Return a number of bytes, 0 where none is given. Raises SyntaxInputError."""
    if not isinstance(node, Scalar) or node.value is None:
        return 0
    if isinstance(node.value, int | float):
        return node.value
    match = _SIZE.fullmatch(node.value)
    number = float(match[1]) if match is not None else math.inf
    if match is None or math.isinf(number):
        raise _unread(name, node, "a size", "512m")
    return number * _POWERS.get((match[2] or "").lower(), 1)


def split(text: str, name: str, place: Location) -> list[str]:
    """Return the words of a command. Raises SyntaxInputError for a quote that is not closed."""
    if len(text) > _COMMAND_LIMIT:
        raise LimitError(
            f"{name} has more than {_COMMAND_LIMIT // 1024} KiB",
            location=place,
            hint="no process takes arguments of that length",
        )
    found = words.split(text)
    if found is None:
        raise SyntaxInputError(
            f"{name} has a quote that is not closed, or a parenthesis",
            location=place,
            hint="close it, or write the words as a list",
        )
    return found


_CHECKS: dict[Path, Callable[[Node, str], object]] = {
    path(field): check
    for check, fields in {
        _duration: (
            "stop_grace_period", "healthcheck.interval", "healthcheck.timeout",
            "healthcheck.start_period", "healthcheck.start_interval", "deploy.update_config.delay",
            "deploy.update_config.monitor", "deploy.rollback_config.delay",
            "deploy.rollback_config.monitor", "deploy.restart_policy.delay",
            "deploy.restart_policy.window",
        ),
        size: (
            "mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size",
            "build.shm_size", "deploy.resources.limits.memory",
            "deploy.resources.reservations.memory", "volumes.[].tmpfs.size",
            "blkio_config.device_read_bps.[].rate", "blkio_config.device_write_bps.[].rate",
        ),
        _number: ("deploy.resources.limits.cpus", "deploy.resources.reservations.cpus"),
        _count: ("scale", "deploy.replicas"),
        _device: ("devices.[]",),
        _group: ("group_add.[]",),
        _cards: ("gpus.[].count",),
        _command: ("command", "entrypoint", "post_start.[].command", "pre_stop.[].command"),
    }.items()
    for field in fields
}  # fmt: skip
