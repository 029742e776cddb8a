"""pdm, rye, hatch and pixi run: named tasks of a project's file, in the project's environment.

Sources: pdm 2.26 (cli/commands/run.py, project/core.py), rye 0.44 (`rye run`), hatch 1.16
(env/virtual.py, cli/run), pixi 0.50 (tasks).
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from deployguard.launch import environments
from deployguard.launch.environments import OpenError, Project, guarded
from deployguard.launch.options import Read, hidden, read, read_command, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_folder, in_shell
from deployguard.launch.shells import Started
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.filesystem import Absent
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_DEPTH = 20
# Commands of these runners that start nothing of the project's.
_ENDS = frozenset(
    {"add", "build", "clean", "config", "fetch", "fmt", "info", "init", "install", "list", "lock",
     "new", "pin", "publish", "remove", "search", "self", "show", "status", "sync", "toolchain",
     "tree", "update", "upgrade", "version"}
)  # fmt: skip
_CALLED = "import sys, {module} as _1; sys.exit(_1.{function})"


class _Runner(Struct, frozen=True, kw_only=True):
    """The tasks of a project, and how those are named that run before and after one."""

    tasks: Mapping[str, Any]
    before: str = "pre_"
    after: str = "post_"


_PDM = syntax(
    flags="-q --quiet -v --verbose -I --ignore-python -n --non-interactive -s --site-packages "
    "--recreate",
    values="-c --config -p --project -k --skip --venv",
    ends="-h --help -V --version -l --list -j --json",
    abbreviated=False,
)


def _pdm(call: Call) -> Next:
    """Follow pdm run: a task of [tool.pdm.scripts], or a command."""
    told = read_command(call.name, call.words, _PDM)
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        # A task may be named without run.
        return call.missing(f"what {call.name} does with {_said(group.rest)}")
    given = Read((*group.given, *own.given), own.rest)
    folder = given.last("-p", "--project")
    start = call.process if folder is None else in_folder(call.process, folder)
    found = environments.project(call, start, "pyproject.toml")
    if found is None:
        return call.ends("ends: there is no pyproject.toml")
    if not own.rest:
        return call.ends("starts an interpreter that reads its empty input")
    process = _pdm_environment(call, given, call.process, found)
    runner = _Runner(tasks=found.table("tool", "pdm", "scripts"))
    return _started(_task(call, process, found, runner, own.rest, ()))


def _said(words: Sequence[Word]) -> str:
    return shlex.join(word.value or "?" for word in words)


def _pdm_environment(call: Call, given: Read, process: Process, found: Project) -> Process:
    """Enter the environment of the saved interpreter, the active one, or the project's .venv."""
    if given.has("--venv", "-g", "--recreate"):
        raise OpenError(call.missing("the environment that pdm is told to take"))
    saved = environments.read(posixpath.join(found.folder, ".pdm-python"), call.files)
    if saved is not None and not environments.truth(process, "PDM_IGNORE_SAVED_PYTHON"):
        path = saved.data.decode("utf-8", "replace").strip()
        prefix = posixpath.dirname(posixpath.dirname(path))
        if environments.stat(path, call.files) is not None:
            return environments.entered(process, prefix, saved.location)
    used = environments.active(process)
    if used and not environments.truth(process, "PDM_IGNORE_ACTIVE_VENV"):
        return environments.entered(process, used, call.place)
    prefix = posixpath.join(found.folder, ".venv")
    if environments.is_environment(prefix, call.files):
        return environments.entered(process, prefix, call.place)
    raise OpenError(call.missing("the environment that pdm makes when it starts"))


def _task(
    call: Call,
    process: Process,
    found: Project,
    runner: _Runner,
    words: Sequence[Word],
    chain: tuple[str, ...],
    options: Mapping[str, Any] | None = None,
) -> Iterator[Process]:
    """Yield the processes of a task, or of a command where no task has its name."""
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        raise OpenError(hidden(unseen))
    name = words[0].value or ""
    task = runner.tasks.get(name) if not name.startswith("_") else None
    if task is None or name in chain:
        yield from _command(call, _with_options(call, process, found, options or {}), words)
        return
    if len(chain) > _DEPTH:
        raise OpenError(Missing(Reason.LIMIT, f"what the task {name} starts"))
    deeper = (*chain, name)
    inside = in_folder(process, at(found.folder, found.location))
    for prefix in (runner.before, runner.after):
        if prefix and prefix == runner.after:
            yield from _body(call, inside, found, runner, task, words[1:], deeper, options or {})
        other = f"{prefix}{name}"
        if other in runner.tasks and other not in chain:
            yield from _task(call, process, found, runner, (found.word(other),), deeper)


def _body(
    call: Call,
    process: Process,
    found: Project,
    runner: _Runner,
    task: Any,  # noqa: ANN401  (TOML)
    words: Sequence[Word],
    chain: tuple[str, ...],
    outer: Mapping[str, Any],
) -> Iterator[Process]:
    """Yield what one task starts: cmd, shell, call, or a chain of other tasks."""
    table: Mapping[str, Any] = task if isinstance(task, Mapping) else {"cmd": task}
    shared = runner.tasks.get("_")
    options = {**(shared if isinstance(shared, Mapping) else {}), **table, **outer}
    inside = _with_options(call, process, found, options)
    if "working_dir" in options:
        inside = in_folder(inside, found.word(str(options["working_dir"])))
    if "cmd" in table:
        text = table["cmd"]
        listed = [str(one) for one in text] if isinstance(text, list) else None
        whole = shlex.join(listed) if listed is not None else str(text)
        parts, taken = _interpolated(whole, words)
        first = tuple(found.word(part) for part in shlex.split(parts))
        yield from _command(call, inside, (*first, *(() if taken else words)))
    elif "shell" in table:
        parts, taken = _interpolated(str(table["shell"]), words)
        tail = "" if taken or not words else f" {_said(words)}"
        yield in_shell(inside, call.name, found.word(parts + tail))
    elif "call" in table:
        module, _, function = str(table["call"]).partition(":")
        function = function if "(" in function else f"{function}()"
        text = _CALLED.format(module=module, function=function)
        code = (found.word("python"), found.word("-c"), found.word(text))
        yield from _command(call, inside, (*code, *words))
    elif "composite" in table or "chain" in table:
        own = {key: options[key] for key in ("env", "env_file", "env-file") if key in options}
        for one in table.get("composite", table.get("chain")) or ():
            line = [str(part) for part in one] if isinstance(one, list) else None
            parts, taken = _interpolated(shlex.join(line) if line else str(one), words)
            first = tuple(found.word(part) for part in shlex.split(parts))
            rest = () if taken else words
            yield from _task(call, process, found, runner, (*first, *rest), chain, own)
    else:
        raise OpenError(call.missing(f"what the task {chain[-1]} starts"))


def _interpolated(text: str, words: Sequence[Word]) -> tuple[str, bool]:
    """Replace {args} and {args:default} with the words of the command line."""
    pattern = re.compile(r"\{args(?::(?P<default>[^}]*))?\}")
    given = _said(words)
    made = pattern.sub(lambda match: given or match["default"] or "", text)
    return made, pattern.search(text) is not None


def _with_options(
    call: Call, process: Process, found: Project, options: Mapping[str, Any]
) -> Process:
    """Lay a task's .env file and variables over the environment."""
    file = options.get("env_file", options.get("env-file"))
    override = isinstance(file, Mapping)
    names = [file.get("override")] if isinstance(file, Mapping) else [file]
    for name in names[0] if isinstance(names[0], list) else names:
        if name is not None:
            path = found.word(posixpath.join(found.folder, str(name)))
            process = (
                environments.with_file(process, path, call.files, override=override, needed=False)
                or process
            )
    values = options.get("env")
    if isinstance(values, Mapping):
        process = environments.with_values(process, values, found)
    return process


def _command(call: Call, process: Process, words: Sequence[Word]) -> Iterator[Process]:
    """Yield a command as pdm starts it: variables in its words expanded, a script by Python."""
    if not words:
        return
    texts = [environments.expand(word.value or "", process) for word in words]
    args = tuple(replace(word, value=text) for word, text in zip(words, texts, strict=True))
    if texts[0].endswith(".py"):
        args = (at("python", args[0].location), *args)
    inner = becomes(process, call.name, args)
    if isinstance(inner, Process):
        yield inner


def _started(processes: Iterator[Process]) -> Next:
    found = tuple(Start(process=one) for one in processes)
    if len(found) == 1:
        return found[0].process
    return Started(processes=found)


_RYE = syntax(flags="-q --quiet -v --verbose", values="--pyproject --env-file", ends="-h --help -l "
              "--list", abbreviated=False)  # fmt: skip


def _rye(call: Call) -> Next:
    """Follow rye run: a script of [tool.rye.scripts], or a command of the project's .venv."""
    told = read_command(call.name, call.words, _RYE, {"run", "r"})
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        return environments.other_command(call, group.rest, _ENDS)
    if own.has("--pyproject") or group.has("--env-file"):
        return call.missing("the project that rye is told to take")
    found = environments.project(call, call.process, "pyproject.toml")
    if found is None or not own.rest:
        return call.ends("ends: there is no project, or no command")
    prefix = posixpath.join(found.folder, ".venv")
    if not environments.is_environment(prefix, call.files):
        return call.missing("the environment that rye makes when it starts")
    process = environments.entered(call.process, prefix, call.place)
    runner = _Runner(tasks=found.table("tool", "rye", "scripts"), before="", after="")
    return _started(_rye_task(call, process, found, runner, own.rest))


def _rye_task(
    call: Call, process: Process, found: Project, runner: _Runner, words: Sequence[Word]
) -> Iterator[Process]:
    task = runner.tasks.get(words[0].value or "")
    if task is None:
        yield from _task(call, process, found, runner, words, ())
        return
    yield from _body(call, process, found, runner, task, words[1:], (words[0].value or "",), {})


_HATCH = syntax(
    flags="-v --verbose -q --quiet --color --no-color --interactive --no-interactive",
    values="-e --env -p --project --data-dir --cache-dir --config",
    ends="-h --help --version",
    abbreviated=False,
)


def _hatch(call: Call) -> Next:
    """Follow hatch run [ENVIRONMENT:]COMMAND: scripts and variables of the environment.

    An environment that is not there yet is made and filled when hatch starts.
    """
    group = read(call.name, call.words, _HATCH)
    if not isinstance(group, Read):
        return group
    if not group.rest or group.rest[0].value != "run":
        return environments.other_command(call, group.rest, _ENDS)
    words = list(group.rest[1:])
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    if words and words[0].value == "--":
        words.pop(0)
    found = environments.project(call, call.process, "hatch.toml", "pyproject.toml")
    if found is None or not words:
        return call.ends("ends: there is no project, or no command")
    environment = group.last("-e", "--env")
    name = (environment.value or "" if environment is not None else "") or (
        environments.value(call.process, "HATCH_ENV") or "default"
    )
    before, colon, after = (words[0].value or "").partition(":")
    if colon:
        name, words[0] = before or name, replace(words[0], value=after)
    envs = found.table("envs") or found.table("tool", "hatch", "envs")
    settings: dict[str, Any] = {}
    for one in ("default", str(envs.get(name, {}).get("template", "default")), name):
        settings |= envs.get(one, {}) if isinstance(envs.get(one, {}), Mapping) else {}
    if "overrides" in settings or "matrix" in settings:
        return call.missing(f"which form of the environment {name} hatch takes")
    return _hatch_run(call, found, name, settings, words)


def _hatch_run(
    call: Call, found: Project, name: str, settings: Mapping[str, Any], words: Sequence[Word]
) -> Next:
    process = in_folder(call.process, at(found.folder, found.location))
    prefix = _hatch_prefix(call, process, found, name, settings)
    process = process if prefix is None else environments.entered(process, prefix, call.place)
    values = settings.get("env-vars")
    if isinstance(values, Mapping):
        process = environments.with_values(process, values, found)
    entry = Traced[str | None](name, found.location)
    process = replace(process, env=process.env.with_entry("HATCH_ENV_ACTIVE", entry))
    scripts = settings.get("scripts")
    known = scripts if isinstance(scripts, Mapping) else {}
    lines = list(_hatch_lines(call, known, _said(words), ()))
    return Started(
        processes=tuple(
            Start(process=in_shell(process, call.name, found.word(line))) for line in lines
        )
    )


def _hatch_lines(
    call: Call, scripts: Mapping[str, Any], text: str, chain: tuple[str, ...]
) -> Iterator[str]:
    """Yield the lines of a command: one that begins with a script's name is its lines."""
    name, _, rest = text.removeprefix("- ").partition(" ")
    script = scripts.get(name)
    if script is None or name in chain:
        if "{" in text and re.search(r"\{(root|env|matrix|home|uv|config|verbosity)", text):
            raise OpenError(call.missing(f"what hatch makes of {text}"))
        yield _interpolated(text, ())[0]
        return
    for line in script if isinstance(script, list) else [script]:
        words = tuple(at(word, call.place) for word in shlex.split(rest))
        made, _ = _interpolated(str(line), words)
        whole = made if "{args" in str(line) or not rest else f"{made} {rest}"
        yield from _hatch_lines(call, scripts, whole, (*chain, name))


def _hatch_prefix(
    call: Call, process: Process, found: Project, name: str, settings: Mapping[str, Any]
) -> str | None:
    kind = environments.value(process, "HATCH_ENV_TYPE") or settings.get("type", "virtual")
    if kind == "system":
        return None
    chosen = environments.value(process, "HATCH_ENV_TYPE_VIRTUAL_PATH") or settings.get("path")
    if chosen:
        prefix = posixpath.normpath(posixpath.join(found.folder, str(chosen)))
        if environments.is_environment(prefix, call.files):
            return prefix
    home = environments.value(process, "HOME") or "/"
    data = environments.value(process, "HATCH_DATA_DIR") or f"{home}/.local/share/hatch"
    project = str(found.table("project").get("name", ""))
    folder = environments.only_folder(f"{data}/env/virtual/{project}", ".*", call.files)
    if folder is not None and not chosen:
        prefix = f"{folder}/{project if name == 'default' else name}"
        if environments.is_environment(prefix, call.files):
            return prefix
    raise OpenError(call.missing("the environment that hatch makes when it starts"))


_PIXI = syntax(
    flags="-v --verbose -q --quiet --no-progress --locked --frozen --as-is --no-install "
    "--clean-env --skip-deps -x --executable",
    values="-e --environment --manifest-path --color",
    ends="-h --help -V --version",
    abbreviated=False,
)


def _pixi(call: Call) -> Next:
    """Follow pixi run: a task of the manifest, or a command of the environment."""
    told = read_command(call.name, call.words, _PIXI, {"run", "r"})
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        return environments.other_command(call, group.rest, _ENDS)
    if own.has("--manifest-path", "--clean-env") or not own.rest:
        return call.missing("the project that pixi is told to take")
    found = environments.project(call, call.process, "pixi.toml", "pyproject.toml")
    if found is None:
        return call.ends("ends: there is no project")
    environment = own.last("-e", "--environment")
    name = (environment.value if environment is not None else None) or "default"
    prefix = posixpath.join(found.folder, ".pixi/envs", name)
    if environments.stat(prefix, call.files) is None:
        return call.missing("the environment that pixi makes when it starts")
    hooks = call.files.list(f"{prefix}/etc/conda/activate.d")
    activation = found.table("activation") or found.table("tool", "pixi", "activation")
    if not isinstance(hooks, Absent) or "scripts" in activation:
        return call.missing(f"what activating the environment {prefix} sets")
    process = environments.entered(call.process, prefix, call.place, "CONDA_PREFIX")
    values = activation.get("env")
    if isinstance(values, Mapping):
        process = environments.with_values(process, values, found)
    tasks = {**found.table("tasks"), **found.table("tool", "pixi", "tasks")}
    return _started(_pixi_task(call, process, found, tasks, own.rest, ()))


def _pixi_task(
    call: Call,
    process: Process,
    found: Project,
    tasks: Mapping[str, Any],
    words: Sequence[Word],
    chain: tuple[str, ...],
) -> Iterator[Process]:
    name = words[0].value or ""
    task = tasks.get(name)
    if task is None or name in chain:
        inner = becomes(process, call.name, tuple(words))
        if isinstance(inner, Process):
            yield inner
        return
    table: Mapping[str, Any] = task if isinstance(task, Mapping) else {"cmd": task}
    needs = table.get("depends-on", table.get("depends_on", []))
    for need in needs if isinstance(needs, list) else [needs]:
        if not isinstance(need, str):
            raise OpenError(call.missing(f"what the task {name} needs"))
        yield from _pixi_task(call, process, found, tasks, (found.word(need),), (*chain, name))
    if table.get("args") or "{{" in str(table.get("cmd", "")):
        raise OpenError(call.missing(f"the words that the task {name} takes"))
    values = table.get("env")
    inside = in_folder(process, found.word(posixpath.join(found.folder, str(table.get("cwd", "")))))
    if isinstance(values, Mapping):
        inside = environments.with_values(inside, values, found)
    text = table.get("cmd")
    if text is None:
        return
    line = shlex.join(str(one) for one in text) if isinstance(text, list) else str(text)
    tail = f" {_said(words[1:])}" if len(words) > 1 else ""
    step = Evidence(found.location, f"pixi runs the task {name}")
    shell = in_shell(inside, call.name, found.word(line + tail))
    yield replace(shell, trail=(*shell.trail, step))


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "pdm": guarded(_pdm),
    "rye": guarded(_rye),
    "hatch": guarded(_hatch),
    "pixi": guarded(_pixi),
}
