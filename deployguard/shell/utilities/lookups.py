"""Utilities that tell of files and users: id, find, ls, readlink and others."""

import fnmatch
import posixpath
from collections.abc import Iterator, Sequence

from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, FileKind, Filesystem, Stat, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.redirections import place
from deployguard.shell.run import Run
from deployguard.shell.state import SUCCESS, Kind, State, Status
from deployguard.shell.utilities.accounts import user_name, user_number
from deployguard.shell.utilities.common import failed, options, prints, untold

_MET = 2_000
_ACTIONS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


def identity(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the user (id, whoami): known where the process, or /etc/passwd, says so."""
    given = [word.value for word in words[1:]]
    text: str | None = None
    if words[0].value and posixpath.basename(words[0].value) == "whoami" and not given:
        given = ["-un"]
    if given == ["-u"]:
        text = user_number(run.process.user, state.files)
    elif given in (["-un"], ["-nu"], ["-u", "-n"]):
        text = user_name(run.process.user, state.files)
    elif len(given) == 2 and given[0] == "-u" and given[1] == "root":  # noqa: PLR2004
        text = "0"
    missing = run.missing("what id prints", line, Reason.COMMAND)
    return prints(run, None if text is None else f"{text}\n", line, state, (missing,))


def find(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print the paths that find meets; with -exec and its kin only what is known to end is run."""
    # The table holds this one.
    from deployguard.shell.utilities.table import UNCHANGING, UTILITIES  # noqa: PLC0415

    given = [word.value for word in words[1:]]
    for option, following in zip(given, [*given[1:], None], strict=True):
        started = posixpath.basename(following or "") if option in _ACTIONS else None
        if started is not None and started not in UTILITIES:
            raise run.unclear("what find starts", line)
        if option == "-delete" or (started is not None and started not in UNCHANGING):
            doubt = run.missing("the files that find changes", line)
            state = replace(state, files=replace(state.files, doubt=doubt))
    found = finding(given, state.cwd.value, state.files)
    if isinstance(found, Missing):
        return replace(untold(run, "find", line, state, found), status=Status(None, found))
    run.spend(line, 8 * len(found))
    # The order is the directory's; sort, and a loop over all, make it no matter.
    after = prints(run, "".join(f"{path}\n" for path in found), line, state)
    return replace(after, unordered=state.unordered or len(found) > 1)


def finding(
    words: Sequence[str | None], cwd: str | None, files: Filesystem
) -> tuple[str, ...] | Missing:
    """Return what `find` prints for the tests that are known here, in the order of names."""
    unclear = Missing(Reason.COMMAND, "what find prints")
    pending = list(words[1:] if words[:1] == ["-L"] else words)
    starts: list[str] = []
    while pending and pending[0] is not None and not pending[0].startswith(("-", "(", "!", "\\")):
        starts.append(pending.pop(0) or "")
    depths, kind, names = [0, _MET], None, list[str]()
    first = False
    follow = bool(words) and words[0] == "-L"
    while pending:
        word = pending.pop(0)
        match word:
            case "-print":
                continue
            case "-follow":
                follow = True
            case "-quit":
                first = True
            case "-mindepth" | "-maxdepth" if pending and (pending[0] or "").isdigit():
                depths[word == "-maxdepth"] = int((pending.pop(0) or "")[:6])
            case "-type" if pending and pending[0] in {"f", "d"}:
                kind = FileKind.FILE if pending.pop(0) == "f" else FileKind.DIRECTORY
            case "-name" if pending and pending[0] is not None:
                names.append(pending.pop(0) or "")
            case _:
                return unclear
    found: list[str] = []
    walk = _walk(starts or ["."], cwd, files, depths[1], follow=follow)
    for steps, (path, depth, met) in enumerate(walk):
        if isinstance(met, Unread):
            return met.missing
        fits = all(fnmatch.fnmatchcase(posixpath.basename(path), name) for name in names)
        if depth >= depths[0] and fits and kind in {None, met.kind}:
            found.append(path)
        if steps > _MET:
            return Missing(Reason.LIMIT, f"more than {_MET} files that find meets")
    return tuple(found[:1] if first else found)


def _walk(
    starts: Sequence[str], cwd: str | None, files: Filesystem, deepest: int, *, follow: bool
) -> Iterator[tuple[str, int, Stat | Unread]]:
    pending = [(start, 0, "") for start in reversed(starts)]
    while pending:
        path, depth, folder = pending.pop()
        if not path.startswith("/") and cwd is None:
            yield path, depth, Unread(Missing(Reason.SCRIPT, "the directory find starts in"))
            return
        met = files.stat(posixpath.normpath(posixpath.join(cwd or "/", path)))
        if isinstance(met, Absent):
            continue
        if isinstance(met, Stat) and not follow and depth > 0:
            here = posixpath.join(folder, posixpath.basename(path))
            met = met if met.path == here else replace(met, kind=FileKind.OTHER)
        yield path, depth, met
        if isinstance(met, Stat) and met.kind is FileKind.DIRECTORY and depth < deepest:
            names = files.list(met.path)
            if isinstance(names, Unread):
                yield path, depth, names
                return
            inner = () if isinstance(names, Absent) else names
            base = path if path.endswith("/") else f"{path}/"
            pending.extend((f"{base}{name}", depth + 1, met.path) for name in reversed(inner))


def ls(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print names; a file that is not there is an error."""
    split = options(words, "", "1A")
    names = None if split is None else [word.value for word in split[1]]
    if split is None or names is None or None in names:
        missing = run.missing("what ls finds", line, Reason.COMMAND)
        return replace(untold(run, "ls", line, state, missing), status=Status(None, missing))
    found: list[str] = []
    for name in names or ["."]:
        whole = place(name or ".", state)
        there = state.files.stat(whole) if whole.startswith("/") else Unread(
            run.missing("the directory", line)
        )  # fmt: skip
        if isinstance(there, Absent):
            return failed(state, 1 if run.shell.kind is Kind.BUSYBOX else 2)
        if isinstance(there, Stat) and there.kind is not FileKind.DIRECTORY:
            found.append(f"{name}\n")
            continue
        inner = state.files.list(whole) if isinstance(there, Stat) else there
        if not isinstance(inner, tuple) or len(names) > 1:
            return untold(run, "ls", line, state)
        found += (f"{one}\n" for one in inner if "A" in split[0] or not one.startswith("."))
    return prints(run, "".join(found), line, state)


def realpath(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print a path with its links resolved (realpath, readlink -f)."""
    split = options(words, "", "fesmn")
    is_readlink = posixpath.basename(words[0].value or "") == "readlink"
    if split is None or len(split[1]) != 1 or split[1][0].value is None or "n" in split[0]:
        return untold(run, "readlink", line, state)
    if is_readlink and not {"f", "e", "m"} & set(split[0]):
        is_link = state.files.is_link(place(split[1][0].value, state))
        return failed(state) if is_link is False else untold(run, "readlink", line, state)
    whole = place(split[1][0].value, state)
    if not whole.startswith("/"):
        return untold(run, "readlink", line, state, *state.cwd.missing)
    found = state.files.stat(whole)
    if isinstance(found, Unread):
        return untold(run, "readlink", line, state, found.missing)
    if isinstance(found, Stat):
        return prints(run, f"{found.path}\n", line, state)
    above = state.files.stat(posixpath.dirname(whole))
    if not isinstance(above, Stat) or "e" in split[0]:
        return failed(state)
    return prints(run, f"{posixpath.join(above.path, posixpath.basename(whole))}\n", line, state)


def quiet(_: Run, __: tuple[Word, ...], ___: int, state: State) -> State:
    """Return the state after a utility that ends, starts nothing and prints nothing."""
    return replace(state, status=SUCCESS)


def telling(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after a utility printed what only the running container knows."""
    return untold(run, posixpath.basename(words[0].value or ""), line, state)


def program_text(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after a program of awk, which may start others by itself."""
    texts = [word.value for word in words[1:]]
    if any(text is None or "system" in text or "|" in text or "getline" in text for text in texts):
        raise run.unclear(f"what {words[0].value} starts", line)
    return telling(run, words, line, state)


def asking(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after a utility whose status depends on the world outside."""
    name = posixpath.basename(words[0].value or "")
    missing = Missing(Reason.COMMAND, f"whether {name} succeeds")
    return replace(untold(run, name, line, state), status=Status(None, missing))
