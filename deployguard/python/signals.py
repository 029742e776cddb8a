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


class PassSignal(Signal):
    """A way out of a block that runs inside of a generator, on its way through the generator."""

    def __init__(self, inner: Signal) -> None:
        super().__init__()
        self.inner = inner


class EnoughSignal(Signal):
    """A generator is asked for no more values."""


class ExitSignal(_NotedSignal):
    """The process ends here: by SystemExit, which can be caught, or at once (`hard`)."""

    def __init__(self, note: Evidence, *, hard: bool = False) -> None:
        super().__init__(note)
        self.hard = hard


class ServeSignal(_NotedSignal):
    """A call that does not return: a server, or an exec."""


class RaiseSignal(_NotedSignal):
    """An exception of the program; `name` is its class, "" where it cannot be told.

    `value` is the exception itself, where the program made it.
    """

    def __init__(self, name: str, note: Evidence, value: Value | None = None) -> None:
        super().__init__(note)
        self.name = name
        self.value = value
