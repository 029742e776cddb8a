"""Utilities that change files: what they leave is in the overlay, or is said not to be known."""

import posixpath
import re
from collections.abc import Sequence

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.overlay import Overlay, Written
from deployguard.shell.redirections import place, wrote
from deployguard.shell.run import Run
from deployguard.shell.state import FAILURE, SUCCESS, State, Status
from deployguard.shell.utilities.common import failed, options, prints, standard_input

_MOST_COPIED = 300
_DISCARDED = ("/dev/", "/proc/")


def _operands(words: Sequence[Word], valued: frozenset[str] = frozenset()) -> list[Word]:
    """Return the words that are no options; options of any kind are passed over."""
    found: list[Word] = []
    pending = list(words[1:])
    while pending:
        word = pending.pop(0)
        if word.value == "--":
            return [*found, *pending]
        if word.value is not None and word.value.startswith("-") and len(word.value) > 1:
            if word.value in valued and pending:
                pending.pop(0)
            continue
        found.append(word)
    return found


def _letters(words: Sequence[Word]) -> str:
    return "".join((word.value or "")[1:] for word in words[1:] if (word.value or "")[:1] == "-")


def _unseen(run: Run, words: Sequence[Word], line: int, state: State) -> State | None:
    """Return the state after a change of files of which not even the names are seen."""
    if all(word.value is not None for word in words) and (
        state.cwd.value is not None or all((word.value or "")[:1] == "/" for word in words)
    ):
        return None
    doubt = next(
        (name for word in words for name in word.missing),
        run.missing("which files are written", line),
    )
    return replace(state, files=replace(state.files, doubt=doubt), status=SUCCESS)


def mkdir(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Make directories; without -p one that is there is an error."""
    names = _operands(words, frozenset({"-m", "--mode"}))
    unseen = _unseen(run, names, line, state)
    if unseen is not None:
        return unseen
    status = SUCCESS
    for name in names:
        whole = place(name.value or "", state)
        there = state.files.stat(whole)
        above = state.files.stat(posixpath.dirname(whole))
        if "p" not in _letters(words) and (isinstance(there, Stat) or isinstance(above, Absent)):
            status = FAILURE
            continue
        state = replace(state, files=state.files.with_directory(whole, run.at(line)))
    return replace(state, status=status)


def touch(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Make empty files where there are none."""
    names = _operands(words, frozenset({"-d", "-r", "-t"}))
    unseen = _unseen(run, names, line, state)
    if unseen is not None:
        return unseen
    status = SUCCESS
    for name in names:
        whole = place(name.value or "", state)
        if isinstance(state.files.stat(posixpath.dirname(whole)), Absent):
            status = FAILURE
        elif isinstance(state.files.stat(whole), Absent) and "c" not in _letters(words):
            empty = Written(b"", executable=False, location=run.at(line))
            state = replace(state, files=state.files.with_change(whole, empty))
    return replace(state, status=status)


def rmdir(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Remove directories, which must be empty."""
    names = _operands(words)
    unseen = _unseen(run, names, line, state)
    if unseen is not None:
        return unseen
    status = SUCCESS
    for name in names:
        whole = place(name.value or "", state)
        inner = state.files.list(whole)
        if isinstance(inner, Unread):
            files = state.files.with_unsure(whole, inner.missing)
            return replace(state, files=files, status=Status(None, inner.missing))
        if isinstance(inner, Absent) or inner:
            status = FAILURE
        else:
            state = replace(state, files=state.files.without(whole))
    return replace(state, status=status)


def rm(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Remove files, and with -r directories."""
    names = _operands(words)
    hidden = next((name for name in names if name.value is None), None)
    if hidden is not None or _unseen(run, names, line, state) is not None:
        # It may be any file that is gone.
        missing = run.missing("which files are removed", line)
        missing = next(iter(hidden.missing), missing) if hidden is not None else missing
        return replace(state, files=state.files.with_unsure("/", missing), status=SUCCESS)
    status = SUCCESS
    for name in names:
        whole = place(name.value or "", state)
        there = state.files.stat(whole)
        if isinstance(there, Absent):
            status = status if "f" in _letters(words) else FAILURE
            continue
        is_folder = isinstance(there, Stat) and there.kind is FileKind.DIRECTORY
        if is_folder and not {"r", "R"} & set(_letters(words)) and not state.files.is_link(whole):
            status = FAILURE
            continue
        state = replace(state, files=state.files.without(whole))
    return replace(state, status=status)


def cp(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Copy files, and directories as far as they are small."""
    return _transferred(run, words, line, state, move=False)


def mv(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Move files and directories."""
    return _transferred(run, words, line, state, move=True)


def install(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Copy files, executable unless a mode says otherwise; with -d make directories."""
    valued = frozenset({"-m", "-o", "-g", "--mode", "--owner", "--group"})
    names = _operands(words, valued)
    if "d" in _letters(words):
        return mkdir(run, (words[0], replace(words[0], value="-p"), *names), line, state)
    return _transferred(run, (words[0], *names), line, state, move=False, executable=True)


def _transferred(
    run: Run,
    words: tuple[Word, ...],
    line: int,
    state: State,
    *,
    move: bool,
    executable: bool = False,
) -> State:
    names = _operands(words, frozenset({"-S", "--suffix"}))
    target = None
    for at, word in enumerate(words):
        if word.value in {"-t", "--target-directory"} and at + 1 < len(words):
            target = words[at + 1]
            names = [name for name in names if name is not target] + [target]
    if len(names) < 2:  # noqa: PLR2004  (from where, and to where)
        return failed(state)
    unseen = _unseen(run, names, line, state)
    if unseen is not None:
        known = names[-1].value if names[-1].value and state.cwd.value else None
        if known is not None:
            missing = run.missing(f"what is copied to {known}", line)
            files = state.files.with_unsure(place(known, state), missing)
            return replace(state, files=files, status=SUCCESS)
        return unseen
    destination = place(names[-1].value or "", state)
    into = state.files.stat(destination)
    into_folder = isinstance(into, Stat) and into.kind is FileKind.DIRECTORY
    if isinstance(into, Unread) or "n" in _letters(words) or "u" in _letters(words):
        missing = run.missing(f"what is copied to {destination}", line)
        files = state.files.with_unsure(destination, missing)
        return replace(state, files=files, status=SUCCESS)
    status = SUCCESS
    for name in names[:-1]:
        source = place(name.value or "", state)
        contents = (name.value or "").endswith("/.")
        base = posixpath.basename(source)
        whole = posixpath.join(destination, base) if into_folder and not contents else destination
        copied = _copied(run, state.files, source, whole, line, executable=executable)
        if copied is None:
            status = FAILURE
            continue
        state = replace(state, files=copied.without(source) if move else copied)
    return replace(state, status=status)


def _copied(
    run: Run, files: Overlay, source: str, target: str, line: int, *, executable: bool
) -> Overlay | None:
    """Return the files with a copy of one, or of all below it; None where there is nothing."""
    found = files.stat(source)
    missing = Missing(Reason.SCRIPT, f"what is copied to {target}")
    if isinstance(found, Absent):
        return None
    if isinstance(found, Unread) or found.kind is FileKind.OTHER:
        return files.with_unsure(target, missing)
    if isinstance(files.stat(posixpath.dirname(target)), Absent):
        return None
    pending = [(source, target)]
    count = 0
    while pending:
        one, to = pending.pop()
        count += 1
        run.spend(line)
        there = files.stat(one)
        if count > _MOST_COPIED or isinstance(there, Unread):
            return files.with_unsure(target, missing)
        if isinstance(there, Absent):
            continue
        if there.kind is FileKind.DIRECTORY:
            names = files.list(one)
            if isinstance(names, Unread):
                return files.with_unsure(target, missing)
            files = files.with_directory(to, run.at(line))
            inner = () if isinstance(names, Absent) else names
            pending += ((posixpath.join(one, name), posixpath.join(to, name)) for name in inner)
            continue
        content = files.read(one)
        data = content.data if isinstance(content, Content) else Unread(missing)
        mode = executable or bool(there.mode & 0o111)
        location = content.location if isinstance(content, Content) else run.at(line)
        files = files.with_change(to, Written(data, executable=mode, location=location))
    return files


def ln(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Make links: symbolic ones are followed, hard ones are copies."""
    names = _operands(words)
    if "s" not in _letters(words):
        return _transferred(run, words, line, state, move=False)
    unseen = _unseen(run, names, line, state)
    if unseen is not None or not names:
        return unseen or failed(state)
    targets = names[:-1] or names
    last = place(names[-1].value if len(names) > 1 and names[-1].value else ".", state)
    there = state.files.stat(last)
    is_link = state.files.is_link(last)
    into = isinstance(there, Stat) and there.kind is FileKind.DIRECTORY
    into = into and not (is_link and {"n", "T"} & set(_letters(words)))
    status = SUCCESS
    for name in targets:
        whole = posixpath.join(last, posixpath.basename(name.value or "")) if into else last
        exists = isinstance(state.files.stat(whole), Stat)
        if exists and "f" not in _letters(words):
            status = FAILURE
            continue
        files = state.files.without(whole) if exists else state.files
        link = Written(None, executable=False, location=run.at(line), link=name.value)
        state = replace(state, files=files.with_change(whole, link))
    return replace(state, status=status)


def chmod(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Change whether files may be executed."""
    given = [word for word in words[1:] if not re.fullmatch(r"-[Rfvc]+|--\w+", word.value or "")]
    if len(given) < 2 or given[0].value is None:  # noqa: PLR2004  (a mode, and files)
        return replace(state, status=SUCCESS)
    mode = given[0].value
    executable = _executable(mode)
    for word in given[1:]:
        if word.value is None or executable is None:
            continue
        whole = place(word.value, state)
        found = state.files.stat(whole)
        if not isinstance(found, Stat) or found.kind is not FileKind.FILE:
            continue
        if bool(found.mode & 0o111) is executable:
            continue
        content = state.files.read(whole)
        if isinstance(content, Absent):
            continue
        data = content.data if isinstance(content, Content) else content
        location = content.location if isinstance(content, Content) else run.at(line)
        change = Written(data, executable=executable, location=location)
        state = replace(state, files=state.files.with_change(whole, change))
    return replace(state, status=SUCCESS)


def _executable(mode: str) -> bool | None:
    """Say whether a mode makes a file executable or takes that away, None for neither."""
    if re.fullmatch(r"[0-7]{3,4}", mode):
        return any(int(digit) & 1 for digit in mode[-3:])
    if re.search(r"[+=][rwst]*[xX]", mode):
        return True
    return False if re.search(r"-[rwst]*x", mode) else None


def tee(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Print what is read, and write it to files."""
    split = options(words, "", "aip")
    given = standard_input(run, state)
    text: Traced[str | None] = Traced(given.text, run.at(line), missing=given.missing)
    names = _operands(words)
    for name in names:
        if name.value is None:
            doubt = next(iter(name.missing), run.missing("which file is written", line))
            state = replace(state, files=replace(state.files, doubt=doubt))
            continue
        whole = place(name.value, state)
        if whole.startswith("/") and not whole.startswith(_DISCARDED):
            append = split is not None and "a" in split[0]
            state = wrote(state, whole, text, append=append)
    if state.stdin is not None:
        state = replace(state, stdin=Traced("", run.at(line)))
    return prints(run, given.text, line, state, given.missing)


def mktemp(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Make a file or a directory of a name that nobody knows."""
    missing = (run.missing("the name that mktemp makes", line, Reason.COMMAND),)
    del words
    return prints(run, None, line, state, missing)


def unpacked(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after files were left behind that the script does not spell out."""
    name = words[0].value or "a command"
    doubt = run.missing(f"the files that {posixpath.basename(name)} writes", line)
    after = replace(state, files=replace(state.files, doubt=doubt))
    missing = (run.missing(f"what {posixpath.basename(name)} prints", line, Reason.COMMAND),)
    return prints(run, None, line, after, missing)
