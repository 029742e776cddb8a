"""What a program that starts another one comes to."""

from msgspec import Struct

from deployguard.launch.shells import Started
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Filesystem
from deployguard.model.process import Process, RemoteDebugger, Start, Word
from deployguard.model.structs import replace


class Debugged(Struct, frozen=True):
    """A process that a remote debugger comes up with."""

    process: Process
    remote: RemoteDebugger


# The process itself goes on as another one, alone or under a debugger; it starts several; it ends;
# or it cannot be told.
Next = Process | Debugged | Started | Evidence | Missing


class Call(Struct, frozen=True, kw_only=True):
    """A tool and how it is called: `words` are those after it.

    `python` is the interpreter it runs in with the options of that, empty for a binary; `path` is
    the file of the tool, None where only its name is known.
    """

    name: str
    process: Process
    words: tuple[Word, ...]
    python: tuple[Word, ...]
    path: str | None
    files: Filesystem

    @property
    def place(self) -> Location:
        """Return where the tool is called."""
        return self.process.location

    def missing(self, what: str) -> Missing:
        """Return something of the command that cannot be told."""
        return Missing(Reason.COMMAND, what)

    def ends(self, why: str) -> Evidence:
        """Return that the tool ends without having started anything."""
        return Evidence(self.place, f"{self.name} {why}")

    def runs_python(self, *words: Word) -> Process | Evidence:
        """Return the interpreter of the tool with other words: a script, or -m and a module."""
        return becomes(self.process, self.name, (*self.python, *words))


def becomes(process: Process, name: str, words: tuple[Word, ...]) -> Process | Evidence:
    """Return the process that follows a wrapper called `name`; without a command it ends."""
    if not words:
        return Evidence(process.location, f"{name} ends: it is given no command")
    place = process.args[0].location if process.args else process.location
    return started(process, words, Evidence(place, f"{name} starts what follows it"))


def started(process: Process, words: tuple[Word, ...], step: Evidence) -> Process:
    """Return a process with other words, and the step that led to them."""
    return replace(process, args=words, location=words[0].location, trail=(*process.trail, step))


def in_shell(
    process: Process, name: str, text: Word, words: tuple[Word, ...] = (), shell: Word | None = None
) -> Process:
    """Return the process of a shell that runs a text, with the words after it."""
    place = text.location
    first = shell or at("/bin/sh", place)
    step = Evidence(place, f"{name} runs this in {first.value}")
    return started(process, (first, at("-c", place), text, *words), step)


def at(text: str, location: Location) -> Word:
    """Return a word with its place."""
    return Traced(text, location)


def in_folder(process: Process, folder: Word) -> Process:
    """Return a process in another directory, as chdir goes there from its own."""
    if folder.value is None or folder.value.startswith("/"):
        return replace(process, cwd=folder)
    cwd = process.cwd
    if cwd.value is None:
        return process
    inner = f"{cwd.value.rstrip('/')}/{folder.value}" if folder.value else cwd.value
    return replace(process, cwd=replace(folder, value=inner))


def several(*processes: Process) -> Started:
    """Return processes that certainly start, beside each other."""
    return Started(processes=tuple(Start(process=one) for one in processes))
