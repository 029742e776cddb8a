"""Utilities that bring files from elsewhere: curl, wget, openssl, git and the package managers."""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence

from deployguard.model.evidence import Traced
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.redirections import place, wrote
from deployguard.shell.run import Run
from deployguard.shell.state import State
from deployguard.shell.utilities.lookups import asking

# What options of each name a file that is written, by their manuals.
_FILES: Mapping[str, tuple[str, ...]] = {
    "curl": ("-o", "--output", "-D", "--dump-header", "-c", "--cookie-jar", "--trace"),
    "wget": ("-O", "--output-document", "-o", "--output-file", "-a", "--append-output"),
    "openssl": ("-out", "-keyout", "-CAserial"),
}
_NOWHERE = frozenset({"-", "/dev/null", "/dev/stdout", "/dev/stderr"})
# Subcommands of git that only tell.
_TELLING = frozenset(
    {"rev-parse", "log", "describe", "config", "status", "show", "rev-list", "diff", "ls-files",
     "branch", "tag", "remote", "version", "--version", "help", "symbolic-ref", "name-rev"}
)  # fmt: skip
_INSTALLING = frozenset({"add", "-i", "--install", "-U", "-F", "--upgrade", "upgrade", "fix"})


def fetching(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Return the state after a utility whose files and status depend on the world outside.

    A file that its words name holds anything then; where they do not name them, any file does.
    """
    name = posixpath.basename(words[0].value or "")
    missing = run.missing(f"what {name} writes", line)
    found = _written(name, [word.value for word in words[1:]])
    if found is None:
        state = replace(state, files=replace(state.files, doubt=missing))
    for path in found or ():
        text: Traced[str | None] = Traced(None, run.at(line), missing=(missing,))
        state = wrote(state, place(path, state), text, append=False)
    return asking(run, words, line, state)


def _written(name: str, words: Sequence[str | None]) -> tuple[str, ...] | None:
    """Return the files that are written, None where they cannot be told."""
    if None in words:
        return None
    given = [word for word in words if word is not None]
    if not _told(name, given):
        return None
    return tuple(path for path in _RULES[name](given) if path not in _NOWHERE)


def _told(name: str, words: Sequence[str]) -> bool:
    match name:
        case "git":
            plain = [word for word in words if not word.startswith("-")]
            return not words or (plain[0] if plain else words[0]) in _TELLING
        case "dpkg" | "apk" | "rpm":
            return not _INSTALLING & set(words)
        case "wget":
            return not {"-r", "-m", "-i", "--recursive", "--mirror", "--input-file"} & set(words)
        case _:
            return True


def _named(words: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Return the values of options: in the next word, behind "=", or attached to a letter."""
    for position, word in enumerate(words):
        for option in options:
            if word == option:
                yield from words[position + 1 : position + 2]
            elif option.startswith("--") and word.startswith(f"{option}="):
                yield word.removeprefix(f"{option}=")
            elif not word.startswith("--") and len(option) == len("-o") and option[1] in word[1:]:
                # Letters can be joined: -sSLo FILE, -qO- FILE.
                if word.startswith("-") and word[1:].partition(option[1])[0].isalpha():
                    attached = word.partition(option[1])[2]
                    yield from (attached,) if attached else words[position + 1 : position + 2]
                elif word.startswith(option):
                    yield word.removeprefix(option)


def _addresses(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if "://" in word:
            yield posixpath.basename(word.partition("?")[0]) or "index.html"


def _curl(words: Sequence[str]) -> Iterator[str]:
    yield from _named(words, _FILES["curl"])
    letters = any(word.startswith("-") and word[1:2] != "-" and "O" in word for word in words)
    if letters or {"--remote-name", "--remote-name-all"} & set(words):
        yield from _addresses(words)


def _wget(words: Sequence[str]) -> Iterator[str]:
    named = tuple(_named(words, _FILES["wget"]))
    yield from named
    if "--spider" not in words and not any(_named(words, ("-O", "--output-document"))):
        folder = next(_named(words, ("-P", "--directory-prefix")), ".")
        yield from (posixpath.join(folder, name) for name in _addresses(words))


def _openssl(words: Sequence[str]) -> Iterator[str]:
    yield from _named(words, _FILES["openssl"])


_RULES: Mapping[str, Callable[[Sequence[str]], Iterator[str]]] = {
    "curl": _curl,
    "wget": _wget,
    "openssl": _openssl,
    **dict.fromkeys(("git", "dpkg", "apk", "rpm"), lambda _: iter(())),
}
