"""honcho, foreman and their kin: the processes of a Procfile, and the .env they export.

Sources: honcho 2 (command.py, environ.py), foreman 0.88 (cli.rb, env.rb, engine.rb), forego 0.16.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from deployguard.effective import search
from deployguard.formats import procfile
from deployguard.launch.options import Read, Syntax, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_folder, in_shell
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

Parse = Callable[[str], tuple[str, str] | None]


class _Manager(Struct, frozen=True):
    """How one of them reads its words, and its .env files."""

    options: Syntax
    parse: Parse
    all_formation: bool = False


_HONCHO = syntax(
    flags="--no-colour --no-color --no-prefix",
    values="-e --env -d --app-root -f --procfile -p --port -c --concurrency -q --quiet",
    ends="-h --help -v --version",
    interleaved=True,
)
_FOREMAN = syntax(
    flags="--color --no-color --timestamp --no-timestamp -r",
    values="-e --env -d --root -f --procfile -p --port -c -m --formation --concurrency "
    "-t --timeout",
    ends="-h --help -v --version",
    interleaved=True,
)


def honcho(call: Call) -> Next:
    """Follow honcho start [PROCESS...] and honcho run COMMAND."""
    return _managed(call, _Manager(_HONCHO, _honcho_line))


def foreman(call: Call) -> Next:
    """Follow foreman, forego and goreman: start [PROCESS] and run COMMAND."""
    return _managed(call, _Manager(_FOREMAN, _foreman_line, all_formation=True))


def _managed(call: Call, manager: _Manager) -> Next:
    before = replace(manager.options, interleaved=False)
    group = read(call.name, call.words, before)
    if not isinstance(group, Read):
        return group
    if not group.rest:
        return call.ends("prints its help and ends")
    command, words = group.rest[0], group.rest[1:]
    run = command.value == "run"
    if command.value not in {"start", "run", "s", "r"}:
        return hidden(command) if command.value is None else call.ends(f"{command.value} and ends")
    own = read(call.name, words, before if run else manager.options)
    if not isinstance(own, Read):
        return own
    given = Read((*group.given, *own.given), own.rest)
    root = given.last("-d", "--app-root", "--root") or _above(given, manager)
    base = call.process if root is None else in_folder(call.process, root)
    variables = _variables(call, given, base, manager)
    if isinstance(variables, Missing):
        return variables
    # foreman goes to the folder of its Procfile, or --root; honcho stays where it is.
    process = base if manager.all_formation else call.process
    process = replace(process, env=overlay((process.env, variables)))
    settings = search.absolute(".foreman", base.cwd) if manager.all_formation else None
    if isinstance(settings, str) and not isinstance(call.files.stat(settings), Absent):
        return call.missing(f"what {settings} tells {call.name}")
    if run:
        return _run(call, process, own.rest)
    return _start(call, process, given, base, variables, manager)


def _above(given: Read, manager: _Manager) -> Word | None:
    """Return the folder of a named Procfile, which is foreman's root."""
    named = given.last("-f", "--procfile") if manager.all_formation else None
    folder = posixpath.dirname(named.value) if named is not None and named.value else ""
    return replace(named, value=folder) if named is not None and folder else None


def _run(call: Call, process: Process, words: Sequence[Word]) -> Next:
    """Return the shell that honcho run hands its words to, quoted."""
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    if not words:
        return call.ends("ends: run names no command")
    text = shlex.join(word.value or "" for word in words)
    return in_shell(process, call.name, replace(words[0], value=text))


def _start(
    call: Call,
    process: Process,
    given: Read,
    base: Process,
    variables: Environment,
    manager: _Manager,
) -> Next:
    content = _procfile(call, given, base, variables, manager)
    if not isinstance(content, Content):
        return content
    parsed = procfile.parse(content)
    commands = dict(parsed)
    if len(commands) < len(parsed) and not manager.all_formation:
        return call.ends(f"ends: {content.location.file} names a process twice")
    wanted = [word.value for word in given.rest] or list(commands)
    counts = _counts(given)
    if isinstance(counts, Missing):
        return counts
    port = _port(call, given, variables)
    starts: list[Start] = []
    for name in wanted:
        if name is None:
            return hidden(next(word for word in given.rest if word.value is None))
        if name not in commands:
            return call.ends(f"ends: {content.location.file} has no process {name}")
        default = 1 if given.rest or not counts or not manager.all_formation else 0
        number = counts.get(name, counts.get("all", default))
        for position in range(min(number, 20)):
            env = process.env
            if port is not None and port.value is not None:
                value = str(int(port.value) + position)
                env = env.with_entry("PORT", replace(port, value=value))
            starts.append(
                Start(process=in_shell(replace(process, env=env), call.name, commands[name]))
            )
        if port is not None and port.value is not None:
            port = replace(port, value=str(int(port.value) + 100))
    return Started(processes=tuple(starts)) if starts else call.ends("starts no process")


def _procfile(
    call: Call, given: Read, base: Process, variables: Environment, manager: _Manager
) -> Content | Missing | Evidence:
    """Return the Procfile: -f, the variable PROCFILE of .env or the environment, or its name."""
    variable = variables.get("PROCFILE") or call.process.env.get("PROCFILE")
    named = given.last("-f", "--procfile") or variable or at("Procfile", call.place)
    if named.value is None:
        return hidden(named)
    start = call.process.cwd if _above(given, manager) is not None else base.cwd
    path = search.absolute(named.value, start)
    content = path if isinstance(path, Unread) else call.files.read(path)
    match content:
        case Unread(missing=missing):
            return missing
        case Absent():
            return call.ends(f"ends: {named.value} is not there")
        case Content():
            return content


def _port(call: Call, given: Read, variables: Environment) -> Word | None:
    """Return the first port: that of .env, -p, the environment's, or 5000."""
    for entry in (
        variables.get("PORT"), given.last("-p", "--port"), call.process.env.get("PORT"),
        at("5000", call.place),
    ):  # fmt: skip
        if entry is not None:
            return entry if entry.value is None or entry.value.isdigit() else None
    return None


def _counts(given: Read) -> dict[str, int] | Missing:
    """Read NAME=NUMBER,... of how many processes are started."""
    word = given.last("-c", "-m", "--concurrency", "--formation")
    if word is None:
        return {}
    if word.value is None:
        return hidden(word)
    found: dict[str, int] = {}
    for part in re.split(r"[,\s]+", word.value):
        name, _, number = part.partition("=")
        if number.isdigit():
            found[name] = int(number)
    return found


def _variables(call: Call, given: Read, base: Process, manager: _Manager) -> Environment | Missing:
    """Return what the .env files set: those of -e, separated by commas, or .env."""
    named = given.last("-e", "--env") or at(".env", call.place)
    if named.value is None:
        return hidden(named)
    layers: list[Environment] = []
    for name in named.value.split(","):
        path = search.absolute(name.strip(), base.cwd)
        content = path if isinstance(path, Unread) else call.files.read(path)
        if isinstance(content, Unread):
            return content.missing
        if isinstance(content, Content):
            layers.append(_parsed(content, manager.parse))
    return overlay(layers) if layers else Environment()


def _parsed(content: Content, parse: Parse) -> Environment:
    entries: dict[str, Traced[str | None]] = {}
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        pair = parse(line)
        if pair is not None:
            place: Location = replace(content.location, line=number)
            entries[pair[0]] = Traced(pair[1], place)
    return Environment(entries, location=content.location)


def _honcho_line(line: str) -> tuple[str, str] | None:
    """Read a line as honcho.environ.parse does, which joins the tokens of a shell lexer."""
    lexer = shlex.shlex(line, posix=True)
    try:
        tokens = list(lexer)
    except ValueError:
        return None
    if len(tokens) < 3 or tokens[1] != "=" or not re.match(r"[A-Za-z_]", tokens[0]):  # noqa: PLR2004
        return None
    return tokens[0], "".join(tokens[2:]).replace(r"\n", "\n").replace(r"\t", "\t")


def _foreman_line(line: str) -> tuple[str, str] | None:
    """Read a line as foreman's Env does: quotes of either kind go, double ones know escapes."""
    match = re.fullmatch(r"([A-Za-z_0-9]+)=(.*)", line)
    if match is None:
        return None
    name, value = match.groups()
    if (single := re.fullmatch(r"'(.*)'", value)) is not None:
        return name, single[1]
    if (double := re.fullmatch(r'"(.*)"', value)) is not None:
        return name, re.sub(r"\\(.)", r"\1", double[1].replace(r"\n", "\n"))
    return name, value


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "honcho": honcho,
    "foreman": foreman,
    "forego": foreman,
    "goreman": foreman,
}
