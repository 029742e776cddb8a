"""What Flask, Werkzeug, the servers and frameworks do with a launch: programs to facts."""

import posixpath
from dataclasses import replace

from deployguard import launch
from deployguard.flask import binaries, cli, script, servers
from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged, agreed, ended, nothing, undetermined
from deployguard.flask.search_path import SearchPath, search_path
from deployguard.flask.versions import installed
from deployguard.model.disclosure import quoted
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Missing,
    Reason,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts, ProgramClass, ProgramFacts, mapped
from deployguard.model.filesystem import Absent, Filesystem, Unread
from deployguard.model.process import Interpreter, Process, Program, ProgramKind

_FLASK_COMMANDS = frozenset({"flask.cli:main", "flask", "flask.cli", "flask.__main__"})
# Modules of the standard library that serve or work without any of Werkzeug.
_PLAIN_MODULES = frozenset(
    {"http.server", "venv", "pip", "compileall", "json.tool", "this", "zipfile", "tarfile", "site"}
)


def judge(
    process: Process, files: Filesystem, image: Filesystem | None = None
) -> tuple[ProgramFacts, ...]:
    """Return the programs that a process ends up running, with what is claimed of each.

    `files` are those the container sees, `image` those of its image alone, where something is
    mounted over them. Programs that end before what follows them are left out.
    """
    programs = [program for program in launch.follow(process, files) if program.lasting]
    return tuple(_facts(program, files, image or files) for program in programs)


def _facts(program: Program, files: Filesystem, image: Filesystem) -> ProgramFacts:
    judged = _judged(program, files, image)
    facts = judged.facts
    if not program.certain:
        facts = mapped(facts, lambda _, claim: _perhaps(claim, program.missing))
    facts = replace(facts, configured=_configured(program, facts))
    return ProgramFacts(
        program=program,
        kind=judged.kind,
        server=judged.server,
        facts=facts,
        listeners=judged.listeners,
    )


def _perhaps(claim: Claim, missing: tuple[Missing, ...]) -> Claim:
    """Weaken a claim about a program that starts only under a condition."""
    if claim.answer is Answer.NO:
        return claim
    return unknown((*missing, *claim.missing), *claim.evidence, suspected=True)


def _judged(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    match program.kind:
        case ProgramKind.NOTHING:
            return ended(ProgramClass.OTHER, *program.trail)
        case ProgramKind.UNKNOWN:
            return _unknown(program, files, image)
        case ProgramKind.BINARY:
            return _binary(program, files, image)
        case ProgramKind.SCRIPT | ProgramKind.MODULE | ProgramKind.CODE | ProgramKind.ENTRY_POINT:
            return _python(program, program.files or files)


def _open(program: Program, missing: tuple[Missing, ...]) -> Judged:
    names = missing or (Missing(Reason.PROGRAM, f"what {program.name} does"),)
    return Judged(
        kind=ProgramClass.OTHER,
        server="unknown",
        starts=unknown(names),
        facts=undetermined(
            names, *program.trail, flask=False, debug=bool(_settings(program.process))
        ),
    )


def _unknown(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    """Judge what could not be followed: where there is no Python it cannot be Flask."""
    python = binaries.without_python(program, files, image)
    if isinstance(python, Evidence):
        return _foreign(program, python)
    return _open(program, program.missing)


def _binary(program: Program, files: Filesystem, image: Filesystem) -> Judged:
    """Judge what is no Python program: a known binary, or any where there is no Python."""
    host = binaries.hosts_python(program)
    if host is not None:
        return _open(program, (host,))
    known = binaries.known_binary(program, program.files or files, image)
    if isinstance(known, Evidence):
        return _foreign(program, known)
    python = binaries.without_python(program, files, image)
    if isinstance(python, Evidence):
        return _foreign(program, python)
    return _open(program, (known if python is None else python,))


def _foreign(program: Program, why: Evidence) -> Judged:
    """Return a program that has nothing of Python, so that no listener of it is spoken of."""
    evidence = (*program.trail, why)
    return Judged(
        kind=ProgramClass.OTHER, server="none", starts=yes(*evidence), facts=nothing(*evidence)
    )


def _other(kind: ProgramClass, evidence: tuple[Evidence, ...]) -> Judged:
    """Return a program that runs nothing of Flask; where it listens is not known."""
    return Judged(kind=kind, server="unknown", starts=yes(*evidence), facts=nothing(*evidence))


def _python(program: Program, files: Filesystem) -> Judged:
    python = program.interpreter or Interpreter(path=None)
    cwd = program.process.cwd.value
    path = search_path(python, program.process, _first_folder(program, cwd), files)
    found = installed(path.sites, files)
    setting = Setting(
        program=program,
        environment=program.process.env,
        files=files,
        stack=found.stacks()[0],
        folders=path.folders,
        cwd=cwd,
        unread=path.unread,
    )
    candidates = [_under(replace(setting, stack=stack), path) for stack in found.stacks()]
    return agreed(candidates, found.missing())


def _first_folder(program: Program, cwd: str | None) -> str | None:
    match program.kind:
        case ProgramKind.SCRIPT:
            return posixpath.dirname(program.name)
        case ProgramKind.MODULE | ProgramKind.CODE:
            return cwd
        case _:
            return None


def _under(setting: Setting, path: SearchPath) -> Judged:
    program = setting.program
    if program.kind is ProgramKind.CODE or program.kind is ProgramKind.SCRIPT:
        return script.judge(setting)
    shadowed = program.kind is ProgramKind.MODULE and _shadowed(setting, path)
    if shadowed is True:
        return script.judge(setting)
    if program.name in _FLASK_COMMANDS:
        return cli.judge(setting)
    server = servers.known_server(program.name)
    if server is not None:
        return servers.judge(setting, server)
    if program.kind is ProgramKind.MODULE and program.name in _PLAIN_MODULES:
        note = Evidence(program.location, f"{program.name} runs nothing of Flask")
        return _other(ProgramClass.PYTHON, (*program.trail, note))
    return _open(program, (Missing(Reason.PROGRAM, f"what {program.name} does"),))


def _shadowed(setting: Setting, path: SearchPath) -> bool:
    """Say whether a file of the user's hides the module that is run with -m."""
    top = setting.program.name.partition(".")[0]
    for folder in path.folders:
        if folder in path.sites:
            continue
        base = posixpath.normpath(posixpath.join(setting.cwd or "/", folder, top))
        for place in (f"{base}.py", f"{base}/__init__.py"):
            if not isinstance(setting.files.stat(place), Absent | Unread):
                return True
    return False


def _settings(process: Process) -> tuple[Evidence, ...]:
    """Return the variables that ask for debugging, each with its place."""
    steps: list[Evidence] = []
    for name, entry in process.env.entries.items():
        value = entry.value
        asks = (
            (name in {"FLASK_DEBUG", "FLASK_RUN_DEBUG", "FLASK_RUN_DEBUGGER"} and _truthy(value))
            or (name == "FLASK_ENV" and value == "development")
            or (name == "WERKZEUG_DEBUG_PIN" and value == "off")
        )
        if asks:
            steps.append(Evidence(entry.location, f"{name} is {quoted(name, value)}"))
    return tuple(steps)


def _truthy(value: str | None) -> bool:
    return value is None or value.strip().lower() not in {"", "0", "false", "no", "off", "n", "f"}


def _configured(program: Program, facts: Facts) -> Claim:
    """Claim that debug settings are there although what starts ignores or refuses them."""
    settings = _settings(program.process)
    if not settings:
        return no()
    active = any_of(facts.debugger, facts.debug_mode)
    match active.answer:
        case Answer.YES:
            return no()
        case Answer.NO:
            return yes(*settings)
        case Answer.UNKNOWN:
            return unknown(active.missing, *settings)


__all__ = ["judge"]
