"""An identity of a finding that survives edits elsewhere in the same files.

It stands for the rule, the subject and the mechanism: the kind of program, its server, and the
variables, options and calls that decided. No path, line, tag, digest or value takes part, and the
wording of the notes does not either.
"""

import hashlib
import re
from collections.abc import Iterable

from deployguard.model.evidence import Evidence
from deployguard.model.facts import ProgramFacts

_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_CALL = re.compile(r"\b[A-Za-z_][\w.]*(?=\()")
_MAX_NOTE = 2000


def fingerprint(
    rule: str, subject: str, program: ProgramFacts | None, evidence: Iterable[Evidence]
) -> str:
    """Return the sha256 of a finding's rule, subject and mechanism."""
    words = set() if program is None else {f"{program.kind} {program.server}"}
    for step in evidence:
        note = _QUOTED.sub("''", step.note[:_MAX_NOTE])
        for pattern in (_VARIABLE, _OPTION, _CALL):
            words.update(pattern.findall(note))
    text = "\0".join((rule, subject, *sorted(words)))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
