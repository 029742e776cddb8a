"""What an evaluation leaves behind."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.evidence import Evidence, Location, Missing
from deployguard.model.filesystem import Filesystem
from deployguard.model.process import Choice
from deployguard.python.values import Mapped, Module, Value


class EffectKind(StrEnum):
    """What an effect is, as far as the language tells."""

    LIBRARY = "library"  # a modelled library function; `name` says which
    PROCESS = "process"  # another process is started
    UNSEEN = "unseen"  # something runs that cannot be seen into


class Command(Struct, frozen=True, kw_only=True, eq=False):
    """The process of a PROCESS effect, as the program hands it over.

    `words` are its arguments; with `shell` the first of them is a text for /bin/sh. `environ` is a
    copy of what it gets as environment, `cwd` its directory, None where that cannot be told.
    `replaces` says that it takes the place of the program (exec). `files` are those that it sees
    where the program has written some, None: those of the program. With `waits` the program goes on
    once it has ended.
    """

    words: tuple[Value, ...]
    environ: Mapped
    cwd: str | None
    shell: bool = False
    replaces: bool = False
    files: Filesystem | None = None
    waits: bool = False


class Condition(Struct, frozen=True):
    """What would have to be known to say that something happens.

    `choices` are the ways that conditions go where it does, None where those are not told apart.
    """

    missing: Missing
    choices: tuple[Choice, ...] | None


def led_by(conditions: Iterable[Condition]) -> tuple[Choice, ...] | None:
    """Return the choices that lead to what happens under all of some conditions."""
    found: list[Choice] = []
    for condition in conditions:
        if condition.choices is None:
            return None
        found.extend(condition.choices)
    return tuple(dict.fromkeys(found))


class Effect(Struct, frozen=True, eq=False):
    """Something the program does beyond computing.

    `conditions` are what would have to be known to say that it happens at all; with none it
    certainly happens. It does on the way of its `choices`, None where that is not known. `missing`
    names what an unseen effect hides, or what would have to be known of a process; `command` is
    that process where it can be told.
    """

    kind: EffectKind
    name: str
    location: Location
    values: Mapping[str, Value] = field(default_factory=dict)
    conditions: tuple[Missing, ...] = ()
    missing: tuple[Missing, ...] = ()
    trail: tuple[Evidence, ...] = ()
    command: Command | None = None
    choices: tuple[Choice, ...] | None = None


class Ending(StrEnum):
    """How an evaluation ended."""

    DONE = "done"  # the last line was reached
    EXIT = "exit"  # sys.exit and the like
    RAISED = "raised"  # an exception that nobody catches
    SERVES = "serves"  # a call that does not return
    LIMIT = "limit"  # a limit of ours was reached
    FAILED = "failed"  # a defect of ours: what follows is unseen


class Outcome(Struct, frozen=True, kw_only=True):
    """The effects in order, how it ended, and the module that was evaluated."""

    effects: tuple[Effect, ...]
    ending: Ending
    note: Evidence
    module: Module | None = None

    @property
    def unseen(self) -> tuple[Missing, ...]:
        """Return what may happen unseen, in order, each once."""
        return tuple(
            dict.fromkeys(
                entry
                for effect in self.effects
                if effect.kind is EffectKind.UNSEEN
                for entry in effect.missing
            )
        )
