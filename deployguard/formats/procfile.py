"""Procfiles: lines of NAME: COMMAND."""

import re
from dataclasses import replace

from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Content

# honcho.environ.PROCFILE_LINE; foreman's is the same but for blanks (foreman/procfile.rb).
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")


def parse(content: Content) -> dict[str, Traced[str | None]]:
    """Return the commands by the names of their processes, in the order of the file."""
    found: dict[str, Traced[str | None]] = {}
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is not None:
            found[match[1]] = Traced(match[2], replace(content.location, line=number))
    return found
