"""What real shells start, beside what the evaluator says they do."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployguard.model.evidence import Location, Traced
from deployguard.shell.execution import Outcome, execute
from deployguard.shell.state import Kind, Shell
from tests.support.components import missing
from tests.support.memory import MemoryFiles, process

SHELLS = {
    Kind.BASH: ("bash",),
    Kind.DASH: ("dash",),
    Kind.BUSYBOX: ("busybox", "sh"),
}
VARIABLES = ("FLASK_DEBUG", "MODE", "A", "B")
UNSET = "<unset>"
_SECONDS = 10
HOME = "/srv/app"
# Prints what it is given and what reaches it, instead of serving.
STUB = f"""\
#!/bin/sh
printf '%s\\0' "$PWD" {" ".join(f'"${{{name}-{UNSET}}}"' for name in VARIABLES)} "$#" "$@" \\
  >> "$STARTED"
"""


@dataclass(frozen=True)
class Begun:
    """One start: a value of None, here, is one that the evaluator does not know."""

    words: tuple[str | None, ...]
    cwd: str | None
    variables: tuple[str | None, ...]
    certain: bool = True

    def agrees(self, other: "Begun") -> bool:
        """Say whether what is known of this one is so in the other."""
        ours = (self.cwd, *self.variables, *self.words)
        theirs = (other.cwd, *other.variables, *other.words)
        return len(ours) == len(theirs) and all(
            one is None or one == two for one, two in zip(ours, theirs, strict=True)
        )


@dataclass(frozen=True)
class Told:
    """What the evaluator says a script starts, and whether it may start more."""

    begun: tuple[Begun, ...]
    is_open: bool

    def agrees(self, real: Sequence[Begun]) -> bool:
        """Say whether a run is one of those that are told of."""
        rest = list(real)
        for one in (one for one in self.begun if one.certain):
            at = next((at for at, other in enumerate(rest) if one.agrees(other)), None)
            if at is None:
                return False
            del rest[at]
        # What may start at all may, in a loop, start more than once.
        perhaps = [one for one in self.begun if not one.certain]
        return self.is_open or all(any(one.agrees(other) for one in perhaps) for other in rest)

    @property
    def settled(self) -> bool:
        """Say whether nothing of it is left open."""
        values = [value for one in self.begun for value in (one.cwd, *one.variables, *one.words)]
        certain = all(one.certain for one in self.begun)
        return certain and not self.is_open and None not in values


def real_starts(
    kind: Kind, text: str, folder: Path, files: Mapping[str, str], env: Mapping[str, str]
) -> list[Begun] | None:
    """Run a script in a real shell; None where it does not end."""
    first, *rest = SHELLS[kind]
    program = shutil.which(first)
    if program is None:
        missing(f"there is no {first} to compare with")
    shutil.rmtree(folder, ignore_errors=True)
    app = folder / "app"
    app.mkdir(parents=True)
    for name, content in files.items():
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    stub = folder / "bin" / "flask"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    (app / "entry.sh").write_text(text)
    log = folder / "started"
    log.touch()
    command = [program, *rest, str(app / "entry.sh"), "one", "two words"]
    with subprocess.Popen(
        # A script that reads what it writes must not fill the disk, nor go on for ever.
        ["prlimit", "--fsize=1000000", "--cpu=2", "--", *command],
        cwd=app,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": f"{stub.parent}:/usr/bin:/bin", "STARTED": str(log), "HOME": str(app), **env},
    ) as running:
        try:
            running.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    return _read(log.read_text(errors="replace").replace(str(app), HOME))


def _read(log: str) -> list[Begun]:
    values = log.split("\0")[:-1]
    found: list[Begun] = []
    while values:
        cwd, *rest = values
        variables, count = rest[: len(VARIABLES)], int(rest[len(VARIABLES)])
        words = rest[len(VARIABLES) + 1 : len(VARIABLES) + 1 + count]
        found.append(Begun(tuple(words), cwd, tuple(variables)))
        values = rest[len(VARIABLES) + 1 + count :]
    return found


def outcome(
    kind: Kind | None, text: str, files: Mapping[str, str], env: Mapping[str, str]
) -> Outcome:
    """Return what the evaluator makes of the same script."""
    texts = {f"{HOME}/{name}": content for name, content in files.items()}
    texts |= {f"{HOME}/entry.sh": text, "/usr/bin/flask": "#!/usr/bin/python3\n"}
    place = Location(f"{HOME}/entry.sh")
    path = {"PATH": "/usr/bin:/bin", "HOME": HOME}
    return execute(
        text,
        process(["sh"], **path, **env),
        tuple(Traced(word, place) for word in (f"{HOME}/entry.sh", "one", "two words")),
        MemoryFiles(texts),
        place,
        shell=Shell("sh" if kind is None else kind.value, kind),
    )


def told(kind: Kind | None, text: str, files: Mapping[str, str], env: Mapping[str, str]) -> Told:
    """Return what the evaluator says is started."""
    found = outcome(kind, text, files, env)
    begun: list[Begun] = []
    is_open = bool(found.unseen)
    for start in found.starts:
        first = start.process.args[0].value
        if first != "flask":
            # What another program starts is not its business here.
            is_open = is_open or first != "absent"
            continue
        values: list[str | None] = []
        for name in VARIABLES:
            entry = start.process.env.get(name)
            values.append(UNSET if entry is None else entry.value)
        words = tuple(word.value for word in start.process.args[1:])
        cwd = start.process.cwd.value
        begun.append(Begun(words, cwd, tuple(values), start.certain))
    return Told(tuple(begun), is_open)
