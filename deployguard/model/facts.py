"""The claims about one program, and about one container."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.evidence import Answer, Claim, Evidence, Location, Missing, any_of, no
from deployguard.model.process import Program


class Scope(StrEnum):
    """Who reaches a listener, from nobody to everybody."""

    NONE = "none"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    HOST = "host"
    PUBLIC = "public"


class Reach(Struct, frozen=True):
    """Whether somebody outside the container reaches its listeners.

    `claim` is no for none and loopback, yes beyond, unknown where the bind or the publishing cannot
    be told; `scope` is then None.
    """

    claim: Claim
    scope: Scope | None


class ProgramClass(StrEnum):
    """What sort of program the report speaks of."""

    FLASK = "flask"
    PYTHON = "python"
    WSGI_SERVER = "wsgi-server"
    SHELL = "shell"
    SUPERVISOR = "supervisor"
    OTHER = "other"


class Listener(Struct, frozen=True, kw_only=True):
    """Where a program waits for connections.

    `address` is an IP address, a host name, or "unix:PATH"; None where it cannot be told.
    `debugger` says whether the Werkzeug debugger answers there.
    """

    address: str | None
    port: int | None
    debugger: Answer
    location: Location
    missing: tuple[Missing, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Facts(Struct, frozen=True, kw_only=True):
    """What is claimed of one program, or of a container: the worst of its programs.

    `dev_server`: Werkzeug's development server would serve. `debugger`: the debugger middleware
    would answer requests. `interactive`: it would also run code (evalex or /console). `pin_off`:
    no PIN asked. `debug_mode`: Flask's app.debug. `configured`: debug settings are there, although
    what starts ignores them or ends because of them. `passthrough`: use_debugger=False together
    with passthrough_errors=True.
    """

    dev_server: Claim = field(default_factory=no)
    debug_mode: Claim = field(default_factory=no)
    debugger: Claim = field(default_factory=no)
    interactive: Claim = field(default_factory=no)
    pin_off: Claim = field(default_factory=no)
    reloader: Claim = field(default_factory=no)
    remote_debugger: Claim = field(default_factory=no)
    configured: Claim = field(default_factory=no)
    passthrough: Claim = field(default_factory=no)
    reachable: Reach = field(default_factory=lambda: Reach(no(), Scope.NONE))

    def claims(self) -> dict[str, Claim]:
        """Return every claim but reachability by name."""
        return {
            name: value
            for name in self.__struct_fields__
            if isinstance(value := getattr(self, name), Claim)
        }


def mapped(facts: Facts, change: Callable[[str, Claim], Claim]) -> Facts:
    """Return facts with every claim changed, reachability left as it is."""
    return Facts(
        dev_server=change("dev_server", facts.dev_server),
        debug_mode=change("debug_mode", facts.debug_mode),
        debugger=change("debugger", facts.debugger),
        interactive=change("interactive", facts.interactive),
        pin_off=change("pin_off", facts.pin_off),
        reloader=change("reloader", facts.reloader),
        remote_debugger=change("remote_debugger", facts.remote_debugger),
        configured=change("configured", facts.configured),
        passthrough=change("passthrough", facts.passthrough),
        reachable=facts.reachable,
    )


class ProgramFacts(Struct, frozen=True, kw_only=True):
    """One program with what it is and what is claimed of it.

    `server` is the HTTP server it runs: "werkzeug", "gunicorn" ..., "none" or "unknown".
    """

    program: Program
    kind: ProgramClass
    server: str
    facts: Facts
    listeners: tuple[Listener, ...] = ()


def worst(programs: tuple[ProgramFacts, ...], reachable: Reach) -> Facts:
    """Return the container's facts: the worst of its programs, fact by fact.

    `interactive` and `pin_off` speak of the programs with a debugger, else of all.
    """
    if not programs:
        return Facts(reachable=reachable)
    debuggers = tuple(entry for entry in programs if entry.facts.debugger.answer is Answer.YES)

    def joined(name: str, _: Claim) -> Claim:
        judged = debuggers if debuggers and name in {"interactive", "pin_off"} else programs
        return any_of(*(entry.facts.claims()[name] for entry in judged))

    return mapped(Facts(reachable=reachable), joined)
