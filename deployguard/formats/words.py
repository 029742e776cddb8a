"""Command lines without a shell: words as a reader sees them."""

import shlex
from collections.abc import Iterable

from deployguard.model.evidence import Traced

_LONGEST = 300


def spelled(words: Iterable[Traced[str | None]]) -> str:
    """Return words as one would type them, an unseen one as "?", cut where it gets long."""
    text = " ".join("?" if word.value is None else shlex.quote(word.value) for word in words)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
