"""Shells: which text a command line makes them run, and with which parameters."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployguard.effective import search
from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Filesystem, Unread
from deployguard.model.process import Process, Start, Word

_NAMES = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "rbash"})
_LETTERS = re.compile(r"[-+][a-zA-Z]+\Z")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a script starts, in order; `unseen` is what else it may do."""

    processes: tuple[Start, ...]
    unseen: tuple[Missing, ...] = ()


def is_shell(name: str) -> bool:
    """Say whether a command of this name is a shell that reads POSIX scripts."""
    return name in _NAMES


def ends(name: str) -> bool:
    """Say whether a command of this name ends by itself and starts nothing."""
    return name in _ENDING


def command(name: str, process: Process, files: Filesystem) -> Started | Missing | Evidence:
    """Return what `sh [OPTIONS] [-c TEXT | FILE] [WORDS]` starts, or why it ends."""
    words = list(process.args[1:])
    given_text = False
    if _is_login(words, process):
        return Missing(Reason.SCRIPT, "what the profile of a login shell sets")
    while words:
        word = words[0]
        if word.value is None:
            return _hidden(word)
        if word.value in {"-", "--"}:
            words.pop(0)
            break
        if word.value.startswith("--"):
            words.pop(0)
            if word.value in {"--rcfile", "--init-file"} and words:
                words.pop(0)
            continue
        if _LETTERS.match(word.value) is None:
            break
        words.pop(0)
        given_text = given_text or (word.value.startswith("-") and "c" in word.value)
        if word.value.endswith(("o", "O")) and words:
            words.pop(0)
    if not words:
        return Evidence(process.location, f"{name} reads its standard input, which is empty")
    first = words[0]
    if first.value is None:
        return _hidden(first)
    if given_text:
        zero = words[1:2] or [replace(first, value=name)]
        given = (*zero, *words[2:])
        return _evaluate(name, first.value, given, process, files, first.location)
    place = search.absolute(first.value, process.cwd)
    if isinstance(place, Unread):
        return place.missing
    content = files.read(place)
    if isinstance(content, Unread):
        return content.missing
    if isinstance(content, Absent):
        return Evidence(first.location, f"{first.value} is not there, so {name} ends")
    return script(name, place, content, replace(process, args=tuple(words)), files)


def _is_login(words: Sequence[Word], process: Process) -> bool:
    """Say whether a shell reads profiles: -l, --login, or a name that begins with "-"."""
    options = [word.value or "" for word in words if (word.value or "").startswith("-")]
    letters = any(_LETTERS.match(option) and "l" in option for option in options[:2])
    first = process.args[0].value or ""
    return letters or "--login" in options[:2] or first.startswith("-")


def script(
    name: str, path: str, content: Content, process: Process, files: Filesystem
) -> Started | Missing | Evidence:
    """Return what a script file starts; `process` has its path and words."""
    try:
        text = content.data.decode("utf-8")
    except UnicodeDecodeError:
        return Missing(Reason.SCRIPT, f"what {path} does, which is no text")
    return _evaluate(name, text, process.args, process, files, content.location)


def _hidden(word: Word) -> Missing:
    return word.missing[0] if word.missing else Missing(Reason.COMMAND, "a word of the command")


def _evaluate(
    name: str,
    text: str,
    words: Sequence[Word],
    process: Process,
    files: Filesystem,
    location: Location,
) -> Started | Missing | Evidence:
    from deployguard.shell.execution import execute  # noqa: PLC0415  (loaded where a shell runs)

    bash = name in {"bash", "rbash"}
    start_up = process.env.get("BASH_ENV") if bash else None
    if start_up is not None and start_up.value != "":
        if start_up.value is None:
            return start_up.missing[0]
        # bash reads this file before every script (bash(1), INVOCATION).
        text = f". {shlex.quote(start_up.value)}\n{text}"
        location = replace(location, line=0)
    outcome = execute(
        text, process, words, files, location, bash=bash or (None if name == "sh" else False)
    )
    if not outcome.starts and not outcome.unseen:
        return outcome.ended
    starts = tuple(
        Start(process=one.process, files=one.files, certain=not one.missing, missing=one.missing)
        for one in outcome.starts
    )
    return Started(processes=starts, unseen=outcome.unseen)
