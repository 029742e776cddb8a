"""Running a script without running it: which processes it starts, in order.

Where a condition cannot be told both ways are followed, and join where they leave everything alike.
What starts on one way only is marked, and what is not understood is said: nothing is passed over in
silence.
"""

from collections.abc import Sequence

from msgspec import Struct

from deployguard.model.evidence import Evidence, Location, Missing, Traced
from deployguard.model.filesystem import Absent, Content, Filesystem
from deployguard.model.process import Process, Start, Word
from deployguard.shell.commands import text as read_file
from deployguard.shell.overlay import Overlay
from deployguard.shell.parsing import parse
from deployguard.shell.run import Run, UnclearError
from deployguard.shell.state import Flow, Shell, State, Unseen, Ways
from deployguard.shell.statements import finished, script
from deployguard.shell.syntax import Script
from deployguard.shell.ways import all_traced, joined, lost


class Outcome(Struct, frozen=True, kw_only=True):
    """What a script starts, in order, and what of it was not understood.

    `steps` counts what was done to tell, which has a limit.
    """

    starts: tuple[Start, ...]
    unseen: tuple[Missing, ...]
    ended: Evidence
    steps: int


def execute(
    text: str,
    process: Process,
    words: Sequence[Word],
    files: Filesystem,
    location: Location,
    *,
    shell: Shell,
    options: frozenset[str] = frozenset(),
    profiles: Sequence[str] = (),
) -> Outcome:
    """Run a text with its parameters (`words[0]` is $0); never raises.

    `location` is where the text stands; lines count from it. `options` are the shell's letters,
    `profiles` the files it reads before, where they are there.
    """
    run = Run(shell, process, location, script)
    zero = words[0] if words else Traced("sh", location)
    state = State(
        env=process.env,
        files=files if isinstance(files, Overlay) else Overlay(files),
        zero=zero,
        cwd=process.cwd,
        positional=tuple(words[1:]),
        options=options,
        stdin=process.stdin,
    )
    ways: Ways = (state,)
    for path in profiles:
        ways = tuple(after for way in ways for after in _profile(run, path, way))
    try:
        body = parse(text)
        run.spend(1, len(text))
        running = (after for way in ways for after in _whole(run, body, way))
        trace = all_traced(run, joined(run, running))
    except (RecursionError, UnclearError) as error:
        what = f"what {location.file} does, which is nested too deeply"
        missing = error.missing if isinstance(error, UnclearError) else run.missing(what, 1)
        trace = (Unseen(missing),)
    ended = Evidence(location, f"the script {location.file} comes to its end")
    return Outcome(
        starts=tuple(item for item in trace if isinstance(item, Start)),
        unseen=tuple(dict.fromkeys(item.missing for item in trace if isinstance(item, Unseen))),
        ended=ended,
        steps=run.steps,
    )


def _whole(run: Run, body: Script, state: State) -> Ways:
    return (state,) if state.flow is not Flow.NEXT else finished(run, script(run, body, state))


def _profile(run: Run, path: str, state: State) -> Ways:
    """Read a file before the script, in the same shell."""
    if state.flow is not Flow.NEXT:
        return (state,)
    match state.files.read(path):
        case Absent():
            return (state,)
        case Content() as content:
            try:
                return read_file(run, content, state, 1)
            except UnclearError as error:
                return (lost(state, error.missing),)
        case unread:
            return (lost(state, unread.missing),)
