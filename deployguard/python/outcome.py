"""What an evaluation leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployguard.model.evidence import Evidence, Location, Missing
from deployguard.python.values import Module, Value


class EffectKind(StrEnum):
    """What an effect is, as far as the language tells."""

    LIBRARY = "library"  # a modelled library function; `name` says which
    PROCESS = "process"  # another process is started
    UNSEEN = "unseen"  # something runs that cannot be seen into


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """Something the program does beyond computing.

    `conditions` are what would have to be known to say that it happens at all; with none it
    certainly happens. `missing` names what an unseen effect hides.
    """

    kind: EffectKind
    name: str
    location: Location
    values: Mapping[str, Value] = field(default_factory=dict)
    conditions: tuple[Missing, ...] = ()
    missing: tuple[Missing, ...] = ()
    trail: tuple[Evidence, ...] = ()


class Ending(StrEnum):
    """How an evaluation ended."""

    DONE = "done"  # the last line was reached
    EXIT = "exit"  # sys.exit and the like
    RAISED = "raised"  # an exception that nobody catches
    SERVES = "serves"  # a call that does not return
    LIMIT = "limit"  # a limit of ours was reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
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
