"""Crontabs: assignments, and jobs that a time or a word such as @reboot starts (crontab(5))."""

import re

from msgspec import Struct

from deployguard.model.evidence import Location, Traced
from deployguard.model.filesystem import Content
from deployguard.model.structs import replace

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)\Z")
_TIMES = re.compile(r"\s*(?:@\w+|(?:[^\s#=]+\s+){4}[^\s#=]+)\s+(.+)\Z")
_INPUT = re.compile(r"(?<!\\)%")


class Job(Struct, frozen=True):
    """One job: its command, its user where the table names one, and the variables before it."""

    command: Traced[str | None]
    user: str | None
    variables: tuple[tuple[str, Traced[str | None]], ...]


def parse(content: Content, *, users: bool) -> tuple[Job, ...]:
    """Return the jobs of a table; in those of the system (`users`) a user follows the time."""
    variables: list[tuple[str, Traced[str | None]]] = []
    jobs: list[Job] = []
    for number, line in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        place: Location = replace(content.location, line=number)
        if line.lstrip().startswith("#"):
            continue
        times = _TIMES.match(line)
        assignment = _ASSIGNMENT.match(line)
        if assignment is not None:
            value = assignment[2].strip()
            quoted = re.fullmatch(r"""(["'])(.*)\1""", value)
            text = quoted[2] if quoted is not None else value
            variables.append((assignment[1], Traced(text, place)))
        elif times is not None:
            user, _, rest = times[1].partition(" ") if users else (None, "", times[1])
            # What follows a percent sign is the job's input.
            command = _INPUT.split(rest.strip(), maxsplit=1)[0].replace("\\%", "%")
            jobs.append(Job(Traced(command, place), user, tuple(variables)))
    return tuple(jobs)
