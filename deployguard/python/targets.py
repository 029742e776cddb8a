"""Targets of assignments: names, attributes, items, and several of them."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence
from deployguard.python import (
    expressions,
    iteration,
)
from deployguard.python.signals import (
    RaiseSignal,
)
from deployguard.python.subscripts import assign_item
from deployguard.python.values import (
    Items,
    Opaque,
    Value,
    derived,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter


def bind_target(run: "Interpreter", target: ast.expr, value: Value, frame: "Frame") -> None:
    """Assign a value to a target: a name, an attribute, an item, or several of them."""
    match target:
        case ast.Name(id=name):
            run.store(scope_of(frame, name), name, value)
        case ast.Attribute(value=owner, attr=name):
            run.assign_attribute(
                expressions.evaluate(run, owner, frame), name, value, run.at(target)
            )
        case ast.Subscript(value=owner, slice=index):
            assign_item(
                run,
                expressions.evaluate(run, owner, frame),
                expressions.evaluate(run, index, frame),
                value,
                run.at(target),
            )
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            _bind_several(run, targets, value, frame)
        case ast.Starred(value=inner):
            bind_target(run, inner, derived("several values", value), frame)
        case _:
            run.unseen("what this assignment does", run.at(target))


def _bind_several(
    run: "Interpreter", targets: Sequence[ast.expr], value: Value, frame: "Frame"
) -> None:
    """Unpack a value to several targets, of which one may take all that is left over."""
    place = run.at(targets[0]) if targets else run.place
    values = iteration.collected(run, value, place)
    hidden = values and isinstance(values[-1], Opaque) and values[-1].name == "items"
    starred = next((n for n, inner in enumerate(targets) if isinstance(inner, ast.Starred)), None)
    if hidden:
        for inner in targets:
            known_target = inner.value if isinstance(inner, ast.Starred) else inner
            bind_target(run, known_target, derived("one of several values", value), frame)
        return
    if len(values) < len(targets) - (starred is not None) or (
        starred is None and len(values) > len(targets)
    ):
        note = Evidence(place, f"{len(values)} values are unpacked to {len(targets)} names")
        raise RaiseSignal("ValueError", note)
    if starred is not None:
        after = len(targets) - starred - 1
        middle = Items({"items": values[starred : len(values) - after]})
        values = (*values[:starred], middle, *values[len(values) - after :])
    for inner, entry in zip(targets, values, strict=True):
        bind_target(run, inner.value if isinstance(inner, ast.Starred) else inner, entry, frame)


def scope_of(frame: "Frame", name: str) -> dict[Any, Any]:
    """Return the scope that an assignment to a name writes."""
    if name in frame.global_names:
        return frame.module.slots
    if name in frame.nonlocal_names:
        return next((scope for scope in frame.scopes[1:] if name in scope), frame.scopes[0])
    return frame.scopes[0]
