"""Expressions of the Python language reference, section 6, partly evaluated."""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import builtins, patterns
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import (
    UNSET,
    Class,
    Coroutine,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    derived,
    has_special,
    known,
    missing_of,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter

# No computed text or list may grow beyond this, in characters or items.
_SIZE = 20_000

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

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
            return _failed("a very long text")
        case Items() if len(value.items) > _SIZE:
            return _failed("a very long list")
        case _:
            return value


def elements(value: Value | None) -> tuple[Value, ...] | None:
    """Return the values that iteration gives, None where they cannot be told."""
    match value:
        case Items():
            if any(isinstance(item, Opaque) and item.name == "items" for item in value.items):
                return None
            return value.items
        case Mapped(slots=slots, rest=None):
            return tuple(known(key) for key in slots)
        case Known(value=str() | bytes() as text):
            return tuple(Known(item, value.trail) for item in text)
        case _:
            return None


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
        except (TypeError, ValueError):
            pass
    return derived("a slice", owner, *parts)


def item(run: "Interpreter", owner: Value, index: Value, location: Location) -> Value:
    """Return `owner[index]`; what certainly is not there raises KeyError or IndexError."""
    own = owner.methods if isinstance(owner, Mapped) else None
    special = own(owner, "__getitem__") if own is not None and isinstance(owner, Mapped) else None
    if special is not None:
        return run.call(special, (index,), {}, location)
    match owner, index:
        case Mapped(slots=slots, rest=rest), Known(value=key):
            if _hashable(key) and key in slots:
                return slots[key]
            if rest is not None:
                return derived(f"{owner.name}[{key!r}]", rest)
            raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {key!r}"))
        case (Items(), Known(value=int() as number)) if elements(owner) is not None:
            if -len(owner.items) <= number < len(owner.items):
                return owner.items[number]
            raise RaiseSignal("IndexError", Evidence(location, "the list is shorter"))
        case Known(value=str() | bytes() as text), Known(value=int() as number):
            if -len(text) <= number < len(text):
                return Known(text[number], owner.trail)
            raise RaiseSignal("IndexError", Evidence(location, "the text is shorter"))
        case ((Class() | Native() | Function()), _):
            return owner  # a generic alias, as in list[int]
        case Instance(), _ if owner.type is not None or has_special(owner, "__getitem__"):
            method = run.attribute(owner, "__getitem__", location)
            return run.call(method, (index,), {}, location)
        case Mapped(slots=slots), _:
            # One of its values, and nobody knows which.
            parts = tuple(slots.values())
            return Opaque(missing_of(index), "an item", parts=parts, trail=trail_of(index))
        case _:
            return derived("an item", owner, index)


def _hashable(key: object) -> bool:
    return isinstance(key, str | bytes | int | float | bool | tuple) or key is None


def assign_item(
    run: "Interpreter", owner: Value, index: Value, value: Value | None, location: Location
) -> None:
    """Set `owner[index]`, or delete it where the value is None."""
    match owner, index:
        case Mapped(slots=slots), Known(value=key) if _hashable(key):
            if value is None and key not in slots and owner.rest is None:
                raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {key!r}"))
            run.store(slots, key, UNSET if value is None else _traced(owner, key, value, location))
        case Mapped(slots=slots), _:
            for name in tuple(slots):
                run.store(slots, name, derived("an item", slots[name], index))
            run.unseen(f"which item of {owner.name} is set", location)
        case (Items(slots=slots), Known(value=int() as number)) if value is not None and -len(
            owner.items
        ) <= number < len(owner.items):
            items = list(owner.items)
            items[number] = value
            run.store(slots, "items", tuple(items))
        case Items(slots=slots), _:
            run.store(slots, "items", (derived("items", index, *owner.items),))
        case Instance(), _ if owner.type is not None or has_special(owner, "__setitem__"):
            name = "__delitem__" if value is None else "__setitem__"
            arguments = (index,) if value is None else (index, value)
            run.call(run.attribute(owner, name, location), arguments, {}, location)
        case Opaque(harmless=harmless, parts=parts), _ if parts or not harmless:
            run.unseen(f"what setting an item of {owner.name} does", location)
        case _:
            return


def _traced(owner: Mapped, key: object, value: Value, location: Location) -> Value:
    """Remember where a variable of the environment was set in the source."""
    if owner.name == builtins.ENVIRON and isinstance(value, Known):
        note = f"the program sets {key} to {builtins.shown(str(key), value.value)}"
        return known(value.value, *value.trail, Evidence(location, note))
    return value


def _call(run: "Interpreter", node: ast.Call, frame: "Frame") -> Value:
    function = evaluate(run, node.func, frame)
    arguments: list[Value] = []
    keywords: dict[str, Value] = {}
    rest: Opaque | None = None
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            value = evaluate(run, argument.value, frame)
            values = elements(value)
            if values is None:
                rest = derived("further arguments", value)
            else:
                arguments.extend(values)
        else:
            arguments.append(evaluate(run, argument, frame))
    for keyword in node.keywords:
        value = evaluate(run, keyword.value, frame)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Mapped) and all(isinstance(key, str) for key in value.slots):
            keywords.update(value.slots)
            rest = value.rest or rest
        else:
            rest = derived("further arguments", value)
    if isinstance(node.func, ast.Name) and node.func.id == "super" and frame.owner is not None:
        return builtins.parent(frame.owner, frame.scopes[0])
    return run.call(function, arguments, keywords, run.at(node), rest)


def bind(
    run: "Interpreter",
    function: Function,
    arguments: tuple[Value, ...],
    keywords: Mapping[str, Value],
    rest: Opaque | None,
    slots: dict[Any, Any],
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
        answer = truth(value)
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
    match truth(test):
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
        outcome = _comparison(run, comparison, left, right, run.at(node))
        if truth(outcome) is not Answer.YES:
            return outcome
        result, left = outcome, right
    return result


def _comparison(
    run: "Interpreter", comparison: ast.cmpop, left: Value, right: Value, location: Location
) -> Value:
    match comparison:
        case ast.In() | ast.NotIn():
            if has_special(right, "__contains__"):
                method = run.attribute(right, "__contains__", location)
                answer = truth(run.call(method, (left,), {}, location))
                found = None if answer is Answer.UNKNOWN else answer is Answer.YES
            else:
                found = _contains(right, left)
            if found is None:
                return derived("a membership test", left, right)
            return known(found is isinstance(comparison, ast.In), *trail_of(left, right))
        case ast.Is() | ast.IsNot():
            same = _same(left, right)
            if same is None:
                return derived("an identity test", left, right)
            return known(same is isinstance(comparison, ast.Is), *trail_of(left, right))
        case _:
            return _order(comparison, left, right)


def _order(comparison: ast.cmpop, left: Value, right: Value) -> Value:
    if isinstance(left, Known) and isinstance(right, Known):
        try:
            holds = _COMPARE[type(comparison)](left.value, right.value)
        except TypeError:
            return derived("a comparison", left, right)
        return known(holds, *trail_of(left, right))
    if not isinstance(left, Opaque) and left is right:
        return known(isinstance(comparison, ast.Eq | ast.LtE | ast.GtE))
    if isinstance(comparison, ast.Eq | ast.NotEq):
        equal = patterns.equal(left, right)
        if equal is not None:
            return known(equal is isinstance(comparison, ast.Eq), *trail_of(left, right))
    return _incomparable(left, right)


def _incomparable(left: Value, right: Value) -> Value:
    result = derived("a comparison", left, right)
    if result.missing:
        return result
    missing = Missing(Reason.SOURCE, "how two objects compare")
    return Opaque((missing,), "a comparison", harmless=True)


def _contains(container: Value, value: Value) -> bool | None:
    if isinstance(container, Known) and isinstance(value, Known):
        try:
            return value.value in container.value
        except TypeError:
            return None
    if isinstance(container, Mapped) and isinstance(value, Known):
        if value.value in container.slots:
            return True
        return False if container.rest is None else None
    values = elements(container)
    if values is None:
        return None
    answers = [patterns.equal(entry, value) for entry in values]
    if True in answers:
        return True
    return None if None in answers else False


def _same(left: Value, right: Value) -> bool | None:
    if isinstance(left, Known) and isinstance(right, Known):
        if left.value is None or right.value is None or isinstance(left.value, bool):
            return left.value is right.value
        return None if left.value == right.value else False
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        return None
    return left is right


def binary(run: "Interpreter", kind: ast.operator, left: Value, right: Value) -> Value:
    """Return the value of a binary operation."""
    run.step()
    match left, right:
        case Items(), Items() if isinstance(kind, ast.Add):
            return Items({"items": left.items + right.items}, left.kind)
        case Mapped(), Mapped() if isinstance(kind, ast.BitOr):
            return Mapped({**left.slots, **right.slots}, left.rest or right.rest)
        case Known(value=str() as template), Items() if isinstance(kind, ast.Mod):
            values = tuple(entry.value for entry in right.items if isinstance(entry, Known))
            if len(values) == len(right.items):
                return builtins.formatted(template, values, trail_of(left, *right.items))
        case Known(value=str() as template), Known() if isinstance(kind, ast.Mod):
            return builtins.formatted(template, right.value, trail_of(left, right))
        case Known(value=one), Known(value=two) if type(kind) in _BINARY and not (
            isinstance(kind, ast.Mult | ast.Add) and _too_big(kind, one, two)
        ):
            try:
                return known(_BINARY[type(kind)](one, two), *trail_of(left, right))
            except (TypeError, ValueError, ArithmeticError):
                return _failed("an operation")
        case _:
            pass
    made = derived("an operation", left, right)
    return made if made.missing else _failed("an operation")


def _failed(name: str) -> Opaque:
    return Opaque((Missing(Reason.SOURCE, f"the value of {name}"),), name, harmless=True)


def _too_big(kind: ast.operator, one: object, two: object) -> bool:
    if isinstance(kind, ast.Add):
        texts = [value for value in (one, two) if isinstance(value, str | bytes)]
        return sum(map(len, texts)) > _SIZE
    sizes = [
        len(value)
        if isinstance(value, str | bytes)
        else abs(value).bit_length()
        if not isinstance(other, str | bytes)
        else abs(value)
        for value, other in ((one, two), (two, one))
        if isinstance(value, str | bytes | int)
    ]
    return len(sizes) == 2 and sizes[0] * sizes[1] > _SIZE  # noqa: PLR2004  (two operands)


def _binary(run: "Interpreter", node: ast.BinOp, frame: "Frame") -> Value:
    return binary(run, node.op, evaluate(run, node.left, frame), evaluate(run, node.right, frame))


def _unary(run: "Interpreter", node: ast.UnaryOp, frame: "Frame") -> Value:
    operand = evaluate(run, node.operand, frame)
    if isinstance(node.op, ast.Not):
        answer = truth(operand)
        if answer is Answer.UNKNOWN:
            return derived("a condition", operand)
        return known(answer is Answer.NO, *trail_of(operand))
    if isinstance(operand, Known):
        try:
            return known(_UNARY[type(node.op)](operand.value), *operand.trail)
        except TypeError:
            return _failed("an operation")
    return derived("an operation", operand)


def _tuple(run: "Interpreter", node: ast.Tuple, frame: "Frame") -> Value:
    return Items({"items": _spread(run, node.elts, frame)}, tuple)


def _list(run: "Interpreter", node: ast.List, frame: "Frame") -> Value:
    return Items({"items": _spread(run, node.elts, frame)})


def _set(run: "Interpreter", node: ast.Set, frame: "Frame") -> Value:
    return Items({"items": _spread(run, node.elts, frame)}, set)


def _spread(run: "Interpreter", nodes: Sequence[ast.expr], frame: "Frame") -> tuple[Value, ...]:
    values: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            value = evaluate(run, node.value, frame)
            spread = elements(value)
            values.extend((derived("items", value),) if spread is None else spread)
        else:
            values.append(evaluate(run, node, frame))
    return tuple(values)


def _dict(run: "Interpreter", node: ast.Dict, frame: "Frame") -> Value:
    made = Mapped({})
    for key, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(run, value_node, frame)
        if key is None:
            if isinstance(value, Mapped):
                made.slots.update(value.slots)
                made.rest = made.rest or value.rest
            else:
                made.rest = derived("a dictionary", value)
            continue
        name = evaluate(run, key, frame)
        if isinstance(name, Known) and _hashable(name.value):
            made.slots[name.value] = value
        else:
            made.rest = derived("a dictionary", name, value)
    return made


def _text(run: "Interpreter", node: ast.JoinedStr, frame: "Frame") -> Value:
    pieces = [evaluate(run, value, frame) for value in node.values]
    if all(isinstance(piece, Known) for piece in pieces):
        parts = [str(piece.value) for piece in pieces if isinstance(piece, Known)]
        if sum(map(len, parts)) <= _SIZE:
            return known("".join(parts), *trail_of(*pieces))
        return _failed("a very long text")
    return derived("a text", *pieces)


def _formatted(run: "Interpreter", node: ast.FormattedValue, frame: "Frame") -> Value:
    value = evaluate(run, node.value, frame)
    if isinstance(value, Known) and node.format_spec is None:
        text = repr(value.value) if node.conversion == ord("r") else str(value.value)
        return known(text, *value.trail)
    return derived("a text", value) if missing_of(value) else _failed("a formatted text")


def _named(run: "Interpreter", node: ast.NamedExpr, frame: "Frame") -> Value:
    value = evaluate(run, node.value, frame)
    run.store(frame.scopes[0], node.target.id, value)
    return value


def _comprehension(
    run: "Interpreter", node: ast.ListComp | ast.SetComp | ast.GeneratorExp, frame: "Frame"
) -> Value:
    results: list[Value] = []
    complete = _rounds(
        run, node.generators, frame, lambda inner: results.append(evaluate(run, node.elt, inner))
    )
    kind = set if isinstance(node, ast.SetComp) else list
    if complete is not None:
        results.append(complete)
    return Items({"items": tuple(results)}, kind)


def _dictionary_comprehension(run: "Interpreter", node: ast.DictComp, frame: "Frame") -> Value:
    made = Mapped({})

    def add(inner: "Frame") -> None:
        key, value = evaluate(run, node.key, inner), evaluate(run, node.value, inner)
        if isinstance(key, Known) and _hashable(key.value):
            made.slots[key.value] = value
        else:
            made.rest = derived("a dictionary", key, value)

    made.rest = _rounds(run, node.generators, frame, add) or made.rest
    return made


def _rounds(
    run: "Interpreter",
    generators: Sequence[ast.comprehension],
    frame: "Frame",
    action: Callable[["Frame"], None],
) -> Opaque | None:
    """Run a comprehension's rounds; return an opaque "items" where they cannot be told."""
    from deployguard.python.statements import bind_target  # noqa: PLC0415  (mutual recursion)

    if not generators:
        action(frame)
        return None
    first, *others = generators
    inner = type(frame)(({}, *frame.scopes), frame.module, owner=frame.owner)
    iterable = evaluate(run, first.iter, frame)
    values = elements(iterable)
    if values is None:
        hidden = derived("items", iterable)

        def once() -> None:
            bind_target(run, first.target, derived("an item", iterable), inner)
            _rounds(run, others, inner, action)

        run.branch(frame, hidden.missing, (once, lambda: None))
        return hidden
    result: Opaque | None = None
    for value in values:
        run.step()
        bind_target(run, first.target, value, inner)
        answers = [truth(evaluate(run, test, inner)) for test in first.ifs]
        if Answer.NO in answers:
            continue
        if Answer.UNKNOWN in answers:
            missing = Missing(Reason.SOURCE, "which items are chosen")
            result = Opaque((missing,), "items", harmless=True)
        result = _rounds(run, others, inner, action) or result
    return result


def _await(run: "Interpreter", node: ast.Await, frame: "Frame") -> Value:
    return run.await_value(evaluate(run, node.value, frame), run.at(node))


def _yield(run: "Interpreter", node: ast.Yield | ast.YieldFrom, frame: "Frame") -> Value:
    if node.value is not None:
        value = evaluate(run, node.value, frame)
        if isinstance(value, Coroutine):
            run.await_value(value, run.at(node))
    return _failed("what is sent to a generator")


def _starred(run: "Interpreter", node: ast.Starred, frame: "Frame") -> Value:
    return derived("several values", evaluate(run, node.value, frame))


def _bare_slice(_run: "Interpreter", _node: ast.Slice, _frame: "Frame") -> Value:
    return _failed("a slice")


def raised(name: str, note: Evidence) -> RaiseSignal | ExitSignal:
    """Return the signal of an exception; SystemExit ends the process."""
    return ExitSignal(note) if name == "SystemExit" else RaiseSignal(name, note)


def catches(pattern: ast.expr | None, name: str) -> Answer:
    """Say whether `except pattern` catches an exception of that name."""
    if pattern is None:
        return Answer.YES
    names = [
        part.id
        if isinstance(part, ast.Name)
        else part.attr
        if isinstance(part, ast.Attribute)
        else ""
        for part in (pattern.elts if isinstance(pattern, ast.Tuple) else (pattern,))
    ]
    return builtins.catches(tuple(names), name)


def matches(run: "Interpreter", pattern: ast.pattern, subject: Value, frame: "Frame") -> Answer:
    """Say whether a match pattern fits (Python reference, 8.6); binds a plain capture."""
    match pattern:
        case ast.MatchValue(value=node):
            equal = patterns.equal(evaluate(run, node, frame), subject)
            return Answer.UNKNOWN if equal is None else Answer.YES if equal else Answer.NO
        case ast.MatchSingleton(value=constant):
            same = _same(known(constant), subject)
            return Answer.UNKNOWN if same is None else Answer.YES if same else Answer.NO
        case ast.MatchOr(patterns=options):
            answers = [matches(run, option, subject, frame) for option in options]
            if Answer.YES in answers:
                return Answer.YES
            return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.NO
        case ast.MatchAs(pattern=None, name=name):
            if name is not None:
                run.store(frame.scopes[0], name, subject)
            return Answer.YES
        case _:
            return Answer.UNKNOWN


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
