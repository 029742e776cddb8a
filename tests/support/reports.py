"""Containers and reports of made-up claims, for tests that are not about how they arise."""

from collections.abc import Mapping, Sequence
from datetime import date

from deployguard import policy, rules
from deployguard.model.container import ContainerKind, ContainerSpec
from deployguard.model.environment import Environment
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    Traced,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import (
    Facts,
    Listener,
    ProgramClass,
    ProgramFacts,
    Reach,
    Scope,
    worst,
)
from deployguard.model.filesystem import Unread
from deployguard.model.process import Process, Program, ProgramKind
from deployguard.model.report import Container, Report, Status, Target, TargetKind
from deployguard.model.structs import replace

FILE = "compose.yaml"
TODAY = date(2026, 11, 24)
IMAGE = Missing(Reason.IMAGE, "the image acme/shop:1")

COMMAND = Evidence(Location(FILE, line=4, column=14), "the command is flask run")
FLAG = Evidence(Location(FILE, line=6, column=20), "FLASK_DEBUG is '1'")
PORT = Evidence(Location(FILE, line=8, column=9), "port 5000 is published on 0.0.0.0:80")

PUBLIC = Reach(yes(PORT), Scope.PUBLIC)
OPEN = unknown(IMAGE)
SUSPECTED = unknown(IMAGE, FLAG, suspected=True)

DEBUGGER = Facts(
    dev_server=yes(COMMAND),
    debug_mode=yes(COMMAND, FLAG),
    debugger=yes(COMMAND, FLAG),
    interactive=yes(COMMAND, FLAG),
    reachable=PUBLIC,
)
UNREAD = Facts(
    dev_server=OPEN,
    debug_mode=OPEN,
    debugger=OPEN,
    interactive=OPEN,
    pin_off=OPEN,
    reloader=OPEN,
    remote_debugger=OPEN,
    reachable=Reach(OPEN, None),
)
SAFE = Facts()


def process(
    command: Sequence[str | None] = ("flask", "run"), variables: Mapping[str, str] | None = None
) -> Process:
    """Return a process declared on line 4, with its variables from line 6 on."""
    place = Location(FILE, line=4, column=14)
    entries: dict[str, Traced[str | None]] = {
        name: Traced(value, Location(FILE, line=6 + index, column=20))
        for index, (name, value) in enumerate((variables or {}).items())
    }
    return Process(
        args=tuple(Traced(word, place) for word in command),
        env=Environment(entries),
        cwd=Traced("/app", place),
        user=None,
        terminal=Traced(False, place),  # noqa: FBT003  (a value)
        location=place,
    )


def program(
    facts: Facts, started: Process | None = None, *, debugger: Answer = Answer.YES
) -> ProgramFacts:
    """Return a Flask program that listens on port 5000."""
    started = started or process()
    return ProgramFacts(
        program=Program(
            kind=ProgramKind.ENTRY_POINT,
            name="flask.cli:main",
            args=started.args[1:],
            process=started,
            location=started.location,
        ),
        kind=ProgramClass.FLASK,
        server="werkzeug",
        facts=facts,
        listeners=(
            Listener(address="0.0.0.0", port=5000, debugger=debugger, location=started.location),
        ),
    )


def container(
    *programs: ProgramFacts, name: str = "web", started: Process | None = None
) -> Container:
    """Return a compose service whose image was not read."""
    spec = ContainerSpec(
        target=FILE,
        subject=f"services.{name}",
        name=name,
        kind=ContainerKind.COMPOSE_SERVICE,
        location=Location(FILE, line=3, column=3, pointer=f"/services/{name}"),
        image=Unread(IMAGE),
        image_reference=Traced("acme/shop:1", Location(FILE, line=3, column=12)),
    )
    reach = programs[0].facts.reachable if programs else Reach(no(), Scope.NONE)
    return Container(
        id=f"{FILE}#{spec.subject}",
        spec=spec,
        process=started or (programs[0].program.process if programs else process()),
        programs=programs,
        facts=worst(programs, reach),
    )


def named(of: Container, **changes: object) -> Container:
    """Return a container with another declaration."""
    spec = replace(of.spec, **changes)  # type: ignore[arg-type]  # the fields of ContainerSpec
    return replace(of, id=f"{spec.target}#{spec.subject}", spec=spec)


def claim(answer: Answer) -> Claim:
    """Return a claim without evidence; an unknown one is suspected of nothing."""
    return OPEN if answer is Answer.UNKNOWN else Claim(answer)


def report(
    *containers: Container,
    targets: tuple[Target, ...] = (),
    by: str | bytes = "production",
    explain: bool = False,
) -> Report:
    """Judge containers by a shipped policy, or by the text of one."""
    if isinstance(by, str):
        judging = policy.load(by, rules.IDS)
    else:
        judging = policy.loads(by, "policy.yaml", rules.IDS)
    targets = targets or (target(),)
    judgement = policy.evaluate(rules.findings(containers), containers, [judging], TODAY)
    decision, code = policy.decide(judgement.verdicts, targets, [judging])
    return Report(
        version="0.1.0",
        decision=decision,
        exit_code=code,
        targets=targets,
        containers=containers,
        verdicts=judgement.verdicts,
        exemptions=judgement.exemptions,
        explain=explain,
    )


def target(status: Status = Status.INSPECTED, name: str = FILE) -> Target:
    """Return a compose file."""
    return Target(name=name, argument=name, kind=TargetKind.COMPOSE, status=status)
