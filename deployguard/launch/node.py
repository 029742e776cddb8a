"""npm, yarn and pnpm: the scripts of a package.json, and the little tools that they start.

Sources: npm 10 (`npm help scripts`, `npm help run-script`), yarn 1 and 4, pnpm 9, dotenv-cli 7,
env-cmd 10, cross-env 7, concurrently 9.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deployguard.launch import environments
from deployguard.launch.environments import OpenError, guarded
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_folder, in_shell
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_FLAGS = syntax(
    flags="-s --silent -q --quiet --if-present --foreground-scripts --no-update-notifier -d "
    "--verbose --color --no-color --no-audit --no-fund --offline",
    values="--prefix -C --cwd --dir --loglevel",
    ends="-h --help -v --version",
    abbreviated=False,
)
_ALIASES = frozenset({"run", "run-script", "rum", "urn"})
_OWN = frozenset({"start", "stop", "restart", "test"})
_WORKS = frozenset(
    {"install", "i", "ci", "add", "build", "audit", "cache", "config", "init", "link", "list", "ls",
     "outdated", "pack", "prune", "publish", "rebuild", "uninstall", "update", "version", "view",
     "install-ci-test", "dedupe", "remove", "why", "info", "help", "login", "import"}
)  # fmt: skip


def _npm(call: Call) -> Next:
    """Follow npm start and npm run NAME [-- WORDS]; what npm exec fetches is not in the image."""
    group = read(call.name, call.words, _FLAGS)
    if not isinstance(group, Read):
        return group
    if not group.rest:
        return call.ends("prints its help and ends")
    command, rest = group.rest[0], group.rest[1:]
    if command.value is None:
        return hidden(command)
    yarn = call.name != "npm"
    if command.value in _ALIASES or command.value in _OWN:
        own = read(call.name, rest, _FLAGS)
        if not isinstance(own, Read):
            return own
        given = Read((*group.given, *own.given), own.rest)
        named = command.value not in _ALIASES
        words = (command, *own.rest) if named else own.rest
        if not words:
            return call.ends("lists its scripts and ends")
        # npm takes options among the words up to "--"; yarn and pnpm hand them on.
        plain = _npm_words(call, words) if not yarn else words
        return _script(call, given, plain[0], plain[1:])
    if command.value in _WORKS and not (yarn and command.value == "build"):
        return call.ends(f"{command.value} does its work and ends")
    if yarn and command.value not in {"exec", "dlx", "workspace", "workspaces", "node"}:
        return _script(call, group, command, rest)
    return call.missing(f"what {call.name} {command.value} starts")


def _npm_words(call: Call, words: Sequence[Word]) -> tuple[Word, ...]:
    name, rest = words[0], words[1:]
    inner = read(call.name, rest, replace(_FLAGS, interleaved=True))
    if isinstance(inner, Missing):
        raise OpenError(inner)
    return (name, *(inner.rest if isinstance(inner, Read) else ()))


def _script(call: Call, given: Read, name: Word, words: Sequence[Word]) -> Next:
    if name.value is None:
        return hidden(name)
    folder = given.last("--prefix", "-C", "--cwd", "--dir")
    process = call.process if folder is None else in_folder(call.process, folder)
    content = _package(call, process)
    if content is None:
        return call.ends("ends: there is no package.json")
    scripts = _scripts(content)
    shell = _shell(call, content)
    if name.value == "start" and "start" not in scripts and call.name == "npm":
        scripts = {"start": "node server.js", **scripts}
    if name.value not in scripts:
        return call.ends(f"ends: there is no script {name.value}")
    inside = _inside(process, content, name.value)
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    own = " ".join((scripts[name.value], *(shlex.quote(word.value or "") for word in words)))
    before, after = scripts.get(f"pre{name.value}"), scripts.get(f"post{name.value}")
    texts = [text for text in (before, own, after) if text is not None]
    # The next one starts only where the one before it has not failed.
    whole = texts[0] if len(texts) == 1 else " && ".join(f"( {text}\n)" for text in texts)
    place = replace(content.location, line=_line(content, name.value))
    return in_shell(inside, call.name, at(whole, place), shell=shell)


def _package(call: Call, process: Process) -> Content | None:
    """Return the nearest package.json, from the directory upwards."""
    folder = environments.folder_of(process)
    while True:
        content = environments.read(posixpath.join(folder, "package.json"), call.files)
        if content is not None or folder == "/":
            return content
        folder = posixpath.dirname(folder)


def _scripts(content: Content) -> dict[str, str]:
    try:
        package: Any = json.loads(content.data)
    except (ValueError, RecursionError):
        package = None
    if not isinstance(package, dict):
        missing = Missing(Reason.TEXT, f"what {content.location.file} says, which is no object")
        raise OpenError(missing)
    scripts = package.get("scripts", {})
    found = scripts if isinstance(scripts, dict) else {}
    return {str(name): text for name, text in found.items() if isinstance(text, str)}


def _shell(call: Call, content: Content) -> Word | None:
    """Return the shell that .npmrc names (script-shell), None for /bin/sh."""
    folder = posixpath.dirname(content.location.file)
    settings = environments.read(posixpath.join(folder, ".npmrc"), call.files)
    if settings is None:
        return None
    match = re.search(rb"^\s*script-shell\s*=\s*(\S+)", settings.data, re.MULTILINE)
    return None if match is None else at(match[1].decode("utf-8", "replace"), settings.location)


def _inside(process: Process, content: Content, name: str) -> Process:
    """Return a process in the package's folder, whose tools come first in PATH."""
    place = content.location
    folder = posixpath.dirname(place.file)
    above = [folder]
    while above[-1] != "/":
        above.append(posixpath.dirname(above[-1]))
    path = environments.value(process, "PATH") or ""
    bins = [posixpath.join(one, "node_modules/.bin") for one in above]
    layer = Environment(
        {
            "PATH": Traced(":".join((*bins, path)), place),
            "npm_lifecycle_event": Traced(name, place),
            "INIT_CWD": process.cwd,
        },
        location=place,
    )
    inner = replace(process, env=overlay((process.env, layer)))
    return in_folder(inner, at(folder, place))


def _line(content: Content, name: str) -> int | None:
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        if re.match(rf'\s*"{re.escape(name)}"\s*:', line):
            return number
    return None


_DOTENV = syntax(
    flags="-o --override --quiet --debug",
    values="-e -v -p -c",
    optional="-c",
    ends="--help --version",
    abbreviated=False,
)


def _dotenv_cli(call: Call) -> Next:
    """Follow dotenv -e FILE -- COMMAND of dotenv-cli: files under the environment, or over it."""
    options = read(call.name, call.words, _DOTENV)
    if not isinstance(options, Read):
        return options
    if options.has("-c", "-p"):
        return call.missing(f"which files {call.name} reads")
    override = options.has("-o", "--override")
    process = call.process
    files = options.all("-e") or (at(".env", call.place),)
    for word in files:
        inner = environments.with_file(process, word, call.files, override=override, needed=False)
        process = inner or process
    for word in options.all("-v"):
        name, _, text = (word.value or "").partition("=")
        process = replace(process, env=process.env.with_entry(name, replace(word, value=text)))
    return becomes(process, call.name, options.rest)


def _cross_env(call: Call) -> Next:
    """Follow cross-env NAME=VALUE... COMMAND, and cross-env-shell, which runs a text."""
    words = list(call.words)
    env = call.process.env
    while words and re.match(r"[A-Za-z_]\w*=", words[0].value or ""):
        name, _, text = (words[0].value or "").partition("=")
        env = env.with_entry(name, replace(words.pop(0), value=text))
    process = replace(call.process, env=env)
    if call.name == "cross-env-shell" and words and all(word.value is not None for word in words):
        text = " ".join(word.value or "" for word in words)
        return in_shell(process, call.name, replace(words[0], value=text))
    return becomes(process, call.name, tuple(words))


def _env_cmd(call: Call) -> Next:
    """Follow env-cmd [-f FILE] COMMAND: the file beats the environment, unless --no-override."""
    options = read(
        call.name,
        call.words,
        syntax(
            flags="--no-override --silent --verbose --fallback",
            values="-f --file -e --environments -r --rc-file",
            ends="-h --help --version -v",
            abbreviated=False,
        ),
    )
    if not isinstance(options, Read):
        return options
    path = options.last("-f", "--file") or at(".env", call.place)
    if options.has("-e", "-r", "--environments", "--rc-file", "--fallback") or (
        path.value or ""
    ).endswith((".json", ".js", ".cjs")):
        return call.missing(f"which variables {call.name} sets")
    inner = environments.with_file(
        call.process, path, call.files, override=not options.has("--no-override"), needed=True
    )
    if inner is None:
        return call.ends(f"ends: {path.value} is not there")
    return becomes(inner, call.name, options.rest)


_CONCURRENTLY = syntax(
    flags="-g --group -k --kill-others --kill-others-on-fail -r --raw --no-color --hide --timings",
    values="-n --names -c --prefix-colors -p --prefix -m --max-processes -s --success -l "
    "--prefix-length --restart-tries --restart-after --hide",
    ends="-h --help -v --version",
    interleaved=True,
    abbreviated=False,
)


def _concurrently(call: Call) -> Next:
    """Follow concurrently "COMMAND"...: each word is a text for a shell; npm:NAME is a script."""
    options = read(call.name, call.words, _CONCURRENTLY)
    if not isinstance(options, Read):
        return options
    return Started(processes=tuple(Start(process=one) for one in _texts(call, options.rest)))


def _texts(call: Call, words: Sequence[Word]) -> Iterator[Process]:
    for word in words:
        if word.value is None:
            raise OpenError(hidden(word))
        tool, colon, name = word.value.partition(":")
        if colon and tool in {"npm", "yarn", "pnpm"} and " " not in word.value:
            if "*" in name:
                raise OpenError(call.missing(f"which scripts {word.value} names"))
            place: Location = word.location
            inner = becomes(call.process, call.name, (at(tool, place), at("run", place),
                                                      replace(word, value=name)))  # fmt: skip
            if isinstance(inner, Process):
                yield inner
        else:
            yield in_shell(call.process, call.name, word)


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "npm": guarded(_npm),
    "yarn": guarded(_npm),
    "yarnpkg": guarded(_npm),
    "pnpm": guarded(_npm),
    "dotenv-cli": guarded(_dotenv_cli),
    "cross-env": guarded(_cross_env),
    "cross-env-shell": guarded(_cross_env),
    "env-cmd": guarded(_env_cmd),
    "concurrently": guarded(_concurrently),
}
