"""What a scan is doing right now, on a terminal: one line that is written over and goes away."""

import os
import sys
import time
from contextlib import suppress
from typing import Self

_SECONDS = 0.1  # between two lines: a terminal that is far away is slow
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows lines on standard error where that is wanted, and takes them away in the end."""

    def __init__(self, *, shown: bool) -> None:
        self._wanted = shown
        self._written = False
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._written:
            self._write("")

    def __call__(self, message: str) -> None:
        """Show what is being done, if the last line has stood for a while."""
        now = time.monotonic()
        if not self._wanted or now < self._next:
            return
        import shutil

        from deployguard.report.escape import line
        from deployguard.report.redact import masked

        self._next = now + _SECONDS
        self._written = True
        width = max(1, shutil.get_terminal_size().columns - 1)
        self._write(line(masked(message))[:width])

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(_CLEAR + text)
            sys.stderr.flush()


def is_wanted() -> bool:
    """Say whether standard error is a terminal that can write over a line."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
