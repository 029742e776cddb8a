"""circusd: the watchers that its configuration starts (circus 0.19, config.py and process.py)."""

import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping

from deployguard.effective import search
from deployguard.formats import ini
from deployguard.launch.globbing import glob
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, in_folder, in_shell, started
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_SYNTAX = syntax(
    flags="--daemon",
    values="--log-level --log-output --logger-config --pidfile",
    ends="-h --help --version",
    interleaved=True,
)
_DIALECT = ini.Dialect(cased=True)
_VARIABLE = re.compile(r"\$\((?:circus\.)?([\w.]+)\)|\(\((?:circus\.)?([\w.]+)\)\)", re.IGNORECASE)
_LONGEST = 64 * 1024
_FALSE = frozenset({"false", "no", "off", "0", "n", "f", ""})


class _HiddenError(Exception):
    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


def circusd(call: Call) -> Next:
    """Follow circusd: each watcher that starts by itself, with the variables that it is given."""
    options = read(call.name, call.words, _SYNTAX)
    if not isinstance(options, Read):
        return options
    if not options.rest:
        return call.ends("ends: it is given no configuration")
    path = search.absolute(options.rest[0].value or "", call.process.cwd)
    content = path if isinstance(path, Unread) else call.files.read(path)
    match content:
        case Unread(missing=missing):
            return missing
        case Absent():
            return call.ends("ends: its configuration is not there")
        case Content():
            try:
                return _watched(call, content)
            except _HiddenError as error:
                return error.missing


def _watched(call: Call, content: Content) -> Next:
    sections = ini.parse(content, _DIALECT)
    for path in _includes(call, sections or {}, content):
        inner = call.files.read(path)
        if isinstance(inner, Unread):
            raise _HiddenError(inner.missing)
        if isinstance(inner, Content):
            # The first file that sets an option keeps it (StrictConfigParser).
            outer = sections or {}
            more = ini.parse(inner, _DIALECT) or {}
            sections = {
                name: {**more.get(name, {}), **outer.get(name, {})} for name in {**outer, **more}
            }
    if sections is None:
        return call.ends("ends: its configuration does not parse")
    starts = tuple(
        Start(process=process)
        for name, watcher in sections.items()
        if name.startswith("watcher:")
        for process in _started(call, name.split(":", 1)[1], watcher, sections)
    )
    return Started(processes=starts) if starts else call.ends("starts nothing by itself")


def _includes(call: Call, sections: Mapping[str, ini.Section], content: Content) -> Iterator[str]:
    main = sections.get("circus", {})
    here = posixpath.dirname(content.location.file)
    for option, ending in (("include", ""), ("include_dir", "/*.ini")):
        entry = main.get(option)
        for pattern in entry.value.split() if entry is not None else ():
            found = glob(posixpath.join(here, pattern) + ending, call.files)
            if isinstance(found, Missing):
                raise _HiddenError(found)
            yield from found


def _started(
    call: Call, name: str, watcher: ini.Section, sections: Mapping[str, ini.Section]
) -> Iterator[Process]:
    if _false(watcher.get("autostart")) or "cmd" not in watcher:
        return
    for option in ("virtualenv", "executable"):
        if option in watcher:
            raise _HiddenError(Missing(Reason.COMMAND, f"the {option} of the watcher {name}"))
    local = Environment(dict(sections.get("env", {})))
    outer = overlay((call.process.env, local))
    copied = watcher.get("copy_env")
    env = outer if copied is not None and not _false(copied) else local
    for section, options in sections.items():
        patterns = section.partition("env:")[2].split(",") if section.startswith("env:") else ()
        if any(fnmatch.fnmatch(name, pattern.strip()) for pattern in patterns):
            env = overlay((env, Environment(dict(options))))
    known = overlay((outer, env))
    own = replace(
        env,
        entries={
            key: replace(entry, value=_expanded(entry.value, known, watcher))
            for key, entry in env.entries.items()
        },
    )
    process = replace(call.process, env=own)
    if "working_dir" in watcher:
        folder = watcher["working_dir"]
        text = _expanded(folder.value, known, watcher)
        process = in_folder(process, replace(_word(folder), value=text))
    command = watcher["cmd"]
    text = " ".join(
        _expanded(watcher[key].value, known, watcher) or ""
        for key in ("cmd", "args")
        if key in watcher
    )
    yield from _command(process, _word(replace(command, value=text)), watcher)


def _word(entry: Traced[str]) -> Word:
    return Traced(entry.value, entry.location)


def _command(process: Process, command: Word, watcher: ini.Section) -> Iterator[Process]:
    if len(command.value or "") > _LONGEST:
        raise _HiddenError(Missing(Reason.LIMIT, f"a command of more than {_LONGEST} characters"))
    try:
        words = shlex.split(command.value or "")
    except ValueError:
        return
    if not words:
        return
    shell = watcher.get("shell")
    if shell is not None and not _false(shell):
        yield in_shell(process, "circusd", replace(command, value=shlex.join(words)))
        return
    step = Evidence(command.location, f"circusd starts {command.value}")
    yield started(process, tuple(replace(command, value=word) for word in words), step)


def _false(entry: Traced[str] | None) -> bool:
    return entry is not None and entry.value.strip().lower() in _FALSE


def _expanded(text: str | None, env: Environment, watcher: ini.Section) -> str | None:
    """Expand $(circus.env.NAME) and other options of the watcher; what is not there stays."""

    def value(match: re.Match[str]) -> str:
        name = (match[1] or match[2]).lower()
        if name == "wid":
            return "1"
        if not name.startswith("env."):
            option = watcher.get(name)
            return match[0] if option is None else option.value
        found = next(
            (entry for key, entry in env.entries.items() if key.lower() == name[4:]),
            env.get(name[4:].upper()),
        )
        if found is None:
            return match[0]
        if found.value is None:
            raise _HiddenError(hidden(found))
        return found.value

    return None if text is None else _VARIABLE.sub(value, text)
