"""The stages in their order, targets to a report: both fronts call this, nothing else decides."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from msgspec import Struct, field

from deployguard import __version__, exposure, flask, policy, rules
from deployguard.effective.mounts import files
from deployguard.effective.process import hooks, process
from deployguard.errors import InputError, UsageError
from deployguard.inputs.opening import Opened, OpeningOptions, Openings, described
from deployguard.inputs.rendering.options import RenderingOptions
from deployguard.model.action import Action
from deployguard.model.codes import ProblemCode
from deployguard.model.container import ContainerSpec
from deployguard.model.facts import Facts, worst
from deployguard.model.image import Image
from deployguard.model.problem import Problem
from deployguard.model.report import Container, Report, Status, Target
from deployguard.model.structs import replace


class ScanOptions(Struct, frozen=True, kw_only=True):
    """What a front hands in: nothing below it reads the environment, the clock or the terminal."""

    today: date
    env_files: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    images: str = "auto"
    platform: str | None = None
    offline: bool = False
    exclude: tuple[str, ...] = ()
    rendering: RenderingOptions = field(default_factory=RenderingOptions)
    cluster: bool = False
    context: str | None = None
    explain: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    workloads: Mapping[str, str] = field(default_factory=dict)
    on_unknown: Action | None = None
    stdin: Callable[[], bytes] = bytes
    progress: Callable[[str], None] = field(default=lambda _: None)


def scan(
    arguments: Sequence[str], policies: Sequence[policy.Policy], options: ScanOptions
) -> Report:
    """Inspect the targets, judge what is found, and return the whole report.

    A problem with one target is a value in the report. Raises UsageError for a command line that
    says nothing or two things at once, before anything is inspected.
    """
    opening = OpeningOptions(
        env_files=options.env_files,
        env=options.env,
        profiles=options.profiles,
        images=options.images,
        platform=options.platform,
        offline=options.offline,
        exclude=options.exclude,
        rendering=options.rendering,
        cluster=options.cluster,
        context=options.context,
        environ=options.environ,
        workloads=options.workloads,
        stdin=options.stdin,
        progress=options.progress,
    )
    judged: list[_Judged] = []
    openings = Openings(opening)
    try:
        with openings:
            openings.check()
            for argument in arguments or (".",):
                options.progress(f"inspecting {argument}")
                for opened in _opened(openings, argument):
                    if opened.target.name != argument:
                        options.progress(f"inspecting {opened.target.name}")
                    judged.append(_inspected(opened))
    except KeyboardInterrupt as interruption:
        for problem in openings.left:
            interruption.add_note(_remark(problem))
        raise
    report = _report(judged, policies, options)
    notes = (*report.notes, *map(_remark, openings.left))
    return replace(report, notes=notes, skipped=openings.skipped)


def _remark(problem: Problem) -> str:
    return problem.message + (f" ({problem.hint})" if problem.hint else "")


def review(
    target: Target,
    specs: Iterable[ContainerSpec],
    policies: Sequence[policy.Policy],
    options: ScanOptions,
) -> Report:
    """Judge containers that a front has read itself, through the same stages."""
    judged = _inspected(Opened(target=target, specs=tuple(specs)))
    return _report((judged,), policies, options)


def _opened(openings: Openings, argument: str) -> Iterable[Opened]:
    """Open a target; what is wrong with it becomes a failed target.

    This is the one place, with `_inspected`, where an error of our own is caught: it fails the
    target, and the others are still judged.
    """
    try:
        return openings.open(argument)
    except UsageError:
        raise
    except InputError as error:
        return (_failed(argument, error.problem()),)
    except Exception as error:  # noqa: BLE001  (a defect of ours must not open the gate)
        return (_failed(argument, _defect(error)),)


def _failed(argument: str, problem: Problem) -> Opened:
    name, kind = described(argument)
    target = Target(
        name=name, argument=argument, kind=kind, status=Status.FAILED, problems=(problem,)
    )
    return Opened(target=target, specs=())


def _defect(error: Exception) -> Problem:
    return Problem(
        ProblemCode.INTERNAL,
        f"deployguard itself failed here ({type(error).__name__})",
        hint="report it with the input that shows it",
    )


class _Judged(Struct, frozen=True):
    """A target whose programs are judged; who reaches them is told once all targets are read."""

    target: Target
    declared: exposure.Declared
    containers: tuple[Container, ...] = ()


def _inspected(opened: Opened) -> _Judged:
    declared = exposure.Declared(opened.traffic, opened.place)
    try:
        containers = tuple(_container(spec) for spec in opened.specs)
        problems = opened.late_problems()
    except Exception as error:  # noqa: BLE001  (see _opened)
        return _Judged(_with_problems(opened.target, (_defect(error),)), declared)
    target = _with_problems(opened.target, problems)
    # Nothing is believed of a target that is not what its digests say.
    return _Judged(target, declared, () if target.status is Status.FAILED else containers)


def _reached(judged: Sequence[_Judged]) -> Iterator[tuple[Target, tuple[Container, ...]]]:
    """Yield the targets with who reaches their containers, from what all of them declare."""
    around = exposure.surroundings([one.declared for one in judged])
    for one, surroundings in zip(judged, around, strict=True):
        try:
            yield one.target, tuple(_exposed(held, surroundings) for held in one.containers)
        except Exception as error:  # noqa: BLE001  (see _opened)
            yield _with_problems(one.target, (_defect(error),)), ()


def _exposed(container: Container, around: "exposure.Surroundings | None") -> Container:
    spec = container.spec
    programs = tuple(
        replace(one, facts=replace(one.facts, reachable=exposure.reach(spec, (one,), around)))
        for one in container.programs
    )
    facts = worst(programs, exposure.reach(spec, programs, around))
    return replace(container, programs=programs, facts=facts)


def _with_problems(target: Target, problems: Sequence[Problem]) -> Target:
    status = target.status
    for problem in problems:
        if problem.code is ProblemCode.NOTE:
            continue
        if problem.code is ProblemCode.LIMIT and status is not Status.FAILED:
            status = Status.INCOMPLETE
        else:
            status = Status.FAILED
    return replace(target, status=status, problems=(*target.problems, *problems))


def _container(spec: ContainerSpec) -> Container:
    started = process(spec)
    image = spec.image.files if isinstance(spec.image, Image) else None
    programs = tuple(
        program
        for one in (started, *hooks(spec, started))
        for program in flask.judge(one, files(spec), image)
    )
    return Container(
        id=f"{spec.target}#{spec.subject}",
        spec=spec,
        process=started,
        programs=programs,
        facts=Facts(),
    )


def _numbered(containers: Iterable[Container]) -> tuple[Container, ...]:
    """Give equal ids the endings ~2, ~3 in input order."""
    seen: Counter[str] = Counter()
    numbered = []
    for container in containers:
        seen[container.id] += 1
        count = seen[container.id]
        name = container.id if count == 1 else f"{container.id}~{count}"
        numbered.append(replace(container, id=name))
    return tuple(numbered)


def _report(
    judged: Sequence[_Judged], policies: Sequence[policy.Policy], options: ScanOptions
) -> Report:
    reached = tuple(_reached(judged))
    targets = tuple(target for target, _ in reached)
    containers = _numbered(container for _, held in reached for container in held)
    judgement = policy.evaluate(
        rules.findings(containers), containers, policies, options.today, options.on_unknown
    )
    decision, code = policy.decide(judgement.verdicts, targets, policies)
    return Report(
        version=__version__,
        decision=decision,
        exit_code=code,
        targets=targets,
        containers=containers,
        verdicts=judgement.verdicts,
        exemptions=judgement.exemptions,
        notes=judgement.notes,
        explain=options.explain,
    )
