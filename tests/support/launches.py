"""What a command ends up running in an image of plain files, as short texts for tables."""

import shlex
from collections.abc import Mapping, Sequence

from deployguard.launch import follow
from deployguard.model.process import Program, ProgramKind
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

_SCRIPTS = {
    "coverage": "coverage.cmdline:main",
    "debugpy": "debugpy.server.cli:main",
    "dotenv": "dotenv.__main__:cli",
    "honcho": "honcho.command:main",
    "supervisord": "supervisor.supervisord:main",
    "circusd": "circus.circusd:main",
    "newrelic-admin": "newrelic.admin:main",
    "ddtrace-run": "ddtrace.commands.ddtrace_run:main",
    "opentelemetry-instrument": "opentelemetry.instrumentation.auto_instrumentation:run",
    "watchmedo": "watchdog.watchmedo:main",
    "watchfiles": "watchfiles.cli:cli",
    "viztracer": "viztracer.main:main",
    "memray": "memray.__main__:main",
    "kernprof": "kernprof:main",
    "pyinstrument": "pyinstrument.__main__:main",
    "scalene": "scalene.__main__:main",
    "poetry": "poetry.console.application:main",
    "pipenv": "pipenv:cli",
    "pdm": "pdm.core:main",
    "hatch": "hatch.cli:main",
    "inv": "invoke.main:program.run",
}
_BINARIES = (
    "nice ionice chrt taskset numactl nohup timeout stdbuf setsid flock script watch unshare chroot "
    "capsh dockerize gosu su-exec su runuser sudo doas setpriv chpst envdir setuidgid softlimit "
    "tini dumb-init catatonit xargs parallel prlimit busybox uv uvx rye pixi micromamba make "
    "runsvdir s6-svscan py-spy node with-contenv bash sleep echo envsubst nsenter strace"
)
_NODE = ("npm", "yarn", "pnpm", "dotenv-cli", "cross-env", "env-cmd", "concurrently", "nodemon")


def _script(target: str) -> str:
    module, function = target.split(":")
    name = function.partition(".")[0]
    return (
        f"#!/srv/venv/bin/python\nimport sys\nfrom {module} import {name}\n"
        f"if __name__ == '__main__':\n    sys.exit({function}())\n"
    )


FILES = {
    **venv(**FLASK_3),
    **{f"/srv/venv/bin/{name}": _script(target) for name, target in _SCRIPTS.items()},
    **{f"/usr/bin/{name}": ELF for name in _BINARIES.split()},
    **{f"/usr/bin/{name}": "#!/usr/bin/env node\n" for name in _NODE},
    "/bin/sh": ELF,
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/usr/sbin/nologin\n",
    "/srv/app/app.py": "",
}


def programs(
    command: str | Sequence[str], files: Mapping[str, str] | None = None, **variables: str | None
) -> tuple[Program, ...]:
    """Return the programs of a command in /srv/app; names of files may be relative to it."""
    own = {name if name[0] == "/" else f"/srv/app/{name}": text
           for name, text in (files or {}).items()}  # fmt: skip
    words = shlex.split(command) if isinstance(command, str) else command
    return follow(process(words, **variables), MemoryFiles({**FILES, **own}))


def launches(
    command: str | Sequence[str], files: Mapping[str, str] | None = None, **variables: str | None
) -> list[str]:
    """Return each program as one text: its variables, what it is, its words, and "?" for a doubt.

    What ends by itself is left out, and what cannot be told is "unknown: " with what is missing.
    """
    return [
        _described(program)
        for program in programs(command, files, **variables)
        if program.kind is not ProgramKind.NOTHING
    ]


def _described(program: Program) -> str:
    if program.kind is ProgramKind.UNKNOWN:
        return "unknown: " + "; ".join(entry.what for entry in program.missing)
    name = {"flask.cli:main": "flask", "gunicorn.app.wsgiapp:run": "gunicorn"}.get(
        program.name, program.name
    )
    entry = program.process.env.get("FLASK_DEBUG")
    debug = [] if entry is None else [f"FLASK_DEBUG={'?' if entry.value is None else entry.value}"]
    sort = [f"-{program.kind.value[0]}"] if program.kind in _MARKED else []
    words = ["?" if word.value is None else word.value for word in program.args]
    return " ".join([*debug, *sort, name, *words, *(() if program.certain else ("?",))])


_MARKED = frozenset({ProgramKind.MODULE, ProgramKind.CODE})
