"""Programs that wait for others before they start one: dockerize, wait-for-it, wait-for."""

import re
from collections.abc import Sequence

from deployguard.launch.options import hidden
from deployguard.launch.outcomes import Next, becomes
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Filesystem
from deployguard.model.process import Process, Word

_DOCKERIZE_FLAGS = frozenset({"no-overwrite", "stream", "validateCert", "validate-cert"})
_DOCKERIZE_VALUES = frozenset(
    {"wait", "timeout", "wait-retry-interval", "wait-http-header", "stdout", "stderr", "poll",
     "delims"}
)  # fmt: skip


def dockerize(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow dockerize, which waits for others and then starts its words.

    Its flags are Go's: one dash or two, and "=" in either form. -template and -env change files and
    variables, which leaves what starts open.
    """
    del files
    pending = list(words)
    while pending and (pending[0].value or "").startswith("-"):
        word = pending.pop(0)
        option, equals, _ = (word.value or "").lstrip("-").partition("=")
        if not option:
            break
        if option in {"h", "help", "version"}:
            return Evidence(word.location, f"{name} prints and ends")
        if option in _DOCKERIZE_VALUES:
            del pending[: 0 if equals else 1]
        elif option not in _DOCKERIZE_FLAGS:
            return Missing(Reason.COMMAND, f"what the option {word.value} of {name} does")
    return becomes(process, name, tuple(pending))


def wait_for(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow wait-for-it and wait-for: HOST:PORT and options, then "--" and a command.

    What is waited for is there in the end: that is what the container is deployed with.
    """
    del files
    for position, word in enumerate(words):
        if word.value is None:
            return hidden(word)
        if word.value == "--":
            return becomes(process, name, tuple(words[position + 1 :]))
    return Evidence(process.location, f"{name} waits and ends: no command follows --")


# What the two well-known scripts (wait-for-it, wait-for) have, and none that does more.
_WAITING = re.compile(rb"\bwait_?for\w*\s*\(\)")
_STARTING = re.compile(rb'exec "\$(?:\{(?:WAITFORIT_)?CLI\[@\]\}|@)"')
_CHANGING = re.compile(rb"\bexport\b|\bsource\b|^\s*\. |FLASK", re.MULTILINE)


def is_waiting(name: str, data: bytes) -> bool:
    """Say whether a script is one of the two well-known ones, unchanged in what it does."""
    return (
        re.match(r"wait[-_]for", name) is not None
        and b"--)" in data
        and _WAITING.search(data) is not None
        and _STARTING.search(data) is not None
        and _CHANGING.search(data) is None
    )
