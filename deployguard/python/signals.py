"""How a block can be left other than by its last line."""

from deployguard.model.evidence import Evidence
from deployguard.python.values import Value


class Signal(Exception):  # noqa: N818  (control flow, not an error)
    """Leaving a block; never leaves `Interpreter.run`."""


class LimitSignal(Signal):
    """The step budget is used up."""


class BreakSignal(Signal):
    """A `break`."""


class ContinueSignal(Signal):
    """A `continue`."""


class ReturnSignal(Signal):
    """A `return` with its value."""

    __match_args__ = ("value",)

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


class _NotedSignal(Signal):
    def __init__(self, note: Evidence) -> None:
        super().__init__()
        self.note = note


class ExitSignal(_NotedSignal):
    """The process ends here."""


class ServeSignal(_NotedSignal):
    """A call that does not return: a server, or an exec."""


class RaiseSignal(_NotedSignal):
    """An exception of the program; `name` is its class, "" where it cannot be told."""

    def __init__(self, name: str, note: Evidence) -> None:
        super().__init__(note)
        self.name = name
