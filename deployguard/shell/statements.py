"""Statements: each is run in one state, and leaves one for every way it may go."""

from collections.abc import Callable, Iterable, Sequence

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.commands import simple
from deployguard.shell.loops import iteration, loop
from deployguard.shell.matching import choice, double_test
from deployguard.shell.parsing import parse
from deployguard.shell.redirections import redirected
from deployguard.shell.run import LeftError, Run, UnclearError
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Kind,
    State,
    Status,
    Ways,
)
from deployguard.shell.substitution import expander
from deployguard.shell.ways import joined, lost, parted

_MOST_STARTED = 400
# Of these the status is the shell's, which ends under `set -e`; others ask inside of themselves.
_CHECKED = syntax.Simple | syntax.Pipeline | syntax.Test | syntax.Calculation | syntax.Group


def script(run: Run, body: syntax.Script, state: State) -> Ways:
    """Run statements in order until one leaves."""
    running: Ways = (state,)
    ended: list[State] = []
    for statement in body.statements:
        after = [way for each in running for way in run_one(run, statement, each)]
        ended += [way for way in after if way.flow is not Flow.NEXT]
        running = joined(run, (way for way in after if way.flow is Flow.NEXT))
        if not running:
            break
    if body.broken is not None:
        missing = run.missing("what a line that is not understood does", body.broken)
        running = tuple(lost(way, missing) for way in running)
    return joined(run, (*ended, *running))


def run_one(run: Run, statement: syntax.Statement, state: State) -> Ways:
    """Run one statement; what is not understood of it ends this way, and nothing raises."""
    try:
        run.spend(statement.line)
        if len(state.trace) > _MOST_STARTED:
            raise run.unclear("what starts beyond so many processes", statement.line)
        ways = _run(run, statement, state)
    except LeftError as error:
        return (error.state,)
    except UnclearError as error:
        return (lost(state, error.missing),)
    except RecursionError:
        nested = Missing(Reason.LIMIT, f"what {run.location.file} does, nested too deeply")
        return (lost(state, nested),)
    if not isinstance(statement, _CHECKED) or "e" not in state.options:
        return ways
    if isinstance(statement, syntax.Group) and not statement.subshell:
        return ways
    if isinstance(statement, syntax.Pipeline) and statement.negated:
        return ways
    return tuple(map(_checked, ways))


def _checked(state: State) -> State:
    failed = state.flow is Flow.NEXT and state.status.code not in {0, None}
    if failed and not state.tested and "e" in state.options:
        return replace(state, flow=Flow.EXIT)
    return state


def _run(run: Run, statement: syntax.Statement, state: State) -> Ways:  # noqa: C901, PLR0911
    """Run one statement: one way for each form of the language."""
    match statement:
        case syntax.Simple():
            return simple(run, statement, state)
        case syntax.Pipeline():
            return _pipeline(run, statement, state)
        case syntax.AndOr():
            return _and_or(run, statement, state)
        case syntax.Background(body=body):
            beside = run_one(
                run, body, replace(state, background=True, tested=True, inner=True, trap=None)
            )
            return tuple(_beside(state, way, statement.line, run) for way in beside)
        case syntax.If():
            return _conditional(run, statement, state)
        case syntax.Loop():
            return loop(run, statement, state)
        case syntax.For():
            return iteration(run, statement, state)
        case syntax.Case():
            return choice(run, statement, state)
        case syntax.Group(body=body, subshell=False):
            return script(run, body, state)
        case syntax.Group(body=body):
            return tuple(_back(state, way) for way in _subshell(run, body, state))
        case syntax.Function(name=name, keyword=keyword, line=line):
            if keyword and not run.shell.has_more():
                raise run.unclear("what this shell makes of the word function", line)
            functions = {**state.functions, name: (statement, run.location)}
            return (replace(state, functions=functions, status=SUCCESS),)
        case syntax.Test(tokens=tokens, line=line):
            return double_test(run, tokens, line, state)
        case syntax.Calculation(expression=expression):
            return _calculation(run, expression, state)
        case syntax.Redirected(body=body, redirects=redirects):
            return redirected(
                run, expander(run), redirects, state, lambda inner: run_one(run, body, inner)
            )


def _calculation(run: Run, expression: syntax.Word, state: State) -> Ways:
    if run.shell.kind is not Kind.BASH:
        raise run.unclear("what this shell makes of ((", expression.line)
    value, state = expander(run).calculated(expression, state)
    if value.value is None:
        missing = next(iter(value.missing), None)
        return (replace(state, status=Status(None, missing)),)
    return (replace(state, status=FAILURE if value.value == "0" else SUCCESS),)


def _subshell(run: Run, body: syntax.Script, state: State) -> Ways:
    """Run statements in a shell of their own, which keeps no trap of this one."""
    return finished(run, script(run, body, replace(state, trap=None, inner=True)))


def finished(run: Run, ways: Ways) -> Ways:
    """Run what `trap ... EXIT` asks for at the end of a shell; `exec` leaves none to run it."""
    found: list[State] = []
    for way in ways:
        if way.trap is None or way.flow in {Flow.REPLACED, Flow.LOST}:
            found.append(way)
        elif way.trap.value is None:
            missing = run.missing("what a trap runs", 1)
            found.append(lost(way, next(iter(way.trap.missing), missing)))
        else:
            body = parse(way.trap.value)
            after = script(run, body, replace(way, trap=None, flow=Flow.NEXT))
            # The status is that with which the shell ended before.
            found += (replace(each, status=way.status) for each in after)
    return tuple(found)


def _beside(outer: State, inner: State, line: int, run: Run) -> State:
    """Return the state after a command was left to run beside; not knowing it changes nothing."""
    after = replace(_back(outer, inner, SUCCESS), stdin=outer.stdin, output=outer.output)
    if inner.flow is not Flow.LOST:
        return after
    doubt = run.missing("the files that a command in the background writes", line)
    return replace(after, flow=Flow.NEXT, files=replace(after.files, doubt=doubt))


def _back(outer: State, inner: State, status: Status | None = None) -> State:
    """Return the state after a subshell: its files and status stay, the rest is lost."""
    return replace(
        outer,
        files=inner.files,
        status=status or inner.status,
        stdin=inner.stdin,
        output=inner.output,
        unordered=inner.unordered,
        trace=inner.trace,
        forks=inner.forks,
        flow=Flow.LOST if inner.flow is Flow.LOST else outer.flow,
    )


def _pipeline(run: Run, statement: syntax.Pipeline, state: State) -> Ways:
    """Run the commands of a pipeline, each in a shell of its own where there are several."""
    if statement.both and run.shell.kind is not Kind.BASH:
        raise run.unclear("what this shell makes of |&", statement.line)
    tested = state.tested
    inner = replace(state, tested=True) if statement.negated else state
    if len(statement.commands) == 1:
        ways = run_one(run, statement.commands[0], inner)
    else:
        ways = _piped(run, statement.commands, inner)
    if not statement.negated:
        return ways
    return joined(
        run,
        (way for each in ways for way in _negated(run, replace(each, tested=tested), statement)),
    )


def _negated(run: Run, state: State, statement: syntax.Pipeline) -> Ways:
    if state.flow is not Flow.NEXT:
        return (state,)
    code = state.status.code
    if code is not None:
        return (replace(state, status=Status(int(code == 0))),)
    if not state.status.presumed:
        return (state if state.status.missing is None else
                replace(state, status=Status(None, state.status.missing)),)  # fmt: skip
    succeeded, failed = parted(run, state, statement.line)
    return (
        *(() if succeeded is None else (replace(succeeded, status=FAILURE),)),
        *(() if failed is None else (replace(failed, status=SUCCESS),)),
    )


def _piped(run: Run, commands: Sequence[syntax.Statement], state: State) -> Ways:
    """Run each command in a shell of its own, which reads what the one before wrote."""
    last = len(commands) - 1
    ways: list[tuple[State, tuple[Status, ...]]] = [(state, ())]
    for index, command in enumerate(commands):
        following: list[tuple[State, tuple[Status, ...]]] = []
        for way, statuses in ways:
            if way.flow is not Flow.NEXT:
                following.append((way, (*statuses, way.status)))
                continue
            empty = Traced[str | None]("", state.cwd.location)
            output = state.output if index == last else empty
            entered = replace(way, output=output, trap=None, inner=True)
            for after in run_one(run, command, entered):
                back = _back(way, after)
                # What it wrote is what the next one reads.
                following.append((replace(back, stdin=after.output), (*statuses, after.status)))
        ways = following
    return joined(
        run,
        (
            replace(way, stdin=state.stdin, output=way.stdin, status=_status(statuses, state))
            for way, statuses in ways
        ),
    )


def _status(statuses: Sequence[Status], state: State) -> Status:
    """Return the status of a pipeline: the last, or under pipefail the last that failed."""
    if "pipefail" not in state.options:
        return statuses[-1]
    failed = [status for status in statuses if status.code != 0]
    return failed[-1] if failed else SUCCESS


def _and_or(run: Run, statement: syntax.AndOr, state: State) -> Ways:
    """Run the right side where the left side's status asks for it."""
    wanted = statement.join is syntax.Join.AND
    found: list[State] = []
    for left in run_one(run, statement.left, replace(state, tested=True)):
        way = replace(left, tested=state.tested)
        if way.flow is not Flow.NEXT:
            found.append(way)
            continue
        if wanted and way.status.presumed and way.status.code is None:
            # Written to succeed: `migrate && serve` serves.
            found += run_one(run, statement.right, way)
            continue
        succeeded, failed = parted(run, way, statement.line)
        runs, passes = (succeeded, failed) if wanted else (failed, succeeded)
        if runs is not None:
            found += run_one(run, statement.right, runs)
        if passes is not None:
            found.append(passes)
    return joined(run, found)


def _conditional(run: Run, statement: syntax.If, state: State) -> Ways:
    """Run the first branch whose condition holds."""
    found: list[State] = []
    pending: Ways = (state,)
    for condition, body in statement.branches:
        following: list[State] = []
        for way in pending:
            for succeeded, failed in _asked(run, condition, way, statement.line, found.append):
                if succeeded is not None:
                    found += script(run, body, succeeded)
                if failed is not None:
                    following.append(failed)
        pending = tuple(following)
    for way in pending:
        passed = way if statement.otherwise.statements else replace(way, status=SUCCESS)
        found += script(run, statement.otherwise, passed)
    return joined(run, found)


def _asked(
    run: Run,
    condition: syntax.Script,
    state: State,
    line: int,
    left: Callable[[State], None],
) -> Iterable[tuple[State | None, State | None]]:
    """Run a condition; give its two ways, and what leaves the script from within it."""
    for after in script(run, condition, replace(state, tested=True)):
        way = replace(after, tested=state.tested)
        if way.flow is Flow.NEXT:
            yield parted(run, way, line)
        else:
            left(way)
