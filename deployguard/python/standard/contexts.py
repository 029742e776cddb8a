"""contextlib: managers made of generators, and those that keep exceptions to themselves."""

from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer
from deployguard.python import exceptions, objects
from deployguard.python.concrete import cannot, unknown
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    Call,
    Coroutine,
    Instance,
    Items,
    Native,
    Value,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_MANAGES = frozenset({"__enter__", "__exit__"})


def _context_manager(call: Call) -> Value:
    """contextlib.contextmanager: what a call of the generator yields is what `with` gives."""
    function = call.arguments[0] if call.arguments else known(None)

    def model(inner: Call) -> Value:
        made = inner.run.call(function, inner.arguments, inner.keywords, inner.location, inner.open)
        if isinstance(made, Coroutine):
            return Instance(None, _GENERATED, {"<generator>": made})
        return made

    return Native("a context manager", model, binds=True)


_GENERATED = Native("a context manager")


def _suppress(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, "<kept>", Items({"items": call.arguments}, tuple))


def _suppress_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name == "__enter__":
        return Native(name, lambda _call: known(None))
    if name == "__exit__":
        return Native(name, lambda call: _kept(call, instance))
    return None


def _kept(call: Call, instance: Instance) -> Value:
    kind = call.arguments[0] if call.arguments else known(None)
    if not isinstance(kind, Native) and not hasattr(kind, "slots"):
        return known(value=False)
    name = exceptions.class_name(kind)
    signal = RaiseSignal(name, _note(call), kind if not isinstance(kind, Native) else None)
    answer = exceptions.catches(instance.slots["<kept>"], signal)
    if answer is Answer.UNKNOWN:
        return unknown("whether an exception is kept")
    return known(answer is Answer.YES)


def _note(call: Call) -> Any:  # noqa: ANN401  (evidence)
    from deployguard.model.evidence import Evidence  # noqa: PLC0415  (one name of many)

    return Evidence(call.location, "an exception")


_SUPPRESS = Native(
    "contextlib.suppress",
    construct=_suppress,
    attribute=_suppress_attribute,
    specials=_MANAGES,
)


def _null(call: Call, instance: Instance) -> None:
    value = call.argument(0, "enter_result") or call.argument(0, "thing") or known(None)
    call.run.store(instance.slots, "<value>", value)


def _null_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name == "__enter__":
        return Native(name, lambda _call: instance.slots["<value>"])
    return Native(name, lambda _call: known(None)) if name == "__exit__" else None


_NULL = Native(
    "contextlib.nullcontext", construct=_null, attribute=_null_attribute, specials=_MANAGES
)


def _stack_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    match name:
        case "__enter__":
            return Native(name, lambda _call: instance)
        case "__exit__" | "close" | "push":
            return Native(name, lambda _call: known(None))
        case "enter_context":
            return Native(name, _entered)
        case "callback":
            return Native(name, _at_end)
        case _:
            return None


def _entered(call: Call) -> Value:
    manager = call.arguments[0] if call.arguments else known(None)
    method = objects.special(call.run, manager, "__enter__")
    if method is not None:
        return call.run.call(method, (), {}, call.location)
    return cannot(call, "enter_context")


def _at_end(call: Call) -> Value:
    """ExitStack.callback: it runs when the block is left, which we take for the end."""
    function, *arguments = call.arguments or (known(None),)

    def at_exit() -> None:
        call.run.call(function, arguments, call.keywords, call.location)

    call.run.at_exit.insert(0, at_exit)
    return function


_STACK = Native(
    "contextlib.ExitStack",
    construct=lambda _call, _instance: None,
    attribute=_stack_attribute,
    specials=_MANAGES,
)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run, name
    return {
        "contextmanager": Native("contextlib.contextmanager", _context_manager),
        "asynccontextmanager": Native("contextlib.asynccontextmanager", _context_manager),
        "suppress": _SUPPRESS,
        "nullcontext": _NULL,
        "closing": _NULL,
        "redirect_stdout": _NULL,
        "redirect_stderr": _NULL,
        "ExitStack": _STACK,
        "AsyncExitStack": _STACK,
        "ContextDecorator": Native("contextlib.ContextDecorator", plain=object),
        "AbstractContextManager": Native("contextlib.AbstractContextManager", plain=object),
    }
