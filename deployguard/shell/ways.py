"""The ways a script may go: how they part at a condition that cannot be told, and join again."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from deployguard.model.evidence import Missing, Reason, Traced, distinct
from deployguard.model.process import Choice, Start
from deployguard.model.structs import replace
from deployguard.shell.overlay import Overlay
from deployguard.shell.run import Run
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Fork,
    State,
    Status,
    Unseen,
    Ways,
)

_MOST = 12
Trace = tuple[Start | Unseen, ...]


def lost(state: State, missing: Missing) -> State:
    """Return the state after something that was not understood: what follows is not known."""
    return replace(state, flow=Flow.LOST, trace=(*state.trace, Unseen(missing)))


def forked(
    run: Run, state: State, missing: Missing, *, unlikely: bool = False
) -> tuple[State, State]:
    """Return a state twice: on the way where a condition holds, and where it does not."""
    number = run.forked()
    yes = Fork(number, way=True, missing=missing, unlikely=False, started=len(state.trace))
    no = replace(yes, way=False, unlikely=unlikely)
    return (
        replace(state, forks=(*state.forks, yes)),
        replace(state, forks=(*state.forks, no)),
    )


def parted(run: Run, state: State, line: int) -> tuple[State | None, State | None]:
    """Return the ways on which the command before succeeded and failed."""
    code = state.status.code
    if code is not None:
        return (state, None) if code == 0 else (None, state)
    missing = state.status.missing or run.missing("whether a command succeeds", line)
    # In a loop a command that asks the world outside is asked until it succeeds.
    waits = run.loops > 0 and missing.reason is Reason.COMMAND
    yes, no = forked(run, state, missing, unlikely=state.status.presumed or waits)
    return replace(yes, status=SUCCESS), replace(no, status=FAILURE)


def joined(run: Run, states: Iterable[State]) -> Ways:
    """Return the ways that still differ, no more than a few."""
    ways = [state for state in states if not _abandoned(state)]
    if len(ways) < 2:  # noqa: PLR2004  (one has nothing to join)
        return tuple(ways)
    keys = [key(state) for state in ways]
    while (pair := _siblings(ways, keys)) is not None:
        one, other = pair
        ways[one] = _merged(run, ways[one], ways[other])
        del ways[other], keys[other]
    while len(ways) > _MOST:
        one, other = _closest(ways, keys)
        ways[one] = blurred(run, ways[one], ways[other])
        keys[one] = key(ways[one])
        del ways[other], keys[other]
    return tuple(ways)


def _abandoned(state: State) -> bool:
    """Say whether a script gives up here as it does when what it needs is not there.

    A command that is written to succeed has failed, and nothing was started since: such a launch
    serves nobody, and is none that lasts. More follows where a shell within ends, or a trap is set.
    """
    ends = state.flow is Flow.EXIT and not state.inner and state.trap is None
    return ends and any(fork.unlikely and fork.started == len(state.trace) for fork in state.forks)


def _siblings(ways: Sequence[State], keys: Sequence[object]) -> tuple[int, int] | None:
    """Return two ways that parted last of all, and left everything alike."""
    for one, other in combinations(range(len(ways)), 2):
        left, right = ways[one].forks, ways[other].forks
        if (
            len(left) == len(right) > 0
            and left[:-1] == right[:-1]
            and left[-1].number == right[-1].number
            and keys[one] == keys[other]
        ):
            return one, other
    return None


def _closest(ways: Sequence[State], keys: Sequence[object]) -> tuple[int, int]:
    """Return the two ways that parted last, of those that are most alike."""
    return max(
        combinations(range(len(ways)), 2),
        key=lambda pair: (
            ways[pair[0]].flow is ways[pair[1]].flow,
            keys[pair[0]] == keys[pair[1]],
            _common(ways[pair[0]].forks, ways[pair[1]].forks),
        ),
    )


def _common(one: Sequence[Fork], other: Sequence[Fork]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if (left.number, left.way) != (right.number, right.way):
            break
        count += 1
    return count


def _merged(run: Run, one: State, other: State) -> State:
    """Return one state for two that differ only in what was started on the way."""
    shared = _common(one.forks, other.forks)
    trace = traced(run, one, other)
    missing = one.status.missing or other.status.missing
    status = replace(one.status, missing=missing) if one.status.code is None else one.status
    return replace(one, forks=one.forks[:shared], trace=trace, status=status)


def traced(run: Run, one: State, other: State) -> Trace:
    """Return what was started on either of two ways; what only one starts is marked."""
    if one.trace == other.trace:
        return one.trace
    shared = _common(one.forks, other.forks)
    missing = distinct(fork.missing for fork in (*one.forks[shared:], *other.forks[shared:]))
    ours = _Only(run, one.forks[shared:], missing)
    theirs = _Only(run, other.forks[shared:], missing)
    found: list[Start | Unseen] = []
    pending = list(other.trace)
    keys = [item_key(item) for item in pending]
    for item in one.trace:
        wanted = item_key(item)
        if wanted not in keys:
            found.append(ours.mark(item))
            continue
        at = keys.index(wanted)
        found += [theirs.mark(earlier) for earlier in pending[:at]]
        found.append(item)
        del pending[: at + 1], keys[: at + 1]
    return (*found, *(theirs.mark(item) for item in pending))


class _Only:
    """What is started on one of two ways only."""

    def __init__(self, run: Run, forks: Sequence[Fork], missing: tuple[Missing, ...]) -> None:
        self.run = run
        self.missing = missing
        self.choices = tuple(Choice((fork.number,), fork.way) for fork in forks)

    def mark(self, item: Start | Unseen) -> Start | Unseen:
        if isinstance(item, Unseen):
            return item
        # Ways that were joined before have no choice that tells them from the other.
        choices = self.choices or (Choice((self.run.forked(),), way=True),)
        return replace(
            item,
            certain=False,
            missing=distinct((*item.missing, *self.missing)),
            choices=tuple(dict.fromkeys((*item.choices, *choices))),
        )


def item_key(item: Start | Unseen) -> object:
    """Return what tells one thing that was started from another."""
    if isinstance(item, Unseen):
        return item
    process = item.process
    return (
        tuple(word.value for word in process.args),
        _values(process.env.entries),
        frozenset(process.env.removed),
        process.env.unseen,
        process.cwd.value,
        process.stdin and process.stdin.value,
        item.files.key() if isinstance(item.files, Overlay) else None,
        item.choices,
        item.awaited,
    )


def all_traced(run: Run, states: Sequence[State]) -> Trace:
    """Return what is started on all the ways on which a script ends."""
    ways = list(states)
    while len(ways) > 1:
        one, other = max(
            combinations(range(len(ways)), 2),
            key=lambda pair: _common(ways[pair[0]].forks, ways[pair[1]].forks),
        )
        ways[one] = _merged(run, ways[one], ways[other])
        del ways[other]
    return ways[0].trace if ways else ()


def blurred(run: Run, one: State, other: State) -> State:
    """Return the state after either of two, with what they leave different unseen.

    Where they differ in more than values, what follows is not known.
    """
    shared = _common(one.forks, other.forks)
    missing = next(
        (fork.missing for fork in (*one.forks[shared:], *other.forks[shared:])),
        run.missing("which way a condition goes", 1),
    )
    place = other.cwd.location
    unseen = Traced[str | None](None, place, missing=(missing,))

    def values(
        left: Mapping[str, Traced[str | None]], right: Mapping[str, Traced[str | None]]
    ) -> dict[str, Traced[str | None]]:
        names = dict.fromkeys((*left, *right))
        return {
            name: left[name]
            if name in left and name in right and left[name].value == right[name].value
            else unseen
            for name in names
        }

    def text(
        left: Traced[str | None] | None, right: Traced[str | None] | None
    ) -> Traced[str | None] | None:
        same = (left and left.value) == (right and right.value) and (left is None) is (
            right is None
        )
        return left if same else unseen

    env = values(one.env.entries, other.env.entries)
    # A name that is exported on one way only is not a plain variable on the other.
    variables = {
        name: value
        for name, value in values(one.variables, other.variables).items()
        if name not in env
    }
    cwd = one.cwd if one.cwd.value == other.cwd.value else unseen
    files = one.files.either(other.files, missing)
    status = (
        one.status
        if (one.status.code, one.status.presumed) == (other.status.code, other.status.presumed)
        else Status(None, one.status.missing or other.status.missing or missing)
    )
    removed = {
        name: location
        for name, location in {**one.env.removed, **other.env.removed}.items()
        if name not in env
    }

    def common(state: State) -> State:
        return replace(
            state,
            env=replace(state.env, entries=env, removed=removed),
            variables=variables,
            files=files,
            cwd=cwd,
            before=None,
            stdin=text(one.stdin, other.stdin),
            output=text(one.output, other.output),
            unordered=one.unordered or other.unordered,
            status=status,
        )

    left, right = common(one), common(other)
    merged = replace(left, forks=one.forks[:shared], trace=traced(run, one, other))
    if key(left) != key(right):
        return lost(merged, missing)
    return merged


def _values(entries: Mapping[str, Traced[str | None]]) -> frozenset[tuple[str, str | None]]:
    return frozenset((name, entry.value) for name, entry in entries.items())


def _text(entry: Traced[str | None] | None) -> object:
    return None if entry is None else (entry.value,)


def key(state: State) -> object:
    """Return all that a command may read of a state, to compare two."""
    return (
        state.flow,
        _values(state.env.entries),
        frozenset(state.env.removed),
        state.env.unseen,
        _values(state.variables),
        frozenset((name, tuple(w.value for w in words)) for name, words in state.arrays.items()),
        state.maps,
        state.marked,
        state.fixed,
        tuple(word.value for word in state.positional),
        state.more,
        state.cwd.value,
        _text(state.before),
        frozenset((name, id(function)) for name, (function, _) in state.functions.items()),
        state.aliases,
        state.files.key(),
        state.options,
        (state.status.code, state.status.presumed),
        state.levels,
        _text(state.stdin),
        _text(state.output),
        _text(state.trap),
        state.unordered,
        state.tested,
        state.hidden,
        state.doubt,
    )
