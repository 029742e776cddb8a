"""Expressions of the Python language reference, section 6, partly evaluated."""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import builtins, iteration, objects, patterns
from deployguard.python.concrete import SIZE as _SIZE
from deployguard.python.concrete import Unplain, lift, plain, trails
from deployguard.python.iteration import elements
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    UNSET,
    Class,
    Coroutine,
    Descriptor,
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
    missing_of,
    trail_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter

# The largest exponent and shift that are computed.
_EXPONENT = 64

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
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}

# The special methods of binary operations (Python reference, 3.3.8).
_SPECIAL: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.BitOr: "or", ast.BitAnd: "and", ast.BitXor: "xor", ast.Pow: "pow",
    ast.LShift: "lshift", ast.RShift: "rshift", ast.MatMult: "matmul",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq__", ast.NotEq: "__ne__", ast.Lt: "__lt__", ast.LtE: "__le__",
    ast.Gt: "__gt__", ast.GtE: "__ge__",
}  # fmt: skip
# Expressions of which an opaque value says that they may have raised an exception.
_DOUBTFUL = (ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Await)

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
    return made if made.missing else _failed("a slice")


def item(  # noqa: PLR0911  (one way out for each kind of value)
    run: "Interpreter", owner: Value, index: Value, location: Location
) -> Value:
    """Return `owner[index]`; what certainly is not there raises KeyError or IndexError."""
    own = owner.methods if isinstance(owner, Mapped) else None
    method = own(owner, "__getitem__") if own is not None and isinstance(owner, Mapped) else None
    if method is not None:
        return run.call(method, (index,), {}, location)
    match owner, index:
        case Mapped(), Known(value=key):
            return _entry(run, owner, key, location)
        case (Items(), Known(value=int() as number)) if elements(owner) is not None:
            if -len(owner.items) <= number < len(owner.items):
                return owner.items[number]
            raise RaiseSignal("IndexError", Evidence(location, "the list is shorter"))
        case Known(value=str() | bytes() as text), Known(value=int() as number):
            if -len(text) <= number < len(text):
                return Known(text[number], owner.trail)
            raise RaiseSignal("IndexError", Evidence(location, "the text is shorter"))
        case Class(), _:
            return _of_class(run, owner, index, location)
        case ((Native() | Function()), _):
            return owner  # a generic alias, as in list[int]
        case Instance(), _:
            method = objects.special(run, owner, "__getitem__")
            if method is not None:
                return run.call(method, (index,), {}, location)
            if objects.HELD in owner.slots:
                return _held_item(run, owner, index, location)
            return run.unseen("what an item of this object is", location)
        case Mapped(slots=slots), _:
            return _chosen(run, owner, tuple(slots.values()), index, location)
        case Known(value=None | bool() | int() | float()), _:
            raise RaiseSignal("TypeError", Evidence(location, "this has no items"))
        case _:
            made = derived("an item", owner, index)
            return made if made.missing else _failed("an item")


def _entry(run: "Interpreter", owner: Mapped, key: object, location: Location) -> Value:
    if _hashable(key) and key in owner.slots:
        return owner.slots[key]
    if owner.rest is not None:
        return derived(f"{owner.name}[{key!r}]", owner.rest)
    if owner.factory is not None:
        made = run.call(owner.factory, (), {}, location)
        run.store(owner.slots, key, made)
        return made
    raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {key!r}"))


def _chosen(
    run: "Interpreter",
    owner: Mapped,
    values: tuple[Value, ...],
    index: Value,
    location: Location,
) -> Value:
    """Return one of the values of a dictionary, and nobody knows which."""
    run.doubts += 1
    hidden = missing_of(index) or (Missing(Reason.SOURCE, f"which item of {owner.name} is taken"),)
    del location
    return Opaque(hidden, "an item", parts=values, trail=trail_of(index))


def _held_item(run: "Interpreter", owner: Instance, index: Value, location: Location) -> Value:
    held = owner.slots[objects.HELD]
    method = objects.special(run, owner, "__missing__")
    if method is not None and isinstance(held, Mapped) and isinstance(index, Known):
        if index.value not in held.slots and held.rest is None:
            return run.call(method, (index,), {}, location)
    return item(run, held, index, location)


def _of_class(run: "Interpreter", owner: Class, index: Value, location: Location) -> Value:
    """Return an item of a class: the member of an enumeration, or what `__class_getitem__` gives."""
    if "<members>" in owner.slots and isinstance(index, Known):
        found = owner.slots.get(index.value)
        if isinstance(found, Instance):
            return found
        raise RaiseSignal("KeyError", Evidence(location, f"{owner.name} has no {index.value!r}"))
    hook = objects.in_class(owner, "__class_getitem__")
    if isinstance(hook, Function | Descriptor):
        function = hook.function if isinstance(hook, Descriptor) else hook
        return run.call(objects.bind(function, owner), (index,), {}, location)
    return owner  # a generic alias, as in Box[int]


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
        case (Items(slots=slots), Known(value=int() as number)) if (
            -len(owner.items) <= number < len(owner.items)
        ):
            items = list(owner.items)
            if value is None:
                del items[number]
            else:
                items[number] = value
            run.store(slots, "items", tuple(items))
        case Items(slots=slots), _:
            run.store(slots, "items", (derived("items", index, *owner.items),))
        case Instance(), _:
            name = "__delitem__" if value is None else "__setitem__"
            arguments = (index,) if value is None else (index, value)
            method = objects.special(run, owner, name)
            if method is not None:
                run.call(method, arguments, {}, location)
            elif objects.HELD in owner.slots:
                assign_item(run, owner.slots[objects.HELD], index, value, location)
            else:
                run.unseen("what setting an item of this object does", location)
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
            rest = rest if rest.missing else _failed("further arguments")
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
    return objects.parent(frame.owner, first) if frame.owner is not None else _failed("super()")


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
        outcome = _comparison(run, comparison, left, right)
        if truth(outcome) is not Answer.YES:
            return outcome
        result, left = outcome, right
    return result


def _comparison(run: "Interpreter", comparison: ast.cmpop, left: Value, right: Value) -> Value:
    match comparison:
        case ast.In() | ast.NotIn():
            found = _contains(run, right, left)
            if found is None:
                run.doubts += 1
                return _incomparable(left, right)
            return known(found is isinstance(comparison, ast.In), *trails(left, right))
        case ast.Is() | ast.IsNot():
            alike = same(left, right)
            if alike is None:
                return _incomparable(left, right)
            return known(alike is isinstance(comparison, ast.Is), *trail_of(left, right))
        case _:
            return compare(run, comparison, left, right)


def compare(run: "Interpreter", comparison: ast.cmpop, left: Value, right: Value) -> Value:
    """Return the value of a comparison by order or equality."""
    for one, other, name in (
        (left, right, _COMPARISONS[type(comparison)]),
        (right, left, _REFLECTED[type(comparison)]),
    ):
        method = objects.special(run, one, name)
        if method is not None:
            return run.call(method, (other,), {}, run.place)
    equals = isinstance(comparison, ast.Eq | ast.NotEq)
    if isinstance(comparison, ast.NotEq):
        method = objects.special(run, left, "__eq__")
        if method is not None:
            answer = truth(run.call(method, (right,), {}, run.place))
            if answer is not Answer.UNKNOWN:
                return known(answer is Answer.NO)
    left, right = _bare(left), _bare(right)
    if not isinstance(left, Opaque) and left is right and not isinstance(left, Items | Mapped):
        return known(isinstance(comparison, ast.Eq | ast.LtE | ast.GtE))
    if equals:
        equal = patterns.equal(left, right)
        if equal is not None:
            return known(equal is isinstance(comparison, ast.Eq), *trails(left, right))
        return _incomparable(left, right)
    try:
        one, two = plain(left), plain(right)
    except Unplain:
        run.doubts += 1
        return _incomparable(left, right)
    try:
        return known(bool(_COMPARE[type(comparison)](one, two)), *trails(left, right))
    except TypeError:
        note = Evidence(run.place, "these have no order")
        raise RaiseSignal("TypeError", note) from None


_REFLECTED: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq__", ast.NotEq: "__ne__", ast.Lt: "__gt__", ast.LtE: "__ge__",
    ast.Gt: "__lt__", ast.GtE: "__le__",
}  # fmt: skip


def _bare(value: Value) -> Value:
    """Return what an object of a built-in class or its subclass holds."""
    if isinstance(value, Instance) and objects.HELD in value.slots:
        held: Value = value.slots[objects.HELD]
        return held
    return value


def _incomparable(left: Value, right: Value) -> Value:
    result = derived("a comparison", left, right)
    if result.missing:
        return result
    missing = Missing(Reason.SOURCE, "how two objects compare")
    return Opaque((missing,), "a comparison", harmless=True)


def _contains(run: "Interpreter", container: Value, value: Value) -> bool | None:
    method = objects.special(run, container, "__contains__")
    if method is not None:
        answer = truth(run.call(method, (value,), {}, run.place))
        return None if answer is Answer.UNKNOWN else answer is Answer.YES
    container, bare = _bare(container), _bare(value)
    if isinstance(container, Known) and isinstance(bare, Known):
        try:
            return bare.value in container.value
        except TypeError:
            note = Evidence(run.place, "this holds nothing")
            raise RaiseSignal("TypeError", note) from None
    if isinstance(container, Mapped) and isinstance(bare, Known):
        if _hashable(bare.value) and bare.value in container.slots:
            return True
        return False if container.rest is None else None
    hidden = elements(container) is None and not isinstance(container, Items)
    if hidden and (isinstance(container, Opaque) or not _listed(run, container)):
        return None
    values = iteration.collected(run, container, run.place)
    answers = [patterns.equal(_bare(entry), bare) for entry in values]
    if True in answers:
        return True
    return None if None in answers else False


def _listed(run: "Interpreter", container: Value) -> bool:
    generates = isinstance(container, Coroutine) and container.generates
    return generates or objects.special(run, container, "__iter__") is not None


def same(left: Value, right: Value) -> bool | None:
    """Return whether two values are one object, None where it cannot be told."""
    if isinstance(left, Known) and isinstance(right, Known):
        one, two = left.value, right.value
        if one is None or two is None or isinstance(one, bool) or isinstance(two, bool):
            return one is two
        return None if one == two and type(one) is type(two) else False
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        return None
    if isinstance(left, Native) and isinstance(right, Native):
        return left is right or left.name == right.name
    return left is right


def augmented(run: "Interpreter", kind: ast.operator, left: Value, right: Value) -> Value:
    """Return the value of `left += right`: lists and dictionaries are changed in place."""
    match left, right:
        case Items(kind=list_kind), _ if list_kind is list and isinstance(kind, ast.Add):
            added = iteration.collected(run, right, run.place)
            run.store(left.slots, "items", (*left.items, *added))
            return left
        case Mapped(), Mapped() if isinstance(kind, ast.BitOr):
            for key, entry in right.slots.items():
                run.store(left.slots, key, entry)
            left.rest = left.rest or right.rest
            return left
        case Instance(), _:
            method = objects.special(run, left, f"__i{_SPECIAL[type(kind)]}__")
            if method is not None:
                return run.call(method, (right,), {}, run.place)
        case _:
            pass
    return binary(run, kind, left, right)


def binary(  # noqa: PLR0911  (one way out for each kind of operation)
    run: "Interpreter", kind: ast.operator, left: Value, right: Value
) -> Value:
    """Return the value of a binary operation."""
    run.step()
    name = _SPECIAL[type(kind)]
    for one, other, method_name in ((left, right, f"__{name}__"), (right, left, f"__r{name}__")):
        method = objects.special(run, one, method_name)
        if method is not None:
            return run.call(method, (other,), {}, run.place)
    left, right = _bare(left), _bare(right)
    match left, right:
        case Items(), Items() if isinstance(kind, ast.Add):
            return Items({"items": left.items + right.items}, left.kind)
        case (Items() as items, Known(value=int() as times)) | (
            Known(value=int() as times),
            Items() as items,
        ) if isinstance(kind, ast.Mult) and len(items.items) * max(times, 0) <= _SIZE:
            return Items({"items": items.items * times}, items.kind)
        case Items(), Items() if left.kind in {set, frozenset} and type(kind) in _BINARY:
            return _of_sets(run, kind, left, right)
        case Mapped(), Mapped() if isinstance(kind, ast.BitOr):
            return Mapped({**left.slots, **right.slots}, left.rest or right.rest)
        case Known(value=str() as template), _ if isinstance(kind, ast.Mod):
            return builtins.formatted(run, template, right, trails(left, right))
        case Known(value=one), Known(value=two) if type(kind) in _BINARY and not _too_big(
            kind, one, two
        ):
            try:
                return lift(_BINARY[type(kind)](one, two), trail_of(left, right))
            except TypeError:
                note = Evidence(run.place, "these cannot be joined")
                raise RaiseSignal("TypeError", note) from None
            except ZeroDivisionError:
                note = Evidence(run.place, "a division by zero")
                raise RaiseSignal("ZeroDivisionError", note) from None
            except (ValueError, ArithmeticError):
                return _failed("an operation")
        case _:
            pass
    if isinstance(kind, ast.BitOr) and _is_type(left) and _is_type(right):
        return _failed("a union of types")
    made = derived("an operation", left, right)
    return made if made.missing else _failed("an operation")


def _is_type(value: Value) -> bool:
    return isinstance(value, Native | Class) or (isinstance(value, Known) and value.value is None)


def _of_sets(run: "Interpreter", kind: ast.operator, left: Items, right: Items) -> Value:
    try:
        return lift(_BINARY[type(kind)](plain(left), plain(right)), trails(left, right))
    except (Unplain, TypeError):
        run.doubts += 1
        made = derived("items", *left.items, *right.items)
        return Items({"items": (made if made.missing else _failed("items"),)}, left.kind)


def _failed(name: str) -> Opaque:
    return Opaque((Missing(Reason.SOURCE, f"the value of {name}"),), name, harmless=True)


def _too_big(kind: ast.operator, one: object, two: object) -> bool:
    if isinstance(kind, ast.Pow | ast.LShift | ast.RShift):
        numbers = isinstance(one, int | float) and isinstance(two, int | float)
        return not numbers or abs(two) > _EXPONENT or abs(one) > 2.0**_EXPONENT
    if isinstance(kind, ast.Add):
        texts = [value for value in (one, two) if isinstance(value, str | bytes)]
        return sum(map(len, texts)) > _SIZE
    if not isinstance(kind, ast.Mult):
        return isinstance(kind, ast.Mod) and not isinstance(one, int | float)
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
        answer = objects.answer_of(run, operand)
        if answer is Answer.UNKNOWN:
            made = derived("a condition", operand)
            return made if made.missing else _failed("a condition")
        return known(answer is Answer.NO, *trails(operand))
    bare = _bare(operand)
    if isinstance(bare, Known):
        try:
            return known(_UNARY[type(node.op)](bare.value), *bare.trail)
        except TypeError:
            note = Evidence(run.at(node), "this has no sign")
            raise RaiseSignal("TypeError", note) from None
    made = derived("an operation", bare)
    return made if made.missing else _failed("an operation")


def _tuple(run: "Interpreter", node: ast.Tuple, frame: "Frame") -> Value:
    return Items({"items": spread(run, node.elts, frame)}, tuple)


def _list(run: "Interpreter", node: ast.List, frame: "Frame") -> Value:
    return Items({"items": spread(run, node.elts, frame)})


def _set(run: "Interpreter", node: ast.Set, frame: "Frame") -> Value:
    return Items({"items": builtins.once(spread(run, node.elts, frame))}, set)


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
            value = _bare(value)
            if isinstance(value, Mapped):
                made.slots.update(value.slots)
                made.rest = made.rest or value.rest
            else:
                made.rest = derived("a dictionary", value)
            continue
        name = builtins.as_key(evaluate(run, key, frame))
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
    made = derived("a text", *pieces)
    return made if made.missing else _failed("a text")


def _formatted(run: "Interpreter", node: ast.FormattedValue, frame: "Frame") -> Value:
    value = evaluate(run, node.value, frame)
    specification: Value = known("")
    if node.format_spec is not None:
        specification = evaluate(run, node.format_spec, frame)
    text = value
    if node.conversion != -1:
        text = builtins.as_text(run, value, representation=chr(node.conversion) != "s")
    return builtins.as_format(run, text, specification)


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
        items = builtins.once(items)
    return Items({"items": items}, kinds[type(node)])


def _dictionary_comprehension(run: "Interpreter", node: ast.DictComp, frame: "Frame") -> Value:
    made = Mapped({})

    def add(inner: "Frame") -> None:
        key = builtins.as_key(evaluate(run, node.key, inner))
        value = evaluate(run, node.value, inner)
        if isinstance(key, Known) and _hashable(key.value):
            made.slots[key.value] = value
        else:
            made.rest = derived("a dictionary", key, value)
            made.rest = made.rest if made.rest.missing else _failed("a dictionary")

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
        return _failed("what a generator returns")
    if frame.on_yield is not None:
        return frame.on_yield(value)
    return _failed("what is sent to a generator")


def _ignore(_value: Value) -> None:
    return


def _starred(run: "Interpreter", node: ast.Starred, frame: "Frame") -> Value:
    return derived("several values", evaluate(run, node.value, frame))


def _bare_slice(_run: "Interpreter", _node: ast.Slice, _frame: "Frame") -> Value:
    return _failed("a slice")


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
