"""Command substitution: what a command prints, where that can be told."""

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.process import Start
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.expansion import Expander
from deployguard.shell.redirections import redirected
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, SUCCESS, Flow, Kind, State, Status, Ways
from deployguard.shell.ways import blurred

# What bash makes of <(...): a descriptor's path, whose number is of no account here.
_PROCESS_FILE = "/dev/fd/63"


def expander(run: Run) -> Expander:
    """Return the expander of a run."""
    return Expander(run, substitute)


def substitute(
    run: Run, part: syntax.Substitution, state: State
) -> tuple[Traced[str | None], State]:
    """Run a command substitution: its value is what is written, where that is known."""
    here = run.location
    if part.process:
        # A path is handed over, while the body runs beside.
        beside = replace(
            state, output=Traced("", here), background=True, trap=None, tested=True, inner=True
        )
        ways = run.body(run, part.body, beside)
        return Traced(_PROCESS_FILE, here), _one(run, state, ways)
    inner = replace(
        state,
        output=Traced("", here),
        tested=True,
        awaited=True,
        trap=None,
        inner=True,
        status=SUCCESS,
    )
    quick = _quick(part, state, run)
    ways = quick if quick is not None else run.body(run, part.body, inner)
    missing = (Missing(Reason.SCRIPT, f"what a command substitution gives ({here.file})"),)
    lost_way = next((way for way in ways if way.flow is Flow.LOST), None)
    after = _one(run, state, ways)
    outputs = {
        way.output.value if way.output is not None and not way.unordered else None for way in ways
    }
    if lost_way is not None:
        unseen = lost_way.trace[-1]
        named = unseen.missing if not isinstance(unseen, Start) else missing[0]
        unsure = named if isinstance(named, Missing) else missing[0]
        # What is not understood here may start something, which the script waits for.
        process = replace(run.process, args=(), missing=(unsure,))
        kept = tuple(item for item in after.trace if isinstance(item, Start))
        trace = (*kept, Start(process=process, awaited=True))
        after = replace(after, trace=trace, files=replace(after.files, doubt=unsure))
        return Traced(None, here, missing=(unsure,)), replace(after, status=Status(None, unsure))
    if len(outputs) == 1 and (value := outputs.pop()) is not None:
        return Traced(value.replace("\0", "").rstrip("\n"), here), after
    named_by = [
        name
        for way in ways
        for name in (*(way.output.missing if way.output else ()),
                     *(fork.missing for fork in way.forks[len(state.forks) :]))
    ]  # fmt: skip
    return Traced(None, here, missing=tuple(named_by[:1]) or missing), after


def _quick(part: syntax.Substitution, state: State, run: Run) -> Ways | None:
    """Read the file of `$(<file)`, which names no command (bash)."""
    match part.body.statements:
        case (syntax.Simple(words=(), assignments=(), redirects=(redirect,)) as command,) if (
            redirect.operator == "<" and run.shell.kind is Kind.BASH
        ):

            def body(inner: State) -> Ways:
                given = inner.stdin or Traced("", run.at(command.line))
                return (replace(inner, output=given, status=SUCCESS),)

            entered = replace(state, output=Traced("", run.location))
            return redirected(run, expander(run), command.redirects, entered, body)
        case _:
            return None


def _one(run: Run, outer: State, ways: Ways) -> State:
    """Return the state after a substitution, in which it left files, a status and what it began."""
    after = [
        replace(
            outer,
            files=way.files,
            status=way.status,
            trace=way.trace,
            forks=way.forks,
            stdin=way.stdin,
        )
        for way in ways
    ]
    if not after:
        return replace(outer, status=FAILURE)
    merged = after[0]
    for way in after[1:]:
        merged = blurred(run, merged, way)
    return replace(merged, forks=outer.forks if len(after) > 1 else merged.forks, flow=outer.flow)
