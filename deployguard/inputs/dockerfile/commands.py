"""Commands of a RUN that change files in ways that are known: each writes what it leaves."""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from deployguard.formats.build_words import Value
from deployguard.inputs.dockerfile.modes import mode_change
from deployguard.inputs.dockerfile.runner import EXPANSION, NotPlainError, Runner
from deployguard.inputs.dockerfile.trees import (
    Below,
    File,
    Folder,
    Found,
    Gone,
    Link,
    Single,
    Tree,
    Unknown,
    WithMode,
    clean,
    text_file,
)
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.shell.utilities import filters

Command: TypeAlias = Callable[[Runner, list[str]], None]


def _flagged(words: list[str], allowed: str) -> tuple[set[str], list[str]]:
    """Split short flags from operands; raises NotPlainError for a flag that is not allowed."""
    flags: set[str] = set()
    operands: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            operands.extend(words[index + 1 :])
            break
        if word.startswith("--") or (word.startswith("-") and not set(word[1:]) <= set(allowed)):
            raise NotPlainError
        if word.startswith("-") and len(word) > 1:
            flags.update(word[1:])
        else:
            operands.append(word)
    return flags, operands


def _cd(runner: Runner, words: list[str]) -> None:
    if len(words) != 2 or words[1].startswith("-"):  # noqa: PLR2004  (the directory)
        raise NotPlainError
    runner.cwd = runner.path(words[1])


def _export(runner: Runner, words: list[str]) -> None:
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            raise NotPlainError
        if equals:
            runner.variables[name] = Value(value)


def _mkdir(runner: Runner, words: list[str]) -> None:
    operands = _without_mode(words[1:])
    _, operands = _flagged(operands, "pv")
    for path in operands:
        if EXPANSION.search(path) or "{" in path:
            raise NotPlainError
        place, found = runner.entry(runner.path(path))
        if isinstance(found, Absent):
            runner.write(place, Single(Folder(0o755, runner.location)))


def _without_mode(words: list[str]) -> list[str]:
    kept: list[str] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word in {"-m", "--mode"} and pending:
            pending.pop(0)
        elif not word.startswith(("--mode=", "--parents", "--verbose")):
            kept.append(word)
        elif word == "--parents":
            kept.append("-p")
    return kept


def _touch(runner: Runner, words: list[str]) -> None:
    _, operands = _flagged(words[1:], "acm")
    for path in operands:
        place, found = runner.entry(runner.path(path))
        if isinstance(found, Absent):
            runner.write(place, Single(text_file(b"", runner.location)))


def _rm(runner: Runner, words: list[str]) -> None:
    _, operands = _flagged(words[1:], "rRfvd")
    for operand in operands:
        for path in runner.listed(operand):
            folder, name = posixpath.split(path)
            place = posixpath.join(runner.view.place(folder), name)
            if isinstance(runner.view.entry(place), Absent):
                continue
            runner.write(place, Single(Gone()))


def _ln(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(
        [w for w in words[1:] if w not in {"--symbolic", "--force"}], "sfnvT"
    )
    if len(operands) != 2 or EXPANSION.search("".join(operands)):  # noqa: PLR2004
        raise NotPlainError
    target, name = operands
    symbolic = "s" in flags or "--symbolic" in words
    path = runner.path(name)
    place, found = runner.entry(path)
    if isinstance(found, Folder) and not flags & {"n", "T"}:
        place = posixpath.join(place, posixpath.basename(target))
    elif "n" in flags or "T" in flags:
        place = posixpath.join(runner.view.place(posixpath.dirname(path)), posixpath.basename(path))
    if symbolic:
        runner.write(place, Single(Link(target, runner.location)))
        return
    _, linked = runner.entry(runner.path(target))
    runner.write(place, _copied(linked))


def _copied(found: Found) -> Tree:
    match found:
        case File() | Link():
            return Single(found)
        case Unread(missing=missing):
            return Unknown(missing)
        case _:
            raise NotPlainError


def _cp(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(words[1:], "rRapfvLPTd")
    *sources, target = operands or [""]
    _transfer(runner, sources, target, whole="T" in flags)


def _mv(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(words[1:], "fvT")
    *sources, target = operands or [""]
    for place in _transfer(runner, sources, target, whole="T" in flags):
        runner.write(place, Single(Gone()))


def _transfer(runner: Runner, sources: list[str], target: str, *, whole: bool) -> list[str]:
    """Copy files and folders; a folder that is there takes them in."""
    if not sources or EXPANSION.search(target):
        raise NotPlainError
    done: list[str] = []
    snapshot = runner.view.copy()
    for source in sources:
        for path in runner.listed(source):
            place, found = runner.entry(path)
            into, there = runner.entry(runner.path(target))
            if isinstance(there, Unread) and not target.endswith("/"):
                # Whether it is a folder is not known: both places may have been written.
                runner.write(into, Unknown(runner.missing))
                done.append(place)
                continue
            inside = (isinstance(there, Folder) and not whole) or target.endswith("/")
            if inside and not source.endswith("/."):
                into = posixpath.join(into, posixpath.basename(path))
            tree = Below(snapshot, place) if isinstance(found, Folder) else _copied(found)
            runner.write(into, tree)
            done.append(place)
    return done


def _chmod(runner: Runner, words: list[str]) -> None:
    operands = [w for w in words[1:] if w not in {"-R", "--recursive", "-v", "-f", "-c"}]
    recursive = len(operands) < len(words) - 1 and any(w in {"-R", "--recursive"} for w in words)
    if len(operands) < 2 or operands[0].startswith("--"):  # noqa: PLR2004  (mode and file)
        raise NotPlainError
    change = mode_change(operands[0])
    if change is None:
        raise NotPlainError
    snapshot = runner.view.copy()
    for operand in operands[1:]:
        for path in runner.listed(operand):
            place, found = runner.entry(path)
            if isinstance(found, File):
                runner.write(place, WithMode(Single(found), change))
            elif isinstance(found, Folder) and recursive:
                runner.write(place, WithMode(Below(snapshot, place), change))


def _letter(escape: re.Match[str]) -> str:
    return {"r": "\r", "t": "\t"}.get(escape[1], escape[0])


def _dos2unix(runner: Runner, words: list[str]) -> None:
    """Take the carriage returns before line ends out of files."""
    _, operands = _flagged(words[1:], "kq")
    _rewrite(runner, operands, lambda data: data.replace(b"\r\n", b"\n"))


def _rewrite(runner: Runner, operands: list[str], change: Callable[[bytes], bytes | None]) -> None:
    """Change files where they are known."""
    for operand in operands:
        for path in runner.listed(operand):
            place, found = runner.entry(path)
            content = runner.read(path)
            made = change(content.data) if isinstance(content, Content) else None
            if made is None or not isinstance(found, File):
                runner.write(place, Unknown(runner.missing))
            else:
                runner.write(place, Single(text_file(made, runner.location, found.mode)))


_SED_TEXT_LIMIT = 256 * 1024


def _sed(runner: Runner, words: list[str]) -> None:
    """Follow `sed -i` on files that are known; without -i it prints alone."""
    if not any(re.match(r"-[A-Za-z]*i|--in-place", word) for word in words[1:]):
        return
    programs: list[str] | None = []
    operands: list[str] = []
    flags: set[str] = set()
    pending = words[1:]
    while pending:
        word = pending.pop(0)
        if word in {"-e", "--expression"} and pending and programs is not None:
            programs.append(pending.pop(0))
        elif word in {"-f", "--file"} and pending:
            programs = None
            pending.pop(0)
        elif word.startswith("-"):
            # -i.bak and the like keep a copy beside the file.
            flags.add(word)
        else:
            operands.append(word)
    if programs == [] and operands:
        programs = [operands.pop(0)]
    simple = all(re.fullmatch(r"-[nEr]*i|-[nEr]+|--in-place", flag) for flag in flags)
    letters = "".join(flag for flag in flags if not flag.startswith("--"))
    chosen = programs if simple else None
    _rewrite(runner, operands, lambda data: _edited(data, chosen, letters))


def _edited(data: bytes, programs: list[str] | None, letters: str) -> bytes | None:
    if programs is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if len(text) > _SED_TEXT_LIMIT:
        return None
    extended = bool({"E", "r"} & set(letters))
    # GNU's and busybox's sed know these letters besides what POSIX has.
    literal = [re.sub(r"\\([rt\\])", _letter, program) for program in programs]
    made = filters.edited(text, literal, extended=extended, quiet="n" in letters)
    return None if made is None else made.encode()


_ACCOUNT_VALUES = {
    "-u": "uid", "--uid": "uid", "-d": "home", "--home": "home", "-h": "home", "--home-dir": "home",
    "-g": "", "--gid": "", "-G": "", "--groups": "", "-s": "", "--shell": "", "-c": "",
    "--comment": "", "--gecos": "", "--ingroup": "", "-k": "", "-b": "", "-p": "", "--group": "",
}  # fmt: skip


def _account(runner: Runner, words: list[str]) -> None:
    """Follow useradd and adduser: an account of that name, with its home."""
    values: dict[str, str] = {}
    names: list[str] = []
    busybox = posixpath.basename(words[0]) == "adduser"
    pending = words[1:]
    while pending:
        word = pending.pop(0)
        option, equals, given = word.partition("=")
        if option in {"--group", "-G"} and busybox and option == "--group":
            continue
        if option in _ACCOUNT_VALUES:
            if not equals and not pending:
                raise NotPlainError
            values[_ACCOUNT_VALUES[option]] = given if equals else pending.pop(0)
        elif re.fullmatch(r"-[A-Za-z]*u", word) and pending:
            values["uid"] = pending.pop(0)
        elif not word.startswith("-"):
            names.append(word)
    if not names:
        raise NotPlainError
    home = values.get("home") or f"/home/{names[0]}"
    uid = values.get("uid", "")
    before = runner.read("/etc/passwd")
    place = runner.view.place("/etc/passwd")
    if isinstance(before, Content):
        line = f"{names[0]}:x:{uid}:{uid}::{home}:/bin/sh\n".encode()
        data = before.data + line
        runner.write(place, Single(text_file(data, runner.location)))
    else:
        runner.write(place, Unknown(runner.missing))
    where, found = runner.entry(clean(home))
    if isinstance(found, Absent):
        runner.write(where, Single(Folder(0o755, runner.location)))


def _source(runner: Runner, words: list[str]) -> None:
    """`. VENV/bin/activate` puts the commands of a virtual environment first."""
    path = runner.path(words[1]) if len(words) == 2 else ""  # noqa: PLR2004  (the script)
    folder, name = posixpath.split(path)
    if name != "activate" or not isinstance(
        runner.entry(posixpath.join(posixpath.dirname(folder), "pyvenv.cfg"))[1], File
    ):
        raise NotPlainError
    runner.variables["PATH"] = Value(f"{folder}:{runner.value('PATH') or ''}")
    runner.variables["VIRTUAL_ENV"] = Value(posixpath.dirname(folder))


COMMANDS: Mapping[str, Command] = {
    "cd": _cd,
    "export": _export,
    "mkdir": _mkdir,
    "touch": _touch,
    "rm": _rm,
    "ln": _ln,
    "cp": _cp,
    "mv": _mv,
    "chmod": _chmod,
    "sed": _sed,
    "dos2unix": _dos2unix,
    "useradd": _account,
    "adduser": _account,
    ".": _source,
    "source": _source,
}
