"""The built-in functions."""

import ast
import operator
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import iteration, objects
from deployguard.python.concrete import (
    Unplain,
    apply,
    cannot,
    none,
    plain,
    text_of,
    unknown,
)
from deployguard.python.conversions import PAIR, as_format, as_text
from deployguard.python.iteration import elements
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.types import is_instance, is_subclass
from deployguard.python.values import (
    Bound,
    Call,
    Class,
    Descriptor,
    DescriptorKind,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    known,
    linearize,
    missing_of,
    trail_of,
    truth,
    visible,
)

if TYPE_CHECKING:
    pass


def _range(call: Call) -> Value:
    try:
        numbers = range(*[operator.index(plain(value)) for value in call.arguments])
    except Unplain:
        return Items({"items": (cannot(call, "items"),)})
    except (TypeError, ValueError) as error:
        note = Evidence(call.location, "a range of this cannot be made")
        raise RaiseSignal(type(error).__name__, note) from None
    if len(numbers) > _RANGE:
        missing = Missing(Reason.LIMIT, "a long range")
        return Items({"items": (Opaque((missing,), "items", harmless=True),)})
    return Items({"items": tuple(known(number) for number in numbers)})


_RANGE = 1000


def _getattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) > 1 else None
    if identifier is not None:
        try:
            return call.run.attribute(call.arguments[0], identifier, call.location)
        except RaiseSignal as signal:
            if len(call.arguments) == _WITH_DEFAULT and signal.name == "AttributeError":
                return call.arguments[2]
            raise
    made = derived("getattr()", *call.arguments)
    missing = made.missing or (Missing(Reason.SOURCE, "which attribute getattr() takes"),)
    call.run.doubts += 1
    return Opaque(missing, "getattr()", parts=(*call.arguments[:1], *_held_by(call.arguments[0])))


def _held_by(owner: Value) -> tuple[Value, ...]:
    """Return what an attribute of an object may be: whatever it holds."""
    slots = owner.slots if isinstance(owner, Class | Module) else {}
    return tuple(entry for key, entry in slots.items() if visible(key) and key[:1] != "_")


_WITH_DEFAULT = 3


def _hasattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) > 1 else None
    if identifier is not None:
        try:
            found = call.run.attribute(call.arguments[0], identifier, call.location)
        except RaiseSignal as signal:
            if signal.name == "AttributeError":
                return known(value=False)
            raise
        if not isinstance(found, Opaque):
            return known(value=True)
    return cannot(call, "hasattr")


def _setattr(call: Call) -> Value:
    identifier = text_of(call.arguments[1]) if len(call.arguments) == _WITH_DEFAULT else None
    if identifier is None:
        return call.run.unseen("which attribute setattr() sets", call.location)
    call.run.assign_attribute(call.arguments[0], identifier, call.arguments[2], call.location)
    return known(None)


def _len(call: Call) -> Value:
    match call.arguments:
        case (Known(value=str() | bytes() as text),):
            return known(len(text), *trail_of(*call.arguments))
        case (Mapped(slots=slots, rest=None),):
            return known(len([key for key in slots if visible(key)]))
        case (Items() as value,) if elements(value) is not None:
            return known(len(value.items))
        case (Instance() as instance,):
            method = objects.special(call.run, instance, "__len__")
            if method is not None:
                return call.run.call(method, (), {}, call.location)
            if objects.HELD in instance.slots:
                held = (instance.slots[objects.HELD],)
                return _len(Call(call.run, call.location, held, {}))
        case _:
            pass
    return cannot(call, "len")


def _any(call: Call, stop: Answer, otherwise: Answer) -> Value:
    values = iteration.collected(call.run, call.arguments[0], call.location)
    answers = [objects.answer_of(call.run, value) for value in values]
    if stop in answers:
        return known(stop is Answer.YES, *trail_of(*values))
    if Answer.UNKNOWN in answers:
        return cannot(call, "any", *values)
    return known(otherwise is Answer.YES, *trail_of(*values))


def _enumerate(call: Call) -> Value:
    start = call.argument(1, "start") or known(0)
    first = start.value if isinstance(start, Known) and isinstance(start.value, int) else None
    values = iteration.collected(call.run, call.arguments[0], call.location)
    pairs: list[Value] = []
    for position, value in enumerate(values):
        if isinstance(value, Opaque) and value.name == "items":
            pairs.append(value)
            continue
        number = unknown("a number") if first is None else known(first + position)
        pairs.append(Items({"items": (number, value)}, tuple))
    return Items({"items": tuple(pairs)}, GeneratorType)


def _several(call: Call, arguments: tuple[Value, ...]) -> list[tuple[Value, ...]] | Opaque:
    """Return the values of several iterations, or what hides how many there are."""
    lists = [iteration.collected(call.run, value, call.location) for value in arguments]
    for values in lists:
        if values and isinstance(values[-1], Opaque) and values[-1].name == "items":
            return values[-1]
    return lists


def _zip(call: Call) -> Value:
    lists = _several(call, call.arguments)
    if isinstance(lists, Opaque):
        return Items({"items": (lists,)}, GeneratorType)
    rows = zip(*lists, strict=False)
    return Items({"items": tuple(Items({"items": row}, tuple) for row in rows)}, GeneratorType)


def _map(call: Call) -> Value:
    function, *iterables = call.arguments
    lists = _several(call, tuple(iterables))
    if isinstance(lists, Opaque):
        condition = lists.missing[0] if lists.missing else Missing(Reason.SOURCE, "what is mapped")
        call.run.perhaps(function, call.location, condition)
        return Items({"items": (lists,)}, GeneratorType)
    made = [call.run.call(function, row, {}, call.location) for row in zip(*lists, strict=False)]
    return Items({"items": tuple(made)}, GeneratorType)


def _filter(call: Call) -> Value:
    function = call.arguments[0]
    found: list[Value] = []
    for value in iteration.collected(call.run, call.arguments[1], call.location):
        test = value if none(function) else call.run.call(function, (value,), {}, call.location)
        answer = objects.answer_of(call.run, test)
        if answer is Answer.UNKNOWN or (isinstance(value, Opaque) and value.name == "items"):
            hidden = derived("items", value, test)
            found = [hidden if hidden.missing else unknown("items")]
            break
        if answer is Answer.YES:
            found.append(value)
    return Items({"items": tuple(found)}, GeneratorType)


def _keyed(call: Call, values: tuple[Value, ...]) -> list[Any] | None:
    """Return what values are ordered by, None where that is not known."""
    key = call.keywords.get("key")
    try:
        if key is None or none(key):
            return [plain(value) for value in values]
        return [plain(call.run.call(key, (value,), {}, call.location)) for value in values]
    except Unplain:
        return None


def in_order(call: Call) -> Value:
    """Return sorted(values, key=..., reverse=...)."""
    values = iteration.collected(call.run, call.arguments[0], call.location)
    keys = _keyed(call, values)
    reverse = truth(call.keywords.get("reverse", known(value=False)))
    if keys is None or reverse is Answer.UNKNOWN:
        hidden = derived("items", *values)
        return Items({"items": (hidden if hidden.missing else unknown("items"),)})
    try:
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse is Answer.YES)
    except TypeError:
        note = Evidence(call.location, "these have no order")
        raise RaiseSignal("TypeError", note) from None
    return Items({"items": tuple(values[position] for position in order)})


def _extreme(call: Call, choose: Callable[..., Any]) -> Value:
    several = len(call.arguments) > 1
    given = call.arguments if several else ()
    values = given or iteration.collected(call.run, call.arguments[0], call.location)
    if not values and "default" in call.keywords:
        return call.keywords["default"]
    keys = _keyed(call, values)
    if keys is None:
        return cannot(call, "min", *values)
    try:
        chosen: Value = values[choose(range(len(keys)), key=keys.__getitem__)]
    except (TypeError, ValueError) as error:
        note = Evidence(call.location, "there is no smallest or largest of these")
        raise RaiseSignal(type(error).__name__, note) from None
    return chosen


def _sum(call: Call) -> Value:
    from deployguard.python.operations import binary  # noqa: PLC0415  (mutual recursion

    total = call.argument(1, "start") or known(0)
    for value in iteration.collected(call.run, call.arguments[0], call.location):
        total = binary(call.run, ast.Add(), total, value)
    return total


def _reversed(call: Call) -> Value:
    values = iteration.collected(call.run, call.arguments[0], call.location)
    return Items({"items": tuple(reversed(values))}, GeneratorType)


def _iter(call: Call) -> Value:
    if len(call.arguments) > 1:
        return Items({"items": (cannot(call, "items"),)}, GeneratorType)
    return iteration.iterator(call.run, call.arguments[0], call.location)


def next_value(call: Call) -> Value:
    """Return next(iterator, default)."""
    found = iteration.following(call.run, call.arguments[0], call.location)
    if found is not None:
        return found
    if len(call.arguments) > 1:
        return call.arguments[1]
    raise RaiseSignal("StopIteration", Evidence(call.location, "there is no further value"))


def _exit(_call: Call) -> Value:
    raise ExitSignal(Evidence(_call.location, "the program ends here"))


def _nothing(_call: Call) -> Value:
    return known(None)


def _text_to_run(value: Value | None) -> str | bytes | None:
    match value:
        case Known(value=str() | bytes() as text):
            return text
        case Instance(slots={"<source>": Known(value=str() | bytes() as text)}):
            return text
        case _:
            return None


def _compile(call: Call) -> Value:
    text = call.argument(0, "source")
    if _text_to_run(text) is None:
        return Opaque(missing_of(text) if text else (), "compile()")
    return Instance(None, _CODE, {"<source>": text})


_CODE = Native("code")


def _scope(call: Call, position: int, keyword: str) -> dict[Any, Any] | None:
    """Return the names that exec() or eval() sees; None where they are not known."""
    given = call.argument(position, keyword)
    if none(given):
        frame = call.run.scopes[-1] if call.run.scopes else None
        return frame.scopes[0] if frame is not None else {}
    return given.slots if isinstance(given, Mapped) else None


def _exec(call: Call) -> Value:
    text = _text_to_run(call.argument(0, "source"))
    scope = _scope(call, 1, "globals")
    if text is None or scope is None:
        return call.run.unseen("what exec() runs", call.location)
    current = call.run.current or Module("exec", {})
    module = current
    if scope is not current.slots and not none(call.argument(1, "globals")):
        module = Module("exec", scope)
        scope.setdefault("<location>", call.location)
    call.run.execute_text(text, module)
    return known(None)


def _eval(call: Call) -> Value:
    from deployguard.python import expressions, source  # noqa: PLC0415  (mutual recursion)
    from deployguard.python.interpreter import Frame  # noqa: PLC0415

    text = _text_to_run(call.argument(0, "source"))
    scope = _scope(call, 1, "globals")
    if text is None or scope is None:
        return call.run.unseen("what eval() runs", call.location)
    whole = text if isinstance(text, str) else text.decode("utf-8", "replace")
    tree = source.parse(whole.strip(), call.run.version)
    if isinstance(tree, source.Refused) or (
        not isinstance(tree, Missing)
        and not (len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr))
    ):
        raise RaiseSignal("SyntaxError", Evidence(call.location, "eval() of what is none"))
    if isinstance(tree, Missing):
        # An evaluator that cannot parse a word such as a variable's value: Python's would raise.
        return call.run.unseen("what eval() runs", call.location)
    current = call.run.current or Module("eval", {})
    scopes = call.run.scopes[-1].scopes if call.run.scopes and scope is not None else (scope,)
    if not none(call.argument(1, "globals")):
        scopes, current = (scope,), Module("eval", scope)
    statement = tree.body[0]
    frame = Frame(scopes, current)
    return expressions.evaluate(call.run, statement.value, frame)  # type: ignore[attr-defined]


def _globals(call: Call) -> Value:
    module = call.run.current or Module("?", {})
    return Mapped(module.slots, module.rest, "globals()")


def _locals(call: Call) -> Value:
    frame = call.run.scopes[-1] if call.run.scopes else None
    return Mapped(frame.scopes[0] if frame is not None else {}, name="locals()")


def _vars(call: Call) -> Value:
    if not call.arguments:
        return _locals(call)
    match call.arguments[0]:
        case Instance() as instance:
            return objects.attributes_of(instance)
        case Class(slots=slots):
            return Mapped(slots, name="the attributes of an object")
        case Module(slots=slots, rest=rest):
            return Mapped(slots, rest, "the names of a module")
        case _:
            return cannot(call, "vars")


def _dir(call: Call) -> Value:
    owner = call.arguments[0] if call.arguments else None
    if owner is None and call.run.scopes:
        owner = Module("names", call.run.scopes[-1].scopes[0])
    match owner:
        case Class():
            slots = [base.slots for base in linearize(owner) if isinstance(base, Class)]
        case Instance(type=Class() as cls):
            slots = [base.slots for base in linearize(cls) if isinstance(base, Class)]
            slots.append(owner.slots)
        case Module(slots=names, rest=None):
            slots = [names]
        case _:
            return Items({"items": (cannot(call, "items"),)})
    found = {key for one in slots for key in one if isinstance(key, str) and visible(key)}
    return Items({"items": tuple(known(key) for key in sorted(found))})


def _import(call: Call) -> Value:
    key = text_of(call.argument(0, "name"))
    if key is None:
        return call.run.unseen("what __import__() imports", call.location)
    module = call.run.import_module(key, call.location)
    listed = call.argument(3, "fromlist")
    if listed is not None and truth(listed) is Answer.YES:
        return module
    return call.run.modules.get(key.partition(".")[0], module)


def _open(call: Call) -> Value:
    from deployguard.python.standard import streams  # noqa: PLC0415  (large and rare)

    return streams.opened(call)


def _breakpoint(call: Call) -> Value:
    from deployguard.python.standard import servers  # noqa: PLC0415  (large and rare)

    return servers.breakpoint_hook(call)


def _isinstance(call: Call, ask: Callable[[Value, Value], Answer]) -> Value:
    if len(call.arguments) != PAIR:
        return cannot(call, "isinstance")
    answer = ask(*call.arguments)
    if answer is Answer.UNKNOWN:
        return cannot(call, "isinstance")
    return known(answer is Answer.YES)


def _callable(call: Call) -> Value:
    match call.arguments:
        case (Function() | Bound() | Class() | Native() | Descriptor(),):
            return known(value=True)
        case (Known() | Items() | Mapped() | Module(),):
            return known(value=False)
        case (Instance(type=Class() as cls),) if not any(
            isinstance(base, Opaque) for base in linearize(cls)
        ):
            return known(objects.in_class(cls, "__call__") is not None)
        case _:
            return cannot(call, "callable")


def _format(call: Call) -> Value:
    specification = call.argument(1, "format_spec") or known("")
    return as_format(call.run, call.arguments[0], specification)


def _descriptor(kind: DescriptorKind) -> Model:
    def model(call: Call) -> Value:
        function = call.argument(0, "fget")
        if function is None:
            return unknown("a property")
        return Descriptor(kind, function, call.argument(1, "fset"))

    return model


def _needs(count: int, label: str, model: Model) -> Model:
    """Return a model that is only asked with that many arguments: fewer raise TypeError."""

    def checked(call: Call) -> Value:
        if len(call.arguments) < count:
            if call.open is not None or call.keywords:
                return cannot(call, label)
            note = Evidence(call.location, f"{label}() is given too few arguments")
            raise RaiseSignal("TypeError", note)
        return model(call)

    return checked


def _applied(label: str, function: Callable[..., Any]) -> Model:
    return lambda call: apply(call, label, function)


def _rounded(number: float, digits: int | None = None) -> float:
    if digits is not None and abs(digits) > _PLACES:
        raise ValueError(digits)
    return round(number, digits)


_PLACES = 300


_COMPUTED: dict[str, Callable[..., Any]] = {
    "abs": abs, "bin": bin, "chr": chr, "divmod": divmod, "hex": hex, "oct": oct, "ord": ord,
    "round": _rounded,
}  # fmt: skip


_COUNTED: dict[str, tuple[int, Model]] = {
    "getattr": (2, _getattr),
    "hasattr": (2, _hasattr),
    "setattr": (3, _setattr),
    "len": (1, _len),
    "any": (1, lambda call: _any(call, Answer.YES, Answer.NO)),
    "all": (1, lambda call: _any(call, Answer.NO, Answer.YES)),
    "range": (1, _range),
    "enumerate": (1, _enumerate),
    "map": (2, _map),
    "filter": (2, _filter),
    "sorted": (1, in_order),
    "min": (1, lambda call: _extreme(call, min)),
    "max": (1, lambda call: _extreme(call, max)),
    "sum": (1, _sum),
    "reversed": (1, _reversed),
    "iter": (1, _iter),
    "next": (1, next_value),
    "repr": (1, lambda call: as_text(call.run, call.arguments[0], representation=True)),
    "format": (1, _format),
    "callable": (1, _callable),
}


FUNCTIONS: dict[str, Model] = {
    **{label: _applied(label, function) for label, function in _COMPUTED.items()},
    **{label: _needs(count, label, model) for label, (count, model) in _COUNTED.items()},
    "globals": _globals,
    "locals": _locals,
    "vars": _vars,
    "dir": _dir,
    "zip": _zip,
    "exit": _exit,
    "quit": _exit,
    "print": _nothing,
    "breakpoint": _breakpoint,
    "help": _nothing,
    "delattr": lambda call: call.run.unseen("which attribute delattr() removes", call.location),
    "compile": _compile,
    "exec": _exec,
    "eval": _eval,
    "__import__": _import,
    "open": _open,
    "isinstance": lambda call: _isinstance(call, is_instance),
    "issubclass": lambda call: _isinstance(call, is_subclass),
    "property": _descriptor(DescriptorKind.PROPERTY),
    "staticmethod": _descriptor(DescriptorKind.STATIC_METHOD),
    "classmethod": _descriptor(DescriptorKind.CLASS_METHOD),
}


def function(label: str) -> Native:
    """Return a built-in function by its name."""
    return Native(label, FUNCTIONS[label])
