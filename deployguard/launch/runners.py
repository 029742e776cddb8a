"""Runners that choose an environment and start a command in it.

Sources: uv 0.9 (`uv run --help`), python-dotenv 1.2 (cli.py), conda 24 and mamba 2 (`conda run
--help`).
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping

from deployguard.effective import search
from deployguard.launch import environments
from deployguard.launch.environments import OpenError, guarded
from deployguard.launch.options import Read, hidden, read, read_command, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_folder
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Process
from deployguard.model.structs import replace

_UV_FLAGS = (
    "-q --quiet -v --verbose --offline --no-progress --no-config --no-cache -n --native-tls "
    "--system-certs --managed-python --no-managed-python --no-python-downloads --preview"
)
_UV_VALUES = "--color --directory --project --config-file --cache-dir --allow-insecure-host"
_UV = syntax(flags=_UV_FLAGS, values=_UV_VALUES)
_UV_RUN = syntax(
    flags=f"{_UV_FLAGS} --all-extras --no-dev --dev --only-dev --no-default-groups --all-groups -m "
    "--module --no-editable --exact --inexact --no-env-file --isolated --active --no-active "
    "--no-sync --locked --frozen -s --script --gui-script --all-packages --no-project --no-index "
    "-U --upgrade --no-sources --reinstall --compile-bytecode --no-build-isolation --no-build "
    "--no-binary --require-build-hashes --no-require-build-hashes --refresh",
    values=f"{_UV_VALUES} --extra --no-extra --group --no-group --only-group --env-file -w --with "
    "--with-editable --with-requirements --package --python-platform --index --default-index -i "
    "--index-url --extra-index-url -f --find-links --index-strategy --keyring-provider -P "
    "--upgrade-package --upgrade-group --resolution --prerelease --fork-strategy --exclude-newer "
    "--reinstall-package --link-mode -C --config-setting --no-build-package --no-binary-package "
    "--refresh-package -p --python",
    abbreviated=False,
)
# Packages that decide what a launch does: another version of one of them is another launch.
_DECIDING = re.compile(r"(?i)(flask|werkzeug|click|python[-_]dotenv|debugpy|gunicorn)\b")


_UV_ENDS = frozenset(
    {"add", "build", "cache", "export", "format", "help", "init", "lock", "pip", "publish",
     "python", "remove", "self", "sync", "tool", "tree", "venv", "version"}
)  # fmt: skip


def _uv(call: Call) -> Next:
    """Follow uv run; what `uv tool run` installs when it starts is not in the image."""
    group = read(call.name, call.words, replace(_UV, abbreviated=False))
    if not isinstance(group, Read):
        return group
    if not group.rest:
        return call.ends("prints its help and ends")
    command, words = group.rest[0], group.rest[1:]
    if command.value is None:
        return hidden(command)
    if command.value == "tool" and words and words[0].value == "run":
        return call.missing("the packages that uv installs when it starts")
    if command.value != "run":
        return environments.other_command(call, group.rest, _UV_ENDS)
    own = read(call.name, words, _UV_RUN)
    if not isinstance(own, Read):
        return own
    given = Read((*group.given, *own.given), own.rest)
    process = call.process
    folder = given.last("--directory")
    process = process if folder is None else in_folder(process, folder)
    variables = _uv_variables(call, given, process)
    if isinstance(variables, str):
        return call.ends(f"ends: {variables} is not there")
    entered = _uv_environment(call, given, variables)
    return _uv_command(call, given, entered)


def _uv_variables(call: Call, given: Read, process: Process) -> Process | str:
    """Lay the .env files under the environment, the last one first; or name the one not there."""
    if given.has("--no-env-file") or environments.truth(process, "UV_NO_ENV_FILE"):
        return process
    files = given.all("--env-file")
    variable = process.env.get("UV_ENV_FILE")
    if not files and variable is not None:
        text = environments.value(process, "UV_ENV_FILE") or ""
        files = tuple(replace(variable, value=name) for name in shlex.split(text))
    for word in reversed(files):
        inner = environments.with_file(process, word, call.files, override=False, needed=True)
        if inner is None:
            return word.value or ""
        process = inner
    return process


def _uv_environment(call: Call, given: Read, process: Process) -> Process:
    """Enter the environment of the project, or the active one, or the nearest .venv."""
    if given.has("--isolated", "--with-requirements", "--with-editable", "--exact") or any(
        _DECIDING.match(part.strip())
        for word in given.all("-w", "--with")
        for part in (word.value or "flask").split(",")
    ):
        raise OpenError(call.missing("the packages that uv installs when it starts"))
    start = process
    folder = given.last("--project")
    if folder is not None:
        start = in_folder(process, folder)
    alone = given.has("--no-project") or environments.truth(process, "UV_NO_PROJECT")
    found = None if alone else environments.project(call, start, "pyproject.toml")
    if found is not None and not found.table("project") and not found.table("tool", "uv"):
        found = None
    used = environments.active(process)
    if found is not None and not (given.has("--active") and used):
        place = environments.value(process, "UV_PROJECT_ENVIRONMENT") or ".venv"
        prefix = posixpath.normpath(posixpath.join(found.folder, place))
        if not environments.is_environment(prefix, call.files):
            raise OpenError(call.missing("the packages that uv installs when it starts"))
        return environments.entered(process, prefix, call.place)
    prefix_or_none = used or _nearest(call, start)
    if prefix_or_none is not None:
        return environments.entered(process, prefix_or_none, call.place)
    return process


def _nearest(call: Call, process: Process) -> str | None:
    """Return the .venv of the directory or of one above it."""
    folder = environments.folder_of(process)
    while True:
        prefix = posixpath.join(folder, ".venv")
        if environments.is_environment(prefix, call.files):
            return prefix
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)


def _uv_command(call: Call, given: Read, process: Process) -> Next:
    if not given.rest:
        return call.ends("lists what it could run and ends")
    first = given.rest[0]
    if first.value is None:
        return hidden(first)
    python = at("python", first.location)
    if given.has("-m", "--module"):
        dash = at("-m", first.location)
        return becomes(process, call.name, (python, dash, *given.rest))
    if first.value.startswith(("http://", "https://")):
        return call.missing(f"what {first.value} is")
    place = search.absolute(first.value, process.cwd)
    content = call.files.read(place) if isinstance(place, str) else place
    if isinstance(content, Content) and b"\n# /// script" in b"\n" + content.data:
        return call.missing("the packages that the script names, which uv installs when it starts")
    is_script = first.value.lower().endswith((".py", ".pyw")) or given.has("-s", "--script")
    if is_script and not isinstance(content, Content | Unread):
        return call.ends(f"ends: {first.value} is not there")
    if is_script or first.value == "-":
        return becomes(process, call.name, (python, *given.rest))
    main = search.absolute(f"{first.value}/__main__.py", process.cwd)
    match call.files.read(main) if isinstance(main, str) else main:
        case Content():
            return becomes(process, call.name, (python, *given.rest))
        case Unread(missing=missing):
            return missing
        case Absent():
            return becomes(process, call.name, given.rest)


def _uvx(call: Call) -> Next:
    return call.missing("the packages that uvx installs when it starts")


def _dotenv(call: Call) -> Next:
    """Follow dotenv [-f FILE] run [--no-override] COMMAND of python-dotenv."""
    group = read(
        call.name,
        call.words,
        syntax(values="-f --file -q --quote -e --export", ends="--help --version",
               abbreviated=False),
    )  # fmt: skip
    if not isinstance(group, Read):
        return group
    if not group.rest or group.rest[0].value != "run":
        return call.ends("does its work and ends")
    own = read(
        call.name,
        group.rest[1:],
        syntax(flags="--override --no-override", ends="--help", abbreviated=False),
    )
    if not isinstance(own, Read):
        return own
    if not own.rest:
        return call.ends("ends: it is given no command")
    path = group.last("-f", "--file") or at(".env", call.place)
    last = [one.name for one in own.given]
    override = not last or last[-1] != "--no-override"
    inner = environments.with_file(call.process, path, call.files, override=override, needed=True)
    if inner is None:
        return call.ends(f"ends: {path.value} is not there")
    return becomes(inner, call.name, own.rest)


_CONDA = syntax(
    flags="--no-capture-output --live-stream -v --verbose --dev --debug-wrapper-scripts "
    "--clean-env -d --detach -q --quiet -y --yes",
    values="-n --name -p --prefix --cwd -r --root-prefix -a --attach -e --env --label --rc-file",
    ends="-h --help",
    abbreviated=False,
)


_CONDA_ENDS = frozenset(
    {"clean", "compare", "config", "create", "env", "info", "init", "install", "list", "remove",
     "search", "uninstall", "update", "upgrade"}
)  # fmt: skip


def _conda(call: Call) -> Next:
    """Follow conda, mamba and micromamba run: the environment by its name or prefix."""
    told = read_command(call.name, call.words, _CONDA)
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        return environments.other_command(call, group.rest, _CONDA_ENDS)
    given = Read((*group.given, *own.given), own.rest)
    if given.has("--clean-env", "-e", "--env"):
        return call.missing("the environment that micromamba hands on")
    process = call.process
    folder = given.last("--cwd")
    process = process if folder is None else in_folder(process, folder)
    prefix = _conda_prefix(call, given, process)
    if environments.stat(prefix, call.files) is None:
        return call.ends(f"ends: there is no environment at {prefix}")
    hooks = call.files.list(f"{prefix}/etc/conda/activate.d")
    if isinstance(hooks, Unread):
        return hooks.missing
    state = environments.read(f"{prefix}/conda-meta/state", call.files)
    if (isinstance(hooks, tuple) and hooks) or (state is not None and b"env_vars" in state.data):
        return call.missing(f"what activating the environment {prefix} sets")
    return becomes(
        environments.entered(process, prefix, call.place, "CONDA_PREFIX"), call.name, given.rest
    )


def _conda_prefix(call: Call, given: Read, process: Process) -> str:
    prefix = given.last("-p", "--prefix")
    if prefix is not None:
        place = search.absolute(prefix.value or "", process.cwd)
        if isinstance(place, str) and prefix.value is not None:
            return place
        raise OpenError(hidden(prefix))
    roots = [
        (given.last("-r", "--root-prefix") or at("", call.place)).value,
        environments.value(process, "MAMBA_ROOT_PREFIX"),
        environments.value(process, "CONDA_ROOT"),
        posixpath.dirname(posixpath.dirname(call.path or "")),
        "/opt/conda",
    ]
    root = next(one for one in roots if one)
    name = given.last("-n", "--name")
    if name is None:
        return environments.active(process) or root
    if name.value is None:
        raise OpenError(hidden(name))
    if name.value == "base":
        return root
    for folder in (
        f"{root}/envs",
        *(environments.value(process, "CONDA_ENVS_PATH") or "").split(":"),
    ):
        place = posixpath.join(folder, name.value)
        if folder and environments.stat(place, call.files) is not None:
            return place
    raise OpenError(Missing(Reason.FILE, f"where the environment {name.value} of conda lies"))


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "uv": guarded(_uv),
    "uvx": _uvx,
    "dotenv": guarded(_dotenv),
    "conda": guarded(_conda),
    "mamba": guarded(_conda),
    "micromamba": guarded(_conda),
}
