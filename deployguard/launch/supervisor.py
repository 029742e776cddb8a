"""supervisord: the programs that its configuration starts (supervisor 3 and 4, options.py)."""

import posixpath
import shlex
from collections.abc import Iterator, Mapping

from deployguard.effective import search
from deployguard.formats import ini
from deployguard.launch.globbing import glob
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_folder, started
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_SYNTAX = syntax(
    flags="-n --nodaemon -k --nocleanup -t --strip_ansi -s --silent",
    values="-c --configuration -u --user -m --umask -d --directory -l --logfile -y "
    "--logfile_maxbytes -z --logfile_backups -e --loglevel -j --pidfile -i --identifier -q "
    "--childlogdir -a --minfds --minprocs --profile_options",
    ends="-h --help -? -v --version",
)
_DIALECT = ini.Dialect(inline=(";", "#"))
_KINDS = ("program:", "fcgi-program:", "eventlistener:")
_TRUE = frozenset({"true", "yes", "on", "1"})
_LONGEST = 64 * 1024
_MOST = 100  # processes of one program


class _RefusedError(Exception):
    """A value ends supervisord, or cannot be told."""

    def __init__(self, why: Missing | Evidence) -> None:
        super().__init__()
        self.why = why


class _Expansions(dict[str, object]):
    """What `%(NAME)s` stands for; a value that cannot be seen leaves the text open."""

    def __init__(self, environment: Environment, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.environment = environment

    def __missing__(self, key: str) -> object:
        """Look up what was not set: a variable of the environment, or the host's name."""
        if key == "host_node_name":
            raise _RefusedError(Missing(Reason.RUNNING, "the name of the host"))
        name = key.removeprefix("ENV_")
        entry = self.environment.get(name) if name != key else None
        if entry is None:
            raise KeyError(key)
        if entry.value is None:
            raise _RefusedError(hidden(entry))
        return entry.value

    def with_values(self, values: Mapping[str, object]) -> "_Expansions":
        """Return these and more."""
        return _Expansions(self.environment, {**self, **values})


def supervisord(call: Call) -> Next:
    """Follow supervisord: every program that starts by itself, without a shell."""
    options = read(call.name, call.words, _SYNTAX)
    if not isinstance(options, Read):
        return options
    content = _configuration(call, options)
    if not isinstance(content, Content):
        return content
    try:
        return _programs(call, options, content)
    except _RefusedError as refused:
        return refused.why


def _configuration(call: Call, options: Read) -> Content | Missing | Evidence:
    """Return the file of -c, or the first of those that supervisord looks for."""
    given = options.last("-c", "--configuration")
    if given is not None and given.value is None:
        return hidden(given)
    # "here" is the folder above that of the command (Options.__init__).
    above = posixpath.dirname(posixpath.dirname(call.path or ""))
    places = (
        (given.value or "",)
        if given is not None
        else (
            f"{above}/etc/supervisord.conf",
            f"{above}/supervisord.conf",
            "supervisord.conf",
            "etc/supervisord.conf",
            "/etc/supervisord.conf",
            "/etc/supervisor/supervisord.conf",
        )
    )
    for place in places:
        path = search.absolute(place, call.process.cwd)
        content = path if isinstance(path, Unread) else call.files.read(path)
        if isinstance(content, Unread):
            return content.missing
        if isinstance(content, Content):
            return content
    return call.ends("ends: its configuration is not there")


def _programs(call: Call, options: Read, content: Content) -> Next:
    sections = ini.parse(content, _DIALECT)
    here = posixpath.dirname(content.location.file)
    expansions = _Expansions(call.process.env, {"here": here})
    if sections is not None and "include" in sections:
        sections = _included(call, sections, here, expansions)
    if sections is None or "supervisord" not in sections:
        return call.ends("ends: its configuration does not parse, or lacks [supervisord]")
    main = sections["supervisord"]
    shared = _variables(_option(call, main, "environment", expansions))
    expansions = expansions.with_values(_named(shared))
    foreground = options.has("-n", "--nodaemon") or _truth(main, "nodaemon", default=False)
    folder = options.last("-d", "--directory") or _option(call, main, "directory", expansions)
    process = call.process
    if folder is not None and not foreground:
        # It goes there as it leaves for the background (ServerOptions.daemonize).
        process = in_folder(process, folder)
    starts = tuple(
        Start(process=one)
        for name, section in sections.items()
        if name.startswith(_KINDS)
        for one in _started(call, process, name, section, shared, expansions)
    )
    if not starts:
        return call.ends("starts no program by itself")
    return Started(processes=starts)


def _included(
    call: Call,
    sections: dict[str, dict[str, Traced[str]]],
    here: str,
    expansions: Mapping[str, object],
) -> dict[str, dict[str, Traced[str]]] | None:
    """Lay the files of [include] over the main one, sorted for each pattern."""
    files = _option(call, sections["include"], "files", expansions)
    for pattern in (files.value or "").split() if files is not None else ():
        found = glob(posixpath.join(here, pattern), call.files)
        if isinstance(found, Missing):
            raise _RefusedError(found)
        for path in found:
            content = call.files.read(path)
            if isinstance(content, Unread):
                raise _RefusedError(content.missing)
            if isinstance(content, Absent):
                continue
            text = content.data.replace(b"%(here)s", posixpath.dirname(path).encode())
            inner = ini.parse(replace(content, data=text), replace(_DIALECT, sections=sections))
            if inner is None:
                return None
            sections = inner
    return sections


def _started(
    call: Call,
    process: Process,
    name: str,
    section: ini.Section,
    shared: Mapping[str, Word],
    expansions: _Expansions,
) -> Iterator[Process]:
    """Yield the processes of one program."""
    program = name.split(":", 1)[1].strip()
    if not _truth(section, "autostart", default=True):
        return
    number, first = _number(section, "numprocs", 1), _number(section, "numprocs_start", 0)
    for position in range(first, first + min(number, _MOST)):
        named = {"program_name": program, "group_name": program, "numprocs": number}
        outer = expansions.with_values({**named, "process_num": position})
        own = _variables(_option(call, section, "environment", outer))
        inner = outer.with_values(_named(own))
        command = _option(call, section, "command", inner)
        if command is None:
            why = f"ends: [{name}] has no command"
            raise _RefusedError(Evidence(call.place, f"{call.name} {why}"))
        yield from _one(call, process, command, {**shared, **own}, section, inner)


def _one(
    call: Call,
    process: Process,
    command: Word,
    variables: Mapping[str, Word],
    section: ini.Section,
    expansions: Mapping[str, object],
) -> Iterator[Process]:
    if len(command.value or "") > _LONGEST:
        raise _RefusedError(Missing(Reason.LIMIT, f"a command of more than {_LONGEST} characters"))
    step = Evidence(command.location, f"supervisord starts {command.value}")
    try:
        words = shlex.split(command.value or "")
    except ValueError:
        return
    if not words:
        return
    env = overlay(
        (
            process.env,
            Environment({"SUPERVISOR_ENABLED": at("1", call.place), **variables}),
        )
    )
    process = replace(process, env=env)
    folder = _option(call, section, "directory", expansions)
    user = _option(call, section, "user", expansions)
    process = process if folder is None else in_folder(process, folder)
    process = process if user is None else replace(process, user=user)
    if folder is not None and isinstance(process.cwd.value, str):
        there = call.files.stat(process.cwd.value)
        if not isinstance(there, Stat | Unread):
            return
    yield started(process, tuple(replace(command, value=word) for word in words), step)


def _option(
    call: Call, section: ini.Section, name: str, expansions: Mapping[str, object]
) -> Word | None:
    """Return an option with `%(NAME)s` expanded; a name that is not there ends supervisord."""
    entry = section.get(name)
    if entry is None:
        return None
    try:
        text = entry.value % expansions
    except (KeyError, ValueError, TypeError):
        why = f"ends: {name} = {entry.value} names what is not there"
        raise _RefusedError(Evidence(entry.location, f"{call.name} {why}")) from None
    return Traced(text, entry.location)


def _variables(entry: Word | None) -> dict[str, Word]:
    """Read KEY="value",KEY2=value as supervisor does (datatypes.dict_of_key_value_pairs)."""
    if entry is None or entry.value is None:
        return {}
    lexer = shlex.shlex(entry.value)
    lexer.wordchars += "/.+-():"
    try:
        tokens = list(lexer)
    except ValueError:
        tokens = ["="]
    found: dict[str, Word] = {}
    for first in range(0, len(tokens), 4):
        three = tokens[first : first + 3]
        if len(three) != 3 or three[1] != "=":  # noqa: PLR2004  (key, sign, value)
            text = f"supervisord ends: {entry.value} is no list of variables"
            raise _RefusedError(Evidence(entry.location, text))
        found[three[0]] = Traced(three[2].strip("'\""), entry.location)
    return found


def _named(variables: Mapping[str, Word]) -> dict[str, object]:
    return {f"ENV_{name}": entry.value for name, entry in variables.items()}


def _truth(section: ini.Section, name: str, *, default: bool) -> bool:
    entry = section.get(name)
    return default if entry is None else entry.value.strip().lower() in _TRUE


def _number(section: ini.Section, name: str, default: int) -> int:
    entry = section.get(name)
    return int(entry.value) if entry is not None and entry.value.strip().isdigit() else default
