"""poetry run and pipenv run: the environment they choose, and the scripts of their files.

Sources: poetry 2 (env_manager.py, run.py), pipenv 2026 (shell.py, cmdparse.py, environment.py).
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deployguard.launch import environments
from deployguard.launch.environments import OpenError, Project, guarded
from deployguard.launch.options import Read, hidden, read_command, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_folder
from deployguard.launch.shells import Started
from deployguard.model.evidence import Traced
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_POETRY = syntax(
    flags="-q --quiet -v --verbose -vv -vvv --ansi --no-ansi -n --no-interaction --no-plugins "
    "--no-cache",
    values="-P --project -C --directory",
    abbreviated=False,
)


# Plugins add commands, so that only these are known to start nothing.
_POETRY_ENDS = frozenset(
    {"about", "add", "build", "cache", "check", "config", "debug", "env", "export", "help", "init",
     "install", "list", "lock", "new", "publish", "python", "remove", "search", "self", "show",
     "source", "sync", "update", "version"}
)  # fmt: skip
_PIPENV_ENDS = frozenset(
    {"audit", "check", "clean", "graph", "install", "lock", "requirements", "scripts", "sync",
     "uninstall", "update", "upgrade", "verify"}
)  # fmt: skip


def _poetry(call: Call) -> Next:
    """Follow poetry run: the active environment, the project's .venv, or the one in the cache."""
    told = read_command(call.name, call.words, _POETRY)
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        return environments.other_command(call, group.rest, _POETRY_ENDS)
    given = Read((*group.given, *own.given), own.rest)
    process = call.process
    folder = given.last("-C", "--directory")
    process = process if folder is None else in_folder(process, folder)
    at_project = given.last("-P", "--project")
    start = process if at_project is None else in_folder(process, at_project)
    found = environments.project(call, start, "pyproject.toml")
    if found is None:
        return call.ends("ends: there is no pyproject.toml")
    if not given.rest:
        return call.ends("ends: it is given no command")
    prefix = _poetry_prefix(call, process, found)
    if prefix is None:
        return becomes(process, call.name, (_beside_poetry(call, given.rest[0]), *given.rest[1:]))
    inside = environments.entered(process, prefix, call.place)
    return _poetry_script(call, inside, prefix, found, given.rest)


def _beside_poetry(call: Call, word: Word) -> Word:
    """Return a command of the Python below the environment that poetry itself runs in.

    That is the system's environment (EnvManager.get_system_env); what it lacks is sought in PATH.
    """
    path = call.python[0].value or ""
    prefix = posixpath.dirname(posixpath.dirname(path))
    settings = environments.read(posixpath.join(prefix, "pyvenv.cfg"), call.files)
    text = settings.data if settings is not None else b""
    home = re.search(rb"^\s*home\s*=\s*(\S+)", text, re.MULTILINE)
    folder = home[1].decode("utf-8", "replace") if home is not None else f"{prefix}/bin"
    place = posixpath.join(folder, word.value or "")
    found = environments.stat(place, call.files) if word.value and path else None
    return word if found is None else replace(word, value=place)


def _poetry_prefix(call: Call, process: Process, found: Project) -> str | None:
    """Return the environment that poetry takes, None for the system's (EnvManager.get)."""
    used = environments.active(process)
    if used:
        return used
    local = environments.read(posixpath.join(found.folder, "poetry.toml"), call.files)
    own: Mapping[str, Any] = environments.settings(local) if local is not None else {}
    virtual = own.get("virtualenvs", {})
    shared = _user_settings(call, process).get("virtualenvs", {})
    inside = _poetry_setting(process, "in-project", virtual, shared)
    prefix = posixpath.join(found.folder, ".venv")
    if inside is not False and environments.is_environment(prefix, call.files):
        return prefix
    if _poetry_setting(process, "create", virtual, shared) is False:
        return None
    name = str(
        found.table("project").get("name") or found.table("tool", "poetry").get("name") or ""
    )
    home = environments.value(process, "HOME") or "/"
    cache = environments.value(process, "POETRY_CACHE_DIR") or f"{home}/.cache/pypoetry"
    parent = environments.value(process, "POETRY_VIRTUALENVS_PATH") or f"{cache}/virtualenvs"
    plain = re.escape(re.sub(r"[ $`!*@\"\\\r\n\t]", "_", name.lower()))
    only = environments.only_folder(parent, rf"(?i){plain}-[\w-]{{8}}-py\d\.\d+", call.files)
    if only is None:
        raise OpenError(call.missing("the environment that poetry makes when it starts"))
    return only


def _user_settings(call: Call, process: Process) -> Mapping[str, Any]:
    home = environments.value(process, "HOME") or "/"
    folder = environments.value(process, "POETRY_CONFIG_DIR") or f"{home}/.config/pypoetry"
    content = environments.read(posixpath.join(folder, "config.toml"), call.files)
    return environments.settings(content) if content is not None else {}


def _poetry_setting(process: Process, name: str, *tables: Any) -> bool | None:  # noqa: ANN401  (TOML)
    variable = f"POETRY_VIRTUALENVS_{name.replace('-', '_').upper()}"
    text = environments.value(process, variable)
    if text is not None:
        return text.strip().lower() in {"true", "1"}
    for table in tables:
        if isinstance(table, Mapping) and isinstance(table.get(name), bool):
            return bool(table[name])
    return None


def _poetry_script(
    call: Call, process: Process, prefix: str, found: Project, words: Sequence[Word]
) -> Next:
    """Return a command, or the function that [tool.poetry.scripts] gives a name."""
    scripts = found.table("tool", "poetry", "scripts")
    name = words[0].value or ""
    target = scripts.get(name)
    if isinstance(target, Mapping):
        target = target.get("callable") or target.get("reference")
    installed = environments.stat(posixpath.join(prefix, "bin", name), call.files)
    if not isinstance(target, str) or installed is not None:
        return becomes(process, call.name, tuple(words))
    module, _, function = target.partition(":")
    # The folder that is installed in place of the package is in sys.path: src, or the project's.
    text = f"from {module} import {function.partition('.')[0]}; {function}()"
    place = found.location
    first = (at("python", place), at("-c", place), at(text, place))
    return becomes(process, call.name, (*first, *words[1:]))


_PIPENV = syntax(
    flags="-q --quiet -v --verbose --clear --system --site-packages --no-site-packages",
    values="--python --pypi-mirror",
    ends="-h --help --version --where --venv --py --envs --rm --bare --man --support --completion",
    abbreviated=False,
)


def _pipenv(call: Call) -> Next:
    """Follow pipenv run: .env over the environment, the virtual environment, [scripts]."""
    told = read_command(call.name, call.words, _PIPENV)
    if not isinstance(told, tuple):
        return told
    group, own = told
    if own is None:
        return environments.other_command(call, group.rest, _PIPENV_ENDS)
    if not own.rest:
        return call.ends("ends: it is given no command")
    named = environments.value(call.process, "PIPENV_PIPFILE")
    start = call.process
    if named:
        start = in_folder(start, at(posixpath.dirname(named) or ".", call.place))
    found = environments.project(call, start, posixpath.basename(named) if named else "Pipfile")
    process = _pipenv_variables(call, found)
    if not own.has("--system") and not group.has("--system"):
        prefix = _pipenv_prefix(call, process, found)
        process = environments.entered(process, prefix, call.place)
    active = Traced[str | None]("1", call.place)
    process = replace(process, env=process.env.with_entry("PIPENV_ACTIVE", active))
    return _pipenv_script(call, process, found, own.rest)


def _pipenv_variables(call: Call, found: Project | None) -> Process:
    process = call.process
    if environments.truth(process, "PIPENV_DONT_LOAD_ENV"):
        return process
    location = environments.value(process, "PIPENV_DOTENV_LOCATION")
    folder = found.folder if found is not None else "."
    path = at(location or posixpath.join(folder, ".env"), call.place)
    inner = environments.with_file(process, path, call.files, override=True, needed=False)
    return inner or process


def _pipenv_prefix(call: Call, process: Process, found: Project | None) -> str:
    used = environments.active(process)
    if used and not environments.truth(process, "PIPENV_IGNORE_VIRTUALENVS"):
        return used
    if found is not None:
        prefix = posixpath.join(found.folder, ".venv")
        if environments.is_environment(prefix, call.files):
            return prefix
        home = environments.value(process, "HOME") or "/"
        parent = environments.value(process, "WORKON_HOME") or f"{home}/.local/share/virtualenvs"
        name = environments.value(process, "PIPENV_CUSTOM_VENV_NAME")
        folder = re.escape(posixpath.basename(found.folder)[:42])
        pattern = re.escape(name) if name else rf"{folder}-[\w-]{{8}}.*"
        only = environments.only_folder(parent, pattern, call.files)
        if only is not None:
            return only
    raise OpenError(call.missing("the environment that pipenv makes when it starts"))


def _pipenv_script(
    call: Call, process: Process, found: Project | None, words: Sequence[Word]
) -> Next:
    """Return a command or the lines of [scripts], with variables expanded and no shell."""
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    scripts = found.table("scripts") if found is not None else {}
    script = scripts.get(words[0].value or "")
    if script is None or found is None:
        return _pipenv_command(call, process, words)
    if isinstance(script, Mapping):
        module, _, function = str(script.get("call", "")).partition(":")
        function = function if "(" in function else f"{function}()"
        script = f'python -c "import {module} as _m; _m.{function}"'
    texts = [str(one) for one in script] if isinstance(script, list) else [str(script)]
    starts: list[Start] = []
    for position, text in enumerate(texts):
        parts: tuple[Word, ...] = tuple(found.word(part) for part in shlex.split(text))
        last = words[1:] if position == len(texts) - 1 else ()
        inner = _pipenv_command(call, process, (*parts, *last))
        if not isinstance(inner, Process):
            return inner
        starts.append(Start(process=inner))
    return Started(processes=tuple(starts))


def _pipenv_command(call: Call, process: Process, words: Sequence[Word]) -> Next:
    pending = list(words)
    env = process.env
    while pending and (match := _ASSIGNMENT.fullmatch(pending[0].value or "")) is not None:
        env = env.with_entry(match[1], replace(pending.pop(0), value=match[2]))
    inner = replace(process, env=env)
    args = [
        replace(word, value=environments.expand(word.value or "", inner)) for word in pending[1:]
    ]
    return becomes(inner, call.name, (*pending[:1], *args))


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "poetry": guarded(_poetry),
    "pipenv": guarded(_pipenv),
}
