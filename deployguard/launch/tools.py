"""Tools that start other programs, by the entry point, module or file they are called by.

Each family has a module of its own, loaded where one of its tools is met.
"""

from collections.abc import Callable, Mapping

from deployguard.launch.outcomes import Call, Next
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Filesystem, Stat

_FAMILIES: Mapping[str, frozenset[str]] = {
    "hosted": frozenset(
        {"cProfile", "profile", "profiling.tracing", "trace", "pdb", "runpy", "timeit", "coverage",
         "debugpy", "pydevd", "pyinstrument", "viztracer", "kernprof", "memray", "scalene"}
    ),
    "agents": frozenset(
        {"newrelic-admin", "ddtrace-run", "opentelemetry-instrument", "elasticapm-run",
         "splunk-py-trace", "watchmedo", "watchfiles", "hupper", "nodemon", "py-spy",
         "gevent.monkey", "wait-for-it"}
    ),
    "procfile": frozenset({"honcho", "foreman", "forego", "goreman"}),
    "cron": frozenset({"cron", "crond", "supercronic"}),
    "make": frozenset({"make", "gmake"}),
    "runners": frozenset({"uv", "uvx", "dotenv", "conda", "mamba", "micromamba"}),
    "projects": frozenset({"poetry", "pipenv"}),
    "project_tasks": frozenset({"pdm", "rye", "hatch", "pixi"}),
    "node": frozenset(
        {"npm", "yarn", "yarnpkg", "pnpm", "dotenv-cli", "cross-env", "cross-env-shell", "env-cmd",
         "concurrently"}
    ),
    "invoke_tasks": frozenset({"invoke", "fab"}),
    "supervisors": frozenset({"supervisord", "circusd"}),
    "services": frozenset(
        {"runsvdir", "svscan", "s6-svscan", "runsv", "supervise", "s6-supervise", "my_init",
         "s6-overlay"}
    ),
}  # fmt: skip

# Console scripts, and modules run with -m, by the tool they are.
_ENTRY_POINTS: Mapping[str, str] = {
    "coverage.cmdline:main": "coverage",
    "debugpy.server.cli:main": "debugpy",
    "pyinstrument.__main__:main": "pyinstrument",
    "viztracer:main": "viztracer",
    "viztracer.main:main": "viztracer",
    "kernprof:main": "kernprof",
    "memray.__main__:main": "memray",
    "memray.commands:main": "memray",
    "scalene.__main__:main": "scalene",
    "newrelic.admin:main": "newrelic-admin",
    "ddtrace.commands.ddtrace_run:main": "ddtrace-run",
    "opentelemetry.instrumentation.auto_instrumentation:run": "opentelemetry-instrument",
    "elasticapm.instrumentation.wrapper:setup": "elasticapm-run",
    "splunk_otel.cmd.trace:run": "splunk-py-trace",
    "watchdog.watchmedo:main": "watchmedo",
    "watchfiles.cli:cli": "watchfiles",
    "hupper.cli:main": "hupper",
    "wait_for_it:cli": "wait-for-it",
    "wait_for_it.wait_for_it:cli": "wait-for-it",
    "honcho.command:main": "honcho",
    "supervisor.supervisord:main": "supervisord",
    "circus.circusd:main": "circusd",
    "dotenv.__main__:cli": "dotenv",
    "invoke.main:program.run": "invoke",
    "fabric.main:program.run": "fab",
    "dotenv.cli:cli": "dotenv",
    "poetry.console.application:main": "poetry",
    "poetry.console:main": "poetry",
    "pipenv:cli": "pipenv",
    "pdm.core:main": "pdm",
    "hatch.cli:main": "hatch",
    "conda.cli:main": "conda",
    "conda.cli.main:main": "conda",
    "mamba.mamba:main": "mamba",
}
_MODULES: Mapping[str, str] = {
    **{name: name for name in _FAMILIES["hosted"]},
    "pyinstrument.__main__": "pyinstrument",
    "gevent.monkey": "gevent.monkey",
    "newrelic.admin": "newrelic-admin",
    "ddtrace.commands.ddtrace_run": "ddtrace-run",
    "opentelemetry.instrumentation.auto_instrumentation": "opentelemetry-instrument",
    "watchdog.watchmedo": "watchmedo",
    "watchfiles": "watchfiles",
    "hupper": "hupper",
    "wait_for_it": "wait-for-it",
    "honcho": "honcho",
    "honcho.command": "honcho",
    "supervisor.supervisord": "supervisord",
    "circus.circusd": "circusd",
    "dotenv": "dotenv",
    "dotenv.cli": "dotenv",
    "invoke": "invoke",
    "fabric": "fab",
    "poetry": "poetry",
    "pipenv": "pipenv",
    "pdm": "pdm",
    "hatch": "hatch",
    "uv": "uv",
    "conda": "conda",
}
# Programs of their own, told by the name of their file.
_FILES = frozenset(
    {"py-spy", "forego", "goreman", "make", "gmake", "uv", "uvx", "rye", "pixi", "micromamba",
     "mamba", *_FAMILIES["cron"], *_FAMILIES["services"]}
)  # fmt: skip
# Scripts by their name, and the language of their first line.
_SCRIPTS: Mapping[str, bytes] = {
    "foreman": b"ruby",
    "my_init": b"python",
    "conda": b"python",
    "mamba": b"python",
    "nodemon": b"node",
    **dict.fromkeys(_FAMILIES["node"], b"node"),
    "dotenv": b"node",
}
_RENAMED = {("dotenv", b"node"): "dotenv-cli"}


def by_entry_point(target: str) -> str | None:
    """Return the tool that an entry point MODULE:FUNCTION is."""
    return _ENTRY_POINTS.get(target)


def by_module(name: str) -> str | None:
    """Return the tool that `python -m NAME` is."""
    return _MODULES.get(name.removesuffix(".__main__"))


def by_file(path: str) -> str | None:
    """Return the tool that a program's file, or the name of one, is."""
    name = path.rpartition("/")[2]
    return name if name in _FILES else None


def by_script(path: str, data: bytes) -> str | None:
    """Return the tool that a script is by its name and the language of its first line."""
    name = path.rpartition("/")[2]
    language = _SCRIPTS.get(name)
    if language is None or language not in data.split(b"\n", 1)[0]:
        return None
    return _RENAMED.get((name, language), name)


# Folders of s6-overlay, in whose images /init starts what they hold.
_OVERLAY = ("/etc/s6-overlay", "/package/admin/s6-overlay", "/etc/services.d", "/etc/cont-init.d")


def by_place(path: str, files: Filesystem) -> str | None:
    """Return the tool that a file is by its place: s6-overlay's /init."""
    there = path == "/init" and any(isinstance(files.stat(one), Stat) for one in _OVERLAY)
    return "s6-overlay" if there else None


def run(tool: str, call: Call) -> Next:
    """Return what a tool starts."""
    family = next((name for name, tools in _FAMILIES.items() if tool in tools), "")
    return _table(family).get(tool, _unknown)(call)


def _unknown(call: Call) -> Next:
    return Missing(Reason.COMMAND, f"what {call.name} starts")


def _table(family: str) -> Mapping[str, Callable[[Call], Next]]:  # noqa: PLR0911  (one each)
    """Return the tools of a family: much to load, and most launches need none of it."""
    match family:
        case "hosted":
            from deployguard.launch.hosted import TOOLS  # noqa: PLC0415

            return TOOLS
        case "agents":
            from deployguard.launch.agents import TOOLS  # noqa: PLC0415

            return TOOLS
        case "procfile":
            from deployguard.launch.procfile import TOOLS  # noqa: PLC0415

            return TOOLS
        case "services":
            from deployguard.launch.services import TOOLS  # noqa: PLC0415

            return TOOLS
        case "cron":
            from deployguard.launch.cron import TOOLS  # noqa: PLC0415

            return TOOLS
        case "make":
            from deployguard.launch.makefiles import make  # noqa: PLC0415

            return {"make": make, "gmake": make}
        case "runners":
            from deployguard.launch.runners import TOOLS  # noqa: PLC0415

            return TOOLS
        case "projects":
            from deployguard.launch.projects import TOOLS  # noqa: PLC0415

            return TOOLS
        case "project_tasks":
            from deployguard.launch.project_tasks import TOOLS  # noqa: PLC0415

            return TOOLS
        case "node":
            from deployguard.launch.node import TOOLS  # noqa: PLC0415

            return TOOLS
        case "invoke_tasks":
            from deployguard.launch.invoke_tasks import TOOLS  # noqa: PLC0415

            return TOOLS
        case "supervisors":
            from deployguard.launch.circus import circusd  # noqa: PLC0415
            from deployguard.launch.supervisor import supervisord  # noqa: PLC0415

            return {"supervisord": supervisord, "circusd": circusd}
        case _:
            return {}
