"""Sentences that the messages of several rules share."""

from deployguard.model.evidence import Answer
from deployguard.model.facts import Facts, Listener, Reach, Scope

_UNIX = "unix:"


def who_reaches(reach: Reach) -> str:
    """Say who gets to a listener, without a full stop."""
    match reach.scope:
        case Scope.NONE:
            return "nobody reaches it over a network"
        case Scope.LOOPBACK:
            return "reachable only from inside the container (in a Pod, from its other containers)"
        case Scope.PRIVATE:
            return "reachable from the other containers or pods of its networks"
        case Scope.HOST:
            return "reachable from the machine that runs the container"
        case Scope.PUBLIC:
            return "reachable from beyond the machine that runs the container"
        case None:
            return "who reaches it cannot be told"


def where(listeners: tuple[Listener, ...]) -> str:
    """Name the addresses that are listened on, as " on 0.0.0.0:5000"; "" where none is known."""
    names = [_address(entry.address, entry.port) for entry in listeners if entry.address]
    return f" on {', '.join(dict.fromkeys(names))}" if names else ""


def verb(answer: Answer, settled: str, open_: str) -> str:
    """Return the settled form of a verb for yes, else the open one."""
    return settled if answer is Answer.YES else open_


def serving(facts: Facts, listeners: tuple[Listener, ...], subject: str) -> str:
    """Say that `subject` serves or may serve, where, and who reaches it."""
    serves = verb(facts.dev_server.answer, "serves", "may serve")
    return f"{subject} {serves}{where(listeners)}: {who_reaches(facts.reachable)}."


def _address(address: str, port: int | None) -> str:
    if address.startswith(_UNIX) or port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
