"""Signals that end a scan: each of them is an interruption, and what was made is removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_REPEATED = 2


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at a signal, once; a second one lets the removal end, a third not.

    A signal that the caller ignores, as nohup and background jobs do, stays ignored.
    """
    count = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count != _REPEATED:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__]
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [
        number
        for number, handler in before.items()
        if handler in {signal.SIG_DFL, signal.default_int_handler}
    ]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
