"""Loops: round by round where that is known, else any number of rounds."""

from collections.abc import Sequence

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.run import Run
from deployguard.shell.state import SUCCESS, Flow, State, Ways, assign
from deployguard.shell.substitution import expander
from deployguard.shell.ways import blurred, forked, item_key, joined, key, lost, parted

_MOST_ROUNDS = 1_000
# After so many rounds of unknown number whatever they change is unseen, or keeps changing.
_OPEN_ROUNDS = 4


def loop(run: Run, statement: syntax.Loop, state: State) -> Ways:
    """Run a loop; one that waits for the world outside is taken to end."""
    over: list[State] = []
    running: Ways = (state,)
    open_rounds = 0
    seen: list[object] = []
    with run.looping():
        for _ in range(_MOST_ROUNDS):
            going: list[State] = []
            is_open = False
            for way in running:
                unsure = _condition(run, statement, way, over, going)
                is_open = is_open or unsure
            following: list[State] = []
            for way in joined(run, (each for one in going for each in _round(run, statement, one))):
                settled, left = _left(way)
                if not left and is_open:
                    settled = _widened(run, running[0], settled)
                    left = settled.flow is Flow.LOST
                (over if left else following).append(settled)
            running = joined(run, _new(following, seen, over))
            open_rounds += is_open
            if not running or open_rounds >= _OPEN_ROUNDS:
                break
    missing = run.missing("how often a loop runs", statement.line)
    return joined(run, [*over, *(lost(way, missing) for way in running)])


def _new(ways: Sequence[State], seen: list[object], over: list[State]) -> list[State]:
    """Return the ways in a state that the loop did not have before.

    From an old one nothing new follows: the loop goes on like this for ever, or until it is over.
    """
    found: list[State] = []
    for way in ways:
        now = key(way)
        if now not in seen:
            seen.append(now)
            found.append(way)
        elif not any(_holds(one, way) for one in over):
            over.append(replace(way, flow=Flow.EXIT))
    return found


def _holds(one: State, other: State) -> bool:
    """Say whether one way starts all that another does."""
    return {item_key(item) for item in other.trace} <= {item_key(item) for item in one.trace}


def _condition(
    run: Run, statement: syntax.Loop, state: State, over: list[State], going: list[State]
) -> bool:
    """Add the ways on which a loop is over, and on which it goes on; say whether it may be both."""
    unsure = False
    for after in run.body(run, statement.condition, replace(state, tested=True)):
        way = replace(after, tested=state.tested)
        if way.flow is not Flow.NEXT:
            left, is_over = _left(way)
            (over if is_over else going).append(left)
            continue
        is_open = way.status.code is None
        unsure = unsure or is_open
        succeeded, failed = parted(run, way, statement.line)
        on, done = (failed, succeeded) if statement.until else (succeeded, failed)
        if on is not None:
            going.append(_marked(on) if is_open else on)
        if done is not None:
            # That the wait ends is what the script is written for.
            done = _expected(done) if is_open else done
            over.append(replace(done, status=SUCCESS))
    return unsure


def _expected(state: State) -> State:
    *earlier, last = state.forks
    return replace(state, forks=(*earlier, replace(last, unlikely=False)))


def _marked(state: State) -> State:
    """Return a way into another round of a wait: giving up there is no launch that lasts."""
    *earlier, last = state.forks
    return replace(state, forks=(*earlier, replace(last, unlikely=True)))


def _round(run: Run, statement: syntax.Loop, state: State) -> Ways:
    ways = run.body(run, statement.body, state)
    if statement.update is None:
        return ways
    found: list[State] = []
    for way in ways:
        if way.flow is Flow.NEXT or (way.flow is Flow.CONTINUE and way.levels <= 1):
            found += run.body(run, statement.update, replace(way, flow=Flow.NEXT, levels=0))
        else:
            found.append(way)
    return tuple(found)


def _widened(run: Run, head: State, state: State) -> State:
    """Return the state at the start of another round of a loop of which nobody knows how many.

    What a round has changed is unseen, as it is after any round.
    """
    after = blurred(run, replace(head, status=SUCCESS), replace(state, status=SUCCESS))
    return replace(after, trace=state.trace if after.flow is Flow.NEXT else after.trace,
                   forks=state.forks)  # fmt: skip


def _left(state: State) -> tuple[State, bool]:
    """Settle break and continue after a round; say whether the loop is over."""
    match state.flow:
        case Flow.NEXT:
            return state, False
        case Flow.BREAK | Flow.CONTINUE if state.levels > 1:
            return replace(state, levels=state.levels - 1), True
        case Flow.CONTINUE:
            return replace(state, flow=Flow.NEXT, levels=0), False
        case Flow.BREAK:
            return replace(state, flow=Flow.NEXT, levels=0), True
        case Flow.RETURN | Flow.EXIT | Flow.REPLACED | Flow.LOST:
            return state, True


def iteration(run: Run, statement: syntax.For, state: State) -> Ways:
    """Run a `for` over words; of words that are not seen there may be any number."""
    if statement.words is None:
        values: list[Traced[str | None]] = list(state.positional)
        several = [
            Traced[str | None](None, run.at(statement.line), missing=(missing,))
            for missing in state.more[:1]
        ]
        rounds = [(value, False) for value in values] + [(value, True) for value in several]
    else:
        fields, state = expander(run).fields(statement.words, state)
        rounds = [(entry.traced(), entry.value is None and entry.several) for entry in fields]
    over: list[State] = []
    running: Ways = (replace(state, status=SUCCESS),)
    with run.looping():
        for value, any_number in rounds:
            following: list[State] = []
            for way in running:
                if any_number:
                    following += _any_number(run, statement, way, value, over)
                    continue
                for after in run.body(run, statement.body, assign(way, statement.name, value)):
                    settled, left = _left(after)
                    (over if left else following).append(settled)
            running = joined(run, following)
    return joined(run, (*over, *running))


def _any_number(
    run: Run,
    statement: syntax.For,
    state: State,
    value: Traced[str | None],
    over: list[State],
) -> list[State]:
    """Run the body for words that are not seen: not at all, or until it changes nothing more."""
    missing = next(iter(value.missing), Missing(Reason.SCRIPT, "the words of a loop"))
    done: list[State] = []
    running: list[State] = [state]
    seen: list[object] = []
    for _ in range(_OPEN_ROUNDS):
        following: list[State] = []
        for way in running:
            on, off = forked(run, way, missing)
            done.append(off)
            for after in run.body(run, statement.body, assign(on, statement.name, value)):
                settled, left = _left(after)
                if left:
                    over.append(settled)
                    continue
                widened = _widened(run, way, settled)
                if widened.flow is Flow.LOST:
                    over.append(widened)
                else:
                    following.append(widened)
        running = list(joined(run, _new(following, seen, done)))
        if not running:
            return done
    over += [lost(way, missing) for way in running]
    return done
