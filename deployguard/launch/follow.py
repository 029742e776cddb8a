"""The worklist: each process is resolved as execve would, until what runs starts nothing more."""

import re
from collections.abc import Callable

from msgspec import Struct

from deployguard.effective import search
from deployguard.effective.search import Executable
from deployguard.formats.words import spelled
from deployguard.launch import console, pythons, shells, tools, wrappers
from deployguard.launch.outcomes import Call, Debugged, Next
from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Filesystem, Searched, Stat, Unread
from deployguard.model.filesystem import search as search_file
from deployguard.model.process import (
    Choice,
    Interpreter,
    Process,
    Program,
    ProgramKind,
    RemoteDebugger,
    Start,
    Word,
)
from deployguard.model.structs import replace

_ELF = b"\x7fELF"
_TEXT = bytes({*range(7, 14), 27, *range(32, 127), *range(128, 256)})  # as file(1) has it
_STEPS = 1_000
_DEPTH = 40
_SHEBANG = re.compile(rb"#![ \t]*([^\s]+)[ \t]*([^\r\n]*?)[ \t]*(\r?)(?:\n|\Z)")

Starts = Callable[[Program], tuple[Start, ...]]


class Pending(Struct, frozen=True, kw_only=True):
    """A process still to be resolved, and under what it is started.

    `files` are those it sees: a script may have written some before. `from_shell` says that a
    shell starts it, which runs a text without a shebang itself. `remote` is a debugger that comes
    up with it, `presumed` what was not read of a command that is taken for what its name says.
    """

    process: Process
    files: Filesystem
    certain: bool = True
    lasting: bool = True
    missing: tuple[Missing, ...] = ()
    choices: tuple[Choice, ...] = ()
    from_shell: bool = False
    remote: RemoteDebugger | None = None
    presumed: tuple[Missing, ...] = ()
    depth: int = 0


def nothing(_program: Program) -> tuple[Start, ...]:
    """Start nothing further."""
    return ()


def follow(process: Process, files: Filesystem, starts: Starts = nothing) -> tuple[Program, ...]:
    """Return the programs that a process ends up running, in the order in which they start.

    Never raises; what cannot be told is a program of kind UNKNOWN that names what is missing.
    `starts` says which processes a program starts by itself.
    """
    programs: list[Program] = []
    pending = [Pending(process=process, files=files)]
    for step in range(_STEPS):
        if not pending:
            return tuple(programs)
        current = pending.pop(0)
        outcome = _resolve(current)
        for item in reversed(outcome):
            if isinstance(item, Pending):
                pending.insert(0, _told_apart(item, current, step))
        for item in outcome:
            if isinstance(item, Program):
                programs.append(item)
                begun = (_started_by(item, one, current) for one in starts(item))
                pending.extend(_told_apart(one, current, step) for one in begun)
    limit = Missing(Reason.LIMIT, "what starts beyond a thousand processes")
    programs.append(_unknown(Pending(process=process, files=files), (limit,)))
    return tuple(programs)


def _told_apart(item: Pending, current: Pending, step: int) -> Pending:
    """Return what a step found with its conditions told from those of every other step.

    Each script and program counts its own conditions from one.
    """
    known = len(current.choices)
    own = tuple(Choice((step, *choice.condition), choice.way) for choice in item.choices[known:])
    return replace(item, choices=(*item.choices[:known], *own))


def _started_by(program: Program, start: Start, current: Pending) -> Pending:
    return Pending(
        process=start.process,
        files=start.files or program.files or current.files,
        certain=program.certain and start.certain,
        lasting=program.lasting and not start.awaited,
        missing=(*(() if program.certain else program.missing), *start.missing),
        choices=(*current.choices, *start.choices),
        depth=current.depth + 1,
    )


def _resolve(current: Pending) -> tuple[Program | Pending, ...]:
    process = current.process
    if current.depth > _DEPTH:
        limit = Missing(Reason.LIMIT, "what programs start that are nested this deep")
        return (_unknown(current, (limit,)),)
    if process.missing:
        return (_unknown(current, process.missing),)
    if not process.args:
        text = "there is neither an ENTRYPOINT nor a CMD or command, so nothing can be started"
        return (_nothing(current, text),)
    first = process.args[0]
    if first.value is None:
        return (_unknown(current, first.missing or (_word(),)),)
    if first.value == "":
        return (_nothing(current, "the command is the empty text, which does not start"),)
    found = search.find(first.value, process.env, process.cwd, current.files)
    match found:
        case Absent():
            text = f"{first.value} is not found in the image, so nothing starts"
            return (_nothing(current, text),)
        case Unread(missing=missing):
            return _by_name(current, wrappers.basename(first.value), None, missing)
        case Executable():
            return _file(current, found)


def _word() -> Missing:
    return Missing(Reason.COMMAND, "the first word of the command")


def _file(current: Pending, found: Executable) -> tuple[Program | Pending, ...]:
    """Resolve a file as execve does: by its first bytes."""
    tool = tools.by_place(found.path, current.files)
    if tool is not None:
        return _tool(current, tool, current.process.args[1:], (), found.path)
    content = found.content
    if isinstance(content, Unread):
        return _by_name(current, wrappers.basename(found.path), found.path, content.missing)
    data = content.data
    if data.startswith(_ELF):
        return _by_name(current, wrappers.basename(found.path), found.path, None)
    if data.startswith(b"#!"):
        return _interpreted(current, found, content)
    if data.startswith(b"PK"):
        missing = Missing(Reason.PROGRAM, f"what the archive {found.path} does")
        return (_unknown(current, (missing,)),)
    if data[:512].translate(None, _TEXT):
        # A binary of another format: whether it runs is up to the machine (binfmt_misc of Linux).
        return _by_name(current, wrappers.basename(found.path), found.path, None)
    if current.from_shell:
        # A shell runs a text that execve refuses (POSIX, Command Search and Execution).
        return _shell_script(current, found.path, content)
    note = f"{found.path} is no program that can be executed, so nothing starts"
    return (_nothing(current, note),)


def _interpreted(
    current: Pending, found: Executable, content: Content
) -> tuple[Program | Pending, ...]:
    match = _SHEBANG.match(content.data)
    if match is None or match[3]:
        note = f"the first line of {found.path} names no interpreter that is there"
        return (_nothing(current, note),)
    known = _known_script(current, found, content)
    if known is not None:
        return known
    interpreter = match[1].decode("utf-8", "replace")
    argument = match[2].decode("utf-8", "replace")
    name = wrappers.basename(interpreter)
    if name == "env":
        words = argument.removeprefix("-S").split()
        name = wrappers.basename(words[0]) if words else ""
    if pythons.is_python(name):
        target = console.entry_point(content)
        if target is not None:
            return _entry_point(current, target, found, _prefix(current, interpreter))
    place = content.location
    words_before: list[Word] = [_at(interpreter, place)]
    if argument:
        # The kernel hands everything after the interpreter over as one word.
        words_before.append(_at(argument, place))
    step = Evidence(place, f"{found.path} is run by {interpreter}")
    process = replace(
        current.process,
        args=(*words_before, _at(found.path, current.process.args[0].location),
              *current.process.args[1:]),
        trail=(*current.process.trail, step),
    )  # fmt: skip
    return (replace(current, process=process, depth=current.depth + 1),)


def _known_script(
    current: Pending, found: Executable, content: Content
) -> tuple[Program | Pending, ...] | None:
    """Resolve a script that is a tool by its name, whatever language it is written in."""
    process, name = current.process, wrappers.basename(found.path)
    outcome = wrappers.known_script(name, content.data, process, current.files)
    if outcome is not None:
        return _next(current, outcome)
    tool = tools.by_script(found.path, content.data)
    return None if tool is None else _tool(current, tool, process.args[1:], (), found.path)


def _tool(
    current: Pending,
    tool: str,
    words: tuple[Word, ...],
    python: tuple[Word, ...],
    path: str | None,
) -> tuple[Program | Pending, ...]:
    call = Call(
        name=tool,
        process=current.process,
        words=words,
        python=python,
        path=path,
        files=current.files,
    )
    return _next(current, tools.run(tool, call))


def _next(current: Pending, outcome: Next) -> tuple[Program | Pending, ...]:
    """Resolve what a wrapper or tool comes to."""
    match outcome:
        case Process():
            return (replace(current, process=outcome, depth=current.depth + 1),)
        case Debugged(process=process, remote=remote):
            inner = replace(current, process=process, remote=remote, depth=current.depth + 1)
            if not remote.connects:
                return (inner,)
            client = f"whether a client waits for {remote.name} at {remote.address}:{remote.port}"
            missing = Missing(Reason.COMMAND, client)
            return (replace(inner, certain=False, missing=(*current.missing, missing)),)
        case shells.Started():
            return _shell_starts(replace(current, from_shell=False), outcome)
        case Evidence():
            return (_program(current, ProgramKind.NOTHING, "", (), outcome),)
        case Missing():
            return (_unknown(current, (outcome,)),)


def _at(text: str, location: Location) -> Word:
    return Word(text, location)


def _prefix(current: Pending, interpreter: str) -> str | None:
    """Return the interpreter's path; one that env looks up is searched for in PATH."""
    if wrappers.basename(interpreter) != "env":
        return interpreter
    process = current.process
    found = search.find("python3", process.env, process.cwd, current.files)
    return found.path if isinstance(found, Executable) else None


def _by_name(
    current: Pending, name: str, path: str | None, unread: Missing | None
) -> tuple[Program | Pending, ...]:
    """Resolve a binary, or a command whose file was not read, by what its name says."""
    process = current.process
    if pythons.is_python(name):
        return _python(current, path)
    if shells.is_shell(name):
        return _shell(current, name)
    if name in {"busybox", "toybox"}:
        return _applet(current, name, path, unread)
    wrapped = wrappers.unwrap(name, process, current.files)
    if wrapped is not None:
        return _next(current, wrapped)
    tool = tools.by_file(path or name)
    if tool is not None:
        return _tool(current, tool, process.args[1:], (), path)
    if shells.ends(name):
        return (_nothing(current, f"{name} does its work and ends"),)
    target = console.KNOWN_COMMANDS.get(name)
    if unread is not None and target is not None:
        note = Evidence(process.args[0].location, f"{name} is taken for what its name says")
        named = replace(process, trail=(*process.trail, note))
        presumed = (*current.presumed, unread)
        inner = replace(current, process=named, presumed=presumed)
        return _entry_point(inner, target, None, None)
    if unread is not None and not _large_binary(path, unread, current.files):
        return (_unknown(current, (unread,)),)
    return (
        _program(
            current,
            ProgramKind.BINARY,
            path or name,
            process.args[1:],
            Evidence(process.location, f"{spelled(process.args[:1])} is a program of its own"),
        ),
    )


def _applet(
    current: Pending, name: str, path: str | None, unread: Missing | None
) -> tuple[Program | Pending, ...]:
    """Resolve busybox APPLET WORDS: the applet is in the binary, wherever its name may lead."""
    words = current.process.args[1:]
    if not words or (words[0].value or "-").startswith("-"):
        if words and words[0].value is None:
            return (_unknown(current, words[0].missing or (_word(),)),)
        return (_nothing(current, f"{name} lists its applets and ends"),)
    step = Evidence(words[0].location, f"{name} runs its applet {words[0].value}")
    trail = (*current.process.trail, step)
    inner = replace(current, process=replace(current.process, args=words, trail=trail))
    return _by_name(inner, words[0].value or "", path, unread)


def _large_binary(path: str | None, unread: Missing, files: Filesystem) -> bool:
    """Say whether a file that is too large to be read begins as a binary does."""
    if path is None or unread.reason is not Reason.LIMIT:
        return False
    found = search_file(files, path, frozenset())
    return isinstance(found, Searched) and found.head.startswith(_ELF)


def _python(current: Pending, path: str | None) -> tuple[Program | Pending, ...]:
    process = current.process
    started = pythons.started(path, process.args[1:])
    if started.missing:
        return (_unknown(current, started.missing),)
    match started.kind:
        case ProgramKind.NOTHING:
            return (_nothing(current, f"Python prints and ends at {started.name}"),)
        case ProgramKind.CODE if started.name == "":
            return _python_input(current, started)
        case ProgramKind.SCRIPT:
            place = search.absolute(started.name, process.cwd)
            if isinstance(place, Unread):
                return (_unknown(current, (place.missing,)),)
            started = replace(started, name=place)
            content = current.files.read(place)
            target = console.entry_point(content) if isinstance(content, Content) else None
            if target is not None and "/bin/" in place:
                shifted = replace(process, args=(process.args[0], *started.words))
                inner = replace(current, process=shifted)
                return _entry_point(inner, target, None, path, started.interpreter)
        case ProgramKind.MODULE if not _hidden_module(started, current):
            tool = tools.by_module(started.name)
            if tool is not None:
                count = len(process.args) - len(started.words)
                python = _before(process.args[:count])
                return _tool(current, tool, started.words, python, None)
        case _:
            pass
    note = Evidence(process.args[0].location, f"Python runs {_described(started)}")
    program = _program(current, started.kind, started.name, started.words, note)
    return (replace(program, interpreter=started.interpreter),)


def _before(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return an interpreter and its options from the words up to a module: -m NAME, or -umNAME."""
    last = words[-1].value or ""
    if not last.startswith("-") and len(words) > 1:
        words = words[:-1]
        last = words[-1].value or ""
    letters = last[: last.index("m")] if "m" in last else last
    option = () if letters == "-" else (replace(words[-1], value=letters),)
    return (*words[:-1], *option)


def _hidden_module(started: pythons.Started, current: Pending) -> bool:
    """Say whether a file of the user's hides a module that is run with -m."""
    process, python = current.process, started.interpreter
    variable = process.env.get("PYTHONPATH")
    listed = (variable.value or "").split(":") if variable is not None else []
    folders = [folder for folder in listed if folder and not python.ignore_environment]
    if not python.safe_path:
        folders.append(".")
    top = started.name.partition(".")[0]
    for folder in folders:
        for name in (f"{folder}/{top}.py", f"{folder}/{top}/__init__.py"):
            place = search.absolute(name, process.cwd)
            if isinstance(place, str) and isinstance(current.files.stat(place), Stat):
                return True
    return False


def _python_input(current: Pending, started: pythons.Started) -> tuple[Program | Pending, ...]:
    """Resolve a Python that runs what it reads from its standard input."""
    process = current.process
    given = process.stdin
    if given is None or given.value == "":
        text = "Python reads its standard input, which is empty here, and ends"
        return (_nothing(current, text),)
    if given.value is None:
        missing = Missing(Reason.INPUT, "what python reads from its standard input")
        return (_unknown(current, given.missing or (missing,)),)
    note = Evidence(given.location, "Python runs what it reads from its standard input")
    program = _program(current, started.kind, given.value, started.words, note)
    return (replace(program, interpreter=started.interpreter),)


def _described(started: pythons.Started) -> str:
    match started.kind:
        case ProgramKind.MODULE:
            return f"the module {started.name}"
        case ProgramKind.CODE:
            return "code of its command line"
        case _:
            return started.name


def _shell(current: Pending, name: str) -> tuple[Program | Pending, ...]:
    return _shell_starts(current, shells.command(name, current.process, current.files))


def _shell_script(current: Pending, path: str, content: Content) -> tuple[Program | Pending, ...]:
    return _shell_starts(
        current, shells.script("sh", path, content, current.process, current.files)
    )


def _shell_starts(
    current: Pending, started: shells.Started | Missing | Evidence
) -> tuple[Program | Pending, ...]:
    if isinstance(started, Missing):
        return (_unknown(current, (started,)),)
    if isinstance(started, Evidence):
        return (_program(current, ProgramKind.NOTHING, "", (), started),)
    return tuple(
        Pending(
            process=one.process,
            files=one.files or current.files,
            certain=current.certain and one.certain,
            lasting=current.lasting and not one.awaited,
            missing=(*current.missing, *one.missing),
            choices=(*current.choices, *one.choices),
            from_shell=True,
            remote=current.remote,
            depth=current.depth + 1,
        )
        for one in started.processes
    ) + tuple(_unknown(current, (missing,)) for missing in started.unseen)


def _entry_point(
    current: Pending,
    target: str,
    found: Executable | None,
    interpreter: str | None,
    options: Interpreter | None = None,
) -> tuple[Program | Pending, ...]:
    process = current.process
    tool = tools.by_entry_point(target)
    if tool is not None:
        python = _at(interpreter or "python3", process.args[0].location)
        path = found.path if found is not None else None
        return _tool(current, tool, process.args[1:], (python,), path)
    place = found.path if found is not None else process.args[0].value
    note = Evidence(process.args[0].location, f"{place} calls {target}")
    program = _program(current, ProgramKind.ENTRY_POINT, target, process.args[1:], note)
    return (replace(program, interpreter=options or Interpreter(path=interpreter)),)


def _program(
    current: Pending,
    kind: ProgramKind,
    name: str,
    words: tuple[Word, ...],
    note: Evidence,
) -> Program:
    process = current.process
    return Program(
        kind=kind,
        name=name,
        args=words,
        process=process,
        location=process.location,
        missing=current.missing,
        trail=(*process.trail, note),
        certain=current.certain,
        choices=current.choices,
        lasting=current.lasting,
        files=current.files,
        remote=current.remote,
        presumed=current.presumed,
    )


def _nothing(current: Pending, note: str) -> Program:
    place = current.process.location
    return _program(current, ProgramKind.NOTHING, "", (), Evidence(place, note))


def _unknown(current: Pending, missing: tuple[Missing, ...]) -> Program:
    process = current.process
    name = process.args[0].value if process.args else None
    note = Evidence(process.location, f"what {spelled(process.args) or 'starts'} runs is not known")
    program = _program(current, ProgramKind.UNKNOWN, name or "", process.args, note)
    return replace(program, missing=(*current.missing, *missing))
