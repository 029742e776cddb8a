"""What a few utilities print, where the files and the user they look at are known."""

import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread

_MET = 2_000
_ROOT = "0"


def user_number(user: Traced[str | None] | None, files: Filesystem) -> str | None:
    """Return the number of a process's user, None where it cannot be told.

    Source: runc libcontainer/user GetExecUser: a name is looked up in /etc/passwd.
    """
    if user is not None and user.value is None:
        return None
    name = (user.value if user is not None and user.value else _ROOT).partition(":")[0]
    if name.isdigit():
        return name
    accounts = files.read("/etc/passwd")
    if isinstance(accounts, Content):
        for line in accounts.data.decode("utf-8", "replace").splitlines():
            fields = line.split(":")
            if fields[0] == name and len(fields) > 2:  # noqa: PLR2004  (passwd(5))
                return fields[2]
    return _ROOT if name == "root" else None


_FORMAT = re.compile(r"%([sq%])|\\([nt\\])|([^%\\]+)")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


def formatted(template: str, words: Sequence[str]) -> str | None:
    """Return what printf writes, None for a format that is not followed.

    The format is used again until the words are spent; a word too few is the empty text.
    """
    tokens = list(_FORMAT.finditer(template))
    if "".join(token[0] for token in tokens) != template:
        return None
    pending = list(words)
    made: list[str] = []
    while True:
        taken = False
        for token in tokens:
            match token[1]:
                case None:
                    made.append(token[3] or _ESCAPES[token[2]])
                case "%":
                    made.append("%")
                case kind:
                    taken = True
                    word = pending.pop(0) if pending else ""
                    # Shells quote a word that needs it each in its own way.
                    if kind == "q" and shlex.quote(word) != word:
                        return None
                    made.append(word)
        if not pending or not taken:
            return "".join(made)


def version_key(line: str) -> list[tuple[int, int, str]]:
    """Return a key that orders numbers in a name by their value, as `sort -V` does."""
    parts = re.split(r"(\d+)", line)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


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
                depths[word == "-maxdepth"] = int(pending.pop(0) or "")
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
