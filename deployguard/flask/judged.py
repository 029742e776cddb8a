"""The facts of one launch, and how those of several possible stacks are joined."""

from collections.abc import Sequence

from msgspec import Struct

from deployguard.flask.settings import hinted
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Missing,
    Reason,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts, Listener, ProgramClass, mapped
from deployguard.model.process import Program, Start
from deployguard.model.structs import replace


class Judged(Struct, frozen=True, kw_only=True):
    """What one program does under one stack.

    `starts` is no where the launch certainly ends by itself; then no fact holds. `processes` are
    those that it starts beside what is claimed here; they are judged by themselves.
    """

    kind: ProgramClass
    server: str
    starts: Claim
    facts: Facts
    listeners: tuple[Listener, ...] = ()
    processes: tuple[Start, ...] = ()


def ended(kind: ProgramClass, *evidence: Evidence) -> Judged:
    """Return a launch that ends by itself: nothing of it stays up."""
    claim = no(*evidence)
    return Judged(kind=kind, server="none", starts=claim, facts=nothing(*evidence))


def nothing(*evidence: Evidence) -> Facts:
    """Return facts that are all no, on the same evidence."""
    claim = no(*evidence)
    return Facts(
        dev_server=claim,
        debug_mode=claim,
        debugger=claim,
        interactive=claim,
        pin_off=claim,
        reloader=claim,
        remote_debugger=claim,
    )


def undetermined(
    missing: Sequence[Missing], *evidence: Evidence, flask: bool, debug: bool
) -> Facts:
    """Return facts that are all open for want of the same; `flask` and `debug` are suspicions."""
    server = unknown(missing, *evidence, suspected=flask)
    debugger = unknown(missing, *evidence, suspected=flask or debug)
    other = unknown(missing, *evidence)
    return Facts(
        dev_server=server,
        debug_mode=unknown(missing, *evidence, suspected=debug),
        debugger=debugger,
        interactive=other,
        pin_off=other,
        reloader=other,
        remote_debugger=other,
        passthrough=other,
    )


def agreed(candidates: Sequence[Judged], version: Missing) -> Judged:
    """Join what several stacks would do: those that start at all must agree.

    Where they differ the answer is open, for want of the version.
    """
    running = [one for one in candidates if one.starts.answer is not Answer.NO] or list(candidates)
    first = running[-1]
    if len(running) == 1:
        return first

    def join(name: str, claim: Claim) -> Claim:
        others = [one.facts.claims()[name] for one in running]
        if len({other.answer for other in others}) == 1:
            return claim
        missing = (version, *(entry for other in others for entry in other.missing))
        return unknown(missing, *claim.evidence, suspected=True)

    return replace(
        first,
        facts=mapped(first.facts, join),
        listeners=_listeners(running, version),
        processes=_processes(running, version),
    )


def _processes(running: Sequence[Judged], version: Missing) -> tuple[Start, ...]:
    """Join what several stacks start: what not all of them start depends on the version."""
    found: dict[tuple[str | None, ...], list[Start]] = {}
    for one in running:
        for words, start in {_words(start): start for start in one.processes}.items():
            found.setdefault(words, []).append(start)
    return tuple(
        starts[-1]
        if len(starts) == len(running)
        else replace(starts[-1], certain=False, missing=(version, *starts[-1].missing), choices=())
        for starts in found.values()
    )


def _words(start: Start) -> tuple[str | None, ...]:
    return tuple(word.value for word in start.process.args)


def _listeners(running: Sequence[Judged], version: Missing) -> tuple[Listener, ...]:
    last = running[-1].listeners
    places = {tuple((item.address, item.port) for item in one.listeners) for one in running}
    answers = {tuple(item.debugger for item in one.listeners) for one in running}
    if len(places) > 1:
        return tuple(replace(item, address=None, missing=(version,)) for item in last)
    if len(answers) > 1:
        return tuple(replace(item, debugger=Answer.UNKNOWN) for item in last)
    return last


def open_program(program: Program, missing: tuple[Missing, ...]) -> Judged:
    """Return a program of which nothing is known but what it was started with."""
    names = missing or (Missing(Reason.PROGRAM, f"what {program.name} does"),)
    return Judged(
        kind=ProgramClass.OTHER,
        server="unknown",
        starts=unknown(names),
        facts=undetermined(names, *program.trail, flask=False, debug=hinted(program.process)),
    )


def other_program(kind: ProgramClass, evidence: tuple[Evidence, ...]) -> Judged:
    """Return a program that runs nothing of Flask; where it listens is not known."""
    return Judged(kind=kind, server="unknown", starts=yes(*evidence), facts=nothing(*evidence))
