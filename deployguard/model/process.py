"""The process a runtime starts, and the programs it ends up running."""

from enum import StrEnum

from msgspec import Struct

from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Traced
from deployguard.model.filesystem import Filesystem

Word = Traced[str | None]


class Process(Struct, frozen=True, kw_only=True):
    """A process as in the OCI runtime spec (config.md, process).

    `args` are the words handed to execve; a word that cannot be seen has the value None. Where the
    words themselves are not known (the image that holds the entrypoint was not read), `missing`
    says so and `args` holds those that are. `trail` is how this process came to be started, from
    the container's declaration on. A cwd that cannot be seen is None. `stdin` is the text on its
    standard input; None: the container's own, which is empty unless somebody attaches to it.
    """

    args: tuple[Word, ...]
    env: Environment
    cwd: Traced[str | None]
    user: Traced[str | None] | None
    terminal: Traced[bool]
    location: Location
    missing: tuple[Missing, ...] = ()
    trail: tuple[Evidence, ...] = ()
    stdin: Word | None = None


class Choice(Struct, frozen=True):
    """One of the two ways that a condition may go which cannot be told.

    `condition` tells one condition of a launch from another.
    """

    condition: tuple[int, ...]
    way: bool


class Start(Struct, frozen=True, kw_only=True):
    """A process that a script or program starts, and under what.

    It sees `files`; None: those that its starter sees. `certain` is false where it starts only
    under a condition that cannot be told, and `missing` names the condition; `choices`, where they
    are known, are the ways on which it does start. `awaited` says that its starter goes on once it
    has ended, so that it is written to end.
    """

    process: Process
    files: Filesystem | None = None
    certain: bool = True
    missing: tuple[Missing, ...] = ()
    choices: tuple[Choice, ...] = ()
    awaited: bool = False


class ProgramKind(StrEnum):
    """What a process ends up running, before anybody knows which library it is."""

    SCRIPT = "script"  # a Python file: python app.py, or a shebang
    MODULE = "module"  # python -m NAME
    CODE = "code"  # python -c TEXT, or standard input
    ENTRY_POINT = "entry-point"  # a console script that calls MODULE:FUNCTION
    BINARY = "binary"  # anything else that is executed
    NOTHING = "nothing"  # the process ends, or never starts
    UNKNOWN = "unknown"  # what starts could not be told


class Interpreter(Struct, frozen=True, kw_only=True):
    """How Python was started: what its command line says before the program.

    `path` is the executable as resolved in the image, None where only its name is known. `isolated`
    is -I, `ignore_environment` -E or -I, `no_site` -S, `optimize` the level of -O.
    """

    path: str | None
    isolated: bool = False
    ignore_environment: bool = False
    no_site: bool = False
    optimize: int = 0
    safe_path: bool = False
    inspect: bool = False


class RemoteDebugger(Struct, frozen=True, kw_only=True):
    """A debugger that a command brings up beside a Python program.

    It listens at `address` and `port`, or where it `connects`, seeks a client there. `waits` says
    that the program goes no further before a client is there.
    """

    name: str
    address: str | None
    port: int | None
    location: Location
    connects: bool = False
    waits: bool = False


class Program(Struct, frozen=True, kw_only=True):
    """One program that a process ends up running.

    `name` is the absolute path of a script or binary, the module's name, the text of CODE, or
    "MODULE:FUNCTION" of an entry point. `args` are the words after it (sys.argv[1:]). `process`
    has the environment and directory as they are when the program starts. `lasting` is false where
    it certainly ends before what follows it (a migration before the server); such a program is
    judged only for what it starts. `certain` is false where it starts only under a condition that
    cannot be told; `missing` names the condition, or what is not known of an UNKNOWN program, and
    `choices` the ways on which it starts, where they are known.
    `files` are those it sees where a script has written some before; None: the container's.
    `remote` is a debugger that the command brings up with it. `presumed` names the file that was
    not read where a command is taken for what its name says: it may be another that does more.
    """

    kind: ProgramKind
    name: str
    args: tuple[Word, ...]
    process: Process
    location: Location
    interpreter: Interpreter | None = None
    missing: tuple[Missing, ...] = ()
    trail: tuple[Evidence, ...] = ()
    certain: bool = True
    choices: tuple[Choice, ...] = ()
    lasting: bool = True
    files: Filesystem | None = None
    remote: RemoteDebugger | None = None
    presumed: tuple[Missing, ...] = ()
