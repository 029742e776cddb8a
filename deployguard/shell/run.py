"""What the run of one script keeps: its budget, its place, and how nested things are run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.process import Process
from deployguard.model.structs import replace
from deployguard.shell import syntax
from deployguard.shell.state import Shell, State, Ways

STEPS = 20_000
# A text of this length, put together or looked through, counts as one step.
_LETTERS = 4_096
_CALLS = 30


class UnclearError(Exception):
    """A statement that is not understood; `missing` says what would settle it."""

    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


class LeftError(Exception):
    """An expansion that ends the shell, as `${name:?}` does; `state` is the one it ends in."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state


class Run(Struct):
    """The run of one script; `body` runs statements in a state."""

    shell: Shell
    process: Process
    location: Location
    body: "Callable[[Run, syntax.Script, State], Ways]"
    steps: int = 0
    calls: int = 0
    forks: int = 0
    loops: int = 0

    def at(self, line: int) -> Location:
        """Return the place of a line of the script that is being run."""
        if self.location.pointer is not None:
            # A text in an image config or a manifest has no lines of its own.
            return self.location
        first = self.location.line
        return replace(self.location, line=line if first is None else max(first, 1) + line - 1)

    def spend(self, line: int, letters: int = 0) -> None:
        """Count a step, and more for long texts; past the budget nothing is understood."""
        self.steps += 1 + letters // _LETTERS
        if self.steps > STEPS:
            raise self.unclear("what the script does beyond our limits", line)

    def forked(self) -> int:
        """Return the number of a new condition."""
        self.forks += 1
        return self.forks

    def missing(self, what: str, line: int, reason: Reason = Reason.SCRIPT) -> Missing:
        """Name something missing, with its place."""
        place = self.at(line)
        return Missing(reason, f"{what} ({place.file}:{line})")

    def unclear(self, what: str, line: int) -> UnclearError:
        """Return the error that ends understanding, with its place."""
        return UnclearError(self.missing(what, line))

    @contextmanager
    def nested(self, what: str, line: int, location: Location | None = None) -> Iterator[None]:
        """Run something within something: a function, a file, a text; not without end."""
        if self.calls >= _CALLS:
            raise self.unclear(what, line)
        here = self.location
        self.calls += 1
        self.location = location or here
        try:
            yield
        finally:
            self.calls -= 1
            self.location = here

    @contextmanager
    def looping(self) -> Iterator[None]:
        """Run the rounds of a loop."""
        self.loops += 1
        try:
            yield
        finally:
            self.loops -= 1
