"""What Flask, Werkzeug, the servers and frameworks do with a launch: programs to facts."""

from collections.abc import Sequence

from deployguard import launch
from deployguard.flask import binaries
from deployguard.flask.judged import Judged, ended, nothing, open_program
from deployguard.flask.settings import answered
from deployguard.model.evidence import Answer, Claim, Evidence, Missing, unknown, yes
from deployguard.model.facts import ProgramClass, ProgramFacts, mapped
from deployguard.model.filesystem import Filesystem
from deployguard.model.process import Choice, Process, Program, ProgramKind, Start
from deployguard.model.structs import replace
from deployguard.model.ways import cover


def judge(
    process: Process, files: Filesystem, image: Filesystem | None = None
) -> tuple[ProgramFacts, ...]:
    """Return the programs that a process ends up running, with what is claimed of each.

    `files` are those the container sees, `image` those of its image alone, where something is
    mounted over them. Programs that end before what follows them are left out.
    """
    found: list[tuple[Program, Judged]] = []

    def starts(program: Program) -> tuple[Start, ...]:
        judged = _judged(program, files, image or files)
        found.append((program, judged))
        return judged.processes

    launch.follow(process, files, starts)
    lasting = any(one.lasting and one.kind is not ProgramKind.NOTHING for one, _ in found)
    found = [
        (program, judged) for program, judged in found if _counts(program, judged, followed=lasting)
    ]
    settled = _on_every_way(found)
    return tuple(_facts(program, judged, settled) for program, judged in found)


def _counts(program: Program, judged: Judged, *, followed: bool) -> bool:
    """Say whether a program is spoken of: one that is waited for only where it would not end.

    What is not known of it counts where it is `followed` by no other that lasts.
    """
    answers = {judged.facts.dev_server.answer, judged.facts.debugger.answer}
    return program.lasting or Answer.YES in answers or (Answer.UNKNOWN in answers and not followed)


def _on_every_way(found: Sequence[tuple[Program, Judged]]) -> frozenset[str]:
    """Return the names of the claims that hold whichever way the conditions go.

    Where every way ends in a program of which the claim is true, it is no matter which is taken.
    """
    ways: dict[str, list[tuple[Choice, ...]]] = {}
    for program, judged in found:
        if program.certain or program.choices:
            for name, claim in judged.facts.claims().items():
                if claim.answer is Answer.YES:
                    ways.setdefault(name, []).append(program.choices)
    return frozenset(name for name, taken in ways.items() if cover(taken))


def _facts(program: Program, judged: Judged, settled: frozenset[str]) -> ProgramFacts:
    facts = judged.facts
    if not program.certain:
        facts = mapped(
            facts,
            lambda name, claim: claim if name in settled else _perhaps(claim, program.missing),
        )
    if program.presumed:
        facts = mapped(facts, lambda _, claim: _presumed(claim, program.presumed))
    stays = judged.starts.answer is not Answer.NO
    facts = answered(program.process, facts, stays=stays)
    followed = program.kind is not ProgramKind.UNKNOWN or not program.missing
    if not followed and facts.configured.answer is Answer.NO:
        # What could not be followed may set further variables.
        facts = replace(facts, configured=unknown(program.missing))
    return ProgramFacts(
        program=program,
        kind=judged.kind,
        server=judged.server,
        facts=facts,
        listeners=judged.listeners,
    )


def _perhaps(claim: Claim, missing: tuple[Missing, ...]) -> Claim:
    """Weaken a claim about a program that starts only under a condition."""
    if claim.answer is Answer.NO:
        return claim
    return unknown((*missing, *claim.missing), *claim.evidence, suspected=True)


def _presumed(claim: Claim, unread: tuple[Missing, ...]) -> Claim:
    """Weaken a claim that something does not come up where a file of another text could do it."""
    if claim.answer is not Answer.NO:
        return claim
    return unknown(unread, *claim.evidence)


def _judged(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    match program.kind:
        case ProgramKind.NOTHING:
            return ended(ProgramClass.OTHER, *program.trail)
        case ProgramKind.UNKNOWN:
            return _unknown(program, files, image)
        case ProgramKind.BINARY:
            return _binary(program, files, image)
        case ProgramKind.SCRIPT | ProgramKind.MODULE | ProgramKind.CODE | ProgramKind.ENTRY_POINT:
            # Its models evaluate Python: much to load, and seldom needed for a fleet of servers.
            from deployguard.flask import python_programs  # noqa: PLC0415

            return python_programs.judge(program, program.files or files)


def _unknown(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    """Judge what could not be followed: where there is no Python it cannot be Flask."""
    python = binaries.without_python(program, files, image)
    if isinstance(python, Evidence):
        return _foreign(program, python)
    return open_program(program, program.missing)


def _binary(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    """Judge what is no Python program: a known binary, or any where there is no Python."""
    if binaries.is_uwsgi(program):
        # Its models evaluate Python, as below.
        from deployguard.flask.servers import uwsgi  # noqa: PLC0415

        return uwsgi.judge_binary(program, program.files or files)
    host = binaries.hosts_python(program)
    if host is not None:
        return open_program(program, (host,))
    known = binaries.known_binary(program, program.files or files, image)
    if isinstance(known, Evidence):
        return _foreign(program, known)
    python = binaries.without_python(program, files, image)
    if isinstance(python, Evidence):
        return _foreign(program, python)
    return open_program(program, (known if python is None else python,))


def _foreign(program: Program, why: Evidence) -> Judged:
    """Return a program that has nothing of Python, so that no listener of it is spoken of."""
    evidence = (*program.trail, why)
    return Judged(
        kind=ProgramClass.OTHER, server="none", starts=yes(*evidence), facts=nothing(*evidence)
    )


__all__ = ["judge"]
