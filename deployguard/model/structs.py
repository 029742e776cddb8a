"""`replace` for the values of this program, which are `msgspec.Struct`s.

A Struct is declared and behaves as a dataclass with slots does, and its class is made without
compiling six functions: the hundred of a scan take 1 ms of its start instead of 60.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace  # the one that mypy checks the changes of, for a Struct as well
else:
    from msgspec.structs import replace

__all__ = ["replace"]
