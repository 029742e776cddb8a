"""The state of a shell between two commands; every change makes a new one."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced, distinct
from deployguard.model.process import Start, Word
from deployguard.model.structs import replace
from deployguard.shell.overlay import Overlay
from deployguard.shell.syntax import Function


class Kind(StrEnum):
    """The shells whose differences are known."""

    BASH = "bash"
    DASH = "dash"
    BUSYBOX = "busybox"


class Shell(Struct, frozen=True):
    """Which shell runs the text: `kind` is None where /bin/sh may be any."""

    name: str
    kind: Kind | None
    posix: bool = False  # bash under the name sh

    def missing(self) -> Missing:
        """Name what would settle a difference between shells."""
        return Missing(Reason.PROGRAM, f"which shell {self.name} is")

    def among(self, *kinds: Kind) -> bool | None:
        """Say whether the shell is one of some kinds, None where it may be."""
        return None if self.kind is None else self.kind in kinds

    def has_more(self) -> bool | None:
        """Say whether the shell knows what bash adds: busybox may be built either way."""
        return {Kind.BASH: True, Kind.DASH: False}.get(self.kind) if self.kind else None


class Status(Struct, frozen=True):
    """An exit status; `code` None with what would tell it.

    `presumed` marks a command that is written to succeed, so that what depends on its success is
    not held to be in doubt, while what depends on its failure is.
    """

    code: int | None
    missing: Missing | None = None
    presumed: bool = False


SUCCESS = Status(0)
FAILURE = Status(1)


class Flow(StrEnum):
    """How a statement ended; REPLACED by `exec`, LOST where it was not understood."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    EXIT = "exit"
    REPLACED = "replaced"
    LOST = "lost"


class Fork(Struct, frozen=True):
    """A condition that cannot be told, and the way that was taken.

    `unlikely` marks the way on which a command fails that is written to succeed; `started` counts
    what had been started before.
    """

    number: int
    way: bool
    missing: Missing
    unlikely: bool
    started: int


class Unseen(Struct, frozen=True):
    """Something that was not understood, in the place of what it may start."""

    missing: Missing


class Hidden(Struct, frozen=True):
    """A variable that `local` hides until its function returns."""

    name: str
    value: Traced[str | None] | None
    array: tuple[Word, ...] | None
    exported: bool


class State(Struct, frozen=True, kw_only=True):
    """Everything a command may read or change, and how it came to this.

    `callers` are the functions that run, the innermost first. `variables` are those not exported,
    `marked` names exported before they are set, `fixed` those that are readonly, `arrays` those of
    bash, whose first element is the variable of that name, `maps` those whose elements are not
    followed. `positional` is followed by an unknown number of further words where `more` says why.
    `options` are the letters of `set` and the names of `shopt`. `output` gathers what is written to
    standard output where somebody reads it, `unordered` says that its lines may come in another
    order; `stdin` is None for the shell's own. `inner` says that this is a shell within the
    script's, whose end is not the script's. `hidden` holds the variables that `local` hides in the
    function that runs; `trap` is what runs when the shell ends. `trace` is what has been started,
    `forks` the ways that led here.
    """

    env: Environment
    files: Overlay
    zero: Word
    cwd: Traced[str | None]
    before: Traced[str | None] | None = None  # the directory of `cd -`
    positional: tuple[Word, ...] = ()
    more: tuple[Missing, ...] = ()
    variables: Mapping[str, Traced[str | None]] = field(default_factory=dict)
    arrays: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)
    maps: frozenset[str] = frozenset()
    marked: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    functions: Mapping[str, tuple[Function, Location]] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    callers: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    status: Status = SUCCESS
    flow: Flow = Flow.NEXT
    levels: int = 0
    tested: bool = False
    background: bool = False
    awaited: bool = False
    inner: bool = False
    stdin: Traced[str | None] | None = None
    output: Traced[str | None] | None = None
    unordered: bool = False
    hidden: tuple[Hidden, ...] | None = None
    trap: Traced[str | None] | None = None
    doubt: Missing | None = None
    trace: tuple[Start | Unseen, ...] = ()
    forks: tuple[Fork, ...] = ()


Ways = tuple[State, ...]


def lookup(state: State, name: str) -> Traced[str | None] | None:
    """Return a variable, None where it is certainly unset; an unseen value says what is missing."""
    entry = state.variables.get(name) or state.env.get(name)
    if entry is None or entry.value is not None or entry.missing:
        return entry
    return replace(entry, missing=(Missing(Reason.VARIABLE, f"the value of {name}"),))


def assign(state: State, name: str, value: Traced[str | None]) -> State:
    """Set a variable; it reaches the programs only where the name is exported already."""
    if name in state.arrays:
        items = (value, *state.arrays[name][1:])
        state = replace(state, arrays={**state.arrays, name: items})
    if "a" in state.options or name in state.marked:
        return export(state, name, value)
    if name not in state.variables and name in state.env.entries:
        return replace(state, env=state.env.with_entry(name, value))
    changed = replace(state, variables={**state.variables, name: value})
    if not state.env.unseen or name in state.variables or name in state.env.removed:
        return changed
    # Whether the name is exported is as unknown as the environment.
    unsure = Traced[str | None](None, value.location, missing=state.env.unseen)
    return replace(changed, env=state.env.with_entry(name, unsure))


def export(state: State, name: str, value: Traced[str | None] | None = None) -> State:
    """Export a variable, with a new value where one is given."""
    variables = dict(state.variables)
    kept = variables.pop(name, None)
    value = value if value is not None else kept
    if value is None:
        return replace(state, marked=state.marked | {name})
    return replace(state, variables=variables, env=state.env.with_entry(name, value))


def unexport(state: State, name: str, location: Location) -> State:
    """Keep a variable from the programs (`export -n` of bash)."""
    value = lookup(state, name)
    variables = dict(state.variables) if value is None else {**state.variables, name: value}
    return replace(
        state,
        variables=variables,
        marked=state.marked - {name},
        env=state.env.without(name, location),
    )


def unset(state: State, name: str, location: Location) -> State:
    """Remove a variable."""
    variables = dict(state.variables)
    variables.pop(name, None)
    return replace(
        state,
        variables=variables,
        arrays={other: words for other, words in state.arrays.items() if other != name},
        maps=state.maps - {name},
        marked=state.marked - {name},
        env=state.env.without(name, location),
    )


def restored(state: State, before: State, names: Iterable[str]) -> State:
    """Return a state with some variables as they were before: those set for one command."""
    entries, removed = dict(state.env.entries), dict(state.env.removed)
    variables = dict(state.variables)
    for name in names:
        for current, old in ((entries, before.env.entries), (variables, before.variables)):
            current.pop(name, None)
            if name in old:
                current[name] = old[name]
        removed.pop(name, None)
        if name in before.env.removed:
            removed[name] = before.env.removed[name]
    env = replace(state.env, entries=entries, removed=removed)
    return replace(state, env=env, variables=variables)


def forget(state: State, missing: Missing, location: Location) -> State:
    """Return the state after something ran in this shell that may have set and changed all."""
    return replace(
        state,
        env=Environment(unseen=distinct((*state.env.unseen, missing)), location=location),
        variables={},
        cwd=Traced(None, location, missing=(missing,)),
        status=Status(None, missing),
        doubt=state.doubt or missing,
    )


def written(state: State, text: Traced[str | None]) -> State:
    """Append to standard output, where it is read at all."""
    if state.output is None:
        return state
    return replace(state, output=joined((state.output, text), text.location))


def joined(parts: Iterable[Traced[str | None]], location: Location) -> Traced[str | None]:
    """Put texts together; one unseen part makes the whole unseen."""
    texts: list[str] = []
    missing: list[Missing] = []
    for part in parts:
        if part.value is None:
            missing += part.missing
        else:
            texts.append(part.value)
    if missing or sum(map(len, texts)) > LONGEST_TEXT:
        return Traced(None, location, missing=distinct(missing) or (TOO_LONG,))
    return Traced("".join(texts), location)


LONGEST_TEXT = 256 * 1024
TOO_LONG = Missing(Reason.LIMIT, "a text of more than 256 KiB that a script puts together")
