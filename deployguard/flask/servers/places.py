"""Where servers listen: their words for it, as listeners."""

from deployguard.flask.servers.words import Words
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.facts import Listener
from deployguard.model.process import Word
from deployguard.model.structs import replace

EVERYWHERE = "0.0.0.0"  # noqa: S104  (what an empty host binds)


def at(
    host: str | None,
    port: int | str | None,
    location: Location,
    missing: tuple[Missing, ...] = (),
    *,
    default: bool = False,
) -> Listener:
    """Return a listener at a host and port; a host of None cannot be told."""
    text = "" if port is None else str(port)
    number = int(text) if text.isdigit() else None
    if host is None:
        return Listener(
            address=None,
            port=number,
            debugger=Answer.UNKNOWN,
            location=location,
            missing=missing or (Missing(Reason.ADDRESS, "the address it listens on"),),
        )
    shown = host.strip("[]") or EVERYWHERE
    shown = EVERYWHERE if shown == "*" else shown
    note = f"it listens on {shown}" + (", the default" if default else "")
    return Listener(
        address=shown,
        port=number,
        debugger=Answer.UNKNOWN,
        location=location,
        evidence=(Evidence(location, note),),
    )


def bound(word: Word, default_port: int, *, lone: str = "host") -> Listener:
    """Return the listener of "HOST:PORT", "unix:PATH" and the like.

    `lone` says what a text without a colon is: a "host" or a "port".
    """
    text = word.value
    if text is None:
        return at(None, None, word.location, word.missing)
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("//") else path
        return at(f"unix:{path}", None, word.location)
    if text.startswith("fd://"):
        missing = Missing(Reason.ADDRESS, f"where the descriptor {text.removeprefix('fd://')} is")
        return at(None, None, word.location, (missing,))
    text = text.removeprefix("tcp://")
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return at(host, rest.removeprefix(":") or default_port, word.location)
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = (text, "") if lone == "host" else ("", text)
    return at(host, port or default_port, word.location)


def unix(word: Word) -> Listener:
    """Return the listener of a path of a socket."""
    if word.value is None:
        return at(None, None, word.location, word.missing)
    return at(f"unix:{word.value}", None, word.location)


def answering(listener: Listener, debugger: Answer) -> Listener:
    """Return a listener of which it is known whether the debugger answers there."""
    return replace(listener, debugger=debugger)


def local(words: Words, place: Location) -> Listener:
    """Return where --host and --port say, else 127.0.0.1 and 8000, as uvicorn and granian have."""
    host, port = words.last("host"), words.last("port")
    return at(
        "127.0.0.1" if host is None else host.value,
        8000 if port is None else port.value,
        place if host is None else host.location,
        () if host is None else host.missing,
        default=host is None,
    )
