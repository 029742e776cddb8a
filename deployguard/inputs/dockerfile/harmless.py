"""Commands of a RUN that leave nothing behind, and what they print."""

import posixpath

from deployguard.inputs.dockerfile.runner import EXPANSION, NotPlainError
from deployguard.shell.syntax import (
    AndOr,
    Join,
    Literal,
    Pipeline,
    Simple,
    Statement,
    Substitution,
)
from deployguard.shell.utilities import printing

# What these leave behind is nothing, or owners and groups of files.
_NOTHING = frozenset(
    {"true", ":", "set", "echo", "printf", "cat", "ls", "test", "[", "sleep", "date", "uname", "id",
     "whoami", "which", "type", "pwd", "env", "chown", "chgrp", "groupadd", "addgroup", "usermod",
     "umask", "hash", "grep", "head", "tail", "wc", "du", "df", "stat", "sync", "getent"}
)  # fmt: skip
_ASKING = frozenset({"grep", "command", "which", "type", "id", "getent", "ls", "find", "hash"})
# What does not fail for the root that builds, as long as it is given something sensible.
SUCCEEDING = frozenset({"echo", "printf", "touch"})
TESTS = frozenset({"[", "test", "true", ":", "false"})


def static(statement: Statement) -> list[str]:
    """Return the words of a simple command that expands nothing and redirects nothing."""
    if not isinstance(statement, Simple) or statement.assignments:
        return []
    words = []
    for word in statement.words:
        if not all(isinstance(part, Literal) for part in word.parts):
            return []
        words.append("".join(part.text for part in word.parts if isinstance(part, Literal)))
    return words


def is_test(statement: Statement) -> bool:
    """Say whether a statement asks something and changes nothing."""
    match statement:
        case Simple(words=words, redirects=()) if words:
            return words[0].plain in TESTS
        case AndOr(left=left, right=right):
            return is_test(left) and is_test(right)
        case Pipeline(commands=(only,), negated=True):
            return is_test(only)
        case _:
            return False


def prints_hidden(statement: Simple) -> bool:
    """Say whether a text is printed in which only the output of harmless commands is not known."""
    if not statement.words or statement.words[0].plain not in {"echo", "printf"}:
        return False
    parts = [part for word in statement.words[1:] for part in word.parts]
    bodies = [part.body for part in parts if isinstance(part, Substitution)]
    harmless = (
        body.broken is None and all(leaves_nothing(static(one)) for one in body.statements)
        for body in bodies
    )
    return bool(bodies) and not statement.assignments and all(harmless)


def asks(statement: Statement) -> bool:
    """Say whether a list goes on only where a command found something, and the script anyway."""
    if not isinstance(statement, AndOr) or statement.join is not Join.AND:
        return False
    left = statement.left
    if isinstance(left, AndOr):
        return asks(left)
    return isinstance(left, Simple) and bool(left.words) and left.words[0].plain in _ASKING


def leaves_nothing(words: list[str]) -> bool:
    """Say whether a command leaves nothing behind."""
    if not words:
        return False
    name = posixpath.basename(words[0])
    if name in _NOTHING:
        return name != "env" or len(words) == 1
    if name in {"python", "python3", "pip", "pip3", "uv", "poetry", "node", "npm", "flask"}:
        return words[1:] in (["--version"], ["-V"], ["version"])
    if name == "git":
        return words[1:2] in (["rev-parse"], ["describe"], ["log"], ["status"])
    return name == "command" or (name == "find" and not _changes(words))


def _changes(words: list[str]) -> bool:
    """Say whether a find does more than print."""
    return any(word.startswith(("-delete", "-exec", "-ok", "-fprint", "-fls")) for word in words)


def output(words: list[str], text: str | None) -> str | None:
    """Return what a command prints, None where that is not known."""
    name, *rest = words
    if (
        name == "echo"
        and not (rest and rest[0].startswith("-"))
        and not any("\\" in word for word in rest)
    ):
        return " ".join(rest) + "\n"
    if name == "echo" and rest[:1] == ["-n"] and not any("\\" in word for word in rest):
        return " ".join(rest[1:])
    if name == "printf" and rest and not rest[0].startswith("-"):
        return printing.formatted(rest[0], rest[1:], bash=False)
    if name == "cat" and not rest:
        return text
    if name == ":" and not rest:
        return ""
    return None


def fields(pieces: list[tuple[str, bool]], literal: list[bool]) -> list[str]:
    """Split what unquoted variables hold (POSIX, field splitting with the usual IFS)."""
    fields: list[str] = []
    current: list[str] | None = None
    for (text, quoted), written in zip(pieces, literal, strict=True):
        if quoted or written:
            current = [*(current or ()), text]
            continue
        if EXPANSION.search(text):
            raise NotPlainError
        words = text.split()
        if text[:1].isspace() and current is not None:
            fields.append("".join(current))
            current = None
        for index, word in enumerate(words):
            if index and current is not None:
                fields.append("".join(current))
                current = None
            current = [*(current or ()), word]
        if text[-1:].isspace() and current is not None and words:
            fields.append("".join(current))
            current = None
    if current is not None:
        fields.append("".join(current))
    return fields
