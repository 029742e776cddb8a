"""A partial evaluator for Python: it knows the language and no library.

It follows a program under the environment it would have, with values that are known, partly known
or opaque, and records the calls of library functions as effects. What a library does is handed in
as models. Whatever is not understood is recorded too: nothing is passed over in silence.
"""

from deployguard.python.builtins import variables
from deployguard.python.interpreter import Interpreter
from deployguard.python.outcome import Command, Effect, EffectKind, Ending, Outcome
from deployguard.python.values import (
    UNSET,
    Call,
    Class,
    Function,
    Instance,
    Items,
    Known,
    Library,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    known,
)

__all__ = [
    "UNSET",
    "Call",
    "Class",
    "Command",
    "Effect",
    "EffectKind",
    "Ending",
    "Function",
    "Instance",
    "Interpreter",
    "Items",
    "Known",
    "Library",
    "Mapped",
    "Model",
    "Module",
    "Native",
    "Opaque",
    "Outcome",
    "Value",
    "known",
    "variables",
]
