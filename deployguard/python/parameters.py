"""The arguments of a call, bound to the parameters of a function of the program."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Location, Missing, Reason
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Function,
    Items,
    Mapped,
    Opaque,
    Value,
    derived,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def bind(
    run: "Interpreter",
    function: Function,
    arguments: tuple[Value, ...],
    keywords: Mapping[str, Value],
    rest: Opaque | None,
    slots: dict[Any, Any],
    *,
    location: Location,
) -> None:
    """Bind the arguments of a call to parameters (Python reference, 6.3.4)."""
    parameters = function.node.args
    names = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)]
    given = dict(keywords)
    values: dict[str, Value] = dict(zip(names, arguments, strict=False))
    for name in (*names, *(parameter.arg for parameter in parameters.kwonlyargs)):
        if name in given and name not in values:
            values[name] = given.pop(name)
    defaults = dict(zip(reversed(names), reversed(function.defaults), strict=False))
    if rest is None:
        _check(
            function, arguments, given, values, {*defaults, *function.keyword_defaults}, location
        )
    for name in (*names, *(parameter.arg for parameter in parameters.kwonlyargs)):
        if name not in values:
            default = defaults.get(name, function.keyword_defaults.get(name))
            missing = Missing(Reason.SOURCE, f"the argument {name}")
            values[name] = (
                derived(name, rest)
                if rest is not None
                else default
                if default is not None
                else Opaque((missing,), name)
            )
    if parameters.vararg is not None:
        extra: tuple[Value, ...] = arguments[len(names) :]
        extra += () if rest is None else (derived("items", rest),)
        values[parameters.vararg.arg] = Items({"items": extra}, tuple)
    if parameters.kwarg is not None:
        values[parameters.kwarg.arg] = Mapped(dict(given), rest)
    for name, value in values.items():
        run.store(slots, name, value)


def _check(
    function: Function,
    arguments: tuple[Value, ...],
    left: Mapping[str, Value],
    values: Mapping[str, Value],
    defaults: set[str],
    location: Location,
) -> None:
    """Refuse a call that does not fit the parameters, as Python does."""
    parameters = function.node.args
    positional = len(parameters.posonlyargs) + len(parameters.args)
    names = (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)
    lacking = [one.arg for one in names if one.arg not in values and one.arg not in defaults]
    note = ""
    if len(arguments) > positional and parameters.vararg is None:
        note = "more arguments are given than it takes"
    elif left and parameters.kwarg is None:
        note = f"it takes no argument {next(iter(left))!r}"
    elif lacking:
        note = f"the argument {lacking[0]!r} is not given"
    if note:
        raise RaiseSignal("TypeError", Evidence(location, note))
