"""Expressions of the Python language reference, section 6, partly evaluated."""

import ast
import operator
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import builtins, iteration, objects
from deployguard.python.concrete import SIZE as _SIZE
from deployguard.python.concrete import Unplain, hashable, lift, plain, trails, untold
from deployguard.python.conversions import as_format, as_key, as_text, once
from deployguard.python.iteration import elements
from deployguard.python.operations import binary, compared, held_value
from deployguard.python.signals import RaiseSignal
from deployguard.python.subscripts import item
from deployguard.python.values import (
    Class,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    derived,
    known,
    laid_over,
    missing_of,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter


# Expressions of which an opaque value says that they may have raised an exception.
_DOUBTFUL = (ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Await)


_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}


def evaluate(run: "Interpreter", node: ast.expr, frame: "Frame") -> Value:
    """Return the value of an expression."""
    run.step()
    value: Value = _HANDLERS[type(node)](run, node, frame)
    match value:
        case Known(value=str() | bytes() as text) if len(text) > _SIZE:
            return untold("a very long text")
        case Items() if len(value.items) > _SIZE:
            return untold("a very long list")
        case Opaque() if isinstance(node, _DOUBTFUL):
            run.doubts += 1
            return value
        case _:
            return value


def _constant(_run: "Interpreter", node: ast.Constant, _frame: "Frame") -> Value:
    return Known(node.value)


def _name(run: "Interpreter", node: ast.Name, frame: "Frame") -> Value:
    if node.id not in frame.global_names:
        for scope in frame.scopes:
            if node.id in scope:
                value: Value = scope[node.id]
                return value
    found = frame.module.slots.get(node.id)
    if found is None:
        found = builtins.name(run, node.id)
    if found is None:
        if frame.module.rest is not None:
            run.doubts += 1
            return derived(node.id, frame.module.rest)
        raise RaiseSignal("NameError", Evidence(run.at(node), f"no name {node.id}"))
    made: Value = found
    return made


def _attribute(run: "Interpreter", node: ast.Attribute, frame: "Frame") -> Value:
    return run.attribute(evaluate(run, node.value, frame), node.attr, run.at(node))


def _subscript(run: "Interpreter", node: ast.Subscript, frame: "Frame") -> Value:
    owner = evaluate(run, node.value, frame)
    if isinstance(node.slice, ast.Slice):
        return _slice(run, owner, node.slice, frame)
    return item(run, owner, evaluate(run, node.slice, frame), run.at(node))


def _slice(run: "Interpreter", owner: Value, node: ast.Slice, frame: "Frame") -> Value:
    parts = [
        known(None) if part is None else evaluate(run, part, frame)
        for part in (node.lower, node.upper, node.step)
    ]
    if all(isinstance(part, Known) for part in parts):
        index = slice(*(part.value for part in parts if isinstance(part, Known)))
        try:
            if isinstance(owner, Known) and isinstance(owner.value, str | bytes):
                return Known(owner.value[index], owner.trail)
            if isinstance(owner, Items) and elements(owner) is not None:
                return Items({"items": owner.items[index]}, owner.kind)
            if isinstance(owner, Instance) and objects.HELD in owner.slots:
                return lift(plain(owner)[index], trails(owner))
        except (TypeError, ValueError, Unplain):
            pass
    made = derived("a slice", owner, *parts)
    return made if made.missing else untold("a slice")


def _call(run: "Interpreter", node: ast.Call, frame: "Frame") -> Value:
    if isinstance(node.func, ast.Name) and node.func.id == "super" and frame.owner is not None:
        return _super(run, node, frame)
    function = evaluate(run, node.func, frame)
    arguments: list[Value] = []
    keywords: dict[str, Value] = {}
    rest: Opaque | None = None
    place = run.at(node)
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            value = evaluate(run, argument.value, frame)
            values = iteration.collected(run, value, place)
            if values and isinstance(values[-1], Opaque) and values[-1].name == "items":
                rest = derived("further arguments", value, values[-1])
            else:
                arguments.extend(values)
        else:
            arguments.append(evaluate(run, argument, frame))
    for keyword in node.keywords:
        value = evaluate(run, keyword.value, frame)
        held = value.slots.get(objects.HELD) if isinstance(value, Instance) else value
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(held, Mapped) and all(isinstance(key, str) for key in held.slots):
            keywords.update(held.slots)
            rest = held.rest or rest
        else:
            rest = derived("further arguments", value)
            rest = rest if rest.missing else untold("further arguments")
    run.place = place
    if isinstance(function, Native) and function.scoped:
        run.scopes.append(frame)
        try:
            return run.call(function, arguments, keywords, place, rest)
        finally:
            run.scopes.pop()
    return run.call(function, arguments, keywords, place, rest)


def _super(run: "Interpreter", node: ast.Call, frame: "Frame") -> Value:
    given = [evaluate(run, argument, frame) for argument in node.args]
    if len(given) == 2 and isinstance(given[0], Class):  # noqa: PLR2004  (class and object)
        return objects.parent(given[0], given[1])
    scopes = (scope for scope in frame.scopes if scope is not frame.module.slots)
    first = next((next(iter(scope.values())) for scope in scopes if scope), None)
    return objects.parent(frame.owner, first) if frame.owner is not None else untold("super()")


def function(
    run: "Interpreter",
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    frame: "Frame",
) -> Function:
    """Make a function of a definition, with its defaults as they are now."""
    return Function(
        node,
        frame.scopes,
        frame.module,
        tuple(evaluate(run, default, frame) for default in node.args.defaults),
        {
            parameter.arg: evaluate(run, default, frame)
            for parameter, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None
        },
        frame.owner,
    )


def decorate(run: "Interpreter", model: Value, value: Value, location: Location) -> Value:
    """Apply a decorator: a library's may keep the function and call it when it is called."""
    run.place = location
    if isinstance(model, Opaque):
        if not model.harmless:
            run.unseen(f"what the decorator {model.name} does", location)
        return Opaque(
            model.missing,
            f"what {model.name} makes of a function",
            harmless=True,
            parts=(value, *model.parts),
        )
    return run.call(model, (value,), {}, location)


def _lambda(run: "Interpreter", node: ast.Lambda, frame: "Frame") -> Value:
    return function(run, node, frame)


def _boolean(run: "Interpreter", node: ast.BoolOp, frame: "Frame") -> Value:
    stop = Answer.NO if isinstance(node.op, ast.And) else Answer.YES
    value: Value = known(None)
    for position, operand in enumerate(node.values):
        value = evaluate(run, operand, frame)
        answer = objects.answer_of(run, value)
        if answer is stop:
            return value
        if answer is Answer.UNKNOWN and position + 1 < len(node.values):
            return _boolean_unknown(run, node, frame, position, value)
    return value


def _boolean_unknown(
    run: "Interpreter", node: ast.BoolOp, frame: "Frame", position: int, first: Value
) -> Value:
    """Evaluate the operands after an unknown one for what they may do."""
    results: list[Value] = [first]

    def others() -> None:
        results.extend(evaluate(run, operand, frame) for operand in node.values[position + 1 :])

    run.branch(frame, missing_of(first), (others, lambda: None))
    stop = Answer.NO if isinstance(node.op, ast.And) else Answer.YES
    if any(truth(value) is stop for value in results[1:]):
        # Whatever the unknown operand is, the whole is false (or true); its value stays open.
        last = next(value for value in results[1:] if truth(value) is stop)
        if isinstance(last, Known) and isinstance(last.value, bool):
            return last
    return derived("a condition", *results)


def _conditional(run: "Interpreter", node: ast.IfExp, frame: "Frame") -> Value:
    test = evaluate(run, node.test, frame)
    match objects.answer_of(run, test):
        case Answer.YES:
            return _because(evaluate(run, node.body, frame), test)
        case Answer.NO:
            return _because(evaluate(run, node.orelse, frame), test)
        case Answer.UNKNOWN:
            slot: dict[Any, Any] = {}

            def take(expression: ast.expr) -> Callable[[], None]:
                return lambda: run.store(slot, "value", evaluate(run, expression, frame))

            run.branch(frame, missing_of(test), (take(node.body), take(node.orelse)))
            value: Value = slot["value"]
            return value


def _because(value: Value, reason: Value) -> Value:
    return known(value.value, *trail_of(reason, value)) if isinstance(value, Known) else value


def _compare(run: "Interpreter", node: ast.Compare, frame: "Frame") -> Value:
    left = evaluate(run, node.left, frame)
    result: Value = known(value=True)
    for comparison, operand in zip(node.ops, node.comparators, strict=True):
        right = evaluate(run, operand, frame)
        outcome = compared(run, comparison, left, right)
        if truth(outcome) is not Answer.YES:
            return outcome
        result, left = outcome, right
    return result


def _binary(run: "Interpreter", node: ast.BinOp, frame: "Frame") -> Value:
    return binary(run, node.op, evaluate(run, node.left, frame), evaluate(run, node.right, frame))


def _unary(run: "Interpreter", node: ast.UnaryOp, frame: "Frame") -> Value:
    operand = evaluate(run, node.operand, frame)
    if isinstance(node.op, ast.Not):
        answer = objects.answer_of(run, operand)
        if answer is Answer.UNKNOWN:
            made = derived("a condition", operand)
            return made if made.missing else untold("a condition")
        return known(answer is Answer.NO, *trails(operand))
    bare = held_value(operand)
    if isinstance(bare, Known):
        try:
            return known(_UNARY[type(node.op)](bare.value), *bare.trail)
        except TypeError:
            note = Evidence(run.at(node), "this has no sign")
            raise RaiseSignal("TypeError", note) from None
    made = derived("an operation", bare)
    return made if made.missing else untold("an operation")


def _tuple(run: "Interpreter", node: ast.Tuple, frame: "Frame") -> Value:
    return Items({"items": spread(run, node.elts, frame)}, tuple)


def _list(run: "Interpreter", node: ast.List, frame: "Frame") -> Value:
    return Items({"items": spread(run, node.elts, frame)})


def _set(run: "Interpreter", node: ast.Set, frame: "Frame") -> Value:
    return Items({"items": once(spread(run, node.elts, frame))}, set)


def spread(run: "Interpreter", nodes: Sequence[ast.expr], frame: "Frame") -> tuple[Value, ...]:
    """Return the values of several expressions, of which `*those` may be many."""
    values: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            value = evaluate(run, node.value, frame)
            values.extend(iteration.collected(run, value, run.at(node)))
        else:
            values.append(evaluate(run, node, frame))
    return tuple(values)


def _dict(run: "Interpreter", node: ast.Dict, frame: "Frame") -> Value:
    made = Mapped({})
    for key, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(run, value_node, frame)
        if key is None:
            made = laid_over(made, held_value(value))
            continue
        name = as_key(evaluate(run, key, frame))
        if isinstance(name, Known) and hashable(name.value):
            made.slots[name.value] = value
        else:
            made = laid_over(made, derived("a dictionary", name, value))
    return made


def _text(run: "Interpreter", node: ast.JoinedStr, frame: "Frame") -> Value:
    pieces = [evaluate(run, value, frame) for value in node.values]
    if all(isinstance(piece, Known) for piece in pieces):
        parts = [str(piece.value) for piece in pieces if isinstance(piece, Known)]
        if sum(map(len, parts)) <= _SIZE:
            return known("".join(parts), *trail_of(*pieces))
        return untold("a very long text")
    made = derived("a text", *pieces)
    return made if made.missing else untold("a text")


def _formatted(run: "Interpreter", node: ast.FormattedValue, frame: "Frame") -> Value:
    value = evaluate(run, node.value, frame)
    specification: Value = known("")
    if node.format_spec is not None:
        specification = evaluate(run, node.format_spec, frame)
    text = value
    if node.conversion != -1:
        text = as_text(run, value, representation=chr(node.conversion) != "s")
    return as_format(run, text, specification)


def _named(run: "Interpreter", node: ast.NamedExpr, frame: "Frame") -> Value:
    value = evaluate(run, node.value, frame)
    scope = frame.scopes[0] if frame.outer is None else frame.outer
    if node.target.id in frame.global_names:
        scope = frame.module.slots
    run.store(scope, node.target.id, value)
    return value


def _comprehension(
    run: "Interpreter", node: ast.ListComp | ast.SetComp | ast.GeneratorExp, frame: "Frame"
) -> Value:
    results: list[Value] = []
    complete = _rounds(
        run, node.generators, frame, lambda inner: results.append(evaluate(run, node.elt, inner))
    )
    kinds = {ast.SetComp: set, ast.ListComp: list, ast.GeneratorExp: GeneratorType}
    if complete is not None:
        results.append(complete)
    items = tuple(results)
    if isinstance(node, ast.SetComp):
        items = once(items)
    return Items({"items": items}, kinds[type(node)])


def _dictionary_comprehension(run: "Interpreter", node: ast.DictComp, frame: "Frame") -> Value:
    made = Mapped({})

    def add(inner: "Frame") -> None:
        key = as_key(evaluate(run, node.key, inner))
        value = evaluate(run, node.value, inner)
        if isinstance(key, Known) and hashable(key.value):
            made.slots[key.value] = value
        else:
            made.rest = derived("a dictionary", key, value)
            made.rest = made.rest if made.rest.missing else untold("a dictionary")

    made.rest = _rounds(run, node.generators, frame, add) or made.rest
    return made


def _rounds(
    run: "Interpreter",
    generators: Sequence[ast.comprehension],
    frame: "Frame",
    action: Callable[["Frame"], None],
) -> Opaque | None:
    """Run a comprehension's rounds; return an opaque "items" where they cannot be told."""
    from deployguard.python.targets import bind_target  # noqa: PLC0415  (mutual recursion)

    if not generators:
        action(frame)
        return None
    first, *others = generators
    inner = type(frame)(
        ({}, *frame.scopes),
        frame.module,
        owner=frame.owner,
        outer=frame.scopes[0] if frame.outer is None else frame.outer,
    )
    iterable = evaluate(run, first.iter, frame)
    result: Opaque | None = None

    def one(value: Value) -> None:
        nonlocal result
        run.step()
        bind_target(run, first.target, value, inner)
        tests = [evaluate(run, test, inner) for test in first.ifs]
        answers = [objects.answer_of(run, test) for test in tests]
        if Answer.NO in answers:
            return
        if Answer.UNKNOWN in answers:
            missing = (
                *(entry for test in tests for entry in missing_of(test)),
                Missing(Reason.SOURCE, "which items are chosen"),
            )
            result = Opaque(missing, "items", harmless=True)
        result = _rounds(run, others, inner, action) or result

    hidden = iteration.each(run, iterable, run.at(first.iter), one)
    if hidden is None:
        return result

    def once() -> None:
        bind_target(run, first.target, derived("an item", iterable, hidden), inner)
        _rounds(run, others, inner, action)

    run.branch(frame, hidden.missing, (once, lambda: None))
    return hidden


def _await(run: "Interpreter", node: ast.Await, frame: "Frame") -> Value:
    return run.await_value(evaluate(run, node.value, frame), run.at(node))


def _yield(run: "Interpreter", node: ast.Yield | ast.YieldFrom, frame: "Frame") -> Value:
    value = known(None) if node.value is None else evaluate(run, node.value, frame)
    if isinstance(node, ast.YieldFrom):
        on_yield = frame.on_yield or (lambda _value: known(None))
        iteration.each(run, value, run.at(node), lambda entry: _ignore(on_yield(entry)))
        return untold("what a generator returns")
    if frame.on_yield is not None:
        return frame.on_yield(value)
    return untold("what is sent to a generator")


def _ignore(_value: Value) -> None:
    return


def _starred(run: "Interpreter", node: ast.Starred, frame: "Frame") -> Value:
    return derived("several values", evaluate(run, node.value, frame))


def _bare_slice(run: "Interpreter", node: ast.Slice, frame: "Frame") -> Value:
    parts = [
        known(None) if part is None else evaluate(run, part, frame)
        for part in (node.lower, node.upper, node.step)
    ]
    if all(isinstance(part, Known) for part in parts):
        return known(slice(*(part.value for part in parts if isinstance(part, Known))))
    return untold("a slice")


_HANDLERS: dict[type[ast.expr], Any] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.Compare: _compare,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.JoinedStr: _text,
    ast.FormattedValue: _formatted,
    ast.NamedExpr: _named,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _dictionary_comprehension,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.Starred: _starred,
    ast.Slice: _bare_slice,
}
