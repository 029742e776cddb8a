"""Python programs: told apart by what runs, and judged by the model of that."""

import posixpath
from typing import TYPE_CHECKING

from deployguard.flask import script, servers
from deployguard.flask.application import Setting
from deployguard.flask.archives import zipped
from deployguard.flask.judged import Judged, agreed, open_program, other_program
from deployguard.flask.remote import under_debugger, waiting
from deployguard.flask.search_path import SearchPath, search_path
from deployguard.flask.versions import installed
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.facts import ProgramClass
from deployguard.model.filesystem import Absent, FileKind, Filesystem, Stat, Unread
from deployguard.model.process import Interpreter, Program, ProgramKind
from deployguard.model.structs import replace

if TYPE_CHECKING:
    from deployguard.flask.libraries.commands import Command

_FLASK_COMMANDS = frozenset({"flask.cli:main", "flask", "flask.cli", "flask.__main__"})
# Packages of which all that can be run as a module is known.
_OWN_MODULES = frozenset({"flask", "werkzeug", "click", "jinja2", "itsdangerous", "markupsafe"})
# Modules of the standard library that serve or work without any of Werkzeug.
_PLAIN_MODULES = frozenset(
    {"venv", "pip", "compileall", "json.tool", "this", "zipfile", "tarfile", "site"}
)


def judge(program: Program, files: Filesystem) -> Judged:
    """Judge a program of an interpreter under every set of versions that may be installed."""
    python = program.interpreter or Interpreter(path=None)
    cwd = program.process.cwd.value
    path = search_path(python, program.process, _first_folder(program, cwd, files), files)
    found = installed(path.sites, files, path.unread)
    setting = Setting(
        program=program,
        environment=program.process.env,
        files=files,
        stack=found.stacks()[0],
        folders=path.folders,
        cwd=cwd,
        unread=path.unread,
        version=path.version,
        sites=path.sites,
        user=path.user,
    )
    if program.remote is not None and program.remote.waits:
        return waiting(program, program.remote)
    candidates = [_under(replace(setting, stack=stack), path) for stack in found.stacks()]
    judged = agreed(candidates, found.missing())
    return judged if program.remote is None else under_debugger(judged, program.remote)


def _first_folder(program: Program, cwd: str | None, files: Filesystem) -> str | None:
    """Return sys.path[0]: a folder or archive that is run, else where the script really lies."""
    match program.kind:
        case ProgramKind.SCRIPT:
            found = files.stat(program.name)
            if isinstance(found, Stat) and found.kind is FileKind.DIRECTORY:
                return program.name
            if isinstance(found, Stat) and zipped(files, program.name):
                return program.name
            return posixpath.dirname(found.path if isinstance(found, Stat) else program.name)
        case ProgramKind.MODULE | ProgramKind.CODE:
            return cwd
        case _:
            return None


def _under(setting: Setting, path: SearchPath) -> Judged:
    program = setting.program
    if program.kind is ProgramKind.CODE or program.kind is ProgramKind.SCRIPT:
        return script.judge(setting)
    shadowed = program.kind is ProgramKind.MODULE and _shadowed(setting, path)
    if shadowed:
        return script.judge(setting)
    if program.name in _FLASK_COMMANDS:
        # These two load the model of click, which servers do without.
        from deployguard.flask import cli  # noqa: PLC0415

        return cli.judge(setting)
    if program.kind is ProgramKind.MODULE and program.name.partition(".")[0] in _OWN_MODULES:
        from deployguard.flask import werkzeug_programs  # noqa: PLC0415

        return werkzeug_programs.judge(setting)
    server = servers.known_server(program.name)
    if server is not None:
        return servers.judge(setting, server)
    if program.kind is ProgramKind.MODULE and program.name == "http.server":
        from deployguard.flask.http_server import http_server  # noqa: PLC0415

        return http_server(program)
    command = _framework_command(program.name)
    if command is not None:
        return script.judge_call(setting, lambda call: command(call, setting.stack))
    if program.kind is ProgramKind.MODULE and program.name in _PLAIN_MODULES:
        note = Evidence(program.location, f"{program.name} runs nothing of Flask")
        return other_program(ProgramClass.PYTHON, (*program.trail, note))
    if program.kind is ProgramKind.ENTRY_POINT and _shadowed(setting, path):
        # A command of the program's own, which lies outside of the installed packages.
        return script.judge(setting)
    return open_program(program, (Missing(Reason.PROGRAM, f"what {program.name} does"),))


def _framework_command(name: str) -> "Command | None":
    # The models of frameworks are many and seldom needed.
    from deployguard.flask.libraries.commands import COMMANDS  # noqa: PLC0415

    return COMMANDS.get(name)


def _shadowed(setting: Setting, path: SearchPath) -> bool:
    """Say whether the module that is run is a file of the user's, which hides any other."""
    top = setting.program.name.partition(":")[0].partition(".")[0]
    for folder in path.folders:
        if folder in path.sites:
            continue
        base = posixpath.normpath(posixpath.join(setting.cwd or "/", folder, top))
        for place in (f"{base}.py", f"{base}/__init__.py"):
            if not isinstance(setting.files.stat(place), Absent | Unread):
                return True
    return False
