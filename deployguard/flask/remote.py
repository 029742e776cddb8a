"""Remote debuggers that a command brings up beside a program: debugpy and pydevd."""

from deployguard.flask.judged import Judged, nothing
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Missing,
    Reason,
    any_of,
    unknown,
    yes,
)
from deployguard.model.facts import Listener, ProgramClass
from deployguard.model.process import Program, RemoteDebugger
from deployguard.model.structs import replace


def under_debugger(judged: Judged, remote: RemoteDebugger) -> Judged:
    """Add to a program the debugger that listens beside it, whatever becomes of the program."""
    facts = replace(
        judged.facts, remote_debugger=any_of(_claim(remote), judged.facts.remote_debugger)
    )
    own = judged.listeners or _unseen(judged, remote)
    return replace(judged, facts=facts, listeners=(*own, *_listeners(remote)))


def _unseen(judged: Judged, remote: RemoteDebugger) -> tuple[Listener, ...]:
    """Return the listener of a program of which none is known, lest the debugger's hide it."""
    if judged.server == "none":
        return ()
    missing = Missing(Reason.ADDRESS, f"where the program under {remote.name} listens")
    return (
        Listener(
            address=None,
            port=None,
            debugger=Answer.NO,
            location=remote.location,
            missing=judged.facts.dev_server.missing or (missing,),
        ),
    )


def waiting(program: Program, remote: RemoteDebugger) -> Judged:
    """Return a program that does not begin before a client attaches: only the debugger is up."""
    note = Evidence(remote.location, f"{remote.name} waits for a client before the program begins")
    steps = (*program.trail, note)
    facts = replace(nothing(*steps), remote_debugger=_claim(remote, *steps))
    return Judged(
        kind=ProgramClass.PYTHON,
        server="none",
        starts=yes(*steps),
        facts=facts,
        listeners=_listeners(remote),
    )


def _claim(remote: RemoteDebugger, *steps: Evidence) -> Claim:
    place = f"{remote.address or '?'}:{remote.port if remote.port is not None else '?'}"
    if remote.connects:
        note = Evidence(remote.location, f"{remote.name} connects to a client at {place}")
        missing = Missing(Reason.COMMAND, f"whether a client of {remote.name} waits at {place}")
        return unknown(missing, *steps, note, suspected=True)
    return yes(*steps, Evidence(remote.location, f"{remote.name} listens on {place}"))


def _listeners(remote: RemoteDebugger) -> tuple[Listener, ...]:
    if remote.connects:
        return ()
    return (
        Listener(
            address=remote.address or None,
            port=remote.port,
            debugger=Answer.NO,
            location=remote.location,
            missing=(
                ()
                if remote.address
                else (Missing(Reason.ADDRESS, f"the address that {remote.name} listens on"),)
            ),
            evidence=(Evidence(remote.location, f"{remote.name} listens here"),),
        ),
    )
