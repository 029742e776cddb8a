"""Procfiles: lines of NAME: COMMAND."""

import re

from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Content
from deployguard.model.structs import replace

# honcho.environ.PROCFILE_LINE; foreman's is the same but for blanks (foreman/procfile.rb).
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")


def parse(content: Content) -> tuple[tuple[str, Traced[str | None]], ...]:
    """Return the names of processes with their commands, in the order of the file."""
    found: list[tuple[str, Traced[str | None]]] = []
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is not None:
            place = replace(content.location, line=number)
            found.append((match[1], Traced(match[2], place)))
    return tuple(found)
