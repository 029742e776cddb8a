"""Shells: which text a command line makes them run, and with which parameters."""

import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from deployguard.effective import search
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Filesystem, Stat, Unread
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

if TYPE_CHECKING:
    from deployguard.shell.state import Shell

_NAMES = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "rbash"})
_KINDS = {"bash": "bash", "rbash": "bash", "dash": "dash", "ash": "busybox", "busybox": "busybox"}
_LETTERS = re.compile(r"[-+][a-zA-Z]+\Z")
# Options that a script may set itself, and that change what it starts.
_OPTIONS = frozenset("aefu")
_NAMED_OPTIONS = {"errexit": "e", "allexport": "a", "nounset": "u", "noglob": "f",
                  "pipefail": "pipefail"}  # fmt: skip

# Utilities that do their work, start nothing, and end (coreutils and their kin).
_ENDING = frozenset(
    {
        "true", "false", "echo", "printf", "cat", "ls", "mkdir", "rm", "rmdir", "cp", "mv", "ln",
        "touch", "chmod", "chown", "chgrp", "sleep", "date", "id", "whoami", "hostname", "uname",
        "basename", "dirname", "head", "tail", "wc", "sort", "uniq", "cut", "tr", "sed", "awk",
        "grep", "egrep", "fgrep", "test", "[", "expr", "seq", "stat", "df", "du", "pwd",
        "sync", "mktemp", "tee", "sha256sum", "md5sum", "base64", "readlink", "realpath", "which",
        "nc", "curl", "wget", "openssl", "ps", "kill", "mount", "umask", "tar", "gzip", "diff",
    }
)  # fmt: skip


class Started(Struct, frozen=True, kw_only=True):
    """What a script starts, in order; `unseen` is what else it may do."""

    processes: tuple[Start, ...]
    unseen: tuple[Missing, ...] = ()


def is_shell(name: str) -> bool:
    """Say whether a command of this name is a shell that reads POSIX scripts."""
    return name in _NAMES


def ends(name: str) -> bool:
    """Say whether a command of this name ends by itself and starts nothing."""
    return name in _ENDING


class _Options(Struct):
    """What a shell's command line says before the script (POSIX.1-2017 XCU sh, bash(1))."""

    words: list[Word]
    letters: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    shell: set[str] = field(default_factory=set)
    login: bool = False
    profiles: bool = True
    hidden: Word | None = None

    @property
    def text(self) -> bool:
        """Say whether the first word is the text to run."""
        return "c" in self.letters

    @property
    def state(self) -> frozenset[str]:
        """Return the options that the script starts with."""
        named = {_NAMED_OPTIONS[name] for name in self.named if name in _NAMED_OPTIONS}
        return frozenset((self.letters & _OPTIONS) | named | self.shell)


def _options(words: Sequence[Word]) -> _Options:
    found = _Options(list(words))
    while found.words:
        value = found.words[0].value
        if value is None:
            found.hidden = found.words[0]
            return found
        if value in {"-", "--"}:
            found.words.pop(0)
            return found
        if value.startswith("--"):
            found.words.pop(0)
            found.login = found.login or value == "--login"
            found.profiles = found.profiles and value != "--noprofile"
            if value in {"--rcfile", "--init-file"} and found.words:
                found.words.pop(0)
            continue
        if _LETTERS.match(value) is None:
            return found
        found.words.pop(0)
        change = found.letters.update if value[0] == "-" else found.letters.difference_update
        change(value[1:])
        for letter in value[1:]:
            if letter in "oO" and found.words:
                named = found.words.pop(0).value or ""
                (found.named if letter == "o" else found.shell).add(named)
    return found


def command(  # noqa: PLR0911  (a table of what the first word is)
    name: str, process: Process, files: Filesystem
) -> Started | Missing | Evidence:
    """Return what `sh [OPTIONS] [-c TEXT | FILE] [WORDS]` starts, or why it ends."""
    options = _options(process.args[1:])
    options.login = options.login or "l" in options.letters
    options.login = options.login or (process.args[0].value or "").startswith("-")
    if options.hidden is not None:
        return _hidden(options.hidden)
    shell = _shell(name, process, files)
    if isinstance(shell, Missing):
        return shell
    if "n" in options.letters:
        return Evidence(process.location, f"{name} -n reads a script and runs nothing")
    words = options.words
    if not words or ("s" in options.letters and not options.text):
        return _standard_input(shell, options, process, files)
    first = words[0]
    if first.value is None:
        return _hidden(first)
    if options.text:
        zero = words[1:2] or [replace(first, value=name)]
        given = (*zero, *words[2:])
        return _evaluate(shell, first.value, given, process, files, first.location, options)
    place = search.absolute(first.value, process.cwd)
    if isinstance(place, Unread):
        return place.missing
    if first.value in {"/dev/stdin", "/proc/self/fd/0"}:
        return _standard_input(shell, options, process, files)
    content = files.read(place)
    if isinstance(content, Absent) and "/" not in first.value:
        # A name without a slash is searched for in PATH too.
        found = search.find(first.value, process.env, process.cwd, files)
        content = found.content if isinstance(found, search.Executable) else found
    if isinstance(content, Unread):
        return content.missing
    if isinstance(content, Absent):
        return Evidence(first.location, f"{first.value} is not there, so {name} ends")
    return _file(shell, place, content, replace(process, args=tuple(words)), files, options)


def _standard_input(
    shell: "Shell", options: _Options, process: Process, files: Filesystem
) -> Started | Missing | Evidence:
    """Return what a shell starts that reads its script from its standard input."""
    given = process.stdin
    if given is None and process.terminal.value:
        return Missing(Reason.INPUT, f"what is typed into {shell.name} at the terminal")
    text = "" if given is None else given.value
    if text is None:
        missing = given.missing if given is not None else ()
        return next(iter(missing), Missing(Reason.INPUT, f"what {shell.name} reads"))
    if text == "" and not options.login:
        return Evidence(process.location, f"{shell.name} reads its standard input, which is empty")
    words = (replace(process.args[0]), *options.words)
    # What the script itself reads is what of the text it has not run yet.
    unseen = Missing(Reason.SCRIPT, "what a script reads that is read itself")
    place = process.location if given is None else given.location
    inner = replace(process, stdin=Traced(None, place, missing=(unseen,)))
    return _evaluate(shell, text, words, inner, files, place, options)


def _shell(name: str, process: Process, files: Filesystem) -> "Shell | Missing":
    """Say which shell a name stands for: of sh the link in the image tells."""
    from deployguard.shell.state import Kind, Shell  # noqa: PLC0415  (loaded where a shell runs)

    kind = _KINDS.get(name)
    if name in {"ksh", "zsh"}:
        return Missing(Reason.SCRIPT, f"what a script does in {name}")
    if kind is not None:
        return Shell(name, Kind(kind))
    first = process.args[0].value or ""
    found = search.find(first.lstrip("-"), process.env, process.cwd, files)
    real = found.real if isinstance(found, search.Executable) else ""
    if not real:
        at = files.stat("/bin/sh")
        real = at.path if isinstance(at, Stat) else ""
    kind = _KINDS.get(posixpath.basename(real)) or _twin(real, files)
    return Shell(name, None if kind is None else Kind(kind), posix=True)


def _twin(path: str, files: Filesystem) -> str | None:
    """Return the kind of a shell that is no link, but the same file as one under its own name.

    dash comes first: where a distribution has it, it is sh.
    """
    own = files.read(path) if path else Absent(path)
    if not isinstance(own, Content):
        return None
    for name in ("dash", "bash", "busybox"):
        other = files.read(f"/bin/{name}")
        if isinstance(other, Content) and other.data == own.data:
            return _KINDS[name]
    return None


def script(
    name: str, path: str, content: Content, process: Process, files: Filesystem
) -> Started | Missing | Evidence:
    """Return what a script file starts; `process` has its path and words."""
    shell = _shell(name, process, files)
    if isinstance(shell, Missing):
        return shell
    return _file(shell, path, content, process, files, _Options([]))


def _file(
    shell: "Shell",
    path: str,
    content: Content,
    process: Process,
    files: Filesystem,
    options: _Options,
) -> Started | Missing | Evidence:
    try:
        text = content.data.decode("utf-8")
    except UnicodeDecodeError:
        return Missing(Reason.TEXT, f"what {path} does, which is no text")
    if "\0" in text:
        return Missing(Reason.TEXT, f"what {path} does, which holds a NUL")
    return _evaluate(shell, text, process.args, process, files, content.location, options)


def _hidden(word: Word) -> Missing:
    return word.missing[0] if word.missing else Missing(Reason.COMMAND, "a word of the command")


def _evaluate(
    shell: "Shell",
    text: str,
    words: Sequence[Word],
    process: Process,
    files: Filesystem,
    location: Location,
    options: _Options,
) -> Started | Missing | Evidence:
    from deployguard.shell.execution import execute  # noqa: PLC0415  (loaded where a shell runs)

    profiles = _profiles(shell, options, process, files)
    if isinstance(profiles, Missing):
        return profiles
    outcome = execute(
        text,
        process,
        words,
        files,
        location,
        shell=shell,
        options=options.state,
        profiles=profiles,
    )
    if not outcome.starts and not outcome.unseen:
        return outcome.ended
    return Started(processes=outcome.starts, unseen=outcome.unseen)


def _profiles(
    shell: "Shell", options: _Options, process: Process, files: Filesystem
) -> tuple[str, ...] | Missing:
    """Return the files that a shell reads before its script (bash(1), INVOCATION; dash(1)).

    A login shell reads /etc/profile and the first profile of the user's home; of all shells that
    run a script only bash reads another file, which BASH_ENV names.
    """
    is_bash = shell.kind == "bash" and not shell.posix
    found: list[str] = []
    if options.login and options.profiles:
        home = _home(process, files)
        if isinstance(home, Missing):
            return home
        names = (".bash_profile", ".bash_login", ".profile") if is_bash else (".profile",)
        own = [posixpath.join(home, name) for name in names]
        there = [path for path in own if not isinstance(files.stat(path), Absent)]
        found += ["/etc/profile", *there[:1]]
    start_up = process.env.get("BASH_ENV") if is_bash and not options.login else None
    if start_up is not None and start_up.value != "":
        if start_up.value is None:
            return next(iter(start_up.missing), Missing(Reason.VARIABLE, "the value of BASH_ENV"))
        if "$" in start_up.value or "`" in start_up.value:
            return Missing(Reason.VARIABLE, "the file that BASH_ENV names")
        path = search.absolute(start_up.value, process.cwd)
        if isinstance(path, Unread):
            return path.missing
        found.append(path)
    return tuple(found)


def _home(process: Process, files: Filesystem) -> str | Missing:
    from deployguard.shell.utilities import accounts  # noqa: PLC0415  (loaded where a shell runs)

    entry = process.env.get("HOME")
    if entry is not None:
        return entry.value or next(
            iter(entry.missing), Missing(Reason.VARIABLE, "the value of HOME")
        )
    name = accounts.user_name(process.user, files)
    home = None if name is None else accounts.home(name, files)
    return home or Missing(Reason.VARIABLE, "the home of the user of a login shell")
