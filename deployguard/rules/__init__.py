"""The rules, one file each, named by their id; RULES lists them.

A rule is data and one function that joins claims. Whether a finding blocks is the policy's word.
"""

from collections.abc import Iterator

from msgspec import Struct

from deployguard.model.evidence import Answer, Claim, Evidence, any_of
from deployguard.model.facts import Facts, Listener, Reach
from deployguard.model.finding import Finding, Rule
from deployguard.model.image import Image
from deployguard.model.report import Container
from deployguard.rules import dg101, dg102, dg103, dg104, dg105, dg106, dg107
from deployguard.rules.fingerprint import fingerprint

_SETTLED = tuple(
    module.RULE for module in (dg101, dg102, dg103, dg104, dg105, dg106)
)  # each finds something of its own; DG107 finds that nobody can tell
_UNDETERMINED = dg107.RULE
RULES = (*_SETTLED, _UNDETERMINED)

# What a policy may name: DG108 comes later, and a policy may already say off.
IDS = (*(rule.id for rule in RULES), "DG108")

# Policies switch DG106 off; its doubt must not stand in for what DG107 would say.
_STANDS_FOR_DG107 = frozenset(rule.id for rule in _SETTLED) - {"DG106"}


def by_id(name: str) -> Rule | None:
    """Return the rule of an id or a name, in any case of letters."""
    wanted = name.casefold()
    return next((rule for rule in RULES if wanted in {rule.id.casefold(), rule.name}), None)


def findings(containers: tuple[Container, ...]) -> tuple[Finding, ...]:
    """Judge every program of every container; in input order, then by rule.

    An unknown claim becomes a finding of its rule only where it is suspected; the programs of a
    container for which that leaves nothing share one DG107.
    """
    return tuple(finding for container in containers for finding in _of_container(container))


class _Unit(Struct, frozen=True):
    """What is judged as one: a program, or with `index` None a container."""

    index: int | None
    facts: Facts
    listeners: tuple[Listener, ...] = ()
    trail: tuple[Evidence, ...] = ()


def _of_container(container: Container) -> Iterator[Finding]:
    undetermined: list[tuple[_Unit, Claim]] = []
    for unit in _units(container):
        own = tuple(_of_unit(container, unit))
        yield from own
        doubted = {found.rule for found in own if found.answer is Answer.UNKNOWN}
        claim = _UNDETERMINED.check(unit.facts)
        if claim.answer is Answer.UNKNOWN and not doubted & _STANDS_FOR_DG107:
            undetermined.append((unit, claim))
    if len(undetermined) == 1:
        unit, claim = undetermined[0]
        yield _finding(container, _UNDETERMINED, claim, unit)
    elif undetermined:
        joined = any_of(*(claim for _, claim in undetermined))
        yield _finding(container, _UNDETERMINED, joined, _Unit(None, container.facts))


def _units(container: Container) -> Iterator[_Unit]:
    """Return the programs, or the container where none is known.

    A process of which no program was made out and something is missing has no settled fact.
    """
    for index, entry in enumerate(container.programs):
        yield _Unit(index, entry.facts, entry.listeners, entry.program.trail)
    process = container.process
    if not container.programs and process.missing:
        claim = Claim(Answer.UNKNOWN, process.trail, process.missing)
        yield _Unit(None, Facts(dev_server=claim, debugger=claim, reachable=Reach(claim, None)))
    elif not container.programs:
        yield _Unit(None, container.facts, (), process.trail)


def _of_unit(container: Container, unit: _Unit) -> Iterator[Finding]:
    for rule in _SETTLED:
        claim = rule.check(unit.facts)
        if claim.answer is Answer.YES or (claim.answer is Answer.UNKNOWN and claim.suspected):
            yield _finding(container, rule, claim, unit)


def _finding(container: Container, rule: Rule, claim: Claim, unit: _Unit) -> Finding:
    spec = container.spec
    evidence = tuple(dict.fromkeys((*unit.trail, *claim.evidence)))
    program = None if unit.index is None else container.programs[unit.index]
    return Finding(
        rule=rule.id,
        name=rule.name,
        severity=rule.severity,
        answer=claim.answer,
        container=container.id,
        target=spec.target,
        subject=spec.subject,
        namespace=spec.namespace,
        image_digest=spec.image.digest if isinstance(spec.image, Image) else None,
        program=unit.index,
        message=rule.describe(unit.facts, unit.listeners) if rule.describe else rule.summary,
        location=evidence[-1].location if evidence else spec.location,
        evidence=evidence,
        missing=claim.missing,
        remedy=rule.remedy,
        fingerprint=fingerprint(rule.id, spec.subject, program, evidence),
        reachable=unit.facts.reachable,
    )
